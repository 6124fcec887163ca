"""The pixels of the image panel: a session's image with its cells, for any camera."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from celltune_nb.data.categories import UNKNOWN
from celltune_nb.data.chunks import Patience
from celltune_nb.errors import CellTuneError
from celltune_nb.render import Channel, color_table, compose, overlay, polygons
from celltune_nb.render.camera import Camera, Window
from celltune_nb.render.compose import BACKGROUND
from celltune_nb.render.sample import sample_labels

if TYPE_CHECKING:
    from celltune_nb.data.images import Image
    from celltune_nb.data.populations import PopulationSet
    from celltune_nb.session import Session
    from celltune_nb.session.view import View

__all__ = ["NEUTRAL", "Scene"]

#: Outline of cells without a category, grey as *Unknown* is everywhere.
NEUTRAL = "#AAAAAA"
#: Cells narrower than this on the screen (CSS pixels) lose their neutral outline, which would only veil the picture;
#: from the second width on it is drawn in full.
FAINT, FULL = 5.0, 14.0
#: Opacity of a neutral outline drawn in full.
NEUTRAL_OPACITY = 0.75
#: How long a frame waits for pixels that are not decoded yet, of the image and of the mask (s); the next one goes on.
WAIT, WAIT_MASK = 0.035, 0.015
#: Frames in a row that may lack pixels; then one waits for all of them, should they not fit into memory together.
TURNS = 200
#: Radius of the disc that stands for a cell without a mask: image pixels, and CSS pixels at least.
DISC, LEAST_DISC = 5.0, 2.5
#: Selected cells of a project kept as outlines.
OUTLINES = 20_000


@dataclass(frozen=True, eq=False)
class _Tables:
    """RGBA by mask value of one image: the cells that have a category, and the others."""

    key: tuple[Any, ...]
    colored: npt.NDArray[np.uint32]
    neutral: npt.NDArray[np.uint32] | None


@dataclass(frozen=True, eq=False)
class _Base:
    """The picture without cells, and the mask at its pixels."""

    key: tuple[Any, ...]
    rgb: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint32] | None
    inside: tuple[slice, slice]


class Scene:
    """Draws what ``session.view`` asks for; keeps what did not change since the last frame.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    shows_cells : bool
        Whether cells are drawn over the image.
    highlight : ndarray of int64, shape (n,)
        Ids of items to rim in white: a selection with too many items for outlines.
    trouble : str
        Why pixels are not shown: a file that is gone, say; empty when all is well.
    unfinished, troubled : callable or None
        Called in the thread that draws: when a frame lacks pixels that the next one may have, and when :attr:`trouble`
        has changed.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.shows_cells = True
        self.highlight: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self.trouble = ""
        self.unfinished: Callable[[], object] | None = None
        self.troubled: Callable[[], object] | None = None
        self._outlines: OrderedDict[int, list[npt.NDArray[np.float64]]] = OrderedDict()
        self._base: _Base | None = None
        self._tables: _Tables | None = None
        self._diameter: tuple[Any, float] = (None, 0.0)
        self._age = 0
        self._turns = 0

    def recolor(self) -> None:
        """Labels, populations or categories changed: look the colours up again for the next frame."""
        self._age += 1

    def renew(self) -> None:
        """Pixels have arrived: draw the picture again for the next frame."""
        self._base = None

    def forget(self) -> None:
        """Images or items changed: nothing that was kept is true any more."""
        self._outlines.clear()
        self._base = None
        self.recolor()

    # ------------------------------------------------------------------ a frame

    def render(self, camera: Camera, dpr: float = 1.0) -> npt.NDArray[np.uint8]:
        """The frame of a camera.

        Parameters
        ----------
        camera : Camera
            In CSS pixels.
        dpr : float
            Device pixels per CSS pixel.

        Returns
        -------
        ndarray
            uint8, (round(camera.height × dpr), round(camera.width × dpr), 3).
        """
        view = self._session.view
        image = self._session.images.get(view.image or "")
        if image is None:
            return np.full((round(camera.height * dpr), round(camera.width * dpr), 3), BACKGROUND, np.uint8)
        base = self._picture(view, image, camera, dpr)
        if not self.shows_cells or base.labels is None or not base.labels.size:
            return base.rgb
        frame = base.rgb.copy()
        part = np.ascontiguousarray(frame[base.inside])
        tables = self._colors(view, image)
        visible = np.clip((self._width(image) * camera.zoom - FAINT) / (FULL - FAINT), 0, 1)
        if tables.neutral is not None and visible > 0:
            overlay(
                part, base.labels, _faded(tables.neutral, NEUTRAL_OPACITY * float(visible)), 0, "border", dpr
            )
        # A line twice as wide stands out where the category's colour is that of the stain.
        width = 2 * dpr if visible == 1 else dpr
        overlay(part, base.labels, tables.colored, view.opacity, view.style, width)
        if len(self.highlight):
            overlay(part, base.labels, self._white(image), 0, "border", 2 * dpr)
        frame[base.inside] = part
        return frame

    def outlines(self, ids: npt.NDArray[np.int64]) -> list[npt.NDArray[np.float64]]:
        """Outlines of items of the image on the screen, each (k, 2) y, x; the centre where there is no mask.

        Items of other images have none.
        """
        session = self._session
        image = session.images.get(session.view.image or "")
        if image is None or not len(ids):
            return []
        rows = session.table.of_image(session.image_number(image.name))
        places = session.positions(ids)
        found: list[npt.NDArray[np.float64]] = []
        for place in places[(places >= rows.start) & (places < rows.stop)].tolist():
            known = self._outlines.get(place)
            if known is None:
                centre = [np.array([[session.table.y[place], session.table.x[place]]])]
                if image.mask is None:
                    known = centre
                else:
                    y0, x0, y1, x1 = session.table.bbox[place].tolist()
                    try:
                        known = polygons(image.mask, (y0, x0, y1, x1), place - rows.start + 1)
                    except CellTuneError:  # its file is gone: said with the picture
                        found += centre
                        continue
                if len(self._outlines) >= OUTLINES:
                    self._outlines.popitem(last=False)
                self._outlines[place] = known
            found += known
        return found

    # ------------------------------------------------------------------ what is kept

    def _width(self, image: Image) -> float:
        """The middle diameter of an image's cells in image pixels."""
        table = self._session.table
        if self._diameter[0] != (image.name, id(table)):
            boxes = table.bbox[table.of_image(self._session.image_number(image.name))]
            width = 2 * DISC
            if image.mask is not None and len(boxes):
                width = float(np.median(np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))))
            self._diameter = ((image.name, id(table)), width)
        return self._diameter[1]

    def _picture(self, view: View, image: Image, camera: Camera, dpr: float) -> _Base:
        shown = tuple(c for c in view.channels if c.visible and c.name in image.channels and not image.is_rgb)
        key = (image, camera, dpr, shown, self._session.table)
        if self._base is not None and self._base.key == key:
            return self._base
        channels = [Channel(image.channels.index(c.name), c.color, c.low, c.high) for c in shown]
        window = Window.of(camera, image.shape, dpr)
        wait = not self._session.jobs.inline and self._turns < TURNS
        patience, patience_mask = (Patience(s if wait else None) for s in (WAIT, WAIT_MASK))
        trouble = ""
        try:
            pyramid = self._session.pyramids.of(image)
            rgb = compose(image.array, camera, channels, dpr, pyramid, patience)
        except CellTuneError as error:
            trouble = str(error)
            rgb = np.full((*window.shape, 3), BACKGROUND, np.uint8)
            rgb[window.inside] = 0
        labels: npt.NDArray[np.uint32] | None = None
        known = image.mask is not None
        if known:
            try:
                pyramid = self._session.pyramids.of(image, mask=True)
                labels = sample_labels(image.mask, window, pyramid, patience_mask)
            except CellTuneError as error:
                trouble, known = trouble or str(error), False
        if not known:
            labels = self._discs(image, camera, window)
        base = _Base(key, rgb, labels, window.inside)
        self._tell(trouble)
        if patience.lacking or patience_mask.lacking:
            self._base = None
            self._turns += 1
            if self.unfinished is not None:
                self.unfinished()
        else:
            self._base = base
            self._turns = 0
        return base

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            if self.troubled is not None:
                self.troubled()

    def _discs(self, image: Image, camera: Camera, window: Window) -> npt.NDArray[np.uint32] | None:
        """Labels of a frame for cells that are known by their centre only: a disc each."""
        table = self._session.table
        number = self._session.image_number(image.name)
        rows = table.of_image(number) if number >= 0 else slice(0, 0)
        if rows.start == rows.stop:
            return None
        labels = np.zeros((len(window.rows), len(window.columns)), np.uint32)
        radius = max(DISC * camera.zoom, LEAST_DISC) / (window.step * camera.zoom)
        reach = int(np.ceil(radius))
        dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
        near = dy**2 + dx**2 <= radius**2
        dy, dx = dy[near], dx[near]
        y = np.round((table.y[rows] - camera.y) / window.step + window.shape[0] / 2 - window.top - 0.5)
        x = np.round((table.x[rows] - camera.x) / window.step + window.shape[1] / 2 - window.left - 0.5)
        seen = (y >= -reach) & (y < labels.shape[0] + reach) & (x >= -reach) & (x < labels.shape[1] + reach)
        cell = np.flatnonzero(seen)
        ys = y[cell, None].astype(np.int64) + dy
        xs = x[cell, None].astype(np.int64) + dx
        keep = (ys >= 0) & (ys < labels.shape[0]) & (xs >= 0) & (xs < labels.shape[1])
        labels[ys[keep], xs[keep]] = np.broadcast_to(cell[:, None] + 1, ys.shape)[keep]
        return labels

    # ------------------------------------------------------------------ colours

    def _colors(self, view: View, image: Image) -> _Tables:
        session = self._session
        # A gate while it is dragged, in place of what the view asks for.
        preview = None if view.blind else session.populations.preview
        name = shown_population(session, view)
        key = (self._age, image.name, name, preview, view.hidden, session.level, session.table)
        if self._tables is not None and self._tables.key == key:
            return self._tables
        number = session.image_number(image.name)
        rows = session.table.of_image(number) if number >= 0 else slice(0, 0)
        codes = np.zeros(rows.stop - rows.start + 1, np.int16)
        palette: list[str | None] = [None]
        if name is not None or preview is not None:
            population = session.populations.on_screen(name or "") if preview is None else preview
            # A population set made before items were added is shorter than the table.
            some = population.codes[rows.start : min(rows.stop, len(population))]
            codes[1 : 1 + len(some)] = some
            palette = _palette(population, view.hidden if preview is None else frozenset())
        colored = color_table(codes, palette)
        neutral = None
        if not ({UNKNOWN, _rest(session, name)} & view.hidden) and (codes[1:] == 0).any():
            neutral = color_table((codes == 0).astype(np.int8), [None, NEUTRAL])
        self._tables = _Tables(key, colored, neutral)
        return self._tables

    def _white(self, image: Image) -> npt.NDArray[np.uint32]:
        rows = self._session.table.of_image(self._session.image_number(image.name))
        places = self._session.positions(self.highlight)
        table = np.zeros(rows.stop - rows.start + 1, np.uint32)
        table[places[(places >= rows.start) & (places < rows.stop)] - rows.start + 1] = 0xFFFFFFFF
        return table


def shown_population(session: Session, view: View) -> str | None:
    """The population set that colours the cells: no predictions while an audit is labelled blind."""
    name = view.color_by
    if name is None or name not in session.populations:
        return None
    return "labels" if view.blind and name.rpartition("/")[2] != "labels" else name


def _rest(session: Session, name: str | None) -> str:
    """What a set calls the items of code 0."""
    if name is None:
        return UNKNOWN
    return next((c.name for c in session.populations[name].categories if c.code == 0), UNKNOWN)


def _palette(population: PopulationSet, hidden: frozenset[str]) -> list[str | None]:
    palette: list[str | None] = [None] * (max(c.code for c in population.categories) + 1)
    for category in population.categories:
        if category.code and category.name not in hidden:
            palette[category.code] = category.color
    return palette


def _faded(table: npt.NDArray[np.uint32], opacity: float) -> npt.NDArray[np.uint32]:
    alpha = np.uint32(round(255 * opacity))
    return np.where(table != 0, (table & np.uint32(0x00FFFFFF)) | (alpha << np.uint32(24)), table).astype(
        np.uint32
    )
