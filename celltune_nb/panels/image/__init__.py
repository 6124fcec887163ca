"""The image with its cells: look, select, mark rectangles, label by key."""

from __future__ import annotations

from celltune_nb.panels.image.panel import ImagePanel

__all__ = ["ImagePanel"]
