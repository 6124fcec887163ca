"""The images of a study as a list: picture, group, labels, predictions, verdict, working set."""

from .panel import SlicesPanel

__all__ = ["SlicesPanel"]
