"""From the files of a folder to images with their channels, masks and groups."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import CellTuneError
from ..images import open_image
from . import naming
from .listing import Listing, list_folder, printable
from .matching import Mask, match_masks
from .naming import key, mask_name, stem
from .plan import FolderPlan, LeftOut, PlannedImage, difference
from .planning import name_channels, set_groups, set_tables

__all__ = ["Field", "recognise"]

Told = Callable[[float, str], object]


@dataclass(frozen=True)
class Header:
    """What the headers of an image file say."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    channels: list[str] | None
    pixel_size: float | None
    notes: tuple[str, ...] = ()

    @property
    def flat(self) -> bool:
        """Whether it holds one plane."""
        return len(self.shape) == 2 or (len(self.shape) == 3 and self.shape[0] == 1)

    @property
    def rgb(self) -> bool:
        """Whether it is shown as it is."""
        three = len(self.shape) == 3 and self.shape[2] == 3 and self.shape[0] > 3
        return three and self.dtype == np.uint8

    @property
    def plane(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[:2] if self.rgb else self.shape[-2:]  # type: ignore[return-value]


@dataclass
class Field:
    """An image that was recognised."""

    name: str
    home: Path  # the folder whose masks and tables are its own
    headers: list[Header]
    channels: list[str] | None
    alone: bool = False  # whether the folder holds nothing but this image
    keys: set[str] = field(default_factory=set)
    places: tuple[str, ...] = ()  # the folders between the one looked at and the image's own


def recognise(
    folder: Path,
    told: Told = lambda fraction, text: None,
    *,
    channels: Iterable[str] = (),
    present: Mapping[str, str | None] | None = None,
) -> FolderPlan:
    """Recognise the images of a folder; opens each file, and reads its headers only.

    Parameters
    ----------
    folder : Path
    told : callable
        Is told how much is done (0 to 1) and what is being done; what it raises ends the work.
    channels : iterable of str
        Those that the project has already.
    present : mapping of str to str or None, optional
        The images that the project has already, and the first file of each.

    Raises
    ------
    FormatError, InputError
        When there is no such folder, or it holds too much.
    """
    folder = folder.expanduser().absolute()
    listing = list_folder(folder, lambda n: told(0.0, f"{n:,} files found"))
    root = folder.parent if list(listing.images) == [folder.parent] else folder
    plan = FolderPlan(folder, channels=list(channels), present=frozenset(present or ()))
    plan.left_out += [LeftOut(path, why) for path, why in listing.left_out]
    headers = _headers(listing, plan, told)
    masks, planes, whole = _sorted(headers, folder)
    fields = [one for here in whole for one in _whole(here, whole[here])]
    names = {
        here: frozenset(key(stem(h.path)).removeprefix(key(here.name)).strip() for h in found)
        for here, found in planes.items()
    }
    wanted = {mask.of for mask in masks} - {""}
    # Those of several planes first: beside folders of channels a single plane is a channel too.
    for here, found in sorted(planes.items(), key=lambda item: len(item[1]) == 1):
        if here in whole:
            plan.left_out += [
                LeftOut(h.path, "one channel beside an image of several; choose it as a mask if it is one")
                for h in found
            ]
        else:
            stacks = {one.home.parent for one in fields if one.alone and len(one.headers) > 1}
            fields += _planes(here, found, names, wanted, plan, stacks)
    _place(fields, root)
    images = [_planned(one) for one in fields]
    pairs = list(zip(fields, images, strict=True))
    match_masks([(one.keys, one.home, one.alone, image) for one, image in pairs], masks, plan)
    name_channels(plan, [(one.home, image, one.channels is None) for one, image in pairs], listing)
    set_groups(plan, [(one.places, image) for one, image in pairs], listing)
    _distinct(pairs)
    known = {file: name for name, file in (present or {}).items() if file is not None}
    for image in images:
        image.name = known.get(str(image.files[0]), image.name)
    plan.images = sorted(images, key=lambda image: naming_order(image.name))
    set_tables(plan, [(one.home, one.alone, image) for one, image in pairs], listing)
    expected = plan.expected
    for image in images:
        image.use = image.name not in plan.present and not difference(expected, image.channels)
    for ending, count in sorted(listing.other.items()):
        plan.left_out.append(LeftOut(folder, f"{count:,} other file{'' if count == 1 else 's'} ({ending})"))
    return plan


def naming_order(name: str) -> list[tuple[int, int, str]]:
    """Natural order of names."""
    from .listing import natural

    return natural(Path(name.replace("/", "_")))


def _headers(listing: Listing, plan: FolderPlan, told: Told) -> dict[Path, list[Header]]:
    """The headers of every file, by folder; what cannot be read is left out."""
    found: dict[Path, list[Header]] = defaultdict(list)
    every = [(here, path) for here, paths in listing.images.items() for path in paths]
    for i, (here, path) in enumerate(every):
        if i % 16 == 0:
            told(i / max(1, len(every)), f"looking at {printable(path.name)}")
        try:
            for one in (path, *_labels_inside(path, plan)):
                file = open_image(one, try_pixel=False)
                # The file itself is let go: thousands of open ones are more than a system allows.
                found[here if one == path else path].append(
                    Header(
                        one,
                        tuple(map(int, file.array.shape)),
                        np.dtype(file.array.dtype),
                        file.channels,
                        file.pixel_size,
                        file.notes,
                    )
                )
        except CellTuneError as error:
            plan.left_out.append(LeftOut(path, str(error)))
    return found


def _labels_inside(path: Path, plan: FolderPlan) -> list[Path]:
    """Masks that an OME-Zarr image brings in its group ``labels``."""
    from ..zarrs import is_zarr

    inside = path / "labels"
    try:
        if not (path.is_dir() and inside.is_dir()):
            return []
        return sorted(one for one in inside.iterdir() if one.is_dir() and is_zarr(one))
    except OSError as error:
        why = f"cannot be read ({error.strerror or error}); check its permissions"
        plan.left_out.append(LeftOut(inside, why))
        return []


def _sorted(
    headers: dict[Path, list[Header]], root: Path
) -> tuple[list[Mask], dict[Path, list[Header]], dict[Path, list[Header]]]:
    """Masks, single planes and whole images, the latter two by folder."""
    masks: list[Mask] = []
    planes: dict[Path, list[Header]] = defaultdict(list)
    whole: dict[Path, list[Header]] = defaultdict(list)
    for here, found in headers.items():
        inside = next(
            (kind for p in (here, here.parent) if root in p.parents and (kind := naming.holds_masks(p))), None
        )
        several = any(not h.flat for h in found)
        for header in found:
            said = mask_name(stem(header.path))
            if (
                header.path.parent.name == "labels" and header.path.parent.parent == here
            ):  # inside an OME-Zarr
                kind = said.kind if said is not None else "cells"
                masks.append(
                    Mask(header.path, kind, key(stem(here)), here.parent, header.plane, header.dtype)
                )
            elif not header.flat:
                whole[here].append(header)
            elif said is not None and (said.sure or inside or (several and header.dtype.kind in "bui")):
                masks.append(Mask(header.path, said.kind, said.of, here, header.plane, header.dtype))
            elif inside is not None and header.dtype.kind in "bui":
                of = key(naming.image_stem(stem(header.path)) or stem(header.path))
                masks.append(Mask(header.path, inside, of, here, header.plane, header.dtype))
            else:
                planes[here].append(header)
    return masks, planes, whole


def _whole(here: Path, found: list[Header]) -> list[Field]:
    """Images of several channels in one folder."""
    alone = len(found) == 1
    fields = []
    for header in found:
        own = naming.image_stem(stem(header.path))
        fields.append(
            Field(
                own or here.name,
                here,
                [header],
                header.channels,
                alone,
                {key(own), key(stem(header.path))} - {""},
            )
        )
    return fields


def _planes(
    here: Path, found: list[Header], names: Mapping[Path, frozenset[str]], masks: set[str], plan: FolderPlan, stacks: set[Path],
) -> list[Field]:  # fmt: skip
    """Single planes in one folder: the channels of one image or of several, or an image each.

    Parameters
    ----------
    names : mapping of Path to frozenset of str
        The names of the planes in each folder, without the folder's own.
    masks : set of str
        The images that masks say they belong to.
    stacks : set of Path
        Folders whose folders are images, a file a channel.
    """
    called = [stem(h.path) for h in found]
    bare = [naming.image_stem(name) or name for name in called]
    with_mask = sum(bool({key(name), key(own)} & masks) for name, own in zip(called, bare, strict=True))
    # Other folders with files of the same names: then names are those of channels.
    beside = any(
        2 * len(names[here] & names[other]) > len(names[here] | names[other])
        for other in names
        if other != here and len(names[other]) > 1
    )
    home = here.parent if naming.holds_channels(here) and here != plan.folder else here
    lone = len(found) == 1
    # A field of which one channel is there, or can be read.
    channel = lone and home.parent in stacks and home != plan.folder
    if not channel and (lone or 2 * with_mask >= len(found) or naming.numbers_fields(called, beside)):
        return [
            Field(own, here, [h], h.channels, len(found) == 1, {key(own), key(name)})
            for h, own, name in zip(found, bare, called, strict=True)
        ]
    split = None if beside else naming.split_fields(called)
    if split is not None:
        fields = []
        for name, parts in split.items():
            kept = _one_size([found[i] for i, _ in parts], plan)
            words = {found[i].path: channel for i, channel in parts}
            fields.append(Field(name, here, kept, [words[h.path] for h in kept], False, {key(name)}))
        return fields
    kept = _one_size(found, plan)
    shared = naming.start([key(stem(h.path)).split(" ") for h in kept])
    channels = [stem(h.path) for h in kept]
    if lone:  # what it begins with is the name of its folder or nothing
        own = [key(folder.name).split(" ") for folder in (home, here)]
        shared = next((name for name in own if shared[: len(name)] == name != shared), [])
    prefix = " ".join(shared)
    if shared and prefix in {*masks, key(here.name), key(home.name)}:
        channels = [_without(name, len(shared)) for name in channels]
    return [
        Field(
            home.name,
            home,
            kept,
            channels,
            True,
            {key(home.name), key(here.name), prefix, *(key(c) for c in called if lone)} - {""},
        )
    ]


def _without(name: str, tokens: int) -> str:
    """A name without its first parts; all of it when nothing would be left."""
    rest = re.sub(rf"^(?:[^\s_\-.]+[\s_\-.]+){{{tokens}}}", "", name)
    return rest or name


def _one_size(found: list[Header], plan: FolderPlan) -> list[Header]:
    """The planes of the size that most have; the others are left out."""
    (rows, columns), _ = Counter(h.plane for h in found).most_common(1)[0]
    for h in found:
        if h.plane != (rows, columns):
            plan.left_out.append(
                LeftOut(
                    h.path,
                    f"its size is {h.plane[0]} × {h.plane[1]}, that of the other channels {rows} × {columns}",
                )
            )
    return [h for h in found if h.plane == (rows, columns)]


def _place(fields: list[Field], root: Path) -> None:
    """The folders above each image, without those that are its own or say nothing."""
    # A folder is the image's own when every folder of images holds one image.
    own = all(one.alone for one in fields)
    for one in fields:
        above = (
            one.home.parent
            if own or (one.alone and (len(one.headers) > 1 or one.name == one.home.name))
            else one.home
        )
        inside = one.home != root and above.is_relative_to(root)
        parts = above.relative_to(root).parts if inside else ()
        one.places = tuple(p for p in parts if not naming.holds_channels(Path(p)))
        if one.alone:
            one.keys.add(key(one.home.name))


def _planned(one: Field) -> PlannedImage:
    first = one.headers[0]
    notes = [f"{printable(h.path.name)}: {note}" for h in one.headers for note in h.notes]
    if len(one.headers) > 1:
        files = tuple(h.path for h in one.headers)
        dtype = np.result_type(*(h.dtype for h in one.headers))
        channels, sizes = list(one.channels or []), {h.pixel_size for h in one.headers} - {None}
        pixel_size = sizes.pop() if len(sizes) == 1 else None
    else:
        files, dtype, pixel_size = (first.path,), first.dtype, first.pixel_size
        count = 1 if first.flat else first.shape[0]
        numbered = [f"Channel {i + 1}" for i in range(count)]
        channels = ["Red", "Green", "Blue"] if first.rgb else list(one.channels or numbered)
        one.channels = channels if first.rgb else one.channels
    name = printable(one.name).strip()[:200]
    if name != one.name:
        notes.append(f"Its name cannot be shown as it is; it is called {name!r} here.")
    plane = tuple(map(int, first.plane))
    return PlannedImage(
        name or "image", files, (plane[0], plane[1]), str(np.dtype(dtype).newbyteorder("=")),
        [printable(c).strip() for c in channels], pixel_size, notes=notes,
    )  # fmt: skip


def _distinct(pairs: list[tuple[Field, PlannedImage]]) -> None:
    """Images of one name are called by their folders too."""
    names = Counter(image.name for _, image in pairs)
    for one, image in pairs:
        if names[image.name] > 1:
            parts = [
                *one.places,
                *([] if one.home.name == image.name or (one.alone and one.places) else [one.home.name]),
            ]
            image.name = printable("/".join([*parts, image.name]))[-200:]
    names = Counter(image.name for _, image in pairs)
    seen: Counter[str] = Counter()
    for _, image in pairs:
        if names[image.name] > 1:
            seen[image.name] += 1
            image.name = f"{image.name} ({seen[image.name]})"
