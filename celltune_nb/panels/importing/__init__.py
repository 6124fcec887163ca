"""The panel that brings data in: a folder of images and masks, tables of cells, labels."""

from .panel import ImportingPanel

__all__ = ["ImportingPanel"]
