"""EmbeddedLoop: tasks, timers and flushes in the order of a real loop, on the test's thread and the test's clock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import BlockingOperationError, PipelineError
from pipeline_net.testing import EmbeddedLoop, VirtualClock


def on_another_thread(fn: Callable[..., Any], *args: Any) -> None:
    thread = threading.Thread(target=fn, args=args)
    thread.start()
    thread.join()


def test_nothing_runs_before_it_is_told_to() -> None:
    loop, ran = EmbeddedLoop(), list[int]()
    loop.execute(ran.append, 1)
    loop.schedule(0.0, ran.append, 2)
    assert ran == []
    assert "1 tasks, 1 timers" in repr(loop)
    loop.run_pending()
    assert ran == [2, 1]  # a turn runs timers before tasks


def test_what_tasks_add_is_run_too_after_all_that_was_there() -> None:
    loop, ran = EmbeddedLoop(), list[str]()

    def first() -> None:
        ran.append("first")
        loop.execute(ran.append, "added")

    loop.execute(first)
    loop.execute(ran.append, "second")
    loop.run_pending()
    assert ran == ["first", "second", "added"]


def test_time_stops_at_each_timer_on_the_way() -> None:
    loop, seen = EmbeddedLoop(), list[float]()

    def note() -> None:
        seen.append(loop.time())

    loop.schedule(0.3, note)
    loop.schedule_every(0.1, note)
    loop.schedule(0.15, lambda: loop.schedule(0.1, note))
    loop.advance(0.3)
    assert seen == [0.1, 0.2, 0.25, 0.3, 0.3]
    assert loop.time() == 0.3
    assert loop.next_deadline() == 0.4


def test_a_cancelled_timer_does_not_run() -> None:
    loop, ran = EmbeddedLoop(), list[int]()
    once = loop.schedule(1, ran.append, 1)
    every = loop.schedule_every(1, ran.append, 2)
    once.cancel()
    loop.advance(2)
    every.cancel()
    loop.advance(10)
    assert ran == [2, 2]
    assert loop.next_deadline() is None


@pytest.mark.parametrize("interval", [0, -1.0, float("nan")])
def test_an_interval_is_more_than_nothing(interval: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        EmbeddedLoop().schedule_every(interval, print)


def test_time_that_would_go_back_is_refused() -> None:
    loop = EmbeddedLoop(VirtualClock(5))
    with pytest.raises(ValueError, match="0 or more seconds"):
        loop.advance(-1)
    assert loop.time() == 5


def test_blocking_work_is_done_by_run_pending() -> None:
    loop = EmbeddedLoop()
    sum_ = loop.run_blocking(sum, [1, 2])
    broken = loop.run_blocking(int, "x")
    given_up = loop.run_blocking(pytest.fail, "it was cancelled")
    assert given_up.cancel()
    assert not sum_.done()
    with pytest.raises(BlockingOperationError):
        sum_.result()
    loop.run_pending()
    assert sum_.result() == 3
    assert isinstance(broken.exception(), ValueError)
    assert loop.exceptions == []  # whoever holds the future has been told


def test_a_task_that_raises_is_logged_and_kept_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    loop, ran = EmbeddedLoop(), list[int]()
    error = RuntimeError("boom")

    def fail() -> None:
        raise error

    loop.execute(fail)
    loop.schedule(0, fail)
    loop.execute(ran.append, 1)
    with caplog.at_level(logging.ERROR, "pipeline_net.testing"):
        loop.run_pending()
    assert loop.exceptions == [error, error]
    assert ran == [1]
    assert "boom" in caplog.text


def test_keyboard_interrupt_goes_to_whoever_runs_the_loop() -> None:
    loop, ran = EmbeddedLoop(), list[int]()

    def interrupt() -> None:
        raise KeyboardInterrupt

    loop.execute(interrupt)
    loop.execute(ran.append, 1)
    with pytest.raises(KeyboardInterrupt):
        loop.run_pending()
    loop.run_pending()
    assert ran == [1]
    assert loop.exceptions == []


def test_a_repeating_timer_that_was_interrupted_comes_again() -> None:
    loop, ran = EmbeddedLoop(), list[float]()

    def beat() -> None:
        ran.append(loop.time())
        if len(ran) == 1:
            raise KeyboardInterrupt

    loop.schedule_every(1.0, beat)
    with pytest.raises(KeyboardInterrupt):
        loop.advance(1.0)
    loop.advance(2.0)
    assert ran == [1.0, 2.0, 3.0]


def test_other_threads_post_and_the_test_runs() -> None:
    loop, ran = EmbeddedLoop(), list[Any]()
    assert loop.in_loop

    def elsewhere() -> None:
        ran.append(loop.in_loop)
        loop.execute(ran.append, "task")
        loop.schedule(1, ran.append, "timer")
        loop.schedule(1, ran.append, "cancelled").cancel()

    on_another_thread(elsewhere)
    assert ran == [False]
    loop.run_pending()
    loop.advance(1)
    assert ran == [False, "task", "timer"]


def test_other_threads_cannot_turn_the_loop() -> None:
    loop, refused = EmbeddedLoop(), list[str]()

    def elsewhere() -> None:
        for turn in (loop.run_pending, lambda: loop.advance(1)):
            with pytest.raises(PipelineError, match="belongs to the thread that made it") as caught:
                turn()
            refused.append(str(caught.value))

    on_another_thread(elsewhere)
    assert len(refused) == 2


def test_a_task_may_ask_for_a_turn_but_does_not_get_one_inside_its_own() -> None:
    loop, ran = EmbeddedLoop(), list[str]()

    def first() -> None:
        loop.run_pending()
        ran.append("first")

    loop.execute(first)
    loop.execute(ran.append, "second")
    loop.run_pending()
    assert ran == ["first", "second"]


def test_a_task_cannot_let_time_pass() -> None:
    loop = EmbeddedLoop()
    loop.execute(loop.advance, 1)
    loop.run_pending()
    assert isinstance(loop.exceptions[0], PipelineError)
    assert loop.time() == 0


def test_tasks_without_an_end_are_reported_and_not_run_for_ever() -> None:
    loop = EmbeddedLoop()

    def again() -> None:
        loop.execute(again)

    loop.execute(again)
    with pytest.raises(PipelineError, match="there are still more"):
        loop.run_pending()


def test_every_loop_has_a_name_of_its_own() -> None:
    assert EmbeddedLoop().name != EmbeddedLoop().name
