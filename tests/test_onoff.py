"""The comparison of strategies for ON/OFF markers: its trial, its table, its claims."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import onoff
from celltune_nb.session.labelled import Cells


def marker(n: int = 600, share: float = 0.1) -> Cells:
    """Cells of three animals, ON where the first feature is high."""
    rng = np.random.default_rng(0)
    on = rng.random(n) < share
    X = rng.normal(0, 1, (n, 4)).astype(np.float32)
    X[:, 0] += 4 * on
    animal = np.repeat(["a", "b", "c"], n // 3).astype(object)
    y, x = rng.random((2, n)) * 500
    return Cells(
        X, ("bright", "n1", "n2", "n3"), np.where(on, "ON", "OFF").astype(object), animal, animal, y, x
    )


def rows(way: str, f1: list[float], audits: list[list[float]] | None = None) -> list[dict[str, object]]:
    return [
        {"set": "m", "share": 0.01, "way": way, "seed": seed, "unit": "groups", "audits": audits or [],
         "points": [[n, n, v, 1.1] for n, v in zip((50, 200, 400, 1000), f1, strict=True)]}
        for seed in (0, 1)
    ]  # fmt: skip


def test_a_trial_scores_on_and_counts_and_audits_what_was_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onoff, "SIZES", (50, 200))
    monkeypatch.setattr(onoff, "FEW", 100)
    # one model: to load the second takes longer than all the rest of this trial
    found = onoff.trial(marker(), "half ON, half OFF", 0, models=("xgboost",))
    assert found["unit"] == "groups"
    assert [point[0] for point in found["points"]] == [50, 200]
    assert found["points"][-1][2] > 0.85
    ((labels, raw, corrected, low, high),) = found["audits"]
    assert labels == 200
    assert 0.8 < raw < 1.3
    assert low <= corrected <= high
    assert low <= 1 <= high


def test_half_and_half_takes_all_of_what_runs_out(tmp_path: Path) -> None:
    from celltune_nb.session.annotator import Annotator

    cells = marker(share=0.02)
    session, truth = cells.project(tmp_path / "p", np.arange(len(cells)))
    with session:
        annotator = Annotator(session, truth)
        onoff.half(annotator, 60)
        assert annotator.labels == 60
        counts = session.labels.counts()
    assert counts["ON"] == np.count_nonzero(cells.truth == "ON") < 30


def test_the_table_says_how_many_times_fewer_labels_and_what_was_missed() -> None:
    audits = [[200, 2.0, 1.1, 0.8, 1.4], [400, 1.5, 1.3, 1.1, 1.6]]
    fast = [*rows("rectangle", [0.2, 0.5, 0.6, 0.8], audits), *rows("proposed", [0.2, 0.8, 0.9, 0.95])]
    lines = onoff.table([*rows("all labels", [1, 1, 1, 1]), *fast])
    assert "| m | 1,000 labels | 0.800 | 200 | 5.0× | met |" in lines
    assert any("interval held the true number in 50.0%" in line for line in lines)
    slow = [*rows("rectangle", [0.2, 0.5, 0.6, 0.8]), *rows("proposed", [0.2, 0.5, 0.6, 0.7])]
    assert any(line.startswith("| m |") and line.endswith("| – | – | MISSED |") for line in onoff.table(slow))
    shown = next(line for line in lines if line.startswith("| rectangle"))
    assert "0.500 | 0.600 | 0.800" in shown
    assert "1.10 (0.80–1.40), 2 of 2" in shown


def reach(*runs: list[dict[str, object]]) -> list[str]:
    return [
        line
        for line in onoff.table([row for part in runs for row in part])
        if "0% |" in line or "5% |" in line
    ]


def test_the_table_says_how_many_labels_reach_90_and_95_percent_of_what_all_labels_give() -> None:
    full = rows("all labels", [0.8, 0.8, 0.8, 0.8])
    # 90 % of .8 is .72, 95 % is .76: half way from 200 to 400 labels, and never
    slow = rows("rectangle", [0.2, 0.70, 0.74, 0.75])
    fast = rows("proposed", [0.69, 0.75, 0.77, 0.8])
    usual = rows("default", [0.78, 0.8, 0.8, 0.8])
    assert reach(full, slow, fast, usual) == [
        "| m | 90% | 300 | 125 | 2.4× | MISSED | ≤ 50 | ≥ 6.0× |",
        "| m | 95% | > 1,000 | 300 | > 3.3× | met | ≤ 50 | > 20.0× |",
    ]
    # random cells of the first round do already; what proposed ones do not reach has no multiple
    assert reach(
        full, rows("rectangle", [0.75, 0.8, 0.8, 0.8]), rows("proposed", [0.2, 0.7, 0.75, 0.75])
    ) == [
        "| m | 90% | ≤ 50 | 280 | – | nothing to save | – | – |",
        "| m | 95% | 80 | > 1,000 | – | MISSED | – | – |",
    ]
    assert reach(slow, fast) == []  # nothing to hold them against


def test_each_seed_is_held_against_what_all_labels_give_it() -> None:
    full, slow, fast = (
        rows("all labels", [0.8] * 4),
        rows("rectangle", [0.4, 0.4, 0.4, 0.8]),
        rows("proposed", [0.4] + [0.8] * 3),
    )
    for part in (full, slow, fast):  # the second seed: .4 by whatever labels
        part[1]["points"] = [[n, n, 0.4, 1.0] for n in (50, 200, 400, 1000)]
    # (.4 / .8 + .4 / .4) / 2 = .75 at 400 labels, 1 at 1,000
    assert reach(full, slow, fast)[0] == "| m | 90% | 760 | 140 | 5.4× | met | – | – |"


def test_a_set_that_is_not_there_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import labelled_sets

    monkeypatch.setattr(labelled_sets, "DATA", tmp_path)
    assert (
        command.main(["onoff", "--sets", "mitosis", "--seeds", "1", "--out", str(tmp_path / "r.json")]) == 0
    )
    assert "mitosis is left out" in capsys.readouterr().out


def test_what_is_shipped_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["onoff", "--table", str(onoff.RESULTS)]) == 0
    said = capsys.readouterr().out
    runs = json.loads(onoff.RESULTS.read_text())["runs"]
    for name in {run["set"] for run in runs}:
        assert f"### {name}" in said
