"""Long work: one at a time, with progress, Stop and Cancel, and its errors kept."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from celltune_nb.errors import CellTuneError, InputError
from celltune_nb.session.jobs import Job, Jobs, LatestWins, Repeat
from tests.waiting import LONG, until


def test_jobs_run_one_after_the_other_in_one_thread() -> None:
    jobs, order = Jobs(), []
    names = set()

    def work(job: Job) -> None:
        names.add(threading.current_thread().name)
        order.append(job.name)

    last = [jobs.submit(work, str(i)) for i in range(5)][-1].wait(LONG)
    assert (order, last.state, len(names)) == (list("01234"), "done", 1)
    jobs.close()


def test_stop_keeps_and_cancel_discards() -> None:
    jobs = Jobs()

    def count(job: Job) -> int:
        n = 0
        while job.wish != "stop" and n < 10_000:
            job.check()
            n += 1
            time.sleep(0.001)
        return n

    stopped = jobs.submit(count, "count")
    until(lambda: stopped.state == "running")
    stopped.stop()
    assert 0 < stopped.wait(LONG).result < 10_000
    assert stopped.state == "stopped"
    cancelled, waiting = jobs.submit(count, "count"), jobs.submit(count, "count")
    waiting.cancel()
    until(lambda: cancelled.state == "running")
    cancelled.cancel()
    assert cancelled.wait(LONG).state == waiting.wait(LONG).state == "cancelled"
    assert cancelled.result is None
    jobs.close()


def test_errors_reach_the_one_who_waits() -> None:
    jobs = Jobs()

    def fail(_: Job) -> None:
        raise InputError("The fact. The next step.")

    job = jobs.submit(fail, "fail")
    with pytest.raises(InputError, match="next step"):
        job.wait(LONG)
    assert job.state == "failed"
    assert jobs.submit(lambda _: 42, "after").wait(LONG).result == 42
    jobs.close()
    with pytest.raises(CellTuneError, match="closed"):
        jobs.submit(lambda _: 1, "late")


def test_progress_is_passed_on_at_most_ten_times_a_second() -> None:
    jobs, told = Jobs(), []

    def work(job: Job) -> None:
        for i in range(300):
            job.report(i / 300, "counting")
            time.sleep(0.001)

    started = time.monotonic()
    jobs.submit(work, "w", told.append).wait(LONG)
    assert 3 <= len(told) <= 10 * (time.monotonic() - started) + 4
    jobs.close()


def test_a_job_can_be_awaited_while_the_loop_goes_on() -> None:
    jobs = Jobs()

    beaten = threading.Event()

    async def beat() -> None:
        for _ in range(6):
            await asyncio.sleep(0.01)
        beaten.set()

    async def main() -> tuple[str, bool]:
        task = asyncio.create_task(beat())
        job = await jobs.submit(lambda _: beaten.wait(LONG), "waits for the loop")
        await task
        return job.state, job.result

    # In a thread of its own: a browser that is open for other tests keeps a loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        state, heard = pool.submit(lambda: asyncio.run(main())).result(LONG)
    assert state == "done"
    assert heard
    jobs.close()


def test_only_the_newest_drawing_is_done() -> None:
    drawn: list[int] = []
    gate = threading.Event()

    def draw(n: int) -> None:
        gate.wait(LONG)
        drawn.append(n)

    latest = LatestWins(draw)
    for n in range(50):
        latest.request(n)
        time.sleep(0.001)
    gate.set()
    assert latest.settle(LONG)
    assert drawn[-1] == 49
    assert len(drawn) <= 2
    latest.close()
    latest.request(1)
    assert drawn[-1] == 49


def test_a_repetition_ends_when_it_says_so_and_when_closed() -> None:
    calls: list[int] = []
    repeat = Repeat(lambda: calls.append(1) or len(calls) < 3, 0.005)
    until(lambda: len(calls) == 3)
    time.sleep(0.05)
    assert len(calls) == 3
    repeat.close()


def test_work_aside_does_not_wait_for_long_work_nor_it_for_that():
    jobs = Jobs()
    gate = threading.Event()
    long = jobs.submit(lambda job: gate.wait(LONG), "long")
    aside = jobs.aside(lambda job: 7, "aside")
    assert aside.wait(LONG).result == 7
    until(lambda: long.state == "running")  # its thread may begin later than the other
    held = jobs.aside(lambda job: [job.check() or time.sleep(0.01) for _ in range(100_000)], "held")
    gate.set()
    assert long.wait(LONG).state == "done"
    jobs.close()
    assert held.state == "cancelled"


def test_map_runs_side_by_side_and_after_the_end_one_by_one():
    jobs = Jobs()
    assert list(jobs.map(lambda n: n * n, range(50))) == [n * n for n in range(50)]
    jobs.close()
    assert list(jobs.map(str, [1, 2])) == ["1", "2"]


def test_what_follows_a_job_outlives_a_listener_that_is_replaced() -> None:
    jobs, said = Jobs(), []
    gate = threading.Event()
    job = jobs.submit(lambda job: gate.wait(LONG), "waits")
    job.then(lambda job: said.append(job.state))
    job._changed = lambda job: None
    gate.set()
    job.wait()
    until(lambda: said)
    job.then(lambda job: said.append("at once"))
    assert said == ["done", "at once"]
    jobs.close()
