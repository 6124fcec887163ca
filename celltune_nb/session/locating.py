"""Saying where the files of an image lie now that they were moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.images import Image
from ..errors import InputError
from ..formats.images import fingerprint
from . import sources
from .committing import committing

if TYPE_CHECKING:
    from .session import Session

__all__ = ["locate_image"]


def locate_image(session: Session, name: str, image: Any, mask: Any, nucleus: Any) -> Image:
    """See :meth:`celltune_nb.Session.locate_image`."""
    with session.writing():
        rows = list(session.project.settings["images"])
        number = next((i for i, row in enumerate(rows) if row["name"] == name), None)
        if number is None:
            raise InputError(f"There is no image {name!r}. Images: {', '.join(list(session.images)[:10])}.")
        row = dict(rows[number])
        words = {"file": "Image", "mask_file": "The mask of image", "nucleus_file": "The nuclei of image"}
        for key, path in zip(words, (image, mask, nucleus), strict=True):
            if path is None:
                continue
            what = f"{words[key]} {name!r}"
            if not row.get(key):
                raise InputError(f"{what} lies in the project itself. Leave it out.")
            # The files of a stack are looked for by their names in the folder that is given.
            parts = [Path(path).expanduser().absolute() / one for one in row[key].get("files") or ()]
            file = sources.reopen(Path(path), parts)
            if not sources.unchanged(row[key], fingerprint(file)):
                raise InputError(
                    f"{what} was not added from {file.path}: its content is another. Name the same file."
                )
            row[key] = {**row[key], "path": sources.place(file.path, session.project.folder)}
        rows[number] = row
        with committing(session) as project:
            project.settings["images"] = rows
            project.save()
            found = session.images[name] = project.image(row, session.chunks)
    session.changed_items("image")
    return found
