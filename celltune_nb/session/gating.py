"""The gates of a session: kept in ``project.json``, worked out when they are asked for.

A gate's cells are those that satisfy it now.  They are worked out again when what it stands on was replaced: features
measured anew, a training, labels, another gate.  So a gate is never out of date; where something it needs is gone,
:meth:`Gates.problem` says what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.expressions import parse, quoted
from ..data.gates import Condition, Gate, categories_of, in_polygon, in_range, in_rectangle
from ..data.populations import PopulationSet
from ..errors import CellTuneError, InputError, NotReadyError
from .columns import Columns
from .committing import committing
from .conditions import category_of
from .events import PopulationsChanged

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Gates", "keep", "preview", "remove", "rename"]

_SETTING = "gates"
#: Gates that may stand on one another in a row.
DEEPEST = 50


class Gates(Mapping[str, Gate]):
    """The gates by name: a bare one belongs to the active level, ``"CD8/bright"`` to another."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.columns = Columns(session)
        self._stored: Any = None
        self._gates: dict[tuple[str, str], Gate] = {}
        #: (level, name) → gate, what it stood on, and which items it holds
        self._masks: dict[tuple[str, str], tuple[Gate, list[Any], NDArray[np.bool_]]] = {}
        self._sets: dict[tuple[str, str], tuple[NDArray[np.bool_], Gate, PopulationSet]] = {}

    def __getitem__(self, name: str) -> Gate:
        found = self.find(*self.split(name)) if isinstance(name, str) else None
        if found is None:
            there = ", ".join(self)
            raise NotReadyError(
                f"There is no gate {name!r}. "
                + (f"There are: {there}." if there else "Make one: session.gate(feature, low, high, name=…).")
            )
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(*self.split(name)) is not None

    def __iter__(self) -> Iterator[str]:
        active = self._session.level
        yield from (name for level, name in self.known() if level == active)
        yield from (f"{level}/{name}" for level, name in self.known() if level != active)

    def __len__(self) -> int:
        return len(self.known())

    def __repr__(self) -> str:
        return f"Gates({', '.join(self) or 'none yet'})"

    # ------------------------------------------------------------------ definitions

    def known(self) -> dict[tuple[str, str], Gate]:
        """All gates by level and name, in the order in which they were made; those of levels that are gone left out."""
        stored = self._session.project.settings.get(_SETTING)
        if stored is not self._stored or not stored:
            found = {}
            for row in stored if isinstance(stored, list) else []:
                try:
                    gate = Gate.from_json(row)
                except (ValueError, TypeError, KeyError, AttributeError):
                    continue  # edited by hand; the others are still good
                found[gate.level, gate.name] = gate
            self._gates, self._stored = found, stored
        return self._gates

    def find(self, level: str, name: str) -> Gate | None:
        """A gate, or None."""
        return self.known().get((level, name))

    def split(self, name: str) -> tuple[str, str]:
        """Level and bare name."""
        level, slash, bare = name.rpartition("/")
        return (level, bare) if slash and level in self._session.levels else (self._session.level, name)

    def problem(self, name: str) -> str:
        """Why a gate cannot be worked out now, in a sentence; empty when it can."""
        return self.trouble(self[name])

    def trouble(self, gate: Gate, chain: tuple[Gate, ...] = ()) -> str:
        """As :meth:`problem`; cheap, since no array is looked at."""
        if gate in chain or len(chain) > DEEPEST:
            return f"Gate {gate.name!r} stands on itself. Draw it anew."
        for feature in gate.features:
            if not self.columns.has(feature, gate.level):
                return f"{feature}, which gate {gate.name!r} needs, is not there now. Measure or train again, or draw the gate anew."
        for condition in gate.conditions:
            for reference in condition.references:
                other = self.find(reference.level, reference.population)
                if other is not None:
                    found = self.trouble(other, (*chain, gate))
                else:
                    found = category_of(self._session, reference)[1]
                if found:
                    return found
        return ""

    # ------------------------------------------------------------------ which items are inside

    def mask(self, gate: Gate) -> NDArray[np.bool_]:
        """Which items a gate holds, in row order; shape (n,), not to be changed.

        Raises
        ------
        NotReadyError
            When something it stands on is gone.
        """
        return self._mask(gate, ())

    def _mask(self, gate: Gate, chain: tuple[Gate, ...]) -> NDArray[np.bool_]:
        if gate in chain or len(chain) > DEEPEST:
            raise NotReadyError(f"Gate {gate.name!r} stands on itself. Draw it anew.")
        needs: list[Any] = [self._session.table]
        columns = []
        for feature in gate.features:
            values, token = self.columns.values(feature, gate.level)
            columns.append(values)
            needs.append(token)
        conditions = [self._inputs(condition, (*chain, gate)) for condition in gate.conditions]
        needs += [array for inputs in conditions for array, _ in inputs]
        key = (gate.level, gate.name)
        before = self._masks.get(key)
        if (
            before is not None and before[0] == gate and len(before[1]) == len(needs)
            and all(a is b for a, b in zip(before[1], needs, strict=True))
        ):  # fmt: skip
            return before[2]
        if gate.kind == "range":
            mask = in_range(columns[0], gate.low, gate.high)
        elif gate.kind == "rectangle":
            mask = in_rectangle(columns[0], columns[1], gate.points)
        elif gate.kind == "polygon":
            mask = in_polygon(columns[0], columns[1], gate.points, gate.cofactors or (None, None))
        else:
            mask = np.ones(len(self._session.table), bool)
        for condition, inputs in zip(gate.conditions, conditions, strict=True):
            mask = mask & self._evaluate(condition, inputs)
        mask.setflags(write=False)
        self._masks[key] = (gate, needs, mask)
        return mask

    def _inputs(self, condition: Condition, chain: tuple[Gate, ...]) -> list[tuple[NDArray[Any], int]]:
        """For each name of a condition: an array that is the same as long as nothing changed, and the code wanted in it."""
        found: list[tuple[NDArray[Any], int]] = []
        for reference in condition.references:
            gate = self.find(reference.level, reference.population)
            if gate is not None:
                found.append((self._mask(gate, chain), 1 if reference.code is None else reference.code))
                continue
            category, trouble = category_of(self._session, reference)
            if category is None:
                raise NotReadyError(trouble)
            found.append(
                (self._session.populations.of(reference.level, reference.population).codes, category.code)
            )
        return found

    def _evaluate(self, condition: Condition, inputs: list[tuple[NDArray[Any], int]]) -> NDArray[np.bool_]:
        n = len(self._session.table)
        expression = parse(condition.text)
        place = {name.start: i for i, name in enumerate(expression.names)}

        def value(start: int) -> NDArray[np.bool_]:
            codes, code = inputs[place[start]]
            found = np.asarray(codes == code)
            # Items added since a training are in none of its categories.
            return found if len(found) == n else np.pad(found, (0, n - len(found)))

        return expression.evaluate(
            lambda name: value(name.start), np.logical_and, np.logical_or, np.logical_not
        )

    def population(self, gate: Gate) -> PopulationSet:
        """A gate as a population set: inside (code 1) or not (code 0)."""
        mask, key = self.mask(gate), (gate.level, gate.name)
        before = self._sets.get(key)
        if before is not None and before[0] is mask and before[1] == gate:
            return before[2]
        made = PopulationSet(
            gate.name,
            gate.level,
            self._session.table.ids,
            mask.astype(np.int16),
            categories_of(gate),
            kind="gate",
        )
        self._sets[key] = (mask, gate, made)
        return made


# ---------------------------------------------------------------------- changing them


def keep(session: Session, gate: Gate) -> PopulationSet:
    """Keep a gate; one of its name and level is replaced."""
    gates = session.populations.gates
    with session.lock:
        depth = _depth(gates, gate, (), gate)
        if depth > DEEPEST:
            raise InputError(
                f"More than {DEEPEST} gates would stand on one another. Combine some of them first."
            )
        found = gates.population(gate)  # whatever is wrong with it is said before it is kept
    with session.writing():  # else a gate kept meanwhile would be lost
        _store(session, {**gates.known(), (gate.level, gate.name): gate})
    session.changed_populations([gate.name])
    return found


def _depth(gates: Gates, gate: Gate, chain: tuple[tuple[str, str], ...], new: Gate) -> int:
    key = (gate.level, gate.name)
    if key in chain:
        raise InputError(
            f"Gate {new.name!r} would stand on itself, by way of {chain[-1][1]!r}. Use another name."
        )
    deepest = 0
    for condition in gate.conditions:
        for reference in condition.references:
            there = (reference.level, reference.population)
            other = new if there == (new.level, new.name) else gates.find(*there)
            if other is not None and len(chain) <= DEEPEST:
                deepest = max(deepest, 1 + _depth(gates, other, (*chain, key), new))
    return deepest


def rename(session: Session, old: str, new: str, check: Any) -> Gate:
    """Call a gate by another name, also in the gates that stand on it."""
    gates = session.populations.gates
    with session.writing():
        gate = gates[old]
        new = check(session, gate.level, new, gate)
        renamed = {}
        for key, other in gates.known().items():
            follows = replace(
                other,
                expression=_with_new_name(other.expression, gate, new),
                within=_with_new_name(other.within, gate, new),
            )
            renamed[(gate.level, new) if other is gate else key] = (
                replace(follows, name=new) if other is gate else follows
            )
        _store(session, renamed)
    before = gate.name if gate.level == session.level else f"{gate.level}/{gate.name}"
    if session.view.color_by == before:
        session.set_view(color_by=before.removesuffix(gate.name) + new, hidden=frozenset())
    session.changed_populations([new])
    return gates.known()[gate.level, new]


def _with_new_name(condition: Condition | None, gate: Gate, new: str) -> Condition | None:
    """The condition with a gate called by its new name; as inside or outside it as before."""
    if condition is None:
        return None
    texts, references = {}, []
    inside = categories_of(gate)[1].name
    outside, now = (categories_of(replace(gate, name=new))[i].name for i in (0, 1))
    for name, reference in zip(parse(condition.text).names, condition.references, strict=True):
        if (reference.level, reference.population) != (gate.level, gate.name):
            references.append(reference)
            continue
        category = now if reference.category == inside else outside
        texts[name.start] = quoted(new) if category == now else f"{quoted(new)}:{quoted(category)}"
        references.append(replace(reference, population=new, category=category))
    return Condition(parse(condition.text).renamed(texts), tuple(references)) if texts else condition


def remove(session: Session, name: str) -> None:
    """Remove a gate on which no other stands."""
    gates = session.populations.gates
    with session.writing():
        gate = gates[name]
        standing = [
            other.name
            for other in gates.known().values()
            if any(
                (r.level, r.population) == (gate.level, gate.name)
                for c in other.conditions
                for r in c.references
            )
        ]
        if standing:
            raise InputError(
                f"{', '.join(map(repr, standing))} stands on gate {gate.name!r}. Remove or redraw that first."
            )
        _store(session, {key: other for key, other in gates.known().items() if other is not gate})
    if session.view.color_by not in (None, *session.populations):
        session.set_view(color_by="labels", hidden=frozenset())
    session.changed_populations([gate.name])


def recolor(session: Session, name: str, color: str) -> None:
    """Give a gate another colour."""
    gates = session.populations.gates
    with session.writing():
        gate = gates[name]
        _store(session, {**gates.known(), (gate.level, gate.name): replace(gate, color=color)})
    session.changed_populations([gate.name])


def preview(session: Session, gate: Gate | None) -> int:
    """Show on the image what a gate would hold, without keeping it; None ends that. Returns how many items."""
    inside, found = 0, None
    if gate is not None:
        found = session.populations.gates.population(gate)
        inside = int(np.count_nonzero(found.codes))
    if found is not session.populations.preview:
        session.populations.preview = found
        session.emit(session.preview_changed, PopulationsChanged(()))
    return inside


def _store(session: Session, gates: Mapping[tuple[str, str], Gate]) -> None:
    with committing(session) as project:
        project.settings[_SETTING] = [gate.to_json() for gate in gates.values()]
        project.save()


def inside(session: Session, name: str, condition: Any) -> NDArray[np.bool_]:
    """Which items a gate, or an expression, holds."""
    gates = session.populations.gates
    if isinstance(name, str) and name in gates:
        return gates.mask(gates[name])
    try:
        found = condition(session, session.level, name)
    except CellTuneError as error:
        if isinstance(name, str) and not set("&|!()") & set(name):
            there = ", ".join(gates)
            raise InputError(
                f"There is no gate or population {name!r}. Gates: {there or 'none yet'}. {error}"
            ) from error
        raise
    return gates.mask(Gate("", session.level, "expression", "#000000", expression=found))
