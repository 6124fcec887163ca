"""The population sets of a session: the labels, live, and what trainings and gates left."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.categories import CategorySet
from ..data.merging import after_merges
from ..data.populations import PopulationSet
from ..data.predictions import compared, named_as_now
from ..errors import NotReadyError
from .committing import committing
from .gating import Gates
from .population_files import prepare_population, remove_population
from .runs import Run

if TYPE_CHECKING:
    from .session import Session

__all__ = [
    "Populations",
    "keep_sets",
    "of_newest",
]


class Populations(Mapping[str, PopulationSet]):
    """Population sets by name.

    A bare name (``"Pred_AVG"``) belongs to the active level, ``"CD8/Pred_AVG"`` to another.
    ``"labels"`` is always there.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        #: (level, name) → set
        self._sets: dict[tuple[str, str], PopulationSet] = {}
        #: level → revision of the journal, and the labels as they were then
        self._labels: dict[str, tuple[int, PopulationSet]] = {}
        #: (level, name) → a set of before a merge, what was merged, and the set after it
        self._after_merges: dict[tuple[str, str], tuple[PopulationSet, Any, PopulationSet]] = {}
        #: What a training that is still predicting says of the items on the screen.
        self.coming: PopulationSet | None = None
        #: Shown on the image in place of what the view asks for: a gate while it is dragged.
        self.preview: PopulationSet | None = None
        self.gates = Gates(session)

    def __getitem__(self, name: str) -> PopulationSet:
        if not isinstance(name, str):
            raise NotReadyError(f"{name!r} is no population set's name. There are: {', '.join(self)}.")
        level, bare = self._split(name)
        if (level, bare) in self._sets or bare == "labels":
            return self.of(level, bare)
        gate = self.gates.find(level, bare)
        if gate is None:
            raise NotReadyError(
                f"There is no population set {name!r}. There are: {', '.join(self)}."
                + (" Train first: in Train, or with session.train()." if bare.startswith("Pred_") else "")
            )
        trouble = self.gates.trouble(gate)
        if trouble:
            raise NotReadyError(trouble)
        return self.gates.population(gate)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        level, bare = self._split(name)
        if (bare == "labels" and level in self._session.levels) or (level, bare) in self._sets:
            return True
        gate = self.gates.find(level, bare)
        return gate is not None and not self.gates.trouble(gate)

    def __iter__(self) -> Iterator[str]:
        yield "labels"
        active = self._session.level
        yield from sorted((name for level, name in list(self._sets) if level == active), key=_place)
        gates = [(g.level, g.name) for g in list(self.gates.known().values()) if not self.gates.trouble(g)]
        yield from (name for level, name in gates if level == active)
        for other in self._session.levels.names:
            if other != active:
                yield f"{other}/labels"
        others = sorted(
            (key for key in list(self._sets) if key[0] != active), key=lambda k: (k[0], _place(k[1]))
        )
        yield from (f"{level}/{name}" for level, name in [*others, *(g for g in gates if g[0] != active)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Populations({', '.join(self)})"

    def stored(self, level: str, bare: str) -> PopulationSet | None:
        """The labels of a level, or a set that is kept with the codes it was made with; None for a gate and where none is."""
        if bare == "labels":
            return self.of_labels(level) if level in self._session.levels else None
        return self._sets.get((level, bare))

    def of(self, level: str, bare: str) -> PopulationSet:
        """The labels of a level, or a stored set, with today's names of the categories."""
        return self.of_labels(level) if bare == "labels" else self._current(self._sets[level, bare])

    def of_level(self, level: str) -> list[str]:
        """Bare names of a level's sets: the labels, the stored ones, the gates."""
        stored = sorted((name for of, name in list(self._sets) if of == level), key=_place)
        return ["labels", *stored, *(name for of, name in self.gates.known() if of == level)]

    def names(self) -> list[str]:
        """Names that are there now, the active level's first."""
        return list(self)

    def of_labels(self, level: str) -> PopulationSet:
        """The labels of a level as they are now; one set serves all who ask before the next change."""
        session = self._session
        with session.lock:
            state, revision = session.book.level(level), session.book.revision
            known = self._labels.get(level)
            if known is None or known[0] != revision or known[1].ids is not session.table.ids:
                codes = state.codes_in_order(session.table.ids)
                codes.setflags(write=False)  # several hold it
                known = (
                    revision,
                    PopulationSet("labels", level, session.table.ids, codes, tuple(state.categories)),
                )
                self._labels[level] = known
            return known[1]

    def on_screen(self, name: str) -> PopulationSet:
        """As ``self[name]``, with what a training that is still predicting says of the items on the screen.

        For pictures alone: a mixture of two trainings is no result to count, compare or export.
        """
        found, coming = self[name], self.coming
        if coming is None or (coming.level, coming.name) != (found.level, found.name) or not len(found):
            return found
        places = np.minimum(np.searchsorted(found.ids, coming.ids), len(found) - 1)
        known = found.ids[places] == coming.ids
        codes = found.codes.copy()
        codes[places[known]] = coming.codes[known]
        by_code = {c.code: c for c in (*found.categories, *coming.categories)}
        return PopulationSet(found.name, found.level, found.ids, codes, tuple(by_code.values()))

    def answer_of(self, run: Run) -> PopulationSet | None:
        """What a training says of all items; None where only another's answer is kept."""
        found = self._sets.get((run.level, "Pred_AVG"))
        if found is None or self._session.finished_run(run.level) is not run:
            return None
        return self._current(found) if found.run in (None, run.id) else None

    def put(self, sets: list[PopulationSet], *, instead: Collection[str] = ()) -> None:
        """Add or replace sets, and drop those of the same level named *instead* (the session tells its listeners)."""
        kept = {
            key: item for key, item in self._sets.items() if key[1] not in instead or key[0] != sets[0].level
        }
        self._sets = {**kept, **{(item.level, item.name): item for item in sets}}

    def kept(self) -> dict[tuple[str, str], PopulationSet]:
        """The stored sets by level and name, with the codes they were made with."""
        return dict(self._sets)

    def replace(self, sets: Sequence[PopulationSet], gone: Sequence[PopulationSet]) -> None:
        """Add or replace sets, and drop others (the session tells its listeners)."""
        dropped = {(item.level, item.name) for item in gone}
        kept = {key: item for key, item in self._sets.items() if key not in dropped}
        self._sets = {**kept, **{(item.level, item.name): item for item in sets}}

    def _split(self, name: str) -> tuple[str, str]:
        level, slash, bare = name.rpartition("/")
        if slash and level in self._session.levels:
            return level, bare
        return self._session.level, name

    def _current(self, found: PopulationSet) -> PopulationSet:
        """With today's names and colours of its level's categories, merged ones as the one they are part of."""
        if found.kind:  # its categories are its own
            return found
        categories = self._session.levels[found.level].categories
        if found.run is not None and categories.merged:
            found = self._merged(found, categories)
        if found.run is not None:
            found = self._session.regions.held(found)
        return named_as_now(found, categories.by_code)

    def _merged(self, found: PopulationSet, categories: CategorySet) -> PopulationSet:
        key = (found.level, found.name)
        known = self._after_merges.get(key)
        if known is None or known[0] is not found or known[1] != categories.merged:
            merged = after_merges(found, categories)
            both = [self._sets.get((found.level, f"Pred_MDL{i}")) for i in (1, 2)]
            if (
                merged is not found
                and found.name == "Pred_ALL"
                and both[0] is not None
                and both[1] is not None
            ):
                first, second = (self._merged(one, categories) for one in both if one is not None)
                merged = replace(compared(found.name, first, second), run=found.run)
            known = self._after_merges[key] = (found, categories.merged, merged)
        return known[2]


def _place(name: str) -> tuple[int, str]:
    """The models' answers first, then their mean, their comparison, what changed, and everything else."""
    if name.startswith("Pred_MDL"):
        return (0, name)
    return ({"Pred_AVG": 1, "Pred_THR": 2, "Pred_ALL": 3, "Round_diff": 4}.get(name, 5), name)


def keep_sets(
    session: Session, sets: Sequence[PopulationSet], *, drop: Sequence[tuple[str, str]] = (),
    settings: tuple[str, str, Any] | None = None,
) -> None:  # fmt: skip
    """Keep population sets that no training left, and tell the listeners.

    Parameters
    ----------
    sets : sequence of PopulationSet
    drop : sequence of (str, str)
        Level and name of sets that are removed.
    settings : (str, str, object), optional
        A dictionary in ``project.json``, a key of it, and what is kept there beside the sets; None removes the key.
    """
    with session.writing():
        pass  # refuse before anything is written
    ready = [prepare_population(session.project, item) for item in sets]
    populations = session.populations
    try:
        with committing(session) as project:
            gone = [item for key in drop if (item := populations.stored(*key)) is not None]
            for prepared, path in ready:
                prepared.replace(path)
            if settings is not None:
                kept, key, value = settings
                before = project.settings.get(kept)
                others = {k: v for k, v in (before if isinstance(before, dict) else {}).items() if k != key}
                project.settings[kept] = others if value is None else {**others, key: value}
                project.save()
            for item in gone:
                remove_population(project, item)
            populations.replace(sets, gone)
    finally:
        for prepared, _ in ready:
            prepared.unlink(missing_ok=True)  # what did not take effect
    if session.view.color_by not in (None, *populations):
        session.set_view(color_by="labels", hidden=frozenset())
    session.changed_populations([item.name for item in (*sets, *gone)])


def of_newest(sets: list[PopulationSet], runs: list[Run]) -> tuple[list[PopulationSet], list[str]]:
    """The sets without those of another training than the newest of their level, and a sentence for each such level.

    A training that is cut off while it takes effect leaves sets of its own beside those of the former.
    """
    newest = {run.level: run.id for run in runs if run.state in ("done", "stopped")}
    kept = [item for item in sets if item.run is None or item.run == newest.get(item.level)]
    cut = sorted({item.level for item in sets if item not in kept})
    return kept, [
        f"A training of level {level!r} was cut off while it was saved; its predictions were left out. Train again."
        for level in cut
    ]
