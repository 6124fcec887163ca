"""What the columns of tables of cells are called, in all the programs that write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

__all__ = ["CATEGORY", "CELL", "GROUP", "IMAGE", "X", "Y", "Z", "find"]

Name = TypeVar("Name")

# Without capitals and punctuation; the surest names first.

#: The image a cell lies on.
IMAGE = (
    "image",
    "fov",
    "imagename",
    "fovname",
    "roi",
    "imageid",
    "filename",
    "field",
    "libraryid",
    "sampleid",
    "samplename",
    "sample",
)
#: The number of a cell in its image's mask.
CELL = (
    "cellid",
    "objectid",
    "objectnumber",
    "cellnumber",
    "celllabel",
    "labelid",
    "instanceid",
    "label",
    "cell",
    "id",
)
#: What kind of cell it is.
CATEGORY = ("class", "celltype", "category", "annotation", "phenotype", "cellclass", "type")
X = ("x", "centroidx", "xcentroid", "positionx", "posx", "centroid1", "locationcenterx", "xposition")
Y = ("y", "centroidy", "ycentroid", "positiony", "posy", "centroid0", "locationcentery", "yposition")
Z = ("z", "centroidz", "zcentroid", "positionz", "posz", "locationcenterz", "zposition", "plane")
#: Whom the image is of.
GROUP = ("group", "donor", "patient", "patientid", "animal", "mouse", "subject", "slide")


def find(columns: Iterable[Name], words: Sequence[str]) -> Name | None:
    """The column that is called by the first of some words, without regard to capitals and punctuation.

    Of columns that are called the same the first is taken.
    """
    known: dict[str, Name] = {}
    for column in columns:
        known.setdefault(re.sub(r"[^a-z0-9]", "", str(column).lower()), column)
    return next((known[word] for word in words if word in known), None)
