"""Rows that begin, rename or remove a level: what each does to the levels, and how it is taken back.

A level that was begun with its categories (a marker with ON and OFF), and one that was removed, is a step which undo takes
back: a level goes only while it has no label, and what the row says brings it back.  Another name is none: it is given
back by renaming again, so that undo reaches the labels of before however late a name was mended.  Each function gives a
new mapping, since readers without the lock may be going through the former one.
"""

from __future__ import annotations

from typing import Any

from .categories import CategorySet
from .journal import Entry
from .level import Level

__all__ = ["REMOVED", "RENAMED", "back", "described", "forth", "is_step", "renamed", "sentence"]

RENAMED, REMOVED = "level renamed", "level removed"

Levels = dict[str, Level]


def is_step(entry: Entry) -> bool:
    """Whether undo takes a row back; a level begun without categories is no step."""
    return entry.verb == REMOVED or (entry.verb == "level" and "categories" in entry.detail)


def described(levels: Levels, name: str) -> dict[str, Any]:
    """All that brings a level without labels back: for the row that removes it."""
    state = levels[name]
    return {"parent": state.parent, "place": list(levels).index(name), **state.categories.to_json()}


def sentence(verb: str, name: str) -> str:
    """What a step did, for the undo button."""
    return f"{name} {'removed' if verb == REMOVED else 'added'}"


def forth(levels: Levels, name: str, entry: Entry) -> Levels:
    """The levels after a step, of a level that is called *name* today."""
    if entry.verb == "level":
        return {**levels, name: _begun(levels, name, entry)}
    return {other: state for other, state in levels.items() if other != name}


def back(levels: Levels, name: str, entry: Entry) -> Levels:
    """The levels as they were before a step."""
    if entry.verb == "level":
        return {other: state for other, state in levels.items() if other != name}
    every = list(levels.items())
    every.insert(int(entry.detail["place"]), (name, _begun(levels, name, entry)))
    return dict(every)


def _begun(levels: Levels, name: str, entry: Entry) -> Level:
    parent = entry.detail.get("parent")
    return Level(name, parent if parent in levels else None, CategorySet.from_json(entry.detail))


def renamed(levels: Levels, old: str, new: str) -> Levels:
    """In its place, the very object with its labels; levels below it follow."""
    found = {}
    for name, state in levels.items():
        if name == old:
            state.name = new
        elif state.parent == old:
            state.parent = new
        found[new if name == old else name] = state
    return found
