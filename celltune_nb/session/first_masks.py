"""Images of the project that have no cells get their first masks: all of them in one step, or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..data.images import Image, check_mask
from ..data.items import NewCells
from ..errors import InputError, NotReadyError
from . import area_cells
from .adding import cells_of
from .committing import committing
from .recording import apart, note

if TYPE_CHECKING:
    from .session import Session

__all__ = ["give_masks"]


def give_masks(session: Session, masks: Mapping[str, Any], told: Callable[[float, str], object]) -> None:
    """Give images their cells.

    Parameters
    ----------
    masks : mapping of str to array (Y, X)
        Images that have no cells → the mask of each, read a strip at a time.
    told : callable
        Is told the fraction done and what is being done; what it raises ends the work, and nothing is left of it.

    Raises
    ------
    InputError
        An image has cells, or is none of the project.
    NotReadyError
        The images were changed meanwhile.
    """
    adding, files, ready = session._adding, list[str](), list[tuple[Image, dict[str, Any], NewCells]]()
    try:
        for place, (name, mask) in enumerate(masks.items()):
            image = session.images[name]
            _check(session, name, image)
            labels = check_mask(name, mask, image.shape)
            rows = 0

            def share(more: int, place: int = place, name: str = name, image: Image = image) -> None:
                nonlocal rows
                rows += more
                part = min(1.0, rows / (3 * 4 * image.shape[0] * image.shape[1]))
                told((place + part) / len(masks), f"{name} ({place + 1:,} of {len(masks):,})")

            share(0)
            cells = cells_of(labels, share)
            if not len(cells.labels):
                raise InputError(f"The mask of image {name!r} has no cell: it is 0 everywhere.")
            key = f"{image.key.split('-')[0]}-{uuid4().hex[:6]}"
            part: dict[str, Any] = {"key": key, "mask": None}
            adding.keep_mask(part, files, labels, None, cells, None, share)
            part["mask_key"] = part.pop("key")
            new = NewCells(
                name, cells.labels, cells.y, cells.x, cells.bbox, cells.border_distance, image.group
            )
            ready.append((image, part, new))
        _commit(session, ready, masks)
    except BaseException:
        used = {row.get("mask") for row in session.project.settings["images"]}
        if not used & {part["mask"] for _, part, _ in ready}:
            adding.remove(files)
        raise
    session.changed_items("image")


def _check(session: Session, name: str, image: Image) -> None:
    here = session.table.of_image(session.image_number(name))
    if image.mask is not None or here.stop > here.start:
        raise InputError(
            f"Image {name!r} has cells already. session.replace_mask({name!r}, …) gives it others in their place."
        )


def _commit(
    session: Session, ready: list[tuple[Image, dict[str, Any], NewCells]], masks: Mapping[str, Any]
) -> None:
    with session.writing():
        for image, _, _ in ready:
            if session.images.get(image.name) is not image:
                raise NotReadyError(
                    f"Image {image.name!r} was changed meanwhile. Begin again: nothing was added."
                )
            _check(session, image.name, image)
        project, base = session.project, session.table
        fresh = [new for _, _, new in ready if new.name not in base.names]
        table = base.extended_by(fresh)
        for _, _, new in ready:
            if new.name in base.names:  # it is named, and all its cells are gone
                table = table.resegmented(new)
        table = area_cells.filled(session, base, table)
        parts = {image.name: part for image, part, _ in ready}
        now, earlier = time.time(), list(project.settings.get("replaced", ()))
        unchanged = len(base) if len(fresh) == len(ready) else 0
        with project.prepared_items(table, unchanged=unchanged) as items, committing(session), apart():
            for name in parts:  # a script takes the masks from the project's own copy
                nth = sum(one["image"] == name for one in earlier)
                note(session, "replace_mask", {"name": name, "mask": masks[name], "+nth": nth})
            former = project.settings["images"]
            project.settings["images"] = [
                {**{k: v for k, v in row.items() if k not in ("mask", "mask_file")}, **parts[row["name"]]}
                if row["name"] in parts else row
                for row in former
            ]  # fmt: skip
            project.settings["replaced"] = [
                *earlier,
                *({"mark": uuid4().hex[:12], "image": name, "time": now, "former": {}} for name in parts),
            ]
            project.use_items(items)
            project.save()
            rows = {row["name"]: row for row in project.settings["images"]}
            session.table = table
            session.images.update({name: project.image(rows[name], session.chunks) for name in parts})
