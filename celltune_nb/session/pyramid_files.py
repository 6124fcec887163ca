"""Levels of reduced copies in the project folder: written in one step, and found again while they are true.

::

    pyramids/<image>-<channel>.json       which file holds the levels, and what they were made from
    pyramids/<image>-<channel>-<id>.npy   the levels of one channel, one after the other
"""

from __future__ import annotations

import os
import shutil
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..errors import CellTuneError
from ..formats.images import fingerprint
from .files import read_json, write_atomically, write_json

if TYPE_CHECKING:
    from ..data.images import Image
    from .session import Session

__all__ = ["FOLDER", "Store", "key_of"]

FOLDER = "pyramids"
#: Changes when levels are made in another way: those on disk are made again then.
VERSION = 1
#: Levels of a channel that take fewer bytes are made again in each session.
LEAST = 12 << 20
#: Files of a Zarr folder whose size and time are looked at.
CHUNKS = 2048


class Store:
    """The levels of one image, or mask, in the project folder."""

    def __init__(self, session: Session, image: Image, mask: bool) -> None:
        self._session = session
        self._image = image
        self._mask = mask

    def _name(self, channel: int) -> str:
        return f"{key_of(self._image, self._mask)}-{'mask' if self._mask else channel}"

    def _origin(self) -> dict[str, int]:
        """What tells that the pixels that were reduced are still the same.

        Time counts here, unlike for the image itself: levels are soon made again, and part of an image that was written
        anew in place shows in nothing else.
        """
        image, mask = self._image, self._mask
        source = image.mask_source if mask else image.source
        if source is None:
            source = self._session.project.path("masks" if mask else "images", f"{key_of(image, mask)}.npy")
        about = fingerprint(source)
        if isinstance(source, Path) and source.is_dir():
            about["chunks"] = _chunk_times(source)
        return about

    def load(self, channel: int, size: int, dtype: np.dtype[Any]) -> NDArray[Any] | None:
        """Levels that were made from the same pixels."""
        project = self._session.project
        try:
            about = read_json(project.path(FOLDER, f"{self._name(channel)}.json"))
            if about["version"] != VERSION or about["origin"] != self._origin():
                return None
            levels = project.read_array(f"{FOLDER}/{Path(str(about['file'])).name}")
        except (CellTuneError, KeyError, TypeError, ValueError, OSError):
            return None  # not there, or damaged: made again
        return levels if levels.shape == (size,) and levels.dtype == dtype else None

    def save(self, channel: int, levels: NDArray[Any]) -> NDArray[Any] | None:
        """Write complete levels into the project folder, when it may be written and they are worth it."""
        if levels.nbytes < LEAST or not self._image.key or self._session.read_only:
            return None
        project = self._session.project
        try:
            path = project.path(FOLDER, f"{self._name(channel)}-{uuid4().hex[:8]}.npy")
            path.parent.mkdir(exist_ok=True)
            if shutil.disk_usage(path.parent).free < 2 * levels.nbytes:
                return None
            former = list(path.parent.glob(f"{self._name(channel)}-*.npy"))
            write_atomically(path, lambda stream: np.save(stream, levels))
            about = {"version": VERSION, "file": path.name, "origin": self._origin()}
            write_json(path.parent / f"{self._name(channel)}.json", about)  # from now on they are found
            for old in former:
                old.unlink(missing_ok=True)
            return project.read_array(f"{FOLDER}/{path.name}")
        except (CellTuneError, OSError):
            return None  # a full or strange disk: they stay in memory


def _chunk_times(folder: Path) -> int:
    """A checksum of size and time of the files of a Zarr folder, of some of them where there are many."""
    names: list[str] = []
    for place, _, files in os.walk(folder):
        names += (f"{place}/{name}" for name in files)
    names.sort()
    total = len(names)
    for name in names[:: -(-len(names) // CHUNKS) or 1]:
        with suppress(OSError):
            about = Path(name).stat()
            total = zlib.crc32(
                f"{name[len(str(folder)) :]} {about.st_size} {about.st_mtime_ns}".encode(), total
            )
    return total


def key_of(image: Image, mask: bool) -> str:
    """What tells an image, or its mask, apart from every other."""
    return (mask and image.mask_key) or image.key or image.name
