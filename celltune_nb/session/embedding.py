"""A map of the cells in two dimensions, kept as a feature source of its own that no model learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.features import FeatureSource
from ..errors import InputError
from . import features_file
from .checks import one_of, whole_number
from .clusters import chosen_features, intensities
from .committing import committing

if TYPE_CHECKING:
    from .job import Job
    from .session import Session

__all__ = ["EMBEDDING", "start"]

EMBEDDING = "embedding"
#: Cells that the map is learned from; the others are placed on it.
SAMPLE = 50_000
METHODS = {"pca": "PCA"}
#: Axes that features are brought to before the map is taken of them.
AXES = 20


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

    rows, n = intensities(source, chosen), len(source)
    rng = np.random.default_rng(seed)
    sample = np.arange(n) if n <= SAMPLE else np.sort(rng.choice(n, SAMPLE, replace=False))
    X = rows(sample)
    X = X[np.isfinite(X).any(axis=1)]
    if len(X) < 10:
        raise InputError(
            f"{len(X)} cells have features: too few for a map. Measure first: session.measure()."
        )
    scaling = Scaling.of(X, AXES)
    Z = scaling(X)
    middle = Z.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(Z, rowvar=False))
    plane: NDArray[Any] = axes[:, ::-1][:, :2].astype(np.float32)
    places = np.full((n, 2), np.nan, np.float32)
    for begin in range(0, n, 20_000):
        job.check()
        part = slice(begin, min(begin + 20_000, n))
        X = rows(part)
        known = np.isfinite(X).any(axis=1)
        if known.any():
            Z = scaling(X[known])
            places[begin + np.flatnonzero(known)] = (Z - middle) @ plane
        job.report(0.5 + 0.45 * part.stop / n, f"{part.stop:,} of {n:,} cells")
    names = [f"{METHODS[method]}{i}" for i in (1, 2)]
    made = FeatureSource(
        EMBEDDING, names, ["", ""], source.ids.copy(), places, {"Default": names}, names,
        {"origin": "embedding", "method": method, "seed": seed, "features": chosen, "source": source.name},
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
