// Makes the page live. Without this script a reload shows the same facts.
import { follow } from "./stream.js";

const main = document.querySelector("main");
const announcer = document.getElementById("news");
const lost = document.getElementById("lost");

function localTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    time.textContent = today ? at.toLocaleTimeString() : at.toLocaleString();
  }
}

// "in 4 s" next to every time that is ahead. Hidden from screen readers: they get the time itself.
function countDown() {
  for (const time of document.querySelectorAll("time[data-ahead]")) {
    let wait = time.nextElementSibling;
    if (!wait) {
      wait = document.createElement("span");
      wait.setAttribute("aria-hidden", "true");
      time.after(wait);
    }
    const seconds = Math.ceil((new Date(time.dateTime) - Date.now()) / 1000);
    wait.textContent = seconds <= 0 ? " (now)"
      : seconds < 120 ? ` (in ${seconds} s)`
      : ` (in ${Math.round(seconds / 60)} min)`;
  }
}

// Which exchanges the reader opened or closed; the others are as the server sends them.
const chosen = new Map();
document.getElementById("journey").addEventListener("click", (event) => {
  const details = event.target.closest("summary")?.parentElement;
  if (details) chosen.set(details.dataset.key, !details.open);
});

function keepChosen(part) {
  for (const details of part.querySelectorAll("details[data-key]")) {
    if (chosen.has(details.dataset.key)) details.open = chosen.get(details.dataset.key);
  }
}

function replace(part, html) {
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const opened = document.activeElement?.closest("summary")?.parentElement.dataset.key;
  const said = gist(part);
  part.innerHTML = html;
  keepChosen(part);
  localTimes(part);
  countDown();
  if (focused) {
    part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }
  if (opened) {
    part.querySelector(`[data-key="${CSS.escape(opened)}"] summary`)?.focus();
  }
  const news = gist(part);
  if (news && news !== said) {
    // Only what is new is read out, not the whole journey again.
    announcer.textContent = news;
  }
}

// The sentences that matter, without the countdown, which changes every second.
function gist(part) {
  const sentences = [...part.querySelectorAll("#headline, .more")].map((sentence) => {
    const plain = sentence.cloneNode(true);
    plain.querySelectorAll("[aria-hidden]").forEach((hidden) => hidden.remove());
    return plain.textContent.trim();
  });
  return sentences.join(" ");
}

localTimes(document);
countDown();
setInterval(countDown, 1000);

// The stream says only that something changed, so that windows on different numbers can share it;
// each asks for its own parts.
const told = {};
let deaf = false;
let asking = false;
let askAgain = false;
async function catchUp() {
  askAgain = true;
  if (asking) return;
  asking = true;
  while (askAgain) {
    askAgain = false;
    try {
      const answer = await fetch(main.dataset.parts);
      if (!answer.ok) throw new Error(answer.statusText);
      for (const [name, html] of Object.entries(await answer.json())) {
        // The comparison comes with the first number's own page.
        const part = document.getElementById(name);
        if (part && told[name] !== html) replace(part, html);
        told[name] = html;
      }
      lost.hidden = !deaf;
    } catch {
      lost.hidden = false;
    }
  }
  asking = false;
}
follow("/live", {
  moved: catchUp,
  open: () => { deaf = false; lost.hidden = true; },
  error: () => { deaf = true; lost.hidden = false; },
});
// One more poll would have been made.
setInterval(() => { if (!document.hidden) catchUp(); }, 1000 * main.dataset.poll);

// A second click while the first is on its way would cost a second text.
const presses = [...document.querySelectorAll("#press button, .breakages button")];
for (const form of new Set(presses.map((press) => press.form))) {
  form.addEventListener("submit", () => presses.forEach((press) => { press.disabled = true; }));
}
addEventListener("pageshow", () => presses.forEach((press) => { press.disabled = false; }));
