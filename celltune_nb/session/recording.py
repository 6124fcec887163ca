"""Noting what is done besides labelling, so that a script can do it again.

Labels have a journal of their own.  The verbs named here change a project in other ways; each call that succeeds is
noted with its arguments.  What came from memory is noted as such: the project has its own copy of it.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..data.actions import Action, record
from .celltypes import CellTypeReport, as_columns
from .job import Job
from .runs import Run
from .tables import ImportReport

if TYPE_CHECKING:
    from .session import Session

__all__ = ["MEMORY", "RECORDED", "apart", "is_there", "located", "note", "recording"]

#: Verbs of the session that are noted.
RECORDED = (
    "add_image", "add_centres", "add_all_centres", "import_folder", "import_project", "import_cells", "import_population", "import_celltypes", "train",
    "set_nuclei", "draw_audit", "sample", "gate", "gate_polygon", "gate_from", "rename_gate", "recolor_gate", "remove_gate",
    "landmarks", "accept_landmarks", "discard_landmarks", "cluster", "name_clusters", "remove_clusters", "embed",
    "set_rule", "set_working_set", "set_verdict", "set_marker_channel", "set_target",
    "looked_at", "correct", "set_threshold", "combine", "add_regions", "remove_regions", "take_back_regions", "predict_all",
    "keep_offered_channel_groups", "rename_channel_group", "remove_channel_group",
)  # fmt: skip

#: In place of an argument that was an array or a table in memory.
MEMORY = "in memory"
#: Arguments that may be paths, of verbs that are not named also of add_image.
PATHS = {
    "add_image": ("image", "mask", "nucleus"),
    "add_centres": ("image", "centres"),
    "add_all_centres": ("images", "centres"),
    "set_nuclei": ("nucleus",),
    "add_regions": ("regions",),
    "": ("table", "folder", "source", "path", "mask"),
}
#: Arguments of verbs that label too.
_LEFT_OUT = {
    ("landmarks", "label"),
    ("accept_landmarks", "types"),
    ("accept_landmarks", "overwrite"),
    ("correct", "category"),
}
#: Numbers of an array that are noted one by one; more are taken from the project's own copy.
FEW = 4_000

_T = TypeVar("_T")
_inside = threading.local()


def recording(cls: type[_T]) -> type[_T]:
    """Let a session note its verbs; those that it does not have are passed over."""
    for name in RECORDED:
        verb = getattr(cls, name, None)
        if verb is not None:
            setattr(cls, name, _noted(name, verb))
    return cls


#: Verbs that label too: the journal tells the labels, and these what else there was.
INSTEAD = {"accept_landmarks": "discard_landmarks", "sample": "draw_audit", "correct": "looked_at"}


def note(
    session: Session, verb: str, arguments: Mapping[str, Any], *, revision: int | None = None, when: float = 0.0
) -> None:  # fmt: skip
    """Note a verb, unless it is part of another one that is noted."""
    if getattr(_inside, "depth", 0):
        return
    plain = {name: _noted_as(value) for name, value in arguments.items()}
    with session.lock:
        now = session.book.revision if revision is None else revision
        if len(session.levels) > 1:  # a bare name of a gate is that of the active level
            plain["+active"] = session.level
        record(session.journal, Action(verb, plain, now, session.user, when))


@contextmanager
def apart() -> Iterator[None]:
    """Let verbs inside be noted though they are part of another one, which does not do them again in a script."""
    depth, _inside.depth = getattr(_inside, "depth", 0), 0
    try:
        yield
    finally:
        _inside.depth = depth


def _noted(name: str, verb: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(verb)

    @functools.wraps(verb)
    def call(session: Session, *args: Any, **options: Any) -> Any:
        given = signature.bind(session, *args, **options)
        depth = getattr(_inside, "depth", 0)
        images, revision, begun = set(session.images), session.book.revision, time.time()
        _inside.depth = depth + 1
        try:
            result = verb(session, *args, **options)
        finally:
            _inside.depth = depth
        shown = given.arguments.get("preview") or (name == "sample" and options.get("by") != "audit")
        of = {"add_centres": "image", "add_all_centres": "images"}.get(name)
        shown = shown or (of is not None and given.arguments[of] is None)  # as other masks
        if depth or session.read_only or shown:
            return result

        def done(job: Job | None = None) -> None:
            if job is not None and job.state not in ("done", "stopped"):
                return
            arguments = _arguments(session, name, signature, given, result)
            arguments["+images"] = [image for image in session.images if image not in images]
            # Tables of a folder are noted by themselves.
            arguments["+rows"] = 0 if name == "import_folder" else session.book.revision - revision
            note(session, INSTEAD.get(name, name), arguments, revision=revision, when=begun)

        if isinstance(result, Job):
            result.then(done)
        else:
            done()
        return result

    return call


def _arguments(
    session: Session, verb: str, signature: inspect.Signature, given: inspect.BoundArguments, result: Any
) -> dict[str, Any]:
    """What was given, and what was chosen in its place where nothing was."""
    found: dict[str, Any] = {}
    for name, value in list(given.arguments.items())[1:]:
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            found.update(value)
        elif name not in ("wait", "by", "progress", "changed") and (verb, name) not in _LEFT_OUT:
            found[name] = located(value) if name in PATHS.get(verb, PATHS[""]) else value
    if verb == "import_folder":
        found.pop("tables", None)
        plan = found.pop("plan", None)
        if plan is not None:
            found["+planned"] = {
                one.name: {"image": list(one.files), "mask": one.mask, "nucleus": one.nucleus, "copy": found.get("copy")}
                for one in plan.images if one.use
            }  # fmt: skip
    if verb == "set_nuclei":
        found["+key"] = session.images[str(found["name"])].nucleus_key
    if verb == "add_regions":
        kept = getattr(result, "attrs", {}).get("kept")
        found["+file"] = None if kept is None else kept["path"].relative_to(session.folder).as_posix()
    if verb == "import_cells":
        found["+names"] = list(session.table.names)
    if isinstance(result, ImportReport):
        found["+features"], found["+made"] = list(result.features), result.made > 0
    if "level" in signature.parameters and found.get("level") is None:
        found["level"] = session.level
    if isinstance(result, CellTypeReport):
        found["table"] = as_columns(session, str(found["level"]))
    if isinstance(result, Run):
        found["+run"] = result.id
    if verb in ("sample", "draw_audit") and found.get("seed") is None:
        drawn = list(session.journal.proposals("audit", session.book.names.every(found["level"])))
        found["seed"] = drawn[-1].seed if drawn else 0
    return found


def located(value: Any) -> Any:
    """Names of files as paths, which are noted as a whole: a script may run elsewhere."""
    if isinstance(value, list | tuple):
        return [Path(one) if is_there(one) else one for one in value]
    if isinstance(value, Mapping):
        return {name: located(one) for name, one in value.items()}
    return Path(value) if is_there(value) else value


def is_there(value: Any) -> bool:
    """Whether a value is the name of a file or folder that exists."""
    try:
        return isinstance(value, str) and Path(value).exists()
    except (OSError, ValueError):  # a text that is too long for a name
        return False


def _noted_as(value: Any) -> Any:
    """A value as JSON says it; one that cannot be said as from memory, for what was asked for has been done already."""
    try:
        plain = _plain(value)
        json.dumps(plain)
    except Exception:  # noqa: BLE001 - whatever the value's own methods raise
        return {MEMORY: type(value).__name__}
    return plain


def _plain(value: Any) -> Any:
    """A value as JSON says it; paths as a whole, and what came from memory as such."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"number": str(value)}
    if isinstance(value, os.PathLike):
        return {"path": str(Path(value).expanduser().absolute())}
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Mapping):
        return {"map": [[_plain(k), _plain(v)] for k, v in value.items()]}
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if getattr(value, "ndim", 0) == 1 and not isinstance(value, np.ndarray) and hasattr(value, "to_numpy"):
        value = value.to_numpy()  # names and ids are taken from tables
    if isinstance(value, list | tuple) or (
        isinstance(value, np.ndarray) and value.ndim < 3 and value.size <= FEW
    ):
        rows = list(value)
        if len(rows) <= FEW and not any(isinstance(row, np.ndarray) and row.ndim > 1 for row in rows):
            return [_plain(row) for row in rows]
    return {MEMORY: type(value).__name__}
