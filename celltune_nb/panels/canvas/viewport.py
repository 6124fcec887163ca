"""One viewer surface: frames out, gestures in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol, cast

import ipywidgets as widgets
import numpy as np
import numpy.typing as npt

from celltune_nb.errors import InputError
from celltune_nb.panels.asked import on_screen
from celltune_nb.panels.canvas.frames import Frames, as_json
from celltune_nb.panels.canvas.layer import PixelLayer, canonical
from celltune_nb.panels.canvas.surface import VectorSurface
from celltune_nb.panels.canvas.vectors import Shape
from celltune_nb.render.camera import MAX_ZOOM, MIN_ZOOM, Camera

__all__ = ["Viewport"]

#: Device pixels of a frame at most; a larger screen gets a coarser picture instead of a slow one.
MOST_PIXELS = 12_000_000
#: How long (s) the rest of a change waits for the picture of it.
FIRST = 0.05
Mode = Literal["pan", "rectangle", "lasso"]
Modifiers = frozenset[str]


class _Worker(Protocol):
    def request(self, *arguments: Any) -> None: ...
    def settle(self, timeout: float) -> bool: ...
    def close(self) -> None: ...


class Viewport:
    """An image surface with pan, zoom, rectangle, lasso, click, hover and keys.

    A pixel layer shows frames; ipycanvas draws vector shapes over it.  Pan and zoom move the last
    frame in the browser at once; the kernel renders the newest camera in a worker, one frame in flight.

    Built in: the wheel zooms at the cursor; space or the middle button pans in any mode; arrows, ``+`` and ``-``
    move the camera unless they are listed in :attr:`keys`; Escape gives up a drag.  Tab always leaves.

    Callbacks (``on_…``) run in whichever thread the kernel handles messages in and must be quick.
    Each registration returns a function that ends it.  Modifiers are a frozenset of
    ``"shift"``, ``"ctrl"`` (also the Mac's command key) and ``"alt"``.  Positions are image pixels.

    Parameters
    ----------
    render : callable
        ``render(camera, dpr)`` gives the frame: uint8 (round(camera.height × dpr), round(camera.width × dpr), 3).
        Called in the worker.
    latest : callable
        Makes the worker: ``latest(work)`` gives an object with ``request()``, ``settle()`` and ``close()`` that carries
        out only the newest of many requests (``session.jobs.latest``).
    height : int or str
        Height: CSS pixels, or any CSS length such as ``"70vh"``.  The width fills the container.
    label : str
        What a screen reader calls it.

    Attributes
    ----------
    widget : ipywidgets.Box
        What goes into a layout; ``display(viewport)`` shows it too.
    """

    def __init__(
        self,
        render: Callable[[Camera, float], npt.NDArray[np.uint8]],
        *,
        latest: Callable[[Callable[..., None]], _Worker],
        height: int | str = 600,
        label: str = "Image",
    ) -> None:
        self._frames = Frames(render, self._send)
        self._lock = threading.RLock()
        self._closed = False
        self._camera = Camera(0.0, 0.0, 1.0, height if isinstance(height, int) else 600, 800)
        self._dpr = 1.0
        self._sizes: dict[str, tuple[int, int, float]] = {}
        self._fit: tuple[int, int] | None = None
        self._epoch = 0
        self._told: tuple[float, float, float] | None = None
        self._moving = False
        self._tooltip = ""
        #: What the picture is of (the name of an image), see :mod:`celltune_nb.panels.asked`.
        self.subject = ""
        self._callbacks: dict[str, list[Callable[..., object]]] = {}

        self._surface = VectorSurface(self._redraw)
        self._layer = PixelLayer(label=label, vectors=f"IPY_MODEL_{self._surface.layers[0].model_id}")
        css_height = f"{height}px" if isinstance(height, int) else height
        self.widget = widgets.Box(
            [self._layer, *self._surface.layers],
            layout=widgets.Layout(width="100%", height=css_height, flex="0 0 auto", overflow="hidden"),
        )
        self.widget.add_class("ct-viewport")
        self._worker = latest(self._work)
        self._layer.on_msg(self._receive)

    def __repr__(self) -> str:
        return f"Viewport({self._camera!r}, mode={self.mode!r})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)

    @property
    def error(self) -> Exception | None:
        """What the last call of ``render`` raised; its message is shown over the image."""
        return self._frames.error

    # ------------------------------------------------------------------ camera

    @property
    def camera(self) -> Camera:
        """What is shown now; its size is a guess until a browser has shown the viewport."""
        return self._camera

    def set_camera(self, camera: Camera) -> None:
        """Look elsewhere; the size of ``camera`` is replaced by that of the viewport."""
        with self._lock:
            self._epoch += 1
            self._fit = None
            self._moving = False
            self._camera = camera.resized(self._camera.height, self._camera.width)
            self._told = None
            # Lines have a width and the scale bar a length at one zoom only.
            self._surface.due = True
        self._tell_camera()
        self.refresh()

    def fit(self, shape: tuple[int, int]) -> None:
        """Show a whole image of ``shape`` (Y, X), again after each resize until the person moves it.

        Also keeps the centre of the view inside that image from now on.
        """
        with self._lock:
            self._epoch += 1
            self._fit = (int(shape[0]), int(shape[1]))
            self._moving = False
            self._camera = Camera.fit(self._fit, self._camera.height, self._camera.width)
            self._told = None
            self._surface.due = True
        self._layer.bounds = [0.0, 0.0, float(max(0, shape[0] - 1)), float(max(0, shape[1] - 1))]
        self._tell_camera()
        self.refresh()

    def refresh(self, *, first: bool = False) -> None:
        """Render again with the same camera: colours, contrast or opacity have changed.

        Parameters
        ----------
        first : bool
            Return when the frame is on its way (or after a moment, should it take long), so that what the caller does next
            does not slow it down.
        """
        self._frames.due = True
        self._worker.request()
        if first:
            self._worker.settle(FIRST)

    # ------------------------------------------------------------------ behaviour

    @property
    def mode(self) -> Mode:
        """What dragging does: ``"pan"``, ``"rectangle"`` or ``"lasso"``."""
        return cast(Mode, self._layer.mode)

    @mode.setter
    def mode(self, mode: Mode) -> None:
        if mode not in ("pan", "rectangle", "lasso"):
            raise InputError(f"Mode {mode!r} does not exist. Choose 'pan', 'rectangle' or 'lasso'.")
        self._layer.mode = mode

    @property
    def keys(self) -> list[str]:
        """Keys that are taken: ``"1"``, ``"escape"``-style DOM names, ``"ctrl+z"``, ``"shift+1"``."""
        return list(self._layer.key_names)

    @keys.setter
    def keys(self, keys: Sequence[str]) -> None:
        self._layer.key_names = [canonical(key) for key in keys]

    @property
    def cursor(self) -> str:
        """CSS cursor; ``""`` for the mode's own (hand or crosshair)."""
        return self._layer.cursor

    @cursor.setter
    def cursor(self, cursor: str) -> None:
        self._layer.cursor = cursor

    @property
    def tooltip(self) -> str:
        """Text beside the cursor; plain text, lines broken at newlines; vanishes when the cursor leaves."""
        return self._tooltip

    @tooltip.setter
    def tooltip(self, text: str) -> None:
        if text != self._tooltip:
            self._tooltip = text
            self._send({"type": "tooltip", "text": text})

    # ------------------------------------------------------------------ vectors

    def draw_shapes(self, shapes: Sequence[Shape], group: str = "") -> None:
        """Replace the vector shapes of a group (each group is drawn over the ones named before it)."""
        if self._surface.replace_group(shapes, group):
            self._redraw()

    def show_scale_bar(self, pixel_size: float | None, *, visible: bool = True) -> None:
        """Show a scale bar; ``pixel_size`` in micrometres per pixel, None to measure in pixels."""
        self._surface.set_scale_bar(pixel_size, visible)
        self._redraw()

    # ------------------------------------------------------------------ callbacks

    def on_click(self, callback: Callable[[float, float, Modifiers], object]) -> Callable[[], None]:
        """``callback(y, x, modifiers)`` on a click, in any mode."""
        return self._on("click", callback)

    def on_double_click(self, callback: Callable[[float, float, Modifiers], object]) -> Callable[[], None]:
        """``callback(y, x, modifiers)``; both of its clicks are reported as clicks before."""
        return self._on("double_click", callback)

    def on_rectangle(self, callback: Callable[..., object]) -> Callable[[], None]:
        """``callback((y0, x0, y1, x1), modifiers)`` when a rectangle was dragged."""
        return self._on("rectangle", callback)

    def on_lasso(self, callback: Callable[..., object]) -> Callable[[], None]:
        """``callback([[y, x], …], modifiers)`` when an outline was drawn; at least three corners."""
        return self._on("lasso", callback)

    def on_hover(self, callback: Callable[[float | None, float | None], object]) -> Callable[[], None]:
        """``callback(y, x)`` at most 20 times a second, for each new pixel; ``(None, None)`` on leaving."""
        self._layer.hovers = True
        return self._on("hover", callback)

    def on_key(self, callback: Callable[[str, Modifiers], object]) -> Callable[[], None]:
        """``callback(key, modifiers)`` for the keys listed in :attr:`keys`."""
        return self._on("key", callback)

    def on_camera(self, callback: Callable[[Camera, bool], object]) -> Callable[[], None]:
        """``callback(camera, final)`` when the person moved the camera or the viewport was resized.

        ``final`` is False during a gesture.  :meth:`set_camera` and :meth:`fit` are not reported.
        """
        return self._on("camera", callback)

    def _on(self, name: str, callback: Callable[..., object]) -> Callable[[], None]:
        registered = self._callbacks.setdefault(name, [])
        registered.append(callback)

        def end() -> None:
            if callback in registered:
                registered.remove(callback)

        return end

    def _emit(self, name: str, *arguments: Any) -> None:
        for callback in list(self._callbacks.get(name, ())):
            callback(*arguments)

    # ------------------------------------------------------------------ messages from the browser

    def _receive(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        if not self._closed:
            with on_screen(content):
                self._hear(content)

    def _hear(self, content: dict[str, Any]) -> None:
        kind = content.get("type")
        held = frozenset(content.get("modifiers", ()))
        if kind == "ack":
            self._acknowledged(content)
        elif kind == "camera":
            self._moved(content)
        elif kind == "size":
            self._resized(content["view"], (content["height"], content["width"], content["dpr"]))
        elif kind == "gone":
            with self._lock:
                self._sizes.pop(content["view"], None)
        elif kind == "hello":
            self._greeted()
        elif kind in {"click", "double_click"}:
            self._emit(kind, content["y"], content["x"], held)
        elif kind in {"rectangle", "lasso"}:
            self._emit(kind, tuple(content[kind]), held)
        elif kind == "hover":
            self._emit("hover", content["y"], content["x"])
        elif kind == "key":
            self._emit("key", content["key"], held)

    def _acknowledged(self, content: dict[str, Any]) -> None:
        """The browser has a frame, and may have moved on since."""
        if content.get("lost"):
            self._frames.start_over()
        else:
            self._frames.acknowledged(content["frame"])
        if content.get("camera") is not None:
            self._moved(content["camera"])
        if self._frames.wants(moving=self._moving) or self._surface.due:
            self._worker.request()

    def _greeted(self) -> None:
        """A page opened or was reloaded: it has no frame, and the views of the page before are gone."""
        with self._lock:
            self._sizes.clear()
            self._told = None
        self._surface.expire()
        self._frames.start_over()

    def _moved(self, content: dict[str, Any]) -> None:
        with self._lock:
            # A report that crossed set_camera on the way speaks of a camera that is no more.
            if content["epoch"] != self._epoch:
                return
            camera = replace(self._camera, y=content["y"], x=content["x"], zoom=content["zoom"])
            self._moving = not content["final"]
            self._frames.due = self._frames.due or camera != self._camera
            self._surface.due = True
            self._fit = None
            self._camera = camera
            self._told = (camera.y, camera.x, camera.zoom)
        self._worker.request()
        self._emit("camera", camera, bool(content["final"]))

    def _resized(self, view: str, size: tuple[int, int, float]) -> None:
        with self._lock:
            self._sizes[view] = size
            # One frame serves all views of the widget: as large as the largest, shown centred.
            height = max(s[0] for s in self._sizes.values())
            width = max(s[1] for s in self._sizes.values())
            finest = max(s[2] for s in self._sizes.values())
            self._dpr = min(finest, (MOST_PIXELS / (height * width)) ** 0.5)
            before = self._camera
            if self._fit is None:
                self._camera = before.resized(height, width)
            else:
                self._camera = Camera.fit(self._fit, height, width)
            camera = self._camera
            shape = self._fit
            self._frames.due = self._surface.due = True
        if shape is not None:
            self._layer.zoom_range = [max(MIN_ZOOM, min(camera.zoom / 2, 1.0)), MAX_ZOOM]
        self._tell_camera()
        self._worker.request()
        if camera != before:
            self._emit("camera", camera, True)

    # ------------------------------------------------------------------ messages to the browser

    def _send(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        if not self._closed:
            self._layer.send(content, buffers)

    def _tell_camera(self) -> None:
        with self._lock:
            camera = self._camera
            now = (camera.y, camera.x, camera.zoom)
            if now == self._told or not self._sizes:
                return
            self._told = now
            self._send({"type": "camera", "y": now[0], "x": now[1], "zoom": now[2], "epoch": self._epoch})

    def _redraw(self) -> None:
        self._surface.expire()
        self._worker.request()

    def _work(self, *_arguments: Any) -> None:
        """Do what is due; runs in the worker, one call at a time."""
        with self._lock:
            if self._closed or not self._sizes:
                return
            camera, dpr, subject = self._camera, self._dpr, self.subject
            moving = self._moving
            frame = self._frames.take(moving=moving)
            vectors = self._surface.take(gesture=moving)
        if frame:
            self._frames.deliver(camera, dpr, moving=moving, subject=subject)
        if vectors:
            self._send({"type": "vectors", "camera": as_json(camera)})
            self._surface.draw(camera, dpr)

    # ------------------------------------------------------------------ end

    def close(self) -> None:
        """Free the widgets, their comms and the worker."""
        if self._closed:
            return
        self._closed = True
        self._worker.close()
        self._callbacks.clear()
        for part in (self.widget, self._layer, *self._surface.layers):
            part.layout.close()
            part.close()
