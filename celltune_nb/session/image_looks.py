"""How each image looks to the models of a training: how unlike those that were labelled, and which cells they doubt."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.predictions import called_now
from ..errors import Cancelled, FormatError, NotReadyError
from .files import read_json, write_json
from .marker import labels_in_sight, signal_channel
from .markers import feature_of_marker
from .onoff import negative_of, positive_of
from .runs import Run, load_models

if TYPE_CHECKING:
    from ..data.categories import Category
    from ..learn.strength import Limits
    from ..learn.verdict import Evaluation
    from .session import Session

__all__ = ["FILE", "Look", "Scales", "expected_at", "load_looks", "look_at", "scales", "write_looks"]

FILE = "looks.json"
#: Rows for which the models' contributions are asked; their mean settles early.
_EXPLAINED = 200
#: Probability of being wrong below which a prediction is in no doubt.
_SURE = 0.1
#: Labels of each category that tell whether the marker is bright or dark.
LEAST = 10

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Look:
    """One image.

    Attributes
    ----------
    shift : float
        Spreads between its cells and those of the other labelled images, by the features that the models rest on.
    expected_f1 : float
        Of the positive category, by the models' probabilities alone; NaN where none is found or there are more than two.
    doubt : dict
        Kind of cell → wrong predictions to expect of its unlabelled cells, by the probabilities alone.
    missed : dict
        Kind of cell → labels that models without its group got wrong.
    """

    shift: float
    expected_f1: float
    doubt: dict[str, float] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)

    @property
    def trouble(self) -> str:
        """The kind of cell that most mistakes are to be expected of; "" if none.

        Mistakes among the labels come second: which cells got one was chosen.
        """
        kinds = {**dict.fromkeys(self.missed, 0.0), **self.doubt}
        if not any(kinds.values()) and not any(self.missed.values()):
            return ""
        return max(kinds, key=lambda kind: (kinds[kind], self.missed.get(kind, 0)))


@dataclass(frozen=True, eq=False)
class Scales:
    """What makes brightnesses of different images comparable.

    Attributes
    ----------
    brightness : float64 array, shape (n,), or None
        Of every measured cell in the marker, in spreads of its image; None where no channel is known to show it.
    limits : Limits or None
    positive : Category
    negative : Category or None
        None where the level has not two categories.
    """

    brightness: NDArray[np.float64] | None
    limits: Limits | None
    positive: Category
    negative: Category | None

    @property
    def names(self) -> tuple[str, ...]:
        """The kinds by brightness, then those of cells whose brightness cannot tell."""
        from ..learn.strength import KINDS, named

        on = self.positive.name
        off = self.negative.name if self.negative is not None else "others"
        return (*(named(k, on, off) for k in range(len(KINDS))), f"doubtful {on}", f"doubtful {off}")

    def kinds(self, on: NDArray[np.bool_], rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """What each cell is called: "weak ON", or "doubtful ON" where brightness cannot tell.

        Parameters
        ----------
        on : bool array, shape (n,)
        rows : int array, shape (n,)
        """
        from ..learn.strength import kinds

        names = np.array(self.names, object)
        if self.brightness is None or self.limits is None:
            return np.asarray(names[-2:][np.where(on, 0, 1)])
        return np.asarray(names[kinds(on, self.brightness[rows], self.limits)])


def scales(session: Session, level: str, found: Evaluation | None = None) -> Scales:
    """The brightness of each cell for its image, and where weak and bright lie by the labels that were judged.

    Parameters
    ----------
    found : Evaluation, optional
        Its labels; by default every label of the level but the audit's is looked at.
    """
    from ..learn.strength import Brightness, limits

    source, table = session.active_features(), session.table
    positive, negative = positive_of(session, level), negative_of(session, level)
    # Of all features, not of those that models learn from: these may leave the plain mean out.
    feature = feature_of_marker(source, signal_channel(session, level) or level)
    if feature is None or negative is None:
        return Scales(None, None, positive, negative)
    signal = source.column(feature)
    brightness = np.full(len(signal), np.nan)
    for number in range(len(table.names)):
        part = table.of_image(number)
        brightness[part] = Brightness.of(signal[part])(signal[part])
    codes = labels_in_sight(session, level, len(source))
    if found is not None:
        codes[~np.isin(table.ids[: len(codes)], found.ids)] = 0
    on, off = brightness[codes == positive.code], brightness[codes == negative.code]
    if min(len(on), len(off)) >= LEAST and np.nanmedian(on) < np.nanmedian(off):
        brightness, on = -brightness, -on  # a dye that takes light away: the darker, the stronger
    return Scales(brightness, limits(on), positive, negative)


def look_at(
    session: Session, run: Run, found: Evaluation, progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Look]:  # fmt: skip
    """Look at up to 2,000 cells of each image.

    Parameters
    ----------
    found : Evaluation
        The labels as models without their group see them.

    Raises
    ------
    NotReadyError
        The features have changed since the training.
    Cancelled
    """
    from ..learn.calibration import apply_temperature
    from ..learn.shift import ROWS, expected_f1, shift

    source, table, level = session.active_features(), session.table, run.level
    handles = load_models(run)
    if not handles or handles[0].schema_hash != source.schema_hash:
        raise NotReadyError(
            "The features have changed since that training. Train again: in Train, or with session.train()."
        )
    scale = scales(session, level, found)
    with session.lock:
        state = session.book.level(level)
        names = called_now(run.about["codes"], state.categories.by_code)
        labelled = state.codes_in_order(table.ids)[: len(source)] != 0
    place = names.index(scale.positive.name) if scale.positive.name in names else None
    taught = table.positions(found.ids[np.isin(found.ids, table.ids)])
    taught_in = np.unique(table.images[taught])
    samples = {int(i): _some(table.of_image(int(i)), len(source), ROWS) for i in range(len(table.names))}
    weights = _weights(handles, source.rows(np.sort(taught)[:: max(1, len(taught) // _EXPLAINED)]))
    t = run.temperature
    looks: dict[str, Look] = {}
    for done, (number, rows) in enumerate(samples.items()):
        if stop is not None and stop():
            raise Cancelled
        if progress is not None:
            progress(done / len(samples), f"looking at {table.names[number]}")
        if not len(rows):
            continue
        X = source.rows(rows)
        others = [samples[int(i)] for i in taught_in if i != number and len(samples[int(i)])]
        far = math.nan
        if others:
            part = np.concatenate([o[:: max(1, len(others))] for o in others])
            far = shift(source.rows(np.sort(part)), X, weights)
        expected, doubt = math.nan, {}
        if place is not None and scale.negative is not None:
            p = np.mean([handle.predict_proba(X) for handle in handles], axis=0)
            p = apply_temperature(p, t) if t is not None else p
            on = np.nan_to_num(p[:, place])
            expected = expected_f1(on)
            doubt = _doubt(scale, on, rows, ~labelled[rows], _cells(table.of_image(number), len(source)))
        looks[table.names[number]] = Look(far, expected, doubt)
    return _with_mistakes(session, looks, found, scale)


def expected_at(session: Session, run: Run, value: float) -> dict[str, float]:
    """Image → F1 to be expected of its positive cells as a threshold decides them; empty where the answers are not kept.

    It is read from the probabilities that are kept of all cells, at the temperature of the audit, so that moving the
    threshold needs no judging anew.
    """
    from ..learn.calibration import apply_temperature
    from ..learn.shift import ROWS, expected_f1

    answers, name = session.populations.answer_of(run), positive_of(session, run.level).name
    if answers is None or answers.probability is None or name not in answers.classes:
        return {}
    table, place, t = session.table, answers.classes.index(name), run.temperature
    found = {}
    for i, image in enumerate(table.names):
        known = answers.probability[_some(table.of_image(i), len(answers), ROWS)]
        p = known[np.isfinite(known).all(axis=1)].astype(np.float64)
        at = np.zeros((1, p.shape[1]))
        at[0, place], at[0, place - 1] = value, 1 - value  # two categories: the other one has the rest
        if t is not None:
            p, at = apply_temperature(p, t), apply_temperature(at, t)
        found[image] = expected_f1(p[:, place], float(at[0, place]) - 1e-9)
    return found


def _cells(part: slice, measured: int) -> int:
    return max(0, min(part.stop, measured) - part.start)


def _some(part: slice, measured: int, most: int) -> NDArray[np.int64]:
    """Up to so many rows of an image, spread over it."""
    stop = min(part.stop, measured)
    return np.arange(part.start, stop, max(1, -(-(stop - part.start) // most)), dtype=np.int64)


def _weights(handles: list[Any], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much the models rest on each feature: the mean size of its contributions."""
    sizes = []
    for handle in handles:
        size = np.abs(handle.contributions(rows)).mean(axis=(0, 1), dtype=np.float64)
        sizes.append(size / size.sum() if size.sum() > 0 else np.full(len(size), 1 / len(size)))
    return np.asarray(np.mean(sizes, axis=0))


def _doubt(
    scale: Scales, on: NDArray[np.floating], rows: NDArray[np.int64], free: NDArray[np.bool_], cells: int
) -> dict[str, float]:
    """Wrong predictions to be expected among an image's unlabelled cells, by the kind that each would turn out to be."""
    if not free.any():
        return {}
    wrong = np.where(on < 0.5, on, 1 - on)[free]
    # Thousands of cells that are clearly OFF would outweigh the few that are in doubt.
    wrong = np.where(wrong < _SURE, 0.0, wrong)
    # A cell called OFF is wrong when it is ON, and the other way round.
    names = scale.kinds(on[free] < 0.5, rows[free])
    factor = cells / max(1, len(on))
    return {str(name): round(float(wrong[names == name].sum() * factor), 2) for name in np.unique(names)}


def _with_mistakes(
    session: Session, looks: dict[str, Look], found: Evaluation, scale: Scales
) -> dict[str, Look]:
    if scale.positive.name not in found.categories or scale.negative is None:
        return looks
    table = session.table
    there = np.isin(found.ids, table.ids) & (found.truth != found.predicted)
    rows = table.positions(found.ids[there])
    on = (found.truth == found.categories.index(scale.positive.name))[there]
    names = scale.kinds(on, rows)
    for number in np.unique(table.images[rows]):
        name, here = table.names[int(number)], names[table.images[rows] == number]
        if name in looks:
            missed = {str(kind): int((here == kind).sum()) for kind in np.unique(here)}
            looks[name] = Look(looks[name].shift, looks[name].expected_f1, looks[name].doubt, missed)
    return looks


# ---------------------------------------------------------------------- kept with the run


def write_looks(looks: dict[str, Look], folder: Path) -> None:
    """Write them as JSON; raises OSError."""
    plain = {name: asdict(look) for name, look in looks.items()}
    for look in plain.values():
        for key in ("shift", "expected_f1"):
            look[key] = look[key] if math.isfinite(look[key]) else None
    write_json(folder / FILE, {"images": plain})


def load_looks(folder: Path) -> dict[str, Look] | None:
    """What was written; None where there is nothing.

    Raises
    ------
    FormatError
        It is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        images = read_json(path)["images"]
        return {
            str(name): Look(
                _number(of["shift"]), _number(of["expected_f1"]),
                {str(k): float(v) for k, v in of["doubt"].items()}, {str(k): int(v) for k, v in of["missed"].items()},
            )
            for name, of in images.items()
        }  # fmt: skip
    except (FormatError, OSError, KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise FormatError(
            f"{path} is damaged ({type(error).__name__}). Judge the models again: session.judge()."
        ) from error


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
