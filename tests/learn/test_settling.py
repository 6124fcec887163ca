"""Which trainings are rounds: those with new labels enough to tell."""

from __future__ import annotations

import pytest

from celltune_nb.learn.settling import Round, enough_labels, settling


def test_pressing_train_again_is_no_round() -> None:
    found = settling([Round(200), *[Round(200, 0, 1.0, 0.9)] * 3])
    assert found.kappas == ()
    assert (found.since, found.needed, found.idle) == (0, 10, 3)


def test_a_round_is_ten_labels_or_a_twentieth_and_at_most_a_hundred() -> None:
    assert [enough_labels(n) for n in (20, 200, 1_000, 2_000, 50_000)] == [10, 10, 50, 100, 100]
    many = settling([Round(1_000), Round(1_049, 49, 0.99)])
    assert many.kappas == ()
    assert (many.since, many.needed) == (49, 50)
    assert settling([Round(1_000), Round(1_050, 50, 0.99)]).kappas == (0.99,)


def test_small_steps_add_up_and_so_does_what_they_changed() -> None:
    found = settling(
        [
            Round(100, agreement=0.8),
            Round(106, 6, 0.98, 0.81),
            Round(106, 0, 0.5, 0.7),
            Round(112, 6, 0.97, 0.82),
        ]
    )
    assert found.kappas == pytest.approx([0.95])
    assert found.agreements == (0.8, 0.82)
    assert (found.since, found.idle) == (0, 0)


def test_what_cannot_be_compared_begins_anew() -> None:
    found = settling(
        [Round(100), Round(150, 50, 0.99, 0.9), Round(200, 50, None, 0.8), Round(205, 5, 1.0, 0.8)]
    )
    assert found.kappas == ()
    assert found.agreements == (0.8,)
    assert (found.since, found.idle, found.needed) == (5, 1, 10)
    assert settling([]).kappas == ()
