"""The ruler itself: what it takes, prints, writes and compares."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks.harness import OURS, Figure, Job, resident, take

ROOT = Path(__file__).resolve().parents[1]


def rows(seconds: float, met: bool = True) -> list[dict[str, object]]:
    figures = [
        Figure("sum", OURS, seconds, 0.9 * seconds, 12.0, {"macro-F1": 0.9}, "≤ 1 s", met),
        Figure("sum", "numpy", 10 * seconds),
    ]
    return [{"job": "adding", "size": "small", **asdict(figure)} for figure in figures]


def test_a_call_is_timed_by_its_best_repeat_and_its_memory_by_the_first() -> None:
    pauses = iter([0.5, 0.5, 0.001])
    held = []

    def call() -> None:
        time.sleep(next(pauses))
        if not held:
            held.append(np.ones(40 << 20, np.uint8))

    taken = take(call)
    assert 0.001 <= taken.seconds < 0.5
    assert taken.cpu < 0.5
    if resident() is not None:
        assert taken.peak is not None
        assert 30 < taken.peak < 60


def test_the_table_puts_the_alternative_in_terms_of_ours() -> None:
    ours, other = command.lines(rows(0.002, met=False))
    assert "2 ms" in ours
    assert "goal ≤ 1 s: MISSED" in ours
    assert "macro-F1 0.9" in ours
    assert "20 ms" in other
    assert "10×" in other


def test_two_runs_are_compared_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    before.write_text(json.dumps({"figures": rows(0.001)}))
    extra = {**rows(0.001)[0], "size": "large"}
    after.write_text(json.dumps({"figures": [*rows(0.002), extra]}))
    assert command.main(["compare", str(before), str(after)]) == 0
    out = capsys.readouterr().out
    slow = next(line for line in out.splitlines() if OURS in line and "small" in line)
    assert "2.00" in slow
    assert slow.endswith("slower")
    assert "only now: adding large" in out


def test_every_job_is_listed_with_growing_sizes() -> None:
    jobs = command.found()
    assert jobs
    for job in jobs.values():
        assert isinstance(job, Job)
        assert job.about
        assert len(job.sizes) >= 3, f"{job.name} does not show how it grows"


def test_an_unknown_job_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["nothing"]) == 2
    assert "There is no job 'nothing'" in capsys.readouterr().out


@pytest.mark.alone
def test_a_job_runs_from_the_command_line_and_leaves_its_figures(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "queries", "--quick", "--json", target],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(target.read_text())["figures"]
    assert figures
    assert {row["job"] for row in figures} == {"queries"}
    assert any(row["name"] == OURS and row["seconds"] > 0 for row in figures)
