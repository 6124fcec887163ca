"""Zarr arrays and OME-Zarr images (0.4 and 0.5), Zarr versions 2 and 3, in a folder.

The metadata is read and checked here before any library sees it: only numbers, and only codecs that cannot
run code.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.chunks import ChunkCache, Chunked
from ..errors import FormatError
from .images import ImageFile, checked_shape
from .tiff import MICROMETRES
from .zarr_chunks import chunk_reader

__all__ = ["ZarrPlanes", "is_zarr", "metadata_files", "open_zarr", "open_zarr_planes"]

#: Codecs of both versions that turn bytes into numbers and nothing else.
CODECS = frozenset(
    ["blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "delta", "shuffle", "fixedscaleoffset", "astype",
     "packbits", "crc32", "crc32c", "adler32", "fletcher32", "bytes", "transpose", "sharding_indexed"]
)  # fmt: skip
NUMBERS = frozenset(
    [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
    ]
)
FILES = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
#: Chunks are read together until they are about this large along rows and columns, pixels.
LEAST_CHUNK = 256
MOST_LEVELS = 32
#: Bytes of a file of metadata; those of an OME-XML's length stay far below.
MOST_METADATA = 32 << 20
#: Of one chunk: what a look at a single pixel may cost.
MOST_BYTES = 1 << 30
_UNITS = {**MICROMETRES, "micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4}


def is_zarr(folder: Path) -> bool:
    """Whether a folder holds a Zarr array or group."""
    return any((folder / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def metadata_files(folder: Path) -> tuple[Path, ...]:
    """The metadata of a group and of the arrays in it."""
    own = [folder / name for name in FILES]
    below = [one / name for one in sorted(folder.iterdir()) if one.is_dir() for name in FILES]
    return tuple(path for path in (*own, *below) if path.is_file())


def open_zarr(path: Path, cache: ChunkCache) -> ImageFile:
    """Open a Zarr folder; see :func:`celltune_nb.formats.images.open_image`."""
    about, attributes = _metadata(path)
    if "shape" in about:
        return ImageFile(path, _array(path, path, cache), parts=metadata_files(path))
    found = attributes.get("ome", attributes)
    if "multiscales" not in found and "bioformats2raw.layout" in found and is_zarr(path / "0"):
        inner = open_zarr(path / "0", cache)
        return ImageFile(path, inner.array, inner.levels, inner.channels, inner.pixel_size, inner.parts)
    if "plate" in found:
        raise FormatError(
            f"{path.name} is a plate of many images. Give the folder of one of them, such as A/1/0."
        )
    if "multiscales" not in found:
        arrays = [one for one in sorted(path.iterdir()) if one.is_dir() and "shape" in _maybe(one)]
        if len(arrays) != 1:
            names = ", ".join(one.name for one in arrays[:8]) or "none"
            raise FormatError(
                f"{path.name} is a group with these arrays: {names}. Give the folder of one of them."
            )
        return ImageFile(path, _array(path, arrays[0], cache), parts=metadata_files(path))
    scale, axes, order, folders = _multiscale(path, found)
    levels = [_array(path, one, cache, order) for one in folders]
    count = levels[0].shape[0] if levels[0].ndim == 3 else 1
    return ImageFile(
        path,
        levels[0],
        tuple(levels[1:]),
        _channel_names(found, count),
        _pixel_size(scale, axes),
        metadata_files(path),
    )


@dataclass(frozen=True, eq=False)
class ZarrPlanes:
    """A Zarr array with planes in depth.

    Attributes
    ----------
    array : Chunked
        (Z, Y, X), (Z, C, Y, X) or (C, Z, Y, X).
    axes : str
        Of the array: "ZYX", "ZCYX" or "CZYX".
    depth : int
        Planes that lie in one chunk.
    channels : list of str or None
    pixel_size : float or None
        µm a pixel.
    """

    array: Chunked
    axes: str
    depth: int
    channels: list[str] | None = None
    pixel_size: float | None = None


def open_zarr_planes(path: Path, cache: ChunkCache) -> ZarrPlanes:
    """Open a Zarr folder with planes in depth, by OME-Zarr or a plain array, without reading pixels.

    Raises
    ------
    FormatError
        It has no axis of depth, or more axes than planes and channels (time points).
    """
    about, attributes = _metadata(path)
    if "shape" in about:
        return _deep(path, path, cache, [], None, None)
    found = attributes.get("ome", attributes)
    if "multiscales" not in found and "bioformats2raw.layout" in found and is_zarr(path / "0"):
        return open_zarr_planes(path / "0", cache)
    if "multiscales" not in found:
        arrays = [one for one in sorted(path.iterdir()) if one.is_dir() and "shape" in _maybe(one)]
        if len(arrays) != 1:
            raise FormatError(
                f"{path.name} is a group of {len(arrays)} arrays. Give the folder of one of them."
            )
        return _deep(path, arrays[0], cache, [], None, None)
    scale, axes, order, folders = _multiscale(path, found)
    return _deep(path, folders[0], cache, order, found, _pixel_size(scale, axes))


def _deep(
    path: Path, folder: Path, cache: ChunkCache, order: list[str], found: Any, size: float | None
) -> ZarrPlanes:
    shape = _metadata(folder)[0]["shape"]
    names = "".join(name[:1].upper() for name in order)
    if len(names) != len(shape):
        names = {2: "YX", 3: "ZYX", 4: "ZCYX", 5: "TCZYX"}.get(len(shape), "?" * len(shape))
    keep = [i for i, n in enumerate(shape) if n != 1 or names[i] in "ZYX"]
    kept = "".join(names[i] for i in keep)
    if kept not in ("ZYX", "ZCYX", "CZYX"):
        words = ", ".join(f"{n} {name.lower()}" for n, name in zip(shape, names, strict=True))
        raise FormatError(
            f"{path.name} has the axes and shape {words}. A stack has planes in depth (z), rows and columns, and perhaps channels "
            "(c); export one time point to a folder of its own."
        )
    array = _array(path, folder, cache, keep=keep)
    count = array.shape[kept.index("C")] if "C" in kept else 1
    channels = None if found is None else _channel_names(found, count)
    return ZarrPlanes(array, kept, array.chunks[kept.index("Z")], channels, size)


def _multiscale(
    path: Path, found: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]], list[str], list[Path]]:
    """The first image of a group: its description, its axes, their names, and the folders of its levels."""
    scale = found["multiscales"][0]
    axes = [(a if isinstance(a, dict) else {"name": a}) for a in scale.get("axes", [])]
    folders = []
    for dataset in scale["datasets"][:MOST_LEVELS]:
        inner_path = (path / str(dataset["path"])).resolve()
        if not inner_path.is_relative_to(path.resolve()):
            raise FormatError(f"{path.name} names an array outside of its folder. Export it again.")
        folders.append(inner_path)
    return scale, axes, [str(a.get("name")).lower() for a in axes], folders


def _channel_names(found: dict[str, Any], count: int) -> list[str] | None:
    labels = [c.get("label") for c in (found.get("omero") or {}).get("channels", [])]
    fits = len(labels) == count and all(isinstance(n, str) and n for n in labels)
    return labels if fits and len(set(labels)) == count else None


def _maybe(folder: Path) -> dict[str, Any]:
    return _metadata(folder)[0] if is_zarr(folder) else {}


def _metadata(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The description of an array or group, and its attributes."""
    if (folder / "zarr.json").is_file():
        about = _json(folder / "zarr.json", 3)
        return about, about.get("attributes") or {}
    name = ".zarray" if (folder / ".zarray").is_file() else ".zgroup"
    if not (folder / name).is_file():
        raise FormatError(f"{folder} holds no Zarr array. It may have been copied in part: copy it again.")
    attributes = folder / ".zattrs"
    return _json(folder / name, 2), _json(attributes) if attributes.is_file() else {}


def _json(path: Path, version: int | None = None) -> dict[str, Any]:
    """A file of metadata; one that says which version of Zarr it is of has to be of the version of its name."""
    size = path.stat().st_size
    if size > MOST_METADATA:
        raise FormatError(
            f"{path.name} in {path.parent.name} has {size / 1e6:,.0f} MB; it should describe an image. Export it again."
        )
    about = json.loads(path.read_text("utf-8"))
    if not isinstance(about, dict) or (version is not None and about.get("zarr_format", version) != version):
        raise FormatError(
            f"{path.name} in {path.parent.name} does not describe an image of its version of Zarr. Export it again."
        )
    return about


def _checked(path: Path, about: dict[str, Any]) -> None:
    """Refuse types and codecs that are not plain numbers."""
    version = about.get("zarr_format")
    if version == 3:
        kind = about["data_type"]
        codecs = [about["codecs"]]
        if kind not in NUMBERS:
            raise FormatError(
                f"{path.name} holds {_short(kind)}, not numbers. An image holds integers or floats."
            )
    else:
        kind = about["dtype"]
        codecs = [[about.get("compressor")], about.get("filters") or []]
        if not isinstance(kind, str) or np.dtype(kind).kind not in "buif":
            raise FormatError(
                f"{path.name} holds {_short(kind)}, not numbers. An image holds integers or floats."
            )
    while codecs:
        for codec in codecs.pop():
            if codec is None:
                continue
            # Zarr takes a codec by this word alone, whatever else is written beside it.
            name = str(codec.get("name" if version == 3 else "id")).removeprefix("numcodecs.")
            if name not in CODECS:
                raise FormatError(
                    f"{path.name} uses the codec {_short(name)}, which is not read here. Save it again with zstd, blosc or gzip."
                )
            for key in ("codecs", "index_codecs"):
                codecs.append((codec.get("configuration") or {}).get(key) or [])
    if any(not isinstance(n, int) or n < 0 for n in about["shape"]):
        raise FormatError(f"{path.name} has the shape {_short(about['shape'])}. Export it again.")


def _short(thing: Any) -> str:
    return repr(thing)[:60]


def _array(
    path: Path, folder: Path, cache: ChunkCache, axes: list[str] | None = None, keep: list[int] | None = None
) -> Chunked:
    import zarr

    about, _ = _metadata(folder)
    _checked(path, about)
    stored = zarr.open_array(zarr.storage.LocalStore(folder, read_only=True), mode="r")
    keep = _kept_axes(path, stored.shape, axes) if keep is None else keep
    shape = tuple(int(stored.shape[i]) for i in keep)
    checked_shape(path, shape[-3:], stored.dtype)
    size = math.prod(stored.chunks) * stored.dtype.itemsize
    if size > MOST_BYTES:
        raise FormatError(
            f"{path.name} has chunks of {size / 2**30:.1f} GB, each of which is read whole. Save it again with chunks of about "
            "1024 pixels along each side."
        )
    if not any(one.is_file() and one.name not in FILES for one in folder.rglob("*")):
        raise FormatError(f"{path.name} has no pixels, only their description. Copy the whole folder.")
    chunks = [int(stored.chunks[i]) for i in keep]
    first = (
        0 if len(keep) == 3 and shape[2] == 3 and stored.dtype == np.uint8 and shape[0] > 3 else len(keep) - 2
    )
    for i in (first, first + 1):
        chunks[i] *= max(1, -(-LEAST_CHUNK // chunks[i]))
        chunks[i] = min(chunks[i], shape[i])
    whole = tuple(chunks)

    straight = chunk_reader(folder, about, stored.fill_value)

    def load(index: tuple[int, ...]) -> NDArray[Any]:
        key: list[Any] = [0] * stored.ndim
        for i, place, size in zip(keep, index, whole, strict=True):
            key[i] = slice(place * size, (place + 1) * size)
        return np.asarray(stored[tuple(key)])

    def load_straight(index: tuple[int, ...]) -> NDArray[Any]:
        assert straight is not None
        spans = [range(1)] * stored.ndim
        for i, place, size, n in zip(keep, index, whole, shape, strict=True):
            chunk = stored.chunks[i]
            spans[i] = range(place * size // chunk, -(-min((place + 1) * size, n) // chunk))
        parts = [straight(at) for at in product(*spans)]
        dropped = tuple(slice(None) if i in keep else 0 for i in range(stored.ndim))
        if len(parts) == 1:
            return parts[0][dropped]
        nested = np.empty([len(span) for span in spans], object)
        for at, part in zip(np.ndindex(nested.shape), parts, strict=True):
            nested[at] = part
        return np.asarray(np.block(nested.tolist()))[dropped]

    return Chunked(shape, whole, stored.dtype, load_straight if straight else load, cache, path.name)


def _kept_axes(path: Path, shape: tuple[int, ...], axes: list[str] | None) -> list[int]:
    """The axes of a plane and its channels; those of length 1 are left out."""
    last = len(shape) - 2
    if axes and len(axes) == len(shape) and axes[-2:] != ["y", "x"]:
        raise FormatError(f"{path.name} has the axes {', '.join(axes)}. Export it with y and x last.")
    if len(shape) == 3 and not axes:
        return [0, 1, 2]
    keep = [i for i, n in enumerate(shape) if n != 1 or i >= last]
    if len(keep) > 3 or last < 0:
        names = axes or list("tczyx"[-len(shape) :])
        words = ", ".join(f"{n} {name}" for n, name in zip(shape, names, strict=False))
        raise FormatError(f"{path.name} has {words}. Give one image with its channels: (C, Y, X) or (Y, X).")
    return keep


def _pixel_size(scale: dict[str, Any], axes: list[dict[str, Any]]) -> float | None:
    """µm a pixel along x, where the axis has a unit of length."""
    unit = axes[-1].get("unit") if axes else None
    if unit not in _UNITS:
        return None
    size = _UNITS[unit]
    steps = [
        *scale["datasets"][0].get("coordinateTransformations", []),
        *scale.get("coordinateTransformations", []),
    ]
    for step in steps:
        if step.get("type") == "scale":
            size *= float(step["scale"][-1])
    return size if math.isfinite(size) and 1e-3 <= size <= 1e3 else None
