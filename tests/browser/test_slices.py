"""The sampling loop of the slices workflow, in the browser alone: rule, working set, rectangle, exceptions, training, mistakes, verdict."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import celltune_nb as ct

pytestmark = pytest.mark.browser

SOURCE = """
import os
os.environ["CELLTUNE_NB_PROJECT"] = {folder!r}
from celltune_nb.apps import page
page.show("slices", example="brain")
"""


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four slices of two animals, some labels of which a training can learn."""
    folder = tmp_path_factory.mktemp("brain") / "p"
    with ct.datasets.load("brain", project=folder, cells=250, slices=4, animals=2) as session:
        said = session.items["truth_cFos"].loc[session.sample(60, by="clusters", seed=0)]
        session.label_each({name: said.index[said == name] for name in said.unique()})
    return folder


def press(tab: Any, name: str) -> None:
    tab.get_by_role("button", name=name, exact=True).first.click()


def opened(tab: Any, name: str) -> None:
    tab.get_by_role("tab", name=name, exact=True).click()


def test_the_loop_by_hand(visit: Callable, voila: Callable, brain: Path) -> None:
    seen = visit(width=1280, height=800)
    tab = seen.open(voila(SOURCE.format(folder=str(brain))).address, ".ct-slice")

    # the guide: the rule, and slices to work on
    tab.locator(".ct-guide textarea").fill("ON: clearly brighter than the tissue around it")
    tab.keyboard.press("Enter")
    tab.locator(".ct-rule", has_text="clearly brighter than the tissue").wait_for()
    tab.get_by_label("How many").fill("2")
    tab.get_by_label("How many").press("Enter")
    press(tab, "Suggest")
    press(tab, "Work on these")
    tab.get_by_text("2 of 4 to work on").wait_for()
    tab.wait_for_function(
        "[...document.querySelectorAll('.ct-slice-picture')].filter(e => getComputedStyle(e).backgroundImage.startsWith('url')).length === 4"
    )

    # the list follows to the slice that is opened elsewhere
    tab.add_style_tag(content=".ct .ct-cells-left .ct-slices { max-height: 100px !important; }")
    tab.get_by_label("Image", exact=True).select_option(index=0)
    tab.get_by_label("Image", exact=True).select_option(index=3)
    tab.wait_for_function(
        """() => {
            const row = document.querySelector('.ct-slice.ct-here').getBoundingClientRect();
            const list = document.querySelector('.ct-slices').getBoundingClientRect();
            return row.top >= list.top - 1 && row.bottom <= list.bottom + 1 && document.querySelector('.ct-slices').scrollTop > 60;
        }"""
    )

    # another slice, a rectangle, a key, an exception
    tab.locator(".ct-slice").nth(1).click()
    opened(tab, "Label")
    box = tab.locator(".ct-viewport").first.bounding_box()
    x, y, w, h = (box[name] for name in ("x", "y", "width", "height"))
    for _ in range(20):  # until the picture of that slice has come: what is drawn before is refused in words
        tab.mouse.move(x + 0.1 * w, y + 0.3 * h)
        tab.mouse.down()
        tab.mouse.move(x + 0.9 * w, y + 0.7 * h, steps=6)
        tab.mouse.up()
        said = tab.get_by_text(
            re.compile(r"in this rectangle, \d+ not labelled|Drag the rectangle again")
        ).first
        said.wait_for()
        if "not labelled" in said.inner_text():
            break
        tab.wait_for_timeout(300)
    tab.keyboard.press("s")
    tab.get_by_text(re.compile("cells sampled")).first.wait_for()
    tab.keyboard.press("2")
    tab.get_by_text(re.compile(r"\d+ cells labelled OFF")).first.wait_for()
    tab.keyboard.press("u")
    tab.get_by_text(re.compile("Taken back")).first.wait_for()
    tab.keyboard.press("r")

    # training, then the contact sheet
    opened(tab, "Train")
    press(tab, "Train")
    tab.get_by_text(re.compile("Trained at")).wait_for(timeout=40_000)
    opened(tab, "Mistakes")
    tab.get_by_text("1 of 50").wait_for(timeout=20_000)
    tab.wait_for_function(
        "[...document.querySelectorAll('.ct-mistake')].filter(e => getComputedStyle(e).backgroundImage.startsWith('url')).length === 50"
    )
    tab.keyboard.press("1")
    tab.get_by_text("1 of 50 answered").wait_for()
    tab.get_by_text("2 of 50", exact=True).wait_for()  # a key before that is about the cell before
    tab.keyboard.press("y")
    tab.get_by_text("2 of 50 answered").wait_for()

    # the stop light names the next step; both tables count each slice
    opened(tab, "Evaluate")
    tab.locator(".ct-stop-light .ct-button").wait_for(timeout=20_000)
    tab.locator(".ct-stop-table tbody tr").nth(3).wait_for(timeout=40_000)
    assert tab.locator(".ct-stop-words b").inner_text() == "Go on"
    opened(tab, "Counts")
    tab.locator(".ct-counts-table tbody tr", has_text="animal2 slice2").wait_for(timeout=20_000)

    # a verdict
    tab.get_by_label(re.compile("^Verdict on")).nth(1).select_option("needs work")
    tab.locator(".ct-slice-verdict.ct-slice-work").wait_for()  # only the kernel gives it that colour
    assert seen.errors == []
    with ct.Session.open(brain, read_only=True) as session:
        assert session.rule.startswith("ON: clearly")
        assert len(session.working_set) == 2
        assert list(session.verdicts()["verdict"]).count("needs work") == 1
        assert len(session.looks()) == 2
        sources = session.labels.to_pandas()["source"].value_counts()
        assert sources["correction"] == 1
        assert sources["rectangle"] >= 10
