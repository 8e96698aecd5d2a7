// Three small pictures over the same time: what has ended, how fast, and what is in the queue.

import { el } from "./api.js";

const HIGH = 90;
const LEFT = 46;
const BUCKETS = 40;

export function drawChart(place, points, now, total, limit) {
  if (points.length < 2 || place.clientWidth < 120) {
    place.replaceChildren(el("p", { class: "soft" }, "Nothing has ended yet."));
    return;
  }
  const first = points[0][0];
  const latest = Math.max(points.at(-1)[0], now || 0, first + 1);
  const last = latest + 0.03 * (latest - first); // the last step is to be seen, too
  const width = place.clientWidth;
  const x = (when) => LEFT + ((width - LEFT - 6) * (when - first)) / (last - first);
  const ended = points.map(([when, , done, bad]) => [when, done + bad]);
  const bad = points.map(([when, , , bad]) => [when, bad]);
  const queue = points.map(([when, queued]) => [when, queued]);
  const speed = rates(ended, first, last);
  place.replaceChildren(
    panel("ended", width, x, last, Math.max(total, 1), total, [
      ["done", ended],
      ["bad", bad],
    ]),
    panel("ended an hour", width, x, last, highest(speed), null, [["rate", speed]]),
    panel("in the queue", width, x, last, Math.max(highest(queue), limit || 1), limit, [
      ["queue", queue],
    ]),
    axis(width, x, first, last),
  );
}

const highest = (line) => Math.max(1, ...line.map(([, value]) => value));

/** How many ended in each of some equal parts of the time, an hour. */
function rates(ended, first, last) {
  const part = (last - first) / BUCKETS;
  const found = [];
  let before = 0;
  let n = 0;
  for (let bucket = 1; bucket <= BUCKETS; bucket += 1) {
    const end = first + bucket * part;
    let value = before;
    while (n < ended.length && ended[n][0] <= end) value = ended[n++][1];
    found.push([end - part, (Math.max(0, value - before) * 3600) / part]);
    before = value;
  }
  return found;
}

function panel(title, width, x, last, top, dashed, lines) {
  const y = (value) => HIGH - 6 - ((HIGH - 26) * value) / top;
  const areas = lines.map(([kind, points]) => {
    let path = `M${x(points[0][0])},${y(0)}`;
    let before = 0;
    for (const [when, value] of points) {
      path += `L${x(when)},${y(before)}L${x(when)},${y(value)}`;
      before = value;
    }
    return el("path", {
      class: "area " + kind,
      d: path + `L${x(last)},${y(before)}L${x(last)},${y(0)}Z`,
    });
  });
  const end = lines[0][1].at(-1)[1];
  return el(
    "svg",
    {
      width,
      height: HIGH,
      viewBox: `0 0 ${width} ${HIGH}`,
      role: "img",
      "aria-label": `${title}: now ${number(end)}, at most ${number(highest(lines[0][1]))}`,
    },
    el("text", { x: LEFT, y: 13 }, title),
    el("text", { x: LEFT - 5, y: y(top) + 4, class: "tick" }, number(top)),
    el("text", { x: LEFT - 5, y: y(0) + 3, class: "tick" }, "0"),
    ...areas,
    dashed
      ? el("line", { class: "limit", x1: LEFT, x2: x(last), y1: y(dashed), y2: y(dashed) })
      : null,
    el("line", { class: "base", x1: LEFT, x2: x(last), y1: y(0), y2: y(0) }),
  );
}

const number = (value) => {
  if (value < 10) return String(Math.round(value * 10) / 10);
  const short = value >= 100_000 ? { notation: "compact", maximumFractionDigits: 1 } : {};
  return Math.round(value).toLocaleString("en", short);
};

function axis(width, x, first, last) {
  const long = last - first > 36 * 3600;
  const text = (when) => {
    const iso = new Date(
      (when - 60 * new Date(when * 1000).getTimezoneOffset()) * 1000,
    ).toISOString();
    return long ? iso.slice(5, 16).replace("T", " ") : iso.slice(11, 19);
  };
  return el(
    "svg",
    { width, height: 16, viewBox: `0 0 ${width} 16`, "aria-hidden": "true" },
    el("text", { x: x(first), y: 11 }, text(first)),
    el("text", { x: x(last), y: 11, class: "tick" }, text(last)),
  );
}
