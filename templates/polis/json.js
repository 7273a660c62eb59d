// Colours and folds the JSON of a body, and copies a value or its place. The text comes from the
// server and never becomes markup. Only what is unfolded is built, so that size costs nothing.
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const LINES_MAX = 300; // How many lines are unfolded at first, and added at once to a long list.

// The values of a text as a tree, built without recursion: depth costs no stack.
function read(text) {
  const root = { children: [] };
  let inside = root;
  let name = null;
  const tokens = text.match(TOKEN) ?? [];
  tokens.forEach((token, at) => {
    if (token === "," || token === ":") return;
    if (token === "}" || token === "]") {
      inside = inside.parent;
      return;
    }
    if (tokens[at + 1] === ":") {
      name = token;
      return;
    }
    const node = { name, text: token, parent: inside, index: inside.children.length };
    name = null;
    inside.children.push(node);
    if (token === "{" || token === "[") {
      node.children = [];
      inside = node;
    }
  });
  return root.children[0];
}

const isInside = (node) => node.parent.text !== undefined;

// As "Send again" and `polis replay --set` accept it: body.items.0.name.
function place(node) {
  const steps = [];
  for (let at = node; isInside(at); at = at.parent) {
    steps.unshift(at.name === null ? String(at.index) : JSON.parse(at.name).replace(/[\\.]/g, "\\$&"));
  }
  return ["body", ...steps].join(".");
}

const closing = (node) => (node.text === "{" ? "}" : "]");

// A value as text; a string without its quotes.
function written(node, indent = "") {
  if (!node.children) return node.text;
  if (node.children.length === 0) return node.text + closing(node);
  const deeper = `${indent}  `;
  const lines = node.children.map((child) => `${deeper}${child.name === null ? "" : `${child.name}: `}${written(child, deeper)}`);
  return `${node.text}\n${lines.join(",\n")}\n${indent}${closing(node)}`;
}

function value(node) {
  try {
    return node.text.startsWith('"') ? JSON.parse(node.text) : written(node);
  } catch {
    return node.text;
  }
}

function span(kind, text) {
  const made = document.createElement("span");
  made.className = kind;
  made.textContent = text;
  return made;
}

class Tree {
  constructor(pre, root) {
    this.element = document.createElement("ul");
    this.element.className = "json";
    this.element.setAttribute("role", "tree");
    this.element.setAttribute("aria-label", "The body as JSON");
    this.tools = document.createElement("p");
    this.tools.className = "json-tools";
    this.place = document.createElement("code");
    this.tools.append(this.place, this.button("Copy value", () => value(this.chosen)), this.button("Copy path", () => place(this.chosen)));
    this.element.append(this.item(root));
    this.unfoldFirst(root);
    this.choose(root);
    this.element.addEventListener("click", (event) => this.clicked(event));
    this.element.addEventListener("keydown", (event) => this.pressed(event));
    pre.before(this.tools);
    pre.replaceWith(this.element);
  }

  button(label, text) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "quiet";
    made.textContent = label;
    made.addEventListener("click", async () => {
      const said = document.getElementById("copied");
      try {
        await navigator.clipboard.writeText(text());
        said.textContent = `Copied ${place(this.chosen)}.`;
      } catch {
        said.textContent = "This browser gives the page no clipboard.";
      }
    });
    return made;
  }

  // The line of a value. Its content is built when it is unfolded.
  item(node) {
    const item = document.createElement("li");
    item.setAttribute("role", "treeitem");
    item.tabIndex = -1;
    item.node = node;
    node.item = item;
    const line = span("line", "");
    if (node.name !== null && node.name !== undefined) line.append(span("name", node.name), ": ");
    const kind = node.children ? "mark" : node.text.startsWith('"') ? "text" : "number";
    line.append(span(kind, node.text));
    item.append(line);
    if (node.children?.length > 0) {
      node.folded = span("folded", ` ${node.children.length} … ${closing(node)}`);
      line.append(node.folded);
      item.setAttribute("aria-expanded", "false");
    } else if (node.children) line.append(span("mark", closing(node)));
    return item;
  }

  unfold(node) {
    if (!node.children?.length || node.item.getAttribute("aria-expanded") === "true") return;
    if (!node.group) {
      node.group = document.createElement("ul");
      node.group.setAttribute("role", "group");
      node.end = span("mark end", closing(node));
      this.more(node);
    }
    node.item.append(node.group, node.end);
    node.folded.hidden = true;
    node.item.setAttribute("aria-expanded", "true");
  }

  // The next lines of a list that has too many.
  more(node) {
    const from = node.made ?? 0;
    node.made = Math.min(from + LINES_MAX, node.children.length);
    node.group.append(...node.children.slice(from, node.made).map((child) => this.item(child)));
    const left = node.children.length - node.made;
    if (left === 0) return;
    const rest = document.createElement("li");
    rest.setAttribute("role", "none");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = `${left} more`;
    button.addEventListener("click", () => {
      rest.remove();
      this.more(node);
    });
    rest.append(button);
    node.group.append(rest);
  }

  fold(node) {
    if (node.item.getAttribute("aria-expanded") !== "true") return;
    node.group.remove();
    node.end.remove();
    node.folded.hidden = false;
    node.item.setAttribute("aria-expanded", "false");
  }

  unfoldFirst(root) {
    let lines = 1;
    const queue = [root];
    while (queue.length > 0) {
      const node = queue.shift();
      if (node !== root && lines + node.children.length > LINES_MAX) continue;
      this.unfold(node);
      lines += Math.min(node.children.length, LINES_MAX);
      queue.push(...node.children.slice(0, LINES_MAX).filter((child) => child.children?.length > 0));
    }
  }

  choose(node, focus) {
    for (const other of this.element.querySelectorAll("[aria-selected=true]")) {
      other.setAttribute("aria-selected", "false");
      other.tabIndex = -1;
    }
    this.chosen = node;
    node.item.setAttribute("aria-selected", "true");
    node.item.tabIndex = 0;
    this.place.textContent = place(node);
    if (focus) node.item.focus({ preventScroll: false });
  }

  clicked(event) {
    const item = event.target.closest("li[role=treeitem]");
    if (!item || event.target.closest("button") || String(getSelection())) return;
    this.choose(item.node);
    const isFold = event.target.closest(".line, .end") && item.node.children;
    if (!isFold) return;
    if (item.getAttribute("aria-expanded") === "true") this.fold(item.node);
    else this.unfold(item.node);
  }

  pressed(event) {
    const lines = [...this.element.querySelectorAll("li[role=treeitem]")];
    const at = lines.indexOf(this.chosen.item);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (to !== undefined) {
      if (lines[to]) this.choose(lines[to].node, true);
    } else if (event.key === "ArrowRight") this.unfold(this.chosen);
    else if (event.key === "ArrowLeft") {
      if (this.chosen.item.getAttribute("aria-expanded") === "true") this.fold(this.chosen);
      else if (isInside(this.chosen)) this.choose(this.chosen.parent, true);
    } else return;
    event.preventDefault();
  }
}

export function showJson() {
  const pre = document.querySelector("#view pre[data-json]");
  const root = pre && read(pre.textContent);
  if (root) new Tree(pre, root);
}
