"""The compiled operations, as one module (`engines.Engine`)."""

from celltune_nb.measure.compiled.growth import grown, shrunk
from celltune_nb.measure.compiled.intensity import means, statistics
from celltune_nb.measure.compiled.nearest import nearest
from celltune_nb.measure.compiled.outline import borders, hulls, spreads
from celltune_nb.measure.compiled.overlap import overlaps
from celltune_nb.measure.compiled.texture import textures

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
