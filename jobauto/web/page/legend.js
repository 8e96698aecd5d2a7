// Colours and signs of states, as the server names them.

import { el } from "./api.js";

const kinds = new Map();

export function learn(legend) {
  for (const kind of legend) kinds.set(kind.word, kind);
}

export const kind = (word) => kinds.get(word) || { word, fill: "#888888", sign: "·", says: "" };

/** What a line of a list is shown as: `started` may run already. */
export const shown = (line) =>
  line.state === "started" && line.queue === "running" ? "running" : line.state;

/** A little coloured box with the sign of a state. */
export function chip(word, title = `${word}: ${kind(word).says}`) {
  const { fill, sign } = kind(word);
  return el(
    "svg",
    { width: 16, height: 16, viewBox: "0 0 16 16", class: "chip", "aria-hidden": "true" },
    el("title", {}, title),
    el("rect", { width: 16, height: 16, rx: 3, fill }),
    el("text", { x: 8, y: 12, "text-anchor": "middle", class: "sign" }, sign),
  );
}
