"""From a folder of images to an exported table, in the browser alone: import, gate, train, review, export."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tifffile

import celltune_nb as ct

pytestmark = pytest.mark.browser

SOURCE = """
import os
os.environ["CELLTUNE_NB_PROJECT"] = {folder!r}
from celltune_nb.apps import page
page.show("cells", example="ihc")
"""


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a field with a TIFF a channel, as CellTune expects it."""
    place = tmp_path_factory.mktemp("fields")
    with ct.datasets.load("tissue", project=place / "example", cells=900, fields=2, donors=2) as example:
        for name, image in example.images.items():
            folder = place / "fields" / name
            folder.mkdir(parents=True)
            for channel in image.channels:
                tifffile.imwrite(folder / f"{channel}.tif", image.plane(channel))
            tifffile.imwrite(folder / "segmentation_labels.tif", image.mask[:])
    return place / "fields"


def fill(tab: Any, label: str, text: str) -> None:
    field = tab.get_by_label(label, exact=True).first
    field.fill(text)
    field.press("Enter")


def press(tab: Any, name: str) -> None:
    tab.get_by_role("button", name=name, exact=True).first.click()


def test_from_a_folder_to_an_exported_table(
    visit: Callable, voila: Callable, fields: Path, tmp_path: Path
) -> None:
    project = tmp_path / "mine"
    ct.Session.create(project).close()
    seen = visit(width=1280, height=800)
    tab = seen.open(voila(SOURCE.format(folder=str(project))).address, ".ct-cells")

    # an empty project opens where data comes in
    fill(tab, "Folder of images", str(fields))
    press(tab, "Look")
    tab.get_by_label("Import field_001").wait_for()
    tab.get_by_role("button", name=re.compile("^Import 2 images")).click()
    tab.get_by_text("900 cells").first.wait_for(timeout=20_000)
    press(tab, "Measure")
    tab.get_by_text(re.compile(r"\d+ of 290 learned from")).wait_for(timeout=30_000)

    # two categories by gates
    tab.get_by_role("tab", name="Label").click()
    for name in ("Lymphocyte", "Other"):
        field = tab.get_by_placeholder("Add a category: name, then Enter")
        field.fill(name)
        field.press("Enter")
        tab.get_by_text(name, exact=True).first.wait_for()
    tab.get_by_role("tab", name="Gate").click()
    for side, limit, name, category in (
        ("low", "1400", "CD45 high", "Lymphocyte"),
        ("high", "450", "CD45 low", "Other"),
    ):
        fill(tab, "Feature: feature", "CD45__Mean__Cell")
        fill(tab, f"{'Lower' if side == 'low' else 'Upper'} limit, number", limit)
        field = tab.get_by_label("Name of the gate", exact=True)
        field.fill(name)
        field.press("Tab")
        press(tab, "Keep gate")
        tab.get_by_role("button", name=f"More about {name}").click()
        tab.get_by_text(f"CD45__Mean__Cell {'≥' if side == 'low' else '≤'} {limit}").wait_for()
        tab.get_by_label("Label the cells as").select_option(label=category)
        tab.get_by_text(re.compile(rf"{category}: [1-9]\d* cells labelled")).first.wait_for()

    tab.get_by_role("tab", name="Train").click()
    press(tab, "Train")
    tab.get_by_text("Trained at").first.wait_for(timeout=30_000)

    tab.get_by_role("tab", name="Review").click()
    field = tab.get_by_label("At most so many cells")
    field.fill("5")
    field.press("Tab")
    press(tab, "Start review")
    tab.get_by_placeholder("Note on this cell").wait_for()
    for done in range(1, 6):
        tab.keyboard.press("1")
        tab.get_by_text(f"{done} of 5").first.wait_for()
    tab.get_by_text("5 of 5 cells reviewed").first.wait_for()

    tab.get_by_role("tab", name="Export").click()
    press(tab, "Export")
    tab.get_by_role("button", name=re.compile("Download")).first.wait_for()
    assert not seen.errors

    table = pd.read_csv(project / "exports" / "cells.csv")
    assert len(table) == 900
    assert {"Lymphocyte", "Other"} <= set(table["Pred_AVG"])
    with ct.Session.open(project, read_only=True) as session:
        assert set(session.gates) == {"CD45 high", "CD45 low"}
        sources = session.labels.to_pandas()["source"].value_counts()
        assert sources["review"] == 5
        assert sources["gate"] > 50
