"""Maps of rows in two dimensions: by principal axes, or by UMAP on a sample with all others put beside it."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ["NEIGHBOURS", "PLACED_BY", "Beside", "plane", "umap_places"]

#: Neighbours that the map keeps together: UMAP's own default, which scanpy takes as well.
NEIGHBOURS = 15
#: Sampled rows whose places give the place of another.
PLACED_BY = 10

Told = Callable[[float, float | None], object]


def plane(Z: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What puts rows on the two principal axes of others, float32 (n, d) → (n, 2)."""
    middle = Z.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(Z, rowvar=False))
    two = axes[:, ::-1][:, :2].astype(np.float32)
    return lambda rows: np.asarray((rows - middle) @ two, np.float32)


def umap_places(Z: NDArray[np.float32], seed: int, told: Told) -> NDArray[np.float32]:
    """Places of rows such that neighbours stay neighbours; the same rows and seed give the same places.

    Source: UMAP (McInnes, Healy and Melville 2018), by umap-learn, with its defaults.  The neighbours are exact, by
    scikit-learn: for some ten thousand rows that takes less time than to compile what looks for them roughly.

    Parameters
    ----------
    Z : float32 array, shape (n, d)
        Rows made comparable.
    seed : int
    told : callable
        Is told the part done and the seconds left (None: not known yet); what it raises ends the work.

    Returns
    -------
    float32 array, shape (n, 2)

    Raises
    ------
    InputError
        When umap-learn is not installed.
    """
    with warnings.catch_warnings():
        # It warns that its TensorFlow part is missing, that a seed means one thread, and that no more rows can be added.
        warnings.simplefilter("ignore")
        try:
            from umap import UMAP
        except ImportError as error:
            raise InputError(
                "A UMAP needs the package umap-learn (2 MB). Install it: pip install 'celltune-nb[umap]', then repeat; "
                "or map along the principal axes: method='pca'."
            ) from error
        told(0.0, None)
        n = min(NEIGHBOURS, len(Z) - 1)
        near, distance = _nearest(Z, Z, n)
        listener = _Epochs(told)
        try:
            made = UMAP(
                n_neighbors=n, random_state=seed % 2**32, n_jobs=1, precomputed_knn=(near, distance), init="spectral" if len(Z) > 100 else "random",
                tqdm_kwds={"file": listener, "disable": False, "mininterval": 0.1, "bar_format": "{n_fmt}/{total_fmt}"},
            ).fit_transform(Z)  # fmt: skip
        finally:
            listener.unlock()
    return np.asarray(made, np.float32)


class _Epochs:
    """A file that umap-learn writes its progress into: it has no other way to tell it, or to be ended."""

    def __init__(self, told: Told) -> None:
        self._told, self._began, self._ended = told, 0.0, False
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        found = re.search(r"(\d+)/(\d+)", text)
        # Closing the bar writes once more; and what watches over all bars may write from a thread of its own.
        if found is None or self._ended or threading.get_ident() != self._thread:
            return len(text)
        done, of = int(found[1]), max(int(found[2]), 1)
        self._began = self._began or time.monotonic()
        left = (time.monotonic() - self._began) / done * (of - done) if done else None
        try:
            self._told(done / of, left)
        except BaseException:
            self._ended = True
            raise
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""

    def unlock(self) -> None:
        """Let go of the lock of all bars, which a bar keeps for ever when what it writes to raises."""
        from tqdm.auto import tqdm

        if self._ended:
            # the locks one by one: each refuses where this thread does not hold it
            for lock in getattr(tqdm.get_lock(), "locks", [tqdm.get_lock()]):
                with contextlib.suppress(AssertionError, RuntimeError, ValueError):
                    lock.release()


class Beside:
    """Puts rows beside the most similar ones of a map: the mean of their places, the nearer the weightier.

    Parameters
    ----------
    Z : float32 array, shape (m, d)
        Rows of the map.
    places : float32 array, shape (m, 2)
    """

    def __init__(self, Z: NDArray[np.float32], places: NDArray[np.float32]) -> None:
        self._Z, self._places, self._n = Z, places, min(PLACED_BY, len(Z))

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Places of rows, float32 (n, d) → (n, 2)."""
        near, distance = _nearest(self._Z, rows, self._n)
        # A copy of a row lies where that row lies.
        weight = 1 / np.maximum(distance, 1e-6 * (1 + distance.max(axis=1, keepdims=True)))
        weight /= weight.sum(axis=1, keepdims=True)
        return np.asarray(np.einsum("ij,ijk->ik", weight, self._places[near]), np.float32)


def _nearest(Z: NDArray[np.float32], rows: NDArray[np.float32], n: int) -> tuple[Any, Any]:
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        found = NearestNeighbors(n_neighbors=n, algorithm="brute", n_jobs=1).fit(Z)
        distance, near = found.kneighbors(rows)
    return near, distance.astype(np.float32)
