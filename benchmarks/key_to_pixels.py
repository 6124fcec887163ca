"""From a labelling key to recoloured pixels: in the kernel at 100,000 cells, and in a browser on an example.

    python -m benchmarks.key_to_pixels [ihc|tissue]

The browser part needs Chromium and Playwright (the ``test`` extra).
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import celltune_nb as ct
from celltune_nb.panels.image.scene import Scene
from celltune_nb.render import Camera, jpeg, warm_up
from celltune_nb.session.jobs import Jobs
from tests.served import Page, write_notebook

SOURCE = """
import celltune_nb as ct
ct.workflows.cells(ct.Session.open({folder!r}))
"""

#: Watches one pixel of the canvas from a key press until it has another colour.
WATCH = """([x, y]) => {
    const context = document.querySelector("canvas.ct-image").getContext("2d");
    const look = () => [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
    let start = null, before = null;
    window.took = [];
    window.pressed = () => { start = performance.now(); before = look(); };
    const step = () => {
        if (start !== null && look().some((value, i) => Math.abs(value - before[i]) > 12)) {
            window.took.push(performance.now() - start);
            start = null;
        }
        requestAnimationFrame(step);
    };
    step();
}"""


def in_the_kernel(folder: Path) -> None:
    side = 2600
    y, x = np.mgrid[:side, :side]
    mask = ((y // 8) * (side // 8) + x // 8 + 1).astype(np.int32)
    mask[(y % 8 == 0) | (x % 8 == 0)] = 0
    image = np.random.default_rng(0).integers(0, 4000, (3, side, side)).astype(np.uint16)
    warm_up()
    with ct.Session.create(folder, jobs=Jobs(inline=True)) as session:
        session.add_image("a", image, mask)
        session.categories.add("A")
        session.categories.add("B")
        scene = Scene(session)
        for name, camera in (
            ("whole", Camera.fit((side, side), 800, 800)),
            ("1:1", Camera(1300, 1300, 1.0, 800, 800)),
        ):
            scene.render(camera)
            recolor, whole, encode = [], [], []
            for turn in range(9):
                session.label(session.table.ids[turn::50], "AB"[turn % 2])
                start = time.perf_counter()
                scene.recolor()
                frame = scene.render(camera)
                recolor.append(time.perf_counter() - start)
                start = time.perf_counter()
                jpeg(frame)
                encode.append(time.perf_counter() - start)
                scene.forget()
                scene.render(camera)
                scene._base = None
                start = time.perf_counter()
                scene.render(camera)
                whole.append(time.perf_counter() - start)
            figures = [f"{1000 * statistics.median(took):.1f} ms" for took in (recolor, whole, encode)]
            print(
                f"{len(session.table):,} cells, 3 channels, 800 × 800, {name}: label → frame {figures[0]}, "
                f"everything anew {figures[1]}, JPEG {figures[2]}"
            )


def in_a_browser(name: str, folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    with ct.datasets.load(name, project=folder / name) as session:
        table, shape = session.table, next(iter(session.images.values())).shape
        rows = table.of_image(0)
        area = np.prod(table.bbox[rows, 2:] - table.bbox[rows, :2], axis=1)
        central = np.hypot(table.y[rows] - shape[0] / 2, table.x[rows] - shape[1] / 2) < min(shape) / 5
        cell = int(np.argmax(np.where(central, area, 0)))
        y, x = float(table.y[cell]), float(table.x[cell])
    page = Page(write_notebook(folder / "page.ipynb", SOURCE.format(folder=str(folder / name))))
    try:
        with sync_playwright() as program:
            browser = program.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1280, "height": 800})
            tab.add_init_script("window.addEventListener('keydown', () => window.pressed?.(), true)")
            tab.goto(page.address)
            tab.locator("canvas.ct-image").wait_for(timeout=60_000)
            tab.wait_for_timeout(2500)
            box = tab.locator("canvas.ct-image").bounding_box()
            assert box is not None
            zoom = min(box["height"] / shape[0], box["width"] / shape[1])
            at = [
                box["width"] / 2 + (x - (shape[1] - 1) / 2) * zoom,
                box["height"] / 2 + (y - (shape[0] - 1) / 2) * zoom,
            ]
            tab.mouse.click(box["x"] + at[0], box["y"] + at[1])
            tab.wait_for_timeout(500)
            tab.keyboard.press("1")
            tab.wait_for_timeout(800)
            tab.evaluate(WATCH, [round(v) for v in at])
            for turn in range(12):
                tab.keyboard.press("21"[turn % 2])
                tab.wait_for_timeout(500)
            took = tab.evaluate("window.took")
            print(
                f"{name}, Voilà, canvas {box['width']:.0f} × {box['height']:.0f}: key → pixels "
                f"{statistics.median(took):.0f} ms (median of {len(took)}, worst {max(took):.0f})"
            )
            browser.close()
    finally:
        page.end()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        in_the_kernel(Path(place) / "kernel")
        for example in sys.argv[1:] or ["ihc", "tissue"]:
            in_a_browser(example, Path(place))
