"""Clusters: found in the background, named by a person, labelled by their names."""

from __future__ import annotations

import colorsys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import PALETTE, UNKNOWN_COLOR, Category
from ..data.populations import PopulationSet
from ..errors import InputError, NotReadyError
from .batch import BatchReport, label_many
from .checks import a_name, number, one_of, texts, whole_number
from .drafting import check_name
from .markers import marker_features
from .populations import keep_sets

if TYPE_CHECKING:
    import pandas as pd

    from ..data.features import FeatureSource
    from .job import Job
    from .session import Session

__all__ = [
    "CLUSTERS",
    "chosen_features",
    "describe",
    "forget",
    "intensities",
    "label",
    "name_clusters",
    "start",
]

CLUSTERS = "Clusters"
_SETTING = "clusters"
_NAMED = " named"
MOST = 200


def start(
    session: Session,
    level: str,
    method: str,
    clusters: int,
    resolution: float,
    features: Any,
    name: str,
    seed: int,
) -> Job:
    """See :meth:`celltune_nb.Session.cluster`."""
    from ..learn.clusters import METHODS

    method = one_of(str(method).removesuffix("-like"), METHODS, "The method")
    clusters = whole_number(clusters, "The number of clusters", 2)
    if clusters > MOST:
        raise InputError(f"{clusters:,} clusters are asked for; {MOST} are the most that can be told apart.")
    resolution = number(resolution, "The resolution")
    if not 0 < resolution <= 100:
        raise InputError(f"The resolution is {resolution}. Give a number above 0, such as 1.")
    seed = whole_number(seed, "The seed")
    source = session.active_features()
    chosen = chosen_features(source, features)
    if (
        session.populations.stored(level, name) is None
        or session.populations.of(level, name).kind != "cluster"
    ):
        name = check_name(session, level, name)
        if session.populations.gates.find(level, name) is not None:
            raise InputError(f"There is a gate {name!r} already. Choose another name.")
    with session.writing():
        pass  # refuse before the work, not after it
    about = {"method": method, "n": clusters, "resolution": resolution, "features": chosen, "seed": seed}
    return session.jobs.submit(
        lambda job: _cluster(session, job, level, name, source, about), "clustering cells"
    )


def chosen_features(source: FeatureSource, features: Any) -> list[str]:
    """The features named, or those of the groups named; by default the mean intensity of every marker.

    Raises
    ------
    InputError
    """
    if features is None:
        return list(marker_features(source).values())
    chosen: list[str] = []
    for name in texts(features, "The features"):
        if name not in source.names and name not in source.groups:
            raise InputError(
                f"There is no feature or feature group {name!r}. Groups: {', '.join(source.groups)}."
            )
        chosen += source.groups.get(name, [name])
    if not chosen:
        raise InputError("No feature was given to cluster by. Name some, or leave features= out.")
    return list(dict.fromkeys(chosen))


def intensities(source: FeatureSource, features: list[str]) -> Callable[[Any], NDArray[np.float32]]:
    """What gives some features of some items as arcsinh(value / cofactor), by positions or a slice.

    The cofactor is that of the feature's channel where one is set, else the feature's typical value.
    """
    from ..learn.landmarks import cofactor_of

    place = {feature: i for i, feature in enumerate(source.names)}
    columns = np.array([place[feature] for feature in features], np.int64)
    some = np.linspace(0, max(len(source) - 1, 0), min(len(source), 20_000)).astype(np.int64)
    typical = zip(features, source.matrix[some][:, columns].T, strict=True)
    cofactors = np.array(
        [source.cofactors.get(feature) or cofactor_of(values) for feature, values in typical], np.float32
    )

    def rows(positions: Any) -> NDArray[np.float32]:
        return np.asarray(np.arcsinh(source.matrix[positions][:, columns] / cofactors), np.float32)

    return rows


def _cluster(
    session: Session, job: Job, level: str, name: str, source: FeatureSource, about: dict[str, Any]
) -> PopulationSet:
    from ..learn.clusters import find_clusters, top_features

    job.report(0.0, "loading the learning libraries")
    n = len(source)
    some = np.linspace(0, max(n - 1, 0), min(n, 20_000)).astype(np.int64)
    rows = intensities(source, about["features"])

    def progress(done: float, text: str) -> None:
        job.check()
        job.report(0.05 + 0.9 * done, text)

    label = find_clusters(
        rows, n, method=about["method"], clusters=about["n"], resolution=about["resolution"], seed=about["seed"],
        progress=progress,
    )  # fmt: skip
    top = top_features(rows(some), label[some], about["features"])
    made = PopulationSet(
        name,
        level,
        session.table.ids[:n],
        (label + 1).astype(np.int16),
        _categories(int(label.max()) + 1),
        kind="cluster",
    )
    progress(1.0, "saving")
    kept = {
        **about, "source": source.name, "hash": source.schema_hash, "made": time.time(), "names": {},
        "top": {str(i + 1): [[f, round(v, 2)] for f, v in best] for i, best in top.items()},
    }  # fmt: skip
    keep_sets(session, [made], drop=[(level, name + _NAMED)], settings=(_SETTING, f"{level}/{name}", kept))
    return made


def _categories(n: int) -> tuple[Category, ...]:
    """Colours that stay apart, however many clusters there are."""
    colors = list(PALETTE)
    for i in range(n - len(colors)):
        r, g, b = colorsys.hls_to_rgb((0.05 + 0.61803 * i) % 1, (0.45, 0.62, 0.75)[i % 3], 0.65)
        colors.append(f"#{round(255 * r):02X}{round(255 * g):02X}{round(255 * b):02X}")
    return (
        Category(0, "not measured", UNKNOWN_COLOR),
        *(Category(i + 1, f"Cluster {i + 1}", colors[i]) for i in range(n)),
    )


def _about(session: Session, level: str, name: str) -> tuple[PopulationSet, dict[str, Any]]:
    found = session.populations.stored(level, a_name(name, "The name of the clusters"))
    stored = session.project.settings.get(_SETTING)
    about = stored.get(f"{level}/{name}") if isinstance(stored, dict) else None
    if found is None or found.kind != "cluster" or not isinstance(about, dict):
        raise NotReadyError(f"There are no clusters {name!r} yet. Make some: session.cluster().")
    return found, about


def describe(session: Session, level: str, name: str) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.clusters`."""
    import pandas as pd

    found, about = _about(session, level, name)
    tally = np.bincount(found.codes, minlength=len(found.categories))
    names, top = about.get("names", {}), about.get("top", {})
    rows = [
        {
            "size": int(tally[c.code]), "share": float(tally[c.code] / max(len(found), 1)),
            "top": ", ".join(str(f).split("__")[0] for f, _ in top.get(str(c.code), [])),
            "name": str(names.get(str(c.code), "")), "color": c.color,
        }
        for c in found.categories if c.code
    ]  # fmt: skip
    frame = pd.DataFrame(rows, index=pd.Index([c.code for c in found.categories if c.code], name="cluster"))
    source = session.features_by_name.get(str(about.get("source")))
    frame.attrs["stale"] = (
        "The features have changed since these clusters were made. Cluster again."
        if source is None or source.schema_hash != about.get("hash") or len(source) != len(found)
        else ""
    )
    return frame


def name_clusters(session: Session, names: Mapping[Any, Any], level: str, name: str) -> PopulationSet:
    """See :meth:`celltune_nb.Session.name_clusters`."""
    if not isinstance(names, Mapping):
        raise InputError('Names are given by cluster: {1: "B cell", 2: "CD8T"}.')
    with session.writing():
        found, about = _about(session, level, name)
        known = {str(k): str(v) for k, v in about.get("names", {}).items()}
        codes = {c.code for c in found.categories if c.code}
        for key, given in names.items():
            code = _code(key, codes)
            text = "" if given is None else str(given).strip()
            if len(text) > 80 or (text and not text.isprintable()):
                raise InputError("A cluster's name has 1 to 80 printable characters. Choose another.")
            known[str(code)] = text
        known = {code: text for code, text in known.items() if text}
        named = _named(session, found, known)
        drop = [] if named is not None else [(level, name + _NAMED)]
        keep_sets(
            session, [] if named is None else [named], drop=drop,
            settings=(_SETTING, f"{level}/{name}", {**about, "names": known}),
        )  # fmt: skip
    return named if named is not None else found


def _code(key: Any, codes: set[int]) -> int:
    text = str(key).strip()
    text = text[8:] if text.lower().startswith("cluster ") else text
    if not text.isdigit() or int(text) not in codes:
        raise InputError(
            f"There is no cluster {key!r}. Clusters have the numbers 1 to {max(codes, default=0)}."
        )
    return int(text)


def _named(session: Session, found: PopulationSet, names: Mapping[str, str]) -> PopulationSet | None:
    """The clusters by their names: those of one name together, those without one as they were."""
    if not names:
        return None
    colors = {c.name: c.color for c in session.book.level(found.level).categories}
    to = np.arange(max(c.code for c in found.categories) + 1, dtype=np.int16)
    first: dict[str, int] = {}
    categories = []
    for category in found.categories:
        text = names.get(str(category.code), category.name)
        if text in first:
            to[category.code] = first[text]
            continue
        first[text] = category.code
        categories.append(Category(category.code, text, colors.get(text, category.color)))
    return PopulationSet(
        found.name + _NAMED, found.level, found.ids, to[found.codes], tuple(categories), kind="cluster"
    )


def label(session: Session, level: str, name: str, overwrite: bool) -> BatchReport:
    """See :meth:`celltune_nb.Session.label_clusters`."""
    found, about = _about(session, level, name)
    names = {int(code): text for code, text in about.get("names", {}).items()}
    rows = np.flatnonzero(np.isin(found.codes, list(names)))
    if not len(rows):
        raise NotReadyError('No cluster has a name yet. Name some: session.name_clusters({1: "B cell"}).')
    words = np.array([names.get(code, "") for code in range(len(found.categories))], object)[
        found.codes[rows]
    ]
    return label_many(
        session, found.ids[rows], words, level=level, source="batch", overwrite=overwrite, create=True
    )


def forget(session: Session, level: str, name: str) -> None:
    """Remove clusters and their names."""
    _about(session, level, name)
    keep_sets(
        session,
        [],
        drop=[(level, name), (level, name + _NAMED)],
        settings=(_SETTING, f"{level}/{name}", None),
    )
