"""What the pages of all workflows share: a header, the image between two columns, the steps of the loop as tabs."""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

import ipywidgets as w

from ..errors import NotReadyError
from ..panels import theme
from ..panels.actions import key_to_action
from ..panels.channels import ChannelsPanel
from ..panels.image import ImagePanel
from ..panels.image.controls import HINT, REVIEW_HINT
from ..panels.labelling import LabellingPanel
from ..panels.panel import Kind, Panel
from ..panels.populations import PopulationsPanel
from ..panels.theme import Markup, tag

if TYPE_CHECKING:
    from ..panels.evaluation import EvaluationPanel
    from ..panels.exporting import ExportingPanel
    from ..panels.features import FeaturesPanel
    from ..panels.gating import GatingPanel
    from ..panels.importing import ImportingPanel
    from ..panels.review import ReviewPanel
    from ..panels.training import TrainingPanel
    from ..session import Session
    from ..session.events import PopulationsChanged, QueueChanged
    from ..session.jobs import Job

__all__ = ["Page", "Stack"]

_P = TypeVar("_P", bound=Panel)

#: What a labelling key says in the Review tab while no review is going on.
_PAUSED = "No review is going on: press Continue or Start review. To label by hand, open Label."


@cache
def _styles() -> str:
    return f"<style>{Path(__file__).with_suffix('.css').read_text('utf-8')}</style>"


class Stack(Panel):
    """Panels one below the other, as one page.

    Parameters
    ----------
    session : Session
    *panels : Panel
        They are closed by whoever made them.
    """

    def __init__(self, session: Session, *panels: Panel) -> None:
        super().__init__(session)
        self._stacked = panels
        self._message.layout.display = "none"
        self.widget = theme.column(*(panel.widget for panel in panels), gap="large")

    def hush(self) -> None:
        """Clear what was said in the panels, but for errors."""
        for panel in self._stacked:
            panel.hush()


class Page(Panel):
    """Columns, the image, and the steps of the loop as tabs; each workflow says which, in :attr:`PAGES`.

    Parameters
    ----------
    session : Session
    look_at : path, optional
        A folder of images that the page shows first, to be imported.

    Attributes
    ----------
    image : ImagePanel
    channels : ChannelsPanel
    populations : PopulationsPanel
    labelling : LabellingPanel
    importing : ImportingPanel
    features : FeaturesPanel
    gating : GatingPanel
    training : TrainingPanel
    review : ReviewPanel
    evaluation : EvaluationPanel
    exporting : ExportingPanel
        Made when they are first looked at: their plots need libraries that nobody should wait for to see an image.
    """

    #: The tabs: title → attribute of the page.
    PAGES: ClassVar[dict[str, str]]
    #: The tab that is open at first where there are cells.
    FIRST: ClassVar[str] = "Label"
    #: What works much after each label and needs it only while its tab is open: attribute of the page → tab.
    RESTING: ClassVar[dict[str, str]] = {"training": "Train"}

    def __init__(self, session: Session, look_at: str | Path | None = None) -> None:
        super().__init__(session)
        self._look_at = look_at
        # The image listens first: what changes is seen there before it is counted elsewhere.
        self.image = ImagePanel(session, height="100%")
        self.channels = ChannelsPanel(session)
        self.populations = PopulationsPanel(session)
        self.labelling = LabellingPanel(session)
        for panel in (self.channels, self.populations, self.image, self.labelling):
            self.part(panel)
        self._warm = False
        self.image.labels_by = self._label
        self._arrange()
        for signal in (
            session.labels_changed, session.items_changed, session.access_changed, session.run_progressed,
            session.run_changed, session.categories_changed, session.selection_changed,
        ):  # fmt: skip
            self.listen(signal, self._show_header)
        self.listen(session.populations_changed, self._predicted)
        self.listen(session.labels_changed, self._warm_up)
        self._queue = session.queue
        self.listen(session.queue_changed, self._reviewing)
        self._show_header()
        self.say("")

    def _arrange(self) -> None:
        self._header = theme.Live()
        self._header.on("take_over", self.guard(self.take_over))
        self._channels = theme.section("Channels", self.channels.widget)
        left = w.VBox(self.left())
        left.add_class("ct-cells-left")
        self.own(self.labelling.widget)
        self._tabs = theme.tabs({title: w.Box() for title in self.PAGES})
        # Who has no cells yet brings them first.
        first = self.FIRST if len(self.session.table) and self._look_at is None else "Data"
        self._tabs.selected_index = list(self.PAGES).index(first)
        self._tabs.observe(self._open_page, "selected_index")
        self._open_page()
        right = w.Box([self._tabs])
        right.add_class("ct-cells-right")
        columns = w.Box([left, self.middle(), right])
        columns.add_class("ct-cells-columns")
        styles = w.HTML(_styles())
        styles.add_class("ct-styles")
        styles.layout.display = "none"
        self.widget = (styles, self._header, columns)
        # Keys of the image are heard wherever the focus is in here, but for fields being typed in.
        self.image.widget.remove_class("ct-keys")
        for name in ("ct-cells", "ct-keys"):
            self._root.add_class(name)

    def left(self) -> list[w.Widget]:
        """What stands in the left column."""
        return [self._channels, self.populations.widget]

    def middle(self) -> w.Widget:
        """What stands in the middle."""
        return self.image.widget

    def say(self, text: str, kind: Kind = "info") -> None:
        """Put a sentence at the bottom of the page; an empty one takes the line away."""
        super().say(text, kind)
        self._message.layout.display = None if text else "none"

    def take_over(self) -> None:
        """Write here from now on; the session that wrote so far turns read-only."""
        self.session.take_over()
        self._show_header()

    @cached_property
    def importing(self) -> ImportingPanel:
        """See :class:`CellsWorkflow`."""
        from ..panels.importing import ImportingPanel

        panel = self._late(ImportingPanel(self.session, self._look_at))
        panel.below.children = (*panel.below.children, self.features.widget)
        return panel

    @cached_property
    def features(self) -> FeaturesPanel:
        """See :class:`CellsWorkflow`; it stands below what was imported."""
        from ..panels.features import FeaturesPanel

        return self._late(FeaturesPanel(self.session))

    @cached_property
    def gating(self) -> GatingPanel:
        """See :class:`CellsWorkflow`."""
        from ..panels.gating import GatingPanel

        return self._late(GatingPanel(self.session))

    @cached_property
    def training(self) -> TrainingPanel:
        """See :class:`CellsWorkflow`."""
        from ..panels.training import TrainingPanel

        return self._late(TrainingPanel(self.session))

    @cached_property
    def review(self) -> ReviewPanel:
        """See :class:`CellsWorkflow`."""
        from ..panels.review import ReviewPanel

        return self._late(ReviewPanel(self.session))

    @cached_property
    def evaluation(self) -> EvaluationPanel:
        """See :class:`CellsWorkflow`."""
        from ..panels.evaluation import EvaluationPanel

        return self._late(EvaluationPanel(self.session))

    @cached_property
    def exporting(self) -> ExportingPanel:
        """See :class:`CellsWorkflow`."""
        from ..panels.exporting import ExportingPanel

        return self._late(ExportingPanel(self.session))

    def _late(self, panel: _P) -> _P:
        self.part(panel)
        self.own(panel.widget)
        if self.closed:
            panel.close()
        return panel

    def _warm_up(self) -> None:
        """Load what a training needs once the first label is given: whoever labels is going to train."""

        def load(_: Job) -> None:
            from ..learn.machine import uncollected, warm_up

            with uncollected():
                import bqplot  # noqa: F401 - the curves of the training panel
            warm_up()

        if not self._warm and not self.session.jobs.inline:
            self._warm = True
            self.session.jobs.aside(load, "loading the learning libraries")

    def _label(self, key: str, held: list[str]) -> str | None:
        """A labelling key pressed on the image does what it does in the labelling panel, or in a review going on.

        What is returned is said beneath the image; None: what the key did to the selection.
        """
        title = list(self.PAGES)[self._tabs.selected_index or 0]
        action = key_to_action(key, held)
        if title == "Review":
            if self.review.running:
                self.review.say("")  # what was said of the cell before
                self.review.press(key, held)
                return self.review.message
            # The keys of a review mean other things to the image: after a reload they would sample and label cells.
            if action is None or action.verb not in ("undo", "redo"):
                raise NotReadyError(_PAUSED)
        walked = self.labelling.walk.on
        # Not what is selected by now, but the cell that was on the screen, as its card does.
        audit = self.evaluation.audit if "evaluation" in self.__dict__ else None
        if audit is not None and audit.asking and action is not None and action.verb in ("assign", "sample"):
            audit.press(key)
            return audit.message or ("Skipped." if action.verb == "sample" else None)
        self.labelling.press(key, held)
        acted = action is not None and action.verb in ("assign", "clear", "sample")
        return None if acted and not walked else self.labelling.message

    def _open_page(self, _change: object = None) -> None:
        # A page comes into the browser when it is first looked at: a plot that is drawn hidden has no size.
        number = self._tabs.selected_index or 0
        page = self._tabs.children[number]
        for title, attribute in self.PAGES.items():
            if attribute in self.__dict__ and title != list(self.PAGES)[number]:
                self.page(title).hush()  # an old message is no answer to what is done next
        self.image.hush()
        if not page.children:
            page.children = (self.page(list(self.PAGES)[number]).widget,)
        for attribute, title in self.RESTING.items():
            if attribute in self.__dict__:
                getattr(self, attribute).rest(title != list(self.PAGES)[number])
        self.image.set_hint(REVIEW_HINT if list(self.PAGES)[number] == "Review" else HINT)
        if "gating" in self.__dict__ and list(self.PAGES)[number] != "Gate":
            self.gating.leave()  # what is being drawn is seen on the image while its tab is open

    def page(self, title: str) -> Panel:
        """The panel behind a tab, made when it is first asked for."""
        panel: Panel = getattr(self, self.PAGES[title])
        return panel

    def _predicted(self, event: PopulationsChanged) -> None:
        # Who trains wants to see what came of it; one choice in the list leads back to the labels.
        view = self.session.view
        known = "Pred_AVG" in event.names and "Pred_AVG" in self.session.populations
        if known and not (view.color_by or "").startswith("Pred_") and not view.blind:
            self.session.set_view(color_by="Pred_AVG")

    def _reviewing(self, event: QueueChanged) -> None:
        # A review that was begun elsewhere, from a matrix say, is gone on with in its tab.
        queue = self.session.queue
        if event.level != self.session.level or queue is None or queue is self._queue:
            return
        self._queue = queue
        place = list(self.PAGES).index("Review")
        if self._tabs.selected_index != place:
            self._tabs.selected_index = place
            if not self.review.running:
                self.review.resume()

    # ------------------------------------------------------------------ the header

    def _show_header(self) -> None:
        session = self.session
        images, items = len(session.images), len(session.table)
        labelled = sum(n for name, n in session.labels.counts().items() if name != "Unknown")
        facts = [
            f"{images:,} image{'' if images == 1 else 's'}",
            f"{items:,} cell{'' if items == 1 else 's'}",
            f"{labelled:,} labelled",
        ]
        run = session.busy()
        if run is not None:
            facts.append(f"training {run.progress.fraction:.0%}")
        self._header.html = tag(
            "div",
            tag("h1", session.folder.name, title=str(session.folder)),
            tag("span", " · ".join(facts), cls="ct-header-facts"),
            self._problems(),
            self._state(),
            cls="ct-header",
        )

    def _state(self) -> Markup:
        session = self.session
        if not session.read_only:
            return tag(
                "span", "All saved", cls="ct-header-state", title=f"Every step is on disk in {session.folder}"
            )
        return tag(
            "span",
            tag("span", session.access.reason, cls="ct-cut", title=session.access.reason),
            # A session that was asked to look only cannot take over.
            None
            if session.journal.read_only
            else tag("button", "Take over here", cls="ct-button ct-small-button", do="take_over"),
            cls="ct-header-reading",
            role="status",
        )

    def _problems(self) -> Markup | None:
        problems = list(self.session.problems)
        if not problems:
            return None
        count = len(problems)
        return tag(
            "details",
            tag("summary", f"{count} problem{'' if count == 1 else 's'}"),
            tag("ul", [tag("li", text) for text in problems[-20:]]),
            cls="ct-header-problems",
        )
