"""Fill a review as the form says: at once, or after a question, never twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import CellTuneError
from ...session.jobs import Job
from ..instead import unfinished
from ..panel import Panel
from .form import Form

__all__ = ["Filling"]


class Filling:
    """What fills the next review of a panel.

    Parameters
    ----------
    panel : Panel
    form : Form
    changed : callable
        Called when anything below has changed.

    Attributes
    ----------
    asking : str
        What would be left, while it is asked whether it may be; else empty.
    """

    def __init__(self, panel: Panel, form: Form, changed: Callable[[], None]) -> None:
        self._panel, self._form, self._changed = panel, form, changed
        self.asking = ""
        self._job: Job | None = None
        self._choosing = False
        # A thread of its own: it stands neither behind a training nor behind an export.
        self._worker = panel.latest(self._choose)

    @property
    def busy(self) -> bool:
        """Whether cells are being chosen now."""
        return self._choosing or (self._job is not None and not self._job.finished)

    @property
    def text(self) -> str:
        """How far it is; empty when nothing is being filled."""
        if self._job is not None and not self._job.finished:
            done = self._job.progress.fraction
            return (
                f"Looking for label errors: {done:.0%}"
                if done
                else "Looking for label errors: waits for its turn"
            )
        return "Choosing cells…" if self._choosing else ""

    @property
    def can_stop(self) -> bool:
        """Whether :meth:`stop` would end it."""
        return self._job is not None and not self._job.finished

    def start(self, *, instead: bool = False) -> None:
        """Fill it; asks first where another review is unfinished."""
        if self.busy:
            return
        session = self._panel.session
        self.asking = "" if instead else unfinished(session)
        if self.asking:
            self._changed()
            return
        wish = {**self._form.wish(), "replace": instead}

        def work(job: Job) -> None:
            session.review(**wish, progress=job.report, stop=lambda: job.wish is not None)

        if self._form.by == "label_errors":
            self._job = Job(work, "review", self._job_changed)
            session.jobs.start(self._job)
        else:
            self._choosing = True
            self._changed()
            self._worker.request(wish)

    def keep(self) -> None:
        """Leave the unfinished review where it is."""
        self.asking = ""
        self._changed()

    def stop(self) -> None:
        """End the search for label errors."""
        if self._job is not None:
            self._job.cancel()

    def _choose(self, wish: dict[str, Any]) -> None:
        try:
            self._panel.session.review(**wish)
        finally:
            self._choosing = False
            self._changed()

    def _job_changed(self, job: Job) -> None:
        panel = self._panel
        if panel.closed or job is not self._job:
            return
        with panel.setting():
            if job.state == "failed":
                error = job.error
                known = isinstance(error, CellTuneError)
                panel.say(str(error) if known else f"This did not work ({error!r}).", "error")
            self._changed()
