"""Which cells of the synthetic brain are ON, and how much of a marker they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..layout import GRID, smooth_noise
from .anatomy import KINDS, column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["MARKERS", "Marker", "content", "share_on", "turned_on"]


@dataclass(frozen=True)
class Marker:
    """A marker whose cells are ON or OFF.

    Attributes
    ----------
    place : str
        Where in the cell it sits.
    brightness : float
        Camera counts of a typical ON cell above the background.
    haze : float
        Content of a typical OFF cell; a typical ON cell holds 1.
    spread_on, spread_off : float
        Spread of the logarithm of the content.
    share : (float, float)
        Lowest and highest share of ON cells in a slice.
    regions, kinds : mapping of str to float
        How likely a cell of a region and kind is ON, relative to others.
    neuropil : mapping of str to float
        Background of the regions, counts.
    """

    name: str
    place: Literal["nucleus", "soma"]
    brightness: float
    haze: float
    spread_on: float
    spread_off: float
    share: tuple[float, float]
    regions: Mapping[str, float]
    kinds: Mapping[str, float]
    neuropil: Mapping[str, float]


_TISSUE = ("L1", "L2/3", "L4", "L5", "L6", "hippocampus", "CA", "DG", "striatum")

MARKERS: tuple[Marker, ...] = (
    Marker(
        "cFos",
        "nucleus",
        2300,
        0.13,
        0.42,
        0.42,
        (0.03, 0.30),
        {"L1": 0.3, "L2/3": 1.3, "L4": 1.6, "L5": 0.8, "L6": 0.9, "white matter": 0.1}
        | {"hippocampus": 0.3, "CA": 0.8, "DG": 0.35, "striatum": 0.5},
        {"neuron": 1.0, "granule cell": 0.7, "glia": 0.02},
        dict.fromkeys(_TISSUE, 300.0) | {"L4": 420.0, "DG": 520.0, "CA": 450.0, "white matter": 190.0},
    ),
    Marker(
        "PV",
        "soma",
        3600,
        0.06,
        0.36,
        0.45,
        (0.007, 0.014),
        {"L1": 0.02, "L2/3": 0.8, "L4": 1.2, "L5": 1.2, "L6": 0.7, "white matter": 0.05}
        | {"hippocampus": 0.6, "CA": 0.9, "striatum": 0.5},
        {"neuron": 1.0},
        dict.fromkeys(_TISSUE, 260.0) | {"L4": 520.0, "L5": 430.0, "CA": 640.0, "white matter": 150.0},
    ),
)
"""cFos tells which neurons were active: many in one animal, few in another.  PV marks a rare kind of neuron."""

_CLUSTERING = 0.6


def share_on(marker: Marker, slices: int, animals: int, seed: int) -> NDArray[np.float64]:
    """Share of ON cells of a marker in each slice, float64 (slices,): alike within an animal."""
    rng = np.random.default_rng([seed, 2, MARKERS.index(marker)])
    low, high = marker.share
    # the first and the last reach the ends of the range; one alone lies in the middle
    steps = np.linspace(0.04, 0.96, animals) if animals > 1 else np.array([0.5])
    of_animal = rng.permutation(steps)[np.arange(slices) * animals // slices]
    within = rng.uniform(-0.07, 0.07, slices)
    return np.asarray(low * (high / low) ** np.clip(of_animal + within, 0, 1))


def turned_on(
    marker: Marker,
    share: float,
    codes: NDArray[np.int16],
    region: NDArray[np.uint8],
    y: NDArray[np.float32],
    x: NDArray[np.float32],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Which cells are ON: as many as `share` says, where kind, region and their neighbourhood make it likely."""
    kinds = np.array([marker.kinds.get(kind.name, 0.0) for kind in KINDS])
    patches = smooth_noise((shape[0] // GRID + 1, shape[1] // GRID + 1), 6.0, rng)
    near = patches[(y // GRID).astype(int), (x // GRID).astype(int)]
    weight = kinds[codes] * column(dict(marker.regions))[region] * np.exp(_CLUSTERING * near)
    able = int(np.count_nonzero(weight))
    # The largest of log weight + Gumbel noise: a draw without replacement by weight.
    with np.errstate(divide="ignore"):
        rank = np.log(weight) + rng.gumbel(size=codes.size)
    on = np.zeros(codes.size, bool)
    on[np.argsort(-rank, kind="stable")[: min(round(share * codes.size), able)]] = True
    return on


def content(marker: Marker, on: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """How much of the marker each cell holds, float32 (n,): two log-normal crowds that reach into each other."""
    normal = rng.standard_normal(on.size)
    level = np.where(on, np.exp(marker.spread_on * normal), marker.haze * np.exp(marker.spread_off * normal))
    return level.astype(np.float32)
