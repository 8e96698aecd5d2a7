// What is drawn on the map: cells and names.

export const BAD = new Set(["failed", "unsure", "killed"]);
const UNDER_WAY = new Set(["submitting", "started", "running"]);

/** A cell is told by its colour and by its form, or where it is large enough by its sign. */
export function cell(pen, { word, fill, sign }, x, y, size, soft) {
  const edge = size >= 8 ? 1 : 0.5;
  const side = size - 2 * edge;
  pen.fillStyle = fill;
  if (size >= 14) {
    pen.beginPath();
    pen.roundRect(x + edge, y + edge, side, side, 3);
    pen.fill();
    pen.fillStyle = pen.strokeStyle = "#000000";
    pen.lineWidth = 2;
    if (BAD.has(word)) pen.stroke();
    pen.textAlign = "center";
    pen.fillText(sign, x + size / 2, y + size / 2 + 4);
    pen.textAlign = "left";
    return;
  }
  const middle = (part) => {
    const inner = side * part;
    pen.fillRect(x + (size - inner) / 2, y + (size - inner) / 2, inner, inner);
  };
  if (word === "waiting" || word === "held") {
    pen.fillStyle = soft;
    middle(0.34);
  } else if (word === "ready") {
    middle(0.6);
  } else if (UNDER_WAY.has(word)) {
    pen.fillRect(x + edge, y + size / 2, side, side / 2);
  } else if (word === "blocked") {
    pen.fillRect(x + size * 0.35, y + edge, size * 0.3, side);
  } else {
    pen.fillRect(x + edge, y + edge, side, side);
    pen.fillStyle = "#000000";
    if (BAD.has(word)) middle(0.5);
  }
}

/** An id over its column; in the middle of it and upright if a size is given. */
export function heading(pen, id, x, head, size) {
  if (!size) {
    pen.fillText(id, x + 3, head - 4);
    return;
  }
  pen.save();
  pen.translate(x + size / 2 + 4, head - 4);
  pen.rotate(-Math.PI / 2);
  pen.fillText(fitted(pen, id, head - 8), 0, 0);
  pen.restore();
}

export function fitted(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  let end = text.length - 1;
  while (end > 0 && pen.measureText(text.slice(0, end) + "…").width > width) end -= 1;
  return end > 0 ? text.slice(0, end) + "…" : "";
}
