"""What counting works out, kept for as long as what it rests on stays: a label of one cell must not cost the whole study.

Two things take time.  The *fit* rests on the audit and the models alone.  The *moments*, mean and variance of the number of
positive cells in every draw, are worked out for the cells of one slice (animal, region) at a time, a block; they rest on
the fit and on how many cells of each kind the block has, so that a label changes those of one block.  Blocks are added up
in the same order whether they were kept or not: a count does not depend on what was counted before.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..learn.counting import Model, Units
    from .session import Session

__all__ = ["Kinds", "Memory", "counted", "memory_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FITS, BYTES = 16, 48 << 20
"""Fits that are kept, and the memory that blocks may take."""
PART = 20_000
"""Kinds of cells that are worked out at once: bounds the memory."""
_SEEN: WeakKeyDictionary[Session, Memory] = WeakKeyDictionary()
_MAKING = threading.Lock()


def memory_of(session: Session) -> Memory:
    """What was kept of a session's counts."""
    with _MAKING:
        return _SEEN.setdefault(session, Memory())


class Kinds:
    """Cells of which nothing but their kind matters, the kinds of a block one after the other.

    Parameters
    ----------
    columns : list of int64 arrays, each of shape (n,)
        Of every cell: its domain, its units, then for each marker its bin.
    cut : int
        How many columns are domain and units; cells that are alike in these are a block.

    Attributes
    ----------
    rows : int64 array, shape (m, columns)
        The different kinds, in ascending order.
    cells : int64 array, shape (m,)
        How many there are of each.
    starts : int64 array, shape (blocks + 1,)
    cut : int
    """

    def __init__(self, columns: list[Ints], cut: int) -> None:
        self.rows, self.cells = counted(columns)
        self.cut = cut
        head = self.rows[:, :cut]
        new = np.ones(len(head), bool)
        new[1:] = (head[1:] != head[:-1]).any(axis=1)
        self.starts: Ints = np.append(np.flatnonzero(new), len(head)).astype(np.int64)

    def keys(self, what: bytes) -> list[bytes]:
        """A name for each block: its units, kinds and numbers of cells, and *what* is asked; not its domain."""
        plain = np.ascontiguousarray(np.column_stack([self.rows[:, 1:], self.cells]))
        return [
            hashlib.blake2b(plain[a:b].tobytes(), key=what, digest_size=20).digest()
            for a, b in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
        ]


class Memory:
    """Fits and moments that were worked out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fits: OrderedDict[bytes, Model] = OrderedDict()
        self._blocks: OrderedDict[bytes, tuple[Floats, Floats]] = OrderedDict()
        self._bytes = 0
        #: How many fits and blocks had to be worked out.
        self.fitted = self.worked_out = 0

    def fit(
        self, scores: NDArray[np.floating], called: NDArray[np.bool_], truth: NDArray[np.bool_], weights: Floats, units: Units, seed: int
    ) -> tuple[bytes, Model]:  # fmt: skip
        """:func:`celltune_nb.learn.counting.fit`, once for the same audit; with a name of it."""
        from ..learn.counting import fit

        known = hashlib.blake2b(repr((seed, units.sizes, len(truth))).encode(), digest_size=32)
        for values in (scores, called, truth, weights, *units.codes):
            known.update(np.ascontiguousarray(values).tobytes())
        key = known.digest()
        with self._lock:
            found = self._fits.get(key)
            if found is not None:
                self._fits.move_to_end(key)
                return key, found
        made = fit(scores, called, truth, weights, units, seed=seed)
        with self._lock:
            self.fitted += 1
            self._fits[key] = made
            while len(self._fits) > FITS:
                self._fits.popitem(last=False)
        return key, made

    def moments(
        self, kinds: Kinds, fits: Sequence[tuple[bytes, Model]], signs: Sequence[bool], middle: Floats, sizes: tuple[int, ...]
    ) -> tuple[Floats, Floats, Ints]:  # fmt: skip
        """Mean and variance of the positive cells of every block, (blocks, draws), and each block's domain.

        Parameters
        ----------
        fits, signs : sequences
            Of each marker: what :meth:`fit` gave, and whether its positive cells are asked for.
        middle : float array
            Middle of the bins.
        sizes : tuple of int
            Of the units.
        """
        what = hashlib.blake2b(b"".join(key for key, _ in fits) + bytes(signs), digest_size=32).digest()
        keys = kinds.keys(what)
        draws = fits[0][1].fixed.shape[1]
        mean, variance = np.empty((len(keys), draws)), np.empty((len(keys), draws))
        missing = []
        with self._lock:
            for i, key in enumerate(keys):
                found = self._blocks.get(key)
                if found is None:
                    missing.append(i)
                else:
                    self._blocks.move_to_end(key)
                    mean[i], variance[i] = found
        models = [model for _, model in fits]
        for some in _batches(kinds, missing):
            mean[some], variance[some] = _worked_out(kinds, some, models, signs, middle, sizes)
        self._keep(keys, missing, mean, variance)
        return mean, variance, kinds.rows[kinds.starts[:-1], 0]

    def _keep(self, keys: list[bytes], missing: list[int], mean: Floats, variance: Floats) -> None:
        with self._lock:
            self.worked_out += len(missing)
            if mean.nbytes + variance.nbytes > BYTES:
                return  # each count would push out what it needs itself
            for i in missing:
                if keys[i] not in self._blocks:
                    self._blocks[keys[i]] = kept = (mean[i].copy(), variance[i].copy())
                    self._bytes += kept[0].nbytes + kept[1].nbytes
            while self._bytes > BYTES:
                _, gone = self._blocks.popitem(last=False)
                self._bytes -= gone[0].nbytes + gone[1].nbytes


def _batches(kinds: Kinds, missing: list[int]) -> Iterator[list[int]]:
    """Blocks that are worked out together; one of very many kinds by itself."""
    batch, size = list[int](), 0
    for i in missing:
        n = int(kinds.starts[i + 1] - kinds.starts[i])
        if batch and size + n > PART:
            yield batch
            batch, size = [], 0
        batch.append(i)
        size += n
    if batch:
        yield batch


def _worked_out(
    kinds: Kinds, some: list[int], models: Sequence[Model], signs: Sequence[bool], middle: Floats, sizes: tuple[int, ...]
) -> tuple[Floats, Floats]:  # fmt: skip
    from scipy.sparse import csr_matrix

    from ..learn.counting import Units

    spans = [(int(kinds.starts[i]), int(kinds.starts[i + 1])) for i in some]
    rows = np.concatenate([np.arange(a, b) for a, b in spans])
    block = np.repeat(np.arange(len(some)), [b - a for a, b in spans])
    draws = models[0].fixed.shape[1]
    mean, variance = np.zeros((len(some), draws)), np.zeros((len(some), draws))
    for start in range(0, len(rows), PART):
        here, of_block = kinds.rows[rows[start : start + PART]], block[start : start + PART]
        units = Units([here[:, 1 + i] for i in range(len(sizes))], sizes)
        whole = np.ones((len(here), draws))
        for i, (model, on) in enumerate(zip(models, signs, strict=True)):
            place = here[:, kinds.cut + i]
            unsure = np.flatnonzero(place < 2 * len(middle))  # the last one: the answer is known by a label
            p = model.probability(
                middle[place[unsure] // 2], (place[unsure] % 2).astype(np.float64), units.part(unsure)
            )
            whole[unsure] *= p if on else 1 - p
        cells = kinds.cells[rows[start : start + PART]].astype(np.float64)
        adding = csr_matrix((cells, (of_block, np.arange(len(here)))), shape=(len(some), len(here)))
        mean += adding @ whole
        variance += adding @ (whole * (1 - whole))
    return mean, variance


def counted(columns: list[Ints]) -> tuple[Ints, Ints]:
    """The different rows of some columns of whole numbers, in ascending order, and how often each occurs."""
    low = [int(c.min(initial=0)) for c in columns]
    span = [int(c.max(initial=0)) - a + 1 for c, a in zip(columns, low, strict=True)]
    if float(np.prod(np.array(span, np.float64))) >= 2**62:
        kinds, cells = np.unique(np.column_stack(columns), axis=0, return_counts=True)
        return kinds, cells
    number = np.zeros(len(columns[0]), np.int64)
    for column, a, size in zip(columns, low, span, strict=True):
        number = number * size + (column - a)
    number.sort()
    first = np.flatnonzero(np.append(True, number[1:] != number[:-1])[: len(number)])
    cells = np.diff(np.append(first, len(number)))
    rest: Any = number[first]
    found = []
    for a, size in zip(reversed(low), reversed(span), strict=True):
        rest, value = np.divmod(rest, size)
        found.append(value + a)
    return np.column_stack(found[::-1]), cells
