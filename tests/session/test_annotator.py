"""The simulated annotator: answers by the truth, counts its work, and uses a person's verbs only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import celltune_nb as ct
from celltune_nb.errors import InputError
from celltune_nb.session import Session
from celltune_nb.session.annotator import Annotator
from celltune_nb.session.strategies import STRATEGIES


@pytest.fixture
def truth(session: Session) -> pd.Series:
    return session.items["truth"]


def test_it_labels_what_it_sampled_and_counts_labels_and_looks(session: Session, truth: pd.Series) -> None:
    annotator = ct.Annotator(session, truth, seed=1)
    assert annotator.label(annotator.sample(40, by="random")) == 40
    labels = session.labels.to_pandas()
    assert (annotator.labels, annotator.looks, len(labels)) == (40, 40, 40)
    assert (labels["category"].astype(str) == truth[labels.index]).all()
    assert repr(annotator) == "Annotator(40 labels, 40 looks)"


def test_a_drag_is_labelled_at_once_and_its_exceptions_flipped(session: Session, truth: pd.Series) -> None:
    annotator = Annotator(session, truth)
    place = annotator.drag(20)
    assert place is not None
    image, rectangle = place
    inside = session.items_in(image, rectangle)
    assert 5 <= len(inside) <= 45
    annotator.label_rectangle(annotator.sample(len(inside), image=image, rectangle=rectangle))
    labels = session.labels.to_pandas()
    assert set(labels.index) == set(inside)
    assert (labels["category"].astype(str) == truth[labels.index]).all()
    most = truth[inside].value_counts().max()
    assert labels["source"].value_counts().to_dict() == {"rectangle": most, "click": len(inside) - most}
    assert annotator.labels == annotator.looks == len(inside)  # a flipped cell is one label, not two


def test_the_wrong_answers_are_as_many_as_asked_and_stay_the_same(session: Session, truth: pd.Series) -> None:
    annotator = Annotator(session, truth, error_rate=0.2, seed=3)
    ids = truth.index.to_numpy()
    first, second = annotator.look(ids), annotator.look(ids[::-1])[::-1]
    assert first.tolist() == second.tolist()
    assert (first != truth.to_numpy()).mean() == pytest.approx(0.2, abs=0.06)
    assert set(first) == {"A", "B", "C"}
    assert annotator.looks == 600
    assert (Annotator(session, truth, error_rate=0.2, seed=4).look(ids) != first).any()
    assert (Annotator(session, truth, error_rate=1.0).look(ids) != truth.to_numpy()).all()


def test_a_cell_nobody_can_name_is_looked_at_and_left(session: Session, truth: pd.Series) -> None:
    known = truth.where(truth != "C")  # missing
    annotator = Annotator(session, known)
    ids = truth.index[:100].to_numpy()
    given = annotator.label(ids)
    assert given == (truth.iloc[:100] != "C").sum() == len(session.labels)
    assert annotator.looks == 100


def test_corrections_are_labels_and_every_inspected_cell_a_look(session: Session, truth: pd.Series) -> None:
    annotator = Annotator(session, truth, seed=2)
    for name in "AB":  # a model that cannot know C
        annotator.label(truth.index[truth == name][:6])
    assert not annotator.trained
    annotator.train()
    assert annotator.trained
    free = np.setdiff1d(truth.index, session.labels.to_pandas().index)
    wrong = session.populations["Pred_AVG"].to_pandas().astype(str)[free] != truth[free]
    before = annotator.labels
    given = annotator.correct(free)
    assert given == wrong.sum() > 0
    assert (annotator.labels - before, annotator.looks) == (given, 12 + len(free))
    labels = session.labels.to_pandas()
    assert set(labels.index[labels["source"] == "correction"]) == set(free[wrong])


def test_it_waits_with_training_until_there_are_two_categories(session: Session, truth: pd.Series) -> None:
    annotator = Annotator(session, truth)
    annotator.label(truth.index[truth == "A"][:5])
    assert annotator.train() is None
    annotator.label(truth.index[truth == "B"][:5])
    run = annotator.train()
    assert run is not None
    assert run.state == "done"


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_works_through_the_verbs_of_a_person(
    session: Session, truth: pd.Series, name: str
) -> None:
    # half the answers are wrong, so that there is something to correct later on
    annotator = Annotator(session, truth, seed=5, error_rate=0.5, rounds=10)
    answers = annotator.look(truth.index)
    annotator.looks = 0
    truth = pd.Series(answers, index=truth.index)
    work = STRATEGIES[name]
    work(annotator, 25)
    annotator.train()
    work(annotator, 15)
    labels = session.labels.to_pandas()
    assert len(labels) == annotator.labels <= annotator.looks
    assert (labels["category"].astype(str) == truth[labels.index]).all()
    mined = name == "error_mining"
    assert 25 <= annotator.labels <= 40 + 30 * mined
    assert mined or annotator.labels == 40
    # every label stands in the journal with where it came from, and undo takes the newest back
    entries = [entry for entry in session.journal.entries() if entry.verb == "label"]
    sources = {entry.source for entry in entries}
    assert sources <= {"click", "rectangle", "correction"}
    assert ("correction" in sources) == mined
    assert all(entry.strategy or entry.source == "correction" for entry in entries)
    session.undo()
    assert len(session.labels) < annotator.labels or name == "rectangle"


def test_the_same_seed_gives_the_same_labels(project: Path, tmp_path: Path) -> None:
    import shutil

    found = []
    for copy, seed in (("a", 1), ("b", 1), ("c", 2)):
        folder = Path(shutil.copytree(project, tmp_path / copy))
        with Session.open(folder) as session:
            annotator = Annotator(session, session.items["truth"], error_rate=0.1, seed=seed, rounds=10)
            for name in ("rectangle", "default", "error_mining"):
                STRATEGIES[name](annotator, 20)
                annotator.train()
            found.append(session.labels.to_pandas()["category"].astype(str).to_dict())
    assert found[0] == found[1] != found[2]


def test_a_second_level_is_labelled_without_touching_the_first(session: Session, truth: pd.Series) -> None:
    session.levels.add("is A")
    answer = (truth == "A").map({True: "ON", False: "OFF"})
    annotator = Annotator(session, answer, level="is A", rounds=5)
    for _ in range(2):
        STRATEGIES["default"](annotator, 20)
        annotator.train()
    STRATEGIES["error_mining"](annotator, 5)
    assert len(session.labels) == 0
    assert len(session.labels.to_pandas("is A")) == annotator.labels
    assert "is A/Pred_AVG" in session.populations


def test_what_makes_no_sense_is_said(session: Session, truth: pd.Series) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        Annotator(session, truth, error_rate=2)
    with pytest.raises(InputError, match="names no item"):
        Annotator(session, pd.Series({10_000: "A"}))
    with pytest.raises(InputError, match="one category only"):
        Annotator(session, truth[truth == "A"])
