// One job: why it is where it is, what it needs and what needs it, its past, and what can be done.

import { date, el, get } from "./api.js";
import { chip, kind, shown } from "./legend.js";

const SIDE = 8; // jobs on each side of the graph
const BOX = { width: 108, height: 22, row: 28 };

export function drawJob(place, job, choose, order) {
  const words = job.words.map((word) => {
    const [what, when, detail] = word.split("@");
    return el("li", {}, el("time", {}, date(when)), ` ${what}`, detail ? ` ${detail}` : "");
  });
  const buttons = job.verbs.map((verb) =>
    el(
      "button",
      {
        class: verb === "kill" ? "control danger" : "control",
        onclick: () => order(verb, [job.name]),
      },
      verb[0].toUpperCase() + verb.slice(1),
    ),
  );
  const open = place.dataset.name === job.name && place.querySelector("details")?.open;
  place.dataset.name = job.name;
  place.replaceChildren(
    el("h2", {}, chip(shown(job)), " ", job.name),
    el("p", { class: "why" }, job.why),
    el("div", { class: "buttons" }, ...buttons),
    graph(job, choose),
    el("ul", { class: "words" }, ...words),
    el(
      "details",
      {
        open: Boolean(open),
        ontoggle: (event) => event.target.open && fill(event.target, job.name),
      },
      el("summary", {}, "All that was written of it"),
    ),
    ...(job.tail ? [el("pre", { tabindex: 0, "aria-label": "end of its output" }, job.tail)] : []),
  );
}

async function fill(place, name) {
  const { lines } = await get("log", { job: name });
  place.replaceChildren(place.firstChild, el("pre", { tabindex: 0 }, lines.join("\n")));
}

/** What it needs on the left, what needs it on the right. */
function graph(job, choose) {
  const before = job.needs.map((need) => ({
    name: need.maker,
    text: need.maker
      ? near(need.maker, job.name)
      : (need.absent ? "no " : "") + near(need.file, job.name),
    title: need.maker || need.file,
    state: need.maker ? need.state : "",
    good: need.there !== need.absent,
  }));
  const after = job.after.jobs.map((other) => ({
    name: other.name,
    text: near(other.name, job.name),
    title: other.name,
    state: other.state,
    good: true,
  }));
  if (!before.length && !after.length)
    return el("p", { class: "soft" }, "It needs nothing, and nothing needs it.");
  const left = shortened(before, 0);
  const right = shortened(after, job.after.more);
  const rows = Math.max(left.length, right.length, 1);
  const width = 3 * BOX.width + 56;
  const height = rows * BOX.row + 4;
  const middle = { x: BOX.width + 28, y: height / 2 };
  const made = el("svg", {
    viewBox: `0 0 ${width} ${height}`,
    class: "graph",
    role: "group",
    "aria-label": "dependencies",
  });
  const column = (nodes, x, from, to) => {
    const top = (height - nodes.length * BOX.row) / 2 + BOX.row / 2;
    nodes.forEach((node, n) => {
      const y = top + n * BOX.row;
      made.append(
        el("path", {
          class: node.good ? "edge" : "edge open",
          d: `M${from(x)},${from === inside ? middle.y : y}L${to(x)},${to === inside ? middle.y : y}`,
        }),
        box(node, x, y, choose),
      );
    });
  };
  const inside = (x) => (x === 0 ? middle.x : middle.x + BOX.width);
  column(left, 0, (x) => x + BOX.width, inside);
  column(right, 2 * BOX.width + 56, inside, (x) => x);
  made.append(
    box(
      { text: near(job.name, job.name), title: job.name, state: shown(job), good: true, own: true },
      middle.x,
      middle.y,
      choose,
    ),
  );
  return made;
}

function box({ name, text, title, state, good, own }, x, y, choose) {
  const go = name && !own ? () => choose(name) : null;
  const made = el(
    "g",
    {
      class: "node" + (own ? " own" : "") + (go ? " link" : ""),
      transform: `translate(${x},${y - BOX.height / 2})`,
      tabindex: go ? 0 : null,
      role: go ? "button" : null,
      "aria-label": go ? `${title}, ${state}` : null,
    },
    el(
      "title",
      {},
      state ? `${title}: ${state}` : `${title}: ${good ? "as it must be" : "not yet"}`,
    ),
    el("rect", {
      width: BOX.width,
      height: BOX.height,
      rx: 4,
      class: state || own ? "frame" : "frame file",
    }),
  );
  if (state) {
    made.append(
      el("rect", { x: 3, y: 3, width: 16, height: 16, rx: 3, fill: kind(state).fill }),
      el("text", { x: 11, y: 15, class: "sign", "text-anchor": "middle" }, kind(state).sign),
    );
  } else if (title && !own && good !== null)
    made.append(el("text", { x: 11, y: 15, "text-anchor": "middle" }, good ? "✓" : "…"));
  made.append(el("text", { x: 23, y: 15 }, text.length > 14 ? "…" + text.slice(-13) : text));
  if (go) {
    made.addEventListener("click", go);
    made.addEventListener(
      "keydown",
      (event) => (event.key === "Enter" || event.key === " ") && go(),
    );
  }
  return made;
}

/** A name as seen from the folder of another one. */
function near(name, from) {
  const folder = from.slice(0, from.lastIndexOf("/") + 1);
  return folder && name.startsWith(folder) ? name.slice(folder.length) : name;
}

/** The first few; first those that are not there yet. */
function shortened(nodes, more) {
  const sorted = [...nodes].sort((a, b) => Number(a.good) - Number(b.good));
  const few = sorted.slice(0, SIDE);
  const rest = nodes.length - few.length + more;
  return rest ? [...few, { text: `and ${rest} more`, title: "", state: "", good: null }] : few;
}
