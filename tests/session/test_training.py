"""A training from labels to population sets, on disk and again after reopening."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import InputError, TrainingError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.predicting import on_screen
from tests.session.conftest import label_some
from tests.waiting import LONG, until


def test_the_whole_round(session: Session) -> None:
    label_some(session)
    run = session.train(wait=True)
    assert run.state == "done"
    assert run.metrics["xgboost"].keys() >= {"accuracy", "macro_f1", "log_loss"}
    assert set(run.history.columns) == {"model", "step", "split", "metric", "value"}
    assert "donor" in run.split
    predicted = session.populations["Pred_AVG"].to_pandas()
    assert (predicted == session.items["truth"]).mean() > 0.95
    assert session.populations["Pred_AVG"].probabilities().sum(axis=1).to_numpy() == pytest.approx(
        1, abs=1e-4
    )
    assert [m.name for m in session.models] == ["xgboost", "catboost"]
    backups = list(session.folder.glob("backups/labels-*.csv"))
    assert len(backups) == 1
    assert set(pd.read_csv(backups[0])["class"]) == {"A", "B", "C"}
    files = {p.name for p in (session.folder / "runs" / run.id).iterdir()}
    assert {"run.json", "history.csv", "model1.ubj", "model2.cbm"} <= files


def test_a_run_is_there_again_after_reopening(session: Session) -> None:
    label_some(session)
    first = session.train(wait=True)
    session.label(session.items.index[:5], "A", source="correction")
    second = session.train(wait=True)
    sets = {name: session.populations[name].to_pandas() for name in session.populations.names()}
    assert "Round_diff" in sets
    folder = session.folder
    session.close()
    with Session.open(folder, jobs=Jobs(inline=True)) as again:
        assert [(r.id, r.state, r.round) for r in again.runs] == [
            (first.id, "done", 1),
            (second.id, "done", 2),
        ]
        assert again.runs[1].history.equals(second.history)
        for name, values in sets.items():
            assert again.populations[name].to_pandas().equals(values)
        probabilities = again.predict([1, 2, 3])
        expected = again.populations["Pred_AVG"].probabilities().loc[[1, 2, 3]]
        np.testing.assert_allclose(probabilities.to_numpy(), expected.to_numpy(), atol=1e-5)


def test_the_same_labels_and_seed_give_the_same_predictions(session: Session) -> None:
    label_some(session)
    runs = []
    for _ in range(2):
        session.train(seed=3, wait=True)
        runs.append(session.populations["Pred_AVG"].probabilities().to_numpy())
    np.testing.assert_array_equal(runs[0], runs[1])


def test_what_stands_in_the_way_is_said_before(session: Session) -> None:
    assert "Nothing is labelled" in session.training_problems()[0].text
    session.label([1, 2, 3], "A")
    assert "one category only" in session.training_problems()[0].text
    with pytest.raises(TrainingError, match="one category only"):
        session.train()
    with pytest.raises(InputError, match="no option"):
        session.train(epochs=3)
    assert session.runs == []


def test_excluded_categories_images_and_audit_items_take_no_part(session: Session) -> None:
    chosen = label_some(session)
    session.categories.set_excluded("C")
    audit = session.draw_audit(20, seed=1)
    session.label(audit, "A", source="audit")
    run = session.train(("xgboost",), exclude_images=["field 2"], wait=True)
    used = session.items.loc[chosen]
    expected = ((used["truth"] != "C") & (used["image"] != "field 2")).sum()
    assert run.about["labels"] == expected
    assert "C" not in session.populations["Pred_AVG"].counts()
    assert session.populations.names() == ["labels", "Pred_MDL1", "Pred_AVG"]


def test_stop_keeps_cancel_discards_and_one_runs_at_a_time(session: Session) -> None:
    folder = session.folder
    label_some(session)
    session.close()
    with Session.open(folder) as live:
        run = live.train(rounds=3000, patience=0)
        with pytest.raises(TrainingError, match="running already"):
            live.train()
        until(lambda: run.rows)
        run.cancel()
        assert run.wait(LONG).state == "cancelled"
        assert live.populations.names() == ["labels"]
        run = live.train(rounds=3000, patience=0)
        until(lambda: run.rows)
        run.stop()
        assert run.wait(LONG).state == "stopped"
        assert "Pred_AVG" in live.populations


def test_a_renamed_category_is_renamed_in_the_predictions(session: Session) -> None:
    label_some(session)
    session.train(wait=True)
    session.categories.rename("A", "alpha")
    session.categories.recolor("alpha", "#010203")
    found = session.populations["Pred_AVG"]
    assert "alpha" in found.probabilities().columns
    assert found.counts()["alpha"] > 0
    assert next(c for c in found.categories if c.name == "alpha").color == "#010203"


def test_export_has_labels_predictions_and_probabilities(session: Session, tmp_path: object) -> None:
    label_some(session)
    session.train(wait=True)
    path = session.export(session.folder / "exports" / "cells.csv")
    table = pd.read_csv(path, index_col="item")
    assert {
        "image",
        "cellID",
        "truth",
        "label",
        "Pred_MDL1",
        "Pred_AVG",
        "Pred_ALL",
        "A__Probability",
    } <= set(table.columns)
    assert len(table) == 300
    parquet = pd.read_parquet(session.export(session.folder / "exports" / "cells.parquet"))
    assert parquet["Pred_AVG"].tolist() == table["Pred_AVG"].tolist()
    with pytest.raises(InputError, match="neither"):
        session.export(session.folder / "x.docx")


def test_items_added_after_measuring_are_unknown_not_wrong(session: Session) -> None:
    from tests.session.conftest import field

    label_some(session)
    image, mask, _ = field(9)
    session.add_image("late", image, mask, channels=["A", "B", "C"], group="donor 1")
    session.label([399], "A")
    session.train(("xgboost",), wait=True)
    assert len(session.populations["Pred_AVG"]) == 300
    session.measure(rings=False, neighbours=False)
    session.train(("xgboost",), wait=True)
    assert len(session.populations["Pred_AVG"]) == 400


def test_a_training_with_one_model_leaves_no_answer_of_the_second(session: Session) -> None:
    label_some(session)
    session.train(wait=True)
    session.set_view(color_by="Pred_MDL2")
    session.train(("xgboost",), wait=True)
    assert session.populations.names() == ["labels", "Pred_MDL1", "Pred_AVG", "Round_diff"]
    assert session.view.color_by == "Pred_AVG"
    folder = session.folder
    session.close()
    with Session.open(folder) as again:
        assert "Pred_MDL2" not in again.populations


def test_the_cells_on_the_screen_are_answered_before_all_others(session: Session) -> None:
    label_some(session)
    session.train(wait=True)
    session.set_view(color_by="Pred_AVG", image="field 1")
    before = session.populations["Pred_AVG"]
    former = [before]
    wrong = session.items.index[session.items["truth"] == "A"]
    session.label(wrong[:30], "B", source="correction")
    seen = []

    def look(event: object) -> None:
        coming, now = session.populations.coming, session.populations["Pred_AVG"]
        shown = session.populations.on_screen("Pred_AVG")
        if coming is not None:
            assert now is former[-1]  # nothing counts, compares or exports a mixture
            assert set(session.items.loc[coming.ids, "image"]) == {"field 1"}
            assert len(coming) == 100
            there = np.isin(shown.ids, coming.ids)
            np.testing.assert_array_equal(shown.codes[there], coming.codes)
            np.testing.assert_array_equal(shown.codes[~there], now.codes[~there])
            seen.append(coming)
        else:
            np.testing.assert_array_equal(shown.codes, now.codes)
            seen.append(None)

    session.preview_changed.connect(look)
    session.train(wait=True)
    after = session.populations["Pred_AVG"]
    coming, end = seen
    assert end is None
    np.testing.assert_array_equal(coming.codes, after.codes[np.isin(after.ids, coming.ids)])
    assert (coming.codes != before.codes[np.isin(before.ids, coming.ids)]).any()

    former.append(after)
    # cancelled in between, everything is as it was
    session.label(wrong[30:60], "B", source="correction")
    session.preview_changed.connect(lambda event: event.names and session.run.cancel())
    assert session.train().state == "cancelled"
    assert session.populations["Pred_AVG"] is after
    assert session.populations.coming is None
    np.testing.assert_array_equal(session.populations.on_screen("Pred_AVG").codes, after.codes)
    # answers are kept out of sight while an audit is labelled blind, and there are none for plain labels
    seen.clear()
    session.set_view(blind=True)
    session.train(wait=True)
    session.set_view(blind=False, color_by="labels")
    session.train(wait=True)
    assert seen == []


def test_of_many_cells_those_nearest_to_the_middle_come_first(session: Session) -> None:
    session.set_view(image="field 2", center=(0.0, 0.0))
    places = on_screen(session, 9)
    assert len(places) == 9
    assert places.tolist() == sorted(places)
    assert (session.items["image"].to_numpy()[places] == "field 2").all()
    assert session.table.y[places].max() < 60
    assert session.table.x[places].max() < 60
    assert len(on_screen(session)) == 100


def test_a_training_that_was_cut_off_is_not_taken_for_the_former(project: Path) -> None:
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        label_some(session)
        first = session.train(wait=True, rounds=5)
        label_some(session, each=20, seed=1)
        second = session.train(wait=True, rounds=20)
        assert session.populations["Pred_AVG"].run == second.id
        assert session.populations.answer_of(first) is None
        (second.folder / "run.json").unlink()  # it is written last
    with Session.open(project) as again:
        assert [run.id for run in again.runs] == [first.id]
        assert "Pred_AVG" not in again.populations
        assert any("cut off" in problem for problem in again.problems)
        assert again.evaluate().prevalence is not None
        again.jobs.close()


@pytest.mark.parametrize(
    "option", [{"holdout_fraction": "a"}, {"holdout_fraction": 2}, {"n_jobs": "a"}, {"n_jobs": 1.5}]
)
def test_options_that_are_no_numbers_are_refused_before_it_begins(
    session: Session, option: dict[str, object]
) -> None:
    label_some(session)
    with pytest.raises(InputError, match="Give"):
        session.train(wait=True, **option)
    assert session.runs == []


def test_the_line_of_progress_names_the_models_side_by_side(session: Session) -> None:
    label_some(session)
    said = []
    session.run_progressed.connect(lambda run: said.append(run.progress.text))
    session.train(wait=True, n_jobs=2, rounds=300, patience=0)  # long enough for some updates
    fits = [text for text in said if "round" in text]
    assert all(text.startswith(("xgboost: ", "catboost: ")) for text in fits)
    assert any("xgboost: " in text and " · catboost: " in text for text in fits)
