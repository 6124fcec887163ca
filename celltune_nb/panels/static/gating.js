// The plot of a gate: a histogram with two limits, or the density of two features with a rectangle or a lasso.
//
// Kernel → browser   traits plot {mode, bars, picture, xticks, yticks, xlabel, ylabel}, limits [low, high] or null each,
//                    shape [[x, y], …], tool "rectangle" | "lasso", marks [[x, y], …], color
// Browser → kernel   limits {low, high, final}, area {kind, points, final}
//
// All coordinates are parts of the plot, 0 to 1, y upwards.  Dragging is drawn here at once and reported at most every
// REPORT_EVERY ms; the kernel carries out the newest report only.

const REPORT_EVERY = 50;
const SVG = "http://www.w3.org/2000/svg";
const LEFT = 34, BOTTOM = 30, TOP = 6, RIGHT = 8;

const clamp = (value) => Math.min(1, Math.max(0, value));

function shape(parent, tag, name, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  element.setAttribute("class", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.appendChild(element);
  return element;
}

class Plot {
  constructor(model, el) {
    Object.assign(this, { model, el, reported: 0, timer: null, held: null, points: null });
    el.classList.add("ct-gate-plot");
    this.svg = shape(el, "svg", "ct-gate-svg", { role: "img" });
    this.draw = () => this.render();
    for (const name of ["plot", "limits", "shape", "tool", "marks", "color"]) model.on(`change:${name}`, this.draw);
    this.observer = new ResizeObserver(this.draw);
    this.observer.observe(el);
    this.svg.onpointerdown = (event) => this.down(event);
    this.svg.onpointermove = (event) => this.move(event);
    this.svg.onpointerup = this.svg.onpointercancel = (event) => this.up(event);
    this.svg.onkeydown = (event) => this.key(event);
    this.render();
  }

  close() {
    clearTimeout(this.timer);
    this.observer.disconnect();
    this.model.off(null, this.draw);
  }

  get ranged() {
    return this.model.get("plot").mode !== "area";
  }

  // ---------------------------------------------------------------- places

  box() {
    const { width, height } = this.el.getBoundingClientRect();
    const left = this.ranged ? 8 : LEFT;
    return { left, top: TOP, width: Math.max(1, width - left - RIGHT), height: Math.max(1, height - TOP - BOTTOM) };
  }

  place(event) {
    const at = this.svg.getBoundingClientRect();
    const { left, top, width, height } = this.box();
    return [clamp((event.clientX - at.left - left) / width), clamp(1 - (event.clientY - at.top - top) / height)];
  }

  // ---------------------------------------------------------------- drawing

  render() {
    this.el.classList.toggle("ct-gate-square", !this.ranged);
    const { width, height } = this.el.getBoundingClientRect();
    if (width < 20) return;
    const plot = this.model.get("plot");
    const box = this.box();
    const px = (x) => box.left + x * box.width;
    const py = (y) => box.top + (1 - y) * box.height;
    this.svg.replaceChildren();
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("aria-label", this.ranged ? `Histogram of ${plot.xlabel}` : `${plot.xlabel} by ${plot.ylabel}`);
    shape(this.svg, "rect", "ct-gate-ground", { x: box.left, y: box.top, width: box.width, height: box.height });
    if (plot.picture) {
      shape(this.svg, "image", "ct-gate-picture", {
        x: box.left, y: box.top, width: box.width, height: box.height, preserveAspectRatio: "none", href: plot.picture,
      });
    }
    const bars = plot.bars ?? [];
    const [low, high] = this.limits();
    if (bars.length) {
      const path = (keep) =>
        bars.map((bar, i) => {
          const middle = (i + 0.5) / bars.length;
          if (!bar || !keep(middle)) return "";
          return `M${px(i / bars.length)},${py(0)}V${py(bar)}H${px((i + 1) / bars.length)}V${py(0)}Z`;
        }).join("");
      const inside = (x) => (low === null || x >= low) && (high === null || x <= high);
      const gated = low !== null || high !== null;
      shape(this.svg, "path", "ct-gate-bars", { d: path((x) => !gated || !inside(x)) });
      if (gated) shape(this.svg, "path", "ct-gate-in", { d: path(inside), fill: this.model.get("color") });
    }
    this.ticks(plot, px, py, width, height);
    for (const [x, y] of this.model.get("marks")) {
      if (this.ranged) shape(this.svg, "path", "ct-gate-mark", { d: `M${px(x)},${py(0)}v-9` });
      else shape(this.svg, "circle", "ct-gate-mark", { cx: px(x), cy: py(y), r: 3.5 });
    }
    if (this.ranged) this.handles(px, py, low, high);
    else this.outline(px, py);
  }

  ticks(plot, px, py, width, height) {
    for (const [x, label] of plot.xticks ?? []) {
      shape(this.svg, "path", "ct-gate-tick", { d: `M${px(x)},${py(0)}v4` });
      shape(this.svg, "text", "ct-gate-text", { x: px(x), y: py(0) + 14, "text-anchor": "middle" }).textContent = label;
    }
    const name = shape(this.svg, "text", "ct-gate-name", { x: px(0.5), y: height - 4, "text-anchor": "middle" });
    name.textContent = plot.xlabel ?? "";
    if (this.ranged) return;
    const up = shape(this.svg, "text", "ct-gate-name", { x: px(0) + 6, y: py(1) + 14, "text-anchor": "start" });
    up.textContent = `${plot.ylabel} ↑`;
    for (const [y, label] of plot.yticks ?? []) {
      shape(this.svg, "path", "ct-gate-tick", { d: `M${px(0)},${py(y)}h-4` });
      shape(this.svg, "text", "ct-gate-text", { x: px(0) - 6, y: py(y) + 4, "text-anchor": "end" }).textContent = label;
    }
  }

  handles(px, py, low, high) {
    for (const [side, value, rest, label] of [
      ["low", low, 0, "Lower limit"],
      ["high", high, 1, "Upper limit"],
    ]) {
      const x = px(value ?? rest);
      const group = shape(this.svg, "g", `ct-gate-handle${value === null ? " ct-gate-free" : ""}`, {
        role: "slider", tabindex: 0, "aria-label": label, "aria-valuenow": (value ?? rest).toFixed(3), "data-side": side,
        "aria-valuemin": 0, "aria-valuemax": 1,
      });
      shape(group, "rect", "ct-gate-grip", { x: x - 7, y: py(1), width: 14, height: py(0) - py(1) });
      shape(group, "path", "ct-gate-line", { d: `M${x},${py(1)}V${py(0)}` });
      shape(group, "rect", "ct-gate-knob", { x: x - 4, y: py(0.5) - 9, width: 8, height: 18, rx: 3 });
    }
    const focused = this.focused && this.svg.querySelector(`[data-side="${this.focused}"]`);
    if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  outline(px, py) {
    const points = this.points ?? this.model.get("shape");
    if (points.length < 2) return;
    const corners = points.map(([x, y]) => `${px(x)},${py(y)}`).join(" ");
    shape(this.svg, "polygon", "ct-gate-area", { points: corners, stroke: this.model.get("color") });
  }

  limits() {
    return this.moved ?? this.model.get("limits");
  }

  // ---------------------------------------------------------------- gestures

  down(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.svg.setPointerCapture(event.pointerId);
    const [x, y] = this.place(event);
    if (!this.ranged) {
      this.held = [x, y];
      this.points = [[x, y]];
      return;
    }
    const [low, high] = this.limits();
    const near = Math.abs(x - (low ?? 0)) <= Math.abs(x - (high ?? 1)) ? "low" : "high";
    this.held = event.target.closest?.("[data-side]")?.dataset.side ?? near;
    this.focused = this.held;
    this.set(this.held, x, false);
  }

  move(event) {
    if (this.held === null) return;
    const [x, y] = this.place(event);
    if (this.ranged) {
      this.set(this.held, x, false);
      return;
    }
    if (this.model.get("tool") === "rectangle") {
      const [x0, y0] = this.held;
      this.points = [[x0, y0], [x, y0], [x, y], [x0, y]];
    } else {
      const [lastX, lastY] = this.points[this.points.length - 1];
      // A point every hundredth of the plot: hundreds more would only slow the kernel.
      if (Math.hypot(x - lastX, y - lastY) > 0.01) this.points.push([x, y]);
    }
    this.render();
    this.report(false);
  }

  up() {
    if (this.held === null) return;
    this.held = null;
    this.report(true);
    this.moved = this.points = null;
  }

  set(side, x, final) {
    let [low, high] = this.limits();
    // At the end of the axis there is no limit.
    if (side === "low") low = x <= 0.002 ? null : Math.min(x, (high ?? 1) - 0.002);
    else high = x >= 0.998 ? null : Math.max(x, (low ?? 0) + 0.002);
    this.moved = [low, high];
    this.render();
    this.report(final);
    if (final) this.moved = null;
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    const side = event.target.dataset?.side;
    if (!step || !side) return;
    event.preventDefault();
    event.stopPropagation();
    this.focused = side;
    const [low, high] = this.limits();
    this.set(side, clamp((side === "low" ? (low ?? 0) : (high ?? 1)) + (step * (event.shiftKey ? 5 : 1)) / 100), true);
  }

  report(final) {
    clearTimeout(this.timer);
    this.timer = null;
    const wait = this.reported + REPORT_EVERY - performance.now();
    if (!final && wait > 0) {
      this.timer = setTimeout(() => this.report(false), wait);
      return;
    }
    this.reported = performance.now();
    if (this.ranged) {
      const [low, high] = this.limits();
      if (final) this.model.set("limits", [low, high]);
      this.model.send({ type: "limits", low, high, final });
    } else if (this.points) {
      if (final) this.model.set("shape", this.points.length > 2 ? this.points : []);
      this.model.send({ type: "area", kind: this.model.get("tool"), points: this.points, final });
    }
  }
}

export default {
  render({ model, el }) {
    const plot = new Plot(model, el);
    return () => plot.close();
  },
};
