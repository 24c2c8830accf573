"""Whole messages: put together from parts, up to a limit."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from pipeline_net import ChannelOptions, FrameTooLongError
from pipeline_net.codecs.http import (
    CHUNKED,
    END,
    Data,
    End,
    FullRequest,
    FullResponse,
    InterimResponse,
    Request,
    RequestAggregator,
    Response,
    ResponseAggregator,
    server_stack,
)
from pipeline_net.testing import EmbeddedChannel


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([Request("GET", "/"), END], FullRequest("GET", "/")),
        ([Request("GET", "/"), Data(b"a"), END], FullRequest("GET", "/", None, b"a")),
        (
            [Request("GET", "/"), Data(b"a"), Data(b"bc"), End({"t": "1"})],
            FullRequest("GET", "/", None, b"abc", {"t": "1"}),
        ),
        ([FullRequest("GET", "/", None, b"a")], FullRequest("GET", "/", None, b"a")),
    ],
)
def test_a_request_out_of_its_parts(parts: list[Any], whole: Any) -> None:
    channel = EmbeddedChannel(RequestAggregator())
    channel.write_inbound(*parts, *parts)
    assert channel.inbound == [whole, whole]


def test_a_response_out_of_its_parts() -> None:
    channel = EmbeddedChannel(ResponseAggregator())
    channel.write_inbound(InterimResponse(100), Response(200), Data(b"a"), Data(b"b"), END, FullResponse(204))
    assert channel.inbound == [InterimResponse(100), FullResponse(200, None, b"ab"), FullResponse(204)]


def test_a_request_that_is_too_large_is_answered_and_the_connection_ends() -> None:
    for data in (
        b"Content-Length: 6\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\n",
        b"Content-Length: 6\r\n\r\nabcdef",
    ):
        channel = EmbeddedChannel(server_stack() >> RequestAggregator(max_body=5))
        channel.write_inbound(b"POST / HTTP/1.1\r\nHost: a\r\n" + data)
        if channel.is_open:
            channel.write_inbound(b"def\r\n")
        answer = b"".join(channel.outbound)
        assert answer.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
        assert b"connection: close\r\n" in answer
        assert not channel.is_open
        assert channel.inbound == []


def test_a_request_at_the_limit_is_not() -> None:
    channel = EmbeddedChannel(RequestAggregator(max_body=5))
    channel.write_inbound(Request("GET", "/"), Data(b"abc"), Data(b"de"), END)
    assert channel.read_inbound().body == b"abcde"


def test_a_response_that_is_too_large_is_an_error_and_the_next_is_read() -> None:
    head = Response(200)
    head.body_length = 6
    other = Response(200)
    other.body_length = CHUNKED
    channel = EmbeddedChannel(ResponseAggregator(max_body=5))
    for parts in ([head, Data(b"abcdef"), END], [other, Data(b"abc"), Data(b"def"), END]):
        with pytest.raises(FrameTooLongError, match="6 bytes is over the limit of 5"):
            channel.write_inbound(*parts)
        channel = EmbeddedChannel(ResponseAggregator(max_body=5))
    channel.write_inbound(other, Data(b"abc"), END)
    assert channel.read_inbound().body == b"abc"


def test_what_is_held_is_shown() -> None:
    aggregator = RequestAggregator()
    channel = EmbeddedChannel(aggregator)
    channel.write_inbound(Request("GET", "/"), Data(b"abc"))
    assert aggregator.unread_bytes == 3
    channel.write_inbound(END)
    assert aggregator.unread_bytes == 0


@pytest.mark.parametrize("kind", [RequestAggregator, ResponseAggregator])
def test_a_negative_limit_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="max_body"):
        kind(-1)


def test_a_body_in_tiny_pieces_takes_memory_in_proportion() -> None:
    for kind, head in ((RequestAggregator, Request("GET", "/")), (ResponseAggregator, Response(200))):
        channel = EmbeddedChannel(kind())
        channel.write_inbound(head)
        tracemalloc.start()
        for _ in range(200):
            channel.write_inbound(*[Data(b"ab") for _ in range(500)])
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 1_000_000
        channel.write_inbound(Data(b"c" * 5000), Data(b"d"), END)
        assert channel.read_inbound().body == b"ab" * 100_000 + b"c" * 5000 + b"d"


@pytest.mark.parametrize(
    ("aggregator", "head"), [(RequestAggregator, Request("POST", "/")), (ResponseAggregator, Response(200))]
)
def test_without_auto_read_it_asks_until_a_message_is_whole(aggregator: Any, head: Any) -> None:
    channel = EmbeddedChannel(aggregator(), options=ChannelOptions(auto_read=False))
    asked = []
    for part in (head, Data(b"a"), END):
        channel.write_inbound(part)
        asked.append(channel.reads_requested)
    assert asked == [1, 2, 2]
    assert channel.inbound[0].body == b"a"
