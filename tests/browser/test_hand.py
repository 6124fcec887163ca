"""A quick hand in front of a slow kernel: keys, double clicks and gestures reach what was on the screen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import celltune_nb as ct
from tests.panels import small

pytestmark = pytest.mark.browser

#: Every label and every other image takes the kernel a while.
SOURCE = """
import time
import celltune_nb as ct
session = ct.Session.open({folder!r})
session.labels_changed.connect(lambda _: time.sleep(0.4))
session.view_changed.connect(lambda event: time.sleep(0.6) if "image" in event.fields else None)
ct.workflows.cells(session)
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hand") / "project"
    small.make(folder)
    with ct.Session.open(folder) as session:
        for kind in "ABC":
            session.categories.add(kind)
    return folder


def test_a_quick_hand_labels_what_it_saw(
    visit: Callable, voila: Callable, measured: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(measured, tmp_path / "project"))
    seat = visit(1280, 800)
    tab = seat.open(voila(SOURCE.format(folder=str(folder))).address, "canvas.ct-image")
    walk = tab.locator(".ct-walk")

    def at(place: int, labelled: int) -> str:
        """Which cell is asked for when it is the one at this place."""
        walk.get_by_text(f"Cell {place} of 30").wait_for()
        walk.get_by_text(f"{labelled} labelled").wait_for()
        tab.wait_for_timeout(700)  # a step too many would come by then
        walk.get_by_text(f"Cell {place} of 30").wait_for(timeout=100)
        return str(walk.get_attribute("data-asked"))

    tab.get_by_role("button", name="Suggested first cells").click()
    asked = [at(1, 0)]
    # pressed twice, then another key at once: all three about the cell on the screen
    for key in "112":
        tab.keyboard.press(key)
    tab.get_by_text("The cell before is B now").wait_for()
    asked.append(at(2, 1))
    # a key held down counts once
    tab.keyboard.down("1")
    for _ in range(5):
        tab.keyboard.down("1")
    tab.keyboard.up("1")
    asked.append(at(3, 2))
    # a double click on a category names one cell
    tab.locator(".ct-cat-main", has_text="C").first.dblclick()
    asked.append(at(4, 3))
    # with the focus on the image
    tab.locator(".ct-pixels").focus()
    tab.keyboard.press("1")
    tab.keyboard.press("1")
    at(5, 4)

    # another image is asked for; before it has come, what is pointed at is still on the old one
    tab.get_by_role("button", name="End").click()
    tab.locator("button[data-do=fit]").click()
    tab.wait_for_timeout(500)
    box = tab.locator("canvas.ct-image").bounding_box()
    tab.get_by_role("button", name="Next image").click()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x - 80, y - 80)
    tab.mouse.down()
    tab.mouse.move(x, y)
    tab.mouse.move(x + 80, y + 80)
    tab.mouse.up()
    tab.get_by_text("right was not on the screen yet").wait_for()
    assert seat.errors == []

    with ct.Session.open(folder, read_only=True) as session:
        given = session.labels.to_pandas()["category"]
        assert given.to_dict() == dict(zip(map(int, asked), "BACA", strict=True))
