"""Counts of positive cells by slice, animal and region: as called, and corrected by the audit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import areas
from .conditions import condition
from .count_memory import Kinds, memory_of
from .deciding import average_of, scores_of
from .domains import Domains, column_of, domains_of
from .evaluating import audited
from .exporting import target_path, write_record
from .gating import inside
from .onoff import positive_of
from .phenotypes import Literal, answers_of, combinations, literals, text_of, written

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.counting import Units
    from .session import Session

__all__ = ["COLUMNS", "counts", "export_counts", "phenotypes"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

COLUMNS = (
    "cells", "raw", "raw_share", "corrected", "low", "high", "audited", "area_mm2", "density", "density_low", "density_high",
)  # fmt: skip
FEW = 5
"""Audited cells of a slice below which its interval rests on the other slices."""
MOST_MARKERS = 3
"""Markers of a combination that is corrected."""
MOST_UNITS = 200
"""Regions that have an effect of their own."""


@dataclass(frozen=True, eq=False)
class Marker:
    """What is known of the cells at one level.

    Attributes
    ----------
    level : str
    held : bool array, shape (n,)
        Cells that belong to the level.
    scores : float32 array, shape (n,)
        Probability of being positive, NaN where nobody predicted.
    called : bool array, shape (n,)
    label : int8 array, shape (n,)
        1 positive, 0 something else, −1 without a label.
    rows, truth, weights : arrays, shape (m,)
        The audit.
    """

    level: str
    held: NDArray[np.bool_]
    scores: NDArray[np.float32]
    called: NDArray[np.bool_]
    label: NDArray[np.int8]
    rows: Ints
    truth: NDArray[np.bool_]
    weights: Floats
    seed: int


# ---------------------------------------------------------------------- what


def marker(session: Session, level: str) -> Marker:
    """A level's cells, calls, labels and audit."""
    n = len(session.table)
    category, average = positive_of(session, level), average_of(session, level)
    run = session.finished_run(level)
    scores = np.full(n, np.nan, np.float32)
    scores[: len(average)] = scores_of(average, category)
    decided = session.populations.of(level, answers_of(session, level)).codes
    called = np.zeros(n, bool)
    called[: len(decided)] = decided == category.code
    held = session.regions.inside(level)
    codes = session.populations.of_labels(level).codes
    label = np.where(codes == 0, -1, (codes == category.code).astype(np.int8)).astype(np.int8)
    audit = audited(session, run)
    others, other_codes, other_chance = audit.aside
    rows = np.concatenate([audit.positions, others])
    truth = np.concatenate([audit.codes, other_codes]) == category.code
    weights = 1 / np.concatenate([audit.chance, other_chance])
    use = ~np.isnan(scores[rows]) & np.isfinite(weights)
    return Marker(level, held, scores, called, label, rows[use], truth[use], weights[use], run.seed)


def _asked(
    session: Session, what: Any, level: str
) -> tuple[tuple[Literal, ...] | None, NDArray[np.bool_] | None]:
    """The markers that are asked for, or the cells of a gate."""
    if what is None:
        return ((level, True),), None
    if isinstance(what, str) and what not in session.populations.gates:
        found = literals(session, what)
        if found is not None:
            return found, None
    if isinstance(what, str) and what in session.populations.gates:
        text = text_of(session, what)
        found = literals(session, text) if text else None
        if found is not None:
            return found, None
    return None, inside(session, what, condition)


# ---------------------------------------------------------------------- counting


def counts(session: Session, by: Any, what: Any, level: str) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.counts`."""
    with session.lock:
        domains = domains_of(session, by)
        asked, mask = _asked(session, what, level)
        markers = [] if asked is None else [marker(session, of) for of, _ in asked]
    if asked is not None:
        signs = [on for _, on in asked]
        held = np.logical_and.reduce([m.held for m in markers])
        open_ = ~np.isnan(np.array([m.scores for m in markers])).any(axis=0)
        mask = (
            np.logical_and.reduce([m.called == on for m, on in zip(markers, signs, strict=True)])
            & held
            & open_
        )
    else:
        signs, held, open_ = [], np.ones(len(session.table), bool), np.ones(len(session.table), bool)
    assert mask is not None
    table = _raw(domains, mask, held)
    unpredicted = int((held & ~open_).sum())
    sentence, warnings = _correct(session, table, domains, markers, signs, held & open_)
    if unpredicted:
        warnings.append(
            f"{unpredicted:,} cells have no prediction and count as negative. Measure, then session.predict_all()."
        )
    _densities(session, table, domains)
    table.attrs.update(
        source=sentence, warnings=warnings, by="×".join(domains.keys), what=what if what is not None else written(asked or ()),
        level=level,
    )  # fmt: skip
    return table[held_rows(table)] if len(table) else table


def held_rows(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows that have a cell."""
    return np.asarray(table["cells"].to_numpy() > 0)


def _raw(domains: Domains, mask: NDArray[np.bool_], held: NDArray[np.bool_]) -> pd.DataFrame:
    import pandas as pd

    k = len(domains.names)
    if len(domains.keys) == 1:
        index: Any = pd.Index([name[0] for name in domains.names], name=domains.keys[0])
    else:
        index = pd.MultiIndex.from_tuples(domains.names, names=list(domains.keys))
    cells = np.bincount(domains.codes[held], minlength=k)
    raw = np.bincount(domains.codes[mask & held], minlength=k)
    rest = {name: np.zeros(k, np.int64) if name == "audited" else np.full(k, np.nan) for name in COLUMNS[3:]}
    return pd.DataFrame(
        {"cells": cells, "raw": raw, "raw_share": raw / np.maximum(cells, 1), **rest}, index=index
    )


def _correct(
    session: Session,
    table: pd.DataFrame,
    domains: Domains,
    markers: list[Marker],
    signs: list[bool],
    use: NDArray[np.bool_],
) -> tuple[str, list[str]]:
    """Fill in what the audit makes of the counts; what it rests on, and warnings."""
    from scipy.sparse import csr_matrix

    from ..learn.counting import FEWEST, limits

    k, warnings = len(domains.names), list[str]()
    if not markers:
        return "Counted as they are: no audit can correct a gate.", warnings
    audits = [np.bincount(domains.codes[m.rows], minlength=k) for m in markers]
    table["audited"] = np.min(audits, axis=0)
    poor = [m for m in markers if len(m.rows) < FEWEST]
    if poor:
        names = ", ".join(f"{m.level} has {len(m.rows)}" for m in poor)
        return (
            f"Not corrected: {names} audited cells, and {FEWEST} are the least. Label an audit sample: in Evaluate, or with session.draw_audit(200).",
            warnings,
        )
    if len(markers) > MOST_MARKERS:
        return f"Not corrected: more than {MOST_MARKERS} markers are combined.", warnings
    units = _units(session, domains)
    memory = memory_of(session)
    fits = [
        memory.fit(m.scores[m.rows], m.called[m.rows], m.truth, m.weights, units.part(m.rows), m.seed + i)
        for i, m in enumerate(markers)
    ]
    certain, kinds, middle = _kinds(markers, signs, units, domains.codes, use)
    known = np.bincount(domains.codes[certain], minlength=k).astype(np.float64)
    mean, variance, place = memory.moments(kinds, fits, signs, middle, units.sizes)
    adding = csr_matrix((np.ones(len(place)), (place, np.arange(len(place)))), shape=(k, len(place)))
    every = np.bincount(kinds.rows[:, 0], kinds.cells, k).astype(np.float64)
    found = limits(adding @ mean, adding @ variance, every, known, seed=markers[0].seed)
    table["corrected"], table["low"], table["high"] = found.value, found.low, found.high
    n = min(len(m.rows) for m in markers)
    sentence = (
        f"Corrected by {n} audited cells pooled over all images, weighted by how they were drawn; each image's own error is drawn "
        "towards that of the others as far as they are alike. Limits hold the true number with 95 %."
    )
    if len(markers) > 1:
        sentence += " The markers' errors are taken to be independent, given what was predicted."
    few = [
        " × ".join(name)
        for name, a, c in zip(domains.names, table["audited"], table["cells"], strict=True)
        if a < FEW and c
    ]
    if few:
        listed = ", ".join(few[:4]) + (f" and {len(few) - 4} more" if len(few) > 4 else "")
        warnings.append(
            f"Fewer than {FEW} audited cells in {listed}: their limits rest on the others and are wide."
        )
    return sentence, warnings


def _units(session: Session, domains: Domains) -> Units:
    """Slice, animal and whatever else is counted by: each may have an error of its own."""
    from ..learn.counting import Units

    table = session.table
    codes, sizes = list[Ints](), list[int]()
    for coded, size in ((table.images, len(table.names)), (table.groups, len(table.group_names))):
        if size > 1 and (not codes or size < sizes[0]):
            codes.append(coded.astype(np.int64))
            sizes.append(size)
    for key in domains.keys:
        if key not in ("image", "group", "all"):
            given, names = column_of(session, key)
            if 1 < len(names) <= MOST_UNITS and len(sizes) < 3:
                codes.append(given)
                sizes.append(len(names))
    return Units(codes, tuple(sizes))


def _kinds(
    markers: list[Marker], signs: list[bool], units: Units, domains: Ints, use: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Kinds, Floats]:
    """Cells whose answer is known by their labels to be yes, the others by kind, and the middle of the bins."""
    from ..learn.counting import binned

    certain, possible = use.copy(), use.copy()
    for m, on in zip(markers, signs, strict=True):
        certain &= m.label == int(on)
        possible &= (m.label < 0) | (m.label == int(on))
    rows = np.flatnonzero(possible & ~certain)
    columns = [domains[rows], *(codes[rows] for codes in units.codes)]
    middle: Floats = np.empty(0)
    for m in markers:
        place, middle = binned(m.scores[rows])
        # Two for each bin, called or not; the last one for cells that have a label here.
        columns.append(np.where(m.label[rows] >= 0, 2 * len(middle), 2 * place + m.called[rows]))
    return certain, Kinds(columns, 1 + len(units.codes)), middle


def _densities(session: Session, table: pd.DataFrame, domains: Domains) -> None:
    table["area_mm2"] = areas.area_of(session, domains.keys, domains.names)
    best = table["corrected"].where(table["corrected"].notna(), table["raw"])
    for name, value in (("density", best), ("density_low", table["low"]), ("density_high", table["high"])):
        table[name] = value / table["area_mm2"].where(table["area_mm2"] > 0)


# ---------------------------------------------------------------------- all combinations, and files


def phenotypes(session: Session, levels: Any, by: Any) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.phenotypes`."""
    import pandas as pd

    every = [written(one) for one in combinations(session, levels)]
    found = {text: counts(session, by, text, session.level) for text in every}
    table = pd.concat(found, names=["phenotype"])
    table.attrs.update(source=next(iter(found.values())).attrs["source"], warnings=[])
    return table


def export_counts(session: Session, path: str | Path, by: Any, what: Any, level: str) -> Path:
    """See :meth:`celltune_nb.Session.export_counts`."""
    target = target_path(path, (".csv",))
    table = counts(session, by, what, level)
    frame = table.reset_index()
    frame.insert(0, "counted", table.attrs["what"])
    frame["source"] = table.attrs["source"]
    return write_record(frame, target)
