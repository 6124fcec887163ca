"""Histograms and density pictures of features: what a plot of a million cells shows."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Scale", "bars", "density", "png"]

#: Shades of the densities, from few cells to many (viridis without its darkest part, so that a single cell is seen).
_SHADES = np.array(
    [
        (59, 82, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ],
    np.float64,
)


@dataclass(frozen=True)
class Scale:
    """An axis: plain, or arcsinh(value / cofactor).

    Attributes
    ----------
    low, high : float
        Ends of the axis, on its own scale.
    cofactor : float or None
        None: plain.
    """

    low: float
    high: float
    cofactor: float | None = None

    @classmethod
    def of(cls, values: npt.NDArray[np.floating], cofactor: float | None = None) -> Scale:
        """An axis that shows all values but a few extreme ones (1 in 1,000 at either end)."""
        part = values[:: max(1, len(values) // 50_000)]
        part = part[np.isfinite(part)]
        if not len(part):
            return cls(0.0, 1.0, cofactor)
        low, high = np.percentile(cls(0, 1, cofactor).place(part), [0.1, 99.9]).tolist()
        room = 0.03 * (high - low) or max(abs(low), 1.0) * 0.05
        return cls(low - room, high + room, cofactor)

    def place(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Values → parts of the axis, 0 to 1 (beyond it outside of that)."""
        scaled = values if self.cofactor is None else np.arcsinh(values / self.cofactor)
        return np.asarray((scaled - self.low) / (self.high - self.low))

    def value(self, part: float) -> float:
        """A part of the axis → the value there."""
        scaled = self.low + part * (self.high - self.low)
        return float(scaled if self.cofactor is None else np.sinh(scaled) * self.cofactor)

    def ticks(self, n: int = 5) -> list[tuple[float, str]]:
        """Places and labels of round values."""
        if self.cofactor is None:
            step = 10 ** np.floor(np.log10((self.high - self.low) / n))
            step *= next(s for s in (1, 2, 5, 10) if (self.high - self.low) / (s * step) <= n)
            values = np.arange(np.ceil(self.low / step), np.floor(self.high / step) + 1) * step
        else:
            most = max(abs(self.value(0)), abs(self.value(1)), 1e-12)
            powers = 10.0 ** np.arange(np.floor(np.log10(self.cofactor)) - 1, np.ceil(np.log10(most)) + 1)
            # Zero and powers of ten first; twos and fives where there is room between them.
            values = np.concatenate([[0.0], powers[::-1], -powers[::-1], 2 * powers[::-1], 5 * powers[::-1]])
        kept: list[tuple[float, str]] = []
        for part, value in zip(self.place(values).tolist(), values.tolist(), strict=True):
            if 0 <= part <= 1 and all(abs(part - other) >= 0.7 / n for other, _ in kept):
                kept.append((part, f"{value:.6g}" if abs(value) < 1e5 else f"{value:.3g}"))
        return sorted(kept)


def bars(values: npt.NDArray[np.floating], scale: Scale, n: int = 120) -> npt.NDArray[np.int64]:
    """Counts of values in *n* equal parts of an axis; those beyond its ends in the outermost, NaN in none.

    Parameters
    ----------
    values : ndarray of float, shape (m,)

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    place = scale.place(values)
    place = place[np.isfinite(place)]
    return np.bincount(np.clip(place * n, 0, n - 1).astype(np.int64), minlength=n)


def density(
    x: npt.NDArray[np.floating], y: npt.NDArray[np.floating], scales: tuple[Scale, Scale],
    size: tuple[int, int] = (240, 300), colors: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.uint8]:  # fmt: skip
    """How many points lie where, as a picture; larger counts are brighter on a logarithmic scale.

    Parameters
    ----------
    x, y : ndarray of float, shape (m,)
    scales : (Scale, Scale)
        Of x and y; points beyond them lie on the edge.
    size : (int, int)
        Height and width in pixels.
    colors : ndarray of uint8, shape (m, 3), optional
        Of the points: a pixel has the mean colour of its own.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
        RGBA, transparent where nothing lies; y upwards.
    """
    height, width = size
    across, up = scales[0].place(x), scales[1].place(y)
    known = np.isfinite(across) & np.isfinite(up)
    column = np.clip(across[known] * width, 0, width - 1).astype(np.int64)
    line = np.clip((1 - up[known]) * height, 0, height - 1).astype(np.int64)
    place = line * width + column
    counts = np.bincount(place, minlength=height * width)
    picture = np.zeros((height * width, 4), np.uint8)
    hit = np.flatnonzero(counts)
    if not len(hit):
        return picture.reshape(height, width, 4)
    strength = np.log1p(counts[hit]) / max(np.log1p(counts.max()), np.log(4))
    if colors is None:
        at = strength * (len(_SHADES) - 1)
        low = np.minimum(at.astype(np.int64), len(_SHADES) - 2)
        picture[hit, :3] = _SHADES[low] + (at - low)[:, None] * (_SHADES[low + 1] - _SHADES[low])
        picture[hit, 3] = 255
    else:
        for channel in range(3):
            total = np.bincount(place, colors[known, channel], height * width)
            picture[hit, channel] = total[hit] / counts[hit]
        picture[hit, 3] = 110 + 145 * strength
    return picture.reshape(height, width, 4)


def png(rgba: npt.NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 4) uint8 as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgba).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
