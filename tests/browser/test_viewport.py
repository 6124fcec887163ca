"""The viewport in a browser: pixels on the screen and gestures in the kernel."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

# A picture in which every position has a colour of its own: red grows with y, green with x.
SOURCE = """
import json, threading, time
import ipywidgets, numpy as np
from celltune_nb.panels.canvas import Shape, Viewport
from celltune_nb.render import Camera, Pyramid, compose
from celltune_nb.session.jobs import LatestWins

image = np.zeros((256, 256, 3), np.uint8)
image[..., 0] = np.arange(256)[:, None]
image[..., 1] = np.arange(256)[None]
image[..., 2] = 40
pyramid = Pyramid(image)
playing, marked = False, None
def render(camera, dpr):
    frame = compose(image, camera, dpr=dpr, pyramid=pyramid)
    if playing:  # another picture each time: in turn all of it, and a part that is sent as tiles
        turn = viewport._frames.count
        frame[slice(None) if turn % 2 else slice(0, 9), :, 2] = turn % 251
    if marked:
        frame[marked] = 250
    return frame
viewport = Viewport(render, latest=LatestWins, height=400)
viewport.fit((256, 256))
viewport.show_scale_bar(0.5)
viewport.draw_shapes([Shape.rectangle((99.5, 99.5, 149.5, 149.5), "#ffffff", width=2)])
viewport.keys = ["1", "ctrl+z", "shift+2"]
heard = ipywidgets.HTML("[]")
heard.add_class("heard")
events = []
def hear(*event):
    events.append(event)
    heard.value = json.dumps(events, default=lambda v: sorted(v))
viewport.on_click(lambda y, x, held: hear("click", y, x, held))
viewport.on_rectangle(lambda r, held: hear("rectangle", r, held))
viewport.on_key(lambda key, held: hear("key", key, held))
viewport.on_hover(lambda y, x: setattr(viewport, "tooltip", "" if y is None else f"at {y:.0f}, {x:.0f}"))
viewport.on_camera(lambda camera, final: hear("camera", camera.y, camera.x, camera.zoom) if final else None)
# as fast as they are shown: each frame is asked for when the one before has arrived
def play(goal):
    global playing
    playing = True
    def on():
        while viewport._frames.count < goal:
            viewport.refresh()
            time.sleep(0.005)
        hear("frames", goal)
    threading.Thread(target=on).start()
# outlines and camera in turn, as by whoever clicks through the fields of a matrix
def wander():
    def on():
        for i in range(60):
            viewport.draw_shapes([Shape.rectangle((i, i, i + 20, i + 20), "#ffffff", width=2)])
            time.sleep(0.007 * (i % 5))
            viewport.set_camera(Camera(i * 4, i * 4, 1 + i % 11, 400, 800))
            time.sleep(0.011 * (i % 7))
        hear("wandered")
    threading.Thread(target=on).start()
def act(change):
    exec(change["new"], globals())
code = ipywidgets.Text(continuous_update=False)
code.add_class("code")
code.observe(act, "value")
after = ipywidgets.Button(description="after")
ipywidgets.VBox([viewport.widget, after, code, heard])
"""

PIXELS = "canvas.ct-image"


def pixel(tab: Any, x: float, y: float, selector: str = PIXELS, index: int = 0) -> list[int]:
    """RGBA of the canvas at a CSS position."""
    return tab.evaluate(
        """([selector, index, x, y]) => {
            const canvas = document.querySelectorAll(selector)[index];
            const ratio = canvas.width / canvas.clientWidth;
            const data = canvas.getContext('2d').getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1);
            return [...data.data];
        }""",
        [selector, index, x, y],
    )


def wait_for_pixel(tab: Any, x: float, y: float, color: tuple[int, int, int], index: int = 0) -> None:
    for _ in range(200):
        seen = pixel(tab, x, y, index=index)
        if all(abs(a - b) <= 8 for a, b in zip(seen[:3], color, strict=True)):
            return
        tab.wait_for_timeout(50)
    raise AssertionError(f"({x}, {y}) is {seen}, not {color}")


def wait_for_line(tab: Any, x: float, y: float) -> None:
    """Wait until the vector layer is bright there; it follows the picture by a moment."""
    for _ in range(200):
        if max(pixel(tab, x, y, "canvas.ct-vectors")[:3]) > 200:
            return
        tab.wait_for_timeout(50)
    raise AssertionError(f"no line at ({x}, {y})")


def shown(tab: Any, y: float, x: float, index: int = 0) -> None:
    """Wait until the first picture of a fitted 256² image is there."""
    box = tab.locator(PIXELS).nth(index).bounding_box()
    zoom = min(box["height"], box["width"]) / 256
    cx = box["width"] / 2 + (x - 127.5) * zoom
    cy = box["height"] / 2 + (y - 127.5) * zoom
    wait_for_pixel(tab, cx, cy, (round(y), round(x), 40), index)


def heard(tab: Any, kind: str, at_least: int = 1) -> list[Any]:
    """What the kernel heard of one kind of event, once there are so many."""
    found: list[Any] = []
    for _ in range(200):
        events = json.loads(tab.locator(".heard .widget-html-content").inner_text() or "[]")
        found = [event[1:] for event in events if event[0] == kind]
        if len(found) >= at_least:
            return found
        tab.wait_for_timeout(50)
    raise AssertionError(f"of {kind} only {found} was heard")


def code(tab: Any, text: str) -> None:
    """Let the kernel run a line."""
    tab.locator(".code input").fill(text)
    tab.locator(".code input").press("Enter")
    tab.wait_for_timeout(250)


@pytest.fixture
def opened(visit: Callable, voila: Callable) -> Callable:
    def go(**options: Any) -> Any:
        seen = visit(**options)
        seen.open(voila(SOURCE).address, PIXELS)
        shown(seen.tab, 200, 50)
        return seen

    return go


def test_first_paint_gestures_and_keys(opened, tmp_path):
    seen = opened()
    tab = seen.tab
    box = tab.locator(PIXELS).bounding_box()
    assert box["height"] == 400
    width, zoom = box["width"], 400 / 256

    def place(y, x):
        return box["x"] + width / 2 + (x - 127.5) * zoom, box["y"] + 200 + (y - 127.5) * zoom

    # the white rectangle of the vector layer lies on the pixels that it names
    cx, cy = place(99.5, 120)
    wait_for_line(tab, cx - box["x"], cy - box["y"])
    tab.screenshot(path=tmp_path / "first.png")

    # what changed in a frame comes on its own and lands in its place
    around = [pixel(tab, x, y) for x, y in ((width / 2 - 33, 150), (width / 2 + 33, 150), (width / 2, 117))]
    left = round(width / 2)
    code(tab, f"marked = slice(120, 181), slice({left - 30}, {left + 31}); viewport.refresh()")
    for x, y in ((left - 28, 122), (left + 28, 178), (left, 150)):
        wait_for_pixel(tab, x, y, (250, 250, 250))
    for (x, y), before in zip(((left - 33, 150), (left + 33, 150), (left, 117)), around, strict=True):
        assert pixel(tab, x, y)[:3] == pytest.approx(before[:3], abs=12)
    code(tab, "marked = None; viewport.refresh()")
    wait_for_pixel(tab, left, 150, (round((150 - 200) / zoom + 127.5), 128, 40))

    tab.mouse.click(*place(60, 70), button="left")
    y, x, held = heard(tab, "click")[-1]
    assert (y, x) == pytest.approx((60, 70), abs=1)
    assert held == []

    # hover names the place beside the cursor
    tab.mouse.move(*place(80, 90))
    tab.locator(".ct-tip", has_text="at 80, 90").wait_for()

    # only listed keys are taken, and Tab leaves
    tab.keyboard.press("1")
    tab.keyboard.press("x")
    tab.keyboard.press("Control+z")
    tab.keyboard.press("Shift+Digit2")
    assert heard(tab, "key", 3) == [["1", []], ["z", ["ctrl"]], ["2", ["shift"]]]
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.innerText") == "after"

    # a rectangle is reported in image pixels
    code(tab, "viewport.mode = 'rectangle'")
    tab.mouse.move(*place(40, 50))
    tab.mouse.down()
    tab.mouse.move(*place(90, 160), steps=4)
    assert tab.locator(".ct-band").is_visible()
    tab.screenshot(path=tmp_path / "band.png")
    tab.mouse.up()
    rectangle, held = heard(tab, "rectangle")[-1]
    assert rectangle == pytest.approx([40, 50, 90, 160], abs=1)

    moves = len(heard(tab, "camera"))
    # in that mode the middle button pans: the picture follows the hand, then the kernel's frame agrees
    tab.mouse.move(*place(127, 127))
    tab.mouse.down(button="middle")
    tab.mouse.move(*[v + d for v, d in zip(place(127, 127), (40, 25), strict=True)], steps=5)
    tab.mouse.up(button="middle")
    y, x, _ = heard(tab, "camera", moves + 1)[-1]
    assert (y, x) == pytest.approx((127.5 - 25 / zoom, 127.5 - 40 / zoom), abs=0.5)
    wait_for_pixel(tab, width / 2, 200, (round(y), round(x), 40))

    # the wheel keeps the point under the cursor
    tab.mouse.move(box["x"] + width / 2 + 80, box["y"] + 260)
    before = pixel(tab, width / 2 + 80, 260)
    tab.mouse.wheel(0, -300)
    assert heard(tab, "camera", moves + 2)[-1][2] > zoom * 1.5
    wait_for_pixel(tab, width / 2 + 80, 260, tuple(before[:3]))
    tab.screenshot(path=tmp_path / "zoomed.png")

    assert seen.errors == []


def test_resize_sharpness_and_a_steady_heap(opened, tmp_path):
    seen = opened(width=900, dpr=2)
    tab = seen.tab
    # every layer has two device pixels per CSS pixel; the vectors follow the picture by a moment
    tab.wait_for_function(
        "[...document.querySelectorAll('.ct-viewport canvas')].map(c => c.width / c.clientWidth).join() === '2,2,2'"
    )
    tab.wait_for_timeout(200)
    tab.screenshot(path=tmp_path / "dpr2.png")

    tab.set_viewport_size({"width": 600, "height": 700})
    shown(tab, 100, 200)
    # the vector canvas takes the new size a moment after the picture
    tab.wait_for_function(
        "document.querySelector('canvas.ct-vectors').width === document.querySelector('canvas.ct-image').width"
    )

    def weigh():
        return tab.evaluate("(gc(), performance.memory.usedJSHeapSize)")

    weights = []
    for goal in (50, 100, 150):
        code(tab, f"play({goal})")
        heard(tab, "frames", len(weights) + 1)
        weights.append(weigh())
    assert weights[-1] - weights[0] < 3_000_000
    assert seen.errors == []


def test_a_page_too_busy_for_anywidget_still_shows_the_image(visit, voila):
    seen = visit()
    # anywidget gives up on a module after two seconds; here at once.  And a browser that lacks the newer decoder.
    seen.context.add_init_script(
        "delete window.ImageDecoder;"
        "const real = AbortSignal.timeout.bind(AbortSignal);"
        "AbortSignal.timeout = (ms) => real(ms === 2000 ? 0 : ms);"
    )
    seen.open(voila(SOURCE).address, PIXELS)
    shown(seen.tab, 200, 50)
    assert seen.errors == ["[anywidget] Failed to initialize model."]


def test_lab_two_views_and_reload(visit, lab, tmp_path):
    server = lab(SOURCE)
    seen = visit(width=1300, height=1000)
    tab = seen.open(server.address, ".jp-Notebook")
    server.run(tab, PIXELS)
    shown(tab, 200, 50)
    tab.evaluate("window.jupyterapp.commands.execute('notebook:create-output-view')")
    tab.wait_for_function("document.querySelectorAll('canvas.ct-image').length === 2")
    tab.wait_for_timeout(800)
    for index in (0, 1):
        width = tab.locator(PIXELS).nth(index).bounding_box()["width"]
        wait_for_pixel(tab, width / 2, 200, (128, 128, 40), index)
    tab.screenshot(path=tmp_path / "two.png")

    # a stray letter must not reach the notebook's commands: b would insert a cell
    tab.locator(".ct-pixels").first.click()
    tab.keyboard.press("b")
    assert tab.locator(".jp-Notebook .jp-Cell").count() == 1

    tab.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    tab.wait_for_timeout(500)
    tab.goto(server.address.removesuffix("?reset"))
    tab.locator(PIXELS).first.wait_for(timeout=40_000)
    shown(tab, 200, 50)
    cx = tab.locator(PIXELS).first.bounding_box()["width"] / 2
    wait_for_line(tab, cx, 200 + (99.5 - 127.5) * 400 / 256)
    tab.screenshot(path=tmp_path / "reloaded.png")
    assert seen.errors == []


def test_a_jump_shows_no_empty_ground_between_two_pictures(opened):
    tab = opened().tab
    middle = tab.locator(PIXELS).bounding_box()["width"] / 2
    code(tab, "viewport.set_camera(Camera(60, 60, 20, 400, 800))")
    wait_for_pixel(tab, middle, 200, (60, 60, 40))
    # each picture takes a while, as with many channels
    code(
        tab,
        "viewport._frames.render = lambda *a: (time.sleep(0.15), render(*a))[1]",
    )
    tab.evaluate(
        """() => {
            const canvas = document.querySelector('canvas.ct-image');
            window.seen = [];
            const look = () => {
                const data = canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
                window.seen.push([...data.slice(0, 3)]);
                window.looking = requestAnimationFrame(look);
            };
            look();
        }"""
    )
    code(tab, "viewport.set_camera(Camera(200, 200, 20, 400, 800))")
    wait_for_pixel(tab, middle, 200, (200, 200, 40))
    seen = tab.evaluate("() => { cancelAnimationFrame(window.looking); return window.seen; }")
    assert all(max(abs(a - b) for a, b in zip(color, (30, 32, 38), strict=True)) > 10 for color in seen)
    # whoever takes hold of the picture moves on from where the kernel looks
    code(tab, "viewport.set_camera(Camera(60, 60, 20, 400, 800))")
    moves = len(heard(tab, "camera"))
    tab.locator(PIXELS).hover()
    tab.mouse.wheel(0, -100)
    y, x, _ = heard(tab, "camera", moves + 1)[-1]
    assert (y, x) == pytest.approx((60, 60), abs=3)


def test_lines_and_scale_bar_follow_wherever_the_kernel_looks(opened):
    tab = opened().tab
    wait_for_pixel(tab, 5, 5, (30, 32, 38))
    rests = """() => {
        const {a, e, f} = new DOMMatrix(getComputedStyle(document.querySelector('canvas.ct-vectors')).transform);
        return Math.abs(a - 1) < 1e-6 && Math.abs(e) < 1e-6 && Math.abs(f) < 1e-6;
    }"""
    bar = """() => {
        const canvas = document.querySelector('canvas.ct-fixed');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let sum = 0;
        for (let i = 3; i < data.length; i += 4) sum = (sum * 31 + data[i]) % 1000003;
        return sum;
    }"""
    tab.wait_for_function(rests)
    before = tab.evaluate(bar)
    code(tab, "viewport.set_camera(Camera(100, 100, 7, 400, 800))")
    tab.wait_for_function(rests, timeout=5000)
    tab.wait_for_function(f"(before) => ({bar})() !== before", arg=before, timeout=5000)
    # frames that take a while, and a camera that is moved in between, as by whoever clicks through a matrix
    code(tab, "viewport._frames.render = lambda *a: (time.sleep(0.03), render(*a))[1]; wander()")
    heard(tab, "wandered")
    tab.wait_for_function(rests, timeout=5000)
    wait_for_pixel(tab, tab.locator(PIXELS).bounding_box()["width"] / 2, 200, (236, 236, 40))
    # the wheel was turned a moment before the kernel looked elsewhere: its last report does not take the person back
    tab.locator(PIXELS).hover()
    tab.mouse.wheel(0, -100)
    code(tab, "viewport.set_camera(Camera(60, 60, 20, 400, 800))")
    tab.wait_for_timeout(900)
    assert tab.evaluate(rests)
    wait_for_pixel(tab, tab.locator(PIXELS).bounding_box()["width"] / 2, 200, (60, 60, 40))
