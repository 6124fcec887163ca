"""A browser's window for the benchmarks: what is measured in it, and where its pages come from."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.served import Lab, Page, write_notebook

#: Notes when keys, wheel and pointer are heard (the event's own time) and when pixels were painted (after the animation
#: frame in which a watched canvas was drawn to).  A paint is *fresh* when it is the first of a picture from the kernel.
WATCH = """
(() => {
  const notes = (window.notes = { events: [], paints: [], bytes: 0, frames: 0, look: false, watched: "ct-image" });
  for (const kind of ["keydown", "wheel", "pointerup"])
    window.addEventListener(kind, (e) => notes.events.push({ kind, t: e.timeStamp }), true);
  notes.mean = (context) => {
    const { width, height } = context.canvas;
    const data = context.getImageData((width >> 1) - 4, (height >> 1) - 4, 9, 9).data;
    return [0, 1, 2].map((c) => data.filter((_, i) => i % 4 === c).reduce((a, b) => a + b) / 81);
  };
  if (window.ImageDecoder)
    window.ImageDecoder = class extends ImageDecoder {
      constructor(what) {
        super(what);
        notes.bytes += what.data.byteLength;
      }
    };
  let fresh = false;
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (source, ...rest) {
    draw.call(this, source, ...rest);
    fresh ||= source instanceof ImageBitmap || source instanceof VideoFrame;
    if (!this.canvas.classList.contains(notes.watched)) return;
    const paint = { t: 0, fresh: fresh || notes.watched !== "ct-image", color: null, moved: rest.slice(0, 2).join() };
    fresh = false;
    if (paint.fresh) notes.frames += 1;
    if (notes.look) paint.color = notes.mean(this);
    notes.paints.push(paint);
    const after = new MessageChannel();
    after.port1.onmessage = () => (paint.t = performance.now());
    after.port2.postMessage(null);
  };
  notes.clear = () => { notes.events.length = notes.paints.length = notes.bytes = notes.frames = 0; };
})();
"""

#: In every page: runs a line in the kernel, for what no gesture does.
CODE = """
import ipywidgets as _w
def _act(change):
    if change["new"]:
        exec(change["new"].partition("#")[2], globals())
        done.value = change["new"].partition("#")[0]
_code, done = _w.Text(continuous_update=False), _w.HTML("")
_code.observe(_act, "value")
_code.add_class("code")
done.add_class("done")
_box = _w.HBox([_code, done])
_box.layout.position = "fixed"
"""


@dataclass
class Window:
    """A tab on a page, and the browser's processes."""

    tab: Any
    devtools: Any
    processes: list[psutil.Process]
    canvas: str = "canvas.ct-image"
    asked: int = 0

    @property
    def box(self) -> dict[str, float]:
        return self.tab.locator(self.canvas).first.bounding_box()

    @property
    def middle(self) -> tuple[float, float]:
        box = self.box
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def kernel(self, line: str, patience: float = 60) -> None:
        """Run a line in the kernel and wait until it is done."""
        self.asked += 1
        field = self.tab.locator(".code input").first
        field.fill(f"{self.asked}#{line}")
        field.press("Enter")
        self.tab.locator(".done", has_text=str(self.asked)).first.wait_for(timeout=patience * 1000)

    def notes(self) -> dict[str, Any]:
        """What was heard and painted since the last call, and forget it."""
        found = self.tab.evaluate("({...notes, clear: null, mean: null})")
        self.tab.evaluate("notes.clear()")
        return found

    def rest(self, seconds: float) -> None:
        self.tab.wait_for_timeout(1000 * seconds)

    def quiet(self, seconds: float = 0.4, patience: float = 30) -> None:
        """Wait until nothing has been painted for a while."""
        self.tab.wait_for_function(
            "([gap]) => notes.paints.length && performance.now() - notes.paints.at(-1).t > gap",
            arg=[1000 * seconds],
            timeout=1000 * patience,
        )

    def color(self, index: int = 0) -> list[float]:
        """Mean RGB of nine by nine pixels in the middle of a canvas."""
        return self.tab.evaluate(
            """([selector, index]) => {
                const canvas = document.querySelectorAll(selector)[index];
                return notes.mean(canvas.getContext("2d"));
            }""",
            [self.canvas, index],
        )

    def weigh(self) -> tuple[float, float]:
        """MB of the page's JavaScript after collecting garbage, and of all the browser's processes."""
        self.devtools.send("HeapProfiler.collectGarbage")
        metrics = self.devtools.send("Performance.getMetrics")["metrics"]
        heap = next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize")
        held = 0
        for process in self.processes:
            try:
                held += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return heap / 1e6, held / 1e6


@contextmanager
def windows() -> Iterator[Any]:
    """``open_window(width, height, dpr)`` of a Chromium that ends with the block."""
    from playwright.sync_api import sync_playwright

    flags = ["--disable-gpu", "--no-first-run", "--disable-background-networking"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    before = set(psutil.pids())
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as program:
        browser = program.chromium.launch(executable_path=found, args=flags)

        def open_window(width: int, height: int, dpr: float = 1) -> Window:
            context = browser.new_context(
                viewport={"width": width, "height": height}, device_scale_factor=dpr
            )
            context.add_init_script(WATCH)
            tab = context.new_page()
            devtools = context.new_cdp_session(tab)
            devtools.send("Performance.enable")
            ours = {p.pid for p in psutil.Process().children(recursive=True)} - before
            chromium = [p for p in map(psutil.Process, ours) if "chrom" in p.name()]
            return Window(tab, devtools, chromium)

        yield open_window
        browser.close()


@contextmanager
def voila(folder: Path, source: str) -> Iterator[Page]:
    """A page of the real server with one cell."""
    page = Page(write_notebook(folder / f"page-{time.monotonic_ns()}.ipynb", source))
    try:
        yield page
    finally:
        page.end()


@contextmanager
def jupyterlab(folder: Path, source: str) -> Iterator[Lab]:
    """JupyterLab with a notebook of one cell."""
    folder.mkdir(exist_ok=True)
    server = Lab(folder, source)
    try:
        yield server
    finally:
        server.end()


def between(notes: dict[str, Any], kind: str) -> Iterator[tuple[float, list[dict[str, Any]]]]:
    """Each event of a kind with the paints from it to the next, milliseconds."""
    times = [e["t"] for e in notes["events"] if e["kind"] == kind]
    for begin, end in zip(times, [*times[1:], float("inf")], strict=True):
        yield begin, [p for p in notes["paints"] if begin < p["t"] < end]


def spread(values: list[float]) -> tuple[float, float]:
    """Median and 90th percentile."""
    return statistics.median(values), sorted(values)[int(0.9 * (len(values) - 1))]
