"""What an entry notebook shows: a project's workflow, or the sentence why it cannot be opened."""

from __future__ import annotations

import os
from html import escape
from typing import Any

from celltune_nb.errors import CellTuneError

__all__ = ["EXAMPLE", "EXPORTS", "FOLDER", "LOOK_AT", "open_project", "show"]

FOLDER = "CELLTUNE_NB_PROJECT"
"""Environment variable with the folder of the project to open."""

LOOK_AT = "CELLTUNE_NB_LOOK_AT"
"""Environment variable with a folder of images that an empty project begins with."""

EXAMPLE = "CELLTUNE_NB_EXAMPLE"
"""Environment variable with the name of an example, used where no folder is given."""

EXPORTS = "CELLTUNE_NB_EXPORTS"
"""Environment variable that says where the page may write exports; the Export tab reads it under the same name (the panels
are not imported for it: that takes the server a second)."""


def open_project(default_example: str) -> Any:
    """Open the project that the environment names, or an example.

    Parameters
    ----------
    default_example : str
        Name of the example project for an environment that names neither a folder nor an example.

    Returns
    -------
    Session
    """
    import celltune_nb as ct

    folder = os.environ.get(FOLDER)
    if folder:
        return ct.Session.open(folder)
    return ct.datasets.load(os.environ.get(EXAMPLE) or default_example)


def show(workflow: str, example: str) -> None:
    """Display a workflow on the project; an error a person can meet becomes a sentence on the page.

    Parameters
    ----------
    workflow : str
        Name of a function of ``celltune_nb.workflows``.
    example : str
        See `open_project`.
    """
    from IPython.display import HTML, display

    try:
        import celltune_nb as ct

        session = open_project(example)
        look_at = os.environ.get(LOOK_AT)
        begin = {"look_at": look_at} if look_at and not len(session.table) else {}
        display(getattr(ct.workflows, workflow)(session, **begin))
    except CellTuneError as error:
        display(
            HTML(
                '<div role="alert" class="celltune-nb-cannot-open" style="max-width: 44rem; margin: 12vh auto; '
                'padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--jp-ui-font-color1)">'
                f"<p><b>The project cannot be opened.</b></p><p>{escape(str(error))}</p></div>"
            )
        )
