"""What ``project.json`` and the view say of a level, once it is called otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..data.expressions import Name, parse, quoted
from ..errors import CellTuneError

__all__ = ["renamed_color", "renamed_settings"]

#: Parts of what is kept of a study whose entries are levels.
PARTS = ("rules", "verdicts", "thresholds", "channels", "targets")
#: Settings whose keys begin with a level, and those whose keys are levels.
_WITHIN, _OF = ("clusters",), ("celltypes",)
_PROBABILITY = "__Probability"

Renamed = Mapping[tuple[str, str], str]


def renamed_settings(
    settings: Mapping[str, Any], old: str, new: str, channel: str | None = None
) -> dict[str, Any]:
    """The settings that name a level, with its new name; what somebody wrote badly by hand stays as it is.

    Parameters
    ----------
    channel : str, optional
        That shows its marker, which need not be found by the new name.
    """
    found: dict[str, Any] = {}
    study = settings.get("study", {} if channel else None)
    combined: dict[tuple[str, str], str] = {}
    if isinstance(study, dict):
        study = dict(study)
        for part in PARTS:
            if isinstance(study.get(part), dict):
                study[part] = _moved(study[part], old, new)
        if isinstance(study.get("phenotypes"), dict):
            study["phenotypes"], combined = _combinations(study["phenotypes"], old, new)
        channels = study.get("channels", {})
        if channel and isinstance(channels, dict) and new not in channels:
            study["channels"] = {**channels, new: {"channel": channel}}
        found["study"] = study
    for name in _OF:
        if isinstance(settings.get(name), dict):
            found[name] = _moved(settings[name], old, new)
    for name in _WITHIN:
        if isinstance(settings.get(name), dict):
            found[name] = {_prefixed(str(key), old, new): value for key, value in settings[name].items()}
    regions = settings.get("regions")
    if isinstance(regions, dict):
        found["regions"] = {
            new if name == old else name: {**row, "parent": new} if isinstance(row, dict) and row.get("parent") == old else row
            for name, row in regions.items()
        }  # fmt: skip
    if isinstance(settings.get("gates"), list):
        found["gates"] = [_gate(row, old, new, combined) for row in settings["gates"]]
    return found


def renamed_color(color: str | None, settings: Mapping[str, Any], old: str, new: str) -> str | None:
    """By which population cells are coloured, with the new names; *settings* are those of before."""
    if color is None:
        return None
    study = settings.get("study")
    texts = study.get("phenotypes") if isinstance(study, dict) else None
    _, combined = _combinations(texts if isinstance(texts, dict) else {}, old, new)
    level, slash, bare = color.rpartition("/")
    name = next((now for (of, was), now in combined.items() if was == bare and level in ("", of)), bare)
    return f"{new if level == old else level}{slash}{name}"


def _moved(entries: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    kept = {key: value for key, value in entries.items() if key not in (old, new)}
    return kept | ({new: entries[old]} if old in entries else {})


def _prefixed(text: str, old: str, new: str) -> str:
    return f"{new}/{text[len(old) + 1 :]}" if text.startswith(f"{old}/") else text


def _combinations(
    texts: dict[str, Any], old: str, new: str
) -> tuple[dict[str, Any], dict[tuple[str, str], str]]:
    """Combinations of markers by level and name, and the names of those that are called as they are written."""
    sign = re.compile(rf"(?<![\w/]){re.escape(old)}(?=\s*[+\-−–](?:[\s,;&|)!]|$))", re.IGNORECASE)
    found, called = {}, {}
    for key, text in texts.items():
        level, _, name = str(key).rpartition("/")
        now = sign.sub(lambda _match: new, text) if isinstance(text, str) else text
        if isinstance(text, str) and now != text and name == " ".join(text.split()):
            called[level, name] = name = " ".join(now.split())
        found[f"{new if level == old else level}/{name}"] = now
    return found, called


def _gate(row: Any, old: str, new: str, combined: Renamed) -> Any:
    try:
        gate = dict(row)
        level = str(gate["level"])
        gate["name"] = combined.get((level, str(gate["name"])), gate["name"])
        gate["level"] = new if level == old else level
        if "features" in gate:
            gate["features"] = [_feature(str(name), old, new) for name in gate["features"]]
        for part in ("expression", "within"):
            if gate.get(part) is not None:
                gate[part] = _condition(gate[part], old, new, combined)
    except (CellTuneError, KeyError, TypeError, ValueError):
        return row
    return gate


def _feature(name: str, old: str, new: str) -> str:
    """``cFos/Pred_MDL1/ON__Probability``: of a level, a set, a category."""
    of_level = name.endswith(_PROBABILITY) and name.count("/") >= 2
    return _prefixed(name, old, new) if of_level else name


def _condition(stored: Any, old: str, new: str, combined: Renamed) -> dict[str, Any]:
    expression = parse(stored["text"])
    texts, references = {}, []
    for name, (level, population, code, category) in zip(expression.names, stored["names"], strict=True):
        called = combined.get((level, population), population)
        of = new if level == old else level
        what = {population: called, f"not {population}": f"not {called}"}.get(category, category)
        if (of, called) != (level, population):
            texts[name.start] = _token(name, level, population, (of, called, what), category)
        references.append([of, called, code, what])
    return {"text": expression.renamed(texts), "names": references}


def _token(name: Name, level: str, population: str, now: tuple[str, str, str], category: str) -> str:
    """How a name is written now: with its level, its set, its category, as it was before."""
    of, called, what = now
    for place, set_ in ((f"{level}/", f"{of}/{called}"), ("", called)):
        if name.text == f"{place}{population}":
            return quoted(set_)
        if (f"{place}{population}", category) in name.parts:
            return f"{quoted(set_)}:{quoted(what)}"
    return quoted(what if name.text == category else f"{of}/{called}")
