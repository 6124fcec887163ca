"""A process that is killed while it labels loses at most the action in flight."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from celltune_nb.data.labels import LabelBook
from celltune_nb.session import Session
from tests.waiting import until

CHILDREN = """
import os, sys, threading
from celltune_nb.session import Session
from celltune_nb.session.keeping import keep_labels

def work(folder, said):
    session = Session.open(folder)
    n = 0
    while True:
        n += 1
        keep_labels(session, 5)
        if n % 7 == 0:
            session.undo()
            print("undo", file=said, flush=True)
        elif n % 11 == 0:
            session.categories.add(f"made {len(session.categories)}-{session.labels.revision}", key="")
            print("category", file=said, flush=True)
        else:
            ids = [(n * 13) % 290 + 1 + i for i in range(1 + n % 9)]
            session.label(ids, "ABC"[n % 3], source="rectangle")
            print("label", ids[0], len(ids), "ABC"[n % 3], file=said, flush=True)

assert threading.active_count() == 1
for line in sys.stdin:  # each line is where the next process tells what it has done
    pid = os.fork()
    if not pid:
        with open(line.strip(), "w") as said:
            work(sys.argv[1], said)
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""


@pytest.fixture
def children(project: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that has everything imported, and starts a process that labels whenever it is told to."""
    command = [sys.executable, "-c", CHILDREN, str(project)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        yield program
        assert program.stdin is not None
        program.stdin.close()


def _killed_after(children: subprocess.Popen[str], place: Path, early: int, seconds: float) -> list[str]:
    """What a process says that is killed some time after its first so many actions; a line cut off was not said."""
    assert children.stdin is not None
    assert children.stdout is not None
    children.stdin.write(f"{place}\n")
    children.stdin.flush()
    pid = int(children.stdout.readline())
    until(lambda: place.exists() and place.read_text().count("\n") >= max(early, 1))
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    assert children.stdout.readline() == "gone\n"
    return [line for line in place.read_text().splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is a POSIX matter")
def test_kill_9_loses_at_most_the_last_action(
    project: Path, children: subprocess.Popen[str], tmp_path: Path
) -> None:
    folder = project
    rng = random.Random(0)
    said = 0
    kept: list[int] = []
    with Session.open(folder) as session:
        rows_before = sum(1 for _ in session.journal.entries())
    for killed in range(12):
        lines = _killed_after(
            children, tmp_path / f"said {killed}", rng.randrange(30), rng.uniform(0.0, 0.02)
        )
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
