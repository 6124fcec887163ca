"""A population set as images: each pixel has its cell's category, and the legend says which."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile

from celltune_nb.errors import CellTuneError, InputError
from celltune_nb.session import Session


def read_legend(path: Path) -> dict[str, dict[str, str]]:
    return {row["category"]: row for row in csv.DictReader(path.read_text("utf-8").splitlines())}


def test_pixels_have_the_category_of_their_cell(session: Session, tmp_path: Path) -> None:
    session.label([1, 2], "A")
    session.label([3, 150], "C")
    path = session.export_population("labels", tmp_path / "labels.tif", image="field 0")
    values = tifffile.imread(path)
    assert values.dtype == np.uint8
    legend = read_legend(tmp_path / "labels_legend.csv")
    assert {name: row["cells"] for name, row in legend.items()} == {
        "": "0", "Unknown": "97", "A": "2", "B": "0", "C": "1"
    }  # fmt: skip
    assert legend["A"]["color"] == session.categories["A"].color.upper()
    mask = np.asarray(session.images["field 0"].mask)
    expected = np.where(mask == 0, 0, int(legend["Unknown"]["value"]))
    for cell, name in ((1, "A"), (2, "A"), (3, "C")):
        expected[mask == cell] = int(legend[name]["value"])
    assert np.array_equal(values, expected)
    assert (
        session.export(tmp_path / "same.tif", population="labels", image="field 0").read_bytes()
        == path.read_bytes()
    )


def test_every_image_has_a_file_and_all_the_same_numbers(session: Session, tmp_path: Path) -> None:
    session.label(session.items.index[session.items["truth"] == "B"], "B")
    folder = session.export_population("labels", tmp_path / "images")
    files = sorted(path.name for path in folder.glob("*.tif"))
    assert len(files) == 3
    legends = [read_legend(path) for path in sorted(folder.glob("*_legend.csv"))]
    assert len({legend["B"]["value"] for legend in legends}) == 1
    assert sum(int(legend["B"]["cells"]) for legend in legends) == (session.items["truth"] == "B").sum()


def test_it_is_a_job_that_can_be_watched(session: Session, tmp_path: Path) -> None:
    seen = []
    job = session.export_population(
        "labels", tmp_path / "images", wait=False, changed=lambda job: seen.append(job.state)
    )
    assert job.wait().result == tmp_path / "images"
    assert seen[-1] == "done"


@pytest.mark.parametrize(
    ("name", "path", "image", "says"),
    [
        ("nothing", "x.tif", "field 0", "no population set"), ("labels", "x.tif", None, "Give the name of a folder"),
        ("labels", "x.tif", "field 9", "no image"), ("labels", None, None, "is no path"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_said(
    session: Session, tmp_path: Path, name: str, path: str | None, image: str | None, says: str
) -> None:
    with pytest.raises(CellTuneError, match=says):
        session.export_population(name, path if path is None else tmp_path / path, image=image)
    assert list(tmp_path.glob("x*")) == []


def test_a_place_that_cannot_be_written_to_is_said(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file/cells.csv", "file/cells.h5ad", "file/cells.parquet"):
        with pytest.raises(CellTuneError, match="cannot be written"):
            session.export(tmp_path / name)
    with pytest.raises(CellTuneError, match="cannot be written"):
        session.export_population("labels", tmp_path / "file" / "images")


def test_a_legend_replaces_a_legend_and_nothing_else(session: Session, tmp_path: Path) -> None:
    mine, folder = tmp_path / "labels_legend.csv", tmp_path / "images"
    session.export_population("labels", folder)
    (legend, *_) = sorted(folder.glob("*_legend.csv"))
    for path in (mine, legend):
        path.write_text("my notes\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    for path, image in ((tmp_path / "labels.tif", "field 0"), (folder, None)):
        with pytest.raises(InputError, match="which is something else"):
            session.export_population("labels", path, image=image)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    mine.unlink()
    for _ in range(2):  # the second time over its own
        session.export_population("labels", tmp_path / "labels.tif", image="field 0")
    assert "Unknown" in read_legend(mine)
    mine.unlink()
    mine.mkdir()
    with pytest.raises(InputError, match="something else"):
        session.export_population("labels", tmp_path / "labels.tif", image="field 0")
