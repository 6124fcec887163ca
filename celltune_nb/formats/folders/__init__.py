"""Folders of images as microscopes, segmenters and people leave them: what is in them, before anything is read."""

from .plan import FolderPlan, LeftOut, PlannedImage, PlannedTable
from .recognising import recognise

__all__ = ["FolderPlan", "LeftOut", "PlannedImage", "PlannedTable", "recognise"]
