"""The panel: its verbs, and what it hears from the session."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.categories import UNKNOWN, Category
from ...errors import CellTuneError, InputError, NotReadyError
from ...session import Session
from ...session.events import PopulationsChanged, StudyChanged
from ...session.onoff import positive_of
from .. import actions, theme
from ..panel import Panel
from ..theme import Live
from . import markup
from .figure import CurveFigure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KnobsPanel"]


class _Page(Live):
    _css = (Path(__file__).parents[1] / "static" / "knobs.css").read_text("utf-8")


class KnobsPanel(Panel):
    """Choose which cells are offered, how training weighs them, and where the threshold lies.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    more : str
        The category of which more cells are offered; empty: as they come.
    count : int
        Cells that are offered.
    balance : float or None
        Share of the positive category in the next training; None: as labelled.
    rule : {"value", "precision", "recall", "count"}
    target : float
        In per cent, or cells.
    value : float
        The threshold that is looked at.
    curve : DataFrame or None
        What every threshold gives, of the newest training.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.more, self.count = "", actions.SAMPLE
        self.balance: float | None = None
        self.rule, self.target, self.value = "value", 90.0, 0.5
        self.curve: pd.DataFrame | None = None
        self._why = ""
        self._busy = False
        self._reset = 0
        self._page = _Page()
        self._figure = CurveFigure()
        verbs: dict[str, Callable[..., Any]] = {
            "more": self.set_more, "count": self._set_count, "offer": self.offer, "balance": self._set_balance, "train": self._train,
            "rule": self.set_rule, "target": self._set_target, "threshold": self._look, "use": self._use_it, "clear": self._clear,
            "judge": self.judge,
        }  # fmt: skip
        self.hear(self._page, verbs)
        self.own(self._figure.figure)
        self.widget = theme.column(self._page, self._figure.widget)
        self._reading = self.latest(self._read)
        self._judging = self.latest(self._judge)
        self._using = self.latest(self._use)
        self.listen(session.populations_changed, self._predicted)
        self.listen(session.categories_changed, self._level_changed)
        self.listen(session.labels_changed, self._labelled)
        self.listen(session.study_changed, self._study_changed)
        self.listen(session.run_changed, self._show)
        self.listen(session.access_changed, self._show)
        self.listen(session.view_changed, self._show)
        self._take_threshold()
        self._show()
        self._reading.request()

    # ------------------------------------------------------------------ which cells

    def set_more(self, category: str) -> None:
        """Offer more cells of a category; empty: as they come."""
        self.more = category
        self._show()

    def set_count(self, count: int) -> None:
        """Set how many cells are offered."""
        if not 1 <= count <= 1000:
            raise InputError(f"{count} cells cannot be offered at once. Choose 1 to 1,000.")
        self.count = count
        self._show()

    def offer(self) -> None:
        """Select cells worth a label on the slice looked at, inside the rectangle where one is drawn."""
        session = self.session
        view = session.view
        ids = session.sample(
            self.count, image=view.image, rectangle=view.rectangle, more=self.more or None,
            by="quota_margin" if actions.has_model(session) and view.rectangle is None else None,
        )  # fmt: skip
        if not len(ids):
            raise NotReadyError(
                "No unlabelled cell is left here. Look at another slice, or clear the rectangle."
            )
        session.select(ids)
        what = f", most of them likely {self.more}" if self.more else ""
        self.say(
            f"{len(ids):,} cells are selected{what}. Press a category's key to label them; then click the exceptions."
        )

    # ------------------------------------------------------------------ how they are weighed

    def set_balance(self, share: float | None) -> None:
        """Choose the share of the positive category in the next training; None: as labelled."""
        if share is not None and not 0 < share < 1:
            raise InputError(f"A share of {share} cannot be. Choose one between 0 and 1.")
        self.balance = share
        self._show()

    def train(self) -> None:
        """Train the same models as last time with the share chosen; in the background."""
        session, options = self.session, dict[str, Any]()
        models: tuple[str, ...] = ("xgboost", "catboost")
        try:
            last = session.finished_run(session.level)
            options, models = dict(last.options), last.model_names
        except NotReadyError:
            pass
        options.pop("balance", None)
        if self.balance is not None:
            options["balance"] = self.balance
        session.train(models, **options)
        self.say("Training. The threshold is made anew when it is done.")

    # ------------------------------------------------------------------ where the threshold lies

    def set_rule(self, rule: str) -> None:
        """Choose the threshold by its value, or by a precision, a recall or a count."""
        if rule not in markup.RULES:
            raise InputError(f"There is no rule {rule!r}. Choose one of: {', '.join(markup.RULES)}.")
        if rule not in (self.rule, "value"):
            preview = self.preview
            counted = rule == "count" and preview is not None
            self.target = round(preview.figures.get("count", 1)) if counted and preview is not None else 90.0
        self.rule = rule
        self._reset += 1
        self._aim()
        self._show()

    def set_target(self, target: float) -> None:
        """Set the precision or recall, in per cent, or the count that is wanted."""
        if not target > 0 or (self.rule in ("precision", "recall") and target >= 100):
            raise InputError(
                f"{target:g} is no target. Choose one from 1 to 99 per cent, or a number of cells."
            )
        self.target = target
        self._aim()
        self._show()

    def look(self, value: float) -> None:
        """Look at another threshold; nothing is changed."""
        if not 0 < value < 1:
            raise InputError(f"A threshold of {value} cannot be. Choose one between 0 and 1.")
        self.value, self.rule = value, "value"
        self._figure.mark(value)
        self._show()

    def use(self) -> None:
        """Decide by the threshold looked at, aside; a target is followed at later trainings too."""
        self._busy = True
        self._show()
        self._using.request(self.rule, self.target, self.value)

    def clear(self) -> None:
        """Back to the most probable category."""
        self.session.set_threshold(None)
        self.rule, self.value = "value", 0.5
        self._show()

    def judge(self) -> None:
        """Work out precision and recall of the newest training; takes seconds, aside."""
        self._busy = True
        self._show()
        self._judging.request()

    @property
    def preview(self) -> markup.Preview | None:
        """What the threshold looked at gives: read from the curve, so at once."""
        if self.curve is None:
            return None
        places = self.curve["threshold"].to_numpy()
        row = self.curve.iloc[int(np.abs(places - self.value).argmin())]
        return markup.Preview(self.value, {str(k): float(v) for k, v in row.items() if k != "threshold"})

    # ------------------------------------------------------------------ what it hears

    def _set_count(self, _what: str, value: Any) -> None:
        with self._kept():
            self.set_count(int(_number(value)))

    def _set_balance(self, what: str, value: Any) -> None:
        self.set_balance(_number(value) if value not in (None, "shift") else _number(what) if what else None)

    def _set_target(self, _what: str, value: Any) -> None:
        with self._kept():
            self.set_target(_number(value))

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """A field whose value is refused shows the one that counts."""
        try:
            yield
        except CellTuneError:
            self._reset += 1
            self._show()
            raise

    def _look(self, _what: str, value: Any) -> None:
        self.look(_number(value))

    def _train(self, level: str) -> None:
        self._check(level)
        self.train()

    def _use_it(self, level: str) -> None:
        self._check(level)
        self.use()

    def _clear(self, level: str) -> None:
        self._check(level)
        self.clear()

    def _check(self, level: str) -> None:
        """Refuse what was pressed while the page still spoke of another marker."""
        if level not in ("", self.session.level):
            raise InputError(
                f"The page has gone on to {self.session.level}. Look at its figures, then press again."
            )

    def _aim(self) -> None:
        """Move the marker to where the target lies on the curve."""
        if self.rule == "value" or self.curve is None:
            return
        curve = self.curve
        if self.rule == "count":
            place = int((curve["count"] - self.target).abs().to_numpy().argmin())
        else:
            other = "recall" if self.rule == "precision" else "precision"
            good = curve[curve[self.rule] >= self.target / 100]
            if not len(good) or not math.isfinite(float(good[other].max())):
                best = float(curve[self.rule].max())
                reached = f"; the best is {best:.0%}" if math.isfinite(best) else " before it is worked out"
                raise InputError(f"No threshold reaches a {self.rule} of {self.target:g} %{reached}.")
            place = int(curve.index.get_loc(good[other].idxmax()))  # type: ignore[arg-type]
        self.value = float(curve["threshold"].iloc[place])
        self._figure.mark(self.value)

    def _read(self) -> None:
        """The curve as it is known without judging again."""
        self._take(judge=False)

    def _judge(self) -> None:
        try:
            self._take(judge=True)
        finally:
            self._busy = False
            self._show()

    def _use(self, rule: str, target: float, value: float) -> None:
        session = self.session
        try:
            if rule == "precision":
                found = session.set_threshold(precision=target / 100)
            elif rule == "recall":
                found = session.set_threshold(recall=target / 100)
            elif rule == "count":
                found = session.set_threshold(count=int(target))
            else:
                found = session.set_threshold(value)
            self.value = self.value if found.value is None else found.value
            self._figure.mark(self.value)
            self.say(found.sentence, "good")
            self._take(judge=False)
        finally:
            self._busy = False
            self._show()

    def _take(self, *, judge: bool) -> None:
        try:
            curve, why = self.session.threshold_curve(judge=judge), ""
        except NotReadyError as error:
            curve, why = None, str(error)
        with self.showing:
            self.curve, self._why = curve, why
            self._figure.show(curve)
            self._figure.mark(self.value)
        self._show()

    def _predicted(self, event: PopulationsChanged) -> None:
        if any(name.rpartition("/")[2] == "Pred_AVG" for name in event.names):
            self._take_threshold()
            self._reading.request()

    def _labelled(self) -> None:
        self._show()
        if self.session.audit.labelled or self.curve is None:
            self._reading.request()

    def _level_changed(self) -> None:
        self.more, self.balance = "", None
        self._take_threshold()
        self._show()
        self._reading.request()

    def _study_changed(self, event: StudyChanged) -> None:
        if event.what == "thresholds":
            self._show()

    def _take_threshold(self) -> None:
        kept = self.session.threshold()
        self.rule = kept.rule or "value"
        self.value = 0.5 if kept.value is None else kept.value
        if kept.target is not None:
            self.target = kept.target if self.rule == "count" else round(100 * kept.target, 1)
        self._reset += 1

    def _show(self) -> None:
        session = self.session
        with self.showing:
            try:
                positive: Category | None = positive_of(session, session.level)
            except CellTuneError:
                positive = None
            categories = [c for c in session.categories if c.name != UNKNOWN and not c.exclude_from_training]
            if self.more not in [c.name for c in categories]:
                self.more = ""
            name = positive.name if positive is not None else "positive"
            kept, curve = session.threshold(), self.curve
            where = "in the rectangle" if session.view.rectangle is not None else "on this slice"
            self._page.html = theme.tag(
                "div",
                theme.tag("p", "Three knobs, kept apart: each changes one thing, and nothing else.", cls="ct-muted ct-knob-hint"),
                markup.choosing(categories, self.more, self.count, ready=actions.has_model(session), where=where, reset=self._reset),
                markup.weighing(name, self.balance, self._labelled_share(name), self._trained(), busy=session.busy() is not None,
                                level=session.level, reset=self._reset),
                markup.deciding(
                    name, self.rule, f"{self.target:g}", self.preview, kept.sentence,
                    str(curve.attrs["source"]) if curve is not None else self._why,
                    judged=curve is not None and bool(curve.attrs["kind"]), busy=self._busy or session.read_only, level=session.level, reset=self._reset,
                ),
                cls="ct-knobs",
            )  # fmt: skip

    def _labelled_share(self, name: str) -> float:
        counts = {k: n for k, n in self.session.labels.counts().items() if k != UNKNOWN}
        total = sum(counts.values())
        return counts.get(name, 0) / total if total else math.nan

    def _trained(self) -> float | None:
        try:
            found = self.session.finished_run(self.session.level).options.get("balance")
        except NotReadyError:
            return None
        return None if found is None else float(found)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{value!r} is no number. Type one.") from error
