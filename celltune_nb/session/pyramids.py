"""The reduced copies of a session's images: made in the background, kept in the project folder.

::

    pyramids/<image>-<channel>.json       which file holds the levels, and what they were made from
    pyramids/<image>-<channel>-<id>.npy   the levels of one channel, one after the other
"""

from __future__ import annotations

import ctypes
import os
import shutil
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from ..errors import Cancelled, CellTuneError
from ..formats.images import fingerprint
from .files import read_json, write_atomically, write_json
from .sources import unchanged

if TYPE_CHECKING:
    from ..data.images import Image
    from ..render.pyramid import Pyramid
    from .jobs import Job
    from .session import Session

__all__ = ["FOLDER", "Pyramids", "cache_bytes"]

FOLDER = "pyramids"
#: Changes when levels are made in another way: those on disk are made again then.
VERSION = 1
#: Levels of a channel that take fewer bytes are made again in each session.
LEAST = 12 << 20
#: Images and masks whose reduced copies are kept in memory.
KEPT = 8
#: Bytes of them; beyond it only those of the image that is looked at stay.
MOST = 512 << 20


class Pyramids:
    """Reduced copies by image.

    Parameters
    ----------
    session : Session
    """

    #: The levels of a channel are complete: name of the image.
    arrived = Signal(str)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: OrderedDict[tuple[str, bool], Pyramid] = OrderedDict()
        self._asked: set[tuple[str, bool, int]] = set()
        self._lock = threading.Lock()

    def of(self, image: Image, *, mask: bool = False) -> Pyramid:
        """The reduced copies of an image, or of its mask.

        Raises
        ------
        FormatError
            When the file cannot be read.
        """
        from ..render.pyramid import Pyramid

        key = (_key(image, mask), mask)
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                array = image.mask if mask else image.array
                found = self._kept[key] = Pyramid(
                    array, labels=mask, own=() if mask else image.levels(), store=_Store(self._session, image, mask),
                    ask=lambda channel: self._ask(image, mask, channel),
                )  # fmt: skip
            self._kept.move_to_end(key)
            held = sum(one.nbytes for one in self._kept.values())
            while len(self._kept) > KEPT or (len(self._kept) > 2 and held > MOST):
                held -= self._kept.popitem(last=False)[1].nbytes
            return found

    def close(self) -> None:
        """Let go of everything, decoded chunks too."""
        with self._lock:
            self._kept.clear()
        self._session.chunks.clear()
        # glibc keeps freed memory for later; a server of many sessions has better use for it.
        with suppress(OSError, AttributeError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)

    # ------------------------------------------------------------------ in the background

    def _ask(self, image: Image, mask: bool, channel: int) -> None:
        key = (_key(image, mask), mask, channel)
        with self._lock:
            if key in self._asked:
                return
            self._asked.add(key)
        with suppress(CellTuneError):  # the session is being closed
            self._session.jobs.aside(
                lambda job: self._build(job, image, mask, channel), f"preparing {image.name}"
            )

    def _build(self, job: Job, image: Image, mask: bool, channel: int) -> None:
        def step(fraction: float) -> None:
            job.check()
            job.report(fraction)

        try:
            self.of(image, mask=mask).build(channel, step)
        except Cancelled:
            raise
        except CellTuneError:
            return  # whoever looks at the image is told
        finally:
            with self._lock:
                self._asked.discard((_key(image, mask), mask, channel))
        self._session.emit(self.arrived, image.name)


class _Store:
    """The levels of one image, or mask, in the project folder."""

    def __init__(self, session: Session, image: Image, mask: bool) -> None:
        self._session = session
        self._image = image
        self._mask = mask

    def _name(self, channel: int) -> str:
        return f"{_key(self._image, self._mask)}-{'mask' if self._mask else channel}"

    def _origin(self) -> dict[str, int]:
        """The fingerprint of what is reduced."""
        image, mask = self._image, self._mask
        source = image.mask_source if mask else image.source
        if source is None:
            source = self._session.project.path("masks" if mask else "images", f"{_key(image, mask)}.npy")
        return fingerprint(source)

    def load(self, channel: int, size: int, dtype: np.dtype[Any]) -> NDArray[Any] | None:
        """Levels that were made from the same pixels."""
        project = self._session.project
        try:
            about = read_json(project.path(FOLDER, f"{self._name(channel)}.json"))
            if about["version"] != VERSION or not unchanged(about["origin"], self._origin()):
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


def _key(image: Image, mask: bool) -> str:
    """What tells an image, or its mask, apart from every other."""
    return (mask and image.mask_key) or image.key or image.name


def cache_bytes() -> int:
    """Bytes for decoded chunks: a sixteenth of what this process may use, at most 512 MB."""
    limits = []
    with suppress(OSError, ValueError, AttributeError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # of a container: cgroup 2 and 1
        with suppress(OSError, ValueError):
            limits.append(int((Path("/sys/fs/cgroup") / name).read_text()))
    return min(512 << 20, max(64 << 20, min(limits, default=4 << 30) // 16))
