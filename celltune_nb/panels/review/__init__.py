"""Reviewing cells one after the other, with the models' answers beside their pictures."""

from .panel import ReviewPanel

__all__ = ["ReviewPanel"]
