"""The place on the Data page where cells are made of centres."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import celltune_nb as ct
from celltune_nb.errors import InputError
from celltune_nb.panels.importing import ImportingPanel
from celltune_nb.panels.importing.centres import CentresPanel
from celltune_nb.session.jobs import Jobs
from tests.waiting import LONG, until

RNG = np.random.default_rng(0)
IMAGE = RNG.poisson(5, (2, 120, 160)).astype(np.uint16)
STACK = RNG.poisson(5, (4, 120, 160)).astype(np.uint16)


def text(panel: CentresPanel) -> str:
    return " ".join(unescape(re.sub("<[^>]+>", " ", panel._live.html)).split())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two slices without masks, a table of centres beside each, and a stack."""
    place = tmp_path / "data"
    place.mkdir()
    table = pd.DataFrame(
        {"y": [20.0, 60, 90, 300], "x": [30.0, 40, 120, 9], "z": [0, 2, 2, 1], "r": [3, 4, 5, 6]}
    )
    for name in ("slice <1>", "slice 2"):
        tifffile.imwrite(
            place / f"{name}.tif", IMAGE, imagej=True, metadata={"axes": "CYX", "unit": "um"}, resolution=(2, 2)
        )  # fmt: skip
        table[["y", "x", "r"]].to_csv(place / f"{name} centres.csv", index=False)
    tifffile.imwrite(tmp_path / "stack.tif", STACK, metadata={"axes": "ZYX"}, photometric="minisblack")
    table.to_csv(tmp_path / "points.csv", index=False)
    return place


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


def fill(panel: CentresPanel, **fields: object) -> None:
    for what, value in fields.items():
        panel._live.do(what, "", str(value))


def test_what_is_recognised_is_shown_before_anything_is_added(
    session: ct.Session, panel: CentresPanel, folder: Path
) -> None:
    assert "Planes" not in text(panel)
    fill(panel, image=folder / "slice <1>.tif", centres=folder / "slice <1> centres.csv", radius=3, unit="µm")
    assert panel.name == "slice <1>"
    assert "Add" not in text(panel)
    panel._live.do("preview")
    assert "3 cells on slice <1>, discs of 6.0 pixels radius. Left out: 1 outside of the image." in text(
        panel
    )
    assert "160 × 120 pixels; 2 channels: Channel 1, Channel 2; 0.5 µm a pixel; places from y, x." in text(
        panel
    )
    assert "<1>" not in panel._live.html
    assert len(session.images) == 0
    fill(panel, group="mouse 1")
    assert 'do="add"' not in panel._live.html  # another field: shown again before it is added
    panel._live.do("preview")
    assert "Add 3 cells" in text(panel)
    panel._live.do("add")
    assert "Added: 3 cells on slice <1>" in text(panel)
    assert session.items["cellID"].tolist() == [1, 2, 3]
    assert session.images["slice <1>"].group == "mouse 1"
    assert (panel.image, panel.centres, panel.name) == ("", "", "")
    assert panel.group == "mouse 1"  # the next slice may be of the same animal
    with pytest.raises(InputError, match="Name the files first"):
        panel.add()


def test_a_stack_asks_for_its_planes(
    session: ct.Session, panel: CentresPanel, tmp_path: Path, folder: Path
) -> None:
    fill(panel, image=tmp_path / "stack.tif", centres=tmp_path / "points.csv", radius="r")
    assert "Planes" in text(panel)
    panel._live.do("preview")
    assert "3 cells on 2 of 4 planes, discs of 4.0 pixels radius" in text(panel)
    assert "pixel size unknown; places from z, y, x" in text(panel)
    panel._live.do("add")
    assert list(session.images) == ["stack z000", "stack z002"]
    fill(
        panel,
        image=tmp_path / "stack.tif",
        centres=tmp_path / "points.csv",
        spacing=2,
        name="again",
        radius=4,
    )
    panel._live.do("preview")
    assert "again" in panel.report.images[0]
    assert panel.report.images == ("again z000", "again z001")


def test_channels_in_files_of_their_own(
    session: ct.Session, panel: CentresPanel, tmp_path: Path, folder: Path
) -> None:
    for name, channel in zip(("DAPI", "cFos"), IMAGE, strict=True):
        tifffile.imwrite(tmp_path / f"{name}.tif", channel)
    table = folder / "slice 2 centres.csv"
    fill(panel, image=f"{tmp_path / 'DAPI.tif'}; {tmp_path / 'cFos.tif'}", centres=table, name="a")
    panel._live.do("preview")
    assert "2 channels: DAPI, cFos" in text(panel)
    panel._live.do("add")
    np.testing.assert_array_equal(np.asarray(session.images["a"].array), IMAGE)
    fill(panel, image=f"{tmp_path / 'DAPI.tif'}; {tmp_path / 'DAPI.tif'}", centres=table)
    panel._live.do("preview")
    assert "called the same" in panel.message
    odd = tmp_path / "a;b.tif"
    tifffile.imwrite(odd, IMAGE, photometric="minisblack")
    fill(panel, image=odd, centres=table, name="odd", channels="DAPI, cFos")
    panel._live.do("preview")
    assert panel.report.cells == 3


def test_an_image_of_the_project_without_cells_gets_them(
    session: ct.Session, panel: CentresPanel, folder: Path
) -> None:
    assert "Cells on" not in text(panel)
    session.add_image("bare", IMAGE, pixel_size=0.5)
    assert "Cells on an image from a file bare" in text(panel)
    panel._live.do("unfold")
    panel._live.do("unfold")
    assert panel.of == "bare"  # the one on the screen
    assert "Channels" not in text(panel)
    fill(panel, centres=folder / "slice 2 centres.csv", radius=3, unit="µm")
    panel._live.do("preview")
    assert "Add 3 cells" in text(panel)
    panel._live.do("add")
    assert session.items["image"].tolist() == ["bare"] * 3
    assert "Cells on" not in text(panel)
    assert 'do="image"' in panel._live.html


def test_mistakes_are_said_and_nothing_is_added(
    session: ct.Session, panel: CentresPanel, tmp_path: Path, folder: Path
) -> None:
    panel._live.do("preview")
    assert "Name the file of an image" in panel.message
    fill(panel, centres=tmp_path / "absent.csv")
    assert "absent.csv" in panel.message
    good = {
        "image": folder / "slice 2.tif",
        "centres": folder / "slice 2 centres.csv",
        "radius": 5,
        "pixel_size": "",
    }
    for wrong, words in (
        ({"image": tmp_path / "absent.tif"}, "absent.tif"),
        ({"radius": 0}, "radius is 0"),
        ({"radius": "size"}, "no column 'size'"),
        ({"radius": "nan"}, "radius is nan"),
        ({"pixel_size": "half"}, "'half' is no pixel size"),
        ({"name": ""}, "needs a name"),
    ):
        fill(panel, **{**good, **wrong})
        panel._live.do("preview")
        assert words in panel.message, wrong
        assert panel.report is None
        assert "Show what is recognised" in text(panel)
    assert len(session.images) == 0
    with ct.Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        reader = CentresPanel(other)
        reader._live.do("unfold")
        fill(reader, **good)
        reader._live.do("preview")
        assert re.search(r'<button[^>]*do="add"[^>]*disabled', reader._live.html)
        reader.close()


def test_an_image_of_a_folder_without_a_mask_brings_its_centres_along(
    session: ct.Session, folder: Path
) -> None:
    panel = ImportingPanel(session, folder)
    assert [image.name for image in panel.plan.images] == ["slice 2", "slice <1>"]
    assert "slice 2 centres.csv</b>: a table of places; see Cells from centres" in panel._found.html
    panel._found.do("open", "0")
    assert "From centres" in panel._found.html
    panel.rename_channel("Channel 1", "DAPI")
    panel._found.do("centres", "0")
    centres = panel.centres
    assert (centres.name, centres.pixel_size) == ("slice 2", "0.5")
    assert centres.centres == str(folder / "slice 2 centres.csv")
    centres._live.do("preview")
    assert "2 channels: DAPI, Channel 2" in text(centres)
    centres._live.do("add")
    assert session.images["slice 2"].channels == ["DAPI", "Channel 2"]
    assert "slice 2" in panel.plan.present  # it is not offered a second time
    assert [image.name for image in panel.plan.chosen] == ["slice <1>"]
    panel.import_()
    assert list(session.images) == ["slice 2", "slice <1>"]
    assert session.table.names == ["slice 2"]
    panel.close()


def test_a_stop_adds_nothing_and_is_said(tmp_path: Path, folder: Path) -> None:
    with ct.Session.create(tmp_path / "project") as session:
        panel = CentresPanel(session)
        panel._live.do("unfold")
        go, reading = threading.Event(), threading.Event()
        adding = session._adding.add_all

        def slow(images: object) -> None:
            reading.set()
            go.wait(LONG)
            adding(images)

        session._adding.add_all = slow
        fill(panel, image=tmp_path / "stack.tif", centres=tmp_path / "points.csv", radius=5)
        for verb, words in (("preview", "Add 3 cells"), ("add", "Stopped. Nothing was added.")):
            panel._live.do(verb)
            if verb == "add":
                assert reading.wait(LONG)
                panel._live.do("image", "", "other.tif")
                assert "already" in panel.message
                panel._live.do("stop")
                go.set()
            until(lambda words=words: words in text(panel))
        assert len(session.images) == 0
        panel.close()
        assert session.problems == []
