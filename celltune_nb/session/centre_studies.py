"""Which centres belong to which image of a study, and what is to become of them: everything said before anything is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CellTuneError, FormatError, InputError
from ..formats.folders import recognise
from ..formats.folders.listing import IMAGES, natural, printable
from ..formats.stack import plain_stem
from ..formats.zarrs import is_zarr
from .centre_names import Names
from .centre_parts import Part, parts_of
from .centre_plans import CentresReport, Plan, planned, report_of

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["Study", "StudyCentresReport", "studied"]

Told = Callable[[float], object]
#: Rows of a table that name no image.
NAMELESS = "rows without a name"


@dataclass(frozen=True)
class StudyCentresReport:
    """What became, or would become, of the centres of many images.

    Attributes
    ----------
    images : tuple of CentresReport
        One for each image, or stack.
    left_out : dict of str to str
        What did not fit, an image or a name of the table, and why.
    without : tuple of str
        Images that no row names.
    done : bool
        False: it was a preview.
    """

    images: tuple[CentresReport, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    done: bool = True

    @property
    def cells(self) -> int:
        """Of all images."""
        return sum(one.cells for one in self.images)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each image, or plane's stack: image, cells, outside, unusable, hidden, radius (pixels)."""
        import pandas as pd

        rows = [
            (one.name, one.cells, one.outside, one.unusable, one.hidden, one.radius) for one in self.images
        ]
        return pd.DataFrame(rows, columns=["image", "cells", "outside", "unusable", "hidden", "radius"])

    @property
    def sentence(self) -> str:
        """In words."""
        many = len(self.images)
        text = f"{self.cells:,} cells on {many:,} image{'' if many == 1 else 's'}."
        left = [
            f"{n:,} {what}"
            for what, n in (
                ("outside of their image", sum(one.outside for one in self.images)),
                ("without a place or radius", sum(one.unusable for one in self.images)),
                ("at the place of another one", sum(one.hidden for one in self.images)),
            ) if n
        ]  # fmt: skip
        text += f" Centres left out: {', '.join(left)}." if left else ""
        if self.left_out:
            text += f" Not matched: {_few(self.left_out)}."
        if self.without:
            text += f" No centres are of {_few(self.without)}."
        return text

    def __repr__(self) -> str:
        return f"StudyCentresReport({self.sentence})"


def _few(names: Any, most: int = 6) -> str:
    names = [repr(name) for name in names]
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@dataclass(eq=False)
class Study:
    """What is to be done."""

    plans: list[Plan]
    report: StudyCentresReport


@dataclass(frozen=True, eq=False)
class _Offered:
    """An image that centres may be of."""

    image: Any  # None: one of the project
    others: tuple[str, ...] = ()
    pixel_size: float | None = None
    channels: list[str] | None = None
    group: str | None = None
    #: Whether it may as well be a channel of another one, which counts unless the table names this.
    spare: bool = False


def studied(
    session: Session, images: Any, centres: Any, radius: Any, unit: str, places: str | None, pixel_size: Any, spacing: Any,
    channels: Any, group: Any, column: Any, told: Told,
) -> Study:  # fmt: skip
    """Read the tables, match them with the images, and plan each image.

    Raises
    ------
    FormatError, InputError
        When nothing at all can be done.
    """
    parts, left = parts_of(centres, radius, column, group, lambda part: told(0.5 * part))
    deep = any(part.rows.columns.z is not None for part in parts)
    offered = _offered(session, images, deep, lambda part: told(0.5 + 0.2 * part))
    pairs, errors = _pairs(offered, parts, left), list[CellTuneError]()
    plans: list[Plan] = []
    for place, (name, part) in enumerate(pairs.items()):
        told(0.7 + 0.3 * place / len(pairs))
        one = offered[name]
        try:
            if one.image is None and _has_cells(session, name):
                raise InputError(
                    f"Image {name!r} has cells already. session.add_centres({name!r}, None, …) gives it others in their place."
                )
            size = pixel_size if pixel_size is not None else one.pixel_size
            given = one.channels if channels is None else channels
            whose = _group(group, name, part) or one.group
            plan = planned(
                session, name, one.image, part.rows, radius, unit, places, size, spacing,
                None if one.image is None else given, None if one.image is None else whose,
            )  # fmt: skip
            _check_beside(plan, plans)
            plans.append(plan)
        except CellTuneError as error:
            errors.append(error)
            left[name] = str(error)
    if not plans:
        if errors:
            raise errors[0]
        said = "; ".join(f"{name}: {why}" for name, why in list(left.items())[:3])
        raise InputError(f"No centres belong to an image here. {said}")
    without = tuple(
        name for name, one in offered.items()
        if name not in pairs and name not in left and not one.spare and not (one.image is None and _has_cells(session, name))
    )  # fmt: skip
    return Study(plans, StudyCentresReport(tuple(map(report_of, plans)), left, without, done=False))


def _has_cells(session: Session, name: str) -> bool:
    rows = session.table.of_image(session.image_number(name))
    return rows.stop > rows.start


def _group(group: Any, name: str, part: Part) -> str | None:
    if isinstance(group, Mapping):
        return None if group.get(name) is None else str(group[name])
    # A name that is no column is the group of all of them.
    return part.group if part.group is not None or group is None else str(group)


def _check_beside(plan: Plan, before: list[Plan]) -> None:
    """Refuse what images that come together do not share."""
    if not before:
        return
    first = before[0]
    if set(first.channels) != set(plan.channels):
        raise InputError(
            f"Image {plan.name!r} has the channels {', '.join(plan.channels[:8])}, {first.name!r} has {', '.join(first.channels[:8])}. "
            "A project has one set of channels; name them alike with channels=."
        )
    taken = {one for other in before for one in other.names}
    if twice := next((one for one in plan.names if one in taken), None):
        raise InputError(f"Two images would be called {twice!r}. Rename one of them.")


def _pairs(offered: Mapping[str, _Offered], parts: list[Part], left: dict[str, str]) -> dict[str, Part]:
    """The rows of each image; what is of none, or not clear, goes to *left*."""
    names = Names({name: one.others for name, one in offered.items()})
    found: dict[str, list[Part]] = {}
    for part in parts:
        if not part.said:
            rows = len(part.rows.numbers)
            left[f"{part.table}: {NAMELESS}" if part.table else NAMELESS] = f"{rows:,} rows name no image."
            continue
        hits = names.called(part.said)
        if not hits and not part.named:
            hits = names.before(part.said)
        if not hits and part.named and part.alone and part.table:
            hits = names.called(plain_stem(Path(part.table))) or names.before(part.table)
        if len(hits) == 1:
            found.setdefault(hits[0], []).append(part)
        elif hits:
            left[part.said] = f"Several images are called so: {_few(hits, 3)}. Use their whole names."
        else:
            left[part.said] = f"No image is called so. Images: {_few(offered, 4) or 'none'}."
    pairs = {}
    for name, claims in found.items():
        if len(claims) > 1:
            said = _few([f"{one.said} in {one.table}" if one.table else one.said for one in claims], 3)
            left[name] = f"Several say where its cells are: {said}. Keep one of them."
        else:
            pairs[name] = claims[0]
    return {name: pairs[name] for name in offered if name in pairs}


# ---------------------------------------------------------------------- images


def _offered(session: Session, images: Any, deep: bool, told: Told) -> dict[str, _Offered]:
    if images is None:
        rows = {str(row["name"]): row.get("origin") for row in session.project.settings["images"]}
        if not rows:
            raise InputError("The project has no image yet. Name the folder of the images.")
        return {name: _Offered(None, (str(origin),) if origin else ()) for name, origin in rows.items()}
    if isinstance(images, Mapping):
        return {
            session._adding.checked_name(name): _Offered(image, _files(image))
            for name, image in images.items()
        }
    if isinstance(images, str | os.PathLike):
        path = Path(images).expanduser().absolute()
        if path.is_dir() and not is_zarr(path):
            return dict(_stacks(path)) if deep else dict(_recognised(session, path, told))
        images = [path]
    if (
        isinstance(images, list | tuple)
        and images
        and all(isinstance(one, str | os.PathLike) for one in images)
    ):
        found = {}
        for one in images:
            path = Path(one).expanduser().absolute()
            name = plain_stem(path)
            if name in found:
                raise InputError(
                    f"Two of the files are called {name!r}. Name the images yourself: images={{'name': path}}."
                )
            found[name] = _Offered(path, (path.name,))
        return found
    raise InputError(
        "Images are a folder, a list of files, a mapping of names to images, or None for those of the project."
    )


def _files(image: Any) -> tuple[str, ...]:
    return (Path(image).name,) if isinstance(image, str | os.PathLike) else ()


def _recognised(session: Session, folder: Path, told: Told) -> Iterator[tuple[str, _Offered]]:
    rows = session.project.settings["images"]
    channels = list(rows[0]["channels"]) if rows else []
    plan = recognise(folder, lambda part, _text: told(part), channels=channels, present={})
    if not plan.images:
        why = f" {printable(str(plan.left_out[0].why))}" if plan.left_out else ""
        raise FormatError(f"No image was recognised in {printable(str(folder))}.{why}")
    for image in plan.images:
        given: Any = image.files[0] if len(image.files) == 1 else list(image.files)
        others = tuple(file.name for file in image.files) if len(image.files) == 1 else ()
        yield image.name, _Offered(given, others, image.pixel_size, list(image.channels), image.group)
    # Slices of one plane each look like the channels of one image.
    files = [file for image in plan.images if len(image.files) > 1 for file in image.files]
    called = Counter(map(plain_stem, files))
    taken = {image.name for image in plan.images}
    for file in files:
        if called[plain_stem(file)] == 1 and plain_stem(file) not in taken:
            yield plain_stem(file), _Offered(file, (file.name,), spare=True)


def _stacks(folder: Path) -> Iterator[tuple[str, _Offered]]:
    """Files, Zarr folders and folders of planes, each a stack."""
    try:
        found = sorted((one for one in folder.iterdir() if not one.name.startswith((".", "__"))), key=natural)
    except OSError as error:
        raise FormatError(
            f"{printable(str(folder))} cannot be read ({error.strerror}). Check its permissions."
        ) from error
    stacks = [one for one in found if one.is_dir() or (one.suffix.lower() in IMAGES and one.is_file())]
    if not stacks:
        raise FormatError(
            f"No stack lies in {printable(str(folder))}. Name a folder of TIFF, Zarr or .npy stacks."
        )
    for one in stacks:
        yield plain_stem(one) if one.is_file() or is_zarr(one) else one.name, _Offered(one, (one.name,))
