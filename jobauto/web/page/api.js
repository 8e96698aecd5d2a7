// Requests to the API of the run whose page this is, and small helpers to build the page.

const base = new URL(".", location.href);

export const at = (path) => new URL(path, base);

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function answer(response) {
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, data.error || response.statusText);
  return data;
}

export async function get(path, query = {}) {
  const url = at("api/" + path);
  for (const [key, text] of Object.entries(query)) if (text !== "") url.searchParams.set(key, text);
  return answer(await fetch(url));
}

export const job = (name) => get("jobs/" + name.split("/").map(encodeURIComponent).join("/"));

export async function verb(name, body) {
  return answer(
    await fetch(at("api/verbs/" + name), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ who: "page", ...body }),
    }),
  );
}

export async function logout() {
  await fetch("/logout", { method: "POST" });
  location.assign("/login");
}

export const find = (id) => document.getElementById(id);

/** An element with attributes (on* are listeners) and children; texts are never read as HTML. */
export function el(kind, attributes = {}, ...children) {
  const svg = ["svg", "g", "rect", "path", "text", "title", "line", "polyline"].includes(kind);
  const made = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", kind)
    : document.createElement(kind);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Calls `work` soon, but not before the last call has ended, nor more often than each `pause` ms. */
export function seldom(work, pause) {
  let wanted = false;
  let busy = false;
  async function go() {
    busy = true;
    while (wanted) {
      wanted = false;
      await work();
      await new Promise((done) => setTimeout(done, pause));
    }
    busy = false;
  }
  return () => {
    wanted = true;
    if (!busy) go();
  };
}

const two = (n) => String(n).padStart(2, "0");

/** 20261121_101859 as 11-21 10:18, or 10:18:59 if it is of today. */
export function date(text, now = new Date()) {
  const found = /^(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)$/.exec(text || "");
  if (!found) return text || "";
  const [, year, month, day, hour, minute, second] = found;
  const today = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  return year + month + day === today
    ? `${hour}:${minute}:${second}`
    : `${month}-${day} ${hour}:${minute}`;
}
