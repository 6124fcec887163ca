"""Vector drawing over the image with ipycanvas: shapes, and the scale bar."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from ipycanvas import Canvas

from celltune_nb.errors import InputError
from celltune_nb.render.camera import Camera
from celltune_nb.render.compose import parse_color

__all__ = ["Drawing", "Shape", "drawing", "scale_bar"]

# ipycanvas 0.14 sends everything through one manager that is not safe to use from two threads.
_LOCK = threading.RLock()

Kind = Literal["polygon", "line", "text"]


@dataclass(frozen=True, eq=False)
class Shape:
    """One vector shape; make it with :meth:`polygon`, :meth:`rectangle`, :meth:`line`, :meth:`circle` or :meth:`label`.

    Attributes
    ----------
    kind : {"polygon", "line", "text"}
    points : ndarray
        (k, 2) float y, x: image pixels (``space="image"``), or CSS pixels from the top left corner
        of the viewport (``space="canvas"``).
    color : str
        ``"#rrggbb"``.
    width : float
        Line width in CSS pixels, whatever the zoom; 0 draws no line.  Font size of a text.
    dash : tuple of float
        Lengths of dashes and gaps in CSS pixels.
    fill : float
        Opacity of the inside of a polygon.
    text : str
        Text; its left baseline is at the first point.
    space : {"image", "canvas"}
    halo : bool
        A dark rim beneath, so that the line is read on bright pictures too.
    radius : float
        CSS pixels added round the first point of a circle that keeps its size on the screen; 0 for other shapes.
    """

    kind: Kind
    points: npt.NDArray[np.float64]
    color: str = "#ffffff"
    width: float = 1.5
    dash: tuple[float, ...] = ()
    fill: float = 0.0
    text: str = ""
    space: Literal["image", "canvas"] = "image"
    halo: bool = True
    radius: float = 0.0

    @classmethod
    def polygon(cls, points: Any, color: str = "#ffffff", **options: Any) -> Shape:
        """A closed outline through ``points`` (k, 2) y, x."""
        return cls("polygon", _points(points), color, **options)

    @classmethod
    def rectangle(cls, rectangle: Sequence[float], color: str = "#ffffff", **options: Any) -> Shape:
        """The outline of (y0, x0, y1, x1)."""
        y0, x0, y1, x1 = rectangle
        return cls("polygon", _points([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]), color, **options)

    @classmethod
    def line(cls, points: Any, color: str = "#ffffff", **options: Any) -> Shape:
        """An open line through ``points`` (k, 2) y, x."""
        return cls("line", _points(points), color, **options)

    @classmethod
    def circle(cls, y: float, x: float, radius: float, color: str = "#ffffff", **options: Any) -> Shape:
        """A circle of ``radius`` CSS pixels, whatever the zoom, round (y, x)."""
        return cls("polygon", np.full((16, 2), (y, x), np.float64), color, radius=radius, **options)

    @classmethod
    def label(
        cls, text: str, y: float, x: float, color: str = "#ffffff", size: float = 12, **options: Any
    ) -> Shape:
        """A text of ``size`` CSS pixels whose left baseline is at (y, x)."""
        return cls("text", _points([(y, x)]), color, size, text=text, **options)


def _points(points: Any) -> npt.NDArray[np.float64]:
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or not len(array):
        raise InputError(
            f"Points of a shape are (k, 2) y, x; these have the shape {array.shape}. Give k > 0 pairs."
        )
    return array


@contextmanager
def drawing(canvas: Canvas) -> Iterator[Canvas]:
    """Hold drawing commands and send them as one message.

    Does what ``ipycanvas.hold_canvas`` does and repairs three faults of ipycanvas 0.14.3: an exception
    leaves nothing held, two threads cannot mix their commands, and a page that was reloaded (which knows
    no current canvas, issue #322) is told which canvas is meant every time.
    """
    with _LOCK:
        manager = canvas._canvas_manager
        manager._current_canvas = None
        manager._caching = True
        try:
            yield canvas
            manager.flush()
        finally:
            manager._commands_cache, manager._buffers_cache = [], []
            manager._caching = False
            manager._current_canvas = None


class Drawing:
    """Shapes of one space, prepared once and drawn for any camera."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.texts = [shape for shape in shapes if shape.kind == "text"]
        groups: dict[tuple[str, float, tuple[float, ...], bool], list[Shape]] = {}
        for shape in shapes:
            if shape.kind != "text":
                groups.setdefault((shape.kind, shape.width, shape.dash, shape.halo), []).append(shape)
        self._groups = {key: _Group(members) for key, members in groups.items()}
        self.size = sum(len(group.points) for group in self._groups.values())

    def draw(self, canvas: Canvas, camera: Camera, dpr: float) -> None:
        """Add what the camera sees to a canvas of ``camera`` size × ``dpr``; call inside :func:`drawing`."""
        canvas.line_join = "round"
        for (kind, width, dash, halo), group in self._groups.items():
            part = group.seen(camera, dpr)
            if part is None:
                continue
            points, counts, colors, fills = part
            closed = kind == "polygon"
            if closed and fills.any():
                canvas.fill_styled_polygons(points, colors, fills, points_per_polygon=counts)
            stroke = _stroke_closed if closed else _stroke_open
            canvas.set_line_dash([length * dpr for length in dash])
            if halo and width > 0:
                canvas.line_width = (width + 2) * dpr
                stroke(canvas, points, counts, np.zeros_like(colors), 0.55)
            if width > 0:
                canvas.line_width = width * dpr
                stroke(canvas, points, counts, colors, 1.0)
        canvas.set_line_dash([])
        for shape in self.texts:
            x, y = (
                _project(shape.points[:1], camera, dpr)[0]
                if shape.space == "image"
                else shape.points[0, ::-1] * dpr
            )
            canvas.font = f"600 {shape.width * dpr:g}px system-ui, sans-serif"
            if shape.halo:
                canvas.stroke_style, canvas.line_width = "rgba(0, 0, 0, 0.7)", 3 * dpr
                canvas.stroke_text(shape.text, float(x), float(y))
            canvas.fill_style = shape.color
            canvas.fill_text(shape.text, float(x), float(y))


class _Group:
    """Polygons or lines that share a line style, as flat arrays."""

    def __init__(self, shapes: list[Shape]) -> None:
        self.points = np.concatenate([shape.points for shape in shapes])
        self.counts = np.array([len(shape.points) for shape in shapes], np.int32)
        palette = {color: parse_color(color) for color in {shape.color for shape in shapes}}
        self.colors = np.array([palette[shape.color] for shape in shapes], np.uint8)
        self.fills = np.array([shape.fill for shape in shapes], np.float32)
        self.fixed = shapes[0].space == "canvas"
        self.offsets = None
        if any(shape.radius for shape in shapes):
            self.offsets = np.concatenate([_ring(len(shape.points), shape.radius) for shape in shapes])
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        self.low = np.minimum.reduceat(self.points, starts)
        self.high = np.maximum.reduceat(self.points, starts)

    def seen(
        self, camera: Camera, dpr: float
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]] | None:
        if self.fixed:
            points = (self.points[:, ::-1] * dpr).astype(np.float32)
            return points, self.counts, self.colors, self.fills
        y0, x0, y1, x1 = camera.visible()
        margin = 12 / camera.zoom
        keep = (
            (self.high[:, 0] >= y0 - margin)
            & (self.low[:, 0] <= y1 + margin)
            & (self.high[:, 1] >= x0 - margin)
            & (self.low[:, 1] <= x1 + margin)
        )
        if not keep.any():
            return None
        chosen = np.repeat(keep, self.counts)
        points = _project(self.points[chosen], camera, dpr)
        if self.offsets is not None:
            points += (self.offsets[chosen] * dpr).astype(np.float32)
        return points, self.counts[keep], self.colors[keep], self.fills[keep]


def _ring(count: int, radius: float) -> npt.NDArray[np.float64]:
    angle = np.arange(count) * (2 * np.pi / count)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _project(points: npt.NDArray[np.float64], camera: Camera, dpr: float) -> npt.NDArray[np.float32]:
    """Image (y, x) to device pixels (x, y) of the canvas."""
    cy, cx = camera.image_to_canvas(0.0, 0.0)
    return ((points[:, ::-1] * camera.zoom + (cx, cy)) * dpr).astype(np.float32)


def _stroke_closed(canvas: Canvas, points: Any, counts: Any, colors: Any, alpha: float) -> None:
    canvas.stroke_styled_polygons(points, colors, alpha, points_per_polygon=counts)


def _stroke_open(canvas: Canvas, points: Any, counts: Any, colors: Any, alpha: float) -> None:
    canvas.stroke_styled_line_segments(points, colors, alpha, points_per_line_segment=counts)


def scale_bar(camera: Camera, pixel_size: float | None) -> list[Shape]:
    """A scale bar for the lower left corner, in canvas coordinates.

    Parameters
    ----------
    camera : Camera
        The view.
    pixel_size : float or None
        Micrometres per image pixel; None measures in pixels.

    Returns
    -------
    list of Shape
        A line of a round length between 50 and 125 CSS pixels, and its length.
    """
    unit = 1.0 if pixel_size is None else pixel_size
    most = 125 * unit / camera.zoom
    decade = 10.0 ** math.floor(math.log10(most))
    length = max(step * decade for step in (1, 2, 5) if step * decade <= most)
    bottom, left = camera.height - 14.0, 14.0
    right = left + length / unit * camera.zoom
    text = (
        f"{length:g} px"
        if pixel_size is None
        else f"{length / 1000:g} mm"
        if length >= 1000
        else f"{length:g} µm"
    )
    return [
        Shape.line([(bottom, left), (bottom, right)], width=3, space="canvas"),
        Shape.label(text, bottom - 7, left, space="canvas"),
    ]
