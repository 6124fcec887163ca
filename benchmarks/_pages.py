"""The projects and pages that the browser's benchmark looks at."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

import celltune_nb as ct
from celltune_nb.session.jobs import Jobs

from ._window import CODE

#: Distance of the cells in the grid, and side of the piece of tissue that an image repeats: pixels.
PITCH, PIECE = 32, 512
CATEGORIES = ("Tumour", "Immune", "Stroma")

#: The cells workflow as a person has it.  ``play(n)`` sends n new frames, each as soon as the one before was shown: in
#: turn the whole picture, and two labels, which go as tiles.
OURS = """
import time
import celltune_nb as ct
session = ct.Session.open({folder!r})
page = ct.workflows.cells(session)
view = page.image.viewport
def until(count):
    deadline = time.monotonic() + 5
    while view._frames.count < count and time.monotonic() < deadline:
        time.sleep(0.002)
def play(n):
    import threading
    def on():
        last = view._frames.count + n
        turn = 0
        while view._frames.count < last:
            turn += 1
            now = view._frames.count
            if turn % 3:
                session.label(session.selection, {categories!r}[turn % 3])
            else:
                session.set_view(opacity=0.2 + 0.6 * (turn % 7) / 7)
            until(now + 1)
        played.value = str(n)
    threading.Thread(target=on).start()
played = _w.HTML("")
played.add_class("played")
_w.VBox([page.widget, _box, played])
"""

#: The plain way: ipycanvas shows each frame of the same scene with ``put_image_data`` of RGBA.  Only the newest frame is
#: rendered, in a thread, as ours is; drawing in the callbacks themselves would queue up for seconds.
PLAIN = """
import threading, time
from dataclasses import replace
import numpy as np
from ipycanvas import Canvas
import celltune_nb as ct
from celltune_nb.panels.image.scene import Scene
from celltune_nb.render import Camera
session = ct.Session.open({folder!r})
session.set_view(image="tissue", color_by="labels", style="both", opacity=0.5)
scene = Scene(session)
camera = Camera({y}, {x}, 1.0, {height}, {width})
canvas = Canvas(width={width}, height={height})
canvas.layout.width, canvas.layout.height = "{width}px", "{height}px"
canvas.add_class("plain")
held = None
sent = 0
def draw():
    global sent
    frame = scene.render(camera)
    canvas.put_image_data(np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)]))
    sent += 1
worker = session.jobs.latest(draw)
def key(name, *_):
    session.label(session.selection, {categories!r}[int(name) - 1])
    scene.recolor()
    worker.request()
def wheel(dx, dy):
    global camera
    camera = camera.zoom_at({height} / 2, {width} / 2, float(np.exp(-dy / 500)))
    worker.request()
def down(x, y):
    global held
    held = (x, y, camera)
def move(x, y):
    global camera
    if held:
        camera = replace(camera, y=held[2].y - (y - held[1]), x=held[2].x - (x - held[0]))
        worker.request()
def up(x, y):
    global held
    held = None
def play(n):
    def on():
        for turn in range(n):
            session.set_view(opacity=0.2 + 0.6 * (turn % 7) / 7)
            scene.recolor()
            draw()
            time.sleep(0.35)  # what a frame takes in the browser: more would queue up there
        played.value = str(n)
    threading.Thread(target=on).start()
canvas.on_key_down(key)
canvas.on_mouse_wheel(wheel)
canvas.on_mouse_down(down)
canvas.on_mouse_move(move)
canvas.on_mouse_up(up)
canvas.on_client_ready(worker.request)
session.select([session.item_at("tissue", {y}, {x})])
played = _w.HTML("")
played.add_class("played")
_w.VBox([canvas, _box, played])
"""


def project(folder: Path, side: int, channels: int) -> tuple[float, float]:
    """A project with tissue of ``side``² pixels and an image of lines one pixel wide; the centre of the middle cell."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # its bars would run into the table
    image, mask = tissue(side, channels)
    with ct.Session.create(folder, jobs=Jobs(inline=True)) as session:
        names = [f"marker {c + 1}" for c in range(channels)]
        session.add_image("tissue", image, mask, channels=names)
        lines = np.zeros((channels, 512, 512), np.uint16)
        lines[:, :, ::2] = 60_000
        session.add_image("lines", lines, channels=names)
        for name in CATEGORIES:
            session.categories.add(name)
        rows = session.table.of_image(0)
        y, x = session.table.y[rows], session.table.x[rows]
        middle = int(np.argmin(np.hypot(y - side / 2, x - side / 2)))
        return float(y[middle]), float(x[middle])


def tissue(side: int, channels: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cells of about 21 px in a jittered grid over noise: (C, Y, X) uint16 and a mask; one piece, repeated."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    n = PIECE // PITCH
    y, x = np.mgrid[:PIECE, :PIECE]
    row, column = y // PITCH, x // PITCH
    jitter = rng.integers(-3, 4, (2, n, n))[:, row, column]
    dy, dx = y % PITCH - PITCH / 2 - jitter[0], x % PITCH - PITCH / 2 - jitter[1]
    cell = np.where((dy / 11) ** 2 + (dx / 10) ** 2 <= 1, row * n + column + 1, 0).astype(np.uint32)
    piece = rng.gamma(1.2, 300, (channels, PIECE, PIECE))
    for c in range(channels):
        lit = piece[c] + np.where(cell, 2500 * rng.random(n * n + 1)[cell], 0)
        # what optics do to neighbouring pixels; a frame then takes as many bytes as one of real tissue
        piece[c] = gaussian_filter(lit, 0.6, mode="wrap")
    mask = np.empty((side, side), np.uint32)
    image = np.empty((channels, side, side), np.uint16)
    pieces = -(-side // PIECE)
    for i in range(pieces):
        for j in range(pieces):
            here = np.s_[i * PIECE : (i + 1) * PIECE, j * PIECE : (j + 1) * PIECE]
            h, w = mask[here].shape
            mask[here] = np.where(cell[:h, :w], cell[:h, :w] + np.uint32((i * pieces + j) * n * n), 0)
            image[(slice(None), *here)] = piece[:, :h, :w]
    return image, mask


def ours(folder: Path) -> str:
    return CODE + OURS.format(folder=str(folder), categories=CATEGORIES)


def plain(folder: Path, y: float, x: float, height: int, width: int) -> str:
    fields = {"y": y, "x": x, "height": height, "width": width}
    return CODE + PLAIN.format(folder=str(folder), categories=CATEGORIES, **fields)
