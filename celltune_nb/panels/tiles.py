"""Small pictures of a cell, one a channel; a click on one shows or hides its channel on the image."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from .theme import Live, Markup, tag

if TYPE_CHECKING:
    from .panel import Panel

__all__ = ["CellTiles", "tiles"]

#: CSS pixels of a small picture.
TILE = 80
#: The first picture: all channels that are shown on the image.
TOGETHER = "Together"


class CellTiles:
    """The pictures of the cell that is asked for.

    Parameters
    ----------
    panel : Panel
        What they are a part of; they end with it.
    keys : sequence of str
        Keys that mean something while a picture has the focus; *press* is called with them.
    press : callable, optional

    Attributes
    ----------
    live : Live
    """

    def __init__(
        self, panel: Panel, keys: Sequence[str] = (), press: Callable[..., object] | None = None
    ) -> None:
        self._session = panel.session
        self._keys = tuple(keys)
        self._item: int | None = None
        self._drawing = panel.latest(self._draw)
        self.live = Live()
        self.live.on("channel", panel.guard(self.toggle))
        if press is not None:
            self.live.on("key", panel.guard(press))

    def show(self, item: int | None) -> None:
        """Show a cell, or nothing."""
        self._item = item
        self.live.key_names = [] if item is None else list(self._keys)
        if item is None:
            self.live.html = ""
        self._drawing.request()

    def again(self) -> None:
        """Channels or contrast have changed."""
        if self._item is not None:
            self._drawing.request()

    def toggle(self, channel: str) -> None:
        """Show a channel on the image, or hide it."""
        session = self._session
        shown = next((c.visible for c in session.view.channels if c.name == channel), None)
        if shown is not None:
            session.set_channel(channel, visible=not shown)

    def _draw(self) -> None:
        from ..render.encode import jpeg

        item = self._item
        if item is None:
            self.live.html = ""
            return
        found = self._session.tiles(item, size=TILE, dpr=2)
        pictures = [jpeg(picture, 88) for picture in found.pictures]
        visible = {c.name for c in self._session.view.channels if c.visible}
        if item == self._item:
            self.live.html = tiles(
                found.names, pictures, found.because, found.trouble, visible, keys=self._keys
            )


def tiles(
    names: Sequence[str], pictures: Sequence[bytes], because: Sequence[str], trouble: str, visible: Collection[str],
    size: int = TILE, keys: Sequence[str] = (),
) -> Markup:  # fmt: skip
    """Small pictures with their names, as buttons ``channel``.

    Parameters
    ----------
    pictures : sequence of bytes
        JPEG.
    because : sequence of str
        Why each is shown.
    trouble : str
        Why there are none.
    visible : collection of str
        Channels that are shown on the image now.
    size : int
        CSS pixels a side.
    keys : sequence of str
        Keys that the image leaves alone while the focus is here.
    """
    if trouble or not pictures:
        return tag("p", trouble or "No picture of this cell yet.", cls="ct-muted ct-small")
    return tag("div", [
        _tile(name, data, why, None if name == TOGETHER else name in visible, size)
        for name, data, why in zip(names, pictures, because, strict=True)
    ], cls="ct-tiles", data_keys=" ".join(keys) or None)  # fmt: skip


def _tile(name: str, data: bytes, why: str, shown: bool | None, size: int) -> Markup:
    picture = tag("img", src=f"data:image/jpeg;base64,{base64.b64encode(data).decode()}", alt=f"{name} of this cell",
                  width=size, height=size)  # fmt: skip
    caption = tag("span", name, cls="ct-cut")
    about = f"{name}: {why}" if why else name
    if shown is None:
        return tag("div", picture, caption, cls="ct-tile", title="The channels shown on the image")
    hint = "hide it on the image" if shown else "show it on the image"
    return tag("button", picture, caption, cls="ct-tile", do="channel", what=name, title=f"{about}. Click: {hint}",
               aria_pressed="true" if shown else "false")  # fmt: skip
