"""What this machine can do: processor cores that may really be used, and a CUDA device.

A notebook server in a container often sees 64 cores and may use two; a library that starts 64
threads there is many times slower than one that starts two.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

__all__ = ["cpu_count", "cuda_available", "threads_for", "warm_up"]

CROWDED = 1.5  # runnable processes a core from which on threads wait for one another more than they work
ONE_THREAD_BELOW = 5_000  # labels; below this, a second thread costs more than it brings


@lru_cache(maxsize=1)
def cpu_count() -> int:
    """Cores this process may use: the smaller of its affinity and its container's quota.

    Returns
    -------
    int
        At least 1.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        cores = os.cpu_count() or 1
    quota = _cgroup_quota()
    if quota is not None:
        cores = min(cores, max(1, round(quota)))
    return max(1, cores)


def _cgroup_quota() -> float | None:
    """Cores granted by the Linux control group (version 2, then 1), or None without a limit."""
    for folder in _cgroup_folders():
        try:
            limit, period = (folder / "cpu.max").read_text().split()
            if limit != "max":
                return int(limit) / int(period)
        except (OSError, ValueError):
            pass
    try:
        quota = int(Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").read_text())
        period_us = int(Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return quota / period_us if quota > 0 and period_us > 0 else None


def _cgroup_folders() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    folders = [root]
    try:
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = root / line[3:].strip().lstrip("/")
                folders = [own, *[p for p in own.parents if root in p.parents], root]
    except OSError:
        pass
    return folders


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
        All usable cores, less one for the user interface where there are more than two; one on a
        machine that others keep busy (8,000 labels took five times longer on two threads than on
        one with a load of 11 on two cores).

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
    if _crowded():
        return 1
    return cores - 1 if cores > 2 else cores


def _crowded() -> bool:
    try:
        return os.getloadavg()[0] > CROWDED * (os.cpu_count() or 1)
    except (AttributeError, OSError):  # Windows does not know its load
        return False


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
    Meant for a background thread.  Measured cold: about 4 s for XGBoost with scikit-learn and 2 s
    for CatBoost.  A library that is not installed is skipped; training names it when it is asked for.
    """
    import importlib

    names = [*kinds, *(["sklearn.cluster"] if sampling else [])]
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
