"""From one training to the next: what changed category, what is recorded of it, and the advice that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.populations import PopulationSet
from ..data.predictions import PAIR, called_now
from ..errors import FormatError, InputError, NotReadyError
from .runs import Run, learned, load_models

if TYPE_CHECKING:
    import pandas as pd

    from ..data.lineage import Lineage
    from ..learn.advice import Advice
    from ..learn.settling import Round, Settling
    from .session import Session

__all__ = ["RoundDiff", "advice", "labels_since", "observed", "round_diff", "so_far"]


@dataclass(frozen=True, eq=False)
class RoundDiff:
    """Which items changed category between two trainings.

    Attributes
    ----------
    rounds : (int, int)
        Numbers of the two trainings.
    ids : ndarray of int64, shape (m,)
        The items that changed.
    before, after : ndarray of int64, shape (m,)
        Number in *categories*.
    categories : tuple of str
    table : DataFrame
        Columns from, to, cells; the most frequent change first.
    n : int
        Items that both trainings have an answer for.
    fraction, kappa : float
        Share that changed; agreement beyond chance.
    sentence : str
    """

    rounds: tuple[int, int]
    ids: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    categories: tuple[str, ...]
    table: pd.DataFrame
    n: int
    fraction: float
    kappa: float
    sentence: str

    def __repr__(self) -> str:
        return f"RoundDiff({self.sentence})"

    def items(self, before: str | None = None, after: str | None = None) -> NDArray[np.int64]:
        """Ids of the items that went from one category to another; None: any.

        Raises
        ------
        InputError
            There is no such category.
        """
        chosen = np.ones(len(self.ids), bool)
        for name, codes in ((before, self.before), (after, self.after)):
            if name is not None:
                if name not in self.categories:
                    raise InputError(
                        f"There is no category {name!r} here. Choose from: {', '.join(self.categories)}."
                    )
                chosen &= codes == self.categories.index(name)
        return self.ids[chosen]

    def matrix(self) -> pd.DataFrame:
        """Counts; rows: before, columns: after.  The diagonal, what did not change, is empty."""
        import pandas as pd

        k = len(self.categories)
        counts = np.bincount(self.before * k + self.after, minlength=k * k).reshape(k, k)
        names = list(self.categories)
        return pd.DataFrame(
            counts, index=pd.Index(names, name="before"), columns=pd.Index(names, name="after")
        )


def round_diff(session: Session, run: Run | None, before: Run | None, level: str) -> RoundDiff:
    """See :meth:`celltune_nb.Session.round_diff`."""
    run = run or session.finished_run(level)
    earlier = [r for r in _finished(session, run.level) if r.started < run.started and r is not run]
    former = before or (earlier[-1] if earlier else None)
    if former is None:
        raise NotReadyError(
            "There is one training only. Label more and train again, and this shows what changed."
        )
    if former.level != run.level:
        raise InputError(
            f"These trainings are of different levels, {former.level!r} and {run.level!r}. Take two of one level."
        )
    kept = _kept(session, run) if earlier and former is earlier[-1] else None
    ids, old, new = kept if kept is not None else _predicted(session, former, run)
    with session.lock:
        state = session.book.level(run.level)
        names = {c.code: c.name for c in state.categories}
    gone = {code: name for r in (former, run) for name, code in _today(session, r).items()}
    new_labels = run.about.get("labels", 0) - former.about.get("labels", 0)
    return _compared(
        ids, old, new, {**gone, **names}, (former.round, run.round), new_labels if new_labels > 0 else None
    )


def _finished(session: Session, level: str) -> list[Run]:
    return [r for r in session.runs if r.level == level and r.state in ("done", "stopped")]


def _today(session: Session, run: Run) -> dict[str, int]:
    codes = run.about.get("codes", {})
    with session.lock:
        known = session.book.level(run.level).categories.by_code
    return dict(zip(called_now(codes, known), codes.values(), strict=True))


Codes = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _kept(session: Session, run: Run) -> Codes | None:
    """Ids and the codes before and after, from what the project keeps; None where it keeps none of this training."""
    key = f"{run.level}/Round_diff"
    after = session.populations.answer_of(run)
    if after is None or key not in session.populations:
        return None
    diff = session.populations[key]
    if diff.run != run.id or not np.array_equal(diff.ids, after.ids):
        return None
    new = after.codes.astype(np.int64)
    old = new.copy()
    source = np.zeros(max([0, *(code for code, _, _ in diff.pairs)]) + 1, np.int64)
    for code, a, _ in diff.pairs:
        source[code] = a
    changed = diff.codes >= PAIR
    old[changed] = source[diff.codes[changed]]
    return after.ids, old, new


def _predicted(session: Session, former: Run, run: Run) -> Codes:
    """The same, from the models that both trainings left."""
    source = session.active_features()
    codes = []
    for each in (former, run):
        handles = load_models(each)
        if not handles or handles[0].schema_hash != source.schema_hash:
            raise NotReadyError(
                f"The features have changed since training {each.round}, so it cannot be asked again. "
                "Compare two later ones."
            )
        known = np.array(list(each.about["codes"].values()), np.int64)
        answers = np.zeros(len(source), np.int64)
        for part, rows in source.blocks():
            mean = np.mean([handle.predict_proba(rows) for handle in handles], axis=0, dtype=np.float32)
            answers[part] = np.where(np.isnan(rows).all(axis=1), 0, known[mean.argmax(axis=1)])
        codes.append(np.where(session.regions.inside(run.level)[: len(answers)], answers, 0))
    return session.table.ids[: len(source)], codes[0], codes[1]


def _compared(
    ids: NDArray[np.int64], old: NDArray[np.int64], new: NDArray[np.int64], names: dict[int, str],
    rounds: tuple[int, int], new_labels: int | None,
) -> RoundDiff:  # fmt: skip
    import pandas as pd

    from ..learn.comparing import churn

    found = churn(old, new, new_labels=new_labels, missing=0)
    a, b = old[found.rows], new[found.rows]
    # A deleted category of a former day has no name any more, or another has it.
    codes = sorted(set(np.unique(np.concatenate([a, b])).tolist()))
    order = [c for c in names if c in codes] + [c for c in codes if c not in names]
    called = tuple(names.get(c, f"category {c}") for c in order)
    place = np.zeros(max([0, *order]) + 1, np.int64)
    place[order] = np.arange(len(order))
    before, after = place[a], place[b]
    k = max(len(order), 1)
    pairs, counts = np.unique(before * k + after, return_counts=True)
    first = np.argsort(-counts, kind="stable")
    rows = [(called[int(pairs[i]) // k], called[int(pairs[i]) % k], int(counts[i])) for i in first]
    table = pd.DataFrame(rows, columns=["from", "to", "cells"])
    return RoundDiff(
        rounds, ids[found.rows], before, after, called, table, found.n, found.fraction, found.kappa, found.sentence
    )  # fmt: skip


#: Unlabelled items below which kappa looks at the labelled ones too.
FEWEST = 50


def observed(
    sets: Sequence[PopulationSet], former: PopulationSet | None, free: NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """What is kept with a training for advice: how many predictions changed, and how far the models agree.

    Parameters
    ----------
    free : bool array, shape (n,), optional
        Items without a label: models were told the others' categories, so that these alone say whether predictions have
        settled.  All of them are looked at: of a rare category a sample of some thousands holds a handful.
    """
    from ..learn.comparing import churn

    by_name = {item.name: item for item in sets}
    about: dict[str, Any] = {}
    if "Pred_MDL2" in by_name:
        one, two = by_name["Pred_MDL1"].codes, by_name["Pred_MDL2"].codes
        both = (one != 0) & (two != 0)
        if both.any():
            about["agreement"] = float((one[both] == two[both]).mean())
    if former is not None:
        after = by_name["Pred_AVG"]
        n = min(len(former), len(after))
        if n and np.array_equal(former.ids[:n], after.ids[:n]):
            found = churn(former.codes[:n], after.codes[:n], missing=0)
            if found.n:
                about |= {"changed": found.fraction, "kappa": found.kappa, "compared": found.n}
            if free is not None and np.count_nonzero(free[:n]) >= FEWEST:
                apart = churn(former.codes[:n][free[:n]], after.codes[:n][free[:n]], missing=0)
                if apart.n >= FEWEST:
                    about["kappa"] = apart.kappa
    return about


def labels_since(
    former: Run, ids: NDArray[np.int64], codes: NDArray[np.int16], lineage: Lineage | None = None
) -> int | None:
    """How many of these labels a former training had not, or had otherwise; None where it did not say which it had.

    With a *lineage*, a label that went over to a cell of another mask is the one that it was.
    """
    try:
        known_ids, known = learned(former)
    except FormatError:
        return None
    if known is None:
        return None
    if lineage is not None:
        known_ids = lineage.now(known_ids)
    before = dict(zip(known_ids.tolist(), known.tolist(), strict=True))
    return sum(before.get(item) != code for item, code in zip(ids.tolist(), codes.tolist(), strict=True))


def _rounds(runs: Sequence[Run]) -> list[Round]:
    """What the finished trainings of a level, oldest first, keep of themselves."""
    from ..learn.settling import Round

    rounds, before = [], 0
    for run in runs:
        labels, seen = int(run.about.get("labels", 0)), run.about.get("round", {})
        # A project of an older version counted labels only.
        new = seen.get("new_labels", max(labels - before, 0))
        rounds.append(Round(labels, int(new or 0), seen.get("kappa"), seen.get("agreement")))
        before = labels
    return rounds


def so_far(session: Session, level: str) -> tuple[list[Run], list[Round], Settling]:
    """The finished trainings of a level, what each keeps of itself, and whether predictions have settled.

    Raises
    ------
    NotReadyError
        There is none.
    """
    from ..learn.settling import settling

    runs = _finished(session, level)
    if not runs:
        raise NotReadyError("There is no trained model yet. Train first: in Train, or with session.train().")
    rounds = _rounds(runs)
    return runs, rounds, settling(rounds)


def advice(session: Session, level: str, target: float) -> Advice:
    """See :meth:`celltune_nb.Session.advice`."""
    from ..learn.advice import Findings, advise
    from .agreeing import agreement

    runs, rounds, settled = so_far(session, level)
    run, seen = runs[-1], runs[-1].about.get("round", {})
    try:
        by_category = agreement(session, level).by_category
    except NotReadyError:
        by_category = None  # one model only
    accuracy, judged_by = None, ""
    try:
        found = run.evaluation
    except FormatError:
        found = None  # said where evaluations are shown
    if found is not None:
        accuracy, judged_by = (found.accuracy, *found.interval["accuracy"]), found.kind
    return advise(
        Findings(
            labels=int(run.about.get("labels", 0)),
            new_labels=rounds[-1].new_labels if len(runs) > 1 else None,
            changed=seen.get("changed"),
            compared=int(seen.get("compared", 0)),
            trainings=len(runs),
            kappas=settled.kappas,
            agreements=settled.agreements,
            since=settled.since,
            needed=settled.needed,
            idle=settled.idle,
            agreement=seen.get("agreement"),
            by_category=by_category,
            per_category=run.about.get("counts", {}),
            accuracy=accuracy,
            judged_by=judged_by,
            gain=None if run.curve is None else _gain(run.curve),
            target=target,
        )
    )


def _gain(curve: pd.DataFrame) -> float | None:
    """Macro-F1 that the last doubling of the labels brought."""
    if len(curve) < 2:
        return None
    labels, f1 = curve["labels"].to_numpy(np.float64), curve["macro_f1"].to_numpy(np.float64)
    half = np.interp(np.log(labels[-1] / 2), np.log(labels), f1)
    return float(f1[-1] - half)
