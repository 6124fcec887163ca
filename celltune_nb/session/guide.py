"""The way through a study of several images: tasks that tick themselves, and what to look after next, in words.

The steps are those of sampling by slices: a written rule, a few images that span the groups, clear examples first, an
early training, corrections, another training, a blind check, a verdict on every image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..data.categories import UNKNOWN
from .describing import LabelTable, label_table
from .onoff import negative_of, positive_of
from .study import NOT_INSPECTED, groups_of_images, rule, verdicts, working_set

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Task", "checklist", "nudges"]

#: Labels of each category to begin with, labels of an image that count as some, corrections, audit labels.
FIRST, SOME, CORRECTED, AUDITED = 100, 10, 10, 200
#: Images of a working set: more than three span little more, and fewer hide how images differ.
LEAST, MOST = 3, 5
#: Labels from which on more of them hardly help.
PLENTY = 2_000
#: Share of the labels that one image, one group or one category may have before that is said.
HEAVY, RARE = 0.5, 0.1


@dataclass(frozen=True)
class Task:
    """A step of the guide.

    Attributes
    ----------
    key : str
    text : str
        What to do.
    done : bool
    state : str
        How far it is: "34 of 100 ON, 60 of 100 OFF".
    why : str
        What it is good for.
    """

    key: str
    text: str
    done: bool
    state: str
    why: str


@dataclass(frozen=True, eq=False)
class _Facts:
    """What tasks and nudges are worked out from; the labels counted are those that models learn from."""

    by_image: LabelTable
    by_group: LabelTable
    tally: dict[str, int]
    images: list[str]
    groups: dict[str, str]
    rounds: int
    sources: dict[str, int]
    new: int

    @property
    def total(self) -> int:
        return sum(self.tally.values())


def _facts(session: Session, level: str) -> _Facts:
    by_image, by_group = _samples(session, "image", level), _samples(session, "group", level)
    tally = dict(zip(by_image.columns, by_image.counts.sum(axis=0).tolist(), strict=True))
    table = session.table
    groups = {name: group for name, group in groups_of_images(session).items() if group}
    with session.lock:
        state = session.book.level(level)
        ids = table.ids[state.codes_in_order(table.ids) != 0]
        kinds, counts = np.unique(session.book.sources(level, ids).astype(str), return_counts=True)
    runs = [run for run in session.runs if run.level == level and run.state in ("done", "stopped")]
    learned = int(runs[-1].about.get("labels", 0)) if runs else 0
    sources = dict(zip(kinds.tolist(), counts.tolist(), strict=True))
    return _Facts(
        by_image, by_group, tally, list(working_set(session) or table.names), groups, len(runs), sources,
        max(sum(tally.values()) - learned, 0),
    )  # fmt: skip


def _samples(session: Session, by: str, level: str) -> LabelTable:
    """The labels by image or group without the audit's, which nothing is learned from."""
    found, table = label_table(session, by, level), session.table
    with session.lock:
        ids = session.audits.of(level).ids
        state = session.book.level(level)
        codes = state.codes_of(ids)
        column = {c.code: found.columns.index(c.name) for c in state.categories if c.name in found.columns}
    units, names = (table.images, table.names) if by == "image" else (table.groups, table.group_names)
    rows = units[table.positions(ids)] + len(found.rows) - len(names)  # items without a group come first
    known = np.isin(codes, list(column))
    columns = np.array([column[int(code)] for code in codes[known]], np.int64)
    np.subtract.at(found.counts, (rows[known], columns), 1)
    return found


# ---------------------------------------------------------------------- the checklist


def checklist(session: Session, level: str) -> list[Task]:
    """See :meth:`celltune_nb.Session.checklist`."""
    facts = _facts(session, level)
    corrected = facts.sources.get("correction", 0) + facts.sources.get("review", 0)
    audited = facts.sources.get("audit", 0)
    said = verdicts(session, level)["verdict"]
    looked = int((said != NOT_INSPECTED).sum())
    text = rule(session, level)
    return [
        Task("rule", "Write down when a cell counts", bool(text), "written" if text else "not yet",
             "Two people, or you in a month, then call the same cell the same."),
        _set_task(session, facts),
        _first_task(session, level, facts),
        _spread_task(facts),
        Task("train", "Train early", facts.rounds > 0, _times(facts.rounds, "training"),
             "The models show which cells are worth a label; that saves most of them."),
        Task("mistakes", "Look for mistakes and correct them", corrected >= CORRECTED,
             f"{corrected:,} of {CORRECTED} corrected or reviewed",
             "Weak and blurred cells decide how good the models get; they are found where models err."),
        Task("again", "Train again", facts.rounds > 1 and facts.new < SOME,
             f"{facts.new:,} labels since the last training" if facts.rounds else "after the first training",
             "Corrections help from the next training on."),
        Task("audit", "Check blind", audited >= AUDITED, f"{audited:,} of {AUDITED} audit cells",
             "Labels you chose say little about the rest; a random sample does, and it corrects the counts."),
        Task("verdict", "Look at every slice and give a verdict", looked == len(said) > 0,
             f"{looked:,} of {_times(len(said), 'slice')}; choose beside each in the list", "Figures do not see a fold, a bubble or a slice out of focus."),
    ]  # fmt: skip


def _set_task(session: Session, facts: _Facts) -> Task:
    chosen, names = working_set(session), session.table.names
    groups = {facts.groups[name] for name in facts.images if name in facts.groups}
    enough = len(facts.images) >= min(LEAST, len(names)) and len(groups) >= min(
        2, len(set(facts.groups.values()))
    )
    few = len(names) <= MOST
    state = f"{_times(len(facts.images), 'slice')}" + (
        f" of {_times(len(groups), 'animal')}" if groups else ""
    )
    return Task(
        "set", f"Choose {LEAST}–{MOST} slices to work on", bool(names) and enough and (bool(chosen) or few),
        state if chosen or few else f"all {len(names):,} slices", "A few unlike ones of several animals teach more than many of one.",
    )  # fmt: skip


def _first_task(session: Session, level: str, facts: _Facts) -> Task:
    wanted = list(facts.tally)
    if negative_of(session, level) is not None:
        first = positive_of(session, level).name
        wanted.sort(key=lambda name: name != first)
    each = FIRST if len(wanted) <= 2 else FIRST // 4
    state = ", ".join(f"{facts.tally[name]:,} of {each} {name}" for name in wanted[:6])
    counts = [facts.tally[name] for name in wanted]
    # Where one is rare, a hundred of it would take a thousand labels: with some of it a model finds more.
    found = sum(counts) >= each * len(wanted) and min(counts, default=0) >= SOME
    done = len(wanted) > 1 and (found or min(counts) >= each)
    return Task(
        "first", f"Label about {each} of each, clear ones first", done, state or "no categories yet",
        "Clear examples of both make the first model; where one is rare, take what you find.",
    )  # fmt: skip


def _spread_task(facts: _Facts) -> Task:
    totals = dict(zip(facts.by_image.rows, facts.by_image.counts.sum(axis=1).tolist(), strict=True))
    some = sum(totals.get(name, 0) >= SOME for name in facts.images)
    return Task(
        "spread", "Label on each of them", bool(facts.images) and some == len(facts.images),
        f"{some:,} of {_times(len(facts.images), 'slice')} with {SOME} labels or more",
        "Staining and light differ from slice to slice; a model knows only what it was shown.",
    )  # fmt: skip


# ---------------------------------------------------------------------- what to look after


def nudges(session: Session, level: str) -> list[str]:
    """See :meth:`celltune_nb.Session.nudges`."""
    facts, said = _facts(session, level), []
    total = facts.total
    if not total:
        return []
    said += _one_sided(facts)
    totals = dict(zip(facts.by_image.rows, facts.by_image.counts.sum(axis=1).tolist(), strict=True))
    said += _heavy(totals, total, len(facts.images), "slice")
    by_group = dict(zip(facts.by_group.rows, facts.by_group.counts.sum(axis=1).tolist(), strict=True))
    if max(by_group.values(), default=0) > max(
        totals.values(), default=0
    ):  # else it is that slice's animal, said already
        said += _heavy(by_group, total, len({facts.groups.get(name) for name in facts.images}), "animal")
    empty = [name for name in facts.images if not totals.get(name)]
    if total >= 2 * FIRST // 4 and empty and len(facts.images) > 1:
        more = f" and {len(empty) - 2} more" if len(empty) > 2 else ""
        said.append(f"Nothing is labelled on {' and '.join(empty[:2])}{more}: sample a rectangle there.")
    if not facts.rounds and total >= FIRST and sum(n > 0 for n in facts.tally.values()) > 1:
        said.append(
            f"{total:,} labels: enough for a first training. The models then say which cells help most."
        )
    elif facts.rounds and facts.new >= FIRST // 2:
        said.append(f"{facts.new:,} labels since the last training: train again.")
    if total >= PLENTY:
        said.append(
            f"{total:,} labels: from about {PLENTY:,} on, more hardly help. Check blind, and look at the worst slice."
        )
    return said


def _one_sided(facts: _Facts) -> list[str]:
    there = {name: n for name, n in facts.tally.items() if name != UNKNOWN}
    given = {name: n for name, n in there.items() if n}
    if len(there) > 1 and len(given) == 1 and facts.total >= SOME:
        missing = next(name for name in there if name not in given)
        return [
            f"All {facts.total:,} labels are {next(iter(given))}: label some {missing}, or nothing can be told apart."
        ]
    if len(there) != 2 or facts.total < FIRST // 2:
        return []
    rare, n = min(there.items(), key=lambda one: one[1])
    if n / facts.total >= RARE:
        return []
    how = f"ask for more of {rare}" if facts.rounds else "look for them with the next rectangle"
    return [f"{n:,} of {facts.total:,} labels are {rare}: {how}."]


def _heavy(totals: dict[str, int], total: int, count: int, what: str) -> list[str]:
    if count < 3 or total < FIRST // 2:
        return []
    name, n = max(totals.items(), key=lambda one: one[1])
    if name == "–" or n / total <= HEAVY:
        return []
    return [f"{n / total:.0%} of the labels are of {name}: label on another {what}."]


def _times(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"
