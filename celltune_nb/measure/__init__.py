"""Arrays to features."""

from celltune_nb.measure.cells import CellMeasurements, cell_index, measure_cells, warm_up
from celltune_nb.measure.names import FeatureName, describe, parse_name

__all__ = [
    "CellMeasurements",
    "FeatureName",
    "cell_index",
    "describe",
    "measure_cells",
    "parse_name",
    "warm_up",
]
