"""One piece of long work: how far it is, how it is stopped, how it is waited for."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, Literal

from ..errors import Cancelled, CellTuneError

__all__ = ["Job", "Progress"]

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
        self._after: list[Callable[[Job], object]] = []
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

    def wait_with_bar(self) -> Job:
        """As :meth:`wait`; a bar shows when it takes longer than a moment, and an interrupt cancels the work."""
        from tqdm.auto import tqdm

        with tqdm(total=100, desc=self.name.capitalize(), unit="%", delay=1.0, leave=False) as bar:
            try:
                while not self._finished.wait(0.05):
                    bar.set_postfix_str(self.progress.text[:60], refresh=False)
                    bar.update(int(100 * self.progress.fraction) - bar.n)
            except KeyboardInterrupt:
                self.cancel()
                raise
        if self.state == "cancelled":
            raise Cancelled
        return self.wait()

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
        try:
            self._act()
        except Exception:  # noqa: BLE001 - a thread must outlive one bad call
            _log.exception("what follows %s failed", self.name)

    def then(self, act: Callable[[Job], object]) -> None:
        """Call *act* once the work is over, in the thread that did it; at once when it is over already."""
        # Apart from who is told of progress: that listener may be replaced while the work goes on.
        self._after.append(act)
        if self.finished:
            self._act()

    def _act(self) -> None:
        while self._after:  # whichever thread takes one out calls it
            try:
                act = self._after.pop(0)
            except IndexError:
                return
            act(self)

    def _tell(self) -> None:
        if self._changed is not None:
            try:
                self._changed(self)
            except Exception:  # noqa: BLE001 - a thread must outlive one bad call
                _log.exception("a listener to %s failed", self.name)
