"""Strategies compared offline: what is kept out, how it is scored, and that the session is left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import celltune_nb as ct
from celltune_nb.errors import InputError, LabelError
from celltune_nb.session import Session
from celltune_nb.session.annotator import Annotator
from celltune_nb.session.labelled import Cells
from celltune_nb.session.trials import cost, curve, supervised
from tests.session.conftest import label_some


def cells(n: int = 300, **changes: object) -> Cells:
    """Three kinds of cells in four features, on a strip of 1200 × 300 px."""
    rng = np.random.default_rng(0)
    kind = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    X = rng.normal(0, 1, (n, 4)).astype(np.float32)
    X[np.arange(n), kind] += 3
    columns = {
        "image": np.full(n, "one", object), "group": None, "y": rng.uniform(0, 300, n), "x": rng.uniform(0, 1200, n),
        **changes,
    }  # fmt: skip
    return Cells(X, ("a", "b", "c", "d"), np.array(["A", "B", "C"], object)[kind], **columns)  # type: ignore[arg-type]


class TestWhatIsKeptOut:
    def test_whole_groups(self) -> None:
        group = np.repeat(["d1", "d2", "d3", "d4", "d5", "d6"], 50).astype(object)
        made = cells(group=group)
        for seed in range(4):
            seen, out, unit = made.split(seed)
            assert unit == "groups"
            assert not set(group[seen]) & set(group[out])
            assert len(out) == 100
            assert len(seen) + len(out) == 300
        assert made.split(0)[1].tolist() == made.split(0)[1].tolist()
        assert any(made.split(s)[1].tolist() != made.split(0)[1].tolist() for s in range(1, 4))

    def test_else_images_else_blocks_else_cells(self) -> None:
        images = np.repeat(["i1", "i2", "i3"], 100).astype(object)
        assert cells(image=images).split(0)[2] == "images"
        made = cells()
        seen, out, unit = made.split(0)
        assert unit == "blocks"
        # blocks of 300 px: no block is on both sides
        assert not set((made.x[seen] - made.x.min()) // 300) & set((made.x[out] - made.x.min()) // 300)  # type: ignore[index]
        assert cells(y=None, x=None).split(0)[2] == "cells"


def test_a_curve_rises_and_counts_what_the_annotator_did() -> None:
    points = list(curve(cells(600), "default", (20, 40, 80), seed=1, rounds=20))
    assert [p.labels for p in points] == [p.looks for p in points] == [20, 40, 80]
    full = supervised(cells(600), seed=1, rounds=20)
    assert full.labels > 350
    assert points[-1].macro_f1 > 0.85 * full.macro_f1 > 0.5
    again = list(curve(cells(600), "default", (20, 40, 80), seed=1, rounds=20))
    assert again == points


def test_a_curve_ends_when_it_is_good_enough_or_nothing_is_left() -> None:
    good = list(curve(cells(), "random", (30, 60, 90), enough=lambda p: p.labels >= 60, rounds=5))
    assert [p.labels for p in good] == [30, 60]
    seen = len(cells().split(0)[0])
    assert [p.labels for p in curve(cells(), "random", (50, seen, seen + 50), rounds=5)] == [50, seen]


def test_a_strategy_of_ones_own_and_wrong_answers() -> None:
    def first_come(annotator: Annotator, n: int) -> None:
        free = np.flatnonzero(annotator.session.labels.codes() == 0)[:n]
        annotator.label(annotator.session.items.index[free])

    right = list(curve(cells(), first_come, (40, 120), rounds=20))
    wrong = list(curve(cells(), first_come, (40, 120), error_rate=0.6, rounds=20))
    assert [p.labels for p in right] == [40, 120]
    assert wrong[-1].macro_f1 < right[-1].macro_f1 - 0.2


def test_where_there_are_no_places_rectangles_are_refused() -> None:
    with pytest.raises(InputError, match="needs cells with a place"):
        list(curve(cells(y=None, x=None), "rectangle", (30,)))
    with pytest.raises(InputError, match="no strategy 'magic'"):
        list(curve(cells(), "magic", (30,)))


def test_the_cost_is_read_off_between_the_rounds() -> None:
    assert cost([100, 200, 400], [0.5, 0.7, 0.9], 0.8) == pytest.approx(300)
    assert cost([100, 200, 400], [0.5, 0.7, 0.9], 0.4) == 100
    assert cost([100, 200, 400], [0.5, 0.7, 0.9], 0.95) is None


def test_strategies_are_compared_without_touching_the_session(session: Session) -> None:
    before = session.labels.revision
    said: list[tuple[float, str]] = []
    table = ct.compare_strategies(
        session, session.items["truth"], ("default", "random"), sizes=(20, 40), seeds=2, rounds=15,
        progress=lambda part, text: said.append((part, text)),
    )  # fmt: skip
    assert list(table.columns) == ["strategy", "seed", "labels", "looks", "macro_f1", "accuracy"]
    assert table.groupby(["strategy", "seed"]).size().to_dict() == {
        (name, seed): 1 if name == "all labels" else 2
        for name in ("all labels", "default", "random")
        for seed in (0, 1)
    }
    assert table["macro_f1"].between(0, 1).all()
    assert said[-1] == (1.0, "done")
    assert [part for part, _ in said] == sorted(part for part, _ in said)
    assert session.labels.revision == before
    assert len(session.labels) == 0


def test_by_default_the_labels_given_so_far_are_the_truth(session: Session) -> None:
    label_some(session, each=25)
    table = ct.compare_strategies(session, strategies=("random",), sizes=(20, 30), seeds=1, rounds=5)
    assert table["labels"].max() < 75
    with pytest.raises(InputError, match="too few"):
        ct.compare_strategies(session, sizes=(60,))
    with pytest.raises(LabelError, match="one category only"):
        ct.compare_strategies(session, pd.Series("A", index=session.items.index), sizes=(20,))
