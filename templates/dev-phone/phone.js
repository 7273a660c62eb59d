// Keeps the page up to date and sends its forms without a reload. The page also works without it.
import { follow } from "./stream.js";

document.documentElement.classList.add("js");

const phone = document.getElementById("phone");
const thread = document.getElementById("thread");
const exchanges = document.getElementById("exchanges");
const switches = document.getElementById("switches");
const reply = document.getElementById("reply");
const problem = document.getElementById("problem");
const EXCHANGES_SHOWN = 50;

// The server has escaped this; it is the same HTML that a reload shows.
function element(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim();
  return holder.content.firstElementChild;
}

function toEnd() { thread.scrollTop = thread.scrollHeight; }

function atEnd() { return thread.scrollHeight - thread.scrollTop - thread.clientHeight < 80; }

// Changes only what differs, so that a screen reader does not read the whole text again.
function update(old, bubble) {
  old.className = bubble.className;
  for (const part of [".party", ".said", ".meta", ".note"]) {
    const was = old.querySelector(part);
    const now = bubble.querySelector(part);
    if (!now) was?.remove();
    else if (!was) old.append(now);
    else if (was.outerHTML !== now.outerHTML) was.replaceWith(now);
  }
}

function showText(bubble) {
  const follow = atEnd();
  const old = document.getElementById(bubble.id);
  if (old) {
    update(old, bubble);
  } else {
    const last = [...thread.querySelectorAll(".bubble")].pop();
    if (!last || last.dataset.day !== bubble.dataset.day) {
      const day = document.createElement("li");
      day.className = "day soft";
      day.textContent = bubble.dataset.day;
      thread.append(day);
    }
    bubble.classList.add("fresh");
    thread.append(bubble);
  }
  if (follow) toEnd();
}

function showSwitches(now) {
  for (const radio of switches.querySelectorAll("[name=answer]")) radio.checked = radio.value === now.answer;
  switches.elements.times.value = now.times ?? "";
  switches.querySelector("[type=checkbox]").checked = now.airplane;
  switches.elements.delivery_error.value = String(now.delivery_error);
  const slow = switches.elements.slow_seconds;
  const seconds = String(now.slow_seconds);
  if (![...slow.options].some((option) => option.value === seconds)) slow.add(new Option(seconds + " s", seconds));
  slow.value = seconds;
  phone.classList.toggle("airplane", now.airplane);
}

let heard = 0; // Events received so far.
const FETCHES_MAX = 5; // Under steady traffic every answer is outdated; then the last one has to do.

// Fetches the page and the switches as they are now, and again if something happened meanwhile, which an
// earlier answer would undo. Null if they can't be fetched.
async function fetched() {
  for (let fetches = 1; ; fetches += 1) {
    const before = heard;
    const [page, now] = await Promise.all([fetch("/"), fetch("/switches")]);
    if (!page.ok || !now.ok) return null;
    const [html, switches] = [await page.text(), await now.json()];
    if (heard === before || fetches === FETCHES_MAX) return { page: new DOMParser().parseFromString(html, "text/html"), switches };
  }
}

// Renews everything: on the first connection, after a lost one, and when this page was too slow.
async function refresh() {
  const fresh = await fetched();
  if (!fresh) return;
  const follow = atEnd();
  for (const list of [thread, exchanges]) {
    const other = fresh.page.getElementById(list.id);
    if (other && other.innerHTML !== list.innerHTML) list.innerHTML = other.innerHTML;
  }
  if (follow) toEnd();
  showSwitches(fresh.switches);
}

function showExchange(line) {
  exchanges.prepend(line);
  const lines = exchanges.querySelectorAll("li:not(.quiet-line)");
  for (const old of [...lines].slice(EXCHANGES_SHOWN)) old.remove();
}

function hears(show) {
  return (data) => {
    heard += 1;
    show(JSON.parse(data));
  };
}

follow("/events", {
  open: refresh,
  lost: refresh,
  text: hears((html) => showText(element(html))),
  gone: hears((id) => document.getElementById(id)?.remove()),
  switches: hears((text) => showSwitches(JSON.parse(text))),
  exchange: hears((html) => showExchange(element(html))),
});

// Posts a form; the phone shows what went wrong.
async function post(form, action) {
  problem.textContent = "";
  try {
    const answer = await fetch(action, {
      method: "POST",
      headers: { accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    if (answer.ok) return true;
    problem.textContent = await answer.text();
  } catch {
    problem.textContent = "dev-phone does not answer; is it still running?";
  }
  return false;
}

reply.addEventListener("submit", (event) => {
  event.preventDefault();
  const field = reply.elements.body;
  const written = field.value;
  post(reply, "/reply").then((sent) => { if (!sent && !field.value) field.value = written; });
  field.value = "";
  field.focus();
});

switches.addEventListener("change", (event) => {
  if (event.target.name === "answer") switches.elements.times.value = "";
  if (switches.reportValidity()) post(switches, "/switches");
});
switches.addEventListener("submit", (event) => {
  event.preventDefault();
  post(switches, event.submitter?.getAttribute("formaction") ?? "/switches");
});

toEnd();
