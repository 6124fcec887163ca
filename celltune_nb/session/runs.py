"""Runs: one training each, with its history, models and files."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..errors import CellTuneError, FormatError, InputError, ProjectError
from .files import read_json, write_atomically, write_json
from .jobs import Job, Progress

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.models import ModelHandle
    from ..learn.verdict import Evaluation
    from .judging import Judging

__all__ = [
    "Run",
    "as_run",
    "finish_run",
    "learned",
    "load_models",
    "load_runs",
    "new_run_id",
    "save_run",
    "trained_on",
]

HISTORY_COLUMNS = ("model", "step", "split", "metric", "value")


def new_run_id() -> str:
    """``<utc>-<random>``: sorts by time, and two trainings in one second differ."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid4().hex[:6]}"


@dataclass(eq=False)
class Run:
    """One training.

    Attributes
    ----------
    id : str
    level : str
    seed : int
    round : int
        The how-manieth finished training of the level it is, from 1.
    about : dict
        Everything recorded beside the models: label revision, feature schema, split, parameters, versions.
    metrics : dict
        Model name → accuracy, macro_f1, log_loss on the held-out labels that chose the number of rounds.
    models : list of ModelHandle
    notes : list of str
        Sentences to read: a fallback to the CPU, a retry.
    """

    id: str
    level: str
    seed: int
    model_names: tuple[str, ...]
    round: int = 0
    started: float = field(default_factory=time.time)
    about: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    models: list[ModelHandle] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    folder: Path | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    job: Job | None = None
    _state: str = "queued"
    _error: str | None = None
    _seconds: float = 0.0
    _evaluation: Evaluation | None = None
    #: Its labels out of fold, where they were asked for beside an evaluation; not written.
    out_of_fold: Evaluation | None = None
    #: What :meth:`celltune_nb.Session.judge` found last, here or before a restart.
    judging: Judging | None = None
    _curve: pd.DataFrame | None = None

    def __repr__(self) -> str:
        return f"Run({self.id}: {self.state}, {', '.join(self.model_names)})"

    @property
    def state(self) -> str:
        """``queued``, ``running``, ``done``, ``stopped``, ``cancelled`` or ``failed``."""
        return self.job.state if self.job is not None else self._state

    @property
    def error(self) -> str | None:
        """Why it failed, in a sentence; None otherwise."""
        if self.job is None:
            return self._error
        if self.job.state != "failed" or self.job.error is None:
            return None
        error = self.job.error
        if isinstance(error, CellTuneError):
            return str(error)
        return (
            f"The training ended with {type(error).__name__}: {error}. Nothing was changed; please report it."
        )

    @property
    def progress(self) -> Progress:
        """How far it is."""
        if self.job is not None:
            return self.job.progress
        return Progress(1.0, self._state)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.job.seconds if self.job is not None else self._seconds

    @property
    def split(self) -> str:
        """The sentence that names the split which chose the number of rounds."""
        return str(self.about.get("split", {}).get("sentence", ""))

    @property
    def history(self) -> pd.DataFrame:
        """Every round: columns model, step, split, metric, value."""
        import pandas as pd

        if not self.rows:
            load_history(self)
        return pd.DataFrame(list(self.rows), columns=list(HISTORY_COLUMNS))

    @property
    def evaluation(self) -> Evaluation | None:
        """What :meth:`celltune_nb.Session.evaluate` found last, also before a restart; None when nothing yet.

        Raises
        ------
        FormatError
            When it is damaged on disk; the run itself is unharmed then.
        """
        if self._evaluation is None and self.folder is not None:
            from .evaluations import load_evaluation

            found = load_evaluation(self.folder)
            # The level may have been called otherwise then.
            self._evaluation = None if found is None else replace(found, level=self.level)
        return self._evaluation

    @property
    def curve(self) -> pd.DataFrame | None:
        """The learning curve, :meth:`celltune_nb.Session.learning_curve`; None when nobody asked for it yet.

        Raises
        ------
        FormatError
            When it is damaged on disk.
        """
        if self._curve is None and self.folder is not None:
            from .curves import load_curve

            self._curve = load_curve(self.folder)
        return self._curve

    def take_curve(self, curve: pd.DataFrame) -> None:
        """Take a learning curve as the run's own."""
        self._curve = curve

    @property
    def temperature(self) -> float | None:
        """What makes this run's probabilities true, fitted on its audit; None before one has judged it."""
        found = self.evaluation
        return None if found is None or found.kind != "audit" else found.temperature

    def keep(self, found: Evaluation, *, write: bool) -> None:
        """Take an evaluation as the run's own; *write* it into the run's folder too.

        Raises
        ------
        OSError
            When it cannot be written; it is kept in memory all the same.
        """
        from .evaluations import save_evaluation

        self._evaluation = found
        if write and self.folder is not None:
            save_evaluation(found, self.folder)

    @property
    def options(self) -> dict[str, Any]:
        """What was asked for besides models, level and seed: ``session.train(**run.options)`` asks for it again."""
        found = {name: value for name, value in self.about.get("options", {}).items() if value is not None}
        found.update(
            {name: self.about[name] for name in ("params", "exclude_images") if self.about.get(name)}
        )
        return found

    def wait(self, timeout: float | None = None) -> Run:
        """Wait until it is over; progress goes on being shown.

        Raises
        ------
        CellTuneError
            When the training failed.
        """
        if self.job is not None:
            self.job.wait(timeout)
        return self

    def __await__(self) -> Generator[Any, None, Run]:
        """``await run``: as :meth:`wait`, while the kernel answers other messages."""
        if self.job is not None:
            yield from self.job.__await__()
        return self

    def stop(self) -> None:
        """End soon and keep the best models so far."""
        if self.job is not None:
            self.job.stop()

    def cancel(self) -> None:
        """End soon and discard everything."""
        if self.job is not None:
            self.job.cancel()


def as_run(value: Any) -> Run | None:
    """The value, if it is a training or None.

    Raises
    ------
    InputError
    """
    if value is not None and not isinstance(value, Run):
        raise InputError(f"{value!r} is no training. Take one from session.runs.")
    return value


def save_run(run: Run, folder: Path, trained_on: NDArray[np.int64], trained_as: NDArray[np.int16]) -> None:
    """Write a finished run but for ``run.json``, which makes it count: see :func:`finish_run`.

    Parameters
    ----------
    trained_on : ndarray of int64, shape (n,)
        The items it learned from; an audit must not judge it by them.
    trained_as : ndarray of int16, shape (n,)
        The codes of their categories; the next training counts by them what was labelled since.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProjectError(
            f"{folder} cannot be made ({error.strerror}). Make room, then train again."
        ) from error
    for name, values in (("trained_on", trained_on), ("trained_as", trained_as)):
        write_atomically(folder / f"{name}.npy", partial(np.save, arr=values, allow_pickle=False))
    run.folder = folder
    run.about["files"] = [handle.save(folder / f"model{i + 1}").name for i, handle in enumerate(run.models)]
    history = run.history
    write_atomically(folder / "history.csv", lambda stream: history.to_csv(stream, index=False))


def finish_run(run: Run, level: str | None = None) -> None:
    """Write ``run.json``, the last file of a run: a folder with it is complete; *level*: by which name files call its level."""
    assert run.folder is not None
    about = {name: value for name, value in run.about.items() if name != "files"}
    write_json(
        run.folder / "run.json",
        {
            "id": run.id, "level": level or run.level, "seed": run.seed, "round": run.round, "started": run.started,
            "seconds": run.seconds, "state": "stopped" if run.about.get("stopped") else "done",
            "models": list(run.model_names), "files": run.about["files"], "metrics": run.metrics,
            "notes": run.notes, "about": about,
        },
    )  # fmt: skip


def load_runs(folder: Path, today: Callable[[str], str] = str) -> list[Run]:
    """The finished runs of a project, oldest first; a damaged one is named in its notes and left out of use."""
    runs = []
    for path in sorted(folder.glob("*/run.json")):
        try:
            stored = read_json(path)
            run = Run(
                str(stored["id"]), today(str(stored["level"])), int(stored["seed"]), tuple(map(str, stored["models"])),
                int(stored["round"]), float(stored["started"]), dict(stored["about"]), dict(stored["metrics"]),
                notes=[str(n) for n in stored["notes"]], folder=path.parent,
            )  # fmt: skip
            run._state, run._seconds = str(stored["state"]), float(stored["seconds"])
            if run._state not in ("done", "stopped") or not isinstance(run.about.get("split", {}), dict):
                raise FormatError(f"its state is {run._state!r}")
            run.about["files"] = [str(f) for f in stored["files"]]
        except (FormatError, KeyError, TypeError, ValueError, ArithmeticError) as error:
            run = Run(path.parent.name, "", 0, (), notes=[f"The record of this run is damaged ({error})."])
            run._state, run._error = "failed", run.notes[0]
        runs.append(run)
    return sorted(runs, key=lambda run: (run.started, run.id))


def trained_on(run: Run) -> NDArray[np.int64]:
    """The items a run learned from."""
    path = (run.folder or Path()) / "trained_on.npy"
    try:
        return np.load(path, allow_pickle=False).astype(np.int64)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"{path} is missing or damaged. Train again to renew it.") from error


def learned(run: Run) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """The items a run learned from, and the codes of their categories; these are None in older projects."""
    ids, path = trained_on(run), (run.folder or Path()) / "trained_as.npy"
    if not path.exists():
        return ids, None
    try:
        codes = np.load(path, allow_pickle=False).astype(np.int64)
        if codes.shape != ids.shape:
            raise ValueError("it does not fit")
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"{path} is damaged. Train again to renew it.") from error
    return ids, codes


def load_history(run: Run) -> None:
    """Read a stored run's history when it is first looked at."""
    import pandas as pd

    if run.folder is None or not (run.folder / "history.csv").exists():
        return
    try:
        frame = pd.read_csv(run.folder / "history.csv")
        run.rows = frame[list(HISTORY_COLUMNS)].to_dict("records")  # type: ignore[assignment]
    except (ValueError, KeyError) as error:
        raise FormatError(
            f"The history of run {run.id} is damaged ({error}). The run itself is unharmed."
        ) from error


def load_models(run: Run) -> list[ModelHandle]:
    """Read a stored run's models when they are first needed."""
    from ..learn.models import ModelHandle

    if not run.models and run.folder is not None:
        # Only the file's own name is used: a run.json cannot point out of its folder.
        run.models = [ModelHandle.load(run.folder / Path(name).name) for name in run.about.get("files", [])]
    return run.models
