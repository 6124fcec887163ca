"""What a script has to say besides the steps themselves: what was taken back, the level at the time, what is gone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import FormatError, InputError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import label_some
from tests.session.test_script import replayed, same_labels, same_undo


def test_what_was_taken_back_is_taken_back_again(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.set_working_set(["field 1"])
    session.set_working_set(None)
    session.set_working_set(session.items["image"].unique()[:2])  # names as a table has them
    assert "memory and is left out" not in session.script()
    session.set_working_set(None)
    session.set_marker_channel("B")
    session.set_marker_channel(None)
    session.set_target(0.7)
    session.set_target(None)
    session.features.set_group("mine", ["A__Mean__Cell"])
    session.features.set_group("mine", None)
    with replayed(session.script(), tmp_path, monkeypatch) as other:
        assert other.working_set == ()
        assert other.marker_channel() == session.marker_channel()
        assert other.target == session.target
        assert other.features.groups == session.features.groups


def test_what_was_looked_at_is_looked_at_again(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = session.items.index
    session.looked_at(ids[:3], how="sheet")
    session.correct(ids[5:7], "B", how="slice")
    session.undo()
    with replayed(session.script(), tmp_path, monkeypatch) as other:
        looks = ["item", "how", "user"]
        pd.testing.assert_frame_equal(other.looks()[looks], session.looks()[looks])
        same_undo(session, other)


def test_a_bare_name_means_what_it_meant_at_the_level_of_then(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_some(session)
    session.train(models=("xgboost",), rounds=2, wait=True)
    session.gate("A__Mean__Cell", low=10.0, name="bright")
    session.add_marker("VP")  # the active level from now on
    session.levels.rename("VP", "PV")
    session.gate("B__Mean__Cell", low=10.0, name="bright")
    session.gate("B__Mean__Cell", low=20.0, name="too much")
    session.remove_gate("too much")
    session.combine("main+", "of PV")
    session.level = "main"
    session.recolor_gate("bright", "#102030")
    text = session.script()
    with replayed(text, tmp_path, monkeypatch) as other:
        assert other.level == "main"
        assert dict(other.gates) == dict(session.gates)
        assert sorted(other.populations) == sorted(session.populations)
        same_labels(session, other)


def test_cell_types_are_brought_again_though_their_table_is_gone(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "types.csv"
    path.write_text("CellType,PrimaryMarker,SecondaryMarker,Channel_1,hex\nX,A,!B,A,#010203\nb,B & !A,,,\n")
    session.import_celltypes(path)
    path.unlink()
    named = pd.DataFrame({"CellType": ["Y", "X"], "PrimaryMarker": ["C", "A & !C"]})
    session.levels.add("other")
    session.import_celltypes(named, level="other")
    session.label(session.items.index[:4], "Y", level="other")
    session.label(session.items.index[:4], "X")
    report = session.landmarks(5)
    session.accept_landmarks()
    with replayed(session.script(), tmp_path, monkeypatch) as other:
        same_labels(session, other)
        assert dict(other.celltypes) == dict(session.celltypes)
        other.level = session.level = "other"
        assert dict(other.celltypes) == dict(session.celltypes)
        assert set(report.ids["X"].tolist()) <= set(
            other.labels.to_pandas("main").query("category == 'X'").index
        )
        same_undo(session, other)


def test_cell_types_are_given_by_column(session: Session) -> None:
    session.import_celltypes({"CellType": ["X", "Y"], "PrimaryMarker": ["A", "B"], "hex": ["", "#00FF00"]})
    assert session.celltypes["Y"].color == "#00FF00"
    before = session.book.revision
    for columns in ({"CellType": ["X"], "hex": []}, {"CellType": "X"}, {"CellType": [1], "hex": 5}):
        with pytest.raises(InputError, match="lists of one length"):
            session.import_celltypes(columns)
    with pytest.raises(FormatError, match="1,000 at most"):
        session.import_celltypes({"CellType": ["X"] * 1001})
    with pytest.raises(FormatError, match=r"empty|no column CellType"):
        session.import_celltypes({})
    assert session.book.revision == before


def annotated() -> SimpleNamespace:
    """The parts of an AnnData of 40 cells in two images, with places, two markers and a column of its own."""
    n = 40
    obs = pd.DataFrame(
        {"fov": ["s 1"] * 20 + ["002"] * 20, "cell_id": [*range(1, 21)] * 2, "CD3": np.arange(n) % 5, "kind": "x"},
        index=[f"c{i}" for i in range(n)],
    )  # fmt: skip
    matrix = np.random.default_rng(0).random((n, 2)).astype(np.float32)
    places = np.column_stack([np.arange(n) * 10.0, np.arange(n) * 3.0])
    return SimpleNamespace(
        X=matrix, obs=obs, var=pd.DataFrame(index=["CD3", "x"]), obsm={"spatial": places}, layers={}, uns={}
    )


@pytest.mark.parametrize("kind", ["annotated", "file"])
def test_cells_of_a_table_are_made_again_of_the_own_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        if kind == "annotated":
            session.import_cells(annotated())
        else:
            table = annotated()
            obs = table.obs.assign(
                x=table.obsm["spatial"][:, 0], y=table.obsm["spatial"][:, 1], CD8=table.X[:, 1]
            )
            path = tmp_path / "cells.csv"
            obs.rename(columns={"CD3": "CD3 of it"}).to_csv(path, index=False)
            session.import_cells(path, x="x", y="y", features=["CD8", "CD3 of it"])
            path.unlink()
        for name in "ab":
            session.categories.add(name)
        session.label(session.items.index[:8], "a")
        session.label(session.items.index[-8:], "b")
        session.train(models=("xgboost",), rounds=2, wait=True)
        text = session.script()
        assert "left out" not in text
        with replayed(text, tmp_path, monkeypatch) as other:
            pd.testing.assert_frame_equal(other.items, session.items, check_dtype=False)
            assert other.features.names == session.features.names
            np.testing.assert_array_equal(other.features.matrix, session.features.matrix)
            ours, again = session.populations["Pred_AVG"], other.populations["Pred_AVG"]
            np.testing.assert_array_equal(again.probability, ours.probability)
            same_undo(session, other)


def test_cell_types_that_nothing_was_noted_of_are_their_categories(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.import_celltypes({"CellType": ["X", "Y", "A"], "PrimaryMarker": ["A", "B", "C"]})
    session.label([1, 2], "Y")
    session.journal.connection.execute("DELETE FROM actions")  # the program was killed before it was noted
    with replayed(session.script(), tmp_path, monkeypatch) as other:
        same_labels(session, other)
