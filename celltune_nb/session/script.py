"""The work on a project as a Python program that does it again.

Labels come from the journal, row by row, so that undo and redo find in the new project what they found in the old;
everything else comes from the notes of :mod:`celltune_nb.session.recording`.  Names, whatever they hold, stand in the
program as Python writes them, so that none can be more than a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.actions import Action, actions
from ..data.categories import UNKNOWN, CategorySet
from ..data.fold import CARRY, RETIRE
from ..data.journal import Entry
from ..data.labels import LabelBook
from ..data.level import FIRST
from ..data.levelling import REMOVED, RENAMED, is_step
from ..data.remarks import NOTE, OPINION
from ..errors import ProjectError
from . import script_data
from .files import write_atomically
from .script_text import Writer, call, comment, literal

if TYPE_CHECKING:
    from .session import Session

__all__ = ["save", "script"]

#: Numbers in a line; a saved script has longer lists in a file beside it.
INLINE = 200


def script(session: Session) -> str:
    """See :meth:`celltune_nb.Session.script`."""
    writer = Writer()
    _write(session, writer)
    return writer.text()


def save(session: Session, path: Path) -> Path:
    """See :meth:`celltune_nb.Session.save_script`."""
    writer = Writer(beside=path.with_suffix(".npz").name, inline=INLINE)
    _write(session, writer)
    try:
        if writer.arrays:
            arrays = dict(writer.arrays)
            write_atomically(
                path.with_suffix(".npz"),
                lambda stream: np.savez_compressed(stream, **arrays),  # type: ignore[arg-type]
            )
        text = writer.text().encode()
        write_atomically(path, lambda stream: stream.write(text))
    except OSError as error:
        raise ProjectError(
            f"{path} could not be written ({error.strerror or error}). Choose a folder that is writable and has room."
        ) from error
    return path


def _write(session: Session, writer: Writer) -> None:
    with session.lock:
        noted = actions(session.journal)
        steps = _steps(session, noted)
        begun = [entry.level for entry in session.journal.entries() if entry.verb == "level"]
        first = begun[0] if begun else FIRST
        writer.head(session.folder, session.user, first)
        user, active = session.user, first
        for book, value in steps:
            if (
                value.user
                and value.user != user
                and not (isinstance(value, Entry) and value.verb in ("seal", "level"))
            ):
                user = value.user
                writer.add(f"session.user = {literal(user)}")
            if isinstance(value, Action):
                if (then := value.arguments.get("+active", active)) != active:
                    active = str(then)
                    writer.add(f"session.level = {literal(active)}")
                script_data.again(session, value, writer)
            elif book is not None:
                _row(book, value, writer)
                if value.verb in ("level", RENAMED, REMOVED, "undo", "redo") and len(begun) > 1:
                    active = ""  # a new marker is the active level, and one that is gone is none
        if session.level != active:
            writer.add(f"session.level = {literal(session.level)}")


def _steps(session: Session, noted: list[Action]) -> Iterator[tuple[LabelBook | None, Any]]:
    """Rows of the journal and notes in the order in which they took effect, each with the labels before it."""
    known = script_data.unnoted(session, noted)
    # Those of before there were notes stand where they have to be at the latest: before the first label.
    waiting = [*known, *sorted(noted, key=lambda action: (action.revision, action.time))]
    skip: range = range(0)
    for book, entry in LabelBook.steps(session.journal):
        while waiting and waiting[0].revision < entry.seq:
            action = waiting.pop(0)
            rows = int(action.arguments.get("+rows") or 0)
            if rows and action.verb.startswith("import_") and not script_data.left_out(action):
                skip = range(action.revision + 1, action.revision + 1 + rows)
            yield book, action
        if entry.seq in skip and (entry.source == "import" or entry.verb in ("categories", "level")):
            continue  # what an import labelled it labels again
        if entry.verb in (RETIRE, CARRY):
            continue  # replacing the mask does it again
        if entry.verb == "level" and entry.seq == 1:
            continue  # each project begins with it
        yield book, entry
    for action in waiting:
        yield None, action


# ---------------------------------------------------------------------- rows of the journal


def _row(book: LabelBook, entry: Entry, writer: Writer) -> None:
    if entry.verb in ("undo", "redo") and "with_former" in entry.detail:
        return  # the line before takes back what was one step
    if entry.verb in ("undo", "redo", "seal"):
        writer.add(f"session.{entry.verb}()")
    elif entry.verb == RENAMED:
        writer.add(call("session.levels.rename", entry.level, str(entry.detail["to"])))
    elif entry.verb == REMOVED:
        writer.add(call("session.levels.remove", entry.level))
    elif entry.verb == "level" and is_step(entry):
        on, off = (c.name for c in list(CategorySet.from_json(entry.detail))[1:3])
        writer.add(call("session.add_marker", entry.level, on=on, off=off))
    elif entry.verb == "level":
        parent = entry.detail.get("parent")
        writer.add(call("session.levels.add", entry.level, **({"parent": parent} if parent else {})))
    elif entry.verb == "label":
        _label(book, entry, writer)
    elif entry.verb == "categories":
        before, after = book.level(entry.level).categories, CategorySet.from_json(entry.detail)
        _edit(before, after, entry, writer)
    elif entry.verb in (NOTE, OPINION):
        writer.add("with session.writing():")
        if entry.verb == NOTE:
            writer.add(
                "    " + call("session.book.note", int(entry.ids[0]), str(entry.detail.get("text", "")), entry.level)[:-1]
                + ", session.user)"
            )  # fmt: skip
        else:
            code = entry.codes if isinstance(entry.codes, int) else int(entry.codes[0])
            writer.add(
                f"    session.book.opinion({int(entry.ids[0])}, {code}, level={literal(entry.level)}, "
                f"round=session.rounds({literal(entry.level)}), user=session.user)"
            )
    else:
        writer.add(comment(f"a step that this program does not know: {entry.verb}"))


def _label(book: LabelBook, entry: Entry, writer: Writer) -> None:
    offered = f"  {comment(f'offered by {entry.strategy}')}" if entry.strategy else ""
    options: dict[str, Any] = {"level": entry.level}
    if entry.source != "click":
        options["source"] = entry.source
    if entry.t0 is not None:
        options["t0"] = float(entry.t0[0]) if len(entry.t0) == 1 else [float(t) for t in entry.t0]
    what = entry.detail.get("what")
    if what:
        options["what"] = str(what)
    if isinstance(entry.codes, int) and "categories" not in entry.detail:
        if entry.detail.get("with_former") or what:
            if entry.detail.get("with_former"):
                options["joined"] = True
            labels = f"{{{literal(entry.category)}: {writer.ids(entry.ids)}}}"
            writer.add(f"session.label_each({labels}{_more(options)}){offered}")
            return
        ids, category = writer.ids(entry.ids), None if entry.category == UNKNOWN else entry.category
        writer.add(f"session.label({ids}, {literal(category)}{_more(options)}){offered}")
        return
    before = book.level(entry.level).categories
    after = CategorySet.from_json(entry.detail) if "categories" in entry.detail else before
    if new := [c for c in after if c.code not in before.by_code]:
        options["create"] = [(c.name, c.color, c.key or "") for c in new]
    if entry.detail.get("with_former"):
        options["joined"] = True
    codes = np.full(len(entry.ids), entry.codes) if isinstance(entry.codes, int) else entry.codes
    parts = [
        f"{literal(after.by_code[code].name)}: {writer.ids(entry.ids[codes == code])}"
        for code in np.unique(codes).tolist()
    ]
    writer.add(f"session.label_each({{{', '.join(parts)}}}{_more(options)}){offered}")


def _more(options: dict[str, Any]) -> str:
    return "".join(f", {name}={literal(value)}" for name, value in options.items())


def _edit(before: CategorySet, after: CategorySet, entry: Entry, writer: Writer) -> None:
    """The verb that made one set of categories of another."""
    level, on = {"level": entry.level}, "session.categories."
    had, has = before.by_code, after.by_code
    new, gone = [c for c in after if c.code not in had], [c for c in before if c.code not in has]
    if len(new) == 1 and not gone:
        (one,) = new
        if one.code in {c.code for c, _ in before.merged}:
            return writer.add(call(f"{on}unmerge", one.name, **level))
        return writer.add(call(f"{on}add", one.name, one.color, one.key or "", **level))
    if gone and not new:
        into = {target for c, target in after.merged if c in gone} or _moved(entry) - {0}
        if into and next(iter(into)) in has:
            names = [c.name for c, _ in after.merged if c in gone] or [c.name for c in gone]
            target = has[next(iter(into))].name
            return writer.add(call(f"{on}merge", names[0] if len(names) == 1 else names, target, **level))
        return writer.add(call(f"{on}delete", gone[0].name, **level))
    if new and not gone:  # of a table of cell types that is gone
        for one in new:
            writer.add(call(f"{on}add", one.name, one.color, one.key or "", **level))
        return None
    changed = [(had[c.code], c) for c in after if c.code in had and had[c.code] != c]
    for old, now in changed:
        if old.name != now.name:
            return writer.add(call(f"{on}rename", old.name, now.name, **level))
        if old.color != now.color:
            return writer.add(call(f"{on}recolor", now.name, now.color, **level))
        if old.exclude_from_training != now.exclude_from_training:
            return writer.add(call(f"{on}set_excluded", now.name, now.exclude_from_training, **level))
    keyed = [(now.name, now.key) for old, now in changed if old.key != now.key]
    if keyed:  # the one that lost its key to another follows from it
        name, key = next(((n, k) for n, k in keyed if k), keyed[0])
        return writer.add(call(f"{on}set_key", name, key, **level))
    if [c.code for c in before] != [c.code for c in after]:
        return writer.add(call(f"{on}reorder", after.names[1:], **level))
    # An edit that changed nothing is a step all the same, which undo takes back.
    return writer.add(call(f"{on}reorder", after.names[1:], **level))


def _moved(entry: Entry) -> set[int]:
    codes: NDArray[Any] = np.atleast_1d(np.asarray(entry.codes))
    return set(codes.tolist()) if len(entry.ids) else set()
