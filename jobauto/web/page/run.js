// The page of one run: asks once for everything, and then follows what changes.

import { Refused, at, date, el, find, get, job as fetchJob, seldom, verb } from "./api.js";
import { drawChart } from "./chart.js";
import { Grid, drawLegend } from "./grid.js";
import { drawJob } from "./job.js";
import { chip, learn } from "./legend.js";
import { List } from "./list.js";

let status = null;
let past = null;
let chosen = "";

const grid = new Grid(find("map"), choose, (text) => (find("spoken").textContent = text));
const list = new List(choose, order);

const refreshStatus = seldom(guarded(async () => {
  status = await get("status");
  drawStatus();
}), 1000);
const refreshGrid = seldom(guarded(async () => {
  const data = await get("grid");
  learn(data.legend);
  grid.take(data);
  drawMap();
}), 1000);
const refreshPast = seldom(guarded(async () => {
  past = await get("history");
  drawPast();
}), 1000);
const refreshList = seldom(guarded(() => list.refresh()), 1500);
const refreshLog = seldom(guarded(async () => {
  const place = find("log").querySelector("pre");
  if (!find("log").open) return;
  place.textContent = (await get("log", { lines: 200 })).lines.join("\n");
  place.scrollTop = place.scrollHeight;
}), 2000);
const refreshJob = seldom(guarded(async () => {
  const name = chosen;
  if (!name) return;
  const found = await fetchJob(name);
  if (name === chosen) drawJob(find("job"), found, choose, order);
}), 300);

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
    banner("You are not logged in here any more: the monitor has started again, or ended. ", el("a", { href: "/login" }, "Log in"));
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
  banner(over ? "The run is over and its monitor has ended; this is how it was. jobauto web shows it again."
    : "No answer: the monitor has ended, or the way to it is cut. This is how the run was last; trying again.");
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
    const whom = told.jobs.length === 1 ? told.jobs[0] : told.jobs.length ? `${told.jobs.length} jobs` : "the run";
    say(status.monitor ? `${name} ${whom}: the monitor was told, it obeys in its next tick` : `${name} ${whom}: done`);
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
  const { progress: far, counts, limits } = status;
  find("run").textContent = `${status.project}/${status.run}`;
  document.title = `${far.done}/${far.total} ${status.run}`;
  document.body.dataset.role = status.role;
  document.body.dataset.link = "good";
  const watched = status.monitor ? `on ${status.scheduler}, seen ${date(status.date)}` : `no monitor watches this run; to go on: jobmon.py --ldir ${status.project}/${status.run}`;
  find("where").textContent = status.role === "owner" ? watched : `${watched}; you may look, not change`;
  banner();
  const stopped = status.conditions.some((condition) => condition.what === "stopped");
  find("stop").hidden = stopped;
  find("resume").hidden = !stopped;
  for (const id of ["check", "stop", "resume", "limits", "switchq"]) find(id).toggleAttribute("inert", !status.monitor);
  const strange = status.strange.map((name) => el("li", {}, "waits for a person in the queue: ", el("button", { class: "quiet", onclick: () => choose(name) }, name)));
  find("conditions").replaceChildren(
    ...status.conditions.map((c) => el("li", {}, el("b", {}, c.what), ` since ${date(c.since)}: ${c.why}`, c.until ? ` (next try ${date(c.until)})` : "")),
    ...strange.slice(0, 3),
    ...(strange.length > 3 ? [el("li", {}, `and ${strange.length - 3} more that wait for a person`)] : []),
  );
  const inQueue = (counts.started || 0) + (counts.submitting || 0);
  const others = Object.values(status.others).reduce((sum, number) => sum + number, 0);
  const bad = (counts.failed || 0) + (counts.unsure || 0) + (counts.killed || 0);
  const share = far.total ? Math.floor((100 * far.done) / far.total) : 100;
  tiles([
    ["ended", `${far.done.toLocaleString("en")} of ${far.total.toLocaleString("en")}`, `${share} %`],
    ["an hour", far.rate === null || !status.monitor ? "–" : far.rate.toLocaleString("en", { maximumFractionDigits: far.rate < 10 ? 1 : 0 }), "lately"],
    ["expected end", far.end ? date(far.end) : far.left ? "–" : "over", far.left ? `${far.left.toLocaleString("en")} to come` : ""],
    ["in the queue", `${inQueue}`, `of at most ${limits.maxqsub}${others ? `, ${others} more of yours` : ""}`],
    ["failed, killed, unsure", `${bad}`, counts.blocked ? `${counts.blocked} blocked by them` : ""],
  ]);
  const order = ["finished", "skipped", "failed", "unsure", "killed", "blocked", "held", "started", "submitting", "ready", "waiting"];
  find("bar").setAttribute("aria-label", order.filter((w) => counts[w]).map((w) => `${counts[w]} ${w}`).join(", "));
  find("bar").replaceChildren(...order.filter((word) => counts[word]).map((word) => {
    const part = el("span", { "data-word": word, title: `${counts[word]} ${word}` });
    part.style.flexGrow = counts[word];
    return part;
  }));
  paintBar();
  list.count(counts);
  drawLimits(limits);
  drawPast();
}

function paintBar() {
  for (const part of find("bar").children) part.style.background = colours.get(part.dataset.word) || "";
}

const colours = new Map();

function tiles(rows) {
  find("tiles").replaceChildren(...rows.map(([name, value, note]) => el("div", {}, el("dt", {}, name), el("dd", {}, value, el("small", {}, note)))));
}

function drawLimits(limits) {
  for (const [name, value] of Object.entries(limits)) {
    const field = find("limits").elements[name];
    if (field && document.activeElement !== field && !field.dirty) field.value = value ?? "";
  }
}

function drawMap() {
  const counts = new Map();
  let cells = 0;
  for (const line of grid.data.cells) for (const number of line) {
    if (number < 0) continue;
    const { word, fill } = grid.data.legend[number];
    counts.set(word, (counts.get(word) || 0) + 1);
    colours.set(word, fill);
    cells += 1;
  }
  for (const { word, fill } of grid.data.legend) colours.set(word, fill);
  find("map-size").textContent = `${grid.data.folders.length.toLocaleString("en")} folders, ${cells.toLocaleString("en")} jobs`;
  drawLegend(find("legend"), grid.data.legend, counts, (word) => {
    list.show(word === "running" ? "started" : word);
    find("list").scrollIntoView({ block: "nearest" });
  });
  paintBar();
}

/** The newest numbers; what was before them is asked for only once in a while. */
function addPast() {
  const { now, counts, progress: far } = status;
  const done = (counts.finished || 0) + (counts.skipped || 0);
  if (!past || past.points.length > 1000) refreshPast();
  else {
    past.points.push([now, (counts.started || 0) + (counts.submitting || 0), done, far.done - done]);
    drawPast();
  }
}

function drawPast() {
  if (past && status) drawChart(find("chart"), past.points, status.monitor ? status.now : 0, status.progress.total, status.limits.maxqsub);
}

// --- what a person does ---

find("log").addEventListener("toggle", refreshLog);
find("check").addEventListener("click", () => order("check"));
find("stop").addEventListener("click", () => order("stop"));
find("resume").addEventListener("click", () => order("resume"));
find("retry-all").addEventListener("click", () => order("retry", ["failed"]));
find("logout").addEventListener("click", async () => {
  await fetch("/logout", { method: "POST" });
  location.assign("/login");
});
find("kill").addEventListener("click", () => {
  const inQueue = (status.counts.started || 0) + (status.counts.submitting || 0);
  find("sure-what").textContent = `${inQueue} of its jobs are in the queue now.`;
  find("sure").returnValue = "no";
  find("sure").showModal();
});
find("sure").addEventListener("close", () => find("sure").returnValue === "yes" && order("kill", [], { run: true }));
for (const field of find("limits").elements) field.addEventListener("input", () => (field.dirty = true));
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
  if (!status || !grid.data.legend.length) return;
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
