"""The synthetic tissue as a feature table, without rendering a pixel.

Types, places, marker content, donors and touching neighbours are those of `tissue.generate`; what a
camera and a segmentation would add is drawn directly on the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .biology import MARKERS, TYPES, donor_shift, draw_types, expression, plan_fields

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["FeatureTable", "table"]

# Statistic, then its level over the mean light of the cell, and how much it scatters around that.
_STATISTICS = (
    ("Mean__Cell", 1.0, 0.03),
    ("Median__Cell", 0.93, 0.06),
    ("P25__Cell", 0.65, 0.10),
    ("P75__Cell", 1.25, 0.07),
    ("P95__Cell", 1.8, 0.10),
    ("Max__Cell", 2.3, 0.15),
    ("Std__Cell", 0.48, 0.12),
)
_SHAPES = (
    "Area__Cell",
    "Perimeter__Cell",
    "MajorAxis__Cell",
    "MinorAxis__Cell",
    "Eccentricity__Cell",
    "Solidity__Cell",
    "Orientation__Cell",
    "Area__Eroded",
    "Area__Dilated",
    "NeighbourCount",
)
_NEIGHBOURS = 6
_SEEN = 0.45  # a cell's mean light over the brightness of its stained part
_SPILL = 0.16  # share of a touching neighbour's light that lands inside the cell
_CAMERA_OFFSET = 100.0


@dataclass(frozen=True)
class FeatureTable:
    """Features of many cells with their truth, as plain arrays (n cells, f features).

    Attributes
    ----------
    names : list of str
        Feature names, in the order of the columns; the form of `measure.measure_cells`.
    matrix : float32 array, shape (n, f)
    cell_type : int16 array, shape (n,)
        Index into ``categories``.
    categories : tuple of str
    image, donor : int32 arrays, shape (n,)
        Index into ``images`` and ``donors``.
    images, donors : tuple of str
    cell_id : int64 array, shape (n,)
        1..n within each image.
    y, x : float32 arrays, shape (n,)
        Centres in pixels.
    """

    names: list[str]
    matrix: NDArray[np.float32]
    cell_type: NDArray[np.int16]
    categories: tuple[str, ...]
    image: NDArray[np.int32]
    images: tuple[str, ...]
    donor: NDArray[np.int32]
    donors: tuple[str, ...]
    cell_id: NDArray[np.int64]
    y: NDArray[np.float32]
    x: NDArray[np.float32]

    def to_pandas(self) -> pd.DataFrame:
        """Return ``image, cellID, y, x, donor, cell_type`` and the features, for `Session.import_cells`."""
        import pandas as pd

        about = pd.DataFrame(
            {
                "image": np.array(self.images, dtype=object)[self.image],
                "cellID": self.cell_id,
                "y": self.y,
                "x": self.x,
                "donor": np.array(self.donors, dtype=object)[self.donor],
                "cell_type": np.array(self.categories, dtype=object)[self.cell_type],
            }
        )
        return pd.concat([about, pd.DataFrame(self.matrix, columns=self.names, copy=False)], axis=1)


def table(cells: int = 4000, fields: int | None = None, donors: int = 3, seed: int = 0) -> FeatureTable:
    """Draw the feature table of a tissue: 10 features a marker, shape and neighbour count (150 in all).

    Parameters
    ----------
    cells, fields, donors, seed
        As of `tissue.generate`.  The same seed gives tissue with the same donors, but other cells.

    Returns
    -------
    FeatureTable
        600 bytes a cell; 0.6 GB for a million.

    Raises
    ------
    InputError
        If a field or a donor would stay empty.
    """
    plan = plan_fields(cells, fields, donors)
    names = [
        f"{marker.name}__{statistic}"
        for marker in MARKERS
        for statistic in (
            *(s[0] for s in _STATISTICS),
            "Mean__Eroded",
            "Mean__Dilated",
            "NeighbourMean__Cell",
        )
    ] + list(_SHAPES)
    matrix = np.empty((cells, len(names)), dtype=np.float32)
    cell_type = np.empty(cells, dtype=np.int16)
    image, donor = np.empty(cells, dtype=np.int32), np.empty(cells, dtype=np.int32)
    cell_id = np.empty(cells, dtype=np.int64)
    y, x = np.empty(cells, dtype=np.float32), np.empty(cells, dtype=np.float32)
    start = 0
    for number, (n, of_donor) in enumerate(plan):
        part = slice(start, start + n)
        cell_type[part], y[part], x[part] = _fill(matrix[part], number, of_donor, seed)
        image[part], donor[part] = number, of_donor
        cell_id[part] = np.arange(1, n + 1)
        start += n
    return FeatureTable(
        names,
        matrix,
        cell_type,
        tuple(t.name for t in TYPES),
        image,
        tuple(f"field_{i + 1:03d}" for i in range(len(plan))),
        donor,
        tuple(f"donor_{i + 1}" for i in range(donors)),
        cell_id,
        y,
        x,
    )


def _fill(
    out: NDArray[np.float32], number: int, donor: int, seed: int
) -> tuple[NDArray[np.int16], NDArray[np.float32], NDArray[np.float32]]:
    """Write the features of one field into ``out``; return type codes and centres."""
    from scipy.spatial import cKDTree

    from .layout import niche_map, place_cells, side_for

    n = out.shape[0]
    rng = np.random.default_rng([seed, 2, number])
    shift = donor_shift(seed, donor)
    codes = draw_types(n, rng, shift.tilt)
    side = side_for(codes)
    niche, _ = niche_map(side, rng)
    y, x = place_cells(codes, side, niche, rng)
    order = np.lexsort((x, y))
    codes, y, x = codes[order], y[order], x[order]

    radius = np.array([t.radius for t in TYPES], dtype=np.float32)[codes]
    radius = radius * np.exp(0.10 * rng.standard_normal(n, dtype=np.float32))
    k = min(_NEIGHBOURS, n - 1)
    if k:
        distance, beside = cKDTree(np.column_stack([y, x])).query(np.column_stack([y, x]), k + 1)
        distance, beside = distance[:, 1:].astype(np.float32), beside[:, 1:]
        gap = distance - radius[:, None] - radius[beside]
        touch = np.clip(1 - gap / 4, 0, 1).astype(np.float32)
    else:
        beside, touch = np.zeros((n, 0), dtype=np.int64), np.zeros((n, 0), dtype=np.float32)
    contacts = touch.sum(axis=1)

    bright = np.array([m.brightness for m in MARKERS], dtype=np.float32) * shift.gain * np.float32(_SEEN)
    light = expression(codes, rng) * bright
    glow = 60 * np.exp(0.5 * rng.standard_normal((n, 1), dtype=np.float32))
    glow[rng.random(n) < 0.03] *= 8
    received = np.zeros_like(light)
    for j in range(k):
        received += touch[:, j, None] * light[beside[:, j]]
    around = received / np.maximum(contacts, 1)[:, None]
    # How much leaks depends on each border: the same neighbour is a nuisance here and none there.
    leak = np.float32(_SPILL) * np.exp(0.5 * rng.standard_normal(light.shape, dtype=np.float32))
    dark = glow + shift.offset
    inside = light + np.minimum(leak, 0.6) * received * np.float32(0.5)

    per_marker = out[:, : 10 * len(MARKERS)].reshape(n, len(MARKERS), 10)
    noise = rng.standard_normal((n, len(MARKERS), 10), dtype=np.float32)
    for i, (name, ratio, scatter) in enumerate(_STATISTICS):
        base = inside if name.startswith("Std") else inside + dark / np.float32(ratio)
        value = base * np.float32(ratio) * np.exp(np.float32(scatter) * noise[:, :, i])
        per_marker[:, :, i] = value if name.startswith("Std") else value + np.float32(_CAMERA_OFFSET)
    eroded = 0.8 * light + 0.4 * leak * received * np.float32(0.5) + dark
    dilated = 0.35 * light + 0.55 * around + dark
    per_marker[:, :, 7] = eroded * np.exp(0.08 * noise[:, :, 7]) + _CAMERA_OFFSET
    per_marker[:, :, 8] = dilated * np.exp(0.08 * noise[:, :, 8]) + _CAMERA_OFFSET
    per_marker[:, :, 9] = around + np.where(contacts[:, None] > 0, dark + np.float32(_CAMERA_OFFSET), 0)
    out[:, 10 * len(MARKERS) :] = _shapes(codes, radius, contacts, rng)
    return codes, y, x


def _shapes(
    codes: NDArray[np.int16],
    radius: NDArray[np.float32],
    contacts: NDArray[np.float32],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Columns of `_SHAPES`: lengths in px, areas in px², angle in radians."""
    n = codes.size
    stretch = np.array([t.elongation for t in TYPES], dtype=np.float32)[codes]
    stretch = np.maximum(stretch * np.exp(0.18 * rng.standard_normal(n, dtype=np.float32)), 1.01)
    # Crowded cells are cut by their neighbours.
    area = np.pi * radius**2 * 1.2 * (1 - 0.05 * np.minimum(contacts, 6))
    major = 2 * np.sqrt(area / np.pi * stretch)
    minor = major / stretch
    perimeter = np.pi * (1.5 * (major + minor) / 2 - 0.5 * np.sqrt(major * minor)) * 1.05
    solidity = np.clip(0.95 - 0.02 * np.abs(rng.standard_normal(n)), 0.6, 1)
    columns = (
        area,
        perimeter,
        major,
        minor,
        np.sqrt(1 - 1 / stretch**2),
        solidity,
        rng.uniform(-np.pi / 2, np.pi / 2, n),
        np.pi * np.maximum(radius * 1.1 - 4, 1) ** 2,
        np.pi * ((radius * 1.1 + 8) ** 2 - (radius * 1.1) ** 2),
        np.rint(contacts),
    )
    return np.column_stack(columns).astype(np.float32)
