// Makes the page live. Without this script a reload shows the same facts.
import { follow } from "/assets/stream.js";

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

// "in 4 s" beside every time that lies ahead. Hidden from screen readers: they get the time itself.
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

function replace(part, html) {
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const said = gist(part);
  part.innerHTML = html;
  localTimes(part);
  countDown();
  if (focused) {
    part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
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

follow(main.dataset.live, {
  journey: (html) => replace(document.getElementById("journey"), html),
  history: (html) => replace(document.getElementById("history"), html),
  open: () => { lost.hidden = true; },
  error: () => { lost.hidden = false; },
});

// A second click while the first is on its way would cost a second text.
const button = document.querySelector("#press button");
document.getElementById("press").addEventListener("submit", () => { button.disabled = true; });
addEventListener("pageshow", () => { button.disabled = false; });
