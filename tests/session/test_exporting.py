"""Tables that leave a project are read by other programs as they were meant."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from celltune_nb.session import Session
from celltune_nb.session.exporting import write_csv


@pytest.mark.parametrize(
    "extra", [{}, {"seen": [True, False, True, False]}]
)  # pandas writes what Arrow would write otherwise
def test_a_csv_holds_awkward_words_and_missing_numbers(extra: dict[str, list[bool]]) -> None:
    frame = pd.DataFrame(
        {"image": ["a,b", 'q"x', "line\nbreak", None], "n": [1, 2, 3, 4], "y": [1.5, np.nan, np.inf, 1e-20],
         "p": np.array([0.1, np.nan, 1, 0], np.float32), "word": ["µ", "é", "1.0", "x"], **extra},
        index=pd.Index([3, 5, 7, 9], name="item"),
    )  # fmt: skip
    stream = io.BytesIO()
    write_csv(frame, stream)
    plain = io.BytesIO()
    frame.to_csv(plain)
    found, expected = (pd.read_csv(io.BytesIO(s.getvalue()), index_col="item") for s in (stream, plain))
    pd.testing.assert_frame_equal(found, expected)
    assert stream.getvalue().startswith(b"item,image,n,y,p,word")


def test_an_exported_project_names_every_item_and_label(session: Session, tmp_path: Path) -> None:
    session.label([1, 2, 300], "B")
    table = pd.read_csv(session.export(tmp_path / "cells.csv"), index_col="item")
    items = session.items
    assert table.index.tolist() == items.index.tolist()
    for column in ("image", "cellID", "group", "truth"):
        assert table[column].tolist() == items[column].tolist()
    assert np.allclose(table["y"], items["y"])
    assert table["label"].value_counts().to_dict() == {"Unknown": 297, "B": 3}


@pytest.mark.parametrize("ending", ["csv", "parquet", "h5ad"])
def test_what_a_table_brought_under_a_name_of_ours_stands_beside_it(
    session: Session, tmp_path: Path, ending: str
) -> None:
    cells = session.items[["image", "cellID"]]
    own = cells.assign(
        item=np.arange(300) + 0.5, label="theirs", Pred_AVG="theirs too", note="read", note_table="x"
    )
    session.import_cells(own)
    session.label([1, 2], "A")
    session.note(3, "mine")
    session.gate("A__Mean__Cell", low=10.0, name="image")
    session.gate("A__Mean__Cell", low=10.0, name="label")
    path = session.export(tmp_path / f"all.{ending}")
    if ending == "h5ad":
        with h5py.File(path) as file:
            columns = {name: _read(file["obs"][name]) for name in file["obs"].attrs["column-order"]}
        frame = pd.DataFrame(columns)
    else:
        frame = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path).reset_index()
    assert frame.columns.is_unique
    assert frame["item"].tolist() == [*range(1, 301)]
    assert frame["item_table"].tolist() == own["item"].tolist()
    assert set(frame["label_table"]) == {"theirs"}
    assert frame["label"].tolist()[:3] == ["A", "A", "Unknown"]
    assert set(frame["Pred_AVG"]) == {"theirs too"}, "nothing is trained: the name is free"
    assert frame["note"].tolist()[2] == "mine"
    assert set(frame["note_table"]) == {"x"}
    assert set(frame["note_table_2"]) == {"read"}
    assert frame["image"].tolist() == cells["image"].tolist()
    assert frame["image_population"].nunique() == frame["label_population"].nunique() == 2
    if ending == "csv":  # what was written comes in again, and goes out again
        session.import_cells(path)
        again = pd.read_csv(session.export(tmp_path / "again.csv"))
        assert again["item"].tolist() == [*range(1, 301)]
        assert again["label"].tolist() == frame["label"].tolist()


def _read(column: h5py.Dataset | h5py.Group) -> list[object]:
    if isinstance(column, h5py.Group):
        words = column["categories"].asstr()[:]
        return [words[code] for code in column["codes"][:]]
    return list(column.asstr()[:] if column.dtype.kind == "O" else column[:])
