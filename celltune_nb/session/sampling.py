"""Choosing what to label next, and the audit sample that is kept apart from training."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..data.journal import ProposalRecord
from ..data.populations import PopulationSet
from ..errors import FormatError, InputError, NotReadyError
from . import checks
from .checks import whole_number
from .conditions import condition
from .gating import inside
from .study import working_rows
from .taught import taught, where_taught

if TYPE_CHECKING:
    from ..learn.pool import Pool, Proposal
    from .session import Session

__all__ = ["Audit", "Audits", "Suggestion", "draw_audit", "sample", "suggest_rectangle"]

#: What ``sample(by=…)`` knows.
STRATEGIES = (
    "random", "clusters", "quota_margin", "margin", "entropy", "disagreement", "rare", "diverse", "celltune",
    "mistakes", "audit",
)  # fmt: skip
_NEED_MODEL = {"quota_margin", "margin", "entropy", "disagreement", "rare", "diverse", "celltune", "mistakes"}


@dataclass(frozen=True)
class Suggestion:
    """A rectangle where labels would help most.

    Attributes
    ----------
    image : str
    rectangle : (y0, x0, y1, x1)
        In pixels, half-open.
    reason : str
        In words.
    """

    image: str
    rectangle: tuple[float, float, float, float]
    reason: str


@dataclass(frozen=True, eq=False)
class Audit:
    """The audit sample of a level: drawn with known probabilities, labelled blind, never learned from.

    Attributes
    ----------
    ids : ndarray of int64
        Draw by draw, in random order within each: whatever part is labelled first is a fair sample.
    todo : ndarray of int64
        Those not labelled yet.
    labelled : int
        How many were labelled blind; one that was labelled with predictions in sight does not count.
    inclusion : ndarray of float64
        Probability with which each of *ids* came into the sample.
    """

    ids: NDArray[np.int64]
    todo: NDArray[np.int64]
    inclusion: NDArray[np.float64]
    labelled: int = 0

    def __repr__(self) -> str:
        return (
            f"Audit({len(self.ids):,} cells: {self.labelled:,} labelled, {len(self.todo):,} to do)"
            if len(self.ids)
            else "Audit(none yet)"
        )


class Audits:
    """The audit samples of a session, one a level.

    The drawn ids stand in the proposals log.  The probability with which *every* item could have been
    drawn so far lies in ``audits/``, by item id (the first number is that of item 1), since a later top-up has to
    multiply it further.  Where a mask was replaced, a cell stands for the one whose place it took.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._drawn: dict[str, list[NDArray[np.int64]]] = {}

    def of(self, level: str) -> Audit:
        """The audit sample of a level as it is now; empty before the first draw."""
        session = self._session
        with session.lock:  # a mask that is replaced meanwhile has other cells
            ids, draws = self._ids(level)
            codes = session.book.level(level).codes_of(ids)
            blind = int(np.count_nonzero(session.book.sources(level, ids) == "audit"))
            inclusion = self._stored(level, draws, ids) if draws else np.empty(0)
            held = session.regions.inside(level)[session.table.positions(ids)]
        return Audit(ids, ids[(codes == 0) & held], inclusion, blind)

    def inclusion(self, level: str) -> NDArray[np.float64]:
        """Probability with which every item could have come into the sample so far, in row order."""
        session = self._session
        with session.lock:
            _, draws = self._ids(level)
        if draws == 0:
            return np.zeros(len(session.table))
        return self._stored(level, draws, session.table.ids)

    def _stored(self, level: str, draw: int, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probability with which items could have come into the sample up to a draw; 0 for those added since."""
        session = self._session
        stored = np.asarray(session.project.read_array(self._file(level, draw)), np.float64)
        out = np.zeros(len(ids))
        if whole := stored.ndim == 1 and len(stored) <= session.table.ids[-1:].max(initial=0):
            if len(session.book.lineage):
                ids = session.book.lineage.before(ids, lambda known: known <= len(stored))
            there = (ids > 0) & (ids <= len(stored))
            out[there] = stored[ids[there] - 1]
            whole = out.min(initial=0) >= 0 and out.max(initial=0) <= 1
        if not whole:
            raise FormatError(f"{self._file(level, draw)} is damaged. Restore it from a copy of the project.")
        return out

    def record(self, level: str, inclusion: NDArray[np.float64], record: ProposalRecord) -> None:
        """Write a draw: the probabilities first, then the row that makes it count."""
        session = self._session
        with session.writing(), session.journal.writing():
            _, draws = self._ids(level)
            ids = session.table.ids
            by_id = np.zeros(int(ids[-1]))
            by_id[ids - 1] = inclusion
            session.project.write_array(
                self._file(level, draws + 1), by_id.shape, np.float64, lambda out: np.copyto(out, by_id)
            )
            session.journal.propose(record)
            self._drawn[level] = [*self.draws(level), _draw_order(record.ids, record.seed)]

    def draws(self, level: str) -> list[NDArray[np.int64]]:
        """The ids of each draw, in the order in which they are to be labelled."""
        if level not in self._drawn:
            book = self._session.book
            rows = book.journal.proposals("audit", book.names.every(level))
            now = [book.lineage.now(_draw_order(row.ids, row.seed)) for row in rows]
            self._drawn[level] = [ids[ids > 0] for ids in now]
        return self._drawn[level]

    def held_draws(self, level: str) -> list[NDArray[np.int64]]:
        """The draws without the items that lie outside of the level's region by now: nobody is asked for these."""
        session = self._session
        with session.lock:
            draws, held = self.draws(level), session.regions.mask(level)
            if held is None:
                return draws
            return [drawn[held[session.table.positions(drawn)]] for drawn in draws]

    def forget(self) -> None:
        """Read the draws again: items have taken the places of others."""
        self._drawn.clear()

    def judging(self, level: str, blind: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probability with which each of *ids* came to be drawn and labelled.

        As :meth:`inclusion` where every draw is labelled to the end.  Of a draw that is labelled in part,
        which favours other items than the draw before it, only that part counts.

        Parameters
        ----------
        blind : ndarray of int64
            The items that were labelled blind.
        ids : ndarray of int64
        """
        draws = self.held_draws(level)
        before, missed = np.zeros(len(ids)), np.ones(len(ids))
        for number, drawn in enumerate(draws, 1):
            after = self._stored(level, number, ids)
            left = 1 - before
            now = np.where(left > 0, 1 - (1 - after) / np.where(left > 0, left, 1), 0.0)
            if len(drawn):
                missed *= 1 - np.clip(now, 0, 1) * np.isin(drawn, blind).mean()
            before = np.maximum(after, before)
        return np.asarray(1 - missed)

    def _ids(self, level: str) -> tuple[NDArray[np.int64], int]:
        draws = self.draws(level)
        return np.concatenate([np.empty(0, np.int64), *draws]), len(draws)

    def _file(self, level: str, draw: int) -> str:
        plain = "".join(c if c.isalnum() else f"%{ord(c):x}" for c in self._session.book.names.key(level))
        return f"audits/{plain}-{draw:03d}.npy"


def _draw_order(ids: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The order in which a draw is labelled, the same whenever it is read."""
    return np.random.default_rng(seed).permutation(np.sort(ids))


def sample(
    session: Session, n: int, image: str | None, rectangle: tuple[float, float, float, float] | None, by: str | None,
    level: str, seed: int | None, within: str | None = None, more: str | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """See :meth:`celltune_nb.Session.sample`."""
    from ..learn.sampling import SAMPLERS

    n = whole_number(n, "The number of items", 1)
    seed = None if seed is None else whole_number(seed, "The seed")
    trained = has_model(session, level)
    if by is None:
        by = "random" if rectangle is not None else "quota_margin" if trained else "clusters"
        if by == "clusters" and not (session.features_by_name and len(session.features)):
            by = "random"
    if by == "audit":
        if any(given is not None for given in (image, rectangle, within, more)):
            raise InputError(
                "An audit sample is drawn from all cells. Leave image=, rectangle=, within= and more= out."
            )
        return draw_audit(session, n, level, seed)
    if by not in STRATEGIES:
        raise InputError(f"by={by!r} is not known. Choose one of: {', '.join(STRATEGIES)}.")
    if by in _NEED_MODEL and not trained:
        raise NotReadyError(
            f"Sampling by {by!r} needs a model. Train first, or sample by 'clusters' or 'random'."
        )
    more = None if more is None else _more(session, level, more, trained)
    if rectangle is not None:
        image = image or session.view.image
        if image is None:
            raise InputError("A rectangle lies on an image. Name it with image=.")
        rectangle = checks.rectangle(rectangle)
    seed = secrets.randbits(31) if seed is None else int(seed)
    only = None if within is None else inside(session, within, condition)
    pool = make_pool(session, level, image, rectangle, only=only, measured=by != "random")
    if not len(pool.ids):
        return np.empty(0, np.int64)
    found = _proposed(pool, min(int(n), len(pool.ids)), np.random.default_rng(seed), SAMPLERS[by], more)
    if not session.read_only:
        with session.writing():
            session.journal.propose(
                ProposalRecord(
                    by, level, found.ids, found.score, found.probability, tuple(found.reason), seed, image,
                    tuple(map(float, rectangle)) if rectangle is not None else None,  # type: ignore[arg-type]
                    session.rounds(level), session.user,
                )
            )  # fmt: skip
    session.offered(found.ids, by)
    return found.ids


def _more(session: Session, level: str, category: str, trained: bool) -> str:
    """The category of which more are wanted.

    Raises
    ------
    LabelError, NotReadyError
    """
    name = session.book.level(level).categories.named(category).name
    if not trained:
        raise NotReadyError(
            f"Which cells are likely {name} is known once there is a model. Train first; until then drag a rectangle where they are."
        )
    return name


def _proposed(pool: Pool, n: int, rng: np.random.Generator, sampler: Any, more: str | None) -> Proposal:
    from ..learn.clustering import one_thread
    from ..learn.leaning import leaning

    if more is not None and more not in pool.categories:
        raise NotReadyError(f"The models have not learned {more}. Label some cells of it, then train again.")
    with one_thread():
        if more is None:
            return sampler(pool, n, rng)
        return leaning(pool, n, rng, code=pool.categories.index(more), sampler=sampler)


def suggest_rectangle(session: Session, image: str | None, level: str, seed: int | None) -> Suggestion:
    """See :meth:`celltune_nb.Session.suggest_rectangle`."""
    from ..learn.rectangles import propose_rectangle

    pool = make_pool(session, level, image, None)
    if not len(pool.ids):
        checks.check_cells(session)
        region = session.regions.of(level)
        where = "here" if region is None else f"here that belongs to this level, {region.sentence},"
        raise NotReadyError(f"Every cell {where} is labelled or kept for the audit. Look at another image.")
    found = propose_rectangle(pool, np.random.default_rng(seed))
    return Suggestion(session.table.names[int(found.image)], found.rectangle, found.reason)


def draw_audit(session: Session, n: int, level: str, seed: int | None) -> NDArray[np.int64]:
    """See :meth:`celltune_nb.Session.draw_audit`."""
    from ..learn.audit import audit

    n = whole_number(n, "The number of items", 1)
    seed = secrets.randbits(31) if seed is None else whole_number(seed, "The seed")
    with session.writing():
        pool = make_pool(session, level, None, None, audited=True)
        rows, drawn = session.table.positions(pool.ids), np.zeros(len(session.table), bool)
        drawn[session.table.positions(session.audits.of(level).ids)] = True
        taken = drawn[rows]
        if taken.all():
            checks.check_cells(session)
            raise NotReadyError("Every cell is labelled or audited already. Bring more images, in Data.")
        inclusion = session.audits.inclusion(level)
        rng = np.random.default_rng(seed)
        found, inclusion[rows] = audit(pool, int(n), rng, inclusion=inclusion[rows], drawn=taken)
        session.audits.record(
            level, inclusion,
            ProposalRecord(
                "audit", level, found.ids, found.score, found.probability, tuple(found.reason), seed,
                round=session.rounds(level), user=session.user,
            ),
        )  # fmt: skip
    session.changed_items("audit")
    return session.audits.draws(level)[-1]


def has_model(session: Session, level: str) -> bool:
    """Whether a finished training of this level has left predictions."""
    return bool(model_sets(session, level))


def make_pool(
    session: Session,
    level: str,
    image: str | None,
    rectangle: tuple[float, float, float, float] | None,
    *,
    audited: bool = False,
    only: NDArray[np.bool_] | None = None,
    measured: bool = True,
) -> Pool:
    """The unlabelled items with what the samplers look at; audit items only when *audited*, labelled or not.

    *only* leaves out whichever items it is False for, in row order; items outside of the level's region are left out.
    Without *measured*, items that are not measured yet are in too; a sampler must not look at features or predictions then.
    """
    from ..learn.pool import Pool, RowsOf

    with session.lock:
        table = session.table
        state = session.book.level(level)
        kept = table.positions(session.audits.of(level).ids)
        if image is not None and rectangle is not None:
            y0, x0, y1, x1 = rectangle
            corners = (min(y0, y1), min(x0, x1), max(y0, y1), max(x0, x1))
            positions = table.inside(session.image_number(image), corners)
            free = state.codes_of(table.ids[positions]) == 0
            free[np.isin(positions, kept)] = audited
            positions = positions[free]
        else:
            here = slice(0, len(table)) if image is None else table.of_image(session.image_number(image))
            free = state.codes_in_order(table.ids[here]) == 0
            free[kept[(kept >= here.start) & (kept < here.stop)] - here.start] = audited
            positions = np.flatnonzero(free) + here.start
        categories = [c for c in state.categories if c.name != UNKNOWN]
        # labels of the audit are never learned from, so that their categories still need others
        counts = np.zeros(max(len(state.tally), *(c.code + 1 for c in state.categories)), np.int64)
        counts[: len(state.tally)] = state.tally
        counts -= np.bincount(state.codes_of(table.ids[kept]), minlength=len(counts))
        tally = {c.name: int(counts[c.code]) for c in categories}
    sets = [s for s in model_sets(session, level) if s.given is not None]
    measuring = bool(session.features_by_name) and len(session.features) > 0
    source: Any = session.active_features() if measuring else None
    # Items added after the last measuring or training can be neither measured nor predicted.
    known = min([len(table), *map(len, sets), *([len(source)] if measuring else [])])
    if measured:
        positions = positions[: int(np.searchsorted(positions, known))]
    held = session.regions.mask(level)
    # An image named by hand counts in the set or not; the audit speaks for all images.
    working = working_rows(session) if image is None and not audited else None
    for which in (only, held, working):
        if which is not None:
            positions = positions[which[positions]]
    units, _ = table.units()
    return Pool(
        ids=table.ids[positions],
        features=None if source is None else (lambda which: source.rows(positions[which])),
        images=table.images[positions],
        groups=units[positions],
        y=table.y[positions],
        x=table.x[positions],
        probabilities=[RowsOf(s.probability, positions) for s in sets if s.probability is not None],
        label_counts=np.array([tally.get(name, 0) for name in (sets[0].classes if sets else ())], np.int64),
        categories=sets[0].classes if sets else (),
        labelled=None if source is None else (lambda most: source.rows(taught(session, level, known, most))),
        places=lambda: where_taught(session, level),
    )


def model_sets(session: Session, level: str) -> list[PopulationSet]:
    """``Pred_MDL1``, ``Pred_MDL2``… of a level, as far as there are any."""
    names = [f"{'' if level == session.level else f'{level}/'}Pred_MDL{i}" for i in range(1, 10)]
    return [session.populations[name] for name in names if name in session.populations]
