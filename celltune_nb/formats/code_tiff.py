"""Images of codes as TIFF: one number a pixel with a table of colours, in tiles, written strip by strip."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["write_codes"]

TILE = 512


def write_codes(
    path: Path, shape: tuple[int, int], rows: Callable[[slice], NDArray[Any]], colors: Sequence[str], *,
    legend: dict[str, Any], pixel_size: float | None = None, progress: Callable[[float], object] = lambda done: None,
) -> None:  # fmt: skip
    """Write an image of codes.

    Parameters
    ----------
    shape : (height, width)
    rows : callable
        Gives the codes of a slice of rows, shape (rows, width); asked from top to bottom, once each.
    colors : sequence of str
        ``#RRGGBB`` by code, from 0 on.  Up to 256 codes are bytes and the colours go into the file; more are 16-bit
        numbers without.
    legend : dict
        Goes into the image's description, as JSON.
    pixel_size : float, optional
        µm a pixel.
    progress : callable
        Is told the fraction that is written.

    Raises
    ------
    OSError
    """
    import tifffile

    height, width = shape
    few = len(colors) <= 256
    dtype = np.dtype(np.uint8 if few else np.uint16)
    down, across = math.ceil(height / TILE), math.ceil(width / TILE)

    def tiles() -> Iterator[NDArray[Any]]:
        for i in range(down):
            strip = np.zeros((TILE, across * TILE), dtype)
            part = rows(slice(i * TILE, min((i + 1) * TILE, height)))
            strip[: part.shape[0], :width] = part
            for k in range(across):
                yield np.ascontiguousarray(strip[:, k * TILE : (k + 1) * TILE])
            progress((i + 1) / down)

    more: dict[str, Any] = {"photometric": "minisblack"}
    if few:
        table = np.zeros((3, 256), np.uint16)
        table[:, : len(colors)] = np.array(
            [[int(c[i : i + 2], 16) * 257 for i in (1, 3, 5)] for c in colors]
        ).T
        more = {"photometric": "palette", "colormap": table}
    if pixel_size:
        more |= {"resolution": (1e4 / pixel_size, 1e4 / pixel_size), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, bigtiff=height * width * dtype.itemsize > 3 << 30) as file:
        file.write(
            tiles(), shape=(height, width), dtype=dtype, tile=(TILE, TILE), compression="zlib", metadata=None,
            description=json.dumps(legend, ensure_ascii=True), software="celltune_nb", maxworkers=1, **more,
        )  # fmt: skip
