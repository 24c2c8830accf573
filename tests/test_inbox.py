"""Inbox: what waits for the loop, how it is counted, and how much of it may be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelFuture, ChannelOptions
from pipeline_net.codecs import http, websocket
from pipeline_net.conn import Posted
from pipeline_net.file_region import FileRegion
from pipeline_net.inbox import ASK_CLOSE, ASK_FLUSH, ASK_SHUTDOWN, ASK_WRITE, MOST, Inbox, weight_of
from pipeline_net.testing import EmbeddedLoop

_OBJECT = 1024  # what an object counts besides its content


class Telegram:
    """A message of somebody's own, who says what it counts."""

    def __init__(self, pending_bytes: Any) -> None:
        self.pending_bytes = pending_bytes


@pytest.mark.parametrize(
    ("msg", "weight"),
    [
        (b"abc", 3),
        (bytearray(b"abcd"), 4),
        (memoryview(bytes(8)).cast("I"), 8),
        ("héllo", 5),
        (b"", 0),
        (http.Data(bytes(1000)), _OBJECT + 1000),
        (http.FullResponse(200, None, bytes(50_000)), _OBJECT + 50_000),
        (http.Response(200), _OBJECT),
        (websocket.Ping(b"abc"), _OBJECT + 3),
        ([b"abc", b"de", 7], _OBJECT + 5),
        ((b"abc", "de"), _OBJECT + 5),
        (Posted([b"abc", bytearray(4), "x"]), 8),
        (Telegram(70_000), 70_000),
        (Telegram(-5), 0),
        (Telegram("many"), _OBJECT),
        (object(), _OBJECT),
    ],
)
def test_what_a_message_counts(msg: Any, weight: int) -> None:
    assert weight_of(msg) == weight


def test_a_part_of_a_file_counts_what_will_be_sent(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(100_000))
    with (tmp_path / "a").open("rb") as file:
        assert weight_of(FileRegion(file, 10, 90_000)) == 90_000
        assert weight_of(http.Data(FileRegion(file))) == _OBJECT + 100_000


def make(high: int = 100, low: int = 50, limit: int = 1000) -> Inbox:
    return Inbox(ChannelOptions(write_buffer_high=high, write_buffer_low=low, write_buffer_limit=limit))


def test_what_was_put_first_is_taken_first() -> None:
    inbox = make()
    promise: ChannelFuture[None] = ChannelFuture(EmbeddedLoop())
    assert inbox.put_write(b"1", promise, 0)
    assert inbox.put(ASK_FLUSH, None)
    assert inbox.put(ASK_SHUTDOWN, promise)
    assert inbox.put(ASK_CLOSE, promise)
    assert len(inbox) == 4
    assert [inbox.take() for _ in range(5)] == [
        (ASK_WRITE, b"1", promise),
        (ASK_FLUSH, None, None),
        (ASK_SHUTDOWN, None, promise),
        (ASK_CLOSE, None, promise),
        None,
    ]


def test_a_second_flush_in_a_row_is_no_news() -> None:
    inbox = make()
    assert [inbox.put(ASK_FLUSH, None) for _ in range(3)] == [True, False, False]
    assert inbox.put_write(b"1", None, 0)
    assert inbox.put(ASK_FLUSH, None)
    inbox.take()
    inbox.take()
    inbox.take()
    assert inbox.put(ASK_FLUSH, None)  # the last one is being done


def test_it_is_full_above_the_high_mark_until_less_than_the_low_one_waits() -> None:
    inbox = make()
    fullness: list[tuple[int, bool]] = []
    for count in (60, 40, 1, 30):
        assert inbox.put_write(bytes(count), None, 0)
        fullness.append((inbox.size, inbox.is_full))
    assert fullness == [(60, False), (100, False), (101, True), (131, True)]
    drained = []
    while inbox.take() is not None:
        drained.append((inbox.size, inbox.is_full, inbox.has_drained()))
    assert drained == [(71, True, False), (31, True, True), (30, False, True), (0, False, True)]


def test_it_is_full_until_somebody_has_looked() -> None:
    inbox = make()
    inbox.put_write(bytes(200), None, 0)
    inbox.take()
    assert inbox.is_full  # a thread may have seen that, and the stages have not been told yet
    assert inbox.has_drained()
    assert not inbox.is_full


def test_without_a_low_mark_it_has_drained_when_nothing_waits() -> None:
    inbox = make(high=0, low=0)
    inbox.put_write(b"x", None, 0)
    assert not inbox.has_drained()
    inbox.take()
    assert inbox.has_drained()


def test_what_the_channel_has_taken_counts_too() -> None:
    inbox = make()
    fullness = []
    for taken in (99, 100):
        assert inbox.put_write(b"x", None, taken)
        fullness.append(inbox.is_full)
    assert fullness == [False, True]
    assert inbox.put_write(b"x", None, 997)
    assert not inbox.put_write(b"x", None, 997)


def test_with_the_limit_pending_a_write_is_refused_and_nothing_else() -> None:
    inbox = make()
    assert inbox.put_write(bytes(999), None, 0)
    assert inbox.put_write(bytes(5000), None, 0)  # the limit is for what is there already, as on the loop
    assert not inbox.put_write(b"", None, 0)
    assert (inbox.size, len(inbox)) == (5999, 2)
    assert inbox.put(ASK_CLOSE, None)


def test_who_has_refused_goes_on_refusing_also_when_there_is_room() -> None:
    inbox = make()
    assert [inbox.refuse(), inbox.refuse()] == [True, False]
    assert not inbox.put_write(b"x", None, 0)


def test_writes_without_a_byte_are_bounded_too() -> None:
    inbox = make()
    assert all(inbox.put_write(b"", None, 0) for _ in range(MOST))
    assert not inbox.put_write(b"", None, 0)
    assert not inbox.is_full
