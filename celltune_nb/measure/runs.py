"""A label mask as runs: stretches of one label along a row.

A cell of 500 pixels is about 25 runs.  Everything that is measured walks runs, so that
background costs nothing, the pixels of a run are read as one contiguous stretch, and a mask
of any integer type is read only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from celltune_nb.data.chunks import read_part
from celltune_nb.errors import InputError
from celltune_nb.measure.planes import chunk_of

__all__ = ["CellIndex", "MaskRuns", "Runs", "cell_index", "mask_runs", "read_strip"]

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Map = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]

_STRIP = 256  # rows of the mask read at once, unless its chunks are longer
_CELLS = 50_000  # located at once


@dataclass(frozen=True, eq=False)
class Runs:
    """Pixels of `n` cells as runs, those of cell `i` at ``ptr[i]:ptr[i + 1]``, top to bottom.

    Attributes
    ----------
    ptr : int64 (n + 1,)
    row, start, stop : int32 (r,)
        Row of the image and the half-open range of columns.
    """

    ptr: Int64
    row: Int32
    start: Int32
    stop: Int32

    def areas(self) -> Int64:
        """Pixels of each cell, int64 (n,)."""
        return self.total(self.stop.astype(np.int64) - self.start)

    def total(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sum of a value of each run over the runs of each cell."""
        some = self.ptr[1:] > self.ptr[:-1]
        sums = np.zeros(some.size, values.dtype)
        if values.size:
            sums[some] = np.add.reduceat(values, self.ptr[:-1][some])
        return sums

    def rows(self) -> tuple[Int64, Int64]:
        """First row and one past the last row of each cell; an empty cell has (2³¹, 0)."""
        full = self.ptr[1:] > self.ptr[:-1]
        first = np.full(full.size, 2**31, np.int64)
        last = np.zeros(full.size, np.int64)
        first[full] = self.row[self.ptr[:-1][full]]
        last[full] = self.row[self.ptr[1:][full] - 1] + 1
        return first, last

    def cells(self) -> Int64:
        """Cell of each run, int64 (r,)."""
        return np.repeat(np.arange(self.ptr.size - 1), np.diff(self.ptr))

    def part(self, first: int, last: int) -> Runs:
        """The cells ``first:last``, numbered from 0; no copy."""
        a, b = self.ptr[first], self.ptr[last]
        return Runs(self.ptr[first : last + 1] - a, self.row[a:b], self.start[a:b], self.stop[a:b])

    def take(self, cells: Int64) -> Runs:
        """These cells, in this order."""
        count = np.diff(self.ptr)[cells]
        ptr = np.zeros(cells.size + 1, np.int64)
        np.cumsum(count, out=ptr[1:])
        which = np.arange(ptr[-1]) + np.repeat(self.ptr[:-1][cells] - ptr[:-1], count)
        return Runs(ptr, self.row[which], self.start[which], self.stop[which])

    @cached_property
    def largest(self) -> int:
        """Pixels of the largest cell."""
        return int(self.areas().max(initial=0))

    @cached_property
    def pixels(self) -> tuple[Int32, Int32, Int64]:
        """Row and column of each pixel, cell after cell, and where those of each cell begin (n + 1,).

        Kept: all channels of an image are measured on the same pixels.
        """
        length = (self.stop - self.start).astype(np.int64)
        upto = np.zeros(length.size + 1, np.int64)
        np.cumsum(length, out=upto[1:])
        column = np.arange(upto[-1], dtype=np.int32) + np.repeat(
            (self.start - upto[:-1]).astype(np.int32), length
        )
        return np.repeat(self.row, length), column, upto[self.ptr]


@dataclass(frozen=True, eq=False)
class MaskRuns:
    """A label mask as runs, by cell and by row.

    Attributes
    ----------
    shape : (int, int)
    labels : int64 (n,)
        Ascending; the position of a label is the number of its cell.
    runs : Runs
    cell, start, stop : int32 (r,)
        The same runs in reading order, with their cell.
    row_ptr : int64 (Y + 1,)
        Where each row begins in them.
    order : int32 or int64 (r,)
        Of the runs in reading order, the one that each of `runs` is.
    """

    shape: tuple[int, int]
    labels: Int64
    runs: Runs
    cell: Int32
    start: Int32
    stop: Int32
    row_ptr: Int64
    order: Int32 | Int64

    def rows(self, y0: int, y1: int) -> Int64:
        """Row of each of the runs in rows ``y0:y1``, in reading order."""
        return np.repeat(np.arange(y0, y1), np.diff(self.row_ptr[y0 : y1 + 1]))


class CellIndex(NamedTuple):
    """Where the cells of a mask are.

    Attributes
    ----------
    labels : int64 (n,)
        Ascending.
    y, x : float64 (n,)
        Centroids in pixels; the origin is the centre of pixel 0.
    bbox : int32 (n, 4)
        y0, x0, y1, x1, half-open.
    border_distance : float32 (n,)
        Pixels between the bounding box and the nearest edge of the image; 0 touches it.
    """

    labels: Int64
    y: npt.NDArray[np.float64]
    x: npt.NDArray[np.float64]
    bbox: Int32
    border_distance: npt.NDArray[np.float32]


def cell_index(mask: Any) -> CellIndex:
    """Labels, centroids, bounding boxes and distances to the border of the cells of a mask.

    Nothing is compiled: plain NumPy over runs, about a second for 8192 × 8192 pixels.

    Parameters
    ----------
    mask : integer array-like (Y, X)
        0 is background, every other value a cell.  NumPy array, memory map or zarr array.

    Returns
    -------
    CellIndex

    Raises
    ------
    InputError
        The mask is not a two-dimensional integer array, has negative labels or no cell.
    """
    return locate(mask_runs(mask))


def locate(found: MaskRuns) -> CellIndex:
    """The index of a mask that is already in runs."""
    n = found.labels.size
    centre = np.empty((2, n))
    bbox = np.empty((n, 4), np.int32)
    for a in range(0, n, _CELLS):
        b = min(a + _CELLS, n)
        runs = found.runs.part(a, b)
        first = runs.ptr[:-1]
        length = (runs.stop - runs.start).astype(np.float64)
        area = runs.total(length)
        centre[0, a:b] = runs.total(length * runs.row) / area
        centre[1, a:b] = runs.total(length * (runs.start.astype(np.float64) + runs.stop - 1) / 2) / area
        bbox[a:b, 0], bbox[a:b, 2] = runs.rows()
        bbox[a:b, 1] = np.minimum.reduceat(runs.start, first)
        bbox[a:b, 3] = np.maximum.reduceat(runs.stop, first)
    height, width = found.shape
    gaps = np.stack([bbox[:, 0], bbox[:, 1], height - bbox[:, 2], width - bbox[:, 3]])
    return CellIndex(found.labels, centre[0], centre[1], bbox, gaps.min(axis=0).astype(np.float32))


def mask_runs(mask: Any, run: Map = map) -> MaskRuns:
    """Check a mask and read it as runs.

    Parameters
    ----------
    mask : integer array-like (Y, X)
    run : callable, optional
        ``map`` of the thread pool that reads the strips.

    Raises
    ------
    InputError
        See `cell_index`.
    """
    shape = _checked_shape(mask)
    step = max(_STRIP, chunk_of(mask, 0))
    strips = run(lambda y0: strip_runs(read_strip(mask, y0, y0 + step), y0), range(0, shape[0], step))
    label, row, start, stop = joined(strips)
    if label.size == 0:
        raise InputError(
            f"The mask ({shape[0]} × {shape[1]} pixels) holds no cell: every pixel is 0. "
            "Check that it is the label image of the segmentation, not an empty layer."
        )
    if int(label.min()) < 0:
        raise InputError(
            f"The mask holds the negative label {int(label.min())}; labels are 1, 2, 3 … and 0 is background. "
            "Set negative pixels to 0, or save the mask as an unsigned integer type."
        )
    labels, cell = _dense(label)
    del label
    runs, order = by_cell(cell, row, start, stop, labels.size)
    row_ptr = np.searchsorted(row, np.arange(shape[0] + 1)).astype(np.int64)
    return MaskRuns(shape, labels, runs, cell, start, stop, row_ptr, order)


def joined(strips: Iterable[tuple[npt.NDArray[Any], ...]]) -> list[npt.NDArray[Any]]:
    """What `strip_runs` gave for all strips, one after the other; never all of it in memory twice."""
    fields = [list(field) for field in zip(*strips, strict=True)]
    return [np.concatenate(fields.pop(0)) for _ in range(len(fields))]


def strip_runs(strip: npt.NDArray[Any], y0: int) -> tuple[npt.NDArray[Any], Int32, Int32, Int32]:
    """Label, row, start and stop of the runs in rows ``y0…`` of a mask, in reading order."""
    width = strip.shape[1]
    flat = strip.ravel()
    if flat.size == 0:
        empty = np.zeros(0, np.int32)
        return flat, empty, empty, empty
    begins = np.empty(flat.size, bool)
    np.not_equal(flat[1:], flat[:-1], out=begins[1:])
    begins[::width] = True
    first = np.flatnonzero(begins)
    label = flat[first]
    inside = label != 0
    end = np.append(first[1:], flat.size)[inside]
    first, label = first[inside], label[inside]
    if label.dtype == np.uint64:
        if label.size and int(label.max()) > np.iinfo(np.int64).max:
            raise InputError(
                f"The mask holds the label {int(label.max())}, beyond the 64-bit integers that cell ids are kept in. "
                "Renumber it first: skimage.segmentation.relabel_sequential(mask)[0]."
            )
        label = label.astype(np.int64)
    row = first // width
    origin = row * width
    return (
        label,
        (row + y0).astype(np.int32),
        (first - origin).astype(np.int32),
        (end - origin).astype(np.int32),
    )


def by_cell(cell: Int32, row: Int32, start: Int32, stop: Int32, n: int) -> tuple[Runs, Int32 | Int64]:
    """Runs in reading order, gathered by cell; and the order that gathers them."""
    order = np.argsort(cell, kind="stable")
    if order.size < 2**31:
        order = order.astype(np.int32)
    ptr = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(cell, minlength=n), out=ptr[1:])
    return Runs(ptr, row[order], start[order], stop[order]), order


def runs_within(found: MaskRuns, inside: Any, run: Map = map) -> Runs:
    """The pixels of each cell where a second mask is not 0 (a nucleus of whatever label)."""

    def strip(y0: int) -> tuple[Int64, Int32, Int32, Int32]:
        y1 = min(y0 + step, found.shape[0])
        cells = painted(found, y0, y1)
        cells[read_strip(inside, y0, y1) == 0] = 0
        return strip_runs(cells, y0)

    step = max(_STRIP, chunk_of(inside, 0))
    label, row, start, stop = joined(run(strip, range(0, found.shape[0], step)))
    return by_cell((label - 1).astype(np.int32), row, start, stop, found.labels.size)[0]


def painted(found: MaskRuns, y0: int, y1: int) -> Int32:
    """Rows ``y0:y1`` of the mask as cell numbers from 1, 0 for background; int32 (y1 − y0, X)."""
    width = found.shape[1]
    a, b = found.row_ptr[y0], found.row_ptr[y1]
    origin = (found.rows(y0, y1) - y0) * width
    # run lengths of background and cells alternately, unrolled in one pass
    edges = np.empty(2 * (b - a) + 2, np.int64)
    edges[0], edges[-1] = 0, (y1 - y0) * width
    edges[1:-1:2] = origin + found.start[a:b]
    edges[2:-1:2] = origin + found.stop[a:b]
    values = np.zeros(edges.size - 1, np.int32)
    values[1::2] = found.cell[a:b] + 1
    return np.repeat(values, np.diff(edges)).reshape(y1 - y0, width)


def chunks(n: int, parts: int) -> list[tuple[int, int]]:
    """Ranges that split `n` things into about `parts` equal parts."""
    edges = np.linspace(0, n, max(1, min(n, parts)) + 1).astype(int).tolist()
    return list(pairwise(edges))


def read_strip(mask: Any, y0: int, y1: int) -> npt.NDArray[Any]:
    """Rows ``y0:y1`` of a two-dimensional array-like, contiguous and in native byte order."""
    strip = read_part(mask, (slice(y0, y1),), keep=False)[0]
    return np.ascontiguousarray(strip, dtype=strip.dtype.newbyteorder("="))


def _dense(label: npt.NDArray[Any]) -> tuple[Int64, Int32]:
    """The labels that occur, ascending, and the number of the cell of each run."""
    top = int(label.max())
    if top > 16 * label.size + 1_000_000:
        labels, cell = np.unique(label, return_inverse=True)
        return labels.astype(np.int64), cell.astype(np.int32)
    present = np.zeros(top + 1, bool)
    present[label] = True
    number = np.cumsum(present, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(present).astype(np.int64), number[label]


def _checked_shape(mask: Any) -> tuple[int, int]:
    if not hasattr(mask, "shape") or not hasattr(mask, "dtype"):
        raise InputError(
            f"The mask is a {type(mask).__name__}, not an array. Pass a NumPy array, memory map or zarr array (Y, X)."
        )
    shape = tuple(int(size) for size in mask.shape)
    if len(shape) != 2:
        raise InputError(
            f"The mask has shape {shape}; a mask is (Y, X), one label per pixel. "
            "Take one plane of it, for example mask[0]."
        )
    dtype = np.dtype(mask.dtype)
    if dtype.kind not in "iu":
        how = "skimage.measure.label(mask)" if dtype.kind == "b" else "mask.astype('int32')"
        raise InputError(
            f"The mask has dtype {dtype}; a mask holds one whole number per cell and 0 for background. "
            f"Convert it first: {how}."
        )
    if 0 in shape:
        raise InputError(f"The mask has shape {shape}: it holds no pixel. Check how it was read or cropped.")
    return shape[0], shape[1]
