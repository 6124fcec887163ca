"""The reduced copies of a session's images: made in the background, kept in the project folder."""

from __future__ import annotations

import ctypes
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from ..errors import Cancelled, CellTuneError
from .pyramid_files import Store, key_of

if TYPE_CHECKING:
    from ..data.images import Image
    from ..render.pyramid import Pyramid
    from .jobs import Job
    from .session import Session

__all__ = ["Pyramids", "cache_bytes"]

#: Images and masks whose reduced copies are kept in memory.
KEPT = 8
#: Bytes of them; beyond it only those of the image that is looked at stay.
MOST = 512 << 20
#: Bytes of small copies of whole images, for lists of pictures, and pixels of their longer side at least.
SMALL, SIDE = 64 << 20, 448

#: An image or a mask by :func:`key_of`, which of the two, and the channel.
_Key = tuple[str, bool, int]


class Pyramids:
    """Reduced copies by image.

    They are made one channel at a time: those of the image on the screen first, then the others in the order in which
    they were asked for.

    Parameters
    ----------
    session : Session
    """

    #: The levels of a channel are complete: name of the image.
    arrived = Signal(str)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: OrderedDict[tuple[str, bool], Pyramid] = OrderedDict()
        self._wanted: dict[_Key, tuple[Image, bool, int]] = {}
        self._now: _Key | None = None
        self._small: OrderedDict[_Key, NDArray[Any]] = OrderedDict()
        self._queued = False
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)

    def of(self, image: Image, *, mask: bool = False) -> Pyramid:
        """The reduced copies of an image, or of its mask.

        Raises
        ------
        FormatError
            When the file cannot be read.
        """
        from ..render.pyramid import Pyramid

        key = (key_of(image, mask), mask)
        here = self._session.images.get(self._session.view.image or "")
        spared = {key} if here is None else {key, (key_of(here, False), False), (key_of(here, True), True)}
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                array = image.mask if mask else image.array
                found = self._kept[key] = Pyramid(
                    array, labels=mask, own=() if mask else image.levels(), store=Store(self._session, image, mask),
                    ask=lambda channel: self._ask(image, mask, channel),
                )  # fmt: skip
            self._kept.move_to_end(key)
            held = sum(one.nbytes for one in self._kept.values())
            for other in [one for one in self._kept if one not in spared]:
                if len(self._kept) <= KEPT and held <= MOST:
                    break
                held -= self._kept.pop(other).nbytes
            return found

    def close(self) -> None:
        """Let go of everything, decoded chunks too."""
        with self._lock:
            self._kept.clear()
            self._small.clear()
            self._wanted.clear()
            self._idle.notify_all()
        self._session.chunks.clear()
        # glibc keeps freed memory for later; a server of many sessions has better use for it.
        with suppress(OSError, AttributeError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)

    # ------------------------------------------------------------------ a view of the whole image

    def ready(self, image: Image, channels: Iterable[int]) -> bool:
        """Whether the whole image can be shown at once, without decoding its file.

        Raises
        ------
        FormatError
            When the file cannot be read.
        """
        channels = list(channels)
        if self.small(image, channels) is not None:
            return True
        pyramid = self.of(image)
        return all(pyramid.complete(channel) for channel in channels)

    def small(self, image: Image, channels: Sequence[int]) -> NDArray[Any] | None:
        """Channels of a whole image, reduced, (C, Y, X) or RGB (Y, X, 3); None while there are no levels to take them from.

        They stay in memory when the levels themselves do not, so that a list of pictures in other colours costs no
        decoding, also where nothing can be kept on disk.
        """
        found = []
        for channel in channels:
            key = (key_of(image, False), False, channel)
            with self._lock:
                part = self._small.get(key)
                if part is not None:
                    self._small.move_to_end(key)
            if part is None:
                part = self.of(image).small(channel, SIDE)
                if part is None:
                    return None
                with self._lock:
                    self._small[key] = part
                    while len(self._small) > 1 and sum(one.nbytes for one in self._small.values()) > SMALL:
                        self._small.popitem(last=False)
            found.append(part)
        if not found:
            return None
        return found[0] if image.is_rgb else np.stack(found)

    def want(self, image: Image, channels: Iterable[int]) -> None:
        """Have the levels of channels made in the background; :attr:`arrived` tells when."""
        pyramid = self.of(image)
        for channel in channels:
            if not pyramid.complete(channel):
                self._ask(image, False, channel)

    def finish(self, image: Image, channels: Iterable[int]) -> None:
        """Make the levels of channels now, in this thread."""
        channels = list(channels)
        if self.ready(image, channels):
            return
        pyramid = self.of(image)
        for channel in channels:
            if not pyramid.complete(channel):
                pyramid.build(channel, lambda fraction: None)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until nothing is made in the background; False after *timeout* seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._wanted and self._now is None, timeout)

    # ------------------------------------------------------------------ in the background

    def _ask(self, image: Image, mask: bool, channel: int) -> None:
        key = (key_of(image, mask), mask, channel)
        with self._lock:
            if key in self._wanted or key == self._now:
                return
            self._wanted[key] = (image, mask, channel)
            queued, self._queued = self._queued, True
        if not queued:
            self._queue()

    def _queue(self) -> None:
        """One channel is one piece of work, so that others, such as an export, come in between."""
        try:
            self._session.jobs.aside(self._next, "preparing images")
        except CellTuneError:  # the session is being closed
            with self._lock:
                self._wanted.clear()
                self._idle.notify_all()

    def _next(self, job: Job) -> None:
        """Make the levels of the channel whose turn it is."""
        with self._lock:
            # Where somebody looks now comes first.
            here = self._session.view.image
            first = next((key for key, one in self._wanted.items() if one[0].name == here), None)
            key = first or next(iter(self._wanted), None)
            if key is None:
                self._queued = False
                return
            image, mask, channel = self._wanted.pop(key)
            self._now = key
        done = False
        try:
            done = self._build(job, image, mask, channel)
        except _Later:
            with self._lock:
                self._wanted[key] = (image, mask, channel)
        finally:
            with self._lock:
                self._now = None
                self._queued = more = bool(self._wanted)
                self._idle.notify_all()
            if more:
                self._queue()
        if done:
            self._session.emit(self.arrived, image.name)

    def _build(self, job: Job, image: Image, mask: bool, channel: int) -> bool:
        def step(fraction: float) -> None:
            job.check()
            job.report(fraction, image.name)
            here = self._session.view.image
            if image.name != here:
                with self._lock:
                    if any(one[0].name == here for one in self._wanted.values()):
                        raise _Later

        try:
            self.of(image, mask=mask).build(channel, step)
        except Cancelled:
            raise
        except CellTuneError:
            return False  # whoever looks at the image is told
        return True


class _Later(Exception):
    """Somebody looks at another image by now: its levels come first."""


def cache_bytes() -> int:
    """Bytes for decoded chunks: a sixteenth of what this process may use, at most 512 MB."""
    limits = []
    with suppress(OSError, ValueError, AttributeError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # of a container: cgroup 2 and 1
        with suppress(OSError, ValueError):
            limits.append(int((Path("/sys/fs/cgroup") / name).read_text()))
    return min(512 << 20, max(64 << 20, min(limits, default=4 << 30) // 16))
