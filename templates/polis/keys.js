// j k / r e d p ? as the help says; never while somebody types.
import { lost, show } from "./pages.js";
import { togglePin } from "./pins.js";

function move(step) {
  const links = [...document.querySelectorAll("#rows a")];
  const at = links.findIndex((link) => link.hasAttribute("aria-current"));
  const next = links[at < 0 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)];
  // Held down, the key makes one entry in the history, not twenty.
  if (next) show(next.href, { address: at < 0 ? "push" : "replace" }).catch(lost);
}

function editAgain() {
  const again = document.getElementById("again");
  if (!again) return;
  again.open = true;
  again.querySelector("textarea").focus();
}

const ACTIONS = {
  "j": () => move(1),
  "k": () => move(-1),
  "/": () => document.getElementById("search")?.focus(),
  "r": () => document.getElementById("replay")?.requestSubmit(),
  "e": editAgain,
  "d": () => {
    const form = document.getElementById("compare");
    if (form?.reportValidity()) form.requestSubmit();
  },
  "p": togglePin,
  "?": () => document.getElementById("help").showModal(),
};

export function startKeys() {
  const button = document.getElementById("help-open");
  button.hidden = false;
  button.addEventListener("click", ACTIONS["?"]);
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog[open]");
    if (event.key === "Escape" && field) field.blur();
    if (field || event.metaKey || event.ctrlKey || event.altKey) return;
    const action = ACTIONS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
