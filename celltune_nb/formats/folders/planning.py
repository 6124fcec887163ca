"""What tables beside the images say about them: names of channels, groups, and the cells themselves."""

from __future__ import annotations

from pathlib import Path

from ...errors import FormatError
from .listing import Listing, printable
from .naming import key
from .plan import FolderPlan, LeftOut, PlannedImage, PlannedTable
from .tables import TableHead, read_channels, read_groups, read_head

__all__ = ["name_channels", "set_groups", "set_tables"]


def name_channels(plan: FolderPlan, images: list[tuple[Path, PlannedImage, bool]], listing: Listing) -> None:
    """Give channels without names those of a table: the nearest above the image whose number of names fits.

    Parameters
    ----------
    images : list of (Path, PlannedImage, bool)
        Folder, image, and whether its file does not name its channels.
    """
    tables: list[tuple[Path, Path, list[str]]] = []
    for head in _heads(plan, listing):
        if head.kind == "channels":
            try:
                tables.append((head.path.parent, head.path, read_channels(head.path)))
            except FormatError as error:
                plan.left_out.append(LeftOut(head.path, f"names no channels: {error}"))
    used: set[Path] = set()
    for home, image, unnamed in images:
        above = [found for found in tables if home.is_relative_to(found[0]) or found[0] == plan.folder]
        above.sort(key=lambda found: -len(found[0].parts))
        for _, path, names in above:
            if len(names) != len(image.channels):
                continue
            if unnamed:
                image.channels = [printable(name) for name in names]
                used.add(path)
            elif set(names) == set(image.channels):
                used.add(path)
            break
    for _, path, names in tables:
        if path not in used:
            counts = sorted({len(image.channels) for _, image, _ in images})
            why = (
                "the images name their channels themselves"
                if len(names) in counts
                else f"names {len(names)} channels; the images have {', '.join(map(str, counts)) or 'none'}"
            )
            plan.left_out.append(LeftOut(path, why))


def set_groups(
    plan: FolderPlan, images: list[tuple[tuple[str, ...], PlannedImage]], listing: Listing
) -> None:
    """The group of every image: by a table of images and groups, else by the folder it lies in."""
    folders = {places[:1] for places, _ in images}
    for places, image in images:
        image.group = printable(places[0]) if places and len(folders) > 1 else None
    for head in _heads(plan, listing):
        if head.kind != "groups":
            continue
        try:
            groups = {key(name): group for name, group in read_groups(head).items()}
        except FormatError as error:
            plan.left_out.append(LeftOut(head.path, f"names no groups: {error}"))
            continue
        known = 0
        for _, image in images:
            group = next((groups[k] for k in _keys(image) if k in groups), None)
            if group is not None:
                image.group, known = printable(group), known + 1
        if not known:
            plan.left_out.append(LeftOut(head.path, "a table of groups, but it names none of the images"))


def _keys(image: PlannedImage) -> list[str]:
    first = image.files[0]
    return [key(image.name), key(first.name), key(first.stem)]


def set_tables(plan: FolderPlan, images: list[tuple[Path, bool, PlannedImage]], listing: Listing) -> None:
    """Tables of cells, labels and cell types that can be imported, and the image of those that do not name one."""
    for head in _heads(plan, listing):
        if head.kind == "celltypes":
            plan.tables.append(PlannedTable(head))
            continue
        if head.kind not in ("cells", "labels"):
            if head.kind == "other" and head.path.suffix.lower() != ".txt":
                places = head.x is not None and head.y is not None
                why = (
                    "a table of places; see Cells from centres"
                    if places
                    else "a table without a column of cells"
                )
                plan.left_out.append(LeftOut(head.path, why))
            elif head.kind == "other":
                listing.other[".txt"] = listing.other.get(".txt", 0) + 1
            continue
        own = [image for home, alone, image in images if alone and home == head.path.parent]
        single = own if len(own) == 1 else [image for *_, image in images] if len(images) == 1 else []
        if head.image is None and not single and head.path.suffix.lower() != ".h5ad":
            plan.left_out.append(LeftOut(head.path, "a table of cells that does not say of which image"))
            continue
        of = single[0].name if head.image is None and single else None
        plan.tables.append(PlannedTable(head, of))


def _heads(plan: FolderPlan, listing: Listing) -> list[TableHead]:
    """The first lines of all tables; those that cannot be read are left out, once."""
    found = []
    known = {one.path for one in plan.left_out}
    for paths in listing.tables.values():
        for path in paths:
            try:
                found.append(read_head(path))
            except FormatError as error:
                if path not in known:
                    plan.left_out.append(LeftOut(path, str(error)))
    return found
