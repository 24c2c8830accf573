"""The worker pool: bounded, started late, ended cleanly."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future

import pytest

from pipeline_net.errors import BlockingOperationError, PipelineError, PoolFullError
from pipeline_net.transport.pool import WorkerPool

PATIENCE = 10.0  # seconds until a test that would hang fails instead


class Gate:
    """Jobs that stay until they are let go."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.inside = threading.Semaphore(0)

    def job(self) -> str:
        self.inside.release()
        assert self.opened.wait(PATIENCE)
        return "done"

    def wait_for_one_inside(self) -> None:
        assert self.inside.acquire(timeout=PATIENCE)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def add(a: int, b: int) -> int:
    return a + b


def test_a_job_runs_on_a_thread_of_the_pool_and_its_result_comes_back() -> None:
    with WorkerPool(2) as pool:
        assert pool.submit(add, 1, 2).result(PATIENCE) == 3
        assert pool.submit(threading.get_ident).result(PATIENCE) != threading.get_ident()


def test_what_a_job_raises_comes_back_and_the_worker_lives_on() -> None:
    def fail(error: BaseException) -> None:
        raise error

    with WorkerPool(1) as pool:
        worker = pool.submit(threading.get_ident).result(PATIENCE)
        for error in (ValueError("no"), SystemExit(3), KeyboardInterrupt()):
            assert pool.submit(fail, error).exception(PATIENCE) is error
        assert pool.submit(threading.get_ident).result(PATIENCE) == worker


def test_no_thread_is_started_before_the_first_job() -> None:
    before = threading.active_count()
    with WorkerPool(4) as pool:
        assert threading.active_count() == before
        pool.submit(add, 1, 1).result(PATIENCE)
        assert threading.active_count() == before + 1


def test_the_threads_are_numbered_by_the_name_of_the_pool(gate: Gate) -> None:
    with WorkerPool(3, name="disk") as pool:
        for _ in range(3):
            pool.submit(gate.job)
            gate.wait_for_one_inside()
        names = {thread.name for thread in threading.enumerate()}
        assert {"disk-1", "disk-2", "disk-3"} <= names
        assert "disk-4" not in names
        gate.opened.set()


def test_jobs_of_one_thread_run_in_the_order_in_which_they_came() -> None:
    ran: list[int] = []
    with WorkerPool(1) as pool:
        for number in range(100):
            pool.submit(ran.append, number)
    assert ran == list(range(100))


def test_a_full_pool_refuses_the_next_job_and_names_the_limit(gate: Gate) -> None:
    with WorkerPool(2, 3, name="disk") as pool:
        accepted = [pool.submit(gate.job) for _ in range(2 + 3)]
        with pytest.raises(PoolFullError, match="'disk' has no room: its 2 threads are busy and 3 jobs wait"):
            pool.submit(gate.job)
        gate.opened.set()
        assert [future.result(PATIENCE) for future in accepted] == ["done"] * 5


def test_what_is_submitted_anyway_is_taken_beyond_the_limit_and_in_its_turn(gate: Gate) -> None:
    ran: list[int] = []
    with WorkerPool(1, 1) as pool:
        pool.submit(gate.job)
        pool.submit(ran.append, 0)
        futures = [pool.submit_anyway(ran.append, number) for number in range(1, 10)]
        with pytest.raises(PoolFullError):
            pool.submit(ran.append, 99)
        gate.opened.set()
        for future in futures:
            future.result(PATIENCE)
        assert ran == list(range(10))
        assert "room for 2" in repr(pool)  # who had no place gives none back


def test_what_is_submitted_anyway_takes_a_place_while_there_is_one(gate: Gate) -> None:
    with WorkerPool(1, 1) as pool:
        pool.submit_anyway(gate.job)
        assert "room for 1" in repr(pool)
        gate.opened.set()


def test_a_released_pool_takes_nothing_anyway_either() -> None:
    pool = WorkerPool(1)
    pool.release()
    with pytest.raises(PipelineError, match="was released"):
        pool.submit_anyway(add, 1, 2)


def test_what_is_submitted_anyway_waits_for_the_threads_that_there_are_if_no_other_can_be_started(gate: Gate) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with WorkerPool(2, 1) as pool:
        pool.submit(gate.job)
        gate.wait_for_one_inside()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            future = pool.submit_anyway(add, 1, 2)
        gate.opened.set()
        assert future.result(PATIENCE) == 3


def test_whoever_has_its_result_finds_room_for_the_next_job() -> None:
    with WorkerPool(1, 1) as pool:
        for number in range(500):
            futures = [pool.submit(add, number, 0), pool.submit(add, number, 1)]
            assert [future.result(PATIENCE) for future in futures] == [number, number + 1]


def test_failing_jobs_leave_room_too() -> None:
    def fail() -> None:
        raise ValueError("no")

    with WorkerPool(1, 1) as pool:
        for _ in range(100):
            assert isinstance(pool.submit(fail).exception(PATIENCE), ValueError)


def test_a_cancelled_job_never_runs_and_keeps_its_place_until_a_thread_comes_to_it(gate: Gate) -> None:
    ran: list[int] = []
    with WorkerPool(1, 1) as pool:
        first = pool.submit(gate.job)
        cancelled = pool.submit(ran.append, 1)
        assert cancelled.cancel()
        with pytest.raises(PoolFullError):
            pool.submit(ran.append, 2)
        gate.opened.set()
        assert first.result(PATIENCE) == "done"
        with pytest.raises(CancelledError):
            cancelled.result(PATIENCE)
    assert ran == []


def test_cancelled_jobs_give_their_places_back() -> None:
    with WorkerPool(1, 1) as pool:
        for _ in range(20):
            gate = Gate()
            pool.submit(gate.job)
            gate.wait_for_one_inside()
            assert pool.submit(add, 1, 1).cancel()
            gate.opened.set()
            flushed = False
            while not flushed:  # until the thread has passed the cancelled one
                try:
                    flushed = pool.submit(add, 1, 1).result(PATIENCE) == 2
                except PoolFullError:
                    continue


def test_a_job_that_runs_cannot_be_cancelled(gate: Gate) -> None:
    with WorkerPool(1) as pool:
        future = pool.submit(gate.job)
        gate.wait_for_one_inside()
        assert not future.cancel()
        gate.opened.set()
        assert future.result(PATIENCE) == "done"


def test_release_finishes_what_was_submitted_and_ends_the_threads(gate: Gate) -> None:
    before = threading.active_count()
    pool = WorkerPool(2)
    futures = [pool.submit(gate.job) for _ in range(10)]
    gate.wait_for_one_inside()
    gate.opened.set()
    pool.release()
    assert all(future.done() for future in futures)
    assert threading.active_count() == before


def test_releasing_again_does_nothing_and_a_pool_that_never_ran_can_be_released() -> None:
    pool = WorkerPool(1)
    pool.release()
    pool.release()
    with WorkerPool(1) as used:
        used.submit(add, 1, 1)
        used.release()


def test_a_released_pool_takes_no_jobs() -> None:
    pool = WorkerPool(1, name="disk")
    pool.release()
    with pytest.raises(PipelineError, match="'disk' was released"):
        pool.submit(add, 1, 1)
    assert "released" in repr(pool)


def test_a_released_pool_says_so_even_when_it_is_full(gate: Gate) -> None:
    pool = WorkerPool(1, 1)
    pool.submit(gate.job)
    pool.submit(gate.job)
    releaser = threading.Thread(target=pool.release)
    releaser.start()
    while "released" not in repr(pool):
        pass
    with pytest.raises(PipelineError, match="released"):
        pool.submit(add, 1, 1)
    gate.opened.set()
    releaser.join(PATIENCE)


def test_a_pool_shows_how_much_room_it_has(gate: Gate) -> None:
    with WorkerPool(1, 3, name="disk") as pool:
        assert repr(pool) == "<WorkerPool 'disk': 1 threads, room for 4 more jobs>"
        future = pool.submit(gate.job)
        assert "room for 3" in repr(pool)
        gate.opened.set()
        future.result(PATIENCE)
        assert "room for 4" in repr(pool)


def test_a_thread_that_cannot_be_started_is_the_callers_news_and_costs_no_place() -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with WorkerPool(1, 1) as pool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                pool.submit(add, 1, 1)
        assert pool.submit(add, 1, 2).result(PATIENCE) == 3
        assert "room for 2" in repr(pool)


def test_a_job_that_submits_during_the_release_is_told_instead_of_hanging(gate: Gate) -> None:
    pool = WorkerPool(1)

    def submit_later() -> Future[int]:
        gate.job()
        return pool.submit(add, 1, 1)

    future = pool.submit(submit_later)
    gate.wait_for_one_inside()
    releaser = threading.Thread(target=pool.release)
    releaser.start()
    while "released" not in repr(pool):
        pass
    gate.opened.set()
    releaser.join(PATIENCE)
    assert isinstance(future.exception(PATIENCE), PipelineError)


def test_a_job_cannot_release_its_own_pool_but_another() -> None:
    with WorkerPool(1, name="own") as pool, WorkerPool(1) as other:
        with pytest.raises(BlockingOperationError, match="'own'"):
            pool.submit(pool.release).result(PATIENCE)
        assert pool.submit(add, 1, 1).result(PATIENCE) == 2
        assert pool.submit(other.release).result(PATIENCE) is None


def test_any_thread_may_submit() -> None:
    futures: list[Future[int]] = []
    with WorkerPool(2, 10_000) as pool:
        submitters = [
            threading.Thread(target=lambda: futures.extend(pool.submit(add, number, 0) for number in range(500)))
            for _ in range(4)
        ]
        for thread in submitters:
            thread.start()
        for thread in submitters:
            thread.join()
    assert sum(future.result(0) for future in futures) == 4 * sum(range(500))


def test_a_finished_job_is_not_kept_alive() -> None:
    class Payload:
        def size(self) -> int:
            return 7

        def fail(self) -> None:
            raise ValueError("no")

    with WorkerPool(1) as pool:
        payload = Payload()
        gone = weakref.ref(payload)
        assert pool.submit(payload.size).result(PATIENCE) == 7
        assert isinstance(pool.submit(payload.fail).exception(PATIENCE), ValueError)
        del payload
        pool.submit(add, 1, 1).result(PATIENCE)
        gc.collect()
        assert gone() is None


@pytest.mark.parametrize("threads", [0, -1])
def test_a_pool_without_threads_is_refused(threads: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 thread, not {threads}"):
        WorkerPool(threads)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_pool_without_room_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 job, not {limit}"):
        WorkerPool(1, limit)


def test_the_defaults_are_bounded() -> None:
    with WorkerPool() as pool:
        assert 1 < pool.threads <= 32
        assert pool.queue_limit == 1024


_FORGETFUL = """
import threading
from pipeline_net.transport.pool import WorkerPool
pool = WorkerPool(2)
pool.submit(print, "from the pool").result()
pool.submit(print, "queued at the end")
"""


def test_a_program_that_forgets_to_release_its_pool_still_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", _FORGETFUL], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout.splitlines() == ["from the pool", "queued at the end"]
    assert ended.stderr == ""


_WITHOUT_DESCRIPTORS = """
import os, resource
from pipeline_net.transport.pool import WorkerPool
with WorkerPool(1) as pool:
    used = os.dup(0)
    os.close(used)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used, used))
    print(pool.submit(sum, (1, 2)).result())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are not limited there")
def test_the_first_job_needs_no_descriptor() -> None:
    ended = subprocess.run([sys.executable, "-c", _WITHOUT_DESCRIPTORS], capture_output=True, text=True, timeout=30)
    assert (ended.stdout, ended.stderr) == ("3\n", "")
