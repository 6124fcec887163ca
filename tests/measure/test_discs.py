"""Discs around centres: whose pixel it is, however the mask is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltune_nb.errors import InputError
from celltune_nb.measure import discs
from celltune_nb.measure.discs import Discs


def expected(shape: tuple[int, int], y: np.ndarray, x: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Each pixel asks all centres; the nearest of those in whose reach it lies has it, of equally near ones the first."""
    rows, columns = np.indices(shape)
    far = (rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2
    far = np.where(far <= np.maximum(radius, 0.7072) ** 2, far, np.inf)
    return np.where(np.isfinite(far.min(axis=-1)), far.argmin(axis=-1) + 1, 0)


@settings(max_examples=60)
@given(st.data())
def test_a_pixel_belongs_to_the_nearest_centre_in_whose_reach_it_lies(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    n = data.draw(st.integers(1, 12))
    # Quarters of a pixel: their squares are exact, so that ties are ties.
    place = st.lists(st.integers(-8, 160), min_size=n, max_size=n)
    y, x = (np.array(data.draw(place)) / 4 for _ in "yx")
    radius = np.array(data.draw(st.lists(st.integers(2, 200), min_size=n, max_size=n))) / 4
    mask = Discs(shape, y, x, radius)
    np.testing.assert_array_equal(np.asarray(mask), expected(shape, y, x, radius))
    top = data.draw(st.integers(0, shape[0]))
    np.testing.assert_array_equal(mask[top : top + 7, 3:], np.asarray(mask)[top : top + 7, 3:])


def test_discs_are_round_and_as_large_as_their_radius_says() -> None:
    mask = np.asarray(Discs((300, 300), [100.0], [150.0], 50))
    y, x = np.nonzero(mask)
    assert len(y) == pytest.approx(np.pi * 50**2, rel=0.01)
    assert (y.min(), y.max(), x.min(), x.max()) == (50, 150, 100, 200)


def test_two_cells_part_the_pixels_between_them() -> None:
    mask = np.asarray(Discs((21, 31), [10, 10], [10, 20], 8))
    assert (mask[:, :15][mask[:, :15] > 0] == 1).all()
    assert (mask[:, 16:][mask[:, 16:] > 0] == 2).all()
    assert mask[10, 15] == 1  # as near to both: the first has it


def test_a_small_cell_within_a_large_one_keeps_its_place() -> None:
    mask = np.asarray(Discs((80, 80), [40, 44], [40, 44], [35, 0.5]))
    assert mask[44, 44] == 2
    assert (mask == 2).sum() == 1


@pytest.mark.parametrize("place", [(0.0, 0.0), (4.5, 4.5), (9.4, 9.4), (-0.4, 5.5)])
def test_the_smallest_disc_has_a_pixel_wherever_its_centre_lies(place: tuple[float, float]) -> None:
    mask = np.asarray(Discs((10, 10), [place[0]], [place[1]], 0.5))
    assert mask[round(max(0, place[0])), round(place[1])] == 1


def test_of_two_cells_at_one_place_the_first_is_seen_and_numbers_stay() -> None:
    mask = Discs((20, 20), [5, 5, 15], [5, 5, 15], 3, labels=np.array([40, 7, 2**32 - 1]))
    assert sorted(np.unique(np.asarray(mask)).tolist()) == [0, 40, 2**32 - 1]
    assert mask.dtype == np.uint32


def test_strips_are_read_alike_however_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    y, x, radius = rng.uniform(-0.5, 199, 150), rng.uniform(-0.5, 120, 150), rng.uniform(0.5, 60, 150)
    mask = Discs((200, 121), y, x, radius)
    whole = np.asarray(mask)
    monkeypatch.setattr(discs, "STRIP", 121 * 7)
    monkeypatch.setattr(discs, "_PIXELS", 50)
    np.testing.assert_array_equal(np.asarray(mask), whole)
    np.testing.assert_array_equal(np.concatenate([mask[i : i + 33] for i in range(0, 200, 33)]), whole)
    np.testing.assert_array_equal(mask[50, 3:9], whole[50, 3:9])
    np.testing.assert_array_equal(mask[::3], whole[::3])
    assert mask[7:7].shape == (0, 121)
    assert len(mask) == 200


def test_a_large_image_is_never_in_memory_as_a_whole() -> None:
    mask = Discs((10**9, 2000), [5e8, 5e8], [5, 1990], [3, 1e8])  # 8 TB
    strip = mask[500_000_000:500_000_004]
    assert strip[0, 5] == 1
    assert (strip[:, 1000:] == 2).all()


@pytest.mark.parametrize(
    ("y", "x", "radius", "labels"),
    [
        ([1, 2], [1], 3, None),
        ([np.nan], [1], 3, None),
        ([1], [np.inf], 3, None),
        ([1], [1], 0.4, None),
        ([1], [1], np.nan, None),
        ([1], [1], np.inf, None),
        ([1, 2], [1, 2], [3, 3, 3], None),
        ([1], [1], 3, np.array([0])),
        ([1], [1], 3, np.array([2**32])),
        ([1], [1], 3, np.array([1, 2])),
        ([[1]], [[1]], 3, None),
    ],
)
def test_what_is_no_disc_is_refused(y: list, x: list, radius: object, labels: object) -> None:
    with pytest.raises(InputError):
        Discs((10, 10), y, x, radius, labels)
