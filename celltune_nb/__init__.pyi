__all__ = ["CellTuneError", "Session", "datasets", "workflows"]

from . import datasets, workflows
from .errors import CellTuneError
from .session import Session
