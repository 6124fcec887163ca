"""The page on which data come in."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

import celltune_nb as ct
from celltune_nb.panels.importing import ImportingPanel
from celltune_nb.session.jobs import Jobs
from tests.panels.reading import words
from tests.waiting import LONG, until

PANEL = ImportingPanel


def write(folder: Path, name: str, seed: int, channels: int = 2) -> None:
    """An image of 2 channels with 4 cells and its mask."""
    mask = np.zeros((40, 40), np.uint16)
    for number, (y, x) in enumerate(((3, 3), (3, 23), (23, 3), (23, 23)), 1):
        mask[y : y + 12, x : x + 12] = number
    image = np.random.default_rng(seed).poisson(10, (channels, 40, 40)).astype(np.uint16)
    names = [f"M{i + 1}" for i in range(channels)]
    tifffile.imwrite(folder / f"{name}.ome.tif", image, metadata={"axes": "CYX", "Channel": {"Name": names}})
    tifffile.imwrite(folder / f"{name}_mask.tif", mask)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data <b>"
    folder.mkdir()
    for seed, name in enumerate(("a", "b", "c")):
        write(folder, name, seed)
    write(folder, "odd", 3, channels=3)
    (folder / "cells.csv").write_text("image,cellID,size\na,1,9\na,2,8\n")
    return folder


@pytest.fixture
def session(tmp_path: Path) -> ct.Session:
    with ct.Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        yield session
        assert session.problems == []


def test_look_shows_what_was_recognised_and_counts_cells(panel: ImportingPanel, data: Path) -> None:
    panel._top.do("folder", "", str(data))
    said = words(panel._found)
    assert "4 images, 3 chosen; 2 channels; 3 with a mask of cells." in said
    assert "a 40×40 4" in said
    assert "Another channel set: it also has M3." in said
    assert "Cells: cells.csv" in said
    assert "Import 3 images" in said
    assert "<b>/" not in panel._top.html


def test_look_looks_at_the_folder_that_was_typed(panel: ImportingPanel, data: Path) -> None:
    assert 'data-do="look" data-field="folder"' in panel._top.html.replace(
        ' class="ct-button ct-primary"', ""
    )
    panel._top.do("look", "", f" {data} ")
    assert panel.folder == data
    assert "4 images, 3 chosen" in words(panel._found)
    panel._top.do("browse", "", str(data.parent))
    assert panel.folder == data.parent


def test_a_folder_that_is_all_in_is_no_warning_and_its_fields_are_closed(
    panel: ImportingPanel, data: Path
) -> None:
    (data / "odd.ome.tif").unlink()
    (data / "odd_mask.tif").unlink()
    panel.choose("", str(data))
    panel.import_()
    assert "ct-note ct-info" in panel._found.html
    assert "ct-note ct-warning" not in panel._found.html
    assert re.search(
        r'aria-label="Name of channel[^>]* disabled|disabled[^>]*aria-label="Name of', panel._found.html
    )
    # it would say "unknown" of images that have theirs
    assert "Pixel size of all images" not in panel._found.html


def test_a_folder_given_first_is_looked_at(session: ct.Session, data: Path) -> None:
    panel = ImportingPanel(session, data)
    assert len(panel.plan) == 4
    panel.close()


def test_fields_change_the_plan_and_import_follows_it(
    panel: ImportingPanel, session: ct.Session, data: Path
) -> None:
    panel._top.do("folder", "", str(data))
    do = panel._found.do
    do("channel", "M1", "DAPI")
    do("use", "1", False)
    do("pixel_size", "", "0.5")
    do("open", "0")
    assert "Name of a" in panel._found.html
    do("group", "0", "mouse 1")
    do("name", "2", "third")
    do("mask", "2", "")
    do("table", "0", True)
    do("import")
    assert list(session.images) == ["a", "third"]
    assert session.images["a"].channels == ["DAPI", "M2"]
    assert (session.images["a"].group, session.images["a"].pixel_size) == ("mouse 1", 0.5)
    assert session.images["third"].mask is None
    assert session.items["size"].dropna().tolist() == [9, 8]
    said = words(panel._found)
    assert "2 images added with 4 cells" in said
    assert "cells.csv: 2 rows used." in said
    assert "Next: measure the features of 4 cells" in said
    assert "2 in the project already" in said
    session.measure(rings=False, neighbours=False)
    assert "Next" not in words(panel._found)


@pytest.mark.parametrize(
    ("verb", "what", "value", "says"),
    [("channel", "M1", "M2", "has a channel 'M2' already"), ("pixel_size", "", "-1", "no pixel size"),
     ("pixel_size", "0", "wide", "no pixel size"), ("name", "0", "", "needs a name")],
)  # fmt: skip
def test_what_makes_no_sense_is_said_and_changes_nothing(
    panel: ImportingPanel, data: Path, verb: str, what: str, value: str, says: str
) -> None:
    panel.choose("", str(data))
    before = panel.plan.to_pandas().drop(columns="cells")
    panel._found.do(verb, what, value)
    assert says in panel.message
    assert panel.plan.to_pandas().drop(columns="cells").equals(before)


def test_a_folder_that_is_not_there_or_empty_is_said(panel: ImportingPanel, tmp_path: Path) -> None:
    panel._top.do("folder", "", str(tmp_path / "none"))
    assert "is not there" in panel.message
    panel._found.do("import")
    assert "No folder was looked at yet" in panel.message
    (tmp_path / "empty").mkdir()
    panel._top.do("folder", "", str(tmp_path / "empty"))
    assert "No image was found" in words(panel._found)
    panel._found.do("import")
    assert "Nothing is chosen" in panel.message


def test_folders_are_chosen_from_a_list(panel: ImportingPanel, data: Path) -> None:
    (data.parent / "data 10").mkdir()
    (data.parent / ".hidden").mkdir()
    panel.folder = data.parent
    panel._top.do("browse")
    assert "↑ the folder above data 10/ data <b>/ project/" in words(panel._top)
    panel._top.do("enter", str(data))
    assert panel.folder == data
    panel._top.do("look")
    assert len(panel.plan) == 4
    assert "the folder above" not in words(panel._top)


def test_a_table_shows_its_columns_before_it_is_imported(
    panel: ImportingPanel, session: ct.Session, data: Path
) -> None:
    panel.choose("", str(data))
    panel.import_()
    path = data / "types.csv"
    path.write_text("fov,cell,guess,class\na,1,x,T\nb,2,y,B\n")
    live = panel.table._live
    live.do("path", "", str(path))
    assert panel.table.columns == {
        "kind": "labels", "image": "fov", "cell": "cell", "category": "class", "x": None, "y": None,
    }  # fmt: skip
    live.do("column", "category", "guess")
    live.do("import")
    assert "2 rows used" in panel.table.message
    assert sorted(session.labels.to_pandas()["category"]) == ["x", "y"]
    live.do("column", "kind=cells")
    live.do("import")
    assert "guess" in session.items
    live.do("path", "", str(data / "none.csv"))
    assert "There is no file" in panel.table.message


def test_a_table_of_cell_types_is_imported_by_its_path(
    panel: ImportingPanel, session: ct.Session, data: Path
) -> None:
    path = data / "types.csv"
    path.write_text("CellType,PrimaryMarker,Channel_1,hex\nT,M1 & !M2,M1,#FF0000\nB,M2,M2,#00FF00\n")
    live = panel.table._live
    assert "cell types" in words(live)
    live.do("path", "", str(path))
    assert "marker expressions for landmarks" in words(live)
    assert "Column" not in live.html
    live.do("import")
    assert panel.table.message.startswith("2 cell types, 2 of them new categories.")
    assert [c.name for c in session.categories] == ["Unknown", "T", "B"]
    assert "Import table" not in live.html
    # beside the images it is offered with them
    panel.choose("", str(data))
    assert "Cell types: types.csv" in words(panel._found)


def test_an_import_shows_its_progress_and_is_stopped(tmp_path: Path, data: Path) -> None:
    with ct.Session.create(tmp_path / "project") as session:
        panel = ImportingPanel(session)
        panel.choose("", str(data))
        until(lambda: panel.plan is not None)
        gate = threading.Event()
        session.jobs.submit(lambda _: gate.wait(LONG), "before")
        panel.import_()
        assert panel.busy
        assert "waiting" in words(panel._found)
        panel.guard(panel.look)()
        assert "importing already" in panel.message
        panel._found.do("stop")
        gate.set()
        panel.job.wait(LONG)
        until(lambda: "stopped" in words(panel._found))
        assert "It was stopped; what is in is complete." in words(panel._found)
        assert not session.images
        panel.close()


def test_who_can_only_look_cannot_import(session: ct.Session, data: Path) -> None:
    with ct.Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as reader:
        panel = ImportingPanel(reader, data)
        assert re.search(r"<button[^>]*disabled[^>]*>Import 3 images", panel._found.html)
        panel._found.do("import")
        assert "opened read-only" in panel.message
        panel.close()


def test_many_images_are_shown_page_by_page(panel: ImportingPanel, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(45):
        write(folder, f"f{number}", number)
    panel.choose("", str(folder))
    assert "1–40 of 45" in words(panel._found)
    panel._found.do("page", "1")
    assert "41–45 of 45" in words(panel._found)
    panel._found.do("use_all", "", False)
    assert not panel.plan.chosen
