"""Rows of a table find their cells, by number or by place."""

from __future__ import annotations

import numpy as np

from celltune_nb.session import Session
from celltune_nb.session.tables import match_positions


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
