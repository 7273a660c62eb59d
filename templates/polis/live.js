// Learns that something changed and renews the page: at once for one request, less often in a
// burst, and not while somebody navigates, aims at a row or holds a button down.
import { follow } from "./stream.js";
import { visit } from "./moves.js";
import { chosen, isBusy, isMoving, list, lost, renew, say } from "./pages.js";

const PAUSE_MS = 80;
const LOST_PAUSE_MS = 1000;
const AIM_MS = 500; // After the pointer last moved over the list.

let newest = ""; // The change that was reported last: its run, a dash, its number.
let isRunning = false;
let aimed = -Infinity;
let isPressed = false;

const isHeld = () => isMoving() || isPressed || performance.now() - aimed < AIM_MS;
const runOf = (change) => change.slice(0, change.lastIndexOf("-"));
const numberOf = (change) => Number(change.slice(change.lastIndexOf("-") + 1));

function isBehind() {
  const here = list().dataset.change;
  return runOf(here) !== runOf(newest) || numberOf(here) < numberOf(newest);
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Every row with the time of its request, because another run of polis counts from 1 again.
const rows = () => [...document.querySelectorAll("#rows time")].map((time) => `${time.closest("li").value} ${time.dateTime}`);

function sayRestarted(before, kept) {
  const isKept = before.length === 0 || rows().some((row) => before.includes(row));
  const note = document.createElement("p");
  note.id = "restarted";
  note.className = "card warn";
  note.setAttribute("role", "alert");
  note.textContent = "polis was restarted. "
    + (isKept ? "" : `${kept} ${kept === "1" ? "request that it kept is" : "requests that it kept are"} gone; --store keeps them. `)
    + (!isKept && chosen() ? `What you see of #${chosen()} is this page's copy. ` : "")
    + "Answers, scopes and secrets that were set while it ran are back to those of its start.";
  document.getElementById("restarted")?.remove();
  list().prepend(note);
}

async function step() {
  const run = runOf(list().dataset.change);
  const [before, kept] = [rows(), document.getElementById("kept").dataset.kept];
  const added = await renew(isHeld);
  if (runOf(list().dataset.change) !== run) sayRestarted(before, kept);
  else if (added.length === 1) say(`#${added[0]} arrived`);
  else if (added.length > 1) say(`${added.length} arrived, the newest is #${added[0]}`);
  followNewest(added);
}

const FOLLOWS = "polis-follow";

// Opens the newest request if somebody wants that and is not in the middle of something.
function followNewest(added) {
  const newest = document.querySelector(`#rows > li[value="${added[0]}"] a`);
  if (newest && document.getElementById("follow").checked && !isBusy()) visit(newest, { address: "replace" });
}

function startFollowing() {
  const box = document.getElementById("follow");
  box.closest("label").hidden = false;
  box.checked = localStorage.getItem(FOLLOWS) === "yes";
  box.addEventListener("change", () => localStorage.setItem(FOLLOWS, box.checked ? "yes" : "no"));
}

async function run() {
  if (isRunning) return;
  isRunning = true;
  let rest = PAUSE_MS;
  while (isBehind()) {
    await pause(rest);
    rest = PAUSE_MS;
    if (isHeld() || document.hidden) continue;
    const begun = performance.now();
    try {
      await step();
      // A busy server is asked less often.
      rest += performance.now() - begun;
    } catch (error) {
      if (error.name === "AbortError") continue;
      lost(error);
      rest = LOST_PAUSE_MS;
    }
  }
  isRunning = false;
}

export function startLive() {
  if (!list()) {
    say("");
    return;
  }
  startFollowing();
  list().addEventListener("pointermove", () => { aimed = performance.now(); });
  addEventListener("pointerdown", () => { isPressed = true; });
  for (const name of ["pointerup", "pointercancel", "blur"]) addEventListener(name, () => { isPressed = false; });
  follow("/changes", {
    open: () => say("live"),
    changed: (change) => {
      newest = change;
      run();
    },
    error: lost,
  });
}
