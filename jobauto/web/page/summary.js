// The head of the page: where the run is, what is wrong, and its figures.

import { date, el, find } from "./api.js";
import { kind } from "./legend.js";

const ORDER = [
  ...["finished", "skipped", "failed", "unsure", "killed", "blocked", "held"],
  ...["started", "submitting", "ready", "waiting"],
];
const STRANGE = 3; // jobs that are named at most

/** How many jobs are in these states. */
export const number = ({ counts }, ...words) =>
  words.reduce((sum, word) => sum + (counts[word] || 0), 0);

export const inQueue = (status) => number(status, "started", "submitting");

export function drawSummary(status, choose) {
  const name = `${status.project}/${status.run}`;
  const { done, total } = status.progress;
  document.title = `${done}/${total} ${status.run}`;
  document.body.dataset.role = status.role;
  document.body.dataset.link = "good";
  find("run").textContent = name;
  find("where").textContent = where(status, name);
  const stopped = status.conditions.some((condition) => condition.what === "stopped");
  find("stop").hidden = stopped;
  find("resume").hidden = !stopped;
  for (const id of ["check", "stop", "resume", "limits", "switchq"]) {
    find(id).toggleAttribute("inert", !status.monitor);
  }
  drawConditions(status, choose);
  drawFigures(status);
  drawBar(status);
}

function where(status, name) {
  const watched = status.monitor
    ? `on ${status.scheduler}, seen ${date(status.date)}`
    : `no monitor watches this run; to go on: jobmon.py --ldir ${name}`;
  return status.role === "owner" ? watched : `${watched}; you may look, not change`;
}

function drawConditions({ conditions, strange }, choose) {
  const wrong = conditions.map(({ what, why, since, until }) => {
    const again = until ? ` (next try ${date(until)})` : "";
    return el("li", {}, el("b", {}, what), ` since ${date(since)}: ${why}${again}`);
  });
  const held = strange.slice(0, STRANGE).map((name) => {
    const link = el("button", { class: "quiet", onclick: () => choose(name) }, name);
    return el("li", {}, "waits for a person in the queue: ", link);
  });
  const more = strange.length - held.length;
  find("conditions").replaceChildren(
    ...wrong,
    ...held,
    ...(more > 0 ? [el("li", {}, `and ${more} more that wait for a person`)] : []),
  );
}

function drawFigures(status) {
  const { counts, limits, monitor } = status;
  const { done, total, left, rate, end } = status.progress;
  const share = total ? Math.floor((100 * done) / total) : 100;
  const others = Object.values(status.others).reduce((sum, many) => sum + many, 0);
  const bad = number(status, "failed", "killed", "unsure");
  const figures = [
    ["ended", `${long(done)} of ${long(total)}`, `${share} %`],
    ["an hour", rate === null || !monitor ? "–" : long(rate, rate < 10 ? 1 : 0), "lately"],
    ["expected end", end ? date(end) : left ? "–" : "over", left ? `${long(left)} to come` : ""],
    [
      "in the queue",
      long(inQueue(status)),
      `of at most ${limits.maxqsub}${others ? `, ${others} more of yours` : ""}`,
    ],
    [
      "failed, killed, unsure",
      long(bad),
      counts.blocked ? `${counts.blocked} blocked by them` : "",
    ],
  ];
  find("tiles").replaceChildren(
    ...figures.map(([name, value, note]) =>
      el("div", {}, el("dt", {}, name), el("dd", {}, value, el("small", {}, note))),
    ),
  );
}

const long = (value, digits = 0) => value.toLocaleString("en", { maximumFractionDigits: digits });

/** How far it is, as a bar of all states. */
export function drawBar({ counts }) {
  const there = ORDER.filter((word) => counts[word]);
  const texts = there.map((word) => `${counts[word]} ${word}`);
  find("bar").setAttribute("aria-label", texts.join(", "));
  find("bar").replaceChildren(
    ...there.map((word, n) => {
      const part = el("span", { title: texts[n] });
      part.style.flexGrow = counts[word];
      part.style.background = kind(word).fill;
      return part;
    }),
  );
}
