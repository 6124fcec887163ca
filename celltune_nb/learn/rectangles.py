"""Where on an image labelling would help most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import NotReadyError
from .pool import Pool
from .uncertainty import asked_for, two_best

__all__ = ["RectangleProposal", "propose_rectangle"]

WINDOWS = 40
TOP = 25  # items of a window that count: about what a person labels at a go
HOLDS = 200  # items a window is sized for: with fewer there are seldom 25 close calls in one


@dataclass(frozen=True)
class RectangleProposal:
    """A window where labels would help most.

    Attributes
    ----------
    image : int
        Code of the image, as in ``Pool.images``.
    rectangle : (y0, x0, y1, x1)
        In pixels, half-open on centroids.
    score : float
    reason : str
    """

    image: int
    rectangle: tuple[float, float, float, float]
    score: float
    reason: str


def propose_rectangle(
    pool: Pool, rng: np.random.Generator, *, size: float | None = None, windows: int = WINDOWS
) -> RectangleProposal:
    """Choose among about 40 windows the one with the most to learn from.

    With predictions: the largest sum of the 25 highest class-weighted uncertainties, a window
    centred on a close call as often as on any item.  Before a model: the window whose items are
    many and unlike one another (the most items where there are no features).

    Either counts less the more labels there are on the image and in the window already, by the square
    root of both: close calls of one place are alike (a slice that is brighter than the others has many),
    and what one of them teaches, the next hardly adds to.

    Parameters
    ----------
    pool : Pool
        Unlabelled items; of one image, or of all.
    rng : Generator
    size : float, optional
        Side of the window in pixels; by default it holds about 200 items at the usual density.
    windows : int
        Windows compared.

    Raises
    ------
    NotReadyError
        The pool is empty.
    """
    known = np.flatnonzero(np.isfinite(pool.y) & np.isfinite(pool.x))
    if not len(known):
        raise NotReadyError("No unlabelled cell with a position is left here. Look at another image.")
    side = _side(pool, known) if size is None else float(size)
    places = _Places(pool.images[known], pool.y[known], pool.x[known], known)
    found = []
    for centre in _centres(pool, known, windows, rng):
        image = int(pool.images[centre])
        box = places.box(image, float(pool.y[centre]), float(pool.x[centre]), side)
        found.append((image, box, places.inside(image, box)))
    scores = _scores(pool, [rows for _, _, rows in found]) * _unlabelled(pool, [f[:2] for f in found])
    best = int(np.argmax(scores))
    image, box, rows = found[best]
    return RectangleProposal(image, box, float(scores[best]), _reason(pool, rows))


class _Places:
    """Rows of each image in order of y, so that a window is a slice and a comparison."""

    def __init__(
        self, images: NDArray[np.integer], y: NDArray[np.floating], x: NDArray[np.floating], rows: NDArray[np.int64]
    ) -> None:  # fmt: skip
        order = np.lexsort((y, images))
        codes, start = np.unique(images[order], return_index=True)
        parts = np.split(order, start[1:]) if len(order) else []
        self._of = {int(c): (rows[part], y[part], x[part]) for c, part in zip(codes, parts, strict=True)}

    def count(self, image: int) -> int:
        """Items of an image."""
        return len(self._of[image][0]) if image in self._of else 0

    def inside(self, image: int, box: tuple[float, float, float, float]) -> NDArray[np.int64]:
        """Rows in a window, ascending."""
        if image not in self._of:
            return np.empty(0, np.int64)
        rows, y, x = self._of[image]
        a, b = np.searchsorted(y, [box[0], box[2]])
        return np.sort(rows[a:b][(x[a:b] >= box[1]) & (x[a:b] < box[3])])

    def box(self, image: int, y: float, x: float, side: float) -> tuple[float, float, float, float]:
        """A window around a point, moved inside what the image's items cover."""
        corner = []
        for value, positions in zip((y, x), self._of[image][1:], strict=True):
            low, high = float(positions.min()) - 0.5, float(positions.max()) + 0.5
            corner.append(max(low, min(value - side / 2, high - side)))
        return corner[0], corner[1], corner[0] + side, corner[1] + side


def _side(pool: Pool, known: NDArray[np.int64]) -> float:
    """Side of a square that holds about 200 items, at the median density of the images."""
    images, counts = np.unique(pool.images[known], return_counts=True)
    sides = []
    for image in images[np.argsort(-counts, kind="stable")][:8]:
        rows = known[pool.images[known] == image]
        area = (np.ptp(pool.y[rows]) + 1) * (np.ptp(pool.x[rows]) + 1)
        sides.append(np.sqrt(area * min(1.0, HOLDS / len(rows))))
    return float(np.ceil(np.median(sides)))


def _centres(
    pool: Pool, known: NDArray[np.int64], windows: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    count = min(windows, len(known))
    anywhere = rng.choice(known, count, replace=False, shuffle=False)
    if not pool.probabilities:
        return anywhere
    sample = rng.choice(known, min(len(known), 50 * windows), replace=False, shuffle=False)
    value = _uncertainty(pool, sample)
    hard = sample[np.argsort(-value, kind="stable")[: count // 2]]
    return np.concatenate([hard, anywhere[: count - len(hard)]])


def _uncertainty(pool: Pool, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 − margin, weighted by how much the category asked for needs labels; 0 where nothing was predicted."""
    p = np.nan_to_num(pool.mean(rows))
    k = p.shape[1]
    if k < 2:
        return np.zeros(len(rows))
    two, values = two_best(p)
    weight = pool.class_weights(k)
    value = (1 - (values[:, 0] - values[:, 1])) * weight[asked_for(pool, k, two, values)] / weight.max()
    return np.where(values[:, 0] > 0, value, 0.0)


def _scores(pool: Pool, windows: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    if pool.probabilities:
        return np.array([np.sort(_uncertainty(pool, rows))[-TOP:].sum() for rows in windows])
    sizes = np.array([float(len(rows)) for rows in windows])
    if pool.features is None:
        return sizes
    # all windows are scaled together, or their spreads could not be compared
    some = [rows[:: -(-len(rows) // TOP)] if len(rows) else rows for rows in windows]
    X = pool.scaled(np.concatenate(some))
    parts = np.split(X, np.cumsum([len(rows) for rows in some])[:-1])
    spread = np.array([np.sqrt(part.var(axis=0).sum()) if len(part) else 0.0 for part in parts])
    return spread * np.minimum(sizes, TOP)


def _unlabelled(
    pool: Pool, windows: list[tuple[int, tuple[float, float, float, float]]]
) -> NDArray[np.float64]:
    """What close calls of each window still count for: 1/√((1 + labels on its image) (1 + labels in it))."""
    if pool.places is None:
        return np.ones(len(windows))
    images, y, x = pool.places()
    rows = np.flatnonzero(np.isfinite(y) & np.isfinite(x))
    labels = _Places(images[rows], y[rows], x[rows], rows)
    here = [(1 + labels.count(image)) * (1 + len(labels.inside(image, box))) for image, box in windows]
    return 1 / np.sqrt(here)


def _reason(pool: Pool, rows: NDArray[np.int64]) -> str:
    cells = f"{len(rows)} unlabelled cell{'' if len(rows) == 1 else 's'}"
    if not pool.probabilities:
        return f"{cells} close together" + (", unlike one another" if pool.features is not None else "")
    p = np.nan_to_num(pool.mean(rows))
    hard = rows[np.argsort(-_uncertainty(pool, rows), kind="stable")[:TOP]]
    answers = np.bincount(np.nan_to_num(pool.mean(hard)).argmax(axis=1), minlength=p.shape[1])
    names = [pool.name(int(code)) for code in np.argsort(-answers, kind="stable")[:2] if answers[code]]
    share = 100 * np.nan_to_num(pool.mean(hard)).max(axis=1).mean()
    return f"{cells}; the {len(hard)} hardest, mostly {' and '.join(names)}, are only {share:.0f} % sure"
