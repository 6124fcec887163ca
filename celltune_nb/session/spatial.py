"""SpatialData: which of its parts are the table, the images and the masks of a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .coordinates import affine, chosen_system, in_micrometres, pixel_size, same_pixels, to_pixels

if TYPE_CHECKING:
    from .session import Session

__all__ = ["table_of"]


def table_of(
    session: Session,
    sdata: Any,
    image: str,
    cell: str | None,
    images: bool | Mapping[str, str],
    element: str | None,
    system: str | None = None,
) -> tuple[Any, str, str | None]:
    """The table of a SpatialData as an AnnData, and its columns of images and cells; adds images when they are wanted.

    Parameters
    ----------
    images : bool or mapping of str to str
        Whether the labels that the table annotates, and the images under them, become images of the project;
        a mapping says which image belongs to which labels.
    element : str, optional
        The name of the table, where there are several.
    system : str, optional
        The coordinate system, in µm, that says how large pixels are and what lies where.

    Raises
    ------
    InputError
    """
    tables = dict(sdata.tables)
    if element is None and len(tables) != 1:
        element = "table" if "table" in tables else None
    if element is None and len(tables) == 1:
        element = next(iter(tables))
    if element not in tables:
        raise InputError(
            f"The SpatialData has no table {element!r}. There are: {', '.join(map(str, tables)) or 'none'}. "
            "Name one with element=."
        )
    table = tables[element]
    about = dict(table.uns.get("spatialdata_attrs", {}))
    region, instance = about.get("region_key"), about.get("instance_key")
    image = str(region) if image == "image" and region in table.obs else image
    cell = str(instance) if cell == "cellID" and instance in table.obs else cell
    regions = about.get("region", [])
    regions = [str(r) for r in ([regions] if isinstance(regions, str) else list(regions))]
    if image in table.obs:
        regions = [r for r in regions if r in set(table.obs[image].astype(str))] or regions
    if images is not False and (
        images is True or {*images} & {*sdata.labels} or not {*images} & {*sdata.shapes}
    ):
        _add_images(session, sdata, regions, {} if images is True else dict(images), system)
    if not any(name in table.obsm for name in ("spatial", "X_spatial")):
        pairs = {} if isinstance(images, bool) else dict(images)
        places = _places(sdata, table, image, cell, pairs, system)
        if places is not None:
            table = table.copy()
            table.obsm["spatial"] = places
        elif not {*regions} & {*session.images, *session.table.names} and {*regions} & {*sdata.labels}:
            raise InputError(
                f"The project has no cells of {', '.join(regions[:5])}. Import with images=True, which adds these labels and the "
                "images under them."
            )
    return table, image, cell


def _add_images(
    session: Session, sdata: Any, regions: list[str], pairs: dict[str, str], system: str | None
) -> None:
    labels = [name for name in regions if name in sdata.labels]
    if not labels:
        raise InputError(
            f"The table speaks of {', '.join(regions[:5]) or 'no region'}, which are no labels. There are the labels "
            f"{', '.join(map(str, sdata.labels)) or '(none)'}. Import without images=."
        )
    # Everything is compared before the first is added.
    todo = [(name, *_pair(sdata, name, pairs, system)) for name in labels if name not in session.images]
    with session.adding_images():
        for name, picture, size in todo:
            array, mask = _finest(sdata.images[picture]), _finest(sdata.labels[name])
            channels = [str(c) for c in array.coords["c"].values] if "c" in array.coords else None
            # A row at a time: nothing is computed before it is copied.
            session.add_image(
                name, array.transpose("c", "y", "x").data, mask.data, channels=channels, pixel_size=size
            )


def _pair(sdata: Any, name: str, pairs: dict[str, str], system: str | None) -> tuple[str, float | None]:
    """The image under some labels, and its pixel size in µm where that is known."""
    picture = pairs.get(name) or _image_of(sdata, name)
    if picture is None or picture not in sdata.images:
        raise InputError(
            f"Which image the labels {name!r} belong to cannot be told. There are: "
            f"{', '.join(map(str, sdata.images)) or 'none'}. Say it: images={{{name!r}: …}}."
        )
    image, labels = sdata.images[picture], sdata.labels[name]
    where = chosen_system([image, labels], system)
    of_image, of_labels = affine(image, where, picture), affine(labels, where, name)
    size = pixel_size(of_image, picture, where)
    if not same_pixels(of_image, of_labels, tuple(_finest(labels).shape[-2:])):
        raise InputError(
            f"The labels {name!r} and the image {picture!r} have pixels of another size or place in the coordinate system "
            f"{where!r}. Bring both to the same pixels first, with spatialdata.rasterize, or name another coordinate_system=."
        )
    return picture, size if system is not None or in_micrometres(where) else None


def _image_of(sdata: Any, labels: str) -> str | None:
    """The image under some labels: the only one, or the one whose name has the same beginning and whose size is the same."""
    names = list(sdata.images)
    if len(names) == 1:
        return str(names[0])
    size = tuple(_finest(sdata.labels[labels]).shape[-2:])
    stem = labels.replace("labels", "").replace("segmentation", "").strip("_-. ")
    fits = [n for n in names if tuple(_finest(sdata.images[n]).shape[-2:]) == size]
    named = [n for n in fits if n.replace("image", "").strip("_-. ") == stem]
    return str(named[0]) if len(named) == 1 else str(fits[0]) if len(fits) == 1 else None


def _finest(element: Any) -> Any:
    """The full resolution of an element, which may come in several."""
    if not hasattr(element, "dims") or not hasattr(element, "coords") or hasattr(element, "children"):
        level = element[next(iter(element.children))]
        return next(iter(level.data_vars.values()))
    return element


def _places(
    sdata: Any, table: Any, image: str, cell: str | None, pairs: dict[str, str], system: str | None
) -> Any:
    """x, y of the cells from the shapes that the table annotates, in pixels; None where it annotates others."""
    if image not in table.obs or cell not in table.obs:
        return None
    found = np.full((table.n_obs, 2), np.nan)
    for name in sorted(set(table.obs[image].astype(str)) & set(map(str, sdata.shapes))):
        shapes = sdata.shapes[name]
        rows = np.flatnonzero((table.obs[image].astype(str) == name).to_numpy())
        places = shapes.index.get_indexer(table.obs[cell].iloc[rows])
        centre = shapes.geometry.centroid
        xy = _in_pixels(sdata, name, np.column_stack([centre.x, centre.y]), pairs, system)
        found[rows[places >= 0]] = xy[places[places >= 0]]
    return found if np.isfinite(found).all() else None


def _in_pixels(sdata: Any, name: str, points: Any, pairs: dict[str, str], system: str | None) -> Any:
    """Points of shapes in the pixels of the image that they lie on."""
    only = next(iter(sdata.images)) if len(sdata.images) == 1 else None
    picture = pairs.get(name, only)
    if picture is not None and picture in sdata.images:
        image, shapes = sdata.images[picture], sdata.shapes[name]
        where = chosen_system([image, shapes], system)
        return to_pixels(points, affine(image, where, picture), affine(shapes, where, name))
    where = chosen_system([sdata.shapes[name]], system)
    if not np.allclose(affine(sdata.shapes[name], where, name), np.eye(3)):
        raise InputError(
            f"The shapes {name!r} are scaled or moved, and which image they lie on cannot be told. There are: "
            f"{', '.join(map(str, sdata.images)) or 'none'}. Say it: images={{{name!r}: …}}."
        )
    return points - 0.5
