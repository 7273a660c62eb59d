// Pins are this browser's own: links to requests that one comes back to.
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

export function togglePin() {
  const id = Number(document.getElementById("detail")?.dataset.id ?? 0);
  if (!id) return;
  const label = document.querySelector("#detail h2.line")?.textContent.trim() ?? `#${id}`;
  const pins = read();
  const others = pins.filter((pin) => pin.id !== id);
  const next = others.length < pins.length ? others : [...others, { id, label }].slice(-PINS_MAX);
  localStorage.setItem(PLACE, JSON.stringify(next));
  showPins();
}

export function showPins() {
  const place = document.getElementById("pins");
  if (!place) return;
  const pins = read();
  place.hidden = pins.length === 0;
  const list = document.createElement("ul");
  for (const pin of pins) {
    const link = document.createElement("a");
    link.href = `/requests/${Number(pin.id)}`;
    link.textContent = pin.label;
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  const heading = document.createElement("b");
  heading.textContent = "Pinned";
  place.replaceChildren(heading, list);
  const actions = document.getElementById("actions");
  if (actions && !actions.querySelector("#pin")) {
    const button = document.createElement("button");
    button.id = "pin";
    button.type = "button";
    button.className = "quiet";
    button.addEventListener("click", togglePin);
    actions.append(button);
  }
  const id = Number(document.getElementById("detail")?.dataset.id ?? 0);
  const button = document.getElementById("pin");
  if (button) button.textContent = pins.some((pin) => pin.id === id) ? "Unpin" : "Pin";
}

export const startPins = showPins;
