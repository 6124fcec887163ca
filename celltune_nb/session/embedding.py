"""A map of the cells in two dimensions, kept as a feature source of its own that no model learns from."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.features import FeatureSource
from ..errors import Cancelled, InputError
from . import features_file
from .checks import one_of, whole_number
from .clusters import chosen_features, intensities
from .committing import committing

if TYPE_CHECKING:
    from .job import Job
    from .session import Session

__all__ = ["EMBEDDING", "start"]

EMBEDDING = "embedding"
#: Cells placed between two looks at whether to stop.
PART = 5_000
METHODS = {"pca": "PCA", "umap": "UMAP"}
#: Cells that the map is learned from; the others are placed on it.
SAMPLE = {"pca": 50_000, "umap": 10_000}
#: Axes that features are brought to before the map is taken of them.
AXES = 20
#: Part of the work until the sampled cells have their places.
LEARNED = {"pca": 0.3, "umap": 0.8}


def start(session: Session, method: str, features: Any, seed: int) -> Job:
    """See :meth:`celltune_nb.Session.embed`."""
    method = one_of(method, tuple(METHODS), "The method")
    seed = whole_number(seed, "The seed")
    source = session.active_features()
    chosen = chosen_features(source, features)
    with session.writing():
        pass
    return session.jobs.submit(
        lambda job: _embed(session, job, method, source, chosen, seed), "embedding cells"
    )


def _embed(
    session: Session, job: Job, method: str, source: FeatureSource, chosen: list[str], seed: int
) -> FeatureSource:
    from ..learn.clustering import Scaling
    from ..learn.mapping import Beside, plane, umap_places

    rows, n = intensities(source, chosen), len(source)
    rng = np.random.default_rng(seed)
    most, share = SAMPLE[method], LEARNED[method]
    sample = np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))
    X = rows(sample)
    there = np.isfinite(X).any(axis=1)
    sample, X = sample[there], X[there]
    if len(X) < 10:
        raise InputError(
            f"{len(X)} cells have features: too few for a map. Measure first: in Data, or with session.measure()."
        )
    scaling = Scaling.of(X, AXES)
    Z = scaling(X)
    words = f"laying out {len(Z):,} cells"

    def told(done: float, left: float | None) -> None:
        if job.wish is not None:  # half a map is none
            raise Cancelled
        # The first map of a sitting compiles for some seconds before it can tell.
        job.report(share * done, words if left is not None else f"{words}: getting ready", left)

    told(0.0, None)
    places = np.full((n, 2), np.nan, np.float32)
    if method == "umap":
        learned = umap_places(Z, seed, told)
        place: Callable[[NDArray[np.float32]], NDArray[np.float32]] = Beside(Z, learned)
    else:
        place = plane(Z)
    began = time.monotonic()
    for begin in range(0, n, PART):
        part = slice(begin, min(begin + PART, n))
        X = rows(part)
        known = np.isfinite(X).any(axis=1)
        if known.any():
            places[begin + np.flatnonzero(known)] = place(scaling(X[known]))
        if job.wish is not None:
            raise Cancelled
        left = (time.monotonic() - began) / part.stop * (n - part.stop)
        job.report(share + (0.97 - share) * part.stop / n, f"{part.stop:,} of {n:,} cells placed", left)
    if method == "umap":
        places[sample] = learned
    names = [f"{METHODS[method]}{i}" for i in (1, 2)]
    made = FeatureSource(
        EMBEDDING, names, ["", ""], source.ids.copy(), places, {"Default": names}, names,
        {"origin": "embedding", "method": method, "seed": seed, "features": chosen, "source": source.name,
         "sample": len(sample)},
    )  # fmt: skip
    job.report(0.97, "saving")
    ready = session.project.prepare_features(made)
    try:
        with committing(session) as project:
            saved = project.use_features(ready)
            # A map is for looking: what models learn from stays what it was.
            project.settings.setdefault("features", source.name)
            project.save()
            session.features_by_name[EMBEDDING] = saved
    finally:
        features_file.drop(session.project, ready)
    session.changed_items("features")
    return saved
