"""Groups of channels: which are shown together, in which colour and contrast."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["ChannelGroup", "GroupedChannel"]


@dataclass(frozen=True)
class GroupedChannel:
    """A channel as a group shows it.

    Attributes
    ----------
    name : str
    color : str
        ``"#RRGGBB"``.
    low, high : float or None
        Intensities shown black and at full colour; None: the contrast that the channel has at the time.
    """

    name: str
    color: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are shown together.

    Attributes
    ----------
    name : str
    channels : tuple of GroupedChannel
        All others are hidden while the group is shown.
    """

    name: str
    channels: tuple[GroupedChannel, ...]

    @property
    def sentence(self) -> str:
        """Its channels in words."""
        return ", ".join(c.name for c in self.channels) or "no channel"

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``project.json``."""
        return {
            "name": self.name,
            "channels": [
                {
                    "name": c.name,
                    "color": c.color,
                    **({} if c.low is None else {"low": c.low, "high": c.high}),
                }
                for c in self.channels
            ],
        }

    @classmethod
    def from_json(cls, stored: Any) -> ChannelGroup:
        """From what :meth:`to_json` gave.

        Raises
        ------
        ValueError, TypeError, KeyError
            When it is something else.
        """
        name, rows = stored["name"], stored["channels"]
        if not isinstance(name, str) or not isinstance(rows, list) or not name:
            raise ValueError("no group of channels")
        return cls(name, tuple(_channel(row) for row in rows))


def _channel(row: Any) -> GroupedChannel:
    name, color = row["name"], row["color"]
    if not isinstance(name, str) or not isinstance(color, str) or not re.fullmatch("#[0-9A-Fa-f]{6}", color):
        raise ValueError("no channel of a group")
    if row.get("low") is None or row.get("high") is None:
        return GroupedChannel(name, color)
    low, high = float(row["low"]), float(row["high"])
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("a contrast has to be finite")
    return GroupedChannel(name, color, low, high)
