"""A process that is killed while it labels loses at most the action in flight."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from celltune_nb.data.labels import LabelBook
from celltune_nb.session import Session

CHILD = """
import sys
from celltune_nb.session import Session
from celltune_nb.session.keeping import keep_labels
session = Session.open(sys.argv[1])
n = 0
print("ready", flush=True)
while True:
    n += 1
    keep_labels(session, 5)
    if n % 7 == 0:
        session.undo()
        print("undo", flush=True)
    elif n % 11 == 0:
        session.categories.add(f"made {len(session.categories)}-{session.labels.revision}", key="")
        print("category", flush=True)
    else:
        ids = [(n * 13) % 290 + 1 + i for i in range(1 + n % 9)]
        session.label(ids, "ABC"[n % 3], source="rectangle")
        print("label", ids[0], len(ids), "ABC"[n % 3], flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a POSIX matter")
def test_kill_9_loses_at_most_the_last_action(finished_project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(finished_project, folder)
    rng = random.Random(0)
    said = 0
    kept: list[int] = []
    with Session.open(folder) as session:
        rows_before = sum(1 for _ in session.journal.entries())
    for _ in range(12):
        command = [sys.executable, "-c", CHILD, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            early = [child.stdout.readline() for _ in range(rng.randrange(30))]  # however slow the machine
            time.sleep(rng.uniform(0.0, 0.02))
            os.kill(child.pid, signal.SIGKILL)
            # A line cut off by the kill was not said.
            lines = [*early, *child.stdout.read().splitlines(keepends=True)]
            lines = [line for line in lines if line.endswith("\n")]
        said += len(lines)
        with Session.open(folder, read_only=True) as session:
            entries = list(session.journal.entries())
            done = len(entries) - rows_before
            # Whatever the process said it did is there; at most the one action it had no time to tell is more.
            assert len(lines) <= done <= len(lines) + 1
            rows_before = len(entries)
            # Whatever became of the checkpoint, the labels are those of the journal.
            kept.append(session.book.kept)
            replayed = LabelBook(session.journal)
            assert replayed.kept == 0
            assert replayed.to_pandas("main").equals(session.labels.to_pandas())
            assert list(replayed.levels["main"].categories) == list(session.categories)
            assert replayed.undoable == session.can_undo
            assert session.journal.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            told = [line.split() for line in lines if line.startswith("label")]
            if told:
                _, first, count, name = told[-1]
                row = [e for e in entries if e.verb == "label"][-1 if done == len(lines) else slice(-2, None)]
                rows = row if isinstance(row, list) else [row]
                assert any(
                    e.ids[0] == int(first) and len(e.ids) == int(count) and e.category == name for e in rows
                )
    assert said > 100
    assert kept[-1] > kept[2] > 0  # and a checkpoint was in use
    with Session.open(folder) as session:  # the lease of a killed process is no obstacle
        session.label([1], "A")
