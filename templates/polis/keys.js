// j k / r e d p ? as the help says, while the list has focus; Escape returns to it.
import { chosen, list } from "./pages.js";
import { visit } from "./moves.js";
import { togglePin } from "./pins.js";

const FIELD = "input:not([type=checkbox]), textarea, select";

function move(step) {
  const links = [...document.querySelectorAll("#rows a")];
  const at = links.findIndex((link) => link.hasAttribute("aria-current"));
  const next = links[at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)];
  if (!next) return;
  next.focus();
  // A key that is held down makes one entry in the history, not twenty.
  visit(next, { address: at < 0 ? "push" : "replace" });
}

function editAgain() {
  const again = document.getElementById("again");
  if (!again) return;
  again.open = true;
  again.querySelector("textarea").focus();
}

function sendAgain() {
  const form = document.getElementById("replay");
  if (form && confirm(`Send #${chosen()} again to ${form.elements.to.value}?`)) form.requestSubmit();
}

function compare() {
  const form = document.getElementById("compare");
  if (form?.reportValidity()) form.requestSubmit();
}

const openHelp = () => document.getElementById("help").showModal();

const ACTIONS = {
  "j": () => move(1),
  "k": () => move(-1),
  "/": () => document.getElementById("search").focus(),
  "r": sendAgain,
  "e": editAgain,
  "d": compare,
  "p": togglePin,
  "?": openHelp,
};

function toList() {
  (document.querySelector("#rows a[aria-current]") ?? list()).focus({ preventScroll: true });
}

export function startKeys() {
  const button = document.getElementById("help-open");
  button.hidden = false;
  button.addEventListener("click", openHelp);
  if (!list()) return;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.target.closest?.("dialog[open]")) toList();
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    const isOnList = event.target.closest?.("#list") && !event.target.closest(FIELD);
    const action = isOnList ? ACTIONS[event.key] : undefined;
    if (!action) return;
    event.preventDefault();
    action();
  });
  if (document.activeElement === document.body && !location.hash) toList();
}
