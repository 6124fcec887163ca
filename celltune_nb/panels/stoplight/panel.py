"""The panel: its verbs, what it hears from the browser and from the session."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CellTuneError, InputError, NotReadyError
from ...session import Session
from ...session.events import ViewChanged
from ...session.jobs import Job
from ...session.judging import judged_table, kept
from ...session.runs import Run
from ...session.stoplight import target_by
from ..theme import Live
from ..working import Working
from . import markup

if TYPE_CHECKING:
    import pandas as pd

    from ...session.stoplight import StopLight

__all__ = ["StopLightPanel"]

#: Labels up to which models are judged by animal after each training without being asked: a few seconds.
BY_ITSELF = 3_000


class _Page(Live):
    _css = (Path(__file__).parents[1] / "static" / "stoplight.css").read_text("utf-8")


class StopLightPanel(Working):
    """Whether more labels are needed, why, the next step, and how good the models are slice by slice.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    light : StopLight or None
        What is shown; None before it was worked out.
    table : DataFrame or None
        Of :meth:`celltune_nb.Session.judge`; None while the newest training is not judged.
    by : {"image", "group"}
    sort, down : str, bool
        The column by which the table is sorted, and whether the largest comes first.
    open_audit : callable or None
        Called when the audit is to be labelled: a page opens its tab.
    """

    _ends_with_panel = True

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.light: StopLight | None = None
        self.table: pd.DataFrame | None = None
        self.by, self.sort, self.down = "image", "expected_f1", False
        self.open_audit: Callable[[], object] | None = None
        self._asked = ""
        self._followed: StopLight | None = None
        self._reset = 0
        self._live = _Page()
        verbs: dict[str, Callable[..., Any]] = {
            "follow": self._follow, "judge": self.judge, "stop": self.stop, "sort": self.sort_by, "by": self.show_by,
            "go": self.go, "target": self._set_target,
        }  # fmt: skip
        self.hear(self._live, verbs)
        self.widget = self._live
        self._working_out = self.latest(
            self._work_out, session.labels_changed, session.categories_changed, session.study_changed,
            session.items_changed, session.populations_changed, session.access_changed,
        )  # fmt: skip
        self.listen(session.run_changed, self._run_changed)
        self.listen(session.view_changed, self._view_changed)
        self._show()
        self._working_out.request()
        self._judge_by_itself()

    # ------------------------------------------------------------------ verbs

    def judge(self) -> None:
        """Judge the newest models by animal, in the background.

        Raises
        ------
        NotReadyError
            When there is no trained model.
        """
        if self.busy:
            return
        session, level = self.session, self.session.level
        run = session.finished_run(level)
        self._asked = run.id

        def work(job: Job) -> None:
            session.judge(level=level, progress=job.report, stop=lambda: job.wish is not None)

        self.job = Job(work, "judging by animal", self._told)
        session.jobs.start(self.job)
        self._show()

    def stop(self) -> None:
        """End the judging; the former figures stay."""
        if self.job is not None:
            self.job.cancel()
            self._show()

    def follow(self) -> None:
        """Do what comes next."""
        light = self.light
        if light is None:
            return
        self._followed = light
        verb = light.action.verb
        if verb == "judge":
            self.judge()
            return
        done = self.session.follow(light)
        if verb in ("sample", "working_set"):
            n = len(done)
            self.say(
                f"{n} cells are selected: M shows them one by one; or press the key of most of them, then click the others."
                if n else "No unlabelled cell is left there.",
                "good" if n else "warning",
            )  # fmt: skip
        elif verb == "audit":
            todo = len(self.session.audits.of(light.level).todo)
            self.say(f"{todo} cells wait to be labelled blind.", "good")
            if self.open_audit is not None:
                self.open_audit()
        self._working_out.request()

    def _follow(self, what: str) -> None:
        # Pressed twice while the first is carried out: nothing is drawn twice, nor the step after it taken unseen.
        if (
            self.light is not None
            and self.light is not self._followed
            and what in ("", self.light.action.text)
        ):
            self.follow()

    def go(self, image: str) -> None:
        """Look at a slice."""
        self.session.set_view(image=image)

    def sort_by(self, column: str) -> None:
        """Sort the table by a column; again: the other way round."""
        if column not in markup.COLUMNS:
            raise InputError(f"There is no column {column!r}. Choose from: {', '.join(markup.COLUMNS)}.")
        self.down = not self.down if column == self.sort else column == "shift"
        self.sort = column
        self._show()

    def show_by(self, by: str) -> None:
        """Show slices ("image") or animals ("group")."""
        if by not in ("image", "group"):
            raise InputError(f"by={by!r} is not known. Choose image or group.")
        self.by = by
        self._working_out.request()

    def set_target(self, target: float) -> None:
        """What the audit's lower bound has to reach, a share; it is kept with the project."""
        if not 0 < target < 1:
            raise InputError("The target lies between 1 and 99 %.")
        self.session.set_target(target)

    def _set_target(self, level: str, value: Any) -> None:
        try:
            try:
                wanted = float(str(value)) / 100
            except ValueError as error:
                raise InputError(f"{value!r} is no number. Give per cent, such as 85.") from error
            if not 0 < wanted < 1:
                raise InputError("The target lies between 1 and 99 %.")
            # Of the marker beside which it was typed: another may have been chosen since.
            self.session.set_target(wanted, level=level or None)
        except CellTuneError:
            self._reset += 1  # the field shows the target that counts
            self._show()
            raise

    # ------------------------------------------------------------------ what is heard

    def _finished(self, job: Job) -> None:
        if job.state == "failed":
            error = job.error
            self.say(
                str(error)
                if isinstance(error, CellTuneError)
                else f"The judging failed ({error}). Please report it.",
                "error",
            )
        elif job.state == "cancelled":
            self.say("Stopped; the figures are those of before.", "info")
        self._show()
        self._working_out.request()

    def _run_changed(self, run: Run) -> None:
        self._working_out.request()
        if run.state in ("done", "stopped"):
            self._judge_by_itself()

    def _judge_by_itself(self) -> None:
        """Judge a training of not too many labels without being asked, once."""
        session = self.session
        try:
            run = session.finished_run(session.level)
        except NotReadyError:
            return
        if run.id == self._asked or self.busy or kept(run) is not None:
            return
        if int(run.about.get("labels", 0)) <= BY_ITSELF and session.busy() is None:
            self.judge()

    def _view_changed(self, event: ViewChanged) -> None:
        if "image" in event.fields:
            self._show()

    # ------------------------------------------------------------------ what is shown

    def _work_out(self) -> None:
        session = self.session
        level = session.level
        light = session.stop_light(level=level)
        table = light.table  # None: nothing is trained, or it has to be judged again; the light says so
        if table is not None and self.by == "group":
            try:
                table = judged_table(session, level, session.finished_run(level), self.by)
            except CellTuneError:
                table = None
        with self.showing:
            self.light, self.table = light, table
        self._show()

    def _show(self) -> None:
        session, job = self.session, self.job
        running = job is not None and not job.finished
        with self.showing:
            self._live.html = markup.page(
                markup.State(
                    self.light, self.table, "group" if self.table is not None and self.table.index.name == "group" else "image",
                    bool(session.table.group_names), self.sort, self.down, job.progress if running and job else None,
                    bool(running and job and job.wish is not None), session.read_only,
                    any(r.level == session.level and r.state in ("done", "stopped") for r in session.runs), session.target,
                    _whose(target_by(session, session.level)), session.view.image,
                    session.level, self._reset,
                )
            )  # fmt: skip


def _whose(kept: dict[str, Any]) -> str:
    """Who set the target, and when; "" where nobody did."""
    when, user = kept.get("time"), str(kept.get("user") or "")
    known = isinstance(when, int | float) and 0 < when < 1e11
    day = time.strftime("%Y-%m-%d", time.localtime(when)) if known else ""
    return (
        " ".join(part for part in ("set", user and f"by {user}", day and f"on {day}") if part) if kept else ""
    )
