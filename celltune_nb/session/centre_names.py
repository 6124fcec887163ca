"""Which image a table of centres means: by its name, its file, or its file without an ending."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from ..formats.folders.listing import IMAGES, OTHER_IMAGES
from ..formats.headings import find

__all__ = ["Names", "image_heading"]

#: What the column of images is called in tables of slices, where no surer name is there.
_SLICES = ("slice", "slicename", "section", "sectionname", "file", "imagefile", "path", "imagepath")
_ENDINGS = (".ome.tif", ".ome.tiff", ".ome.zarr", ".zarr", *IMAGES, *sorted(OTHER_IMAGES))


def image_heading(columns: Iterable[str]) -> str | None:
    """The column that names slices where none is called as images are; None where there is none."""
    return find(columns, _SLICES)


def _file(text: str) -> str:
    """The name of a file without its folders, whichever system wrote them."""
    return re.split(r"[/\\]", text.strip())[-1].casefold()


def _bare(text: str) -> str:
    name = _file(text)
    return next((name[: -len(end)] for end in _ENDINGS if name.endswith(end) and len(name) > len(end)), name)


def _first(text: str) -> str:
    """Without what QuPath adds to the file of several images: ``slice 1.ome.tif - Image0``."""
    return _bare(text.split(" - ", maxsplit=1)[0])


#: From the surest on: the first way in which something is called alike counts.
_WAYS: tuple[Callable[[str], str], ...] = (str.strip, _file, _bare, _first)


class Names:
    """The images that a table may mean.

    Parameters
    ----------
    images : mapping of str to iterable of str
        Name of each → what else it goes by, such as its file.
    """

    def __init__(self, images: Mapping[str, Iterable[str]]) -> None:
        self._known: list[dict[str, list[str]]] = [{} for _ in _WAYS]
        for name, others in images.items():
            for way, known in zip(_WAYS, self._known, strict=True):
                for key in {way(one) for one in (name, *others) if one}:
                    known.setdefault(key, []).append(name)

    def called(self, text: str) -> list[str]:
        """The images that something names: none, one, or several that are called alike."""
        for way, known in zip(_WAYS, self._known, strict=True):
            if found := known.get(way(text)):
                return found
        return []

    def before(self, text: str) -> list[str]:
        """The images whose name a text begins with, as ``slice 1_centres`` with ``slice 1``; the longest name counts."""
        name = _file(text)
        fits = [
            key
            for key in self._known[2]
            if key and name.startswith(key) and not name[len(key) :][:1].isalnum()
        ]
        return self._known[2][max(fits, key=len)] if fits else []
