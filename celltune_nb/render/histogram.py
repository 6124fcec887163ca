"""Intensity histograms and contrast limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.data.chunks import Chunked

__all__ = ["auto_contrast", "histogram"]

#: Steps of intensity above black that single photons and rounding reach.
COUNTS = 4
#: Pixels looked at: enough for stable percentiles, few enough to be instant.
SAMPLE = 1 << 20
#: Planes with more pixels are not decoded whole for it: a few parts spread over them speak for the rest.
LARGE = 1 << 24


def _sample(plane: Any) -> npt.NDArray[np.float32]:
    if isinstance(plane, Chunked) and plane.shape[0] * plane.shape[1] > LARGE:
        values = plane.sample(SAMPLE).astype(np.float32)
        return values[np.isfinite(values)]
    stride = max(1, int(np.ceil(np.sqrt(plane.shape[0] * plane.shape[1] / SAMPLE))))
    values = np.asarray(plane[::stride, ::stride]).astype(np.float32).ravel()
    return values[np.isfinite(values)]


def histogram(
    plane: Any, bins: int = 256, limits: tuple[float, float] | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Histogram of a channel, from about a million of its pixels.

    Parameters
    ----------
    plane : array-like
        (Y, X) numbers.
    bins : int
        Number of bins.
    limits : tuple of float, optional
        Range; by default from the smallest to the largest value.

    Returns
    -------
    counts : ndarray
        (bins,) int64.
    edges : ndarray
        (bins + 1,) float64, in the image's intensity unit.
    """
    values = _sample(plane)
    if limits is None:
        limits = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if limits[1] <= limits[0]:
        limits = (limits[0], limits[0] + 1)
    counts, edges = np.histogram(values, bins=bins, range=limits)
    return counts.astype(np.int64), edges.astype(np.float64)


def auto_contrast(plane: Any, low: float = 1.0, high: float = 99.8) -> tuple[float, float]:
    """Contrast limits (black, full colour) of a channel.

    The 1st and the 99.8th percentile of the finite pixels.  A channel with fewer bright pixels than
    that (a sparse marker) takes the percentile of its pixels above black instead, so that they show; so does one of whole
    numbers that gets no further than :data:`COUNTS` above black, whose noise would shine like signal.

    Parameters
    ----------
    plane : array-like
        (Y, X) numbers.
    low, high : float
        Percentiles.

    Returns
    -------
    tuple of float
        ``low < high``, in the image's intensity unit.
    """
    values = _sample(plane)
    if not values.size:
        return (0.0, 1.0)
    bottom, top = (float(v) for v in np.percentile(values, [low, high]))
    counted = np.issubdtype(getattr(plane, "dtype", np.float32), np.integer)
    if top <= bottom or (counted and top - bottom < COUNTS):
        bright = values[values > bottom]
        top = float(np.percentile(bright, high)) if bright.size else bottom + 1.0
    return (bottom, top)
