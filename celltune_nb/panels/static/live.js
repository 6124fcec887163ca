// HTML from the kernel that answers: elements with data-do tell the kernel when they are used.
//
// Kernel → browser   html (trait): the whole markup; only what differs is changed, so focus, text being typed,
//                    open <details> and running transitions stay.  key_names (trait): keys passed on.
//                    heard (trait): the newest of the numbered messages that the kernel has begun to answer
// Browser → kernel   {do, what, value, seen, number} for a click, a change or, with data-on="enter", the Enter key
//                    {do: "key", what, value: held, seen} for one of the keys while the focus is in here
//                    number: only from fields and lists; seen: the data-asked that is on the screen, or was when the person
//                    began to type or clicked first
//
// A page that goes on to the next cell by itself says with data-asked which one it asks for: who is quicker than the kernel
// means the one before.  Of several quick clicks at one place the later ones count only for what the first one was on: rows
// that move up must not be hit.  A button with data-once, which begins a piece of work, counts once until the kernel hears.  A key that is held down counts once, but for arrows.
// An element with data-focus takes the focus when it appears; the list around one with data-here scrolls to it whenever that is another row.  Elements with data-row keep their identity when rows are added or moved.
// A button with data-field tells what the field of that verb holds: with data-on="enter" it may not have been told yet.
// A text field with data-on="input" tells while it is typed in; one with data-then does that too when Enter is pressed.
// An input with data-reset takes its value from the markup again whenever that attribute changes, but for one in which
// something was typed that has not been told yet: an answer to the field before must not take it away.  Where nothing was
// typed since the field was entered, the new value is selected.

const INPUT_EVERY = 60; // ms between messages while a slider or a colour is being dragged
const SUPPRESS = "data-lm-suppress-shortcuts";
const KEPT = Symbol.for("celltune_nb shortcuts");
const UNTOLD = Symbol("typed in, not told yet");
const UNHEARD = Symbol("number of the message that told the value");
const ABOUT = Symbol("what was asked for when typing began");
const BY_HAND = Symbol("opened with the mouse");
const TWICE = 500; // ms within which the same text at Enter is an impatient hand
const BREATH = 1500; // ms without a key after which a word that was being typed is over
const GLANCE = 250; // ms that nobody needs less of to look at a cell and answer
const TYPED = "input:not([type=checkbox]):not([type=radio]):not([type=range]):not([type=color]), textarea";

let field = null; // what is being typed in while markup is drawn: where it goes, letters become keys of the image

const holds = (node) => field !== null && node.contains(field);

function same(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.dataset?.row !== fresh.dataset?.row) return false;
  if (!holds(old) || !field.dataset.do) return true;
  const asks = `[data-do="${CSS.escape(field.dataset.do)}"]`;
  return fresh.matches(asks) || fresh.querySelector(asks) !== null;
}

function adjust(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  const reset = fresh.dataset?.reset !== undefined && fresh.dataset.reset !== old.dataset.reset;
  for (const { name } of [...old.attributes]) {
    const ours = name === "data-focused" || name === SUPPRESS || (name === "open" && old.nodeName === "DETAILS");
    if (!fresh.hasAttribute(name) && !ours) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !(name === "open" && old.nodeName === "DETAILS")) {
      old.setAttribute(name, value);
    }
  }
  // Read before options and text move from the fresh element into the shown one.
  const value = fresh.defaultValue;
  const chosen =
    old.nodeName === "SELECT" ? (fresh.querySelector("option[selected]") ?? fresh.options[0])?.value ?? "" : null;
  const kept = old[UNHEARD] ? old.value : null;
  adjustChildren(old, fresh);
  // Markup that was made before the kernel heard of what was typed or chosen would take it back.
  if (old[UNHEARD]) {
    if (old.nodeName === "SELECT" && old.value !== kept) old.value = kept;
    return;
  }
  if (old.nodeName === "INPUT" || old.nodeName === "TEXTAREA") {
    if (old.type === "checkbox" || old.type === "radio") old.checked = fresh.hasAttribute("checked");
    else if (!busy(old)) old.value = value;
    else if (reset && !old[UNTOLD] && old.value !== value) {
      old.value = value;
      if (old.nodeName === "INPUT") old.select(); // what is typed next takes its place, as it would have before
    }
  } else if (old.nodeName === "SELECT" && (reset || !busy(old))) {
    old.value = chosen;
  }
}

function busy(input) {
  return document.activeElement === input && input.type !== "checkbox";
}

function adjustChildren(old, fresh) {
  const wanted = [...fresh.childNodes];
  wanted.forEach((node, i) => {
    let now = old.childNodes[i];
    if (now && !same(now, node)) {
      // A row that moved keeps its element; one that is typed in keeps its place, since moving it takes the focus away.
      const found = [...old.childNodes].slice(i + 1).find((n) => (node.dataset?.row || holds(n)) && same(n, node));
      if (found && holds(found)) while (old.childNodes[i] !== found) old.childNodes[i].remove();
      else if (found) old.insertBefore(found, now);
      now = old.childNodes[i];
    }
    if (!now) old.appendChild(node);
    else if (same(now, node)) adjust(now, node);
    else if ((now.dataset?.row || holds(now)) && wanted.slice(i + 1).some((n) => same(now, n))) old.insertBefore(node, now);
    else old.replaceChild(node, now);
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

// JupyterLab takes letters pressed on a focused button for notebook commands ("d d" deletes the cell).  It looks
// for this attribute on the focused element first, so it is set there, for the controls of all panels.
function keepShortcutsAway() {
  if (document[KEPT]) return;
  document[KEPT] = true;
  document.addEventListener("focusin", (event) => {
    if (event.target.closest?.(".ct")) event.target.setAttribute(SUPPRESS, "true");
  });
}

// The field that somebody types in is gone: the rest of the word must not become keys that label cells.
function swallow(root) {
  const bin = document.createElement("input");
  bin.className = "ct-bin";
  bin.setAttribute("aria-hidden", "true");
  root.parentElement.appendChild(bin);
  let timer = 0;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => bin.blur(), BREATH);
  };
  bin.addEventListener("keydown", wait);
  bin.addEventListener("blur", () => setTimeout(() => bin.remove()));
  wait();
  bin.focus({ preventScroll: true });
}

// The cell that the panel, or else the page, asks for on the screen.
function seenAsked(root) {
  const scope = root.closest(".ct-keys") ?? root.closest(".ct");
  const all = [root, scope].flatMap((part) => [...(part?.querySelectorAll("[data-asked]") ?? [])]);
  const node = all.find((one) => one.getClientRects().length);
  // The picture of it is on its way, says the viewport; where there are small pictures beside, it is seen in them.
  return (node?.matches(".ct-walk") ? scope?.dataset.before : null) ?? node?.dataset.asked ?? null;
}

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "ct-live";
  el.appendChild(root);
  keepShortcutsAway();
  // For the viewport, which hears keys before we do: these are ours.
  const claim = () => {
    root.dataset.keys = model.get("key_names").join(" ");
  };
  claim();
  model.on("change:key_names", claim);

  let here = "";
  const follow = () => {
    const row = root.querySelector("[data-here]");
    if (!row || row.dataset.row === here || !row.offsetHeight) return;
    here = row.dataset.row;
    // Only the list moves: scrollIntoView() would move a whole notebook.
    const list = row.parentElement.getBoundingClientRect();
    const { top, bottom } = row.getBoundingClientRect();
    if (top < list.top) row.parentElement.scrollTop += top - list.top;
    else if (bottom > list.bottom) row.parentElement.scrollTop += bottom - list.bottom;
  };

  let appeared = 0;
  let asked = null;
  const look = () => {
    const now = root.querySelector("[data-asked]")?.dataset.asked ?? null;
    if (now !== asked) appeared = performance.now();
    asked = now;
  };

  const draw = () => {
    const page = document.createElement("template");
    page.innerHTML = model.get("html");
    const active = document.activeElement;
    field = active && root.contains(active) && active.matches(TYPED) ? active : null;
    const typed = field?.[UNTOLD];
    adjustChildren(root, page.content);
    if (field?.isConnected === false && typed) swallow(root);
    field = null;
    look();
    const wanted = root.querySelector("[data-focus]:not([data-focused])");
    if (wanted) {
      wanted.dataset.focused = "";
      wanted.focus();
      wanted.select?.();
    }
    requestAnimationFrame(follow);
  };
  draw();
  model.on("change:html", draw);

  const unheard = new Map();
  let later = null; // tells where a slider is, as soon as the kernel has heard where it was
  let number = 0;
  const hear = () => {
    for (const [known, node] of unheard) {
      if (known > model.get("heard")) continue;
      unheard.delete(known);
      if (node[UNHEARD] === known) node[UNHEARD] = 0;
    }
    const next = later;
    later = null;
    next?.();
  };
  model.on("change:heard", hear);
  const tell = (node, value, seen = node[ABOUT] ?? seenAsked(root)) => {
    const message = { do: node.dataset.do, what: node.dataset.what ?? "", value: value ?? null, seen };
    if (node.matches("input, select, textarea, [data-once]")) {
      // Two pages may show one widget: each counts from the newest that any of them has told.
      number = Math.max(number, model.get("heard")) + 1;
      message.number = node[UNHEARD] = number;
      unheard.set(number, node);
      node[ABOUT] = null;
    }
    model.send(message);
  };
  const owner = (event) => {
    const node = event.target.closest("[data-do]");
    return node && root.contains(node) && !node.disabled ? node : null;
  };

  let first = null;
  let pressed = {};
  root.addEventListener("click", (event) => {
    const node = owner(event);
    if (event.detail < 2) first = node && { do: node.dataset.do, what: node.dataset.what, seen: seenAsked(root) };
    if (!node || node.matches("input, select, textarea")) return;
    let seen = seenAsked(root);
    if (event.detail > 1) {
      if (first?.do !== node.dataset.do || first?.what !== node.dataset.what) return;
      if (performance.now() - appeared < GLANCE) seen = first.seen;
    }
    if (node.dataset.once !== undefined) {
      if (node[UNHEARD] || (pressed.node === node && performance.now() - pressed.at < TWICE)) return;
      pressed = { node, at: performance.now() };
    }
    const field = node.dataset.field && root.querySelector(`[data-do="${CSS.escape(node.dataset.field)}"]`);
    if (field) field[UNTOLD] = false;
    tell(node, field ? field.value : event.shiftKey ? "shift" : null, seen);
  });
  // From a list that was chosen from with the mouse the focus goes away: the next letter would choose another entry.
  root.addEventListener("pointerdown", (event) => event.target.matches("select") && (event.target[BY_HAND] = true));
  root.addEventListener("change", (event) => {
    event.target[UNTOLD] = false;
    if (event.target[BY_HAND]) event.target.blur();
    const node = owner(event);
    if (!node || node.dataset.on === "enter" || !node.matches("input, select, textarea")) return;
    clearTimeout(timer);
    later = null;
    tell(node, node.type === "checkbox" ? node.checked : node.value);
  });
  // Typed and taken back: nothing has changed, so nothing is told.  Not while the person looks at another window.
  root.addEventListener("focusout", (event) => {
    if (document.hasFocus()) event.target[UNTOLD] = event.target[ABOUT] = null;
  });
  let timer = 0;
  let told = 0;
  root.addEventListener("input", (event) => {
    if (!event.target[UNTOLD]) event.target[ABOUT] = seenAsked(root);
    event.target[UNTOLD] = event.target.matches(TYPED);
    const node = owner(event);
    if (!node || (node.type !== "range" && node.dataset.on !== "input")) return;
    const output = node.parentElement.querySelector("output");
    if (output) output.textContent = node.value + (node.dataset.unit ?? "");
    clearTimeout(timer);
    const send = () => {
      // What piles up before a slow kernel is worked through long after the slider was let go.
      if (node[UNHEARD]) return void (later = send);
      told = performance.now();
      tell(node, node.value);
    };
    timer = setTimeout(send, Math.max(0, told + INPUT_EVERY - performance.now()));
  });
  let entered = {};
  root.addEventListener("keydown", (event) => {
    event.target[BY_HAND] = false;
    const typing = event.target.matches(TYPED);
    const node = owner(event);
    if (event.key === "Enter" && typing) {
      event.preventDefault();
      if (event.repeat) return;
      event.target[UNTOLD] = false;
      if (node?.dataset.on === "enter") {
        const twice = node.value === entered.value && node === entered.node;
        if (twice && (node[UNHEARD] || performance.now() - entered.at < TWICE)) return;
        entered = { node, value: node.value, at: performance.now() };
        tell(node, node.value);
      } else event.target.blur(); // which tells what was typed
      if (node?.dataset.then) model.send({ do: node.dataset.then, what: "", value: null });
      return;
    }
    if (typing || event.target.matches("select") || event.altKey) return;
    // What has the focus is pressed by these.
    if ((event.key === "Enter" || event.key === " ") && event.target.matches("button, summary, a")) {
      if (event.repeat) event.preventDefault();
      return;
    }
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
    const key = digit ? digit[1] : event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const held = [];
    if (event.ctrlKey || event.metaKey) held.push("ctrl");
    if (event.shiftKey) held.push("shift");
    if (model.get("key_names").includes(held.includes("ctrl") ? `ctrl+${key}` : key)) {
      event.preventDefault();
      event.stopPropagation();
      if (event.repeat && !key.startsWith("Arrow")) return;
      model.send({ do: "key", what: key, value: held, seen: seenAsked(root) });
    }
  });
  return () => {
    model.off("change:html", draw);
    model.off("change:heard", hear);
    model.off("change:key_names", claim);
  };
}

export default { render };
