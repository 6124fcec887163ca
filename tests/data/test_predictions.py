"""The four prediction sets and the round diff."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from celltune_nb.data.categories import CategorySet
from celltune_nb.data.predictions import named_as_now, predicted, round_diff
from celltune_nb.errors import NotReadyError

CATEGORIES = CategorySet().add("A").add("B").add("C")
IDS = np.array([1, 2, 3, 4], np.int64)


def _sets(first: list[list[float]], second: list[list[float]]) -> dict[str, object]:
    arrays = [np.array(p, np.float32) for p in (first, second)]
    return {s.name: s for s in predicted(arrays, list(CATEGORIES)[1:], IDS, "main", CATEGORIES[0])}


FIRST = [[0.9, 0.1, 0], [0.6, 0.4, 0], [0, 0, 1], [np.nan] * 3]
SECOND = [[0.8, 0.2, 0], [0.1, 0.9, 0], [0, 0, 1], [np.nan] * 3]


def test_average_is_the_argmax_of_the_mean_and_all_names_the_disagreement() -> None:
    sets = _sets(FIRST, SECOND)
    assert list(sets) == ["Pred_MDL1", "Pred_MDL2", "Pred_AVG", "Pred_ALL"]
    assert sets["Pred_AVG"].to_pandas().tolist() == ["A", "B", "C", "Unknown"]
    assert sets["Pred_ALL"].to_pandas().tolist() == ["A", "A/B", "C", "Unknown"]
    assert sets["Pred_ALL"].counts()["A/B"] == 1
    assert sets["Pred_AVG"].probabilities().loc[2].tolist() == pytest.approx([0.35, 0.65, 0.0])
    with pytest.raises(NotReadyError, match="no probabilities"):
        sets["Pred_ALL"].probabilities()


def test_round_diff_names_what_became_what() -> None:
    before = _sets(FIRST, FIRST)["Pred_AVG"]
    after = _sets(SECOND, SECOND)["Pred_AVG"]
    changed = round_diff(before, after)
    assert changed.to_pandas().tolist() == ["unchanged", "A → B", "unchanged", "unchanged"]
    assert changed.categories[1].color == CATEGORIES["B"].color


def test_items_that_a_training_had_no_answer_for_did_not_change() -> None:
    before, after = (_sets(p, p)["Pred_AVG"] for p in (FIRST, SECOND))
    early = replace(before, ids=before.ids[[0, 2]], codes=before.codes[[0, 2]], given=None)
    assert round_diff(early, after).to_pandas().tolist() == ["unchanged"] * 4
    none = replace(before, ids=before.ids[:0], codes=before.codes[:0], given=None)
    assert round_diff(none, after).to_pandas().tolist() == ["unchanged"] * 4
    silent = replace(after, codes=np.zeros_like(after.codes), given=None)
    assert round_diff(before, silent).to_pandas().tolist() == ["unchanged"] * 4


def test_a_pair_is_called_by_what_its_categories_are_called_now() -> None:
    found = _sets(FIRST, SECOND)["Pred_ALL"]
    now = CATEGORIES.rename("A", "x/y").recolor("B", "#010203").remove("C")
    current = named_as_now(found, now.by_code)
    assert current.to_pandas().tolist() == ["x/y", "x/y/B", "C (deleted)", "Unknown"]
    assert named_as_now(current, now.by_code).categories == current.categories
    assert named_as_now(current, CATEGORIES.by_code).to_pandas().tolist() == found.to_pandas().tolist()
    changed = named_as_now(round_diff(*(_sets(p, p)["Pred_AVG"] for p in (FIRST, SECOND))), now.by_code)
    assert changed.to_pandas().tolist() == ["unchanged", "x/y → B", "unchanged", "unchanged"]
    assert changed.categories[1].color == "#010203"
    gone = CATEGORIES.remove("A").by_code
    assert named_as_now(changed, gone).to_pandas()[2] == "x/y → B"  # what it was called last
