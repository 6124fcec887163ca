"""Another mask, or nuclei, for an image of the project: what becomes of cells and labels is shown before it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import CellTuneError, InputError
from ...formats.folders.listing import printable
from ...session import Session
from ...session.jobs import Job
from ...session.nuclei import FEW, NucleusReport
from ...session.resegmenting import MaskReport
from .. import theme
from ..theme import Live, Markup, tag
from ..working import Working

__all__ = ["MaskPanel"]

#: Lost cells that are listed; all of them are in the report.
LISTED = 100
#: Outcomes as columns, with what they mean.
OUTCOMES = {
    "carried": "the label goes over",
    "ambiguous": "cells of different categories became one: none of them says what it is",
    "merged": "it became part of a cell that is another one's",
    "split": "into cells none of which is it",
    "lost": "nothing is there any more",
}


class MaskPanel(Working):
    """Replace the mask of an image, its nuclei, or both.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    image : str
        The image chosen; by default the one on the screen.
    path, nuclei : str
        What the fields say.
    report : MaskReport, NucleusReport or None
        What would become, or has become, of cells and labels.
    job : Job or None
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.image = self.path = self.nuclei = ""
        self.report: MaskReport | NucleusReport | None = None
        self._open = self._back = False
        self._live = Live()
        for verb, act in (
            ("unfold", self._unfold), ("image", self.choose), ("path", self.name_mask), ("nuclei", self.name_nuclei),
            ("compare", self.compare), ("replace", self.replace),
            ("leave", self.leave), ("former", self.former),
        ):  # fmt: skip
            self._live.on(verb, self.guard(act))
        self.widget = self._live
        self.listen(session.items_changed, self._show)
        self.listen(session.access_changed, self._show)
        self._show()

    def choose(self, _what: str, image: str) -> None:
        """Say of which image."""
        self._refuse_if_busy()
        self.image, self.report = str(image), None
        self._show()

    def name_mask(self, _what: str, path: str) -> None:
        """Say where the new mask lies."""
        self._refuse_if_busy()
        self.path, self.report, self._back = str(path).strip(), None, False
        self._show()

    def name_nuclei(self, _what: str, path: str) -> None:
        """Say where the mask of nuclei lies: with the new mask, or alone for the cells that are there."""
        self._refuse_if_busy()
        self.nuclei, self.report, self._back = str(path).strip(), None, False
        self._show()

    def compare(self) -> None:
        """Find out what the masks would make of the cells; nothing is written, and this returns at once."""
        self._refuse_if_busy()
        if not self.path and not self.nuclei:
            raise InputError("Name the file of a new mask, of nuclei, or both.")
        self.report, self._back = None, False
        self._start(preview=True)

    def look(self, _what: str, path: str) -> None:
        """Name the new mask and compare."""
        self.name_mask(_what, path)
        if self.path:
            self.compare()

    def former(self) -> None:
        """Find out what the mask that the image had before would make of the cells."""
        self._refuse_if_busy()
        self.path, self.nuclei, self.report, self._back = "", "", None, True
        self._start(preview=True)

    def replace(self) -> None:
        """Replace the mask; returns at once."""
        self._refuse_if_busy()
        if self.report is None or self.report.done:
            raise InputError(
                "Name the file of the new mask or nuclei first; Enter shows what it would make of the cells."
            )
        self._start(preview=False)

    def leave(self) -> None:
        """Leave the image as it is."""
        self._refuse_if_busy()
        self.path = self.nuclei = ""
        self.report = None
        self._show()

    # ------------------------------------------------------------------ work

    def _refuse_if_busy(self) -> None:
        if self.busy:
            raise CellTuneError("Masks are being compared already. Wait until that is done.")

    def _start(self, preview: bool) -> None:
        session, image = self.session, self._chosen()
        back = self._back
        path, inner = (Path(p).expanduser().absolute() if p else None for p in (self.path, self.nuclei))

        def work(_job: Job) -> MaskReport | NucleusReport:
            if path is None and not back:
                return session.set_nuclei(image, inner, preview=preview)
            mask = session.former_mask(image) if back else path
            return session.replace_mask(image, mask, nucleus=inner, preview=preview)

        self.job = None
        self.job = session.jobs.aside(work, "comparing masks", self._told)
        self._told()

    def _finished(self, job: Job) -> None:
        if isinstance(job.result, MaskReport | NucleusReport):
            self.report = job.result
            if job.result.done:
                self.path = self.nuclei = ""
        super()._finished(job)

    # ------------------------------------------------------------------ what is shown

    def _chosen(self) -> str:
        images = list(self.session.images)
        if self.image not in images:
            shown = self.session.view.image
            self.image = shown if shown in images else (images[0] if images else "")
        return self.image

    def _replaced(self, name: str) -> bool:
        image = self.session.images[name]
        return image.mask_key != image.key

    def _ready(self) -> bool:
        """Whether what the fields say was not compared yet."""
        return self.report is None and not self.busy

    def _field(self, verb: str, path: str, example: str, label: str, numbers: str) -> Markup:
        return tag(
            "input", type="text", value=path, do=verb, then="compare", reset=f"{self._chosen()}{path}",
            placeholder=f"/path/to/{example}", aria_label=label, spellcheck="false", disabled=self.busy,
            title=f"TIFF, Zarr or .npy: 0 is background, {numbers}; Enter shows what it would change",
        )  # fmt: skip

    def _unfold(self, *_rest: Any) -> None:
        self._open = not self._open
        self._show()

    def _show(self) -> None:
        images = list(self.session.images)
        if self.report is not None and self.report.image not in images:
            self.report = None
        with self.showing:
            self._live.html = tag("section", self._content(images), cls="ct-import") if images else Markup("")

    def _content(self, images: list[str]) -> list[Any]:
        report, locked, chosen = self.report, self.session.read_only, self._chosen()
        head = tag(
            "h3",
            tag("button", f"{'▾' if self._open else '▸'} Another mask or nuclei for an image", do="unfold", cls="ct-link",
                aria_expanded="true" if self._open else "false"),
        )  # fmt: skip
        if not self._open:
            return [head]
        busy = "Replacing …" if report is not None else "Comparing …"
        return [
            head,
            tag("p", "Segmented anew? Labels go over to the cells that took the place of the former ones.", cls="ct-muted"),
            tag(
                "div",
                tag("span", "Image"),
                tag(
                    "select", [tag("option", name, value=name, selected=name == chosen) for name in images],
                    do="image", disabled=self.busy, aria_label="Image that gets another mask",
                ),
                tag("span", "New mask"),
                self._field("path", self.path, "mask.tif", "Path of the new mask", "one number a cell"),
                tag("span", "Nuclei", title="With a new mask, or alone for the cells that are there"),
                self._field("nuclei", self.nuclei, "nuclei.tif", "Path of a mask of nuclei", "any other number a nucleus"),
                [tag("span", ""), tag(
                    "button", "The mask it had before", do="former", cls="ct-button ct-small-button ct-left", disabled=self.busy,
                    title="Shows what going back would change",
                )] if self._replaced(chosen) else None,
                cls="ct-fields",
            ),
            tag("p", busy, cls="ct-muted", aria_live="polite") if self.busy else None,
            tag("button", "Show what changes", do="compare", cls="ct-button") if self._ready() else None,
            _report(report) if isinstance(report, MaskReport) else _nuclei(report) if report is not None else None,
            tag(
                "div",
                tag("button", "Replace the mask" if isinstance(report, MaskReport) else "Use these nuclei", do="replace", cls="ct-button ct-primary ct-grow", disabled=self.busy or locked,
                    title=self.session.access.reason if locked else "Cells and labels stay" if isinstance(report, NucleusReport) else "The former mask stays in the project"),
                tag("button", "Leave it", do="leave", cls="ct-button", disabled=self.busy),
                cls="ct-line",
            ) if report is not None and not report.done else None,
        ]  # fmt: skip


def _nuclei(report: NucleusReport) -> Markup:
    """How many cells have a nucleus."""
    some, total = report.with_nucleus, report.cells
    words = (
        f"{some:,} of {total:,} cells {'have' if report.done else 'get'} a nucleus. Cells and labels stay."
    )
    few = some < FEW * total
    return tag(
        "div",
        theme.note(words, "warning" if few else "good"),
        tag("ul", [tag("li", text) for text in report.notes], cls="ct-left-out ct-small ct-muted"),
        cls="ct-report",
    )


def _report(report: MaskReport) -> Markup:
    """What becomes of cells and labels."""
    cells, (carried, lost) = report.cells, report.labels
    counts = [
        (f"{cells[kind]:,}", kind) for kind in ("carried", "merged", "split", "lost", "new") if cells[kind] or kind == "carried"
    ]  # fmt: skip
    words = (
        f"{cells['before']:,} cells {'became' if report.done else 'become'} {cells['after']:,}: "
        + ", ".join(f"{n} {kind}" for n, kind in counts)
    )
    if carried + lost:
        words += f". {carried:,} of {carried + lost:,} labels {'went' if report.done else 'go'} over"
    good = report.done or not lost
    tables = [
        _table(level if len(report.levels) > 1 else "", one.table) for level, one in report.levels.items()
    ]
    notes = [tag("li", text) for text in report.notes]
    return tag(
        "div",
        theme.note(("Replaced. " if report.done else "") + words + ".", "good" if good else "warning"),
        tables,
        _lost(report) if lost else None,
        tag("ul", notes, cls="ct-left-out ct-small ct-muted") if notes else None,
        tag("p", "Undo takes the labels off again; the former mask is kept.", cls="ct-muted ct-small")
        if report.done and carried else None,
        cls="ct-report",
    )  # fmt: skip


def _table(level: str, table: Any) -> Markup:
    shown = [name for name in OUTCOMES if name == "carried" or table[name].any()]
    head = [tag("th", level or "Category")]
    head += [tag("th", name, cls="ct-num", title=OUTCOMES[name]) for name in shown]
    rows = [
        tag("tr", tag("td", str(name), cls="ct-cut", title=str(name)),
            [tag("td", f"{int(counts[what]):,}" if counts[what] else "·", cls="ct-num") for what in shown])
        for name, counts in table.iterrows()
    ]  # fmt: skip
    return tag("table", tag("thead", tag("tr", head)), tag("tbody", rows), cls="ct-table")


def _lost(report: MaskReport) -> Markup:
    frame = report.lost
    assert frame is not None
    rows = [
        tag("li", tag("b", f"cell {cell}"), f" ({printable(str(category))}): {outcome}, at x {x:,.0f}, y {y:,.0f}")
        for category, outcome, cell, y, x in frame[["category", "outcome", "cellID", "y", "x"]].head(LISTED).itertuples(index=False)
    ]  # fmt: skip
    if len(frame) > LISTED:
        rows.append(tag("li", f"and {len(frame) - LISTED:,} more; all are in session.replace_mask(…).lost"))
    n = len(frame)
    return tag(
        "details",
        tag(
            "summary",
            f"{n:,} label{'' if n == 1 else 's'} that no cell {'has now' if report.done else 'gets'}",
        ),
        tag("ul", rows, cls="ct-left-out ct-small"),
    )
