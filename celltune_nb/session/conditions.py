"""What the names in an expression mean: a gate, or a category of a population set."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ..data.categories import Category
from ..data.expressions import Name, parse, quoted
from ..data.gates import Condition, Reference, categories_of
from ..data.predictions import PAIR
from ..errors import InputError

if TYPE_CHECKING:
    from .session import Session

__all__ = ["category_of", "condition", "text_now"]


def condition(session: Session, level: str, text: str) -> Condition:
    """An expression with its names looked up.

    A name that is a gate's means that gate.  Any other has to be the name of a category that stands in one population set of
    the level alone, or be written with its set: ``Pred_AVG:CD8T``.

    Raises
    ------
    InputError
        For an expression that cannot be read, and for a name that means nothing or several things.
    """
    expression = parse(text)
    known: dict[str, Reference] = {}
    references = []
    for name in expression.names:
        if name.text not in known:
            known[name.text] = _resolve(session, level, name)
        references.append(known[name.text])
    return Condition(expression.text, tuple(references))


def _resolve(session: Session, level: str, name: Name) -> Reference:
    gates = session.populations.gates
    gate = gates.find(level, name.text)
    if gate is None and "/" in name.text:
        gate = gates.find(*gates.split(name.text))
    if gate is not None:
        return Reference(gate.level, gate.name, 1, gate.name)
    found = _sets_with(session, level, name.text)
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        choices = [f"{quoted(r.population)}:{quoted(r.category)}" for r in found]
        best = next((c for c in choices if c.startswith("Pred_AVG:")), choices[-1])
        raise InputError(
            f"{name.text!r} (character {name.start + 1}) is a category of several population sets: "
            f"{', '.join(r.population for r in found)}. Say which one is meant, such as {best}."
        )
    several: dict[Reference, None] = {}
    for where, what in name.parts:
        of, bare = gates.split(where) if "/" in where else (level, where)
        for reference in _sets_with(session, of, what, bare):
            several[reference] = None
    if len(several) == 1:
        return next(iter(several))
    if several:
        raise InputError(
            f"{name.text!r} (character {name.start + 1}) can be read in several ways. Put the set and the category in quotes: "
            '"set":"category".'
        )
    raise _unknown(session, level, name)


def _sets_with(session: Session, level: str, category: str, only: str | None = None) -> list[Reference]:
    """The sets of a level that have a category of this name."""
    found = []
    for bare in session.populations.of_level(level) if only is None else [only]:
        gate = session.populations.gates.find(level, bare)
        categories: tuple[Category, ...] = ()
        if gate is not None:
            categories = categories_of(gate)
        elif session.populations.stored(level, bare) is not None:
            categories = session.populations.of(level, bare).categories
        for known in categories:
            if known.name == category:
                code = known.code if known.code < PAIR and bare != "Round_diff" else None
                found.append(Reference(level, bare, code, category))
                break
    return found


def _unknown(session: Session, level: str, name: Name) -> InputError:
    names: dict[str, None] = {}
    for bare in session.populations.of_level(level):
        if session.populations.gates.find(level, bare) is not None:
            names[bare] = None
        elif session.populations.stored(level, bare) is not None:
            names.update(
                {c.name: None for c in session.populations.of(level, bare).categories if c.code < PAIR}
            )
    lower = {known.lower(): known for known in names}
    close = [lower[c] for c in difflib.get_close_matches(name.text.lower(), list(lower), 3, 0.5)]
    hint = (
        f"Did you mean {', '.join(close)}?"
        if close
        else f"There are: {', '.join(list(names)[:12]) or 'none yet'}."
    )
    return InputError(f"There is no gate or category {name.text!r} (at character {name.start + 1}). {hint}")


def category_of(session: Session, reference: Reference) -> tuple[Category | None, str]:
    """The category that a reference means now; None and why, in a sentence, where it is gone."""
    populations = session.populations
    where = quoted(reference.population)
    if (
        reference.level not in session.levels
        or populations.stored(reference.level, reference.population) is None
    ):
        return (
            None,
            f"The population set {where} is not there now. Train or cluster again, or write the expression anew.",
        )
    for category in populations.of(reference.level, reference.population).categories:
        if category.code == reference.code or (
            reference.code is None and category.name == reference.category
        ):
            return category, ""
    return None, f"{where} has no category {reference.category!r} now. Write the expression anew."


def text_now(session: Session, condition: Condition) -> str:
    """An expression with the names that its categories have now."""
    texts = {}
    expression = parse(condition.text)
    for name, reference in zip(expression.names, condition.references, strict=True):
        if session.populations.gates.find(reference.level, reference.population) is not None:
            continue
        category, _ = category_of(session, reference)
        if category is not None and category.name != reference.category:
            bare = category.name if name.text == reference.category else None
            texts[name.start] = (
                quoted(bare) if bare else f"{quoted(reference.population)}:{quoted(category.name)}"
            )
    return expression.renamed(texts) if texts else condition.text
