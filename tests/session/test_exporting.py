"""Tables that leave a project are read by other programs as they were meant."""

from __future__ import annotations

import io
from pathlib import Path

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
