"""Looking for mistakes of models that tell ON from OFF."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.errors import CellTuneError, InputError, NotReadyError
from celltune_nb.learn.mistakes import KINDS, Signal, suspects
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    """Four slices of two animals; ON cells are brighter in the channel cFos, but for some that are faint."""
    folder = tmp_path_factory.mktemp("brain") / "p"
    rng = np.random.default_rng(0)
    truth: list[bool] = []
    with Session.create(folder, jobs=Jobs(inline=True)) as session:
        for number in range(4):
            gain = 1 + 0.5 * number
            mask = np.zeros((300, 300), np.uint16)
            image = rng.poisson(10 * gain, (2, 300, 300)).astype(np.uint16)
            for i in range(225):
                box = np.s_[20 * (i // 15) + 4 : 20 * (i // 15) + 16, 20 * (i % 15) + 4 : 20 * (i % 15) + 16]
                mask[box] = i + 1
                on = rng.random() < 0.25
                image[0][box] += rng.poisson(20, (12, 12)).astype(np.uint16)
                image[1][box] += rng.poisson(gain * (rng.lognormal(2.6, 0.5) if on else rng.lognormal(1.2, 0.6)), (12, 12)).astype(np.uint16)  # fmt: skip
                truth.append(bool(on))
            session.add_image(
                f"slice {number}", image, mask, channels=["DAPI", "cFos"], group=f"animal {number // 2}"
            )
        session.add_marker("cFos")
        session.measure(neighbours=False)
        ids = session.items.index.to_numpy()
        some = np.random.default_rng(1).choice(len(ids), 120, replace=False)
        session.label_each({"ON": ids[some][np.array(truth)[some]], "OFF": ids[some][~np.array(truth)[some]]})
        session.train(wait=True)
    return folder, np.array(truth)


@pytest.fixture
def session(brain, tmp_path):
    import shutil

    with Session.open(shutil.copytree(brain[0], tmp_path / "p"), jobs=Jobs(inline=True)) as session:
        yield session


def test_the_most_suspicious_predictions_are_mostly_wrong(session, brain):
    truth = brain[1]
    found = session.likely_mistakes(20)
    wrong = (found["predicted"] == "ON").to_numpy() != truth[session.positions(found.index)]
    unlabelled = session.labels.codes() == 0
    called = session.populations["Pred_AVG"].codes == session.categories["ON"].code
    everywhere = (called != truth)[unlabelled].mean()
    assert wrong.mean() > max(0.4, 3 * everywhere)
    assert found["suspicion"].is_monotonic_decreasing
    assert set(found["kind"]) <= set(KINDS)
    assert all(text.startswith(("ON", "OFF")) for text in found["reason"])
    assert not np.isin(found.index, session.labels.to_pandas().index).any()


def test_what_was_looked_at_comes_again_only_after_a_training(session):
    first = session.next_mistake()
    assert first == session.likely_mistakes(1).index[0]
    session.looked_at([first])
    assert session.next_mistake() != first
    second = session.next_mistake()
    session.correct([second], "OFF", how="sheet")
    row = session.labels.to_pandas().loc[second]
    assert (row["category"], row["source"]) == ("OFF", "correction")
    assert list(session.looks()["item"]) == [first, second]
    assert list(session.looks()["how"]) == ["mistakes", "sheet"]
    assert set(session.looks()["run"]) == {session.run.id}
    session.close()
    with Session.open(session.folder, jobs=Jobs(inline=True)) as again:
        assert not {first, second} & set(again.likely_mistakes(500).index)
        again.train(wait=True)
        assert first in again.likely_mistakes(5000).index
        assert second not in again.likely_mistakes(5000).index


def test_kinds_and_slices_can_be_asked_for(session):
    assert set(session.likely_mistakes(9, image="slice 2")["image"]) == {"slice 2"}
    session.set_working_set(["slice 1"])
    assert set(session.likely_mistakes(9)["image"]) == {"slice 1"}
    session.set_working_set(None)
    for kind in KINDS:
        assert set(session.likely_mistakes(9, kind=kind)["kind"]) <= {kind}


def test_the_audit_is_never_shown(session):
    audit = session.draw_audit(200)
    assert not np.isin(session.likely_mistakes(5000).index, audit).any()


def test_the_marker_is_the_channel_of_the_levels_name_or_the_one_that_is_set(session):
    assert session.marker_channel() == "cFos"
    session.set_marker_channel("DAPI")
    assert session.marker_channel() == "DAPI"
    with pytest.raises(InputError, match="Choose one of: DAPI, cFos"):
        session.set_marker_channel("Iba1")
    session.set_marker_channel(None)
    assert session.marker_channel() == "cFos"
    session.add_marker("neurons")
    assert session.marker_channel() is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: s.likely_mistakes(0), lambda s: s.likely_mistakes(5, kind="odd"), lambda s: s.likely_mistakes(5, image="nowhere"),
        lambda s: s.looked_at([]), lambda s: s.looked_at([10**9]), lambda s: s.looked_at([1], how="odd"),
        lambda s: s.correct([1], "odd"), lambda s: s.correct([1], "ON", how="odd"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(session, wrong):
    revision = session.book.revision
    with pytest.raises(CellTuneError):
        wrong(session)
    assert session.book.revision == revision
    assert len(session.looks()) == 0


def test_before_a_training_it_says_what_to_do(tmp_path):
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_marker("cFos")
        with pytest.raises(NotReadyError, match="Train first"):
            session.likely_mistakes()


def test_a_bright_cell_called_negative_is_a_strong_signal_and_one_in_a_bright_place_is_background():
    rng = np.random.default_rng(0)
    cell = np.concatenate([rng.normal(10, 1, 200), rng.normal(40, 4, 60)])
    around = np.concatenate([rng.normal(9, 1, 200), rng.normal(10, 1, 60)])
    p = np.concatenate([np.full(200, 0.05), np.full(60, 0.95)])
    cell[0], p[0] = 45.0, 0.3  # bright, called negative
    cell[200], around[200], p[200] = 20.0, 22.0, 0.8  # called positive in a bright place
    cell[1], p[1] = 14.0, 0.52
    signal = Signal.of(cell, around, np.zeros(260, np.int64), p < 0.5)
    found = suspects(p, 0.5, signal)
    assert [KINDS[found.kind[i]] for i in (0, 200, 1)] == ["strong signal", "background", "borderline"]
    assert set(np.argsort(-found.suspicion)[:3]) == {0, 1, 200}


def test_without_a_marker_only_the_models_doubt_counts():
    p = np.array([0.1, 0.6, np.nan, 0.9])
    found = suspects(p)
    assert np.nanargmax(found.suspicion) == 1
    assert np.isnan(found.suspicion[2])
    assert np.isnan(found.opinion).all()
    assert np.isclose(suspects(np.array([0.2]), threshold=0.2).suspicion[0], 0.5)


def test_a_dye_that_darkens_is_a_signal_too():
    rng = np.random.default_rng(0)
    cell = np.concatenate([rng.normal(200, 8, 200), rng.normal(90, 8, 60)])
    p = np.concatenate([np.full(200, 0.05), np.full(60, 0.95)])
    cell[0], p[0] = 80.0, 0.3  # dark, called negative
    found = suspects(p, 0.5, Signal.of(cell, None, np.zeros(260, np.int64), p < 0.5))
    assert np.argmax(found.suspicion) == 0
    assert KINDS[found.kind[0]] == "strong signal"


def test_where_no_channel_has_the_markers_name_the_one_that_tells_on_from_off_is_taken(session):
    said = session.labels.to_pandas()["category"].astype(str)
    with_name = session.likely_mistakes(30)
    session.add_marker("activity")
    session.label_each({name: said.index[said == name] for name in ("ON", "OFF")})
    session.train(wait=True)
    assert session.marker_channel() is None
    assert session.likely_mistakes(30).index.tolist() == with_name.index.tolist()


def test_labels_of_the_audit_shape_no_opinion(session):
    """Whatever the audit's labels say, the same cells are suspicious for the same reasons."""
    audit = session.draw_audit(60, seed=3)
    before = session.likely_mistakes(200)
    session.label(audit, "ON", source="audit")
    session.close()
    with Session.open(session.folder, jobs=Jobs(inline=True)) as again:
        assert again.likely_mistakes(200).equals(before)


def test_with_more_than_two_categories_each_cell_is_called_by_its_own(session):
    session.categories.add("dim")
    ids = session.items.index.to_numpy()
    faint = np.argsort(session.features_by_name["cells"].column("cFos__Mean__Cell"))[:30]
    session.label(ids[faint], "dim")
    session.train(wait=True)
    found = session.likely_mistakes(600)
    assert set(found["predicted"]) == {"ON", "OFF", "dim"}
    average = session.populations["Pred_AVG"]
    rows = session.positions(found.index[found["probability"] < 0.4])
    names = {c.code: c.name for c in session.categories}
    called = [names[code] for code in average.codes[rows]]
    assert found.loc[found["probability"] < 0.4, "predicted"].tolist() == called
    session.categories.rename("dim", "faint")
    assert "faint" in set(session.likely_mistakes(600)["predicted"])
