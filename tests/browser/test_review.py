"""Reviewing by key in a real browser: the keys are neither the browser's nor JupyterLab's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import celltune_nb as ct
from celltune_nb.session.jobs import Jobs
from tests.panels import small

pytestmark = pytest.mark.browser

SOURCE = """
import celltune_nb as ct
session = ct.Session.open({folder!r})
ct.workflows.cells(session)
"""
START = ".ct-review button[data-do=start]"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("review") / "project"
    small.make(folder)
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        small.labelled(session)
        session.train(rounds=5, wait=True)
    return folder


def begin(tab: Any) -> None:
    tab.get_by_role("tab", name="Review", exact=True).click()
    tab.locator(START).click()
    tab.locator(".ct-tiles img").first.wait_for(timeout=20_000)


def wait_for_place(tab: Any, place: int) -> None:
    tab.wait_for_function(
        f"[...document.querySelectorAll('.ct-review h3 .ct-aside')].some(e => e.textContent === 'at {place}')",
        timeout=10_000,
    )


def walk(tab: Any) -> None:
    for key, place in (
        ("m", 2), ("Control+ArrowLeft", 1), ("Control+ArrowRight", 2), ("n", 3), ("Enter", 4), ("1", 5), ("s", 6), ("u", 4),
        ("Control+ArrowLeft", 3),
    ):  # fmt: skip
        tab.keyboard.press(key)
        wait_for_place(tab, place)
    # Typing a note moves nothing.
    tab.locator(".ct-rv-note").click()
    for key in ("m", "1", "Control+ArrowLeft", "s"):
        tab.keyboard.press(key)
    tab.keyboard.press("Enter")
    tab.wait_for_timeout(300)
    wait_for_place(tab, 3)
    # On the image too, but there Space and the arrows are its own.
    box = tab.locator("canvas.ct-image").first.bounding_box()
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.keyboard.press("Control+ArrowRight")
    wait_for_place(tab, 4)
    tab.keyboard.press("m")
    wait_for_place(tab, 6)  # past the one that was skipped


def test_keys_in_jupyterlab(lab: Any, visit: Any, trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "spleen"))
    server = lab(SOURCE.format(folder=str(folder)))
    seat = visit(1600, 1000)
    tab = seat.open(server.address, ".jp-Notebook")
    server.run(tab, "canvas.ct-image")
    cells = tab.locator(".jp-Cell").count()
    begin(tab)
    walk(tab)
    assert tab.locator(".jp-Cell").count() == cells, "JupyterLab took a key for a command"
    assert tab.locator(".jp-mod-commandMode, .jp-mod-editMode").count() >= 1
    assert seat.errors == []


def test_keys_on_a_page(voila: Any, visit: Any, trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "spleen"))
    page = voila(SOURCE.format(folder=str(folder)))
    seat = visit(1280, 800)
    tab = seat.open(page.address, "canvas.ct-image")
    begin(tab)
    walk(tab)
    wide = tab.evaluate(
        "(() => { const p = document.querySelector('.ct-review'); const r = p.getBoundingClientRect().right;"
        "return [...p.querySelectorAll('button, img, input, p, table')]"
        ".filter(e => e.getBoundingClientRect().right > r + 1).map(e => e.className) })()"
    )
    assert wide == []
    assert seat.errors == []
