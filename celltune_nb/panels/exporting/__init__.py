"""Taking data out: tables, label files, images of populations, figures, the whole project."""

from .panel import ExportingPanel

__all__ = ["ExportingPanel"]
