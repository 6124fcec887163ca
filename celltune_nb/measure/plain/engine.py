"""The operations of NumPy alone, as one module (`engines.Engine`)."""

from celltune_nb.measure.plain.growth import grown, overlaps, shrunk
from celltune_nb.measure.plain.intensity import means, statistics
from celltune_nb.measure.plain.nearest import nearest
from celltune_nb.measure.plain.outline import borders, hulls, spreads
from celltune_nb.measure.plain.texture import textures

__all__ = [
    "borders",
    "grown",
    "hulls",
    "means",
    "nearest",
    "overlaps",
    "shrunk",
    "spreads",
    "statistics",
    "textures",
]
