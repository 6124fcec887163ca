"""The folders of the machine that the program runs on, to choose one of them."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ...formats.folders.listing import natural, printable
from ..theme import Markup, tag

__all__ = ["browse", "folders_in"]

#: Folders listed.
MOST = 300


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, hidden ones left out, in natural order.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    found = []
    try:
        for path in folder.iterdir():
            try:
                if not path.name.startswith(".") and path.is_dir():
                    found.append(path)
            except OSError:  # a link to itself
                continue
    except OSError as error:
        raise InputError(
            f"{printable(str(folder))} cannot be read ({error.strerror}). Choose another folder."
        ) from error
    return sorted(found, key=natural)


def browse(folder: Path) -> Markup:
    """A list of folders, with the way up; a click on one asks for ``enter``."""
    found = folders_in(folder)
    rows = [
        tag("button", f"{printable(path.name)}/", do="enter", what=str(path), title=printable(str(path))) for path in found[:MOST]
    ]  # fmt: skip
    up = (
        tag("button", "↑ the folder above", do="enter", what=str(folder.parent))
        if folder.parent != folder
        else None
    )
    more = (
        tag("p", f"{len(found) - MOST:,} more; type the path.", cls="ct-muted ct-small")
        if len(found) > MOST
        else None
    )
    none = None if rows else tag("p", "No folder in it.", cls="ct-muted ct-small")
    return tag("div", tag("div", up, rows, cls="ct-folders", aria_label="Folders"), more, none)
