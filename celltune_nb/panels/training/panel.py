"""The panel: what is trained, how, how far it is, and what came of it."""

from __future__ import annotations

from typing import Any

from ...data.categories import UNKNOWN
from ...errors import InputError
from ...learn.weights import DEFAULT_WEIGHTS
from ...session import Session
from ...session.estimating import substitution
from ...session.events import LabelsChanged
from ...session.runs import Run
from .. import theme
from ..panel import Panel
from ..theme import Live, Markup, tag
from .curves import METRICS, Curves
from .listing import MODELS, legend, listing
from .setup import options, progress

__all__ = ["TrainingPanel"]

#: Labels × categories × features from which on CatBoost may take half a minute.
WORTH_TIMING = 3e7
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
        Options of ``session.train``: seed, and rounds, patience, weights, device, exclude_images where they differ
        from the default.
    metric : str
        What the curves show: ``log_loss``, ``accuracy`` or ``macro_f1``.
    shown : Run or None
        The training whose curves are shown.
    suggestion : str
        Why LightGBM should take CatBoost's place; empty when it need not.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.models = ["xgboost", "catboost"]
        self.options: dict[str, Any] = {"seed": 0}
        self.metric = "log_loss"
        self.shown: Run | None = session.run
        self._problems: list[Any] = []
        self._learned = 0
        self.suggestion = ""
        self._fields = 0
        self._head, self._legend, self._runs = Live(), Live(), Live()
        self._curves = Curves()
        self._head.on("model", self.guard(self._choose_model))
        self._head.on("option", self.guard(self._set_option))
        self._head.on("image", self.guard(self._exclude_image))
        self._head.on("category", self.guard(self._exclude_category))
        self._head.on("lightgbm", self.guard(self.use_lightgbm))
        self._head.on("train", self.guard(self._train))
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

    def _train(self) -> None:
        # Pressed once more before the button was grey: that one training is meant.
        if self.session.busy() is None:
            self.train()

    def use_lightgbm(self) -> None:
        """Train LightGBM in CatBoost's place."""
        self._choose_model("lightgbm", True)
        self._show()

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
        name : {"rounds", "patience", "seed", "weights", "device", "exclude_images"}
        """
        if name in {"rounds", "patience", "seed"}:
            text = str(value if value is not None else "").strip()
            least = 0 if name == "seed" else 1
            if text and (not text.isdigit() or int(text) < least):
                raise InputError(f"{name.capitalize()}: {text!r} is not a whole number from {least} up.")
            value = int(text) if text else (0 if name == "seed" else None)
        if (
            value is None
            or value == ()
            or (name, value) in {("weights", DEFAULT_WEIGHTS), ("device", "auto")}
        ):
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
        self._checking.request()
        self._show()

    def _exclude_category(self, name: str, on: Any) -> None:
        self.session.categories.set_excluded(name, not on)

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
        if not self._problems:
            left_out = self.options.get("exclude_images", ())
            self._learned = sum(self.session.learned_labels(exclude_images=left_out).values())
        self._show()
        suggestion = self._suggested()
        if suggestion != self.suggestion:
            self.suggestion = suggestion
            self._show()

    def _suggested(self) -> str:
        """Whether CatBoost would be slow; only asked where it may be, since some rounds are timed for it."""
        session = self.session
        if "catboost" not in self.models or session.busy() is not None or self._blocking():
            return ""
        labels = [n for n in self._labelled().values() if n]
        if sum(labels) * len(labels) * len(session.active_features().columns) < WORTH_TIMING:
            return ""
        return substitution(session.training_estimate(("catboost", "lightgbm"), **self._timed_options()))

    def _labelled(self) -> dict[str, int]:
        """All labels, by category."""
        return {name: n for name, n in self.session.labels.counts().items() if name != UNKNOWN}

    def _timed_options(self) -> dict[str, Any]:
        return {k: v for k, v in self.options.items() if k in {"rounds", "patience", "exclude_images"}}

    def _blocking(self) -> bool:
        return any(p.severity == "error" for p in self._problems)

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
            tag("p", "Learn from the labels, and predict every cell of the project.", cls="ct-muted ct-small"),
            tag("h3", "Models"),
            tag("div", boxes, cls="ct-line ct-models", title="LightGBM takes CatBoost's place; the first two are compared"),
            self._said(),
            tag(
                "div",
                tag("button", "Train", cls="ct-button ct-primary ct-grow", do="train", disabled=busy or blocked, title=why),
                tag("button", "Stop", cls="ct-button", do="stop", disabled=not busy, title="End now and keep the best models so far"),
                tag("button", "Cancel", cls="ct-button", do="cancel", disabled=not busy, title="End now and discard"),
                cls="ct-line",
            ),
            progress(self.session),
            options(self.session, self.options, busy=busy, reset=self._fields),
            self._advice(busy),
        )  # fmt: skip

    def _said(self) -> Markup:
        """What stands in the way, before training."""
        if not self._problems:
            n, every = self._learned, sum(self._labelled().values())
            labels = f"{n:,} labels" if n == every else f"{n:,} of {every:,} labels are learned from"
            why = "The audit sample only judges; categories, images and cells without features that are left out teach nothing"
            note = theme.note(f"{labels}; nothing stands in the way.", "good")
            sentences = [note if n == every else tag("div", note, title=why)]
        else:
            sentences = [
                theme.note(p.text, "error" if p.severity == "error" else "warning") for p in self._problems
            ]
        if self.suggestion and "catboost" in self.models:
            switch = tag("button", "Use LightGBM", cls="ct-button ct-small-button", do="lightgbm")
            sentences.insert(0, tag("div", theme.note(self.suggestion), switch, cls="ct-suggestion"))
        first, rest = sentences[:SENTENCES], sentences[SENTENCES:]
        more = tag("details", tag("summary", f"{len(rest)} more"), rest) if rest else None
        return tag("div", first, more, cls="ct-said", aria_live="polite")

    def _advice(self, busy: bool) -> Markup | None:
        """After a training: whether more labels are worth giving, and CellTune's rule beside it."""
        if busy or self.session.round == 0:
            return None
        said = self.session.advice()
        return tag(
            "div",
            tag("p", said.sentence, " ", said.next_step, cls="ct-small ct-advice", role="status"),
            tag("p", said.hint, cls="ct-small"),
            tag("p", said.stop_rule, cls="ct-small ct-muted"),
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
