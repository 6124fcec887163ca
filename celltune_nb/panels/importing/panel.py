"""The panel: name a folder, see what is in it, change what was taken wrongly, import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as w

from ...data.amounts import duration
from ...errors import CellTuneError, InputError
from ...formats.folders import FolderPlan, PlannedImage
from ...session import Session
from ...session.jobs import Job
from .. import theme
from ..theme import Live, Markup, tag
from ..working import Working
from . import markup
from .browsing import browse
from .centres import CentresPanel
from .masks import MaskPanel
from .table import TablePanel

__all__ = ["ImportingPanel"]

#: Pixels of masks whose cells are counted without being asked for.
COUNTED = 400_000_000
DOING = {"look": "looking", "import": "importing"}


class _Found(Live):
    _css = (Path(__file__).parents[1] / "static" / "importing.css").read_text("utf-8")


class ImportingPanel(Working):
    """Bring a folder of images and masks, tables of cells, and labels.

    Parameters
    ----------
    session : Session
    folder : path, optional
        The folder to begin with; it is looked at right away.

    Attributes
    ----------
    folder : Path
        What the field says.
    plan : FolderPlan or None
        What was found; what the fields change.
    job : Job or None
        The work that was started last.
    table : TablePanel
        For tables that lie elsewhere.
    masks : MaskPanel
        For an image that was segmented anew.
    centres : CentresPanel
        For an image without a mask.
    below : VBox
        The end of the page, for what follows the import.
    """

    def __init__(self, session: Session, folder: str | Path | None = None) -> None:
        super().__init__(session)
        self.folder = Path(folder).expanduser().absolute() if folder is not None else Path.home()
        self.plan: FolderPlan | None = None
        self._doing = self._done = ""
        self._browsing = False
        self._edits = self._page = 0
        self._opened: int | None = None
        self._top, self._found = _Found(), Live()
        self.table = TablePanel(session)
        self.masks = MaskPanel(session)
        self.centres = CentresPanel(session)
        for part in (self.table, self.centres, self.masks):
            self.part(part)
        self.below = w.VBox()
        for verb, act in (
            ("folder", self.choose), ("browse", self._browse), ("enter", self.enter), ("look", self._look),
        ):  # fmt: skip
            self._top.on(verb, self.guard(act))
        verbs: dict[str, Callable[..., Any]] = {
            "use": self._use, "use_all": self.use_all, "open": self._open, "page": self._turn, "channel": self.rename_channel,
            "table": self._use_table, "centres": self._centres, "import": self.import_, "stop": self.stop,
            **{name: self._setter(name) for name in ("name", "mask", "nucleus", "pixel_size", "group")},
        }  # fmt: skip
        self.hear(self._found, verbs)
        self.widget = [
            self._top,
            self._found,
            self.table.widget,
            self.centres.widget,
            self.masks.widget,
            self.below,
        ]
        self.listen(session.items_changed, self._came)
        self.listen(session.access_changed, self._show)
        self._show()
        if folder is not None:
            self.look()

    # ------------------------------------------------------------------ a folder

    def choose(self, _what: str, path: str) -> None:
        """Set the folder, and look at it."""
        self.folder = Path(str(path).strip() or "~").expanduser().absolute()
        self.look()

    def _typed(self, path: Any) -> None:
        """Take in what the field says, which need not have been told by Enter."""
        if path:
            self.folder = Path(str(path).strip() or "~").expanduser().absolute()

    def _look(self, _what: str, path: Any) -> None:
        self._typed(path)
        self.look()

    def _browse(self, _what: str, path: Any) -> None:
        self._typed(path)
        self.browse()

    def browse(self) -> None:
        """Show, or hide, the folders in the folder."""
        self._browsing = not self._browsing
        self._show_top()

    def enter(self, path: str) -> None:
        """Go into a folder of the list."""
        self.folder = Path(path)
        self._edits += 1
        self._show_top()

    def look(self) -> None:
        """Recognise what the folder holds; returns at once."""
        self._refuse_if_busy()
        self._browsing = False
        self.plan, self._page, self._opened = None, 0, None
        self._start("look", lambda told: self.session.look_at(self.folder, wait=False, progress=told))

    def import_(self) -> None:
        """Import what is chosen; returns at once."""
        self._refuse_if_busy()
        plan = self.plan
        if plan is None:
            raise InputError("No folder was looked at yet. Name one, then press Look.")
        if not plan.chosen and not any(table.use for table in plan.tables):
            raise InputError("Nothing is chosen. Tick an image or a table first.")
        self._start(
            "import",
            lambda told: self.session.import_folder(plan.folder, plan=plan, wait=False, progress=told),
        )

    # ------------------------------------------------------------------ changing the plan

    def use_all(self, _what: str, on: bool) -> None:
        """Choose all images that can be imported, or none."""
        plan = self._looked()
        for image in plan.images:
            image.use = bool(on) and image.name not in plan.present
        self._show_found()

    def rename_channel(self, old: str, new: str) -> None:
        """Call a channel differently in all images."""
        self._edits += 1
        try:
            self._looked().rename_channel(old, new)
        finally:
            self._show_found()

    def set_image(self, number: int | None, what: str, value: Any) -> None:
        """Set an attribute of an image, or the pixel size of all (None).

        Parameters
        ----------
        what : {"name", "mask", "nucleus", "pixel_size", "group"}
        """
        plan = self._looked()
        self._edits += 1
        try:
            text = str(value).strip()
            new: Any = text or None
            if what == "pixel_size" and text:
                try:
                    new = float(text)
                except ValueError:
                    new = float("nan")
                if not 0 < new < 1e6:
                    raise InputError(f"{text!r} is no pixel size. Give µm a pixel, such as 0.5.")
            if what == "name" and not text:
                raise InputError("An image needs a name.")
            if what in ("mask", "nucleus") and text:
                new = Path(text)
            for image in plan.images if number is None else [plan.images[number]]:
                setattr(image, what, new)
                if what == "mask":
                    image.cells = None
        finally:
            self._show_found()
        if what == "mask":
            self._count(plan)

    def _setter(self, what: str) -> Callable[[str, Any], None]:
        return lambda number, value: self.set_image(int(number) if number else None, what, value)

    def _use(self, number: str, on: bool) -> None:
        self._image(number).use = bool(on)
        self._show_found()

    def _use_table(self, number: str, on: bool) -> None:
        self._looked().tables[int(number)].use = bool(on)
        self._show_found()

    def _open(self, number: str) -> None:
        self._opened = None if self._opened == int(number) else int(number)
        self._show_found()

    def _centres(self, number: str) -> None:
        """Fill in the fields for an image that has no mask."""
        self.centres.begin(self._looked(), self._image(number))

    def _turn(self, page: str) -> None:
        self._page = max(0, int(page))
        self._show_found()

    def _image(self, number: str) -> PlannedImage:
        return self._looked().images[int(number)]

    def _looked(self) -> FolderPlan:
        if self.plan is None:
            raise InputError("No folder was looked at yet. Name one, then press Look.")
        return self.plan

    # ------------------------------------------------------------------ work

    def _refuse_if_busy(self) -> None:
        if self.busy:
            raise CellTuneError(f"The page is {DOING[self._doing]} already. Wait, or press Stop.")

    def _start(self, doing: str, begin: Callable[[Callable[..., None]], Any]) -> None:
        self._doing, self._done, self.job = doing, "", None
        self.job = begin(self._told)
        self._told()

    def _progressed(self) -> None:
        self._show_found()

    def _finished(self, job: Job) -> None:
        if job.state == "failed" and job.error is not None:
            self._show()
            raise job.error
        if isinstance(job.result, FolderPlan):
            self.plan = job.result
            self._show()
            self._count(job.result)
            return
        if job.state == "cancelled":
            self._done = "Stopped."
        elif self._doing == "import":
            self._done = job.result.summary()
            plan, report = self.plan, job.result
            if plan is not None:
                plan.present |= set(report.added)
                plan.channels = (
                    list(next(iter(self.session.images.values())).channels) if self.session.images else []
                )
                for image in plan.images:
                    image.use = image.use and image.name not in plan.present
                    image.notes += [
                        why for name, why in report.failed if name == image.name and why not in image.notes
                    ]
                failed = [f"{name}: {why}" for name, why in report.failed]
                self._done = " ".join(
                    [self._done, *(f"{name}: {text}" for name, text in report.tables), *failed[:3]]
                )
        self._show()

    def _count(self, plan: FolderPlan) -> None:
        """Count the cells of the masks aside, where that is quick."""
        waiting = [image for image in plan.chosen if image.mask is not None and image.cells is None]
        if not waiting or sum(image.shape[0] * image.shape[1] for image in waiting) > COUNTED:
            return

        def work(job: Job) -> None:
            def told(_fraction: float) -> None:
                job.check()
                if self.closed or plan is not self.plan:
                    job.cancel()

            plan.count_cells(told)
            if not self.closed:
                with self.setting():
                    self._try(self._show_found, ())

        self.session.jobs.aside(work, "counting cells")

    # ------------------------------------------------------------------ what is shown

    def _came(self) -> None:
        """An image that came in another way is not offered any more."""
        if self.plan is not None and not self.busy:
            came = {image.name for image in self.plan.images if image.name in self.session.images}
            self.plan.present |= came
            for image in self.plan.images:
                image.use = image.use and image.name not in came
        self._show()

    def _show(self) -> None:
        self._show_top()
        self._show_found()

    def _show_top(self) -> None:
        listing: Markup | None = None
        if self._browsing:
            listing = browse(self.folder if self.folder.is_dir() else Path.home())
        with self.showing:
            self._top.html = tag(
                "section",
                tag("p", "Name a folder of images, look what is in it, import.", cls="ct-muted"),
                tag(
                    "div",
                    tag(
                        "input", type="text", value=str(self.folder), do="folder", on="enter", reset=f"{self.folder}{self._edits}",
                        placeholder="/path/to/a/folder", aria_label="Folder of images", spellcheck="false",
                        title="A folder on the machine that runs this program; Enter looks at it",
                    ),
                    tag("button", "Browse", do="browse", field="folder", cls="ct-button", aria_expanded="true" if self._browsing else "false"),
                    tag("button", "Look", do="look", field="folder", cls="ct-button" if self.plan else "ct-button ct-primary", disabled=self.busy),
                    cls="ct-import-head",
                ),
                listing,
                cls="ct-import",
            )  # fmt: skip

    def _show_found(self) -> None:
        plan, importing = self.plan, self.busy and self._doing == "import"
        with self.showing:
            self._found.html = tag(
                "div",
                markup.found(plan, self._page, self._opened, self._edits, importing)
                if plan is not None
                else None,
                self._buttons() if plan is not None or self.busy else None,
                self._progress(),
                self._next(),
            )

    def _buttons(self) -> Markup:
        plan, locked = self.plan, self.session.read_only
        count = len(plan.chosen) if plan is not None else 0
        able = plan is not None and (count or any(table.use for table in plan.tables))
        words = f"Import {count:,} image{'' if count == 1 else 's'}" if count else "Import"
        return tag(
            "div",
            tag("button", words, do="import", cls="ct-button ct-primary ct-grow", disabled=self.busy or locked or not able,
                title=self.session.access.reason if locked else "Add what is ticked to the project"),
            tag("button", "Stop", do="stop", cls="ct-button", disabled=not self.busy, title="End now; what is in is complete"),
            cls="ct-line",
        )  # fmt: skip

    def _progress(self) -> Markup:
        if self.busy and self.job is not None:
            step = self.job.progress
            left = "" if step.remaining is None else f", {duration(step.remaining)} left"
            return markup.progress(step.fraction, f"{step.fraction:.0%} · {step.text}{left}", True)
        return markup.progress(0.0, self._done, False)

    def _next(self) -> Markup | None:
        """What to do once there are cells."""
        session = self.session
        if self.busy or not len(session.table) or session.features_by_name or not session.images:
            return None
        where = "below" if self.below.children else "with session.measure()"
        words = f"Next: measure the features of {len(session.table):,} cells {where}, then label. Models learn from features."
        return theme.note(words, "info")
