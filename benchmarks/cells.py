"""The cells workflow from end to end: a lymph node from image and mask to export, and a million cells.

``lymph-node`` is the public CODEX core of :mod:`benchmarks.labelled_sets`: its 30 channels and its mask come in from
their files, the annotator labels what the page would offer, and the models are scored on the cells nobody labelled.
``million`` has synthetic tissue in 20 images, for what a person waits for.  Alternatives of single steps stand in the
jobs ``features``, ``training``, ``prediction``, ``pixels`` and ``labels``; here the sum is the point.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from celltune_nb.learn.machine import warm_up

from .harness import OURS, Figure, Job, resident, take
from .labelled_sets import DATA

if TYPE_CHECKING:
    import celltune_nb as ct

ROUNDS = (0.3, 0.3, 0.4)  # of the labels: before the first training, and in each of two more rounds
REVIEWED = 60
FIELDS, TAUGHT = 20, 2_000


def lymph_node(size: str) -> Iterator[Figure]:
    """From image and mask to export, with so many labels."""
    import pandas as pd

    import celltune_nb as ct

    source = DATA / "codex_lymphnode"
    if not source.is_dir():
        print(f"The lymph node is left out: there is no {source}.")
        return
    warm_up(("xgboost", "catboost"))
    cells = pd.read_csv(source / "cells.csv")
    named = dict(zip(cells["label"], cells["cell_type"], strict=True))
    with tempfile.TemporaryDirectory() as place, ct.Session.create(Path(place) / "project") as session:

        def bring_in() -> None:
            session.add_image("core", source / "image.ome.tif", source / "mask.tif", pixel_size=0.5)

        yield step("image and mask come in", bring_in)
        yield step("measured", session.measure, lambda: counts(session))
        truth = session.items["cellID"].map(named)
        for name in truth.unique():
            session.categories.add(name)
        annotator = ct.Annotator(session, truth)

        def teach() -> None:
            for part in ROUNDS:
                annotator.label(session.sample(round(part * int(size)), seed=0))
                annotator.train()

        yield step(f"{size} labels, {len(ROUNDS)} trainings", teach, score(session, truth))

        def review() -> None:
            queue = session.review(n=REVIEWED, seed=0)
            for item in queue.ids.tolist():
                queue.answer(truth[item])

        yield step(f"{REVIEWED} cells reviewed", review)
        yield step("trained again", lambda: session.train(wait=True), score(session, truth))
        yield step("evaluated", session.evaluate)
        session.gate(gate_feature(session), 1.0, name="gated")
        exports = Path(place) / "out"
        exports.mkdir()

        def export() -> None:
            for name in ("cells.csv", "cells.h5ad", "cells.tif"):
                session.export(exports / name)

        yield step("exported: table, AnnData, label image", export)


def million(size: str) -> Iterator[Figure]:
    """What a person waits for with many cells in 20 images."""
    import celltune_nb as ct

    warm_up(("xgboost", "catboost"))
    cells = int(size.replace(",", ""))
    with tempfile.TemporaryDirectory() as place:
        project = Path(place) / "project"
        ct.datasets.load("tissue", project, cells=cells, fields=FIELDS).close()
        opened: list[ct.Session] = []
        yield step("project opened", lambda: opened.append(ct.Session.open(project)))
        with opened[0] as session:
            yield from waiting(session)


def waiting(session: ct.Session) -> Iterator[Figure]:
    """Gate, train, predict, repaint, review: each as the page does it."""
    from .round import picture

    session.set_view(image=next(iter(session.images)))
    draw = picture(session)
    draw()
    yield step("repainted", draw, repeats=5)
    feature = gate_feature(session)
    middle = float(np.nanmedian(session.features.to_pandas()[feature]))
    yield step("gated by a range", lambda: session.gate(feature, middle, name="high"), repeats=3)
    yield step("gated by an expression", lambda: session.gate_from("high & !Unknown", name="both"), repeats=3)
    truth = session.items["truth"]
    rng = np.random.default_rng(0)
    taught = truth.iloc[np.sort(rng.choice(len(truth), TAUGHT, replace=False))]
    for name, members in taught.groupby(taught, observed=True):
        session.label(members.index, str(name))
    yield step(
        f"trained on {TAUGHT:,} labels, all predicted",
        lambda: session.train(wait=True),
        score(session, truth),
    )
    yield step("repainted in its new colours", draw)
    yield step("256 cells chosen to review", lambda: session.review(seed=0), repeats=3)
    queue = session.review(seed=0)
    yield step("answered, journaled", lambda: queue.answer(truth[queue.current.id]))
    yield step("tiles of a cell", lambda: session.tiles(queue.current.id), repeats=5)
    yield Figure("memory held at the end", OURS, 0.0, None, resident())


def step(
    task: str, call: Callable[[], Any], more: dict[str, float] | Callable[[], dict[str, float]] | None = None,
    repeats: int = 1,
) -> Figure:  # fmt: skip
    """Take a step's time and memory; what is to be told with it may only be known afterwards."""
    taken = take(call, repeats)
    return Figure(
        task, OURS, taken.seconds, taken.cpu, taken.peak, (more() if callable(more) else more) or {}
    )


def counts(session: ct.Session) -> dict[str, float]:
    return {"cells": len(session.items), "features": len(session.features.names)}


def score(session: ct.Session, truth: Any) -> Callable[[], dict[str, float]]:
    """Macro-F1 and accuracy on the cells without a label, over categories with at least five of them."""

    def now() -> dict[str, float]:
        said = session.populations["Pred_AVG"].to_pandas()
        others = said.index.difference(session.labels.to_pandas().index)
        found, right = said[others].astype(str).to_numpy(), truth[others].astype(str).to_numpy()
        names = [name for name, n in zip(*np.unique(right, return_counts=True), strict=True) if n >= 5]
        f1 = [
            2 * np.count_nonzero((found == name) & (right == name))
            / (np.count_nonzero(found == name) + np.count_nonzero(right == name))
            for name in names
        ]  # fmt: skip
        return {"macro-F1": float(np.mean(f1)), "accuracy": float(np.mean(found == right))}

    return now


def gate_feature(session: ct.Session) -> str:
    """A mean intensity."""
    return next(name for name in session.features.names if "__Mean__" in name)


JOBS = [
    Job("lymph-node", "a CODEX lymph node from image and mask to export, through the session's verbs", ("100", "200", "400"), lymph_node),
    Job("million", "opening, gating, training, predicting, reviewing in 20 images", ("20,000", "100,000", "1,000,000"), million),
]  # fmt: skip
