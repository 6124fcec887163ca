"""A folder of images comes into a project: what is taken, skipped, refused, stopped, and imported again."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

from celltune_nb.errors import Cancelled, FormatError, InputError, ReadOnlyError
from celltune_nb.formats.folders import PlannedTable
from celltune_nb.session import Session
from celltune_nb.session.folders import FolderReport
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import field
from tests.waiting import LONG


@pytest.fixture
def empty(tmp_path: Path) -> Session:
    with Session.create(tmp_path / "new", jobs=Jobs(inline=True)) as session:
        yield session
        assert session.problems == []


def add_field(folder: Path, seed: int, names: str = "ABC") -> Path:
    """A field of view with a file a channel and 9 cells."""
    image, mask, _ = field(seed, cells=3)
    folder.mkdir(parents=True)
    for name, plane in zip(names, image, strict=False):
        tifffile.imwrite(folder / f"{name}.tif", plane, compression="zlib")
    tifffile.imwrite(folder / "segmentation_labels.tif", mask, compression="zlib")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two donors of two fields each; a table of cells and one of labels."""
    top = tmp_path / "study"
    for i in range(4):
        add_field(top / f"donor {i // 2}" / f"FOV{i}", i)
    rows = [f"FOV{i},{10 * (c + 1)},{c},0.5" for i in range(4) for c in range(9)]
    (top / "cells.csv").write_text("\n".join(["fov,label,rank,score", *rows, "FOV9,1,1,1"]))
    (top / "some_labels.csv").write_text("image,cellID,class\nFOV0,10,T\nFOV0,20,B\nFOV3,999,T\n")
    return top


def test_a_folder_becomes_images_cells_and_groups(empty: Session, folder: Path) -> None:
    report = empty.import_folder(folder)
    assert report.added == ["FOV0", "FOV1", "FOV2", "FOV3"]
    assert str(report) == "4 images added with 36 cells."
    assert list(empty.images["FOV2"].channels) == ["A", "B", "C"]
    np.testing.assert_array_equal(np.asarray(empty.images["FOV2"].plane("B")), field(2, cells=3)[0][1])
    assert empty.items.groupby("image")["group"].first().to_dict() == {
        "FOV0": "donor 0", "FOV1": "donor 0", "FOV2": "donor 1", "FOV3": "donor 1",
    }  # fmt: skip
    empty.close()
    with Session.open(empty.folder, jobs=Jobs(inline=True)) as again:
        assert len(again.items) == 36
        again.measure(rings=False, neighbours=False)


def test_looking_writes_nothing(empty: Session, folder: Path) -> None:
    before = sorted(path.name for path in empty.folder.rglob("*") if "labels.sqlite" not in path.name)
    plan = empty.look_at(folder)
    assert "4 images; 3 channels; 4 with a mask of cells; 2 groups." in str(plan)
    assert sorted(path.name for path in empty.folder.rglob("*") if "labels.sqlite" not in path.name) == before
    with Session.open(empty.folder, read_only=True, jobs=Jobs(inline=True)) as reader:
        assert len(reader.look_at(folder)) == 4
        with pytest.raises(ReadOnlyError):
            reader.import_folder(folder)


def test_a_folder_that_has_grown_is_imported_again(empty: Session, folder: Path) -> None:
    empty.import_folder(folder)
    add_field(folder / "donor 1" / "FOV4", 4)
    add_field(folder / "donor 2" / "FOV0", 5)  # now there are two of that name
    report = empty.import_folder(folder)
    assert report.added == ["donor 2/FOV0", "FOV4"]
    assert report.skipped[0] == ("FOV0", "It is in the project already.")
    assert "4 skipped" in str(report)
    assert len(empty.items) == 54
    nothing = empty.import_folder(folder)
    assert nothing.added == []
    assert "No image added, 6 skipped." in str(nothing)


def test_a_plan_is_followed_as_it_was_changed(empty: Session, folder: Path) -> None:
    plan = empty.look_at(folder)
    plan.rename_channel("A", "DAPI")
    plan["FOV1"].use = False
    plan["FOV2"].mask = None
    last = plan["FOV3"]
    last.name, last.group, last.pixel_size = "last", "mouse", 0.25
    for table in plan.tables:
        table.use = True
    report = empty.import_folder(folder, plan=plan)
    assert report.added == ["FOV0", "FOV2", "last"]
    assert list(empty.images["FOV0"].channels) == ["DAPI", "B", "C"]
    assert empty.images["FOV2"].mask is None
    assert (empty.images["last"].group, empty.images["last"].pixel_size) == ("mouse", 0.25)
    assert ("FOV1", "Not chosen.") in report.skipped
    assert empty.items.loc[empty.items["image"] == "FOV0", "rank"].tolist() == list(range(9))
    assert empty.labels.to_pandas()["category"].tolist() == ["T", "B"]
    tables = dict(report.tables)
    assert "match no cell" in tables["cells.csv"]
    assert "1 match no cell" in tables["some_labels.csv"]


def test_the_odd_image_is_named_and_the_others_come_in(empty: Session, folder: Path) -> None:
    add_field(folder / "donor 1" / "FOV4", 4, names="AB")
    report = empty.import_folder(folder)
    assert len(report.added) == 4
    assert report.skipped == [("FOV4", "Not chosen. Another channel set: it lacks C.")]
    plan = empty.look_at(folder)
    plan["FOV4"].use = True
    report = empty.import_folder(folder, plan=plan)
    assert "does not have the channels" in report.failed[0][1]
    assert len(empty.images) == 4


def test_an_image_that_is_damaged_inside_is_reported_and_leaves_nothing(empty: Session, folder: Path) -> None:
    path = folder / "donor 0" / "FOV1" / "B.tif"
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[0].dataoffsets[0]
    data[at : at + 40] = b"\xff" * 40
    path.write_bytes(data)
    report = empty.import_folder(folder)
    assert report.added == ["FOV0", "FOV2", "FOV3"]
    assert report.failed[0][0] == "FOV1"
    assert "B.tif" in report.failed[0][1]
    assert len(list((empty.folder / "images").iterdir())) == 3


@pytest.mark.parametrize("how", ["stop", "cancel"])
def test_stopped_in_between_what_is_in_is_complete(tmp_path: Path, folder: Path, how: str) -> None:
    with Session.create(tmp_path / "new") as session:
        reached, go = threading.Event(), threading.Event()

        def told(fraction: float, text: str) -> None:
            if "(3 of 4)" in text:
                reached.set()
                go.wait(LONG)

        from celltune_nb.session import job as jobs

        before, jobs.PROGRESS_EVERY = jobs.PROGRESS_EVERY, 0.0
        try:
            job = session.import_folder(folder, wait=False, progress=told)
            assert reached.wait(LONG)
            getattr(job, how)()
            go.set()
            job.wait(LONG)
        finally:
            jobs.PROGRESS_EVERY = before
        report = job.result
        assert isinstance(report, FolderReport)
        assert report.stopped
        assert "what is in is complete" in str(report)
        assert list(session.images) == report.added == ["FOV0", "FOV1"]
        assert len(session.items) == 18
        assert len(list((session.folder / "images").iterdir())) == 2
        assert session.import_folder(folder).added == ["FOV2", "FOV3"]


def test_looking_can_be_stopped(tmp_path: Path, folder: Path) -> None:
    with Session.create(tmp_path / "new") as session:
        job = session.look_at(folder, wait=False)
        job.wait(LONG)
        assert len(job.result) == 4
        gate = threading.Event()
        session.jobs.submit(lambda _: gate.wait(LONG), "before")
        job = session.look_at(folder, wait=False)
        job.cancel()
        gate.set()
        with pytest.raises(Cancelled):
            raise job.wait(LONG).error or Cancelled
        assert job.state == "cancelled"


def test_large_fields_are_read_where_they_lie(empty: Session, folder: Path) -> None:
    empty.import_folder(folder, copy=False)
    assert not list((empty.folder / "images").glob("*"))
    empty.close()
    with Session.open(empty.folder, jobs=Jobs(inline=True)) as again:
        np.testing.assert_array_equal(np.asarray(again.images["FOV1"].plane("C")), field(1, cells=3)[0][2])
        (folder / "donor 0" / "FOV0").rename(folder / "donor 0" / "moved")
        with pytest.raises(FormatError, match=r"FOV0/A.tif, a file of image 'FOV0', is not there any more"):
            np.asarray(again.images["FOV0"].array)


def test_nothing_to_import_is_a_sentence(empty: Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No image was found"):
        empty.import_folder(empty.folder / "..")
    for folder in (tmp_path / "none", 7, ""):
        with pytest.raises(InputError):
            empty.import_folder(folder)  # type: ignore[arg-type]


def test_two_images_of_one_name_are_refused_before_anything_is_written(empty: Session, folder: Path) -> None:
    plan = empty.look_at(folder)
    plan["FOV1"].name = "FOV0"
    with pytest.raises(InputError, match="Two images of the plan are called 'FOV0'"):
        empty.import_folder(folder, plan=plan)
    assert not empty.images


def test_a_table_elsewhere_is_recognised_by_its_first_line(
    empty: Session, folder: Path, tmp_path: Path
) -> None:
    empty.import_folder(folder / "donor 0" / "FOV0")
    path = tmp_path / "one.csv"
    path.write_text("Object ID,Cell Type,x\n10,T,1\n20,B,2\n")
    head = empty.look_at_table(path)
    assert (head.kind, head.cell, head.category, head.image) == ("cells", "Object ID", "Cell Type", None)
    with pytest.raises(InputError, match="recognised as the image"):
        empty.import_table(PlannedTable(head))
    report = empty.import_table(PlannedTable(head, "FOV0"))
    assert report.used == 2
    assert empty.items["Cell Type"].dropna().tolist() == ["T", "B"]
    for bad, words in (
        (tmp_path / "none.csv", "There is no file"),
        (folder / "donor 0" / "FOV0" / "A.tif", "no .csv"),
    ):
        with pytest.raises(InputError, match=words):
            empty.look_at_table(bad)


@pytest.mark.parametrize(
    ("name", "images", "cells"),
    [("codex_lymphnode", 1, 2965), ("imc_spleen_regions", 6, 24_279), ("phenoptr_fihc4_tiny", 1, 270),
     ("exhuman_mitosis", 1, 296)],
)  # fmt: skip
def test_real_folders(empty: Session, shared_data: Path, name: str, images: int, cells: int) -> None:
    plan = empty.look_at(shared_data / name)
    report = empty.import_folder(shared_data / name, plan=plan)
    assert (len(report.added), report.cells, report.failed) == (images, cells, [])


def test_a_table_of_cell_types_is_found_and_imported_like_other_tables(empty: Session, folder: Path) -> None:
    path = folder / "types.csv"
    path.write_text(
        "CellType,PrimaryMarker,SecondaryMarker,Channel_1,hex\nT,A & !B,,A,#FF0000\nB,B,,Z,#00FF00\n"
    )
    plan = empty.look_at(folder)
    assert "Table of cell types: types.csv (not chosen)" in str(plan)
    for table in plan.tables:
        table.use = table.path == path
    report = empty.import_folder(folder, plan=plan)
    assert report.tables == [("types.csv", "2 cell types, 2 of them new categories. No channel here: Z.")]
    assert empty.celltypes["T"].expression
    assert empty.celltypes["B"].color == "#00FF00"
    path.write_text("CellType,PrimaryMarker\nT,(A\n")
    with pytest.raises(FormatError, match="row 2, PrimaryMarker"):
        empty.import_table(PlannedTable(empty.look_at_table(path)))
    assert list(empty.celltypes) == ["T", "B"]
