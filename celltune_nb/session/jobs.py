"""Long work in the background: the only module that starts threads.

* :class:`Jobs` – the workers of a session, for long work (:class:`~celltune_nb.session.job.Job`).
* :class:`LatestWins` – drawing: of many requests only the newest is carried out.
* :class:`Repeat` – a call every few seconds (the lease's heartbeat).

The work itself imports what it needs with ordinary ``import`` before it touches the session.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

from ..errors import CellTuneError
from .job import Job, Progress

__all__ = ["Job", "Jobs", "LatestWins", "Progress", "Repeat"]

_log = logging.getLogger("celltune_nb")


class _Worker:
    """A thread that does one job after the other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.current: Job | None = None
        self.queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, job: Job) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._loop, name=self.name, daemon=True)
                self._thread.start()
        self.queue.put(job)

    def do(self, job: Job) -> None:
        self.current = job
        try:
            job._run()
        finally:
            self.current = None

    def close(self, timeout: float) -> None:
        while True:
            try:
                waiting = self.queue.get_nowait()
            except Empty:
                break
            if waiting is not None:
                waiting.cancel()
                waiting._run()
        if self.current is not None:
            self.current.cancel()
        self.queue.put(None)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _loop(self) -> None:
        while (job := self.queue.get()) is not None:
            self.do(job)


class Jobs:
    """The workers of a session: one for long work, one for what is done aside, and two threads that decode pixels.

    Parameters
    ----------
    inline : bool
        Do each job at once, in the calling thread (tests and scripts).
    """

    def __init__(self, *, inline: bool = False) -> None:
        self.inline = inline
        self._main, self._aside = _Worker("celltune-worker"), _Worker("celltune-aside")
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def current(self) -> Job | None:
        """The long work that is being done now."""
        return self._main.current

    @property
    def waiting(self) -> bool:
        """Whether long work waits for its turn."""
        return not self._main.queue.empty()

    def submit(
        self, work: Callable[[Job], Any], name: str, changed: Callable[[Job], None] | None = None
    ) -> Job:
        """Queue a piece of work; it is done after those queued before it."""
        job = Job(work, name, changed)
        self.start(job)
        return job

    def start(self, job: Job) -> None:
        """Queue a job that was made before."""
        self._put(job, self._main)

    def aside(
        self, work: Callable[[Job], Any], name: str, changed: Callable[[Job], None] | None = None
    ) -> Job:
        """Queue work that a training does not have to wait for."""
        job = Job(work, name, changed)
        self._put(job, self._aside)
        return job

    def _put(self, job: Job, worker: _Worker) -> None:
        if self._closed:
            raise CellTuneError("The session is closed. Open the project again, then repeat the action.")
        if self.inline:
            worker.do(job)
        else:
            worker.put(job)

    def map(self, function: Callable[[Any], Any], things: Iterable[Any]) -> Iterable[Any]:
        """``map``, on two threads where there are two processors: for work that lets go of the interpreter."""
        with self._lock:
            if self._pool is None and not self.inline and not self._closed and (os.cpu_count() or 1) > 1:
                self._pool = ThreadPoolExecutor(2, thread_name_prefix="celltune-decode")
            pool = self._pool
        if pool is None:
            return map(function, things)
        try:
            return pool.map(function, things)
        except RuntimeError:  # closed in between
            return map(function, things)

    def latest(
        self, work: Callable[..., object],
        hold: Callable[[LatestWins, tuple[Any, ...]], bool] | None = None,
    ) -> LatestWins:  # fmt: skip
        """A drawing thread that carries out only the newest request."""
        return LatestWins(work, inline=self.inline, hold=hold)

    def close(self, timeout: float = 10.0) -> None:
        """Cancel what runs and what waits, and end the workers."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        for worker in (self._main, self._aside):
            worker.close(timeout)
        if pool is not None:
            pool.shutdown(wait=False)


class LatestWins:
    """Of many requests only the newest is carried out; those in between are dropped.

    Parameters
    ----------
    work : callable
        Called with the arguments of the newest :meth:`request`, in a thread of its own.
    inline : bool
        Carry out each request at once, in the calling thread.
    hold : callable, optional
        Asked before each request with this object and the arguments; True: whoever holds it will ask again.
    """

    def __init__(
        self, work: Callable[..., object], *, inline: bool = False,
        hold: Callable[[LatestWins, tuple[Any, ...]], bool] | None = None,
    ) -> None:  # fmt: skip
        self._work = work
        self._hold = hold
        self._inline = inline
        self._wanted: tuple[Any, ...] | None = None
        self._closed = False
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def request(self, *arguments: Any) -> None:
        """Ask for *work* with these arguments; returns at once."""
        if self._closed or (self._hold is not None and self._hold(self, arguments)):
            return
        if self._inline:
            self._call(arguments)
            return
        with self._condition:
            self._wanted = arguments
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="celltune-draw", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def settle(self, timeout: float = 5.0) -> bool:
        """Wait until nothing is asked for or being drawn; False after *timeout* seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: self._wanted is None and not self._busy, timeout)

    def close(self) -> None:
        """End the thread; later requests are ignored."""
        with self._condition:
            self._closed = True
            self._wanted = None
            self._condition.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)

    def _loop(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._wanted is not None or self._closed)
                if self._closed:
                    return
                arguments, self._wanted = self._wanted, None
                self._busy = True
            assert arguments is not None
            self._call(arguments)

    def _call(self, arguments: tuple[Any, ...]) -> None:
        try:
            self._work(*arguments)
        except Exception:  # noqa: BLE001 - a thread must outlive one bad call
            _log.exception("drawing failed")


class Repeat:
    """Call something every few seconds until closed.

    Parameters
    ----------
    work : callable
        Returns False to end the repetition.
    seconds : float
    """

    def __init__(self, work: Callable[[], bool], seconds: float, name: str = "celltune-repeat") -> None:
        self._work = work
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join(5)

    def _loop(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                if not self._work():
                    return
            except Exception:  # noqa: BLE001 - a thread must outlive one bad call
                _log.exception("%s failed", self._thread.name)
