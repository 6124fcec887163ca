"""The slices workflow: which cells express a marker, over many sections of several animals."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import ipywidgets as w

from ..panels.guide import GuidePanel, RuleBar
from ..panels.image.controls import MISTAKES_HINT
from ..panels.slices import SlicesPanel
from .page import Page, Stack

if TYPE_CHECKING:
    from ..panels.counts import CountsPanel
    from ..panels.evaluation import EvaluationPanel
    from ..panels.features import FeaturesPanel
    from ..panels.knobs import KnobsPanel
    from ..panels.mistakes import MistakesPanel
    from ..panels.stoplight import StopLightPanel
    from ..session import Session

__all__ = ["SlicesWorkflow", "slices"]


def slices(session: Session, *, look_at: str | Path | None = None) -> SlicesWorkflow:
    """Tell cells that express a marker from those that do not: sample by rectangles, correct, check blind, count.

    Parameters
    ----------
    session : Session
        A project with one or more slices; each marker is a level of two categories, ON and OFF.
    look_at : path, optional
        A folder of images that the page shows first, to be imported.

    Returns
    -------
    SlicesWorkflow
        What to display; opening it again for the same session closes the one before.
    """
    return SlicesWorkflow(session, look_at)


class _Teaching(Stack):
    """Training, and the three knobs."""


class _Judging(Stack):
    """The stop light, the audit, and the figures it rests on; while the audit is labelled it has the page to itself."""

    def __init__(self, session: Session, light: StopLightPanel, evaluation: EvaluationPanel) -> None:
        super().__init__(session, light, evaluation)
        self._light, self._audit = light, evaluation.audit
        # Whoever presses the light's button is led to the first cell.
        light.open_audit = self._audit.start
        self.listen(session.view_changed, self._viewed)
        self._viewed()

    def _viewed(self) -> None:
        self._light.widget.layout.display = "none" if self._audit.running else None


class SlicesWorkflow(Page):
    """The list of slices, the rule above the image, and the steps of the loop as tabs.

    Attributes
    ----------
    slices : SlicesPanel
    rule : RuleBar
    guide : GuidePanel
    mistakes : MistakesPanel
    stop_light : StopLightPanel
    counts : CountsPanel
    """

    PAGES: ClassVar[dict[str, str]] = {
        "Data": "importing",
        "Guide": "guide",
        "Label": "labelling",
        "Train": "teaching",
        "Mistakes": "mistakes",
        "Review": "review",
        "Evaluate": "judging",
        "Counts": "counts",
        "Export": "exporting",
    }
    FIRST: ClassVar[str] = "Guide"
    RESTING: ClassVar[dict[str, str]] = {
        **Page.RESTING, "guide": "Guide", "knobs": "Train", "stop_light": "Evaluate", "counts": "Counts",
    }  # fmt: skip

    def __init__(self, session: Session, look_at: str | Path | None = None) -> None:
        super().__init__(session, look_at)
        self._root.add_class("ct-slices-workflow")

    def left(self) -> list[w.Widget]:
        """The slices, then the channels and the populations."""
        self.slices = SlicesPanel(self.session)
        self.part(self.slices)
        return [self.slices.widget, *super().left()]

    def middle(self) -> w.Widget:
        """The rule above the image."""
        self.rule = RuleBar(self.session)
        self.part(self.rule)
        self.rule.edit = lambda: self.open_tab("Guide")
        middle = w.VBox([self.rule.widget, self.image.widget])
        middle.add_class("ct-slices-middle")
        return middle

    @cached_property
    def features(self) -> FeaturesPanel:
        """Below what was imported; a new study is measured against the cells of each slice, too."""
        from ..panels.features import FeaturesPanel

        return self._late(FeaturesPanel(self.session, per_image=True))

    @cached_property
    def guide(self) -> GuidePanel:
        """The steps; see :class:`~celltune_nb.panels.guide.GuidePanel`."""
        panel = self._late(GuidePanel(self.session, tuple(self.PAGES)))
        panel.open_tab = self.open_tab
        return panel

    @cached_property
    def knobs(self) -> KnobsPanel:
        """What is labelled, how it is weighed, where the decision lies."""
        from ..panels.knobs import KnobsPanel

        return self._late(KnobsPanel(self.session))

    @cached_property
    def teaching(self) -> Stack:
        """Training, and the three knobs below it."""
        return self._late(_Teaching(self.session, self.training, self.knobs))

    @cached_property
    def mistakes(self) -> MistakesPanel:
        """Where the models are probably wrong; see :class:`~celltune_nb.panels.mistakes.MistakesPanel`."""
        from ..panels.mistakes import MistakesPanel

        return self._late(MistakesPanel(self.session))

    @cached_property
    def stop_light(self) -> StopLightPanel:
        """Whether more labels are needed, and which; see :class:`~celltune_nb.panels.stoplight.StopLightPanel`."""
        from ..panels.stoplight import StopLightPanel

        return self._late(StopLightPanel(self.session))

    @cached_property
    def judging(self) -> Stack:
        """The stop light, and below it the audit and the figures it rests on."""
        return self._late(_Judging(self.session, self.stop_light, self.evaluation))

    @cached_property
    def counts(self) -> CountsPanel:
        """Cells counted by slice, animal and region; see :class:`~celltune_nb.panels.counts.CountsPanel`."""
        from ..panels.counts import CountsPanel

        return self._late(CountsPanel(self.session))

    def _label(self, key: str, held: list[str]) -> str | None:
        # In this tab a label given on the image is a correction, and what was looked at is noted.
        if list(self.PAGES)[self._tabs.selected_index or 0] == "Mistakes" and self.mistakes.means(key, held):
            self.mistakes.say("")
            self.mistakes.press(key, held)
            return self.mistakes.message
        return super()._label(key, held)

    def _open_page(self, change: object = None) -> None:
        super()._open_page(change)
        if list(self.PAGES)[self._tabs.selected_index or 0] == "Mistakes":
            self.image.set_hint(MISTAKES_HINT)
            self.mistakes.enter()
        elif "mistakes" in self.__dict__:
            self.mistakes.leave()

    def open_tab(self, title: str) -> None:
        """Show one of the tabs."""
        self._tabs.selected_index = list(self.PAGES).index(title)
