"""What goes into a bundle: the files of a project as they are at one moment, and those outside of it that it names.

Files of a project are only ever replaced, never changed: a second name holds on to those of one moment.  Where there can
be none, a file that was replaced since is noticed when it is read.
"""

from __future__ import annotations

import copy
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from ..data.amounts import bytes_in_words
from ..errors import CellTuneError, InputError, ProjectError
from .committing import replaced
from .measured import PARTS_FOLDER
from .project import Project
from .sources import Reference

if TYPE_CHECKING:
    from .session import Session

__all__ = ["BundleFile", "BundleSize", "Contents", "as_it_is", "between_changes", "with_second_names"]

#: Folders of a project that a copy of it can do without, and files that are made anew.
LEFT_OUT = {"pyramids", "exports", PARTS_FOLDER}
REMADE = re.compile(r"labels\.(sqlite.*|checkpoint)|project\.json|bundle\.json|\..*")
#: What places of masks that were replaced begin with; keys of images have no dot.
FORMER = "former.mask"
#: Seconds for which a project that changes all the time is listed again.
PATIENCE = 20.0


@dataclass(frozen=True)
class BundleSize:
    """How large a bundle will be, before it is compressed.

    Attributes
    ----------
    files : int
    nbytes : int
    outside : int
        Bytes among them of images that lie outside of the project's folder.
    """

    files: int
    nbytes: int
    outside: int

    def __str__(self) -> str:
        text = f"{self.files:,} files, {bytes_in_words(self.nbytes)}"
        return text + (
            f", of which {bytes_in_words(self.outside)} are images outside of the project"
            if self.outside
            else ""
        )


class BundleFile(NamedTuple):
    """A file that goes into a bundle: its name there, where it lies, its bytes, and what tells it from another one."""

    name: str
    path: Path
    nbytes: int
    stamp: tuple[int, int, int]

    @classmethod
    def of(cls, name: str, path: Path) -> BundleFile:
        """The file as it is now."""
        about = path.stat()
        return cls(name, path, about.st_size, stamp(about))


def stamp(about: os.stat_result) -> tuple[int, int, int]:
    """Differs when a file was replaced or changed."""
    return about.st_ino, about.st_mtime_ns, about.st_size


@dataclass(frozen=True)
class _Outside:
    """A file that the project names, with its parts."""

    #: As the project names it, and as the bundle does.
    was: dict[str, Any]
    becomes: dict[str, Any]
    files: list[BundleFile]


Place = tuple[str, str]


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle."""

    settings: dict[str, Any]
    files: list[BundleFile]
    outside: list[BundleFile]
    #: Second names of files, to be removed at the end.
    links: list[Path] = field(default_factory=list)

    @property
    def size(self) -> BundleSize:
        """How large it will be."""
        every = [file.nbytes for file in (*self.files, *self.outside)]
        return BundleSize(len(every), sum(every), sum(file.nbytes for file in self.outside))


def as_it_is(session: Session, images: str) -> Contents:
    """What goes into a bundle now; it may change meanwhile."""
    settings = copy.deepcopy(session.project.settings)
    return _contents(session, settings, _outside(session, settings, images)) or Contents(settings, [], [])


def between_changes(
    session: Session,
    images: str,
    moment: Callable[[], AbstractContextManager[object]],
    snapshot: Callable[[], object],
    keep: Callable[[Contents], Contents],
) -> Contents:
    """List a project as it is at one moment, at which *snapshot* is called too.

    The files outside of the project, which may be many and far away, are listed before: nobody waits for that.

    Parameters
    ----------
    moment : callable
        A context in which nobody who works with this session's rights replaces files.
    snapshot : callable
        Holds on to the journal of now.
    keep : callable
        Holds on to the files that are listed, within the moment.

    Raises
    ------
    InputError
        When a file that the project names is gone.
    ProjectError
        When somebody else changes the project all the time.
    """
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        outside = _outside(session, _settings(session), images)
        with moment():
            before = replaced(session.project)
            snapshot()
            try:
                contents = _contents(session, _settings(session), outside)
            except FileNotFoundError:  # removed between its being seen and looked at
                contents = None
            if contents is not None and replaced(session.project) == before:
                return keep(contents)
        time.sleep(0.05)
    raise ProjectError(
        f"Somebody changes {session.folder.name} all the time. Repeat when the program that does it is done."
    )


def _settings(session: Session) -> dict[str, Any]:
    """What the project consists of; on disk it may be newer than what a session that only looks has read."""
    settings = Project.open(session.folder).settings if session.read_only else session.project.settings
    return copy.deepcopy(settings)


def _named(settings: dict[str, Any]) -> Iterator[tuple[Place, dict[str, Any], str]]:
    """Every place at which a project names a file of pixels; those of masks that were replaced come last."""
    former = ((f"{FORMER}{i}", one.get("former") or {}) for i, one in enumerate(settings.get("replaced", ())))
    inner = (
        (f"{FORMER}.nuclei{i}", one.get("former") or {})
        for i, one in enumerate(settings.get("former_nuclei", ()))
    )
    for name, row in (*((str(row["key"]), row) for row in settings["images"]), *former, *inner):
        for key in ("file", "mask_file", "nucleus_file"):
            if row.get(key):
                yield (name, key), row, key


def _outside(session: Session, settings: dict[str, Any], images: str) -> dict[Place, _Outside] | None:
    """The files outside of the project; None where they stay there."""
    if images != "all":
        return None
    found = {}
    for place, row, key in _named(settings):
        try:
            name = f"{place[0]}-{key.removesuffix('file').strip('_') or 'image'}"
            found[place] = _brought(session, row[key], name)
        except InputError:
            if not place[0].startswith(FORMER):
                raise
            # Nothing rests on a mask that was replaced: a project whose former masks are gone can be passed on.
            found[place] = _Outside(copy.deepcopy(row[key]), copy.deepcopy(row[key]), [])
    return found


def _contents(
    session: Session, settings: dict[str, Any], outside: dict[Place, _Outside] | None
) -> Contents | None:
    """What goes into a bundle; None when the project names other files outside than were listed."""
    files, more = list(_walk(session.folder, session.folder)), []
    inside = {file.name for file in files}
    for place, row, key in _named(settings) if outside is not None else ():
        found = outside.get(place) if outside is not None else None
        if found is None or found.was != row[key]:
            return None
        row[key] = copy.deepcopy(found.becomes)
        more += [file for file in found.files if file.name not in inside]
    return Contents(settings, files, more)


def _walk(folder: Path, top: Path) -> Iterator[BundleFile]:
    """The plain files of a folder that go along; links are never followed."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = Path(entry.path)
        name = path.relative_to(top).as_posix()
        if name in LEFT_OUT or (folder == top and REMADE.fullmatch(name)):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, top)
        elif entry.is_file(follow_symlinks=False) and not entry.name.endswith(".tmp"):
            about = entry.stat(follow_symlinks=False)
            yield BundleFile(name, path, about.st_size, stamp(about))


def _brought(session: Session, was: dict[str, Any], name: str) -> _Outside:
    """A file outside of the project as the bundle names it, and what belongs to it."""
    about, path = copy.deepcopy(was), Path(str(was["path"]))
    if not path.is_absolute():
        return _Outside(was, about, [])
    try:
        parts = Reference(about, session.project, name, None).file().parts or (path,)
    except CellTuneError as error:
        raise InputError(f"{error} Or leave images where they are: images='own'.") from error
    if path.is_dir():
        parts = (
            tuple(path / part for part in about["files"])
            if about.get("files")
            else tuple(p for p in path.rglob("*") if p.is_file())
        )
        top = path
    else:
        top = path.parent
    if not all(part.is_relative_to(top) for part in parts):
        raise InputError(f"{path} has parts in other folders. Leave images where they are: images='own'.")
    place = f"referenced/{name}"
    files = [BundleFile.of(f"{place}/{part.relative_to(top).as_posix()}", part) for part in parts]
    about["path"] = place if path.is_dir() else f"{place}/{path.name}"
    return _Outside(copy.deepcopy(was), about, files)


def with_second_names(contents: Contents, folder: Path, links: list[Path]) -> Contents:
    """The project's own files under a second name each, which the next session removes should this program be killed.

    Parameters
    ----------
    links : list of Path
        Is told each name as it is made.
    """
    held = []
    for file in contents.files:
        link = folder / f".bundle{len(links)}.{uuid4().hex[:8]}.tmp"
        try:
            os.link(file.path, link)
        except OSError:  # a file system without links: the files are read under their own names
            held.append(file)
            continue
        links.append(link)
        held.append(file._replace(path=link))
    return replace(contents, files=held, links=links)
