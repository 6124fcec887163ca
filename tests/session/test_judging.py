"""Each animal is judged by models that know nothing of it, and the stop light says what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import Cancelled, InputError, NotReadyError
from celltune_nb.learn.settling import Round, settling
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.left_out import left_out, plan
from celltune_nb.session.stop_conditions import Condition, audit_condition
from celltune_nb.session.stoplight import _next
from celltune_nb.session.trouble import NextAction, troubled


def _slices(folder: Path, weakest: float, brightest: float) -> Path:
    """Five slices of four animals, 100 cells each, a fifth of them ON; the last slice is stained unlike the others."""
    rng = np.random.default_rng(0)
    truth = []
    with Session.create(folder, jobs=Jobs(inline=True), level="cFos") as session:
        for number in range(5):
            mask, image = np.zeros((200, 200), np.uint16), rng.poisson(20, (2, 200, 200)).astype(np.float64)
            for i in range(100):
                y, x = 20 * (i // 10) + 3, 20 * (i % 10) + 3
                mask[y : y + 14, x : x + 14] = i + 1
                on = rng.random() < 0.2
                image[0, y : y + 14, x : x + 14] += 60
                image[1, y : y + 14, x : x + 14] += (
                    rng.uniform(weakest, 40) if on else rng.uniform(0, brightest)
                )
                truth.append("ON" if on else "OFF")
            if number == 4:
                image = 3 * image + 50
            session.add_image(f"slice {number + 1}", image.astype(np.uint16), mask, channels=["DAPI", "cFos"],
                              group=f"animal {(1, 1, 2, 3, 4)[number]}")  # fmt: skip
        items = session.items
        session.import_cells(
            pd.DataFrame({"image": items["image"], "cellID": items["cellID"], "truth": truth})
        )
        session.measure(rings=False, neighbours=False)
        session.categories.add("ON")
        session.categories.add("OFF")
    return folder


@pytest.fixture(scope="module")
def marker_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ON and OFF cells that overlap."""
    return _slices(tmp_path_factory.mktemp("marker") / "slices", 8, 12)


@pytest.fixture
def slices(marker_project: Path, tmp_path: Path) -> Iterator[Session]:
    folder = Path(shutil.copytree(marker_project, tmp_path / "project"))
    with Session.open(folder, jobs=Jobs(inline=True)) as opened:
        yield opened
        assert opened.problems == []


def _answer(session: Session, ids: np.ndarray, source: str = "click") -> None:
    truth = session.items["truth"]
    for name in ("ON", "OFF"):
        chosen = [i for i in ids if truth[i] == name]
        if chosen:
            session.label(chosen, name, source=source)


def _label(session: Session, images: list[str], each: int = 12) -> None:
    items = session.items
    for image in images:
        for name in ("ON", "OFF"):
            ids = items.index[(items["image"] == image) & (items["truth"] == name)]
            _answer(session, np.asarray(ids[:each]))


def test_without_a_model_there_is_nothing_to_judge_and_the_light_says_what_to_do(slices):
    with pytest.raises(NotReadyError, match="Train first"):
        slices.judge()
    light = slices.stop_light()
    assert (light.color, light.action.verb) == ("red", "sample")
    assert "more" in light.next_action
    _label(slices, ["slice 1", "slice 3"])
    light = slices.stop_light()
    assert (light.color, light.action.verb) == ("red", "train")
    assert slices.follow(light).state == "done"


def test_each_animal_is_left_out_by_itself(slices):
    _label(slices, ["slice 1", "slice 2", "slice 3", "slice 4"])
    slices.train(wait=True)
    told: list[float] = []
    table = slices.judge(progress=lambda fraction, _: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1
    assert "each of 3 groups left out in turn" in table.attrs["split"]
    assert table.attrs["of"] == "ON"
    assert table.attrs["warnings"] == []
    assert list(table["judged"]) == [24, 24, 24, 24, 0]
    assert table["held_out"].all()
    # The two slices of animal 1 are left out together: no model that judges one has seen the other.
    run = slices.finished_run("cFos")
    folds = plan(slices, run)
    assert (folds.unit, folds.units, folds.folds) == ("group", 3, 3)
    # by hand: retrain without each animal, ask for its labels
    labelled = table[table["judged"] > 0]
    assert (labelled["f1"].between(labelled["low"], labelled["high"])).all()
    assert table.loc["slice 5", "shift"] > 2 * table.loc["slice 4", "shift"]
    assert np.isnan(table.loc["slice 5", "f1"])
    groups = slices.judge("group")
    assert list(groups.index) == ["animal 1", "animal 2", "animal 3", "animal 4"]
    assert groups.loc["animal 1", "judged"] == 48
    with pytest.raises(InputError, match="Choose one of: image, group"):
        slices.judge("slide")


def test_the_models_that_judge_an_animal_know_nothing_of_its_labels(slices):
    """Labels of one animal that are all wrong: its own figures suffer, which they would not had models seen them."""
    _label(slices, ["slice 1", "slice 3"])
    items = slices.items
    for name, wrong in (("ON", "OFF"), ("OFF", "ON")):
        ids = items.index[(items["image"] == "slice 4") & (items["truth"] == name)][:12]
        slices.label(ids, wrong)
    slices.train(wait=True)
    table = slices.judge()
    assert table.loc["slice 4", "mistakes"] >= 20
    assert table.loc["slice 4", "f1"] < 0.2


def test_what_was_asked_is_asked_once_and_kept(slices, monkeypatch):
    _label(slices, ["slice 1", "slice 3", "slice 4"])
    slices.train(wait=True)
    with pytest.raises(Cancelled):
        slices.judge(stop=lambda: True)
    table = slices.judge()
    run = slices.finished_run("cFos")
    found = run.judging.found
    assert left_out(slices, run) is found  # the same labels
    folder = slices.folder
    slices.close()
    with Session.open(folder, jobs=Jobs(inline=True)) as again:
        run = again.finished_run("cFos")
        assert again.stop_light().conditions.loc["images", "holds"] is not None
        kept = again.judge()
        pd.testing.assert_frame_equal(kept, table)
        assert run.judging.found.revision == found.revision
        _label(again, ["slice 2"])  # more than one in ten is new
        assert again.judge().loc["slice 2", "judged"] == 24
    # Damaged records are worked out again.
    for name in ("looks.json", "evaluation.json"):
        (folder / "runs" / run.id / "left_out" / name).write_text('{"images": [1]}')
    with Session.open(folder, read_only=True, jobs=Jobs(inline=True)) as again:
        assert again.stop_light().action.verb in ("judge", "train")
        assert again.judge().loc["slice 2", "judged"] == 24


def test_a_label_that_was_changed_since_is_left_out(slices):
    _label(slices, ["slice 1", "slice 3", "slice 4"])
    slices.train(wait=True)
    before = slices.judge()
    item = slices.finished_run("cFos").judging.found.ids[0]
    slices.label([item], "OFF" if slices.items.loc[item, "truth"] == "ON" else "ON")
    after = slices.judge()
    assert after["judged"].sum() == before["judged"].sum() - 1


@pytest.mark.parametrize(
    ("images", "unit", "warning"),
    [
        (["slice 1", "slice 3"], "group", "from 2 groups"),
        (["slice 1", "slice 2"], "image", "one group"),
        (["slice 1"], "label", "one image"),
    ],
)
def test_few_animals_are_warned_about(slices, images, unit, warning):
    _label(slices, images)
    slices.train(wait=True)
    table = slices.judge()
    assert table.attrs["unit"] == unit
    assert any(warning in text for text in table.attrs["warnings"])
    assert any(warning in text for text in slices.stop_light().warnings)
    assert table.loc[images, "held_out"].all() == (unit == "group")
    assert table.loc["slice 5", "held_out"]


def test_an_image_without_a_group_beside_others_that_have_one(tmp_path):
    rng = np.random.default_rng(0)
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        for number, group in enumerate(("animal 1", None, "animal 2")):
            mask = np.kron(np.arange(1, 37).reshape(6, 6), np.ones((8, 8), int)).astype(np.uint16)
            image = rng.poisson(20 + 40 * (mask % 3 == 0), (1, 48, 48)).astype(np.uint16)
            session.add_image(f"slice {number}", image, mask, channels=["cFos"], group=group)
        session.measure(rings=False, neighbours=False)
        session.add_marker("cFos")
        for number in range(3):
            cells = session.items[session.items["image"] == f"slice {number}"]
            session.label(cells.index[cells["cellID"] % 3 == 0][:6], "ON")
            session.label(cells.index[cells["cellID"] % 3 != 0][:6], "OFF")
        session.train(wait=True)
        assert list(session.judge("image")["judged"]) == [12, 12, 12]
        by_group = session.judge("group")
        assert list(by_group["labels"]) == [12, 12]
        assert by_group.attrs["warnings"][0].startswith("Not every image says")
        assert "from 2 of 2 animals" in session.suggest_images(3).sentence


def test_with_more_than_two_categories_unsure_cells_are_asked_for(slices):
    slices.categories.add("unclear")
    _label(slices, ["slice 1", "slice 3", "slice 4"])
    slices.label(slices.items.index[slices.items["image"] == "slice 3"][-20:], "unclear")
    slices.train(wait=True)
    assert set(slices.judge()["trouble"]) == {""}
    light = slices.stop_light()
    assert "unsure cells" in light.next_action
    assert not any("to be expected" in text for text in light.reasons)
    ids = slices.sample_kind(5, image="slice 2", seed=1)
    best = slices.populations["Pred_AVG"].probability.max(axis=1)
    rows = slices.table.positions(slices.items.index[slices.items["image"] == "slice 2"])
    assert best[slices.table.positions(ids)].max() == pytest.approx(np.sort(best[rows])[4])


def test_a_threshold_is_kept_to(slices):
    _label(slices, ["slice 1", "slice 3", "slice 4"])
    slices.train(wait=True)
    before = slices.judge().attrs["overall"]
    slices.set_threshold(0.02)
    after = slices.judge().attrs["overall"]
    assert after["recall"] >= before["recall"]
    assert after["precision"] < before["precision"]


def test_following_the_light_goes_through_the_images_that_need_it(slices):
    _label(slices, ["slice 1", "slice 2"])
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
            _answer(slices, done)
    assert seen[:5] == ["train", "judge", "working_set", "train", "judge"]
    assert "sample" in seen
    assert "slice 5" in slices.working_set
    assert "green" not in colors


def test_clear_cells_lead_to_green(tmp_path):
    folder = _slices(tmp_path / "clear", 25, 4)
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        _label(session, session.items["image"].unique().tolist())
        seen = []
        for _ in range(25):
            light = session.stop_light(target=0.8)
            seen.append(light.action.verb)
            if light.color == "green":
                break
            done = session.follow(light)
            if light.action.verb == "audit":
                _answer(session, session.audit.todo, "audit")
            elif light.action.verb in ("sample", "working_set"):
                _answer(session, done)
        assert light.color == "green", (light, light.reasons, seen)
        assert light.word == "Good enough"
        assert light.conditions["holds"].all()
        assert light.reasons == ()
        assert {"audit", "judge", "train", "sample"} <= set(seen)


def test_what_is_to_be_expected_is_read_at_the_temperature_of_the_audit_at_once(slices):
    _label(slices, ["slice 1", "slice 3", "slice 4"])
    slices.train(wait=True)
    before = slices.judge()["expected_f1"]
    _answer(slices, slices.draw_audit(60, seed=0), "audit")
    after = slices.judge()["expected_f1"]
    assert slices.run.temperature != 1
    assert not np.allclose(before, after, equal_nan=True)
    pd.testing.assert_series_equal(slices.judge()["expected_f1"], after)


def test_green_asks_for_every_condition(slices):
    _label(slices, ["slice 1", "slice 2", "slice 3", "slice 4", "slice 5"])
    slices.train(wait=True)
    slices.judge()
    _answer(slices, slices.draw_audit(60, seed=0), "audit")
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
    for wrong in (0, 1, "much", None):
        with pytest.raises(InputError):
            slices.stop_light(target=wrong)
    with pytest.raises(InputError, match="no stop light"):
        slices.follow("red")


def test_the_kind_is_told_by_brightness_also_where_models_do_not_learn_from_the_mean(slices):
    """A group of features measured against the cells of each slice leaves the plain mean out."""
    _label(slices, ["slice 1", "slice 3", "slice 4"])
    used = [name for name in slices.features.names if not name.endswith("__Mean__Cell")]
    slices.features.use("cells", used)
    slices.train(wait=True)
    assert set(slices.judge()["trouble"]) <= {"weak ON", "strong ON", "bright OFF", "dim OFF", ""}
    marker = slices.features_by_name["cells"].column("cFos__Mean__Cell")
    weak = slices.sample_kind(5, image="slice 2", kind="weak ON", seed=1)
    strong = slices.sample_kind(5, image="slice 2", kind="strong ON", seed=1)
    rows = slices.table.positions
    assert marker[rows(weak)].max() < marker[rows(strong)].min()


def test_where_brightness_cannot_tell_doubtful_cells_are_asked_for(slices):
    slices.add_marker("unheard of", on="yes", off="no")
    for image in ("slice 1", "slice 3", "slice 4"):
        ids = slices.items.index[slices.items["image"] == image]
        slices.label(ids[:3], "yes")
        slices.label(ids[3:6], "no")
    slices.train(wait=True)
    assert set(slices.judge()["trouble"]) <= {"doubtful yes", "doubtful no", ""}
    ids = slices.sample_kind(5, image="slice 2", kind="doubtful yes", seed=1)
    average = slices.populations["Pred_AVG"]
    p = average.probability[:, average.classes.index("yes")]
    assert (p[slices.table.positions(ids)] < 0.5).all()
    rows = slices.table.positions(slices.items.index[slices.items["image"] == "slice 2"])
    closest = np.sort(p[rows][p[rows] < 0.5])[-5:]
    assert sorted(p[slices.table.positions(ids)].tolist()) == pytest.approx(closest.tolist())


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
    _label(slices, ["slice 1", "slice 3", "slice 4"])
    slices.train(wait=True)
    _answer(slices, slices.draw_audit(60, seed=0), "audit")
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


def test_cells_of_a_kind_are_of_that_brightness_and_on_that_slice(slices):
    _label(slices, ["slice 1", "slice 3", "slice 4"], each=6)
    with pytest.raises(NotReadyError, match="Train first"):
        slices.sample_kind(5, kind="weak ON")
    assert len(slices.sample_kind(5, kind="ON")) == 5
    slices.train(wait=True)
    assert len(slices.sample_kind(400, image="slice 2", kind="weak ON")) == 100
    ids = slices.sample_kind(5, image="slice 2", kind="weak ON", seed=1)
    assert set(slices.items.loc[ids, "image"]) == {"slice 2"}
    assert not slices.labels.codes()[slices.table.positions(ids)].any()
    bright = slices.sample_kind(5, image="slice 2", kind="strong ON", seed=1)
    marker = slices.features_by_name["cells"].column("cFos__Mean__Cell")
    rows = slices.table.positions
    assert marker[rows(ids)].max() < marker[rows(bright)].min()
    record = list(slices.journal.proposals("kind", "cFos"))[-1]
    assert "strong ON cells on slice 2" in record.reasons[0]
    with pytest.raises(InputError, match="no kind"):
        slices.sample_kind(5, kind="purple")
    with pytest.raises(InputError):
        slices.sample_kind(0)
