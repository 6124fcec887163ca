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
HOLDS = 80  # items a window is sized for


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

    Parameters
    ----------
    pool : Pool
        Unlabelled items; of one image, or of all.
    rng : Generator
    size : float, optional
        Side of the window in pixels; by default it holds about 80 items at the usual density.
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
    places = _Places(pool, known)
    found = []
    for centre in _centres(pool, known, windows, rng):
        image = int(pool.images[centre])
        box = places.box(image, float(pool.y[centre]), float(pool.x[centre]), side)
        found.append((image, box, places.inside(image, box)))
    scores = _scores(pool, [rows for _, _, rows in found])
    best = int(np.argmax(scores))
    image, box, rows = found[best]
    return RectangleProposal(image, box, float(scores[best]), _reason(pool, rows))


class _Places:
    """Rows of each image in order of y, so that a window is a slice and a comparison."""

    def __init__(self, pool: Pool, known: NDArray[np.int64]) -> None:
        order = known[np.lexsort((pool.y[known], pool.images[known]))]
        codes, start = np.unique(pool.images[order], return_index=True)
        ends = np.append(start[1:], len(order))
        self.rows = {int(c): order[a:b] for c, a, b in zip(codes, start, ends, strict=True)}
        self.pool = pool

    def inside(self, image: int, box: tuple[float, float, float, float]) -> NDArray[np.int64]:
        """Rows of the pool in a window, ascending."""
        rows = self.rows[image]
        y = self.pool.y[rows]
        a, b = np.searchsorted(y, [box[0], box[2]])
        band = rows[a:b]
        x = self.pool.x[band]
        return np.sort(band[(x >= box[1]) & (x < box[3])])

    def box(self, image: int, y: float, x: float, side: float) -> tuple[float, float, float, float]:
        """A window around a point, moved inside what the image's items cover."""
        rows = self.rows[image]
        corner = []
        for value, positions in ((y, self.pool.y[rows]), (x, self.pool.x[rows])):
            low, high = float(positions.min()) - 0.5, float(positions.max()) + 0.5
            corner.append(max(low, min(value - side / 2, high - side)))
        return corner[0], corner[1], corner[0] + side, corner[1] + side


def _side(pool: Pool, known: NDArray[np.int64]) -> float:
    """Side of a square that holds about 80 items, at the median density of the images."""
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
