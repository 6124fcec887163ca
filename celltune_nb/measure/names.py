"""Names of features: what they say, how they are grouped, how they are read back.

``CD163__Mean__Cell`` is channel, statistic, compartment; a feature of no channel leaves the
first part out (``Area__Cell``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from celltune_nb.measure.relative import PREFIX, relative_columns
from celltune_nb.measure.texture import TEXTURES

__all__ = [
    "COMPARTMENTS",
    "GROUPS",
    "SHAPES",
    "FeatureName",
    "channel_of",
    "describe",
    "feature_groups",
    "parse_name",
    "percentile_name",
    "table_columns",
]

COMPARTMENTS = ("Cell", "Nucleus", "Eroded", "Dilated", "Environment")
GROUPS = (
    "Default",
    "Intensity",
    "Percentiles",
    "Morphology",
    "Rings",
    "Neighbours",
    "Nucleus",
    "Texture",
    "Per image",
)
SHAPES = {
    "Area": "px²",
    "Perimeter": "px",
    "MajorAxis": "px",
    "MinorAxis": "px",
    "Eccentricity": "ratio",
    "Solidity": "ratio",
    "Orientation": "rad",
}
"""Shape features and their units, in the order in which they are measured."""

_WORDS = {
    "Mean": "mean",
    "Median": "median",
    "Max": "maximum",
    "Min": "minimum",
    "Sum": "sum",
    "Std": "standard deviation",
    "Var": "variance",
    "Contrast": "mean above that of the ring around it,",
    "NeighbourMean": "mean over the neighbours' means",
    "NeighbourMax": "highest of the neighbours' means",
}
_PLACES = {
    "Cell": "in the cell",
    "Nucleus": "in the nucleus",
    "Eroded": "in the inner part of the cell",
    "Dilated": "in the ring around the cell",
    "Environment": "in the surroundings of the cell",
}


class FeatureName(NamedTuple):
    """The parts of the name of a feature; None where it has no such part."""

    channel: str | None
    statistic: str
    compartment: str | None


def parse_name(name: str) -> FeatureName:
    """Channel, statistic and compartment of a feature.

    A name that was not made here (a column of the user's own table) comes back whole as the
    statistic, with neither channel nor compartment.

    Examples
    --------
    >>> parse_name("HLA__DR__Mean__Cell")
    FeatureName(channel='HLA__DR', statistic='Mean', compartment='Cell')
    >>> parse_name("Area__Nucleus")
    FeatureName(channel=None, statistic='Area', compartment='Nucleus')
    >>> parse_name("CD8T__Probability")
    FeatureName(channel='CD8T', statistic='Probability', compartment=None)
    """
    if name == "NeighbourCount":
        return FeatureName(None, name, "Cell")
    parts = name.rsplit("__", 2)
    if parts[-1] in COMPARTMENTS and len(parts) == 3:
        return FeatureName(parts[0], parts[1], parts[2])
    if parts[-1] in COMPARTMENTS and len(parts) == 2:
        return FeatureName(None, parts[0], parts[1])
    head, separator, tail = name.rpartition("__")
    if separator and tail == "Probability":
        return FeatureName(head, tail, None)
    return FeatureName(None, name, None)


def channel_of(name: str) -> str | None:
    """The channel of a feature, or None."""
    return parse_name(name).channel


def describe(names: Iterable[str]) -> list[str]:
    """What each feature says, in words: "CD163: mean in the cell"."""
    return [_sentence(name) for name in names]


def _sentence(name: str) -> str:
    channel, statistic, compartment = parse_name(name)
    if name == "NeighbourCount":
        return "number of neighbours"
    against = (
        ", against the cells of its image" if channel is not None and statistic.startswith(PREFIX) else ""
    )
    statistic = statistic.removeprefix(PREFIX) if against else statistic
    word = _WORDS.get(statistic, statistic)
    if channel is not None and statistic[:1] == "P" and statistic[1:].replace(".", "", 1).isdigit():
        word = f"percentile {statistic[1:]}"
    if statistic in TEXTURES:
        word = TEXTURES[statistic][0]
    if compartment is None:
        return f"{channel}: {word.lower()}" if channel else name
    if channel is None or statistic.startswith("Neighbour"):
        return f"{channel}: {word}" if channel else f"{word} of the {compartment.lower()}"
    return f"{channel}: {word} {_PLACES[compartment]}{against}"


def percentile_name(percent: float) -> str:
    """``P5`` for 5, ``P97.5`` for 97.5."""
    return f"P{percent:g}"


def table_columns(
    channels: Mapping[str, str],
    compartments: Mapping[str, Sequence[str]],
    textured: Collection[str],
    *,
    morphology: bool,
    neighbours: bool,
    per_image: bool = False,
) -> dict[str, str]:
    """Name and unit of every feature of a table, in order.

    Parameters
    ----------
    channels : mapping
        Name to unit.
    compartments : mapping
        Name to the statistics kept of it; the cell first.
    textured : collection of str
        Channels whose texture is measured.
    morphology, neighbours, per_image : bool
        Whether they are measured.
    """
    columns: dict[str, str] = {}
    for channel, unit in channels.items():
        for compartment, statistics in compartments.items():
            columns |= {f"{channel}__{statistic}__{compartment}": unit for statistic in statistics}
        if channel in textured:
            columns |= {f"{channel}__{measure}__Cell": TEXTURES[measure][1] for measure in TEXTURES}
        if neighbours:
            columns |= {
                f"{channel}__{statistic}__Cell": unit for statistic in ("NeighbourMean", "NeighbourMax")
            }
    for compartment in compartments:
        if compartment in ("Eroded", "Dilated"):
            columns[f"Area__{compartment}"] = "px²"
        elif compartment != "Environment" and morphology:
            columns |= {f"{shape}__{compartment}": unit for shape, unit in SHAPES.items()}
            if compartment == "Nucleus":
                columns["AreaFraction__Nucleus"] = "ratio"
    if neighbours:
        columns["NeighbourCount"] = "cells"
    if per_image:
        # last: the columns before them stand where they stood without them
        columns |= {name: "spreads" for channel in channels for name in relative_columns(channel, columns)}
    return columns


def feature_groups(names: Sequence[str], percentiles: Collection[str]) -> dict[str, list[str]]:
    """Named groups of features, each in matrix order; groups without a feature are left out.

    Default
        For each channel mean, median, standard deviation, maximum and percentiles of the cell,
        the mean of the nucleus and of each ring, mean and maximum of the neighbours; shape
        without orientation (how a slide was laid down says nothing about a cell); number of neighbours.
        What is also measured against the cells of the same image stands there as that alone: with the plain value
        beside it, models learn again how strongly each image is stained (docs/decisions/0019-per-image-features.md).
    Intensity, Percentiles
        Of the cell: moments, median and range; percentiles.
    Morphology, Rings, Neighbours, Nucleus, Texture, Per image
        Shape of the cell; everything of the rings; of the neighbours; of the nucleus; of texture; intensities
        against the cells of the same image.  The last two are measured on demand only and then belong to Default.
    """
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    restated = {name.replace(f"__{PREFIX}", "__") for name in names if f"__{PREFIX}" in name}
    for name in names:
        channel, statistic, compartment = parse_name(name)
        if statistic.startswith("Neighbour"):
            home, default = "Neighbours", True
        elif statistic.startswith(PREFIX) and channel is not None:
            home, default = "Per image", True
        elif statistic in TEXTURES and channel is not None:
            home, default = "Texture", True
        elif compartment == "Nucleus":
            home, default = "Nucleus", statistic in ("Mean", "Area")
        elif compartment != "Cell":
            home, default = "Rings", statistic in ("Mean", "Area")
        elif channel is None:
            home, default = "Morphology", statistic != "Orientation"
        elif statistic in percentiles:
            home, default = "Percentiles", True
        else:
            home, default = "Intensity", statistic in ("Mean", "Median", "Std", "Max")
        groups[home].append(name)
        if default and name not in restated:
            groups["Default"].append(name)
    return {group: members for group, members in groups.items() if members}
