"""Figures as files: written into the project's ``exports`` folder, and handed to the browser."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

from celltune_nb.errors import InputError
from celltune_nb.panels import theme
from celltune_nb.panels.theme import Markup, tag
from celltune_nb.session import Session

from .part import Part

__all__ = ["SavingPart"]

_KINDS = {
    "png": "image/png", "pdf": "application/pdf", "svg": "image/svg+xml", "csv": "text/csv",
}  # fmt: skip
#: Bytes up to which a file travels to the browser inside the page.
CARRIED = 4_000_000


class SavingPart(Part):
    """Save a figure of the newest training.

    Attributes
    ----------
    what : str
        As of ``session.export_figure``.
    path : Path or None
        What was written last.
    """

    def __init__(self, session: Session) -> None:
        self._live = theme.Live()
        super().__init__(session, "Save a figure", self._live)
        self.what = "confusion"
        self.path: Path | None = None
        self._link = Markup("")
        self._live.on("what", self.guard(self.choose))
        # Not in the click itself: the first figure waits for the drawing library.
        self._working = self.latest(self.save)
        self._live.on("save", self.guard(self._working.request))
        self.show()

    def choose(self, _what: str, value: str) -> None:
        """Choose the figure."""
        self.what, self._link = str(value), Markup("")
        self.show()

    def save(self, kind: str) -> None:
        """Write it as ``png``, ``pdf``, ``svg`` or ``csv``."""
        if kind not in _KINDS:
            raise InputError(f"There is no format {kind!r}. Choose from: {', '.join(_KINDS)}.")
        session, name = self.session, f"{self.what}.{kind}"
        if session.read_only:  # nothing is written into a project that one may only look at
            with tempfile.TemporaryDirectory() as folder:
                content = session.export_figure(self.what, Path(folder) / name).read_bytes()
            self.path = None
        else:
            self.path = session.export_figure(self.what, session.folder / "exports" / name)
            content = self.path.read_bytes()
        self._link = Markup("")
        if len(content) <= CARRIED:
            data = base64.b64encode(content).decode("ascii")
            self._link = tag(
                "a",
                f"Download {name}",
                href=f"data:{_KINDS[kind]};base64,{data}",
                download=name,
                cls="ct-link",
            )
        self.show()

    def show(self) -> None:
        """See :class:`Part`."""
        from celltune_nb.session.figures import FIGURES

        options = [
            tag("option", words, value=name, selected=name == self.what) for name, words in FIGURES.items()
        ]
        said = None if self.path is None else tag("span", f"Written to {self.path}", cls="ct-small ct-muted ct-cut", title=str(self.path))  # fmt: skip
        with self.showing:
            self._live.html = tag(
                "div",
                tag(
                    "div",
                    tag("select", options, do="what", aria_label="Figure", cls="ct-grow"),
                    cls="ct-line",
                ),
                tag(
                    "div",
                    [tag("button", kind.upper(), cls="ct-button", do="save", what=kind) for kind in _KINDS],
                    cls="ct-line",
                ),
                tag("div", self._link, said, cls="ct-ev-saved", role="status") if self._link else None,
            )
