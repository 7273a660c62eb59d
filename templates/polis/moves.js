// Links and forms that change what is shown do it without loading the whole page.
import { lost, show } from "./pages.js";

const PAUSE_MS = 200; // Between a key in a filter and the search.
let timer = 0;

function filtered(form, address) {
  clearTimeout(timer);
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") query.set(name, value);
  const text = query.toString();
  show(location.pathname + (text ? `?${text}` : ""), { address }).catch(lost);
}

function clicked(event) {
  const link = event.target.closest?.("#rows a, #timeline a, #pins a");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  const focus = link.classList.contains("compare") ? "comparison" : "detail";
  show(link.href, { focus }).catch(lost);
}

function sent(event) {
  const form = event.target;
  if (form.id === "filters") {
    event.preventDefault();
    filtered(form, "push");
  } else if (form.id === "compare") {
    event.preventDefault();
    const query = new URLSearchParams(location.search);
    query.set("with", new FormData(form).get("with"));
    show(`${form.getAttribute("action")}?${query}`, { focus: "comparison" }).catch(lost);
  } else if (form.id === "replay") {
    event.preventDefault();
    const options = { method: "POST", body: new URLSearchParams(new FormData(form)) };
    show(form.action, { options, address: "stay", focus: "replayed" }).catch(lost);
  } else if (form.id === "clear") {
    const button = form.querySelector("button");
    if (!confirm(`${button.textContent.trim()} requests? They are gone for good.`)) event.preventDefault();
  }
}

function wentBack() {
  const query = new URLSearchParams(location.search);
  for (const field of document.getElementById("filters").elements) {
    if (field.name) field.value = query.get(field.name) ?? "";
  }
  show(location.href, { address: "stay" }).catch(lost);
}

export function startMoves() {
  const form = document.getElementById("filters");
  if (!form) return;
  form.querySelector("button").hidden = true; // Fields filter while one types.
  document.addEventListener("click", clicked);
  document.addEventListener("submit", sent);
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => filtered(form, "replace"), PAUSE_MS);
  });
  addEventListener("popstate", wentBack);
}
