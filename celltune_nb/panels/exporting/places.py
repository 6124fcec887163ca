"""Where a page may write exports.

In a notebook, and on a page that a person serves to herself with ``celltune-nb open`` or ``demo``, anywhere: whoever uses it
may write there anyway.  On a page that somebody else serves a visitor could write wherever the server can, so that page
keeps to the project's ``exports/`` unless the environment says otherwise.
"""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import InputError

__all__ = ["EXPORTS", "check_place", "restricted"]

EXPORTS = "CELLTUNE_NB_EXPORTS"
"""Environment variable: ``anywhere``, or ``project`` for the project's ``exports/`` alone."""


def restricted() -> bool:
    """Whether exports have to stay in the project's ``exports/``."""
    wish = os.environ.get(EXPORTS, "").strip().lower()
    if wish:
        return wish != "anywhere"
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")  # as Voilà tells its kernels


def check_place(folder: Path, target: Path) -> None:
    """Refuse a place that this page may not write to.

    Parameters
    ----------
    folder : Path
        Of the project.

    Raises
    ------
    InputError
    """
    if restricted() and not target.resolve().is_relative_to((folder / "exports").resolve()):
        raise InputError(
            f"{target} is not in the project's exports/, and this page writes nowhere else. Choose a name such as "
            f"exports/{target.name}, and fetch the file from here."
        )
