"""The map of all markers beneath the plot of two features: by which method, how far it is, Stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celltune_nb.errors import CellTuneError, InputError
from celltune_nb.panels.panel import Panel
from celltune_nb.panels.theme import Live, tag
from celltune_nb.session import Session
from celltune_nb.session.embedding import EMBEDDING
from celltune_nb.session.job import Job

__all__ = ["MapPart"]

METHODS = {
    "pca": ("PCA", "Along the two principal axes: a moment"),
    "umap": (
        "UMAP",
        "Like cells in islands; some ten seconds. Distances between islands mean little: check on the image",
    ),
}


class MapPart(Panel):
    """Lay the cells out by all their markers, in the background.

    Parameters
    ----------
    session : Session
    plotted : callable
        Told the two features of the map when it is there.

    Attributes
    ----------
    job : Job or None
        The newest map being made.
    """

    def __init__(self, session: Session, plotted: Callable[[list[str]], object]) -> None:
        super().__init__(session)
        self.job: Job | None = None
        self._plotted = plotted
        self._live = Live()
        self._live.on("map", self.guard(self.lay_out))
        self._live.on("stop", self.guard(self.stop))
        self.widget = self._live
        self._message.layout.display = "none"
        self._ended = self.guard(self._finished)
        self._plotting = self.latest(lambda: self._plotted(self.features()))
        self.listen(session.items_changed, self._show)
        self._show()

    def say(self, text: str, kind: Any = "info") -> None:
        """Put a sentence below; an empty one takes the line away."""
        super().say(text, kind)
        self._message.layout.display = None if text else "none"

    def show(self, shown: bool) -> None:
        """Whether two features are plotted, so that a map can be."""
        self.widget.layout.display = None if shown else "none"

    def features(self) -> list[str]:
        """The two features of the map that is there; none before the first."""
        found = self.session.features_by_name.get(EMBEDDING)
        return [] if found is None else [f"{EMBEDDING}/{name}" for name in found.names[:2]]

    def lay_out(self, method: str = "pca") -> None:
        """Plot a map of the cells by all their markers, made in the background; one that is there is plotted at once."""
        if method not in METHODS:
            raise InputError(f"A map is made by {', '.join(METHODS)}, not {method!r}.")
        if self.job is not None and not self.job.finished:
            raise InputError("A map is being made. Stop it first.")
        self.job = job = self.session.embed(method, wait=False)  # type: ignore[assignment]
        assert isinstance(job, Job)
        job._changed = self._progressed
        job.then(self._ended)
        self._show()

    def stop(self) -> None:
        """End the work; the map of before stays."""
        if self.job is not None:
            self.job.stop()

    def _progressed(self, _job: Job) -> None:
        if not self.closed:
            self._show()

    def _finished(self, job: Job) -> None:
        self._show()
        if job.state == "done":
            self._plotting.request()
        elif job.state == "cancelled":
            self.say("Stopped; the map of before stays.")
        elif job.error is not None:
            known = isinstance(job.error, CellTuneError)
            self.say(str(job.error) if known else f"No map could be made: {job.error!r}", "error")

    def _show(self) -> None:
        job = self.job
        if job is not None and not job.finished:
            step = job.progress
            left = f", about {max(round(step.remaining), 1)} s left" if step.remaining is not None else ""
            html = tag(
                "div",
                tag("span", f"Map: {step.fraction:.0%} {step.text}{left}", cls="ct-muted ct-small ct-grow ct-cut", role="status",
                    title=step.text),
                tag("button", "Stop", cls="ct-button ct-small-button", do="stop"), cls="ct-line",
            )  # fmt: skip
        else:
            locked = self.session.access.reason if self.session.read_only else ""
            none = not self.session.features_by_name
            html = tag(
                "div",
                tag("span", "Map of all markers", cls="ct-muted ct-small ct-grow"),
                [tag("button", words, do="map", what=method, cls="ct-button ct-small-button", disabled=bool(locked) or none,
                     title=locked or f"Lay the cells out by all their markers and plot that. {why}")
                 for method, (words, why) in METHODS.items()], cls="ct-line",
            )  # fmt: skip
        with self.showing:
            self._live.html = html
