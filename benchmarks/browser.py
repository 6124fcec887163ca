"""Pixels in a browser: what a person sees after a key, a turn of the wheel, and while dragging.

    python -m benchmarks browser browser-lab browser-memory

The cells workflow with a canvas of 800 × 800 CSS pixels, driven by real input events.  Times run from the event's own
time stamp (up to one animation frame before the page hears of it) to the moment after the animation frame in which the
canvas has the new pixels.  Beside it at the smallest size the plain way: ipycanvas' ``put_image_data`` of RGBA for the
same frames.  Needs Chromium and Playwright (``test`` extra).
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from . import _pages
from ._window import Window, between, jupyterlab, spread, voila, windows
from .harness import OURS, Figure, Job

#: Side of the image and its channels (two bytes each, beside a mask of four).
SIZES = {"2048": (2048, 3), "8192": (8192, 3), "20000": (20_000, 1)}
#: Window in which the workflow's canvas is 800 × 800.
WIDTH, HEIGHT = 1464, 940
CANVAS = 800
PLAIN = "ipycanvas put_image_data"
EVENTS, DRAGS, DRAG_FOR = 24, 3, 2.0
#: Frames after which memory is weighed, and of the plain way, which takes half a second for one.
FRAMES, PLAIN_FRAMES = {"200 frames": 200, "700 frames": 700, "2000 frames": 2000}, 60


def in_voila(size: str) -> Iterator[Figure]:
    side, channels = SIZES[size]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        y, x = _pages.project(folder / "project", side, channels)
        with voila(folder, _pages.ours(folder / "project")) as page, windows() as open_window:
            window = open_window(WIDTH, HEIGHT)
            yield first_frame(window, page.address, OURS)
            start(window, y, x)
            yield key(window, OURS)
            yield wheel(window, OURS)
            yield from drag(window, OURS)
            yield leaves(window)
            yield reload(window, OURS, y, x)
            window.tab.context.close()
            yield crisp(open_window(WIDTH, HEIGHT, 2), page.address)
        if size == next(iter(SIZES)):
            with plain(folder, y, x) as window:
                yield key(window, PLAIN, events=10, pause=1.0)
                yield wheel(window, PLAIN, events=10, pause=1.0)
                yield from drag(window, PLAIN)


def in_jupyterlab(size: str) -> Iterator[Figure]:
    side, channels = SIZES[size]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        y, x = _pages.project(folder / "project", side, channels)
        with (
            jupyterlab(folder / "lab", _pages.ours(folder / "project")) as server,
            windows() as open_window,
        ):
            window = open_window(WIDTH + 420, HEIGHT + 160)
            window.tab.goto(server.address)
            window.tab.add_style_tag(content=f".ct-cells {{ height: {HEIGHT}px !important }}")
            server.run(window.tab, window.canvas)
            start(window, y, x)
            yield key(window, OURS)
            yield wheel(window, OURS)
            yield from drag(window, OURS)
            yield two_views(window, y, x)
            window.tab.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
            window.rest(0.5)
            yield reload(window, OURS, y, x, server.address.removesuffix("?reset"))


def followed(size: str) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        y, x = _pages.project(folder / "project", *next(iter(SIZES.values())))
        with voila(folder, _pages.ours(folder / "project")) as page, windows() as open_window:
            window = open_window(WIDTH, HEIGHT)
            first_frame(window, page.address, OURS)
            start(window, y, x)
            yield memory(window, OURS, FRAMES[size], goal=size == "2000 frames")
        if size == next(iter(FRAMES)):
            with plain(folder, y, x) as window:
                yield memory(window, PLAIN, PLAIN_FRAMES)


@contextmanager
def plain(folder: Path, y: float, x: float) -> Iterator[Window]:
    """A window on the same scene shown the plain way."""
    source = _pages.plain(folder / "project", y, x, CANVAS, CANVAS)
    with voila(folder, source) as page, windows() as open_window:
        window = open_window(WIDTH, HEIGHT)
        window.canvas = "canvas.plain"
        window.tab.add_init_script("notes.watched = 'plain'")
        window.tab.goto(page.address)
        window.tab.locator(window.canvas).wait_for(timeout=60_000)
        window.quiet(1)
        yield window


# ---------------------------------------------------------------------- what is done


def first_frame(window: Window, address: str, name: str) -> Figure:
    """From the address to the first frame: server, kernel, session, reduced copies of the image."""
    begin = time.perf_counter()
    window.tab.goto(address)
    window.tab.wait_for_function("notes.frames > 0", timeout=120_000)
    took = time.perf_counter() - begin
    window.quiet(1)
    return Figure("page opened → first frame", name, took, extra=load())


def start(window: Window, y: float, x: float) -> None:
    """One to one on the middle cell, selected and labelled."""
    window.kernel(f"session.set_view(image='tissue', center=({y}, {x}), zoom=1.0)")
    window.kernel("session.set_view(color_by='labels', style='both', opacity=0.5)")
    window.rest(0.5)
    window.tab.mouse.click(*window.middle)
    window.tab.keyboard.press("1")
    window.quiet(0.6)
    window.notes()


def key(window: Window, name: str, events: int = EVENTS, pause: float = 0.3) -> Figure:
    """A label by key → the cell's colour."""
    box = window.box
    window.tab.locator(window.canvas).first.focus() if name == PLAIN else window.tab.locator(
        ".ct-pixels"
    ).first.focus()
    window.tab.evaluate("notes.look = true")
    window.notes()
    before = window.color()
    for turn in range(events):
        window.tab.keyboard.press("21"[turn % 2])
        window.rest(pause + 0.03 * random.random())
    window.rest(0.5)
    found = window.notes()
    window.tab.evaluate("notes.look = false")
    took = []
    for begin, paints in between(found, "keydown"):
        changed = next((p for p in paints if p["color"] and _differ(p["color"], before)), None)
        if changed is not None:
            took.append(changed["t"] - begin)
            before = changed["color"]
    extra = {"events": len(took), "kB": found["bytes"] / 1e3 / events, "canvas": box["width"] * box["height"]}
    return _pixels("key → pixels", name, took, extra)


def wheel(window: Window, name: str, events: int = EVENTS, pause: float = 0.4) -> Figure:
    """A notch of the wheel → the kernel's pixels at the new zoom, and the browser's own before them."""
    window.tab.mouse.move(*window.middle)
    window.notes()
    for turn in range(events):
        window.tab.mouse.wheel(0, 100 if turn % 2 else -100)
        window.rest(pause + 0.03 * random.random())
    window.rest(0.5)
    found = window.notes()
    own, kernel, fine = [], [], []
    for begin, paints in between(found, "wheel"):
        fresh = [p["t"] - begin for p in paints if p["fresh"]]
        if fresh:
            own.append(paints[0]["t"] - begin)
            kernel.append(fresh[0])
            fine.append(fresh[-1])
    extra = {"events": len(kernel), "kB": found["bytes"] / 1e3 / events}
    if name != PLAIN:
        extra |= {"moved ms": spread(own)[0], "fine ms": spread(fine)[0]}
    return _pixels("wheel → pixels from the kernel", name, kernel, extra)


def drag(window: Window, name: str) -> Iterator[Figure]:
    """Dragging with 60 events a second: paints, frames from the kernel, and what comes after the hand let go."""
    paints, frames, gaps, tails, held = 0, 0, [], [], 0.0
    sent = 0
    button = "left" if name == PLAIN else "middle"
    cx, cy = window.middle
    for turn in range(DRAGS):
        window.tab.mouse.move(cx, cy)
        window.notes()
        window.tab.mouse.down(button=button)
        begin = time.perf_counter()
        step = 0
        while (now := time.perf_counter() - begin) < DRAG_FOR:
            step += 1
            along = 150 * (now / DRAG_FOR) * (1 if turn % 2 else -1)
            window.tab.mouse.move(cx + along, cy + 0.6 * along + step % 2)
            time.sleep(max(0.0, step / 60 - (time.perf_counter() - begin)))
        window.tab.mouse.up(button=button)
        held += time.perf_counter() - begin
        sent += step
        window.rest(1.5 if name != PLAIN else 4)
        found = window.notes()
        up = next(e["t"] for e in found["events"] if e["kind"] == "pointerup")
        during = [p for p in found["paints"] if p["t"] <= up]
        paints += len({p["t"] for p in during})
        frames += sum(p["fresh"] for p in during)
        times = [p["t"] for p in during]
        gaps += [b - a for a, b in pairwise(times)]
        after = [p["t"] - up for p in found["paints"] if p["t"] > up and p["fresh"]]
        tails.append(after[-1] if after else 0.0)
    rate, fresh, ours = paints / held, frames / held, name == OURS
    extra = {"paints/s": rate, "events/s": sent / held, "longest gap ms": max(gaps)} | load()
    yield Figure(
        "drag: a paint", name, 1 / max(rate, 1e-9), extra=extra,
        goal="≥ 30 paints/s" if ours else "", met=rate >= 30 if ours else None,
    )  # fmt: skip
    yield Figure(
        "drag: a frame from the kernel", name, 1 / max(fresh, 1e-9), extra={"frames/s": fresh},
        goal="≥ 15 frames/s" if ours else "", met=fresh >= 15 if ours else None,
    )  # fmt: skip
    middle, worst = spread(tails)[0], max(tails)
    yield Figure(
        "drag: last frame after release", name, middle / 1e3, extra={"worst ms": worst},
        goal="≤ 150 ms" if ours else "", met=middle <= 150 if ours else None,
    )  # fmt: skip


def memory(window: Window, name: str, frames: int, *, goal: bool = False) -> Figure:
    """So many new frames, shown as fast as they arrive, weighed after the first tenth and at the end."""
    begun = frames // 10
    window.kernel(f"play({begun})")
    window.tab.locator(".played", has_text=str(begun)).wait_for(timeout=120_000)
    window.rest(2)
    heap, held = window.weigh()
    window.notes()
    begin = time.perf_counter()
    window.kernel(f"play({frames})")
    # forgotten on the way, so that the notes themselves do not weigh
    shown = 0
    while not window.tab.locator(".played", has_text=str(frames)).count():
        window.rest(1)
        shown += window.notes()["frames"]
    took = time.perf_counter() - begin
    window.rest(2)
    window.notes()
    heap, held = (after - before for after, before in zip(window.weigh(), (heap, held), strict=True))
    extra = {
        "frames": shown, "page MB": heap, "browser MB": held, "MB a 1000 frames": 1000 * max(heap, held) / frames,
    }  # fmt: skip
    return Figure(
        "memory: a frame, as fast as shown", name, took / frames, extra=extra,
        goal="< 20 MB over 2,000 frames" if goal else "", met=max(heap, held) < 20 if goal else None,
    )  # fmt: skip


def leaves(window: Window) -> Figure:
    """Tab leads out of the image."""
    window.tab.locator(".ct-pixels").first.focus()
    begin = time.perf_counter()
    window.tab.keyboard.press("Tab")
    inside = window.tab.evaluate("document.activeElement.closest('.ct-pixels') !== null")
    took = time.perf_counter() - begin
    return Figure("Tab leaves the image", OURS, took, goal="not trapped", met=not inside)


def reload(window: Window, name: str, y: float, x: float, address: str = "") -> Figure:
    """The page loaded again: the same place, the same cell in the same colour, in the first frame."""
    window.kernel(f"session.set_view(image='tissue', center=({y}, {x}), zoom=1.0)")
    window.kernel("session.set_view(color_by='labels', style='both', opacity=0.5)")
    window.tab.locator(".ct-pixels").first.focus()
    window.tab.keyboard.press("2")
    # what is looked at is on disk a second later
    window.rest(2.5)
    before = window.color()
    begin = time.perf_counter()
    window.tab.goto(address) if address else window.tab.reload()
    window.tab.wait_for_function("notes.frames > 0", timeout=120_000)
    took = time.perf_counter() - begin
    first = window.color()
    window.quiet(1)
    same = not _differ(first, before, 20) and not _differ(window.color(), before, 20)
    return Figure(
        "page loaded again → first frame", name, took, extra=load(), goal="the same picture", met=same
    )


def crisp(window: Window, address: str) -> Figure:
    """Lines of one image pixel at one screen pixel each, on a screen with two pixels per CSS pixel."""
    begin = time.perf_counter()
    window.tab.goto(address)
    window.tab.wait_for_function("notes.frames > 0", timeout=120_000)
    took = time.perf_counter() - begin
    window.kernel("session.set_view(image='lines', center=(256.0, 256.0), zoom=0.5)")
    window.quiet(1)
    seen = window.tab.evaluate(
        """(selector) => {
            const canvas = document.querySelector(selector);
            const row = canvas.getContext("2d").getImageData(0, canvas.height >> 1, canvas.width, 1).data;
            const middle = canvas.width >> 1;
            const line = Array.from({ length: 128 }, (_, i) => row[4 * (middle - 64 + i)] / 255);
            return { line, ratio: canvas.width / canvas.clientWidth };
        }""",
        window.canvas,
    )
    even, odd = (sum(seen["line"][i::2]) / 64 for i in (0, 1))
    contrast = abs(even - odd)
    extra = {"pixels per CSS pixel": seen["ratio"], "contrast": contrast}
    met = seen["ratio"] == 2 and contrast > 0.9
    return Figure(
        "lines of one pixel at ratio 2", OURS, took, extra=extra, goal="crisp: contrast > 0.9", met=met
    )


def two_views(window: Window, y: float, x: float) -> Figure:
    """The same panel twice in JupyterLab: a label reaches both."""
    tab = window.tab
    window.kernel(f"session.set_view(image='tissue', center=({y}, {x}), zoom=1.0)")
    tab.evaluate("window.jupyterapp.commands.execute('notebook:create-output-view')")
    tab.wait_for_function(f"document.querySelectorAll('{window.canvas}').length === 2", timeout=20_000)
    window.quiet(1)
    tab.locator(".ct-pixels").first.focus()
    before = [window.color(i) for i in (0, 1)]
    begin = time.perf_counter()
    tab.keyboard.press("3")
    while (took := time.perf_counter() - begin) < 5:
        now = [window.color(i) for i in (0, 1)]
        if all(_differ(a, b) for a, b in zip(now, before, strict=True)):
            break
    changed = [_differ(a, b) for a, b in zip(now, before, strict=True)]
    same = all(changed) and not _differ(now[0], now[1])
    return Figure("two views: a key → both", OURS, took, goal="both show it", met=same)


# ---------------------------------------------------------------------- figures


def _pixels(task: str, name: str, took: list[float], extra: dict[str, float]) -> Figure:
    middle, high = spread(took)
    extra = {"p90 ms": high, "best ms": min(took)} | extra | load()
    if name != OURS:
        return Figure(task, name, middle / 1e3, extra=extra)
    return Figure(task, name, middle / 1e3, extra=extra, goal="≤ 50 ms", met=middle <= 50)


def _differ(a: list[float], b: list[float], more_than: float = 12) -> bool:
    return any(abs(x - y) > more_than for x, y in zip(a, b, strict=True))


def load() -> dict[str, float]:
    """How busy the machine is: on a busy one the times say little."""
    return {"load": os.getloadavg()[0]} if hasattr(os, "getloadavg") else {}


def _with_playwright(run: Callable[[str], Iterator[Figure]]) -> Callable[[str], Iterator[Figure]]:
    def job(size: str) -> Iterator[Figure]:
        try:
            import playwright  # noqa: F401
        except ImportError:
            print("Playwright is not installed: pip install 'celltune_nb[test]'; the browser is left out.")
            return
        yield from run(size)

    return job


JOBS = [
    Job(
        "browser", "events to pixels and dragging in Voilà, beside ipycanvas", tuple(SIZES), _with_playwright(in_voila)
    ),
    Job("browser-lab", "the same in JupyterLab, and two views", tuple(SIZES), _with_playwright(in_jupyterlab)),
    Job(
        "browser-memory", "what frames leave behind in the browser, beside ipycanvas", tuple(FRAMES), _with_playwright(followed)
    ),
]  # fmt: skip
