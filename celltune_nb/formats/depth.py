"""Stacks of planes in depth, read a plane at a time: an array, ``.npy``, or a TIFF with a Z axis."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellTuneError, FormatError, InputError
from .annotated import check_memory
from .images import checked_shape

__all__ = ["Depth", "open_depth"]

#: Planes beyond which a file is no stack of sections.
MOST_PLANES = 100_000


@dataclass(frozen=True, eq=False)
class Depth:
    """Planes in depth.

    Attributes
    ----------
    planes : int
    shape : (int, int, int)
        Channels, rows, columns of each plane.
    read : callable
        Number of a plane, from 0 → array (C, Y, X).
    """

    planes: int
    shape: tuple[int, int, int]
    read: Callable[[int], NDArray[Any]]


def open_depth(stack: Any) -> Depth:
    """Open a stack.

    Parameters
    ----------
    stack : array (Z, Y, X) or (Z, C, Y, X), or path
        ``.npy`` of such an array; ``.tif`` or ``.tiff`` whose first series has the axes Z, Y, X and perhaps C.

    Raises
    ------
    FormatError
        A file is missing, empty, truncated, of another kind or says that it holds more than fits.
    InputError
        An array has another shape.
    """
    if not isinstance(stack, str | os.PathLike):
        array = stack if hasattr(stack, "shape") and hasattr(stack, "dtype") else np.asarray(stack)
        return _of_array(array, "The stack", InputError)
    path = Path(stack).expanduser().absolute()
    if not path.is_file():
        raise FormatError(f"There is no file {path}. Name a .npy or TIFF file that holds the stack.")
    if path.stat().st_size == 0:
        raise FormatError(f"{path.name} is empty (0 bytes). Check the copy, or export it again.")
    try:
        if path.suffix.lower() == ".npy":
            return _of_array(np.load(path, mmap_mode="r", allow_pickle=False), path.name, FormatError, path)
        if path.suffix.lower() in (".tif", ".tiff"):
            return _of_tiff(path)
    except CellTuneError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise FormatError(f"{path.name} cannot be read ({reason}). Check it or export it again.") from error
    raise FormatError(f"{path.name} is neither .npy nor TIFF. Export the stack as one of them.")


def _of_array(array: Any, what: str, error: type[CellTuneError], path: Path | None = None) -> Depth:
    shape = tuple(int(n) for n in array.shape)
    if len(shape) not in (3, 4) or 0 in shape or np.dtype(array.dtype).kind not in "buif":
        raise error(
            f"{what} has shape {shape} of {array.dtype}. Give numbers as (Z, Y, X) or (Z, C, Y, X), planes in depth first."
        )
    plane = (1, *shape[1:]) if len(shape) == 3 else shape[1:]
    if path is not None:
        _check(path, shape[0], plane, array.dtype)  # type: ignore[arg-type]
    return Depth(shape[0], plane, lambda z: np.asarray(array[z]).reshape(plane))  # type: ignore[arg-type]


def _check(path: Path, planes: int, plane: tuple[int, int, int], dtype: Any) -> None:
    checked_shape(path, plane, dtype)
    if planes > MOST_PLANES:
        raise FormatError(
            f"{path.name} says that it holds {planes:,} planes. Check the file; it may be damaged."
        )
    check_memory(2.0 * np.prod(plane, dtype=np.float64) * np.dtype(dtype).itemsize, f"A plane of {path.name}")


def _of_tiff(path: Path) -> Depth:
    import tifffile

    with tifffile.TiffFile(path, _multifile=False) as tif:
        if not tif.series:
            raise FormatError(f"{path.name} holds no image. Export it again.")
        series = tif.series[0]
        axes = "".join("Z" if a in "QI" else a for a in series.axes)
        sizes = [(a, int(n)) for a, n in zip(axes, series.shape, strict=True) if n != 1 or a in "ZYX"]
        outer = "".join(a for a, _ in sizes[:-2])
        if "".join(a for a, _ in sizes[-2:]) != "YX" or outer not in ("Z", "ZC", "CZ"):
            raise FormatError(
                f"{path.name} has the axes {series.axes}, shape {tuple(series.shape)}. A stack has Z, Y and X, and perhaps "
                "channels (C); export one time point to a file of its own."
            )
        n = dict(sizes)
        planes, channels = n["Z"], n.get("C", 1)
        plane = (channels, n["Y"], n["X"])
        _check(path, planes, plane, series.dtype)
        dtype, pages = series.dtype, len(series.pages)
        if pages != planes * channels and planes * channels * plane[1] * plane[2] * dtype.itemsize > (
            1 << 33
        ):
            raise FormatError(
                f"{path.name} does not keep its planes one by one. Save it again as OME-TIFF, or as .npy."
            )

    def read(z: int) -> NDArray[Any]:
        first, step = (z * channels, 1) if outer != "CZ" else (z, planes)
        try:
            with tifffile.TiffFile(path, _multifile=False) as tif:
                series = tif.series[0]
                if pages == planes * channels:
                    found = [tif.asarray(key=first + c * step, series=0) for c in range(channels)]
                    return np.stack(found).reshape(plane).astype(dtype, copy=False)
                # All planes in one page, as ImageJ writes them above 4 GB: the file is mapped where it is not compressed.
                whole = _mapped(path) if series.dataoffset is not None else series.asarray()
                parts = whole.reshape([n[a] for a in outer] + [plane[1], plane[2]])
                return np.asarray(parts[:, z] if outer == "CZ" else parts[z]).reshape(plane)
        except Exception as error:
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise FormatError(
                f"Plane {z} of {path.name} cannot be read ({reason}). The file may be cut off: copy it again."
            ) from error

    return Depth(planes, plane, read)


def _mapped(path: Path) -> NDArray[Any]:
    import tifffile

    return np.asarray(tifffile.memmap(path, mode="r", series=0))
