"""Waking a loop from another thread, through an eventfd and through a socket pair."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from collections import deque
from collections.abc import Iterator
from types import FrameType

import pytest

from pipeline_net import COMPILED
from pipeline_net.transport.wakeup import HAS_EVENTFD, Wakeup


@pytest.fixture(
    params=[pytest.param(True, marks=pytest.mark.skipif(not HAS_EVENTFD, reason="no eventfd here")), False],
    ids=["eventfd", "socketpair"],
)
def wakeup(request: pytest.FixtureRequest) -> Iterator[Wakeup]:
    wakeup = Wakeup(use_eventfd=request.param)
    yield wakeup
    wakeup.close()


def is_readable(wakeup: Wakeup, timeout: float = 0) -> bool:
    return bool(select.select([wakeup.fileno()], [], [], timeout)[0])


def test_it_is_readable_from_wake_to_drain(wakeup: Wakeup) -> None:
    assert not is_readable(wakeup)
    wakeup.wake()
    assert is_readable(wakeup)
    wakeup.drain()
    assert not is_readable(wakeup)


def test_it_can_be_woken_again_after_each_drain(wakeup: Wakeup) -> None:
    for _ in range(3):
        wakeup.wake()
        assert is_readable(wakeup)
        wakeup.drain()
        assert not is_readable(wakeup)


def test_any_number_of_wakes_neither_blocks_nor_raises_and_one_drain_answers_them(wakeup: Wakeup) -> None:
    for _ in range(100_000):
        wakeup.wake()
    assert is_readable(wakeup)
    wakeup.drain()
    assert not is_readable(wakeup)


def test_draining_when_nobody_woke_it_does_not_block(wakeup: Wakeup) -> None:
    wakeup.drain()
    wakeup.wake()
    assert is_readable(wakeup)


def test_after_close_waking_draining_and_closing_do_nothing(wakeup: Wakeup) -> None:
    wakeup.close()
    wakeup.wake()
    wakeup.drain()
    wakeup.close()
    assert wakeup.fileno() == -1


def test_waking_a_closed_one_never_writes_to_whoever_has_its_number_now(wakeup: Wakeup) -> None:
    number = wakeup.fileno()
    wakeup.close()
    ends = [socket.socketpair() for _ in range(4)]  # the lowest free numbers are given out first
    try:
        assert number in [end.fileno() for pair in ends for end in pair]
        wakeup.wake()
        assert select.select([end for pair in ends for end in pair], [], [], 0)[0] == []
    finally:
        for pair in ends:
            for end in pair:
                end.close()


def test_its_descriptor_is_not_inherited_by_programs(wakeup: Wakeup) -> None:
    assert os.get_inheritable(wakeup.fileno()) is False


def test_closing_while_others_wake_disturbs_nobody(wakeup: Wakeup) -> None:
    started, failures = threading.Barrier(3), list[Exception]()

    def wake_for_a_while() -> None:
        started.wait()
        try:
            for _ in range(20_000):
                wakeup.wake()
        except OSError as exc:
            failures.append(exc)

    threads = [threading.Thread(target=wake_for_a_while) for _ in range(2)]
    for thread in threads:
        thread.start()
    started.wait()
    for _ in range(50):
        wakeup.drain()
    wakeup.close()
    for thread in threads:
        thread.join()
    assert failures == []


def test_no_task_is_left_lying_however_wakes_and_drains_interleave(wakeup: Wakeup) -> None:
    tasks, seen = deque[int](), list[int]()
    per_thread, threads_count = 5_000, 3

    def produce(base: int) -> None:
        for number in range(per_thread):
            tasks.append(base + number)
            wakeup.wake()

    threads = [threading.Thread(target=produce, args=(base * per_thread,)) for base in range(threads_count)]
    for thread in threads:
        thread.start()
    while len(seen) < per_thread * threads_count:
        assert is_readable(wakeup, 10), f"asleep with {len(tasks)} tasks waiting"
        wakeup.drain()
        while tasks:
            seen.append(tasks.popleft())
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(per_thread * threads_count))


@pytest.mark.skipif(COMPILED, reason="compiled code does not look for signals")
def test_an_interrupt_while_it_is_drained_leaves_it_awake_to_the_next_wake(wakeup: Wakeup) -> None:
    def interrupt(frame: FrameType, event: str, arg: object) -> None:
        if event == "c_return" and frame.f_code.co_name == "drain":
            raise KeyboardInterrupt

    wakeup.wake()
    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            wakeup.drain()
    finally:
        sys.setprofile(None)
    assert not is_readable(wakeup)
    wakeup.wake()
    assert is_readable(wakeup)


@pytest.mark.skipif(not HAS_EVENTFD, reason="no eventfd here")
def test_one_that_is_forgotten_keeps_no_descriptor() -> None:
    """As of a loop that nobody has stopped."""
    number = Wakeup(use_eventfd=True).fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    closed = Wakeup(use_eventfd=True)
    number = closed.fileno()
    closed.close()
    with socket.socket() as other:
        assert other.fileno() == number, "which the kernel gives to whoever comes first"
        del closed
        assert other.getsockname()  # it was not closed again
