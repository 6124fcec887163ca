"""The chunks of a Zarr array read straight from their files.

A chunk of an ordinary array is one file, decoded by one codec.  Read so, on several threads, it takes a third
of what zarr-python 3 takes for a slice of one chunk, which goes through an event loop.  Other arrays (sharded, transposed,
filtered) are left to zarr.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["chunk_reader"]

Index = tuple[int, ...]
#: Compressed bytes and how many they shall become.
Decode = Callable[[bytes, int], Any]

#: Codecs that say in front how much they hold, and refuse to write it into less, by their name in Zarr 2 and 3.
_SIZED = {"zstd": "Zstd", "blosc": "Blosc", "lz4": "LZ4"}
#: Codecs that go on until they end, and what decodes them up to a limit: a small file can hold gigabytes of zeros.
_ENDLESS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(32 + zlib.MAX_WBITS),
    "zlib": lambda: zlib.decompressobj(32 + zlib.MAX_WBITS),
    "bz2": bz2.BZ2Decompressor,
    "lzma": lzma.LZMADecompressor,
}


def chunk_reader(folder: Path, about: dict[str, Any], fill: Any) -> Callable[[Index], NDArray[Any]] | None:
    """What reads a chunk of an array by its position in the grid; None for an array that zarr has to read.

    Parameters
    ----------
    folder : Path
    about : dict
        The array's metadata, checked: ``.zarray``, or ``zarr.json``.
    fill : number or None
        The value of chunks that have no file; None: 0.

    Returns
    -------
    callable or None
        ``read(index)`` gives the whole chunk, also at the edge.
    """
    known = _version_3(about) if about.get("zarr_format") == 3 else _version_2(about)
    if known is None:
        return None
    chunks, dtype, order, decode, key = known
    size = math.prod(chunks) * dtype.itemsize
    empty = 0 if fill is None else fill

    def read(index: Index) -> NDArray[Any]:
        try:
            data = (folder / key(index)).read_bytes()
        except FileNotFoundError:
            return np.full(chunks, empty, dtype)
        found = np.frombuffer(decode(data, size), dtype)
        if found.size != math.prod(chunks):
            raise ValueError(f"a chunk holds {found.size} pixels, expected {math.prod(chunks)}")
        return found.reshape(chunks, order=order)

    return read


def _version_2(about: dict[str, Any]) -> Any:
    compressor = about.get("compressor")
    decode = _decoder(compressor["id"] if compressor else None)
    if about.get("filters") or decode is None:
        return None
    between = about.get("dimension_separator", ".")
    key = _key("", between)
    return tuple(about["chunks"]), np.dtype(about["dtype"]), about.get("order", "C"), decode, key


def _version_3(about: dict[str, Any]) -> Any:
    first, *rest = about["codecs"]
    grid, names = about["chunk_grid"], about["chunk_key_encoding"]
    decode = _decoder(rest[0]["name"] if rest else None)
    if first["name"] != "bytes" or len(rest) > 1 or decode is None or grid["name"] != "regular":
        return None
    endian = (first.get("configuration") or {}).get("endian", "little")
    dtype = np.dtype(about["data_type"]).newbyteorder("<" if endian == "little" else ">")
    given = (names.get("configuration") or {}).get("separator")
    if names["name"] not in ("default", "v2"):
        return None
    between = given or ("/" if names["name"] == "default" else ".")
    key = _key(f"c{between}" if names["name"] == "default" else "", between)
    return tuple(grid["configuration"]["chunk_shape"]), dtype, "C", decode, key


def _decoder(name: str | None) -> Decode | None:
    if name is None:
        return lambda data, _: data
    name = name.removeprefix("numcodecs.")
    if name in _ENDLESS:
        start = _ENDLESS[name]
        return lambda data, size: start().decompress(data, size + 1)
    import numcodecs

    codec = getattr(numcodecs, _SIZED.get(name, ""), None)
    if codec is None:
        return None

    def decode(data: bytes, size: int) -> Any:
        out = np.empty(size, np.uint8)
        filled = codec().decode(data, out=out)
        return out if filled is None else filled

    return decode


def _key(prefix: str, between: str) -> Callable[[Index], str]:
    return lambda index: prefix + between.join(map(str, index))
