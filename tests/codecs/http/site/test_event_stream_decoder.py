"""Events out of bytes, as WHATWG HTML 9.2.6 has them, however the bytes are cut."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pipeline_net import DecodeError
from pipeline_net.codecs import http
from pipeline_net.codecs.http import EventStreamDecoder
from pipeline_net.testing import check_decoder, check_limits

E = http.ServerSentEvent


CASES: list[tuple[bytes, list[Any]]] = [
    (b"", []),
    (b"data: hello\n\n", [E("hello")]),
    (b"data:hello\n\n", [E("hello")]),
    (b"data:  hello\n\n", [E(" hello")]),
    (b"data\n\n", [E("")]),
    (b"data\ndata\n\n", [E("\n")]),
    (b"data:\n\n", [E("")]),
    (b"\xef\xbb\xbfdata: a\n\n", [E("a")]),
    (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),  # only the first is a mark; the second makes a name that nobody knows
    (b"data: a\r\n\r\ndata: b\r\n\r\n", [E("a"), E("b")]),
    (b"data: a\r\rdata: b\r\r", [E("a"), E("b")]),
    (b"data: a\n\rdata: b\r\n\n", [E("a"), E("b")]),
    (b": a comment\n\n:\n\ndata: a\n: another\ndata: b\n\n", [E("a\nb")]),
    (b"event: news\ndata: a\n\ndata: b\n\n", [E("a", "news"), E("b")]),
    (b"event: news\n\ndata: b\n\n", [E("b")]),  # an event without data is none, and its name is forgotten
    (b"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [E("a", "message", "7"), E("b", "message", "7"), E("c")]),
    (b"id: 7\n\ndata: a\n\n", [E("a", "message", "7")]),
    (b"id: a\0b\ndata: a\n\n", [E("a")]),
    (b"unknown: x\nDATA: y\ndata: a\n\n", [E("a")]),
    (b"data: \xff\n\n", [E("\ufffd")]),
    ("data: ä€😀\n\n".encode(), [E("ä€😀")]),
    (b"data: cut off", []),
    (b"data: a\n\ndata: cut off\n", [E("a")]),
    (b"retry: 100\nretry: 1x\nretry: -1\ndata: a\n\n", [E("a")]),
    # the examples of the standard
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [E("YHOO\n+2\n10")]),
    (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [E("first event", "message", "1"), E("second event"), E(" third event")],
    ),
]


def test_events_however_the_bytes_are_cut() -> None:
    for data, events in CASES:
        check_decoder(EventStreamDecoder, [(data, events)])


def test_limits_hold_however_the_bytes_are_cut() -> None:
    def front(text: bytes) -> Any:
        return lambda n: (text * (n // len(text) + 1))[:n]

    for text in (b"a", b"data: a\n", b"data\n", b":\n", b"event: aaaaaaaaaaaaaa\n"):
        check_limits(lambda: EventStreamDecoder(100), front(text), 250)


@pytest.mark.parametrize(
    "data", [b"x" * 101, b"data: " + b"x" * 60 + b"\ndata: " + b"x" * 60 + b"\n", b":" + b"x" * 101 + b"\n"]
)
def test_what_is_too_long_ends_it(data: bytes) -> None:
    decoder = EventStreamDecoder(100)
    with pytest.raises(DecodeError, match="100"):
        decoder.feed(data)
    assert EventStreamDecoder(100).feed(b"data:" + b"x" * 95 + b"\n\n") == [E("x" * 95)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_many_short_lines_are_read_in_time_that_grows_with_them(end: bytes) -> None:
    data = (b"data: x" + end * 2) * 6000
    began = time.process_time()
    assert len(EventStreamDecoder().feed(data)) == 6000
    assert time.process_time() - began < 2


def test_an_event_does_not_wait_for_what_may_follow_its_cr() -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(b"data: a\r\r") == [E("a")]
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"data: b\r\n\r") == [E("b")]


def test_where_to_go_on_and_after_which_time() -> None:
    decoder = EventStreamDecoder()
    decoder.feed(b"retry: 1500\nid: 7\ndata: a\n\nid: 8\ndata: cut")
    assert (decoder.last_event_id, decoder.retry) == ("7", 1500)
    decoder.feed(b"\nretry: 99999999999999999999\n\n")
    assert (decoder.last_event_id, decoder.retry) == ("8", 1500)
    assert EventStreamDecoder(last_event_id="7").feed(b"data: a\n\n") == [E("a", "message", "7")]


def test_an_event_has_a_face_and_equals_its_like() -> None:
    assert repr(E("a", "b", "c")) == "ServerSentEvent('a', 'b', 'c')"
    assert len({E("a"), E("a"), E("b")}) == 2
    assert E("a") != "a"


def test_a_limit_is_above_zero() -> None:
    with pytest.raises(ValueError, match="max_event must be more than 0 bytes, not 0"):
        EventStreamDecoder(0)
