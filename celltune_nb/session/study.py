"""How a study of several images goes on: the rule, the working set, the verdicts; kept in ``project.json``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .checks import one_of, texts, whole_number
from .committing import committing
from .describing import label_table
from .events import StudyChanged

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = [
    "NOT_INSPECTED", "VERDICTS", "ImageSuggestion", "change_study", "groups_of_images", "rule", "set_rule", "set_verdict", "set_working_set",
    "signed", "stored", "study_table", "suggest_images", "verdicts", "working_rows", "working_set",
]  # fmt: skip

NOT_INSPECTED = "not inspected"
#: What a person may say of an image after looking at its predictions.
VERDICTS = (NOT_INSPECTED, "acceptable", "needs work")

_SETTING = "study"
_LONGEST = 20_000
"""Characters of a rule: a page or ten."""


@dataclass(frozen=True)
class ImageSuggestion:
    """A few images that span the groups and the ways in which images look.

    Attributes
    ----------
    images : tuple of str
        In the order of choice.
    reasons : dict
        Image → why it is among them.
    sentence : str
    """

    images: tuple[str, ...]
    reasons: dict[str, str]
    sentence: str


# ---------------------------------------------------------------------- what is stored


def stored(session: Session, part: str) -> dict[str, Any]:
    """A part of what is kept of the study; empty where there is none, or none that can be read."""
    study = session.project.settings.get(_SETTING)
    found = study.get(part) if isinstance(study, dict) else None
    return found if isinstance(found, dict) else {}


def change_study(session: Session, part: str, changes: Mapping[str, Any]) -> None:
    """Replace entries of a part and tell the listeners; an entry of None is removed."""
    with committing(session) as project:
        study = project.settings.get(_SETTING)
        study = dict(study) if isinstance(study, dict) else {}
        old = study.get(part)
        merged = {**(old if isinstance(old, dict) else {}), **changes}
        study[part] = {key: value for key, value in merged.items() if value is not None}
        project.settings[_SETTING] = study
        project.save()
    session.emit(session.study_changed, StudyChanged(part))


def signed(session: Session, **values: Any) -> dict[str, Any]:
    """Values with who gave them, and when."""
    return {**values, "user": session.user, "time": time.time()}


# ---------------------------------------------------------------------- the rule


def rule(session: Session, level: str) -> str:
    """See :attr:`celltune_nb.Session.rule`."""
    entry = stored(session, "rules").get(level)
    return str(entry.get("text", "")) if isinstance(entry, dict) else ""


def set_rule(session: Session, text: Any, level: str) -> None:
    """See :meth:`celltune_nb.Session.set_rule`."""
    if not isinstance(text, str):
        raise InputError(f"The rule is {text!r}. Give it as text; an empty one removes it.")
    text = text.strip()
    if len(text) > _LONGEST:
        raise InputError(f"The rule has {len(text):,} characters; {_LONGEST:,} is the most. Shorten it.")
    change_study(session, "rules", {level: signed(session, text=text) if text else None})


# ---------------------------------------------------------------------- the working set


def working_set(session: Session) -> tuple[str, ...]:
    """The images of the working set that are still in the project; empty where it was not chosen: all."""
    names = stored(session, "working_set").get("images")
    known = set(session.table.names) | set(session.images)
    return tuple(n for n in names if n in known) if isinstance(names, list) else ()


def set_working_set(session: Session, images: Any) -> None:
    """See :meth:`celltune_nb.Session.set_working_set`."""
    names = [] if images is None else list(dict.fromkeys(texts(images, "The images of the working set")))
    for name in names:
        session.image_number(name)
    order = {name: i for i, name in enumerate([*session.table.names, *session.images])}
    names.sort(key=lambda name: order[name])
    change_study(session, "working_set", signed(session, images=names))


def working_rows(session: Session) -> NDArray[np.bool_] | None:
    """Which items lie on an image of the working set, bool (n,) in row order; None: all do."""
    names = working_set(session)
    if not names:
        return None
    numbers = [session.table.names.index(name) for name in names if name in session.table.names]
    return np.isin(session.table.images, numbers)


# ---------------------------------------------------------------------- the verdicts


def set_verdict(session: Session, image: str, verdict: str, note: Any, level: str) -> None:
    """See :meth:`celltune_nb.Session.set_verdict`."""
    session.image_number(image)
    one_of(verdict, VERDICTS, "The verdict")
    if note is not None and (not isinstance(note, str) or len(note) > _LONGEST):
        raise InputError("A note on a verdict is a short text. Give one, or leave it out.")
    done = [run.id for run in session.runs if run.level == level and run.state in ("done", "stopped")]
    run = done[-1] if done else ""
    of_level = stored(session, "verdicts").get(level)
    kept = dict(of_level) if isinstance(of_level, dict) else {}
    former = kept.get(image)
    if note is None:
        note = str(former.get("note", "")) if isinstance(former, dict) else ""
    kept[image] = signed(session, verdict=verdict, note=note.strip(), run=run)
    change_study(session, "verdicts", {level: kept})


def verdicts(session: Session, level: str) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.verdicts`."""
    import pandas as pd

    of_level = stored(session, "verdicts").get(level)
    entries = of_level if isinstance(of_level, dict) else {}
    rows = []
    for name in _names(session):
        entry = entries.get(name)
        entry = entry if isinstance(entry, dict) else {}
        verdict = entry.get("verdict")
        rows.append(
            (
                verdict if verdict in VERDICTS else NOT_INSPECTED, str(entry.get("note", "")), str(entry.get("user", "")),
                _when(entry.get("time")), str(entry.get("run", "")),
            )
        )  # fmt: skip
    return pd.DataFrame(
        rows,
        index=pd.Index(_names(session), name="image"),
        columns=["verdict", "note", "user", "time", "run"],
    )


def _when(seconds: Any) -> Any:
    import pandas as pd

    known = isinstance(seconds, int | float) and 0 < seconds < 1e11
    return pd.Timestamp(seconds, unit="s", tz="UTC") if known else pd.NaT


# ---------------------------------------------------------------------- the images, one by one


def _names(session: Session) -> list[str]:
    return list(dict.fromkeys([*session.table.names, *session.images]))


def study_table(session: Session, level: str) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.study`."""
    import pandas as pd

    from .onoff import positive_of
    from .phenotypes import answers_of

    table, names = session.table, _names(session)
    count, numbers = len(table.names), table.images
    cells = np.bincount(numbers[numbers >= 0], minlength=count)
    labels = label_table(session, "image", level)
    audit = session.audits.of(level)
    with session.lock:
        blind = audit.ids[session.book.sources(level, audit.ids) == "audit"]
    audited = np.bincount(numbers[table.positions(blind)], minlength=count)
    predicted = None
    if session.populations.stored(level, "Pred_AVG") is not None:
        answers = session.populations.of(level, answers_of(session, level))
        rows = np.flatnonzero(answers.codes == positive_of(session, level).code)
        predicted = np.bincount(numbers[rows], minlength=count)
    said, chosen = verdicts(session, level)["verdict"], working_set(session)
    groups = groups_of_images(session)
    rows_ = []
    for i, name in enumerate(names):
        here = i < count
        rows_.append(
            {
                "group": groups.get(name), "cells": int(cells[i]) if here else 0,
                "labelled": int(labels.counts[i].sum()) if here else 0,
                **{c: int(labels.counts[i, k]) if here else 0 for k, c in enumerate(labels.columns)},
                "audited": int(audited[i]) if here else 0,
                "predicted": None if predicted is None else int(predicted[i]) if here else 0,
                "verdict": said[name], "in_set": name in chosen if chosen else True,
            }
        )  # fmt: skip
    columns = ["group", "cells", "labelled", *labels.columns, "audited", "predicted", "verdict", "in_set"]
    found = pd.DataFrame(rows_, index=pd.Index(names, name="image"), columns=columns)
    return found.astype({"predicted": "Int64"})


def groups_of_images(session: Session) -> dict[str, str | None]:
    """The group of each image: that of its cells where they all have the same one, else its own."""
    found: dict[str, str | None] = {}
    table = session.table
    for i, name in enumerate(table.names):
        codes = table.groups[table.of_image(i)]
        alike = len(codes) and codes[0] >= 0 and (codes == codes[0]).all()
        found[name] = table.group_names[int(codes[0])] if alike else None
    for name, image in session.images.items():
        found[name] = found.get(name) or image.group
    return found


# ---------------------------------------------------------------------- which images to begin with


def suggest_images(session: Session, n: Any, level: str) -> ImageSuggestion:
    """See :meth:`celltune_nb.Session.suggest_images`."""
    from ..learn.appearance import ROWS, appearance, span

    del level  # an image looks the same whatever is asked of its cells
    n = whole_number(n, "The number of images", 1)
    table = session.table
    usable = [i for i in range(len(table.names)) if len(table.ids[table.of_image(i)])]
    if not usable:
        raise InputError("There are no cells yet. Import images with masks, or centres, first.")
    columns, names = _intensities(session)
    looks = []
    for i in usable:
        rows = table.of_image(i)
        density = np.log1p(rows.stop - rows.start)
        if columns is None:
            looks.append(np.array([density]))
        else:
            source = session.active_features()
            step = max(1, (rows.stop - rows.start) // ROWS)
            part = np.asarray(source.matrix[rows.start : min(rows.stop, len(source)) : step])[:, columns]
            looks.append(np.append(appearance(part).ravel(), density))
    groups = groups_of_images(session)
    kinds = sorted({groups.get(table.names[i]) or "" for i in usable})
    codes = np.array([kinds.index(groups.get(table.names[i]) or "") for i in usable])
    found = span(np.stack(looks), codes, n)
    chosen = [table.names[usable[k]] for k in found.chosen]
    reasons = {
        name: _reason(k == 0, groups.get(name), remark, names)
        for k, (name, remark) in enumerate(zip(chosen, found.remark, strict=True))
    }
    animals = len({groups.get(name) for name in chosen} - {None})
    sentence = (
        "The only slice with cells."
        if len(usable) == 1
        else (
            f"{len(chosen)} of {len(usable)} slices"
            + (f", from {animals} of {len(set(kinds) - {''})} animals" if animals > 1 else "")
            + (
                f", that look as unlike each other as {len(chosen)} can."
                if 1 < len(chosen) < len(usable)
                else "."
            )
        )
    )
    return ImageSuggestion(tuple(chosen), reasons, sentence)


def _intensities(session: Session) -> tuple[NDArray[np.int64] | None, Sequence[str]]:
    """Columns of the cells' mean intensities and their channels; all columns where no name tells; None without features."""
    from ..measure.names import parse_name

    if not session.features_by_name:
        return None, ()
    source = session.active_features()
    parsed = [parse_name(name) for name in source.names]
    columns = [
        i for i, p in enumerate(parsed) if p.channel and p.statistic == "Mean" and p.compartment == "Cell"
    ]
    if not columns:
        return np.arange(len(source.names)), list(source.names)
    return np.array(columns), [str(parsed[i].channel) for i in columns]


def _reason(first: bool, group: str | None, remark: tuple[int, int], names: Sequence[str]) -> str:
    from ..learn.appearance import QUANTILES

    column, sign = remark
    if column < 0:
        what = "most like all others" if first else "fills up the number"
    elif column >= len(QUANTILES) * len(names):
        what = "more cells" if sign > 0 else "fewer cells"
    else:
        what = f"{names[column // len(QUANTILES)]} {'brighter' if sign > 0 else 'dimmer'}"
    if first and column >= 0:
        what = f"most like all others ({what})"
    elif column >= 0:
        what += " than in those before"
    return f"{group}: {what}" if group else what
