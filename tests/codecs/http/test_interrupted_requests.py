"""A KeyboardInterrupt in a handler goes to whoever drives the loop; if that goes on, nobody is left to guess.

The request whose handler was interrupted is answered with 500, as if the handler had raised, and the connection ends;
so no later response can be taken for the one to that request.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler
from pipeline_net.codecs.http import (
    AccessLog,
    AccessRecord,
    Data,
    End,
    FullResponse,
    Limits,
    Request,
    RequestAggregator,
    Response,
    server_stack,
)
from pipeline_net.testing import EmbeddedChannel

_POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
_GET = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


class _Interrupted(ChannelInboundHandler[Any]):
    """Says ``before``, and is interrupted when it reads a message of one type; answers every other ``last``."""

    def __init__(self, at: type, *before: Any, last: type = End) -> None:
        self._at: type | None = at
        self._before = before
        self._last = last
        self.read: list[Any] = []
        self.ctx: ChannelHandlerContext[Any, Any]

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.read.append(msg)
        self.ctx = ctx
        if self._at is not None and isinstance(msg, self._at):
            self._at = None
            for part in self._before:
                ctx.write(part)
            raise KeyboardInterrupt
        if isinstance(msg, self._last):
            ctx.write(FullResponse(200))


def _sent(channel: EmbeddedChannel) -> bytes:
    channel.run_pending()
    return b"".join(channel.outbound)


def _statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", data)]


@pytest.mark.parametrize("at", [Request, Data, End])
def test_it_is_answered_with_500_and_the_connection_ends(at: type, caplog: pytest.LogCaptureFixture) -> None:
    app = _Interrupted(at)
    channel = EmbeddedChannel(server_stack(date=False), app)
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(_POST + _GET)
    sent = _sent(channel)
    assert _statuses(sent) == [500]
    assert b"connection: close\r\n" in sent
    assert not channel.is_open
    assert not any(isinstance(msg, Request) and msg.path == "/next" for msg in app.read)
    assert caplog.records == [], "whoever was interrupted knows"


def test_whole_requests_too() -> None:
    channel = EmbeddedChannel(server_stack(date=False), RequestAggregator(), _Interrupted(Request, last=Request))
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(_POST + _GET + _GET)
    assert _statuses(_sent(channel)) == [500]
    assert not channel.is_open


def test_one_that_was_answered_before_is_over_and_others_follow() -> None:
    app = _Interrupted(Request, FullResponse(204), last=Request)
    channel = EmbeddedChannel(server_stack(date=False), RequestAggregator(), app)
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(_POST + _GET)
    assert _statuses(_sent(channel)) == [204, 200]
    assert channel.is_open


def test_one_that_is_answered_before_the_loop_goes_on_is_over_too() -> None:
    app = _Interrupted(Request, last=Request)
    channel = EmbeddedChannel(server_stack(date=False), RequestAggregator(), app)
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(_POST + _GET)
    app.ctx.write(FullResponse(202))
    assert _statuses(_sent(channel)) == [202, 200]


def test_a_response_that_has_begun_breaks_off() -> None:
    channel = EmbeddedChannel(server_stack(date=False), _Interrupted(End, Response(200), Data(b"half")))
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(_POST + _GET)
    sent = _sent(channel)
    assert _statuses(sent) == [200]
    assert sent.endswith(b"half\r\n"), "and no last chunk"
    assert not channel.is_open


def test_with_several_at_a_time_the_first_that_waits_hears_of_it() -> None:
    app = _Interrupted(Data, last=int)  # which answers nobody
    channel = EmbeddedChannel(server_stack(date=False, limits=Limits(max_pipelined=3)), app)
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(_GET + _POST + _GET)
    assert [msg.path for msg in app.read if isinstance(msg, Request)] == ["/next", "/"]
    assert _statuses(_sent(channel)) == [500]
    assert not channel.is_open


def test_the_access_log_has_its_line() -> None:
    lines: list[str] = []
    log = AccessLog(lines.append, format=lambda record: f"{_path_of(record)} {record.status}")
    channel = EmbeddedChannel(server_stack(date=False), log, RequestAggregator(), _Interrupted(Request))
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(_GET + _GET)
    channel.run_pending()
    assert lines == ["/next 500"]


def _path_of(record: AccessRecord) -> str:
    assert record.request is not None
    return record.request.path
