// The task that the run shares with others: by data set, by site and by person, ours marked.

import { date, el, find, get } from "./api.js";
import { chip, kind } from "./legend.js";

const PACE = 30_000; // ms; the database is asked no more often
const SOON = 1000; // while it has been asked and has not answered

// what is counted -> the state whose colour and sign it has on the map
const PARTS = { done: "finished", running: "running", failed: "failed", unsure: "unsure", free: "" };

let task = null;
let timer = null;
let wait = SOON;

/** Ask for the numbers from now on, as long as somebody sees the page. */
export function followTask() {
  if (timer === null) ask();
}

async function ask() {
  clearTimeout(timer);
  timer = 0;
  if (!document.hidden && document.body.dataset.link !== "lost") {
    task = await get("task").catch(() => task); // the page says by itself that the way is cut
    drawTask();
  }
  const soon = task !== null && task.asking;
  timer = setTimeout(ask, soon ? wait : PACE);
  wait = soon ? Math.min(2 * wait, PACE) : SOON;
}

document.addEventListener("visibilitychange", () => timer && ask());

export function drawTask() {
  if (!task) return;
  const { found } = task;
  find("task-box").hidden = false;
  find("task-name").textContent = task.name;
  find("task-size").textContent = found ? size(found, task.date) : "the database is being asked";
  find("task-wrong").textContent = task.conditions
    .map(({ what, why, since }) => `${what} since ${date(since)}: ${why}`)
    .join("; ");
  if (!found) return;
  const { total, datasets, sites, persons } = found;
  const top = find("task").firstElementChild ? find("task").firstElementChild.scrollTop : 0;
  find("task").replaceChildren(
    table("data set", datasets, "", null),
    table("site", sites, task.site, total.jobs),
    table("person", persons, task.person, total.jobs),
  );
  find("task").firstElementChild.scrollTop = top;
}

function size({ total, late }, when) {
  const share = total.jobs ? Math.floor((100 * total.done) / total.jobs) : 100;
  const old = late ? `, ${long(late)} claimed longer ago than a lease` : "";
  return `${long(total.done)} of ${long(total.jobs)} done (${share} %)${old}, as of ${date(when)}`;
}

/** A line a share; its bar is a part of `jobs`, or (then some may be free) of its own. */
function table(head, shares, ours, jobs) {
  const words = Object.keys(PARTS).filter((word) => word !== "free" || jobs === null);
  const heads = words.map((word) =>
    PARTS[word]
      ? el("th", { scope: "col", class: "n" }, chip(PARTS[word], word), el("span", { class: "word" }, ` ${word}`))
      : el("th", { scope: "col", class: "n" }, word),
  );
  const space = jobs === null ? [] : [el("td", { class: "n" })];
  const lines = shares.map((share) => {
    const mine = share.name === ours && ours !== "";
    return el(
      "tr",
      { class: mine ? "ours" : null },
      el("th", { scope: "row" }, share.name || "–", mine ? el("small", {}, " (ours)") : null),
      el("td", { class: "bars", "aria-hidden": "true" }, bar(share, words, jobs ?? share.jobs)),
      ...words.map((word) => el("td", { class: share[word] ? "n" : "n soft" }, long(share[word]))),
      ...space.map((cell) => cell.cloneNode()),
    );
  });
  const first = el("th", { scope: "col" }, head, el("small", {}, ` ${long(shares.length)}`));
  const bars = el("td", { class: "bars", "aria-hidden": "true" });
  return el(
    "div",
    { class: "tall", tabindex: 0, role: "region", "aria-label": `task by ${head}` },
    el(
      "table",
      { class: "shares" },
      el("thead", {}, el("tr", {}, first, bars, ...heads, ...space)),
      el("tbody", {}, ...lines),
    ),
  );
}

function bar(share, words, jobs) {
  const parts = words
    .filter((word) => share[word])
    .map((word) => {
      const part = el("span", { class: word });
      part.style.flexGrow = share[word];
      if (PARTS[word]) part.style.backgroundColor = kind(PARTS[word]).fill;
      return part;
    });
  const rest = el("span", {});
  rest.style.flexGrow = jobs - share.jobs;
  return el("div", { class: "parts" }, ...parts, jobs > share.jobs ? rest : null);
}

const long = (value) => value.toLocaleString("en");
