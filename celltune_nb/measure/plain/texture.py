"""Texture of cells, with NumPy alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.plain.intensity import gathered
from celltune_nb.measure.planes import Float32, Window
from celltune_nb.measure.runs import Int64, Runs
from celltune_nb.measure.texture import DIRECTIONS, LEVELS, TEXTURES

__all__ = ["textures"]

Float64 = npt.NDArray[np.float64]

_CELLS = 2000  # whose counts are held at once


def textures(window: Window, runs: Runs) -> Float32:
    """See `engines.Engine.textures`."""
    n = runs.ptr.size - 1
    level = _levels(window, runs)
    row, column, ptr = runs.pixels
    # a margin of a pixel, so that every pixel has eight neighbours
    stride = window.width + 2
    place = (row.astype(np.int64) - window.y0 + 1) * stride + column + 1
    size = (window.rows.shape[0] + 2) * stride
    owner = np.full(size, -1, np.int32)
    drawn = np.zeros(size, np.int8)
    cell = np.repeat(np.arange(n, dtype=np.int32), np.diff(ptr))
    owner[place], drawn[place] = cell, level
    out = np.empty((len(TEXTURES), n), np.float32)
    for first in range(0, n, _CELLS):
        last = min(first + _CELLS, n)
        some = slice(ptr[first], ptr[last])
        measured = np.zeros(last - first)
        sums = np.zeros((len(TEXTURES), last - first))
        for dy, dx in DIRECTIONS:
            there = place[some] + dy * stride + dx
            pair = (owner[there] == cell[some]) & (drawn[there] > 0) & (level[some] > 0)
            code = (cell[some][pair] - first).astype(np.int64) * LEVELS**2
            code += (level[some][pair] - 1) * LEVELS + drawn[there[pair]] - 1
            counts = np.bincount(code, minlength=(last - first) * LEVELS**2).reshape(-1, LEVELS, LEVELS)
            has = counts.any(axis=(1, 2))
            sums[:, has] += _measures(counts[has] + counts[has].transpose(0, 2, 1))
            measured += has
        alone = measured == 0
        flat = np.zeros((1, LEVELS, LEVELS), np.int64)
        flat[0, 0, 0] = 1
        sums[:, alone], measured[alone] = _measures(flat), 1
        out[:, first:last] = sums / measured
    finite = np.diff(gathered(window, runs)[1]) > 0
    out[:, ~finite] = np.nan
    return out


def _levels(window: Window, runs: Runs) -> npt.NDArray[np.int64]:
    """Gray level of each pixel, 0 where it is not finite."""
    row, column, ptr = runs.pixels
    values = window.flat[(row.astype(np.int64) - window.y0) * window.width + column].astype(np.float64)
    finite = np.isfinite(values)
    some = ptr[1:] > ptr[:-1]
    begins, many = ptr[:-1][some], np.diff(ptr)[some]
    low = np.minimum.reduceat(np.where(finite, values, np.inf), begins)
    high = np.maximum.reduceat(np.where(finite, values, -np.inf), begins)
    scale = np.zeros(low.size)
    np.divide(LEVELS, high - low, out=scale, where=high > low)
    values -= np.repeat(low, many)
    values *= np.repeat(scale, many)
    level = np.zeros(values.size, np.int64)
    level[finite] = 1 + np.minimum(values[finite].astype(np.int64), LEVELS - 1)
    return level


def _measures(counts: Int64) -> Float64:
    """f1 to f13 of symmetric counts (m, levels, levels) with at least one pair each; float64 (13, m)."""
    i = np.arange(1, LEVELS + 1)
    total = counts.sum(axis=(1, 2))
    alone = counts.sum(axis=2)
    added, apart = _tally(counts, i[:, None] + i), _tally(counts, np.abs(i[:, None] - i))
    k = np.arange(added.shape[1])
    first, second = alone @ i, alone @ i**2
    contrast, difference = apart @ k**2 / total, apart @ k / total
    mean = first / total
    variance = (total * second - first**2) / total / total
    varied = variance > 0
    own, joint = _entropy(alone, total), _entropy(counts.reshape(total.size, -1), total)
    correlation = np.ones(total.size)
    products = counts.reshape(total.size, -1) @ np.outer(i, i).ravel() / total
    np.divide(products - mean**2, variance, out=correlation, where=varied)
    information = np.zeros(total.size)
    np.divide(joint - 2 * own, own, out=information, where=varied)
    return np.stack(
        [
            (counts**2).sum(axis=(1, 2)) / total / total,
            contrast,
            correlation,
            variance,
            apart @ (1 / (1.0 + k**2)) / total,
            2 * mean,
            added @ k**2 / total - 4 * mean**2,
            _entropy(added, total),
            joint,
            contrast - difference**2,
            _entropy(apart, total),
            information,
            np.where(varied, np.sqrt(np.maximum(1 - np.exp(-2 * (2 * own - joint)), 0)), 0.0),
        ]
    )


def _tally(counts: Int64, of: npt.NDArray[np.int64]) -> Int64:
    """How often each value of a function of the two levels occurs."""
    kinds = np.zeros((LEVELS**2, 2 * LEVELS + 1), np.int64)
    kinds[np.arange(LEVELS**2), of.ravel()] = 1
    return counts.reshape(-1, LEVELS**2) @ kinds


def _entropy(counts: Int64, total: Int64) -> Float64:
    joint = np.sum(counts * np.log2(np.maximum(counts, 1)), axis=1)
    return np.log2(total) - joint / total
