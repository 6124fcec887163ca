"""Gates in a session: what they hold, what they stand on, what is done with their cells, what a project keeps."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from celltune_nb.errors import InputError, LabelError, NotReadyError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

from .conftest import label_some


def feature(session, name):
    return session.features.column(f"{name}__Mean__Cell")


def bright(session, name, limit=10):
    return session.table.ids[feature(session, name) >= limit]


@pytest.fixture
def gated(session):
    """Gates of the two channels."""
    for name in "AB":
        session.gate(f"{name}__Mean__Cell", 10, name=f"{name}+")
    return session


@pytest.fixture
def trained(session):
    label_some(session)
    session.train(models=("xgboost", "lightgbm"), rounds=8, wait=True)
    return session


# ---------------------------------------------------------------------- what they hold


def test_a_gate_is_a_population_of_the_cells_in_its_range(session):
    found = session.gate("A__Mean__Cell", low=10, high=30, name="A+")
    values = feature(session, "A")
    np.testing.assert_array_equal(found.codes == 1, (values >= 10) & (values <= 30))
    assert found.tally() == {"not A+": 300 - found.codes.sum(), "A+": found.codes.sum()}
    assert session.populations["A+"] is session.populations["A+"]
    assert "A+" in session.populations
    np.testing.assert_array_equal(session.gated("A+"), session.table.ids[found.codes == 1])
    assert session.gates["A+"].sentence == "A__Mean__Cell 10 to 30"


def test_one_limit_is_enough_and_the_name_follows_the_marker(session):
    assert session.gate("A__Mean__Cell", high=10).name == "A"
    assert session.gate("A__Mean__Cell", low=10).name == "A 2"
    assert (
        session.gate("cells/A__Mean__Cell", low=float("-inf"), high=10).codes.sum()
        + len(session.gated("A 2"))
        == 300
    )


def test_a_column_of_the_items_can_be_gated(session):
    found = session.gate("y", high=100, name="upper half")
    assert set(session.items.loc[session.gated("upper half"), "y"] <= 100) == {True}
    assert found.codes.sum() == 150
    assert session.gate("items/cellID", 10, 100, name="first ten").codes.sum() == 30


def test_an_area_of_two_features_is_a_gate(session):
    a, b = feature(session, "A"), feature(session, "B")
    box = session.gate_polygon("A__Mean__Cell", "B__Mean__Cell", rectangle=(30, 10, 10, 0), name="box")
    np.testing.assert_array_equal(box.codes == 1, (a >= 10) & (a <= 30) & (b >= 0) & (b <= 10))
    same = [(10, 0), (30, 0), (30, 10), (10, 10), (10, 0)]
    lasso = session.gate_polygon("A__Mean__Cell", "B__Mean__Cell", same, name="lasso")
    np.testing.assert_array_equal(lasso.codes, box.codes)
    assert session.gates["lasso"].sentence == "polygon in A__Mean__Cell × B__Mean__Cell"


def test_probabilities_of_predictions_are_gated(trained):
    found = trained.gate("A__Probability", 0.5, name="sure")
    mean = trained.populations["Pred_AVG"].probabilities()["A"].to_numpy()
    np.testing.assert_array_equal(found.codes == 1, mean >= 0.5)
    one = trained.gate("Pred_MDL1/B__Probability", 0.5, name="first")
    np.testing.assert_array_equal(
        one.codes == 1, trained.populations["Pred_MDL1"].probabilities()["B"].to_numpy() >= 0.5
    )


def test_expressions_combine_gates_and_categories(gated):
    a, b = feature(gated, "A") >= 10, feature(gated, "B") >= 10
    np.testing.assert_array_equal(gated.gate_from("A+ & !B+").codes == 1, a & ~b)
    np.testing.assert_array_equal(gated.gate_from("!(A+ | B+)", name="neither").codes == 1, ~(a | b))
    assert "A+ & !B+" in gated.populations
    label_some(gated)
    gated.gate_from("A & A+", name="labelled")
    assert set(gated.labels.to_pandas().loc[gated.gated("labelled"), "category"]) == {"A"}
    assert len(gated.gated("labels:Unknown")) == 300 - 36


def test_gates_stack(gated):
    inside = gated.gate("B__Mean__Cell", high=6, name="dim", within="A+")
    np.testing.assert_array_equal(inside.codes == 1, (feature(gated, "A") >= 10) & (feature(gated, "B") <= 6))
    assert gated.gates["dim"].sentence == "B__Mean__Cell ≤ 6, within A+"
    both = gated.gate("C__Mean__Cell", high=6, name="dimmer", within="dim & !B+")
    assert set(np.flatnonzero(both.codes)) <= set(np.flatnonzero(inside.codes))


# ---------------------------------------------------------------------- following what they stand on


def test_a_gate_that_is_drawn_anew_moves_those_that_stand_on_it(gated):
    before = gated.gate_from("A+ & !B+", name="only A").codes.sum()
    gated.gate("A__Mean__Cell", 1000, name="A+")
    assert before > 0
    assert gated.populations["only A"].codes.sum() == 0
    assert list(gated.gates) == ["A+", "B+", "only A"]


def test_labels_and_trainings_are_followed(trained):
    trained.gate_from("labels:A", name="mine")
    trained.gate_from("Pred_AVG:A", name="predicted")
    trained.gate("A__Probability", 0.5, name="sure")
    assert len(trained.gated("mine")) == 12
    some = trained.table.ids[feature(trained, "A") < 10][:30]
    trained.label(some, "A")
    assert len(trained.gated("mine")) == len(
        set(some) | set(trained.labels.to_pandas().query("category == 'A'").index)
    )
    before = trained.gated("predicted")
    trained.train(models=("xgboost", "lightgbm"), rounds=8, wait=True)
    assert not np.array_equal(before, trained.gated("predicted"))
    mean = trained.populations["Pred_AVG"].probabilities()["A"].to_numpy()
    np.testing.assert_array_equal(trained.gated("sure"), trained.table.ids[mean >= 0.5])


def test_features_measured_anew_are_followed(gated):
    gated.measure(rings=False, neighbours=False, morphology=False)
    assert len(gated.gated("A+")) == len(bright(gated, "A"))


def test_a_category_keeps_its_gate_when_it_is_renamed(trained):
    from celltune_nb.session.conditions import text_now

    trained.gate_from("Pred_AVG:A & !labels:B", name="x")
    before = trained.gated("x")
    trained.categories.rename("A", "Alpha (1)")
    np.testing.assert_array_equal(trained.gated("x"), before)
    assert text_now(trained, trained.gates["x"].expression) == 'Pred_AVG:"Alpha (1)" & !labels:B'


def test_what_is_gone_is_said_and_comes_back(trained):
    trained.gate_from("labels:A", name="mine")
    trained.gate_from("mine", name="on it")
    trained.set_view(color_by="on it")
    trained.categories.delete("A")
    assert "has no category 'A'" in trained.gates.problem("on it")
    assert "on it" not in trained.populations
    assert "on it" not in trained.populations.names()
    with pytest.raises(NotReadyError, match="has no category 'A'"):
        trained.populations["mine"]
    trained.undo()
    assert trained.gates.problem("on it") == ""
    assert len(trained.gated("on it")) == 12


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("A__Mean_Cell", 1), "Did you mean A__Mean__Cell"),
        (("a", 1), "no feature 'a'"),
        ((3, 1), "no feature's name"),
        (("A__Mean__Cell",), "needs a limit"),
        (("A__Mean__Cell", float("-inf"), float("inf")), "needs a limit"),
        (("A__Mean__Cell", 5, 1), "above the upper"),
        (("A__Mean__Cell", "x"), "Give a number"),
        (("A__Mean__Cell", float("nan")), "is NaN"),
        (("A__Probability", 0.5), "come with a training"),
        (("truth", 1), "no feature 'truth'"),
    ],
)
def test_a_range_that_cannot_be_is_refused(session, arguments, said):
    with pytest.raises(InputError, match=said):
        session.gate(*arguments)
    assert len(session.gates) == 0


@pytest.mark.parametrize("name", ["", "  ", "a/b", "labels", "Pred_AVG", "x" * 81, "a\nb", 5])
def test_a_name_that_cannot_be_is_refused(session, name):
    with pytest.raises(InputError, match="Choose another"):
        session.gate("A__Mean__Cell", 1, name=name)


@pytest.mark.parametrize(
    "area",
    [
        {}, {"polygon": [(0, 0), (1, 1)]}, {"polygon": [(0, 0), (1, 1), (0, float("nan"))]}, {"polygon": 5},
        {"rectangle": (0, 1, 2)}, {"rectangle": (0, 1, 2, float("inf"))}, {"polygon": [(0, 0)] * 5_000},
        {"polygon": [(0, 0), (0, 1), (1, 1)], "rectangle": (0, 0, 1, 1)},
        {"polygon": [(0, 0), (0, 1), (1, 1)], "cofactors": (0, 1)}, {"rectangle": (0, 0, 1, 1), "color": "red"},
    ],
)  # fmt: skip
def test_an_area_that_cannot_be_is_refused(session, area):
    with pytest.raises(InputError):
        session.gate_polygon("A__Mean__Cell", "B__Mean__Cell", **area)


def test_a_name_with_several_meanings_is_asked_about(trained):
    with pytest.raises(InputError, match=r"several population sets: labels, .*Pred_AVG.*such as Pred_AVG:C"):
        trained.gate_from("C & A")
    assert trained.gate_from("Pred_AVG:A").name == "gate Pred_AVG:A"
    trained.gate("A__Mean__Cell", 10, name="A")
    assert trained.gate_from("A", name="by gate").codes.sum() == len(bright(trained, "A"))


def test_unknown_names_are_pointed_at(gated):
    with pytest.raises(InputError, match=r"'A\+\+' \(at character 7\). Did you mean A\+"):
        gated.gate_from("B+ & !A++")
    with pytest.raises(InputError, match="character 5"):
        gated.gate_from("A+ &")
    with pytest.raises(InputError, match="no gate or population 'nothing'"):
        gated.gated("nothing")
    assert list(gated.gates) == ["A+", "B+"]


def test_a_gate_never_stands_on_itself(gated):
    gated.gate_from("A+ & B+", name="both")
    with pytest.raises(InputError, match="would stand on itself"):
        gated.gate("A__Mean__Cell", 1, name="A+", within="both")
    with pytest.raises(InputError, match="would stand on itself"):
        gated.gate_from("both", name="both")
    assert gated.gates["A+"].within is None


def test_a_chain_of_gates_has_an_end(session):
    session.gate("A__Mean__Cell", 1, name="0")
    for i in range(50):
        session.gate_from(f'"{i}"', name=str(i + 1))
    with pytest.raises(InputError, match="More than 50 gates"):
        session.gate_from('"50"', name="51")


# ---------------------------------------------------------------------- keeping


def test_gates_survive_reopening(project):
    with Session.open(project) as session:
        session.gate("A__Mean__Cell", 10, name="A+", color="#123456")
        session.gate_from("A+ & !labels:B", name="x", within="A+")
        before = session.gated("x")
        session.set_view(color_by="x")
    with Session.open(project) as session:
        assert session.problems == []
        assert session.view.color_by == "x"
        np.testing.assert_array_equal(session.gated("x"), before)
        assert session.gates["A+"].color == "#123456"
        assert session.populations["A+"].categories[1].color == "#123456"


def test_gates_are_renamed_with_all_that_stand_on_them(gated):
    gated.gate_from("A+ & !B+ | A+:not A+", name="x", within="A+")
    before = gated.gated("x")
    gated.set_view(color_by="A+")
    gated.rename_gate("A+", "A (bright)")
    assert list(gated.gates) == ["A (bright)", "B+", "x"]
    assert gated.gates["x"].expression.text == '"A (bright)" & !B+ | "A (bright)":"not A (bright)"'
    assert gated.gates["x"].within.text == '"A (bright)"'
    np.testing.assert_array_equal(gated.gated("x"), before)
    assert gated.view.color_by == "A (bright)"
    with pytest.raises(InputError, match="There is a gate 'B\\+' already"):
        gated.rename_gate("x", "B+")
    with pytest.raises(NotReadyError, match="no gate 'A\\+'"):
        gated.rename_gate("A+", "y")


def test_a_gate_is_removed_unless_another_stands_on_it(gated):
    gated.gate_from("A+", name="x")
    gated.set_view(color_by="x")
    with pytest.raises(InputError, match="'x' stands on gate 'A\\+'"):
        gated.remove_gate("A+")
    gated.remove_gate("x")
    assert gated.view.color_by == "labels"
    gated.remove_gate("A+")
    assert list(gated.gates) == ["B+"]


def test_gates_belong_to_a_level(gated):
    gated.levels.add("ON/OFF".replace("/", " "))
    gated.level = "ON OFF"
    assert "A+" not in gated.gates
    assert len(gated.gated("main/A+")) == len(bright(gated, "A"))
    gated.gate("A__Mean__Cell", 5, name="A+")
    assert gated.populations["A+"].codes.sum() > gated.populations["main/A+"].codes.sum()
    assert gated.gate_from("A+ & !main/A+", name="between").codes.sum() > 0


def test_a_project_edited_by_hand_opens(project):
    with Session.open(project) as session:
        session.gate("A__Mean__Cell", 10, name="A+")
    path = project / "project.json"
    settings = json.loads(path.read_text())
    good = settings["gates"][0]
    loop = {"text": "a", "names": [["main", "a", 1, "a"]]}
    settings["gates"] = [
        "x", {}, {**good, "kind": "spell"}, good, {**good, "name": "a", "within": loop},
    ]  # fmt: skip
    path.write_text(json.dumps(settings))
    with Session.open(project) as session:
        assert list(session.gates) == ["A+", "a"]
        assert "stands on itself" in session.gates.problem("a")
        assert len(session.gated("A+")) > 0
        assert "a" not in session.populations.names()


def test_who_may_only_look_changes_no_gate(project):
    with Session.open(project) as session:
        session.gate("A__Mean__Cell", 10, name="A+")
    with Session.open(project, read_only=True, jobs=Jobs(inline=True)) as session:
        assert len(session.gated("A+")) > 0
        for verb in (
            lambda: session.gate("A__Mean__Cell", 1, name="x"),
            lambda: session.rename_gate("A+", "x"),
            lambda: session.remove_gate("A+"),
            lambda: session.label_gate("A+", "A"),
        ):
            with pytest.raises(ReadOnlyError):
                verb()
        assert list(session.gates) == ["A+"]


# ---------------------------------------------------------------------- using their cells


def test_a_gate_is_labelled_in_one_step(gated):
    known = gated.gated("A+")[:5]
    gated.label(known[:2], "A")
    gated.label(known[2:], "B")
    report = gated.label_gate("A+", "A")
    inside = len(gated.gated("A+"))
    assert (report.labelled, report.already, report.same) == (inside - 5, 5, 2)
    assert str(report) == f"{inside - 5} cells labelled; 5 had a label already (2 this one)."
    table = gated.labels.to_pandas().loc[gated.gated("A+")]
    assert (table["source"] == "gate").sum() == inside - 5
    assert gated.undo() is not None
    assert len(gated.labels) == 5
    assert gated.label_gate("A+", "A", overwrite=True).labelled == inside - 2
    assert set(gated.labels.to_pandas().loc[gated.gated("A+"), "category"]) == {"A"}
    assert gated.label_gate("A+", "A").batch is None
    with pytest.raises(LabelError, match="no category 'Z'"):
        gated.label_gate("A+", "Z")


def test_the_audit_sample_is_left_out(gated):
    audit = gated.draw_audit(100, seed=0)
    report = gated.label_gate("A+", "A")
    inside = gated.gated("A+")
    assert report.audit == np.isin(inside, audit).sum() > 0
    assert report.labelled == len(inside) - report.audit


def test_a_sample_is_drawn_within_a_gate(gated):
    ids = gated.sample(10, by="random", within="A+ & !B+", seed=0)
    assert len(ids) == 10
    assert set(ids) <= set(gated.gated("A+ & !B+"))
    with pytest.raises(InputError, match="within="):
        gated.sample(10, by="audit", within="A+")


def test_gates_are_exported(gated, tmp_path):
    import pandas as pd

    gated.export(tmp_path / "cells.csv")
    table = pd.read_csv(tmp_path / "cells.csv")
    assert (table["A+"] == "A+").sum() == len(gated.gated("A+"))


def test_a_gate_is_shown_before_it_is_kept(session):
    from celltune_nb.session import drafting, gating

    heard = []
    session.preview_changed.connect(heard.append)
    draft = drafting.range_gate(session, "main", "A__Mean__Cell", 10, None)
    assert gating.preview(session, draft) == len(bright(session, "A"))
    assert session.populations.preview.codes.sum() == len(bright(session, "A"))
    assert len(heard) == 1
    gating.preview(session, None)
    assert session.populations.preview is None
    assert len(session.gates) == 0


def test_gates_and_columns_are_asked_for_by_several_threads(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celltune_nb.session.columns.KEPT", 4_000)  # so that columns come and go
    names = session.features.names[:12]
    wrong: list[BaseException] = []

    def ask(start: int) -> None:
        try:
            for i in range(600):
                name = names[(start * 5 + i) % len(names)]
                session.gates.columns.values(name, "main")
            for i in range(4):
                session.gate(names[start], low=float(i), name=f"gate {start} {i}")
        except BaseException as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sorted(session.gates) == sorted(f"gate {i} {j}" for i in range(4) for j in range(4))
