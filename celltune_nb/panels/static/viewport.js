// The pixel layer of a viewport: shows frames from the kernel, turns gestures into messages.
//
// Kernel → browser   frame {id, camera: {y, x, zoom, height, width}} + one JPEG buffer: the picture, or with
//                    {base, tile, places: [[row, column], …]} a collage of the tiles that differ from frame `base`
//                    camera {y, x, zoom, epoch}      the kernel moved the camera
//                    vectors {camera}                the vector canvas is about to be redrawn for it
//                    tooltip {text}, note {text}     shown at the cursor, at the top
// Browser → kernel   hello, size, gone, ack {frame, lost, camera?}, camera {y, x, zoom, epoch, final}, click, double_click, rectangle, lasso, hover, key {seen}
//
// Gestures carry the `subject` of the picture they were made on, which came with its frame: what was aimed at one image must
// not hit another.  A key carries the cell that the page round it asked for (data-asked) when it was pressed; until the
// picture of that cell has come, the one before.
//
// Image positions are (y, x) pixels, origin at the centre of pixel 0; canvas positions CSS pixels.
// The browser moves the last picture at once and reports the camera; the kernel refines.

const DRAG_STARTS = 4; // CSS pixels a press may wander and still be a click
const LASSO_STEP = 3; // CSS pixels between the corners of an outline
const REPORT_EVERY = 30; // ms between camera reports during a gesture
const FRAME_LATE = 250; // ms after which a frame that was asked for is not waited for with the next report
const HOVER_EVERY = 50; // ms between hover reports
const JUMP_LATE = 600; // ms that the picture of elsewhere stays when the kernel jumps, until that of there has come
const JUMP_COVERED = 0.3; // a jump: the picture at hand covers less than this of what is looked at next
const WHEEL_RESTS = 160; // ms after the last wheel event until the gesture is over

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function modifiers(event) {
  const held = [];
  if (event.shiftKey) held.push("shift");
  if (event.ctrlKey || event.metaKey) held.push("ctrl");
  if (event.altKey) held.push("alt");
  return held;
}

// "1" whatever the keyboard layout and shift make of the digit row; letters in lower case.
function keyName(event) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digit) return digit[1];
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

// Nobody types in a box that was ticked or a slider: the next key is meant for the image again.
const TYPED = "input:not([type=checkbox]):not([type=radio]):not([type=range]):not([type=color]), textarea, select, [contenteditable=true]";

function isTyping(target) {
  return target instanceof Element && target.closest(TYPED) !== null;
}

function div(parent, name) {
  const node = document.createElement("div");
  node.className = name;
  parent.appendChild(node);
  return node;
}

// A JPEG's picture, ready to be drawn.  An ImageDecoder takes the bytes as they are; a Blob first travels to another
// process, which doubles the time, but not every browser has the decoder, and only on pages from https or this machine.
async function decoded(buffer) {
  if (typeof ImageDecoder === "function") {
    const decoder = new ImageDecoder({ data: buffer, type: "image/jpeg" });
    try {
      return (await decoder.decode()).image;
    } finally {
      decoder.close();
    }
  }
  return createImageBitmap(new Blob([buffer], { type: "image/jpeg" }));
}

const extent = (bitmap) => [bitmap.displayWidth ?? bitmap.width, bitmap.displayHeight ?? bitmap.height];

// One per page and widget: the frame and the camera that all views of it share.
class Page {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.picture = document.createElement("canvas"); // the newest frame
    this.frame = null; // camera of the picture: {y, x, zoom, height, width}
    this.camera = null; // camera on screen: {y, x, zoom}
    this.coming = null; // camera to be on screen when its picture has come
    this.patience = null;
    this.drawn = null; // camera of the vector canvas
    this.awaited = []; // cameras of vector drawings that are on their way
    this.epoch = 0;
    this.newest = 0; // id of the frame in the picture
    this.subject = null; // what it is a picture of
    this.shown = Promise.resolve();
    this.timer = null; // runs while a camera waits to be reported
    this.reported = 0;
    this.asked = false; // whether a frame is on its way
    model.on("msg:custom", (message, buffers) => this.receive(message, buffers));
  }

  async open() {
    await this.keepListening();
    this.followVectors();
    this.model.send({ type: "hello" });
  }

  // anywidget 0.11 gives a module two seconds to load, which a busy page may exceed, and then drops every
  // message to the widget for good.  This module has loaded, so its messages can come straight in.
  async keepListening() {
    try {
      const id = this.model.get("own").replace("IPY_MODEL_", "");
      const patience = new Promise((resolve) => setTimeout(resolve, 1000));
      const model = await Promise.race([this.model.widget_manager.get_model(id), patience]);
      const plain = Object.getPrototypeOf(Object.getPrototypeOf(model));
      if (typeof plain._handle_comm_msg === "function") model.comm.on_msg(plain._handle_comm_msg.bind(model));
    } catch {
      // Another host of anywidget: its own way of delivery stays.
    }
  }

  // ipycanvas says when it has drawn, so that drawing and transform change in the same moment.
  async followVectors() {
    try {
      const id = this.model.get("vectors").replace("IPY_MODEL_", "");
      const canvas = await this.model.widget_manager.get_model(id);
      canvas.on("new-frame", () => {
        if (this.awaited.length) this.drawn = this.awaited.pop();
        this.awaited = [];
        // The views copy the picture in a microtask; move them right after it.
        Promise.resolve().then(() => this.views.forEach((view) => view.placeVectors()));
      });
      this.synchronous = true;
    } catch {
      this.synchronous = false;
    }
  }

  receive(message, buffers) {
    if (message.type === "frame") this.show(message, buffers[0]);
    else if (message.type === "camera") {
      this.epoch = message.epoch;
      clearTimeout(this.timer);
      this.timer = null;
      this.coming = { y: message.y, x: message.x, zoom: message.zoom };
      clearTimeout(this.patience);
      // Whoever goes from cell to cell would see the ground flash up between two pictures.
      if (this.jumps(this.coming)) {
        this.views.forEach((view) => view.wait());
        this.patience = setTimeout(() => this.arrive(), JUMP_LATE);
      } else this.arrive();
    } else if (message.type === "vectors") {
      if (this.synchronous) this.awaited.push(message.camera);
      else {
        this.drawn = message.camera;
        this.redraw();
      }
    } else if (message.type === "tooltip") this.views.forEach((view) => view.setTooltip(message.text));
    else if (message.type === "note") {
      if (message.subject !== undefined) this.subject = message.subject; // there is no picture of it
      this.views.forEach((view) => view.setNote(message.text));
    }
  }

  jumps({ y, x, zoom }) {
    const { frame } = this;
    if (!frame || [...this.views].some((view) => view.gesture)) return false;
    const covered = (length, from, to) => {
      const [had, wanted] = [length / 2 / frame.zoom, length / 2 / zoom];
      return Math.max(0, Math.min(from + had, to + wanted) - Math.max(from - had, to - wanted)) / (2 * wanted);
    };
    return covered(frame.height, frame.y, y) * covered(frame.width, frame.x, x) < JUMP_COVERED;
  }

  // Look where the kernel wants, now: its picture is there, or the person moves on from there.
  arrive() {
    clearTimeout(this.patience);
    if (!this.coming) return;
    this.camera = this.coming;
    this.coming = null;
    this.redraw();
  }

  // One after the other: tiles belong on the frame before them.
  show(message, buffer) {
    this.shown = this.shown.then(() => this.put(message, buffer));
  }

  async put(message, buffer) {
    let lost = false;
    try {
      const bitmap = await decoded(buffer);
      if (message.base === undefined) this.putFrame(bitmap);
      else if (message.base === this.newest) this.putTiles(bitmap, message);
      else lost = true;
      bitmap.close();
      if (!lost) {
        this.newest = message.id;
        this.frame = message.camera;
        this.subject = message.subject;
        this.camera ??= { y: this.frame.y, x: this.frame.x, zoom: this.frame.zoom };
        const { coming } = this;
        if (coming && ["y", "x", "zoom"].every((key) => coming[key] === this.frame[key])) this.arrive();
        this.redraw();
      }
    } catch (error) {
      console.error("celltune_nb: a frame could not be shown", error);
    }
    // The newest camera goes along: each message costs, in JupyterLab most (it shows the kernel as busy for every one).
    const waiting = this.timer !== null;
    this.asked = false;
    this.model.send({ type: "ack", frame: message.id, lost, camera: waiting ? this.reportable(false) : null });
  }

  putFrame(bitmap) {
    const { picture } = this;
    const [width, height] = extent(bitmap);
    if (picture.width !== width || picture.height !== height) {
      picture.width = width;
      picture.height = height;
    }
    picture.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
  }

  putTiles(bitmap, { tile, places }) {
    const context = this.picture.getContext("2d", { alpha: false });
    const across = extent(bitmap)[0] / tile;
    places.forEach(([row, column], i) => {
      const [x, y] = [(i % across) * tile, Math.floor(i / across) * tile];
      context.drawImage(bitmap, x, y, tile, tile, column * tile, row * tile, tile, tile);
    });
  }

  // What was done on the picture as it is.
  gesture(message) {
    this.model.send({ ...message, subject: this.subject });
  }

  redraw() {
    this.views.forEach((view) => view.schedule());
  }

  move(y, x, zoom, final) {
    const [y0, x0, y1, x1] = this.model.get("bounds");
    this.camera = { y: clamp(y, y0, y1), x: clamp(x, x0, x1), zoom };
    this.redraw();
    this.report(final);
  }

  report(final) {
    // The kernel has moved the camera since: where the person was is no more.
    if (this.coming) return;
    if (final) this.model.send({ type: "camera", ...this.reportable(true) });
    else if (this.timer === null) {
      const wait = this.reported + (this.asked ? FRAME_LATE : REPORT_EVERY) - performance.now();
      const send = () => this.model.send({ type: "camera", ...this.reportable(false) });
      if (wait <= 0) send();
      else this.timer = setTimeout(send, wait);
    }
  }

  reportable(final) {
    clearTimeout(this.timer);
    this.timer = null;
    this.reported = performance.now();
    this.asked = true;
    return { ...this.camera, epoch: this.epoch, final };
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.patience);
    this.picture.width = this.picture.height = 0;
  }
}

class View {
  constructor(page, model, el, signal) {
    Object.assign(this, { page, model, el });
    this.id = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    this.size = { height: 0, width: 0 };
    this.gesture = null;
    this.space = false;
    el.classList.add("ct-pixels");
    el.tabIndex = 0;
    el.setAttribute("role", "application");
    el.setAttribute("aria-label", model.get("label"));
    this.canvas = document.createElement("canvas");
    this.canvas.className = "ct-image";
    el.appendChild(this.canvas);
    this.band = div(el, "ct-band");
    this.trace = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    this.lasso = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.lasso.setAttribute("class", "ct-lasso");
    this.lasso.appendChild(this.trace);
    el.appendChild(this.lasso);
    this.ring = div(el, "ct-ring");
    this.tip = div(el, "ct-tip");
    this.note = div(el, "ct-trouble");
    const on = (target, name, handler, options = {}) =>
      target.addEventListener(name, handler.bind(this), { signal, ...options });
    on(el, "pointerdown", this.press);
    on(el, "pointermove", this.drag);
    on(el, "pointerup", this.release);
    on(el, "pointercancel", this.cancel);
    on(el, "pointerleave", this.leave);
    on(el, "dblclick", this.doubleClick);
    on(el, "wheel", this.wheel, { passive: false });
    on(el, "contextmenu", (event) => this.gesture && event.preventDefault());
    on(el, "blur", () => this.setSpace(false));
    // Before JupyterLab's own shortcuts, which listen on the document.
    on(window, "keydown", this.keyDown, { capture: true });
    on(window, "keyup", this.keyUp, { capture: true });
    this.setCursor = () => {
      const hand = this.space || model.get("mode") === "pan";
      el.style.cursor = this.gesture?.kind === "pan" ? "grabbing" : this.space ? "grab" : model.get("cursor") || (hand ? "grab" : "crosshair");
    };
    model.on("change:mode", this.setCursor);
    model.on("change:cursor", this.setCursor);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(el);
    this.watchRatio(signal);
    page.views.add(this);
    this.setCursor();
    this.resize();
  }

  close() {
    this.observer.disconnect();
    delete this.waiting?.dataset.before;
    this.page.views.delete(this);
    this.model.off("change:mode", this.setCursor);
    this.model.off("change:cursor", this.setCursor);
    cancelAnimationFrame(this.pending);
    this.model.send({ type: "gone", view: this.id });
  }

  // A window dragged to another screen, or the browser's own zoom.
  watchRatio(signal) {
    const query = window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    const changed = () => {
      this.resize();
      this.watchRatio(signal);
    };
    query.addEventListener("change", changed, { once: true, signal });
  }

  resize() {
    const size = { height: this.el.clientHeight, width: this.el.clientWidth, dpr: window.devicePixelRatio || 1 };
    // Hidden tabs and detached views have no size.
    if (size.height < 1 || size.width < 1) return;
    const { height, width, dpr } = this.size;
    if (size.height === height && size.width === width && size.dpr === dpr) return;
    this.size = size;
    this.canvas.width = Math.round(size.width * size.dpr);
    this.canvas.height = Math.round(size.height * size.dpr);
    this.canvas.style.width = `${size.width}px`;
    this.canvas.style.height = `${size.height}px`;
    this.draw();
    this.model.send({ type: "size", view: this.id, ...size });
  }

  schedule() {
    if (this.pending) return;
    // A hidden page gets no animation frames; its picture is drawn when it is seen again.
    this.pending = requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.pending);
    this.pending = null;
    const { picture, frame, camera } = this.page;
    const context = this.canvas.getContext("2d", { alpha: false });
    const { dpr } = this.size;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "rgb(30, 32, 38)"; // BACKGROUND of celltune_nb/render/compose.py
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (frame && camera && this.size.width) {
      const { left, top, scale } = this.placement(frame);
      // Unmoved, device pixel falls on device pixel; otherwise smoothing hides that it is an older or coarser picture.
      const still = Math.abs(scale - 1) < 1e-9;
      const exact = still && picture.width === Math.round(frame.width * dpr);
      context.imageSmoothingEnabled = !exact;
      if (exact) context.drawImage(picture, Math.round(left * dpr), Math.round(top * dpr));
      else context.drawImage(picture, left * dpr, top * dpr, frame.width * scale * dpr, frame.height * scale * dpr);
    }
    this.placeVectors();
    const scope = this.el.closest(".ct-keys");
    if (!scope || this.page.coming) return;
    delete scope.dataset.before;
    this.seen = this.asked();
  }

  // The kernel looks elsewhere, and the picture of there is on its way.
  wait() {
    const scope = this.el.closest(".ct-keys");
    if (!scope || !this.seen) return;
    scope.dataset.before = this.seen;
    this.waiting = scope;
  }

  // Where a picture made for `camera` lies in this view: CSS position of its corner and its scale.
  placement(camera) {
    const now = this.page.camera;
    const scale = now.zoom / camera.zoom;
    return {
      scale,
      left: this.size.width / 2 + (camera.x - now.x) * now.zoom - (camera.width / 2) * scale,
      top: this.size.height / 2 + (camera.y - now.y) * now.zoom - (camera.height / 2) * scale,
    };
  }

  placeVectors() {
    const { drawn, camera } = this.page;
    const box = this.el.closest(".ct-viewport");
    const canvas = box?.querySelector("canvas.ct-vectors");
    if (!canvas || !drawn || !camera) return;
    const { left, top, scale } = this.placement(drawn);
    canvas.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    for (const layer of [canvas, box.querySelector("canvas.ct-fixed")]) {
      if (!layer) continue;
      layer.style.width = `${drawn.width}px`;
      layer.style.height = `${drawn.height}px`;
      // ipycanvas makes every canvas a tab stop that swallows all keys.
      layer.tabIndex = -1;
      layer.setAttribute("aria-hidden", "true");
    }
  }

  // ---------------------------------------------------------------- positions

  at(event) {
    const box = this.el.getBoundingClientRect();
    // An ancestor may be scaled by CSS; client sizes are not.
    const scale = box.width / this.el.offsetWidth || 1;
    return {
      cy: (event.clientY - box.top) / scale - this.el.clientTop,
      cx: (event.clientX - box.left) / scale - this.el.clientLeft,
    };
  }

  toImage(cy, cx) {
    const { y, x, zoom } = this.page.camera;
    return { y: y + (cy - this.size.height / 2) / zoom, x: x + (cx - this.size.width / 2) / zoom };
  }

  zoomAt(cy, cx, factor, final) {
    this.page.arrive();
    const point = this.toImage(cy, cx);
    const [low, high] = this.model.get("zoom_range");
    const zoom = clamp(this.page.camera.zoom * factor, low, high);
    this.page.move(
      point.y - (cy - this.size.height / 2) / zoom,
      point.x - (cx - this.size.width / 2) / zoom,
      zoom,
      final,
    );
  }

  // ---------------------------------------------------------------- pointer

  press(event) {
    if (!this.page.camera || this.gesture || event.button > 1) return;
    this.page.arrive();
    this.el.focus({ preventScroll: true });
    this.el.setPointerCapture(event.pointerId);
    if (event.button === 1) event.preventDefault();
    const pans = event.button === 1 || this.space || this.model.get("mode") === "pan";
    const start = this.at(event);
    this.gesture = {
      kind: pans ? "pan" : this.model.get("mode"),
      pointer: event.pointerId,
      clickable: event.button === 0 && !this.space,
      moved: false,
      start,
      camera: this.page.camera,
      seen: [start],
      path: [this.toImage(start.cy, start.cx)],
    };
    this.setCursor();
  }

  drag(event) {
    const { cy, cx } = this.at(event);
    this.placeTip(cy, cx);
    const gesture = this.gesture;
    if (!gesture) return this.hover(cy, cx);
    if (event.pointerId !== gesture.pointer) return;
    const dy = cy - gesture.start.cy;
    const dx = cx - gesture.start.cx;
    if (!gesture.moved && Math.hypot(dy, dx) < DRAG_STARTS) return;
    gesture.moved = true;
    this.tip.style.display = "none";
    if (gesture.kind === "pan") {
      const { y, x, zoom } = gesture.camera;
      this.page.move(y - dy / zoom, x - dx / zoom, zoom, false);
    } else if (gesture.kind === "lasso") {
      const last = gesture.seen[gesture.seen.length - 1];
      if (Math.hypot(cy - last.cy, cx - last.cx) < LASSO_STEP) return;
      gesture.seen.push({ cy, cx });
      gesture.path.push(this.toImage(cy, cx));
      this.trace.setAttribute("points", gesture.seen.map((p) => `${p.cx},${p.cy}`).join(" "));
    } else {
      Object.assign(this.band.style, {
        display: "block",
        top: `${Math.min(cy, gesture.start.cy)}px`,
        left: `${Math.min(cx, gesture.start.cx)}px`,
        height: `${Math.abs(dy)}px`,
        width: `${Math.abs(dx)}px`,
      });
    }
  }

  release(event) {
    const gesture = this.gesture;
    if (!gesture || event.pointerId !== gesture.pointer) return;
    this.gesture = null;
    this.setCursor();
    this.band.style.display = "none";
    this.trace.setAttribute("points", "");
    const { cy, cx } = this.at(event);
    if (!gesture.moved) {
      if (gesture.clickable) this.page.gesture({ type: "click", ...this.toImage(cy, cx), modifiers: modifiers(event) });
    } else if (gesture.kind === "pan") this.page.report(true);
    else if (gesture.kind === "lasso") {
      const lasso = gesture.path.map((p) => [p.y, p.x]);
      if (lasso.length > 2) this.page.gesture({ type: "lasso", lasso, modifiers: modifiers(event) });
    } else {
      const a = this.toImage(gesture.start.cy, gesture.start.cx);
      const b = this.toImage(cy, cx);
      const rectangle = [Math.min(a.y, b.y), Math.min(a.x, b.x), Math.max(a.y, b.y), Math.max(a.x, b.x)];
      this.page.gesture({ type: "rectangle", rectangle, modifiers: modifiers(event) });
    }
  }

  cancel() {
    const gesture = this.gesture;
    this.gesture = null;
    this.band.style.display = "none";
    this.trace.setAttribute("points", "");
    this.setCursor();
    if (gesture?.kind === "pan" && gesture.moved) this.page.report(true);
  }

  doubleClick(event) {
    if (!this.page.camera) return;
    const { cy, cx } = this.at(event);
    this.page.gesture({ type: "double_click", ...this.toImage(cy, cx), modifiers: modifiers(event) });
  }

  wheel(event) {
    if (!this.page.camera) return;
    event.preventDefault();
    const { cy, cx } = this.at(event);
    const lines = event.deltaMode === 1 ? 33 : 1;
    this.zoomAt(cy, cx, Math.exp(-clamp(event.deltaY * lines, -300, 300) / 500), false);
    if (this.gesture) this.gesture = { ...this.gesture, start: { cy, cx }, camera: this.page.camera };
    clearTimeout(this.wheelRest);
    this.wheelRest = setTimeout(() => this.page.report(true), WHEEL_RESTS);
  }

  // ---------------------------------------------------------------- hover

  hover(cy, cx) {
    if (!this.model.get("hovers") || !this.page.camera) return;
    this.hovered = this.toImage(cy, cx);
    this.hoverTimer ??= setTimeout(() => {
      this.hoverTimer = null;
      const point = this.hovered;
      if (!point) return;
      const pixel = `${Math.round(point.y)},${Math.round(point.x)}`;
      if (pixel !== this.lastPixel) this.page.gesture({ type: "hover", ...point });
      this.lastPixel = pixel;
    }, HOVER_EVERY);
  }

  leave() {
    if (this.hovered && !this.gesture) this.model.send({ type: "hover", y: null, x: null });
    this.hovered = null;
    this.lastPixel = null;
    this.setTooltip("");
  }

  setTooltip(text) {
    this.tip.textContent = text;
    this.tip.style.display = text && this.hovered && !this.gesture ? "block" : "none";
    if (this.cursorAt) this.placeTip(this.cursorAt.cy, this.cursorAt.cx);
  }

  placeTip(cy, cx) {
    this.cursorAt = { cy, cx };
    if (this.tip.style.display !== "block") return;
    const left = cx + 14 + this.tip.offsetWidth > this.size.width ? cx - 10 - this.tip.offsetWidth : cx + 14;
    const top = cy + 18 + this.tip.offsetHeight > this.size.height ? cy - 8 - this.tip.offsetHeight : cy + 18;
    this.tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, top)}px)`;
  }

  setNote(text) {
    this.note.textContent = text;
    this.note.style.display = text ? "block" : "none";
  }

  // ---------------------------------------------------------------- keys

  setSpace(down) {
    this.space = down;
    this.setCursor();
  }

  // Keys are ours while the viewport has the focus, or anything but a text field in the panel round it.
  ours(event) {
    const target = event.target;
    if (this.el.contains(target)) return true;
    // A list beside the image that answers to the key itself.
    if (target.closest?.("[data-keys]")?.dataset.keys.split(" ").includes(keyName(event))) return false;
    const scope = this.el.closest(".ct-keys");
    // A page of our own: with the focus nowhere (a button that was pressed and is disabled now) keys are still meant.
    if (target === document.body) return scope !== null && document.body.dataset.voila !== undefined;
    return scope !== null && scope.contains(target) && !isTyping(target) && !target.closest(".ct-pixels");
  }

  keyDown(event) {
    if (event.isComposing || event.key === "Tab" || !this.ours(event)) return;
    const held = modifiers(event);
    const key = keyName(event);
    const focused = this.el.contains(event.target);
    if (this.gesture && key === "Escape") {
      if (this.gesture.kind === "pan") this.page.camera = this.gesture.camera;
      this.cancel();
      this.page.redraw();
    } else if (this.model.get("key_names").includes([...held].sort().concat(key).join("+"))) {
      // Held down, a key would label one cell after the other.
      if (!event.repeat || key.startsWith("Arrow")) this.model.send({ type: "key", key, modifiers: held, seen: this.asked() });
    } else if (!focused || !this.builtIn(key, held)) {
      // Ctrl+S stays JupyterLab's, but a stray letter must not insert or delete a cell.
      if (focused && !event.ctrlKey && !event.metaKey && !event.altKey && (key.length === 1 || key === "Enter")) {
        event.stopImmediatePropagation();
      }
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  builtIn(key, held) {
    if (held.includes("ctrl") || held.includes("alt") || !this.page.camera) return false;
    this.page.arrive();
    const { y, x, zoom } = this.page.camera;
    const step = Math.min(this.size.height, this.size.width) / 8 / zoom;
    const middle = [this.size.height / 2, this.size.width / 2];
    if (key === " ") this.setSpace(true);
    else if (key === "ArrowUp") this.page.move(y - step, x, zoom, true);
    else if (key === "ArrowDown") this.page.move(y + step, x, zoom, true);
    else if (key === "ArrowLeft") this.page.move(y, x - step, zoom, true);
    else if (key === "ArrowRight") this.page.move(y, x + step, zoom, true);
    else if (key === "+" || key === "=") this.zoomAt(...middle, 1.25, true);
    else if (key === "-") this.zoomAt(...middle, 0.8, true);
    else return false;
    return true;
  }

  // The cell that is asked for beside the picture.  Of cells that are looked at in the picture alone the words come first:
  // until the picture has come too, the one before is what is seen.
  asked() {
    const scope = this.el.closest(".ct-keys");
    const node = [...(scope?.querySelectorAll("[data-asked]") ?? [])].find((one) => one.getClientRects().length);
    return (node?.matches(".ct-walk") ? scope.dataset.before : null) ?? node?.dataset.asked ?? null;
  }

  keyUp(event) {
    if (event.key === " " && this.space) {
      event.preventDefault();
      this.setSpace(false);
    }
  }
}

// A function, so that every widget has a page object of its own.
export default () => {
  let page = null;
  return {
    async initialize({ model }) {
      page = new Page(model);
      await page.open();
      return () => page.close();
    },
    render({ model, el }) {
      const listeners = new AbortController();
      const view = new View(page, model, el, listeners.signal);
      return () => {
        listeners.abort();
        view.close();
      };
    },
  };
};
