"""A panel that has one long work done at a time, in the background."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ..session import Session
from ..session.jobs import Job
from .panel import Panel

__all__ = ["Working"]


class Working(Panel, ABC):
    """What panels with long work share: they follow a job, show how far it is, and take in what came of it once.

    A panel gives :meth:`_told` to the verb, sets :attr:`job` to what it returns, and calls :meth:`_told` itself: the job may
    have ended before it was known here.

    Attributes
    ----------
    job : Job or None
        The work that was begun last.
    """

    #: Whether the work ends when the panel is closed.
    _ends_with_panel = False

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.job: Job | None = None
        self._ended: Job | None = None

    @property
    def busy(self) -> bool:
        """Whether the work is under way."""
        return self.job is not None and not self.job.finished

    def stop(self) -> None:
        """End what is being done; what is complete by then is kept."""
        if self.job is not None:
            self.job.stop()

    def close(self) -> None:
        """Free everything, and end the work where nobody else waits for it."""
        if self._ends_with_panel and self.job is not None and not self.closed:
            self.job.cancel()
        super().close()

    def _told(self, *_how_far: Any) -> None:
        """From the thread that works, after each change; once more when the job is known here."""
        job = self.job
        if self.closed or job is None:
            return
        with self.setting():
            if not job.finished:
                self._try(self._progressed, ())
                return
            with self.showing:
                ended, self._ended = self._ended is job, job
            if not ended:
                self._try(self._finished, (job,))

    def _progressed(self) -> None:
        """Show how far the work is."""
        self._show()

    def _finished(self, job: Job) -> None:
        """Take in what came of it; an error that is raised stands on the message line."""
        self._show()
        if job.state == "failed" and job.error is not None:
            raise job.error

    @abstractmethod
    def _show(self) -> None:
        """Show everything as it is now."""
