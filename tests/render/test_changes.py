"""What differs between two frames, and the picture of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celltune_nb.render.changes import TILE, changed_tiles, collage


def patched(frame, tiles, picture):
    """The frame with a collage's tiles in place, as the browser puts them."""
    out = frame.copy()
    across = picture.shape[1] // TILE
    for i, (row, column) in enumerate(tiles):
        y, x = i // across * TILE, i % across * TILE
        there = out[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
        there[:] = picture[y : y + there.shape[0], x : x + there.shape[1]]
    return out


@given(
    st.integers(1, 130),
    st.integers(1, 130),
    st.lists(st.tuples(st.integers(0, 129), st.integers(0, 129), st.integers(0, 2)), max_size=5),
)
def test_the_changed_tiles_make_the_old_frame_the_new_one(height, width, places):
    before = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    after = before.copy()
    for y, x, c in places:
        after[y % height, x % width, c] ^= 1
    tiles = changed_tiles(before, after)
    differs = (before != after).any(axis=2)
    assert {(y // TILE, x // TILE) for y, x in np.argwhere(differs)} == set(map(tuple, tiles.tolist()))
    if len(tiles):
        np.testing.assert_array_equal(patched(before, tiles, collage(after, tiles)), after)


def test_a_frame_does_not_differ_from_itself():
    frame = np.zeros((50, 50, 3), np.uint8)
    assert changed_tiles(frame, frame).shape == (0, 2)


@pytest.mark.parametrize(("n", "shape"), [(1, (32, 32, 3)), (2, (32, 64, 3)), (5, (64, 96, 3))])
def test_a_collage_is_about_square(n, shape):
    tiles = np.stack([np.zeros(n, np.intp), np.arange(n)], axis=1)
    assert collage(np.zeros((32, 200, 3), np.uint8), tiles).shape == shape
