"""Whether more labels are worth giving: our advice, CellTune's rule beside it, and the learning curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celltune_nb.errors import CellTuneError, NotReadyError
from celltune_nb.panels import theme
from celltune_nb.panels.theme import Markup, tag
from celltune_nb.panels.working import Working
from celltune_nb.session import Session
from celltune_nb.session.jobs import Job

if TYPE_CHECKING:
    import pandas as pd

    from celltune_nb.learn.advice import Advice

__all__ = ["AdvicePanel"]


class AdvicePanel(Working):
    """One sentence after each training, with the figures it rests on.

    Attributes
    ----------
    advice : Advice or None
    """

    _ends_with_panel = True

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.advice: Advice | None = None
        self._live = theme.Live()
        self._live.on("curve", self.guard(self.draw_curve))
        self._live.on("stop", self.guard(self.stop))
        self.widget = self._live
        self._message.layout.display = "none"
        self.listen(session.run_changed, self.show)
        self.listen(session.populations_changed, self.show)
        self.listen(session.categories_changed, self.show)
        self.show()

    def draw_curve(self) -> None:
        """Work out the learning curve of the newest training, in the background."""
        if self.busy:
            return
        session = self.session
        run = session.finished_run(session.level)

        def work(job: Job) -> None:
            session.learning_curve(run, progress=job.report, stop=lambda: job.wish is not None)

        self.job = Job(work, "learning curve", self._told)
        session.jobs.start(self.job)
        self.show()

    def stop(self) -> None:
        """End it."""
        if self.job is not None:
            self.job.cancel()

    def _show(self) -> None:
        self.show()

    def _finished(self, _job: Job) -> None:
        self.show()  # says what went wrong beside the curve

    def show(self) -> None:
        """Put the advice together anew."""
        try:
            self.advice = self.session.advice()
        except NotReadyError:
            self.advice = None
        with self.showing:
            self._live.html = Markup("") if self.advice is None else self._markup(self.advice)

    def _markup(self, advice: Advice) -> Markup:
        rest = [tag("li", text) for text in advice.open]
        return tag(
            "section",
            theme.note(advice.next_step, "good" if advice.verdict == "enough" else "info"),
            tag(
                "details",
                tag("summary", "What it rests on, and CellTune’s rule"),
                tag("p", advice.sentence, cls="ct-ev-words"),
                tag("p", advice.hint, cls="ct-small"),
                tag("p", advice.stop_rule, cls="ct-small ct-muted"),
                tag("p", "“Enough” still asks:", cls="ct-small ct-muted") if rest else None,
                tag("ul", rest, cls="ct-small") if rest else None,
                self._curve(),
                self._repeats(),
            ),
            cls="ct-ev-advice",
        )

    def _repeats(self) -> Markup | None:
        """How far labels that were given a second time, blind, are the same: nobody's model can do better."""
        found = self.session.kappa()
        return tag("p", f"Your labels given twice: {found}", cls="ct-small") if found.n else None

    def _curve(self) -> Markup:
        job = self.job
        if job is not None and not job.finished:
            return tag(
                "div",
                tag("div", tag("button", "Stop", cls="ct-button", do="stop", disabled=job.wish is not None),
                    tag("span", job.progress.text or "waits for its turn", cls="ct-cut ct-muted", role="status"), cls="ct-line"),
                tag("span", tag("i", style=f"width:{100 * job.progress.fraction:.0f}%"), cls="ct-bar"),
            )  # fmt: skip
        failed = theme.note(str(job.error), "error") if job is not None and job.state == "failed" else None
        run = self.session.finished_run(self.session.level)
        try:
            curve = run.curve
        except CellTuneError as error:
            curve, failed = None, theme.note(str(error), "warning")
        name = "Learning curve" if curve is None else "Draw the curve again"
        return tag(
            "div",
            failed,
            None if curve is None else curve_table(curve),
            None if curve is None else tag("p", f"On {curve['judged_on'].iloc[0]}. {curve['split'].iloc[0]}", cls="ct-small ct-muted"),
            tag("div", tag("button", name, cls="ct-button", do="curve",
                           title="Train on parts of the labels and judge on others: held-out groups, or labels at random where there are none"), cls="ct-line"),
        )  # fmt: skip


def curve_table(curve: pd.DataFrame) -> Markup:
    """A learning curve as a small table with bars."""

    def bar(value: float) -> Markup:
        return tag("td", tag("span", f"{value:.2f}"), tag("i", tag("b", style=f"width:{100 * value:.0f}%")), cls="ct-ev-bar")  # fmt: skip

    columns = (curve[name].to_numpy(float).tolist() for name in ("labels", "macro_f1", "accuracy"))
    rows = [
        tag("tr", tag("th", f"{labels:,.0f}", scope="row"), bar(f1), bar(accuracy))
        for labels, f1, accuracy in zip(*columns, strict=True)
    ]
    head = tag("tr", [tag("th", title, scope="col") for title in ("Labels", "Macro F1", "Accuracy")])
    return tag("table", tag("thead", head), tag("tbody", rows), cls="ct-ev-table ct-ev-curve")
