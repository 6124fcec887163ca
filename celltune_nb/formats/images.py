"""Opening image files without reading their pixels: NumPy, TIFF and Zarr.

Nothing in a file is executed: NumPy files with objects and Zarr arrays with codecs that could run code are
refused.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..data.chunks import ChunkCache, Chunked
from ..errors import CellTuneError, FormatError

__all__ = ["TIFF_ENDINGS", "ImageFile", "checked_shape", "fingerprint", "is_image_path", "open_image"]

#: Endings of files that are read as TIFF: 64-bit ones and slides of several vendors have their own.
TIFF_ENDINGS = (".tif", ".tiff", ".btf", ".tf8", ".qptiff")
#: Pixels of a plane and channels beyond which a file is taken for damaged rather than for large.
MOST_PIXELS, MOST_CHANNELS = 1 << 36, 4096
#: Decoded bytes for each byte of a file: beyond it, the file cannot hold what it declares.
MOST_RATIO = 20_000
#: A chunk larger than this, decoded, is too much to read for one look at a few of its pixels.
MOST_CHUNK = 64 << 20
#: Pieces of a file that its fingerprint looks at, besides beginning and end, and bytes of each.
PIECES, PIECE = 32, 4096

#: Parts in which an array of the other byte order is turned round, pixels.
PART = 512


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image file that is open for slicing.

    Attributes
    ----------
    path : Path
    array : array
        (Y, X), (C, Y, X) or RGB (Y, X, 3) uint8; memory-mapped, or a :class:`~celltune_nb.data.chunks.Chunked`.
    levels : tuple of array
        Reduced copies that the file brings, finer first, with the same channels.
    channels : list of str or None
        Where the file names them.
    pixel_size : float or None
        µm a pixel, where the file says.
    """

    path: Path
    array: Any
    levels: tuple[Any, ...] = ()
    channels: list[str] | None = None
    pixel_size: float | None = None
    #: The file and, for a folder, what else tells whether it is still the same.
    parts: tuple[Path, ...] = field(default=())
    #: Of a stack: its files, in the order of the channels; :attr:`path` is the folder that holds them.
    files: tuple[Path, ...] = ()
    #: What is odd about the file; a sentence each.
    notes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels once decoded."""
        return math.prod(self.array.shape) * np.dtype(self.array.dtype).itemsize

    @property
    def streams(self) -> bool:
        """Whether a small part can be read without decoding much else."""
        array = self.array
        return not isinstance(array, Chunked) or math.prod(array.chunks) * array.dtype.itemsize <= MOST_CHUNK


def is_image_path(thing: Any) -> bool:
    """Whether something is meant as a path rather than as an array."""
    return isinstance(thing, str | os.PathLike)


def open_image(
    path: str | os.PathLike[str], cache: ChunkCache | None = None, *, try_pixel: bool = True
) -> ImageFile:
    """Open an image, or a mask, for slicing.

    Parameters
    ----------
    path : path
        ``.npy``; ``.tif``, ``.tiff`` (also OME-TIFF, with or without reduced copies); a ``.zarr`` folder: an array,
        or a group by OME-Zarr 0.4 or 0.5, Zarr version 2 or 3.
    cache : ChunkCache, optional
        Where decoded chunks are kept.
    try_pixel : bool
        Whether one pixel is decoded, so that what cannot be read shows at once; without, the headers alone are read.

    Returns
    -------
    ImageFile

    Raises
    ------
    FormatError
        When the file is missing, empty, truncated, of another kind or hostile.
    """
    path = Path(path).expanduser().absolute()
    opener = _opener(path)
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise FormatError(f"{path.name} is empty (0 bytes). Check the copy, or export it again.")
        found = opener(path, cache or ChunkCache())
        checked_shape(path, found.array.shape, found.array.dtype)
        if try_pixel:
            _try_a_pixel(found.array)
    except CellTuneError:
        raise
    except MemoryError as error:
        raise FormatError(
            f"{path.name} declares more pixels than fit in memory. Check the file; it may be damaged."
        ) from error
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise FormatError(
            f"{path.name} cannot be read ({reason}). It may be truncated or of another kind: copy or export it again."
        ) from error
    return found


def _opener(path: Path) -> Callable[[Path, ChunkCache], ImageFile]:
    if not path.exists():
        raise FormatError(f"There is no file {path}. Check the path.")
    kind = path.suffix.lower()
    if path.is_dir():
        from .zarrs import is_zarr, open_zarr

        if not is_zarr(path):
            raise FormatError(
                f"The folder {path.name} is no Zarr array or image. Give the path of an image file."
            )
        return open_zarr
    if not path.is_file():
        raise FormatError(f"{path} is no regular file. Give the path of an image file.")
    if kind == ".npy":
        return _open_npy
    if kind in TIFF_ENDINGS:
        from .tiff import open_tiff

        return open_tiff
    raise FormatError(
        f"{path.name} is not .npy, .tif, .tiff or a .zarr folder. Save the image as one of them, or give it as an array."
    )


def _open_npy(path: Path, cache: ChunkCache) -> ImageFile:
    array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    checked_shape(path, array.shape, array.dtype)
    if not array.dtype.isnative:
        mapped, rgb = array, array.ndim == 3 and array.shape[2] == 3
        chunks = (PART, PART, 3) if rgb else (*(1,) * (array.ndim - 2), PART, PART)

        def load(index: tuple[int, ...]) -> Any:
            return mapped[tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, chunks, strict=True))]

        array = Chunked(mapped.shape, chunks, mapped.dtype, load, cache, path.name)
    return ImageFile(path, array, parts=(path,))


def checked_shape(path: Path, shape: tuple[int, ...], dtype: Any, stored: int | None = None) -> None:
    """Refuse what no image is: other types than numbers, no pixels, or more than can be meant.

    Parameters
    ----------
    stored : int, optional
        Bytes of the file that is said to hold them.

    Raises
    ------
    FormatError
    """
    kind = np.dtype(dtype)
    if kind.kind not in "buif":
        raise FormatError(f"{path.name} holds {kind}, not numbers. An image holds integers or floats.")
    if any(n <= 0 for n in shape) or len(shape) not in (2, 3):
        raise FormatError(
            f"{path.name} has shape {tuple(shape)}. An image is (Y, X), (C, Y, X), or RGB as (Y, X, 3)."
        )
    sizes = sorted(shape)
    total = math.prod(shape) * kind.itemsize
    too_many = sizes[-1] * sizes[-2] > MOST_PIXELS or (len(sizes) == 3 and sizes[0] > MOST_CHANNELS)
    if too_many or (stored is not None and total > 1 << 30 and total > stored * MOST_RATIO):
        held = "" if stored is None else f" in a file of {stored:,} bytes"
        raise FormatError(
            f"{path.name} declares the shape {tuple(shape)}{held}, which cannot be right. Copy or export it again."
        )


def _try_a_pixel(array: Any) -> None:
    """Read one: a codec that is not there, or a file cut short, shows now rather than in the viewer."""
    last = tuple(n - 1 for n in array.shape)
    np.asarray(array[tuple(slice(n, n + 1) for n in last)])


def _parts(path: Path) -> tuple[Path, ...]:
    if not path.is_dir():
        return (path,)
    from .zarrs import metadata_files

    return metadata_files(path)


def fingerprint(file: ImageFile | Path | tuple[Path, ...]) -> dict[str, int]:
    """What tells that a file is still the same: size, time of change, and a checksum of a few of its parts.

    A Zarr folder is known by its metadata alone.  Several files, as of a stack, have one fingerprint.

    Returns
    -------
    dict
        ``size`` (bytes), ``mtime`` (ns), ``sum``.  A copy has another time and the same sum.

    Raises
    ------
    FormatError
        When it is not there.
    """
    if isinstance(file, ImageFile):
        parts = file.parts or (file.path,)
    else:
        parts = tuple(part for one in (file if isinstance(file, tuple) else (file,)) for part in _parts(one))
    size = mtime = total = 0
    try:
        for part in parts:
            about = part.stat()
            size += about.st_size
            mtime = max(mtime, about.st_mtime_ns)
            with part.open("rb") as stream:
                for at in sorted({about.st_size * i // (PIECES + 1) for i in range(PIECES + 2)}):
                    stream.seek(max(0, min(at, about.st_size - PIECE)))
                    total = zlib.crc32(stream.read(PIECE), total)
    except OSError as error:
        raise FormatError(f"{parts[0]} cannot be read ({error.strerror}). Check the path.") from error
    return {"size": size, "mtime": mtime, "sum": total}
