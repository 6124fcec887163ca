"""The boosters' parameters one at a time around the defaults: macro-F1 and CPU time together.

    python -m benchmarks.tuning                                   # about 20 CPU minutes, one thread
    python -m benchmarks.tuning --models catboost --labels 200 --seeds 2
    python -m benchmarks.tuning --stock 6 --json benchmarks/results/tuning.json

Random labels of a harder synthetic table, the synthetic tissue and real sets (:mod:`benchmarks.labelled_sets`;
one that is not there is left out and said).  A model is fitted as the product
fits it, the rounds chosen on held-out groups and a refit on all labels, and judged on groups that it has not
seen.  Every figure is a difference to the default on the same labels, so that easy and hard
sets count alike; its standard error is over sets, seeds and numbers of labels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from celltune_nb.learn import training
from celltune_nb.learn.machine import warm_up
from celltune_nb.learn.metrics import scores
from celltune_nb.learn.models import ModelSpec
from celltune_nb.session.labelled import Cells

from .__main__ import machine
from .labelled_sets import AbsentError, load
from .training import labelled as first_labels
from .training import macro_f1, stock_catboost
from .training import make as hard

SETS = ("tissue", "codex", "codex_hard", "CD4", "vectra", "chula", "spleen", "scimap")
AT_LEAST = 30  # cells of a category; rarer ones cannot be scored
SQUARES = 5  # a field is cut into so many by so many groups
POOL = 0.55  # of the groups, from which labels are drawn; the rest judge

# What the options of `fit_models` are; anything else is a parameter of the library.
OPTIONS = {"patience", "holdout_fraction", "rounds", "choose", "weights"}

VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "xgboost": {
        "former default": {"colsample_bynode": 0.3, "patience": 15},
        "library default": {"max_depth": 6, "max_bin": 256, "colsample_bynode": 1.0, "subsample": 1.0},
        "depth 3": {"max_depth": 3},
        "depth 6": {"max_depth": 6},
        "rate 0.1": {"learning_rate": 0.1},
        "rate 0.2": {"learning_rate": 0.2},
        "bins 32": {"max_bin": 32},
        "bins 256": {"max_bin": 256},
        "features 0.2": {"colsample_bynode": 0.2},
        "features 0.3": {"colsample_bynode": 0.3},
        "features 1": {"colsample_bynode": 1.0},
        "cells 0.6": {"subsample": 0.6},
        "cells 1": {"subsample": 1.0},
        "child weight 0.3": {"min_child_weight": 0.3},
        "child weight 3": {"min_child_weight": 3.0},
    },
    "catboost": {
        "former default": {
            "depth": 4, "learning_rate": 0.3, "l2_leaf_reg": 3.0, "random_strength": 1.0, "bootstrap_type": "Bayesian",
            "patience": 15,
        },
        "depth 2": {"depth": 2},
        "depth 4": {"depth": 4},
        "depth 5": {"depth": 5},
        "depth 6": {"depth": 6},
        "rate 0.1": {"learning_rate": 0.1},
        "rate 0.2": {"learning_rate": 0.2},
        "rate 0.5": {"learning_rate": 0.5},
        "borders 64": {"border_count": 64},
        "borders 128": {"border_count": 128},
        "leaf steps 3": {"leaf_estimation_iterations": 3},
        "features 0.1": {"rsm": 0.1},
        "features 0.4": {"rsm": 0.4},
        "features 1": {"rsm": 1.0},
        "l2 1": {"l2_leaf_reg": 1.0},
        "l2 5": {"l2_leaf_reg": 5.0},
        "random strength 1": {"random_strength": 1.0},
        "Bayesian bootstrap": {"bootstrap_type": "Bayesian"},
    },
}  # fmt: skip

SETTINGS: dict[str, dict[str, Any]] = {
    "patience 10": {"patience": 10},
    "patience 15": {"patience": 15},
    "patience 40": {"patience": 40},
    "a sixth held out": {"holdout_fraction": 0.17},
    "a third held out": {"holdout_fraction": 0.33},
    "labels count alike": {"weights": "none"},
    "categories count alike": {"weights": "balanced"},
}


@dataclass(frozen=True)
class Labelled:
    """Items with features, true categories and the groups that are held out whole."""

    name: str
    X: NDArray[np.float32]
    y: NDArray[np.int64]
    groups: NDArray[Any]


def labelled() -> Iterator[Labelled]:
    """The sets that are at hand, without the categories too rare to score."""
    X, y, groups = hard(12_000, 1)
    yield Labelled("hard", X, y, groups)
    for name in SETS:
        try:
            cells = load(name)
        except AbsentError as error:
            print(error)
            continue
        names, codes, counts = np.unique(cells.truth.astype(str), return_inverse=True, return_counts=True)
        kept = (counts >= AT_LEAST)[codes]
        _, codes = np.unique(names[codes[kept]], return_inverse=True)
        X = np.where(np.isfinite(cells.X[kept]), cells.X[kept], np.float32(np.nan))
        yield Labelled(name, X, codes.astype(np.int64), _groups(cells)[kept])


def _groups(cells: Cells) -> NDArray[Any]:
    """Donors or images; squares where all cells come from one field."""
    for given in (cells.group, cells.image):
        if given is not None and len(np.unique(given.astype(str))) > 1:
            return given.astype(str)
    assert cells.y is not None
    assert cells.x is not None
    row, column = (
        np.floor(SQUARES * (p - p.min()) / (np.ptp(p) + 1e-6)).astype(np.int64) for p in (cells.y, cells.x)
    )
    return row * SQUARES + column


def drawn(data: Labelled, n: int, seed: int) -> tuple[training.TrainingData, NDArray[np.int64]]:
    """Random labels from a part of the groups, and the positions of the cells of the other groups."""
    rng = np.random.default_rng([seed, n])
    names = rng.permutation(np.unique(data.groups))
    size = np.cumsum([(data.groups == name).sum() for name in names])
    pool = names[: max(1, int(np.searchsorted(size, POOL * size[-1])))]
    inside = np.isin(data.groups, pool)
    chosen = np.sort(rng.choice(np.flatnonzero(inside), min(n, int(inside.sum())), replace=False))
    k = int(data.y.max()) + 1
    labels = training.TrainingData(
        data.X[chosen], data.y[chosen], data.groups[chosen], tuple(f"c{i}" for i in range(k)),
        tuple(f"f{i}" for i in range(data.X.shape[1])),
    )  # fmt: skip
    others = np.flatnonzero(~inside)
    return labels, others if len(others) <= 5000 else rng.choice(others, 5000, replace=False)


def fitted(kind: str, given: dict[str, Any], labels: training.TrainingData, seed: int) -> tuple[Any, float]:
    """A model with a variant's parameters, and the CPU seconds it took."""
    options = {key: value for key, value in given.items() if key in OPTIONS}
    params = {key: value for key, value in given.items() if key not in OPTIONS}
    at = time.process_time()
    result = training.fit_models(labels, [ModelSpec(kind, params)], seed=seed, n_jobs=1, **options)
    return result.handles[0], time.process_time() - at


def compared(
    kind: str, variants: dict[str, dict[str, Any]], sets: list[Labelled], sizes: list[int], seeds: int
) -> list[dict[str, Any]]:
    """One row a variant: macro-F1 and time against the default on the same labels."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ("default", *variants)}
    where: list[tuple[str, int]] = []
    for data in sets:
        for n in sizes:
            for seed in range(seeds):
                labels, others = drawn(data, n, seed)
                where.append((data.name, n))
                for name, given in (("default", {}), *variants.items()):
                    handle, seconds = fitted(kind, given, labels, seed)
                    figures = scores(handle.predict_proba(data.X[others], n_jobs=1), data.y[others])
                    found[name].append((figures["macro_f1"], figures["log_loss"], seconds))
        print(f"  {kind}: {data.name} done", flush=True)
    base = np.array(found["default"])
    rows = []
    for name, values in found.items():
        table = np.array(values)
        gain = 100 * (table[:, 0] - base[:, 0])
        ratio = table[:, 2] / base[:, 2]
        row: dict[str, Any] = {
            "model": kind, "variant": name, "macro_f1": float(table[:, 0].mean()),
            "gain": float(gain.mean()), "error": float(gain.std(ddof=1) / len(gain) ** 0.5),
            "log_loss": float((table[:, 1] - base[:, 1]).mean()),
            "cpu": float(table[:, 2].mean()), "ratio": float(np.exp(np.log(ratio).mean())),
        }  # fmt: skip
        for n in sizes:
            of = np.array([m == n for _, m in where])
            row[f"gain_{n}"], row[f"ratio_{n}"] = (
                float(gain[of].mean()),
                float(np.exp(np.log(ratio[of]).mean())),
            )
        row["sets"] = {
            data.name: round(float(gain[[s == data.name for s, _ in where]].mean()), 2) for data in sets
        }
        rows.append(row)
    return rows


def lines(rows: list[dict[str, Any]], sizes: list[int]) -> list[str]:
    """The table; gains in points of macro-F1."""
    out = [f"{'model':<9} {'variant':<20} {'macro-F1':>8} {'gain':>6} {'±':>5} {'log loss':>9} {'CPU s':>7} {'× time':>7}" + "".join(f" {f'gain {n}':>10} {'×':>5}" for n in sizes)]  # fmt: skip
    for row in rows:
        by_size = "".join(f" {row[f'gain_{n}']:>+10.2f} {row[f'ratio_{n}']:>5.2f}" for n in sizes)
        out.append(
            f"{row['model']:<9} {row['variant']:<20} {row['macro_f1']:>8.4f} {row['gain']:>+6.2f} {row['error']:>5.2f} "
            f"{row['log_loss']:>+9.4f} {row['cpu']:>7.3f} {row['ratio']:>7.2f}{by_size}"
        )
    return out


def against_stock(seeds: int, n: int = 200) -> dict[str, Any]:
    """Macro-F1 and CPU time of our CatBoost and of CatBoost's defaults (1,000 rounds) on the same labels."""
    X_new, y_new, _ = hard(5_000, 99)
    table = []
    for seed in range(1, seeds + 1):
        data = first_labels(n, seed)
        handle, ours = fitted("catboost", {}, data, seed)
        at = time.process_time()
        stock = stock_catboost(data, 1)
        theirs = time.process_time() - at
        table.append(
            (
                macro_f1(handle.predict_proba(X_new), y_new),
                macro_f1(stock.predict_proba(X_new), y_new),
                ours,
                theirs,
            )
        )
        print(
            f"  {n} labels, drawing {seed}: ours {table[-1][0]:.3f} in {ours:.2f} s, defaults {table[-1][1]:.3f} in {theirs:.0f} s"
        )
    f1, stock_f1, seconds, stock_seconds = np.array(table).T
    gain = 100 * (f1 - stock_f1)
    found = {
        "labels": n, "drawings": seeds, "macro_f1": float(f1.mean()), "stock_macro_f1": float(stock_f1.mean()),
        "gain": float(gain.mean()), "error": float(gain.std(ddof=1) / seeds**0.5),
        "cpu": float(seconds.mean()), "stock_cpu": float(stock_seconds.mean()),
        "ratio": float(stock_seconds.sum() / seconds.sum()),
    }  # fmt: skip
    print(
        f"CatBoost on {n} labels against its defaults: {found['gain']:+.1f} ± {found['error']:.1f} points of macro-F1, "
        f"{found['ratio']:.0f} × less CPU time"
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["xgboost", "catboost"], choices=list(VARIANTS))
    parser.add_argument("--labels", nargs="+", type=int, default=[200, 1000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="variants whose name contains this")
    parser.add_argument(
        "--try", dest="more", metavar="JSON", help='{"name": {"rsm": 0.3}}: variants of your own'
    )
    parser.add_argument(
        "--stock",
        type=int,
        default=0,
        metavar="N",
        help="compare with CatBoost's defaults on N drawings of 200 labels, 2 CPU minutes each",
    )
    parser.add_argument("--json", metavar="FILE", help="write the table there")
    options = parser.parse_args()
    warm_up(tuple(options.models))
    sets = list(labelled())
    for data in sets:
        print(
            f"{data.name:<20} {len(data.y):>7,} cells {data.X.shape[1]:>4} features {data.y.max() + 1:>3} categories {len(np.unique(data.groups)):>4} groups"
        )
    rows: list[dict[str, Any]] = []
    for kind in options.models:
        variants = json.loads(options.more) if options.more else {**VARIANTS[kind], **SETTINGS}
        variants = {
            name: given for name, given in variants.items() if not options.only or options.only in name
        }
        rows += compared(kind, variants, sets, options.labels, options.seeds)
    print(*lines(rows, options.labels), sep="\n")
    found = against_stock(options.stock) if options.stock else None
    if options.json:
        compact = [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
        body = ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in compact)
        stock = "" if found is None else f',\n "against CatBoost\'s defaults": {json.dumps(found)}'
        about = {"machine": machine(), "labels": options.labels, "seeds": options.seeds}
        Path(options.json).write_text(
            f'{{"about": {json.dumps(about)},\n "variants": [\n  {body}\n ]{stock}}}\n'
        )


if __name__ == "__main__":
    main()
