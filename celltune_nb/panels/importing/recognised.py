"""What was recognised of centres, as markup: of one image, or of the images of a study."""

from __future__ import annotations

from ...formats.folders.listing import printable
from ...session.centres import CentresReport
from ...session.centres_of_many import StudyCentresReport
from .. import theme
from ..theme import Markup, tag

__all__ = ["shown", "shown_study"]

#: Images, and names that match none, that are listed.
LISTED = 40


def shown(report: CentresReport) -> Markup:
    """What was recognised, or what was done."""
    channels, rows, columns = report.shape
    names = ", ".join(map(printable, report.channels[:8])) + (" …" if channels > 8 else "")
    about = [
        f"{columns:,} × {rows:,} pixels" + (f", {report.planes:,} planes" if report.planes else ""),
        f"{channels} channel{'' if channels == 1 else 's'}: {names}",
        "pixel size unknown" if report.pixel_size is None else f"{report.pixel_size:g} µm a pixel",
    ]
    left = report.outside + report.unusable + report.hidden
    about.append(f"places from {', '.join(map(printable, report.columns))}")
    lines = [tag("li", text) for text in ("; ".join(about) + ".", *map(printable, report.notes))]
    words = ("Added: " if report.done else "") + printable(report.sentence)
    return tag(
        "div",
        theme.note(words, "good" if left <= (report.cells + left) // 10 else "warning"),
        tag("ul", lines, cls="ct-left-out ct-small ct-muted"),
        cls="ct-report",
    )


def shown_study(report: StudyCentresReport) -> Markup:
    """How many centres are on each image, and what matched none, with why."""
    left = sum(one.outside + one.unusable + one.hidden for one in report.images)
    good = not report.left_out and left <= (report.cells + left) // 10
    rows = [
        tag(
            "tr",
            tag("td", printable(one.name), cls="ct-cut", title=printable(one.name)),
            tag("td", f"{one.cells:,}", cls="ct-num"),
            tag("td", f"{one.outside + one.unusable + one.hidden:,}", cls="ct-num"),
            title="; ".join((printable(one.sentence), *map(printable, one.notes))),
        )
        for one in report.images[:LISTED]
    ]
    head = tag(
        "tr", tag("th", "Image"), tag("th", "Cells", cls="ct-num"),
        tag("th", "Left out", cls="ct-num", title="Centres outside of the image, without a place, or at the place of another one"),
    )  # fmt: skip
    more = len(report.images) - LISTED
    wrong = [
        tag("li", tag("b", printable(name)), f": {printable(why)}")
        for name, why in list(report.left_out.items())[:LISTED]
    ]
    words = ("Added: " if report.done else "") + printable(report.sentence)
    return tag(
        "div",
        theme.note(words, "good" if good else "warning"),
        tag("table", tag("thead", head), tag("tbody", rows), cls="ct-table ct-images"),
        tag("p", f"… and {more:,} more", cls="ct-muted") if more > 0 else None,
        tag("ul", wrong, cls="ct-left-out ct-small ct-muted") if wrong else None,
        cls="ct-report",
    )
