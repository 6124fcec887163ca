"""Frames on their way to the browser: rendered, encoded, one in flight."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from celltune_nb.render.camera import Camera
from celltune_nb.render.encode import jpeg

__all__ = ["Frames", "as_json"]

_log = logging.getLogger("celltune_nb")

#: A frame that was not acknowledged for this long (s) is given up: its page has gone.
LOST_AFTER = 2.0


class Frames:
    """Sends a frame only when the browser has shown the one before, so that none queue up.

    Parameters
    ----------
    render : callable
        ``render(camera, dpr)`` gives a frame (H, W, 3) uint8.
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

    def start_over(self) -> None:
        """A new page has no frame, and will not acknowledge the old one's."""
        with self._lock:
            self._in_flight = None
            self.due = True

    def acknowledged(self, frame: int) -> bool:
        """The browser has shown a frame; whether it was the one in flight."""
        with self._lock:
            if frame != self._in_flight:
                return False
            self._in_flight = None
            return True

    def take(self) -> bool:
        """Whether to render now; if so, what is asked for from here on is another frame."""
        with self._lock:
            free = self._in_flight is None or time.monotonic() - self._sent > LOST_AFTER
            take = self.due and free
            if take:
                self.due = False
            return take

    def deliver(self, camera: Camera, dpr: float) -> None:
        """Render and send; an error is shown in place of the frame."""
        try:
            data = jpeg(self.render(camera, dpr))
        except Exception as error:  # noqa: BLE001 - shown in place; the worker must go on
            _log.debug("a frame could not be rendered", exc_info=True)
            self.error = error
            self._send({"type": "note", "text": str(error) or type(error).__name__})
            return
        if self.error is not None:
            self.error = None
            self._send({"type": "note", "text": ""})
        with self._lock:
            self.count += 1
            self._in_flight, self._sent = self.count, time.monotonic()
        self._send({"type": "frame", "id": self.count, "camera": as_json(camera)}, [data])


def as_json(camera: Camera) -> dict[str, float]:
    """A camera as the browser reads it."""
    return {"y": camera.y, "x": camera.x, "zoom": camera.zoom, "height": camera.height, "width": camera.width}
