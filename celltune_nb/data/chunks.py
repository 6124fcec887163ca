"""Arrays that are read from a file piece by piece, and the memory that keeps the pieces read last.

Decoding a compressed chunk takes milliseconds, copying one that is in memory microseconds; whoever pans
and zooms asks for the same chunks again and again.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellTuneError, FormatError

__all__ = ["ChunkCache", "Chunked", "Deferred", "Patience", "read_part"]

Index = tuple[int, ...]
Box = tuple[slice, ...]

#: Bytes of decoded chunks kept where nobody says how many.
CACHE_BYTES = 64 << 20
#: Chunks decoded between two looks at the clock: one for each of the two threads that decode.
BATCH = 2
#: Chunks in flight where nobody is in a hurry.
PASS = 8
#: A sample comes from this many chunks along each side.
SPREAD = 5


class Patience:
    """How long a reader waits for pixels that are not decoded yet, and whether it had to go without some.

    Parameters
    ----------
    seconds : float, optional
        From now on; without it, the reader waits for everything.

    Attributes
    ----------
    lacking : bool
        Whether something was left out.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._now = time.monotonic()
        self._seconds = math.inf if seconds is None else seconds
        self._share = 1.0
        self._tried = False
        self.lacking = False

    def share(self, part: int, parts: int) -> None:
        """Let what is read next (*part* of *parts*, from 0) take its share of the time and no more."""
        self._share = (part + 1) / max(1, parts)

    def spent(self) -> bool:
        """Whether the time is over; never before the first piece, so that every reader gets on."""
        if not self._tried:
            self._tried = True
            return False
        return time.monotonic() - self._now > self._seconds * self._share


class ChunkCache:
    """The decoded chunks that were used last, up to a number of bytes; safe to use from several threads.

    Parameters
    ----------
    max_bytes : int
    run : callable
        How chunks are decoded side by side: ``map``, or that of a pool of threads.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES, run: Callable[..., Iterable[Any]] = map) -> None:
        self.max_bytes = max_bytes
        self.run = run
        self._chunks: OrderedDict[Any, NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def get(self, key: Any) -> NDArray[Any] | None:
        """A chunk, or None when it is not here."""
        with self._lock:
            chunk = self._chunks.get(key)
            if chunk is not None:
                self._chunks.move_to_end(key)
            return chunk

    def put(self, key: Any, chunk: NDArray[Any]) -> None:
        """Keep a chunk; the ones not used for longest make room. One that takes half the room is not kept."""
        if chunk.nbytes > self.max_bytes // 2:
            return
        with self._lock:
            old = self._chunks.pop(key, None)
            self._bytes += chunk.nbytes - (0 if old is None else old.nbytes)
            self._chunks[key] = chunk
            while self._bytes > self.max_bytes:
                self._bytes -= self._chunks.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._chunks.clear()
            self._bytes = 0


class Chunked:
    """An array in a file, read chunk by chunk when it is sliced.

    Slices (with positive steps), whole numbers and ``...`` work as in NumPy and give NumPy arrays.

    Parameters
    ----------
    shape, chunks : tuple of int
        Of the array, and of a full chunk of it.
    dtype : dtype
    load : callable
        ``load(index)`` gives the chunk at a position of the grid; one at the edge may be larger than its part
        of the array.
    cache : ChunkCache, optional
        Shared with other arrays.
    name : str
        What errors call it.
    """

    def __init__(
        self, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: Any, load: Callable[[Index], Any],
        cache: ChunkCache | None = None, name: str = "The image",
    ) -> None:  # fmt: skip
        self.shape, self.chunks, self.dtype = tuple(shape), tuple(chunks), np.dtype(dtype).newbyteorder("=")
        self.name = name
        self._load = load
        self._cache = cache or ChunkCache()
        self._own = object()  # the cache's key: no other array can have it while this one is kept

    def __repr__(self) -> str:
        return f"Chunked({self.name!r}, shape={self.shape}, chunks={self.chunks}, dtype={self.dtype})"

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array once decoded."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        del copy
        return np.asarray(self[...], dtype)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self.read(key)[0]

    def read(
        self, key: Any, patience: Patience | None = None, *, keep: bool = True
    ) -> tuple[NDArray[Any], list[Box]]:
        """A part of the array, as much of it as patience allows.

        Parameters
        ----------
        key : as in ``array[key]``
        patience : Patience, optional
            Chunks in memory are always used; others are decoded until patience ends, the middle first.
        keep : bool
            Whether chunks decoded now go into the cache: not when a pass over everything would empty it.

        Returns
        -------
        part : ndarray
        missing : list of tuple of slice
            The parts of it that were left 0.

        Raises
        ------
        FormatError
            When a chunk cannot be read.
        """
        spans = self._spans(key)
        lengths = [sum(piece[2] for piece in pieces) for pieces, _ in spans]
        out = np.empty(lengths, self.dtype)
        wanted: list[tuple[float, Index, Box, Box]] = []
        for pieces in product(*(pieces for pieces, _ in spans)):
            index = tuple(piece[0] for piece in pieces)
            here = tuple(slice(piece[1], piece[1] + piece[2]) for piece in pieces)
            inside = tuple(piece[3] for piece in pieces)
            chunk = self._cache.get((self._own, index))
            if chunk is None:
                off = sum(
                    abs(p[1] + p[2] / 2 - n / 2) / max(1, n) for p, n in zip(pieces, lengths, strict=True)
                )
                wanted.append((off, index, here, inside))
            else:
                out[here] = chunk[inside]
        wanted.sort(key=lambda item: item[0])
        missing: list[Box] = []
        step = BATCH if patience is not None else PASS
        for start in range(0, len(wanted), step):
            if patience is not None and patience.spent():
                patience.lacking = True
                missing = [here for _, _, here, _ in wanted[start:]]
                break
            batch = wanted[start : start + step]
            run = self._cache.run if len(batch) > 1 else map
            decoded = run(lambda item: self._decode(item[1], keep=keep), batch)
            for (_, _, here, inside), chunk in zip(batch, decoded, strict=True):
                out[here] = chunk[inside]
        for here in missing:
            out[here] = 0
        drop = tuple(0 if dropped else slice(None) for _, dropped in spans)
        kept = [i for i, (_, dropped) in enumerate(spans) if not dropped]
        return out[drop], [tuple(here[i] for i in kept) for here in missing]

    def sample(self, pixels: int) -> NDArray[Any]:
        """At most that many pixels of an array (Y, X), from a few chunks spread over all of it; flat."""
        grid = [-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True)]
        places = [np.unique(np.linspace(0, n - 1, min(n, SPREAD)).round().astype(int)).tolist() for n in grid]
        most = max(1, pixels // (len(places[0]) * len(places[1])))
        parts = []
        for corner in product(*places):
            key = tuple(slice(i * c, (i + 1) * c) for i, c in zip(corner, self.chunks, strict=True))
            part = self.read(key, keep=False)[0].ravel()
            parts.append(part[:: -(-part.size // most)])
        return np.concatenate(parts)

    def plane(self, number: int, axis: int = 0) -> Chunked:
        """One channel as an array (Y, X) of its own, without reading it."""
        size = self.chunks[axis]

        def load(index: Index) -> NDArray[Any]:
            chunk = self._chunk((*index[:axis], number // size, *index[axis:]))
            return np.take(chunk, number % size, axis)

        shape, chunks = list(self.shape), list(self.chunks)
        del shape[axis], chunks[axis]
        # What it reads lies in the memory of the whole array.
        return Chunked(
            tuple(shape), tuple(chunks), self.dtype, load, ChunkCache(0, self._cache.run), self.name
        )

    def stacked(self) -> Chunked:
        """The array (Y, X) as the one channel of an array (1, Y, X)."""

        def load(index: Index) -> NDArray[Any]:
            return np.asarray(self._load(index[1:]))[np.newaxis]

        return Chunked((1, *self.shape), (1, *self.chunks), self.dtype, load, self._cache, self.name)

    def converted(self, convert: Callable[[NDArray[Any]], NDArray[Any]], dtype: Any) -> Chunked:
        """The same array with every chunk converted, in another type."""

        def load(index: Index) -> NDArray[Any]:
            return convert(np.asarray(self._load(index)))

        return Chunked(self.shape, self.chunks, dtype, load, self._cache, self.name)

    def _spans(self, key: Any) -> list[tuple[list[tuple[int, int, int, slice]], bool]]:
        """For each axis: (chunk, first place in the result, number of places, slice inside the chunk), and
        whether the axis is dropped.
        """
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        if len(keys) > self.ndim:
            raise IndexError(f"{self.name} has {self.ndim} axes, not {len(keys)}")
        return [_axis_spans(item, n, c) for item, n, c in zip(keys, self.shape, self.chunks, strict=True)]

    def _chunk(self, index: Index) -> NDArray[Any]:
        chunk = self._cache.get((self._own, index))
        return self._decode(index, keep=True) if chunk is None else chunk

    def _decode(self, index: Index, *, keep: bool) -> NDArray[Any]:
        wanted = tuple(min(c, n - i * c) for i, c, n in zip(index, self.chunks, self.shape, strict=True))
        try:
            chunk = np.asarray(self._load(index))
            if chunk.ndim != self.ndim or any(a < b for a, b in zip(chunk.shape, wanted, strict=True)):
                raise ValueError(f"a part has shape {chunk.shape}, expected {wanted}")
            chunk = np.ascontiguousarray(chunk[tuple(slice(n) for n in wanted)], self.dtype)
        except CellTuneError:
            raise
        except Exception as error:
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise FormatError(
                f"{self.name} is damaged, or was changed while it was open ({reason}). Restore it from a copy."
            ) from error
        chunk.flags.writeable = False
        if keep:
            self._cache.put((self._own, index), chunk)
        return chunk


def _axis_spans(item: Any, n: int, size: int) -> tuple[list[tuple[int, int, int, slice]], bool]:
    dropped = not isinstance(item, slice)
    if dropped:
        place = item.__index__()
        if not -n <= place < n:
            raise IndexError(f"index {place} is out of bounds for an axis of {n}")
        item = slice(place % n, place % n + 1)
    start, stop, step = item.indices(n)
    if step < 0:
        raise IndexError("only positive steps can be read")
    count = max(0, -(-(stop - start) // step))
    pieces = []
    done = 0
    while done < count:
        at = start + done * step
        chunk, inside = divmod(at, size)
        many = min(count - done, -(-(size - inside) // step))
        pieces.append((chunk, done, many, slice(inside, inside + (many - 1) * step + 1, step)))
        done += many
    return pieces, dropped


class Deferred:
    """An array of a file that is opened when it is read first.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
        As they were when the file was added.
    open_ : callable
        Gives the array, or raises the sentence that says what is wrong with the file; then it is asked again.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any, open_: Callable[[], Any]) -> None:
        self.shape, self.dtype = tuple(shape), np.dtype(dtype).newbyteorder("=")
        self.ndim = len(self.shape)
        self._open = open_
        self._array: Any = None
        self._lock = threading.Lock()

    @property
    def opened(self) -> Any:
        """The array itself: memory-mapped or :class:`Chunked`."""
        with self._lock:
            if self._array is None:
                self._array = self._open()
            return self._array

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        del copy
        return np.asarray(self.opened, dtype)

    def __getitem__(self, key: Any) -> Any:
        return self.opened[key]


def read_part(
    array: Any, key: tuple[Any, ...], patience: Patience | None = None, *, keep: bool = True
) -> tuple[NDArray[Any], list[Box]]:
    """A part of any array, and what is missing of it: see :meth:`Chunked.read`."""
    array = getattr(array, "opened", array)
    if isinstance(array, Chunked):
        return array.read(key, patience, keep=keep)
    return np.asarray(array[key]), []
