"""Why a cell got its category: contributions of the features, by marker, and the labelled cells most like it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.predictions import called_now
from ..errors import InputError, NotReadyError
from .agreeing import TITLES
from .checks import whole_number
from .runs import Run, load_models
from .training import snapshot

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.explaining import Likeness
    from .session import Session

__all__ = ["Explanation", "explain"]

#: What features without a channel are gathered under.
SHAPE, CONTEXT = "shape", "neighbours"


@dataclass(frozen=True, eq=False)
class Explanation:
    """What the prediction of one item rests on.

    Attributes
    ----------
    item : int
    category : str
        What is explained: the category of the highest mean probability, unless another was asked for.
    probability : float
        Mean of the models.
    runner_up : (str, float)
        The next likely category.
    answers : dict of str to (str, float)
        Model → its own answer and the probability of that.
    features : DataFrame
        Index feature, the largest contribution in size first; ``words``, ``marker``, ``value`` (of this item),
        ``z`` (standard deviations from the mean of the labelled cells), ``contribution`` (mean of the models,
        log-odds) and one column a model.
    markers : DataFrame
        Index marker; ``contribution`` and one column a model.
    neighbours : DataFrame
        Index item id of labelled cells, the most alike first; ``category``, ``distance`` (standard deviations a
        feature), ``image``.
    speaks_for, speaks_against : str
        "CD8 mean +1.9, CD3 mean +0.7".
    """

    item: int
    category: str
    probability: float
    runner_up: tuple[str, float]
    answers: dict[str, tuple[str, float]]
    features: pd.DataFrame
    markers: pd.DataFrame
    neighbours: pd.DataFrame
    speaks_for: str
    speaks_against: str

    @property
    def sentence(self) -> str:
        """For and against, in one line."""
        text = f"{self.category} {self.probability:.0%}: {self.speaks_for or 'nothing in particular'}"
        return f"{text}; speaks against: {self.speaks_against}" if self.speaks_against else text

    def __repr__(self) -> str:
        return f"Explanation({self.item}: {self.sentence})"


def explain(
    session: Session, item: int, category: str | None, run: Run | None, level: str, neighbours: int
) -> Explanation:
    """See :meth:`celltune_nb.Session.explain`."""
    import pandas as pd

    from ..learn.explaining import by_marker, for_category, in_words

    position = int(session.positions([whole_number(item, "The item")])[0])
    wanted = whole_number(neighbours, "The number of neighbours", 0)
    run = run or session.finished_run(level)
    handles = load_models(run)
    source = session.active_features()
    if not handles or handles[0].schema_hash != source.schema_hash:
        raise NotReadyError(
            "The features have changed since that training. Train again: in Train, or with session.train()."
        )
    if position >= len(source):
        raise NotReadyError(
            "This item is not measured yet. Measure first: in Data, or with session.measure()."
        )
    row = np.asarray(source.rows(np.array([position])), np.float32)
    if not np.isfinite(row).any():
        raise NotReadyError("This item could not be measured, so no model has an answer for it.")
    with session.lock:
        names = called_now(run.about["codes"], session.book.level(run.level).categories.by_code)
    own = {
        title: handle.predict_proba(row)[0] for title, handle in zip(_titles(handles), handles, strict=True)
    }
    mean = np.mean(list(own.values()), axis=0)
    order = np.argsort(-mean, kind="stable")
    if category is not None and category not in names:
        raise InputError(f"The models know no category {category!r}. Choose from: {', '.join(names)}.")
    code = int(order[0]) if category is None else names.index(category)
    other = int(next(c for c in order if c != code))
    per_model = {
        title: for_category(handle.contributions(row)[0], code)
        for title, handle in zip(own, handles, strict=True)
    }
    average = np.mean(list(per_model.values()), axis=0)
    columns = [source.names[i] for i in source.columns]
    words, markers = _words(columns)
    like, positions, categories = _labelled(session, run)
    by_size = np.argsort(-np.abs(average), kind="stable")
    features = pd.DataFrame(
        {
            "words": words,
            "marker": markers,
            "value": row[0],
            "z": like.scaled(row)[0],
            "contribution": average,
            **per_model,
        },
        index=pd.Index(columns, name="feature"),
    ).iloc[by_size]
    gathered = by_marker(average, markers)
    by_model = {title: by_marker(values, markers) for title, values in per_model.items()}
    near, away = like.nearest(row[0], wanted + 1)
    keep = positions[near] != position  # a labelled item is most like itself
    near, away = near[keep][:wanted], away[keep][:wanted]
    table = session.table
    images = [*table.names, ""]
    good, bad = in_words(dict(zip(words, average.tolist(), strict=True)))
    return Explanation(
        int(item), names[code], float(mean[code]), (names[other], float(mean[other])),
        {title: (names[int(p.argmax())], float(p.max())) for title, p in own.items()},
        features,
        pd.DataFrame(
            {"contribution": list(gathered.values()), **{t: [v[m] for m in gathered] for t, v in by_model.items()}},
            index=pd.Index(list(gathered), name="marker"),
        ),
        pd.DataFrame(
            {
                "category": [categories[int(i)] for i in near],
                "distance": away,
                "image": [images[int(table.images[positions[int(i)]])] for i in near],
            },
            index=pd.Index(table.ids[positions[near]], name="item"),
        ),
        good, bad,
    )  # fmt: skip


def _titles(handles: list[Any]) -> list[str]:
    titles = [TITLES.get(handle.name, handle.name) for handle in handles]
    return titles if len(set(titles)) == len(titles) else [handle.name for handle in handles]


def _words(features: list[str]) -> tuple[list[str], list[str]]:
    """Each feature in a few words, "CD8 mean" or "CD8 P95 in the nucleus", and the marker it belongs to."""
    from ..measure.names import parse_name
    from ..measure.relative import PREFIX

    words, markers = [], []
    for name in features:
        channel, statistic, compartment = parse_name(name)
        where = "" if compartment in (None, "Cell") else f" ({str(compartment).lower()})"
        against = " against its image" if statistic.startswith(PREFIX) else ""
        kind = statistic.removeprefix("Neighbour").removeprefix(PREFIX)
        kind = kind if kind[1:].replace(".", "").isdigit() else kind.lower()  # P95 stays as it is
        if statistic.startswith("Neighbour"):
            where = " of neighbours"
        if channel is None:
            # Of the user's own tables only the name is known.
            known = compartment is not None or name == "NeighbourCount"
            words.append(
                name.lower() if name == "NeighbourCount" else f"{statistic.lower()}{where}" if known else name
            )
            markers.append(CONTEXT if name == "NeighbourCount" else SHAPE if known else name)
        else:
            words.append(f"{channel} {kind}{where}{against}")
            markers.append(str(channel))
    return words, markers


#: The labelled items of one session at a time, scaled: (run, revision) → what :func:`_labelled` gives.
_KNOWN: weakref.WeakKeyDictionary[Any, tuple[tuple[str, int, str], Any]] = weakref.WeakKeyDictionary()


def _labelled(session: Session, run: Run) -> tuple[Likeness, NDArray[np.int64], list[str]]:
    """The labelled items in scaled feature space, their rows and categories."""
    from ..learn.explaining import Likeness

    with session.lock:
        key = (run.id, session.book.revision, session.active_features().schema_hash)
    known = _KNOWN.get(session)
    if known is None or known[0] != key:
        now = snapshot(session, run.level, run.about.get("exclude_images", ()))
        rows = now.features.rows(now.positions)
        made = (Likeness.of(rows), now.positions, [now.classes[int(y)].name for y in now.y])
        known = (key, made)
        _KNOWN[session] = known
    return known[1]
