"""The channels of the image on the screen: shown or not, colour, contrast."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
from traitlets import Dict, Int, List, Unicode

from celltune_nb.panels.panel import Panel
from celltune_nb.render import auto_contrast, histogram

from .groups import ChannelGroupsPanel

if TYPE_CHECKING:
    from celltune_nb.data.images import Image
    from celltune_nb.session import Session
    from celltune_nb.session.events import ItemsChanged, ViewChanged

__all__ = ["ChannelsPanel"]

_STATIC = Path(__file__).parents[1] / "static"

#: Bins of the histogram shown: one for every second pixel of its width.
BINS = 96
#: Part of the pixels that the histogram's axis spans; the brightest few would squeeze all others into one bin.
SPAN = 0.9995
_NOTE = "A brightfield image is shown as it is: it has no channels to colour."
#: Histograms kept, by image and channel.
KEPT = 256


class _ChannelList(anywidget.AnyWidget):
    """The browser side is ``static/channels.js``: one widget, however many channels there are."""

    _esm = (_STATIC / "channels.js").read_text("utf-8")
    _css = (_STATIC / "channels.css").read_text("utf-8")

    rows = List(Dict()).tag(sync=True)
    chosen = Unicode("").tag(sync=True)
    histogram = Dict({"name": "", "counts": [], "low": 0.0, "high": 1.0}).tag(sync=True)
    note = Unicode("").tag(sync=True)
    #: The newest change that was begun with: rows from before it do not take it back.
    heard = Int(0).tag(sync=True)


class ChannelsPanel(Panel):
    """Which channels are shown, in which colour and contrast; for brightfield it says that it is shown as it is.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    chosen : str
        Name of the channel whose histogram is shown; empty when there is none.
    groups : ChannelGroupsPanel
        The groups of channels, above the list.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._before: frozenset[str] | None = None
        self._histograms: dict[tuple[str, str], dict[str, Any]] = {}
        self._list = _ChannelList()
        self._list.on_msg(self.guard(self._receive))
        self._measuring = self.latest(self._measure)
        self._adjusting = self.latest(self._adjust)
        self.groups = ChannelGroupsPanel(session, self._choose_shown)
        self.part(self.groups)
        self.widget = [self.groups.widget, self._list]
        self.listen(session.view_changed, self._view_changed)
        self.listen(session.items_changed, self._items_changed)
        self._show()

    @property
    def chosen(self) -> str:
        """Name of the channel whose histogram is shown."""
        return self._list.chosen

    def choose(self, name: str) -> None:
        """Show the histogram of another channel."""
        self._list.chosen = name
        self._measuring.request(name)

    def _choose_shown(self) -> None:
        """Whoever shows a group goes on with one of its channels."""
        visible = [row["name"] for row in self._list.rows if row["visible"]]
        if visible and self.chosen not in visible:
            self.choose(visible[0])

    def auto_contrast(self, name: str) -> None:
        """Set a channel's contrast from the intensities of the image on the screen; done in the background."""
        self._adjusting.request(name)

    def show_only(self, name: str) -> None:
        """Hide all channels but one; when it is the only one already, bring the others back."""
        channels = self.session.view.channels
        shown = frozenset(c.name for c in channels if c.visible)
        if shown != {name}:
            self._before, shown = shown, frozenset({name})
        else:
            shown = self._before or frozenset(c.name for c in channels)
            self._before = None
        self.session.set_view(channels=tuple(replace(c, visible=c.name in shown) for c in channels))

    # ------------------------------------------------------------------ from the browser

    def _receive(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        kind, name = content.get("type"), str(content.get("name", ""))
        if name not in {row["name"] for row in self._list.rows}:
            return
        if kind == "change":
            if isinstance(number := content.get("number"), int):
                self._list.heard = number
            given = content.get("changes", {})
            changes = {key: given[key] for key in ("color", "low", "high", "visible") if key in given}
            self.session.set_channel(name, **changes)
        elif kind == "choose":
            self.choose(name)
        elif kind == "auto":
            self.auto_contrast(name)
        elif kind == "only":
            self.show_only(name)

    # ------------------------------------------------------------------ from the session

    def _view_changed(self, event: ViewChanged) -> None:
        if event.fields & {"channels", "image"}:
            self._show()

    def _items_changed(self, _event: ItemsChanged) -> None:
        self._histograms.clear()
        self._show()

    def _image(self) -> Image | None:
        return self.session.images.get(self.session.view.image or "")

    def _show(self) -> None:
        image = self._image()
        shown = () if image is None or image.is_rgb else self.session.view.channels
        rows: list[dict[str, Any]] = [
            {"name": c.name, "color": c.color.lower(), "visible": c.visible, "low": c.low, "high": c.high}
            for c in shown
            if image is not None and c.name in image.channels
        ]
        names = [row["name"] for row in rows]
        chosen = self._list.chosen
        if chosen not in names:
            chosen = next((row["name"] for row in rows if row["visible"]), names[0] if names else "")
        with self._list.hold_sync():
            self._list.note = _NOTE if image is not None and image.is_rgb else ""
            self._list.rows = rows
            self._list.chosen = chosen
        measured = (self._list.histogram.get("image"), self._list.histogram["name"])
        if image is not None and chosen and measured != (image.name, chosen):
            self._measuring.request(chosen)

    # ------------------------------------------------------------------ in the workers

    def _adjust(self, name: str) -> None:
        image = self._image()
        if image is not None and name in image.channels:
            low, high = auto_contrast(image.plane(name))
            self.session.set_channel(name, low=low, high=high)

    def _measure(self, name: str) -> None:
        image = self._image()
        if image is None or name not in image.channels:
            return
        key = (image.name, name)
        if key not in self._histograms:
            while len(self._histograms) >= KEPT:
                self._histograms.pop(next(iter(self._histograms)))
            self._histograms[key] = _histogram(image, name)
        if self._list.chosen == name:
            self._list.histogram = self._histograms[key]


def _histogram(image: Image, channel: str) -> dict[str, Any]:
    plane = image.plane(channel)
    counts, edges = histogram(plane, 4096)
    last = int(counts.cumsum().searchsorted(SPAN * counts.sum()))
    low, high = float(edges[0]), float(edges[min(last + 1, len(edges) - 1)])
    counts, edges = histogram(plane, BINS, (low, high if high > low else low + 1))
    return {
        "image": image.name,
        "name": channel,
        "counts": counts.tolist(),
        "low": float(edges[0]),
        "high": float(edges[-1]),
    }
