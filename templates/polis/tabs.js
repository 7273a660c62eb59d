// Makes tabs of the sections of a request, as the ARIA practices say; remembers the chosen one.
let wanted = "Pretty";

function choose(list, tab, focus) {
  for (const other of list.children) {
    const is = other === tab;
    other.setAttribute("aria-selected", String(is));
    other.tabIndex = is ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !is;
  }
  wanted = tab.textContent;
  if (focus) tab.focus();
}

export function renewTabs() {
  const tabs = document.getElementById("tabs");
  if (!tabs) return;
  const panels = [...tabs.querySelectorAll(":scope > section[data-tab]")];
  const list = document.createElement("div");
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Views of the request");
  for (const panel of panels) {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.textContent = panel.dataset.tab;
    tab.id = `${panel.id}-tab`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    tab.addEventListener("click", () => choose(list, tab, false));
    list.append(tab);
  }
  list.addEventListener("keydown", (event) => {
    const all = [...list.children];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(list, all.at(to % all.length), true);
  });
  tabs.prepend(list);
  tabs.classList.add("ready");
  const all = [...list.children];
  if (all.length > 0) choose(list, all.find((tab) => tab.textContent === wanted) ?? all[0], false);
}
