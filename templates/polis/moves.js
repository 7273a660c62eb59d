// Makes links and forms change what is shown without loading the whole page.
import { heading, list, lost, say, send, show } from "./pages.js";

const PAUSE_MS = 200; // From a key press in a filter to the search.
let timer = 0;
let tab = new URLSearchParams(location.search).get("tab"); // The tab that is shown of a request, if it has that tab.

// An address with what the filter fields say right now, so that no move undoes another.
function address(path, others = {}) {
  clearTimeout(timer);
  const query = new URLSearchParams(others);
  for (const [name, value] of new FormData(document.getElementById("filters"))) {
    if (value !== "") query.set(name, value);
  }
  if (tab && path.startsWith("/requests/")) query.set("tab", tab);
  return query.size > 0 ? `${path}?${query}` : path;
}

function filter(history) {
  show(address(heading().pathname), { address: history }).catch(lost);
}

// Opens what a link to a request points to.
export function visit(link, options) {
  const url = new URL(link.href);
  const compared = url.searchParams.get("with");
  show(address(url.pathname, compared ? { with: compared } : {}), options).catch(lost);
}

function clicked(event) {
  const link = event.target.closest?.("#rows a, #timeline a, #pins a, #tabs nav a, a[href='#verdict']");
  if (link?.hash === "#verdict") document.getElementById("verdict").open = true;
  if (!link || link.hash || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  if (link.dataset.tab) {
    tab = link.dataset.tab;
    visit(link, { address: "replace", focus: link.id });
    return;
  }
  // The keys work while the list has focus; where only list or detail is visible, focus moves along.
  const stays = link.closest("#rows") && getComputedStyle(document.querySelector(".panes")).gridTemplateColumns.includes(" ");
  visit(link, { focus: link.classList.contains("compare") ? "comparison" : stays ? "" : "detail" });
}

function isMeant(form) {
  const text = form.querySelector("button").textContent.trim();
  return confirm(`${text} requests? This cannot be undone.`);
}

function sent(event) {
  const form = event.target;
  if (form.id === "filters") {
    event.preventDefault();
    filter("push");
  } else if (form.id === "compare") {
    event.preventDefault();
    const compared = { with: new FormData(form).get("with") };
    show(address(form.getAttribute("action"), compared), { focus: "comparison" }).catch(lost);
  } else if (form.id === "replay" || form.id === "secret" || form.id === "comment") {
    event.preventDefault();
    say("sending…");
    send(form, { replay: "replayed", comment: "comment-text" }[form.id] ?? "detail").then(() => say("sent"), lost);
  } else if (form.id === "clear" ? !isMeant(form) : form.dataset.sure && !confirm(form.dataset.sure)) event.preventDefault();
}

function wentBack() {
  clearTimeout(timer);
  const query = new URLSearchParams(location.search);
  tab = query.get("tab");
  for (const field of document.getElementById("filters").elements) {
    if (field.name) field.value = query.get(field.name) ?? "";
  }
  show(location.href, { address: "stay" }).catch(lost);
}

export function startMoves() {
  document.addEventListener("submit", sent);
  if (!list()) return;
  const form = document.getElementById("filters");
  form.querySelector("button").hidden = true; // Fields filter as you type.
  document.addEventListener("click", clicked);
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(filter, PAUSE_MS, "replace");
  });
  addEventListener("popstate", wentBack);
  // In the middle, because rows that were not seen yet get their true height afterwards, which moves it.
  document.querySelector("#rows .selected")?.scrollIntoView({ block: "center" });
}
