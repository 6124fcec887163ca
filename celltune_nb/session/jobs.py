"""Long work in the background: the only module that starts threads.

* :class:`Job` – one piece of long work, with progress, Stop and Cancel, done by the one worker.
* :class:`LatestWins` – drawing: of many requests only the newest is carried out.
* :class:`Repeat` – a call every few seconds (the lease's heartbeat).

The work itself imports what it needs with ordinary ``import`` before it touches the session.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Generator
from queue import Empty, SimpleQueue
from typing import Any, Literal

from ..errors import Cancelled, CellTuneError

__all__ = ["Job", "Jobs", "LatestWins", "Progress", "Repeat"]

_log = logging.getLogger("celltune_nb")

State = Literal["queued", "running", "done", "stopped", "cancelled", "failed"]

#: Least time between two progress messages, seconds: more only queue up in the browser.
PROGRESS_EVERY = 0.1


class Progress:
    """How far a job is.

    Attributes
    ----------
    fraction : float
        0 to 1.
    text : str
        What it does now.
    remaining : float or None
        Seconds left, None while that cannot be told.
    """

    def __init__(self, fraction: float = 0.0, text: str = "", remaining: float | None = None) -> None:
        self.fraction, self.text, self.remaining = fraction, text, remaining

    def __repr__(self) -> str:
        left = "" if self.remaining is None else f", {self.remaining:.0f} s left"
        return f"{self.fraction:.0%} {self.text}{left}"


class Job:
    """One piece of long work.

    Parameters
    ----------
    work : callable
        ``work(job)``; its result is kept in :attr:`result`.  It calls :meth:`report` and polls
        :attr:`wish` at least a few times a second.
    name : str
    changed : callable, optional
        Called as ``changed(job)`` after each change of state and, at most ten times a second, of progress.
    """

    def __init__(
        self, work: Callable[[Job], Any], name: str, changed: Callable[[Job], None] | None = None
    ) -> None:
        self.name = name
        self.state: State = "queued"
        self.progress = Progress(text="waiting")
        self.result: Any = None
        self.error: BaseException | None = None
        self._began: float | None = None
        self._took: float | None = None
        self._work = work
        self._changed = changed
        self._wish: Literal["stop", "cancel"] | None = None
        self._finished = threading.Event()
        self._told = 0.0

    def __repr__(self) -> str:
        return f"Job({self.name!r}: {self.state}, {self.progress!r})"

    @property
    def wish(self) -> Literal["stop", "cancel"] | None:
        """What the person asked of the running work: ``"stop"``, ``"cancel"`` or None."""
        return self._wish

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        if self._took is not None:
            return self._took
        return 0.0 if self._began is None else time.monotonic() - self._began

    @property
    def finished(self) -> bool:
        """Whether it is over, in whatever way."""
        return self._finished.is_set()

    def stop(self) -> None:
        """Ask it to end soon and keep the best so far."""
        if not self.finished and self._wish is None:
            self._wish = "stop"

    def cancel(self) -> None:
        """Ask it to end soon and discard everything."""
        if not self.finished:
            self._wish = "cancel"

    def check(self) -> None:
        """Leave the work when it was cancelled.

        Raises
        ------
        Cancelled
        """
        if self._wish == "cancel":
            raise Cancelled

    def report(self, fraction: float, text: str = "", remaining: float | None = None) -> None:
        """Say how far it is; cheap, and passed on at most ten times a second."""
        self.progress = Progress(min(max(float(fraction), 0.0), 1.0), text, remaining)
        now = time.monotonic()
        if now - self._told >= PROGRESS_EVERY:
            self._told = now
            self._tell()

    def wait(self, timeout: float | None = None) -> Job:
        """Wait until it is over; raises what it raised.

        Raises
        ------
        CellTuneError
            What made the job fail, or :class:`TimeoutError` after *timeout* seconds.
        """
        # Short waits, so that Ctrl-C and the notebook's stop button are heard.
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._finished.wait(0.05):
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(
                    f"{self.name!r} is still {self.state} after {timeout:g} s. Wait longer, or stop it."
                )
        if self.error is not None and self.state == "failed":
            raise self.error
        return self

    def __await__(self) -> Generator[Any, None, Job]:
        """``await job``: as :meth:`wait`, while the kernel answers other messages."""
        while not self.finished:
            yield from asyncio.sleep(0.05).__await__()
        return self.wait()

    def _run(self) -> None:
        if self._wish == "cancel":
            self._finish("cancelled")
            return
        self._began = time.monotonic()
        self.state = "running"
        self._tell()
        try:
            self.result = self._work(self)
        except Cancelled as error:
            self.error = error
            state: State = "cancelled"
        except BaseException as error:  # noqa: BLE001 - kept for the person who waits
            # Kept and shown, never lost in a thread; an unforeseen one is logged with its traceback.
            self.error = error
            state = "failed"
            if not isinstance(error, CellTuneError):
                _log.exception("%s failed", self.name)
        else:
            state = "stopped" if self._wish == "stop" else "done"
        self._took = time.monotonic() - self._began
        self._finish(state)

    def _finish(self, state: State) -> None:
        self.state = state
        self._finished.set()
        self._tell()

    def _tell(self) -> None:
        if self._changed is not None:
            try:
                self._changed(self)
            except Exception:  # noqa: BLE001 - a thread must outlive one bad call
                _log.exception("a listener to %s failed", self.name)


class Jobs:
    """The worker of a session.

    Parameters
    ----------
    inline : bool
        Do each job at once, in the calling thread (tests and scripts).
    """

    def __init__(self, *, inline: bool = False) -> None:
        self.inline = inline
        self.current: Job | None = None
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def submit(
        self, work: Callable[[Job], Any], name: str, changed: Callable[[Job], None] | None = None
    ) -> Job:
        """Queue a piece of work; it is done after those queued before it."""
        job = Job(work, name, changed)
        self.start(job)
        return job

    def start(self, job: Job) -> None:
        """Queue a job that was made before."""
        if self._closed:
            raise CellTuneError("The session is closed. Open the project again, then repeat the action.")
        if self.inline:
            self._do(job)
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._loop, name="celltune-worker", daemon=True)
                self._thread.start()
        self._queue.put(job)

    def latest(self, work: Callable[..., object]) -> LatestWins:
        """A drawing thread that carries out only the newest request."""
        return LatestWins(work, inline=self.inline)

    def close(self, timeout: float = 10.0) -> None:
        """Cancel what runs and what waits, and end the worker."""
        self._closed = True
        while True:
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                break
            if waiting is not None:
                waiting.cancel()
                waiting._run()
        if self.current is not None:
            self.current.cancel()
        self._queue.put(None)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _loop(self) -> None:
        while (job := self._queue.get()) is not None:
            self._do(job)

    def _do(self, job: Job) -> None:
        self.current = job
        try:
            job._run()
        finally:
            self.current = None


class LatestWins:
    """Of many requests only the newest is carried out; those in between are dropped.

    Parameters
    ----------
    work : callable
        Called with the arguments of the newest :meth:`request`, in a thread of its own.
    inline : bool
        Carry out each request at once, in the calling thread.
    """

    def __init__(self, work: Callable[..., object], *, inline: bool = False) -> None:
        self._work = work
        self._inline = inline
        self._wanted: tuple[Any, ...] | None = None
        self._closed = False
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def request(self, *arguments: Any) -> None:
        """Ask for *work* with these arguments; returns at once."""
        if self._closed:
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
