"""The loop: what it runs, in which order, on which thread, and that nothing can kill it."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    BlockingOperationError,
    ChannelClosedError,
    ChannelFuture,
    EventLoop,
    PipelineError,
    WorkerPool,
)
from pipeline_net.loop import Watched
from pipeline_net.transport.poller import READ, SelectPoller
from pipeline_net.transport.running import on_a_loop
from pipeline_net.transport.timers import TimerHandle

_PATIENCE = 10.0  # seconds

OnLoop = Callable[[Callable[[], Any]], Any]

_USES: list[Callable[[EventLoop], object]] = [
    lambda loop: loop.execute(str),
    lambda loop: loop.schedule(0, str),
    lambda loop: loop.run_blocking(str),
    lambda loop: loop.start(),
    lambda loop: loop.run_once(0),
]


class Readable(Watched):
    """Counts what the selector says of one end of a socket pair; raises if asked to."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.near, self.far = socket.socketpair()
        self.seen: list[int] = []
        self.error = error
        self.failures: list[BaseException] = []
        self.event = threading.Event()

    def on_events(self, bits: int) -> None:
        self.seen.append(bits)
        self.event.set()
        if self.error is not None:
            raise self.error
        self.near.recv(1)

    def events_failed(self, exc: BaseException) -> None:
        self.failures.append(exc)

    def close(self) -> None:
        self.near.close()
        self.far.close()


# -- tasks ------------------------------------------------------------------------------------------


def test_tasks_run_in_order_on_the_loops_thread(loop: EventLoop) -> None:
    ran: list[tuple[int, str]] = []
    done = threading.Event()
    for number in range(100):
        loop.execute(lambda number: ran.append((number, threading.current_thread().name)), number)
    loop.execute(done.set)
    assert done.wait(_PATIENCE)
    assert ran == [(number, loop.name) for number in range(100)]


def test_in_loop_tells_the_loops_thread_from_every_other(loop: EventLoop, run: OnLoop) -> None:
    assert not loop.in_loop
    assert not on_a_loop()
    assert run(lambda: (loop.in_loop, on_a_loop())) == (True, True)


def test_nothing_that_raises_ends_the_loop(loop: EventLoop, run: OnLoop, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise SystemExit("not even this")

    ticks = threading.Semaphore(0)

    def fail_every_time() -> None:
        ticks.release()
        raise KeyError("tick")

    future: ChannelFuture[None] = ChannelFuture(loop)
    future.add_done_callback(lambda _: fail())
    with caplog.at_level(logging.ERROR):
        loop.execute(fail)
        loop.schedule(0, fail)
        timer = loop.schedule_every(0.001, fail_every_time)
        future.set_result(None)
        for _ in range(3):
            assert ticks.acquire(timeout=_PATIENCE)  # a repeating timer that raised is repeated
        timer.cancel()
        assert run(lambda: "alive") == "alive"
    assert caplog.text.count("SystemExit: not even this") == 3


def test_a_descriptor_whose_events_raise_is_watched_no_longer(loop: EventLoop, run: OnLoop) -> None:
    bad, good = Readable(KeyError("a bug")), Readable()
    try:
        for readable in (bad, good):
            loop.execute(loop.watch, readable.near.fileno(), readable, READ)
        bad.far.send(b"x")
        assert bad.event.wait(_PATIENCE)
        good.far.send(b"x")
        assert good.event.wait(_PATIENCE)
        run(lambda: loop.unwatch(good.near.fileno()))
        assert len(bad.seen) == 1
        assert bad.failures == [bad.error]
    finally:
        bad.close()
        good.close()


def test_ten_thousand_tasks_do_not_keep_a_descriptor_waiting(loop: EventLoop) -> None:
    readable = Readable()
    order: list[str] = []
    done = threading.Event()

    def fill() -> None:
        loop.watch(readable.near.fileno(), readable, READ)
        readable.far.send(b"x")
        for number in range(10_000):
            loop.execute(note, number)

    def note(number: int) -> None:
        if readable.seen and not order:
            order.append(f"the descriptor came before task {number}")
        if number == 9_999:
            loop.unwatch(readable.near.fileno())
            done.set()

    loop.execute(fill)
    assert done.wait(_PATIENCE)
    readable.close()
    assert order


def test_a_task_that_adds_itself_for_ever_starves_neither_descriptors_nor_timers(loop: EventLoop) -> None:
    readable = Readable()
    stop = False
    timer = threading.Event()

    def again() -> None:
        if not stop:
            loop.execute(again)

    loop.execute(loop.watch, readable.near.fileno(), readable, READ)
    loop.execute(again)
    loop.schedule(0.001, timer.set)
    readable.far.send(b"x")
    assert readable.event.wait(_PATIENCE)
    assert timer.wait(_PATIENCE)
    stop = True
    loop.execute(loop.unwatch, readable.near.fileno())
    loop.stop()
    readable.close()


# -- timers -----------------------------------------------------------------------------------------


def test_timers_fire_in_the_order_of_their_deadlines_wherever_they_were_set(loop: EventLoop) -> None:
    handles: list[TimerHandle] = []
    fired: list[float] = []
    done = threading.Event()

    def fire(number: int) -> None:
        fired.append(handles[number].deadline)
        if len(fired) == 3:
            done.set()

    def set_timers() -> None:  # the deadlines count from when they are asked for, which is later here than it looks
        handles.append(loop.schedule(0.05, fire, 1))
        handles.append(loop.schedule(0.03, fire, 2))

    handles.append(loop.schedule(0.04, fire, 0))
    loop.execute(set_timers)
    assert done.wait(_PATIENCE)
    assert fired == sorted(handle.deadline for handle in handles)


def test_ten_thousand_timers_that_are_due_together_do_not_keep_a_descriptor_waiting(loop: EventLoop) -> None:
    readable = Readable()
    fired: list[int] = []
    seen_before: list[int] = []
    done = threading.Event()

    def fill() -> None:
        loop.watch(readable.near.fileno(), readable, READ)
        for number in range(10_000):
            loop.schedule(0.0, note, number)

    def note(number: int) -> None:
        if number == 0:
            readable.far.send(b"x")
        if not readable.seen:
            seen_before.append(number)
        fired.append(number)
        if number == 9_999:
            loop.unwatch(readable.near.fileno())
            done.set()

    loop.execute(fill)
    assert done.wait(_PATIENCE)
    readable.close()
    assert fired == list(range(10_000))
    assert len(seen_before) < 5_000


def test_a_cancelled_timer_does_not_fire(loop: EventLoop) -> None:
    fired: list[str] = []
    done = threading.Event()
    go_on = threading.Event()
    loop.execute(go_on.wait, _PATIENCE)  # or it could fire before it is cancelled
    handle = loop.schedule(0.001, fired.append, "never")
    loop.schedule(0.002, done.set)
    handle.cancel()
    go_on.set()
    assert done.wait(_PATIENCE)
    assert fired == []


def test_a_new_timer_shortens_a_wait_that_has_begun(loop: EventLoop, run: OnLoop) -> None:
    loop.schedule(3600, lambda: None)
    run(lambda: None)  # the loop has seen it, and waits for an hour
    soon = threading.Event()
    loop.schedule(0.001, soon.set)
    assert soon.wait(_PATIENCE)


def test_an_interval_too_short_for_the_clock_lets_each_turn_end() -> None:
    loop = EventLoop()
    runs: list[int] = []
    handle = loop.schedule_every(1e-15, runs.append, 1)
    watchdog = threading.Timer(_PATIENCE, handle.cancel)
    watchdog.start()
    try:
        loop.run_once(0)
        loop.run_once(0.1)
        assert 0 < len(runs) <= 2
    finally:
        watchdog.cancel()
        loop.stop()


def test_a_timer_that_is_late_from_the_start_and_sets_itself_again_lets_each_turn_end() -> None:
    loop = EventLoop()
    runs: list[int] = []

    def again() -> None:
        runs.append(1)
        if len(runs) < 1000:
            loop.schedule(-1.0, again)

    loop.schedule(-1.0, again)
    loop.run_once(0)
    loop.run_once(0)
    loop.stop()
    assert 0 < len(runs) <= 4


def test_a_delay_that_is_no_number_is_refused_on_every_thread(loop: EventLoop, run: OnLoop) -> None:
    with pytest.raises(ValueError, match="nan"):
        loop.schedule(float("nan"), print)
    with pytest.raises(ValueError, match="nan"):
        run(lambda: loop.schedule(float("nan"), print))


@pytest.mark.parametrize("interval", [0, -1.0, float("nan")])
def test_an_interval_that_is_none_is_refused(loop: EventLoop, interval: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        loop.schedule_every(interval, print)


# -- blocking work ----------------------------------------------------------------------------------


def test_blocking_work_runs_elsewhere_and_its_outcome_comes_to_the_loop(loop: EventLoop) -> None:
    told: list[tuple[str, str]] = []
    done = threading.Event()

    def work() -> str:
        return threading.current_thread().name

    def tell(future: ChannelFuture[str]) -> None:
        told.append((future.result(), threading.current_thread().name))
        done.set()

    loop.run_blocking(work).add_done_callback(tell)
    assert done.wait(_PATIENCE)
    worker, teller = told[0]
    assert worker.startswith(f"{loop.name}-worker")
    assert teller == loop.name


def test_what_blocking_work_raises_is_delivered(loop: EventLoop) -> None:
    def work() -> None:
        raise KeyError("work")

    assert isinstance(loop.run_blocking(work).exception(_PATIENCE), KeyError)


def test_blocking_work_that_was_cancelled_in_time_does_not_run() -> None:
    with WorkerPool(threads=1) as pool:
        loop = EventLoop(pool=pool)
        gate = threading.Event()
        ran: list[str] = []
        first = loop.run_blocking(gate.wait, _PATIENCE)
        second = loop.run_blocking(ran.append, "second")
        assert second.cancel()
        gate.set()
        first.result(_PATIENCE)
    assert ran == []
    loop.stop()


def test_waiting_on_the_loop_for_the_loop_is_refused(loop: EventLoop, run: OnLoop) -> None:
    with pytest.raises(BlockingOperationError, match=loop.name):
        run(lambda: ChannelFuture(loop).result())


# -- the end ----------------------------------------------------------------------------------------


def test_starting_and_stopping_take_milliseconds() -> None:
    started = time.monotonic()
    for _ in range(20):
        loop = EventLoop()
        loop.start()
        loop.stop()
    assert time.monotonic() - started < 1.0


def test_stopping_may_be_asked_for_twice_from_the_loop_itself_and_before_the_start() -> None:
    loop = EventLoop()
    loop.start()
    done = threading.Event()

    def stop_from_inside() -> None:
        loop.stop()
        done.set()

    loop.execute(stop_from_inside)
    assert done.wait(_PATIENCE)
    loop.stop()
    loop.stop()
    never_started = EventLoop()
    never_started.stop()
    never_started.stop()


def test_a_stopped_loop_takes_no_more_work(loop: EventLoop) -> None:
    loop.stop()
    for use in _USES:
        with pytest.raises(ChannelClosedError, match=loop.name):
            use(loop)
    assert not loop.in_loop


class HeldUp(deque[Any]):
    """The tasks of a loop, to which somebody adds one a moment too late."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def append(self, task: Any, /) -> None:
        self._meanwhile()
        super().append(task)


def test_a_task_that_is_added_in_the_moment_in_which_the_loop_stops_is_refused(loop: EventLoop) -> None:
    loop._tasks = tasks = HeldUp(loop.stop)
    loop._add_task = tasks.append
    with pytest.raises(ChannelClosedError, match=loop.name):
        loop.execute(str)


def test_tasks_that_were_accepted_run_before_the_loop_ends(loop: EventLoop) -> None:
    ran: list[int] = []
    gate = threading.Event()
    loop.execute(gate.wait, _PATIENCE)
    for number in range(100):
        loop.execute(ran.append, number)
    loop.execute(lambda: loop.execute(ran.append, 100))
    stopper = threading.Thread(target=loop.stop)
    stopper.start()
    gate.set()
    stopper.join(_PATIENCE)
    assert ran == list(range(101))


def test_a_forked_child_is_refused_and_the_parents_loop_lives_on(loop: EventLoop, run: OnLoop) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for use in _USES:
                try:
                    use(loop)
                except PipelineError as exc:
                    os.write(writer, b"refused\n" if "fork" in str(exc) else b"for another reason\n")
            loop.stop()  # must not touch the parent's descriptors
            os.write(writer, b"stopped\n")
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as report:
        assert report.read() == b"refused\n" * len(_USES) + b"stopped\n"
    os.waitpid(child, 0)
    assert run(lambda: "alive") == "alive"


def test_a_child_that_comes_back_into_the_loop_ends_there(loop: EventLoop, run: OnLoop) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    child = run(os.fork)
    patience = time.monotonic() + _PATIENCE
    ended = 0
    while not ended and time.monotonic() < patience:
        ended, _ = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == child
    assert run(lambda: "alive") == "alive"


def test_any_poller_will_do() -> None:
    loop = EventLoop(poller=SelectPoller())
    readable = Readable()
    loop.start()
    try:
        loop.execute(loop.watch, readable.near.fileno(), readable, READ)
        readable.far.send(b"x")
        assert readable.event.wait(_PATIENCE)
    finally:
        loop.stop()
        readable.close()
