"""What samplers choose from (:class:`Pool`) and what they answer (:class:`Proposal`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, NotReadyError
from .clustering import Scaling

__all__ = ["CANDIDATES", "Pool", "Proposal", "RowsOf"]

CANDIDATES = 10_000  # items scored in a round: more would not change what is chosen, only the waiting


@dataclass(frozen=True, eq=False)
class RowsOf:
    """Some rows of a large matrix, each read when it is asked for.

    Attributes
    ----------
    matrix : float array, shape (N, k)
    positions : int64 array, shape (n,)
    """

    matrix: NDArray[np.floating]
    positions: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """n, k."""
        return (len(self.positions), int(self.matrix.shape[1]))

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.floating]:
        return np.asarray(self.matrix[self.positions[rows]])


@dataclass(frozen=True, eq=False)
class Pool:
    """Items that may be proposed: unlabelled, and not in the audit sample.

    Attributes
    ----------
    ids : int64 array, shape (n,)
    features : callable or None
        Row numbers of the pool, int64 (m,) → float array (m, f); NaN is missing.
    images : int array, shape (n,)
        Code of each item's image.
    groups : array, shape (n,)
        The independent unit of each item.
    y, x : float arrays, shape (n,)
        Centroids in pixels, origin at the centre of pixel 0.
    probabilities : list of float arrays, or of RowsOf, each of shape (n, k)
        One per model; a row of NaN is an item that was not predicted.
    label_counts : int array, shape (k,)
        Labels each category has, in the order of the columns; may be empty.
    categories : tuple of str
        Names of the columns; may be empty.
    labelled : callable or None
        Number m → features of at most so many labelled items, float array (≤ m, f).
    places : callable or None
        Gives image codes, y and x of the labelled items, three arrays of shape (l,).
    """

    ids: NDArray[np.int64]
    features: Callable[[NDArray[np.int64]], NDArray[np.floating]] | None
    images: NDArray[np.integer]
    groups: NDArray[np.generic]
    y: NDArray[np.floating]
    x: NDArray[np.floating]
    probabilities: Sequence[NDArray[np.floating] | RowsOf] = field(default_factory=list)
    label_counts: NDArray[np.integer] = field(default_factory=lambda: np.empty(0, np.int64))
    categories: tuple[str, ...] = ()
    labelled: Callable[[int], NDArray[np.floating]] | None = None
    places: Callable[[], tuple[NDArray[np.integer], NDArray[np.floating], NDArray[np.floating]]] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, rows: NDArray[np.int64]) -> Pool:
        """Some rows of it, int64 (m,), as a pool."""
        given = self.features
        return replace(
            self, ids=self.ids[rows], features=None if given is None else (lambda which: given(rows[which])),
            images=self.images[rows], groups=self.groups[rows], y=self.y[rows], x=self.x[rows],
            probabilities=[
                RowsOf(p.matrix, p.positions[rows]) if isinstance(p, RowsOf) else p[rows] for p in self.probabilities
            ],
        )  # fmt: skip

    def name(self, code: int) -> str:
        """What a probability column is called."""
        return self.categories[code] if code < len(self.categories) else f"category {code + 1}"

    def mean(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Mean of the models' probabilities of some rows, float32 (m, k).

        Raises
        ------
        NotReadyError
            No model has predicted yet.
        """
        if not self.probabilities:
            raise NotReadyError(
                "There are no predictions yet. Train first, or sample by 'clusters' or 'random'."
            )
        total = np.zeros((len(rows), self.probabilities[0].shape[1]), np.float32)
        for p in self.probabilities:
            total += p[rows]
        return total / np.float32(len(self.probabilities))

    def class_weights(self, k: int) -> NDArray[np.float64]:
        """1/√(labels a category has), at most 1, so that a new category is asked for most."""
        counts = np.zeros(k)
        counts[: len(self.label_counts)] = self.label_counts[:k]
        return 1 / np.sqrt(np.maximum(counts, 1))

    def candidates(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """At most 10,000 rows (or 4 × n), drawn at random, ascending."""
        size = max(CANDIDATES, 4 * n)
        if len(self) <= size:
            return np.arange(len(self))
        return np.sort(rng.choice(len(self), size, replace=False, shuffle=False))

    def scaled(self, rows: NDArray[np.int64], dimensions: int = 50) -> NDArray[np.float32]:
        """Features of some rows, comparable and without outliers, at most `dimensions` principal axes.

        See :class:`~celltune_nb.learn.clustering.Scaling`.  Without features the mean probabilities stand in.
        """
        if self.features is None:
            if not self.probabilities:
                raise NotReadyError(
                    "There are no features yet. Measure the items first, or sample by 'random'."
                )
            return np.nan_to_num(self.mean(rows))
        X = np.asarray(self.features(rows), np.float32)
        return Scaling.of(X, dimensions)(X) if len(X) else X

    def propose(
        self,
        rows: NDArray[np.int64],
        score: NDArray[np.floating],
        reason: list[str],
        strategy: str,
        probability: float | NDArray[np.float64],
    ) -> Proposal:
        """Wrap chosen rows."""
        return Proposal(
            self.ids[rows],
            np.asarray(score, np.float32),
            tuple(reason),
            np.broadcast_to(np.asarray(probability, np.float64), (len(rows),)).copy(),
            strategy,
        )


@dataclass(frozen=True, eq=False)
class Proposal:
    """Items worth labelling, the most worthwhile first.

    Attributes
    ----------
    ids : int64 array, shape (m,)
    score : float32 array, shape (m,)
        What the strategy ranked by; comparable within one proposal.
    reason : tuple of str
        Why each was chosen, for the person who labels it.
    probability : float64 array, shape (m,)
        Selection probability: exact for random and audit samples.  Strategies that rank choose with
        certainty among the candidates they scored, so theirs is the candidates' share of the pool.  NaN
        where nobody knows it: what a clustering or a random place on an image has chosen.
    strategy : str
    """

    ids: NDArray[np.int64]
    score: NDArray[np.float32]
    reason: tuple[str, ...]
    probability: NDArray[np.float64]
    strategy: str

    def __len__(self) -> int:
        return len(self.ids)


def check_size(n: int) -> None:
    """Refuse to propose nothing."""
    if n < 1:
        raise InputError(f"{n} items were asked for. Ask for at least 1.")
