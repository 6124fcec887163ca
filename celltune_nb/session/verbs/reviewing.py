"""Verbs that review cells one by one, and write notes on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import notes, review
from ..levels import level_name
from .base import Verbs

if TYPE_CHECKING:
    import pandas as pd

    from ...learn.repeats import Repeats
    from ..queue import ReviewQueue
    from ..tiles import Tiles

__all__ = ["Reviewing"]


class Reviewing(Verbs):
    """The review queue, second opinions, notes on cells."""

    def review(
        self, by: str = "celltune", n: int = 256, *, ids: Any = None, reason: str | None = None, image: str | None = None,
        within: str | None = None, budgets: Mapping[str, float] | Sequence[float] | None = None,
        priorities: Mapping[str, float] | None = None, border: float | None = None, whose: str = "mine",
        again: bool = False, replace: bool = False, level: str | None = None, seed: int | None = None,
        progress: Callable[[float, str], None] | None = None, stop: Callable[[], bool] | None = None,
    ) -> ReviewQueue:  # fmt: skip
        """Choose cells to look at one after the other; :attr:`queue` is this review from now on.

        Cells of the audit take no part, and those that were reviewed before do not come back.

        Parameters
        ----------
        by : str
            ``celltune`` (four budgets: low agreement of the two models by image 0.33 and by category 0.44, rare 0.23,
            your priorities 0), ``quota_margin``, ``disagreement``, ``margin``, ``entropy``, ``rare``, ``diverse``,
            ``mistakes``, ``clusters`` or ``random`` for unlabelled cells; ``label_errors`` for labels that models which
            have not learned from them contradict; ``blind`` for labels to be given a second time, unseen; or the name
            of a gate, or an expression.
        n : int
            At most so many; of more cells in a gate, or in *ids*, so many at random.
        ids : sequence of int, optional
            These cells, labelled or not, instead of *by*.
        reason : str, optional
            Why they are reviewed, in words.
        image, within : str, optional
            Only cells of an image, or inside a gate.
        budgets : mapping or sequence, optional
            Parts of the review for ``image``, ``category``, ``rare`` and ``priorities``.
        priorities : mapping of str to float, optional
            Weights of categories and images by name; with the usual budgets they get a quarter of the review.
        border : float, optional
            Cells whose centre is nearer to the border of the image, in pixels, or that are cut by it, are left out: 20 by
            default, 0 (none) where *ids* are given.
        whose : str
            With ``blind``: ``"mine"``, ``"others"``, or somebody's name.  The answers stand beside the labels; which
            of the two is right is a decision of its own, ``session.review(ids=queue.differing())``.
        again : bool
            Also cells that were reviewed before.
        replace : bool
            Also where some cells of the former review were answered and others were not: its answers stay, its place
            is lost.
        seed : int, optional
            Drawn, and recorded, when None.
        progress, stop : callable, optional
            With ``label_errors``, which may take as long as an evaluation; see :meth:`label_errors`.

        Raises
        ------
        NotReadyError
            Nothing is trained yet, no cell is left, or the former review is unfinished; it stays.
        """
        wish = review.Wish(
            by,
            n,
            ids,
            reason,
            image,
            within,
            budgets,
            priorities,
            border,
            whose,
            again,
            replace,
            seed,
            progress,
            stop,
        )
        return review.review(self._session, level_name(self._session, level), wish)

    @property
    def queue(self) -> ReviewQueue | None:
        """The review of the active level at the place where it was left, also after a restart; None before the first."""
        return self._session.reviews.of(self._session.level)

    def kappa(self, whose: str = "mine", *, level: str | None = None) -> Repeats:
        """How far all blind answers of this user repeat the labels: Cohen's kappa with a 95 % interval.

        Parameters
        ----------
        whose : str
            Labels of this user, ``"mine"``; of all ``"others"``; or of somebody by name.
        """
        return notes.kappa(self._session, whose, level_name(self._session, level))

    def note(self, item: int, text: str) -> None:
        """Write a note on a cell in place of the former one; an empty text removes it.  One step that undo takes back."""
        notes.write(self._session, item, text)

    @property
    def notes(self) -> pd.DataFrame:
        """The notes, indexed by item id: image, cellID, note, user, time (UTC)."""
        return notes.table(self._session)

    def tiles(
        self, item: int, channels: Sequence[str] | None = None, *, size: int = 96, dpr: float = 1.0
    ) -> Tiles:
        """Small pictures of a cell with its outline: the channels together, then each of at most seven.

        Parameters
        ----------
        channels : sequence of str, optional
            By default those of the predicted types, then those that stand out most in this cell.
        size : int
            CSS pixels a side.
        dpr : float
            Device pixels a CSS pixel.

        Returns
        -------
        Tiles
            ``.names`` and ``.pictures``, uint8 (side, side, 3) each; empty, with ``.trouble`` saying why, where there
            are no pixels.
        """
        from ..tiles import tiles

        return tiles(self._session, item, channels, size=size, dpr=dpr)
