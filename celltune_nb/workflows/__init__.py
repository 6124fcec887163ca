"""The doors: each workflow is a function that takes a session and gives the widget to display."""

from __future__ import annotations

from .cells import cells
from .slices import slices

__all__ = ["cells", "slices"]
