"""Dates: as HTTP writes them, once a second, and shared by the connections of a loop."""

from __future__ import annotations

import sys
from email.utils import parsedate_to_datetime
from types import FrameType
from typing import Any

import pytest

from pipeline_net import COMPILED, EventLoop
from pipeline_net.codecs.http import date
from pipeline_net.codecs.http.date import DateClock, clock_of, http_date
from pipeline_net.testing import EmbeddedChannel, EmbeddedLoop


@pytest.mark.parametrize("seconds", [0, 784111777, 951782400, 4102444799])
def test_a_date_means_that_second(seconds: int) -> None:
    assert parsedate_to_datetime(http_date(seconds + 0.5)).timestamp() == seconds


def test_the_example_of_the_specification() -> None:
    assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_a_line_that_ends_the_head() -> None:
    line = DateClock().line_and_end()
    assert line.startswith(b"date: ")
    assert line.endswith(b" GMT\r\n\r\n")


def test_a_second_is_written_once() -> None:
    clock = DateClock()
    lines = {id(clock.line_and_end()) for _ in range(100)}
    assert len(lines) <= 2  # a second may have passed


def test_on_a_loop_a_timer_says_when_the_second_is_over() -> None:
    loop = EmbeddedLoop()
    clock = clock_of(loop)
    assert loop.next_deadline() is None
    line = clock.line_and_end()
    until = loop.next_deadline()
    assert until is not None
    assert 0.0 < until - loop.time() <= 1.0
    assert clock.line_and_end() is line
    loop.advance(until - loop.time())
    nobody_asks = loop.next_deadline()
    assert nobody_asks is None
    clock.line_and_end()
    again = loop.next_deadline()
    assert again is not None


def test_a_loop_has_one_clock() -> None:
    one, other = EmbeddedChannel().loop, EmbeddedChannel().loop
    assert clock_of(one) is clock_of(one)
    assert clock_of(one) is not clock_of(other)


@pytest.mark.skipif(COMPILED, reason="compiled code does not look for signals")
@pytest.mark.parametrize("name", ["run_due", "_take", "_run", "_expire"])
def test_a_second_ends_also_if_an_interrupt_came_then(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whoever drives a loop may go on after it."""
    loop = EventLoop()
    clock = clock_of(loop)
    heard: list[str] = []

    def interrupt(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code.co_name == name and not heard:
            heard.append(name)
            raise KeyboardInterrupt

    def drive() -> None:
        while loop.next_deadline() is not None:
            loop.run_once(1.0)

    try:
        loop.run_once(0)  # the timer is set on the loop's thread
        monkeypatch.setattr(date, "_now", lambda: 784111777.999)
        line = clock.line_and_end()
        sys.setprofile(interrupt)
        try:
            drive()
        except KeyboardInterrupt:
            sys.setprofile(None)
            drive()
        finally:
            sys.setprofile(None)
        monkeypatch.setattr(date, "_now", lambda: 784111778.0)
        assert clock.line_and_end() != line
    finally:
        loop.stop()
