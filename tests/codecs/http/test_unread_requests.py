"""Requests that no stage reads: the client is not left to wait for a deadline."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http

GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\nConnection: close\r\n\r\na=b"


class _Choosy(ChannelInboundHandler[Any]):
    """Answers /mine, now or a turn later; passes on the rest."""

    def __init__(self, *, later: bool = False) -> None:
        self._later = later

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if not isinstance(msg, http.Request) or msg.path != "/mine":
            ctx.fire_channel_read(msg)
        elif self._later:
            ctx.loop.schedule(0.05, ctx.write, http.FullResponse(200, None, b"mine", to=msg))
        else:
            ctx.write(http.FullResponse(200, None, b"mine", to=msg))


class _AnswersAll(ChannelInboundHandler[Any]):
    """Passes on what it answers, which is a mistake that does no harm."""

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        ctx.fire_channel_read(msg)
        if isinstance(msg, http.End):
            ctx.write(http.FullResponse(200, None, b"mine"))


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(1) as loops:
        yield loops


def _answers(loops: EventLoopGroup, data: bytes, *stages: Any, **settings: Any) -> list[tuple[int, bytes]]:
    """Send ``data`` to a server of these stages; the statuses and bodies of what it says until it closes."""
    with (
        ServerBootstrap(loops, initializer=lambda _: [*http.server_stack(**settings).handlers, *stages]).bind(
            "tcp://127.0.0.1:0"
        ) as server,
        socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])), 10) as client,
    ):
        client.sendall(data)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    found = re.findall(rb"HTTP/1\.1 (\d+) .*?\r\n\r\n(mine|404 Not Found\n)?", answer, re.DOTALL)
    return [(int(status), body) for status, body in found]


NOT_FOUND = (404, b"404 Not Found\n")


def test_a_server_without_an_application_says_404(loops: EventLoopGroup) -> None:
    assert _answers(loops, GET % b"a" + LAST % b"b") == [NOT_FOUND]  # and no more: see below


def test_a_whole_request_that_is_passed_on_by_all_is_answered(loops: EventLoopGroup) -> None:
    stages = (http.RequestAggregator(), _Choosy())
    assert _answers(loops, GET % b"a" + GET % b"mine" + LAST % b"b", *stages) == [NOT_FOUND]
    assert _answers(loops, GET % b"mine" + GET % b"a" + LAST % b"b", *stages) == [(200, b"mine"), NOT_FOUND]


def test_the_answer_waits_for_those_to_earlier_requests(loops: EventLoopGroup) -> None:
    stages = (http.RequestAggregator(), _Choosy(later=True))
    data = GET % b"mine" + GET % b"a" + LAST % b"mine"
    answers = _answers(loops, data, *stages, limits=http.Limits(max_pipelined=8))
    assert answers == [(200, b"mine"), NOT_FOUND]


def test_who_passes_a_request_on_and_answers_it_all_the_same_is_not_preceded(loops: EventLoopGroup) -> None:
    assert _answers(loops, GET % b"a" + LAST % b"b", _AnswersAll()) == [(200, b"mine"), (200, b"mine")]


def test_a_stage_that_pairs_requests_with_responses_sees_both(loops: EventLoopGroup) -> None:
    lines: list[str] = []
    _answers(loops, LAST % b"a", http.AccessLog(lines.append), http.ContentCompression())
    assert len(lines) == 1
    assert '"GET /a HTTP/1.1" 404 14' in lines[0]


def test_a_head_request_gets_the_head_of_that_answer(loops: EventLoopGroup) -> None:
    assert _answers(loops, (LAST % b"a").replace(b"GET", b"HEAD")) == [(404, b"")]


def test_a_form_that_nobody_reads_is_answered(loops: EventLoopGroup) -> None:
    assert _answers(loops, b"POST / HTTP/1.1\r\nHost: a\r\n" + FORM, http.Forms()) == [NOT_FOUND]


def test_a_body_that_nobody_reads_is_read_past(loops: EventLoopGroup) -> None:
    post = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    assert _answers(loops, post + LAST % b"b") == [NOT_FOUND]


class _Late(ChannelInboundHandler[Any, Any, Any]):
    """Passes each request on, and answers it all the same, later and without saying which it means."""

    def channel_read(self, ctx: Any, msg: Any) -> None:
        ctx.fire_channel_read(msg)
        if isinstance(msg, http.Request):
            ctx.loop.schedule(0.02, ctx.write, http.FullResponse(200, {}, b"mine"))


def test_a_late_answer_is_nobody_elses(loops: EventLoopGroup) -> None:
    assert _answers(loops, GET % b"a" + LAST % b"b", _Late()) == [NOT_FOUND]
