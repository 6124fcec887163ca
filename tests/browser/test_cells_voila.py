"""The cells workflow as a biologist meets it: a Voilà page on a project with real cells."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import celltune_nb as ct

pytestmark = pytest.mark.browser

PIXELS = "canvas.ct-image"
SOURCE = """
import os
os.environ["CELLTUNE_NB_PROJECT"] = {folder!r}
from celltune_nb.apps import page
page.show("cells", example="ihc")
"""
#: Size of the example's image.
SIDE = 512


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The immunohistochemistry example, measured once."""
    folder = tmp_path_factory.mktemp("example") / "ihc"
    ct.datasets.load("ihc", project=folder).close()
    return folder


@pytest.fixture
def project(example: Path, tmp_path: Path) -> Path:
    return shutil.copytree(example, tmp_path / "colon")


class Seat:
    """In front of the page."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.tab.locator(PIXELS).first.wait_for(timeout=40_000)
        self.wait_for_picture()

    def picture(self) -> np.ndarray:
        """RGB of the canvas, every fourth pixel."""
        data = self.tab.evaluate(
            """(selector) => {
                const canvas = document.querySelector(selector);
                const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                const seen = [];
                for (let y = 0; y < canvas.height; y += 4)
                    for (let x = 0; x < canvas.width; x += 4) seen.push(...data.slice((y * canvas.width + x) * 4, (y * canvas.width + x) * 4 + 3));
                return [canvas.height, canvas.width, seen];
            }""",
            PIXELS,
        )
        return np.array(data[2], np.int64).reshape(-(-data[0] // 4), -(-data[1] // 4), 3)

    def wait_for_picture(self) -> np.ndarray:
        for _ in range(100):
            seen = self.picture()
            if seen.std() > 20:  # more than one colour
                return seen
            self.tab.wait_for_timeout(50)
        raise AssertionError("the canvas stayed empty")

    def wait_for_change(self, before: np.ndarray, share: float, *, step: int = 30) -> np.ndarray:
        """Wait until so large a share of the pixels differ by more than *step*; the picture then."""
        for _ in range(200):
            seen = self.picture()
            if seen.shape == before.shape and (abs(seen - before).max(axis=2) > step).mean() > share:
                return seen
            self.tab.wait_for_timeout(50)
        raise AssertionError(f"less than {share:.0%} of the picture changed")

    def wait_until_like(self, before: np.ndarray) -> np.ndarray:
        """Wait until the picture is as it was before; the picture then."""
        for _ in range(200):
            seen = self.picture()
            if seen.shape == before.shape and (abs(seen - before).max(axis=2) > 30).mean() < 0.01:
                return seen
            self.tab.wait_for_timeout(50)
        raise AssertionError("the picture is another one than before")

    def place(self, y: float, x: float) -> tuple[float, float]:
        """Where a position of the fitted image lies on the page."""
        box = self.tab.locator(PIXELS).bounding_box()
        zoom = min(box["height"], box["width"]) / SIDE
        middle = (SIDE - 1) / 2
        return (
            box["x"] + box["width"] / 2 + (x - middle) * zoom,
            box["y"] + box["height"] / 2 + (y - middle) * zoom,
        )

    def drag(self, rectangle: tuple[float, float, float, float]) -> None:
        y0, x0, y1, x1 = rectangle
        self.tab.mouse.move(*self.place(y0, x0))
        self.tab.mouse.down()
        self.tab.mouse.move(*self.place((y0 + y1) / 2, (x0 + x1) / 2))
        self.tab.mouse.move(*self.place(y1, x1))
        self.tab.mouse.up()
        self.tab.get_by_text(re.compile(r"in this rectangle, \d+ not labelled")).wait_for()

    def says(self, text: str) -> None:
        self.tab.get_by_text(text, exact=False).first.wait_for()

    def open_tab(self, name: str) -> None:
        self.tab.get_by_role("tab", name=name).click()


def wait_until_it_fits(tab: Any) -> None:
    """Wait until nothing of the page lies outside the window."""
    tab.wait_for_function(
        "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth"
    )


def test_first_cells_are_named_one_by_one(visit: Callable, voila: Callable, project: Path) -> None:
    seen = visit(width=1024, height=768)
    tab = seen.open(voila(SOURCE.format(folder=str(project))).address, PIXELS)
    seat = Seat(tab)
    tab.get_by_role("button", name="Suggested first cells").click()
    seat.says("Cell 1 of 30")
    whole = seat.picture()
    tab.keyboard.press("1")
    seat.says("Cell 2 of 30")
    seat.says("1 labelled")
    seat.wait_for_change(whole, 0.01)  # the image went to another cell
    tab.keyboard.press("s")
    seat.says("Skipped. Cell 3 of 30")
    tab.keyboard.press("Control+ArrowLeft")
    tab.keyboard.press("Control+ArrowLeft")
    seat.says("Cell 1 of 30")
    tab.keyboard.press("u")
    seat.says("0 labelled")
    wait_until_it_fits(tab)


def test_the_loop_from_a_rectangle_to_predictions_and_through_a_reload(
    visit: Callable, voila: Callable, project: Path
) -> None:
    seen = visit(width=1280, height=800)
    tab = seen.open(voila(SOURCE.format(folder=str(project))).address, PIXELS)
    seat = Seat(tab)
    seat.says("0 labelled")
    wait_until_it_fits(tab)

    # stroma, right: a rectangle, a sample, one key
    tumour, stroma = (20.0, 0.0, 240.0, 250.0), (180.0, 320.0, 500.0, 511.0)
    before = seat.picture()
    seat.drag(tumour)
    tab.get_by_role("button", name="Sample in rectangle").click()
    seat.says("30 cells selected")
    tab.keyboard.press("1")
    seat.says("30 labelled")

    # the second category, by keys alone
    seat.drag(stroma)
    tab.keyboard.press("s")
    seat.says("30 cells sampled")
    tab.keyboard.press("2")
    seat.says("60 labelled")
    labelled = seat.wait_for_change(before, 0.01)

    # training recolours the cells by what was predicted
    seat.open_tab("Train")
    tab.get_by_role("button", name="Train", exact=True).click()
    seat.says("Trained at")
    curve = tab.locator(".bqplot path.line").first
    curve.wait_for(state="attached")
    tab.wait_for_function(
        "[...document.querySelectorAll('.bqplot path.line')].some((path) => (path.getAttribute('d') || '').split(/[LC]/).length > 5)"
    )

    predicted = seat.wait_for_change(labelled, 0.03)

    seat.open_tab("Evaluate")
    tab.get_by_role("button", name=re.compile("^Evaluate")).first.click()
    tab.get_by_text("DAB-negative").last.wait_for()
    wait_until_it_fits(tab)

    tab.reload()
    seat = Seat(tab)
    seat.says("60 labelled")
    seat.says("All saved")
    assert tab.get_by_label("Colour cells by").input_value() == "Pred_AVG"
    seat.wait_until_like(predicted)
    assert seen.errors == []

    with ct.Session.open(project, read_only=True) as session:
        table = session.labels.to_pandas().join(session.items[["y", "x"]])
        assert session.labels.counts() == {"Unknown": 304, "DAB-positive": 30, "DAB-negative": 30}
        for category, (y0, x0, y1, x1) in (("DAB-positive", tumour), ("DAB-negative", stroma)):
            mine = table[table["category"] == category]
            assert mine["y"].between(y0 - 1, y1 + 1).all()
            assert mine["x"].between(x0 - 1, x1 + 1).all()
            assert set(mine["source"]) == {"rectangle"}
        assert session.run is not None
        assert session.run.state == "done"
        assert set(session.populations["Pred_AVG"].counts().index) >= {"DAB-positive", "DAB-negative"}


def test_looking_around(visit: Callable, voila: Callable, project: Path) -> None:
    seen = visit(width=1920, height=1080)
    tab = seen.open(voila(SOURCE.format(folder=str(project))).address, PIXELS)
    seat = Seat(tab)
    wait_until_it_fits(tab)
    large = tab.locator(PIXELS).bounding_box()
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.wait_for_function(
        """([selector, width]) => {
            const canvas = document.querySelector(selector);
            return canvas.clientWidth < width - 300 && Math.abs(canvas.width - canvas.clientWidth) <= 1;
        }""",
        arg=[PIXELS, large["width"]],
    )
    wait_until_it_fits(tab)
    small = tab.locator(PIXELS).bounding_box()
    assert large["height"] - small["height"] > 200
    tab.wait_for_timeout(400)
    whole = seat.wait_for_picture()

    # the wheel zooms at the cursor, F brings the whole image back
    tab.mouse.move(*seat.place(256, 256))
    tab.mouse.wheel(0, -400)
    seat.wait_for_change(whole, 0.2)
    tab.locator(".ct-pixels").focus()
    tab.keyboard.press("f")
    seat.wait_until_like(whole)

    # hovering names the cell, a click selects it
    with ct.Session.open(project, read_only=True) as session:
        place = int(
            np.argmax(
                np.where(
                    session.table.border > 20,
                    np.prod(session.table.bbox[:, 2:] - session.table.bbox[:, :2], axis=1),
                    0,
                )
            )
        )
        y, x, cell = session.table.y[place], session.table.x[place], session.table.cells[place]
    tab.mouse.move(*seat.place(y, x))
    tab.locator(".ct-tip", has_text=f"Cell {cell}").wait_for()
    tab.mouse.click(*seat.place(y, x))
    seat.says("1 cell selected")

    tab.get_by_role("button", name="Cells", exact=True).click()
    seat.wait_for_change(whole, 0.02, step=15)
    tab.keyboard.press("h")
    tab.get_by_text("next rectangle worth a look").wait_for()
    assert seen.errors == []
