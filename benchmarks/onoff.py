"""ON/OFF markers: what each way of choosing cells brings, and whether the counts can be believed.

    python -m benchmarks onoff                   # writes benchmarks/results/onoff.json; time: see below
    python -m benchmarks onoff --sets "brain PV" --strategies rectangle proposed default --seeds 5 --out runs.json
    python -m benchmarks onoff --table benchmarks/results/onoff.json

A simulated annotator works through the session's own verbs on two thirds of the animals (of a single image: blocks),
as in :mod:`benchmarks.strategies`.  After every round the models are scored on the third kept out: F1 of ON, and cells
called ON over cells that are.  After 200, 400 and 1,000 labels an audit of 200 more cells is drawn on a copy of the
project, and the number of ON cells it gives, with its interval, is compared with the truth of those slices.

A trial takes 2 to 9 seconds of CPU; nine sets, seven strategies and three seeds about 12 minutes of one core, and two to
four times as long by the clock where others work on it too.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from celltune_nb.session import Session
from celltune_nb.session.annotator import Annotator
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.labelled import Cells
from celltune_nb.session.strategies import STRATEGIES, sampled
from celltune_nb.session.trials import Judge, curve, supervised

from .labelled_sets import ON_OFF, AbsentError
from .strategies import Curves

RESULTS = Path(__file__).parent / "results" / "onoff.json"
SIZES = (50, 100, 150, 200, 300, 400, 600, 800, 1000)
AT = (200, 400, 1000)  # labels of the table
AUDIT = 200
FEW = 500  # cells to choose from
FULL = "all labels"
GOAL = 3.0  # times fewer labels by proposed rectangles than by random ones
LEVELS = (0.90, 0.95)  # of the F1 that all labels give


def half(annotator: Annotator, n: int) -> None:
    """As many ON as OFF cells at random: nobody can do that, for who knows them need not label them."""
    free = np.flatnonzero(annotator.session.labels.codes(annotator.level) == 0)
    answers = annotator._answers[free]
    parts = [annotator.rng.permutation(free[answers == name]) for name in annotator.categories]
    chosen = np.concatenate([part[: n // 2] for part in parts])
    if len(chosen) < n:  # one of them has run out
        chosen = np.union1d(chosen, np.concatenate([part[n // 2 :] for part in parts])[: n - len(chosen)])
    annotator.label(annotator.session.table.ids[chosen])


WAYS: dict[str, str | Callable[[Annotator, int], None]] = {
    "random": "random",
    "rectangle": "rectangle",
    "proposed": "proposed",
    "half ON, half OFF": half,
    "quota_margin": sampled("quota_margin"),
    "default": "default",
    "error_mining": "error_mining",
}
assert all(way in STRATEGIES for way in WAYS.values() if isinstance(way, str))


def positive(cells: Cells) -> str:
    """The category that is counted: ON, else the rarer one."""
    names, counts = np.unique(cells.truth.astype(str), return_counts=True)
    return "ON" if "ON" in names else str(names[counts.argmin()])


def figures(truth: np.ndarray, called: np.ndarray) -> tuple[float, float]:
    """F1 of ON, and cells called ON for each that is."""
    both = np.count_nonzero(truth & called)
    return 2 * both / max(truth.sum() + called.sum(), 1), float(called.sum() / max(truth.sum(), 1))


def trial(cells: Cells, way: str, seed: int, weights: str | None = None, **training: Any) -> dict[str, Any]:
    """One annotator at work; F1 and counts after each round, and by the audit after some.

    *training*: further options of :func:`~celltune_nb.session.trials.curve`, such as ``models=("xgboost",)``.
    """
    on = positive(cells)
    seen, kept_out, unit = cells.split(seed)
    judge = Judge(cells, seen, kept_out)
    truth = cells.truth[kept_out].astype(str) == on
    options: dict[str, Any] = {"n_jobs": 1} | ({} if weights is None else {"weights": weights}) | training
    points: list[list[float]] = []
    audits: list[list[float]] = []

    def look(annotator: Annotator) -> None:
        called = judge.answers(annotator.session.models) == on
        points.append([annotator.labels, annotator.looks, *figures(truth, called)])
        # a round of error mining ends near the number of labels, not at it
        wanted = [at for at in AT if at * 0.9 <= annotator.labels < at * 1.2]
        if wanted and wanted[0] not in [row[0] for row in audits]:
            audits.append([wanted[0], *audited(annotator, on, seed)])

    # few cells: the same rounds, a fifth as large
    sizes = [
        size for size in (SIZES if len(seen) >= FEW else [n // 5 for n in SIZES]) if size <= 0.75 * len(seen)
    ]
    began = time.process_time()
    for _ in curve(cells, WAYS[way], sizes, seed=seed, each=look, **options):
        pass
    return {
        "way": way, "seed": seed, "unit": unit, "cpu": round(time.process_time() - began, 1),
        "points": [[int(a), int(b), round(f1, 4), round(ratio, 4)] for a, b, f1, ratio in points],
        "audits": [[int(row[0]), *(round(v, 4) for v in row[1:])] for row in audits],
    }  # fmt: skip


def audited(annotator: Annotator, on: str, seed: int) -> tuple[float, float, float, float]:
    """ON cells of the slices worked on, each over the true number: as called, and by an audit with its limits."""
    here = annotator.session
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(here.project.folder, Path(folder) / "project")
        with Session.open(copy, jobs=Jobs(inline=True)) as session:
            session.take_over()
            answers = annotator._answers
            ids = session.draw_audit(AUDIT, seed=seed + 77)
            for name in annotator.categories:
                chosen = ids[answers[session.positions(ids)] == name]
                if len(chosen):
                    session.label(chosen, name, source="audit")
            row = session.evaluate().prevalence.loc[on]
    share = np.count_nonzero(answers == on) / len(answers)
    return tuple(float(row[name] / share) for name in ("raw", "corrected", "low", "high"))  # type: ignore[return-value]


def everything(cells: Cells, seed: int, weights: str | None) -> dict[str, Any]:
    """The same models taught with all labels of the animals that a trial may see."""
    seen, kept_out, unit = cells.split(seed)
    handles: list[Any] = []
    options = {} if weights is None else {"weights": weights}
    supervised(cells, seed, keep=handles, n_jobs=1, **options)
    on = positive(cells)
    called = Judge(cells, seen, kept_out).answers(handles) == on
    found = figures(cells.truth[kept_out].astype(str) == on, called)
    return {
        "way": FULL,
        "seed": seed,
        "unit": unit,
        "points": [[len(seen), len(seen), *(round(v, 4) for v in found)]],
        "audits": [],
    }


# ---------------------------------------------------------------------------------- the table


def reached(rows: Sequence[dict[str, Any]], at: float) -> tuple[float, float]:
    """Mean F1 and mean ratio of the seeds at some number of labels, between rounds by a straight line."""
    found = [
        [np.interp(at, points[:, 0], points[:, column]) for column in (2, 3)]
        for row in rows
        if len(points := np.array(row["points"], float).reshape(-1, 4)) and points[-1, 0] >= 0.9 * at
    ]
    return tuple(np.mean(found, axis=0)) if found else (float("nan"), float("nan"))


def needed(rows: Sequence[dict[str, Any]], target: float) -> float | None:
    """Labels at which the mean F1 of the seeds first reaches a target, and stays within .01 of it."""
    top = min((row["points"][-1][0] for row in rows if row["points"]), default=0)
    first = max((row["points"][0][0] for row in rows if row["points"]), default=0)
    grid = np.arange(first, top + 1, 5)
    mean = np.array([reached(rows, at)[0] for at in grid])
    good = (
        np.flatnonzero((mean >= target) & (np.minimum.accumulate(mean[::-1])[::-1] >= target - 0.01))
        if len(mean)
        else []
    )
    return float(grid[good[0]]) if len(good) else None


def table(runs: list[dict[str, Any]]) -> list[str]:
    """The results as Markdown."""
    lines, claims, reach = [], [], []
    for name in dict.fromkeys(run["set"] for run in runs):
        mine = [run for run in runs if run["set"] == name]
        by_way = {
            way: [run for run in mine if run["way"] == way] for way in dict.fromkeys(r["way"] for r in mine)
        }
        full = by_way.pop(FULL, [])
        best = float(np.mean([row["points"][0][2] for row in full])) if full else float("nan")
        share, seeds = mine[0]["share"], _seeds(by_way)
        ends = [
            run["points"][-1][0] for run in mine if run["points"] and run["way"] not in (FULL, "error_mining")
        ]
        sizes = [at for at in AT if at <= min(ends)] or [min(ends) // 2, min(ends)]
        heads = (
            [f"F1 at {n}" for n in sizes]
            + [f"called/true {n}" for n in sizes]
            + [f"by audit {n}" for n in sizes]
        )
        lines += [
            "",
            f"### {name}",
            "",
            f"{share:.1%} ON; {mine[0]['unit']} kept out, {seeds}; F1 of ON with all labels {best:.3f}.",
            "",
        ]
        lines += [f"| strategy | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
        for way, rows in by_way.items():
            at = [reached(rows, n) for n in sizes]
            audits = [[row for run in rows for row in run["audits"] if row[0] == n] for n in sizes]
            cells = (
                [_number(f1) for f1, _ in at]
                + [_number(ratio, 2) for _, ratio in at]
                + [_audit(found) for found in audits]
            )
            lines.append(f"| {way} | {' | '.join(cells)} |")
        if {"rectangle", "proposed"} <= by_way.keys():
            claims.append(claim(name, by_way))
            reach += levels(name, by_way, {row["seed"]: row["points"][0][2] for row in full})
    head = [
        "| set | random rectangles: F1 at | | proposed reach it with | times fewer | |",
        "|---|---|---|---|---|---|",
    ]
    if reach:
        claims += [
            "",
            "| set | of what all labels give | random rectangles | proposed | times fewer | | default | times fewer |",
            "|---|---|---|---|---|---|---|---|",
            *reach,
        ]
    return [*head, *claims, *overall(runs), *lines]


def claim(name: str, by_way: dict[str, list[dict[str, Any]]]) -> str:
    """How many labels of proposed rectangles give what the random ones give at the end."""
    last = min(row["points"][-1][0] for row in by_way["rectangle"])
    target = reached(by_way["rectangle"], last)[0]
    few = needed(by_way["proposed"], target)
    times = None if few is None else last / few
    says = "MISSED" if times is None or times < GOAL else "met"
    return f"| {name} | {last:,} labels | {target:.3f} | {'–' if few is None else f'{few:,.0f}'} | {'–' if times is None else f'{times:.1f}×'} | {says} |"


def levels(name: str, by_way: dict[str, list[dict[str, Any]]], full: dict[int, float]) -> list[str]:
    """Labels until the mean of the seeds, each in parts of what all labels give it, reaches some levels.

    ``≤`` stands before what the first models reach, ``>`` where the last ones do not.  Of a multiple that has only a
    lower bound, the bound must reach the goal.  Where the first models of random rectangles do, there is nothing to save.
    """
    lines = []
    for level in LEVELS if full else ():
        need = {
            way: _need(rows, full, level)
            for way, rows in by_way.items()
            if way in ("rectangle", "proposed", "default")
        }
        many, own = need["rectangle"], need["proposed"]
        least, says = _times(many, own)
        met = least is not None and least >= GOAL
        verdict = "nothing to save" if many[0] == "≤ " else "met" if met else "MISSED"
        default = need.get("default")
        others = ["–", "–"] if default is None else [_labels(default), _times(many, default)[1]]
        cells = [name, f"{level:.0%}", _labels(many), _labels(own), says, verdict, *others]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _need(rows: list[dict[str, Any]], full: dict[int, float], level: float) -> tuple[str, float]:
    """Labels to a level, after a sign: ``≤`` for the first round that all seeds have, ``>`` for the last."""
    curves = Curves(rows, full)
    found = curves.cost(level) if curves.points else None
    if found is None:
        return "> ", min((points[-1, 0] for points in curves.points.values()), default=0)
    return "≤ " if found <= max(p[0, 0] for p in curves.points.values()) else "", found


def _times(many: tuple[str, float], few: tuple[str, float]) -> tuple[float | None, str]:
    """How many times fewer labels, at least, and as text."""
    if few[0] == "> " or many[0] == "≤ ":
        return None, "–"
    times = many[1] / few[1]
    return times, f"{many[0] or ('≥ ' if few[0] else '')}{times:.1f}×"


def _labels(need: tuple[str, float]) -> str:
    return f"{need[0]}{need[1]:,.0f}"


def overall(runs: list[dict[str, Any]]) -> list[str]:
    """How often the interval held the true number, and how far off the raw and the corrected numbers were."""
    found = [row for run in runs for row in run["audits"]]
    if not found:
        return []
    raw, corrected, low, high = np.array(found)[:, 1:5].T
    held = (low <= 1) & (high >= 1)
    off = [float(np.mean(np.abs(v - 1))) for v in (raw, corrected)]
    said = (
        f"{len(found)} audits of {AUDIT} cells: the 95 % interval held the true number in {held.mean():.1%}; the number of cells "
        f"called ON was off by {off[0]:.0%} on average, the corrected one by {off[1]:.0%}."
    )
    return ["", said]


def _seeds(by_way: dict[str, list[dict[str, Any]]]) -> str:
    """How many seeds there are; where some strategies have more, of which."""
    counts = {way: len(rows) for way, rows in by_way.items()}
    usual = min(counts.values())
    more = [f"{way} {n}" for way, n in counts.items() if n > usual]
    return f"{usual} seeds" + (f" ({', '.join(more)})" if more else "")


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "–"


def _audit(found: list[list[float]]) -> str:
    """Mean corrected ratio, mean limits, and in how many the limits held the truth."""
    if not found:
        return "–"
    _, _, corrected, low, high = np.array(found).T[:5]
    held = int(np.count_nonzero((low <= 1) & (high >= 1)))
    return f"{corrected.mean():.2f} ({low.mean():.2f}–{high.mean():.2f}), {held} of {len(found)}"


# ---------------------------------------------------------------------------------- running


def run(
    sets: Sequence[str], ways: Sequence[str], seeds: int, out: Path, weights: str | None
) -> list[dict[str, Any]]:
    """Every set, strategy and seed; written after each set."""
    runs: list[dict[str, Any]] = []
    for name in sets:
        try:
            cells = ON_OFF[name]()
        except (AbsentError, FileNotFoundError) as absent:
            print(f"{name} is left out: {absent}")
            continue
        share = float(np.mean(cells.truth.astype(str) == positive(cells)))
        for seed in range(seeds):
            for way in (FULL, *ways):
                row = everything(cells, seed, weights) if way == FULL else trial(cells, way, seed, weights)
                runs.append({"set": name, "share": round(share, 4), **row})
                print(name, way, seed, row["points"][-1:], f"{row.get('cpu', 0)} s of CPU", flush=True)
        pack(runs, out)
    return runs


def pack(runs: list[dict[str, Any]], path: Path) -> None:
    """The runs as one compact file, a line each."""
    about = (
        "points: labels, looks, F1 of ON, called ON / true, on animals kept out; audits: labels, then ON cells by the calls, corrected, "
        "low, high, each / true, on the animals worked on; python -m benchmarks onoff --table"
    )
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"about": {json.dumps(about)}, "runs": [\n{lines}\n]}}\n')


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "benchmarks onoff", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sets", nargs="+", choices=ON_OFF, default=list(ON_OFF), metavar="SET", help=", ".join(ON_OFF)
    )
    parser.add_argument(
        "--strategies", nargs="+", choices=WAYS, default=list(WAYS), metavar="STRATEGY", help=", ".join(WAYS)
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights", help="of categories in every training")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", type=Path, metavar="FILE", help="print what a file holds")
    options = parser.parse_args(arguments)
    if options.table:
        runs = json.loads(options.table.read_text())["runs"]
    else:
        runs = run(options.sets, options.strategies, options.seeds, options.out, options.weights)
    print(*table(runs), sep="\n")
    return 0
