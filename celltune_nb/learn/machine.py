"""What this machine can do: processor cores that may really be used, and a CUDA device.

A notebook server in a container often sees 64 cores and may use two; a library that starts 64
threads there is many times slower than one that starts two.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

__all__ = ["cpu_count", "cuda_available", "machine", "side_by_side", "threads_for", "uncollected", "warm_up"]

ONE_THREAD_BELOW = 5_000  # labels; below this, a second thread costs more than it brings


def cpu_count() -> int:
    """Cores this process may use: affinity and the container's quota are respected (joblib).

    Returns
    -------
    int
        At least 1.
    """
    import joblib

    return int(joblib.cpu_count())


def machine() -> str:
    """What tells this machine from another: how long something took on another says nothing here."""
    import platform

    return f"{platform.node()} {platform.machine()} {cpu_count()}"


def threads_for(n_labels: int | None = None, n_jobs: int | None = None) -> int:
    """Threads for a training on ``n_labels`` labels (None: a prediction).

    Parameters
    ----------
    n_labels : int, optional
        One thread below 5,000 labels, where more threads cost more than they bring.
    n_jobs : int, optional
        Overrides the choice; -1 means every usable core.

    Returns
    -------
    int
        All usable cores, less one for the user interface where there are more than two.  The number
        does not follow the machine's load: the same labels have to give the same model.

    Notes
    -----
    CatBoost and LightGBM give the same model on any number of threads; XGBoost's sums differ in the
    seventh digit between one thread and several.  Give `n_jobs` where that matters.
    """
    cores = cpu_count()
    if n_jobs is not None:
        return cores if n_jobs < 0 else max(1, n_jobs)
    if n_labels is not None and n_labels < ONE_THREAD_BELOW:
        return 1
    return cores - 1 if cores > 2 else cores


def side_by_side(models: int, n_labels: int, n_jobs: int | None = None) -> list[int]:
    """Threads of each of the models that are fitted at the same time.

    A second thread inside a model brings 1.2 to 1.8 times its speed and only on many labels; a second model
    beside the first brings twice the speed on any number of them.

    Parameters
    ----------
    models : int
        Models to fit, at least 1.
    n_labels : int
    n_jobs : int, optional
        Threads altogether; None: as :func:`threads_for`.

    Returns
    -------
    list of int
        One entry: the models are fitted one after the other.
    """
    cores = threads_for(None, n_jobs)
    together = min(models, cores)
    if n_jobs is None and n_labels < ONE_THREAD_BELOW:
        return [1] * together
    return [cores // together + (i < cores % together) for i in range(together)]


@lru_cache(maxsize=1)
def cuda_available() -> bool:
    """Whether the CUDA driver answers and counts a device; asks the driver, loads no framework."""
    import ctypes

    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
        if driver.cuInit(0) != 0:
            return False
        count = ctypes.c_int(0)
        return driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except (OSError, AttributeError):
        return False


@contextmanager
def uncollected() -> Iterator[None]:
    """While libraries are imported beside other work: no search for garbage among what they make.

    Each import of a large library sets off several searches through all objects of the process, during which nothing
    else runs: a label given meanwhile waits for 100 to 300 ms.  What was imported stays, so it is counted as old
    afterwards, without having been searched.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def warm_up(kinds: tuple[str, ...] = ("xgboost", "catboost"), *, sampling: bool = True) -> None:
    """Import the heavy libraries while the user looks at images, so that the first training does not wait.

    Parameters
    ----------
    kinds : tuple of str
        Model kinds to prepare: "xgboost", "catboost", "lightgbm".
    sampling : bool
        Also import scikit-learn's k-means, which the samplers use.

    Notes
    -----
    Meant for a background thread.  Prediction's kernel is compiled too where its machine code is not on disk.  Measured cold: about 4 s for XGBoost with scikit-learn and 2 s
    for CatBoost.  A library that is not installed is skipped; training names it when it is asked for.
    """
    import importlib

    names = [*kinds, *(["sklearn.cluster"] if sampling else [])]
    with uncollected():
        for name in names:
            try:
                importlib.import_module(name)
            except ImportError:
                continue
        if "xgboost" in kinds and "xgboost" in sys.modules:
            from .boosting import forest

            forest.warm_up()
