"""Which items took the place of others: a new segmentation gives new ids, and no id is ever given twice."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError

__all__ = ["Lineage", "packed", "unpacked"]

Ids = NDArray[np.int64]


def packed(ids: Ids) -> str:
    """Ids in any order as text, for the detail of a journal row."""
    return base64.b85encode(zlib.compress(ids.astype("<i8").tobytes(), 6)).decode("ascii")


def unpacked(text: Any, n: int) -> Ids:
    """The *n* ids that :func:`packed` put away.

    Raises
    ------
    FormatError
        When it is something else.
    """
    try:
        tool = zlib.decompressobj()
        held = tool.decompress(base64.b85decode(str(text)), 8 * n + 1)  # no more memory than they take
        ids = np.frombuffer(held, "<i8").astype(np.int64)
    except (ValueError, binascii.Error, zlib.error) as error:
        raise FormatError(
            f"A journal row is damaged ({error}). Restore labels.sqlite from a backup."
        ) from error
    if len(ids) != n:
        raise FormatError(
            "A journal row holds another number of ids than it says. Restore labels.sqlite from a backup."
        )
    return ids


class Lineage:
    """The items that are gone, and for each the one that took its place.

    Attributes
    ----------
    gone : ndarray of int64, shape (n,), ascending
        Ids that are no items any more.
    into : ndarray of int64, shape (n,)
        The item that each became, which may be gone by now too; 0 where there is none.
    marks : list of str
        Of each replacement of a mask, oldest first: what ``project.json`` calls it.
    """

    def __init__(self) -> None:
        self.gone: Ids = np.empty(0, np.int64)
        self.into: Ids = np.empty(0, np.int64)
        self.marks: list[str] = []
        self._back: tuple[Ids, Ids] | None = None

    def __len__(self) -> int:
        return len(self.gone)

    def add(self, ids: Ids, into: Ids, mark: str) -> None:
        """Items are gone from now on.

        Parameters
        ----------
        ids : ndarray of int64, shape (n,)
        into : ndarray of int64, shape (n,)
            Distinct apart from 0.
        """
        gone, into = np.concatenate([self.gone, ids]), np.concatenate([self.into, into])
        order = np.argsort(gone, kind="stable")
        self.gone, self.into, self._back = gone[order], into[order], None
        self.marks = [*self.marks, mark]

    def living(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of some ids are not gone."""
        return ~_found(self.gone, ids)[1]

    def now(self, ids: Ids) -> Ids:
        """What has become of each of some items by now: itself, another, or 0 for none."""
        out = np.array(ids, np.int64)
        if not len(self.gone):
            return out
        while True:
            places, hit = _found(self.gone, out)
            if not hit.any():
                return out
            out[hit] = self.into[places[hit]]

    def before(self, ids: Ids, known: Callable[[Ids], NDArray[np.bool_]]) -> Ids:
        """Each item, or the newest of those before it that is known; 0 where none is.

        Parameters
        ----------
        known : callable
            Says which of some ids are.
        """
        out = np.array(ids, np.int64)
        if self._back is None:
            some = np.flatnonzero(self.into)
            some = some[np.argsort(self.into[some], kind="stable")]
            self._back = self.into[some], self.gone[some]
        children, parents = self._back
        todo = np.flatnonzero(~known(out))
        while len(todo):
            places, hit = _found(children, out[todo])
            former = np.zeros(len(todo), np.int64)
            former[hit] = parents[places[hit]]
            out[todo] = former
            todo = todo[former > 0]
            todo = todo[~known(out[todo])]
        return out


def _found(known: Ids, wanted: Ids) -> tuple[Ids, NDArray[np.bool_]]:
    """Places in an ascending array, and which of them are right."""
    if not len(known):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return places, known[places] == wanted
