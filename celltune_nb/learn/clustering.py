"""Groups of similar rows: features made comparable, k-means, and rows spread far apart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scaling", "distances", "kmeans", "one_thread", "spread"]

Rows = NDArray[np.int64]


@contextmanager
def one_thread() -> Iterator[None]:
    """While small matrices are multiplied: threads that wait for one another cost more than they bring."""
    # The limit is the process's: who sets it while another has would restore the other's.
    with _held, _libraries().limit(limits=1, user_api="blas"):
        yield


_held = threading.RLock()


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()  # looking for them takes milliseconds


@dataclass(frozen=True, eq=False)
class Scaling:
    """Features made comparable, without outliers, on at most some number of principal axes.

    Each feature is centred on its median, divided by its interquartile range and cut at ±4; missing
    values become 0.
    """

    known: NDArray[np.bool_]  # features with at least one value
    middle: NDArray[np.float32]
    width: NDArray[np.float32]
    axes: NDArray[np.float32] | None

    @classmethod
    def of(cls, X: NDArray[np.float32], dimensions: int = 50) -> Scaling:
        """Learn it from rows, float32 (n, f) with n at least 1."""
        # quantiles of a part are as good and much cheaper
        part = X[:: max(1, len(X) // 2_000)]
        part = np.where(np.isfinite(part), part, np.float32(np.nan))
        known: NDArray[np.bool_] = np.asarray(np.isfinite(part).any(axis=0))
        part = part[:, known]
        # the same numbers where none is missing, several times quicker
        quantiles = np.percentile if np.isfinite(part).all() else np.nanpercentile
        low, middle, high = quantiles(part, [25, 50, 75], axis=0).astype(np.float32)
        width = high - low
        deviation = np.nanstd(part, axis=0).astype(np.float32)
        width = np.where(width > 1e-6 * (deviation + 1e-30), width, deviation)
        scaling = cls(known, middle, np.where(width > 0, width, 1).astype(np.float32), None)
        if known.sum() <= dimensions:
            return scaling
        _, axes = np.linalg.eigh(np.cov(scaling(X[:: max(1, len(X) // 4_000)]), rowvar=False))
        return cls(known, middle, scaling.width, axes[:, ::-1][:, :dimensions].astype(np.float32))

    def __call__(self, X: NDArray[np.floating]) -> NDArray[np.float32]:
        """Scale rows, float32 (n, dimensions)."""
        Z = (np.asarray(X, np.float32)[:, self.known] - self.middle) / self.width
        Z = np.clip(np.nan_to_num(Z, nan=0.0, posinf=4.0, neginf=-4.0), -4, 4)
        return np.ascontiguousarray(Z if self.axes is None else Z @ self.axes, np.float32)


def kmeans(
    X: NDArray[np.float32], n: int, rng: np.random.Generator, iterations: int = 8
) -> tuple[Rows, NDArray[np.int64]]:
    """Group rows around `n` centres; groups that stay empty are left out.

    Source: k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's iterations.

    Returns
    -------
    nearest : int64 array, shape (groups,)
        The row nearest to each centre.
    label : int64 array, shape (rows,)
        The group of each row, as an index into `nearest`.
    """
    if n >= len(X):
        return np.arange(len(X)), np.arange(len(X))
    square = np.einsum("ij,ij->i", X, X)
    centres = X[spread(X, square, n, rng)]
    label = np.zeros(len(X), np.int64)
    for _ in range(iterations):
        distance = distances(X, square, centres)
        new = distance.argmin(axis=1)
        if (new == label).all():
            break
        label = new
        order = np.argsort(label, kind="stable")
        present, start = np.unique(label[order], return_index=True)
        sums = np.add.reduceat(X[order], start, axis=0)
        centres[present] = sums / np.diff(np.append(start, len(X)))[:, None].astype(np.float32)
    own = distances(X, square, centres)[np.arange(len(X)), label]
    order = np.lexsort((own, label))
    _, start, label = np.unique(label[order], return_index=True, return_inverse=True)
    back = np.empty(len(X), np.int64)
    back[order] = label.reshape(-1)
    return order[start], back


def distances(
    X: NDArray[np.float32], square: NDArray[np.float32], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Squared distances, shape (rows, centres)."""
    product = X @ centres.T
    product *= -2
    product += np.einsum("ij,ij->i", centres, centres)
    product += square[:, None]
    return product


def spread(
    X: NDArray[np.float32],
    square: NDArray[np.float32],
    n: int,
    rng: np.random.Generator,
    weight: NDArray[np.floating] | None = None,
) -> Rows:
    """k-means++ seeding: each next row with probability ∝ its squared distance to those chosen."""
    draws = rng.random(n)
    weight = np.ones(len(X)) if weight is None else np.asarray(weight, np.float64)
    chosen = np.empty(n, np.int64)
    distance = np.full(len(X), np.inf)
    free = np.ones(len(X), bool)
    for i in range(n):
        mass = np.cumsum((weight if i == 0 else distance * weight) * free)
        if mass[-1] <= 0:  # only copies of chosen rows are left
            mass = np.cumsum(free)
        row = min(int(np.searchsorted(mass, draws[i] * mass[-1], side="right")), len(X) - 1)
        chosen[i] = row
        free[row] = False
        to_row = square - 2 * (X @ X[row]) + square[row]
        np.minimum(distance, np.maximum(to_row, 0), out=distance)
    return chosen
