"""A whole project in one zip, written while people go on working at it.

Files of a project are only ever replaced, never changed: a second name holds on to those of now, and SQLite's backup takes
the journal of the same moment.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import sqlite3
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..errors import CellTuneError, FormatError, InputError, ProjectError
from .checks import one_of
from .exporting import carry_out, target_path
from .files import placing
from .sources import Reference

if TYPE_CHECKING:
    from .job import Job
    from .session import Session

__all__ = ["FORMAT", "MANIFEST", "BundleSize", "bundle_size", "save_bundle"]

FORMAT = 1
MANIFEST = "bundle.json"
IMAGES = ("all", "own")
#: Folders of a project that a copy of it can do without, and files that are made anew.
LEFT_OUT = {"pyramids", "exports"}
REMADE = re.compile(r"labels\.(sqlite.*|checkpoint)|project\.json|bundle\.json|\..*")
COPY = 1 << 20


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
        text = f"{self.files:,} files, {_size(self.nbytes)}"
        return text + (
            f", of which {_size(self.outside)} are images outside of the project" if self.outside else ""
        )


@dataclass(frozen=True)
class _Contents:
    """What goes into a bundle."""

    settings: dict[str, Any]
    #: Name in the bundle, path, bytes.
    files: list[tuple[str, Path, int]]
    outside: list[tuple[str, Path, int]]
    links: list[Path] = field(default_factory=list)

    @property
    def size(self) -> BundleSize:
        every = [size for _, _, size in (*self.files, *self.outside)]
        return BundleSize(len(every), sum(every), sum(size for _, _, size in self.outside))


def bundle_size(session: Session, images: str) -> BundleSize:
    """See :meth:`celltune_nb.Session.bundle_size`."""
    one_of(images, IMAGES, "images")
    with session.lock:
        return _contents(session, images).size


def save_bundle(
    session: Session, path: str | Path, images: str, wait: bool, changed: Callable[[Job], None] | None
) -> Path | Job:
    """See :meth:`celltune_nb.Session.save_bundle`."""
    one_of(images, IMAGES, "images")
    target = target_path(path, (".zip",)).absolute()
    return carry_out(
        session, lambda job: _save(session, target, images, job), f"writing {target.name}", wait, changed
    )


def _save(session: Session, target: Path, images: str, job: Job) -> Path:
    job.report(0.0, "collecting")
    with _held(session, images) as (contents, journal):
        size = contents.size
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
        if size.nbytes > 2 * free:
            raise ProjectError(
                f"The bundle holds {_size(size.nbytes)}; {_size(free)} are free in {target.parent}. Choose another disk, or "
                "leave images where they are: images='own'."
            )
        written = 0
        with placing(target) as place, zipfile.ZipFile(place, "w", allowZip64=True) as archive:
            about = {
                "format": FORMAT, "created": time.time(), "project": session.folder.name, "files": size.files,
                "nbytes": size.nbytes,
            }  # fmt: skip
            archive.writestr(MANIFEST, json.dumps(about, indent=1))
            archive.writestr("project.json", json.dumps(contents.settings, indent=1, ensure_ascii=False))
            own = (("labels.sqlite", journal, journal.stat().st_size),)
            for name, source, nbytes in (*own, *contents.files, *contents.outside):
                if source == target:
                    continue
                for part in _add(archive, name, source, nbytes):
                    job.check()
                    written += part
                    job.report(written / max(size.nbytes, 1), name)
    return target


@contextmanager
def _held(session: Session, images: str) -> Iterator[tuple[_Contents, Path]]:
    """What a project consists of at one moment, kept until the end."""
    with tempfile.TemporaryDirectory(prefix="celltune-bundle-") as folder:
        journal = Path(folder) / "labels.sqlite"
        links: list[Path] = []
        address = session.journal.path.resolve().as_uri()
        try:
            with closing(_reader(address)) as snapshot:
                if session.read_only:
                    snapshot.execute("BEGIN")
                    snapshot.execute("SELECT max(seq) FROM journal").fetchone()
                    contents = _contents(session, images)
                else:
                    # Nobody replaces a file or writes a row meanwhile; it takes a moment.
                    with session.writing(), session.journal.writing():
                        snapshot.execute("BEGIN")
                        snapshot.execute("SELECT max(seq) FROM journal").fetchone()
                        contents = _linked(_contents(session, images), session.folder, links)
                with closing(sqlite3.connect(journal)) as out:
                    snapshot.backup(out)
                    out.execute("DELETE FROM lease")
                    out.commit()
            yield contents, journal
        except sqlite3.Error as error:
            raise ProjectError(f"The label journal cannot be copied ({error}). Repeat.") from error
        finally:
            for link in links:
                with suppress(OSError):
                    link.unlink(missing_ok=True)


def _reader(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{address}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("SELECT 1 FROM journal LIMIT 1")
    except sqlite3.OperationalError:  # on a read-only disk, where SQLite cannot make its lock files
        connection.close()
        connection = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return connection


def _linked(contents: _Contents, folder: Path, links: list[Path]) -> _Contents:
    """The files under a second name each, which the next session removes should this program be killed."""
    held = []
    for name, path, size in contents.files:
        link = folder / f".bundle{len(links)}.{uuid4().hex[:8]}.tmp"
        try:
            os.link(path, link)
        except OSError:  # a file system without links: the files are read under their own names
            held.append((name, path, size))
            continue
        links.append(link)
        held.append((name, link, size))
    return _Contents(contents.settings, held, contents.outside, links)


def _contents(session: Session, images: str) -> _Contents:
    """What goes into a bundle, as it is now."""
    folder, settings = session.folder, copy.deepcopy(session.project.settings)
    files, outside = list(_walk(folder, folder)), []
    inside = {name for name, _, _ in files}
    if images == "all":
        for row in settings["images"]:
            for key in ("file", "mask_file", "nucleus_file"):
                if row.get(key):
                    row[key], more = _brought(
                        session,
                        dict(row[key]),
                        f"{row['key']}-{key.removesuffix('file').strip('_') or 'image'}",
                    )
                    outside += [one for one in more if one[0] not in inside]
    return _Contents(settings, files, outside)


def _walk(folder: Path, top: Path) -> Iterator[tuple[str, Path, int]]:
    """The plain files of a folder that go along; links are never followed."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = Path(entry.path)
        if folder == top and (entry.name in LEFT_OUT or REMADE.fullmatch(entry.name)):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, top)
        elif entry.is_file(follow_symlinks=False) and not entry.name.endswith(".tmp"):
            yield path.relative_to(top).as_posix(), path, entry.stat(follow_symlinks=False).st_size


def _brought(
    session: Session, about: dict[str, Any], name: str
) -> tuple[dict[str, Any], list[tuple[str, Path, int]]]:
    """A file outside of the project as the bundle names it, and what belongs to it."""
    path = Path(str(about["path"]))
    if not path.is_absolute():
        return about, []
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
    files = [(f"{place}/{part.relative_to(top).as_posix()}", part, part.stat().st_size) for part in parts]
    about["path"] = place if path.is_dir() else f"{place}/{path.name}"
    return about, files


def _add(archive: zipfile.ZipFile, name: str, source: Path, nbytes: int) -> Iterator[int]:
    """Add a file part by part; gives the bytes of each."""
    info = zipfile.ZipInfo(name, time.localtime()[:6])
    info.external_attr = 0o644 << 16
    try:
        with source.open("rb") as stream:
            info.compress_type = zipfile.ZIP_DEFLATED if _shrinks(stream, nbytes) else zipfile.ZIP_STORED
            archive.compresslevel = 1
            info._compresslevel = 1  # type: ignore[attr-defined]  # Python before 3.13 takes it from nowhere else
            info.file_size = nbytes
            with archive.open(info, "w", force_zip64=nbytes > 1 << 30) as out:
                while part := stream.read(COPY):
                    out.write(part)
                    yield len(part)
    except FileNotFoundError as error:
        raise FormatError(f"{name} was replaced while the bundle was written. Repeat.") from error


def _shrinks(stream: Any, nbytes: int) -> bool:
    """Whether compressing is worth its time, by a look at the middle."""
    stream.seek(max(0, nbytes // 2 - (COPY // 8)))
    sample = stream.read(COPY // 4)
    stream.seek(0)
    return len(zlib.compress(sample, 1)) < 0.85 * len(sample)


def _size(nbytes: int) -> str:
    return f"{nbytes / 1e9:,.1f} GB" if nbytes >= 1e9 else f"{max(nbytes, 1) / 1e6:,.1f} MB"
