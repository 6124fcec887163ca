"""Where the cells of the synthetic tissue lie and which pixels are theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from ..measure.compiled import kernel
from .biology import NICHES, TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GRID", "grow_cells", "niche_map", "place_cells", "side_for", "smooth_noise"]

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
        field = _enlarge(field, step)
    field = field[: shape[0], : shape[1]]
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), dtype=np.float32)


@kernel
def _enlarge(field: Any, step: int) -> Any:
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
            free = True
            for gy in range(max(by - reach, 0), min(by + reach + 1, bins)):
                for gx in range(max(bx - reach, 0), min(bx + reach + 1, bins)):
                    j = head[gy, gx]
                    while j >= 0:
                        least = max(close * (radius[kind] + radius[codes[j]]), 5.0)
                        if (ys[j] - y) ** 2 + (xs[j] - x) ** 2 < least * least:
                            free = False
                            break
                        j = chain[j]
                    if not free:
                        break
                if not free:
                    break
            if free:
                ys[i], xs[i] = y, x
                chain[i] = head[by, bx]
                head[by, bx] = i
                break
    return ys, xs


def grow_cells(
    codes: NDArray[np.int16],
    y: NDArray[np.float32],
    x: NDArray[np.float32],
    side: int,
    grain: NDArray[np.float32],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Give every cell its pixels.

    A pixel belongs to the cell whose ellipse it lies deepest in (an elliptic Voronoi diagram with a
    limited reach), measured in coordinates bent by smooth noise; so neighbours share irregular borders
    and a lone cell is a wobbly ellipse.  Only the part connected to the centre stays.

    Returns
    -------
    mask : uint32 array, shape (side, side)
        0 = background, i + 1 = cell i.  Every cell has pixels, in one piece.
    zone : uint8 array, shape (side, side)
        0 outside, 1 outermost pixel, 2 next pixel, 3 cytoplasm, 4 nucleus.
    """
    n = codes.size
    radius = np.array([t.radius for t in TYPES])[codes] * np.exp(0.10 * rng.standard_normal(n))
    stretch = np.array([t.elongation for t in TYPES])[codes] * np.exp(0.12 * rng.standard_normal(n))
    angle = grain[(y // GRID).astype(int), (x // GRID).astype(int)] + 0.25 * rng.standard_normal(n)
    round_cell = stretch < 1.5
    angle = np.where(round_cell, rng.uniform(0, np.pi, n), angle)
    core = np.array([t.nucleus for t in TYPES])[codes] * np.exp(0.08 * rng.standard_normal(n))
    off = rng.uniform(-0.12, 0.12, (n, 2))
    shape = (side, side)
    bend_y, bend_x = 1.1 * smooth_noise(shape, 3.0, rng), 1.1 * smooth_noise(shape, 3.0, rng)
    owner, depth, nucleus = _claim(
        y,
        x,
        radius.astype(np.float32),
        stretch.astype(np.float32),
        angle.astype(np.float32),
        core.astype(np.float32),
        off.astype(np.float32),
        bend_y,
        bend_x,
    )
    mask = _connected(owner, depth, y, x)
    return mask, _zones(mask, nucleus)


@kernel
def _claim(
    y: Any, x: Any, radius: Any, stretch: Any, angle: Any, core: Any, off: Any, bend_y: Any, bend_x: Any
) -> Any:
    """Owner of each pixel, squared elliptic distance to its centre, and whether it is nucleus."""
    side = bend_y.shape[0]
    depth = np.full((side, side), np.float32(1.0))
    owner = np.zeros((side, side), np.uint32)
    nucleus = np.zeros((side, side), np.uint8)
    for i in range(y.size):
        long = 1.12 * radius[i] * np.sqrt(stretch[i])
        short = 1.12 * radius[i] / np.sqrt(stretch[i])
        c, s = np.cos(angle[i]), np.sin(angle[i])
        reach = int(long + 5)
        for py in range(max(int(y[i]) - reach, 0), min(int(y[i]) + reach + 1, side)):
            for px in range(max(int(x[i]) - reach, 0), min(int(x[i]) + reach + 1, side)):
                dy = py + bend_y[py, px] - y[i]
                dx = px + bend_x[py, px] - x[i]
                u = (c * dx + s * dy) / long
                v = (c * dy - s * dx) / short
                q = u * u + v * v
                if q < depth[py, px]:
                    depth[py, px] = q
                    owner[py, px] = i + 1
                    a, b = (u - off[i, 0]) / core[i], (v - off[i, 1]) / core[i]
                    nucleus[py, px] = 1 if a * a + b * b < 1 else 0
    return owner, depth, nucleus


@kernel
def _connected(owner: Any, depth: Any, y: Any, x: Any) -> Any:
    """Keep of each cell what hangs together with its deepest pixel."""
    side = owner.shape[0]
    n = y.size
    best = np.full(n + 1, np.float32(2.0))
    seed = np.full(n + 1, -1, np.int64)
    for py in range(side):
        for px in range(side):
            i = owner[py, px]
            if i and depth[py, px] < best[i]:
                best[i] = depth[py, px]
                seed[i] = py * side + px
    mask = np.zeros((side, side), np.uint32)
    queue = np.empty(side * side + n, np.int64)
    end = 0
    for i in range(1, n + 1):
        if seed[i] < 0:
            # Bent out of existence by its neighbours: it keeps the pixel of its centre.
            seed[i] = int(y[i - 1]) * side + int(x[i - 1])
            owner[seed[i] // side, seed[i] % side] = i
        mask[seed[i] // side, seed[i] % side] = i
        queue[end] = seed[i]
        end += 1
    begin = 0
    while begin < end:
        at = queue[begin]
        begin += 1
        py, px = at // side, at % side
        for qy, qx in ((py + 1, px), (py - 1, px), (py, px + 1), (py, px - 1)):
            inside = 0 <= qy < side and 0 <= qx < side
            if inside and mask[qy, qx] == 0 and owner[qy, qx] == mask[py, px]:
                mask[qy, qx] = mask[py, px]
                queue[end] = qy * side + qx
                end += 1
    return mask


@kernel
def _zones(mask: Any, nucleus: Any) -> Any:
    """Outermost pixel 1, next 2, cytoplasm 3, nucleus 4."""
    side = mask.shape[0]
    zone = np.zeros((side, side), np.uint8)
    for py in range(side):
        for px in range(side):
            if mask[py, px]:
                near = 3
                for gy in range(-2, 3):
                    for gx in range(-2 + abs(gy), 3 - abs(gy)):
                        qy, qx = py + gy, px + gx
                        if 0 <= qy < side and 0 <= qx < side and mask[qy, qx] != mask[py, px]:
                            near = min(near, abs(gy) + abs(gx))
                zone[py, px] = 4 if nucleus[py, px] and near > 1 else near
    return zone
