"""The compiled inner loops of rendering.

Each is compiled for one or two element types only (callers convert first), runs on one thread and
releases the interpreter lock, so that a frame is drawn while the kernel answers.  The machine code is
cached on disk; :func:`celltune_nb.render.warm_up` loads or compiles all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    def njit(function: Callable[..., Any]) -> Callable[..., Any]: ...
else:
    njit = numba.njit(cache=True, nogil=True)

__all__ = ["blend", "gather", "gather_rgb", "halve", "halve_rgb", "halve_whole", "trace"]


@njit
def gather(plane, rows, columns, out):  # type: ignore[no-untyped-def]
    """out[i, j] = plane[rows[i], columns[j]]."""
    for i in range(rows.shape[0]):
        # Magnified rows repeat: copying a finished row beats gathering it again.
        if i > 0 and rows[i] == rows[i - 1]:
            for j in range(columns.shape[0]):
                out[i, j] = out[i - 1, j]
        else:
            row = rows[i]
            for j in range(columns.shape[0]):
                out[i, j] = plane[row, columns[j]]


@njit
def gather_rgb(image, rows, columns, out):  # type: ignore[no-untyped-def]
    """The same for (Y, X, 3)."""
    for i in range(rows.shape[0]):
        row = rows[i]
        for j in range(columns.shape[0]):
            column = columns[j]
            out[i, j, 0] = image[row, column, 0]
            out[i, j, 1] = image[row, column, 1]
            out[i, j, 2] = image[row, column, 2]


@njit
def blend(planes, low, scale, colors, out):  # type: ignore[no-untyped-def]
    """Add the coloured channels: planes (C, h, w), scale = 1 / (high - low), colors (C, 3) in 0..255."""
    n, height, width = planes.shape
    red = np.empty(width, np.float32)
    green = np.empty(width, np.float32)
    blue = np.empty(width, np.float32)
    one, zero, top = np.float32(1), np.float32(0), np.float32(255)
    for i in range(height):
        red[:] = np.float32(0.5)
        green[:] = np.float32(0.5)
        blue[:] = np.float32(0.5)
        for c in range(n):
            offset, factor = low[c], scale[c]
            r, g, b = colors[c, 0], colors[c, 1], colors[c, 2]
            plane = planes[c, i]
            # One pass per channel over a row: this form is what the compiler vectorises.
            for j in range(width):
                value = (np.float32(plane[j]) - offset) * factor
                # Not (value < 0), so that NaN becomes black.
                value = value if value > zero else zero  # noqa: FURB136
                value = min(value, one)
                red[j] += value * r
                green[j] += value * g
                blue[j] += value * b
        for j in range(width):
            out[i, j, 0] = np.uint8(min(red[j], top))
            out[i, j, 1] = np.uint8(min(green[j], top))
            out[i, j, 2] = np.uint8(min(blue[j], top))


@njit
def halve(plane, out):  # type: ignore[no-untyped-def]
    """Mean of 2 × 2 pixels; an odd last row or column counts twice."""
    height, width = plane.shape
    for i in range(out.shape[0]):
        a = 2 * i
        b = min(a + 1, height - 1)
        for j in range(width // 2):
            total = (
                np.float32(plane[a, 2 * j])
                + np.float32(plane[a, 2 * j + 1])
                + np.float32(plane[b, 2 * j])
                + np.float32(plane[b, 2 * j + 1])
            )
            out[i, j] = total * np.float32(0.25)
        if width % 2:
            last = (np.float32(plane[a, width - 1]) + np.float32(plane[b, width - 1])) * np.float32(0.5)
            out[i, out.shape[1] - 1] = last


@njit
def halve_whole(plane, out):  # type: ignore[no-untyped-def]
    """The same for whole numbers, halves up and down in turn: dim channels keep their brightness in all levels."""
    height, width = plane.shape
    for i in range(out.shape[0]):
        a = 2 * i
        b = min(a + 1, height - 1)
        for j in range(width // 2):
            total = (
                np.int32(plane[a, 2 * j])
                + np.int32(plane[a, 2 * j + 1])
                + np.int32(plane[b, 2 * j])
                + np.int32(plane[b, 2 * j + 1])
            )
            out[i, j] = (total + 1 + ((i + j) & 1)) >> 2
        if width % 2:
            out[i, out.shape[1] - 1] = (
                np.int32(plane[a, width - 1]) + np.int32(plane[b, width - 1]) + 1
            ) >> 1


@njit
def halve_rgb(image, out):  # type: ignore[no-untyped-def]
    """The same for (Y, X, 3) uint8."""
    height, width, _ = image.shape
    for i in range(out.shape[0]):
        a = 2 * i
        b = min(a + 1, height - 1)
        for j in range(out.shape[1]):
            c = 2 * j
            d = min(c + 1, width - 1)
            for k in range(3):
                total = np.int32(image[a, c, k]) + image[a, d, k] + image[b, c, k] + image[b, d, k]
                out[i, j, k] = np.uint8((total + 2) // 4)


@njit
def trace(inside, corners, starts):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0912
    """Walk round every border of ``inside`` (h, w) bool along the pixel edges.

    ``inside`` must have an empty rim.  Writes the turning corners (row, column of the corner grid:
    corner (i, j) is the top left of pixel (i, j)) and the index where each loop starts; returns
    the number of corners and loops.  Outer borders run clockwise, holes counter-clockwise.
    """
    height, width = inside.shape
    seen = np.zeros((height, width), np.bool_)
    count = 0
    loops = 0
    # Directions: 0 right, 1 down, 2 left, 3 up; the item lies on the right-hand side.
    for i in range(1, height):
        for j in range(1, width):
            # Every loop has an edge that runs right along the top of a pixel.
            if not inside[i, j] or inside[i - 1, j] or seen[i, j]:
                continue
            starts[loops] = count
            loops += 1
            y, x, direction = i, j, 0
            previous = -1
            while True:
                if direction == 0:
                    if seen[y, x]:
                        break
                    seen[y, x] = True
                if direction != previous:
                    corners[count, 0] = y
                    corners[count, 1] = x
                    count += 1
                previous = direction
                if direction == 0:
                    x += 1
                elif direction == 1:
                    y += 1
                elif direction == 2:
                    x -= 1
                else:
                    y -= 1
                # The two pixels ahead, left and right of the walk.
                if direction == 0:
                    left, right = inside[y - 1, x], inside[y, x]
                elif direction == 1:
                    left, right = inside[y, x], inside[y, x - 1]
                elif direction == 2:
                    left, right = inside[y, x - 1], inside[y - 1, x - 1]
                else:
                    left, right = inside[y - 1, x - 1], inside[y - 1, x]
                if not right:
                    direction = (direction + 1) % 4
                elif left:
                    direction = (direction + 3) % 4
    return count, loops
