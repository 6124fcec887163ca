"""Tables and labels come in whole or not at all, and what fits no cell is named."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import CellTuneError, InputError, LabelError
from celltune_nb.formats.folders import PlannedTable
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import field
from tests.waiting import LONG

IMAGE = np.arange(2 * 8 * 8, dtype=np.uint16).reshape(2, 8, 8)
MASK = np.zeros((8, 8), np.uint32)
MASK[1:3, 1:3] = 4_000_000_000
MASK[5:7, 5:8] = 3


@pytest.fixture
def empty(tmp_path: Path) -> Session:
    with Session.create(tmp_path / "new", jobs=Jobs(inline=True)) as session:
        yield session


def test_a_table_is_joined_by_image_and_cell(session: Session) -> None:
    table = pd.DataFrame(
        {
            "fov": ["field 0", "field 1", "field 9"],
            "cell": [20, 10, 1],
            "score": [0.5, 0.7, 0.9],
            "note": ["a", "b", "c"],
        }
    )
    report = session.import_cells(table, image="fov", id="cell", features=["score"])
    assert (report.used, report.unmatched) == (2, 1)
    assert "field 9" in str(report)
    assert session.items.loc[2, "note"] == "a"
    assert session.items["note"].notna().sum() == 2
    assert session.features["table"].column("score")[1] == np.float32(0.5)
    assert session.features.names[0] != "score"  # the measured source stays the active one


def test_a_table_alone_makes_items(empty: Session, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"image": ["a"] * 30 + ["b"] * 30, "cellID": [*range(30), *range(30)], "y": rng.random(60), "x": rng.random(60),
                          "CD3": rng.random(60), "CD8": rng.random(60), "donor": ["d1"] * 30 + ["d2"] * 30})  # fmt: skip
    table.to_parquet(tmp_path / "cells.parquet")
    empty.import_cells(tmp_path / "cells.parquet", x="x", y="y", features=["CD3", "CD8"], group="donor")
    assert len(empty.items) == 60
    assert empty.features.names == ["CD3", "CD8"]
    empty.categories.add("hi")
    empty.categories.add("lo")
    hi = empty.items.index[(table["CD3"] > 0.5).to_numpy()]
    empty.label(hi, "hi")
    empty.label(np.setdiff1d(empty.items.index, hi)[:20], "lo")
    assert empty.train(("xgboost",), wait=True).state == "done"
    # its images have no pixels, but its cells have places
    assert len(empty.items_in("a", (0, 0, 0.5, 1))) == (table["y"][:30] < 0.5).sum()
    assert empty.sample(3, image="b", rectangle=(0, 0, 1, 1), by="random").min() > 30
    assert empty.suggest_rectangle("b").image == "b"
    with pytest.raises(InputError, match="no pixels to show"):
        empty.set_view(image="a")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be read"),
        (b"\x00\x01\x02" * 50, "cannot be read|no column|no rows"),
        (b"image,cellID\n", "no rows"),
        (b"image,cellID,class\nfield 0,ten,A\n", "not whole numbers"),
        (b"image,cellID,class\nfield 0,1e300,A\n", "not whole numbers"),
        (b"picture,cellID,class\nfield 0,10,A\n", "no column 'image'"),
        (b'image,cellID,class\n"field 0,10,A\n' + b"x" * 5000, "cannot be read|no column|not whole"),
    ],
)
def test_hostile_label_files_are_refused_and_change_nothing(
    session: Session, tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    revision = session.labels.revision
    with pytest.raises(CellTuneError, match=says):
        session.import_labels(path)
    assert session.labels.revision == revision


def test_truncated_parquet_and_wrong_endings_are_refused(session: Session, tmp_path: Path) -> None:
    whole = tmp_path / "t.parquet"
    pd.DataFrame({"image": ["field 0"], "cellID": [10], "class": ["A"]}).to_parquet(whole)
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(CellTuneError, match="cannot be read"):
        session.import_labels(tmp_path / "cut.parquet")
    (tmp_path / "t.pickle").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(CellTuneError, match="neither"):
        session.import_labels(tmp_path / "t.pickle")
    with pytest.raises(CellTuneError, match="no file"):
        session.import_labels(tmp_path / "absent.csv")


def test_a_label_file_round_trip(session: Session, tmp_path: Path) -> None:
    session.label([1, 150], "A")
    session.label([2], "C")
    path = session.export_labels(tmp_path / "labels.csv")
    assert path.read_text().splitlines()[0].split(",")[-3:] == ["image", "cellID", "class"]
    before = session.labels.to_pandas()["category"].to_dict()
    session.label([1, 2, 150], None)
    report = session.import_labels(path)
    assert report.used == 3
    assert session.labels.to_pandas()["category"].to_dict() == before
    assert set(session.labels.to_pandas()["source"]) == {"import"}


def test_conflicts_are_settled_as_asked(session: Session) -> None:
    session.label([1], "A")
    table = pd.DataFrame({"fov": ["field 0", "field 0"], "cellID": [10, 20], "class": ["B", "new kind"]})
    with pytest.raises(LabelError, match="another label"):
        session.import_labels(table, on_conflict="error")
    assert "new kind" not in session.categories
    session.import_labels(table, on_conflict="old")
    assert session.labels.to_pandas()["category"].to_dict() == {1: "A", 2: "new kind"}
    session.import_labels(table)
    assert session.labels.to_pandas()["category"].to_dict() == {1: "B", 2: "new kind"}


def test_a_table_brings_the_cells_of_an_image_without_a_mask(empty: Session) -> None:
    empty.add_image("bare", IMAGE, channels=["x", "y"], group="donor 1")
    empty.add_image("masked", IMAGE, MASK, channels=["x", "y"], group="donor 2")
    assert len(empty.items) == 2
    table = pd.DataFrame({"image": ["bare"] * 2, "cellID": [1, 2], "y": [1.0, 6.0], "x": [1.0, 6.0]})
    empty.import_cells(table, x="x", y="y")
    assert empty.items["image"].tolist() == ["masked", "masked", "bare", "bare"]
    assert empty.items["group"].tolist()[-1] == "donor 1"
    assert empty.item_at("bare", 6, 5) == 4


def test_a_table_is_prepared_without_the_lock_and_again_when_something_came_between(session: Session) -> None:
    import threading

    writing, go_on = threading.Event(), threading.Event()

    class Slow:
        """A remark that takes its time to be written."""

        def __str__(self) -> str:
            writing.set()
            go_on.wait(LONG)
            return "slow"

    items = session.items
    table = items[["image", "cellID"]].assign(score=np.arange(300.0), remark=[Slow()] + ["quick"] * 299)
    reports = []
    thread = threading.Thread(target=lambda: reports.append(session.import_cells(table, features=["score"])))
    thread.start()
    assert writing.wait(LONG)
    session.label([1], "A")  # would wait for the import if that held the lock
    image, mask, _ = field(9)
    session.add_image("late", image, mask, channels=["A", "B", "C"])
    go_on.set()
    thread.join()
    assert reports[0].used == 300
    assert len(session.items) == 400
    assert session.items["remark"].tolist()[1:300] == ["quick"] * 299
    assert session.items["remark"].isna().sum() == 100
    assert session.features["table"].column("score")[:300].tolist() == list(range(300))
    assert np.isnan(session.features["table"].column("score")[300:]).all()
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as again:
        assert again.problems == []
        assert len(again.items) == 400
        assert len(again.features["table"]) == 400
        assert again.labels.counts()["A"] == 1
    assert not list(session.folder.glob(".items-*"))
    assert len(list((session.folder / "features" / "table").iterdir())) == 3  # schema, matrix, ids


def test_labels_of_many_images_are_matched_and_conflicts_counted(session: Session) -> None:
    items = session.items
    table = pd.DataFrame({"image": items["image"], "cellID": items["cellID"], "class": items["truth"]})
    shuffled = table.sample(frac=1, random_state=0)
    assert session.import_labels(shuffled).used == 300
    assert session.labels.to_pandas()["category"].tolist() == items["truth"].tolist()
    other = table.assign(**{"class": "D"})
    assert session.import_labels(other, on_conflict="old").used == 0
    assert "D" not in session.categories
    with pytest.raises(LabelError, match="300 cells have another label"):
        session.import_labels(other, on_conflict="error")
    report = session.import_labels(pd.concat([other, other.assign(image="nowhere")]))
    assert (report.used, report.unmatched) == (300, 300)
    assert session.labels.counts()["D"] == 300
    session.undo()
    assert "D" not in session.categories


def test_images_called_by_numbers_are_found_whatever_the_table_made_of_their_names(
    empty: Session, tmp_path: Path
) -> None:
    for name in ("001", "02"):
        empty.add_image(name, *field(0)[:2], channels=["A", "B", "C"])
    empty.categories.add("1")
    empty.label([1, 150], "1")
    empty.export_labels(tmp_path / "labels.csv")
    empty.undo()
    assert empty.import_labels(tmp_path / "labels.csv").used == 2  # what was written is read
    assert empty.labels.to_pandas()["category"].astype(str).tolist() == ["1", "1"]
    empty.undo()
    # As spreadsheets write them, and pandas where one is missing.
    table = pd.DataFrame({"image": [1.0, 2.0, np.nan], "cellID": [10, 10, 10], "class": [1, np.nan, 2]})
    report = empty.import_labels(table)
    assert (report.used, report.unmatched) == (1, 1)
    assert empty.labels.to_pandas()["category"].astype(str).tolist() == ["1"]
    empty.add_image("1", *field(0)[:2], channels=["A", "B", "C"])
    empty.add_image("0002", *field(0)[:2], channels=["A", "B", "C"])
    table = pd.DataFrame({"image": [1, 2], "cellID": [20, 20], "class": ["1", "1"]})
    assert empty.import_labels(table).unmatched == 1  # "2" may be either of two


def test_an_image_called_na_is_found_and_labels_called_na_are_none(empty: Session, tmp_path: Path) -> None:
    for name in ("NA", "nan", "None"):
        empty.add_image(name, IMAGE, MASK)
    path = tmp_path / "labels.csv.gz"
    path.write_bytes(gzip.compress(b"image,cellID,class\nNA,3,T\nnan,3,NA\nNone,3,B\nNA,4000000000,\n"))
    report = empty.import_labels(path)
    assert (report.used, report.unmatched, report.skipped) == (2, 0, 2)
    assert "1 rows say 'NA', which is read as no category. If it is one, add it by this name first." in str(
        report
    )
    assert empty.categories.names[1:] == ["T", "B"]
    empty.categories.add("NA")
    report = empty.import_labels(path)
    assert (report.used, report.skipped, report.notes) == (3, 1, ())
    assert set(empty.items["image"][empty.labels.to_pandas().query("category == 'NA'").index]) == {"nan"}
    path.write_bytes(gzip.compress(b"tile,cellID,CD3\nNA,3,1.5\nnan,3,NA\n"))
    assert empty.import_cells(path, image="tile", features=["CD3"]).used == 2
    assert empty.features["table"].column("CD3")[0] == 1.5


def test_a_real_packed_table_comes_as_it_is(empty: Session, shared_data: Path) -> None:
    path = shared_data / "celltables" / "scimap_example_cycif.csv.gz"
    head = empty.look_at_table(path)
    assert (head.kind, len(head.columns)) == ("cells", 45)
    with pytest.raises(InputError, match=r"holds names \(the first: '230_1'\), not the numbers of cells"):
        empty.import_table(PlannedTable(head))
    report = empty.import_table(PlannedTable(replace(head, cell=None)))
    assert report.used == len(empty.items) == 3029
    assert empty.items["cell"].iloc[0] == "230_1"
    assert list(empty.items["image"].unique()) == ["230"]
    again = empty.import_table(PlannedTable(replace(head, cell=None)))
    assert (again.used, len(empty.items)) == (3029, 3029)  # found by their place


def test_classes_that_differ_by_capitals_are_one_category(session: Session) -> None:
    rows = session.items.iloc[:6][["image", "cellID"]]
    report = session.import_labels(rows.assign(**{"class": ["a", "A", "t cell", "T cell ", "unknown", "B"]}))
    assert session.labels.to_pandas()["category"].tolist() == ["A", "A", "t cell", "t cell", "B"]
    assert "'a' → 'A'" in str(report)
    assert session.categories.names == ["Unknown", "A", "B", "C", "t cell"]
    quiet = session.import_labels(rows.assign(**{"class": ["A", "A", "B", "B", "Unknown", "t cell"]}))
    assert "capitals" not in str(quiet)
    before = session.book.revision
    with pytest.raises(LabelError, match=r"'x{81}.* in the table can be no category.*nothing was imported"):
        session.import_labels(rows.assign(**{"class": ["A", "A", "x" * 81, "B", "new", "C"]}))
    assert session.book.revision == before
    assert "new" not in session.categories


@pytest.mark.parametrize("on_conflict", ["new", "old"])
def test_labels_that_say_the_same_stay_whose_they_are(
    session: Session, tmp_path: Path, on_conflict: str
) -> None:
    session.user = "ann"
    session.label([1, 2], "A")
    audit = session.draw_audit(60, seed=0)
    session.label(audit, "B", source="audit")
    path = session.export_labels(tmp_path / "labels.csv")
    before, undo = session.labels.to_pandas(), session.can_undo
    session.user = "bo"
    assert session.import_labels(path, on_conflict=on_conflict).used == len(before)
    pd.testing.assert_frame_equal(session.labels.to_pandas(), before)
    assert session.can_undo == undo
    assert session.audit.labelled == 60
