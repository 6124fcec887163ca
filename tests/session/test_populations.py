"""Population sets on disk: read when they are needed, named as their categories are named now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from celltune_nb.errors import FormatError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import label_some


@pytest.fixture
def trained(session: Session) -> Session:
    label_some(session)
    session.train(models=("xgboost", "lightgbm"), rounds=5, wait=True)
    return session


def again(session: Session) -> Session:
    return Session.open(session.folder, read_only=True, jobs=Jobs(inline=True))


def test_a_reopened_set_is_what_the_training_left(trained: Session) -> None:
    trained.categories.rename("A", "alpha")
    with again(trained) as other:
        assert other.populations.names() == trained.populations.names()
        for name in ("Pred_MDL1", "Pred_MDL2", "Pred_AVG"):
            before, after = trained.populations[name], other.populations[name]
            assert after.probabilities().equals(before.probabilities())
            assert after.to_pandas().equals(before.to_pandas())
        every = {name: set(other.populations[name].to_pandas()) for name in other.populations.names()}
        assert not any("A" in part.split("/") for names in every.values() for part in names)


def test_a_set_that_is_held_keeps_its_probabilities_when_a_training_replaces_it(trained: Session) -> None:
    with again(trained) as other:
        held = other.populations["Pred_AVG"]
        expected = trained.populations["Pred_AVG"].probabilities()
        label_some(trained, each=20, seed=5)
        trained.train(models=("xgboost", "lightgbm"), rounds=9, seed=3, wait=True)
        assert not trained.populations["Pred_AVG"].probabilities().equals(expected)
        assert held.probabilities().equals(expected)  # read only now, from the file of then


def test_probabilities_that_were_damaged_are_named_when_they_are_needed(trained: Session) -> None:
    (path,) = trained.folder.glob("populations/*AVG*.parquet")
    content = bytearray(path.read_bytes())
    middle = slice(len(content) // 3, len(content) // 2)
    content[middle] = bytes(reversed(content[middle]))
    path.write_bytes(content)
    with again(trained) as other:
        if "Pred_AVG" in other.populations:
            with pytest.raises(FormatError, match="Train again"):
                other.populations["Pred_AVG"].probabilities()
        else:
            assert "Train again" in other.problems[0]
        assert "Pred_MDL1" in other.populations


def test_the_labels_of_now_are_one_set_until_the_next_change(session: Session) -> None:
    session.label([1, 2], "A")
    first = session.populations["labels"]
    assert session.populations["labels"] is first
    session.label([3], "B")
    second = session.populations["labels"]
    assert first.counts()["B"] == 0
    assert second.counts().to_dict() == {"Unknown": 297, "A": 2, "B": 1, "C": 0}
    session.categories.rename("A", "alpha")
    assert session.populations["labels"].counts()["alpha"] == 2
    session.undo()
    session.undo()
    assert np.array_equal(session.populations["labels"].codes, first.codes)
    codes = session.labels.codes()
    codes[:] = 7  # a copy: nobody else sees it
    assert session.labels.counts()["A"] == 2


def test_counts_follow_labels_undo_imports_and_new_items(session: Session, tmp_path: Path) -> None:
    from tests.session.conftest import field

    rng = np.random.default_rng(0)

    def anew() -> dict[str, dict[str, int]]:
        table = session.items.join(session.labels.to_pandas()["category"])
        return {
            by: {
                name: table[table[by] == name]["category"].value_counts().reindex(list("ABC"), fill_value=0).tolist()
                for name in session.label_counts(by).index
                if name != "–"
            }
            for by in ("image", "group")
        }  # fmt: skip

    def kept() -> dict[str, dict[str, list[int]]]:
        return {
            by: {n: row[list("ABC")].tolist() for n, row in session.label_counts(by).iterrows() if n != "–"}
            for by in ("image", "group")
        }

    for turn in range(12):
        if turn % 4 == 3:
            session.undo()
        else:
            session.label(rng.choice(session.table.ids, 20, replace=False), rng.choice([*"ABC", "Unknown"]))
        assert kept() == anew()
    image, mask, _ = field(7)
    session.add_image("late", image, mask, channels=["A", "B", "C"])
    session.label([301, 302, 1], "C")
    assert kept() == anew()
    assert session.label_counts("group").loc["–"].to_dict() == {"A": 0, "B": 0, "C": 2}
    session.redo()
    assert kept() == anew()


def test_answers_of_before_a_merge_are_shown_as_the_category_they_are_part_of(trained: Session) -> None:
    before = {name: trained.populations[name] for name in ("Pred_MDL1", "Pred_AVG", "Pred_ALL")}
    said = before["Pred_AVG"].probabilities()
    trained.categories.merge("A", "B")
    for other in (trained, again(trained)):
        after = other.populations["Pred_AVG"]
        probability = after.probabilities()
        assert list(probability.columns) == ["B", "C"]
        np.testing.assert_allclose(probability["B"], said["A"] + said["B"], rtol=1e-6)
        assert (after.to_pandas() == probability.idxmax(axis=1)).all()
        assert set(other.populations["Pred_ALL"].to_pandas()) <= {"B", "C", "B/C", "C/B"}
        assert list(other.predict().columns) == ["B", "C"]
        np.testing.assert_allclose(other.predict().to_numpy(), probability.to_numpy(), rtol=1e-5)
        if other is not trained:
            other.close()
    trained.categories.unmerge("A")
    for name, found in before.items():
        assert trained.populations[name].to_pandas().astype(str).equals(found.to_pandas().astype(str))


def test_an_audit_judges_models_of_before_a_merge_by_the_merged_category(trained: Session) -> None:
    truth = trained.items["truth"]
    for item in trained.draw_audit(60, seed=1):
        trained.label([item], truth[item], source="audit")
    apart = trained.evaluate().accuracy
    trained.categories.merge("A", "B")
    together = trained.evaluate()
    assert list(together.per_category.index) == ["B", "C"]
    assert together.accuracy >= apart
