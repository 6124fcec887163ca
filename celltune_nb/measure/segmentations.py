"""Two segmentations of one image: which cells are the same, which were split, merged or lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fate", "Overlaps", "fates", "overlaps"]

#: Rows of masks that are compared at once.
STRIP = 512

Fate = Literal["carried", "merged", "split", "lost"]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """The pixels that cells of two masks share.

    Attributes
    ----------
    old, new : ndarray of int64, shape (m,)
        Numbers of two cells that share pixels, from 0.
    pixels : ndarray of int64, shape (m,)
        How many they share.
    old_area, new_area : ndarray of int64, shape (a,), (b,)
        Pixels of each cell.
    """

    old: NDArray[np.int64]
    new: NDArray[np.int64]
    pixels: NDArray[np.int64]
    old_area: NDArray[np.int64]
    new_area: NDArray[np.int64]

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair."""
        return self.pixels / (self.old_area[self.old] + self.new_area[self.new] - self.pixels)

    @property
    def covered(self) -> NDArray[np.float64]:
        """What part of the old cell the new one covers, of each pair."""
        return self.pixels / self.old_area[self.old]


def overlaps(old: Any, new: Any, n_old: int, n_new: int) -> Overlaps:
    """Compare two masks of one image, some rows at a time.

    Parameters
    ----------
    old, new : arrays of int, shape (Y, X)
        Cells numbered from 1, without gaps; 0 is background.
    n_old, n_new : int
        How many cells each has.
    """
    span = n_new + 1
    keys, counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, old.shape[0], STRIP):
        rows = slice(start, min(start + STRIP, old.shape[0]))
        pair = np.asarray(old[rows]).astype(np.int64) * span + np.asarray(new[rows])
        flat = pair.ravel()
        # Neighbours are mostly of the same two cells: few pairs are left to sort.
        starts = np.flatnonzero(np.diff(flat, prepend=flat[:1] - 1))
        lengths = np.diff(starts, append=len(flat))
        key, place = np.unique(flat[starts], return_inverse=True)
        keys.append(key)
        counts.append(np.bincount(place, lengths, len(key)).astype(np.int64))
    every, place = np.unique(np.concatenate(keys), return_inverse=True)
    pixels = np.bincount(place, np.concatenate(counts), len(every)).astype(np.int64)
    a, b = every // span, every % span
    old_area = np.bincount(a, pixels, n_old + 1).astype(np.int64)[1:]
    new_area = np.bincount(b, pixels, span).astype(np.int64)[1:]
    both = (a > 0) & (b > 0)
    return Overlaps(a[both] - 1, b[both] - 1, pixels[both], old_area, new_area)


def fates(
    found: Overlaps, minimum: float, by: Literal["covered", "iou"] = "covered"
) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """What became of each old cell.

    Pairs are joined one to one, those of the largest intersection over union first, as far as they reach the minimum.

    Parameters
    ----------
    found : Overlaps
    minimum : float
        Least part of the old cell that the new one has to cover, or least intersection over union.
    by : {"covered", "iou"}

    Returns
    -------
    partner : ndarray of int64, shape (a,)
        The new cell of each old one; for a merged one the cell it became part of; -1 for none.
    fate : ndarray of str, shape (a,)
        ``carried``: it has a cell of its own; ``merged``: the cell that covers it is another one's; ``split``: several
        cells together cover the minimum, none alone; ``lost``: not even together.
    """
    measure = found.covered if by == "covered" else found.iou
    good = np.flatnonzero(measure >= minimum)
    good = good[np.argsort(-found.iou[good], kind="stable")]
    a, b = len(found.old_area), len(found.new_area)
    partner, taken = np.full(a, -1, np.int64), np.zeros(b, bool)
    fate = np.full(a, "lost", object)
    together = np.bincount(found.old, found.pixels, a)
    pieces = np.bincount(found.old, minlength=a)
    fate[(together >= minimum * found.old_area) & (pieces > 1)] = "split"
    for old, new in zip(found.old[good].tolist(), found.new[good].tolist(), strict=True):
        if fate[old] == "carried":
            continue
        if not taken[new]:
            taken[new], partner[old], fate[old] = True, new, "carried"
        elif fate[old] != "merged":
            partner[old], fate[old] = new, "merged"
    return partner, fate
