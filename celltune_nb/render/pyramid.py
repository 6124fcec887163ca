"""Reduced copies of images and masks for zoomed-out views, made block by block."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from celltune_nb.data.chunks import Chunked, Patience, read_part
from celltune_nb.render.sample import as_level, image_shape, is_rgb, part_key, region

if TYPE_CHECKING:
    from celltune_nb.render.camera import Window

__all__ = ["Pyramid", "Reduced", "Store"]

#: The coarsest level: one pixel for 512 × 512, which is what the camera's least zoom needs.
LAST = 9
#: Source pixels along a side of a block, about; always a multiple of 2 ** LAST.
BLOCK = 1024
#: Blocks of more times their usual pixels are made as low as the pieces of the file allow.
WIDE = 4
#: Of the budget, what one level of one channel may take; finer ones are left out.
SHARE = 1 / 4
#: A file's own reduced copies are enough when the coarsest is not larger than this, pixels.
COARSE = 2048
#: Missing blocks of a mapped array that a frame makes itself; with more, it reads the array with a stride.
FEW = 24

Part = tuple[npt.NDArray[Any], Any, Any]


class Store(Protocol):
    """Where the levels of a channel are kept between sessions."""

    def load(self, channel: int, size: int, dtype: np.dtype[Any]) -> npt.NDArray[Any] | None:
        """Complete levels, one after the other, or None when there are none that are true."""

    def save(self, channel: int, levels: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """Keep complete levels; gives them back as they are kept, or None when they have to stay in memory."""


class Reduced:
    """The levels of one channel: means (a mask: every second pixel) of 2 × 2 pixels, again and again.

    Each block of the source makes its part of all levels, whenever it is wanted first; several threads may
    ask at once.

    Parameters
    ----------
    base : array-like
        What is reduced; it stands at level ``offset`` itself.
    channel : int
    labels : bool
    offset : int
    room : float
        Bytes of a level at most; finer ones that take more are left out.

    Attributes
    ----------
    size : int
        Elements of all levels.
    held : int
        Bytes of them in memory; 0 when they are on disk.
    flat : ndarray
        All of them, one after the other.
    levels : dict
        Level to array; valid where :attr:`filled`.
    filled : ndarray of bool
        By block.
    """

    def __init__(
        self, base: Any, channel: int, *, labels: bool = False, offset: int = 0, room: float = math.inf
    ) -> None:
        self.base, self.channel, self.labels, self.offset = base, channel, labels, offset
        self.rgb = not labels and is_rgb(base)
        self.shape = image_shape(base)
        kind = np.dtype(base.dtype)
        if labels:
            self.dtype = kind if kind.itemsize in (2, 4) and kind.isnative else np.dtype(np.uint32)
        else:
            self.dtype = kind if self.rgb else as_level(np.empty(0, kind)).dtype
        chunks = base.chunks[-2:] if isinstance(base, Chunked) and not self.rgb else None
        if isinstance(base, Chunked) and self.rgb:
            chunks = base.chunks[:2]
        self.block = tuple(_block(*pair) for pair in zip(chunks or (BLOCK, BLOCK), self.shape, strict=True))
        if chunks is not None and math.prod(self.block) > WIDE * BLOCK**2:
            # Strips as wide as the image: fewer of them, since a frame waits for a block at least.
            unit = 1 << LAST
            self.block = (min(self.block[0], -(-chunks[0] // unit) * unit), self.block[1])
        # A chunk that lies in two blocks is decoded twice, unless the cache keeps it.
        self.aligned = chunks is None or all(b % c == 0 for b, c in zip(self.block, chunks, strict=True))
        self.filled = np.zeros([-(-n // b) for n, b in zip(self.shape, self.block, strict=True)], bool)
        self._sizes = {0: self.shape}
        for level in range(1, LAST + 1):
            if level > 1 and max(self._sizes[level - 1]) <= 64:
                break
            self._sizes[level] = tuple(-(-n // 2) for n in self._sizes[level - 1])  # type: ignore[assignment]
        pixel = 3 if self.rgb else self.dtype.itemsize
        self._stored = [n for n, size in self._sizes.items() if n and math.prod(size) * pixel <= room]
        self.size = sum(math.prod(self._sizes[n]) for n in self._stored) * (3 if self.rgb else 1)
        self.flat = np.zeros(0, self.dtype)
        self.levels: dict[int, npt.NDArray[Any]] = {}
        self.held = 0
        #: Held by whoever makes all that is missing, so that two do not do the same work.
        self.building = threading.Lock()

    def lay(self, flat: npt.NDArray[Any] | None) -> None:
        """Take complete levels out of a flat array of :attr:`size` elements, or make room for them in memory."""
        self.held = 0
        complete = flat is not None
        if flat is None:
            flat = np.zeros(self.size, self.dtype)
            self.held = flat.nbytes
        levels, at = {}, 0
        for level in self._stored:
            shape = (*self._sizes[level], 3) if self.rgb else self._sizes[level]
            count = math.prod(shape)
            levels[self.offset + level] = flat[at : at + count].reshape(shape)
            at += count
        self.flat, self.levels = flat, levels
        if complete:
            self.filled[:] = True

    def blocks(self, level: int, rows: slice, columns: slice) -> list[tuple[int, int]]:
        """The blocks not made yet that a part of a level needs, from its middle outwards."""
        spans = []
        for part, block in zip((rows, columns), self.block, strict=True):
            size = block >> (level - self.offset)
            spans.append(range(part.start // size, (part.stop - 1) // size + 1))
        middle = [(span.start + span.stop - 1) / 2 for span in spans]
        found = [(i, j) for i, j in product(*spans) if not self.filled[i, j]]
        return sorted(found, key=lambda b: abs(b[0] - middle[0]) + abs(b[1] - middle[1]))

    def missing(self) -> Iterator[tuple[int, int]]:
        """All blocks not made yet, in order."""
        for i, j in product(*(range(n) for n in self.filled.shape)):
            if not self.filled[i, j]:
                yield i, j

    def make(self, i: int, j: int) -> None:
        """Reduce a block to its part of every level."""
        # Another thread may complete them meanwhile and put the ones on disk, which nobody writes to, in their place.
        levels = self.levels
        if self.filled[i, j]:
            return
        y, x = i * self.block[0], j * self.block[1]
        ys = slice(y, min(y + self.block[0], self.shape[0]))
        xs = slice(x, min(x + self.block[1], self.shape[1]))
        part, _ = read_part(self.base, part_key(self.base, self.channel, ys, xs), keep=not self.aligned)
        if not self.rgb:
            part = part.astype(self.dtype, copy=False) if self.labels else as_level(part)
        for level in range(1, len(self._sizes)):
            part = self._halve(part)
            kept = levels.get(self.offset + level)
            if kept is not None:
                top, left = y >> level, x >> level
                kept[top : top + part.shape[0], left : left + part.shape[1]] = part
        self.filled[i, j] = True

    def _halve(self, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        from celltune_nb.render import kernels

        if self.labels:
            return part[::2, ::2]
        out = np.empty((-(-part.shape[0] // 2), -(-part.shape[1] // 2), *part.shape[2:]), part.dtype)
        part = np.ascontiguousarray(part).view()
        part.flags.writeable = False
        kernel = (
            kernels.halve_rgb
            if self.rgb
            else kernels.halve_whole
            if part.dtype.kind == "u"
            else kernels.halve
        )
        kernel(part, out)
        return out


class Pyramid:
    """The reduced copies of one image or mask, made when first looked at.

    Level ``l`` has one pixel per ``2**l × 2**l`` source pixels.  Views between the source and the finest level
    kept read the source with a stride.  The least recently used channels are dropped when the budget
    is spent.

    Parameters
    ----------
    array : array-like
        Image (Y, X), (C, Y, X), RGB (Y, X, 3) uint8, or mask (Y, X); anything that slices.
    labels : bool
        Whether ``array`` is a mask.
    own : sequence of array-like
        Reduced copies that exist already.
    store : Store, optional
        Keeps levels on disk; without it, they are in memory.
    max_bytes : int
        Memory budget for all levels together.
    ask : callable, optional
        ``ask(channel)`` is told when levels are wanted that are not complete, so that they are made in the
        background; without it, a frame makes what it needs.
    """

    def __init__(
        self, array: Any, *, labels: bool = False, own: Sequence[Any] = (), store: Store | None = None,
        max_bytes: int = 512 << 20, ask: Callable[[int], object] | None = None,
    ) -> None:  # fmt: skip
        self._array = getattr(array, "opened", array)
        self._labels = labels
        self._shape = image_shape(array)
        self._own = [(0, self._array), *_own_levels(array, own)]
        self._store = store
        self._max_bytes = max_bytes
        self._ask = ask
        self._channels: OrderedDict[int, Reduced] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of all levels that are in memory."""
        return sum(reduced.held for reduced in list(self._channels.values()))

    def reduced(self, channel: int) -> Reduced | None:
        """The levels of a channel as far as they are made; None when the file brings all that is needed."""
        offset, base = self._own[-1]
        if min(self._shape) < 2 or (offset and max(image_shape(base)) <= COARSE):
            return None
        with self._lock:
            found = self._channels.get(channel)
            if found is None:
                found = self._channels[channel] = self._begin(base, channel, offset)
                while self.nbytes > self._max_bytes and len(self._channels) > 1:
                    self._channels.popitem(last=False)
            self._channels.move_to_end(channel)
            return found

    def _begin(self, base: Any, channel: int, offset: int) -> Reduced:
        found = Reduced(base, channel, labels=self._labels, offset=offset, room=self._max_bytes * SHARE)
        found.lay(None if self._store is None else self._store.load(channel, found.size, found.dtype))
        return found

    def build(self, channel: int, step: Callable[[float], object]) -> None:
        """Make what is missing of a channel's levels.

        Parameters
        ----------
        step : callable
            ``step(fraction)`` is called after each block, and now and then while another thread makes them; what it
            raises ends the work, and what is made by then stays.
        """
        reduced = self.reduced(channel)
        if reduced is None:
            return
        while not reduced.building.acquire(timeout=0.1):
            step(float(reduced.filled.mean()))
        try:
            for i, j in reduced.missing():
                reduced.make(i, j)
                step(float(reduced.filled.mean()))
            if self._store is not None and reduced.held:
                # Frames fill memory, never the file: a page of a file that is being written to disk stops who touches it.
                kept = self._store.save(channel, reduced.flat)
                if kept is not None:
                    reduced.lay(kept)
        finally:
            reduced.building.release()

    def complete(self, channel: int) -> bool:
        """Whether a view of the whole image needs no more than a few parts of the file: see :meth:`build`.

        So it is with a mapped array, which is read with a stride.
        """
        reduced = self.reduced(channel)
        return reduced is None or not isinstance(reduced.base, Chunked) or bool(reduced.filled.all())

    def small(self, channel: int, side: int) -> npt.NDArray[Any] | None:
        """A copy of the coarsest level whose longer side has so many pixels at least; None unless it was made here."""
        reduced = self.reduced(channel)
        if reduced is None or not reduced.filled.all():
            return None
        sizes = {n: level.shape[:2] for n, level in reduced.levels.items()}
        # Of a long narrow image too little would be left across.
        fitting = [n for n, size in sizes.items() if max(size) >= side and min(size) >= side // 16]
        return np.array(reduced.levels[max(fitting)]) if fitting else None

    # ------------------------------------------------------------------ for a frame

    def look(self, channel: int, window: Window, patience: Patience | None = None) -> Part:
        """What a window sees of a channel.

        Returns
        -------
        part : ndarray
            Pixels, (h, w) or (h, w, 3); what patience left out is 0, or as coarse as it is known.
        rows, columns : ndarray of int
            For each row and column of the window, its place in them.
        """
        wanted = window.level
        level, plane = max((pair for pair in self._own if pair[0] <= wanted), key=lambda pair: pair[0])
        reduced = self.reduced(channel) if wanted > self._own[-1][0] else None
        usable = [n for n in reduced.levels if n <= wanted] if reduced is not None else []
        if reduced is not None and usable:
            part = self._from_levels(reduced, max(usable), window, patience)
            if part is not None:
                return part
        ys, xs, rows, columns = region(image_shape(plane), window, level)
        pixels, missing = read_part(plane, part_key(plane, channel, ys, xs), patience)
        if missing:
            pixels = pixels if self._labels or pixels.ndim == 3 else as_level(pixels)
            self._stand_in(pixels, missing, level, (ys, xs), channel)
        return pixels, rows, columns

    def _from_levels(
        self, reduced: Reduced, level: int, window: Window, patience: Patience | None
    ) -> Part | None:
        """From the levels made here, after making what is wanted of them; None when that would take too long."""
        kept = reduced.levels[level]
        ys, xs, rows, columns = region(kept.shape[:2], window, level)
        todo = reduced.blocks(level, ys, xs)
        if len(todo) > FEW and self._ask is not None and not isinstance(reduced.base, Chunked):
            self._ask(reduced.channel)
            return None
        for i, j in todo:
            if patience is not None and patience.spent():
                patience.lacking = True
                break
            reduced.make(i, j)
        if todo and self._ask is not None and not reduced.filled.all():
            self._ask(reduced.channel)  # what this frame did not need
        return kept[ys, xs], rows, columns

    def _stand_in(
        self, part: npt.NDArray[Any], missing: Sequence[tuple[slice, ...]], level: int, key: tuple[slice, slice], channel: int
    ) -> None:  # fmt: skip
        """Fill what is missing from the next coarser level, as far as that is made."""
        with self._lock:
            reduced = self._channels.get(channel)
        coarser = [n for n in reduced.levels if n > level] if reduced is not None else []
        if reduced is None or not coarser:
            return
        known, shift = reduced.levels[min(coarser)], min(coarser) - level
        for box in missing:
            places = []
            for side in (0, 1):
                own = key[side]
                index = own.start + np.arange(box[side].start, box[side].stop) * (own.step or 1)
                places.append(np.minimum(index >> shift, known.shape[side] - 1))
            part[box[0], box[1]] = known[np.ix_(*places)]


def _block(chunk: int, size: int) -> int:
    """Length of a block along one axis: whole chunks where they fit into a multiple of 2 ** LAST."""
    unit = 1 << LAST
    return min(max(BLOCK, -(-chunk // unit) * unit), -(-size // unit) * unit)


def _own_levels(source: Any, arrays: Sequence[Any]) -> list[tuple[int, Any]]:
    """The levels among a file's reduced copies: those that are smaller by a power of two, with all channels."""
    found: dict[int, Any] = {}
    shape = image_shape(source)
    for array in arrays:
        if len(array.shape) != len(source.shape) or is_rgb(array) != is_rgb(source):
            continue
        if len(source.shape) == 3 and not is_rgb(source) and array.shape[0] != source.shape[0]:
            continue
        size = image_shape(array)
        level = round(math.log2(max(1.0, max(shape) / max(1, *size))))
        if level and all(abs(full / 2**level - part) <= 1 for full, part in zip(shape, size, strict=True)):
            found.setdefault(level, array)
    return sorted(found.items())
