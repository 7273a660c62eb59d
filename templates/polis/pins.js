// Pins are kept in this browser: links to requests to come back to. A pin records when its request
// came, because another run of polis counts from 1 again.
const PLACE = "polis-pins";
const PINS_MAX = 20;

function read() {
  try {
    const pins = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(pins) ? pins : [];
  } catch {
    return [];
  }
}

// The request that is shown, as a pin.
function current() {
  const id = Number(document.getElementById("detail")?.dataset.id ?? 0);
  const line = document.querySelector("#detail h2.line");
  return id && line ? { id, at: line.dataset.at, label: line.textContent.trim() } : null;
}

const isSame = (a, b) => a.id === b?.id && a.at === b?.at;

export function togglePin() {
  const pin = current();
  if (!pin) return;
  const pins = read();
  const others = pins.filter((other) => !isSame(other, pin));
  const next = others.length < pins.length ? others : [...others, pin].slice(-PINS_MAX);
  localStorage.setItem(PLACE, JSON.stringify(next));
  showPins();
}

function item(pin) {
  const link = document.createElement("a");
  const query = new URLSearchParams(location.search);
  query.delete("with"); // The comparison belongs to the request that is being left.
  link.href = `/requests/${Number(pin.id)}${query.size > 0 ? `?${query}` : ""}`;
  link.textContent = pin.label;
  const made = document.createElement("li");
  made.append(link);
  return made;
}

function button() {
  const made = document.createElement("button");
  made.id = "pin";
  made.type = "button";
  made.className = "quiet";
  made.addEventListener("click", togglePin);
  return made;
}

export function showPins() {
  const place = document.getElementById("pins");
  if (!place) return;
  const pins = read();
  const heading = document.createElement("b");
  heading.textContent = "Pinned";
  const list = document.createElement("ul");
  list.append(...pins.map(item));
  place.hidden = pins.length === 0;
  place.replaceChildren(heading, list);
  const actions = document.getElementById("actions");
  if (!actions) return;
  actions.querySelector(".secrets").hidden = false;
  if (!actions.querySelector("#pin")) actions.append(button());
  const isPinned = pins.some((pin) => isSame(pin, current()));
  const pin = document.getElementById("pin");
  pin.textContent = isPinned ? "Unpin" : "Pin";
  pin.setAttribute("aria-pressed", String(isPinned));
}
