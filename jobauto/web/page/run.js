// The page of one run: asks once for everything, and then follows what changes.

import { Refused, at, el, find, get, job as fetchJob, logout, seldom, verb } from "./api.js";
import { drawChart } from "./chart.js";
import { Grid, drawLegend } from "./grid.js";
import { drawJob } from "./job.js";
import { learn } from "./legend.js";
import { List } from "./list.js";
import { drawBar, drawSummary, inQueue, number } from "./summary.js";
import { drawTask, followTask } from "./task.js";

let status = null;
let past = null;
let chosen = "";
let newest = 0; // tick of the last event: an answer may be older, and come later

const grid = new Grid(find("map"), choose, (text) => (find("spoken").textContent = text));
const list = new List(choose, order);

const refreshStatus = seldom(
  guarded(async () => {
    const found = await get("status");
    if (found.tick < newest) return;
    status = found;
    drawStatus();
    if (status.task) followTask();
  }),
  1000,
);
const refreshGrid = seldom(
  guarded(async () => {
    const data = await get("grid");
    learn(data.legend);
    grid.take(data);
    drawMap();
    if (status) drawBar(status);
    drawTask();
    if (data.tick < newest) refreshGrid();
  }),
  1000,
);
const refreshPast = seldom(
  guarded(async () => {
    past = await get("history");
    drawPast();
  }),
  1000,
);
const refreshList = seldom(
  guarded(() => list.refresh()),
  1500,
);
const refreshLog = seldom(
  guarded(async () => {
    const place = find("log").querySelector("pre");
    if (!find("log").open) return;
    place.textContent = (await get("log", { lines: 200 })).lines.join("\n");
    place.scrollTop = place.scrollHeight;
  }),
  2000,
);
const refreshJob = seldom(
  guarded(async () => {
    const name = chosen;
    if (!name) return;
    const found = await fetchJob(name);
    if (name === chosen) drawJob(find("job"), found, choose, order);
  }),
  300,
);

function guarded(work) {
  return async () => {
    try {
      await work();
    } catch (error) {
      trouble(error);
    }
  };
}

function trouble(error) {
  if (error instanceof Refused && error.status === 401) {
    banner(
      "You are not logged in here any more: the monitor has started again, or ended. ",
      el("a", { href: "/login" }, "Log in"),
    );
  } else if (error instanceof Refused) say(error.message, true);
  else lost();
}

function banner(...parts) {
  find("banner").hidden = !parts.length;
  find("banner").replaceChildren(...parts);
}

function lost() {
  const over = status && status.progress.left === 0;
  document.body.dataset.link = "lost";
  banner(
    over
      ? "The run is over and its monitor has ended; this is how it was. jobauto web shows it again."
      : "No answer: the monitor has ended, or the way to it is cut. This is how the run was last; trying again.",
  );
}

function say(text, bad = false) {
  const said = find("said");
  said.textContent = text;
  said.className = bad ? "bad" : "good";
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (said.textContent = ""), 8000);
}

async function order(name, jobs = [], body = {}) {
  try {
    const told = await verb(name, { jobs, ...body });
    const whom =
      told.jobs.length === 1
        ? told.jobs[0]
        : told.jobs.length
          ? `${told.jobs.length} jobs`
          : "the run";
    say(
      status.monitor
        ? `${name} ${whom}: the monitor was told, it obeys in its next tick`
        : `${name} ${whom}: done`,
    );
    refreshStatus();
    refreshList();
    refreshJob();
  } catch (error) {
    trouble(error);
  }
}

function choose(name) {
  chosen = name;
  grid.select(name);
  refreshJob();
}

// --- drawing ---

function drawStatus() {
  banner();
  drawSummary(status, choose);
  list.count(status.counts);
  drawLimits(status.limits);
  drawPast();
}

function drawLimits(limits) {
  for (const [name, value] of Object.entries(limits)) {
    const field = find("limits").elements[name];
    if (field && document.activeElement !== field && !field.dirty) field.value = value ?? "";
  }
}

function drawMap() {
  const counts = new Map();
  let jobs = 0;
  for (const line of grid.data.cells) {
    for (const place of line) {
      if (place < 0) continue;
      const { word } = grid.data.legend[place];
      counts.set(word, (counts.get(word) || 0) + 1);
      jobs += 1;
    }
  }
  const folders = grid.data.folders.length.toLocaleString("en");
  find("map-size").textContent = `${folders} folders, ${jobs.toLocaleString("en")} jobs`;
  drawLegend(find("legend"), grid.data.legend, counts, (word) => {
    list.show(word === "running" ? "started" : word);
    find("list").scrollIntoView({ block: "nearest" });
  });
}

/** The newest numbers; what was before them is asked for only once in a while. */
function addPast() {
  const done = number(status, "finished", "skipped");
  if (!past || past.points.length > 1000) refreshPast();
  else {
    past.points.push([status.now, inQueue(status), done, status.progress.done - done]);
    drawPast();
  }
}

function drawPast() {
  if (past && status)
    drawChart(
      find("chart"),
      past.points,
      status.monitor ? status.now : 0,
      status.progress.total,
      status.limits.maxqsub,
    );
}

// --- what a person does ---

find("log").addEventListener("toggle", refreshLog);
find("check").addEventListener("click", () => order("check"));
find("stop").addEventListener("click", () => order("stop"));
find("resume").addEventListener("click", () => order("resume"));
find("retry-all").addEventListener("click", () => order("retry", ["failed"]));
find("logout").addEventListener("click", logout);
find("kill").addEventListener("click", () => {
  find("sure-what").textContent = `${inQueue(status)} of its jobs are in the queue now.`;
  find("sure").returnValue = "no";
  find("sure").showModal();
});
find("sure").addEventListener(
  "close",
  () => find("sure").returnValue === "yes" && order("kill", [], { run: true }),
);
for (const field of find("limits").elements)
  field.addEventListener("input", () => (field.dirty = true));
find("limits").addEventListener("submit", (event) => {
  event.preventDefault();
  const values = {};
  for (const field of event.target.elements) {
    if (field.name && field.dirty && field.value) values[field.name] = Number(field.value);
    field.dirty = false;
  }
  if (Object.keys(values).length) order("limit", [], { values });
  else say("Nothing was changed.");
});
find("switchq").addEventListener("submit", (event) => {
  event.preventDefault();
  order("switchq", [], { run: true, values: { queue: event.target.elements.queue.value } });
});
new ResizeObserver(() => drawPast()).observe(find("chart"));

// --- following ---

function all() {
  refreshGrid();
  refreshStatus();
  refreshPast();
  refreshList();
  refreshJob();
}

function changed(event) {
  const { changed: cells, more, ...now } = JSON.parse(event.data);
  newest = now.tick;
  if (!status || !grid.data.legend.length) {
    all();
    return;
  }
  status = { ...status, ...now };
  drawStatus();
  if (more || !grid.change(cells)) refreshGrid();
  else drawMap();
  addPast();
  if (Object.keys(cells).length) refreshList();
  refreshJob();
  refreshLog();
}

const events = new EventSource(at("api/events"));
events.addEventListener("open", all);
events.addEventListener("change", changed);
events.addEventListener("error", () => {
  if (events.readyState === EventSource.CLOSED) get("status").then(lost, trouble);
  else lost();
});
all();
