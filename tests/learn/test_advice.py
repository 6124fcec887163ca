"""When to go on labelling, and when not."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from celltune_nb.learn.advice import STOP_RULE, Findings, advise, below_bounds

ENOUGH = Findings(
    labels=1_000, new_labels=150, changed=0.004, compared=20_000, kappas=(0.9, 0.98, 0.99, 0.985), agreements=(0.93, 0.935),
    per_category={"A": 400, "B": 600}, accuracy=(0.94, 0.915, 0.96), judged_by="audit", gain=0.003,
)  # fmt: skip


def test_enough_is_said_with_its_figures() -> None:
    said = advise(ENOUGH)
    assert said.verdict == "enough"
    assert said.open == ()
    assert "The last 150 labels changed 0.4 % of 20,000 predictions." in said.sentence
    assert "Accuracy 94.0% (91.5–96.0) by the audit." in said.sentence
    assert said.figures["kappa"] == 0.985
    assert said.stop_rule == STOP_RULE


def test_enough_needs_every_condition() -> None:
    for change, word in (
        ({"per_category": {"A": 400, "B": 9}}, "fewer than 10 labels of B (9)"),
        ({"kappas": (0.98, 0.99)}, "settled for 2 of 3"),
        ({"kappas": (0.99, 0.99, 0.97)}, "still change"),
        ({"agreements": (0.90, 0.94)}, "90% → 94%"),
        ({"accuracy": (0.92, 0.88, 0.95)}, "lower bound is 88.0%"),
        ({"gain": 0.02}, "+2.0 points"),
        ({"kappas": (float("nan"), 0.99, 0.99)}, "settled for 2 of 3"),
    ):
        said = advise(replace(ENOUGH, **change))
        assert said.verdict == "nearly", change
        assert word in said.open[0]
        assert word in said.next_step


def test_labels_that_somebody_chose_never_say_enough() -> None:
    said = advise(replace(ENOUGH, judged_by="out-of-fold"))
    assert said.verdict == "nearly"
    assert "label an audit sample" in said.next_step
    assert "which somebody chose" in said.sentence


def test_a_first_training_has_nothing_to_compare() -> None:
    said = advise(Findings(labels=40))
    assert said.verdict == "go on"
    assert said.sentence.startswith("First training, on 40 labels")
    assert "kappa" not in said.next_step


def test_later_trainings_are_not_called_the_first() -> None:
    said = advise(Findings(labels=400, trainings=3))
    assert said.sentence.startswith("Training 3, on 400 labels")
    assert "cannot be compared" in said.sentence


def test_a_training_without_new_labels_is_said_to_be_one() -> None:
    said = advise(replace(ENOUGH, kappas=(0.99,), new_labels=0, changed=0.0, since=4, needed=50, idle=3))
    assert "without new labels, changed 0.0 %" in said.sentence
    assert said.open == (
        "predictions have been settled for 1 of 3 rounds (the last 3 trainings had 4 new labels; a round counts from 50 on)",
    )
    assert "the last training had no new labels" in advise(Findings(labels=40, trainings=2, idle=1)).next_step


def test_celltunes_hint_stands_with_the_figures_of_this_project() -> None:
    table = pd.DataFrame({"row": [0.95, 0.8], "column": [0.9, 0.86]}, index=["A", "B"])
    found = replace(ENOUGH, per_category={"A": 400, "B": 60}, agreement=0.91, by_category=table)
    assert advise(found).hint == (
        "1 of 2 types have 100 labels, fewest: B 60. The models agree on 91% of all cells. Below 85 %: B 80%."
    )


def test_categories_below_the_bounds_are_named_lowest_first() -> None:
    table = pd.DataFrame(
        {"row": [0.95, 0.8, 0.99, float("nan")], "column": [0.9, 0.86, 0.5, float("nan")]},
        index=["A", "B", "C", "D"],
    )
    assert (
        below_bounds(table)
        == "Below 85 %: C 50%, B 80%; 1 of them below 65 %, too low even for a fuzzy type."
    )
    assert "Every category" in below_bounds(table.iloc[:1])
    assert below_bounds(table.iloc[3:]) == ""
