// Fetches a page and puts its parts in place. The server renders and escapes; no captured text
// becomes markup here.
//
// Whatever somebody asks for is a move: it ends the previous move and any renewal, and no renewal
// begins until it is shown. The server sends only the rows that this page does not have yet.
import { rememberTarget } from "./again.js";
import { showJson } from "./json.js";
import { showPins } from "./pins.js";

const FLASHES_MAX = 3;

const byId = (id) => document.getElementById(id);
let move = null; // What was asked for but is not shown yet: its url, address and abort.
let renewal = new AbortController();
let listed = filtersOf(location.href); // The filters of the listed rows.
let owed = false; // A newer detail was not shown, because somebody was busy with it.

export const list = () => byId("list");
export const detail = () => byId("detail");
export const chosen = () => Number(detail()?.dataset.id ?? 0);
export const isMoving = () => move !== null;
// The page's address, or the one it is about to have.
export const heading = () => new URL(move?.url ?? location.href, location.href);

export function say(text) {
  byId("live").textContent = text;
}

export function lost(error) {
  if (error?.name !== "AbortError") say("polis does not answer; trying again");
}

// The filters of an address, without what it shows of a request.
export function filtersOf(url) {
  const query = new URL(url, location.href).searchParams;
  for (const own of ["with", "tab"]) query.delete(own);
  return query.toString();
}

async function load(url, headers, options) {
  const response = await fetch(url, { ...options, headers: { accept: "text/html", ...headers } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!page.getElementById("list")) throw new Error(`polis answered ${response.status}`);
  return page;
}

// The page at an address, with only what is new to this page.
async function news(url, headers, options) {
  const known = filtersOf(url) === listed ? { "polis-known": list().dataset.change, ...headers } : {};
  const page = await load(url, known, options);
  return arranged(page) ? page : load(url, {}, options);
}

// The rows of a page in its order; those that it does not send are already here. Null if they are not.
function arranged(page) {
  const have = new Map([...document.querySelectorAll("#rows > li")].map((row) => [row.value, row]));
  const rows = [...page.querySelectorAll("#rows > li")].map((row) => (row.firstElementChild ? row : have.get(row.value)));
  return rows.includes(undefined) ? null : rows;
}

// What a person is looking at stays where it is when rows are added above.
function inPlace(change) {
  const isTop = list().scrollTop < 8 && scrollY < 8;
  const anchor = isTop ? null : [...document.querySelectorAll("#rows > li")]
    .find((row) => row.getBoundingClientRect().bottom > 0);
  const before = anchor?.getBoundingClientRect().top;
  change();
  const after = anchor && document.querySelector(`#rows > li[value="${anchor.value}"]`);
  if (!after) return;
  const scroller = list().scrollTop > 0 ? list() : window;
  scroller.scrollBy(0, after.getBoundingClientRect().top - before);
}

function putPart(page, id) {
  const part = page.getElementById(id);
  if (!byId(id).isEqualNode(part)) byId(id).replaceWith(document.adoptNode(part));
}

function markChosen() {
  const id = Number(heading().pathname.match(/^\/requests\/(\d+)/)?.[1] ?? 0);
  for (const row of document.querySelectorAll("#rows > li")) {
    row.classList.toggle("selected", row.value === id);
    if (row.value === id) row.firstElementChild.setAttribute("aria-current", "true");
    else row.firstElementChild.removeAttribute("aria-current");
  }
}

// Returns the ids of the requests that were not listed before, newest first.
function putList(page, url) {
  const rows = arranged(page);
  const known = new Set([...document.querySelectorAll("#rows > li")].map((row) => row.value));
  const focused = document.activeElement?.closest("#rows a")?.getAttribute("href");
  inPlace(() => {
    for (const id of ["above", "kept", "all"]) putPart(page, id);
    const place = byId("rows");
    if (place.localName !== "ol" || rows.length === 0) {
      putPart(page, "rows");
      return;
    }
    const wanted = new Set(rows);
    for (const row of [...place.children]) if (!wanted.has(row)) row.remove();
    let at = place.firstElementChild;
    for (const row of rows) {
      if (row === at) at = at.nextElementSibling;
      else place.insertBefore(document.adoptNode(row), at);
    }
  });
  list().dataset.change = page.getElementById("list").dataset.change;
  document.title = page.title;
  listed = filtersOf(url);
  markChosen();
  const fresh = rows.filter((row) => !known.has(row.value));
  // In a burst nobody sees them one by one, and this many would slow the page down.
  if (fresh.length <= FLASHES_MAX) for (const row of fresh) row.classList.add("new");
  if (focused && !document.activeElement?.closest("#rows")) {
    const link = document.querySelector(`#rows a[href="${CSS.escape(focused)}"]`);
    (link ?? list()).focus({ preventScroll: true });
  }
  return fresh.map((row) => row.value);
}

function putDetail(page) {
  const part = page.getElementById("detail");
  const same = Number(part.dataset.id) === chosen();
  const open = same ? [...document.querySelectorAll("#detail details[open]")].map((one) => one.id) : [];
  const focused = same && detail().contains(document.activeElement) ? document.activeElement.id : "";
  // A page that is fetched later does not contain what was sent again and its answer.
  const isLater = same && !part.querySelector("#replayed");
  const [form, replayed] = isLater ? [byId("again"), byId("replayed")] : [];
  detail().replaceWith(document.adoptNode(part));
  for (const id of open) byId(id)?.setAttribute("open", "");
  if (form) byId("again")?.replaceWith(form);
  if (replayed) byId("actions")?.after(replayed);
  document.body.className = page.body.className;
  document.title = page.title;
  owed = false;
  startDetail();
  if (focused) byId(focused)?.focus({ preventScroll: true });
}

export function startDetail() {
  showJson();
  showPins();
  rememberTarget();
  markChosen();
}

const isEdited = (field) => field.type === "checkbox"
  ? field.checked !== field.defaultChecked
  : field.value !== field.defaultValue;

// Whether somebody is about to send something from the detail, which must not be taken away.
export function isBusy() {
  const fields = [...detail().querySelectorAll("form :is(input, textarea)")];
  return fields.some((field) => field === document.activeElement || isEdited(field));
}

// Renews the page. `isHeld` says whether nothing may move right now. Returns what was added.
export async function renew(isHeld) {
  renewal = new AbortController();
  const shown = owed ? {} : { "polis-shown": chosen() };
  const page = await news(location.href, shown, { signal: renewal.signal });
  if (isHeld()) return [];
  const notice = byId("notice");
  const added = putList(page, location.href);
  // A notice of what was just done stays until somebody moves on.
  if (notice && !byId("notice")) byId("above").prepend(notice);
  const part = page.getElementById("detail");
  // The time distinguishes it from a request of another run.
  const at = (within) => within.querySelector("h2.line")?.dataset.at;
  const isNews = at(part) !== undefined && at(part) === at(detail());
  if (isNews && isBusy()) owed = true;
  else if (isNews) putDetail(page);
  return added;
}

// Shows the page of a link next to the list. `address` says what becomes of the address: push,
// replace or stay.
export async function show(url, { address = "push", focus = "" } = {}) {
  renewal.abort();
  // The overtaken move would have made an entry in the history.
  const kept = move?.address === "push" && address === "replace" ? "push" : address;
  move?.abort.abort();
  const mine = { url, address: kept, abort: new AbortController() };
  move = mine;
  markChosen();
  try {
    const page = await news(url, {}, { signal: mine.abort.signal });
    if (kept === "push") history.pushState(null, "", url);
    if (kept === "replace") history.replaceState(null, "", url);
    putList(page, url);
    putDetail(page);
  } finally {
    if (move === mine) move = null;
  }
  document.querySelector("#rows .selected")?.scrollIntoView({ block: "nearest" });
  if (focus) byId(focus)?.focus();
}

// Sends a form of the detail. It is sent whatever is shown next; the answer is shown only if the
// request is still chosen.
export async function send(form, focus) {
  const page = await load(form.action, {}, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (Number(page.getElementById("detail").dataset.id) !== chosen()) return;
  putPart(page, "above");
  putDetail(page);
  byId(focus)?.focus();
}
