"""Gates as data: what lies in a range, a rectangle, a polygon; what is read back from a project."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celltune_nb.data.gates import Condition, Gate, Reference, in_polygon, in_range, in_rectangle

numbers = st.floats(-100, 100, width=32)


@given(st.lists(numbers | st.just(float("nan")), max_size=30), st.none() | numbers, st.none() | numbers)
def test_a_range_holds_its_limits_and_no_missing_value(values, low, high):
    array = np.array(values, np.float32)
    expected = [
        not math.isnan(v)
        and (low is None or v >= np.float32(low))
        and (high is None or v <= np.float32(high))
        for v in values
    ]
    assert in_range(array, low, high).tolist() == expected


def test_a_limit_read_off_a_float32_value_holds_that_value():
    values = np.array([0.1, 0.2, 0.3], np.float32)
    assert in_range(values, float("0.1"), float("0.3")).all()


def crosses(x: float, y: float, corners: list[tuple[float, float]]) -> bool:
    """The even-odd rule, point by point."""
    inside = False
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=3, max_size=12), st.integers(0, 99)
)
def test_a_polygon_holds_what_the_even_odd_rule_says(corners, seed):
    # points off the corners' grid: on an edge either answer is right
    points = np.random.default_rng(seed).random((50, 2)) * 24 - 2
    found = in_polygon(points[:, 0], points[:, 1], corners)
    assert found.tolist() == [crosses(x, y, corners) for x, y in points]


def test_a_polygon_is_straight_on_the_scale_it_was_drawn_on():
    x = np.array([10.0, 10.0], np.float32)
    y = np.array([20.0, 80.0], np.float32)
    triangle = [(0.0, 0.0), (100.0, 0.0), (100.0, 1000.0)]
    assert in_polygon(x, y, triangle).tolist() == [True, True]
    # on arcsinh scales the edge from the origin to the far corner sags: at x = 10 it lies near y = 8
    scaled = in_polygon(np.array([50.0, 50.0]), np.array([20.0, 450.0]), triangle, (1.0, 1.0))
    assert scaled.tolist() == [True, False]


def test_missing_values_are_in_no_area():
    x = np.array([0.5, np.nan, 0.5])
    y = np.array([0.5, 0.5, np.nan])
    assert in_rectangle(x, y, [(1, 1), (0, 0)]).tolist() == [True, False, False]
    assert in_polygon(x, y, [(0, 0), (0, 1), (1, 1), (1, 0)]).tolist() == [True, False, False]


GATES = [
    Gate("low", "main", "range", "#112233", ("CD8__Mean__Cell",), None, 3.5),
    Gate("box", "main", "rectangle", "#112233", ("a", "b"), points=((0.0, 1.0), (2.0, 3.0))),
    Gate("lasso", "main", "polygon", "#112233", ("a", "b"), points=((0, 1), (2, 3), (4, 0)), cofactors=(5.0, None)),
    Gate(
        "both", "CD8", "expression", "#112233",
        expression=Condition("low & !x:y", (Reference("main", "low", 1, "low"), Reference("main", "x", None, "y"))),
        within=Condition("box", (Reference("main", "box", 1, "box"),)),
    ),
]  # fmt: skip


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_a_gate_is_read_back_as_it_was(gate):
    assert Gate.from_json(json.loads(json.dumps(gate.to_json()))) == gate


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "spell"}, {"features": ["a"]}, {"points": [[0, 1]]}, {"points": [[0, 1], ["x", 3]]}, {"color": "url(x)"},
        {"points": [[0, float("inf")], [2, 3]]}, {"expression": {"text": "a & b", "names": []}}, {"kind": "range"},
        {"within": {"text": "(" * 9_000, "names": []}},
    ],
)  # fmt: skip
def test_what_is_no_gate_is_refused(changes):
    with pytest.raises((ValueError, TypeError, KeyError)):
        Gate.from_json({**GATES[1].to_json(), **changes})


def test_a_million_points_are_gated_at_once():
    import time

    rng = np.random.default_rng(0)
    x, y = rng.random((2, 1_000_000)).astype(np.float32)
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    corners = list(zip(0.5 + 0.4 * np.cos(angle), 0.5 + 0.4 * np.sin(angle), strict=True))
    in_polygon(x[:10], y[:10], corners)
    began = time.process_time()  # the machine may be shared: its own work counts
    share = in_polygon(x, y, corners).mean()
    assert time.process_time() - began < 1
    assert share == pytest.approx(np.pi * 0.16, abs=0.01)
