"""Stacks of planes in depth, read a plane at a time: an array, ``.npy``, a TIFF or Zarr with a Z axis, or one file a plane."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.chunks import ChunkCache, read_part
from ..errors import CellTuneError, FormatError, InputError
from .annotated import check_memory
from .folders.listing import natural
from .images import TIFF_ENDINGS, checked_shape, open_image
from .zarrs import is_zarr, open_zarr_planes

__all__ = ["Depth", "open_depth"]

#: Planes beyond which a file is no stack of sections.
MOST_PLANES = 100_000
#: Decoded bytes kept: a plane is read once.
KEPT = 16 << 20
#: The same where chunks hold several planes, each of which would be decoded again for every plane.
KEPT_DEEP = 256 << 20


@dataclass(frozen=True, eq=False)
class Depth:
    """Planes in depth.

    Attributes
    ----------
    planes : int
    shape : (int, int, int)
        Channels, rows, columns of each plane.
    dtype : dtype
    read : callable
        Number of a plane, from 0 → array (C, Y, X).
    channels : list of str or None
        Where the file names them.
    pixel_size : float or None
        µm a pixel, where the file says.
    """

    planes: int
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    read: Callable[[int], NDArray[Any]]
    channels: list[str] | None = None
    pixel_size: float | None = None


def open_depth(stack: Any) -> Depth:
    """Open a stack; of files no pixel is read.

    Parameters
    ----------
    stack : array (Z, Y, X) or (Z, C, Y, X), path, list of path, or mapping of str to those
        ``.npy`` of such an array; a TIFF file whose first series has the axes Z, Y, X and perhaps C; a folder of
        Zarr (OME-Zarr 0.4 or 0.5, whose axes say which is z, or an array as above); a folder of image files, one a
        plane by the order of their names ("2" before "10"), or a list of them.  A mapping names the stack of each
        channel.

    Raises
    ------
    FormatError
        A file is missing, empty, truncated, of another kind, or says that it holds more than it or the memory can.
    InputError
        An array has another shape.
    """
    if isinstance(stack, Mapping):
        return _of_channels({str(name): open_depth(one) for name, one in stack.items()})
    if isinstance(stack, list | tuple) and stack and all(isinstance(p, str | os.PathLike) for p in stack):
        return _of_files([Path(p).expanduser().absolute() for p in stack])
    if not isinstance(stack, str | os.PathLike):
        array = stack if hasattr(stack, "shape") and hasattr(stack, "dtype") else np.asarray(stack)
        return _of_array(array, "The stack", InputError)
    path = Path(stack).expanduser().absolute()
    if path.is_dir() and not is_zarr(path):
        return _of_files(_files_of(path))
    if not path.exists():
        raise FormatError(f"There is no file {path}. Name a .npy, TIFF or Zarr file, or a folder of planes.")
    if path.is_file() and path.stat().st_size == 0:
        raise FormatError(f"{path.name} is empty (0 bytes). Check the copy, or export it again.")
    try:
        if path.is_dir():
            return _of_zarr(path)
        if path.suffix.lower() == ".npy":
            # Refuses objects, which only a pickle holds, and a file that is shorter than it says.
            return _of_array(np.lib.format.open_memmap(path, mode="r"), path.name, FormatError)
        if path.suffix.lower() in TIFF_ENDINGS:
            return _of_tiff(path)
    except CellTuneError:
        raise
    except Exception as error:
        raise FormatError(
            f"{path.name} cannot be read ({_reason(error)}). It may be truncated or of another kind: copy or export it again."
        ) from error
    raise FormatError(f"{path.name} is neither .npy nor TIFF nor Zarr. Export the stack as one of them.")


def _of_channels(stacks: Mapping[str, Depth]) -> Depth:
    """Stacks of the same planes, one after the other as channels."""
    if not stacks:
        raise InputError("There is no channel. Give the stack of each by its name.")
    first = next(iter(stacks.values()))
    for name, one in stacks.items():
        if one.shape[0] != 1 or (one.planes, one.shape) != (first.planes, first.shape):
            what = " × ".join(map(str, (first.planes, *first.shape[1:])))
            raise InputError(
                f"The stack of channel {name!r} has {one.planes:,} planes of {' × '.join(map(str, one.shape))} (channels, rows, "
                f"columns); one channel of {what} belongs here. Export it at the same size."
            )
    dtype = np.result_type(*(one.dtype for one in stacks.values()))

    def read(z: int) -> NDArray[Any]:
        return np.concatenate([one.read(z) for one in stacks.values()]).astype(dtype, copy=False)

    sizes = {one.pixel_size for one in stacks.values() if one.pixel_size is not None}
    size = sizes.pop() if len(sizes) == 1 else None
    shape = (len(stacks), *first.shape[1:])
    _check(Path("the stack"), first.planes, shape, dtype)
    return Depth(first.planes, shape, dtype, read, list(stacks), size)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _of_array(array: Any, what: str, error: type[CellTuneError]) -> Depth:
    shape = tuple(int(n) for n in array.shape)
    if len(shape) not in (3, 4) or 0 in shape or np.dtype(array.dtype).kind not in "buif":
        raise error(
            f"{what} has shape {shape} of {array.dtype}. A stack holds numbers as (Z, Y, X) or (Z, C, Y, X), planes in depth "
            "first."
        )
    plane = (1 if len(shape) == 3 else shape[1], shape[-2], shape[-1])
    dtype = np.dtype(array.dtype).newbyteorder("=")
    _check(Path(what), shape[0], plane, dtype)
    return Depth(
        shape[0], plane, dtype, lambda z: np.asarray(array[z]).reshape(plane).astype(dtype, copy=False)
    )


def _check(path: Path, planes: int, plane: tuple[int, ...], dtype: Any) -> None:
    """Refuse what is too large to be meant, or to be read a plane at a time."""
    checked_shape(path, plane, dtype)
    if planes > MOST_PLANES:
        raise FormatError(
            f"{path.name} says that it holds {planes:,} planes. Check the file; it may be damaged."
        )
    check_memory(2.0 * math.prod(plane) * np.dtype(dtype).itemsize, f"A plane of {path.name}")


def _of_tiff(path: Path) -> Depth:
    from .tiff import open_planes

    found = open_planes(path, ChunkCache(KEPT))
    # Pages that no axis is named for are those of a plain multi-page file.
    outer = "".join("Z" if a in "QI" else a for a in found.axes[:-2])
    if outer not in ("Z", "ZC", "CZ"):
        raise FormatError(
            f"{path.name} has the axes {found.axes}, shape {found.shape}. A stack has planes in depth (Z), rows and columns, and "
            "perhaps channels (C); export one time point to a file of its own."
        )
    sizes = dict(zip(outer, found.shape, strict=False))
    planes, channels = sizes["Z"], sizes.get("C", 1)
    plane = (channels, found.shape[-2], found.shape[-1])
    _check(path, planes, plane, found.array.dtype)
    pages = found.array

    def read(z: int) -> NDArray[Any]:
        first, step = (z, planes) if outer == "CZ" else (z * channels, 1)
        parts = [_pixels(path, pages, slice(first + c * step, first + c * step + 1)) for c in range(channels)]
        return np.concatenate(parts)

    return Depth(
        planes, plane, np.dtype(pages.dtype).newbyteorder("="), read, found.channels, found.pixel_size
    )


def _of_zarr(path: Path) -> Depth:
    found = open_zarr_planes(path, ChunkCache(0))
    array, sizes = found.array, dict(zip(found.axes, found.array.shape, strict=True))
    planes, plane = sizes["Z"], (sizes.get("C", 1), sizes["Y"], sizes["X"])
    _check(path, planes, plane, array.dtype)
    if (
        found.depth > 1
    ):  # twice what the planes of a row of chunks take: a cache keeps no chunk of half its size
        slab = 2 * found.depth * math.prod(plane) * array.dtype.itemsize
        array = open_zarr_planes(path, ChunkCache(min(slab, KEPT_DEEP))).array

    def read(z: int) -> NDArray[Any]:
        key = tuple(slice(z, z + 1) if axis == "Z" else slice(None) for axis in found.axes)
        return _pixels(path, array, key, keep=found.depth > 1).reshape(plane)

    return Depth(planes, plane, array.dtype, read, found.channels, found.pixel_size)


def _pixels(path: Path, array: Any, planes: slice | tuple[slice, ...], keep: bool = False) -> NDArray[Any]:
    """Some planes of a file, in native byte order."""
    try:
        part = read_part(array, planes if isinstance(planes, tuple) else (planes,), keep=keep)[0]
    except CellTuneError:
        raise
    except Exception as error:
        raise FormatError(
            f"A plane of {path.name} cannot be read ({_reason(error)}). The file may be damaged: copy it again."
        ) from error
    return np.asarray(part, dtype=part.dtype.newbyteorder("="))


def _files_of(folder: Path) -> list[Path]:
    """The files of a folder that may be planes."""
    try:
        found = [
            path for path in folder.iterdir()
            if path.suffix.lower() in (*TIFF_ENDINGS, ".npy") and not path.name.startswith(".") and path.is_file()
        ]  # fmt: skip
    except OSError as error:
        raise FormatError(f"{folder} cannot be read ({error.strerror}). Check its permissions.") from error
    if not found:
        raise FormatError(
            f"No TIFF or .npy file lies in {folder}. Name the folder that holds one file a plane."
        )
    return sorted(found, key=natural)


def _of_files(paths: Sequence[Path]) -> Depth:
    """One image file a plane."""
    cache = ChunkCache(KEPT)

    def opened(path: Path) -> Any:
        return open_image(path, cache, try_pixel=False)

    first = opened(paths[0])
    if first.array.ndim == 3 and first.array.shape[2] == 3 and first.array.shape[0] > 3:
        raise FormatError(f"{first.path.name} is an RGB picture. Export the planes with their channels.")
    rows, columns = (int(n) for n in first.array.shape[-2:])
    plane = (int(first.array.shape[0]) if first.array.ndim == 3 else 1, rows, columns)
    dtype = np.dtype(first.array.dtype).newbyteorder("=")
    _check(first.path.parent, len(paths), plane, dtype)

    def read(z: int) -> NDArray[Any]:
        file = opened(paths[z])
        found = (1,) * (3 - file.array.ndim) + tuple(file.array.shape)
        if found != plane or np.dtype(file.array.dtype).newbyteorder("=") != dtype:
            raise FormatError(
                f"{file.path.name} holds {' × '.join(map(str, found))} {file.array.dtype}, the first plane "
                f"{' × '.join(map(str, plane))} {dtype}. Export all planes alike, or leave this file out."
            )
        return _pixels(file.path, file.array, slice(None)).reshape(plane)

    return Depth(len(paths), plane, dtype, read, first.channels, first.pixel_size)
