"""One image in several files, a channel each: as folders of single-channel TIFFs hold it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.chunks import ChunkCache, Chunked
from ..errors import FormatError
from .images import PART, ImageFile, checked_shape, open_image

__all__ = ["is_stack", "open_stack", "plain_stem"]

#: Decoded bytes kept for files that are cut into other pieces than the first one.
KEPT = 16 << 20


def is_stack(thing: Any) -> bool:
    """Whether something is a list of paths, one a channel."""
    return (
        isinstance(thing, list | tuple)
        and len(thing) > 0
        and all(isinstance(p, str | os.PathLike) for p in thing)
    )


def open_stack(
    paths: Sequence[str | os.PathLike[str]], cache: ChunkCache | None = None, *, try_pixel: bool = True
) -> ImageFile:
    """Open files of one channel each as one image, without reading their pixels.

    Parameters
    ----------
    paths : sequence of path
        In the order of the channels, which are called as the files are.
    cache : ChunkCache, optional
        Where decoded chunks are kept.
    try_pixel : bool
        As of :func:`~celltune_nb.formats.images.open_image`.

    Returns
    -------
    ImageFile
        (C, Y, X) of a type that holds the values of every file.

    Raises
    ------
    FormatError
        When a file cannot be read, holds more than one channel, or has another size than most.
    """
    if not paths:
        raise FormatError("No file was given. Give the path of one file for each channel.")
    # Two threads may decode chunks of the stack, so the files in it use none of their own: both could wait for a third.
    inner = ChunkCache(KEPT)
    files = [open_image(path, inner, try_pixel=try_pixel) for path in paths]
    shapes = [_plane(file) for file in files]
    usual = Counter(shapes).most_common(1)[0][0]
    for file, shape in zip(files, shapes, strict=True):
        if shape != usual:
            raise FormatError(
                f"{file.path.name} has {shape[0]} × {shape[1]} pixels, the other channels of its image {usual[0]} × {usual[1]}. "
                "Export it at the same size, or leave it out."
            )
    dtype = np.result_type(*(np.dtype(file.array.dtype) for file in files))
    folder = Path(os.path.commonpath([file.path.parent for file in files]))
    stacked = (len(files), *usual)
    checked_shape(folder, stacked, dtype)
    first = files[0].array
    rows, columns = first.chunks[-2:] if isinstance(first, Chunked) else (PART, PART)
    chunks = (min(rows, usual[0]), min(columns, usual[1]))
    planes = [_Plane(file, chunks) for file in files]

    def load(index: tuple[int, ...]) -> NDArray[Any]:
        return planes[index[0]].read(index[1], index[2])[np.newaxis]

    names = [plain_stem(file.path) for file in files]
    sizes = {file.pixel_size for file in files if file.pixel_size is not None}
    return ImageFile(
        folder,
        Chunked(stacked, (1, *chunks), dtype, load, cache or ChunkCache(), folder.name),
        (),
        names if len(set(names)) == len(names) else None,
        sizes.pop() if len(sizes) == 1 else None,
        tuple(part for file in files for part in file.parts or (file.path,)),
        tuple(file.path for file in files),
    )


def _plane(file: ImageFile) -> tuple[int, int]:
    shape = tuple(int(n) for n in file.array.shape)
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2:
        raise FormatError(
            f"{file.path.name} holds {' × '.join(map(str, shape))} numbers, not one channel. Give it as an image of its own."
        )
    return shape[0], shape[1]


class _Plane:
    """A file of a stack, read in the pieces of the stack."""

    def __init__(self, file: ImageFile, chunks: tuple[int, int]) -> None:
        array = file.array
        self._deep = array.ndim == 3
        self._chunks = chunks
        self._array = self._mapped = None
        if isinstance(array, np.memmap) and array.flags.forc:
            # Mapped for each piece: a map keeps its file open, and a project of many fields has thousands of them.
            order = "C" if array.flags.c_contiguous else "F"
            self._mapped = (file.path, array.dtype, "r", array.offset, array.shape, order)
        else:
            self._array = array

    def read(self, i: int, j: int) -> NDArray[Any]:
        rows, columns = (slice(k * n, (k + 1) * n) for k, n in zip((i, j), self._chunks, strict=True))
        key = (slice(0, 1), rows, columns) if self._deep else (rows, columns)
        if self._mapped is not None:
            part = np.array(np.memmap(*self._mapped)[key])  # type: ignore[call-overload]
        elif isinstance(self._array, Chunked):
            # What is cut as the stack is kept by the stack.
            part = self._array.read(key, keep=self._array.chunks[-2:] != self._chunks)[0]
        else:
            part = np.asarray(self._array[key])  # type: ignore[index]
        return part[0] if self._deep else part


def plain_stem(path: Path) -> str:
    """The name of an image file without its ending, ``.ome.tif`` taken as one."""
    name = path.name
    for ending in (".ome.tif", ".ome.tiff", ".ome.zarr"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem
