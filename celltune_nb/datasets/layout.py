"""Where the cells of synthetic tissue lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from ..measure.compiled import kernel, part
from .biology import NICHES, TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "GRID",
    "enlarge",
    "niche_map",
    "place_cells",
    "scatter_cells",
    "side_for",
    "smooth_noise",
]

GRID = 8
"""Pixels per step of the niche map."""

_PACKING = 0.74


def side_for(codes: NDArray[np.int16]) -> int:
    """Side in pixels of a square field that these cells fill as densely as tissue does."""
    radius = np.array([t.radius for t in TYPES])[codes]
    return max(64, int(np.ceil(np.sqrt(np.pi * float(np.sum(radius**2)) / _PACKING))))


def smooth_noise(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Gaussian random field with zero mean and unit spread, float32."""
    step = max(1, int(sigma // 3))
    coarse = (shape[0] // step + 2, shape[1] // step + 2)
    field = ndimage.gaussian_filter(
        rng.standard_normal(coarse, dtype=np.float32), sigma / step, mode="reflect", truncate=3
    )
    if step > 1:
        field = enlarge(field, step)
    field = field[: shape[0], : shape[1]]
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), dtype=np.float32)


@kernel
def enlarge(field: Any, step: int) -> Any:
    """Float32 field with `step` times as many pixels, linear between those of the coarse one."""
    height, width = (field.shape[0] - 1) * step, (field.shape[1] - 1) * step
    out = np.empty((height, width), np.float32)
    for y in range(height):
        i, fy = y // step, np.float32(y % step) / np.float32(step)
        for x in range(width):
            j, fx = x // step, np.float32(x % step) / np.float32(step)
            top = field[i, j] * (1 - fx) + field[i, j + 1] * fx
            bottom = field[i + 1, j] * (1 - fx) + field[i + 1, j + 1] * fx
            out[y, x] = top * (1 - fy) + bottom * fy
    return out


def niche_map(side: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Niche (index into `biology.NICHES`) and grain of the tissue on a grid of `GRID` pixels.

    The grain is the angle in radians along which elongated cells lie; along a vessel it follows the wall.
    """
    size = side // GRID + 2
    shape = (size, size)
    nest = smooth_noise(shape, 9.0, rng)
    follicle = smooth_noise(shape, 8.0, rng)
    vessel = smooth_noise(shape, 11.0, rng)
    niche = np.zeros(shape, dtype=np.uint8)
    wall = np.abs(vessel) < np.quantile(np.abs(vessel), 0.16)
    niche[wall] = NICHES.index("vessel")
    niche[follicle > np.quantile(follicle, 0.80)] = NICHES.index("follicle")
    niche[nest > np.quantile(nest, 0.63)] = NICHES.index("tumour nest")
    dy, dx = np.gradient(ndimage.gaussian_filter(np.where(wall, vessel, vessel + 0.5 * nest), 1.0))
    return niche, np.asarray(np.arctan2(dx, -dy) + np.pi, dtype=np.float32)


def place_cells(
    codes: NDArray[np.int16], side: int, niche: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Put every cell into a niche that suits its type, without two centres on top of each other.

    Returns
    -------
    y, x : float32 arrays, shape (n,)
        Centres in pixels, at least 3 px inside the field.
    """
    weights = np.array([t.niches for t in TYPES], dtype=np.float32)
    radius = np.array([t.radius for t in TYPES], dtype=np.float32)
    # Large cells first: small ones fit into what is left.
    order = np.argsort(-radius[codes], kind="stable")
    y, x = _throw_darts(codes, order, weights, radius, niche, side, rng)
    return y, x


@part
def _is_free(
    y: Any,
    x: Any,
    kind: Any,
    close: Any,
    reach: Any,
    codes: Any,
    radius: Any,
    head: Any,
    chain: Any,
    ys: Any,
    xs: Any,
) -> Any:
    """Whether a cell may lie here: `head` and `chain` list the cells of each bin of 8 pixels."""
    by, bx = int(y) // 8, int(x) // 8
    for gy in range(max(by - reach, 0), min(by + reach + 1, head.shape[0])):
        for gx in range(max(bx - reach, 0), min(bx + reach + 1, head.shape[1])):
            j = head[gy, gx]
            while j >= 0:
                least = max(close * (radius[kind] + radius[codes[j]]), 5.0)
                if (ys[j] - y) ** 2 + (xs[j] - x) ** 2 < least * least:
                    return False
                j = chain[j]
    return True


@kernel
def _throw_darts(
    codes: Any, order: Any, weights: Any, radius: Any, niche: Any, side: int, rng: np.random.Generator
) -> Any:
    bin_side = 8
    bins = side // bin_side + 1
    head = np.full((bins, bins), -1, np.int64)
    chain = np.full(codes.size, -1, np.int64)
    ys = np.empty(codes.size, np.float32)
    xs = np.empty(codes.size, np.float32)
    reach = int(np.ceil(2 * radius.max() / bin_side))
    for i in order:
        kind = codes[i]
        close = 0.88
        tries = 0
        while True:
            tries += 1
            # A crowded niche gives way: first the distance, then the taste.
            if tries % 40 == 0:
                close *= 0.93
            y = 3 + rng.random() * (side - 7)
            x = 3 + rng.random() * (side - 7)
            wish = weights[kind, niche[int(y) // GRID, int(x) // GRID]]
            if tries < 1500 and rng.random() > wish:
                continue
            by, bx = int(y) // bin_side, int(x) // bin_side
            free = _is_free(y, x, kind, close, reach, codes, radius, head, chain, ys, xs)
            if free:
                ys[i], xs[i] = y, x
                chain[i] = head[by, bx]
                head[by, bx] = i
                break
    return ys, xs


def scatter_cells(
    codes: NDArray[np.int16],
    radius: NDArray[np.float64],
    weights: NDArray[np.float64],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Put cells where maps say that those of their kind lie, without two centres on top of each other.

    Parameters
    ----------
    codes : int16 array, shape (n,)
        Kind of every cell.
    radius : float array, shape (kinds,)
        Pixels.
    weights : float array, shape (kinds, Y / GRID, X / GRID)
        How densely each kind lies, on any scale.
    shape : (int, int)
        Pixels of the image.

    Returns
    -------
    y, x : float32 arrays, shape (n,)
        Centres in pixels, at least 3 px inside the image.
    """
    ladder = np.cumsum(weights.reshape(len(weights), -1), axis=1)
    order = np.argsort(-radius[codes], kind="stable")
    y, x = _scatter(codes, order, ladder, weights.shape[2], radius, shape[0], shape[1], rng)
    return y, x


@kernel
def _scatter(
    codes: Any,
    order: Any,
    ladder: Any,
    columns: int,
    radius: Any,
    height: int,
    width: int,
    rng: np.random.Generator,
) -> Any:
    head = np.full((height // 8 + 1, width // 8 + 1), -1, np.int64)
    chain = np.full(codes.size, -1, np.int64)
    ys = np.empty(codes.size, np.float32)
    xs = np.empty(codes.size, np.float32)
    reach = int(np.ceil(2 * radius.max() / 8))
    for i in order:
        steps = ladder[codes[i]]
        close, y, x = 0.88, 0.0, 0.0
        # Where nothing is free any more the cells lie on top of each other, as they do in a thick section.
        for tries in range(1, 300):
            if tries % 8 == 0:
                close *= 0.93
            at = np.searchsorted(steps, rng.random() * steps[-1], side="right")
            y = min(max((at // columns + rng.random()) * GRID, 3.0), height - 4.0)
            x = min(max((at % columns + rng.random()) * GRID, 3.0), width - 4.0)
            if _is_free(y, x, codes[i], close, reach, codes, radius, head, chain, ys, xs):
                break
        ys[i], xs[i] = y, x
        chain[i] = head[int(y) // 8, int(x) // 8]
        head[int(y) // 8, int(x) // 8] = i
    return ys, xs
