"""Groups of features, scales of channels, and a look at single features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltune_nb.data.features import FeatureSource
from celltune_nb.errors import InputError, NotReadyError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import label_some


def test_groups_are_made_used_switched_and_kept(session: Session, project: Path) -> None:
    default = session.features.groups["Default"]
    session.features.set_group("Lineage", ["B__Mean__Cell", "A__Mean__Cell"])
    assert session.features.groups["Lineage"] == ["A__Mean__Cell", "B__Mean__Cell"]  # in matrix order
    session.features.use("Lineage")
    assert session.features.used == ["A__Mean__Cell", "B__Mean__Cell"]
    session.features.use(["Lineage", "Area__Cell"])
    session.features.switch("A__Mean__Cell", on=False)
    assert session.features.used == ["B__Mean__Cell", "Area__Cell"]
    session.features.switch("Default")
    assert set(session.features.used) == {*default, "B__Mean__Cell", "Area__Cell"}
    with Session.open(project, read_only=True, jobs=Jobs(inline=True)) as other:
        assert other.features.used == session.features.used
        assert other.features.groups == session.features.groups
        with pytest.raises(ReadOnlyError):
            other.features.set_group("x", "Default")
        with pytest.raises(ReadOnlyError):
            other.set_transform("A", 5)
    session.features.set_group("Lineage", None)
    assert "Lineage" not in session.features.groups


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("set_group", ("", "Default")), ("set_group", ("a\n", "Default")), ("set_group", ("A__Mean__Cell", "Default")),
        ("set_group", ("x", ["nothing"])), ("set_group", ("x", [])), ("set_group", ("x", None)), ("set_group", (3, "Default")),
        ("switch", ("nothing",)), ("switch", (7,)), ("use", ("nothing",)), ("use", (3,)),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(session: Session, verb: str, arguments: tuple) -> None:
    before = session.features.used, session.features.groups
    with pytest.raises(InputError):
        getattr(session.features, verb)(*arguments)
    assert (session.features.used, session.features.groups) == before


def test_the_last_feature_stays_on(session: Session) -> None:
    session.features.use("A__Mean__Cell")
    with pytest.raises(InputError, match="at least one"):
        session.features.switch("A__Mean__Cell", on=False)


def test_a_channels_scale_is_learned_from_and_shown_and_leaves_the_matrix(
    session: Session, project: Path
) -> None:
    label_some(session)
    run = session.train(models=("xgboost",), rounds=5, wait=True)
    answers = session.populations["Pred_AVG"].codes.copy()
    raw = np.array(session.features.matrix)
    rows = np.array(session.features.rows(slice(None)))
    assert session.set_transform("A", factor=0.1) == 10
    assert session.transforms == {"A": 10.0}
    np.testing.assert_array_equal(session.features.matrix, raw)
    names = [session.features.names[i] for i in session.features.columns]
    for k, name in enumerate(names):
        column, scale = (
            rows[:, k],
            name.startswith("A__")
            and session.features.units[session.features.names.index(name)] == "intensity",
        )
        now = session.features.rows(slice(None))[:, k]
        np.testing.assert_allclose(now, np.arcsinh(column / 10) if scale else column, rtol=1e-5)
    assert any(name.startswith("A__Mean") for name in names)
    np.testing.assert_array_equal(
        session.features.column("A__Mean__Cell"), raw[:, session.features.names.index("A__Mean__Cell")]
    )
    np.testing.assert_allclose(
        session.features.column("A__Mean__Cell", scaled=True),
        np.arcsinh(session.features.column("A__Mean__Cell") / 10),
        rtol=1e-5,
    )
    with pytest.raises(NotReadyError, match="Train again"):
        session.predict([1], run=run)
    with Session.open(project, read_only=True, jobs=Jobs(inline=True)) as other:
        assert other.features.cofactors == session.features.cofactors
        assert other.features.schema_hash == session.features.schema_hash != run.about["schema_hash"]
    session.train(models=("xgboost",), rounds=5, wait=True)
    assert (session.populations["Pred_AVG"].codes == answers).mean() > 0.97  # trees mind no monotone scale
    session.measure(rings=False, neighbours=True)
    assert (
        session.features.cofactors["A__NeighbourMean"] == 10
        if "A__NeighbourMean" in session.features.names
        else True
    )
    session.set_transform("A")
    assert session.transforms == {}
    assert session.features.schema_hash != ""


@pytest.mark.parametrize(
    ("channel", "options"),
    [
        ("Z", {"cofactor": 5}), ("A", {"cofactor": 0}), ("A", {"cofactor": -1}), ("A", {"cofactor": float("nan")}),
        ("A", {"factor": 0}), ("A", {"cofactor": 5, "factor": 0.2}), ("A", {"cofactor": "five"}), (3, {"cofactor": 5}),
    ],
)  # fmt: skip
def test_no_scale_that_is_none(session: Session, channel: object, options: dict) -> None:
    with pytest.raises(InputError):
        session.set_transform(channel, **options)
    assert session.transforms == {}


@settings(max_examples=40)
@given(st.floats(1e-6, 1e6), st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20))
def test_a_scale_keeps_the_order_and_what_is_missing(cofactor: float, values: list[float]) -> None:
    matrix = np.array([*values, np.nan], np.float32)[:, None]
    source = FeatureSource("s", ["f"], [""], np.arange(1, len(matrix) + 1), matrix, cofactors={"f": cofactor})
    rows = source.rows(slice(None))[:, 0]
    assert np.isnan(rows[-1])
    assert (np.diff(rows[:-1][np.argsort(matrix[:-1, 0], kind="stable")]) >= 0).all()
    np.testing.assert_array_equal(np.concatenate([b for _, b in source.blocks(3)])[:, 0], rows)
    np.testing.assert_array_equal(source.column("f", scaled=True), rows)


def test_a_look_at_a_feature_counts_every_cell_once(session: Session) -> None:
    look = session.look_at_feature("A__Mean__Cell")
    assert look.counts.sum() == look.n == 300
    assert (look.cofactor, look.missing) == (None, 0)
    one = session.look_at_feature("A__Mean__Cell", image="field 1", cofactor=3, bins=10)
    assert (len(one.counts), one.counts.sum(), one.cofactor) == (10, 100, 3)
    assert one.edges[-1] == pytest.approx(np.arcsinh(one.high / 3), rel=1e-3)
    session.set_transform("A", 7)
    assert session.look_at_feature("A__Mean__Cell").cofactor == 7
    assert session.look_at_feature("A__Mean__Cell", cofactor=0).cofactor is None
    for bad in (
        {"name": "nothing"},
        {"name": "A__Mean__Cell", "cofactor": -1},
        {"name": "A__Mean__Cell", "image": "x"},
    ):
        with pytest.raises(InputError):
            session.look_at_feature(**bad)


def test_identifiers_among_the_features_are_told(session: Session) -> None:
    assert session.feature_warnings() == []
    items = session.items
    table = pd.DataFrame(
        {"image": items["image"], "cellID": items["cellID"], "CellId": np.arange(300.0), "CD3": 1.0}
    )
    table["slow"] = np.arange(300) ** 2
    session.import_cells(table, features=["CellId", "CD3", "slow"])
    session.features.use("table")
    told = " ".join(session.feature_warnings())
    assert "'CellId'" in told
    assert "'slow' only rises" in told
    session.features.switch(["CellId", "slow"], on=False)
    assert session.feature_warnings() == []


def test_a_reader_sees_groups_and_choices_of_features_that_change(session: Session) -> None:
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as reader:
        session.features.set_group("mine", ["A__Mean__Cell"])
        session.features.switch("B__Mean__Cell", False)
        reader._tick()
        assert reader.features.groups["mine"] == ["A__Mean__Cell"]
        assert "B__Mean__Cell" not in reader.features.used
