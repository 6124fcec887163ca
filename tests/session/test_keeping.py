"""The checkpoint of the labels: written while one works and on closing, and nothing rests on it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.keeping import AT_THE_END, CHECKPOINT, keep_labels


def edit(session: Session, n: int) -> None:
    session.journal.connection.execute("PRAGMA synchronous=OFF")
    rng = np.random.default_rng(n)
    for turn in range(n):
        session.label(rng.choice(300, 5, replace=False) + 1, "ABC"[turn % 3])


def reopened(folder: Path) -> Session:
    return Session.open(folder, jobs=Jobs(inline=True))


def test_many_edits_leave_a_checkpoint_on_closing_and_few_do_not(project: Path) -> None:
    with reopened(project) as session:
        edit(session, AT_THE_END // 2)
    assert not (project / CHECKPOINT).exists()
    with reopened(project) as session:
        edit(session, AT_THE_END)
        labels, what = session.labels.to_pandas(), session.can_undo
    with reopened(project) as session:
        assert session.book.kept == session.labels.revision > AT_THE_END
        assert session.labels.to_pandas().equals(labels)
        assert session.can_undo == what
        session.undo()
        session.redo()
        assert session.labels.to_pandas().drop(columns="batch").equals(labels.drop(columns="batch"))
        revision = session.labels.revision
    (project / CHECKPOINT).write_bytes(b"nonsense")
    with reopened(project) as session:
        assert (session.book.kept, session.labels.revision) == (0, revision)
        assert session.labels.to_pandas().equals(labels)
        assert session.problems == []


def test_it_is_written_while_one_works_and_never_by_who_can_only_look(project: Path) -> None:
    with reopened(project) as session:
        edit(session, 40)
        assert not keep_labels(session)  # not worth it yet
        assert keep_labels(session, every=30)
        kept = (project / CHECKPOINT).read_bytes()
        edit(session, 40)
        with Session.open(project, read_only=True, jobs=Jobs(inline=True)) as looking:
            assert looking.book.kept < looking.labels.revision == session.labels.revision
            assert looking.labels.counts() == session.labels.counts()
            assert not keep_labels(looking, every=1)
        assert (project / CHECKPOINT).read_bytes() == kept


def test_a_project_that_was_taken_away_is_not_begun_anew(project: Path) -> None:
    session = reopened(project)
    edit(session, 40)
    shutil.rmtree(project)
    assert not keep_labels(session, every=1)
    assert not project.exists()
    session.close()
    assert not project.exists()
