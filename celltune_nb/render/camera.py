"""Where the viewer looks: one frozen camera, and which source pixel every device pixel shows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_ZOOM", "MIN_ZOOM", "Camera", "Window"]

#: Limits of the zoom, in CSS pixels per image pixel.
MIN_ZOOM = 1 / 512
MAX_ZOOM = 64.0


@dataclass(frozen=True)
class Camera:
    """A view of an image on a canvas.

    Image positions are ``(y, x)`` in pixels with the origin at the centre of pixel 0, so the image
    spans ``-0.5 … n - 0.5``.  Canvas positions are ``(cy, cx)`` in CSS pixels with the origin at
    the canvas' top left corner.

    Attributes
    ----------
    y, x : float
        Image position at the middle of the canvas.
    zoom : float
        CSS pixels per image pixel.
    height, width : int
        Size of the canvas in CSS pixels.
    """

    y: float
    x: float
    zoom: float
    height: int
    width: int

    @classmethod
    def fit(cls, shape: tuple[int, int], height: int, width: int) -> Camera:
        """Show a whole image of ``shape`` (Y, X), centred and as large as it fits."""
        rows, columns = max(1, shape[0]), max(1, shape[1])
        zoom = min(height / rows, width / columns)
        return cls((rows - 1) / 2, (columns - 1) / 2, _clip_zoom(zoom), height, width)

    def canvas_to_image(self, cy: float, cx: float) -> tuple[float, float]:
        """Image position (y, x) under a canvas position."""
        return (self.y + (cy - self.height / 2) / self.zoom, self.x + (cx - self.width / 2) / self.zoom)

    def image_to_canvas(self, y: float, x: float) -> tuple[float, float]:
        """Canvas position (cy, cx) of an image position."""
        return ((y - self.y) * self.zoom + self.height / 2, (x - self.x) * self.zoom + self.width / 2)

    def pan(self, dy: float, dx: float) -> Camera:
        """The camera after the picture was dragged by (dy, dx) canvas pixels."""
        return replace(self, y=self.y - dy / self.zoom, x=self.x - dx / self.zoom)

    def zoom_at(self, cy: float, cx: float, factor: float) -> Camera:
        """Zoom by ``factor``; the image position under (cy, cx) stays where it is."""
        y, x = self.canvas_to_image(cy, cx)
        zoom = _clip_zoom(self.zoom * factor)
        return replace(
            self,
            y=y - (cy - self.height / 2) / zoom,
            x=x - (cx - self.width / 2) / zoom,
            zoom=zoom,
        )

    def one_to_one(self) -> Camera:
        """One CSS pixel per image pixel, same centre."""
        return replace(self, zoom=1.0)

    def resized(self, height: int, width: int) -> Camera:
        """Same centre and zoom on a canvas of another size."""
        return replace(self, height=height, width=width)

    def visible(self) -> tuple[float, float, float, float]:
        """Image rectangle (y0, x0, y1, x1) that the canvas covers; may exceed the image."""
        y0, x0 = self.canvas_to_image(0, 0)
        y1, x1 = self.canvas_to_image(self.height, self.width)
        return (y0, x0, y1, x1)


def _clip_zoom(zoom: float) -> float:
    return min(MAX_ZOOM, max(MIN_ZOOM, zoom))


@dataclass(frozen=True, eq=False)
class Window:
    """Which source pixel each device pixel of a frame shows.

    Attributes
    ----------
    shape : tuple of int
        Frame size (H, W) in device pixels: ``round(CSS size × dpr)``.
    top, left : int
        First device row and column that lie inside the image.
    rows, columns : ndarray of int64
        Source row (column) of each device row (column) inside the image, from ``top`` (``left``)
        on; empty when the image is out of sight.
    step : float
        Source pixels per device pixel.
    """

    shape: tuple[int, int]
    top: int
    left: int
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    step: float

    @classmethod
    def of(cls, camera: Camera, shape: tuple[int, int], dpr: float = 1.0) -> Window:
        """The window of a camera onto an image of ``shape`` (Y, X), at ``dpr`` device per CSS pixels."""
        top, rows = _axis(camera.y, camera.zoom, camera.height, dpr, shape[0])
        left, columns = _axis(camera.x, camera.zoom, camera.width, dpr, shape[1])
        frame = (max(1, round(camera.height * dpr)), max(1, round(camera.width * dpr)))
        return cls(frame, top, left, rows, columns, 1.0 / (camera.zoom * dpr))

    @property
    def inside(self) -> tuple[slice, slice]:
        """The part of the frame that shows the image."""
        return (
            slice(self.top, self.top + len(self.rows)),
            slice(self.left, self.left + len(self.columns)),
        )

    @property
    def level(self) -> int:
        """The stride-2 pyramid level with one to two pixels per device pixel (0 = the source)."""
        return max(0, math.floor(math.log2(self.step) + 1e-9))


def _axis(centre: float, zoom: float, size: int, dpr: float, n: int) -> tuple[int, npt.NDArray[np.int64]]:
    device = max(1, round(size * dpr))
    # The canvas position of a device pixel's centre; size / device equals 1 / dpr up to rounding.
    canvas = (np.arange(device) + 0.5) * (size / device)
    source = np.floor(centre + (canvas - size / 2) / zoom + 0.5).astype(np.int64)
    first, last = np.searchsorted(source, [0, n])
    return int(first), source[first:last]
