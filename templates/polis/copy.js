// "Copy as": without this script the links open the text.
export function startCopying() {
  for (const button of document.querySelectorAll("[data-copy-text]")) button.hidden = false;
  document.addEventListener("click", async (event) => {
    const text = event.target.closest?.("[data-copy-text]")?.dataset.copyText;
    if (text) {
      const done = await navigator.clipboard.writeText(text).then(() => "Copied", () => "Select it to copy");
      event.target.textContent = done;
      return;
    }
    const link = event.target.closest?.("a[data-copy]");
    if (!link || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    const said = document.getElementById("copied");
    const url = new URL(link.href);
    if (document.getElementById("with-secrets")?.checked) url.searchParams.set("show_secrets", "true");
    try {
      const response = await fetch(url);
      const text = await response.text();
      if (!response.ok) {
        said.textContent = text;
        return;
      }
      await navigator.clipboard.writeText(text);
      said.textContent = `Copied as ${link.textContent}.`;
    } catch {
      // No clipboard here: showing the text itself is the next best.
      location.assign(url);
    }
  });
}
