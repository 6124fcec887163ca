"""Scales of channels as ``project.json`` keeps them, and as features take them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ..data.features import FeatureSource

__all__ = ["of_channel", "scaled", "valid"]

#: Units of features that a channel's scale is for; columns of a table have none.
_UNITS = ("intensity", "stain", "")


def valid(stored: Any) -> dict[str, float]:
    """Channel → cofactor; what cannot be one is left out."""
    if not isinstance(stored, dict):
        return {}
    kept = {
        str(k): float(v) for k, v in stored.items() if isinstance(v, int | float) and not isinstance(v, bool)
    }
    return {channel: value for channel, value in kept.items() if math.isfinite(value) and value > 0}


def of_channel(source: FeatureSource, channel: str) -> list[str]:
    """The features of a source that are intensities of a channel."""
    from ..measure.names import parse_name

    return [
        name
        for name, unit in zip(source.names, source.units, strict=True)
        if unit in _UNITS and (name == channel or parse_name(name).channel == channel)
    ]


def scaled(source: FeatureSource, stored: Any) -> FeatureSource:
    """A source with the scales of a project."""
    wanted = valid(stored)
    cofactors = {
        name: cofactor for channel, cofactor in wanted.items() for name in of_channel(source, channel)
    }
    return source if cofactors == source.cofactors else replace(source, cofactors=cofactors)
