"""The session: what a person does to a project, as verbs.

Here are opening, closing, writing, labelling and looking.  The other verbs stand in groups in :mod:`celltune_nb.session.verbs`;
they are short, and the work behind each lies in the module of this floor that its name says.
"""

from __future__ import annotations

# Long because the state of a session, and whoever may change it, is one matter.
import logging
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal, SignalInstance

from ..data.categories import UNKNOWN
from ..data.chunks import ChunkCache
from ..data.features import FeatureSource
from ..data.images import Images
from ..data.items import ItemTable
from ..data.journal import Journal
from ..data.labels import LabelBook
from ..data.level import FIRST, checked_name
from ..data.populations import PopulationSet
from ..errors import CellTuneError, FormatError, InputError, NotReadyError, ReadOnlyError, TrainingError
from . import describing, features_file, levelling, sampling
from .access import Access
from .adding import Adding
from .checks import folder as as_folder
from .checks import one_of
from .checks import rectangle as as_rectangle
from .committing import committing
from .events import (
    AccessChanged,
    CategoriesChanged,
    ItemsChanged,
    LabelsChanged,
    PopulationsChanged,
    QueueChanged,
    SelectionChanged,
    StudyChanged,
    ViewChanged,
)
from .features import Features
from .files import read_json, write_json
from .jobs import Jobs, Repeat
from .keeping import AT_THE_END, CHECKPOINT, keep_labels
from .lease import HEARTBEAT, current_user
from .leftovers import remove_leftovers
from .levels import Categories, Labels, Levels, level_name
from .population_files import load_populations
from .populations import Populations, of_newest
from .project import Project
from .pyramids import Pyramids, cache_bytes
from .recording import recording
from .regions import Regions
from .reviews import Reviews
from .runs import Run, load_runs
from .unpacking import is_bundle, open_bundle
from .verbs import (
    Bringing,
    Carrying,
    Channels,
    Choosing,
    Counting,
    Featuring,
    Folders,
    Gating,
    Grouping,
    Insight,
    Judging,
    Learning,
    Mining,
    Placing,
    Reviewing,
    Studying,
    Taking,
)
from .verbs.base import Rectangle
from .view import View

if TYPE_CHECKING:
    import pandas as pd

    from .describing import ItemSummary

__all__ = ["Session"]

_log = logging.getLogger("celltune_nb")
_T = TypeVar("_T")


@recording
class Session(
    Bringing,
    Carrying,
    Channels,
    Choosing,
    Counting,
    Featuring,
    Folders,
    Gating,
    Grouping,
    Insight,
    Judging,
    Learning,
    Mining,
    Placing,
    Reviewing,
    Studying,
    Taking,
):
    """A project at work.  Begin with :meth:`create` or :meth:`open`.

    Attributes
    ----------
    folder : Path
        The project folder.
    images : mapping of str to Image
    levels, categories, labels
        See :class:`~celltune_nb.session.levels.Levels` and its neighbours.
    populations : mapping of str to PopulationSet
    runs : list of Run
        Trainings, oldest first.
    selection : ndarray of int64
        Ids of the selected items.
    view : View
        What is looked at; change it with :meth:`set_view`.
    problems : list of str
        What went wrong beside the main line: a damaged file left out, a listener that failed.
    """

    labels_changed = Signal(LabelsChanged)
    categories_changed = Signal(CategoriesChanged)
    items_changed = Signal(ItemsChanged)
    populations_changed = Signal(PopulationsChanged)
    preview_changed = Signal(PopulationsChanged)
    selection_changed = Signal(SelectionChanged)
    queue_changed = Signal(QueueChanged)
    run_changed = Signal(Run)
    run_progressed = Signal(Run)
    view_changed = Signal(ViewChanged)
    access_changed = Signal(AccessChanged)
    study_changed = Signal(StudyChanged)

    def __init__(self, project: Project, *, read_only: bool, jobs: Jobs | None = None) -> None:
        self.project = project
        self.folder = project.folder
        self.user = current_user()
        self.lock = threading.RLock()
        self.jobs = jobs or Jobs()
        self.chunks = ChunkCache(cache_bytes(), self.jobs.map)
        self.pyramids = Pyramids(self)
        self._adding = Adding(self)
        self.problems: list[str] = []
        project.check_journal()
        self.journal = Journal(project.path("labels.sqlite"), read_only=read_only)
        try:
            self.access = Access(self.journal, self.user, self.lock)
            # Who had the lease may have changed it until now.
            project = self.project = Project.open(self.folder)
            self.book = LabelBook(self.journal, project.path(CHECKPOINT))
            if not self.book.levels and not self.access.read_only:
                first = project.settings.get("level")
                self.book.add_level(first if isinstance(first, str) else FIRST, user=self.user)
            self._load()
            if self.access.alone_since is not None:
                remove_leftovers(self.project, self.access.alone_since)
        except (
            KeyError,
            TypeError,
            AttributeError,
            ValueError,
            LookupError,
            ArithmeticError,
            RecursionError,
        ) as error:
            self.journal.close()
            if isinstance(error, CellTuneError):
                raise
            raise FormatError(
                f"A file of the project {project.folder} is damaged ({type(error).__name__}: {error}). Restore the folder "
                "from a copy."
            ) from error
        except BaseException:
            self.journal.close()
            raise
        self._seen = self._fingerprint()
        self._closed = False
        self._ticks = 0
        for signal in (self.labels_changed, self.populations_changed, self.categories_changed):
            signal.connect(self._follow_regions)  # before any panel: what it reads then is as it is shown
        # Weak, so that a session that nobody holds any more is freed.
        tick = weakref.WeakMethod(self._tick)
        self._ticker = Repeat(lambda: (beat := tick()) is not None and beat(), 1.0, "celltune-heartbeat")

    def load_data(self) -> None:
        """Take in the items, images and features as they are on disk."""
        project = self.project
        book = self.book  # not the session, which is to go when nobody holds it
        project.level_names = lambda: book.names
        project.settle(book.lineage.marks, book.levels)
        self.replaced = len(self.book.lineage.marks)
        self.table: ItemTable = project.load_items()
        self.images = Images(
            {str(row.get("name")): project.image(row, self.chunks) for row in project.settings["images"]}
        )
        self.features_by_name: dict[str, FeatureSource] = {}
        for name in project.feature_sources():
            try:
                source = project.load_features(name)
            except FormatError as error:  # can be measured again: no reason to refuse the project
                self.problems.append(str(error))
            else:
                self.features_by_name[source.name] = features_file.living(source, self.table.ids)

    def load_populations(self) -> None:
        """Take in the stored population sets as they are on disk."""
        sets, complaints = load_populations(self.project, self.table.ids, self.book.lineage)
        # What a training said of cells that are all gone with their masks is no answer to go on with.
        sets, cut = of_newest([s for s in sets if s.run is None or len(s)], self.runs)
        sets = [s for s in sets if s.level in self.book.levels]
        there = {(s.level, s.name) for s in sets}
        self.populations.replace(sets, [s for key, s in self.populations.kept().items() if key not in there])
        self.problems += complaints + cut

    def _load(self) -> None:
        if not self.access.read_only:
            with suppress(CellTuneError, OSError):  # they are read from where they lie till then
                features_file.finish(self.project)
        self.load_data()
        project = self.project
        self.levels, self.categories, self.labels = Levels(self), Categories(self), Labels(self)
        level = project.settings.get("level", FIRST)
        self._level = level if level in self.book.levels else next(iter(self.book.levels), FIRST)
        self.populations = Populations(self)
        self.regions = Regions(self)
        self.runs: list[Run] = load_runs(project.path("runs"), self.book.names.today)
        self.load_populations()
        self.selection: NDArray[np.int64] = np.empty(0, np.int64)
        view_path = project.path("view.json")
        try:
            self.view = View.from_json(read_json(view_path)) if view_path.exists() else View()
        except FormatError as error:
            self.view = View()
            self.problems.append(f"view.json was left out: {error}")
        self.view = self.view.with_image_channels(self.images.values())
        if self.view.image not in self.images:
            self.view = self.view.changed(image=next(iter(self.images), None))
        self._view_saved = self.view
        self.audits = sampling.Audits(self)
        self.reviews = Reviews(self)
        self._offered: tuple[NDArray[np.int64], str] = (np.empty(0, np.int64), "")

    # ------------------------------------------------------------------ opening and closing

    @classmethod
    def create(cls, folder: str | Path, *, level: str = FIRST, jobs: Jobs | None = None) -> Session:
        """Begin a project in a new or empty folder.

        Parameters
        ----------
        folder : path
        level : str
            Name of the level that it begins with, such as the marker of an ON/OFF task.

        Raises
        ------
        ProjectError
            When something lies there already.
        LabelError
            When no level can be called so; nothing is made then.
        """
        return cls(Project.create(as_folder(folder), checked_name(level)), read_only=False, jobs=jobs)

    @classmethod
    def open(
        cls, path: str | Path | None = None, /, *, folder: str | Path | None = None, read_only: bool = False,
        jobs: Jobs | None = None,
    ) -> Session:  # fmt: skip
        """Open a project, or the bundle of one: ``Session.open("x.zip", folder="new")`` unpacks it there first.

        The same user's older session of it turns read-only; a project at which somebody else works
        opens read-only (see :attr:`read_only`, :meth:`take_over`).

        Raises
        ------
        ProjectError
            When there is no project, or a newer program wrote it.
        FormatError
            When a file of it is damaged.
        """
        path, folder = (folder, None) if path is None else (path, folder)
        if folder is not None or is_bundle(path):
            path = open_bundle(path, folder)
        return cls(Project.open(as_folder(path)), read_only=read_only, jobs=jobs)

    def close(self) -> None:
        """End background work, give the project back and close its files; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._ticker.close()
        self.jobs.close()
        self.pyramids.close()
        self.chunks.clear()
        with self.lock:
            try:
                keep_labels(self, AT_THE_END)
                self._save_view()
                self.access.end()
            finally:
                self.journal.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = ", read-only" if self.read_only else ""
        return f"Session({str(self.folder)!r}: {len(self.images)} images, {len(self.table):,} items{state})"

    # ------------------------------------------------------------------ who may write

    @property
    def read_only(self) -> bool:
        """Whether this session can only look; ``session.access.reason`` says why."""
        return self.access.read_only

    @property
    def access_reason(self) -> str:
        """Why the session can only look; empty when it may write."""
        return self.access.reason

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The lock, for a short change; refuses when the session may only look."""
        could_write, revision = not self.read_only, None
        try:
            with self.access.writing():
                self.book.mend()
                revision = self.book.revision
                yield
        except BaseException:
            if revision not in (None, self.book.revision):  # interrupted when its row was on disk
                self.emit(self.labels_changed, LabelsChanged(self.level, None, self.book.revision))
            raise
        finally:
            if could_write and self.read_only:
                self.emit(self.access_changed, AccessChanged(True, self.access.reason))

    def take_over(self) -> None:
        """Write here from now on; the session that wrote so far turns read-only."""
        with self.lock:
            self.access.take(force=True)
            self._follow()
        self.emit(self.access_changed, AccessChanged(False, ""))
        self.tell_everything()

    def _follow(self) -> None:
        """Take in whatever another session has written since: labels, images, features, audits, trainings."""
        self.book.catch_up()
        self.project = Project.open(self.folder)
        levelling.ensure_active(self)
        self._load()

    def reread(self, color_by: str | None) -> None:
        """Take in everything as it is on disk, for what it is called has changed; then tell that: no set is another one."""
        with self.lock:
            view, selection = self.view.changed(color_by=color_by), self.selection
            self._load()
            self.view, self.selection = view, selection
        self.tell_everything(())

    def tell_everything(self, populations: Sequence[str] | None = None) -> None:
        """Tell that everything may have changed; of the population sets these, by default all."""
        self.emit(self.items_changed, ItemsChanged("everything"))
        self.emit(self.categories_changed, CategoriesChanged(self.level))
        names = tuple(self.populations) if populations is None else tuple(populations)
        self.emit(self.populations_changed, PopulationsChanged(names))
        self.emit(self.labels_changed, LabelsChanged(self.level, None, self.book.revision))

    def _fingerprint(self) -> tuple[int, ...]:
        """Changes when another session has written something that is not in the journal."""
        paths = [
            self.project.path(name) for name in ("project.json", "populations", "runs", "features", "audits")
        ]
        paths += sorted(self.project.folder.glob("features/*/schema.json"))  # choices and groups of features
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in paths)

    def _tick(self) -> bool:
        """Once a second: the heartbeat, the view on disk, and following along when read-only."""
        if self._closed:
            return False
        self._ticks += 1
        lost = followed = reloaded = False
        with self.lock:
            if self._closed:
                return False
            if self.read_only:
                now = self._fingerprint()
                if now != self._seen:
                    try:
                        self._follow()
                    except CellTuneError:  # caught between two files; the next look is a second away
                        return True
                    self._seen, reloaded = now, True
                else:
                    followed = bool(self.book.catch_up())
                    levelling.ensure_active(self)
                    # A mask was replaced by a program that was killed before it could say so.
                    if len(self.book.lineage.marks) != self.replaced:
                        self._follow()
                        reloaded = True
            else:
                lost = self._ticks % int(HEARTBEAT) == 0 and not self.access.beat()
                self._save_view()
        keep_labels(self)
        if lost:
            self.emit(self.access_changed, AccessChanged(True, self.access.reason))
        if reloaded:
            self.tell_everything()
        elif followed:
            self.emit(self.labels_changed, LabelsChanged(self.level, None, self.book.revision))
        return True

    def _follow_regions(self, _event: object) -> None:
        self.regions.follow()

    def _save_view(self) -> None:
        if self.view is not self._view_saved and not self.read_only:
            try:
                write_json(self.project.path("view.json"), self.view.to_json())
            except OSError as error:
                self.problems.append(f"The view could not be kept ({error.strerror}).")
            self._view_saved = self.view

    def emit(self, signal: SignalInstance, payload: object) -> None:
        """Tell the listeners; one that fails is noted in :attr:`problems` and harms nobody else."""
        # Not signal.emit(): that ends at the first listener that fails, and holds a lock of the signal meanwhile, so
        # that two threads whose listeners set off one another's signals wait for ever (psygnal 0.16).
        for slot in tuple(signal._slots):
            try:
                slot.cb((payload,))
            except ReferenceError:
                continue  # the listener is gone
            except Exception as error:  # noqa: BLE001 - whatever a listener does, the verb has succeeded
                self.problems.append(f"A listener to {signal.name} failed: {error!r}")
                _log.exception("a listener to %s failed", signal.name)

    # ------------------------------------------------------------------ items

    @property
    def items(self) -> pd.DataFrame:
        """The items, indexed by id: image, cellID, y, x, group, kind and the user's own columns."""
        return self.table.to_pandas()

    @property
    def features(self) -> Features:
        """The active feature source; ``session.features[name]`` is another."""
        return Features(self)

    def positions(self, ids: Any) -> NDArray[np.int64]:
        """Row positions of item ids."""
        return self.table.positions(ids)

    def item_at(self, image: str, y: float, x: float) -> int | None:
        """The item under a point (pixels), or None."""
        return describing.item_at(self, image, y, x)

    def items_in(self, image: str, rectangle: Rectangle) -> NDArray[np.int64]:
        """Ids of the items whose centroid lies in a half-open rectangle (y0, x0, y1, x1)."""
        return self.table.ids[self.table.inside(self.image_number(image), as_rectangle(rectangle))]

    def image_number(self, name: str) -> int:
        """The place of an image, as in ``table.images``; also of one whose cells came with a table, without pixels."""
        if not isinstance(name, str) or (name not in self.images and name not in self.table.names):
            known = list(dict.fromkeys([*self.images, *self.table.names]))
            raise InputError(f"There is no image {name!r}. Images: {', '.join(known) or 'none yet'}.")
        return self.table.names.index(name) if name in self.table.names else -2

    def describe(self, item: int) -> ItemSummary:
        """An item in a few words: label, prediction, top markers."""
        return describing.describe(self, item)

    # ------------------------------------------------------------------ levels and labels

    @property
    def level(self) -> str:
        """The active level; set it to switch."""
        return self._level

    @level.setter
    def level(self, name: str) -> None:
        self.book.level(name)
        if name == self._level:
            return
        with self.lock:
            if not self.read_only:
                with suppress(ReadOnlyError), committing(self) as project:
                    project.settings["level"] = name
                    project.save()
            self._level = name  # who may only look may look at another level
        self.emit(self.categories_changed, CategoriesChanged(name))

    def become(self, level: str) -> None:
        """Take a level for the active one, without a word: its name changed, or the former one is gone."""
        self._level = level

    @property
    def round(self) -> int:
        """Number of finished trainings of the active level."""
        return self.rounds(self._level)

    def rounds(self, level: str) -> int:
        """Number of finished trainings of a level."""
        return sum(run.level == level and run.state in ("done", "stopped") for run in self.runs)

    def change_levels(
        self, change: Callable[[LabelBook, str], _T], level: str, *, labels: bool = False
    ) -> _T:
        """Make an edit of levels or categories; the way of ``session.levels`` and ``session.categories``."""
        with self.writing():
            result = change(self.book, self.user)
            revision = self.book.revision
        self.emit(self.categories_changed, CategoriesChanged(level))
        if labels:
            self.emit(self.labels_changed, LabelsChanged(level, None, revision))
        return result

    def label(
        self, ids: Any, category: str | None, *, level: str | None = None, source: str = "click",
        t0: float | Sequence[float] | None = None, strategy: str | None = None,
    ) -> int:  # fmt: skip
        """Give items a category, as one step that can be undone; on disk when it returns.

        Parameters
        ----------
        ids : sequence of int
        category : str or None
            None or ``"Unknown"`` removes the label.
        source : str
            ``click``, ``rectangle``, ``batch``, ``correction``, ``review``, ``accept``, ``gate``, ``audit`` or ``import``.
        t0 : float or sequence of float, optional
            Onset in frames (signals).
        strategy : str, optional
            What proposed the items; by default the sampler that offered all of them last.

        Returns
        -------
        int
            Batch id: the journal row.

        Raises
        ------
        LabelError
            For an unknown category or source.
        InputError
            For an id that is no item.
        """
        level = level_name(self, level)
        code = self.book.level(level).categories.named(UNKNOWN if category is None else category).code
        given = self.table.ids[self.table.positions(ids)]
        unique, first = np.unique(given, return_index=True)
        if not len(unique):
            raise InputError("No item was given to label. Select some first.")
        onset = None
        if t0 is not None:
            try:
                onset = np.atleast_1d(np.asarray(t0, np.float64))
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"{t0!r} is no onset. Give a number, in frames, or one for each item."
                ) from error
            if onset.ndim != 1 or len(onset) not in (1, len(given)):
                raise InputError(
                    f"{len(onset)} onsets for {len(given)} items. Give one for all, or one each."
                )
            onset = onset[first] if len(onset) == len(given) and len(given) > 1 else onset
        offered, sampler = self._offered
        if strategy is None and sampler and np.isin(unique, offered).all():
            strategy = sampler
        with self.writing():
            batch = self.book.label(
                unique, code, level=level, source=source, t0=onset, round=self.rounds(level), user=self.user,
                strategy=strategy,
            )  # fmt: skip
        self.emit(self.labels_changed, LabelsChanged(level, unique, batch))
        return batch

    def undo(self) -> str | None:
        """Take back the newest labelling or category edit; returns what it was, None when there is none."""
        return self._turn("undo")

    def redo(self) -> str | None:
        """Do again what was last taken back; returns what it was, None when there is none."""
        return self._turn("redo")

    def seal(self) -> None:
        """Let undo go no further back than now, as for the categories that an example comes with."""
        with self.writing():
            self.book.seal(self.user)

    def _turn(self, verb: str) -> str | None:
        if (moved := levelling.turn(self, verb)) is not None:
            return moved
        with self.writing():
            what: str | None = getattr(self.book, verb)(self.user)
            level, ids = self.book.last_level, self.book.last_ids()
            revision = self.book.revision
        if what is not None:
            self.emit(self.categories_changed, CategoriesChanged(level))
            self.emit(self.labels_changed, LabelsChanged(level, ids, revision))
        return what

    @property
    def can_undo(self) -> str | None:
        """What :meth:`undo` would take back, None when nothing."""
        return self.book.undoable

    @property
    def can_redo(self) -> str | None:
        """What :meth:`redo` would do again, None when nothing."""
        return self.book.redoable

    def label_counts(self, by: str = "image", *, level: str | None = None) -> pd.DataFrame:
        """Labels per category (columns) and image or group (rows)."""
        return describing.label_counts(self, by, level_name(self, level))

    def label_population(self, level: str) -> PopulationSet:
        """The labels of a level as a population set, as they are now."""
        return self.populations.of_labels(level)

    # ------------------------------------------------------------------ looking

    def select(self, ids: Any, mode: str = "replace") -> None:
        """Select items.

        Parameters
        ----------
        ids : sequence of int
        mode : {"replace", "add", "toggle"}
        """
        one_of(mode, ("replace", "add", "toggle"), "How items are selected")
        given = np.unique(self.table.ids[self.table.positions(ids)])
        if mode == "add":
            given = np.union1d(self.selection, given)
        elif mode == "toggle":
            given = np.setxor1d(self.selection, given)
        self.selection = given
        self.emit(self.selection_changed, SelectionChanged(given))

    def set_view(self, **changes: Any) -> View:
        """Look at something else, or in another way; see :class:`~celltune_nb.session.view.View`."""
        if changes.get("image") is not None:
            self.image_number(changes["image"])
            if changes["image"] not in self.images:
                raise InputError(
                    f"The cells of image {changes['image']!r} came with a table; there are no pixels to show. "
                    "Add them with session.add_image()."
                )
        if changes.get("color_by") is not None:
            self.populations[changes["color_by"]]
        with self.lock:
            old = self.view
            if "image" in changes and changes["image"] != old.image:
                changes = {"center": None, "zoom": None, "rectangle": None, "outline": None, **changes}
            if changes.get("blind") and (changes.get("color_by", old.color_by) not in (None, "labels")):
                changes["color_by"] = "labels"  # nothing may hint at the answer
            self.view = view = old.changed(**changes)
        fields = frozenset(name for name in changes if getattr(old, name) != getattr(view, name))
        if fields:
            self.emit(self.view_changed, ViewChanged(fields, view))
        return view

    def set_channel(self, name: str, **changes: Any) -> View:
        """Show a channel differently: color, low, high, visible."""
        return self.set_view(channels=self.view.with_channel(name, **changes).channels)

    # ------------------------------------------------------------------ for the modules of this floor

    def offered(self, ids: NDArray[np.int64], strategy: str) -> None:
        """Remember what a sampler offered last, so that labels given to it name the strategy."""
        self._offered = (ids, strategy)

    def finished_run(self, level: str) -> Run:
        """The newest finished training of a level."""
        for run in reversed(self.runs):
            if run.level == level and run.state in ("done", "stopped"):
                return run
        raise NotReadyError("There is no trained model yet. Train first: in Train, or with session.train().")

    def active_features(self) -> FeatureSource:
        """The source that models learn from."""
        if not self.features_by_name:
            raise NotReadyError(
                "There are no features yet. Measure first: in Data, or with session.measure()."
            )
        wanted = self.project.settings.get("features")
        return self.features_by_name.get(str(wanted)) or next(iter(self.features_by_name.values()))

    def busy(self) -> Run | None:
        """The training that waits or runs."""
        return next((run for run in self.runs if run.state in ("queued", "running")), None)

    def refuse_if_busy(self) -> None:
        """One training at a time: a second would only slow both."""
        if self.busy() is not None:
            raise TrainingError("A training is running already. Stop or cancel it, or wait until it is done.")

    def changed_items(self, what: str) -> None:
        """Tell that images, items, features or columns were added."""
        self.emit(self.items_changed, ItemsChanged(what))

    def changed_populations(self, names: Sequence[str]) -> None:
        """Tell that population sets were added or replaced."""
        self.emit(self.populations_changed, PopulationsChanged(tuple(names)))
