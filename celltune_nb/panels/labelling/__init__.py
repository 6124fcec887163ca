"""Labelling: choose cells, give them a category, see how many labels there are."""

from .panel import LabellingPanel

__all__ = ["LabellingPanel"]
