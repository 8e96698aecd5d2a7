// The map: a row a folder, a column an id, a cell a job. Many folders stand in several blocks, so
// that all fit on a screen; it is drawn at once, for ten thousand jobs, too.

import { el, find } from "./api.js";
import { BAD, cell, fitted, heading } from "./cells.js";
import { chip } from "./legend.js";

const GAP = 10;
const FONT = "11px system-ui, sans-serif";
const HEAD = 16;
const TALL = 440; // pixels that the map should not exceed
const SMALLEST = 4;
const NAMED = 12; // the smallest cells beside which there are names

export class Grid {
  constructor(canvas, choose, speak) {
    this.canvas = canvas;
    this.choose = choose;
    this.speak = speak;
    this.data = { legend: [], ids: [], folders: [], cells: [] };
    this.longest = { folder: 0, id: 0 };
    this.row = this.column = -1;
    this.dirty = false;
    canvas.addEventListener("click", (event) => this.#point(event, true));
    canvas.addEventListener("mousemove", (event) => this.#point(event, false));
    canvas.addEventListener("mouseleave", () => (find("tip").hidden = true));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("focus", () => this.row < 0 && this.#step(0, 0));
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  take(data) {
    const chosen = this.name(this.row, this.column);
    this.data = data;
    this.number = new Map(data.legend.map((kind, n) => [kind.word, n]));
    this.place = new Map();
    data.folders.forEach((folder, row) => {
      const prefix = folder ? folder + "/qsub." : "qsub.";
      data.ids.forEach((id, column) => {
        if (data.cells[row][column] >= 0) this.place.set(prefix + id, [row, column]);
      });
    });
    [this.row, this.column] = this.place.get(chosen) || [-1, -1];
    const pen = this.canvas.getContext("2d");
    pen.font = FONT;
    const longest = (texts) => Math.max(0, ...texts.map((text) => pen.measureText(text).width));
    this.longest = { folder: longest(data.folders), id: longest(data.ids) };
    this.draw();
  }

  /** Change single cells; false if one of them is not known yet. */
  change(changed) {
    for (const [name, word] of Object.entries(changed)) {
      const place = this.place.get(name);
      if (!place || !this.number.has(word)) return false;
      this.data.cells[place[0]][place[1]] = this.number.get(word);
    }
    this.draw();
    return true;
  }

  name(row, column) {
    const { ids, folders, cells } = this.data;
    if (row < 0 || !(cells[row]?.[column] >= 0)) return "";
    return (folders[row] ? folders[row] + "/" : "") + "qsub." + ids[column];
  }

  word(row, column) {
    return this.data.legend[this.data.cells[row][column]].word;
  }

  select(name) {
    const place = this.place?.get(name);
    if (!place) return;
    [this.row, this.column] = place;
    this.draw();
  }

  draw() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => {
      this.dirty = false;
      const begun = performance.now();
      this.#draw();
      this.canvas.dataset.ms = (performance.now() - begun).toFixed(2);
    });
  }

  /** Cells as large as fit; with the names of all folders if these fit, too. */
  #layout() {
    const width = this.canvas.parentElement.clientWidth;
    const rows = Math.max(1, this.data.folders.length);
    const columns = Math.max(1, this.data.ids.length);
    const made = (size, left, head, per) => {
      const block = left + columns * size + GAP;
      const wide = Math.ceil(rows / per) * block - GAP;
      return {
        size,
        left,
        head,
        per,
        block,
        width: Math.max(width, wide),
        height: head + Math.min(rows, per) * size,
        fits: wide <= width,
      };
    };
    const { folder, id } = this.longest;
    for (const [left, least] of [
      [Math.min(folder + 10, 140, width / 3), NAMED],
      [0, SMALLEST],
    ]) {
      for (let size = 20; size >= least; size -= 1) {
        const head = left && id > size - 3 ? Math.ceil(Math.min(id, 70)) + 8 : HEAD; // ids stand upright
        const found = made(size, left, head, Math.max(1, Math.floor((TALL - head) / size)));
        if (found.fits) return found;
      }
    }
    const fit = Math.max(1, Math.floor((width + GAP) / (columns * SMALLEST + GAP)));
    return made(SMALLEST, 0, HEAD, Math.ceil(rows / fit));
  }

  #corner(row, column) {
    const { size, per, left, head, block } = this.layout;
    return [left + Math.floor(row / per) * block + column * size, head + (row % per) * size];
  }

  #draw() {
    const { ids, folders, cells, legend } = this.data;
    const { size, per, left, head, width, height, block } = (this.layout = this.#layout());
    const ratio = devicePixelRatio || 1;
    const { canvas } = this;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    const soft = style.getPropertyValue("--soft");
    pen.font = FONT;
    pen.textBaseline = "alphabetic";
    pen.fillStyle = soft;
    for (let row = 0; row < folders.length; row += 1) {
      const [x, y] = this.#corner(row, 0);
      if (left)
        pen.fillText(fitted(pen, folders[row] || ".", left - 8), x - left, y + size / 2 + 4);
      if (row % per) continue;
      if (left)
        ids.forEach((id, n) => heading(pen, id, x + n * size, head, head > HEAD ? size : 0));
      else pen.fillText(fitted(pen, folders[row], block - 4), x, HEAD - 4);
    }
    cells.forEach((line, row) => {
      line.forEach((number, column) => {
        if (number < 0) return;
        const [x, y] = this.#corner(row, column);
        cell(pen, legend[number], x, y, size, soft);
      });
    });
    if (this.row >= 0) {
      const [x, y] = this.#corner(this.row, this.column);
      pen.strokeStyle = style.getPropertyValue("--ink");
      pen.lineWidth = 2;
      pen.strokeRect(x - 1, y - 1, size + 1, size + 1);
    }
  }

  #at(event) {
    const { size, per, left, head, block } = this.layout;
    const y = Math.floor((event.offsetY - head) / size);
    const nth = Math.floor(event.offsetX / block);
    const column = Math.floor((event.offsetX - nth * block - left) / size);
    const row = nth * per + y;
    const inside = column >= 0 && y >= 0 && y < per && column < this.data.ids.length;
    return inside && this.name(row, column) ? [row, column] : [-1, -1];
  }

  #point(event, clicked) {
    const [row, column] = this.#at(event);
    const tip = find("tip");
    tip.hidden = row < 0;
    if (row < 0) return;
    const word = this.word(row, column);
    tip.replaceChildren(chip(word), ` ${this.name(row, column)} ${word}`);
    const room = this.canvas.parentElement.clientWidth - tip.offsetWidth;
    tip.style.left = Math.max(0, Math.min(event.offsetX + 12, room)) + "px";
    tip.style.top = event.offsetY + 18 + "px";
    if (clicked) this.#go(row, column);
  }

  #go(row, column) {
    [this.row, this.column] = [row, column];
    this.draw();
    const name = this.name(row, column);
    this.speak(`${name}: ${this.word(row, column)}`);
    this.choose(name);
  }

  #key(event) {
    const { per } = this.layout;
    const rows = this.data.folders.length;
    const steps = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      PageUp: [-per, 0],
      PageDown: [per, 0],
      Home: [-rows, 0],
      End: [rows, 0],
    };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "n") this.#next();
    else if (event.key === "Enter") find("job").focus();
    else if (steps[event.key]) this.#step(...steps[event.key]);
    else return;
    event.preventDefault();
  }

  /** Move by so many cells; over holes in the direction of the move. */
  #step(down, right) {
    const { folders, ids } = this.data;
    if (!folders.length) return;
    const inside = (n, length) => Math.max(0, Math.min(length - 1, n));
    let row = inside(Math.max(0, this.row) + down, folders.length);
    let column = inside(Math.max(0, this.column) + right, ids.length);
    while (!this.name(row, column)) {
      row += Math.sign(down);
      column += down ? 0 : Math.sign(right) || 1;
      if (row < 0 || row >= folders.length || column < 0 || column >= ids.length) return;
    }
    this.#go(row, column);
  }

  #next() {
    const { folders, ids } = this.data;
    const all = folders.length * ids.length;
    const from = this.row < 0 ? -1 : this.row * ids.length + this.column;
    for (let n = 1; n <= all; n += 1) {
      const place = (from + n) % all;
      const [row, column] = [Math.floor(place / ids.length), place % ids.length];
      if (this.name(row, column) && BAD.has(this.word(row, column))) {
        this.#go(row, column);
        return;
      }
    }
    this.speak("no job has failed");
  }
}

/** The legend above the map, with how many there are of each; `pick` shows a list of them. */
export function drawLegend(place, legend, counts, pick) {
  place.replaceChildren(
    ...legend
      .filter((kind) => counts.get(kind.word))
      .map((kind) =>
        el(
          "li",
          {},
          el(
            "button",
            { class: "quiet", title: kind.says, onclick: () => pick(kind.word) },
            chip(kind.word),
            ` ${kind.word} ${counts.get(kind.word)}`,
          ),
        ),
      ),
  );
}
