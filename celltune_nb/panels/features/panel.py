"""The panel: measure, choose what models learn from, look at a feature and its scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...data.amounts import duration
from ...errors import CellTuneError, InputError
from ...learn.leaks import leak_alarm
from ...measure.names import GROUPS, describe, parse_name
from ...session import Session
from ...session.events import ViewChanged
from ...session.feature_looks import FeatureLook
from ...session.job import Job
from ...session.measured import SOURCE
from ..theme import Live
from ..working import Working
from . import markup

__all__ = ["FeaturesPanel"]


class _Page(Live):
    _css = (Path(__file__).parents[1] / "static" / "features.css").read_text("utf-8")


class FeaturesPanel(Working):
    """Measure the cells, choose which features models learn from, and on which scale.

    Parameters
    ----------
    session : Session
    per_image : bool
        Whether brightness against the cells of the same image is asked for at first, while nothing is measured.

    Attributes
    ----------
    feature : str or None
        The one that is looked at.
    cofactor : float or None
        The scale that is tried out; None: the one that is kept, 0: none.
    only_here : bool
        Whether the histogram is of the image looked at alone.
    group, search : str
        What the list shows.
    options : dict of str to bool
        What is measured.
    job : Job or None
        The measuring that was started last.
    """

    def __init__(self, session: Session, *, per_image: bool = False) -> None:
        super().__init__(session)
        self.feature: str | None = None
        self.cofactor: float | None = None
        self.only_here = False
        self.group = self.search = ""
        self.options = {
            "morphology": True, "rings": True, "neighbours": True, "texture": False,
            "per_image": per_image if SOURCE not in session.features else bool(
                session.features[SOURCE].parameters.get("per_image", False)
            ),
        }  # fmt: skip
        self._done = ""
        self._fields = 0
        self._warned: tuple[str, list[str]] = ("", [])
        self._live = _Page()
        verbs: dict[str, Callable[..., Any]] = {
            "measure": self.measure, "stop": self.stop, "option": self.set_option, "group": self.switch, "feature": self.switch,
            "only": self.use_only, "ungroup": self.remove_group, "save_group": self._save_group, "show": self.show_group,
            "search": self._search, "look": self.look_at, "here": self._only_here, "cofactor": self._type_cofactor, "try": self.try_suggested,
            "keep": self.keep,
        }  # fmt: skip
        self.hear(self._live, verbs)
        self.widget = self._live
        self.listen(session.items_changed, self._show)
        self.listen(session.access_changed, self._show)
        self.listen(session.view_changed, self._view_changed)
        self._show()

    # ------------------------------------------------------------------ measuring

    def set_option(self, name: str, on: bool) -> None:
        """What to measure: ``morphology``, ``rings``, ``neighbours``, ``texture``, ``per_image``."""
        self.options[name] = bool(on)
        self._show()

    def measure(self) -> None:
        """Measure what is not measured with these options yet; returns at once."""
        if self.busy:
            raise CellTuneError("Cells are being measured already. Wait, or press Stop.")
        self._done = ""
        self.job = self.session.measure(  # type: ignore[assignment]
            wait=False, progress=self._told, **self.options
        )
        self._told()

    def _finished(self, job: Job) -> None:
        if job.state == "done":
            source = self.session.active_features()
            self._done = f"{len(source):,} cells measured, {len(source.names):,} features."
            if not len(self.session.labels):
                self._done += " Next: label some cells (Label), or gate them (Gate)."
        elif job.error is not None:
            self._done = str(job.error)
        self._show()

    # ------------------------------------------------------------------ what models learn from

    def switch(self, name: str, on: bool) -> None:
        """Let models learn from a feature, or all of a group, or not."""
        try:
            self.session.features.switch(name, bool(on))
        finally:
            self._show()  # a box that was refused goes back

    def use_only(self, group: str) -> None:
        """Let models learn from one group and nothing else."""
        self.session.features.use(features=[group])
        self.say(f"Models learn from {group}: {len(self.session.features.used)} features.")

    def save_group(self, name: str) -> None:
        """Keep what is learned from as a group."""
        self.session.features.set_group(name, self.session.features.used)
        self.group = name.strip()
        self._fields += 1
        self._show()

    def remove_group(self, name: str) -> None:
        """Remove a group; its features stay."""
        self.session.features.set_group(name, None)
        if self.group == name:
            self.show_group("")

    def show_group(self, name: str) -> None:
        """List the features of a group; of all with ""."""
        self.group = name
        self._show()

    def _save_group(self, _what: str, name: Any) -> None:
        if str(name or "").strip():
            self.save_group(str(name))

    def _search(self, _what: str, text: Any) -> None:
        self.search = str(text or "")[:200]
        self._show()

    # ------------------------------------------------------------------ one feature

    def look_at(self, name: str) -> None:
        """Show how a feature is distributed."""
        self.session.features.column(name)
        self.feature, self.cofactor = name, None
        self._fields += 1
        self._show()

    def try_cofactor(self, cofactor: float | None) -> None:
        """Show the feature on another scale without keeping it; 0 for none."""
        look = self.session.look_at_feature(self._looked(), cofactor=cofactor)
        self.cofactor = look.cofactor or 0.0
        self._show()

    def try_suggested(self) -> None:
        """Try the cofactor that suits the values."""
        self._fields += 1
        self.try_cofactor(self.session.look_at_feature(self._looked()).suggested)

    def keep(self) -> None:
        """Keep the scale that is tried, for all intensities of the channel."""
        channel = self._channel()
        if channel is None:
            raise InputError("Only intensities of a channel have a scale. Choose one, such as its mean.")
        if self.cofactor is not None:
            self.session.set_transform(channel, self.cofactor or None)
            self.say(f"The scale of {channel} is kept. Train again to learn from it.")

    def _looked(self) -> str:
        if self.feature is None:
            raise InputError("No feature is looked at. Choose one in the list.")
        return self.feature

    def _type_cofactor(self, _what: str, value: Any) -> None:
        text = str(value or "").strip()
        try:
            number = float(text or 0)
        except ValueError as error:
            self._fields += 1
            self._show()
            raise InputError(f"{text!r} is no cofactor. Type a number above 0, such as 5.") from error
        self.try_cofactor(number)

    def _only_here(self, _what: str, on: Any) -> None:
        self.only_here = bool(on)
        self._show()

    def _channel(self) -> str | None:
        source = self.session.active_features()
        if self.feature not in source.names:
            return None
        channel = parse_name(self.feature).channel
        unit = source.units[source.names.index(self.feature)]
        return channel if unit in ("intensity", "stain", "") else None

    # ------------------------------------------------------------------ what is shown

    def _view_changed(self, event: ViewChanged) -> None:
        if "image" in event.fields:
            self._show()

    def _show(self) -> None:
        with self.showing:
            self._live.html = markup.page(self._state())

    def _state(self) -> markup.State:
        session, job = self.session, self.job
        measured = bool(session.features_by_name)
        source = session.active_features() if measured else None
        used = set(source.used or source.names) if source is not None else set()
        groups = source.groups if source is not None else {}
        if self.group not in groups:
            self.group = ""
        names = (groups[self.group] if self.group else source.names) if source is not None else []
        words = [word for word in self.search.lower().split() if word]
        found = [name for name in names if all(word in name.lower() for word in words)]
        progress = job.progress if job is not None and self.busy else None
        left = (
            f", about {duration(progress.remaining)} left"
            if progress is not None and progress.remaining
            else ""
        )
        look = self._look() if source is not None else None
        channel = self._channel() if look is not None else None
        return markup.State(
            groups=[
                (name, sum(n in used for n in members), len(members)) for name, members in groups.items()
            ],
            own=frozenset(set(groups) - set(GROUPS) - {"Probabilities"}),
            rows=[
                markup.Row(n, said, n in used, i < markup.LISTED and bool(leak_alarm([n])))
                for i, (n, said) in enumerate(zip(found, describe(found), strict=True))
            ],
            total=len(source.names) if source is not None else 0,
            used=len(used),
            group=self.group,
            search=self.search,
            look=look,
            channel=channel,
            kept=session.transforms.get(channel) if channel is not None else None,
            here=session.view.image,
            only_here=self.only_here and session.view.image is not None,
            options=self.options,
            warnings=self._warnings() if source is not None else (),
            notes=[str(n) for n in source.parameters.get("notes", ())][:3] if source is not None else (),
            busy=self.busy,
            words=f"{progress.text}{left}" if progress is not None else self._done,
            fraction=progress.fraction if progress is not None else 0.0,
            locked=session.access.reason if session.read_only else "",
            images=sum(image.mask is not None for image in session.images.values()),
            fields=self._fields,
        )

    def _look(self) -> FeatureLook | None:
        if self.feature is None or self.feature not in self.session.active_features().names:
            return None
        here = self.session.view.image if self.only_here else None
        return self.session.look_at_feature(self.feature, image=here, cofactor=self.cofactor)

    def _warnings(self) -> list[str]:
        source = self.session.active_features()
        of = f"{source.schema_hash} {len(source)}"
        if self._warned[0] != of:  # rows are read for it: not at each key of a search
            self._warned = of, self.session.feature_warnings()
        return self._warned[1]
