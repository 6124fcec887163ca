"""A whole project in one zip, written while people go on working at it.

Files of a project are only ever replaced, never changed: a second name holds on to those of now, and SQLite's backup takes
the journal of the same moment.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.amounts import bytes_in_words
from ..errors import FormatError, ProjectError
from .bundle_files import (
    BundleFile,
    BundleSize,
    Contents,
    as_it_is,
    between_changes,
    stamp,
    with_second_names,
)
from .checks import one_of
from .exporting import carry_out, target_path
from .files import placing

if TYPE_CHECKING:
    from .job import Job
    from .session import Session

__all__ = ["FORMAT", "MANIFEST", "BundleSize", "bundle_size", "save_bundle"]

FORMAT = 1
MANIFEST = "bundle.json"
IMAGES = ("all", "own")
COPY = 1 << 20


def bundle_size(session: Session, images: str) -> BundleSize:
    """See :meth:`celltune_nb.Session.bundle_size`."""
    one_of(images, IMAGES, "images")
    return as_it_is(session, images).size


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
                f"The bundle holds {bytes_in_words(size.nbytes)}; {bytes_in_words(free)} are free in {target.parent}. Choose another disk, or "
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
            for file in (BundleFile.of("labels.sqlite", journal), *contents.files, *contents.outside):
                if file.path == target:
                    continue
                for part in _add(archive, file):
                    job.check()
                    written += part
                    job.report(written / max(size.nbytes, 1), file.name)
    return target


@contextmanager
def _held(session: Session, images: str) -> Iterator[tuple[Contents, Path]]:
    """What a project consists of at one moment, kept until the end."""
    with tempfile.TemporaryDirectory(prefix="celltune-bundle-") as folder:
        journal = Path(folder) / "labels.sqlite"
        links: list[Path] = []
        address = session.journal.path.resolve().as_uri()
        try:
            with closing(_reader(address)) as snapshot:

                def hold_journal() -> None:
                    if snapshot.in_transaction:
                        snapshot.execute("ROLLBACK")
                    snapshot.execute("BEGIN")
                    snapshot.execute("SELECT max(seq) FROM journal").fetchone()

                contents = between_changes(
                    session,
                    images,
                    # For who only looks others go on; then it is noticed that something was replaced.
                    nullcontext if session.read_only else lambda: _nobody_writes(session),
                    hold_journal,
                    lambda found: (
                        found if session.read_only else with_second_names(found, session.folder, links)
                    ),
                )
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


@contextmanager
def _nobody_writes(session: Session) -> Iterator[None]:
    """Nobody replaces a file or writes a row meanwhile; it is to take a moment."""
    with session.writing(), session.journal.writing():
        yield


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


def _add(archive: zipfile.ZipFile, file: BundleFile) -> Iterator[int]:
    """Add a file part by part, if it is still the one that was listed; gives the bytes of each."""
    info = zipfile.ZipInfo(file.name, time.localtime()[:6])
    info.external_attr = 0o644 << 16
    try:
        with file.path.open("rb") as stream:
            if stamp(os.fstat(stream.fileno())) != file.stamp:
                raise _replaced(file)
            info.compress_type = zipfile.ZIP_DEFLATED if _shrinks(stream, file.nbytes) else zipfile.ZIP_STORED
            archive.compresslevel = 1
            info._compresslevel = 1  # type: ignore[attr-defined]  # Python before 3.13 takes it from nowhere else
            info.file_size = file.nbytes
            with archive.open(info, "w", force_zip64=file.nbytes > 1 << 30) as out:
                while part := stream.read(COPY):
                    out.write(part)
                    yield len(part)
            if stamp(os.fstat(stream.fileno())) != file.stamp:  # changed while it was read
                raise _replaced(file)
    except FileNotFoundError as error:
        raise _replaced(file) from error


def _replaced(file: BundleFile) -> FormatError:
    return FormatError(f"{file.name} was replaced while the bundle was written. Repeat.")


def _shrinks(stream: Any, nbytes: int) -> bool:
    """Whether compressing is worth its time, by a look at the middle."""
    stream.seek(max(0, nbytes // 2 - (COPY // 8)))
    sample = stream.read(COPY // 4)
    stream.seek(0)
    return len(zlib.compress(sample, 1)) < 0.85 * len(sample)
