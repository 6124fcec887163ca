"""Which feature speaks of a marker: ``CD8`` → ``CD8__Mean__Cell``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..measure.names import parse_name

if TYPE_CHECKING:
    from ..data.features import FeatureSource

__all__ = ["feature_of_marker", "marker_features"]


def marker_features(source: FeatureSource) -> dict[str, str]:
    """Marker → its mean intensity in the cell, in the order of the features.

    A source without such features (a table of the user's own) has each of its features for a marker.
    """
    found: dict[str, str] = {}
    for name in source.names:
        channel, statistic, compartment = parse_name(name)
        if channel is not None and statistic == "Mean" and compartment == "Cell":
            found.setdefault(channel, name)
    return found or {name: name for name in source.names}


def feature_of_marker(source: FeatureSource, marker: str) -> str | None:
    """The feature of a marker, None where the source has none.

    It may be named as a whole, or as its channel; case and the signs between letters and digits do not matter
    (``ki67`` finds ``Ki-67``) where that leaves one answer.
    """
    if marker in source.names:
        return marker
    known = marker_features(source)
    if marker in known:
        return known[marker]
    close = [feature for name, feature in known.items() if _plain(name) == _plain(marker)]
    return close[0] if len(close) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold() or name
