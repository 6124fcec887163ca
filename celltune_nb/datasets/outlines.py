"""Which pixels of the synthetic tissue belong to which cell, and to what part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..measure.compiled import kernel
from .biology import TYPES
from .layout import GRID, smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["grow_cells", "nuclei", "outline"]


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
    return outline(y, x, radius, stretch, angle, core, off, (side, side), rng)


def outline(
    y: NDArray[np.float32],
    x: NDArray[np.float32],
    radius: NDArray[np.float64],
    stretch: NDArray[np.float64],
    angle: NDArray[np.float64],
    core: NDArray[np.float64],
    off: NDArray[np.float64],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Outline ellipses as cells; see `grow_cells` for how, and for what it gives.

    Parameters
    ----------
    y, x, radius, stretch, angle, core : float arrays, shape (n,)
        Centre and equivalent radius in pixels, ratio of the axes, direction of the long one in radians, and
        radius of the nucleus as a share of the cell's.
    off : float array, shape (n, 2)
        How far the nucleus lies off the centre, in radii.
    shape : (int, int)
        Pixels of the image.
    """
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


def nuclei(
    mask: NDArray[np.uint32], zone: NDArray[np.uint8], y: NDArray[np.float32], x: NDArray[np.float32]
) -> NDArray[np.uint32]:
    """Mask of the nuclei of outlined cells, numbered as these; each has pixels, in one piece."""
    owner = np.where(zone == 4, mask, np.uint32(0))
    rows, columns = np.nonzero(owner)
    cell = owner[rows, columns] - 1
    depth = np.full(mask.shape, np.float32(1.0))
    depth[rows, columns] = np.hypot(rows - y[cell], columns - x[cell]) / max(mask.shape)
    return np.asarray(_connected(owner, depth, y, x))


@kernel
def _claim(
    y: Any, x: Any, radius: Any, stretch: Any, angle: Any, core: Any, off: Any, bend_y: Any, bend_x: Any
) -> Any:
    """Owner of each pixel, squared elliptic distance to its centre, and whether it is nucleus."""
    height, width = bend_y.shape
    depth = np.full((height, width), np.float32(1.0))
    owner = np.zeros((height, width), np.uint32)
    nucleus = np.zeros((height, width), np.uint8)
    for i in range(y.size):
        long = 1.12 * radius[i] * np.sqrt(stretch[i])
        short = 1.12 * radius[i] / np.sqrt(stretch[i])
        c, s = np.cos(angle[i]), np.sin(angle[i])
        reach = int(long + 5)
        for py in range(max(int(y[i]) - reach, 0), min(int(y[i]) + reach + 1, height)):
            for px in range(max(int(x[i]) - reach, 0), min(int(x[i]) + reach + 1, width)):
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
    height, width = owner.shape
    n = y.size
    best = np.full(n + 1, np.float32(2.0))
    seed = np.full(n + 1, -1, np.int64)
    for py in range(height):
        for px in range(width):
            i = owner[py, px]
            if i and depth[py, px] < best[i]:
                best[i] = depth[py, px]
                seed[i] = py * width + px
    mask = np.zeros((height, width), np.uint32)
    queue = np.empty(height * width + n, np.int64)
    end = 0
    for i in range(1, n + 1):
        if seed[i] < 0:
            # Bent out of existence by its neighbours: it keeps the pixel of its centre.
            seed[i] = int(y[i - 1]) * width + int(x[i - 1])
            owner[seed[i] // width, seed[i] % width] = i
        mask[seed[i] // width, seed[i] % width] = i
        queue[end] = seed[i]
        end += 1
    begin = 0
    while begin < end:
        at = queue[begin]
        begin += 1
        py, px = at // width, at % width
        for qy, qx in ((py + 1, px), (py - 1, px), (py, px + 1), (py, px - 1)):
            inside = 0 <= qy < height and 0 <= qx < width
            if inside and mask[qy, qx] == 0 and owner[qy, qx] == mask[py, px]:
                mask[qy, qx] = mask[py, px]
                queue[end] = qy * width + qx
                end += 1
    return mask


@kernel
def _zones(mask: Any, nucleus: Any) -> Any:
    """Outermost pixel 1, next 2, cytoplasm 3, nucleus 4."""
    height, width = mask.shape
    zone = np.zeros((height, width), np.uint8)
    for py in range(height):
        for px in range(width):
            if mask[py, px]:
                near = 3
                for gy in range(-2, 3):
                    for gx in range(-2 + abs(gy), 3 - abs(gy)):
                        qy, qx = py + gy, px + gx
                        if 0 <= qy < height and 0 <= qx < width and mask[qy, qx] != mask[py, px]:
                            near = min(near, abs(gy) + abs(gx))
                zone[py, px] = 4 if nucleus[py, px] and near > 1 else near
    return zone
