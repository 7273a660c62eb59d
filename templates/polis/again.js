// "Send again" goes where it last went, unless the page says otherwise.
const PLACE = "polis-send-to";

export function rememberTarget() {
  const form = document.getElementById("replay");
  if (!form) return;
  const target = form.elements.to;
  const last = localStorage.getItem(PLACE);
  // Only the server's own proposal is replaced, not what was just sent.
  if (last && !document.getElementById("replayed")) target.value = target.defaultValue = last;
  form.addEventListener("submit", () => localStorage.setItem(PLACE, target.value));
}
