"""What a loop has asked a pool to do, up to the end of the loop: whoever waits for an outcome is told."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_net import COMPILED, ChannelFuture, EventLoop, EventLoopGroup, WorkerPool
from pipeline_net.transport import event_loop
from pipeline_net.transport.blocking_jobs import BlockingJobs

_PATIENCE = 10.0  # seconds


class _Work:
    """Ends when it is told to; ``told`` are the outcomes that came, and where."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.told: list[tuple[Any, str]] = []

    def __call__(self) -> str:
        self.begun.set()
        assert self.may_end.wait(_PATIENCE)
        return "done"

    def tell(self, outcome: ChannelFuture[Any]) -> None:
        self.told.append((outcome.result(), threading.current_thread().name))


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(threads=1) as pool:
        yield pool


def _end_in_the_middle(loop: EventLoop, work: _Work) -> None:
    """Stop the loop, and let the work end only when the loop has begun to wind up."""
    stopping = threading.Thread(target=loop.stop)
    stopping.start()
    while not loop.is_stopping:
        time.sleep(0.001)
    work.may_end.set()
    stopping.join(_PATIENCE)


@pytest.mark.parametrize("shared", [True, False])
def test_a_loop_that_stops_still_hears_of_a_job_that_is_under_way(
    shared: bool, pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    work = _Work()
    loop = EventLoop(pool=pool if shared else None)
    loop.start()
    loop.run_blocking(work).add_done_callback(work.tell)
    assert work.begun.wait(_PATIENCE)
    _end_in_the_middle(loop, work)
    assert work.told == [("done", loop.name)]
    assert caplog.records == []


def test_what_an_outcome_leads_to_is_heard_of_as_well(caplog: pytest.LogCaptureFixture) -> None:
    work, next_work = _Work(), _Work()
    next_work.may_end.set()
    loop = EventLoop()
    loop.start()

    def go_on(outcome: ChannelFuture[Any]) -> None:
        loop.run_blocking(next_work).add_done_callback(next_work.tell)

    loop.run_blocking(work).add_done_callback(go_on)
    assert work.begun.wait(_PATIENCE)
    _end_in_the_middle(loop, work)
    assert next_work.told == [("done", loop.name)]
    assert caplog.records == []


def test_a_group_that_ends_hears_of_its_jobs(caplog: pytest.LogCaptureFixture) -> None:
    work = _Work()
    with EventLoopGroup(1) as loops:
        loops.start()
        loop = next(iter(loops))
        loop.run_blocking(work).add_done_callback(work.tell)
        assert work.begun.wait(_PATIENCE)
        threading.Timer(0.05, work.may_end.set).start()
    assert work.told == [("done", loop.name)]
    assert caplog.records == []


def test_a_job_that_does_not_end_is_not_waited_for(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    work = _Work()
    loop = EventLoop(pool=pool)
    if not COMPILED:
        monkeypatch.setattr(event_loop, "_JOBS_PATIENCE", 0.01)  # a compiled module has it inside
    loop.start()
    outcome = loop.run_blocking(work)
    outcome.add_done_callback(work.tell)
    assert work.begun.wait(_PATIENCE)
    loop.stop()
    assert not outcome.done()
    work.may_end.set()
    assert outcome.result(_PATIENCE) == "done"
    pool.release()
    assert work.told == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "will not be told" in caplog.text


def test_nothing_is_kept_of_a_job_that_has_ended(pool: WorkerPool) -> None:
    loop = EventLoop()
    jobs = BlockingJobs(loop, pool)
    outcome = jobs.start(str, ("a",))
    assert outcome.result(_PATIENCE) == "a"
    jobs.wait(_PATIENCE)
    assert not jobs._unfinished
    jobs.release()  # it has no pool of its own
    assert jobs.start(str, ("b",)).result(_PATIENCE) == "b"
    loop.stop()


def test_what_is_owed_runs_although_the_pool_is_full_and_the_end_of_the_loop_waits_for_it() -> None:
    work = _Work()
    ran: list[int] = []
    with WorkerPool(1, 1) as pool:
        loop = EventLoop(pool=pool)
        jobs = BlockingJobs(loop, pool)
        jobs.start(work, ())
        jobs.start(str, ())
        for number in range(5):
            jobs.start_owed(lambda number=number: ran.append(number))  # type: ignore[misc]  # mypy cannot infer it
        work.may_end.set()
        jobs.wait(_PATIENCE)
        assert ran == list(range(5))
        assert not jobs._unfinished
        loop.stop()


# Blocking work that is asked for by loops, which are daemons and go on, when the interpreter has begun to exit: before
# and after its pools are closed, with a pool that had been at work and one that is only made then.
_UNTIL_THE_END = """
import atexit, logging, sys, threading
from pipeline_net import ChannelClosedError, EventLoop, PipelineError, WorkerPool

logging.basicConfig(format="%(levelname)s %(message)s")
used, unused = EventLoop("used"), EventLoop("unused")
pool = WorkerPool(1, 1, name="mine")
for loop in (used, unused):
    loop.start()
assert "{when}" == "too late for a pool" or used.run_blocking(str.upper, "done").result(10) == "DONE"
pool.submit(str) if "{when}" == "used pool" else None

def late():
    told = []
    for loop in (used, unused):
        for _ in range(2000):  # more than a pool has places
            future = loop.run_blocking(print, "is not run")
            told.append(future.exception(10))
        told_the_loop = threading.Event()
        future.add_done_callback(lambda _: told_the_loop.set())
        assert told_the_loop.wait(10)
    assert {{type(exc) for exc in told}} == {{ChannelClosedError}}
    try:
        pool.submit(print, "is not run either")
    except PipelineError as exc:
        print(exc)

atexit.register(late)
"""


@pytest.mark.parametrize("when", ["used pool", "new pool", "too late for a pool"])
def test_blocking_work_while_the_interpreter_exits_fails_quietly(when: str) -> None:
    program = [sys.executable, "-X", "dev", "-W", "error", "-c", _UNTIL_THE_END.format(when=when)]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "the pool 'mine' takes no more jobs: the interpreter exits\n"
    (line,) = ended.stderr.splitlines()
    assert line.startswith("WARNING used-")
    assert line.endswith(" begins no more blocking work: the interpreter exits")
