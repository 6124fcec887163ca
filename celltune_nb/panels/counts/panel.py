"""The panel: its verbs, and what it hears from the session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CellTuneError, InputError
from ...session import Session
from ...session.areas import column_for, columns, step_of
from ...session.deciding import DECIDED
from ...session.events import PopulationsChanged, StudyChanged
from ...session.files import file_stem
from ...session.jobs import Job
from ...session.onoff import positive_of
from ...session.phenotypes import literals, written
from .. import theme
from ..download import Download
from ..panel import Panel
from ..theme import Live
from . import markup
from .figure import CountsFigure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CountsPanel"]

_DIFFERENT = 200
"""Values of a column that cells can be counted by."""


class _Page(Live):
    _css = (Path(__file__).parents[1] / "static" / "counts.css").read_text("utf-8")


class CountsPanel(Panel):
    """Count positive cells, or those of a combination of markers, per slice, animal and region.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    by : str
        ``"image"``, ``"group"``, a column of the items, or two: ``"image×region"``.
    what : str
        A combination such as ``"cFos+ PV-"``, a gate, an expression; empty: the positive cells of the active marker.
    table : DataFrame or None
        As of :meth:`celltune_nb.Session.counts`.
    job : Job or None
        The newest application of the models.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.by, self.what = "image", ""
        self.table: pd.DataFrame | None = None
        self.job: Job | None = None
        self._starting = False
        self._why, self._region, self._path, self._reset = "", "", "", 0
        self._choices: list[str] = []
        self._head, self._act, self._body, self._areas = _Page(), _Page(), _Page(), _Page()
        verbs: dict[str, Callable[..., Any]] = {
            "by": self._set_by, "what": self._set_what, "sign": self.set_sign, "keep": self.keep, "apply": self.apply, "stop": self.stop, "csv": self.write,
            "look": self.look, "region": self._set_region, "path": self._set_path, "outline": self.draw_outline, "drawn": self.add_drawn,
            "labels": self.add_label_image, "unregion": self.remove_regions, "reregion": self.take_back_regions,
        }  # fmt: skip
        for page in (self._head, self._act, self._body, self._areas):
            self.hear(page, verbs)
        self._figure = CountsFigure()
        self.own(*self._figure.parts)
        self._download = Download(lambda text: self.say(text, "error"))
        self.widget = theme.column(
            self._head,
            self._act,
            self._download,
            self._figure.widget,
            self._body,
            theme.fold("Regions of interest", self._areas),
        )
        # Aside: each takes more than the tenth of a second that a page may be held.
        self._counting, self._keeping = self.latest(self._count), self.latest(self._keep)
        self._applying, self._writing = self.latest(self._apply), self.latest(self._write)
        self._adding, self._removing = self.latest(self._add), self.latest(self._remove)
        self._taking_back = self.latest(self._take_back)
        self.listen(session.populations_changed, self._changed)
        self.listen(session.labels_changed, self._counting.request)
        self.listen(session.items_changed, self._items_changed)
        self.listen(session.categories_changed, self.count_again)
        self.listen(session.study_changed, self._study_changed)
        self.listen(session.access_changed, self._show)
        self.listen(session.view_changed, self._show)
        self._find_choices()
        self._show()
        self._counting.request()

    # ------------------------------------------------------------------ verbs

    def count_by(self, by: str) -> None:
        """Count per slice, animal, region, or two of them."""
        if by not in self._choices:
            raise InputError(
                f"Cells cannot be counted by {by!r} here. Choose one of: {', '.join(self._choices)}."
            )
        self.by = by
        self.count_again()

    def count_what(self, what: str) -> None:
        """Count the cells of a combination of markers, a gate or an expression; empty: the positive ones."""
        self.what = what.strip()
        self.count_again()

    def set_sign(self, sign: str) -> None:
        """Ask for a marker as ``"cFos+"`` or ``"cFos-"``, ``"cFos"``: for no matter which; the other markers stay as they are."""
        level, on = (sign[:-1], sign[-1] == "+") if sign[-1:] in ("+", "-") else (sign, None)
        signs = self._signs()
        if level not in signs:
            raise InputError(f"{level} is no trained marker. Train it first.")
        signs[level] = on
        self.count_what(written([(name, one) for name, one in signs.items() if one is not None]))
        self._reset += 1
        self._show()

    def count_again(self) -> None:
        """Count as of now, aside; while nobody looks, once somebody does."""
        if not self._asleep:
            self._show()
        self._counting.request()

    def keep(self) -> None:
        """Make a population of what is counted."""
        self._keeping.request(self.what)

    def apply(self) -> None:
        """Apply the newest model of every marker to all slices; in the background."""
        if self.busy:
            raise InputError("The models are being applied already. Wait until it is done, or stop it.")
        self._starting = True
        self._show_actions()
        self._applying.request()

    def stop(self) -> None:
        """End the application of the models; markers that are done stay so."""
        if self.job is not None:
            self.job.cancel()

    def write(self) -> None:
        """Write the table as CSV into the project's exports, and offer it as a download."""
        self._writing.request(self.by, self.what)

    def look(self, image: str) -> None:
        """Look at a slice."""
        self.session.set_view(image=image)

    def draw_outline(self) -> None:
        """Let dragging on the image draw an outline, or a rectangle again."""
        view = self.session.view
        self.session.set_view(tool="rectangle" if view.tool == "lasso" else "lasso")
        if view.tool != "lasso":
            self.say("Drag round the region on the image.")

    def add_drawn(self) -> None:
        """Make the rectangle or outline drawn on the image a region."""
        view = self.session.view
        drawn = view.rectangle if view.outline is None else view.outline
        if view.image is None or drawn is None:
            raise InputError("Drag a rectangle on the image first, or draw an outline, then add it.")
        if not self._region.strip():
            raise InputError("Give the region a name, such as CA1.")
        self._adding.request(view.image, {self._region.strip(): drawn})

    def add_label_image(self) -> None:
        """Read the regions of the slice from a label image."""
        image = self.session.view.image
        if image is None or not self._path.strip():
            raise InputError("Give the path of a label image, such as atlas.tif.")
        self._adding.request(image, str(Path(self._path.strip()).expanduser()))

    def remove_regions(self) -> None:
        """Remove the regions of the slice."""
        image = self.session.view.image
        if image is None:
            raise InputError("Look at a slice first, then remove its regions.")
        self._removing.request(image)

    def take_back_regions(self) -> None:
        """Take back what was done to regions last."""
        self._taking_back.request()

    @property
    def busy(self) -> bool:
        """Whether the models are being applied."""
        return self._starting or (self.job is not None and not self.job.finished)

    # ------------------------------------------------------------------ what it hears

    def _set_by(self, _what: str, value: Any) -> None:
        self.count_by(str(value))

    def _set_what(self, _what: str, value: Any) -> None:
        self.count_what(str(value or ""))

    def _set_region(self, _what: str, value: Any) -> None:
        self._region = str(value or "")

    def _set_path(self, _what: str, value: Any) -> None:
        self._path = str(value or "")

    def _changed(self, event: PopulationsChanged) -> None:
        # Gates that only stand beside change nothing here.
        if self.what or any(name.rpartition("/")[2] in ("Pred_AVG", DECIDED) for name in event.names):
            self._counting.request()
        self._show()

    def _items_changed(self) -> None:
        self._find_choices()
        self.count_again()

    def _study_changed(self, event: StudyChanged) -> None:
        if event.what in ("thresholds", "regions"):
            self._find_choices()
            self.count_again()

    def _progressed(self, job: Job) -> None:
        self.job = job
        if not self.closed:
            self._show_actions()

    def _applied(self, job: Job) -> None:
        if self.closed:
            return
        if job.state == "failed":
            self.say(str(job.error), "error")
        elif job.state == "done":
            self.say("All markers are applied to all slices.", "good")
        else:
            self.say("Stopped; the markers that were done stay.")
        self._show_actions()

    def _count(self) -> None:
        try:
            found, why = self.session.counts(self.by, what=self.what or None), ""
        except CellTuneError as error:
            found, why = None, str(error)
        with self.showing:
            self.table, self._why = found, why
            self._figure.show(found)
        self._show()

    def _keep(self, what: str) -> None:
        made = self.session.combine(what)
        self.say(
            f"{made.name}: {made.tally()[made.name]:,} cells. It stands among the populations and follows trainings.",
            "good",
        )
        self._show()

    def _apply(self) -> None:
        try:
            self.job = self.session.predict_all(changed=self._progressed)
            self.job.then(self._applied)
        finally:
            self._starting = False
            self._show_actions()

    def _write(self, by: str, what: str) -> None:
        session = self.session
        stem = file_stem(
            "-".join(part for part in ("counts", what or session.level, by.replace("×", "-by-")) if part)
        )
        path = session.export_counts(session.folder / "exports" / f"{stem}.csv", by, what=what or None)
        self._download.offer([path])
        self.say(f"Written to {path}.", "good")

    def _remove(self, image: str) -> None:
        n = self.session.remove_regions(image, name=column_for(self.session))
        self.say(f"{n} region{'s' if n != 1 else ''} of {image} removed. Take back brings them again.")

    def _take_back(self) -> None:
        self.say(f"Taken back: {self.session.take_back_regions()}.")

    def _add(self, image: str, regions: Any) -> None:
        found = self.session.add_regions(image, regions, name=column_for(self.session))
        self._reset += 1
        if isinstance(regions, dict):  # what was drawn is a region now
            self._region = ""
            self.session.set_view(rectangle=None, outline=None)
        kept = found.attrs.get("kept")
        size = (
            f" The project keeps a copy of the label image ({kept['bytes'] / 1e6:,.2f} MB)." if kept else ""
        )
        self.say(
            f"{image}: {len(found)} region{'s' if len(found) != 1 else ''}, {found['cells'].sum():,} cells inside.{size}",
            "good",
        )

    def _signs(self) -> dict[str, bool | None]:
        """How each trained marker is asked for, None: not at all; where nothing is asked for the active one is counted."""
        session = self.session
        names = [
            name for name in session.levels.names if session.populations.stored(name, "Pred_AVG") is not None
        ]
        try:
            asked = dict(literals(session, self.what) or ()) if self.what else {session.level: True}
        except CellTuneError:
            asked = {}
        return {name: asked.get(name) for name in names}

    def _find_choices(self) -> None:
        """Columns that say where a cell is: words, and not too many different ones."""
        extra = self.session.table.extra
        own = [
            str(name)
            for name in (() if extra is None else extra.columns)
            if extra is not None
            and extra[name].dtype.kind not in "iufb"
            and 0 < extra[name].nunique() <= _DIFFERENT
        ]
        places = [*columns(self.session), "region"]
        own.sort(key=lambda name: name not in places)
        known = ["image", *(["group"] if self.session.table.group_names else []), *own[:8]]
        regions = [name for name in own if name in places]
        self._choices = [
            *known,
            *(
                f"{key}×{name}"
                for name in regions
                for key in known
                if key != name and key in ("image", "group")
            ),
        ]
        self._choices.append("all")
        if self.by not in self._choices:
            self.by = "image"

    def _show(self) -> None:
        session = self.session
        with self.showing:
            try:
                positive = positive_of(session, session.level).name
            except CellTuneError:
                positive = "positive"
            kept, signs = self.what in session.populations.gates, self._signs()
            self._head.html = markup.head(
                self.by, self._choices, self.what, positive, signs, kept=kept, reset=self._reset
            )
            self._body.html = markup.table(self.table, self._why, session.view.image)
            column = column_for(session)
            found = session.areas(column)
            here = found[found["image"] == session.view.image]
            rows = list(zip(here["region"], here["area_mm2"], here["cells"], strict=True))
            self._areas.html = markup.regions(
                session.view.image,
                column,
                rows,
                session.view.rectangle is not None or session.view.outline is not None,
                session.view.tool == "lasso",
                self._region,
                self._path,
                self._reset,
                step_of(session),
            )
        self._show_actions()

    def _show_actions(self) -> None:
        session = self.session
        trained = [name for name in session.levels.names if session.rounds(name)]
        lengths = [
            len(one) for name in trained if (one := session.populations.stored(name, "Pred_AVG")) is not None
        ]
        stale = len(session.table) - min(lengths) if lengths else 0
        fraction, text = None, ""
        if self.busy:
            fraction, text = 0.0, "Loading the models"
            if self.job is not None and not self.job.finished:
                now = self.job.progress
                left = "" if now.remaining is None else f" · {now.remaining:.0f} s left"
                fraction, text = now.fraction, f"{now.text or 'Waiting'}{left}"
        with self.showing:
            self._act.html = markup.applying(
                text, fraction, stale=stale, ready=bool(trained) and not session.read_only
            )
