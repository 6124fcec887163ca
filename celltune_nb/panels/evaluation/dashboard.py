"""The evaluation dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np

from celltune_nb.errors import CellTuneError, FormatError, NotReadyError
from celltune_nb.panels import theme
from celltune_nb.panels.instead import unfinished
from celltune_nb.panels.theme import tag
from celltune_nb.panels.working import Working
from celltune_nb.session import Session
from celltune_nb.session.events import LabelsChanged
from celltune_nb.session.jobs import Job

from . import comparison, figures
from .advice import AdvicePanel
from .audit import AuditPanel
from .counts import counts
from .headline import head
from .matrix import Matrix, confusion
from .rounds import RoundsPart
from .saving import SavingPart
from .truth import TruthPart
from .walk import Walk
from .why import WhyPart

if TYPE_CHECKING:
    from celltune_nb.learn.evaluation import Evaluation
    from celltune_nb.session.agreeing import Comparison
    from celltune_nb.session.runs import Run

__all__ = ["EvaluationPanel"]

_VIEWS = (
    ("Categories", "categories"),
    ("Confusion", "confusion"),
    ("Calibration", "calibration"),
    ("Models", "models"),
)
#: From this many categories on a matrix takes the whole width.
MANY = 14


class EvaluationPanel(Working):
    """How good the models are on cells they have not learned from, and where they fail.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    evaluation : Evaluation or None
        What is shown.
    outdated : str
        Why it speaks of a former state, empty when it does not.
    agreement : Comparison or None
        The first two models over all cells; None without two models.
    shown : str
        The view that a narrow panel shows.
    audit : AuditPanel
    walk : Walk
        The cells that were opened from a matrix.
    advice : AdvicePanel
    rounds : RoundsPart
    why : WhyPart
    truth : TruthPart
    saving : SavingPart
    """

    _ends_with_panel = True

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.evaluation: Evaluation | None = None
        self.agreement: Comparison | None = None
        self.outdated = ""
        self._level = session.level
        self.walk = Walk(session)
        self.audit = AuditPanel(session, self._auditing)
        self.advice = AdvicePanel(session)
        self.rounds, self.why = RoundsPart(session, self._open), WhyPart(session, self._open)
        self.truth, self.saving = TruthPart(session, self._open), SavingPart(session)
        for panel in (self.audit, self.advice, self.rounds, self.why, self.truth, self.saving):
            self.part(panel)
        self._head = theme.Live()
        self._head.on("evaluate", self.guard(self.evaluate))
        self._head.on("stop", self.guard(self.stop))
        self._view = theme.segmented(_VIEWS, "categories")
        self._view.observe(self.guard(lambda change: self.show(change["new"])), "value")
        self._table = theme.text()
        self._confusion = Matrix(self.guard(self.open_confusion))
        self._calibration = figures.Calibration()
        self._calibration_words = theme.text()
        self._agreement = Matrix(self.guard(self.open_agreement))
        self._agreement_words = theme.text()
        self._models = theme.text()
        self._walker = theme.Live()
        # In a box: the browser side of anywidget 0.11 does not follow classes that change later.
        self._walking = theme.column(self._walker)
        self._walking.add_class("ct-ev-walking")
        for verb, act in (
            ("next", self.next),
            ("previous", self.previous),
            ("all", self.select_all),
            ("review", self.review),
            ("instead", lambda: self._review(replace=True)),
            ("keep", self._keep),
            ("end", self.end_walk),
        ):
            self._walker.on(verb, self.guard(act))
        self._views = w.VBox([
            _page("categories", "Categories", self._table),
            _page("confusion", "Confusion", self._confusion),
            _page("calibration", "Calibration", self._calibration_words, self._calibration.widget),
            _page("models", "Agreement of the models", self._agreement, self._agreement_words, self._models),
        ])  # fmt: skip
        self._views.add_class("ct-ev-views")
        parts = [part.widget for part in (self.why, self.rounds, self.truth, self.saving)]
        self._more = theme.column(*parts, gap="small")
        self._more.add_class("ct-ev-more")
        self._report = theme.column(
            self._head, self.advice.widget, self._view, self._views, self._walking, self._more
        )
        self._report.add_class("ct-ev-report")
        self.widget = [self._report, self.audit.widget]
        self._root.add_class("ct-evaluation")
        self.shown = "categories"
        self.listen(session.labels_changed, self._labels)
        self.listen(session.run_changed, self._run)
        self.listen(session.populations_changed, self._compare)
        self.listen(session.categories_changed, self._categories)
        self.listen(session.selection_changed, self._draw_walker)
        self._restore()
        self._compare()
        self._draw()
        if self.evaluation is not None:
            self.show("categories")

    # ------------------------------------------------------------------ verbs

    def evaluate(self) -> None:
        """Evaluate the newest models in the background; the former figures stay until it is done.

        Raises
        ------
        NotReadyError
            When there is no trained model.
        """
        if self.busy:
            return
        session, level = self.session, self.session.level
        run = session.finished_run(level)

        def work(job: Job) -> None:
            session.evaluate(run, level=level, progress=job.report, stop=lambda: job.wish is not None)
            job.check()

        self.job = Job(work, "evaluation", self._told)
        session.jobs.start(self.job)
        self._draw_head()

    def stop(self) -> None:
        """End the evaluation; the former figures stay."""
        if self.job is not None:
            self.job.cancel()
            self._draw_head()

    def show(self, view: str) -> None:
        """Show one view: ``categories``, ``confusion``, ``calibration`` or ``models`` (a wide panel shows all)."""
        self.shown = view
        for _, name in _VIEWS:
            _class(self._views, f"ct-ev-show-{name}", name == view)
        if self._view.value != view:
            with self.setting():
                self._view.value = view
        self._draw_walker()

    def open_confusion(self, truth: str, predicted: str) -> None:
        """Select the cells of *truth* that the models call *predicted*, and go to the first."""
        if self.evaluation is None:
            raise NotReadyError("Nothing is evaluated yet. Press Evaluate first.")
        what = f"{truth}, found" if truth == predicted else f"{truth} taken for {predicted}"
        self._open(self.evaluation.items(truth, predicted), what)

    def open_agreement(self, first: str, second: str) -> None:
        """Select the cells that the first model calls *first* and the second *second*, and go to the first."""
        if self.agreement is None:
            raise NotReadyError("There are not two models to compare. Train two first.")
        one, two = self.agreement.names
        self._open(
            self.agreement.items(first, second),
            f"Both say {first}" if first == second else f"{one}: {first}, {two}: {second}",
        )

    def _open(self, ids: Any, title: str) -> None:
        self.walk.begin(ids, title)
        self._draw_walker()

    def next(self) -> None:
        """Go to the next of the cells opened from a matrix."""
        self.walk.step(1)
        self._draw_walker()

    def previous(self) -> None:
        """Go to the one before."""
        self.walk.step(-1)
        self._draw_walker()

    def select_all(self) -> None:
        """Select all the cells opened from a matrix."""
        self.walk.select_all()

    def review(self) -> None:
        """Put these cells into the review; asks first where one is unfinished."""
        self.walk.asking = unfinished(self.session)
        self._draw_walker()
        if not self.walk.asking:
            self._review()

    def _review(self, *, replace: bool = False) -> None:
        self._keep()
        self.say("These cells go into the review …")
        queue = self.session.review(ids=self.walk.ids, reason=self.walk.title, replace=replace)
        if self.message:  # else a page has opened the review already
            many = "1 cell is" if len(queue) == 1 else f"{len(queue):,} cells are"
            self.say(f"{many} in the review now. Open Review to go on.", "good")

    def _keep(self) -> None:
        self.walk.asking = ""
        self._draw_walker()

    def end_walk(self) -> None:
        """Leave them."""
        self.walk.clear()
        self.session.select([])
        self._confusion.picked, self._agreement.picked = [], []
        self._draw_walker()

    # ------------------------------------------------------------------ what happens

    def _show(self) -> None:
        self._draw_head()

    def _finished(self, job: Job) -> None:
        if job.state == "done":
            self._try(self._take, ())
        elif job.state == "failed":
            error = job.error
            self.say(
                str(error) if isinstance(error, CellTuneError)
                else f"The evaluation ended with {type(error).__name__}: {error}. The former figures stay.",
                "error",
            )  # fmt: skip
        self._draw_head()

    def _take(self) -> None:
        first = self.evaluation is None
        self._restore()
        self.walk.clear()
        self._draw()
        self.advice.show()
        if first:
            self.show("categories")

    def _restore(self) -> None:
        """Show what was found last on this level, also before a restart."""
        self.evaluation, self.outdated = None, ""
        for run in reversed(self.session.runs):
            if run.level != self.session.level or run.state not in ("done", "stopped"):
                continue
            try:
                self.evaluation = run.evaluation
            except FormatError as error:
                self.say(str(error), "warning")
            if self.evaluation is not None:
                self.outdated = self.session.outdated(self.evaluation)
                return

    def _labels(self, event: LabelsChanged) -> None:
        found = self.evaluation
        if found is None or event.level != self.session.level:
            return
        if found.kind == "audit":
            drawn = self.session.audits.draws(event.level)
            if event.ids is None or any(np.isin(event.ids, ids).any() for ids in drawn):
                self.outdated = self.session.outdated(found)
                self._draw_head()
        elif not self.outdated:
            self.outdated = "From before the last labels."
            self._draw_head()

    def _run(self, run: Run) -> None:
        if run.state in ("done", "stopped") and self.evaluation is not None:
            self._restore()
        self._draw_head()

    def _categories(self) -> None:
        level = self.session.level
        if self._level != level:
            self._level = level
            self.walk.clear()
            self._restore()
        self._compare()
        self._draw()

    def _compare(self) -> None:
        self.agreement = comparison.compare(self.session)
        with self._agreement.hold_sync():
            self._agreement.picked = []
            self._agreement.data = (
                {} if self.agreement is None else comparison.shown(self.agreement, self._colors())
            )
        self._agreement_words.value = comparison.words(self.agreement)
        self._arrange()
        self._draw_head()

    def _arrange(self) -> None:
        # Until something is evaluated there is the models' agreement only, which costs nothing.
        _away(self._views, self.evaluation is None and self.agreement is None)
        _class(self._views, "ct-ev-alone", self.evaluation is None)

    def _auditing(self, running: bool) -> None:
        # Nothing that speaks of predictions stays in sight while the audit is labelled.
        _away(self._report, running)

    # ------------------------------------------------------------------ what is shown

    def _colors(self) -> dict[str, str]:
        return {c.name: c.color for c in self.session.categories}

    def _draw(self) -> None:
        found, colors = self.evaluation, self._colors()
        _away(self._view, found is None)
        self._arrange()
        if found is None:
            self.show("models")
        self._table.value = (
            ""
            if found is None
            else figures.categories_table(found, colors)
            + _words(figures.weakest(found))
            + counts(found, colors)
        )
        with self._confusion.hold_sync():
            self._confusion.picked = []
            self._confusion.data = {} if found is None else confusion(found, colors)
        self._calibration.show(found)
        self._calibration_words.value = "" if found is None else _words(figures.calibration_words(found))
        self._models.value = "" if found is None else figures.models_table(found)
        _class(self._views, "ct-ev-many", found is not None and len(found.confusion) > MANY)
        self._draw_head()
        self._draw_walker()

    def _draw_head(self) -> None:
        self._head.html = head(self.evaluation, self.outdated, self.job, ready=self._newest() is not None)

    def _newest(self) -> Run | None:
        try:
            return self.session.finished_run(self.session.level)
        except NotReadyError:
            return None

    def _draw_walker(self) -> None:
        _class(self._walking, "ct-ev-elsewhere", self.shown not in ("confusion", "models"))
        _class(self._walking, "ct-ev-none", not len(self.walk))
        self._walker.html = self.walk.markup()


def _class(widget: w.DOMWidget, name: str, on: bool) -> None:
    (widget.add_class if on else widget.remove_class)(name)


def _away(widget: w.DOMWidget, away: bool) -> None:
    # Not by display: a bqplot figure without a size complains and forgets its layout.
    _class(widget, "ct-ev-away", away)


def _page(name: str, title: str, *content: w.Widget) -> w.VBox:
    page = theme.section(title, *content)
    page.add_class("ct-ev-page")
    page.add_class(f"ct-ev-{name}")
    return page


def _words(sentence: str | None) -> str:
    return tag("p", sentence, cls="ct-ev-words") if sentence else ""
