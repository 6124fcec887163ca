__all__ = ["Annotator", "CellTuneError", "Session", "compare_strategies", "datasets", "workflows"]

from . import datasets, workflows
from .errors import CellTuneError
from .session import Session
from .session.annotator import Annotator
from .session.trials import compare_strategies
