"""Verbs that choose what to label next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .. import sampling
from ..levels import level_name
from .base import Rectangle, Verbs

if TYPE_CHECKING:
    from ..sampling import Audit, Suggestion

__all__ = ["Choosing"]


class Choosing(Verbs):
    """What to label next, and the audit sample."""

    def sample(
        self, n: int, *, image: str | None = None, rectangle: Rectangle | None = None, by: str | None = None,
        level: str | None = None, seed: int | None = None, within: str | None = None,
        more: str | None = None,
    ) -> NDArray[np.int64]:  # fmt: skip
        """Draw unlabelled items that are worth a label; audit items are never among them.

        Parameters
        ----------
        n : int
        image : str, optional
        rectangle : (y0, x0, y1, x1), optional
            Half-open, in pixels, on *image* (by default the one looked at).
        by : str, optional
            ``random`` (default inside a rectangle), ``clusters`` (default before the first model),
            ``quota_margin`` (default after it), ``margin``, ``entropy``, ``disagreement``, ``rare``,
            ``diverse``, ``celltune`` (its budgets for review), ``mistakes``, ``audit``.
        seed : int, optional
            Drawn, and recorded, when None.
        within : str, optional
            Only cells of a gate, or of an expression over gates and categories: see :meth:`gated`.
        more : str, optional
            A category of which more are wanted: seven of ten places go to cells that the models take for it (or find
            likeliest to be of it), chosen by the same strategy; also inside a rectangle.

        Returns
        -------
        ndarray of int64
            At most *n* ids, the most useful first.
        """
        if by is not None and not isinstance(by, str):
            raise InputError(f"by={by!r} is not known. Name a strategy, such as 'random'.")
        return sampling.sample(
            self._session, n, image, rectangle, by, level_name(self._session, level), seed, within, more
        )

    def suggest_rectangle(
        self, image: str | None = None, *, level: str | None = None, seed: int | None = None
    ) -> Suggestion:
        """The rectangle where labels would help most, with the reason."""
        return sampling.suggest_rectangle(self._session, image, level_name(self._session, level), seed)

    def draw_audit(
        self, n: int = 200, *, level: str | None = None, seed: int | None = None
    ) -> NDArray[np.int64]:
        """Reserve items for the audit sample; drawing again tops it up. Returns the new ids."""
        return sampling.draw_audit(self._session, n, level_name(self._session, level), seed)

    @property
    def offer(self) -> tuple[NDArray[np.int64], str]:
        """What a sampler offered last: ids and the strategy, empty when nothing yet."""
        return self._session._offered

    @property
    def audit(self) -> Audit:
        """The audit sample of the active level."""
        return self._session.audits.of(self._session._level)
