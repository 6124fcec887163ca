"""What is looked at and how: image, position, channels, colours.  Kept with the project."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from ..data.gates import CORNERS
from ..data.images import Image
from ..errors import InputError
from .checks import rectangle

__all__ = ["CHANNEL_COLORS", "ChannelView", "View"]

#: First colours given to channels: far apart when added up, blue for a nuclear stain.
CHANNEL_COLORS = ("#FF3B30", "#34C759", "#FFD60A", "#32D3FF", "#FF40FF", "#FF9F0A", "#FFFFFF", "#BF8CFF")
_NUCLEAR = ("dapi", "dna", "hoechst", "draq5", "nuclei", "histone", "h3", "ir191", "ir193")

Style = Literal["fill", "border", "both"]


@dataclass(frozen=True)
class ChannelView:
    """How a channel is shown.

    Attributes
    ----------
    color : str
        ``"#RRGGBB"``.
    low, high : float
        Intensities shown black and at full colour.
    visible : bool
    """

    name: str
    color: str
    low: float
    high: float
    visible: bool = True


@dataclass(frozen=True)
class View:
    """What is looked at and how.

    Attributes
    ----------
    image : str or None
    center : (y, x) or None
        In pixels; None: the middle.
    zoom : float or None
        Screen pixels (CSS) an image pixel; None: the whole image fits.
    color_by : str or None
        ``"labels"``, the name of a population set, or None for plain cells.
    opacity : float
        Of the cells' fill, 0 to 1.
    style : {"fill", "border", "both"}
    hidden : frozenset of str
        Categories not shown.
    channels : tuple of ChannelView
    rectangle : (y0, x0, y1, x1) or None
        The rectangle that sampling is held to.
    outline : tuple of (y, x) or None
        An outline drawn on the image, closed; at least three corners.
    tool : {"rectangle", "lasso", "pan"}
        What dragging on the image does.
    blind : bool
        Predictions and their figures are kept out of sight (while an audit is labelled).
    """

    image: str | None = None
    center: tuple[float, float] | None = None
    zoom: float | None = None
    color_by: str | None = "labels"
    opacity: float = 0.4
    style: Style = "both"
    hidden: frozenset[str] = frozenset()
    channels: tuple[ChannelView, ...] = field(default_factory=tuple)
    rectangle: tuple[float, float, float, float] | None = None
    outline: tuple[tuple[float, float], ...] | None = None
    tool: str = "rectangle"
    blind: bool = False

    def __repr__(self) -> str:
        zoom = "whole" if self.zoom is None else f"zoom {self.zoom:.2g}"
        shown = ", ".join(c.name for c in self.channels if c.visible)
        parts = [str(self.image), zoom, f"coloured by {self.color_by}", *([shown] if shown else [])]
        return f"View({', '.join(parts)}{', blind' if self.blind else ''})"

    def changed(self, **changes: Any) -> View:
        """With some fields changed, checked.

        Raises
        ------
        InputError
            For an unknown field or a value out of range.
        """
        known = {f.name for f in fields(self)}
        if not changes.keys() <= known:
            raise InputError(
                f"A view has no {min(changes.keys() - known)!r}. It has: {', '.join(sorted(known))}."
            )
        try:
            new = replace(self, **{name: _CHECKS[name](value) for name, value in changes.items()})
        except (TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"The view cannot be set to {changes!r} ({error}). See the attributes of View."
            ) from error
        if not 0 <= new.opacity <= 1:
            raise InputError(f"The opacity is {new.opacity}; give a number from 0 to 1.")
        if new.style not in ("fill", "border", "both"):
            raise InputError(f"Cells can be shown as fill, border or both, not {new.style!r}.")
        if new.tool not in ("rectangle", "lasso", "pan"):
            raise InputError(f"Dragging marks a rectangle, a lasso, or is for pan, not {new.tool!r}.")
        if new.zoom is not None and not 1e-4 < new.zoom < 1e4:
            raise InputError(f"The zoom is {new.zoom}; give screen pixels an image pixel, such as 1.")
        return new

    def with_channel(self, name: str, **changes: Any) -> View:
        """With one channel shown differently."""
        if not isinstance(name, str) or name not in {c.name for c in self.channels}:
            raise InputError(
                f"There is no channel {name!r}. Channels: {', '.join(c.name for c in self.channels)}."
            )
        if not changes.keys() <= {"color", "low", "high", "visible"}:
            raise InputError("A channel has a color, low, high and visible. Name one of them.")
        return self.changed(channels=[replace(c, **changes) if c.name == name else c for c in self.channels])

    def with_image_channels(self, images: Iterable[Image]) -> View:
        """With a row for each channel that the images have and the view does not know yet."""
        rows = list(self.channels)
        known = {c.name for c in rows}
        for image in images:
            for i, name in enumerate(image.channels):
                if name not in known:
                    known.add(name)
                    low, high = image.contrast.get(name, (0.0, 255.0))
                    shown = image.is_rgb or sum(r.visible for r in rows) < 4
                    rows.append(ChannelView(name, _first_color(name, i, image, rows), low, high, shown))
        if not self.channels and not any(r.visible and _is_nuclear(r.name) for r in rows):
            # Files of one channel each come by name: the nuclei, by which one finds one's way, take the last place shown.
            nuclei = next((i for i, r in enumerate(rows) if _is_nuclear(r.name)), None)
            if nuclei is not None:
                last = max((i for i, r in enumerate(rows) if r.visible), default=nuclei)
                rows[last] = replace(rows[last], visible=False)
                rows[nuclei] = replace(rows[nuclei], visible=True)
        return replace(self, channels=tuple(rows))

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``view.json``."""
        passing = {"rectangle": None, "outline": None, "tool": "rectangle", "blind": False}
        return {**asdict(self), "hidden": sorted(self.hidden), **passing}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> View:
        """From what :meth:`to_json` gave; what cannot be used is left at its default."""
        try:
            known = {f.name for f in fields(cls)}
            values = {k: v for k, v in stored.items() if k in known}
            values["channels"] = tuple(ChannelView(**c) for c in values.get("channels", ()))
            return cls().changed(**values)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError):
            return cls()  # how things were looked at is never worth refusing a project for


def _point(value: Any) -> tuple[float, float]:
    y, x = (float(v) for v in value)
    if not (math.isfinite(y) and math.isfinite(x)):
        raise ValueError("a position has to be finite")
    return (y, x)


def _outline(value: Any) -> tuple[tuple[float, float], ...]:
    corners = tuple(_point(one) for one in value)
    if not 3 <= len(corners) <= CORNERS:
        raise InputError(f"An outline of {len(corners):,} corners cannot be. Give 3 to {CORNERS:,}.")
    return corners


def _channels(value: Any) -> tuple[ChannelView, ...]:
    return tuple(
        replace(
            c,
            name=str(c.name),
            color=_color(c.color),
            low=float(c.low),
            high=float(c.high),
            visible=bool(c.visible),
        )
        for c in value
    )


def _color(value: Any) -> str:
    if not re.fullmatch("#[0-9A-Fa-f]{6}", str(value)):
        raise InputError(f'{value!r} is not a colour. Write it as "#RRGGBB".')
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no name")
    return value


def _or_none(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


#: What each field is made of, so that whatever is kept can be written to disk.
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "image": _or_none(_text), "center": _or_none(_point), "zoom": _or_none(float), "color_by": _or_none(_text),
    "opacity": float, "style": _text, "hidden": lambda value: frozenset(map(_text, value)), "channels": _channels,
    "rectangle": _or_none(rectangle), "outline": _or_none(_outline), "tool": _text, "blind": bool,
}  # fmt: skip


def _is_nuclear(name: str) -> bool:
    return name.lower().startswith(_NUCLEAR)


def _first_color(name: str, number: int, image: Image, rows: list[ChannelView]) -> str:
    if image.is_rgb:
        return ("#FF0000", "#00FF00", "#0000FF")[number]
    if len(image.channels) == 1:
        return "#FFFFFF"
    if _is_nuclear(name):
        return "#4D7CFF"
    taken = {r.color for r in rows}
    free = [c for c in CHANNEL_COLORS if c not in taken]
    return free[0] if free else CHANNEL_COLORS[number % len(CHANNEL_COLORS)]
