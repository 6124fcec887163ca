"""Thresholds, regions, combinations and applied models are done again by the script, and give the same counts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from celltune_nb.session import Session
from tests.session.conftest import label_some
from tests.session.test_script import replayed, same_labels


def _taught(session: Session) -> None:
    """Two markers trained, the first one audited."""
    label_some(session, 10)
    truth = session.items["truth"]
    session.levels.add("PV")
    for name, some in (("ON", truth == "B"), ("OFF", truth != "B")):
        session.categories.add(name, level="PV")
        session.label(truth.index[some][:12], name, level="PV")
    session.train(models=("xgboost",), wait=True, rounds=5)
    session.train(level="PV", models=("xgboost",), wait=True, rounds=5)
    for name, ids in session.items.loc[session.draw_audit(60, seed=4)].groupby("truth").groups.items():
        session.label(ids, name, source="audit")


def test_what_was_decided_and_counted_is_done_again(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _taught(session)
    first, second = list(session.images)[:2]
    atlas = np.zeros((200, 200), np.uint8)
    atlas[:90], atlas[90:] = 2, 5
    tifffile.imwrite(tmp_path / "atlas.tif", atlas)
    session.add_regions(first, {"CA1": (0, 0, 120, 90)})
    session.add_regions(first, [[(100, 80), (190, 80), (190, 190.5)]], names=["DG"])
    session.add_regions(second, tmp_path / "atlas.tif", names={2: "CA1", 5: "DG"})
    session.add_regions(second, (0, 0, 50, 50), name="damage")
    session.remove_regions(second, name="damage")
    session.set_threshold(count=70)
    session.set_threshold(precision=0.9)
    session.set_threshold(0.7, level="PV")
    session.combine("main+ PV-")
    session.combine("main+ | PV+", name="either")
    session.train(models=("xgboost",), wait=True, rounds=4, seed=5)
    session.predict_all(wait=True)
    session.set_threshold(None, level="PV")
    session.set_target(0.7, level="PV")
    text = session.script()
    assert "left out" not in text
    assert "does not know" not in text
    # Otherwise the next line would come upon a program that is still at work.
    assert re.search(r"session\.predict_all\(.*wait=True\)", text)
    with replayed(text, tmp_path, monkeypatch) as other:
        same_labels(session, other)
        pd.testing.assert_frame_equal(other.items, session.items)
        pd.testing.assert_frame_equal(other.areas(), session.areas())
        assert sorted(other.populations) == sorted(session.populations)
        for name in ("Pred_THR", "main+ PV-", "either", "PV/Pred_AVG"):
            np.testing.assert_array_equal(other.populations[name].codes, session.populations[name].codes)
        assert [other.stop_light(level=level).figures["target"] for level in ("main", "PV")] == [0.85, 0.7]
        for level in ("main", "PV"):
            ours, again = session.threshold(level), other.threshold(level)
            assert (again.value, again.rule, again.target) == (ours.value, ours.rule, ours.target)
        for by, what in (("image×region", None), ("group", "main+ PV-")):
            pd.testing.assert_frame_equal(other.counts(by, what=what), session.counts(by, what=what))
        assert other.areas()["area_px"].tolist() == session.areas()["area_px"].tolist()


def test_a_label_image_from_memory_comes_again(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas = np.zeros((200, 200), np.uint8)
    atlas[:90] = 1
    session.add_regions(next(iter(session.images)), atlas, names=["CA1"])
    text = session.script()
    assert "left out" not in text
    with replayed(text, tmp_path, monkeypatch) as other:
        pd.testing.assert_frame_equal(other.items, session.items)
        pd.testing.assert_frame_equal(other.areas(), session.areas())
