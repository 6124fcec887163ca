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
session.view_changed.connect(lambda event: time.sleep(0.6 if "image" in event.fields else 0.2 if "channels" in event.fields else 0))
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

    # channels: nothing flips back on its way, and a drag is over when the mouse is let go
    boxes = [tab.get_by_label(f"Show {name}", exact=True).first for name in "AB"]
    for box in boxes:
        box.uncheck()
    assert not any(box.is_checked() for _ in range(20) for box in boxes)
    handle = tab.get_by_role("slider", name="Full colour from")
    held = handle.bounding_box()
    x, y = held["x"] + held["width"] / 2, held["y"] + held["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    for step in range(20):
        tab.mouse.move(x - 3 * step, y)
        tab.wait_for_timeout(20)
    tab.mouse.up()
    left = handle.get_attribute("aria-valuenow")
    for _ in range(15):
        assert handle.get_attribute("aria-valuenow") == left
        tab.wait_for_timeout(40)
    assert seat.errors == []

    with ct.Session.open(folder, read_only=True) as session:
        given = session.labels.to_pandas()["category"]
        assert given.to_dict() == dict(zip(map(int, asked), "BACA", strict=True))


#: Rows that can be taken away, a name that is added at Enter, fields; the kernel counts on beside.
FIELDS = """
import threading, time
from celltune_nb.panels.theme import Live, styles, tag
live, rows, names, counts = Live(), list("abcd"), [], [0, 0, 0, 0]
amount, kind, on = "30", "x", False
def draw():
    live.html = tag(
        "div",
        [tag("div", tag("button", f"Delete {row}", do="delete", what=row), row=row) for row in rows],
        tag("input", type="text", value="", do="add", on="enter", aria_label="Add"),
        tag("input", type="number", value=amount, do="amount", aria_label="Amount"),
        tag("select", [tag("option", k, value=k, selected=k == kind) for k in "xyz"], do="kind", aria_label="Kind"),
        tag("input", type="checkbox", do="on", checked=on, aria_label="On"),
        tag("button", "Use", do="use", field="add"),
        tag("button", "Draw", do="draw"),
        tag("button", "Next", do="next"),
        tag("p", f"drawn {counts[2]}; next {counts[3]}"),
        tag("p", f"names {','.join(names)}; counted {counts[0]}; told {counts[1]}"),
    )
def delete(what):
    rows.remove(what)
    draw()
def add(_, name):
    time.sleep(0.3)
    names.append(name)
    draw()
def told(name):
    def hear(_, value):
        globals()[name] = value
        counts[1] += 1
        draw()
    return hear
def count():  # while it runs, the kernel hears nothing of what is done
    for _ in range(10):
        counts[0] += 1
        draw()
        time.sleep(0.15)
def pressed(place):
    time.sleep(0.3)
    counts[place] += 1
    draw()
live.on("use", lambda _, text: (names.append(f"used {text}"), draw()))
live.on("draw", lambda: pressed(2))
live.on("next", lambda: pressed(3))
live.on("delete", delete)
live.on("add", add)
for name in ("amount", "kind", "on"):
    live.on(name, told(name))
live.on("count", lambda: count())
draw()
from ipywidgets import Button, VBox
busy = Button(description="Count")
busy.on_click(lambda _: count())
VBox([live, busy])
"""


def test_what_was_typed_or_chosen_is_not_taken_back_by_an_older_page(
    visit: Callable, voila: Callable
) -> None:
    seat = visit()
    tab = seat.open(voila(FIELDS).address, "[aria-label=Amount]")
    tab.get_by_role("button", name="Count").click()
    tab.get_by_text("counted 1;").wait_for()
    tab.get_by_label("Amount").fill("50")
    tab.get_by_label("Kind").select_option("z")
    tab.get_by_label("On").check()
    tab.get_by_label("Add").focus()
    seen = set()
    for _ in range(12):
        seen.add(
            tab.evaluate(
                "[...document.querySelectorAll('[aria-label=Amount], [aria-label=Kind]')].map((e) => e.value).join()"
            )
        )
        seen.add(tab.get_by_label("On").is_checked())
        tab.wait_for_timeout(60)
    assert seen == {"50,z", True}
    tab.get_by_text("counted 10; told 3").wait_for()
    assert tab.get_by_label("Amount").input_value() == "50"
    assert tab.get_by_label("Kind").input_value() == "z"

    # Enter pressed twice adds one
    tab.get_by_label("Add").fill("mine")
    tab.keyboard.press("Enter")
    tab.keyboard.press("Enter")
    tab.get_by_text("names mine;").wait_for()
    # the second half of a double click does not hit the row that moved up
    tab.get_by_role("button", name="Delete b").dblclick(delay=80)
    tab.wait_for_timeout(400)
    assert tab.get_by_role("button", name="Delete").all_inner_texts() == ["Delete a", "Delete c", "Delete d"]
    assert tab.get_by_text("names mine;").count() == 1
    # a button takes what its field says, also without Enter
    tab.get_by_label("Add").fill("yours")
    tab.get_by_role("button", name="Use").click()
    tab.get_by_text("names mine,used yours;").wait_for()
    # what begins a piece of work is begun once; a step is taken as often as it is asked for
    tab.get_by_role("button", name="Draw").dblclick()
    tab.get_by_role("button", name="Next").dblclick()
    tab.get_by_text("next 2").wait_for()
    assert tab.get_by_text("drawn 1; next 2").count() == 1
    assert seat.errors == []
