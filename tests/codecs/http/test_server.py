"""Which response answers which request, and how long the connection lives."""

from __future__ import annotations

import logging
import re
from typing import Any

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
    Deadlines,
    End,
    FullRequest,
    FullResponse,
    InterimResponse,
    Limits,
    Request,
    RequestAggregator,
    Response,
    server_stack,
)
from pipeline_net.testing import EmbeddedChannel

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Keep(ChannelInboundHandler[Any]):
    """Keeps what it reads, and answers nothing; /now is answered at once, /raise raises."""

    def __init__(self) -> None:
        self.read: list[Any] = []
        self.events: list[Any] = []
        self.errors: list[BaseException] = []
        self.ctx: ChannelHandlerContext[Any, Any]

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.ctx = ctx

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.read.append(msg)
        if isinstance(msg, Request) and msg.path == "/raise":
            raise LookupError("the handler's own mistake")
        if isinstance(msg, FullRequest) and msg.path == "/now":
            ctx.write(FullResponse(200))

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        self.events.append(event)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.errors.append(exc)
        if not isinstance(exc, EncodeError):
            ctx.fire_exception_caught(exc)

    @property
    def requests(self) -> list[Any]:
        return [msg for msg in self.read if isinstance(msg, Request)]

    def say(self, *parts: Any) -> None:
        for part in parts:
            self.ctx.write(part)


def _serve(*, whole: bool = True, **settings: Any) -> tuple[EmbeddedChannel, Keep]:
    keep = Keep()
    stages: list[Any] = [server_stack(date=False, **settings)]
    if whole:
        stages.append(RequestAggregator())
    return EmbeddedChannel(*stages, keep, remote_address=("192.0.2.1", 4711)), keep


def _sent(channel: EmbeddedChannel) -> bytes:
    channel.run_pending()
    sent = b"".join(channel.outbound)
    channel.outbound.clear()
    return sent


def _statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", data)]


# -- order -------------------------------------------------------------------------------------------


def test_requests_that_are_answered_at_once_follow_each_other() -> None:
    channel, keep = _serve()
    channel.write_inbound(GET.replace(b"/ ", b"/now ") * 100)
    assert _sent(channel) == OK * 100
    assert len(keep.read) == 100


def test_the_application_has_one_request_at_a_time() -> None:
    channel, keep = _serve()
    channel.write_inbound(GET * 3)
    assert len(keep.requests) == 1
    for count in (1, 2, 3):
        assert len(keep.requests) == count
        keep.say(FullResponse(200))
        assert _sent(channel) == OK
    assert keep.read == [FullRequest("GET", "/", {"host": "a"})] * 3


def test_reading_pauses_only_when_a_client_pipelines() -> None:
    channel, keep = _serve()
    channel.write_inbound(GET)
    assert channel.wants_to_read, "otherwise nobody would notice that the client has gone"
    channel.write_inbound(b"G")
    assert not channel.wants_to_read
    keep.say(FullResponse(200))
    assert channel.wants_to_read
    channel.write_inbound(GET[1:] + GET * 2)
    assert not channel.wants_to_read
    keep.say(FullResponse(200))
    assert not channel.wants_to_read
    keep.say(FullResponse(200))
    assert len(keep.requests) == 4
    assert channel.wants_to_read


def test_a_thousand_requests_in_one_read_are_one_request_and_bytes() -> None:
    channel, keep = _serve(limits=Limits(max_pipelined=8))
    channel.write_inbound(GET * 1000)
    assert len(keep.requests) == 8
    assert not channel.wants_to_read


def test_with_several_requests_a_response_says_which_it_answers() -> None:
    channel, keep = _serve(limits=Limits(max_pipelined=3))
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


def test_a_response_that_does_not_say_so_is_refused_while_it_could_mean_several() -> None:
    channel, keep = _serve(limits=Limits(max_pipelined=3))
    channel.write_inbound(GET * 2)
    keep.say(FullResponse(200))
    assert "2 requests are unanswered" in str(keep.errors[0])
    assert _sent(channel) == b""


def test_many_early_responses_leave_without_recursion() -> None:
    count = 2000
    channel, keep = _serve(limits=Limits(max_pipelined=count))
    channel.write_inbound(GET * count)
    for request in reversed(keep.requests):
        keep.say(FullResponse(200, to=request))
    assert _sent(channel) == OK * count


def test_a_response_to_a_stranger_is_refused() -> None:
    channel, keep = _serve()
    keep.say(FullResponse(200))
    channel.write_inbound(GET)
    keep.say(FullResponse(200, to=Request("GET", "/")))
    keep.say(FullResponse(200), FullResponse(200))
    assert _sent(channel) == OK
    assert [type(error) for error in keep.errors] == [EncodeError] * 3


def test_what_is_no_response_is_refused() -> None:
    channel, keep = _serve()
    channel.write_inbound(GET)
    keep.say(b"bytes", "text", Request("GET", "/"))
    assert [type(error) for error in keep.errors] == [EncodeError] * 3
    assert _sent(channel) == b""


def test_early_responses_are_bounded() -> None:
    keep = Keep()
    channel = EmbeddedChannel(
        server_stack(limits=Limits(max_pipelined=2)) >> RequestAggregator(),
        keep,
        options=ChannelOptions(write_buffer_high=10, write_buffer_low=5, write_buffer_limit=100),
    )
    channel.write_inbound(GET * 2)
    promise = keep.ctx.new_promise()
    keep.say(FullResponse(200, None, b"x" * 60, to=keep.requests[1]))
    keep.ctx.write(FullResponse(200, None, b"x" * 60, to=keep.requests[1]), promise)
    with pytest.raises(WriteBufferOverflowError):
        channel.run_pending()
    assert isinstance(promise.exception(), WriteBufferOverflowError)
    assert not channel.is_open


def test_promises_of_early_responses_are_kept_or_broken() -> None:
    channel, keep = _serve(limits=Limits(max_pipelined=2))
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


def test_a_response_may_be_written_from_outside_the_pipeline() -> None:
    channel, _ = _serve()
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
def test_who_ends_the_connection(request_head: bytes, response: Any, closes: bool) -> None:
    channel, keep = _serve()
    channel.write_inbound(request_head)
    keep.say(response)
    assert (b"connection: close" in _sent(channel)) is closes
    assert channel.is_open is not closes


def test_nothing_is_read_after_the_last_request() -> None:
    channel, keep = _serve(limits=Limits(max_pipelined=9))
    channel.write_inbound(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    assert len(keep.requests) == 1
    keep.say(FullResponse(200))
    assert _statuses(_sent(channel)) == [200]
    assert not channel.is_open


def test_a_body_of_unknown_length_to_http_1_0_ends_with_the_connection() -> None:
    channel, keep = _serve()
    channel.write_inbound(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    keep.say(Response(200), Data(b"hello"), END)
    assert _sent(channel) == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello"
    assert not channel.is_open


def test_a_client_that_half_closes_still_gets_its_responses() -> None:
    channel, keep = _serve()
    channel.write_inbound(GET * 2)
    channel.finish_input()
    assert channel.is_open
    assert keep.events == []  # the second request has not been read, so the end of the input has not either
    keep.say(FullResponse(200))
    assert [repr(event) for event in keep.events] == ["InputEnded()"]
    keep.say(FullResponse(200))
    assert _sent(channel) == OK * 2
    assert not channel.is_open


def test_a_client_that_leaves_between_requests_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    channel, _ = _serve()
    channel.write_inbound(GET.replace(b"/ ", b"/now "))
    channel.finish_input()
    assert not channel.is_open
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_server_that_is_drained_ends_idle_connections_at_once_and_others_after_their_response() -> None:
    channel, keep = _serve()
    channel.fire_user_event(ServerDraining(1.0))
    assert not channel.is_open
    channel, keep = _serve()
    channel.write_inbound(GET)
    channel.fire_user_event(ServerDraining(1.0))
    assert channel.is_open
    keep.say(FullResponse(200))
    assert b"connection: close" in _sent(channel)
    assert not channel.is_open


def test_a_server_that_is_drained_finishes_a_response_that_has_begun() -> None:
    channel, keep = _serve()
    channel.write_inbound(GET)
    keep.say(Response(200, {"content-length": "2"}), Data(b"a"))
    channel.fire_user_event(ServerDraining(1.0))
    keep.say(Data(b"b"), END)
    assert _sent(channel).endswith(b"\r\n\r\nab")
    assert not channel.is_open


# -- bodies ------------------------------------------------------------------------------------------


def test_a_body_comes_in_parts_and_the_response_may_come_before_its_end() -> None:
    channel, keep = _serve(whole=False)
    channel.write_inbound(POST + b"he")
    keep.say(FullResponse(200))
    assert _sent(channel) == OK
    channel.write_inbound(b"llo" + GET)
    assert [type(part).__name__ for part in keep.read] == ["Request", "Data", "Data", "End", "Request", "End"]
    keep.say(FullResponse(200))
    assert _sent(channel) == OK
    assert channel.is_open


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_who_expects_it_is_told_to_continue(version: bytes) -> None:
    channel, keep = _serve(whole=False)
    channel.write_inbound(POST.replace(b"1.1", version).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert _sent(channel) == (b"HTTP/1.1 100 Continue\r\n\r\n" if version == b"1.1" else b"")
    channel.write_inbound(b"hello")
    keep.say(FullResponse(200))
    assert _statuses(_sent(channel)) == [200]
    assert channel.is_open is (version == b"1.1")


EXPECTING = POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")


def test_the_application_may_want_to_look_first() -> None:
    channel, keep = _serve(whole=False, auto_continue=False)
    channel.write_inbound(EXPECTING)
    assert _sent(channel) == b""
    keep.say(InterimResponse(100))
    assert _sent(channel) == b"HTTP/1.1 100 Continue\r\n\r\n"
    channel.write_inbound(b"hello")
    keep.say(FullResponse(200))
    assert _sent(channel) == OK


def test_who_is_not_told_to_continue_must_come_again_on_another_connection() -> None:
    channel, keep = _serve(whole=False, auto_continue=False)
    channel.write_inbound(EXPECTING)
    keep.say(FullResponse(403))
    assert _sent(channel) == b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert not channel.is_open


def test_an_interim_response_counts_for_nothing_and_http_1_0_does_not_get_it() -> None:
    for version, interim in ((b"1.1", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"), (b"1.0", b"")):
        channel, keep = _serve()
        channel.write_inbound(GET.replace(b"1.1", version))
        keep.say(InterimResponse(103, {"link": "a"}))
        assert _sent(channel) == interim
        keep.say(FullResponse(200))
        assert _statuses(_sent(channel)) == [200]


# -- mistakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 40000, 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: x\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
    ],
)
def test_bytes_that_are_no_request_are_answered_and_the_connection_ends(
    data: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    channel, keep = _serve()
    with caplog.at_level(logging.INFO, "pipeline_net.http"):
        channel.write_inbound(GET.replace(b"/ ", b"/now ") + data)
    sent = _sent(channel)
    assert _statuses(sent) == [200, status]
    assert b"connection: close\r\n" in sent
    assert not channel.is_open
    assert len(keep.read) == 1
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "192.0.2.1" in caplog.text


def test_a_refusal_waits_for_the_responses_to_earlier_requests() -> None:
    channel, keep = _serve(limits=Limits(max_pipelined=3))
    channel.write_inbound(GET * 2 + b"\x00")
    assert _sent(channel) == b""
    keep.say(FullResponse(200, to=keep.requests[1]), FullResponse(201, to=keep.requests[0]))
    assert _statuses(_sent(channel)) == [201, 200, 400]
    assert not channel.is_open


def test_a_body_that_goes_wrong_is_refused_in_place_of_a_response() -> None:
    channel, keep = _serve(whole=False)
    channel.write_inbound(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy")
    assert _statuses(_sent(channel)) == [400]
    promise = keep.ctx.new_promise()
    keep.ctx.write(FullResponse(200), promise)
    channel.run_pending()
    assert promise.exception() is not None
    assert not channel.is_open


def test_a_body_that_goes_wrong_while_it_is_answered_ends_the_connection() -> None:
    channel, keep = _serve(whole=False)
    channel.write_inbound(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx")
    keep.say(Response(200, {"content-length": "9"}), Data(b"abc"))
    channel.write_inbound(b"y")
    assert _sent(channel).endswith(b"\r\n\r\nabc")
    assert not channel.is_open


def test_a_request_that_is_cut_off_is_not_left_without_a_word() -> None:
    channel, _ = _serve()
    channel.write_inbound(POST + b"he")
    channel.finish_input()
    assert _statuses(_sent(channel)) == [400]
    assert not channel.is_open


def test_a_handler_that_raises_answers_500() -> None:
    channel, _ = _serve()
    with pytest.raises(LookupError):
        channel.write_inbound(GET.replace(b"/ ", b"/raise "))
    sent = _sent(channel)
    assert _statuses(sent) == [500]
    assert b"connection: close\r\n" in sent
    assert not channel.is_open


def test_a_handler_that_raises_in_the_middle_of_its_response_cuts_it_off() -> None:
    channel, keep = _serve(whole=False)
    channel.write_inbound(GET)
    keep.say(Response(200, {"content-length": "5"}), Data(b"he"))
    channel.pipeline.close()
    channel.run_pending()
    assert _sent(channel).endswith(b"\r\n\r\nhe")
    assert not channel.is_open


def test_a_response_that_ends_before_its_length_ends_the_connection() -> None:
    channel, keep = _serve()
    channel.write_inbound(GET)
    keep.say(Response(200, {"content-length": "5"}), Data(b"he"), END)
    assert "3 bytes before" in str(keep.errors[0])
    assert _sent(channel).endswith(b"\r\n\r\nhe")
    assert not channel.is_open


def test_a_response_that_is_refused_may_be_followed_by_another() -> None:
    channel, keep = _serve()
    channel.write_inbound(GET)
    keep.say(FullResponse(200, {"content-length": "5"}), FullResponse(200))
    assert len(keep.errors) == 1
    assert _sent(channel) == OK
    assert channel.is_open


# -- another protocol --------------------------------------------------------------------------------

UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("head", "response"),
    [
        (UPGRADE, FullResponse(101, {"connection": "upgrade", "upgrade": "x"})),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", FullResponse(200)),
    ],
)
def test_after_a_switch_the_stages_of_http_are_gone(head: bytes, response: Any, whole: bool) -> None:
    channel, keep = _serve(whole=whole, limits=Limits(max_pipelined=5))
    channel.write_inbound(head + b"\x00\xff")
    assert len(keep.requests) == 1
    channel.write_inbound(b"more")
    keep.ctx.write(response)
    keep.ctx.write(b"first words")
    channel.run_pending()
    assert keep.read[-1] == b"\x00\xffmore"
    channel.write_inbound(b"raw")
    assert keep.read[-1] == b"raw"
    keep.ctx.write(b"answer")
    assert _sent(channel).endswith(b"\r\n\r\nfirst wordsanswer")
    names = [type(handler).__name__ for handler in channel.pipeline]
    assert names == (["RequestAggregator"] if whole else []) + ["Keep"]
    assert channel.wants_to_read
    channel.advance(1000)
    assert channel.is_open  # its deadlines are the other protocol's business


def test_an_upgrade_that_is_declined_goes_on_as_http() -> None:
    channel, keep = _serve(limits=Limits(max_pipelined=5))
    channel.write_inbound(UPGRADE + GET)
    assert len(keep.requests) == 1
    keep.say(FullResponse(200))
    assert len(keep.requests) == 2
    keep.say(FullResponse(200))
    assert _sent(channel) == OK * 2


# -- deadlines ---------------------------------------------------------------------------------------

DEADLINES = Deadlines(head=10, body=20, min_body_rate=10, idle=60)


def _late(*, whole: bool = False) -> tuple[EmbeddedChannel, Keep]:
    return _serve(whole=whole, deadlines=DEADLINES)


def test_a_client_that_says_nothing_is_closed_without_a_word() -> None:
    channel, _ = _late()
    channel.advance(9.9)
    assert channel.is_open
    channel.advance(0.2)
    assert (_sent(channel), channel.is_open) == (b"", False)


def test_a_head_that_comes_slowly_is_answered_408() -> None:
    channel, _ = _late()
    channel.advance(5)
    for byte in GET[:9]:
        channel.write_inbound(bytes([byte]))
        channel.advance(1)
    assert channel.is_open
    channel.advance(1.1)
    assert _statuses(_sent(channel)) == [408]
    assert not channel.is_open


def test_a_body_that_comes_slowly_is_answered_408() -> None:
    channel, _ = _late()
    channel.write_inbound(POST)
    channel.advance(19.9)
    assert channel.is_open
    channel.write_inbound(b"h")
    channel.advance(0.15)  # one byte is a tenth of a second
    assert channel.is_open
    channel.advance(0.1)
    assert _statuses(_sent(channel)) == [408]
    assert not channel.is_open


def test_a_large_body_may_take_its_time() -> None:
    channel, keep = _late()
    channel.write_inbound(POST.replace(b"5", b"1000"))
    for _ in range(50):
        channel.advance(2)
        channel.write_inbound(b"x" * 20)
    assert isinstance(keep.read[-1], End)
    assert channel.is_open


def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    channel, _ = _late(whole=True)
    for _ in range(10):
        channel.write_inbound(GET.replace(b"/ ", b"/now "))
        channel.advance(59)
    assert channel.is_open
    channel.advance(1.1)
    assert not channel.is_open
    assert _statuses(_sent(channel)) == [200] * 10


def test_the_second_request_has_a_deadline_for_its_head_too() -> None:
    channel, _ = _late(whole=True)
    channel.write_inbound(GET.replace(b"/ ", b"/now ") + b"GET")
    channel.advance(10.1)
    assert _statuses(_sent(channel)) == [200, 408]
    assert not channel.is_open


def test_an_application_may_take_as_long_as_it_wants() -> None:
    channel, keep = _late(whole=True)
    channel.write_inbound(GET)
    channel.advance(10_000)
    keep.say(FullResponse(200))
    assert _sent(channel) == OK
    channel.advance(59)
    assert channel.is_open
    channel.advance(1.1)
    assert not channel.is_open


def test_a_client_that_does_not_read_its_response_is_cut_off() -> None:
    channel, keep = _late(whole=True)
    channel.write_inbound(GET)
    channel.peer_window = 10
    keep.say(Response(200), Data(b"x" * 100_000))
    channel.run_pending()
    for _ in range(5):
        channel.advance(59)
        channel.peer_window = 10
        channel.run_pending()
    assert channel.is_open  # it reads, if slowly
    channel.advance(121)
    assert not channel.is_open


def test_a_body_for_which_the_application_makes_no_room_is_not_the_clients_fault() -> None:
    channel, keep = _late()
    channel.write_inbound(POST)
    channel.hold_reads()
    channel.advance(100)
    assert channel.is_open
    channel.release_reads()
    channel.advance(21)
    assert _statuses(_sent(channel)) == [408]
    assert keep.errors == []


def test_a_connection_that_serves_much_sets_its_timer_seldom() -> None:
    channel, _ = _late(whole=True)
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


def test_without_deadlines_there_is_no_timer() -> None:
    channel, _ = _serve(deadlines=Deadlines(head=None, body=None, idle=None))
    channel.write_inbound(POST)
    channel.advance(1e6)
    assert channel.is_open
