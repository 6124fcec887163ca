"""The compiled loops that paint items over a picture: a fill for every pixel, borders for the few that have one.

Rows are worked on one after the other.  The pixels of a row that lie on a border are gathered into short
arrays, coloured there without a branch (this is what the compiler vectorises), and written back over the
fill.  Rules that depend on a pixel's neighbours and brightness would otherwise cost every pixel a guess
that the processor gets wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    def njit(function: Callable[..., Any]) -> Callable[..., Any]: ...
else:
    # A division that could raise cannot be vectorised.
    njit = numba.njit(cache=True, nogil=True, error_model="numpy")

__all__ = ["paint"]

F = (
    np.float32
)  # exact for the whole numbers below 2**24 that occur here; products of int32 would become int64
U = np.uint64
PART = np.float32(1 / 256)


@njit
def paint(rgb, labels, table, opacity, fill, border):  # type: ignore[no-untyped-def]
    """Colour labels over ``rgb`` (h, w, 3) uint8 in place.

    ``table`` (n,) uint32 is 0xAABBGGRR by label; opacity 0..256 for the fill; ``border`` is the width
    in device pixels (0 = none).  A border lies inside its item.  To be read on any picture, a dark colour
    on a dark picture is made lighter, and where line and picture are equally bright the picture just
    inside the line is darkened.
    """
    height, width = labels.shape
    edges = np.zeros(width, np.uint8)
    at = np.zeros(width + 1, np.int32)
    under = np.zeros((3, width), np.uint8)
    ink = np.zeros((4, width), np.uint8)
    kind = np.zeros(width, np.uint8)
    strength = opacity if fill else 0
    count = 0
    for i in range(height):
        row, line = labels[i], rgb[i]
        if border > 0:
            edges[:] = 0
            _edges(labels, i, 2 * border, np.uint8(1), edges)
            _edges(labels, i, border, np.uint8(2), edges)
            count = _gather(line, row, table, edges, at, under, ink, kind)
            _color(count, under[0], under[1], under[2], ink[0], ink[1], ink[2], ink[3], kind, F(strength))
        if strength > 0:
            _fill(line, row, table, strength)
        for m in range(count):
            j = at[m]
            line[j, 0], line[j, 1], line[j, 2] = under[0, m], under[1, m], under[2, m]


@njit
def _edges(labels, i, reach, mark, out):  # type: ignore[no-untyped-def]
    """Set out[j] |= mark where another label lies ``reach`` pixels up, down, left or right of (i, j).

    The frame's rim is no edge.
    """
    height, width = labels.shape
    row = labels[i]
    above = labels[max(i - reach, 0)] if i >= reach else row
    below = labels[min(i + reach, height - 1)] if i + reach < height else row
    for j in range(width):
        out[j] |= mark * np.uint8((above[j] != row[j]) | (below[j] != row[j]))
    n = max(width - reach, 0)
    left, right = row[:n], row[width - n :]
    first, second = out[:n], out[width - n :]
    # Two loops: one that wrote to both ends could not be vectorised.
    for j in range(n):
        first[j] |= mark * np.uint8(left[j] != right[j])
    for j in range(n):
        second[j] |= mark * np.uint8(left[j] != right[j])


@njit
def _gather(line, row, table, edges, at, under, ink, kind):  # type: ignore[no-untyped-def]
    """Collect the items' pixels that lie on a border or beside it; returns how many there are."""
    n = np.uint32(table.shape[0])
    count = np.int64(0)
    for j in range(row.shape[0]):
        at[count] = j
        count += np.int64((edges[j] != np.uint8(0)) & (row[j] != np.uint32(0)))
    for m in range(count):
        j = at[m]
        label = row[j]
        code = table[label] if label < n else np.uint32(0)
        under[0, m], under[1, m], under[2, m] = line[j, 0], line[j, 1], line[j, 2]
        ink[0, m] = np.uint8(code)
        ink[1, m] = np.uint8(code >> np.uint32(8))
        ink[2, m] = np.uint8(code >> np.uint32(16))
        ink[3, m] = np.uint8(code >> np.uint32(24))
        kind[m] = edges[j]
    return count


@njit
def _whole(value):  # type: ignore[no-untyped-def]
    """Round a positive float32 down."""
    return F(np.int32(value))


@njit
def _bright(r, g, b):  # type: ignore[no-untyped-def]
    """Luminance 0..255."""
    return _whole((F(77) * r + F(150) * g + F(29) * b) * PART)


@njit
def _color(count, red, green, blue, ink_r, ink_g, ink_b, ink_a, kind, opacity):  # type: ignore[no-untyped-def]
    """Colour gathered pixels in place: the line where kind > 1, else the darkened picture with its fill."""
    for m in range(count):
        r, g, b, a = F(ink_r[m]), F(ink_g[m]), F(ink_b[m]), F(ink_a[m])
        x, y, z = F(red[m]), F(green[m]), F(blue[m])
        alpha = a + _whole(a * F(1 / 128))
        line = kind[m] > np.uint8(1)
        under, over = _bright(x, y, z), _bright(r, g, b)
        least = max(F(80), under + F(32))
        raised = (under < F(80)) & (over < least)
        push = _whole(F(256) * (least - over) / (F(255) - over))
        push = push if raised & line else F(0)
        over = least if raised else over
        lack = max(F(90) - abs(over - under), F(0))
        shade = _whole(_whole(lack * F(154) / F(90)) * alpha * PART)
        r += _whole((F(255) - r) * push * PART)
        g += _whole((F(255) - g) * push * PART)
        b += _whole((F(255) - b) * push * PART)
        weight = alpha if line else _whole(opacity * alpha * PART)
        keep = F(256) if line else F(256) - shade
        rest = F(256) - weight
        red[m] = np.uint8(np.int32((_whole(x * keep * PART) * rest + r * weight) * PART))
        green[m] = np.uint8(np.int32((_whole(y * keep * PART) * rest + g * weight) * PART))
        blue[m] = np.uint8(np.int32((_whole(z * keep * PART) * rest + b * weight) * PART))


@njit
def _fill(line, row, table, opacity):  # type: ignore[no-untyped-def]
    """Lay the items' colours over a row."""
    n = np.uint32(table.shape[0])
    last = np.uint32(0)
    rest, ink = U(256), U(0)
    for j in range(row.shape[0]):
        label = row[j]
        if label != last:
            last = label
            code = U(table[label]) if 0 < label < n else U(0)
            alpha = code >> U(24)
            weight = (U(opacity) * (alpha + (alpha >> U(7)))) >> U(8)
            rest = U(256) - weight
            # Three channels in one number, 16 bits each: none can run over, as the weights sum to 256.
            ink = (
                (code & U(255)) | ((code >> U(8) & U(255)) << U(16)) | ((code >> U(16) & U(255)) << U(32))
            ) * weight
        under = U(line[j, 0]) | (U(line[j, 1]) << U(16)) | (U(line[j, 2]) << U(32))
        mixed = (under * rest + ink) >> U(8)
        line[j, 0], line[j, 1], line[j, 2] = (
            np.uint8(mixed),
            np.uint8(mixed >> U(16)),
            np.uint8(mixed >> U(32)),
        )
