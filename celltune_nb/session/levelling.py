"""Levels that get another name or go: what stands under a level's name, and what follows it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..data.categories import CategorySet
from ..data.level import checked_name
from ..data.levelling import REMOVED, is_step
from ..errors import InputError, ProjectError
from .committing import committing
from .events import CategoriesChanged, LabelsChanged, StudyChanged
from .level_settings import renamed_color, renamed_settings
from .marker import marker_channel
from .mask_commit import refuse_if_busy
from .settling import RENAMING

if TYPE_CHECKING:
    from ..data.labels import LabelBook
    from .session import Session

__all__ = ["add", "ensure_active", "remove", "rename", "turn"]


def add(session: Session, name: str, categories: CategorySet) -> str:
    """Begin a level with its categories, as one step that undo takes back; its name."""
    with session.writing():
        made = session.book.add_level(name, None, session.user, categories).name
    session.emit(session.categories_changed, CategoriesChanged(made))
    return made


def rename(session: Session, name: str, new: str) -> None:
    """See :meth:`celltune_nb.session.levels.Levels.rename`."""
    old, new = session.book.level(name).name, checked_name(new)
    if new == old:
        return
    session.book.refuse_taken(new, old)
    files = bool(_bears_its_name(session, old)) or session.reviews.of(old) is not None
    if files:
        refuse_if_busy(session)  # what is worked out now is of the former name
    color = renamed_color(session.view.color_by, session.project.settings, old, new)
    channel = marker_channel(session, old)  # perhaps found by the name that goes
    _commit(session, lambda book: book.rename_level(old, new, session.user, files=files), files, channel)
    if files:
        session.reread(color)
    _tell(session)


def remove(session: Session, name: str) -> None:
    """See :meth:`celltune_nb.session.levels.Levels.remove`."""
    name = session.book.level(name).name
    labels = sum(n for category, n in session.labels.counts(name).items() if category != "Unknown")
    if labels:
        raise InputError(
            f"{name} has {labels:,} label{'s' if labels > 1 else ''}. Take them back first, or keep it: a marker goes "
            "only while nothing is labelled in it."
        )
    if why := _bears_its_name(session, name):
        raise InputError(f"{name} cannot go: {why}.")
    rest = [other for other in session.book.levels if other != name]
    if not rest:
        raise InputError(f"{name} is the only marker. Add another one first, or rename it.")
    if below := [other for other in rest if session.book.level(other).parent == name]:
        raise InputError(f"{name} cannot go: {below[0]} stands below it. Remove that first.")
    if session.level == name:
        session.level = rest[0]
    _commit(session, lambda book: book.remove_level(name, session.user))
    _tell(session)


def turn(session: Session, verb: str) -> str | None:
    """Undo or redo a step by which a level comes or goes; None where the step is another one."""
    if _step(session, verb) is None:
        return None
    with session.writing():
        found = _step(session, verb)
        if found is None:
            return None
        row, name = found
        if (row, verb) in (("level", "redo"), (REMOVED, "undo")):
            session.book.refuse_taken(name)  # another one was called so meanwhile
        if (row, verb) in (("level", "undo"), (REMOVED, "redo")):
            if why := _bears_its_name(session, name):
                raise InputError(
                    f"{name} would go with this step, but {why}. It stays: {verb} goes no further."
                )
            if session.level == name:
                session.level = next(other for other in session.book.levels if other != name)
        what = _commit(session, lambda book: getattr(book, verb)(session.user))
    _tell(session)
    if (row, verb) == ("level", "redo"):
        session.level = name
    return str(what)


def _step(session: Session, verb: str) -> tuple[str, str] | None:
    """Verb of the row, and its level's name of today, where it is a step of a level."""
    found = session.book.turns(verb)
    return None if found is None or not is_step(found[0]) else (found[0].verb, found[1])


def ensure_active(session: Session) -> None:
    """After others' changes: look at a level that is there."""
    if session.level not in session.book.levels and session.book.levels:
        stored = session.project.settings.get("level")
        session.become(stored if stored in session.book.levels else next(iter(session.book.levels)))


def _commit(
    session: Session, change: Callable[[LabelBook], Any], files: bool = False, channel: str | None = None
) -> Any:
    """A step, and in one go with it what is kept under the level's name.

    Parameters
    ----------
    files : bool
        Whether nothing may be under way.
    channel : str, optional
        That shows the marker of a level which gets another name.
    """
    book = session.book
    try:
        with committing(session) as project:
            if files:
                refuse_if_busy(session)
            result = change(book)
            if book.renamed is not None:
                old, new = book.renamed
                changed = renamed_settings(project.settings, old, new, channel)
                if project.settings.get("level") == old:
                    changed["level"] = new
                # What counts is decided when the journal has its row.
                before = {key: project.settings[key] for key in changed if key in project.settings}
                renaming = {"old": old, "keys": list(changed), "before": before}
                project.settings.update({**changed, RENAMING: renaming})
                project.save()
                if session.level == old:
                    session.become(new)
    except BaseException:
        book.forget()  # the row that was folded may not have stayed
        book.mend()
        session.project.settings = type(session.project).open(session.folder).settings
        session.project.settle(book.lineage.marks, book.levels)
        raise
    if session.project.settings.pop(RENAMING, None) is not None:
        with suppress(ProjectError):  # it counts already; who opens the project next finds that out
            session.project.save()
    return result


def _tell(session: Session) -> None:
    book = session.book
    level = book.last_level if book.last_level in book.levels else session.level
    session.emit(session.categories_changed, CategoriesChanged(level))
    session.emit(session.labels_changed, LabelsChanged(level, None, book.revision))
    session.emit(session.study_changed, StudyChanged("rules"))


def _bears_its_name(session: Session, level: str) -> str:
    """What stands under the name of a level and would be orphaned; "" where nothing does."""
    if level not in session.book.levels:
        return ""
    if any(run.level == level for run in session.runs):
        return "it was trained, and its models, predictions and files bear the name"
    if next(session.journal.proposals("audit", session.book.names.every(level)), None) is not None:
        return "an audit was drawn for it"
    sets = [name for name in session.populations.of_level(level) if name != "labels"]
    if sets:
        return f"the population {sets[0]} belongs to it"
    held = [
        other
        for other in session.book.levels
        if (row := session.regions.of(other)) is not None and row.parent == level
    ]
    if held:
        return f"{held[0]} is held to its cells"
    if session.book.remarks.opinions(level):
        return "second opinions were given in it"
    return ""
