"""ChannelFuture: exactly one outcome, delivered as a task of the loop, to threads, callbacks and coroutines alike."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import CancelledError
from typing import Any

import pytest

from pipeline_net import BlockingOperationError, ChannelFuture, EventLoop, PipelineError
from pipeline_net.future import completed, failed
from pipeline_net.testing import EmbeddedLoop


@pytest.fixture
def loop() -> EmbeddedLoop:
    return EmbeddedLoop()


@pytest.fixture
def future(loop: EmbeddedLoop) -> ChannelFuture[int]:
    return ChannelFuture(loop)


# -- outcomes ---------------------------------------------------------------------------------------


def test_a_new_future_has_no_outcome(future: ChannelFuture[int]) -> None:
    assert not future.done()
    assert not future.cancelled()
    assert repr(future) == "<ChannelFuture pending>"


def test_a_result_stays(future: ChannelFuture[int]) -> None:
    assert future.set_result(7)
    assert future.done()
    assert not future.cancelled()
    assert [future.result(), future.result(0), future.exception()] == [7, 7, None]
    assert repr(future) == "<ChannelFuture done: 7>"


def test_a_failure_is_raised_each_time_it_is_asked_for(future: ChannelFuture[int]) -> None:
    error = ValueError("no")
    assert future.set_exception(error)
    assert future.done()
    assert future.exception() is error
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            future.result()
    assert repr(future) == "<ChannelFuture failed: ValueError('no')>"


@pytest.mark.parametrize("first", ["result", "exception"])
@pytest.mark.parametrize("second", ["result", "exception"])
def test_a_promise_is_completed_exactly_once(future: ChannelFuture[int], first: str, second: str) -> None:
    def settle(how: str, what: int) -> bool:
        return future.set_result(what) if how == "result" else future.set_exception(ValueError(what))

    settle(first, 1)
    with pytest.raises(PipelineError, match="completed exactly once, and this one has been: <ChannelFuture "):
        settle(second, 2)
    outcome = future.exception()
    assert future.result() == 1 if outcome is None else outcome.args == (1,)


def test_fulfilling_and_failing_a_finished_future_change_nothing(future: ChannelFuture[int]) -> None:
    future.set_result(1)
    future.fulfil(2)
    assert not future.fail_if_pending(ValueError())
    assert future.result() == 1


def test_fulfilling_and_failing_complete_what_is_pending(loop: EmbeddedLoop) -> None:
    kept: ChannelFuture[int] = ChannelFuture(loop)
    kept.fulfil(2)
    assert kept.result() == 2
    broken: ChannelFuture[int] = ChannelFuture(loop)
    assert broken.fail_if_pending(KeyError("x"))
    assert isinstance(broken.exception(), KeyError)


def test_futures_can_be_made_with_their_outcome(loop: EmbeddedLoop) -> None:
    assert completed(loop, "yes").result() == "yes"
    assert isinstance(failed(loop, KeyError()).exception(), KeyError)


# -- cancelling -------------------------------------------------------------------------------------


def test_what_is_pending_can_be_cancelled(future: ChannelFuture[int]) -> None:
    assert future.cancel()
    assert future.done()
    assert future.cancelled()
    assert future.cancel()  # and again
    for ask in (future.result, future.exception):
        with pytest.raises(CancelledError):
            ask()
    assert repr(future) == "<ChannelFuture cancelled>"


def test_the_owner_of_a_cancelled_promise_may_complete_it_in_vain(future: ChannelFuture[int]) -> None:
    future.cancel()
    assert not future.set_result(1)
    assert not future.set_exception(ValueError())
    assert not future.fail_if_pending(ValueError())
    future.fulfil(1)
    assert future.cancelled()


def test_an_operation_that_was_cancelled_in_time_does_not_begin(future: ChannelFuture[int]) -> None:
    future.cancel()
    assert not future.take_on()


def test_an_operation_that_has_begun_cannot_be_cancelled(future: ChannelFuture[int]) -> None:
    assert future.take_on()
    assert not future.cancel()
    assert not future.cancelled()
    assert repr(future) == "<ChannelFuture pending>"
    assert future.set_result(3)
    assert future.result() == 3


def test_what_is_done_cannot_be_cancelled(future: ChannelFuture[int]) -> None:
    future.set_result(3)
    assert not future.cancel()
    assert future.result() == 3


def test_cancelling_runs_what_gives_the_operation_up_on_the_loop(
    loop: EmbeddedLoop, future: ChannelFuture[int]
) -> None:
    given_up: list[str] = []
    future.on_cancel(lambda: given_up.append("now"))
    future.cancel()
    future.cancel()
    assert given_up == []
    loop.run_pending()
    assert given_up == ["now"]


def test_completing_does_not_run_what_gives_the_operation_up(loop: EmbeddedLoop, future: ChannelFuture[int]) -> None:
    given_up: list[str] = []
    future.on_cancel(lambda: given_up.append("now"))
    future.set_result(1)
    future.cancel()
    loop.run_pending()
    assert given_up == []


# -- callbacks --------------------------------------------------------------------------------------


def test_callbacks_run_as_tasks_of_the_loop_in_the_order_they_were_added(
    loop: EmbeddedLoop, future: ChannelFuture[int]
) -> None:
    told: list[tuple[str, ChannelFuture[int]]] = []
    future.add_done_callback(lambda done: told.append(("first", done)))
    future.add_done_callback(lambda done: told.append(("second", done)))
    future.set_result(1)
    assert told == []  # never inside the operation that completes it
    loop.run_pending()
    future.add_done_callback(lambda done: told.append(("late", done)))
    assert len(told) == 2  # nor inside add_done_callback
    loop.run_pending()
    assert told == [("first", future), ("second", future), ("late", future)]


def test_what_a_stopped_loop_was_about_can_still_be_cancelled() -> None:
    loop = EventLoop()
    future: ChannelFuture[int] = ChannelFuture(loop)
    told: list[str] = []
    future.on_cancel(lambda: told.append("given up"))
    future.add_mirror(lambda: told.append("mirror"))
    loop.stop()
    assert future.cancel()
    assert told == ["mirror"]


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_callbacks_hear_of_failure_and_of_cancellation(
    loop: EmbeddedLoop, future: ChannelFuture[int], outcome: str
) -> None:
    told: list[bool] = []
    future.add_done_callback(lambda done: told.append(done.cancelled()))
    if outcome == "failed":
        future.set_exception(ValueError())
    else:
        future.cancel()
    loop.run_pending()
    assert told == [outcome == "cancelled"]


def test_a_callback_that_raises_does_not_keep_the_others_from_running(
    loop: EmbeddedLoop, future: ChannelFuture[int]
) -> None:
    told: list[str] = []

    def fail(done: ChannelFuture[int]) -> None:
        raise SystemExit("a callback cannot end a loop")

    future.add_done_callback(fail)
    future.add_done_callback(lambda done: told.append("second"))
    future.set_result(1)
    loop.run_pending()
    assert told == ["second"]
    assert [type(exc) for exc in loop.exceptions] == [SystemExit]


def test_chained_callbacks_do_not_recurse_however_many(loop: EmbeddedLoop) -> None:
    links = 0

    def next_link(done: ChannelFuture[int]) -> None:
        nonlocal links
        links += 1
        if links < 20_000:
            completed(loop, links).add_done_callback(next_link)

    completed(loop, 0).add_done_callback(next_link)
    loop.run_pending()
    assert links == 20_000
    assert loop.exceptions == []


# -- waiting ----------------------------------------------------------------------------------------


def test_waiting_on_the_loop_raises_instead_of_dead_locking(loop: EmbeddedLoop, future: ChannelFuture[int]) -> None:
    for ask in (future.result, future.exception):
        with pytest.raises(BlockingOperationError, match=f"is waited for on {loop.name}, .* use add_done_callback"):
            ask()


def _in_a_thread(work: Any) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_another_thread_waits_until_the_result_comes(future: ChannelFuture[int]) -> None:
    got: list[int] = []
    asked = threading.Event()

    def wait() -> None:
        asked.set()
        got.append(future.result(10))

    thread = _in_a_thread(wait)
    asked.wait(10)
    future.set_result(5)
    thread.join(10)
    assert got == [5]


def test_another_thread_waits_no_longer_than_it_said(future: ChannelFuture[int]) -> None:
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            future.result(0.001)
        except TimeoutError as exc:
            raised.append(exc)

    _in_a_thread(wait).join(10)
    assert len(raised) == 1
    assert str(raised[0]).startswith("nothing came within ")
    assert future.set_result(1)  # giving up waiting is not cancelling


def test_another_thread_that_waits_hears_of_a_cancellation(future: ChannelFuture[int]) -> None:
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            future.exception(10)
        except CancelledError as exc:
            raised.append(exc)

    thread = _in_a_thread(wait)
    future.cancel()
    thread.join(10)
    assert len(raised) == 1


def test_all_threads_that_wait_hear_of_the_result(future: ChannelFuture[int]) -> None:
    heard: list[int] = []
    asked = threading.Barrier(5)

    def wait() -> None:
        asked.wait(10)
        heard.append(future.result(10))

    threads = [_in_a_thread(wait) for _ in range(4)]
    asked.wait(10)
    future.set_result(5)
    for thread in threads:
        thread.join(10)
    assert heard == [5] * 4


def test_a_thread_that_asks_again_and_again_leaves_nothing_behind(future: ChannelFuture[int]) -> None:
    impatience: list[BaseException] = []

    def wait() -> None:
        for timeout in (0.0, -1.0, 0.001, 0.001):
            try:
                future.result(timeout)
            except TimeoutError as exc:
                impatience.append(exc)

    _in_a_thread(wait).join(10)
    assert len(impatience) == 4
    assert not future._gates


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 10**9, 10])
def test_who_waits_for_ever_may_say_so_in_seconds(future: ChannelFuture[int], timeout: float) -> None:
    heard: list[int] = []
    waiting = _in_a_thread(lambda: heard.append(future.result(timeout)))
    while not future._gates and waiting.is_alive():
        time.sleep(0)
    future.set_result(5)
    waiting.join(10)
    assert heard == [5]


def test_only_one_of_many_threads_completes_it(loop: EmbeddedLoop) -> None:
    for _ in range(50):
        future: ChannelFuture[int] = ChannelFuture(loop)
        barrier = threading.Barrier(4)
        won: list[int] = []

        def settle(
            number: int, future: ChannelFuture[int] = future, barrier: Any = barrier, won: list[int] = won
        ) -> None:
            barrier.wait(10)
            if future.fail_if_pending(ValueError(number)):
                won.append(number)

        threads = [threading.Thread(target=settle, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        outcome = future.exception()
        assert outcome is not None
        assert [*outcome.args] == won


class LockThatComesLate:
    """A lock for which another thread was quicker, and has failed the future meanwhile."""

    def __init__(self, future: ChannelFuture[int]) -> None:
        self._other: ChannelFuture[int] | None = future

    def __enter__(self) -> None:
        other, self._other = self._other, None
        if other is not None:
            assert other.fail_if_pending(ValueError("quicker"))

    def __exit__(self, *_: object) -> None:
        """It does not lock."""


def test_who_fulfils_may_come_second_by_a_hair(future: ChannelFuture[int]) -> None:
    future._lock = LockThatComesLate(future)  # type: ignore[assignment]  # threads are never late on demand
    future.fulfil(1)
    assert isinstance(future.exception(), ValueError)
