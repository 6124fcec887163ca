"""The cells workflow in a JupyterLab notebook: it fits a cell, and a page loaded again finds everything."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import celltune_nb as ct

pytestmark = pytest.mark.browser

PIXELS = "canvas.ct-image"
SOURCE = """
import celltune_nb as ct
session = ct.Session.open({folder!r})
ct.workflows.cells(session)
"""


def test_label_in_a_notebook_and_load_the_page_again(visit: Callable, lab: Callable, tmp_path: Path) -> None:
    project = tmp_path / "tissue"
    ct.datasets.load("tissue", project=project, cells=300, fields=2, donors=2).close()
    server = lab(SOURCE.format(folder=str(project)))
    seen = visit(width=1400, height=1000)
    tab = seen.tab
    tab.goto(server.address)
    server.run(tab, PIXELS)

    # three columns in 720 px, nothing cut off at the sides
    whole, picture = tab.locator(".ct-cells").bounding_box(), tab.locator(PIXELS).bounding_box()
    assert whole["height"] == 720
    assert 850 < whole["width"] < 1200
    assert picture["width"] > 300
    assert picture["x"] + picture["width"] < whole["x"] + whole["width"] - 280

    def drag() -> None:
        tab.mouse.move(picture["x"] + 10, picture["y"] + picture["height"] * 0.3)
        tab.mouse.down()
        tab.mouse.move(picture["x"] + picture["width"] / 2, picture["y"] + picture["height"] / 2)
        tab.mouse.move(picture["x"] + picture["width"] - 10, picture["y"] + picture["height"] * 0.8)
        tab.mouse.up()
        tab.get_by_text(re.compile(r"in this rectangle, \d+ not labelled")).wait_for()

    drag()
    tab.keyboard.press("s")
    tab.get_by_text("30 cells sampled").first.wait_for()
    tab.keyboard.press("3")
    tab.locator(".ct-header", has_text="30 labelled").wait_for()

    # the kernel lives on, so the same widgets come back
    tab.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    tab.wait_for_timeout(500)
    tab.goto(server.address.removesuffix("?reset"))
    tab.locator(PIXELS).first.wait_for(timeout=40_000)
    tab.locator(".ct-header", has_text="30 labelled").wait_for()
    picture = tab.locator(PIXELS).bounding_box()
    tab.wait_for_function(
        """(selector) => {
            const canvas = document.querySelector(selector);
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            return new Set(data.filter((_, i) => i % 404 === 0)).size > 20;
        }""",
        arg=PIXELS,
    )
    tab.locator(".ct-pixels").focus()
    tab.keyboard.press("u")
    tab.locator(".ct-header", has_text=re.compile(r"· 0 labelled")).wait_for()
    tab.keyboard.press("r")
    tab.locator(".ct-header", has_text="30 labelled").wait_for()
    assert seen.errors == []
    with ct.Session.open(project, read_only=True) as session:
        assert session.labels.counts()["CD4T"] == 30
