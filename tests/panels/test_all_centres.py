"""The place on the Data page where many images get their cells from one table, or from a folder of tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import celltune_nb as ct
from celltune_nb.panels.importing.centres import EVERY, CentresPanel
from celltune_nb.session.jobs import Jobs

IMAGE = np.random.default_rng(0).poisson(5, (2, 60, 80)).astype(np.uint16)
TABLE = pd.DataFrame(
    {
        "Image": ["a <1>", "b", "b", "absent"],
        "y": [20.0, 20, 300, 1],
        "x": [20.0, 30, 40, 1],
        "mouse": list("mnnn"),
    }
)


def text(panel: CentresPanel) -> str:
    return " ".join(unescape(re.sub("<[^>]+>", " ", panel._live.html)).split())


@pytest.fixture
def session(tmp_path: Path) -> Iterator[ct.Session]:
    with ct.Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        yield session
        assert session.problems == []


@pytest.fixture
def panel(session: ct.Session) -> Iterator[CentresPanel]:
    panel = CentresPanel(session)
    panel._live.do("unfold")
    yield panel
    panel.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "slices"
    place.mkdir()
    for name in ("a <1>", "b", "c"):
        tifffile.imwrite(place / f"{name}.tif", IMAGE, imagej=True, metadata={"axes": "CYX"})
    TABLE.to_csv(tmp_path / "study.csv", index=False)
    return place


def fill(panel: CentresPanel, **fields: object) -> None:
    for what, value in fields.items():
        panel._live.do(what, "", str(value))


def test_a_folder_and_one_table_show_how_many_cells_each_image_gets(
    session: ct.Session, panel: CentresPanel, folder: Path, tmp_path: Path
) -> None:
    fill(panel, image=folder, centres=tmp_path / "study.csv", radius=3)
    assert panel.several
    assert 'do="name"' not in panel._live.html
    panel._live.do("preview")
    shown = text(panel)
    assert "2 cells on 2 images. Centres left out: 1 outside of their image. Not matched: 'absent'" in shown
    assert "No centres are of 'c'" in shown
    assert "Image Cells Left out a <1> 1 0 b 1 1 absent : No image is called so." in shown
    assert "<1>" not in panel._live.html
    assert "Add 2 cells on 2 images" in shown
    assert not session.images
    panel._live.do("add")
    assert "Added: 2 cells on 2 images" in text(panel)
    assert {name: image.group for name, image in session.images.items()} == {"a <1>": "m", "b": "n"}


def test_what_was_not_shown_as_left_out_is_said_again(
    session: ct.Session, panel: CentresPanel, folder: Path, tmp_path: Path
) -> None:
    fill(panel, image=folder, centres=tmp_path / "study.csv", radius=3)
    panel._live.do("preview")
    TABLE.assign(Image=["a <1>", "b", "lost", "absent"]).to_csv(tmp_path / "study.csv", index=False)
    panel._live.do("add")
    assert "lost: No image is called so" in panel.message
    assert not session.images


def test_a_folder_of_tables_and_images_of_the_project(
    session: ct.Session, panel: CentresPanel, tmp_path: Path
) -> None:
    place = tmp_path / "tables"
    place.mkdir()
    for name in ("a", "b"):
        session.add_image(name, IMAGE)
        TABLE[["y", "x"]].to_csv(place / f"{name}.csv", index=False)
    assert "those of 2 images that the table names" in text(panel)
    fill(panel, of=EVERY, centres=place, radius=3)
    assert panel.several
    assert 'do="image"' not in panel._live.html
    panel._live.do("preview")
    assert "Add 6 cells on 2 images" in text(panel)
    panel._live.do("add")
    assert session.items.groupby("image").size().to_dict() == {"a": 3, "b": 3}
    (tmp_path / "none").mkdir()
    fill(panel, centres=tmp_path / "none")
    assert "No table lies in" in panel.message


def test_a_folder_of_planes_is_one_stack(session: ct.Session, panel: CentresPanel, tmp_path: Path) -> None:
    place = tmp_path / "planes"
    place.mkdir()
    for z in range(3):
        tifffile.imwrite(place / f"{z}.tif", IMAGE[0])
    TABLE[["y", "x"]].assign(z=1).to_csv(tmp_path / "points.csv", index=False)
    fill(panel, image=place, centres=tmp_path / "points.csv", radius=3)
    assert not panel.several
    panel._live.do("preview")
    assert "3 cells on 1 of 3 planes" in text(panel)
