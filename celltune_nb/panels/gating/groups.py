"""Landmarks and clusters: two short sections below the gates."""

from __future__ import annotations

from typing import Any

from celltune_nb.data.categories import UNKNOWN
from celltune_nb.errors import CellTuneError, InputError
from celltune_nb.panels.panel import Panel
from celltune_nb.panels.theme import Live, Markup, swatch, tag
from celltune_nb.session import Session
from celltune_nb.session.clusters import CLUSTERS
from celltune_nb.session.job import Job
from celltune_nb.session.landmarks import LANDMARKS, LandmarkReport

__all__ = ["GroupsPanel"]

METHODS = {"leiden": "Leiden", "kmeans": "k-means", "flowsom": "FlowSOM-like"}
#: Clusters listed; the rest is folded away.
LISTED = 12


class GroupsPanel(Panel):
    """Find landmark cells by the table of cell types; find clusters, name them, label by them.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.per_type = 30
        self.method = "leiden"
        self.n = 20
        self.resolution = 1.0
        self.job: Job | None = None
        #: The level that landmarks were found for, and clusters are being found for.
        self._level = session.level
        self._clustered = session.level
        self._report: LandmarkReport | None = None
        self._refused: set[str] = set()
        self._fields = 0
        self._landmarks, self._clusters = Live(), Live()
        for verb, act in (
            ("find", self.find), ("per_type", self._set_per_type), ("accept", self.accept), ("discard", self.discard),
            ("type", self.tick),
        ):  # fmt: skip
            self._landmarks.on(verb, self.guard(act))
        for verb, run in (
            ("run", self.run), ("stop", self.stop), ("method", self._set_method), ("amount", self._set_amount),
            ("name", self._name), ("show", self.show), ("label", self.label),
        ):  # fmt: skip
            self._clusters.on(verb, self.guard(run))
        self.widget = [self._landmarks, self._clusters]
        self._finding = self.latest(self._find)
        self._showing = self.latest(
            self._show, session.populations_changed, session.items_changed, session.categories_changed,
            session.access_changed,
        )  # fmt: skip
        self._showing.request()

    # ------------------------------------------------------------------ landmarks

    def find(self) -> None:
        """Find landmarks in the background, and show them on the image."""
        self.say("Finding landmarks …")
        self._finding.request()

    def _find(self) -> None:
        level = self.session.level
        report = self.session.landmarks(self.per_type, level=level)
        if self.session.level != level:  # changed meanwhile: they wait there
            self._show()
            self.say(f"Landmarks were found for the level {level!r}. Choose that level to look at them.")
            return
        self._level, self._report = level, report
        self._refused.clear()
        self.session.set_view(color_by=LANDMARKS, hidden=frozenset())
        self._show()
        self.say("")

    def tick(self, name: str, on: object = None) -> None:
        """Take a type's landmarks along when they are accepted, or leave them out."""
        (self._refused.discard if on else self._refused.add)(name)
        self._show()

    def accept(self) -> None:
        """Label the landmarks of the types that are ticked; one step that undo takes back."""
        wanted = [name for name in self._proposed() if name not in self._refused]
        if not wanted:
            raise InputError(
                "No type is ticked. Tick those whose landmarks are to be labelled, or discard them."
            )
        report = self.session.accept_landmarks(wanted)
        self._report = None
        self._show()
        self.say(f"Landmarks: {report} Next: train on them (Train).", "good")

    def _proposed(self) -> dict[str, int]:
        """Type → landmarks that are proposed and not accepted yet."""
        if self.session.populations.stored(self.session.level, LANDMARKS) is None:
            return {}
        tally = self.session.populations.of(self.session.level, LANDMARKS).tally()
        return {str(name): int(n) for name, n in tally.items() if n and name != UNKNOWN}

    def discard(self) -> None:
        """Forget the landmarks."""
        self._report = None
        self.session.discard_landmarks()

    # ------------------------------------------------------------------ clusters

    def run(self) -> None:
        """Find clusters in the background."""
        if self.job is not None and not self.job.finished:
            raise InputError("Clusters are being found already. Wait, or stop it.")
        session = self.session
        self._clustered = session.level
        self.job = session.cluster(  # type: ignore[assignment]
            self.method, n=self.n, resolution=self.resolution, wait=False, level=self._clustered
        )
        assert self.job is not None
        self.job._changed = self._progressed
        self._progressed(self.job)

    def stop(self) -> None:
        """Stop finding clusters; those found before stay."""
        if self.job is not None:
            self.job.cancel()

    def _progressed(self, job: Job) -> None:
        if self.closed:
            return
        self._showing.request()
        if job.state == "failed":
            self.say(str(job.error), "error")
        elif job.state == "done" and self.session.level != self._clustered:
            self.say(
                f"Clusters were found for the level {self._clustered!r}. Choose that level to look at them."
            )
        elif job.state == "done":
            with self.setting():
                self.session.set_view(color_by=CLUSTERS, hidden=frozenset())

    def show(self, name: str = CLUSTERS) -> None:
        """Colour the cells by the clusters, or by their names."""
        self.session.set_view(color_by=name, hidden=frozenset())

    def label(self) -> None:
        """Label the cells of every named cluster; one step that undo takes back."""
        report = self.session.label_clusters()
        self.say(f"Clusters: {report}", "good")

    # ------------------------------------------------------------------ from the browser

    def _set_per_type(self, _what: str, value: Any) -> None:
        self._fields += 1
        if not str(value).strip().isdigit() or int(value) < 1:
            self._show()
            raise InputError(f"{value!r} is no number of cells. Type a whole number from 1 up.")
        self.per_type = int(value)

    def _set_method(self, _what: str, method: Any) -> None:
        if method in METHODS:
            self.method = str(method)
        self._show()

    def _set_amount(self, what: str, value: Any) -> None:
        self._fields += 1
        try:
            given = float(str(value).strip())
            good = given > 0 if what == "resolution" else given >= 2 and given == int(given)
        except (ValueError, OverflowError):
            good = False
        if not good:
            self._show()
            raise InputError(
                f"{value!r} cannot be used. Type a number such as {'1' if what == 'resolution' else '20'}."
            )
        if what == "resolution":
            self.resolution = given
        else:
            self.n = int(given)

    def _name(self, number: str, name: Any) -> None:
        self._fields += 1
        self.session.name_clusters({number: str(name)})
        self._show()

    # ------------------------------------------------------------------ what is shown

    def _show(self) -> None:
        if self._level != self.session.level:  # what was said of another level's landmarks
            self._level, self._report = self.session.level, None
            self._refused.clear()
        with self.showing:
            self._landmarks.html = self._landmark_section()
            self._clusters.html = self._cluster_section()

    def _landmark_section(self) -> Markup:
        session = self.session
        title = tag("h3", "Landmarks")
        if not len(session.celltypes):
            words = "Cells that clearly are of a type. Bring the table of cell types first (Data tab)."
            return tag("section", title, tag("p", words, cls="ct-muted ct-small"))
        off = session.read_only
        stored = session.populations.stored(session.level, LANDMARKS) is not None
        proposed = self._proposed()
        n = sum(count for name, count in proposed.items() if name not in self._refused)
        lines = [
            tag("div",
                tag("button", "Find landmarks", cls="ct-button", do="find", disabled=off),
                tag("label", tag("input", type="number", min=1, value=self.per_type, do="per_type", reset=str(self._fields),
                                 aria_label="Landmarks of each type"), "a type"), cls="ct-line"),
        ]  # fmt: skip
        if stored:
            words = "They are shown on the image. Look at some; untick a type that is wrong."
            lines += [
                tag("div",
                    tag("button", f"Accept: label {n:,} cell{'' if n == 1 else 's'}", cls="ct-button ct-primary", do="accept",
                        disabled=off or not n),
                    tag("button", "Discard", cls="ct-button", do="discard", disabled=off), cls="ct-line"),
                tag("p", words if proposed else "No cell clearly is of a type.", cls="ct-muted ct-small"),
            ]  # fmt: skip
        notes = {} if self._report is None else self._report.notes
        names = [*proposed, *(name for name in notes if name not in proposed)]
        if names:
            rows = [
                self._landmark_row(name, proposed.get(name, 0), notes.get(name, ""), off) for name in names
            ]
            lines.append(tag("table", tag("tbody", rows), cls="ct-gate-clusters ct-gate-landmarks"))
        return tag("section", title, lines)

    def _landmark_row(self, name: str, n: int, why: str, off: bool) -> Markup:
        color = next((c.color for c in self.session.categories if c.name == name), "#AAAAAA")
        box = tag("input", type="checkbox", checked=n > 0 and name not in self._refused, disabled=off or not n,
                  do="type", what=name)  # fmt: skip
        return tag("tr",
            tag("td", tag("label", box, swatch(color), tag("span", name, cls="ct-cut"), cls="ct-line"), title=name),
            tag("td", f"{n:,}", cls="ct-num"), tag("td", why, cls="ct-muted", title=why or None), row=name)  # fmt: skip

    def _cluster_section(self) -> Markup:
        session = self.session
        busy = self.job is not None and not self.job.finished
        options = [tag("option", words, value=m, selected=m == self.method) for m, words in METHODS.items()]
        what, value, words = ("resolution", f"{self.resolution:g}", "resolution")
        if self.method != "leiden":
            what, value, words = ("n", str(self.n), "clusters")
        lines = [
            tag("div",
                tag("button", "Run", cls="ct-button", do="run", disabled=busy or session.read_only, title="Group the cells by their markers"),
                tag("select", options, do="method", aria_label="Method"),
                tag("label", tag("input", type="number", value=value, step="any", do="amount", what=what, reset=f"{self._fields} {what}",
                                 aria_label=words), words), cls="ct-line"),
        ]  # fmt: skip
        if busy and self.job is not None:
            progress = self.job.progress
            lines.append(
                tag("div", tag("span", f"{progress.fraction:.0%} {progress.text}", cls="ct-muted ct-small ct-grow ct-cut", role="status"),
                    tag("button", "Stop", cls="ct-button ct-small-button", do="stop"), cls="ct-line")
            )  # fmt: skip
        return tag("section", tag("h3", "Clusters"), lines, self._table())

    def _table(self) -> list[Markup]:
        session = self.session
        try:
            table = session.clusters()
        except CellTuneError:
            return []
        rows = [
            tag("tr",
                tag("td", swatch(row.color), f" {number}", title=f"{row.share:.1%} of all cells"),
                tag("td", f"{row['size']:,}", cls="ct-num"), tag("td", row.top or "–", title=row.top),
                tag("td", tag("input", type="text", value=row["name"], do="name", what=str(number), reset=str(self._fields),
                              placeholder="name", aria_label=f"Name of cluster {number}", disabled=session.read_only)),
                row=str(number))
            for number, row in table.iterrows()
        ]  # fmt: skip
        head = tag("tr", tag("th", "", style="width:42px"), tag("th", "Cells", style="width:56px", cls="ct-num"),
                   tag("th", "Highest"), tag("th", "Name", style="width:104px"))  # fmt: skip
        parts = [tag("table", tag("thead", head), tag("tbody", rows[:LISTED]), cls="ct-gate-clusters")]
        if rows[LISTED:]:
            rest = tag("table", tag("tbody", rows[LISTED:]), cls="ct-gate-clusters")
            parts.append(tag("details", tag("summary", f"{len(rows) - LISTED} more"), rest))
        named = bool((table["name"] != "").any())
        parts.append(
            tag("div",
                tag("button", "Label by name", cls="ct-button", do="label", disabled=not named or session.read_only,
                    title="Label the unlabelled cells of every named cluster; clusters of one name are one category"),
                tag("button", "Show", cls="ct-button", do="show", what=f"{CLUSTERS} named" if named else CLUSTERS), cls="ct-line")
        )  # fmt: skip
        if table.attrs.get("stale"):
            parts.insert(0, tag("p", table.attrs["stale"], cls="ct-note ct-warning"))
        return parts
