"""Loop: what is promised of every loop, held against those that there are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler, ChannelOptions, EventLoop
from pipeline_net.loop import Loop, StageFacts
from pipeline_net.testing import EmbeddedChannel, EmbeddedLoop

Turn = Callable[[], None]


@pytest.fixture(params=["embedded", "real"])
def driven(request: pytest.FixtureRequest) -> Iterator[tuple[Loop, Turn]]:
    """A loop, and what turns it on this thread, until something that is due within milliseconds has happened."""
    if request.param == "embedded":
        embedded = EmbeddedLoop()
        yield embedded, lambda: embedded.advance(0.05)
        return
    real = EventLoop("promises")
    real.run_once(0)  # from now on it belongs to this thread
    yield real, lambda: real.run_once(0.05)
    real.stop()


def turn_until(done: Callable[[], Any], turn: Turn) -> None:
    for _ in range(1000):
        if done():
            return
        turn()
    pytest.fail("it never happened")


def test_tasks_run_in_order_and_only_when_the_loop_turns(driven: tuple[Loop, Turn]) -> None:
    loop, turn = driven
    ran: list[int] = []
    for number in range(3):
        loop.execute(ran.append, number)
    assert ran == []
    turn_until(lambda: len(ran) == 3, turn)
    assert ran == [0, 1, 2]


def test_in_loop_is_true_on_its_own_thread_only(driven: tuple[Loop, Turn]) -> None:
    loop, _ = driven
    elsewhere: list[bool] = []
    thread = threading.Thread(target=lambda: elsewhere.append(loop.in_loop))
    thread.start()
    thread.join()
    assert loop.in_loop
    assert elsewhere == [False]


def test_tasks_and_timers_of_other_threads_run_on_the_loop(driven: tuple[Loop, Turn]) -> None:
    loop, turn = driven
    ran: list[tuple[str, bool]] = []

    def note(what: str) -> None:
        ran.append((what, loop.in_loop))

    def elsewhere() -> None:
        loop.schedule(0.01, note, "timer")
        loop.execute(note, "task")
        loop.schedule(0.0, note, "cancelled").cancel()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    turn_until(lambda: len(ran) == 2, turn)
    assert ran == [("task", True), ("timer", True)]


def test_timers_run_in_the_order_of_their_deadlines_and_time_grows(driven: tuple[Loop, Turn]) -> None:
    loop, turn = driven
    started = loop.time()
    ran: list[tuple[int, bool]] = []
    for number, delay in ((2, 0.02), (1, 0.01), (0, -1.0)):
        loop.schedule(delay, lambda n=number, at=started + delay: ran.append((n, loop.time() >= at)))
    turn_until(lambda: len(ran) == 3, turn)
    assert ran == [(0, True), (1, True), (2, True)]


def test_a_repeated_call_ends_when_it_is_cancelled_also_by_itself(driven: tuple[Loop, Turn]) -> None:
    loop, turn = driven
    ran: list[int] = []

    def call() -> None:
        ran.append(1)
        if len(ran) == 3:
            handle.cancel()
            loop.schedule(0.02, ran.append, 2)

    handle = loop.schedule_every(0.001, call)
    turn_until(lambda: 2 in ran, turn)
    assert ran == [1, 1, 1, 2]


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
def test_an_interval_is_more_than_nothing(driven: tuple[Loop, Turn], interval: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        driven[0].schedule_every(interval, print)


def test_blocking_work_is_delivered_on_the_loop(driven: tuple[Loop, Turn]) -> None:
    loop, turn = driven
    told: list[tuple[Any, bool]] = []
    done = loop.run_blocking(divmod, 7, 2)
    failed = loop.run_blocking(divmod, 7, 0)
    done.add_done_callback(lambda future: told.append((future.result(), loop.in_loop)))
    turn_until(lambda: told and failed.done(), turn)
    assert told == [((3, 1), True)]
    assert isinstance(failed.exception(), ZeroDivisionError)


def test_what_is_owed_runs_too_and_nobody_waits_for_it(driven: tuple[Loop, Turn]) -> None:
    loop, turn = driven
    ran: list[bool] = []
    loop.execute(loop.run_owed, lambda: loop.execute_until_stopped(ran.append, True))
    turn_until(lambda: ran, turn)
    assert ran == [True]


def test_a_task_that_raises_does_not_keep_the_next_from_running(
    driven: tuple[Loop, Turn], caplog: pytest.LogCaptureFixture
) -> None:
    loop, turn = driven
    ran: list[int] = []
    loop.execute(int, "x")
    loop.schedule(0, int, "y")
    loop.execute(ran.append, 1)
    turn_until(lambda: ran and len(caplog.records) >= 2, turn)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_what_is_known_of_a_class_of_stages_is_found_once_per_loop() -> None:
    class Own(ChannelInboundHandler[Any]):
        pass

    channel = EmbeddedChannel(Own(), Own())
    facts = channel.loop.stage_facts[Own]
    assert isinstance(facts, StageFacts)
    assert (facts.mask, facts.name) == (0, "own")
    assert EmbeddedChannel().loop.stage_facts == {}


def test_what_channels_begin_with_is_read_once_for_all_that_have_the_same_options() -> None:
    loop = EmbeddedLoop()
    small = ChannelOptions(write_buffer_high=4, write_buffer_low=2, write_buffer_limit=8, receive_size=100)
    other = ChannelOptions(auto_flush=False, auto_read=False, pause_reads_when_unwritable=False)
    facts = loop.facts_of(small)
    assert loop.facts_of(small) is facts
    assert (facts.high, facts.low, facts.limit) == (4, 2, 8)
    assert (facts.receive_size, facts.little) == (100, 100)
    assert (facts.auto_flush, facts.auto_read, facts.pauses_when_unwritable) == (True, True, True)
    facts = loop.facts_of(other)
    assert (facts.auto_flush, facts.auto_read, facts.pauses_when_unwritable) == (False, False, False)
    assert (facts.receive_size, facts.little) == (69632, 479)
    assert loop.facts_of(small).high == 4


def test_channels_are_numbered_by_their_loop() -> None:
    channel = EmbeddedChannel()
    assert channel.loop.channels_made == 1
    assert channel.id == f"{channel.loop.name}/1"
