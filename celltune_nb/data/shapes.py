"""Shapes drawn on an image: which points lie inside, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gates import in_polygon

__all__ = ["Shape", "label_areas", "label_at", "reduced_by"]

POINTS = 1_000_000
"""Points at which the size of a shape is measured: to about one in a thousand."""
BLOCK = 1024
"""Rows of a label image that are read at once."""


@dataclass(frozen=True)
class Shape:
    """A rectangle or polygon with a name.

    Attributes
    ----------
    name : str
    kind : {"rectangle", "polygon"}
    corners : tuple of (y, x)
        In pixels; two opposite ones of a rectangle, which is half-open.
    """

    name: str
    kind: str
    corners: tuple[tuple[float, float], ...]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """y0, x0, y1, x1."""
        y, x = zip(*self.corners, strict=True)
        return min(y), min(x), max(y), max(x)

    def inside(self, y: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which points lie in it, shape (n,)."""
        if self.kind == "rectangle":
            y0, x0, y1, x1 = self.bounds
            return np.asarray((y >= y0) & (y < y1) & (x >= x0) & (x < x1))
        return in_polygon(x, y, [(b, a) for a, b in self.corners])

    def area(self, shape: tuple[int, int] | None, later: Sequence[Shape] = ()) -> float:
        """Square pixels of it that lie on the image and in none of the *later* shapes."""
        y0, x0, y1, x1 = self.bounds
        if shape is not None:
            y0, x0, y1, x1 = max(y0, 0.0), max(x0, 0.0), min(y1, shape[0]), min(x1, shape[1])
        if y1 <= y0 or x1 <= x0:
            return 0.0
        over = [other for other in later if _meet(self.bounds, other.bounds)]
        if self.kind == "rectangle" and not over:
            return float((y1 - y0) * (x1 - x0))
        # The middles of as many equal tiles.
        rows = int(np.clip(np.sqrt(POINTS * (y1 - y0) / (x1 - x0)), 1, POINTS))
        columns = max(1, POINTS // rows)
        y = np.repeat(y0 + (np.arange(rows) + 0.5) * (y1 - y0) / rows, columns)
        x = np.tile(x0 + (np.arange(columns) + 0.5) * (x1 - x0) / columns, rows)
        found = self.inside(y, x)
        for other in over:
            found &= ~other.inside(y, x)
        return float((y1 - y0) * (x1 - x0) * np.count_nonzero(found) / len(found))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "kind": self.kind, "corners": [list(c) for c in self.corners]}


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# ---------------------------------------------------------------------- label images


def reduced_by(labels: tuple[int, ...], image: tuple[int, int]) -> int | None:
    """By how much a label image is smaller than its image, 1 for as large; None where it does not fit."""
    for factor in range(1, 129):
        if tuple(-(-n // factor) for n in image) == tuple(labels):
            return factor
    return None


def label_at(labels: Any, factor: int, y: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.int64]:
    """The label under each point, read in blocks of rows."""
    rows, columns = labels.shape
    place = np.clip(np.floor((y + 0.5) / factor).astype(np.int64), 0, rows - 1)
    across = np.clip(np.floor((x + 0.5) / factor).astype(np.int64), 0, columns - 1)
    found = np.zeros(len(y), np.int64)
    for start in range(0, rows, BLOCK):
        here = np.flatnonzero((place >= start) & (place < start + BLOCK))
        if len(here):
            block = np.asarray(labels[start : start + BLOCK])
            found[here] = block[place[here] - start, across[here]]
    return found


def label_areas(labels: Any, factor: int, image: tuple[int, int], most: int) -> dict[int, float]:
    """Square pixels of the image under each label but 0; stops counting past *most* labels."""
    rows, columns = labels.shape
    tall = np.minimum(factor, image[0] - factor * np.arange(rows)).astype(np.float64)
    wide = np.minimum(factor, image[1] - factor * np.arange(columns)).astype(np.float64)
    found: dict[int, float] = {}
    for start in range(0, rows, BLOCK):
        block = np.asarray(labels[start : start + BLOCK])
        values, place = np.unique(block, return_inverse=True)
        size = np.bincount(place.reshape(-1), np.outer(tall[start : start + len(block)], wide).reshape(-1))
        for value, area in zip(values.tolist(), size.tolist(), strict=True):
            if value:
                found[int(value)] = found.get(int(value), 0.0) + area
        if len(found) > most:
            break
    return found
