"""A workflow's widgets are watched as those of the panels are."""

from tests.panels.conftest import wire

__all__ = ["wire"]
