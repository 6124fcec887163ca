"""Whether a mask that was being replaced when a program ended was replaced: the journal says so, or it was not.

The journal is the truth: the row that says which cells are gone, and the labels that went over, are one transaction, and
``project.json`` is written inside it.  Where a program was killed in between, the settings of before are in the file too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..errors import FormatError

__all__ = ["RENAMING", "REPLACING", "renaming_settled", "settled"]

#: What a mask that is being replaced leaves in the settings until it is known whether it was.
REPLACING = "replacing"
#: The same of a level that is being renamed.
RENAMING = "renaming"


def settled(settings: dict[str, Any], marks: Collection[str]) -> dict[str, Any]:
    """The settings that count; the very same where no mask was being replaced.

    Parameters
    ----------
    marks : collection of str
        Of the replacements that the journal knows.

    Raises
    ------
    FormatError
    """
    pending = settings.get(REPLACING)
    if pending is None:
        return settings
    try:
        found = {key: value for key, value in settings.items() if key != REPLACING}
        if pending["mark"] not in marks:
            row = dict(pending["row"])
            found["images"] = [row if r["name"] == row["name"] else r for r in settings["images"]]
            found["items"] = pending["items"]
            found["replaced"] = [r for r in settings["replaced"] if r["mark"] != pending["mark"]]
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"project.json describes a change of a mask badly ({error!r}). Restore it from a copy."
        ) from error
    return found


def renaming_settled(settings: dict[str, Any], levels: Collection[str]) -> dict[str, Any]:
    """The settings that count; those of before where a level was being renamed and the journal knows nothing of it.

    Parameters
    ----------
    levels : collection of str
        As the journal has them.

    Raises
    ------
    FormatError
    """
    pending = settings.get(RENAMING)
    if pending is None:
        return settings
    try:
        found = {key: value for key, value in settings.items() if key != RENAMING}
        if pending["old"] in levels:
            before = dict(pending["before"])
            found = {
                key: value for key, value in found.items() if key in before or key not in pending["keys"]
            }
            found |= before
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"project.json describes the renaming of a marker badly ({error!r}). Restore it from a copy."
        ) from error
    return found
