"""The one way a kernel is compiled here: lazily, cached on disk, without the interpreter lock.

Kernels take a range of work and are called from a few threads.  numba's own ``parallel=True``
is not used: it doubles the compile time, and its fallback threading layer aborts the process
when two threads (a training job and a viewer) enter it at once.

What compiles slowly is not arithmetic but array allocation, slice assignment and every Python
wrapper, so memory comes in from outside and what only kernels call has no wrapper: that is worth
nearly half of the time (``python -m benchmarks features`` prints it).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

__all__ = ["REORDER", "is_cached", "is_compiled", "kernel", "part"]

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered for SIMD; NaN and infinity keep their meaning.
REORDER = frozenset({"reassoc", "nsz", "contract"})


def kernel(function: Function, fastmath: frozenset[str] = frozenset()) -> Function:
    """Compile `function` on its first call and keep the machine code on disk.

    Where no folder for the machine code can be written, it is compiled once a process.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": set(fastmath) if fastmath else False}
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba: "no locator available": neither the package nor a user folder is writable
        compiled = numba.njit(**options)(function)
    return compiled


def part(function: Function, fastmath: frozenset[str] = frozenset()) -> Function:
    """Compile `function` into the kernels of its own module that call it; nothing else can call it.

    The machine code of a kernel holds it, so it is neither cached nor wrapped on its own.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": set(fastmath) if fastmath else False}
    options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(**options)(function)


def is_cached(function: Callable[..., Any]) -> bool:
    """Whether the machine code of a kernel is kept on disk once there is any."""
    dispatcher: Any = function
    return dispatcher.stats.cache_path is not None


def is_compiled(function: Callable[..., Any]) -> bool:
    """Whether the machine code of a kernel is in memory, or on disk and newer than its source."""
    dispatcher: Any = function
    if dispatcher.signatures:
        return True
    folder = dispatcher.stats.cache_path
    if folder is None:
        return False
    source = Path(dispatcher.py_func.__code__.co_filename)
    written = [path.stat().st_mtime for path in Path(folder).glob(f"*.{dispatcher.py_func.__name__}-*.nbi")]
    return bool(written) and (not source.exists() or max(written) >= source.stat().st_mtime)
