"""What is below every handler that lets somebody else answer."""

from __future__ import annotations

from typing import Any, Never

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler
from pipeline_net.codecs import http
from pipeline_net.gateways.gateway_stack import gateway_stack
from pipeline_net.testing import EmbeddedChannel

UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"


class Notes(ChannelInboundHandler[Any]):
    def __init__(self, name: str, seen: list[str]) -> None:
        self._name = name
        self._seen = seen

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._seen.append(f"{self._name} {type(msg).__name__}")
        ctx.fire_channel_read(msg)


class Answers(ChannelInboundHandler[http.RequestPart, Never, http.ResponsePart]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, http.ResponsePart], msg: http.RequestPart) -> None:
        if isinstance(msg, http.End):
            ctx.write(http.FullResponse(204))


def _stack(handler: Any, **settings: Any) -> Any:
    return gateway_stack(handler, "a test", **{"limits": http.Limits(), "deadlines": http.Deadlines(), **settings})


def test_stages_sit_in_their_order_between_http_and_the_handler() -> None:
    seen: list[str] = []
    channel = EmbeddedChannel(_stack(Answers(), stages=iter([Notes("one", seen), Notes("two", seen)])))
    channel.write_inbound(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert seen == ["one Request", "two Request", "one End", "two End"]
    assert b"".join(channel.outbound).startswith(b"HTTP/1.1 204 ")


def test_the_handler_says_itself_when_it_wants_a_body() -> None:
    channel = EmbeddedChannel(_stack(Answers()))
    channel.write_inbound(UPLOAD)
    assert channel.outbound == []


def test_limits_and_deadlines_are_those_that_were_given() -> None:
    channel = EmbeddedChannel(_stack(Answers(), limits=http.Limits(max_body=1), deadlines=http.Deadlines(idle=5)))
    channel.write_inbound(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    channel.advance(6)
    assert not channel.is_open
    channel = EmbeddedChannel(_stack(Answers(), limits=http.Limits(max_body=1)))
    channel.write_inbound(UPLOAD)
    assert b"".join(channel.outbound).startswith(b"HTTP/1.1 413 ")


def test_it_has_one_request_at_a_time() -> None:
    with pytest.raises(ValueError, match="max_pipelined must be 1 for a test, not 2"):
        _stack(Answers(), limits=http.Limits(max_pipelined=2))
