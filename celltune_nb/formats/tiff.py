"""TIFF files, tile by tile: plain, ImageJ, OME, and slides with reduced copies."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from ..data.chunks import ChunkCache, Chunked
from ..errors import FormatError
from .images import MOST_RATIO, ImageFile, checked_shape
from .quiet import quiet, remarks

__all__ = ["TiffPlanes", "open_planes", "open_tiff"]

#: Strips are decoded together until they are about this high, pixels.
STRIP_ROWS = 64
#: µm in a unit, by its name in OME and ImageJ metadata.
MICROMETRES = {
    "µm": 1.0, "μm": 1.0, "um": 1.0, "\\u00b5m": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0,
    "nm": 1e-3, "mm": 1e3, "cm": 1e4,
}  # fmt: skip


def open_tiff(path: Path, cache: ChunkCache) -> ImageFile:
    """Open a TIFF file; see :func:`celltune_nb.formats.images.open_image`.

    Other series than the first, such as the label of a slide, are left out, and so are other files that an
    OME-TIFF names.
    """
    import tifffile

    # The files of a set could be anywhere; one image is one file here.
    with quiet() as said, tifffile.TiffFile(path, _multifile=False) as tif:
        if not tif.series:
            raise FormatError(f"{path.name} holds no image. Export it again.")
        series = tif.series[0]
        stored = path.stat().st_size
        shape = _checked_axes(path, series)
        checked_shape(path, shape, series.dtype, stored)
        levels = [_array(path, level, cache, stored) for level in series.levels[1:]]
        array = _array(path, series, cache, stored)
        count = array.shape[0] if array.ndim == 3 and not _is_rgb(series) else 1
        return ImageFile(
            path, array, tuple(level for level in levels if level.ndim == array.ndim),
            _channel_names(tif, series, count), _pixel_size(tif, series), (path,), notes=remarks(said),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class TiffPlanes:
    """The planes of a TIFF file with more axes than an image has.

    Attributes
    ----------
    array : array (N, Y, X)
        One after the other as they lie in the file; memory-mapped or :class:`~celltune_nb.data.chunks.Chunked`.
    axes : str
        Of the first series, without those of length 1 but Z, Y and X.
    shape : tuple of int
    channels : list of str or None
    pixel_size : float or None
        µm.
    """

    array: Any
    axes: str
    shape: tuple[int, ...]
    channels: list[str] | None
    pixel_size: float | None


def open_planes(path: Path, cache: ChunkCache) -> TiffPlanes:
    """Open the first series of a TIFF file as planes, without reading their pixels.

    Raises
    ------
    FormatError
        Rows and columns are not its last axes, or the file cannot hold what it declares.
    """
    import tifffile

    with quiet(), tifffile.TiffFile(path, _multifile=False) as tif:
        if not tif.series:
            raise FormatError(f"{path.name} holds no image. Export it again.")
        series, stored = tif.series[0], path.stat().st_size
        sizes = [(a, int(n)) for a, n in zip(series.axes, series.shape, strict=True) if n != 1 or a in "ZYX"]
        axes, shape = "".join(a for a, _ in sizes), tuple(n for _, n in sizes)
        if not axes.endswith("YX"):
            raise FormatError(
                f"{path.name} has the axes {series.axes}, shape {tuple(series.shape)}. Rows and columns (Y, X) have to come last."
            )
        checked_shape(path, shape[-2:], series.dtype)
        total = math.prod(shape) * np.dtype(series.dtype).itemsize
        if total > 1 << 30 and total > stored * MOST_RATIO:
            raise FormatError(
                f"{path.name} declares the shape {shape} in a file of {stored:,} bytes, which cannot be right. Copy or export it "
                "again."
            )
        array = _array(path, series, cache, stored, (math.prod(shape[:-2]), *shape[-2:]))
        count = dict(sizes).get("C", 1)
        return TiffPlanes(array, axes, shape, _channel_names(tif, series, count), _pixel_size(tif, series))


def _checked_axes(path: Path, series: Any) -> tuple[int, ...]:
    """The shape without axes of length 1; RGB keeps its samples last."""
    sizes = [(a, int(n)) for a, n in zip(series.axes, series.shape, strict=True) if n != 1 or a in "YX"]
    if [a for a, _ in sizes if a in "YX"] != ["Y", "X"] or len(sizes) > 3:
        words = ", ".join(f"{n} {_AXES.get(a, a)}" for a, n in sizes if a not in "YX")
        raise FormatError(
            f"{path.name} has {words or 'no rows and columns'} (axes {series.axes}, shape {tuple(series.shape)}). Give one "
            "image with its channels: export one time point and one plane to a file of its own."
        )
    return tuple(n for _, n in sizes)


_AXES = {"T": "time points", "Z": "planes in depth", "C": "channels", "S": "samples a pixel"}


def _is_rgb(series: Any) -> bool:
    axes = [a for a, n in zip(series.axes, series.shape, strict=True) if n != 1 or a in "YX"]
    return axes == ["Y", "X", "S"] and series.shape[-1] in (3, 4) and series.dtype == np.uint8


def _array(
    path: Path, series: Any, cache: ChunkCache, stored: int, shape: tuple[int, ...] | None = None
) -> Any:
    """The pixels of a series, by its own shape, or by one whose first axis counts all planes."""
    shape = _checked_axes(path, series) if shape is None else shape
    page = series.keyframe
    dtype = np.dtype(series.dtype).newbyteorder(page.parent.byteorder)
    if series.dataoffset is not None and dtype.isnative:
        array = np.memmap(path, dtype, "r", series.dataoffset, shape)
        if series.axes.endswith("S") and len(shape) == 3:
            return array[..., :3] if _is_rgb(series) else np.moveaxis(array, -1, 0)
        return array
    return _Pages(path, series, shape, stored).array(cache)


class _Pages:
    """The tiles, or strips, of the pages of a series."""

    def __init__(self, path: Path, series: Any, shape: tuple[int, ...], stored: int) -> None:
        self.path = path
        page = series.keyframe
        self.pages = [series.pages[i] for i in range(len(series.pages))]
        if any(one is None for one in self.pages):
            raise FormatError(
                f"{path.name} is one of several files of an image and holds a part of it only. Export the image to one file."
            )
        self.samples = page.samplesperpixel if page.planarconfig == 1 else 1
        planes = page.samplesperpixel if page.planarconfig != 1 else 1
        if len(self.pages) * planes * self.samples != math.prod(shape) // (
            page.imagelength * page.imagewidth
        ):
            raise FormatError(f"The pages of {path.name} do not fit its shape {shape}. Export it again.")
        self.rgb = _is_rgb(series)
        self.shape: tuple[int, ...] = (*shape[:2], 3) if self.rgb else shape
        if not self.rgb and self.samples > 1:
            self.shape = (shape[2], *shape[:2])
        self.height, self.width = page.imagelength, page.imagewidth
        self.dtype = np.dtype(series.dtype)
        self.tile: tuple[int, int] = (
            (page.tilelength, page.tilewidth)
            if page.is_tiled
            else (min(page.rowsperstrip, self.height), self.width)
        )
        self.group = 1 if page.is_tiled else max(1, STRIP_ROWS // self.tile[0])
        self.across = -(-self.width // self.tile[1])
        self.down = -(-self.height // self.tile[0])
        self.segments = [_segments(path, one, self.across * self.down * planes, stored) for one in self.pages]
        self.planes = planes
        self.decode: list[Callable[..., Any]] = [_decoder(path, one) for one in self.pages]
        self.tables = [one.jpegtables for one in self.pages]

    def array(self, cache: ChunkCache) -> Chunked:
        """The array whose chunks are tiles, or a few strips."""
        rows = min(self.tile[0] * self.group, self.height)
        columns = min(self.tile[1], self.width)
        deep = max(1, self.samples)
        chunks = (rows, columns)
        if len(self.shape) == 3:
            chunks = (rows, columns, 3) if self.rgb else (deep, rows, columns)  # type: ignore[assignment]
        return Chunked(self.shape, chunks, self.dtype, self.load, cache, self.path.name)

    def load(self, index: tuple[int, ...]) -> NDArray[Any]:
        """The chunk at a position of the grid."""
        if self.rgb:
            return self._tiles(0, 0, index[0], index[1])[..., :3]
        if len(self.shape) == 2:
            return self._tiles(0, 0, *index)[..., 0]
        if self.samples > 1:
            return np.moveaxis(self._tiles(0, 0, *index[1:]), -1, 0)
        page, plane = divmod(index[0], self.planes)
        return self._tiles(page, plane, *index[1:])[np.newaxis, ..., 0]

    def _tiles(self, page: int, plane: int, i: int, j: int) -> NDArray[Any]:
        """Tile (i, j) of a page, or the strips that are decoded together: (h, w, samples)."""
        first = i * self.group
        rows = [self._tile(page, plane, k, j) for k in range(first, min(first + self.group, self.down))]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def _tile(self, page: int, plane: int, i: int, j: int) -> NDArray[Any]:
        number = (plane * self.down + i) * self.across + j
        offset, count = self.segments[page][number]
        size = (self.tile[0], self.tile[1], self.samples)
        if count == 0:  # a tile that was never written
            return np.zeros(size, self.dtype)
        # Opened each time: nothing stays open for images that nobody looks at, and threads do not share a position.
        with self.path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(count)
        if len(data) < count:
            raise ValueError("the file ends in the middle of the pixels")
        tile = self.decode[page](data, number, jpegtables=self.tables[page])[0]
        return np.zeros(size, self.dtype) if tile is None else tile[0]


def _segments(path: Path, page: Any, wanted: int, stored: int) -> list[tuple[int, int]]:
    """Where each tile or strip lies in the file, and its length in bytes."""
    found = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if len(found) < wanted:
        raise FormatError(
            f"{path.name} lacks {wanted - len(found)} of its {wanted} parts. Copy or export it again."
        )
    if max(offset + count for offset, count in found) > stored:
        raise FormatError(f"{path.name} is truncated: some of its pixels lie behind its end. Copy it again.")
    return found


def _decoder(path: Path, page: Any) -> Callable[..., Any]:
    from tifffile import TIFF

    try:
        TIFF.DECOMPRESSORS[page.compression]
        if page.compression not in TIFF.IMAGE_COMPRESSIONS:
            TIFF.UNPREDICTORS[page.keyframe.predictor]
    except KeyError as error:
        raise FormatError(
            f"{path.name} is compressed in a way ({getattr(page.compression, 'name', page.compression)}) that cannot be read "
            "here. Install imagecodecs (pip install imagecodecs), or save the file with zlib compression."
        ) from error
    return page.decode


# ---------------------------------------------------------------------- what the file says about itself


def _channel_names(tif: Any, series: Any, count: int) -> list[str] | None:
    names: list[str] = []
    if tif.is_ome:
        names = [one.get("Name") or "" for one in _ome(tif).iter() if _tag(one) == "Channel"][:count]
    elif tif.is_imagej:
        names = [str(one).split("\n")[0] for one in (tif.imagej_metadata or {}).get("Labels") or []]
    elif tif.is_qpi:
        texts = [str(page.description) for page in series.pages]
        found = [re.search(r"<(Biomarker|Name)>([^<]+)</\1>", text) for text in texts]
        names = [one.group(2) if one else "" for one in found]
    elif len(series.pages) == count:
        tags = [page.aspage().tags.get(285) for page in series.pages]  # PageName
        names = [str(tag.value) if tag is not None else "" for tag in tags]
    names = [name.strip() for name in names]
    return names if len(names) == count and all(names) and len(set(names)) == count else None


def _pixel_size(tif: Any, series: Any) -> float | None:
    """µm a pixel, where the file says so in a unit that is a length."""
    size = unit = None
    if tif.is_ome:
        pixels = next((one for one in _ome(tif).iter() if _tag(one) == "Pixels"), None)
        if pixels is not None and pixels.get("PhysicalSizeX"):
            size, unit = float(pixels.get("PhysicalSizeX", "nan")), pixels.get("PhysicalSizeXUnit", "µm")
    else:
        tags = series.keyframe.tags
        resolution = tags.get("XResolution")
        across, per = resolution.value if resolution is not None else (0, 1)
        if tif.is_imagej:
            unit = (tif.imagej_metadata or {}).get("unit")
        elif series.keyframe.resolutionunit == 3:
            unit = "cm"
        if across and unit:
            size = per / across
    if size is None or unit not in MICROMETRES:
        return None
    size *= MICROMETRES[unit]
    # 72 dots an inch and the like say nothing about a microscope.
    return size if math.isfinite(size) and 1e-3 <= size <= 100 else None


def _ome(tif: Any) -> ET.Element:
    try:
        return ET.fromstring(tif.ome_metadata)  # noqa: S314 - tifffile has parsed the same text before
    except ET.ParseError:
        return ET.Element("OME")


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
