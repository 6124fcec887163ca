"""The lines of a script that bring images, tables, features, gates and models again."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..data.actions import Action
from . import areas
from .nuclei import changes
from .recording import MEMORY, is_there
from .script_text import Writer, comment, literal
from .training_options import OPTIONS

if TYPE_CHECKING:
    from .session import Session

__all__ = ["again", "left_out", "unnoted"]

_SECRET = (
    "+key", "+file", "+images", "+names", "+planned", "+run", "+rows", "+nth", "+features", "+made", "+active"
)  # fmt: skip


def unnoted(session: Session, noted: list[Action]) -> list[Action]:
    """What a project holds that no note speaks of: it was made before there were notes."""
    named = {name for action in noted for name in action.arguments.get("+images", ())}
    # Of those that took effect together with others, later than the call, the note has no more than the name.
    named |= {str(action.arguments.get("name", "")).strip() for action in noted if action.verb == "add_image"}
    found = [
        Action("add_image", {"name": name, "image": {MEMORY: "image"}}, user=session.user)
        for name in session.images
        if name not in named
    ]
    verbs = {action.verb for action in noted}
    table = session.features_by_name.get("table")
    if (
        "import_cells" not in verbs
        and not any(v.startswith("import_") for v in verbs)
        and (_own(session) or table)
    ):
        given = {"table": {MEMORY: "DataFrame"}, "features": None if table is None else list(table.names)}
        found.append(Action("import_cells", given, user=session.user))
    cells = session.features_by_name.get("cells")
    if cells is not None and "measure" not in verbs:
        options = {k: v for k, v in cells.parameters.items() if k not in ("notes", "measured")}
        found.append(Action("measure", _as_noted(options), user=session.user))
    runs = {action.arguments.get("+run") for action in noted}
    for run in session.runs:
        if run.id not in runs:
            about = run.about
            found.append(
                Action(
                    "train",
                    {"+run": run.id, "level": session.book.names.key(run.level)},
                    int(about.get("label_revision", 0)),
                    session.user,
                )
            )
    return sorted(found, key=lambda action: action.revision)


def _as_noted(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        k: {"map": [[a, b] for a, b in v.items()]} if isinstance(v, Mapping) else v
        for k, v in options.items()
    }


def left_out(action: Action) -> bool:
    """Whether what an import was given cannot be had again, so that the journal alone tells what it did."""
    given = action.arguments
    return _from_memory(given) or not all(map(is_there, _paths(given)))


def again(session: Session, action: Action, writer: Writer) -> None:
    """Add the lines that do an action again."""
    given = action.arguments
    gone = [path for path in _paths(given) if not is_there(path)]
    if action.verb == "replace_mask":
        _mask(session, given, writer)
    elif action.verb == "set_nuclei" and (gone or _from_memory(given) or not _lasted(session, given)):
        _nuclei(session, given, action.time, writer)
    elif given.get("+file") and (
        gone or not _paths(given.get("regions"))
    ):  # a label image that is no file, or none any more
        copy = {"path": str(session.folder / given["+file"])}
        again(session, replace(action, arguments={**given, "regions": copy, "+file": None}), writer)
    elif action.verb == "add_image":
        _image(session, str(given.get("name", "")).strip(), {} if gone else given, writer)
    elif action.verb == "train":
        _training(session, given, writer)
    elif given.get("+planned") and not gone:
        _planned(session, given, writer)
    elif action.verb == "import_cells" and (gone or _from_memory(given)):
        for name in given.get("+images", ()):  # those of a SpatialData
            _image(session, name, {}, writer)
        _cells(session, given, action.time, writer)
    elif (gone or _from_memory(given)) and given.get("+images"):
        writer.add(
            comment(f"{action.verb}: the project's own copy of the images, for what it was given is gone.")
        )
        for name in given["+images"]:
            _image(session, name, {}, writer)
    elif gone:
        writer.add(comment(f"{action.verb}: {', '.join(gone)} is no longer there, so this is left out."))
    elif _from_memory(given):
        writer.add(comment(f"{action.verb}: what it was given came from memory and is left out."))
    else:
        defaults = _defaults(session, action.verb)
        options = [
            f"{name}={_value(value)}"
            for name, value in given.items()
            if name not in _SECRET and (value is not None or defaults.get(name) is inspect.Parameter.empty)
        ]
        if defaults.get("wait") is False:
            options.append("wait=True")  # the next line builds on it
        writer.add(f"session.{action.verb}({', '.join(options)})")


def _defaults(session: Session, verb: str) -> dict[str, Any]:
    """The arguments of a verb with their defaults; what has none is given, be it None: a target is taken back so."""
    try:
        parameters = inspect.signature(attrgetter(verb)(session)).parameters
    except (AttributeError, TypeError, ValueError):  # a note of another version
        return {}
    return {name: one.default for name, one in parameters.items()}


def _value(noted: Any) -> str:
    """A noted value as Python writes it."""
    if isinstance(noted, dict):
        if "path" in noted:
            return f"Path({literal(noted['path'])})"
        if "number" in noted:
            return literal(float(noted["number"]))
        if "map" in noted:
            return f"{{{', '.join(f'{_value(k)}: {_value(v)}' for k, v in noted['map'])}}}"
    if isinstance(noted, list):
        return f"[{', '.join(map(_value, noted))}]"
    return literal(noted)


def _from_memory(noted: Any) -> bool:
    if isinstance(noted, dict):
        return MEMORY in noted or any(map(_from_memory, noted.values()))
    return isinstance(noted, list) and any(map(_from_memory, noted))


def _paths(noted: Any) -> list[str]:
    if isinstance(noted, dict):
        if set(noted) == {"path"}:
            return [str(noted["path"])]
        noted = list(noted.values())
    return [path for one in noted for path in _paths(one)] if isinstance(noted, list) else []


def _image(session: Session, name: str, given: Mapping[str, Any], writer: Writer) -> None:
    image = session.images.get(name)
    if image is None:
        return writer.add(comment(f"image {name} is not part of the project any more"))
    parts = [literal(name)]
    for place, array in (("image", "array"), ("mask", "mask"), ("nucleus", "nucleus")):
        if getattr(image, array, None) is None:
            continue
        noted = given.get(place)
        former = _former(session, name) if place == "mask" else []
        if former:  # the file may hold the mask of after by now
            if not former[0].keys() & {place, f"{place}_file"}:
                continue  # it had none then
            value = f"made.former_mask({literal(name)}, 0)"
            writer.original = True
        elif place == "nucleus" and changes(session, name):
            then = _nuclei_after(session, name, -1)
            if then is None:
                continue
            value = then
            writer.original = True
        elif noted is not None and not _from_memory(noted):
            value = _value(noted)
        else:
            writer.original = True
            value = (
                f"mask_of({literal(name)})" if place == "mask" else f"made.images[{literal(name)}].{array}"
            )
        parts.append(value if place == "image" else f"{place}={value}")
    parts.append(f"channels={literal(list(image.channels))}")
    if image.pixel_size is not None:
        parts.append(f"pixel_size={literal(float(image.pixel_size))}")
    if image.group is not None:
        parts.append(f"group={literal(str(image.group))}")
    if given.get("copy") is not None and not _from_memory(given):
        parts.append(f"copy={literal(given['copy'])}")
    return writer.add(f"session.add_image({', '.join(parts)})")


def _former(session: Session, name: str) -> list[dict[str, Any]]:
    """Where the former masks of an image lie, oldest first."""
    rows = session.project.settings.get("replaced", ())
    return [row["former"] for row in rows if row.get("image") == name]


def _mask(session: Session, given: Mapping[str, Any], writer: Writer) -> None:
    """Another mask for an image: from its file if it is the one that counts now, else the project's own copy."""
    name = str(given.get("name", ""))
    if name not in session.images:
        return writer.add(comment(f"image {name} is not part of the project any more"))
    following = int(given.get("+nth") or 0) + 1
    last = following >= len(_former(session, name))
    every = changes(session, name)
    place_of = next(
        (i for i, one in enumerate(every) if (one.kind, one.nth + 1) == ("mask", following)), len(every) - 1
    )
    parts = [literal(name)]
    for place in ("mask", "nucleus"):
        noted = given.get(place)
        if noted is None:
            continue
        counts = last if place == "mask" else place_of == len(every) - 1
        if counts and not _from_memory(noted) and all(map(is_there, _paths(noted))):
            value = _value(noted)
        elif place == "nucleus":
            writer.original = True
            value = _nuclei_after(session, name, place_of) or "None"
        else:
            writer.original = True
            value = f"mask_of({literal(name)})" if last else f"made.former_mask({literal(name)}, {following})"
        parts.append(value if place == "mask" else f"nucleus={value}")
    parts += [f"{name}={_value(given[name])}" for name in ("minimum", "by") if given.get(name) is not None]
    return writer.add(f"session.replace_mask({', '.join(parts)})")


def _place_of(session: Session, given: Mapping[str, Any]) -> int | None:
    """Which change of an image's masks and nuclei a ``set_nuclei`` was; None where the note does not say."""
    every = changes(session, str(given.get("name", "")))
    key = given.get("+key")
    return next((i for i, one in enumerate(every) if key and one.key == key), None)


def _lasted(session: Session, given: Mapping[str, Any]) -> bool:
    """Whether the nuclei given then are those that count: their file may hold those of after by now."""
    place = _place_of(session, given)
    return place is None or place == len(changes(session, str(given.get("name", "")))) - 1


def _nuclei_after(session: Session, name: str, place: int) -> str | None:
    """The project's own copy of the nuclei that an image had after a change, -1: at first; None where it had none."""
    every, image = changes(session, name), session.images.get(name)
    if place + 1 < len(every):
        following = every[place + 1]
        if not following.had_nuclei:
            return None
        if following.kind == "mask":
            return f"made.former_mask({literal(name)}, {following.nth}, nucleus=True)"
        return f"made.former_nuclei({literal(name)}, {following.nth})"
    return None if image is None or image.nucleus is None else f"made.images[{literal(name)}].nucleus"


def _nuclei(session: Session, given: Mapping[str, Any], when: float, writer: Writer) -> None:
    """Nuclei whose file is gone, or holds others by now: the project's own copy."""
    name, place = str(given.get("name", "")), _place_of(session, given)
    if place is None:  # noted before each change of nuclei was
        rows = [row for row in session.project.settings.get("replaced", ()) if row.get("image") == name]
        later = next((i for i, row in enumerate(rows) if row["time"] > when), None)
        every = changes(session, name)
        place = len(every) - 1
        if later is not None and rows[later]["former"].keys() & {"nucleus", "nucleus_file"}:
            place = next(i for i, one in enumerate(every) if (one.kind, one.nth) == ("mask", later)) - 1
    nuclei = _nuclei_after(session, name, place)
    if nuclei is None:
        return writer.add(comment(f"image {name} has no nuclei any more"))
    writer.original = True
    return writer.add(f"session.set_nuclei({literal(name)}, {nuclei})")


def _planned(session: Session, given: Mapping[str, Any], writer: Writer) -> None:
    """Images of a folder as they were planned."""
    planned = {name: dict(about["map"]) for name, about in given["+planned"]["map"]}
    names = [name for name in given.get("+images", ()) if name in planned]
    if names:
        writer.add("with session.adding_images():")
        with writer.indented():
            for name in names:
                about = planned[name]
                files = about["image"]
                _image(session, name, {**about, "image": files[0] if len(files) == 1 else files}, writer)


def _cells(session: Session, given: Mapping[str, Any], when: float, writer: Writer) -> None:
    """A table from memory: what the project kept of it."""
    later = {row["image"] for row in session.project.settings.get("replaced", ()) if row["time"] > when}
    if later:  # of cells that are gone the project has no columns
        writer.add(
            comment(
                f"The table said something of former cells of {', '.join(sorted(later))}; it is left out."
            )
        )
        names = [name for name in given.get("+names") or session.table.names if name not in later]
        if not names:
            return
        given = {**given, "+names": names}
    writer.original = True
    table = session.features_by_name.get("table")
    noted = given.get("+features", given.get("features"))
    wanted = [noted] if isinstance(noted, str) else noted or []
    names = [] if table is None else [n for n in table.names if n in wanted]
    own = _own(session)
    options = []
    columns = ["image", "cellID"]
    for place in ("x", "y", "group"):
        if given.get(place) is not None or (given.get("+made") and place != "group"):
            options.append(f'{place}="{place}"')
            columns.append(place)
    rows = "made.items"
    if given.get("+names"):  # of images that came later the table said nothing
        rows += f'[made.items["image"].isin({literal(given["+names"])})]'
    if not {*columns, *own}.isdisjoint(names):  # what is a column and a feature cannot come in one table
        writer.add(f"session.import_cells({', '.join([f'{rows}[{literal([*columns, *own])}]', *options])})")
        columns, own, options = ["image", "cellID"], [], []
    frame = f"{rows}[{literal([*columns, *own])}]"
    if names:
        frame += f'.join(made.features["table"].to_pandas()[{literal(names)}])'
        options.append(f"features={literal(names)}")
    writer.add(f"session.import_cells({', '.join([frame, *options])})")


def _own(session: Session) -> list[str]:
    """Columns of the items that came with them; those of regions are made again by their own lines."""
    extra = session.table.extra
    made = areas.columns(session)
    return [] if extra is None else [str(c) for c in extra.columns if str(c) not in made]


def _training(session: Session, given: Mapping[str, Any], writer: Writer) -> None:
    run = next((run for run in session.runs if run.id == given.get("+run")), None)
    if run is None or run.state not in ("done", "stopped"):
        return None
    if run.state == "stopped":
        writer.add(comment("This training was stopped by hand; here it runs to its end."))
    parts = [
        f"models={literal(tuple(run.model_names))}",
        f"level={literal(str(given.get('level') or run.level))}",  # what it was called then
        f"seed={run.seed}",
        "wait=True",
    ]
    # The record of a training is a file: what is no option of a training is none of the script either.
    parts += [f"{name}={literal(value)}" for name, value in run.options.items() if name in OPTIONS]
    return writer.add(f"session.train({', '.join(parts)})")
