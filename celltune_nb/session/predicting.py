"""From models to the probabilities of every item; those on the screen first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN, Category
from ..data.features import FeatureSource
from ..data.merging import added_up
from ..data.populations import PopulationSet
from ..data.predictions import called_now, predicted
from ..errors import NotReadyError
from . import runs as run_files
from .evaluations import calibrate
from .events import PopulationsChanged
from .regions import covered

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from .runs import Run
    from .session import Session

__all__ = ["ON_SCREEN", "learned", "on_screen", "predict", "predict_all", "shown_first"]

ON_SCREEN = 5_000
"""Items of the image on the screen that are predicted before all others."""


def on_screen(session: Session, n: int = ON_SCREEN) -> NDArray[np.int64]:
    """Positions of the items of the image on the screen, ascending; of more than `n` those nearest to its middle."""
    view, table = session.view, session.table
    number = session.image_number(view.image) if view.image in table.names else -1
    rows = table.of_image(number) if number >= 0 else slice(0, 0)
    places = np.arange(rows.start, rows.stop)
    if len(places) <= n:
        return places
    y, x = table.y[rows], table.x[rows]
    middle = view.center or ((y.min() + y.max()) / 2, (x.min() + x.max()) / 2)
    away = np.maximum(np.abs(y - middle[0]), np.abs(x - middle[1]))
    return np.sort(places[np.argpartition(away, n)[:n]])


@contextmanager
def shown_first(
    session: Session, level: str, handles: Sequence[Any], source: FeatureSource, classes: Sequence[Category]
) -> Iterator[None]:
    """Show what models say of the cells on the screen while all others are predicted.

    Only the picture knows: :meth:`~celltune_nb.session.populations.Populations.on_screen`.  The population
    sets stay those of the former training until the new ones are complete, and so they stay when it is cancelled.
    """
    shown = session.view.color_by
    found = session.populations[shown] if shown is not None and shown in session.populations else None
    wanted = found is not None and found.level == level and found.name.startswith(("Pred_MDL", "Pred_AVG"))
    places = on_screen(session)
    places = places[places < len(source)]
    if not wanted or not len(places) or session.view.blind:
        yield
        return
    assert found is not None
    ids = session.table.ids[places]
    unknown = session.book.level(level).categories[UNKNOWN]
    sets = predicted(probabilities(handles, source.rows(places)), classes, ids, level, unknown)
    held = session.regions.mask(level)
    if held is not None:
        sets = [covered(item, held[places]) for item in sets]
    _show(session, next((item for item in sets if item.name == found.name), None))
    try:
        yield
    finally:
        _show(session, None)


def _show(session: Session, item: PopulationSet | None) -> None:
    session.populations.coming = item
    session.emit(session.preview_changed, PopulationsChanged(() if item is None else (item.name,)))


def probabilities(
    handles: Sequence[Any], rows: NDArray[np.float32], out: Sequence[NDArray[np.float32]] = ()
) -> list[NDArray[np.float32]]:
    """Each model's probabilities, NaN where an item could not be measured at all."""
    out = list(out) or [np.empty((len(rows), len(handle.categories)), np.float32) for handle in handles]
    empty = np.isnan(rows[:, 0])  # few are: only these are looked at whole
    empty[empty] = np.isnan(rows[empty]).all(axis=1)
    for handle, filled in zip(handles, out, strict=True):
        handle.predict_proba(rows, out=filled)
        filled[empty] = np.nan
    return out


def predict_all(
    handles: Sequence[Any], source: FeatureSource, progress: Callable[[float, str], None]
) -> list[NDArray[np.float32]]:
    """Every item by every model.

    Parameters
    ----------
    handles : sequence of ModelHandle
    source : FeatureSource
        Read block by block; each block is read once for all models.
    progress : callable
        Told the fraction done and a sentence after every block; what it raises ends the work.

    Returns
    -------
    list of ndarray of float32, shape (n, k)
        One a model.
    """
    n = len(source)
    out = [np.empty((n, len(handle.categories)), np.float32) for handle in handles]
    for part, rows in source.blocks():
        probabilities(handles, rows, [filled[part] for filled in out])
        progress(part.stop / n, f"predicting {n:,} items")
    return out


def predict(session: Session, ids: Any, run: Run | None, level: str, calibrated: bool) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.predict`."""
    import pandas as pd

    run = run or session.finished_run(level)
    handles = run_files.load_models(run)
    source = session.active_features()
    if handles and handles[0].schema_hash != source.schema_hash:
        raise NotReadyError(
            "The features have changed since that training. Train again: in Train, or with session.train()."
        )
    positions = np.arange(len(source)) if ids is None else session.positions(ids)
    if len(positions) and positions.max() >= len(source):
        raise NotReadyError(
            "Some of these items are not measured yet. Measure first: in Data, or with session.measure()."
        )
    rows = source.rows(positions)
    mean = np.asarray(np.mean([handle.predict_proba(rows) for handle in handles], axis=0, dtype=np.float32))
    mean = calibrate(run, mean) if calibrated else mean
    held = session.regions.mask(run.level)
    if held is not None:
        mean[~held[positions]] = np.nan
    with session.lock:
        categories = session.book.level(run.level).categories
    meant = {code: categories.meaning(code) for code in run.about["codes"].values()}
    names = called_now(run.about["codes"], {code: now for code, now in meant.items() if now is not None})
    if len(set(names)) < len(names):
        mean, names = added_up(mean, names), tuple(dict.fromkeys(names))
    return pd.DataFrame(mean, index=pd.Index(session.table.ids[positions], name="item"), columns=list(names))


def learned(session: Session, run: Run) -> tuple[list[Any], dict[str, int]]:
    """A training's models, and the categories they tell apart today: name → code, in the order of their columns.

    Where categories were merged since, the models answer for the one that they are part of now.
    """
    handles, codes = run_files.load_models(run), dict(run.about["codes"])
    with session.lock:
        categories = session.book.level(run.level).categories
    now = {name: found for name, code in codes.items() if (found := categories.meaning(code)) is not None}
    if all(found.code == codes[name] for name, found in now.items()):
        return handles, codes
    today = {
        name: (now[name].name, now[name].code) if name in now else (name, code)
        for name, code in codes.items()
    }
    columns = [code for _, code in today.values()]
    return [_Merged(handle, columns) for handle in handles], dict(today.values())


class _Merged:
    """A model whose probabilities of merged categories are added up."""

    def __init__(self, handle: Any, columns: Sequence[int]) -> None:
        self._handle, self._columns = handle, columns
        self.name, self.schema_hash = handle.name, handle.schema_hash

    def predict_proba(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return added_up(self._handle.predict_proba(rows), self._columns)
