"""Each animal is judged by models that know nothing of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import Cancelled, InputError, NotReadyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.left_out import left_out, plan

from .marked import answer, label_truth


def test_without_a_model_there_is_nothing_to_judge_and_the_light_says_what_to_do(slices):
    with pytest.raises(NotReadyError, match="Train first"):
        slices.judge()
    light = slices.stop_light()
    assert (light.color, light.action.verb) == ("red", "sample")
    assert "more" in light.next_action
    label_truth(slices, ["slice 1", "slice 3"])
    light = slices.stop_light()
    assert (light.color, light.action.verb) == ("red", "train")
    assert slices.follow(light).state == "done"


def test_each_animal_is_left_out_by_itself(slices):
    label_truth(slices, ["slice 1", "slice 2", "slice 3", "slice 4"])
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
    label_truth(slices, ["slice 1", "slice 3"])
    items = slices.items
    for name, wrong in (("ON", "OFF"), ("OFF", "ON")):
        ids = items.index[(items["image"] == "slice 4") & (items["truth"] == name)][:12]
        slices.label(ids, wrong)
    slices.train(wait=True)
    table = slices.judge()
    assert table.loc["slice 4", "mistakes"] >= 20
    assert table.loc["slice 4", "f1"] < 0.2


def test_what_was_asked_is_asked_once_and_kept(slices, monkeypatch):
    label_truth(slices, ["slice 1", "slice 3", "slice 4"])
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
        label_truth(again, ["slice 2"])  # more than one in ten is new
        assert again.judge().loc["slice 2", "judged"] == 24
    # Damaged records are worked out again.
    for name in ("looks.json", "evaluation.json"):
        (folder / "runs" / run.id / "left_out" / name).write_text('{"images": [1]}')
    with Session.open(folder, read_only=True, jobs=Jobs(inline=True)) as again:
        assert again.stop_light().action.verb in ("judge", "train")
        assert again.judge().loc["slice 2", "judged"] == 24


def test_a_label_that_was_changed_since_is_left_out(slices):
    label_truth(slices, ["slice 1", "slice 3", "slice 4"])
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
    label_truth(slices, images)
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
    label_truth(slices, ["slice 1", "slice 3", "slice 4"])
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
    label_truth(slices, ["slice 1", "slice 3", "slice 4"])
    slices.train(wait=True)
    before = slices.judge().attrs["overall"]
    slices.set_threshold(0.02)
    after = slices.judge().attrs["overall"]
    assert after["recall"] >= before["recall"]
    assert after["precision"] < before["precision"]


def test_what_is_expected_is_of_what_the_threshold_decides(slices):
    label_truth(slices, ["slice 1", "slice 2", "slice 3", "slice 4"])
    slices.train(wait=True)
    usual = slices.judge()["expected_f1"]
    slices.set_threshold(0.5)  # as without one
    np.testing.assert_allclose(slices.judge()["expected_f1"], usual, atol=0.01)
    slices.set_threshold(0.02)
    light = slices.stop_light()
    decided = light.table["expected_f1"]
    average, positive = slices.populations["Pred_AVG"], slices.populations["Pred_AVG"].classes.index("ON")
    for i, name in enumerate(slices.table.names):
        p = average.probability[slices.table.of_image(i), positive].astype(float)
        called = p >= 0.02
        assert decided[name] == pytest.approx(2 * p[called].sum() / (called.sum() + p.sum()), abs=1e-4)
    assert decided.mean() < usual.mean()  # far too many are called ON
    assert light.figures["mean_f1"] == pytest.approx(decided.mean())
    slices.set_threshold(None)
    pd.testing.assert_series_equal(slices.stop_light().table["expected_f1"], usual)


def test_the_audit_speaks_of_what_the_threshold_decides(slices):
    label_truth(slices, ["slice 1", "slice 2", "slice 3", "slice 4"])
    slices.train(wait=True)
    answer(slices, slices.draw_audit(120, seed=0), "audit")
    slices.judge()
    usual = slices.stop_light().figures["audit"]
    slices.set_threshold(0.5)
    same = slices.stop_light().figures["audit"]
    assert same["value"] == pytest.approx(usual["value"], abs=0.05)
    assert same["n"] == usual["n"] == 120
    slices.set_threshold(0.02)
    found = slices.stop_light().figures["audit"]
    assert found["low"] <= found["value"] <= found["high"]
    assert found["value"] < usual["value"]
    truth = slices.items["truth"].loc[slices.audit.ids] == "ON"
    decided = (
        slices.populations["Pred_THR"].codes[slices.table.positions(slices.audit.ids)]
        == slices.categories["ON"].code
    )
    w = 1 / slices.audit.inclusion
    assert found["value"] == pytest.approx(
        2 * w[truth & decided].sum() / (w[truth].sum() + w[decided].sum()), rel=1e-6
    )


def test_what_is_to_be_expected_is_read_at_the_temperature_of_the_audit_at_once(slices):
    label_truth(slices, ["slice 1", "slice 3", "slice 4"])
    slices.train(wait=True)
    before = slices.judge()["expected_f1"]
    answer(slices, slices.draw_audit(60, seed=0), "audit")
    after = slices.judge()["expected_f1"]
    assert slices.run.temperature != 1
    assert not np.allclose(before, after, equal_nan=True)
    pd.testing.assert_series_equal(slices.judge()["expected_f1"], after)


def test_the_kind_is_told_by_brightness_also_where_models_do_not_learn_from_the_mean(slices):
    """A group of features measured against the cells of each slice leaves the plain mean out."""
    label_truth(slices, ["slice 1", "slice 3", "slice 4"])
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


def test_cells_of_a_kind_are_of_that_brightness_and_on_that_slice(slices):
    label_truth(slices, ["slice 1", "slice 3", "slice 4"], each=6)
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
