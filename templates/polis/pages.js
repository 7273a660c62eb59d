// Fetches a page and puts its parts in place. The server renders and escapes; nothing that was
// captured is made into markup here.
import { renewTabs } from "./tabs.js";
import { showPins } from "./pins.js";

const byId = (id) => document.getElementById(id);
let newest = 0; // Of two pages under way the later one counts.

export const detail = () => byId("detail");
export const chosen = () => Number(detail()?.dataset.id ?? 0);

export function say(text) {
  byId("live").textContent = text;
}

async function fetched(url, options) {
  const mine = ++newest;
  const response = await fetch(url, { headers: { accept: "text/html" }, ...options });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return mine === newest && page.getElementById("list") ? page : null;
}

// What a person looks at stays where it is when rows come in above.
function inPlace(change) {
  const list = byId("list");
  const isTop = list.scrollTop < 8 && scrollY < 8;
  const anchor = isTop ? null : [...document.querySelectorAll("#rows > li")]
    .find((row) => row.getBoundingClientRect().bottom > 0);
  const before = anchor?.getBoundingClientRect().top;
  change();
  const after = anchor && document.querySelector(`#rows > li[value="${anchor.value}"]`);
  if (!after) return;
  const scroller = list.scrollTop > 0 ? list : window;
  scroller.scrollBy(0, after.getBoundingClientRect().top - before);
}

function putList(page) {
  const known = new Set([...document.querySelectorAll("#rows > li")].map((row) => row.value));
  const focused = document.activeElement?.closest("#rows a")?.getAttribute("href");
  inPlace(() => {
    for (const id of ["above", "rows", "foot"]) {
      const part = page.getElementById(id);
      if (part) byId(id)?.replaceWith(document.adoptNode(part));
    }
  });
  for (const row of document.querySelectorAll("#rows > li")) {
    if (!known.has(row.value)) row.classList.add("new");
    const link = row.firstElementChild;
    if (focused && link.getAttribute("href") === focused) link.focus({ preventScroll: true });
  }
}

function putDetail(page) {
  const part = page.getElementById("detail");
  const same = Number(part.dataset.id) === chosen();
  const open = same ? [...document.querySelectorAll("#detail details[open]")].map((one) => one.id) : [];
  const focused = same && detail().contains(document.activeElement) ? document.activeElement.id : "";
  // The answer to "send again" is in no page that is fetched later.
  const replayed = same && !part.querySelector("#replayed") ? byId("replayed") : null;
  detail().replaceWith(document.adoptNode(part));
  for (const id of open) byId(id)?.setAttribute("open", "");
  if (replayed) byId("actions")?.after(replayed);
  document.body.className = page.body.className;
  document.title = page.title;
  renewTabs();
  showPins();
  if (focused) byId(focused)?.focus({ preventScroll: true });
}

const isEdited = (field) => field.type === "checkbox"
  ? field.checked !== field.defaultChecked
  : field.value !== field.defaultValue;

// Whether somebody is about to send something from the detail: that must not be taken away.
function isBusy() {
  const fields = [...detail().querySelectorAll("#replay input, #replay textarea, #compare input")];
  return fields.some((field) => field === document.activeElement || isEdited(field));
}

// The same page anew.
export async function renew(withDetail) {
  const page = await fetched(location.href);
  if (!page) return;
  putList(page);
  if (withDetail && !isBusy()) putDetail(page);
}

// The page of a link, or of a form that was sent, beside the list. `history` says what becomes of
// the address: push, replace, or stay.
export async function show(url, { options = {}, address = "push", focus = "" } = {}) {
  const page = await fetched(url, options);
  if (!page) return;
  if (address === "push") history.pushState(null, "", url);
  if (address === "replace") history.replaceState(null, "", url);
  putList(page);
  putDetail(page);
  document.querySelector("#rows .selected")?.scrollIntoView({ block: "nearest" });
  if (focus) byId(focus)?.focus();
}

export function lost() {
  say("polis does not answer; trying again");
}
