"""Cells from centres, where nobody has segmented: files named, what they hold shown, then added."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...data.amounts import duration
from ...errors import CellTuneError, InputError
from ...formats.delimited import ending
from ...formats.folders import FolderPlan, PlannedImage
from ...formats.folders.listing import printable
from ...formats.headings import IMAGE, find
from ...formats.stack import plain_stem
from ...formats.zarrs import is_zarr
from ...session import Session
from ...session.centre_names import image_heading
from ...session.centre_tables import place_columns
from ...session.centres import CentresReport
from ...session.centres_of_many import StudyCentresReport
from ...session.jobs import Job
from ..theme import Live, Markup, tag
from ..working import Working
from . import markup
from .recognised import shown, shown_study

__all__ = ["CentresPanel", "centres_beside"]

FIELDS = ("of", "image", "centres", "radius", "unit", "pixel_size", "spacing", "channels", "name", "group")
#: What files of centres are called, beside being called as the image.
WORDS = ("cent", "point", "cell", "spot", "detect", "coord")
#: In place of the name of an image, which has no tab in it: those of the project, by their names.
EVERY = "\tevery"
TABLES = (".csv", ".parquet", ".pq")


class CentresPanel(Working):
    """Make cells of a table of centres.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    of : str
        The image of the project that gets its cells; empty: one of a file; :data:`EVERY`: those that the table names.
    image : str or list of Path
        File of the image, or of a stack; a list where each channel has a file.  A folder of images where the table names the
        image of each row, or is a folder of one table an image.
    centres, radius, unit, pixel_size, spacing, channels, name, group : str
        What the fields say; the radius is a number or the name of a column, names of channels have commas between them.
    report : CentresReport, StudyCentresReport or None
        What would become, or has become, of the centres.
    job : Job or None
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.of = ""
        self.image: str | list[Path] = ""
        self.centres = self.pixel_size = self.spacing = self.channels = self.name = self.group = ""
        self.radius, self.unit = "6", "px"
        self.report: CentresReport | StudyCentresReport | None = None
        self._names: list[str] | None = None
        self._deep = self._named = self._open = self._adding = False
        self._edits = 0
        self._done = ""
        self._live = Live()
        verbs: dict[str, Callable[..., Any]] = {
            "unfold": self._unfold, "preview": self.preview, "add": self.add, "stop": self.stop,
            **{what: self._setter(what) for what in FIELDS},
        }  # fmt: skip
        self.hear(self._live, verbs)
        self.widget = self._live
        self.listen(session.items_changed, self._show)
        self.listen(session.access_changed, self._show)
        self._show()

    # ------------------------------------------------------------------ what the fields say

    def set(self, what: str, value: Any) -> None:
        """Say what a field says; a new image or table is not taken for what was shown before.

        Parameters
        ----------
        what : {"of", "image", "centres", "radius", "unit", "pixel_size", "spacing", "channels", "name", "group"}
        """
        if self.busy:
            raise CellTuneError("Centres are being read already. Wait, or press Stop.")
        setattr(self, what, EVERY if str(value) == EVERY else str(value).strip())
        self.report, self._done = None, ""
        if what == "image":  # what was said of another one does not hold
            self.channels = self.pixel_size = ""
            self._names = None
            self.name = plain_stem(Path(str(self.image).split(";")[0].strip())) if self.image else ""
            self._edits += 1
        if what == "channels":
            self._names = [name.strip() for name in self.channels.split(",")] if self.channels else None
        try:
            if what == "centres":
                self._deep = self._named = False
                self._look_at(self.centres)
        finally:
            self._show()

    def _look_at(self, centres: str) -> None:
        """Find out whether a table, or one of a folder, has planes and names images."""
        if not centres:
            return
        path = Path(centres).expanduser().absolute()
        self._named = path.is_dir()
        if self._named:
            inside = sorted(
                one for one in path.iterdir() if ending(one) in TABLES and not one.name.startswith(".")
            )
            if not inside:
                raise InputError(
                    f"No table lies in {printable(str(path))}. Name a CSV or Parquet file, or a folder of those."
                )
            path = inside[0]
        columns = self.session.look_at_table(path).columns
        places = place_columns(columns)
        self._deep = places.z is not None
        rest = [one for one in columns if one not in (places.y, places.x, places.z)]
        self._named = self._named or find(columns, IMAGE) is not None or image_heading(rest) is not None

    @property
    def several(self) -> bool:
        """Whether the fields speak of the images of a study rather than of one."""
        if self.of or not isinstance(self.image, str) or not self.image:
            return self.of == EVERY
        path = Path(self.image).expanduser()
        return self._named and path.is_dir() and not is_zarr(path)

    def _setter(self, what: str) -> Callable[[str, Any], None]:
        return lambda _what, value: self.set(what, value)

    def begin(self, plan: FolderPlan, image: PlannedImage) -> None:
        """Take an image of a folder that has no mask, and the table of centres beside it where there is one."""
        files = list(image.files)
        self.set("image", files[0])
        self.image = str(files[0]) if len(files) == 1 else files
        self.name, self._names = image.name, list(image.channels)
        self.channels = ", ".join(self._names)
        self.group, self.pixel_size = image.group or "", f"{image.pixel_size:g}" if image.pixel_size else ""
        self._open, self.of = True, ""
        self._edits += 1
        beside = centres_beside(plan, image)
        self.set("centres", beside or "")

    # ------------------------------------------------------------------ work

    def preview(self) -> None:
        """Find out what would be added; nothing is written, and this returns at once."""
        self._start(preview=True)

    def add(self) -> None:
        """Add the image and its cells; returns at once."""
        if self.report is None or self.report.done:
            raise InputError("Name the files first, then press Show what is recognised.")
        self._start(preview=False)

    def _start(self, preview: bool) -> None:
        if self.busy:
            raise CellTuneError("Centres are being read already. Wait, or press Stop.")
        if not (self.image or self.of) or not self.centres:
            raise InputError("Name the file of an image and the table of its centres.")
        options: dict[str, Any] = {"unit": self.unit, "pixel_size": _number(self.pixel_size, "pixel size")}
        image: Any = None
        several = self.several
        if not self.of:
            image = _files(self.image) if isinstance(self.image, str) else self.image
        if not self.of or several:
            options |= {
                "group": self.group or None, "channels": self._names,
                "spacing": _number(self.spacing, "distance of planes") if self._deep else None,
            }  # fmt: skip
        try:
            radius: float | str = float(self.radius)
        except ValueError:
            radius = self.radius  # the name of a column
        self._done, self.job, self._adding = "", None, not preview
        table = Path(self.centres).expanduser().absolute()
        options |= {"preview": preview, "wait": False, "progress": self._told}
        if several:
            # What was shown as left out may be; whatever else does not fit is said.
            shown = self.report
            agreed = tuple(shown.left_out) if isinstance(shown, StudyCentresReport) else ()
            job: Any = self.session.add_all_centres(image, table, radius, partial=agreed, **options)
        else:
            job = self.session.add_centres(self.of or self.name, image, table, radius, **options)
        assert isinstance(job, Job)
        self.job = job
        self._told()

    def _finished(self, job: Job) -> None:
        if job.state == "cancelled":
            self._done = "Stopped. Nothing was added."
        elif job.error is None:
            self.report = job.result
            if self.report is not None and self.report.done:
                self._edits += 1
                self.of = self.image = self.centres = self.name = self.channels = self.pixel_size = ""
                self._names = None  # what is in needs no second time
        super()._finished(job)

    # ------------------------------------------------------------------ what is shown

    def _unfold(self, *_rest: Any) -> None:
        self._open = not self._open
        shown = self.session.view.image
        if self._open and not self.image and shown in self._bare():
            self.of = str(shown)
        self._show()

    def _bare(self) -> list[str]:
        """Images of the project that have no cells."""
        session = self.session
        return [
            name
            for name, image in session.images.items()
            if image.mask is None and name not in session.table.names
        ]

    def _show(self) -> None:
        with self.showing:
            self._live.html = tag("section", self._content(), cls="ct-import")

    def _content(self) -> list[Any]:
        head = tag(
            "h3",
            tag("button", f"{'▾' if self._open else '▸'} Cells from centres", do="unfold", cls="ct-link",
                aria_expanded="true" if self._open else "false"),
        )  # fmt: skip
        if not self._open:
            return [head]
        report, locked = self.report, self.session.read_only
        ready = report is not None and not report.done
        count = f"Add {report.cells:,} cells" if ready and report is not None else ""
        if count and isinstance(report, StudyCentresReport):
            count += f" on {len(report.images):,} image{'' if len(report.images) == 1 else 's'}"
        return [
            head,
            tag("p", "No mask? A table of centres and a radius make discs that never overlap.", cls="ct-muted"),
            self._fields(),
            None if report is None or (self.busy and not self._adding)
            else shown_study(report) if isinstance(report, StudyCentresReport) else shown(report),
            tag(
                "div",
                tag("button", count, do="add", cls="ct-button ct-primary ct-grow", disabled=self.busy or locked,
                    title=self.session.access.reason if locked else "Add the image and its cells to the project")
                if ready else
                tag("button", "Show what is recognised", do="preview", cls="ct-button ct-grow", disabled=self.busy,
                    title="Reads the table and the header of the image; nothing is written"),
                tag("button", "Stop", do="stop", cls="ct-button", disabled=not self.busy, title="End now; nothing is added then"),
                cls="ct-line",
            ),
            self._progress(),
        ]  # fmt: skip

    def _fields(self) -> Markup:
        files = self.image if isinstance(self.image, str) else f"{len(self.image)} files, one a channel"

        def line(what: str, value: str, label: str, placeholder: str, title: str) -> list[Markup]:
            return [tag("span", label), tag(
                "input", type="text", value=value, do=what, reset=f"{self._edits}{value}", placeholder=placeholder,
                aria_label=f"{label} of cells from centres", spellcheck="false", disabled=self.busy,
                title=f"{value}: {title}" if value else title,
            )]  # fmt: skip

        def small(what: str, value: str, placeholder: str, label: str, title: str) -> Markup:
            return tag(
                "input", type="text", value=value, do=what, then="preview", reset=f"{self._edits}{value}", placeholder=placeholder, aria_label=label,
                disabled=self.busy, title=title, cls="ct-short", spellcheck="false",
            )  # fmt: skip

        bare = self._bare()
        if self.of and self.of not in bare and not (self.of == EVERY and bare):
            self.of = ""
        several = self.several
        own = [tag("option", "an image from a file", value="", selected=not self.of)]
        if len(bare) > 1:
            own.append(
                tag(
                    "option",
                    f"those of {len(bare):,} images that the table names",
                    value=EVERY,
                    selected=self.of == EVERY,
                )
            )
        own += [tag("option", one, value=one, selected=one == self.of) for one in bare]
        units = [tag("option", one, value=one, selected=one == self.unit) for one in ("px", "µm")]
        return tag(
            "div",
            [tag("span", "Cells on"), tag("select", own, do="of", aria_label="Image that gets cells", disabled=self.busy,
                 title="An image of the project that has no cells, or one that is to come from a file")] if bare else None,
            [] if self.of else line("image", files, "Image", "/path/to/slice.tif, or a folder", "TIFF, OME-TIFF, Zarr or .npy; for centres with z a stack, or a folder of one file a plane; one file a channel with ; between them; a folder of images where the table names the image of each row"),
            line("centres", self.centres, "Centres", "/path/to/centres.csv, or a folder", "CSV (also .csv.gz) or Parquet with columns y and x, and z for a stack; pixels and planes count from 0; with a column image for many images, or a folder of one table an image"),
            tag("span", "Radius"),
            tag("div",
                small("radius", self.radius, "6", "Radius", "A number, or the name of the column that holds it"),
                tag("select", units, do="unit", aria_label="Unit of the radius", disabled=self.busy),
                cls="ct-line"),
            tag("span", "Pixel size"),
            tag("div",
                small("pixel_size", self.pixel_size, "of file", "Pixel size of the image of centres", "µm a pixel; by default what the file says"),
                tag("span", "µm", cls="ct-muted"), cls="ct-line"),
            [tag("span", "Planes"), tag("div",
                small("spacing", self.spacing, "–", "Distance of planes", "µm from plane to plane; empty: z is the number of the plane, from 0"),
                tag("span", "µm apart, if z is in µm", cls="ct-muted"), cls="ct-line")] if self._deep and (not self.of or several) else None,
            [] if self.of else [*line("channels", self.channels, "Channels", "of the file", "Their names, with commas between them, where the file does not say; all images of a project have the same"),
            *([] if several else line("name", self.name, "Name", "of the image", "What the image is called in the project; planes of a stack get z000 … added")),
            *line("group", self.group, "Group", "of the table" if several else "donor, animal, slide", "The independent unit it belongs to; of many images what the table's column animal, mouse or group says")],
            cls="ct-fields",
        )  # fmt: skip

    def _progress(self) -> Markup:
        if self.busy and self.job is not None:
            step = self.job.progress
            left = "" if step.remaining is None else f", {duration(step.remaining)} left"
            return markup.progress(
                step.fraction, f"{step.fraction:.0%} · {printable(step.text)}{left}", self._adding
            )
        return markup.progress(0.0, self._done, False)


def _files(text: str) -> Path | dict[str, Path]:
    """The file that a field names, or one for each channel with semicolons between them."""
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if len(parts) < 2 or Path(text).expanduser().exists():
        return Path(text).expanduser().absolute()
    paths = [Path(part).expanduser().absolute() for part in parts]
    found = {plain_stem(path): path for path in paths}
    if len(found) < len(paths):
        raise InputError(
            "Two of the files are called the same. Files of channels are told apart by their names."
        )
    return found


def _number(text: str, what: str) -> float | None:
    """What a field says, None where it is empty."""
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{text!r} is no {what}. Give a number, such as 0.5, or leave it empty.") from None


def centres_beside(plan: FolderPlan, image: PlannedImage) -> str | None:
    """The table in the image's folder that is called as the image, or as centres are; None where it is not clear."""
    home = image.files[0].parent
    tables = [table.path for table in plan.tables] + [one.path for one in plan.left_out]
    here = [
        path
        for path in dict.fromkeys(tables)
        if path.parent == home and ending(path) in (".csv", ".parquet", ".pq")
    ]
    stems = {plain_stem(file).lower() for file in image.files} | {image.name.lower()}
    own = [path for path in here if any(path.stem.lower().startswith(stem) for stem in stems)]
    for some in (own, [path for path in here if any(word in path.stem.lower() for word in WORDS)], here):
        if len(some) == 1:
            return str(some[0])
    return None
