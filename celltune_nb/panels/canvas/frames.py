"""Frames on their way to the browser: rendered, encoded, one in flight, and no more of a frame than has changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.panels.canvas.pace import FINE, Grade, Pace
from celltune_nb.render.camera import Camera
from celltune_nb.render.changes import TILE, changed_tiles, collage

__all__ = ["Frames", "as_json"]

_log = logging.getLogger("celltune_nb")

#: A frame that was not acknowledged for this long (s) is given up: its page has gone.
LOST_AFTER = 2.0
#: Part of a frame's tiles up to which the changed ones are sent in place of the frame.
MOST_TILES = 0.5


@dataclass(frozen=True, eq=False)
class _Shown:
    """The frame that the browser shows or is about to: what the next one is compared with."""

    number: int
    camera: Camera
    dpr: float
    grade: Grade
    subject: str
    rgb: npt.NDArray[np.uint8]


class Frames:
    """Sends a frame only when the browser has shown the one before, so that none queue up.

    A frame of the same camera as the one before is sent as the tiles that changed.  While the picture is moved, frames are as
    coarse as it takes for them to follow; when it rests, a fine one comes after.

    Parameters
    ----------
    render : callable
        ``render(camera, dpr)`` gives a frame (H, W, 3) uint8, which is never written to again.
    send : callable
        ``send(message, buffers=None)`` to the pixel layer.

    Attributes
    ----------
    due : bool
        Whether what the browser shows is out of date.
    count : int
        Frames sent so far.
    error : Exception or None
        What the last call of ``render`` raised.
    """

    def __init__(
        self, render: Callable[[Camera, float], npt.NDArray[np.uint8]], send: Callable[..., None]
    ) -> None:
        self.render = render
        self.due = True
        self.count = 0
        self.error: Exception | None = None
        self._send = send
        self._lock = threading.Lock()
        self._in_flight: int | None = None
        self._sent = 0.0
        self._shown: _Shown | None = None
        self._pace = Pace()

    def start_over(self) -> None:
        """A new page has no frame, and will not acknowledge the old one's."""
        with self._lock:
            self._in_flight = None
            self._shown = None
            self.due = True

    def acknowledged(self, frame: int) -> bool:
        """The browser has shown a frame; whether it was the one in flight."""
        with self._lock:
            if frame != self._in_flight:
                return False
            self._in_flight = None
        self._pace.arrived(frame)
        return True

    def wants(self, *, moving: bool) -> bool:
        """Whether the browser should get another frame: what it shows is old, or coarse although the picture rests."""
        shown = self._shown
        return self.due or (not moving and shown is not None and shown.grade is not FINE)

    def take(self, *, moving: bool) -> bool:
        """Whether to render now; if so, what is asked for from here on is another frame."""
        with self._lock:
            free = self._in_flight is None or time.monotonic() - self._sent > LOST_AFTER
            # The frame that the picture rests on need not wait for the answer to the last moving one.
            free = free or (not moving and self._shown is not None and self._shown.grade is not FINE)
            take = free and self.wants(moving=moving)
            if take:
                self.due = False
            return take

    def deliver(self, camera: Camera, dpr: float, *, moving: bool = False, subject: str = "") -> None:
        """Render and send what the browser does not show yet; an error is shown in place of the frame.

        *subject* is what the picture is of; the browser says it with what is done on the picture.
        """
        grade = self._pace.grade if moving else FINE
        number, before = self.count + 1, self._shown
        self._pace.begun(number, grade)
        try:
            rgb = self.render(camera, dpr * grade.scale)
            if self.error is not None:
                self.error = None
                self._send({"type": "note", "text": ""})
            content, data = self._difference(before, _Shown(number, camera, dpr, grade, subject, rgb))
        except Exception as error:  # noqa: BLE001 - shown in place; the worker must go on
            _log.debug("a frame could not be rendered", exc_info=True)
            self.error = error
            self._send({"type": "note", "text": str(error) or type(error).__name__, "subject": subject})
            return
        if data is None:
            return
        with self._lock:
            # A page that was opened meanwhile has nothing that tiles could be put into.
            if "base" in content and self._shown is not before:
                self.due = True
                return
            self.count = number
            self._shown = _Shown(number, camera, dpr, grade, subject, rgb)
            self._in_flight, self._sent = number, time.monotonic()
        self._send(content, [data])

    def _difference(self, before: _Shown | None, now: _Shown) -> tuple[dict[str, Any], bytes | None]:
        """The message that takes the browser from one frame to the next, and its picture; None: they are alike."""
        content = {
            "type": "frame",
            "id": now.number,
            "camera": as_json(now.camera),
            "subject": now.subject,
        }
        alike = (
            before is not None
            and (before.camera, before.dpr, before.grade, before.subject)
            == (now.camera, now.dpr, now.grade, now.subject)
            and before.rgb.shape == now.rgb.shape
        )
        if alike and before is not None:
            tiles = changed_tiles(before.rgb, now.rgb)
            if not len(tiles):
                return content, None
            height, width = now.rgb.shape[:2]
            if len(tiles) <= MOST_TILES * -(-height // TILE) * -(-width // TILE):
                content |= {"base": before.number, "tile": TILE, "places": tiles.tolist()}
                return content, now.grade.encode(collage(now.rgb, tiles))
        return content, now.grade.encode(now.rgb)


def as_json(camera: Camera) -> dict[str, float]:
    """A camera as the browser reads it."""
    return {"y": camera.y, "x": camera.x, "zoom": camera.zoom, "height": camera.height, "width": camera.width}
