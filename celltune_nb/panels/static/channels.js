// The channels of an image: which are shown, in which colour and contrast.
//
// Kernel → browser   traits rows [{name, color, visible, low, high}], chosen, histogram {name, counts, low, high}, note
// Browser → kernel   change {name, changes}, choose {name}, auto {name}, only {name}
//
// A drag of a contrast handle is drawn here at once and reported at most every REPORT_EVERY ms, and not before the kernel has
// begun with the report before.  Changes are numbered: rows from before the kernel heard of one do not take it back.

const REPORT_EVERY = 40;
const FILTER_FROM = 13; // rows from which on a filter is worth its place
const HEIGHT = 64; // of the histogram, CSS pixels
const SVG = "http://www.w3.org/2000/svg";

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function node(parent, tag, name, properties = {}) {
  const element = document.createElement(tag);
  element.className = name;
  Object.assign(element, properties);
  parent.appendChild(element);
  return element;
}

function shape(parent, tag, name) {
  const element = document.createElementNS(SVG, tag);
  element.setAttribute("class", name);
  parent.appendChild(element);
  return element;
}

// Three significant figures are enough to type and to read.
function short(value) {
  return String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
}

class List {
  constructor(model, el) {
    Object.assign(this, { model, el, rows: new Map(), held: null, timer: null, reported: 0 });
    el.classList.add("ct-channels");
    this.note = node(el, "p", "ct-channels-note");
    this.filter = node(el, "input", "ct-channels-filter", { type: "search", placeholder: "Find a channel" });
    this.filter.setAttribute("aria-label", "Find a channel");
    this.filter.oninput = () => this.sift();
    this.list = node(el, "div", "ct-channels-list");
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Channels");
    this.buildContrast();
    this.onRows = () => this.showRows();
    this.onChosen = () => this.showChosen();
    model.on("change:rows", this.onRows);
    model.on("change:note", this.onRows);
    model.on("change:chosen", this.onChosen);
    model.on("change:histogram", this.onChosen);
    this.told = 0;
    this.pending = new Map(); // channel → number of the newest change of it
    this.onHeard = () => {
      for (const [name, number] of this.pending) if (number <= model.get("heard")) this.pending.delete(name);
      if (this.waits) this.report(false);
    };
    model.on("change:heard", this.onHeard);
    this.observer = new ResizeObserver(() => this.drawHistogram());
    this.observer.observe(this.plot);
    this.showRows();
  }

  close() {
    clearTimeout(this.timer);
    this.observer.disconnect();
    this.model.off(null, this.onRows);
    this.model.off(null, this.onChosen);
    this.model.off(null, this.onHeard);
  }

  // ---------------------------------------------------------------- rows

  showRows() {
    const rows = this.model.get("rows");
    const note = this.model.get("note");
    this.note.textContent = note;
    this.note.hidden = !note;
    this.filter.hidden = rows.length < FILTER_FROM;
    this.list.hidden = this.contrast.hidden = rows.length === 0;
    const names = rows.map((row) => row.name).join("\n");
    if (names !== this.names) {
      this.names = names;
      this.list.replaceChildren();
      this.rows.clear();
      for (const row of rows) this.addRow(row.name);
    }
    for (const row of rows) {
      const { line, box, color } = this.rows.get(row.name);
      if (this.pending.has(row.name)) continue;
      box.checked = row.visible;
      if (document.activeElement !== color) color.value = row.color;
      color.parentElement.style.background = row.color;
      line.classList.toggle("ct-off", !row.visible);
    }
    this.sift();
    this.showChosen();
  }

  addRow(name) {
    const line = node(this.list, "div", "ct-channel", { tabIndex: 0, title: name });
    line.setAttribute("role", "option");
    const box = node(line, "input", "ct-channel-shown", { type: "checkbox" });
    box.setAttribute("aria-label", `Show ${name}`);
    box.onchange = () => this.change(name, { visible: box.checked }, true);
    const swatch = node(line, "label", "ct-channel-swatch", { title: `Colour of ${name}` });
    const color = node(swatch, "input", "ct-channel-color", { type: "color" });
    color.setAttribute("aria-label", `Colour of ${name}`);
    color.oninput = () => {
      swatch.style.background = color.value;
      this.change(name, { color: color.value }, false);
    };
    node(line, "span", "ct-channel-name", { textContent: name });
    line.onclick = (event) => {
      if (event.target !== box && !swatch.contains(event.target)) this.choose(name);
    };
    line.onkeydown = (event) => {
      if (event.target !== line || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      this.choose(name);
    };
    this.rows.set(name, { line, box, color });
  }

  sift() {
    const wanted = this.filter.hidden ? "" : this.filter.value.trim().toLowerCase();
    for (const [name, { line }] of this.rows) line.hidden = !name.toLowerCase().includes(wanted);
  }

  choose(name) {
    // At once, so that what is typed next is not taken for the channel before.
    this.model.set("chosen", name);
    this.model.send({ type: "choose", name });
  }

  // ---------------------------------------------------------------- contrast

  buildContrast() {
    this.contrast = node(this.el, "div", "ct-contrast");
    this.title = node(this.contrast, "div", "ct-contrast-title");
    this.plot = node(this.contrast, "div", "ct-contrast-plot");
    this.svg = shape(this.plot, "svg", "ct-contrast-svg");
    this.area = shape(this.svg, "path", "ct-contrast-area");
    this.ramp = shape(this.svg, "path", "ct-contrast-ramp");
    this.handles = { low: this.handle("low", "Shown black up to"), high: this.handle("high", "Full colour from") };
    const fields = node(this.contrast, "div", "ct-contrast-fields");
    this.fields = {};
    for (const [side, label] of [["low", "Black up to"], ["high", "Full colour from"]]) {
      const field = node(fields, "input", "ct-contrast-field", { type: "number", step: "any", title: label });
      field.setAttribute("aria-label", label);
      field.onchange = () => {
        const value = Number(field.value);
        if (field.value !== "" && Number.isFinite(value)) this.set(side, value, true);
      };
      field.onblur = () => this.drawHistogram();
      this.fields[side] = field;
    }
    const buttons = node(this.contrast, "div", "ct-contrast-buttons");
    const button = (text, title, type) => {
      const made = node(buttons, "button", "ct-button ct-small-button", { type: "button", textContent: text, title });
      made.onclick = () => this.model.send({ type, name: this.model.get("chosen") });
      return made;
    };
    button("Auto contrast", "Set black and full colour from the image's intensities", "auto");
    this.only = button("Only this", "Hide the other channels; again to bring them back", "only");
  }

  handle(side, label) {
    const handle = node(this.plot, "div", `ct-contrast-handle ct-contrast-${side}`, { tabIndex: 0, title: label });
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", label);
    handle.onpointerdown = (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      handle.focus();
      handle.setPointerCapture(event.pointerId);
      this.held = side;
    };
    handle.onpointermove = (event) => {
      if (this.held !== side) return;
      const box = this.plot.getBoundingClientRect();
      const { low, high } = this.range();
      const part = clamp((event.clientX - box.left) / box.width, 0, 1);
      this.set(side, low + part * (high - low), false);
    };
    const end = () => {
      if (this.held !== side) return;
      this.held = null;
      this.report(true);
    };
    handle.onpointerup = end;
    handle.onpointercancel = end;
    handle.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      const row = this.row();
      if (!step || !row) return;
      event.preventDefault();
      event.stopPropagation();
      const { low, high } = this.range();
      this.set(side, row[side] + (step * (high - low)) / 100, true);
    };
    return handle;
  }

  row() {
    const row = this.model.get("rows").find((one) => one.name === this.model.get("chosen"));
    return row && this.moved?.name === row.name ? { ...row, ...this.moved } : row;
  }

  // What the axis spans: the histogram, and the limits wherever they were typed.
  range() {
    if (this.held && this.frozen) return this.frozen;
    const histogram = this.model.get("histogram");
    const row = this.row();
    const known = histogram.name === row?.name && histogram.counts?.length;
    let low = known ? histogram.low : (row?.low ?? 0);
    let high = known ? histogram.high : (row?.high ?? 1);
    if (row) [low, high] = [Math.min(low, row.low), Math.max(high, row.high)];
    this.frozen = { low, high: high > low ? high : low + 1 };
    return this.frozen;
  }

  set(side, value, final) {
    const row = this.row();
    if (!row) return;
    const { low, high } = this.range();
    const least = (high - low) / 500;
    // The handles never cross: black stays below full colour.
    const kept = side === "low" ? Math.min(value, row.high - least) : Math.max(value, row.low + least);
    this.moved = { name: row.name, low: row.low, high: row.high, [side]: kept };
    this.drawHistogram();
    this.change(row.name, { low: this.moved.low, high: this.moved.high }, final);
  }

  change(name, changes, final) {
    if (this.due && this.due.name !== name) this.report(false);
    this.due = { name, changes: { ...this.due?.changes, ...changes } };
    if (final) this.report(true);
    else if (!this.waits) this.timer ??= setTimeout(() => this.report(false), Math.max(0, this.reported + REPORT_EVERY - performance.now()));
  }

  report(final) {
    clearTimeout(this.timer);
    this.timer = null;
    // A drag that ran ahead of the kernel would be worked through long after it ended.
    this.waits = !final && this.pending.has(this.due?.name);
    if (this.waits) return;
    this.reported = performance.now();
    if (this.due) {
      this.told = Math.max(this.told, this.model.get("heard")) + 1;
      this.pending.set(this.due.name, this.told);
      this.model.send({ type: "change", ...this.due, number: this.told });
    }
    this.due = null;
    if (final) this.settle = true;
  }

  showChosen() {
    const chosen = this.model.get("chosen");
    for (const [name, { line }] of this.rows) {
      line.classList.toggle("ct-chosen", name === chosen);
      line.setAttribute("aria-selected", String(name === chosen));
    }
    const rows = this.model.get("rows");
    const row = rows.find((one) => one.name === chosen);
    // The kernel has caught up with the last drag, or another channel is looked at.
    if (this.moved && !this.held && ((this.settle && !this.pending.has(this.moved.name)) || this.moved.name !== chosen)) {
      this.moved = null;
      this.settle = false;
    }
    this.title.textContent = chosen;
    this.only.classList.toggle("ct-pressed", rows.filter((one) => one.visible).length === 1 && Boolean(row?.visible));
    this.drawHistogram();
  }

  drawHistogram() {
    const row = this.row();
    const width = this.plot.clientWidth;
    if (!row || width < 2) return;
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", HEIGHT);
    const { low, high } = this.range();
    const place = (value) => ((value - low) / (high - low)) * width;
    const histogram = this.model.get("histogram");
    const counts = histogram.name === row.name ? histogram.counts : [];
    // Background is most of any image: on a plain scale the cells would be a flat line.
    const most = Math.log1p(Math.max(1, ...counts));
    const step = (histogram.high - histogram.low) / Math.max(1, counts.length);
    let path = `M${place(histogram.low ?? low)},${HEIGHT}`;
    counts.forEach((count, i) => {
      const top = HEIGHT - (Math.log1p(count) / most) * (HEIGHT - 4);
      path += `L${place(histogram.low + i * step)},${top}L${place(histogram.low + (i + 1) * step)},${top}`;
    });
    this.area.setAttribute("d", counts.length ? `${path}V${HEIGHT}Z` : "");
    const [a, b] = [place(row.low), place(row.high)];
    this.ramp.setAttribute("d", `M0,${HEIGHT - 1}H${a}L${b},2H${width}`);
    this.ramp.style.stroke = row.color;
    for (const [side, x] of [["low", a], ["high", b]]) {
      this.handles[side].style.transform = `translateX(${x}px)`;
      this.handles[side].setAttribute("aria-valuenow", row[side]);
      this.handles[side].setAttribute("aria-valuetext", short(row[side]));
      if (document.activeElement !== this.fields[side]) this.fields[side].value = short(row[side]);
    }
  }
}

export default {
  render({ model, el }) {
    const list = new List(model, el);
    return () => list.close();
  },
};
