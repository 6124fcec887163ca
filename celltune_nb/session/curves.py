"""The learning curve of a training, kept with it as ``curve.csv``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FormatError, NotReadyError
from .files import write_atomically
from .runs import Run
from .training import snapshot
from .training_options import balanced

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["learning_curve", "load_curve"]

FILE = "curve.csv"
COLUMNS = ("labels", "accuracy", "macro_f1", "log_loss", "repeats")
#: What the figures were judged on, in words; absent from curves of older versions, which did not keep it.
WORDS = {"judged_on": "held-out labels", "split": ""}


def learning_curve(
    session: Session, run: Run | None, level: str, progress: Callable[[float, str], None] | None,
    stop: Callable[[], bool] | None,
) -> pd.DataFrame:  # fmt: skip
    """See :meth:`celltune_nb.Session.learning_curve`."""
    from ..learn import curves
    from ..learn.models import ModelSpec

    run = run or session.finished_run(level)
    if run.state not in ("done", "stopped"):
        raise NotReadyError(f"That training is {run.state}. Wait until it is done, or take another.")
    now = snapshot(session, run.level, run.about.get("exclude_images", ()))
    params = run.about.get("params", {})
    specs = [ModelSpec(kind, dict(params.get(kind, {}))) for kind in run.model_names]
    table = curves.learning_curve(
        balanced(session, now, run.level, run.about.get("options", {}).get("balance")),
        specs,
        rounds=run.about.get("rounds"),
        seed=run.seed,
        progress=progress,
        stop=stop,
    )
    run.take_curve(table)
    if not session.read_only and run.folder is not None:
        try:
            write_atomically(run.folder / FILE, lambda stream: table.to_csv(stream, index=False))
        except OSError as error:
            session.problems.append(
                f"The learning curve could not be kept ({error.strerror}). Make room on the disk."
            )
    return table


def load_curve(folder: Path) -> pd.DataFrame | None:
    """The learning curve of a run; None when there is none.

    Raises
    ------
    FormatError
        It is damaged.
    """
    import pandas as pd

    path = folder / FILE
    if not path.exists():
        return None
    try:
        if path.stat().st_size > 2**20:
            raise ValueError("it is too large")
        whole = pd.read_csv(path)
        table = whole[list(COLUMNS)].astype(float)
        if not len(table) or not (table["labels"] > 0).all():
            raise ValueError("it has no labels")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"The learning curve of run {folder.name} is damaged ({error}). Draw it again: session.learning_curve()."
        ) from error
    words = {
        name: str(whole[name].iloc[0])[:500] if name in whole else unknown for name, unknown in WORDS.items()
    }
    return table.astype({"labels": int, "repeats": int}).assign(**words)
