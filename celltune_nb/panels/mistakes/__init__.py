"""Looking for the models' mistakes: a contact sheet of suspicious cells, answered by one key each."""

from .panel import MistakesPanel

__all__ = ["MistakesPanel"]
