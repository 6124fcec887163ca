"""A level: a category set with its labels, looked up by item id, and how many there are of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LabelError
from .categories import CategorySet

__all__ = ["FIRST", "Level", "checked_name"]

#: The level that a project begins with, unless it was told another name.
FIRST = "main"

#: Where more items than this change at once, what was counted by image or group is counted anew.
COUNT_ANEW = 20_000


def checked_name(name: object) -> str:
    """The name of a level, without what is blank around it.

    Raises
    ------
    LabelError
        When no level can be called so.
    """
    text = str(name).strip()
    if not text or len(text) > 80 or not text.isprintable() or "/" in text:
        raise LabelError("A level needs a name of 1 to 80 printable characters without '/'. Choose another.")
    return text


@dataclass
class Level:
    """A category set with its labels and an optional parent.

    Attributes
    ----------
    codes : ndarray of int16
        Category code by item id (0 = *Unknown*); may be shorter than the largest id.
    batches : ndarray of int32
        The journal row that gave each code, by item id; 0 = never labelled.
    t0 : ndarray of float64 or None
        Onset by item id, NaN where there is none; None until one is given.
    tally : ndarray of int64
        Number of items of each category code; kept up to date with every change.
    """

    name: str
    parent: str | None = None
    categories: CategorySet = field(default_factory=CategorySet)
    codes: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    batches: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    t0: NDArray[np.float64] | None = None
    tally: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    _counted: dict[str, _Counted] = field(default_factory=dict, repr=False)

    # ------------------------------------------------------------------ reading

    def codes_of(self, ids: NDArray[np.int64]) -> NDArray[np.int16]:
        """Category codes of items in any order, 0 where unlabelled.

        Parameters
        ----------
        ids : ndarray of int64, shape (n,)

        Returns
        -------
        ndarray of int16, shape (n,)
        """
        return _of(self.codes, ids)

    def batches_of(self, ids: NDArray[np.int64]) -> NDArray[np.int32]:
        """The journal row that labelled each item, as :meth:`codes_of`."""
        return _of(self.batches, ids)

    def codes_in_order(self, ids: NDArray[np.int64]) -> NDArray[np.int16]:
        """As :meth:`codes_of` for distinct ids that ascend, such as those of all items: much quicker without gaps."""
        if len(ids) and int(ids[-1]) - int(ids[0]) == len(ids) - 1:
            known = self.codes[int(ids[0]) : int(ids[-1]) + 1]
            if len(known) == len(ids):
                return known.copy()
            out = np.zeros(len(ids), np.int16)
            out[: len(known)] = known
            return out
        return self.codes_of(ids)

    def counts_by(
        self, what: str, ids: NDArray[np.int64], units: NDArray[np.int32], n: int
    ) -> NDArray[np.int64]:
        """Number of items of each unit and category; counted once, then kept up to date with every change.

        Parameters
        ----------
        what : str
            ``"image"`` or ``"group"``: under which the counts are kept.
        ids : ndarray of int64, shape (m,)
        units : ndarray of int32, shape (m,)
            Number of the unit of each item, -1 for none.  Must not change in place.
        n : int
            How many units there are.

        Returns
        -------
        ndarray of int64, shape (1 + n, codes)
            The first row counts the items without a unit.
        """
        known = self._counted.get(what)
        if known is None or known.units is not units or len(known.counts) != n + 1:
            span = max(int(c.code) for c in self.categories) + 1
            codes = self.codes_in_order(ids)
            span = max(span, int(codes.max(initial=0)) + 1)
            of = np.zeros(int(ids[-1]) + 1 if len(ids) else 0, np.int32)
            of[ids] = units + 1
            counts = np.bincount((units.astype(np.int64) + 1) * span + codes, minlength=(n + 1) * span)
            known = self._counted[what] = _Counted(units, of, counts.reshape(n + 1, span))
        return known.counts.copy()

    # ------------------------------------------------------------------ changing

    def reserve(self, size: int) -> None:
        """Make room for ids below *size*."""
        missing = size - len(self.codes)
        if missing > 0:
            missing = max(missing, len(self.codes) // 4)  # grow in steps, not by one id at a time
            self.codes = np.concatenate([self.codes, np.zeros(missing, np.int16)])
            self.batches = np.concatenate([self.batches, np.zeros(missing, np.int32)])
            if self.t0 is not None:
                self.t0 = np.concatenate([self.t0, np.full(missing, np.nan)])

    def put(
        self, ids: NDArray[np.int64], codes: NDArray[np.int16], batches: NDArray[np.int32] | int,
        t0: NDArray[np.float64] | float,
    ) -> None:  # fmt: skip
        """Set the codes, batches and onsets of items that there is room for.

        Parameters
        ----------
        ids : ndarray of int64, shape (n,)
            Distinct.
        codes : ndarray of int16, shape (n,)
        batches : int or ndarray of int32, shape (n,)
        t0 : float or ndarray of float64, shape (n,)
            NaN for none.
        """
        before = self.codes[ids]
        size = max(len(self.tally), int(codes.max(initial=0)) + 1)
        if size > len(self.tally):
            self.tally = np.pad(self.tally, (0, size - len(self.tally)))
        self.tally += np.bincount(codes, minlength=size) - np.bincount(before, minlength=size)
        if len(ids) > COUNT_ANEW:
            self._counted.clear()
        for what in [name for name, counted in self._counted.items() if not counted.move(ids, before, codes)]:
            del self._counted[what]
        self.codes[ids] = codes
        self.batches[ids] = batches
        if self.t0 is not None:
            self.t0[ids] = t0


def _of(values: NDArray[Any], ids: NDArray[np.int64]) -> NDArray[Any]:
    """Values by item id, 0 for items beyond them.

    Reading never makes room: a reader without the lock would put a copy in place of what is being written.
    """
    if not len(ids) or int(ids.max()) < len(values):
        return values[ids]
    out = np.zeros(len(ids), values.dtype)
    known = ids < len(values)
    out[known] = values[ids[known]]
    return out


@dataclass
class _Counted:
    """Labels counted by unit and category code."""

    units: NDArray[np.int32]
    of: NDArray[np.int32]  # by item id: the unit's number + 1
    counts: NDArray[np.int64]

    def move(self, ids: NDArray[np.int64], before: NDArray[np.int16], after: NDArray[np.int16]) -> bool:
        """Follow a change of labels; False where the items were not known yet."""
        if len(ids) and int(ids.max()) >= len(self.of):
            return False
        missing = int(after.max(initial=0)) + 1 - self.counts.shape[1]
        if missing > 0:
            self.counts = np.pad(self.counts, ((0, 0), (0, missing)))
        units = self.of[ids]
        np.subtract.at(self.counts, (units, before), 1)
        np.add.at(self.counts, (units, after), 1)
        return True
