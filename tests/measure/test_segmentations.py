"""Which cells of two masks are the same, found without holding both masks at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from celltune_nb.measure import segmentations
from celltune_nb.measure.segmentations import fates, overlaps

MASKS = arrays(np.uint32, (9, 11), elements=st.integers(0, 5))


@settings(max_examples=60)
@given(MASKS, MASKS)
def test_overlaps_are_those_counted_pixel_by_pixel(old: np.ndarray, new: np.ndarray) -> None:
    whole = overlaps(old, new, 5, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmentations, "STRIP", 2)
        found = overlaps(old, new, 5, 5)
    for name in ("old", "new", "pixels", "old_area", "new_area"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    for a, b, n in zip(found.old, found.new, found.pixels, strict=True):
        assert n == ((old == a + 1) & (new == b + 1)).sum() > 0
    assert found.pixels.sum() == ((old > 0) & (new > 0)).sum()
    np.testing.assert_array_equal(found.old_area, [(old == i).sum() for i in range(1, 6)])
    for by in ("covered", "iou"):
        partner, fate = fates(found, 0.5, by)
        own = partner[fate == "carried"]
        assert len(set(own.tolist())) == len(own)  # one to one
        assert ((partner >= 0) == np.isin(fate, ("carried", "merged"))).all()


def test_the_same_mask_carries_every_cell() -> None:
    mask = np.arange(20, dtype=np.uint32).repeat(9).reshape(20, 9)
    partner, fate = fates(overlaps(mask, mask, 19, 19), 1.0, "iou")
    assert partner.tolist() == list(range(19))
    assert set(fate) == {"carried"}


def test_a_cell_is_split_merged_or_lost() -> None:
    old, new = np.zeros((4, 40), np.uint32), np.zeros((4, 40), np.uint32)
    old[:, :10], old[:, 10:20], old[:, 20:30], old[:, 30:] = 1, 2, 3, 4
    new[:, :4], new[:, 4:9] = 1, 2  # of cell 1 two pieces, 40 and 50 per cent
    new[:, 11:30] = 3  # cells 2 and 3 are one now
    partner, fate = fates(overlaps(old, new, 4, 3), 0.6)
    assert fate.tolist() == ["split", "merged", "carried", "lost"]
    assert partner.tolist() == [-1, 2, 2, -1]
