"""Which response answers which request, and how long the connection lives."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Never, TypeAlias

import pytest

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EncodeError,
    ServerDraining,
    WriteBufferOverflowError,
)
from pipeline_net.codecs.http import (
    END,
    Data,
    End,
    FullRequest,
    FullResponse,
    InterimResponse,
    Limits,
    Request,
    RequestAggregator,
    Response,
    ResponsePart,
    server_stack,
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


# -- order -------------------------------------------------------------------------------------------


def test_requests_that_are_answered_at_once_follow_each_other(serve: Serve) -> None:
    channel, keep = serve()
    channel.write_inbound(GET.replace(b"/ ", b"/now ") * 100)
    assert _sent(channel) == OK * 100
    assert len(keep.read) == 100


def test_the_application_has_one_request_at_a_time(serve: Serve) -> None:
    channel, keep = serve()
    channel.write_inbound(GET * 3)
    assert len(keep.requests) == 1
    for count in (1, 2, 3):
        assert len(keep.requests) == count
        keep.say(FullResponse(200))
        assert _sent(channel) == OK
    assert keep.read == [FullRequest("GET", "/", {"host": "a"})] * 3


def test_reading_pauses_only_when_a_client_pipelines(serve: Serve) -> None:
    channel, keep = serve()
    wants: list[bool] = []
    for data in (GET, b"G", b"", GET[1:] + GET * 2, b"", b"", b""):
        if data:
            channel.write_inbound(data)
        else:
            keep.say(FullResponse(200))
        wants.append(channel.wants_to_read)
    # at first it goes on, or nobody would notice that the client has gone
    assert wants == [True, False, True, False, False, True, True]
    assert len(keep.requests) == 4


def test_a_thousand_requests_in_one_read_are_one_request_and_bytes(serve: Serve) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=8))
    channel.write_inbound(GET * 1000)
    assert len(keep.requests) == 8
    assert not channel.wants_to_read


def test_with_several_requests_a_response_says_which_it_answers(serve: Serve) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=3))
    channel.write_inbound(b"".join(GET.replace(b"/ ", b"/%d " % number) for number in range(4)))
    first, second, third = keep.requests
    keep.say(FullResponse(203, to=third))
    keep.say(Response(202, {"content-length": "1"}, to=second), Data(b"x", to=second))
    assert _sent(channel) == b""
    keep.say(FullResponse(201, to=first))
    assert _statuses(_sent(channel)) == [201, 202]
    assert len(keep.requests) == 4
    keep.say(End(to=second))
    assert _statuses(_sent(channel)) == [203]
    keep.say(FullResponse(204))  # now there is only one that it can mean
    assert _statuses(_sent(channel)) == [204]


def test_a_response_that_does_not_say_so_is_refused_while_it_could_mean_several(serve: Serve) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=3))
    channel.write_inbound(GET * 2)
    keep.say(FullResponse(200))
    assert "2 requests are unanswered" in str(keep.errors[0])
    assert _sent(channel) == b""


def test_many_early_responses_leave_without_recursion(serve: Serve) -> None:
    count = 2000
    channel, keep = serve(limits=Limits(max_pipelined=count))
    channel.write_inbound(GET * count)
    for request in reversed(keep.requests):
        keep.say(FullResponse(200, to=request))
    assert _sent(channel) == OK * count


def test_a_response_to_a_stranger_is_refused(serve: Serve) -> None:
    channel, keep = serve()
    keep.say(FullResponse(200))
    channel.write_inbound(GET)
    keep.say(FullResponse(200, to=Request("GET", "/")))
    keep.say(FullResponse(200), FullResponse(200))
    assert _sent(channel) == OK
    assert [type(error) for error in keep.errors] == [EncodeError] * 3


def test_what_is_no_response_is_refused(serve: Serve) -> None:
    channel, keep = serve()
    channel.write_inbound(GET)
    keep.say(b"bytes", "text", Request("GET", "/"))
    assert [type(error) for error in keep.errors] == [EncodeError] * 3
    assert _sent(channel) == b""


def test_early_responses_are_bounded(serve: Serve) -> None:
    options = ChannelOptions(write_buffer_high=10, write_buffer_low=5, write_buffer_limit=100)
    channel, keep = serve(limits=Limits(max_pipelined=2), options=options)
    channel.write_inbound(GET * 2)
    promise = keep.ctx.new_promise()
    keep.say(FullResponse(200, None, b"x" * 60, to=keep.requests[1]))
    keep.ctx.write(FullResponse(200, None, b"x" * 60, to=keep.requests[1]), promise)
    with pytest.raises(WriteBufferOverflowError):
        channel.run_pending()
    assert isinstance(promise.exception(), WriteBufferOverflowError)
    assert not channel.is_open


def test_promises_of_early_responses_are_kept_or_broken(serve: Serve) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=2))
    channel.write_inbound(GET * 2)
    first, second = keep.ctx.new_promise(), keep.ctx.new_promise()
    keep.ctx.write(FullResponse(200, to=keep.requests[1]), second)
    assert not second.done()
    keep.ctx.write(FullResponse(200, to=keep.requests[0]), first)
    channel.run_pending()
    assert (first.result(), second.result()) == (None, None)
    channel.write_inbound(GET * 2)
    third = keep.ctx.new_promise()
    keep.ctx.write(FullResponse(200, to=keep.requests[3]), third)
    channel.abort()
    channel.run_pending()
    assert third.exception() is not None


def test_a_response_may_be_written_from_outside_the_pipeline(serve: Serve) -> None:
    channel, _ = serve()
    channel.write_inbound(GET)
    assert channel.write_outbound(FullResponse(200))
    assert _sent(channel) == OK


# -- the end of the connection -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_head", "response", "closes"),
    [
        (GET, FullResponse(200), False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", FullResponse(200), True),
        (GET, FullResponse(200, {"connection": "close"}), True),
        (b"GET / HTTP/1.0\r\n\r\n", FullResponse(200), True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", FullResponse(200), False),
    ],
)
def test_who_ends_the_connection(serve: Serve, request_head: bytes, response: Any, closes: bool) -> None:
    channel, keep = serve()
    channel.write_inbound(request_head)
    keep.say(response)
    assert (b"connection: close" in _sent(channel)) is closes
    assert channel.is_open is not closes


def test_nothing_is_read_after_the_last_request(serve: Serve) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=9))
    channel.write_inbound(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    assert len(keep.requests) == 1
    keep.say(FullResponse(200))
    assert _statuses(_sent(channel)) == [200]
    assert not channel.is_open


def test_a_body_of_unknown_length_to_http_1_0_ends_with_the_connection(serve: Serve) -> None:
    channel, keep = serve()
    channel.write_inbound(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    keep.say(Response(200), Data(b"hello"), END)
    assert _sent(channel) == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello"
    assert not channel.is_open


def test_a_client_that_half_closes_still_gets_its_responses(serve: Serve) -> None:
    channel, keep = serve()
    channel.write_inbound(GET * 2)
    channel.finish_input()
    assert channel.is_open
    assert keep.events == []  # the second request has not been read, so the end of the input has not either
    keep.say(FullResponse(200))
    assert [repr(event) for event in keep.events] == ["InputEnded()"]
    keep.say(FullResponse(200))
    assert _sent(channel) == OK * 2
    assert not channel.is_open


def test_a_client_that_leaves_between_requests_is_no_error(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    channel, _ = serve()
    channel.write_inbound(GET.replace(b"/ ", b"/now "))
    channel.finish_input()
    assert not channel.is_open
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_server_that_is_drained_ends_idle_connections_at_once_and_others_after_their_response(serve: Serve) -> None:
    channel, keep = serve()
    channel.fire_user_event(ServerDraining(1.0))
    assert not channel.is_open
    channel, keep = serve()
    channel.write_inbound(GET)
    channel.fire_user_event(ServerDraining(1.0))
    assert channel.is_open
    keep.say(FullResponse(200))
    assert b"connection: close" in _sent(channel)
    assert not channel.is_open


def test_a_server_that_is_drained_finishes_a_response_that_has_begun(serve: Serve) -> None:
    channel, keep = serve()
    channel.write_inbound(GET)
    keep.say(Response(200, {"content-length": "2"}), Data(b"a"))
    channel.fire_user_event(ServerDraining(1.0))
    keep.say(Data(b"b"), END)
    assert _sent(channel).endswith(b"\r\n\r\nab")
    assert not channel.is_open


# -- bodies ------------------------------------------------------------------------------------------


def test_a_body_comes_in_parts_and_the_response_may_come_before_its_end(serve: Serve) -> None:
    channel, keep = serve(whole=False)
    channel.write_inbound(POST + b"he")
    keep.say(FullResponse(200))
    assert _sent(channel) == OK
    channel.write_inbound(b"llo" + GET)
    assert [type(part).__name__ for part in keep.read] == ["Request", "Data", "Data", "End", "Request", "End"]
    keep.say(FullResponse(200))
    assert _sent(channel) == OK
    assert channel.is_open


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_who_expects_it_is_told_to_continue(serve: Serve, version: bytes) -> None:
    channel, keep = serve(whole=False)
    channel.write_inbound(POST.replace(b"1.1", version).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert _sent(channel) == (b"HTTP/1.1 100 Continue\r\n\r\n" if version == b"1.1" else b"")
    channel.write_inbound(b"hello")
    keep.say(FullResponse(200))
    assert _statuses(_sent(channel)) == [200]
    assert channel.is_open is (version == b"1.1")


EXPECTING = POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")


def test_the_application_may_want_to_look_first(serve: Serve) -> None:
    channel, keep = serve(whole=False, auto_continue=False)
    channel.write_inbound(EXPECTING)
    assert _sent(channel) == b""
    keep.say(InterimResponse(100))
    assert _sent(channel) == b"HTTP/1.1 100 Continue\r\n\r\n"
    channel.write_inbound(b"hello")
    keep.say(FullResponse(200))
    assert _sent(channel) == OK


def test_who_is_not_told_to_continue_must_come_again_on_another_connection(serve: Serve) -> None:
    channel, keep = serve(whole=False, auto_continue=False)
    channel.write_inbound(EXPECTING)
    keep.say(FullResponse(403))
    assert _sent(channel) == b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert not channel.is_open


def test_an_interim_response_counts_for_nothing_and_http_1_0_does_not_get_it(serve: Serve) -> None:
    for version, interim in ((b"1.1", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"), (b"1.0", b"")):
        channel, keep = serve()
        channel.write_inbound(GET.replace(b"1.1", version))
        written = channel.write(InterimResponse(103, {"link": "a"}))
        channel.run_pending()
        assert written.result() is None  # also if there was nothing to send
        assert _sent(channel) == interim
        keep.say(FullResponse(200))
        assert _statuses(_sent(channel)) == [200]


@pytest.mark.parametrize(("version", "is_cut_off"), [(b"1.0", True), (b"1.1", False)])
def test_half_a_response_that_only_the_end_would_end_is_cut_off(version: bytes, is_cut_off: bool) -> None:
    class Half(ChannelInboundHandler[FullRequest, Never, ResponsePart]):
        def channel_read(self, ctx: ChannelHandlerContext[Never, ResponsePart], msg: FullRequest) -> None:
            ctx.write(Response(200))
            ctx.write(Data(b"half of it"))

    channel = EmbeddedChannel(server_stack(date=False) >> RequestAggregator() >> Half())
    channel.write_inbound(b"GET / HTTP/" + version + b"\r\nHost: a\r\n\r\n")
    channel.close()
    channel.run_pending()
    assert not channel.is_open
    assert channel.is_aborted is is_cut_off


def test_a_part_that_nobody_can_encode_does_not_hold_up_those_behind_it(serve: Serve) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=3))
    channel.write_inbound(GET * 3)
    first, second, third = keep.requests
    promise = keep.ctx.new_promise()
    keep.ctx.write(FullResponse(200, {"content-length": "7"}, b"second", to=second), promise)
    keep.say(FullResponse(200, to=second), FullResponse(200, to=first))
    assert isinstance(promise.exception(), EncodeError)
    channel.write_inbound(GET.replace(b"GET", b"HEAD"))
    keep.say(FullResponse(200, None, b"third", to=third), FullResponse(200, None, b"fourth", to=keep.requests[3]))
    assert _sent(channel).endswith(b"\r\n\r\nthirdHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n")


def test_responses_that_were_early_are_out_before_further_requests_are_read(serve: Serve) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=3))
    channel.write_inbound(GET + GET.replace(b"GET", b"HEAD") + GET + GET)
    first, second, third = keep.requests

    class Answers(ChannelInboundHandler[Any]):
        """Answers an older request when another one comes."""

        def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
            ctx.write(FullResponse(200, None, b"third", to=third))

    channel.pipeline.add_before(keep, Answers())
    keep.say(FullResponse(200, None, b"second", to=second), FullResponse(200, None, b"first", to=first))
    assert _sent(channel).endswith(b"\r\n\r\nthird")
