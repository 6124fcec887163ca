"""What a folder holds, as markup made from its plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...formats.folders import FolderPlan, PlannedImage
from ...formats.folders.listing import IMAGES, printable
from ...formats.folders.tables import TableHead
from .. import theme
from ..theme import Markup, tag

__all__ = ["found", "progress", "table_preview"]

#: Images on a page of the table; files listed as not used; masks offered for an image.
PAGE, LISTED, OFFERED = 40, 60, 40
#: What a table is of.
KINDS = {"cells": "Cells", "labels": "Labels", "celltypes": "Cell types"}


def found(plan: FolderPlan, page: int, opened: int | None, edits: int, locked: bool) -> Markup:
    """Everything that was recognised, with the fields to change it.

    Parameters
    ----------
    page : int
        Which page of the images is shown.
    opened : int or None
        The place of the image whose fields are shown.
    edits : int
        Changes when fields have to show the plan again.
    locked : bool
        Whether it is being imported.
    """
    return tag(
        "section",
        tag("h3", "Found"),
        theme.note(plan.summary(), "good" if plan.chosen else "info" if _all_in(plan) else "warning"),
        _common(plan, edits, locked or _all_in(plan)) if plan.images else None,
        _images(plan, page, opened, edits, locked) if plan.images else None,
        _tables(plan, locked),
        _left_out(plan),
        cls="ct-import",
    )


def _all_in(plan: FolderPlan) -> bool:
    """Whether the project has every image already."""
    return bool(plan.images) and all(image.name in plan.present for image in plan.images)


def _common(plan: FolderPlan, edits: int, locked: bool) -> Markup:
    """What all images share: names of channels, size of a pixel."""
    names = plan.expected
    sizes = {image.pixel_size for image in plan.chosen}
    size = sizes.pop() if len(sizes) == 1 else None
    channels = [
        tag(
            "input", type="text", value=name, do="channel", what=name, reset=f"{edits}", disabled=locked or bool(plan.channels),
            aria_label=f"Name of channel {name}", title="Rename the channel in all images",
        )
        for name in names
    ]  # fmt: skip
    said = ", ".join(names)
    return tag(
        "div",
        tag(
            "details",
            tag("summary", f"{len(names)} channels: {said}", cls="ct-cut", title=said),
            tag("div", channels, cls="ct-names"),
        ),
        tag(
            "div",
            tag("span", "Pixel size", cls="ct-muted"),
            tag(
                "input", type="number", step="any", min=0, value="" if size is None else f"{size:g}", do="pixel_size", what="",
                placeholder="unknown" if not sizes else "mixed", reset=edits, disabled=locked, aria_label="Pixel size of all images",
                title="µm a pixel; rings around cells are measured in µm",
            ),
            tag("span", "µm, all images", cls="ct-muted"),
            cls="ct-line",
        )
        if plan.chosen
        else None,  # those of the project have theirs already
    )  # fmt: skip


def _images(plan: FolderPlan, page: int, opened: int | None, edits: int, locked: bool) -> Markup:
    first = page * PAGE
    rows = []
    for number in range(first, min(first + PAGE, len(plan.images))):
        rows += _image(plan, number, number == opened, edits, locked)
    pages = -(-len(plan.images) // PAGE)
    everything = all(image.use for image in plan.images)
    head = tag(
        "tr",
        tag("th", tag("input", type="checkbox", do="use_all", checked=everything, disabled=locked, aria_label="Choose all images")),
        tag("th", "Image"), tag("th", "Pixels", cls="ct-num"), tag("th", "Cells", cls="ct-num"), tag("th", "Group"),
    )  # fmt: skip
    turn = tag(
        "div",
        tag("button", "Before", do="page", what=page - 1, cls="ct-button ct-small-button", disabled=page == 0),
        tag("span", f"{first + 1}–{min(first + PAGE, len(plan.images))} of {len(plan.images):,}", cls="ct-muted"),
        tag("button", "Next", do="page", what=page + 1, cls="ct-button ct-small-button", disabled=page + 1 >= pages),
        cls="ct-line",
    )  # fmt: skip
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", rows), cls="ct-table ct-images"),
        turn if pages > 1 else None,
    )


def _image(plan: FolderPlan, number: int, opened: bool, edits: int, locked: bool) -> list[Markup]:
    image = plan.images[number]
    cells = f"{image.cells:,}" if image.cells is not None else "no mask" if image.mask is None else "…"
    present = image.name in plan.present
    rows = [
        tag(
            "tr",
            tag("td", tag(
                "input", type="checkbox", do="use", what=number, checked=image.use, disabled=locked or present,
                aria_label=f"Import {image.name}",
            )),
            tag("td", tag(
                "button", image.name, do="open", what=number, cls="ct-link", aria_expanded="true" if opened else "false",
                title=f"{image.name}: change mask, pixel size, group",
            )),
            tag("td", f"{image.shape[0]}×{image.shape[1]}", cls="ct-num", title=image.dtype),
            tag("td", cells, cls="ct-num", title=plan.shown(image.mask) if image.mask else "no mask was found"),
            tag("td", image.group or "–", title=image.group),
            cls="ct-muted" if present else None,
            title="in the project already" if present else None,
        )
    ]  # fmt: skip
    problems = plan.problems(image)[present:]  # that it is here already shows without a sentence each
    if problems:
        notes = [theme.note(text, "warning") for text in problems[:3]]
        rows.append(tag("tr", tag("td", notes, colspan=5, cls="ct-wide ct-small")))
    if opened:
        rows.append(
            tag("tr", tag("td", _fields(plan, image, number, edits, locked), colspan=5, cls="ct-wide"))
        )
    return rows


def _fields(plan: FolderPlan, image: PlannedImage, number: int, edits: int, locked: bool) -> Markup:
    masks = _candidates(plan, image)

    def choice(what: str, now: Path | None) -> Markup:
        options = [tag("option", "none", value="", selected=now is None)]
        options += [tag("option", plan.shown(path), value=str(path), selected=path == now) for path in masks]
        return tag(
            "select", options, do=what, what=number, disabled=locked, aria_label=f"{what} of {image.name}"
        )

    def line(what: str, value: object, title: str, **more: object) -> Markup:
        return tag(
            "input", type="text", do=what, what=number, value="" if value is None else value, reset=edits, disabled=locked,
            aria_label=f"{title} of {image.name}", **more,
        )  # fmt: skip

    files = (
        plan.shown(image.files[0]) if len(image.files) == 1 else f"{len(image.files)} files, one a channel"
    )
    return tag(
        "div",
        tag("span", "Name"), line("name", image.name, "Name"),
        tag("span", "Files"), tag("span", files, cls="ct-cut", title="\n".join(plan.shown(path) for path in image.files[:60])),
        tag("span", "Cells"), choice("mask", image.mask),
        [tag("span", ""), tag(
            "button", "From centres …", do="centres", what=number, cls="ct-button ct-small-button ct-left", disabled=locked or image.name in plan.present,
            title="No mask? Make cells of a table of centres and a radius",
        )] if image.mask is None else None,
        tag("span", "Nuclei"), choice("nucleus", image.nucleus),
        tag("span", "Pixel size"), line("pixel_size", None if image.pixel_size is None else f"{image.pixel_size:g}", "Pixel size", placeholder="µm"),
        tag("span", "Group"), line("group", image.group, "Group", placeholder="donor, animal, slide"),
        cls="ct-fields ct-editor",
    )  # fmt: skip


def _candidates(plan: FolderPlan, image: PlannedImage) -> list[Path]:
    """Files that could be its mask: its own, and those not used that lie nearest."""
    home = image.files[0].parent
    spare = [one.path for one in plan.left_out if one.path.suffix.lower() in (*IMAGES, ".zarr")]

    def away(path: Path) -> int:
        shared = sum(a == b for a, b in zip(path.parts, home.parts, strict=False))
        return len(home.parts) + len(path.parts) - 2 * shared

    own = [path for path in (image.mask, image.nucleus) if path is not None]
    return list(dict.fromkeys([*own, *sorted(spare, key=away)[:OFFERED]]))


def _tables(plan: FolderPlan, locked: bool) -> Markup | None:
    if not plan.tables:
        return None
    boxes = [
        tag(
            "label",
            tag("input", type="checkbox", do="table", what=i, checked=table.use, disabled=locked),
            tag("span", f"{KINDS[table.kind]}: {plan.shown(table.path)}", cls="ct-cut"),
            title=_columns(table.head, table.image),
        )
        for i, table in enumerate(plan.tables[:LISTED])
    ]  # fmt: skip
    return tag("div", tag("h3", "Tables"), tag("div", boxes, cls="ct-choices"))


def _columns(head: TableHead, image: str | None = None) -> str:
    """Which column says what, in a sentence."""
    if head.kind == "celltypes":
        return "Categories with their markers, channels and colours"
    parts = [
        f"image: {head.image or image or 'the only one'}",
        f"cell: {head.cell}" if head.cell else None,
        f"category: {head.category}" if head.category else None,
        f"place: {head.x}, {head.y}" if head.x and head.y else None,
        f"group: {head.group}" if head.group else None,
    ]
    return "; ".join(part for part in parts if part)


def _left_out(plan: FolderPlan) -> Markup | None:
    if not plan.left_out:
        return None
    lines = [
        tag(
            "li",
            tag("b", plan.shown(one.path) if one.path != plan.folder else "here"),
            f": {printable(one.why)}",
        )
        for one in plan.left_out[:LISTED]
    ]
    if len(plan.left_out) > LISTED:
        lines.append(tag("li", f"and {len(plan.left_out) - LISTED:,} more"))
    return tag(
        "details",
        tag("summary", f"{len(plan.left_out):,} found and not used"),
        tag("ul", lines, cls="ct-left-out ct-small"),
    )


def progress(fraction: float, words: str, busy: bool) -> Markup:
    """A bar with what is being done."""
    return tag(
        "div",
        tag(
            "span", tag("i", style=f"width:{fraction:.1%}"), cls="ct-bar", role="progressbar", aria_label="Import",
            aria_valuenow=round(100 * fraction), aria_valuemin=0, aria_valuemax=100,
        ) if busy else None,
        tag("p", words, cls="ct-small ct-muted", aria_live="polite") if words else None,
    )  # fmt: skip


def table_preview(
    head: TableHead, chosen: dict[str, str | None], images: Sequence[str], edits: int
) -> Markup:
    """The columns of a table and what they are taken for.

    Parameters
    ----------
    chosen : dict
        kind, image, cell, category, x, y: column names, None for none.
    images : sequence of str
        Images of the project: what rows belong to where no column says so.
    """
    if head.kind == "celltypes":
        return tag(
            "p", f"{printable(head.path.name)} is a table of cell types: categories with their colours, channels to look at, "
            "and marker expressions for landmarks.", cls="ct-muted",
        )  # fmt: skip
    if not head.columns:
        return tag(
            "p", f"{printable(head.path.name)} brings its own names; it is imported as it is.", cls="ct-muted"
        )

    def choice(what: str, none: str) -> Markup:
        options = [tag("option", none, value="", selected=chosen[what] is None)]
        options += [tag("option", c, value=c, selected=c == chosen[what]) for c in head.columns[:200]]
        return tag("select", options, do="column", what=what, reset=edits, aria_label=f"Column: {what}")

    labels = chosen["kind"] == "labels"
    only = images[0] if len(images) == 1 else "choose a column"
    rest = len([c for c in head.columns if c not in chosen.values()])
    kinds = (("cells", "Cells"), ("labels", "Labels"))
    return tag(
        "div",
        tag("div", [
            tag("button", words, do="column", what=f"kind={kind}", aria_pressed="true" if chosen["kind"] == kind else "false")
            for kind, words in kinds
        ], cls="ct-segments", role="group", aria_label="What the table holds"),
        tag(
            "div",
            tag("span", "Image"), choice("image", only),
            tag("span", "Cell"), choice("cell", "choose a column" if labels else "none: found by x and y"),
            [tag("span", "Category"), choice("category", "choose a column")] if labels else
            [tag("span", "x"), choice("x", "none"), tag("span", "y"), choice("y", "none")],
            cls="ct-fields",
        ),
        tag("p", "The other columns are left out." if labels else f"{rest} other columns become columns of the cells.",
            cls="ct-muted ct-small"),
        cls="ct-import",
    )  # fmt: skip
