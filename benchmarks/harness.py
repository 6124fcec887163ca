"""What every benchmark shares: a job, its figures, and how time and memory are taken.

A module of this package that has a list ``JOBS`` is found by ``python -m benchmarks``.  Each job runs
in a process of its own at each of its sizes, so that memory at the peak is its own, and puts what is
ours and what it is compared with side by side in one run.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

OURS = "celltune_nb"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes
    ----------
    task : str
        What was done: "statistics + shape".
    name : str
        Who did it: ``OURS``, or the alternative's name.
    seconds : float
        Wall clock, the best of the repeats.
    cpu : float or None
        CPU seconds of the process in that repeat: what a busy machine does not stretch.
    peak : float or None
        MiB by which the memory of the process rose.
    extra : dict
        Other figures by name: {"macro-F1": 0.91}.
    goal : str
        In words, "≤ 1 s"; empty where there is none.
    met : bool or None
    """

    task: str
    name: str
    seconds: float
    cpu: float | None = None
    peak: float | None = None
    extra: dict[str, float] = field(default_factory=dict)
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Job:
    """A benchmark.

    Attributes
    ----------
    name : str
        One word, for the command line.
    about : str
        What is compared with what, in a sentence.
    sizes : tuple of str
        Smallest first; the first is what ``--quick`` runs.
    run : callable
        Size → figures, ours before the alternative's of the same task.
    """

    name: str
    about: str
    sizes: tuple[str, ...]
    run: Callable[[str], Iterable[Figure]]


@dataclass(frozen=True)
class Taken:
    """What a call took: seconds and CPU seconds of the best repeat, the median, and the rise of memory in MiB."""

    seconds: float
    cpu: float
    median: float
    peak: float | None


def take(call: Callable[[], object], repeats: int = 3, *, memory: bool = True) -> Taken:
    """Run a call a few times.

    Memory is watched in the first run, which also brings files and caches into memory; it counts as
    a repeat only where it is the one there is.
    """
    first = _once(call, watch=memory)
    runs = [_once(call, watch=False) for _ in range(repeats - 1)] or [first]
    best = min(runs, key=lambda run: run[0])
    return Taken(best[0], best[1], statistics.median(run[0] for run in runs), first[2])


def _once(call: Callable[[], object], *, watch: bool) -> tuple[float, float, float | None]:
    rise = _Rise() if watch and resident() is not None else None
    cpu, start = time.process_time(), time.perf_counter()
    call()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return seconds, cpu, None if rise is None else rise.end()


def resident() -> float | None:
    """MiB of memory that this process holds now; None where the system does not say (only Linux does)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _give_back() -> None:
    """Return freed memory to the system: what a call before has left would hide what the next one takes."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)


class _Rise:
    """Follows the memory of the process every two milliseconds."""

    def __init__(self) -> None:
        _give_back()
        self._before = self._highest = resident() or 0.0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self._highest = max(self._highest, resident() or 0.0)

    def end(self) -> float:
        self._highest = max(self._highest, resident() or 0.0)
        self._done.set()
        self._watcher.join()
        return self._highest - self._before
