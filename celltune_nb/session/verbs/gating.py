"""Verbs that gate cells: by a range of a feature, an area of two, or an expression over populations."""

from __future__ import annotations

from .base import Verbs

__all__ = ["Gating"]


class Gating(Verbs):
    """Gates: what they are, and what is done with the cells inside."""
