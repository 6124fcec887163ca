"""The image panel: one image at a time, its cells, the gestures and keys that select and label them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np

from celltune_nb.panels import actions, asked, theme
from celltune_nb.panels.canvas import Viewport
from celltune_nb.panels.image import controls, marks
from celltune_nb.panels.image.drawing import Drawing
from celltune_nb.panels.image.scene import Scene
from celltune_nb.panels.panel import Kind, Panel
from celltune_nb.render import Camera

if TYPE_CHECKING:
    from celltune_nb.data.images import Image
    from celltune_nb.session import Session
    from celltune_nb.session.events import PopulationsChanged, ViewChanged

__all__ = ["ImagePanel"]

_CSS = Path(__file__).parents[1] / "static" / "image.css"

#: What keys do to labels and samples; the other keys are about looking.
_LABELLING = frozenset({"assign", "clear", "undo", "redo", "sample", "next"})


@cache
def _styles() -> str:
    return f"<style>{_CSS.read_text('utf-8')}</style>"


class ImagePanel(Panel):
    """Look at an image and its cells; select, mark rectangles and label by key.

    Parameters
    ----------
    session : Session
    height : int or str
        CSS pixels, or any CSS length; of the whole panel.

    Attributes
    ----------
    viewport : Viewport
        The surface; its ``camera`` is what is looked at.
    scene : Scene
        What makes its pixels.
    labels_by : callable or None
        Does what a labelling key means, ``labels_by(key, held)``, and returns what to say about it, None to tell
        what became of the selection; a workflow gives it, so that the key does what the labelling panel beside the image would.
    """

    def __init__(self, session: Session, height: int | str = 620) -> None:
        super().__init__(session)
        self.scene = Scene(session)
        self.viewport = Viewport(self._render, latest=session.jobs.latest, label="Image with cells")
        self.scene.unfinished = self.viewport.refresh
        self.scene.troubled = lambda: self.say(self.scene.trouble, "error")
        self.viewport.mode = "rectangle"
        self._drawing = Drawing(self, self.viewport)
        self.viewport.keys = marks.KEYS
        self.labels_by: Callable[[str, list[str]], str | None] | None = None
        self._hint = controls.HINT
        self._hovered: int | None = None
        self._drawn = False
        self._shows_help = False
        self._build(height)
        self._connect()
        self._reload()
        self._say_hint()

    def _build(self, height: int | str) -> None:
        self._bar, self._line, self._zoom, self._help, self._veil = (theme.Live() for _ in range(5))
        self._zoom.html = controls.zoom()
        self._help.add_class("ct-help-host")
        self._veil.add_class("ct-veil-host")
        self._help.layout.display = "none"
        self._help.html = controls.help_card()
        surface = self.viewport.widget.layout
        surface.height, surface.flex = "100%", "1 1 0"
        picture = w.Box([self.viewport.widget, self._veil, self._zoom, self._help])
        picture.add_class("ct-picture")
        styles = w.HTML(_styles())
        styles.add_class("ct-styles")
        styles.layout.display = "none"
        self.widget = (styles, self._bar, picture, self._line)
        root = self._root
        root.add_class("ct-image-panel")
        root.add_class("ct-keys")
        root.layout.height = f"{height}px" if isinstance(height, int) else height

    def _connect(self) -> None:
        self.viewport.on_click(self.guard(self.click))
        self.viewport.on_rectangle(self.guard(self.mark))
        self.viewport.on_hover(self._quietly(self.hover))
        self.viewport.on_key(self.guard(self.press))
        self.viewport.on_camera(self._quietly(self._moved))
        self.hear(self._bar, {
            "image": self.show_image, "previous": lambda: self.step(-1), "next_image": lambda: self.step(1),
            "mode": self.set_mode, "overlay": self.toggle_cells,
        })  # fmt: skip
        self.hear(self._zoom, {v: getattr(self, v) for v in ("zoom_in", "zoom_out", "fit", "one_to_one")})
        session = self.session
        self.listen(session.view_changed, self._view_changed)
        self.listen(session.selection_changed, self._selected)
        self.listen(session.labels_changed, self._recolored)
        self.listen(session.populations_changed, self._recolored)
        self.listen(session.preview_changed, self._previewed)
        self.listen(session.categories_changed, self._recolored)
        self.listen(session.items_changed, self._reload)
        self.listen(session.pyramids.arrived, self._arrived)

    def _quietly(self, act: Callable[..., None]) -> Callable[..., None]:
        """As ``guard``, but what is said beneath the image stays while the person looks around."""

        def callback(*arguments: Any) -> None:
            if not self.closed:
                self._try(act, arguments)

        return callback

    def close(self) -> None:
        """Free the viewport, its worker and every widget."""
        if not self.closed:
            self.viewport.close()
        super().close()

    def say(self, text: str, kind: Kind = "info") -> None:
        """Put a sentence beneath the image; an empty one brings the hint back."""
        super().say(text, kind)
        if not text:
            self._say_hint()

    def set_hint(self, text: str) -> None:
        """What is said beneath the image while there is nothing else to say."""
        self._hint = text
        if not self.message:
            self._say_hint()

    # ------------------------------------------------------------------ gestures

    def click(self, y: float, x: float, held: frozenset[str] = frozenset()) -> None:
        """Select the cell at a point (pixels): Shift adds it, Ctrl toggles it, background clears."""
        image = asked.image(self.session)
        item = None if image is None else self.session.item_at(image, y, x)
        if item is not None:
            mode = "add" if "shift" in held else "toggle" if "ctrl" in held else "replace"
            with asked.pointing():
                self.session.select([item], mode)
        elif not held & {"shift", "ctrl"}:
            self.session.select([])

    def mark(self, rectangle: tuple[float, float, float, float], held: frozenset[str] = frozenset()) -> None:
        """Hold sampling to a rectangle (pixels); with Shift select the cells inside, with Ctrl toggle them."""
        image = self._image()
        if image is None:
            return
        if asked.image(self.session) != image.name:
            self.say(f"{image.name} was not on the screen yet. Drag the rectangle again.", "warning")
            return
        y0, x0, y1, x1 = rectangle
        # An image spans −0.5 … n − 0.5.
        kept = (max(y0, -0.5), max(x0, -0.5), min(y1, image.shape[0] - 0.5), min(x1, image.shape[1] - 0.5))
        if kept[2] <= kept[0] or kept[3] <= kept[1]:
            return
        inside = self.session.items_in(image.name, kept)
        if held & {"shift", "ctrl"}:
            self.session.select(inside, "add" if "shift" in held else "toggle")
            return
        self.session.set_view(rectangle=kept, outline=None)
        free = int((self.session.labels.codes()[self.session.positions(inside)] == 0).sum())
        self.say(
            f"{controls.cells(len(inside))} in this rectangle, {free:,} not labelled. Press S to sample in it."
        )

    def hover(self, y: float | None, x: float | None) -> None:
        """Name the cell at a point beside the cursor, and outline it; None: the cursor left."""
        image = self._image()
        there = None if image is None or asked.image(self.session) != image.name else image.name
        item = None if y is None or x is None or there is None else self.session.item_at(there, y, x)
        if item == self._hovered:
            return
        self._hovered = item
        masked = image is not None and image.mask is not None
        self.viewport.draw_shapes(marks.hover_shapes(self.scene, item, masked=masked), "hover")
        words = "" if item is None else self.session.describe(item).sentence
        self.viewport.tooltip = words.replace(" · ", "\n")

    def press(self, key: str, held: frozenset[str] = frozenset()) -> None:
        """Do what a key means; see :func:`celltune_nb.panels.actions.key_to_action`."""
        action = actions.key_to_action(key, sorted(held))
        if action is None:
            if key in marks.WALKING and self.labels_by is not None:
                self.say(self.labels_by(key, sorted(held)) or "")
            return
        if action.verb in _LABELLING:
            act = self.labels_by or partial(actions.press, self.session)
            said = act(key, sorted(held))
            self.say(controls.after(self.session, action) if said is None else said)
        else:
            getattr(self, {"overlay": "toggle_cells", "help": "toggle_help"}.get(action.verb, action.verb))()

    def escape(self) -> None:
        """Close the help; else clear the selection and the rectangle."""
        if self._shows_help:
            self.toggle_help()
            return
        self.session.select([])
        self.session.set_view(rectangle=None, outline=None)

    # ------------------------------------------------------------------ looking

    def show_image(self, name: str, value: str | None = None) -> None:
        """Show another image, whole."""
        self.session.set_view(image=value or name)

    def step(self, by: int) -> None:
        """Show the next (1) or previous (-1) image; after the last comes the first."""
        names = list(self.session.images)
        if len(names) > 1:
            here = names.index(self.session.view.image) if self.session.view.image in names else 0
            self.session.set_view(image=names[(here + by) % len(names)])

    def set_mode(self, mode: str) -> None:
        """What dragging does: ``"rectangle"`` marks one, ``"lasso"`` draws an outline, ``"pan"`` moves the image."""
        self.session.set_view(tool=mode)

    def toggle_cells(self) -> None:
        """Draw the cells over the image, or the bare image."""
        self.scene.shows_cells = not self.scene.shows_cells
        self._show_bar()
        self._draw_marks()
        self.viewport.refresh()

    def toggle_help(self) -> None:
        """Show or hide the list of keys."""
        self._shows_help = not self._shows_help
        self._help.layout.display = None if self._shows_help else "none"

    def fit(self) -> None:
        """Show the whole image."""
        self.session.set_view(center=None, zoom=None)
        image = self._image()
        if image is not None:
            self.viewport.fit(image.shape)
            self._show_line()

    def one_to_one(self) -> None:
        """One CSS pixel per image pixel, same centre."""
        self._look(self.viewport.camera.one_to_one())

    def zoom_in(self) -> None:
        """Half as much again, round the centre."""
        self._zoom_by(1.5)

    def zoom_out(self) -> None:
        """Two thirds, round the centre."""
        self._zoom_by(1 / 1.5)

    def _zoom_by(self, factor: float) -> None:
        camera = self.viewport.camera
        self._look(camera.zoom_at(camera.height / 2, camera.width / 2, factor))

    def _look(self, camera: Camera) -> None:
        self.viewport.set_camera(camera)
        self._moved(camera, final=True)

    def _moved(self, camera: Camera, final: bool) -> None:
        """The person moved the camera: keep it with the view, so that a reload finds it again."""
        image = self._image()
        if not final or image is None:
            return
        if camera == Camera.fit(image.shape, camera.height, camera.width):
            self.session.set_view(center=None, zoom=None)
        else:
            self.session.set_view(center=(camera.y, camera.x), zoom=camera.zoom)
        self._show_line()

    def _render(self, camera: Camera, dpr: float) -> np.ndarray:
        frame = self.scene.render(camera, dpr)
        if not self._drawn and self._image() is not None:
            self._drawn = True
            self._veil.html = ""
        return frame

    # ------------------------------------------------------------------ from the session

    def _image(self) -> Image | None:
        return self.session.images.get(self.session.view.image or "")

    def _reload(self) -> None:
        self.scene.forget()
        self._show_image()

    def _show_image(self) -> None:
        """Another image: its frame, marks, scale bar and name."""
        image = self._image()
        self.viewport.subject = "" if image is None else image.name
        self._hovered = None
        self.viewport.tooltip = ""
        if image is not None:
            self.viewport.show_scale_bar(image.pixel_size)
            self._show_camera()
        if not self._drawn:
            self._veil.html = controls.veil(image is not None)
        self._draw_marks()
        self._show_bar()
        self._show_line()
        self.viewport.refresh()

    def _show_camera(self) -> None:
        image, view = self._image(), self.session.view
        if image is None:
            return
        camera = self.viewport.camera
        if view.center is None and view.zoom is None:
            self.viewport.fit(image.shape)
            return
        whole = Camera.fit(image.shape, camera.height, camera.width)
        y, x = view.center or (whole.y, whole.x)
        zoom = view.zoom or whole.zoom
        if (y, x, zoom) != (camera.y, camera.x, camera.zoom):
            # The fit tells the viewport the image's bounds, within which the centre of the view stays.
            self.viewport.fit(image.shape)
            self.viewport.set_camera(Camera(y, x, zoom, camera.height, camera.width))

    def _view_changed(self, event: ViewChanged) -> None:
        fields = event.fields
        if "image" in fields:
            self._show_image()
            return
        if fields & {"center", "zoom"}:
            view, camera = event.view, self.viewport.camera
            if view.center != (camera.y, camera.x) or view.zoom != camera.zoom:
                if view.center is not None or view.zoom is not None:
                    self._show_camera()
                self._show_line()
        if fields & {"color_by", "opacity", "style", "hidden", "channels", "blind"}:
            self.viewport.refresh()
        if fields & {"rectangle", "outline", "tool"}:
            self._drawing.show()
            self._show_bar()

    def _selected(self) -> None:
        self._draw_marks()
        self._show_line()

    def _arrived(self, name: str) -> None:
        """The reduced copies of an image are complete."""
        if name == self.session.view.image:
            self.scene.renew()
            self.viewport.refresh()

    def _recolored(self) -> None:
        self.scene.recolor()
        # Whoever pressed the key looks at the cell: counts and buttons come after it.
        self.viewport.refresh(first=True)
        self._show_line()

    def _previewed(self, event: PopulationsChanged) -> None:
        """A training has answered for the cells on the screen, or for all."""
        self.scene.recolor()
        self.viewport.refresh(first=True)
        if event.names:
            self.say(controls.FIRST)
        elif self.message == controls.FIRST:
            self.say("")

    # ------------------------------------------------------------------ what is shown

    def _draw_marks(self) -> None:
        """Outline the selection; too many for outlines are rimmed in the picture."""
        image, ids = self._image(), self.session.selection
        if image is not None and len(ids):
            number = self.session.image_number(image.name)
            ids = ids[self.session.table.images[self.session.positions(ids)] == number]
        many = len(ids) > marks.MOST_OUTLINES
        had = len(self.scene.highlight) > 0
        self.scene.highlight = ids if many else np.empty(0, np.int64)
        masked = image is not None and image.mask is not None
        self._drawing.show()
        self.viewport.draw_shapes(marks.selection_shapes(self.scene, ids, masked=masked), "selection")
        if many or had:
            self.viewport.refresh()

    def _show_bar(self) -> None:
        self._bar.html = controls.bar(self.session, self.viewport.mode, self.scene.shows_cells)

    def _show_line(self) -> None:
        self._line.html = controls.line(self.session, self.viewport.camera)

    def _say_hint(self) -> None:
        self._message.value = theme.tag("div", self._hint, cls="ct-muted ct-small ct-cut", title=self._hint)
