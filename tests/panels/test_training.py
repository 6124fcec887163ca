from __future__ import annotations

import re

import numpy as np
import pytest

import celltune_nb as ct
from celltune_nb.panels.training import TrainingPanel
from celltune_nb.panels.training.curves import Curves, series
from celltune_nb.session.jobs import Jobs
from tests.panels import small
from tests.panels.reading import words

PANEL = TrainingPanel


def enabled(panel, label: str) -> bool:
    (found,) = re.findall(rf"(<button[^>]*>){label}</button>", panel._head.html)
    return " disabled" not in found


def test_before_there_are_labels_it_says_what_to_do(panel, session):
    assert "There are no categories yet. Add at least two" in words(panel._head)
    assert not enabled(panel, "Train")
    assert "None yet." in words(panel._runs)
    small.labelled(session)
    assert enabled(panel, "Train")
    assert "40 labels; nothing stands in the way." in words(panel._head)


def test_a_weakness_is_said_but_does_not_stop_a_training(panel, session):
    small.labelled(session)
    session.categories.add("rare")
    session.label(session.items.index[-2:], "rare")
    assert "rare" in words(panel._head)
    assert enabled(panel, "Train")


def test_train_draws_curves_and_lists_the_run_as_held_out(panel, session):
    small.labelled(session)
    panel._head.do("train")
    run = session.run
    assert run.state == "done"
    assert list(run.metrics) == ["xgboost", "catboost"]
    assert "Trained at" in words(panel._head)
    for valid, train in panel._curves._lines[:2]:
        assert len(valid.x) > 1
        assert len(valid.x) == len(valid.y)
        assert len(train.x) > 1
    assert len(panel._curves._lines[2][0].x) == 0
    listed = words(panel._runs)
    assert "Held-out F1*" in listed
    assert "40 XGBoost · CatBoost" in listed
    assert "it flatters" in listed
    assert "accuracy" not in listed.lower()
    assert run.split in listed


def test_curves_move_while_the_training_runs(session):
    small.labelled(session)
    panel = TrainingPanel(session)
    seen = []
    session.run_progressed.connect(lambda _run: seen.append(len(panel._curves._lines[0][0].x)))
    panel.models = ["xgboost"]
    # every report is told, as if the rounds were slow
    from celltune_nb.session import job as jobs

    before, jobs.PROGRESS_EVERY = jobs.PROGRESS_EVERY, 0.0
    try:
        panel.train()
    finally:
        jobs.PROGRESS_EVERY = before
    assert len(set(seen)) > 3
    assert seen == sorted(seen)
    panel.close()


def test_the_metric_can_be_switched(panel, session):
    small.labelled(session)
    panel.train()
    losses = np.array(panel._curves._lines[0][0].y)
    panel._legend.do("metric", "accuracy")
    accuracy = np.array(panel._curves._lines[0][0].y)
    assert not np.array_equal(losses, accuracy)
    assert accuracy.max() <= 1
    assert panel._curves._y.max == 1.0
    assert re.search(r'data-what="accuracy" aria-pressed="true"', panel._legend.html)


def test_lightgbm_takes_catboosts_place(panel, session):
    panel._head.do("model", "lightgbm", True)
    assert panel.models == ["xgboost", "lightgbm"]
    panel._head.do("model", "catboost", True)
    assert panel.models == ["xgboost", "catboost"]
    panel._head.do("model", "xgboost", False)
    panel._head.do("model", "catboost", False)
    small.labelled(session)
    assert not enabled(panel, "Train")
    panel._head.do("train")
    assert panel.message == "No model is chosen. Tick at least one."


def test_options_reach_the_training(panel, session):
    small.labelled(session)
    panel._head.do("model", "catboost", False)
    for name, value in {"rounds": "5", "patience": "3", "seed": "7", "weights": "balanced"}.items():
        panel._head.do("option", name, value)
    assert "Options (4 changed)" in words(panel._head)
    panel._head.do("image", "right", True)
    panel._head.do("train")
    run = session.run
    assert run.seed == 7
    assert run.about["options"] == {"rounds": 5, "patience": 3, "weights": "balanced"}
    assert run.about["exclude_images"] == ["right"]
    assert run.about["labels"] == 20
    panel._head.do("option", "rounds", "many")
    assert "not a whole number" in panel.message
    assert panel.options["rounds"] == 5
    panel._head.do("option", "rounds", "")
    assert "rounds" not in panel.options


def test_stop_and_cancel_work_while_it_runs(session):
    small.labelled(session)
    panel = TrainingPanel(session)
    panel.models = ["xgboost"]

    def cancel(run):
        if run.state == "running" and enabled(panel, "Cancel"):
            assert not enabled(panel, "Train")
            panel._head.do("cancel")

    session.run_changed.connect(cancel)
    panel.train()
    session.run_changed.disconnect(cancel)
    assert session.run.state == "cancelled"
    assert "predictions are as they were" in words(panel._head)
    assert "cancelled" in words(panel._runs)
    assert enabled(panel, "Train")
    assert "Pred_AVG" not in session.populations

    stop = lambda run: panel._head.do("stop")  # noqa: E731
    session.run_progressed.connect(stop)
    panel.train()
    assert session.run.state == "stopped"
    assert "Pred_AVG" in session.populations
    panel.close()


def test_a_failed_training_says_why(panel, session):
    small.labelled(session)
    panel.options["params"] = {"xgboost": {"max_depth": -3}}
    panel._head.do("train")
    assert session.run.state == "failed"
    assert session.run.error.split(":")[0] in words(panel._head)
    assert enabled(panel, "Train")


def test_an_earlier_training_can_be_looked_at_after_reopening(session):
    small.labelled(session).train(models=("xgboost",), wait=True)
    session.close()
    with ct.Session.open(session.folder, jobs=Jobs(inline=True)) as again:
        panel = TrainingPanel(again)
        assert len(panel._curves._lines[0][0].x) > 1
        assert "40 XGBoost" in words(panel._runs)
        panel._runs.do("run", again.run.id)
        assert panel.shown is again.run
        panel.close()


def test_long_curves_are_thinned_and_keep_their_end():
    rows = [
        {"model": "m", "step": i, "split": "valid", "metric": "log_loss", "value": 1 / i}
        for i in range(1, 1001)
    ]
    (x, y) = series(rows, "log_loss")["m", "valid"]
    assert len(x) == 200
    assert (x[0], x[-1], y[-1]) == (1, 1000, 0.001)
    curves = Curves()
    curves.show(rows, ["m"], "log_loss")
    assert curves._x.max == 1000
    assert list(curves._axes[1].tick_values) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    from celltune_nb.panels.panel import free

    free(curves.figure)


def test_categories_and_images_are_left_out_from_one_list(panel, session):
    small.labelled(session)
    session.categories.add("Ambiguous")
    panel._head.do("category", "Ambiguous", False)
    assert session.categories["Ambiguous"].exclude_from_training
    assert "1 changed" in words(panel._head)
    panel._head.do("category", "Ambiguous", True)
    assert not session.categories["Ambiguous"].exclude_from_training
    panel._head.do("image", "right", True)
    panel.train()
    assert session.run.about["exclude_images"] == ["right"]
    assert session.run.about["labels"] == 20


def test_advice_follows_each_training(panel, session):
    small.labelled(session)
    assert "CellTune's rule" not in words(panel._head)
    panel.train()
    assert "First training, on 40 labels" in words(panel._head)
    session.label(small.cells(session, "left", "A")[20:30], "A")
    panel.train()
    assert "The last 10 labels changed" in words(panel._head)
    assert "100–200 labels a type" in words(panel._head)


def test_lightgbm_is_one_click_away_where_catboost_is_slow(panel, session, monkeypatch):
    from celltune_nb.panels.training import panel as module

    monkeypatch.setattr(
        module, "WORTH_TIMING", 1
    )  # labels that would take half a minute are too many for a test
    small.labelled(session)
    panel.train()
    run = session.run
    run.about["model_seconds"] = {"catboost": 240.0, "lightgbm": 55.0}
    panel._check()
    assert "CatBoost would take about 3–6 min on these labels, LightGBM about 40–80 s." in words(panel._head)
    panel._head.do("lightgbm")
    assert panel.models == ["xgboost", "lightgbm"]
    assert "would take" not in words(panel._head)


def test_a_gpu_that_is_missing_is_said(panel, session):
    from celltune_nb.learn.machine import cuda_available

    if cuda_available():
        pytest.skip("this machine has a GPU")
    small.labelled(session)
    panel._head.do("option", "device", "cuda")
    panel.train()
    assert session.run.state == "done"
    assert "No CUDA device answers: the models were trained on the CPU." in session.run.notes
    assert "trained on the CPU" in words(panel._runs)
    panel._head.do("option", "device", "auto")
    assert "device" not in panel.options


def test_audit_labels_are_not_counted_as_learned_from(panel, session):
    small.labelled(session)
    for item in session.draw_audit(20, seed=0):
        session.label([item], "A" if item in small.cells(session, "left", "A") else "B", source="audit")
    assert "40 of 60 labels are learned from; nothing stands in the way." in words(panel._head)
    assert session.learned_labels() == {"A": 20, "B": 20}
    panel._head.do("image", "left", True)
    assert session.learned_labels(exclude_images=["left"]) == {"A": 10, "B": 10}
    assert "20 of 60 labels are learned from" in words(panel._head)
    session.categories.set_excluded("B", True)
    assert session.learned_labels() == {"A": 20}


def test_train_pressed_twice_is_one_training(panel, session):
    small.labelled(session)
    pressed = []

    def again(_progress):
        if not pressed:
            pressed.append(True)
            panel._head.do("train")  # before the button has turned grey

    session.run_progressed.connect(again)
    panel.options["rounds"] = 5
    panel._head.do("train")
    session.run_progressed.disconnect(again)
    assert pressed
    assert len(session.runs) == 1
    assert "running already" not in panel.message
