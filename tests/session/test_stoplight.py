"""The stop light: what it asks for, what it says comes next, and the target it is held to."""

from __future__ import annotations

import pandas as pd
import pytest

from celltune_nb.errors import InputError, ReadOnlyError
from celltune_nb.learn.settling import Round, settling
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.stop_conditions import Condition, audit_condition
from celltune_nb.session.stoplight import _next, target_by
from celltune_nb.session.trouble import NextAction, troubled

from .marked import answer, label_truth, make_slices


def test_following_the_light_goes_through_the_images_that_need_it(slices):
    label_truth(slices, ["slice 1", "slice 2"])
    slices.set_working_set(["slice 1", "slice 2", "slice 3"])
    seen, colors = [], []
    for _ in range(9):
        light = slices.stop_light(target=0.6)
        seen.append(light.action.verb)
        colors.append(light.color)
        assert light.sentence[0].isupper()
        done = slices.follow(light)
        if light.action.verb in ("sample", "working_set"):
            assert len(done)
            assert set(slices.selection) == set(done)
            assert slices.view.image == light.action.arguments["image"]
            answer(slices, done)
    assert seen[:5] == ["train", "judge", "working_set", "train", "judge"]
    assert "sample" in seen
    assert "slice 5" in slices.working_set
    assert "green" not in colors


def test_clear_cells_lead_to_green(tmp_path):
    folder = make_slices(tmp_path / "clear", 25, 4)
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        label_truth(session, session.items["image"].unique().tolist())
        seen = []
        for _ in range(25):
            light = session.stop_light(target=0.8)
            seen.append(light.action.verb)
            if light.color == "green":
                break
            done = session.follow(light)
            if light.action.verb == "audit":
                answer(session, session.audit.todo, "audit")
            elif light.action.verb in ("sample", "working_set"):
                answer(session, done)
        assert light.color == "green", (light, light.reasons, seen)
        assert light.word == "Good enough"
        assert light.conditions["holds"].all()
        assert light.reasons == ()
        assert {"audit", "judge", "train", "sample"} <= set(seen)


def test_green_asks_for_every_condition(slices):
    label_truth(slices, ["slice 1", "slice 2", "slice 3", "slice 4", "slice 5"])
    slices.train(wait=True)
    slices.judge()
    answer(slices, slices.draw_audit(60, seed=0), "audit")
    light = slices.stop_light()
    assert light.conditions.loc["audit", "holds"] is None
    slices.judge()
    light = slices.stop_light(target=0.5)
    assert light.figures["audit"]["n"] == 60
    assert light.figures["audit"]["of"] == "F1 of ON"
    assert light.color != "green"
    assert any("rounds" in text for text in light.reasons)
    high = slices.stop_light(target=0.999)
    assert any("lower bound" in text for text in high.reasons)
    for wrong in (0, 1, "much"):
        with pytest.raises(InputError):
            slices.stop_light(target=wrong)
    with pytest.raises(InputError, match="no stop light"):
        slices.follow("red")


def _judged(**changes: list[float]) -> pd.DataFrame:
    columns = {
        "cells": 500, "labels": 20, "judged": 20, "mistakes": 1, "f1": 0.9, "expected_f1": 0.9, "shift": 0.1, "trouble": "weak ON",
        "in_set": True, "audited": 20, "audit_f1": 0.95, "audit_high": 0.99,
    }  # fmt: skip
    return pd.DataFrame({**columns, **changes}, index=["a", "b", "c", "d"])


def test_a_slice_is_far_below_by_the_audit_only_if_its_whole_interval_is():
    few = _judged(audit_f1=[0.95, 0.95, 0.95, 0.75], audit_high=[0.99, 0.99, 0.99, 0.96])
    assert troubled(few).below == ()
    sure = _judged(audit_f1=[0.95, 0.95, 0.95, 0.55], audit_high=[0.99, 0.99, 0.99, 0.8])
    assert troubled(sure).below == ("d",)
    assert "by the audit" in troubled(sure).why["d"]


@pytest.mark.parametrize(
    ("value", "low", "high", "settled", "verb", "n"),


    [
        (0.95, 0.85, 0.98, False, "audit", 750), (0.91, 0.80, 0.96, False, "sample", 25), (0.91, 0.80, 0.96, True, "audit", 250),
        (0.88, 0.78, 0.94, True, "audit", 250), (0.88, 0.78, 0.94, False, "sample", 25), (0.70, 0.60, 0.80, True, "sample", 25),
    ],
)  # fmt: skip
def test_what_an_audit_that_leaves_the_target_open_asks_for(
    slices, monkeypatch, value, low, high, settled, verb, n
):
    """More labels while they still change predictions; after that a larger audit, as long as it can decide."""
    label_truth(slices, ["slice 1", "slice 3", "slice 4"])
    slices.train(wait=True)
    answer(slices, slices.draw_audit(60, seed=0), "audit")
    found = {"of": "F1 of ON", "value": value, "low": low, "high": high, "n": 250}
    monkeypatch.setattr("celltune_nb.session.stop_conditions.audit_figures", lambda *_: found)
    condition = audit_condition(slices, "cFos", slices.run, 0.9, troubled(_judged()), settled)
    assert condition.holds is False
    assert (condition.action.verb, condition.action.arguments["n"]) == (verb, n)
    assert ("upper bound" in condition.reason) == (high < 0.9)


@pytest.mark.parametrize(("settled", "unlike", "verb"), [(True, False, "audit"), (False, False, "sample"), (True, True, "sample")])  # fmt: skip
def test_once_settled_the_audit_comes_before_a_slice_of_which_little_is_expected(
    slices, settled, unlike, verb
):
    def condition(key: str, holds: bool | None, does: str) -> Condition:
        return Condition(key, key, holds, "", "", NextAction(does, {}, does))

    found = [
        condition("labels", True, "none"), condition("settled", settled or None, "sample"), condition("agreement", True, "none"),
        condition("audit", None, "audit"), condition("images", False, "sample"),
    ]  # fmt: skip
    action = _next(found, 0, settling([Round(20)]), slices, unlike=unlike)
    assert action.verb == verb


def test_what_one_step_has_asked_for_is_learned_from_before_the_next(slices):
    below = NextAction("sample", {"image": "a", "kind": None, "n": 25}, "Label cells on a: 25 more")
    found = [
        Condition("labels", "", True, ""), Condition("settled", "", False, ""), Condition("agreement", "", False, ""),
        Condition("audit", "", None, ""), Condition("images", "", False, "", action=below),
    ]  # fmt: skip
    settled = settling([Round(1500)])
    assert settled.needed > 25
    assert _next(found, 24, settled, slices, unlike=False) == below
    # formerly the same step was asked for again and again until 3 % of all labels were new
    assert _next(found, 25, settled, slices, unlike=False).verb == "train"


def test_the_target_is_kept_with_the_project(slices, tmp_path):
    _trained(slices)
    assert (slices.target, slices.stop_light().figures["target"]) == (0.85, 0.85)
    told = []
    slices.study_changed.connect(lambda event: told.append(event.what))
    slices.set_target(0.7)
    assert told == ["targets"]
    for wrong in (0, 1, 1.5, "much", float("nan"), True):
        with pytest.raises(InputError):
            slices.set_target(wrong)
    assert slices.follow() is not None  # the light of now, at the target that is kept
    slices.add_marker("PV")
    assert slices.target == 0.85  # each marker has its own
    slices.set_target(0.6, level="cFos")
    slices.level = "cFos"
    with Session.open(slices.folder, read_only=True) as again:
        assert again.stop_light().figures["target"] == again.target == 0.6
        assert target_by(again, "cFos")["user"] == slices.user
        assert target_by(again, "cFos")["time"] > 1e9
        with pytest.raises(ReadOnlyError):
            again.set_target(0.5)
    assert slices.stop_light(target=0.5).figures["target"] == 0.5  # for once
    script = slices.script()
    assert "session.set_target(target=0.7, level='cFos')" in script
    assert "session.set_target(target=0.6, level='cFos')" in script
    slices.set_target(None)
    assert slices.target == 0.85


@pytest.mark.parametrize("odd", [{"share": 7}, {"share": "x"}, {"share": True}, 3, None, {}])
def test_a_target_that_cannot_be_read_is_the_usual_one(slices, odd):
    slices.project.settings["study"] = {"targets": {"cFos": odd}}
    slices.project.save()
    with Session.open(slices.folder, read_only=True) as again:
        assert again.target == 0.85


def _trained(session):
    label_truth(session, ["slice 1", "slice 2", "slice 3", "slice 4"])
    session.train(wait=True)
