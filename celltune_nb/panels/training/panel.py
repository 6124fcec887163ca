"""The panel: what is trained, how, how far it is, and what came of it."""

from __future__ import annotations

from typing import Any

from ...data.categories import UNKNOWN
from ...errors import InputError
from ...session import Session
from ...session.events import LabelsChanged
from ...session.runs import Run
from .. import theme
from ..panel import Panel
from ..theme import Live, Markup, tag
from .curves import METRICS, Curves
from .listing import MODELS, clock, duration, in_words, legend, listing

__all__ = ["TrainingPanel"]

#: Sentences shown before the rest is folded away.
SENTENCES = 2


class TrainingPanel(Panel):
    """Train models on the labels and watch them learn.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    models : list of str
        What the next training fits, in the order of :data:`MODELS`; the first two are compared.
    options : dict
        Options of ``session.train``: seed, and rounds, patience, weights, exclude_images where they differ
        from the default.
    metric : str
        What the curves show: ``log_loss``, ``accuracy`` or ``macro_f1``.
    shown : Run or None
        The training whose curves are shown.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.models = ["xgboost", "catboost"]
        self.options: dict[str, Any] = {"seed": 0}
        self.metric = "log_loss"
        self.shown: Run | None = session.run
        self._problems: list[Any] = []
        self._fields = 0
        self._head, self._legend, self._runs = Live(), Live(), Live()
        self._curves = Curves()
        self._head.on("model", self.guard(self._choose_model))
        self._head.on("option", self.guard(self._set_option))
        self._head.on("image", self.guard(self._exclude_image))
        self._head.on("train", self.guard(self.train))
        self._head.on("stop", self.guard(self.stop))
        self._head.on("cancel", self.guard(self.cancel))
        self._legend.on("metric", self.guard(self.show_metric))
        self._runs.on("run", self.guard(self.show_run))
        self.widget = [self._head, self._legend, self._curves.figure, self._runs]
        self._checking = self.latest(self._check)
        self._drawing = self.latest(self._draw)
        self.listen(session.run_progressed, self._progressed)
        self.listen(session.run_changed, self._run_changed)
        self.listen(session.labels_changed, self._labels_changed)
        self.listen(session.categories_changed, self._checking.request)
        self.listen(session.items_changed, self._checking.request)
        self.listen(session.access_changed, self._show)
        self._show()
        self._checking.request()
        self._drawing.request()

    # ------------------------------------------------------------------ verbs

    def train(self) -> None:
        """Start a training with the chosen models and options; returns at once."""
        if not self.models:
            raise InputError("No model is chosen. Tick at least one.")
        self.shown = self.session.train(tuple(self.models), **self.options)
        self._show()
        self._drawing.request()

    def stop(self) -> None:
        """End the running training soon and keep the best models so far."""
        if (run := self.session.busy()) is not None:
            run.stop()
            self.say("Stopping: the best models so far are kept.")

    def cancel(self) -> None:
        """End the running training soon and discard it."""
        if (run := self.session.busy()) is not None:
            run.cancel()
            self.say("Cancelling: predictions stay as they were.")

    def show_metric(self, metric: str) -> None:
        """Draw another metric; see :attr:`metric`."""
        if metric not in METRICS:
            raise InputError(f"There is no curve of {metric!r}. Curves: {', '.join(METRICS)}.")
        self.metric = metric
        self._drawing.request()

    def show_run(self, run_id: str) -> None:
        """Draw the curves of an earlier training."""
        self.shown = next((run for run in self.session.runs if run.id == run_id), self.shown)
        self._show()
        self._drawing.request()

    def set_option(self, name: str, value: Any) -> None:
        """Set an option of the next training; None or an empty field is the default.

        Parameters
        ----------
        name : {"rounds", "patience", "seed", "weights", "exclude_images"}
        """
        if name in {"rounds", "patience", "seed"}:
            text = str(value if value is not None else "").strip()
            least = 0 if name == "seed" else 1
            if text and (not text.isdigit() or int(text) < least):
                raise InputError(f"{name.capitalize()}: {text!r} is not a whole number from {least} up.")
            value = int(text) if text else (0 if name == "seed" else None)
        if value is None or value == () or (name, value) == ("weights", "sqrt"):
            self.options.pop(name, None)
        else:
            self.options[name] = value

    # ------------------------------------------------------------------ from the browser

    def _choose_model(self, kind: str, on: Any) -> None:
        chosen = {*self.models, kind} if on else {*self.models} - {kind}
        # LightGBM takes CatBoost's place where that would be slow.
        if on and kind in {"catboost", "lightgbm"}:
            chosen -= {"catboost", "lightgbm"} - {kind}
        self.models = [m for m in MODELS if m in chosen]
        self._show()

    def _set_option(self, name: str, value: Any) -> None:
        self._fields += 1
        try:
            self.set_option(name, value)
        finally:
            self._show()

    def _exclude_image(self, name: str, on: Any) -> None:
        kept = [n for n in self.options.get("exclude_images", ()) if n != name]
        self.set_option("exclude_images", tuple([*kept, name] if on else kept))
        self._show()

    # ------------------------------------------------------------------ from the session

    def _progressed(self, run: Run) -> None:
        self._show_head()
        if run is self.shown:
            self._drawing.request()

    def _run_changed(self, run: Run) -> None:
        if run.state == "running":
            self.shown = run
        self._show()
        self._drawing.request()
        if run.state in {"done", "stopped"}:
            self._checking.request()

    def _labels_changed(self, event: LabelsChanged) -> None:
        if event.level == self.session.level:
            self._checking.request()

    def _check(self) -> None:
        self._problems = self.session.training_problems()
        self._show()

    # ------------------------------------------------------------------ what is shown

    def _show(self) -> None:
        self._show_head()
        runs = [run for run in self.session.runs if run.level in {self.session.level, ""}]
        with self.showing:
            self._runs.html = listing(runs, self.shown)

    def _show_head(self) -> None:
        with self.showing:
            self._head.html = self._setup()

    def _setup(self) -> Markup:
        busy, locked = self.session.busy() is not None, self.session.read_only
        blocked = any(p.severity == "error" for p in self._problems) or not self.models or locked
        boxes = [
            tag("label", tag("input", type="checkbox", do="model", what=kind, checked=kind in self.models, disabled=busy), name)
            for kind, name in MODELS.items()
        ]  # fmt: skip
        why = self.session.access.reason if locked else "Learn from the labels and predict every cell"
        return tag(
            "section",
            tag("h3", "Models"),
            tag("div", boxes, cls="ct-line ct-models", title="LightGBM takes CatBoost's place; the first two are compared"),
            self._options(busy),
            self._said(),
            tag(
                "div",
                tag("button", "Train", cls="ct-button ct-primary ct-grow", do="train", disabled=busy or blocked, title=why),
                tag("button", "Stop", cls="ct-button", do="stop", disabled=not busy, title="End now and keep the best models so far"),
                tag("button", "Cancel", cls="ct-button", do="cancel", disabled=not busy, title="End now and discard"),
                cls="ct-line",
            ),
            self._progress(),
        )  # fmt: skip

    def _options(self, busy: bool) -> Markup:
        chosen = self.options

        def whole(name: str, placeholder: str, title: str) -> Markup:
            return tag(
                "input", type="number", min=0, do="option", what=name, value=chosen.get(name, ""), disabled=busy,
                placeholder=placeholder, aria_label=title, title=title, reset=self._fields,
            )  # fmt: skip

        weights = chosen.get("weights", "sqrt")
        excluded = set(chosen.get("exclude_images", ()))
        changed = sum(name in chosen for name in ("rounds", "patience", "weights", "exclude_images")) + bool(chosen.get("seed"))  # fmt: skip
        return tag(
            "details",
            tag("summary", f"Options ({changed} changed)" if changed else "Options"),
            tag(
                "div",
                tag("span", "Rounds"), whole("rounds", "300", "Rounds at most"),
                tag("span", "Patience"), whole("patience", "25", "Rounds without progress before a model is done"),
                tag("span", "Class weights"),
                tag(
                    "select",
                    tag("option", "eased (√)", value="sqrt", selected=weights == "sqrt"),
                    tag("option", "as labelled", value="none", selected=weights == "none"),
                    tag("option", "balanced", value="balanced", selected=weights == "balanced"),
                    do="option", what="weights", disabled=busy, aria_label="Class weights",
                    title="How much a category counts: the square root of its labels, its labels, or all the same",
                ),
                tag("span", "Seed"), whole("seed", "0", "The same labels and seed give the same models"),
                tag("span", "Leave out", cls="ct-top"),
                tag(
                    "div",
                    [
                        tag("label", tag("input", type="checkbox", do="image", what=name, checked=name in excluded, disabled=busy),
                            tag("span", name, cls="ct-cut"))
                        for name in self.session.images
                    ],
                    cls="ct-choices",
                ),
                cls="ct-fields ct-editor",
            ),
        )  # fmt: skip

    def _said(self) -> Markup:
        """What stands in the way, before training."""
        if not self._problems:
            n = sum(n for name, n in self.session.labels.counts().items() if name != UNKNOWN)
            sentences = [theme.note(f"{n:,} labels; nothing stands in the way.", "good")]
        else:
            sentences = [
                theme.note(p.text, "error" if p.severity == "error" else "warning") for p in self._problems
            ]
        first, rest = sentences[:SENTENCES], sentences[SENTENCES:]
        more = tag("details", tag("summary", f"{len(rest)} more"), rest) if rest else None
        return tag("div", first, more, cls="ct-said", aria_live="polite")

    def _progress(self) -> Markup:
        run, busy = self.session.run, self.session.busy()
        fraction, words, kind = 0.0, "Not trained yet.", ""
        if busy is not None:
            step = busy.progress
            fraction = step.fraction
            left = f", {duration(step.remaining)} left" if step.remaining is not None else ""
            words = f"{fraction:.0%} · {in_words(step.text)}{left}"
        elif run is not None:
            fraction = 1.0 if run.state in {"done", "stopped"} else 0.0
            took = f" in {duration(run.seconds)}" if run.seconds else ""
            words = {
                "done": f"Trained at {clock(run.started)}{took}.",
                "stopped": f"Stopped at {clock(run.started)}{took}; the best models so far are in use.",
                "cancelled": "Cancelled; predictions are as they were.",
            }.get(run.state, "")
            if run.error:
                words, kind = run.error, "ct-note ct-error"
        return tag(
            "div",
            tag(
                "span",
                tag("i", style=f"width:{fraction:.1%}"),
                cls="ct-bar", role="progressbar", aria_label="Training", aria_valuenow=round(100 * fraction),
                aria_valuemin=0, aria_valuemax=100,
            ),
            tag("p", words, cls=f"ct-small ct-muted ct-one-line {kind}".strip()),
        )  # fmt: skip

    def _draw(self) -> None:
        run = self.shown
        rows: list[dict[str, Any]] = []
        names: tuple[str, ...] = ()
        if run is not None:
            names = run.model_names
            if not run.rows and run.folder is not None:
                len(run.history)  # a stored run reads its history when it is first looked at
            rows = list(run.rows)
        self._curves.show(rows, names, self.metric)
        self._legend.html = legend(names or tuple(self.models), self.metric)
