// Lists of jobs: failures first, with the end of their output; what is in the queue; all.

import { Refused, date, el, find, get, job as fetchJob } from "./api.js";
import { BAD } from "./cells.js";
import { chip, shown } from "./legend.js";

const OPENED = 3; // failures that show their output without being asked
const PAGE = 60;

export class List {
  constructor(choose, order) {
    this.choose = choose;
    this.order = order;
    this.states = null;
    this.limit = PAGE;
    this.open = new Map(); // failed jobs, and whether a person opened or closed them
    this.tabs = [...document.querySelectorAll("#tabs [role=tab]")];
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.show(tab.dataset.states));
      tab.addEventListener("keydown", (event) => this.#arrow(event, tab));
    }
    find("like").addEventListener("input", () => this.#again());
    find("more").addEventListener("click", () => {
      this.limit += 4 * PAGE;
      this.refresh();
    });
  }

  /** Counts on the tabs; at first the failures are shown if there are any, else the queue. */
  count(counts) {
    for (const tab of this.tabs) {
      const states = tab.dataset.states ? tab.dataset.states.split(",") : Object.keys(counts);
      tab.number = states.reduce((sum, state) => sum + (counts[state] || 0), 0);
      tab.querySelector("b").textContent = tab.number;
    }
    find("retry-all").hidden = !(counts.failed > 0);
    if (this.states === null)
      this.show((this.tabs.find((tab) => tab.number) || this.tabs[0]).dataset.states);
  }

  /** Show the jobs in these states (words with commas; none: all). */
  show(states) {
    this.states = states;
    for (const tab of this.tabs) {
      const chosen = tab.dataset.states === states;
      tab.setAttribute("aria-selected", chosen);
      tab.tabIndex =
        chosen || (tab === this.tabs[0] && !this.tabs.some((t) => t.dataset.states === states))
          ? 0
          : -1;
    }
    this.#again();
  }

  #again() {
    this.limit = PAGE;
    this.refresh();
  }

  #arrow(event, tab) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = this.tabs[(this.tabs.indexOf(tab) + step + this.tabs.length) % this.tabs.length];
    next.focus();
    next.click();
  }

  async refresh() {
    if (this.states === null) return;
    const asked = [this.states, find("like").value, this.limit];
    const like = asked[1] && !/[*?[]/.test(asked[1]) ? `*${asked[1]}*` : asked[1];
    let found;
    try {
      found = await get("jobs", { state: asked[0], like, limit: Math.min(1000, this.limit) });
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 400) throw error;
      find("list").replaceChildren(el("p", { class: "soft" }, error.message));
      return;
    }
    if (asked.some((part, n) => part !== [this.states, find("like").value, this.limit][n])) return;
    find("more").hidden = found.next === null || this.limit >= 1000;
    this.#draw(found);
  }

  #draw({ jobs, total }) {
    const focused = document.activeElement?.closest?.("#list [data-name]")?.dataset.name;
    const rows = jobs.map((line, n) =>
      BAD.has(line.state)
        ? this.#failure(line, n)
        : this.#row(line),
    );
    const none = el(
      "p",
      { class: "soft" },
      this.states.startsWith("failed") ? "No failures." : "None.",
    );
    find("list").replaceChildren(...(rows.length ? rows : [none]));
    if (rows.length < total)
      find("list").append(el("p", { class: "soft" }, `${rows.length} of ${total}`));
    if (focused)
      find("list")
        .querySelector(
          `[data-name="${CSS.escape(focused)}"] button, [data-name="${CSS.escape(focused)}"] summary`,
        )
        ?.focus();
  }

  #row(line) {
    const [what, when] = line.word.split("@");
    const queue =
      line.jobid && ["started", "submitting"].includes(line.state)
        ? `${line.jobid} ${line.queue || "not seen yet"}`
        : "";
    return el(
      "div",
      { class: "row", "data-name": line.name },
      el(
        "button",
        { class: "quiet name", onclick: () => this.choose(line.name) },
        chip(shown(line)),
        ` ${line.name}`,
      ),
      el("span", {}, shown(line)),
      el("span", { class: "soft" }, queue),
      el("span", { class: "soft" }, what ? `${what} ${date(when)}` : ""),
    );
  }

  #failure(line, nth) {
    const [, when, ...detail] = line.word.split("@");
    const wanted = this.open.has(line.name) ? this.open.get(line.name) : nth < OPENED;
    const inside = el("div", {});
    const made = el(
      "details",
      { class: "failure", "data-name": line.name, open: wanted },
      el(
        "summary",
        {},
        chip(line.state),
        ` ${line.name} `,
        el("span", { class: "soft" }, `${line.state} ${date(when)} ${detail.join("@")}`),
      ),
      inside,
    );
    made.addEventListener("toggle", () => {
      if (made.open !== wanted) this.open.set(line.name, made.open);
      if (made.open && !inside.childNodes.length) this.#fill(inside, line.name);
    });
    if (wanted) this.#fill(inside, line.name);
    return made;
  }

  async #fill(inside, name) {
    inside.replaceChildren(
      el(
        "div",
        { class: "buttons" },
        el("button", { class: "control", onclick: () => this.order("retry", [name]) }, "Retry"),
        el("button", { class: "quiet", onclick: () => this.choose(name) }, "Show its place"),
      ),
    );
    const found = await fetchJob(name).catch(() => null);
    if (!found) return;
    inside.append(
      el("p", {}, found.why),
      found.tail
        ? el("pre", { tabindex: 0, "aria-label": `end of the output of ${name}` }, found.tail)
        : el("p", { class: "soft" }, "It left no output that was seen."),
    );
  }
}
