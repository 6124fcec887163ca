"""The viewer's surface: the one place that knows how frames and gestures travel."""

from __future__ import annotations

from celltune_nb.panels.canvas.vectors import Shape, scale_bar
from celltune_nb.panels.canvas.viewport import Viewport

__all__ = ["Shape", "Viewport", "scale_bar"]
