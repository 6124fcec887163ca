"""Changing what a project consists of: ``project.json`` and the files it names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from . import features_file
from .project import Project

if TYPE_CHECKING:
    from .session import Session

__all__ = ["committing", "replaced"]


@contextmanager
def committing(session: Session) -> Iterator[Project]:
    """The project, to be changed and saved by who holds the lease, and by nobody else meanwhile.

    Inside, settings are replaced, prepared files put in place, :meth:`Project.save` called and the session's own
    state brought up to it.  It is to be short: other programs wait for it.  When it fails before a file was
    replaced, the settings are as before; when it fails later, what is on disk counts, and the session takes that in.

    Raises
    ------
    ReadOnlyError
        When the session may only look.
    """
    # Files lie outside of SQLite's transactions; but who takes the lease has to wait for this one to end.
    with session.writing(), session.journal.writing():
        project = session.project
        features_file.finish(project)  # of a step that was interrupted
        before, on_disk = project.settings, replaced(project)
        project.settings = {**before}
        try:
            yield project
        except BaseException:
            project.settings = before
            if replaced(project) != on_disk:
                project.settings = Project.open(project.folder).settings
                session.load_data()
            raise


def replaced(project: Project) -> list[tuple[str, int, int]]:
    """Differs when a file was replaced that says which others count."""
    found = []
    for path in (project.path("project.json"), *sorted(project.folder.glob("features/*/schema.json"))):
        with suppress(FileNotFoundError):
            stat = path.stat()
            found.append((str(path), stat.st_ino, stat.st_mtime_ns))
    return found
