"""Events out of responses; other responses as they are."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler, DecodeError
from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel

E = http.ServerSentEvent

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _client(*stages: Any, max_event: int = 1000) -> tuple[EmbeddedChannel, http.EventStreamReader]:
    reader = http.EventStreamReader(max_event)
    channel = EmbeddedChannel(http.client_stack(host="a"), reader, *stages)
    channel.pipeline.write(http.FullRequest("GET", "/"))
    return channel, reader


def test_events_come_between_the_head_and_the_end() -> None:
    channel, reader = _client()
    channel.write_inbound(_HEAD + _chunk(b"data: a\n\n") + _chunk(b"data:"))
    assert reader.unread_bytes == 5
    channel.write_inbound(_chunk(b" b\n\n") + _chunk(b"retry: 5\nid: 7\n\ndata: cut") + b"0\r\n\r\n")
    head, first, second, end = channel.inbound
    assert (head.status, first, second, end) == (200, E("a"), E("b"), http.End())
    assert (reader.last_event_id, reader.retry) == ("7", 5)


def test_the_next_stream_goes_on_where_this_one_has_ended() -> None:
    channel, reader = _client()
    channel.write_inbound(_HEAD + _chunk(b"retry: 5\nid: 7\n\ndata: ") + b"0\r\n\r\n")
    channel.pipeline.write(http.FullRequest("GET", "/", {"last-event-id": reader.last_event_id}))
    channel.write_inbound(_HEAD + _chunk(b"\ndata: d\n\n"))
    assert channel.inbound[-1] == E("d", "message", "7")  # nothing is left of what was cut off
    assert reader.retry == 5


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 503 No\r\nContent-Type: text/event-stream\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"],
)
def test_other_responses_are_passed_on(head: bytes) -> None:
    channel, _ = _client()
    channel.write_inbound(head + b"Content-Length: 9\r\n\r\ndata: a\n\n")
    assert channel.inbound[1:] == [http.Data(b"data: a\n\n"), http.End()]
    channel.pipeline.write(http.FullRequest("GET", "/"))
    channel.write_inbound(_HEAD + _chunk(b"data: b\n\n"))
    assert channel.inbound[-1] == E("b")


def test_interim_and_whole_responses_change_nothing() -> None:
    channel = EmbeddedChannel(http.EventStreamReader())
    whole = http.FullResponse(200, {"content-type": "text/event-stream"}, b"data: a\n\n")
    channel.write_inbound(http.InterimResponse(103), whole)
    assert channel.inbound == [http.InterimResponse(103), whole]


def test_what_is_too_long_is_an_error_after_what_came_before_and_the_rest_is_dropped() -> None:
    channel = EmbeddedChannel(http.EventStreamReader(20))
    head = http.Response(200, {"content-type": "text/event-stream"})
    with pytest.raises(DecodeError, match="30 bytes, and the limit is 20"):
        channel.write_inbound(head, http.Data(b"data: a\n\n" + b"x" * 30))
    assert channel.inbound == [head, E("a")]
    assert not channel.is_open


def test_who_leaves_gets_no_further_event() -> None:
    class Leaves(ChannelInboundHandler[Any]):
        def __init__(self) -> None:
            self.read: list[Any] = []

        def channel_read(self, ctx: Any, msg: Any) -> None:
            self.read.append(msg)
            if isinstance(msg, http.ServerSentEvent):
                ctx.close()

    leaves = Leaves()
    channel, _ = _client(leaves)
    channel.write_inbound(_HEAD + _chunk(b"data: a\n\ndata: b\n\n"))
    assert leaves.read[1:] == [E("a")]


def test_a_limit_is_above_zero() -> None:
    with pytest.raises(ValueError, match="max_event must be more than 0 bytes, not 0"):
        http.EventStreamReader(0)
