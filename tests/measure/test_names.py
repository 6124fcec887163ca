"""Names of features are read back as they were made."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.measure import describe, measure_cells, parse_name
from celltune_nb.measure.names import channel_of


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("CD163__Mean__Cell", ("CD163", "Mean", "Cell")),
        ("HLA__DR__P97.5__Nucleus", ("HLA__DR", "P97.5", "Nucleus")),
        ("Area__Cell", (None, "Area", "Cell")),
        ("NeighbourCount", (None, "NeighbourCount", "Cell")),
        ("CD8T__Probability", ("CD8T", "Probability", None)),
        ("my column", (None, "my column", None)),
        ("", (None, "", None)),
    ],
)
def test_names_are_taken_apart(name, parts):
    assert tuple(parse_name(name)) == parts
    assert channel_of(name) == parts[0]


def test_every_measured_name_is_taken_apart_and_described():
    mask = np.zeros((20, 20), np.uint8)
    mask[4:12, 4:12] = 1
    measured = measure_cells(np.ones((2, 20, 20)), mask, ["HLA__DR", "Ki-67"], nucleus=mask)
    assert {channel_of(name) for name in measured.names} == {"HLA__DR", "Ki-67", None}
    assert all(parse_name(name).compartment for name in measured.names)
    words = dict(zip(measured.names, describe(measured.names), strict=True))
    assert words["Ki-67__P95__Cell"] == "Ki-67: percentile 95 in the cell"
    assert words["HLA__DR__Mean__Environment"] == "HLA__DR: mean in the surroundings of the cell"
    assert words["Ki-67__NeighbourMax__Cell"] == "Ki-67: highest of the neighbours' means"
    assert words["Area__Nucleus"] == "Area of the nucleus"
    assert words["NeighbourCount"] == "number of neighbours"
    assert describe(["CD8T__Probability", "my column"]) == ["CD8T: probability", "my column"]


def test_the_default_group_leaves_out_what_repeats_or_misleads():
    mask = np.zeros((20, 20), np.uint8)
    mask[4:12, 4:12] = 1
    groups = measure_cells(np.ones((1, 20, 20)), mask, ["c"], nucleus=mask).groups
    default = groups["Default"]
    assert "c__Mean__Cell" in default
    assert "c__P95__Cell" in default
    assert "c__Mean__Environment" in default
    assert "Area__Nucleus" in default
    for name in ("c__Sum__Cell", "c__Var__Cell", "Orientation__Cell", "c__Median__Nucleus"):
        assert name not in default
    assert groups["Percentiles"] == ["c__P5__Cell", "c__P25__Cell", "c__P75__Cell", "c__P95__Cell"]
    assert "Nucleus" not in measure_cells(np.ones((1, 20, 20)), mask, ["c"]).groups
