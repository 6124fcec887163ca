"""Long work of a panel: followed, taken in once, and ended with the panel where nobody else waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from celltune_nb.errors import InputError
from celltune_nb.panels import theme
from celltune_nb.panels.working import Working
from celltune_nb.session import Session
from celltune_nb.session.jobs import Job
from tests.waiting import LONG, until


class Sums(Working):
    """Adds numbers aside."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.text = theme.text()
        self.widget = self.text
        self.sums: list[int] = []

    def add(self, work: object) -> None:
        self.job = self.session.jobs.aside(work, "adding", self._told)  # type: ignore[arg-type]
        self._told()

    def _finished(self, job: Job) -> None:
        if job.state == "done":
            self.sums.append(job.result)
        super()._finished(job)

    def _show(self) -> None:
        with self.showing:
            self.text.value = "adding" if self.busy else f"{self.sums}"


class Lasting(Sums):
    """Ends what nobody waits for."""

    _ends_with_panel = True


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session.create(tmp_path / "p") as session:
        yield session


def test_work_is_followed_and_taken_in_once(session: Session) -> None:
    panel, go = Sums(session), threading.Event()
    assert not panel.busy
    panel.stop()  # nothing to end
    panel.add(lambda job: go.wait(LONG) and 3)
    assert panel.busy
    assert panel.text.value == "adding"
    go.set()
    assert panel.job is not None
    panel.job.wait(LONG)
    for _ in range(3):
        panel._told(1.0, "done")
    until(lambda: panel.text.value == "[3]")
    assert (panel.sums, panel.busy) == ([3], False)
    panel.add(lambda job: 4)
    panel.job.wait(LONG)
    panel._told()
    until(lambda: panel.text.value == "[3, 4]")
    assert panel.sums == [3, 4]
    panel.close()


def test_what_went_wrong_stands_in_place_and_what_was_stopped_says_nothing(session: Session) -> None:
    panel = Sums(session)

    def refused(_job: Job) -> None:
        raise InputError("These are no numbers. Give others.")

    panel.add(refused)
    panel._told()
    with pytest.raises(InputError):
        panel.job.wait(LONG)
    panel._told()
    until(lambda: panel.message)
    assert panel.message == "These are no numbers. Give others."
    assert panel.sums == []
    panel.close()


@pytest.mark.parametrize(("kind", "state"), [(Sums, "done"), (Lasting, "cancelled")])
def test_closing_ends_what_nobody_else_waits_for(session: Session, kind: type[Sums], state: str) -> None:
    panel, begun, go = kind(session), threading.Event(), threading.Event()

    def work(job: Job) -> int:
        begun.set()
        go.wait(LONG)
        job.check()
        return 1

    panel.add(work)
    assert begun.wait(LONG)
    panel.close()
    go.set()
    assert panel.job is not None
    assert panel.job._finished.wait(LONG)
    assert panel.job.state == state
    assert panel.sums == []
