"""The Gate tab: draw gates, combine them, find landmarks and clusters."""

from .panel import GatingPanel

__all__ = ["GatingPanel"]
