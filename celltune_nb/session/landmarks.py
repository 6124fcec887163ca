"""Landmarks: cells that clearly satisfy the marker expression of a type, proposed to be labelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..data.expressions import parse
from ..data.populations import PopulationSet
from ..errors import InputError, NotReadyError
from .batch import BatchReport, label_many
from .celltypes import CellTypes
from .checks import texts, whole_number
from .columns import Columns
from .markers import feature_of_marker
from .populations import keep_sets

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["LANDMARKS", "LandmarkReport", "accept", "discard", "find"]

#: Name of the population set that shows the proposal.
LANDMARKS = "Landmarks"


@dataclass(frozen=True, eq=False)
class LandmarkReport:
    """Which cells are proposed, and why some types have few.

    Attributes
    ----------
    ids : dict of str to ndarray of int64
        Type → cells, the clearest first.
    notes : dict of str to str
        Type → why it has fewer than were asked for.
    markers : DataFrame
        One row a marker: feature, threshold (in the feature's unit), positive (share of the cells), apart (how far the two
        parts lie apart; below 2 the marker hardly tells positive from negative).
    labelled : BatchReport or None
        What was labelled, with ``label=True``.
    """

    ids: dict[str, NDArray[np.int64]]
    notes: dict[str, str]
    markers: pd.DataFrame
    labelled: BatchReport | None = field(default=None)

    def __str__(self) -> str:
        text = ", ".join(f"{name} {len(ids):,}" for name, ids in self.ids.items())
        few = "; ".join(f"{name}: {why}" for name, why in self.notes.items())
        vague = [str(m) for m in self.markers.index[self.markers["apart"] < 2]]
        return (
            f"Landmarks: {text or 'none'}." + (f" {few}." if few else "")
            + (f" Hardly two parts: {', '.join(vague)}." if vague else "")
        )  # fmt: skip


def find(
    session: Session, level: str, per_type: int, types: object, within: NDArray[np.bool_] | None, seed: int
) -> LandmarkReport:
    """See :meth:`celltune_nb.Session.landmarks`."""
    import pandas as pd

    from ..learn import landmarks

    per_type = whole_number(per_type, "The number of cells a type", 1)
    known = CellTypes(session, level)
    if not len(known):
        raise NotReadyError(
            "Landmarks need marker expressions. Bring the table of cell types: session.import_celltypes(path)."
        )
    wanted = list(known) if types is None else list(texts(types, "The types"))
    expressions = {name: known[name].expression for name in wanted}
    source, table = session.active_features(), session.table
    columns, units = Columns(session), table.units()[0]
    rng = np.random.default_rng(whole_number(seed, "The seed"))
    notes: dict[str, str] = {}
    splits: dict[str, landmarks.Split] = {}
    rows = []
    for name, expression in expressions.items():
        if not expression:
            notes[name] = "the table gives it no marker"
            continue
        markers = list(dict.fromkeys(n.text for n in parse(expression).names))
        features = {marker: feature_of_marker(source, marker) for marker in markers}
        missing = [marker for marker, feature in features.items() if feature is None]
        if missing:
            notes[name] = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not measured"
            continue
        for marker, feature in features.items():
            if marker not in splits and feature is not None:
                values = columns.values(f"{source.name}/{feature}", level)[0]
                split = splits[marker] = landmarks.split_marker(
                    values, units, rng, source.cofactors.get(feature)
                )
                rows.append((marker, feature, split.threshold, split.positive, split.apart))
    judged = [name for name in wanted if name not in notes]
    chosen: list[NDArray[np.int64]] = []
    if judged:
        margins = np.stack(
            [landmarks.margin(expressions[name], {m: s.margin for m, s in splits.items()}) for name in judged]
        )
        specific = np.array([len({n.text for n in parse(expressions[name]).names}) for name in judged])
        with session.lock:
            free = session.book.level(level).codes_in_order(table.ids) == 0
            free[table.positions(session.audits.of(level).ids)] = False
        free &= session.regions.inside(level)
        if within is not None:
            free = free & within
        chosen = landmarks.choose(
            np.nan_to_num(margins, nan=-1.0), table.images, free, per_type,
            lambda number, why: notes.update({judged[number]: why}), specific=specific,
        )  # fmt: skip
    ids = {name: table.ids[rows] for name, rows in zip(judged, chosen, strict=True)}
    frame = pd.DataFrame(rows, columns=["marker", "feature", "threshold", "positive", "apart"]).set_index(
        "marker"
    )
    return LandmarkReport({name: ids.get(name, np.empty(0, np.int64)) for name in wanted}, notes, frame)


def propose(session: Session, level: str, report: LandmarkReport) -> None:
    """Show the proposal as a population set, which is kept until it is accepted or discarded."""
    table = session.table
    state = session.book.level(level)
    codes = np.zeros(len(table), np.int16)
    names = []
    for name, ids in report.ids.items():
        if len(ids):
            codes[table.positions(ids)] = state.categories.named(name).code
            names.append(name)
    categories = (state.categories[UNKNOWN], *(state.categories.named(name) for name in names))
    keep_sets(session, [PopulationSet(LANDMARKS, level, table.ids, codes, categories)])


def accept(session: Session, level: str, types: object, overwrite: bool) -> BatchReport:
    """See :meth:`celltune_nb.Session.accept_landmarks`."""
    if session.populations.stored(level, LANDMARKS) is None:
        raise NotReadyError("There are no landmarks to accept. Find some first: session.landmarks().")
    found = session.populations.of(level, LANDMARKS)
    names = {c.code: c.name for c in found.categories if c.code}
    wanted = set(names.values()) if types is None else set(texts(types, "The types"))
    if not wanted <= set(names.values()):
        raise InputError(
            f"There are no landmarks of {min(wanted - set(names.values()))!r}. There are of: {', '.join(names.values())}."
        )
    rows = np.flatnonzero(np.isin(found.codes, [code for code, name in names.items() if name in wanted]))
    words = np.array([names[code] for code in found.codes[rows].tolist()], object)
    report = label_many(session, found.ids[rows], words, level=level, source="gate", overwrite=overwrite)
    discard(session, level)
    return report


def discard(session: Session, level: str) -> None:
    """See :meth:`celltune_nb.Session.discard_landmarks`."""
    keep_sets(session, [], drop=[(level, LANDMARKS)])
