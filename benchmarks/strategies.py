"""How many labels, and how many looks, each way of choosing cells needs.

python -m benchmarks.strategies --sets tissue codex --strategies default random --seeds 5 --out runs.jsonl
python -m benchmarks.strategies --table runs.jsonl            # what was measured so far, as a table
python -m benchmarks.strategies --table runs.jsonl --pack benchmarks/results/strategies.json

A simulated annotator works through the session's own verbs on two thirds of the groups (donors, images,
blocks of 300 px, else cells at random); the session's own models are scored on the rest after every
round.  A run that was interrupted goes on where it stopped: each (set, strategy, seed) is a line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from celltune_nb.learn.training import DEFAULT_WEIGHTS, WEIGHTS
from celltune_nb.session.strategies import PLACED, STRATEGIES
from celltune_nb.session.trials import Point, cost, curve, supervised

from .labelled_sets import SETS, AbsentError, load
from .variants import VARIANTS

FULL = "all labels"
LEVELS = (0.90, 0.95, 0.98)
ROUNDS = {  # cells to choose from, at least → labels after each round, and those the table shows
    4_000: ((100, 200, 300, 400, 500, 650, 800, 1000, 1400, 2000), (200, 500, 1000, 2000)),
    1_500: ((50, 100, 200, 300, 500, 700, 1000), (100, 200, 500, 1000)),
    0: ((25, 50, 75, 100, 150, 200), (25, 50, 100, 200)),
}
BEYOND = (3000, 4500, 6500, 9000, 13_000)
"""Further rounds of random cells, to see how many it takes where the others are long done."""


def rounds(cells: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return next(sizes for least, sizes in ROUNDS.items() if cells >= least)


def run(
    sets: Sequence[str],
    strategies: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    weights: str | None = None,
) -> None:
    """Append one line a (set, strategy, seed) that is not there yet; *weights* of the trainings: every round to the end."""
    out.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["set"], row["strategy"], row["seed"]) for row in read(out)} if out.exists() else set()
    for name in sets:
        try:
            cells = load(name)
        except AbsentError as absent:
            print(absent)
            continue
        for seed in seeds:
            full: float | None = None
            for strategy in (FULL, *strategies):
                if strategy in PLACED and cells.y is None:
                    continue
                if (name, strategy, seed) in done and strategy != FULL:
                    continue
                if (name, strategy, seed) in done:
                    full = next(
                        row["points"][0][2]
                        for row in read(out)
                        if (row["set"], row["strategy"], row["seed"]) == (name, FULL, seed)
                    )
                    continue
                began, busy = time.perf_counter(), time.process_time()
                seen, kept_out, unit = cells.split(seed)
                if strategy == FULL:
                    points = [supervised(cells, seed, n_jobs=1, weights=weights or DEFAULT_WEIGHTS)]
                    full = points[0].macro_f1
                else:
                    assert full is not None
                    points = list(trial(cells, strategy, seed, len(seen), full, weights))
                row = {
                    "set": name, "strategy": strategy, "seed": seed, "seen": len(seen), "kept_out": len(kept_out),
                    "unit": unit, "seconds": round(time.perf_counter() - began, 1),
                    "cpu": round(time.process_time() - busy, 1),
                    "points": [[p.labels, p.looks, round(p.macro_f1, 4), round(p.accuracy, 4)] for p in points],
                }  # fmt: skip
                with out.open("a") as stream:
                    stream.write(json.dumps(row) + "\n")
                last = row["points"][-1] if points else None
                print(f"{name} {strategy} seed {seed}: {last}, {row['cpu']} s of CPU", flush=True)


def trial(cells: Any, strategy: str, seed: int, seen: int, full: float, weights: str | None) -> Any:
    sizes, shown = rounds(seen)
    if strategy == "random" and seen >= 4_000:
        sizes = (*sizes, *(size for size in BEYOND if size < seen))
    enough = shown[-2]

    def reached(point: Point) -> bool:
        return point.labels >= enough and point.macro_f1 >= LEVELS[-1] * full

    enough_said = reached if weights is None else None
    work = VARIANTS.get(strategy, strategy)
    return curve(
        cells, work, sizes, seed=seed, enough=enough_said, n_jobs=1, weights=weights or DEFAULT_WEIGHTS
    )


def read(path: Path) -> list[dict[str, Any]]:
    """Rows of a file of JSON lines, or of a packed one."""
    text = path.read_text()
    return (
        json.loads(text)["runs"]
        if text.startswith('{"about"')
        else [json.loads(line) for line in text.splitlines()]
    )


# ---------------------------------------------------------------------------------- the table


class Curves:
    """The seeds of one strategy on one set."""

    def __init__(self, rows: list[dict[str, Any]], full: dict[int, float]) -> None:
        self.points = {
            row["seed"]: np.array(row["points"], float)
            for row in rows
            if row["points"] and row["seed"] in full
        }
        self.full = full

    @property
    def one_look(self) -> bool:
        """Whether every cell that was looked at got a label."""
        return all((p[:, 0] == p[:, 1]).all() for p in self.points.values())

    def f1(self, at: float, of: int = 0) -> dict[int, float]:
        """Macro-F1 of each seed at some number of labels (0) or looks (1), interpolated.

        A curve that ended keeps its last value: it was good enough, or had nothing left to label.
        """
        return {seed: float(np.interp(at, p[:, of], p[:, 2])) for seed, p in self.points.items()}

    def cost(self, level: float, of: int = 0) -> float | None:
        """Labels or looks at which the mean over the seeds of (macro-F1 / full) reaches a level."""
        grid = np.unique(np.concatenate([p[:, of] for p in self.points.values()]))
        grid = grid[grid >= max(p[0, of] for p in self.points.values())]
        mean = np.mean(
            [np.interp(grid, p[:, of], p[:, 2] / self.full[seed]) for seed, p in self.points.items()], axis=0
        )
        return cost(grid, mean, level)

    def score(self, sizes: Sequence[int]) -> dict[int, float]:
        """Mean macro-F1 over the rounds, for each seed: the height of the whole curve."""
        found: dict[int, list[float]] = {seed: [] for seed in self.points}
        for size in sizes:
            for seed, value in self.f1(size).items():
                found[seed].append(value)
        return {seed: float(np.mean(values)) for seed, values in found.items()}


def table(rows: list[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    summary, every, heights, whole = [], {}, {}, {}
    for name in [n for n in SETS if any(row["set"] == n for row in rows)]:
        own = [row for row in rows if row["set"] == name]
        full = {row["seed"]: row["points"][0][2] for row in own if row["strategy"] == FULL}
        curves = {
            s: Curves([row for row in own if row["strategy"] == s], full)
            for s in dict.fromkeys(row["strategy"] for row in own)
            if s != FULL
        }
        curves = {s: c for s, c in curves.items() if c.points}
        if not curves:
            continue
        every[name] = curves
        whole[name] = float(np.mean(list(full.values())))
        least = min(row["seen"] for row in own)
        sizes, shown = (tuple(n for n in counts if n <= least) for counts in rounds(least))
        scores = {s: c.score(sizes) for s, c in curves.items()}
        about = (
            f"{own[0]['seen']:,} cells to choose from, {own[0]['kept_out']:,} kept out by {own[0]['unit']}, {len(full)} seeds; "
            f"all labels: {spread(list(full.values()))}."
        )
        heights[name] = {s: float(np.mean(list(scores[s].values()))) for s in curves}
        order = sorted(curves, key=lambda s: -np.mean(list(scores[s].values())))
        lines += [
            "",
            f"### {name}",
            "",
            about,
            "",
            "| strategy | "
            + " | ".join(f"{n}" for n in shown)
            + " | mean | labels to 90 / 95 / 98 % | looks |",
            "|---" * (len(shown) + 4) + "|",
        ]
        for s in order:
            c = curves[s]
            at = " | ".join(spread(list(c.f1(n).values())) for n in shown)
            labels, looks = (" / ".join(count(c.cost(level, of)) for level in LEVELS) for of in (0, 1))
            mark = "**" if s == order[0] else ""
            lines.append(
                f"| {mark}{s}{mark} | {at} | {np.mean(list(scores[s].values())):.3f} | {labels} | "
                f"{'the same' if labels == looks else looks} |"
            )
        if "default" in curves:
            summary.append(verdict(name, curves, scores, order))
    head = [
        "| set | default | best other with one look a label | difference | | labels to 95 %: default / random | |",
        "|---|---|---|---|---|---|---|",
    ]
    return [*head, *summary, *goals(every), *overall(heights, whole), *lines]


def overall(heights: dict[str, dict[str, float]], whole: dict[str, float]) -> list[str]:
    """Mean over the sets of a strategy's height, in % of what all labels give; for strategies that ran on all the sets."""
    common = set.intersection(*(set(own) for own in heights.values())) if heights else set()
    placed = [name for name in heights if PLACED & heights[name].keys()]
    groups = [(f"mean of {len(heights)} sets", list(heights), common)]
    if placed and len(placed) < len(heights):
        names = set.intersection(*(set(heights[name]) for name in placed))
        groups.append((f"of the {len(placed)} sets with places", placed, names))
    columns = [
        {s: 100 * float(np.mean([heights[name][s] / whole[name] for name in names])) for s in strategies}
        for _, names, strategies in groups
    ]
    order = sorted(columns[-1], key=lambda s: -columns[-1][s])
    lines = [
        "",
        "| strategy | " + " | ".join(title for title, _, _ in groups) + " |",
        "|---" * (len(groups) + 1) + "|",
    ]
    for s in order:
        cells = [f"{column[s]:.1f} %" if s in column else "" for column in columns]
        lines.append(f"| {s} | " + " | ".join(cells) + " |")
    return lines


def goals(every: dict[str, dict[str, Curves]]) -> list[str]:
    """What was to be reached, and whether it was, for the sets that are there."""

    def labels(name: str, strategy: str, level: float) -> float | None:
        curves = every.get(name, {}).get(strategy)
        return curves.cost(level) if curves else None

    asked: list[tuple[str, float | None, str, float]] = []
    if "chula" in every:
        asked.append(("chula: labels to 90 %", labels("chula", "default", 0.90), "≤", 1000))
    if "tissue" in every:
        for level, most, times in ((0.95, 900, 6), (0.98, 1400, 9)):
            own, random = (labels("tissue", s, level) for s in ("default", "random"))
            asked += [
                (f"tissue: labels to {level:.0%}", own, "≤", most),
                (
                    f"tissue: times fewer than random to {level:.0%}",
                    random / own if own and random else None,
                    "≥",
                    times,
                ),
            ]
        own, random = (labels("tissue", s, 0.95) for s in ("proposed", "random"))
        asked.append(
            (
                "tissue: proposed rectangles, times fewer than random to 95%",
                random / own if own and random else None,
                "≥",
                5,
            )
        )
    lines = ["", "| goal | | reached | |", "|---|---|---|---|"] if asked else []
    for what, value, sign, bound in asked:
        met = value is not None and (value <= bound if sign == "≤" else value >= bound)
        shown = "–" if value is None else f"{value:,.0f}" if value >= 50 else f"{value:.1f}"
        lines.append(f"| {what} | {sign} {bound:,} | {shown} | {'met' if met else 'MISSED'} |")
    return lines


def verdict(
    name: str, curves: dict[str, Curves], scores: dict[str, dict[int, float]], order: list[str]
) -> str:
    """Whether the default is the best, or how far from it, in standard errors of the paired seeds."""
    own = scores["default"]
    # one look a label: what inspects ten cells to label one is cheaper in labels only, and stands in the set's own table
    others = [s for s in order if s != "default" and curves[s].one_look]
    best = others[0] if others else "default"
    seeds = sorted(own.keys() & scores[best].keys())
    gap = np.array([own[seed] - scores[best][seed] for seed in seeds])
    error = gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else float("nan")
    says = "best" if gap.mean() >= 0 else "within noise" if -gap.mean() < error else "BEHIND"
    few, many = (curves[s].cost(0.95) if s in curves else None for s in ("default", "random"))
    times = f"{many / few:.1f}×" if few and many else ""
    return (
        f"| {name} | {np.mean(list(own.values())):.3f} | {best} {np.mean(list(scores[best].values())):.3f} | "
        f"{gap.mean():+.3f} ± {error:.3f} | {says} | {count(few)} / {count(many)} | {times} |"
    )


def spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"


def count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def pack(rows: list[dict[str, Any]], path: Path) -> None:
    """The rows as one compact file, a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    about = "macro-F1 on cells kept out; points are [labels, looks, macro-F1, accuracy]; python -m benchmarks.strategies --table"
    path.write_text(f'{{"about": {json.dumps(about)}, "runs": [\n{lines}\n]}}\n')


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "benchmarks.strategies", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET", help=", ".join(SETS)
    )
    parser.add_argument(
        "--strategies",
        nargs="+",
        choices=[*STRATEGIES, *VARIANTS],
        metavar="STRATEGY",
        help=", ".join([*STRATEGIES, *VARIANTS]),
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--weights",
        choices=WEIGHTS,
        help="of categories in every training; each trial then goes on to its last round",
    )
    parser.add_argument("--out", type=Path, help="lines are appended to it")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print what a file holds")
    parser.add_argument(
        "--pack", type=Path, metavar="FILE", help="with --table: write it there in compact form"
    )
    options = parser.parse_args(arguments)
    if options.table:
        rows = [
            row
            for row in read(options.table)
            if row["set"] in options.sets
            and row["strategy"] in (FULL, *(options.strategies or [*STRATEGIES, *VARIANTS]))
        ]
        print(*table(rows), sep="\n")
        if options.pack:
            pack(rows, options.pack)
        return 0
    if options.out is None:
        parser.error("name a file with --out, or with --table")
    run(
        options.sets,
        options.strategies or list(STRATEGIES),
        range(options.seeds),
        options.out,
        options.weights,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
