"""Independent fits in a few threads, as one call.

The libraries release Python's lock while they learn, so two fits on two cores take the time of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from ..errors import Cancelled

__all__ = ["together"]

T = TypeVar("T")

LISTEN_EVERY = 0.02  # seconds


def together(
    calls: Sequence[Callable[[], T]],
    threads: int,
    *,
    listen: Callable[[], object],
    give_up: Callable[[], object],
) -> list[T]:
    """Run calls side by side.

    Parameters
    ----------
    calls : sequence of callable
        Begun in this order.
    threads : int
        Calls at a time; 1 runs them in the calling thread, one after the other.
    listen : callable
        Called in the calling thread: at first, every 20 ms (with one thread: after every call) and at the end.
        Progress is passed on there, and wishes asked for.
    give_up : callable
        Called when a call or `listen` raised: the other calls should end soon, and raise `Cancelled`.

    Returns
    -------
    list
        Results in the order of the calls.

    Raises
    ------
    Exception
        The first error in the order of the calls; `Cancelled` only where there is no other.
    """
    if threads == 1:
        done = []
        for call in calls:
            listen()
            done.append(call())
        listen()
        return done
    listen()
    with ThreadPoolExecutor(threads, thread_name_prefix="celltune-fit") as pool:
        runs = [pool.submit(call) for call in calls]
        try:
            while wait(runs, LISTEN_EVERY).not_done:
                listen()
                if any(_failed(run) for run in runs):
                    give_up()
            listen()
        except BaseException:
            give_up()  # leaving the block waits for the threads
            raise
    errors = [error for run in runs if (error := run.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
        raise error
    return [run.result() for run in runs]


def _failed(run: Future[Any]) -> bool:
    return run.done() and run.exception() is not None
