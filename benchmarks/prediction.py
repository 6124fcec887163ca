"""Every cell predicted by both models, beside the calls that the libraries' documentation shows.

Models of a training on 2,000 labels (150 features, 12 categories).  The alternatives get the same models: XGBoost
by its scikit-learn class and by a DMatrix, CatBoost by ``predict_proba`` on rows as they lie in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from celltune_nb.learn.machine import threads_for, warm_up
from celltune_nb.learn.training import fit_models

from .harness import OURS, Figure, Job, take
from .training import CATEGORIES, MODELS, labelled, make

SEEN = 5_000  # cells on the screen
GOAL, GOAL_SEEN = 4.0, 0.05  # seconds for a million cells, and for those on the screen


def run(size: str) -> Iterator[Figure]:
    import catboost
    import xgboost

    n = int(size.replace(",", ""))
    warm_up(MODELS, sampling=False)
    handles = fit_models(labelled(2_000), MODELS).handles
    one, two = (handle.fitted for handle in handles)
    threads = threads_for()
    block = make(min(n, 100_000), 5)[0]
    X = np.concatenate([block] * (n // len(block)))
    repeats = 5 if n <= 100_000 else 2
    out = np.empty((n, CATEGORIES), np.float32)

    def every(rows: np.ndarray) -> None:
        for handle in handles:
            handle.predict_proba(rows, out=out[: len(rows)])

    taken = take(lambda: every(X), repeats)
    goal = {"goal": f"≤ {GOAL:g} s", "met": taken.seconds <= GOAL} if n == 1_000_000 else {}
    yield Figure("both, all cells", OURS, taken.seconds, taken.cpu, taken.peak, **goal)

    stored = bytearray(one.booster.save_raw("ubj"))
    classifier, booster = xgboost.XGBClassifier(n_jobs=threads), xgboost.Booster()
    for reader in (classifier, booster):
        reader.load_model(stored)
    classifier.get_booster().set_param({"nthread": threads})
    booster.set_param({"nthread": threads})
    cat = catboost.CatBoostClassifier().load_model(blob=bytes(two.model._serialize_model()))

    def matrix() -> None:
        booster.predict(xgboost.DMatrix(X, nthread=threads))

    wrapped = take(lambda: classifier.predict_proba(X), repeats)
    by_matrix = take(matrix, repeats)
    plain = take(lambda: cat.predict_proba(X, thread_count=threads), repeats)
    yield Figure(
        "both, all cells", "predict_proba of both", wrapped.seconds + plain.seconds, wrapped.cpu + plain.cpu,
        max(wrapped.peak or 0, plain.peak or 0),
    )  # fmt: skip
    for handle, others in (
        (handles[0], (("XGBClassifier.predict_proba", wrapped), ("Booster.predict(DMatrix)", by_matrix))),
        (handles[1], (("CatBoost.predict_proba", plain),)),
    ):
        alone = take(lambda handle=handle: handle.predict_proba(X, out=out), repeats)
        task = f"{handle.name}, {handle.rounds} rounds"
        yield Figure(task, OURS, alone.seconds, alone.cpu, alone.peak)
        for name, other in others:
            yield Figure(task, name, other.seconds, other.cpu, other.peak)

    seen = np.ascontiguousarray(X[:SEEN])
    first = take(lambda: every(seen), 20)
    yield Figure(
        f"both, {SEEN:,} cells on the screen", OURS, first.seconds, first.cpu, first.peak,
        goal=f"≤ {1000 * GOAL_SEEN:g} ms", met=first.seconds <= GOAL_SEEN,
    )  # fmt: skip
    seen_wrapped = take(lambda: (classifier.predict_proba(seen), cat.predict_proba(seen)), 20)
    yield Figure(
        f"both, {SEEN:,} cells on the screen", "predict_proba of both", seen_wrapped.seconds, seen_wrapped.cpu,
        seen_wrapped.peak,
    )  # fmt: skip


JOBS = [
    Job(
        "prediction",
        "both models' probabilities for every cell against the libraries' documented calls",
        ("10,000", "100,000", "1,000,000"),
        run,
    )
]
