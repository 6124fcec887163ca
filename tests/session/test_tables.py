"""Rows of a table find their cells, by number or by place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltune_nb.session import Session
from celltune_nb.session.tables import cell_column, match_positions


def test_rows_are_matched_by_place_on_their_own_image(session: Session) -> None:
    items = session.items
    rng = np.random.default_rng(0)
    order = rng.permutation(300)
    moved = items.iloc[order]
    y, x = (moved[c].to_numpy() + rng.uniform(-5, 5, 300) for c in ("y", "x"))
    images = moved["image"].reset_index(drop=True)
    assert match_positions(session.table, images, y, x).tolist() == order.tolist()
    images[7] = "elsewhere"
    y[9] = np.nan
    x[11] += 5000
    places = match_positions(session.table, images, y, x)
    assert np.flatnonzero(places < 0).tolist() == [7, 9, 11]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_tables_of_every_separator_are_imported(session: Session, tmp_path: Path, sign: str) -> None:
    items = session.items
    path = tmp_path / "labels.csv"

    def write(frame: pd.DataFrame) -> None:
        frame.to_csv(path, sep=sign, index=False, decimal="." if sign == "," else ",")

    write(items[["image", "cellID", "truth"]].rename(columns={"truth": "class", "cellID": "Cell ID"}))
    assert session.import_labels(path, on_conflict="new").used == 300
    merged = session.merge_labels(path, user="she")
    assert (merged.unmatched, len(merged.disagreements)) == (0, 0)
    numbers = items[["image", "cellID"]].assign(size=items["y"] / 7)
    write(numbers)
    session.import_cells(path)
    np.testing.assert_allclose(session.items["size"], items["y"] / 7)
    head = session.look_at_table(path)
    assert (head.kind, head.image, head.cell) == ("cells", "image", "cellID")


def test_words_under_label_are_no_cell_numbers() -> None:
    frame = pd.DataFrame({"label": ["T", "B"], "cell": [1, 2]})
    assert cell_column(frame) == "cell"
    assert cell_column(frame, "label") == "label"
    assert cell_column(frame, "number") is None
    assert cell_column(frame.rename(columns={"cell": "Object Number"})) == "Object Number"
    assert cell_column(frame[["label"]]) is None
