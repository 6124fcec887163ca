"""How good the models are, said honestly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .runs import Run

if TYPE_CHECKING:
    from ..learn.evaluation import Evaluation
    from .session import Session

__all__ = ["evaluate"]

#: Audit labels from which on the audit sample speaks.
ENOUGH_AUDITED = 50


def evaluate(session: Session, run: Run | None, level: str) -> Evaluation:
    """See :meth:`celltune_nb.Session.evaluate`."""
    raise NotReadyError
