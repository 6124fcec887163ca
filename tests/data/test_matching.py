"""Points of two sets are paired as by hand: the closest two first, each once."""

from __future__ import annotations

import time

import numpy as np
import pytest

from celltune_nb.data.matching import match_points
from celltune_nb.errors import InputError


def by_hand(points: np.ndarray, others: np.ndarray, radius: float) -> np.ndarray:
    distance = np.hypot(*(points[:, None] - others[None]).transpose(2, 0, 1))
    found = np.full(len(points), -1)
    while distance.size and distance.min() <= radius:
        a, b = np.unravel_index(distance.argmin(), distance.shape)
        found[a] = b
        distance[a], distance[:, b] = np.inf, np.inf
    return found


@pytest.mark.parametrize("seed", range(10))
def test_the_pairs_are_those_that_one_finds_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, others = rng.uniform(0, 200, (80, 2)), rng.uniform(0, 200, (60, 2))
    assert match_points(points, others).tolist() == by_hand(points, others, 20).tolist()


def test_the_radius_is_inclusive_and_nobody_has_two_partners() -> None:
    points = np.array([[0, 0], [0, 20.0], [100, 100], [np.nan, 0], [0, 1000]])
    others = np.array([[0, 0], [0, 40.0], [100, 101], [0, 980 - 1e-3]])
    assert match_points(points, others).tolist() == [0, 1, 2, -1, -1]
    assert match_points(points, others[:0]).tolist() == [-1] * 5
    assert match_points(points[:0], others).tolist() == []


def test_points_at_one_place_are_all_paired() -> None:
    there = np.full((20_000, 2), 7.0)
    began = time.process_time()
    found = match_points(there, there[:15_000])
    assert sorted(found[found >= 0].tolist()) == list(range(15_000))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("radius", [0, -1, float("nan"), float("inf")])
def test_a_radius_is_a_positive_number(radius: float) -> None:
    with pytest.raises(InputError, match="radius"):
        match_points(np.zeros((1, 2)), np.zeros((1, 2)), radius)
