"""Combinations of markers in the words of the field: ``cFos+ PV-``, over levels that are ON or OFF on the same cells."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

from ..data.expressions import quoted
from ..data.populations import PopulationSet
from ..errors import InputError, NotReadyError
from .checks import texts
from .deciding import DECIDED
from .onoff import negative_of, positive_of
from .study import change_study, stored

if TYPE_CHECKING:
    from .session import Session

__all__ = ["answers_of", "combinations", "combine", "follow", "literals", "text_of", "written"]

Literal = tuple[str, bool]
_PART = "phenotypes"
_MOST = 6
"""Markers of which all combinations are counted: 64."""


def answers_of(session: Session, level: str) -> str:
    """The set that decides a level: ``Pred_THR`` where a threshold was set, else ``Pred_AVG``.

    Raises
    ------
    NotReadyError
        Before a training.
    """
    for name in (DECIDED, "Pred_AVG"):
        if session.populations.stored(level, name) is not None:
            return name
    raise NotReadyError(
        f"No model of {level} has predicted yet. Train it first: session.train(level={level!r})."
    )


def written(combination: list[Literal] | tuple[Literal, ...]) -> str:
    """``cFos+ PV-``."""
    return " ".join(f"{level}{'+' if on else '-'}" for level, on in combination)


def _pattern(session: Session) -> re.Pattern[str]:
    names = sorted(session.levels.names, key=len, reverse=True)
    return re.compile(
        rf"(?<![\w/])({'|'.join(map(re.escape, names))})\s*([+\-−–])(?=[\s,;&|)!]|$)", re.IGNORECASE
    )


def _tokens(session: Session, text: Any) -> tuple[list[Literal], str]:
    """Markers with their signs, and the text with a null character in the place of each."""
    if not isinstance(text, str) or not text.strip():
        raise InputError(f'{text!r} is no combination of markers. Write one such as "cFos+ PV-".')
    known = {name.casefold(): name for name in session.levels.names}
    found: list[Literal] = []

    def taken(match: re.Match[str]) -> str:
        found.append((known[match[1].casefold()], match[2] == "+"))
        return "\x00"

    return found, _pattern(session).sub(taken, text.replace("\x00", " "))


def literals(session: Session, text: Any) -> tuple[Literal, ...] | None:
    """The markers that a text asks for at once, each with its sign; None where it says something else.

    Raises
    ------
    InputError
        A marker is asked for with both signs.
    """
    found, rest = _tokens(session, text)
    if not found or rest.replace("\x00", "").strip(" \t,;&"):
        return None
    asked = dict(found)
    if any(asked[level] != on for level, on in found):
        raise InputError(f"{text!r} asks for a marker with both signs: no cell is so. Leave one out.")
    return tuple(asked.items())


def expression(session: Session, text: Any) -> str:
    """A combination as an expression over population sets.

    Raises
    ------
    InputError
        No marker stands in it, or one that is no level.
    """
    found, rest = _tokens(session, text)
    if not found:
        raise InputError(
            f"No marker with a sign stands in {text!r}. The markers are {', '.join(session.levels.names)}; write "
            f'"{session.levels.names[0]}+".'
        )
    # Side by side means both.
    rest = re.sub(r"(?<=[\x00)])[\s,;]*(?=[\x00(!])", " & ", rest)
    for level, on in found:
        rest = rest.replace("\x00", _asked(session, level, on), 1)
    return rest.strip(" \t,;")


def _asked(session: Session, level: str, on: bool) -> str:
    where = quoted(f"{level}/{answers_of(session, level)}")
    negative = negative_of(session, level)
    if on or negative is None:
        name = f"{where}:{quoted(positive_of(session, level).name)}"
        return name if on else f"!{name}"
    return f"{where}:{quoted(negative.name)}"


def combine(session: Session, text: Any, name: str | None, level: str) -> PopulationSet:
    """See :meth:`celltune_nb.Session.combine`."""
    meant = expression(session, text)
    made = session.gate_from(meant, name=" ".join(text.split()) if name is None else name, level=level)
    change_study(session, _PART, {f"{made.level}/{made.name}": text})
    return made


def text_of(session: Session, name: str) -> str:
    """What a combination was asked for as, by the name of its gate; empty where it is another gate."""
    level, bare = session.populations.gates.split(name)
    found = stored(session, _PART).get(f"{level}/{bare}", "")
    return found if isinstance(found, str) else ""


def follow(session: Session, level: str) -> None:
    """Let the combinations stand on what decides a level now; they are gates on sets that come and go with a threshold."""
    gates = session.populations.gates
    gone: dict[str, None] = {}
    for key, text in stored(session, _PART).items():
        of, _, name = key.rpartition("/")
        gate = gates.find(of, name)
        if gate is None or gate.expression is None:
            gone[key] = None
            continue
        if not any(reference.level == level for reference in gate.expression.references):
            continue
        meant = expression(session, text)
        if gate.expression.text != meant:
            session.gate_from(meant, name=name, level=of)
    if gone:
        change_study(session, _PART, gone)


def combinations(session: Session, levels: Any) -> list[tuple[Literal, ...]]:
    """Every combination of the signs of some markers: all positive first.

    Raises
    ------
    InputError, LabelError, NotReadyError
    """
    if levels is None:
        names = [
            name for name in session.levels.names if session.populations.stored(name, "Pred_AVG") is not None
        ]
        if not names:
            raise NotReadyError(
                "No marker has a trained model yet. Train first: in Train, or with session.train()."
            )
    else:
        names = list(dict.fromkeys(texts(levels, "The markers")))
    if not 0 < len(names) <= _MOST:
        raise InputError(
            f"Combinations of {len(names)} markers were asked for. Name 1 to {_MOST} with levels=."
        )
    for name in names:
        session.book.level(name)
        answers_of(session, name)
    return [tuple(zip(names, signs, strict=True)) for signs in product((True, False), repeat=len(names))]
