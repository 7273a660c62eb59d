// Fetches the page again when something came, and puts its parts in place. The server renders and
// escapes; nothing that was captured is made into markup here.
import { renewTabs } from "./tabs.js";
import { showPins } from "./pins.js";

const PAUSE_MS = 120; // A burst of requests is one renewal.
const status = document.getElementById("live");
let timer = 0;
let wantsDetail = false;

export const detail = () => document.getElementById("detail");
export const chosen = () => Number(detail()?.dataset.id ?? 0);

async function fetched(url, options) {
  const response = await fetch(url, { headers: { accept: "text/html" }, ...options });
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

function renewList(page) {
  const focused = document.activeElement?.closest?.("#rows a")?.getAttribute("href");
  const known = new Set([...document.querySelectorAll("#rows > li")].map((row) => row.value));
  for (const id of ["rows", "foot"]) {
    const part = page.getElementById(id);
    if (part) document.getElementById(id)?.replaceWith(document.adoptNode(part));
  }
  const rows = [...document.querySelectorAll("#rows > li")];
  for (const row of rows) {
    if (known.size > 0 && !known.has(row.value)) row.classList.add("new");
  }
  if (focused) document.querySelector(`#rows a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function renewDetail(page) {
  const part = page.getElementById("detail");
  if (!part) return;
  const open = [...document.querySelectorAll("#detail details[open]")].map((each) => each.id);
  detail().replaceWith(document.adoptNode(part));
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  document.body.className = page.body.className;
  document.title = page.title;
  renewTabs();
  showPins();
}

async function renew() {
  const withDetail = wantsDetail;
  wantsDetail = false;
  const page = await fetched(location.href);
  renewList(page);
  // What somebody is typing stays.
  const typing = document.activeElement?.matches("#detail input, #detail textarea, #detail select");
  if (withDetail && !typing) renewDetail(page);
}

function soon(event) {
  const id = Number(JSON.parse(event.data || "{}").id ?? 0);
  wantsDetail ||= id === chosen() || event.type === "reset";
  if (event.type === "arrived") status.textContent = `#${id} arrived`;
  // Not put off by the next event: a steady stream must not starve the page.
  timer ||= setTimeout(() => {
    timer = 0;
    renew().catch(lost);
  }, PAUSE_MS);
}

function lost() {
  status.textContent = "polis does not answer; trying again";
}

// Shows the page of a link, or of a form that was sent, beside the list.
export async function show(url, options, push = true) {
  const page = await fetched(url, options);
  if (push) history.pushState(null, "", url);
  renewList(page);
  renewDetail(page);
  document.querySelector("#rows .selected")?.scrollIntoView({ block: "nearest" });
}

export function startLive() {
  if (!document.getElementById("list")) return;
  status.textContent = "live";
  // From what the page shows on: nothing that came in between is missed.
  const query = new URLSearchParams({ last_event_id: document.getElementById("list").dataset.last });
  const token = new URLSearchParams(location.search).get("token");
  if (token) query.set("token", token);
  const source = new EventSource(`/api/events?${query}`);
  for (const name of ["arrived", "answered", "removed", "reset"]) source.addEventListener(name, soon);
  source.addEventListener("open", () => { status.textContent = "live"; });
  source.addEventListener("error", lost);
  addEventListener("pagehide", () => source.close());
  addEventListener("popstate", () => show(location.href, {}, false).catch(lost));
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#rows a, #timeline a, #pins a");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    show(link.href).then(() => detail().focus({ preventScroll: false })).catch(lost);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.id === "compare") {
      event.preventDefault();
      const query = new URLSearchParams(location.search);
      query.set("with", new FormData(form).get("with"));
      show(`${form.getAttribute("action")}?${query}`).catch(lost);
    } else if (form.id === "replay") {
      event.preventDefault();
      const page = location.href;
      show(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) }, false)
        .then(() => history.replaceState(null, "", page)).catch(lost);
    }
  });
}
