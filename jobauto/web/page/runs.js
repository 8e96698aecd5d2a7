// The list of all runs; each line is asked for by itself, as a large run takes a moment to read.

import { Refused, el, find, get, logout } from "./api.js";

const PAUSE = 10_000;

async function line(row, key) {
  const cells = [...row.children].slice(1);
  try {
    const response = await fetch(`/runs/${key}/api/status`);
    const data = await response.json();
    if (!response.ok) throw new Refused(response.status, data.error);
    const words = Object.entries(data.counts).map(([word, number]) => `${number} ${word}`);
    cells[0].textContent = `${data.progress.done} of ${data.progress.total}`;
    cells[1].textContent = [...words, ...data.conditions.map((c) => c.what)].join(", ");
    cells[2].textContent = data.monitor ? "watches" : "–";
  } catch (error) {
    cells[1].textContent = error.message;
  }
}

async function show() {
  let runs;
  try {
    ({ runs } = await get("runs"));
  } catch (error) {
    find("banner").hidden = false;
    const away = error instanceof Refused && error.status === 401;
    find("banner").textContent = away
      ? "You are not logged in any more: jobauto web prints a new link."
      : "No answer.";
    return;
  }
  find("banner").hidden = true;
  find("none").hidden = runs.length > 0;
  const had = new Map([...find("runs").children].map((row) => [row.dataset.key, row]));
  const rows = runs.map(
    ({ key, project, run }) =>
      had.get(key) ||
      el(
        "tr",
        { "data-key": key },
        el("td", {}, el("a", { href: `/runs/${key}/` }, `${project}/${run}`)),
        el("td", {}),
        el("td", { class: "wide" }, "…"),
        el("td", {}),
      ),
  );
  find("runs").replaceChildren(...rows);
  for (const row of rows) await line(row, row.dataset.key);
}

async function again() {
  if (!document.hidden) await show();
  setTimeout(again, PAUSE);
}

find("logout").addEventListener("click", logout);
again();
