"""What the cells of the synthetic tissue are: types, where they live, which markers they carry.

The numbers are chosen, not fitted: frequencies, sizes and marker combinations of a carcinoma with
lymphoid infiltrate as multiplexed imaging panels describe it, with enough overlap that a classifier errs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = [
    "CELLS_PER_FIELD",
    "MARKERS",
    "NICHES",
    "TYPES",
    "CellType",
    "DonorShift",
    "Marker",
    "donor_shift",
    "draw_types",
    "expression",
    "frequencies",
    "plan_fields",
]

CELLS_PER_FIELD = 4000
"""Above this many cells a field, the default number of fields grows instead."""

NICHES = ("stroma", "tumour nest", "follicle", "vessel")


@dataclass(frozen=True)
class Marker:
    """A stained protein: where in the cell it sits and how bright a clearly positive cell is.

    ``brightness`` is in camera counts (uint16) above the background, ``haze`` the level of a negative cell
    relative to that.
    """

    name: str
    place: Literal["nucleus", "membrane", "cytoplasm"]
    brightness: float
    haze: float


MARKERS: tuple[Marker, ...] = (
    Marker("DAPI", "nucleus", 9000, 0.9),
    Marker("CD45", "membrane", 2600, 0.06),
    Marker("CD3", "membrane", 2200, 0.07),
    Marker("CD4", "membrane", 1300, 0.10),
    Marker("CD8", "membrane", 2400, 0.06),
    Marker("CD20", "membrane", 3000, 0.05),
    Marker("CD68", "cytoplasm", 1900, 0.09),
    Marker("CD163", "membrane", 1500, 0.08),
    Marker("CD11c", "membrane", 1200, 0.10),
    Marker("PanCK", "cytoplasm", 5200, 0.03),
    Marker("CD31", "membrane", 1800, 0.07),
    Marker("Vimentin", "cytoplasm", 3000, 0.08),
    Marker("FOXP3", "nucleus", 900, 0.12),
    Marker("Ki67", "nucleus", 2400, 0.05),
)


@dataclass(frozen=True)
class CellType:
    """A cell type: frequency, size (equivalent radius, pixels of 0.5 µm), marker levels (1 = bright).

    ``niches`` are relative densities in the order of `NICHES`.
    """

    name: str
    frequency: float
    radius: float
    elongation: float
    nucleus: float
    niches: tuple[float, float, float, float]
    levels: Mapping[str, float] = field(default_factory=dict)
    cycling: float = 0.05


_T = {"CD45": 1.0, "CD3": 1.0, "Vimentin": 0.25}

TYPES: tuple[CellType, ...] = (
    CellType("Tumour", 0.28, 9.6, 1.2, 0.66, (0.01, 1.0, 0.0, 0.0), {"PanCK": 1.0, "Vimentin": 0.08}, 0.30),
    CellType("Stroma", 0.19, 8.2, 2.2, 0.50, (1.0, 0.05, 0.08, 0.35), {"Vimentin": 0.8}, 0.03),
    CellType("CD4T", 0.15, 6.6, 1.1, 0.80, (0.5, 0.06, 0.7, 0.4), _T | {"CD4": 1.0}, 0.06),
    CellType(
        "Bcell", 0.12, 6.6, 1.1, 0.80, (0.06, 0.0, 1.0, 0.04), {"CD45": 0.9, "CD20": 1.0, "CD11c": 0.12}, 0.25
    ),
    CellType("CD8T", 0.10, 6.7, 1.1, 0.80, (0.5, 0.25, 0.25, 0.3), _T | {"CD8": 1.0}, 0.10),
    CellType(
        "Macrophage",
        0.09,
        8.8,
        1.35,
        0.55,
        (0.8, 0.25, 0.12, 0.3),
        {"CD45": 0.55, "CD68": 1.0, "CD163": 0.8, "CD4": 0.35, "CD11c": 0.3, "Vimentin": 0.5},
        0.04,
    ),
    CellType(
        "Endothelial", 0.05, 7.6, 2.4, 0.50, (0.03, 0.02, 0.03, 1.0), {"CD31": 1.0, "Vimentin": 0.6}, 0.04
    ),
    CellType("Treg", 0.012, 6.7, 1.1, 0.80, (0.5, 0.2, 0.4, 0.2), _T | {"CD4": 0.9, "FOXP3": 1.0}, 0.10),
    CellType(
        "Dendritic",
        0.008,
        8.0,
        1.5,
        0.60,
        (0.4, 0.1, 0.7, 0.2),
        {"CD45": 0.8, "CD11c": 1.0, "CD4": 0.25, "CD68": 0.2, "Vimentin": 0.5},
        0.05,
    ),
)

_SPREAD_POSITIVE = 0.50
_SPREAD_HAZE = 0.45
_SPREAD_CELL = 0.22
_DROPOUT = 0.05
_DONOR_GAIN = 0.22


def frequencies() -> NDArray[np.float64]:
    """Expected share of each of `TYPES`; sums to 1."""
    share = np.array([t.frequency for t in TYPES])
    return share / share.sum()


def plan_fields(cells: int, fields: int | None, donors: int) -> list[tuple[int, int]]:
    """Cells and donor number of each field of view; donors are dealt in turn.

    Raises
    ------
    InputError
        If a field or a donor would stay empty.
    """
    if cells < 1 or donors < 1 or (fields is not None and fields < 1):
        raise InputError(
            f"A tissue of {cells} cells in {fields} fields from {donors} donors cannot be made. "
            "Give at least one of each."
        )
    count = min(cells, max(6, donors, -(-cells // CELLS_PER_FIELD))) if fields is None else fields
    if count > cells or donors > count:
        raise InputError(
            f"{cells} cells in {count} fields from {donors} donors: some would stay empty. "
            "Give at least as many cells as fields and as many fields as donors."
        )
    share = [cells // count + (i < cells % count) for i in range(count)]
    return [(n, i % donors) for i, n in enumerate(share)]


def draw_types(
    n: int, rng: np.random.Generator, tilt: NDArray[np.float64] | None = None
) -> NDArray[np.int16]:
    """Type codes (index into `TYPES`) of ``n`` cells.

    Every type gets its expected number, rounded at random, so that a small field is not left without the
    rare ones by bad luck more often than its size asks for.  ``tilt`` multiplies the frequencies.
    """
    share = frequencies() * (1.0 if tilt is None else tilt)
    expected = share / share.sum() * n
    counts = np.floor(expected).astype(int)
    rest = expected - counts
    missing = n - int(counts.sum())
    if missing:
        extra = rng.choice(len(TYPES), size=missing, replace=False, p=rest / rest.sum())
        counts[extra] += 1
    codes = np.repeat(np.arange(len(TYPES), dtype=np.int16), counts)
    rng.shuffle(codes)
    return codes


def expression(codes: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.float32]:
    """Marker content of each cell, float32 (n, markers); 1 = a typical bright cell.

    Levels vary continuously (log-normal), so weak positives reach into the negatives; some stains drop
    out; subsets carry a marker that their type does not need (activated, cycling, M2-like cells).
    """
    n = codes.size
    names = [m.name for m in MARKERS]
    levels = np.zeros((len(TYPES), len(MARKERS)), dtype=np.float32)
    for row, kind in enumerate(TYPES):
        for name, value in kind.levels.items():
            levels[row, names.index(name)] = value

    normal = rng.standard_normal((n, len(MARKERS)), dtype=np.float32)
    positive = levels[codes] * np.exp(_SPREAD_POSITIVE * normal)
    positive[rng.random((n, len(MARKERS)), dtype=np.float32) < _DROPOUT] *= 0.2

    by_name = {name: i for i, name in enumerate(names)}
    kind_of = {t.name: i for i, t in enumerate(TYPES)}
    # Macrophages form a continuum from CD163-low to CD163-high.
    macrophage = codes == kind_of["Macrophage"]
    positive[macrophage, by_name["CD163"]] *= (
        rng.beta(0.8, 0.8, int(macrophage.sum())).astype(np.float32) * 1.6
    )
    # Activated conventional T cells express some FOXP3: the classical confusion with Treg.
    helper = codes == kind_of["CD4T"]
    activated = helper & (rng.random(n) < 0.10)
    positive[activated, by_name["FOXP3"]] += rng.gamma(2.0, 0.12, int(activated.sum())).astype(np.float32)
    # Tumour cells in transition lose keratin and gain vimentin.
    tumour = codes == kind_of["Tumour"]
    shift = tumour & (rng.random(n) < 0.08)
    positive[shift, by_name["PanCK"]] *= 0.15
    positive[shift, by_name["Vimentin"]] += 0.45
    cycling = np.array([t.cycling for t in TYPES])[codes] > rng.random(n)
    positive[cycling, by_name["Ki67"]] += rng.gamma(4.0, 0.25, int(cycling.sum())).astype(np.float32)

    haze = np.array([m.haze for m in MARKERS], dtype=np.float32)
    low = haze * np.exp(_SPREAD_HAZE * rng.standard_normal((n, len(MARKERS)), dtype=np.float32))
    thickness = np.exp(_SPREAD_CELL * rng.standard_normal((n, 1), dtype=np.float32))
    return np.asarray((positive + low) * thickness, dtype=np.float32)


@dataclass(frozen=True)
class DonorShift:
    """Batch effect of a donor: staining gain, background offset (counts) per marker; taste for types."""

    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    tilt: NDArray[np.float64]


def donor_shift(seed: int, donor: int) -> DonorShift:
    """Return the batch effect of donor number ``donor``: the same for the same seed, whatever is asked first."""
    rng = np.random.default_rng([seed, 1, donor])
    gain = np.exp(_DONOR_GAIN * rng.standard_normal(len(MARKERS))).astype(np.float32)
    offset = rng.uniform(80, 240, len(MARKERS)).astype(np.float32)
    tilt = np.exp(0.15 * rng.standard_normal(len(TYPES)))
    # the rare types stay rare in every donor
    tilt[frequencies() < 0.02] = 1.0
    return DonorShift(gain, offset, tilt)
