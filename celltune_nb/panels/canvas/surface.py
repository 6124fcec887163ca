"""The two ipycanvas layers of a viewport: one that moves with the image, one that stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from ipycanvas import Canvas

from celltune_nb.panels.canvas.vectors import Drawing, Shape, drawing, scale_bar
from celltune_nb.render.camera import Camera

__all__ = ["VectorSurface"]

#: Corners of vector shapes that may be sent along with every frame of a gesture.
FEW_CORNERS = 20_000


class VectorSurface:
    """What is drawn over the image, in groups that are replaced on their own.

    Parameters
    ----------
    lost : callable
        Called when a browser has opened or reloaded a layer, which is then empty.

    Attributes
    ----------
    layers : tuple of ipycanvas.Canvas
        The layer in image coordinates and the one in canvas coordinates.
    due : bool
        Whether what the browser shows is out of date.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self.due = True
        self.layers = (Canvas(width=1, height=1), Canvas(width=1, height=1))
        self._lock = threading.Lock()
        self._groups: dict[str, Sequence[Shape]] = {}
        self._moving = Drawing([])
        self._fixed: list[Shape] = []
        self._bar: tuple[float | None] | None = None
        self._fixed_for: tuple[Camera, float] | None = None
        for canvas, name in zip(self.layers, ("ct-vectors", "ct-fixed"), strict=True):
            canvas.add_class(name)
            canvas.on_client_ready(lost)

    def expire(self) -> None:
        """Draw everything again at the next chance."""
        with self._lock:
            self.due = True
            self._fixed_for = None

    def replace_group(self, shapes: Sequence[Shape], group: str) -> bool:
        """Replace the shapes of a group; whether anything changed."""
        with self._lock:
            if not shapes and not self._groups.get(group):
                return False
            self._groups[group] = tuple(shapes)
            every = [shape for members in self._groups.values() for shape in members]
            self._moving = Drawing([shape for shape in every if shape.space == "image"])
            self._fixed = [shape for shape in every if shape.space == "canvas"]
            return True

    def set_scale_bar(self, pixel_size: float | None, visible: bool) -> None:
        """Show or hide the scale bar."""
        with self._lock:
            self._bar = (pixel_size,) if visible else None

    def take(self, *, gesture: bool) -> bool:
        """Whether to draw now; during a gesture, only when there is little to send."""
        with self._lock:
            take = self.due and not (gesture and self._moving.size > FEW_CORNERS)
            if take:
                self.due = False
            return take

    def draw(self, camera: Camera, dpr: float) -> None:
        """Draw for a camera."""
        with self._lock:
            contents = [(self.layers[0], self._moving)]
            # What is fixed to the canvas depends on zoom and size, not on where the camera is.
            view = (replace(camera, y=0.0, x=0.0), dpr)
            if view != self._fixed_for:
                self._fixed_for = view
                bar = scale_bar(camera, self._bar[0]) if self._bar else []
                contents.append((self.layers[1], Drawing([*self._fixed, *bar])))
        height, width = round(camera.height * dpr), round(camera.width * dpr)
        for canvas, shapes in contents:
            # A panel may be closed while its last picture is being drawn.
            if canvas.comm is None:
                return
            if (canvas.height, canvas.width) != (height, width):
                with canvas.hold_sync():
                    canvas.height, canvas.width = height, width
            with drawing(canvas):
                canvas.clear()
                shapes.draw(canvas, camera, dpr)
