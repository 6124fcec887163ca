"""Training and prediction times beside the libraries' own defaults, in one run.

    python benchmarks/training.py                        # 200 and 2,000 labels, stock beside at 200: under a minute
    python benchmarks/training.py --sizes 200 2000 20000 --predict 1000000
    python benchmarks/training.py --stock-rounds 300     # stock CatBoost in full, minutes

150 features, 12 categories of 1–30 %, six groups, judged on 5,000 new cells.  Stock models run the
same number of learning rounds as they would by default (XGBoost 100) or as given (CatBoost), on the
same labels, without a held-out split or a refit, which ours include.  CPU seconds and ratios count:
wall-clock seconds grow with whatever else the machine does.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from celltune_nb.learn.machine import cpu_count, threads_for, warm_up
from celltune_nb.learn.metrics import scores
from celltune_nb.learn.training import TrainingData, fit_models

FEATURES, CATEGORIES, GROUPS = 150, 12, 6


def make(n, seed, difficulty):
    centres = np.random.default_rng(0)
    middle = centres.normal(0, 1 / difficulty, (CATEGORIES, FEATURES))
    middle *= centres.random((CATEGORIES, FEATURES)) < 0.15
    rng = np.random.default_rng(seed)
    share = np.geomspace(0.3, 0.01, CATEGORIES)
    y = rng.choice(CATEGORIES, n, p=share / share.sum())
    y[:CATEGORIES] = np.arange(CATEGORIES)
    X = (
        middle[y]
        + rng.normal(
            0,
            1,
            (n, FEATURES),
        )
    ).astype(np.float32)
    return X, y, rng.integers(0, GROUPS, n)


def stock_catboost(X, y, rounds):
    import catboost

    model = catboost.CatBoostClassifier(
        iterations=rounds, loss_function="MultiClass", allow_writing_files=False, logging_level="Silent",
        thread_count=threads_for(len(y)),
    )  # fmt: skip
    model.fit(X, y)
    return model.predict_proba


def stock_xgboost(X, y, rounds):
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=rounds, n_jobs=threads_for(len(y)))
    model.fit(X, y)
    return model.predict_proba


def line(name, n, seconds, busy, figures, ratio=""):
    print(
        f"{name:24} {n:>7,} {seconds:8.2f} s {busy:8.2f} s  macro-F1 {figures['macro_f1']:.3f}  log loss {figures['log_loss']:.3f}  {ratio}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--models", nargs="+", default=["xgboost", "catboost"])
    parser.add_argument(
        "--stock-rounds", type=int, default=50, help="rounds of stock CatBoost (its default: 1000)"
    )
    parser.add_argument("--stock-up-to", type=int, default=200, help="labels up to which stock CatBoost runs")
    parser.add_argument("--predict", type=int, default=100_000, help="cells to predict; 0: none")
    parser.add_argument("--difficulty", type=float, default=1.2)
    parser.add_argument("--n-jobs", type=int, default=None)
    options = parser.parse_args()

    warm_up(tuple(options.models))
    print(f"{cpu_count()} usable cores; {FEATURES} features, {CATEGORIES} categories")
    print(f"{'':24} {'labels':>7} {'wall':>8}   {'CPU':>8}")
    X_new, y_new, _ = make(5000, 99, options.difficulty)
    result = None
    for n in options.sizes:
        X, y, groups = make(n, 1, options.difficulty)
        names = tuple(f"c{i}" for i in range(CATEGORIES))
        data = TrainingData(X, y, groups, names, tuple(f"f{i}" for i in range(FEATURES)))
        fit_models(data, options.models, rounds=1)  # first use of a library is not what is measured
        own, busy = {}, {}
        for kind in options.models:
            at = time.process_time()
            result = fit_models(data, [kind], n_jobs=options.n_jobs)
            busy[kind] = time.process_time() - at
            own[kind] = result.seconds
            figures = scores(result.handles[0].predict_proba(X_new), y_new)
            line(f"{kind} ({result.rounds[kind]} rounds)", n, result.seconds, busy[kind], figures)
        print(f"{'together':24} {n:>7,} {sum(own.values()):8.2f} s {sum(busy.values()):8.2f} s")
        for kind, stock, rounds in (
            ("xgboost", stock_xgboost, 100),
            ("catboost", stock_catboost, options.stock_rounds),
        ):
            if kind not in own or (kind == "catboost" and n > options.stock_up_to):
                continue
            started, at = time.perf_counter(), time.process_time()
            predict = stock(X, y, rounds)
            seconds, used = time.perf_counter() - started, time.process_time() - at
            ratio = f"ours {used / busy[kind]:.1f} × less CPU"
            if kind == "catboost" and rounds < 1000:
                ratio += f"; {1000 / rounds * used / busy[kind]:.0f} × at its default of 1000 rounds"
            line(f"stock {kind} ({rounds})", n, seconds, used, scores(predict(X_new), y_new), ratio)
    if options.predict:
        result = fit_models(data, options.models, n_jobs=options.n_jobs)
        block = make(min(options.predict, 100_000), 5, options.difficulty)[0]
        X = np.concatenate([block] * -(-options.predict // len(block)))[: options.predict]
        total = 0.0
        for handle in result.handles:
            started = time.perf_counter()
            handle.predict_proba(X, n_jobs=options.n_jobs)
            seconds = time.perf_counter() - started
            total += seconds
            print(f"predict {handle.name:16} {len(X):>9,} {seconds:8.2f} s  ({handle.rounds} rounds)")
        started = time.perf_counter()
        for handle in result.handles:
            handle.predict_proba(X[:5000])
        print(
            f"{'both, all cells':24} {len(X):>9,} {total:8.2f} s; the first 5,000 in {1000 * (time.perf_counter() - started):.0f} ms"
        )


if __name__ == "__main__":
    main()
