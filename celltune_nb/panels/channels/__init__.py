"""The channels of the image on the screen, and the groups in which they are shown."""

from .panel import ChannelsPanel

__all__ = ["ChannelsPanel"]
