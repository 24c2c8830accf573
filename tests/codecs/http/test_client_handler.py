"""The client's side: which response is for which request, and whether another may follow."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EncodeError
from pipeline_net.codecs.http import (
    END,
    Data,
    FullRequest,
    FullResponse,
    HttpClientHandler,
    HttpDecodeError,
    InterimResponse,
    Request,
    ResponseAggregator,
    client_stack,
)
from pipeline_net.testing import EmbeddedChannel

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
ASKED = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"


class Keep(ChannelInboundHandler[Any]):
    def __init__(self) -> None:
        self.read: list[Any] = []
        self.errors: list[BaseException] = []

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.read.append(msg)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.errors.append(exc)


def _connect() -> tuple[EmbeddedChannel, HttpClientHandler, Keep]:
    keep = Keep()
    channel = EmbeddedChannel(client_stack(host="h") >> ResponseAggregator(), keep)
    handler = channel.pipeline.get(HttpClientHandler)
    assert isinstance(handler, HttpClientHandler)
    return channel, handler, keep


def _sent(channel: EmbeddedChannel) -> bytes:
    sent = b"".join(channel.outbound)
    channel.outbound.clear()
    return sent


def test_a_request_and_its_response() -> None:
    channel, handler, keep = _connect()
    assert handler.is_reusable
    channel.write_outbound(FullRequest("GET", "/"))
    assert _sent(channel) == ASKED
    assert (handler.unanswered, handler.is_reusable) == (1, False)
    channel.write_inbound(OK)
    assert keep.read == [FullResponse(200, {"content-length": "0"})]
    assert (handler.unanswered, handler.is_reusable) == (0, True)


def test_requests_may_be_pipelined_and_interim_responses_count_for_nothing() -> None:
    channel, handler, keep = _connect()
    channel.write_outbound(FullRequest("HEAD", "/"), FullRequest("GET", "/"))
    channel.write_inbound(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + OK)
    assert [type(message) for message in keep.read] == [InterimResponse, FullResponse, FullResponse]
    assert handler.is_reusable


def test_a_request_in_parts() -> None:
    channel, handler, _ = _connect()
    channel.write_outbound(Request("PUT", "/", {"transfer-encoding": "chunked"}), Data(b"hello"))
    channel.write_inbound(OK)  # before the request was over
    reusable = [handler.is_reusable]
    channel.write_outbound(END)
    reusable.append(handler.is_reusable)
    assert reusable == [False, True]
    assert _sent(channel).endswith(b"5\r\nhello\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (FullRequest("GET", "/", {"connection": "close"}), OK),
        (FullRequest("GET", "/"), OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")),
        (FullRequest("GET", "/"), OK.replace(b"1.1", b"1.0")),
    ],
)
def test_who_ends_the_connection(request_: Any, response: bytes) -> None:
    channel, handler, keep = _connect()
    channel.write_outbound(request_)
    channel.write_inbound(response)
    assert len(keep.read) == 1
    assert not handler.is_reusable


def test_a_response_that_ends_with_the_connection() -> None:
    channel, handler, keep = _connect()
    channel.write_outbound(FullRequest("GET", "/"))
    channel.write_inbound(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert keep.read == []
    channel.finish_input()
    assert keep.read == [FullResponse(200, None, b"hello")]
    assert keep.errors == []
    assert not handler.is_reusable


def test_a_response_that_nobody_asked_for_ends_the_connection() -> None:
    for data in (OK, b"HTTP/1.1 100 Continue\r\n\r\n"):
        channel, handler, keep = _connect()
        channel.write_inbound(data)
        assert [type(error) for error in keep.errors] == [HttpDecodeError]
        assert "answers no request" in str(keep.errors[0])
        assert keep.read == []
        assert not channel.is_open
        assert not handler.is_reusable


def test_a_second_response_to_one_request_is_not_delivered() -> None:
    channel, _, keep = _connect()
    channel.write_outbound(FullRequest("GET", "/"))
    channel.write_inbound(OK + OK)
    assert len(keep.read) == 1
    assert len(keep.errors) == 1
    assert not channel.is_open


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"])
def test_a_connection_that_ends_before_the_response_is_an_error(data: bytes) -> None:
    channel, _, keep = _connect()
    channel.write_outbound(FullRequest("GET", "/"))
    if data:
        channel.write_inbound(data)
    channel.finish_input()
    assert keep.read == []
    assert [type(error) for error in keep.errors] == [HttpDecodeError]
    assert not channel.is_open


def test_bytes_that_are_no_response_are_an_error() -> None:
    channel, handler, keep = _connect()
    channel.write_outbound(FullRequest("GET", "/"))
    channel.write_inbound(b"SSH-2.0-OpenSSH\r\n")
    assert [error.status for error in keep.errors if isinstance(error, HttpDecodeError)] == [502]
    assert not channel.is_open
    assert not handler.is_reusable


def test_a_request_that_ends_before_its_length_ends_the_connection() -> None:
    channel, _, _ = _connect()
    channel.write_outbound(Request("PUT", "/", {"content-length": "5"}), Data(b"he"))
    with pytest.raises(EncodeError):
        channel.write_outbound(END)
    assert not channel.is_open


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (
            FullRequest("GET", "/", {"connection": "upgrade", "upgrade": "x"}),
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        ),
        (FullRequest("CONNECT", "a:80", {"host": "a:80"}), b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
)
def test_after_a_switch_the_stages_of_http_are_gone(request_: Any, response: bytes) -> None:
    channel, handler, keep = _connect()
    channel.write_outbound(request_)
    _sent(channel)
    channel.write_inbound(response + b"\x00raw")
    assert isinstance(keep.read[0], FullResponse)
    assert keep.read[1:] == [b"\x00raw"]
    channel.write_inbound(b"more")
    assert keep.read[-1] == b"more"
    channel.write_outbound(b"bytes")
    assert _sent(channel) == b"bytes"
    assert [type(stage).__name__ for stage in channel.pipeline] == ["ResponseAggregator", "Keep"]
    assert not handler.is_reusable
