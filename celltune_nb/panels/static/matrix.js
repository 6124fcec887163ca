// A matrix of counts that is a keyboard grid: arrows move, Enter opens the items behind a cell.
//
// Model    data {rows, columns: [{name, color}], text: [[string]], share: [[0..1]], hits: [[bool]],
//                says: [[string]], rowNotes, columnNotes: [string], rowTitle, columnTitle, rowNote,
//                columnNote, total, hint, label}
//          picked [row, column] or []
// Sends    pick {row, column}

const LEAST = 17; // CSS pixels of a cell; below, three digits cannot be read
const GOOD = 19; // down to this, names give way before numbers do
const MOST = 76;
const FLAT = 58; // from this width on, the columns' names lie flat

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function make(parent, tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}

// A name in so many characters; names that would read alike keep their end, where they differ.
function shorten(name, all, most) {
  if (name.length <= most || most < 5) return name;
  const alike = all.some((other) => other !== name && other.slice(0, most - 1) === name.slice(0, most - 1));
  return alike ? `${name.slice(0, most - 4).trimEnd()}…${name.slice(-3)}` : name;
}

function header(parent, scope, category) {
  const node = make(parent, "th", `ct-mx-${scope}`);
  node.scope = scope;
  node.title = category.name;
  const inner = make(node, "span", "ct-mx-name");
  make(inner, "span", "ct-mx-word", category.name);
  if (category.color) make(inner, "i", "ct-dot").style.background = category.color;
  return node;
}

class Grid {
  constructor(model, el, signal) {
    Object.assign(this, { model, el, at: [0, 0], cells: [] });
    el.classList.add("ct-mx");
    // JupyterLab's command mode would take arrows and Enter.
    el.dataset.lmSuppressShortcuts = "true";
    this.scroller = make(el, "div", "ct-mx-scroll");
    this.line = make(el, "div", "ct-mx-says");
    this.line.setAttribute("aria-live", "polite");
    const on = (name, handler) => this.scroller.addEventListener(name, handler.bind(this), { signal });
    on("click", this.click);
    on("keydown", this.key);
    on("mouseover", (event) => this.say(event.target.closest("td[data-row]")));
    on("mouseleave", () => this.say(null));
    on("focusin", (event) => this.say(event.target.closest("td[data-row]")));
    on("focusout", () => this.say(null));
    this.redraw = () => this.draw();
    this.mark = () => this.pick();
    model.on("change:data", this.redraw);
    model.on("change:picked", this.mark);
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(el);
    this.draw();
  }

  close() {
    this.observer.disconnect();
    this.model.off("change:data", this.redraw);
    this.model.off("change:picked", this.mark);
  }

  draw() {
    const data = this.model.get("data");
    const focused = this.scroller.contains(document.activeElement);
    this.scroller.replaceChildren();
    this.cells = [];
    if (!data.rows?.length) return this.say(null);
    const table = make(this.scroller, "table");
    table.setAttribute("role", "grid");
    table.setAttribute("aria-label", data.label);
    const head = make(make(table, "thead"), "tr");
    const corner = make(head, "td", "ct-mx-corner");
    make(corner, "span", "", `${data.columnTitle} →`);
    make(corner, "span", "", `${data.rowTitle} ↓`);
    for (const column of data.columns) header(head, "col", column);
    if (data.rowNotes) make(head, "th", "ct-mx-note", data.rowNote).scope = "col";
    const body = make(table, "tbody");
    data.rows.forEach((row, r) => {
      const line = make(body, "tr");
      header(line, "row", row);
      this.cells.push(data.columns.map((_column, c) => this.cell(line, data, r, c)));
      if (data.rowNotes) make(line, "td", "ct-mx-note", data.rowNotes[r]);
    });
    if (data.columnNotes) {
      const foot = make(make(table, "tfoot"), "tr");
      make(foot, "th", "ct-mx-row", data.columnNote).scope = "row";
      for (const note of data.columnNotes) make(foot, "td", "ct-mx-note", note);
      if (data.rowNotes) make(foot, "td", "ct-mx-note ct-mx-total", data.total);
    }
    this.at = [Math.min(this.at[0], data.rows.length - 1), Math.min(this.at[1], data.columns.length - 1)];
    this.fit();
    this.pick();
    this.say(null);
    this.enter(focused);
  }

  cell(line, data, r, c) {
    const text = data.text[r][c];
    const node = make(line, "td", data.hits[r][c] ? "ct-mx-hit" : "ct-mx-miss", text);
    node.setAttribute("role", "gridcell");
    node.setAttribute("aria-label", data.says[r][c]);
    node.dataset.row = r;
    node.dataset.column = c;
    node.tabIndex = -1;
    const share = data.share[r][c];
    node.style.setProperty("--share", share === 0 ? 0 : 0.06 + 0.86 * share);
    node.classList.toggle("ct-mx-strong", share > 0.58);
    node.classList.toggle("ct-mx-empty", text === "");
    node.classList.toggle("ct-mx-long", text.length > 3);
    return node;
  }

  // Cells as wide as the panel allows, between legible and lost in space; the table scrolls as a whole.
  fit() {
    const data = this.model.get("data");
    if (!data.rows?.length || !this.el.clientWidth) return;
    const longest = Math.max(...data.rows.map((row) => row.name.length), 6);
    let gutter = clamp(26 + 6.8 * longest, 60, clamp(this.el.clientWidth * 0.28, 66, 170));
    const notes = data.rowNotes ? 37 : 0;
    // Names give way before the table has to scroll.
    const spare = (cell) => this.el.clientWidth - notes - cell * data.columns.length - 2;
    gutter = Math.min(gutter, Math.max(spare(GOOD), 66));
    if (spare(LEAST) < gutter && spare(LEAST) > 48) gutter = spare(LEAST);
    const width = Math.floor(clamp((this.el.clientWidth - gutter - notes - 2) / data.columns.length, LEAST, MOST));
    const flat = width >= FLAT && Math.max(...data.columns.map((column) => column.name.length)) * 6.6 + 18 < width * 1.1;
    this.el.style.setProperty("--cell", `${width}px`);
    this.el.style.setProperty("--high", `${clamp(width, LEAST, 34)}px`);
    this.el.style.setProperty("--gutter", `${gutter}px`);
    this.el.classList.toggle("ct-mx-flat", flat);
    this.el.classList.toggle("ct-mx-small", width < 30);
    this.el.classList.toggle("ct-mx-tiny", width < GOOD);
    this.rename("row", data.rows, gutter - 21);
    this.rename("col", data.columns, flat ? width - 2 : 72);
  }

  rename(scope, categories, room) {
    const names = categories.map((category) => category.name);
    const most = Math.floor(room / 8.8);
    const words = this.scroller.querySelectorAll(`th.ct-mx-${scope} .ct-mx-word`);
    names.forEach((name, i) => {
      if (words[i]) words[i].textContent = shorten(name, names, most);
    });
  }

  pick() {
    const [row, column] = this.model.get("picked");
    this.cells.flat().forEach((cell) => {
      const here = Number(cell.dataset.row) === row && Number(cell.dataset.column) === column;
      cell.classList.toggle("ct-mx-picked", here);
      cell.setAttribute("aria-selected", String(here));
    });
  }

  say(cell) {
    const data = this.model.get("data");
    const line = cell ? data.says[cell.dataset.row][cell.dataset.column] : data.hint;
    if (this.line.textContent !== (line ?? "")) this.line.textContent = line ?? "";
    this.line.classList.toggle("ct-mx-hint", !cell);
  }

  enter(focus) {
    this.cells.flat().forEach((cell) => (cell.tabIndex = -1));
    const cell = this.cells[this.at[0]]?.[this.at[1]];
    if (!cell) return;
    cell.tabIndex = 0;
    if (focus) cell.focus({ preventScroll: false });
  }

  click(event) {
    const cell = event.target.closest("td[data-row]");
    if (!cell) return;
    this.at = [Number(cell.dataset.row), Number(cell.dataset.column)];
    this.enter(true);
    this.send();
  }

  send() {
    if (!this.model.get("data").text[this.at[0]][this.at[1]]) return;
    this.model.send({ type: "pick", row: this.at[0], column: this.at[1] });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.cells.length) return;
    const [row, column] = this.at;
    const last = [this.cells.length - 1, this.cells[0].length - 1];
    const target = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1], Home: [row, 0], End: [row, last[1]], PageUp: [0, column],
      PageDown: [last[0], column],
    }[event.key];
    if (target) {
      this.at = [clamp(target[0], 0, last[0]), clamp(target[1], 0, last[1])];
      this.enter(true);
    } else if (event.key === "Enter" || event.key === " ") this.send();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

export default {
  render({ model, el }) {
    const ended = new AbortController();
    const grid = new Grid(model, el, ended.signal);
    return () => {
      ended.abort();
      grid.close();
    };
  },
};
