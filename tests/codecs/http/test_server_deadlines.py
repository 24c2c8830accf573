"""How long a server waits for whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from pipeline_net.codecs.http import (
    Data,
    Deadlines,
    End,
    FullResponse,
    Response,
)
from pipeline_net.testing import EmbeddedChannel

Serve: TypeAlias = Callable[..., tuple[EmbeddedChannel, Any]]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def _sent(channel: EmbeddedChannel) -> bytes:
    channel.run_pending()
    sent = b"".join(channel.outbound)
    channel.outbound.clear()
    return sent


def _statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", data)]


DEADLINES = Deadlines(head=10, body=20, min_body_rate=10, idle=60, min_read_rate=10, half_closed=400)


def _late(serve: Serve, *, whole: bool = False) -> tuple[EmbeddedChannel, Any]:
    return serve(whole=whole, deadlines=DEADLINES)


def test_a_client_that_says_nothing_is_closed_without_a_word(serve: Serve) -> None:
    channel, _ = _late(serve)
    channel.advance(9.9)
    assert channel.is_open
    channel.advance(0.2)
    assert (_sent(channel), channel.is_open) == (b"", False)


def test_a_head_that_comes_slowly_is_answered_408(serve: Serve) -> None:
    channel, _ = _late(serve)
    channel.advance(5)
    for byte in GET[:9]:
        channel.write_inbound(bytes([byte]))
        channel.advance(1)
    assert channel.is_open
    channel.advance(1.1)
    assert _statuses(_sent(channel)) == [408]
    assert not channel.is_open


def test_a_body_that_comes_slowly_is_answered_408(serve: Serve) -> None:
    channel, _ = _late(serve)
    channel.write_inbound(POST)
    channel.advance(19.9)
    assert channel.is_open
    channel.write_inbound(b"h")
    channel.advance(0.15)  # one byte is a tenth of a second
    assert channel.is_open
    channel.advance(0.1)
    assert _statuses(_sent(channel)) == [408]
    assert not channel.is_open


def test_a_large_body_may_take_its_time(serve: Serve) -> None:
    channel, keep = _late(serve)
    channel.write_inbound(POST.replace(b"5", b"1000"))
    for _ in range(50):
        channel.advance(2)
        channel.write_inbound(b"x" * 20)
    assert isinstance(keep.read[-1], End)
    assert channel.is_open


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(serve: Serve) -> None:
    channel, _ = _late(serve, whole=True)
    for _ in range(10):
        channel.write_inbound(GET.replace(b"/ ", b"/now "))
        channel.advance(59)
    is_open = [channel.is_open]
    channel.advance(1.1)
    is_open.append(channel.is_open)
    assert is_open == [True, False]
    assert _statuses(_sent(channel)) == [200] * 10


def test_the_second_request_has_a_deadline_for_its_head_too(serve: Serve) -> None:
    channel, _ = _late(serve, whole=True)
    channel.write_inbound(GET.replace(b"/ ", b"/now ") + b"GET")
    channel.advance(10.1)
    assert _statuses(_sent(channel)) == [200, 408]
    assert not channel.is_open


def test_an_application_may_take_as_long_as_it_wants(serve: Serve) -> None:
    channel, keep = _late(serve, whole=True)
    channel.write_inbound(GET)
    channel.advance(10_000)
    keep.say(FullResponse(200))
    assert _sent(channel) == OK
    channel.advance(59)
    assert channel.is_open
    channel.advance(1.1)
    assert not channel.is_open


def test_a_client_that_does_not_read_its_response_is_cut_off(serve: Serve) -> None:
    channel, keep = _late(serve, whole=True)
    channel.write_inbound(GET)
    channel.peer_window = 10
    keep.say(Response(200), Data(b"x" * 100_000))
    channel.run_pending()
    for _ in range(5):
        channel.advance(59)
        channel.peer_window = 600
        channel.run_pending()
    assert channel.is_open  # it reads, if slowly
    channel.advance(121)
    assert not channel.is_open


@pytest.mark.parametrize(("taken", "is_open"), [(590, False), (610, True)])
def test_a_client_that_reads_too_slowly_is_cut_off(serve: Serve, taken: int, is_open: bool) -> None:
    channel, keep = _late(serve, whole=True)
    channel.write_inbound(GET)
    channel.peer_window = 0
    keep.say(Response(200), Data(b"x" * 100_000))
    for _ in range(10):  # a byte at a time is progress, but not enough of it
        channel.peer_window = taken
        channel.run_pending()
        channel.advance(60)
    assert channel.is_open is is_open


def test_a_client_that_reads_a_byte_a_minute_does_not_hold_its_response(serve: Serve) -> None:
    channel, keep = serve(whole=True)  # with the deadlines that are on by default
    channel.write_inbound(GET)
    channel.peer_window = 0
    keep.say(FullResponse(200, None, b"x" * 1_000_000))
    channel.run_pending()
    minutes = 0
    while channel.is_open:
        minutes += 1
        channel.peer_window = 1
        channel.run_pending()
        channel.advance(60)
        assert minutes < 5


def test_a_stream_of_little_things_is_not_slow_reading(serve: Serve) -> None:
    channel, keep = _late(serve, whole=True)
    channel.write_inbound(GET)
    keep.say(Response(200))
    for _ in range(100):
        channel.peer_window = 0
        keep.say(Data(b"x"))  # something waits whenever somebody looks, and it is new each time
        channel.run_pending()
        channel.advance(30)
        channel.peer_window = 100_000
        channel.run_pending()
    assert channel.is_open


def test_a_body_for_which_the_application_makes_no_room_is_not_the_clients_fault(serve: Serve) -> None:
    channel, keep = _late(serve)
    channel.write_inbound(POST)
    channel.hold_reads()
    channel.advance(100)
    assert channel.is_open
    channel.release_reads()
    channel.advance(21)
    assert _statuses(_sent(channel)) == [408]
    assert keep.errors == []


def test_a_connection_that_serves_much_sets_its_timer_seldom(serve: Serve) -> None:
    channel, _ = _late(serve, whole=True)
    scheduled = 0
    schedule = channel.loop.schedule

    def count(delay: float, fn: Any, *args: Any) -> Any:
        nonlocal scheduled
        scheduled += 1
        return schedule(delay, fn, *args)

    loop: Any = channel.loop
    try:
        loop.schedule = count
    except AttributeError:
        pytest.skip("a compiled loop cannot be listened to")
    for _ in range(600):
        channel.write_inbound(GET.replace(b"/ ", b"/now "))
        channel.advance(0.1)
    assert scheduled <= 8


def test_without_deadlines_there_is_no_timer(serve: Serve) -> None:
    channel, _ = serve(deadlines=Deadlines(head=None, body=None, idle=None))
    channel.write_inbound(POST)
    channel.advance(1e6)
    assert channel.is_open


def test_a_client_that_has_ended_its_input_waits_for_a_while_and_not_for_ever(serve: Serve) -> None:
    channel, keep = _late(serve, whole=True)
    channel.write_inbound(GET)
    channel.finish_input()
    channel.advance(399)
    assert channel.is_open
    keep.say(Response(200), Data(b"it goes"))
    assert _statuses(_sent(channel)) == [200]
    channel.advance(399)
    assert channel.is_open
    keep.say(Data(b" on"))
    channel.advance(399)
    assert channel.is_open
    channel.advance(62)
    assert not channel.is_open


@pytest.mark.parametrize("idle", [60, 1000, None])
def test_a_client_that_is_not_answered_after_the_end_of_its_input_counts_as_gone(
    serve: Serve, idle: float | None
) -> None:
    channel, _ = serve(whole=True, deadlines=Deadlines(idle=idle, half_closed=400))
    for _ in range(3):
        channel.write_inbound(GET.replace(b"/ ", b"/now "))
    channel.write_inbound(GET)
    channel.finish_input()
    channel.advance(399)
    assert channel.is_open
    channel.advance(2)
    assert not channel.is_open


def test_a_client_that_ends_its_input_late_has_its_time_from_then_on(serve: Serve) -> None:
    channel, _ = _late(serve, whole=True)
    channel.write_inbound(GET)
    channel.advance(5000)
    channel.finish_input()
    channel.advance(339)
    assert channel.is_open
    channel.advance(62)
    assert not channel.is_open


def test_without_that_deadline_a_client_that_has_ended_its_input_waits_for_ever(serve: Serve) -> None:
    channel, keep = serve(whole=True, deadlines=Deadlines(half_closed=None))
    channel.write_inbound(GET)
    channel.finish_input()
    channel.advance(1e6)
    keep.say(FullResponse(200))
    assert _statuses(_sent(channel)) == [200]
    assert not channel.is_open


def test_a_client_that_has_not_ended_its_input_is_not_told_how_long_it_may_wait(serve: Serve) -> None:
    channel, keep = _late(serve, whole=True)
    channel.write_inbound(GET)
    channel.advance(600)
    keep.say(FullResponse(200))
    assert _statuses(_sent(channel)) == [200]
    assert channel.is_open


def test_a_client_that_still_reads_its_response_is_not_idle(serve: Serve) -> None:
    channel, keep = _late(serve, whole=True)
    channel.write_inbound(GET)
    channel.peer_window = 0
    keep.say(FullResponse(200, None, b"x" * 100_000))
    for _ in range(20):
        channel.peer_window = 1000
        channel.run_pending()
        channel.advance(59)
    is_open = [channel.is_open]
    channel.advance(130)
    is_open.append(channel.is_open)
    assert is_open == [True, False]


def test_a_client_that_neither_reads_nor_sends_the_rest_of_its_body_is_cut_off(serve: Serve) -> None:
    channel, keep = _late(serve)
    channel.write_inbound(POST)
    channel.peer_window = 0
    keep.say(Response(200), Data(b"x" * 100_000))
    channel.run_pending()
    assert not channel.wants_to_read
    channel.advance(200)
    assert not channel.is_open


def test_the_head_of_the_next_request_may_wait_until_there_is_room_for_its_response(serve: Serve) -> None:
    channel, keep = _late(serve, whole=True)
    channel.write_inbound(GET + b"GET")
    channel.peer_window = 0
    keep.say(FullResponse(200, None, b"x" * 100_000))
    for _ in range(10):
        channel.peer_window = 1000
        channel.run_pending()
        channel.advance(9)
    assert channel.is_open
