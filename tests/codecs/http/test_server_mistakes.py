"""What a server answers when something is wrong; and what it leaves to another protocol."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from pipeline_net import ServerDraining
from pipeline_net.codecs.http import (
    END,
    Data,
    FullResponse,
    Limits,
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
    serve: Serve, data: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    channel, keep = serve()
    with caplog.at_level(logging.INFO, "pipeline_net.http"):
        channel.write_inbound(GET.replace(b"/ ", b"/now ") + data)
    sent = _sent(channel)
    assert _statuses(sent) == [200, status]
    assert b"connection: close\r\n" in sent
    assert not channel.is_open
    assert len(keep.read) == 1
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "192.0.2.1" in caplog.text


def test_a_refusal_waits_for_the_responses_to_earlier_requests(serve: Serve) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=3))
    channel.write_inbound(GET * 2 + b"\x00")
    assert _sent(channel) == b""
    keep.say(FullResponse(200, to=keep.requests[1]), FullResponse(201, to=keep.requests[0]))
    assert _statuses(_sent(channel)) == [201, 200, 400]
    assert not channel.is_open


def test_a_body_that_goes_wrong_is_refused_in_place_of_a_response(serve: Serve) -> None:
    channel, keep = serve(whole=False)
    channel.write_inbound(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy")
    assert _statuses(_sent(channel)) == [400]
    promise = keep.ctx.new_promise()
    keep.ctx.write(FullResponse(200), promise)
    channel.run_pending()
    assert promise.exception() is not None
    assert not channel.is_open


def test_a_body_that_goes_wrong_while_it_is_answered_ends_the_connection(serve: Serve) -> None:
    channel, keep = serve(whole=False)
    channel.write_inbound(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx")
    keep.say(Response(200, {"content-length": "9"}), Data(b"abc"))
    channel.write_inbound(b"y")
    assert _sent(channel).endswith(b"\r\n\r\nabc")
    assert not channel.is_open


def test_a_request_that_is_cut_off_is_not_left_without_a_word(serve: Serve) -> None:
    channel, _ = serve()
    channel.write_inbound(POST + b"he")
    channel.finish_input()
    assert _statuses(_sent(channel)) == [400]
    assert not channel.is_open


def test_a_handler_that_raises_answers_500(serve: Serve) -> None:
    channel, _ = serve()
    with pytest.raises(LookupError):
        channel.write_inbound(GET.replace(b"/ ", b"/raise "))
    sent = _sent(channel)
    assert _statuses(sent) == [500]
    assert b"connection: close\r\n" in sent
    assert not channel.is_open


def test_a_handler_that_raises_in_the_middle_of_its_response_cuts_it_off(serve: Serve) -> None:
    channel, keep = serve(whole=False)
    channel.write_inbound(GET)
    keep.say(Response(200, {"content-length": "5"}), Data(b"he"))
    channel.pipeline.close()
    channel.run_pending()
    assert _sent(channel).endswith(b"\r\n\r\nhe")
    assert not channel.is_open


def test_a_response_that_ends_before_its_length_ends_the_connection(serve: Serve) -> None:
    channel, keep = serve()
    channel.write_inbound(GET)
    keep.say(Response(200, {"content-length": "5"}), Data(b"he"), END)
    assert "3 bytes before" in str(keep.errors[0])
    assert _sent(channel).endswith(b"\r\n\r\nhe")
    assert not channel.is_open


def test_a_response_that_is_refused_may_be_followed_by_another(serve: Serve) -> None:
    channel, keep = serve()
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
def test_after_a_switch_the_stages_of_http_are_gone(serve: Serve, head: bytes, response: Any, whole: bool) -> None:
    channel, keep = serve(whole=whole, limits=Limits(max_pipelined=5))
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


def test_an_upgrade_that_is_declined_goes_on_as_http(serve: Serve) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=5))
    channel.write_inbound(UPGRADE + GET)
    assert len(keep.requests) == 1
    keep.say(FullResponse(200))
    assert len(keep.requests) == 2
    keep.say(FullResponse(200))
    assert _sent(channel) == OK * 2


def test_the_end_of_the_input_reaches_the_other_protocol(serve: Serve) -> None:
    channel, keep = serve(whole=False)
    channel.write_inbound(UPGRADE)
    channel.finish_input()
    assert [repr(event) for event in keep.events] == ["InputEnded()"]
    keep.ctx.write(FullResponse(101))
    channel.run_pending()
    assert not channel.is_open  # the application has no channel_eof, so the tail has answered it


def test_a_server_that_is_drained_says_503_to_whom_it_has_no_time_for(serve: Serve) -> None:
    channel, _ = serve()
    channel.write_inbound(GET)
    channel.fire_user_event(ServerDraining(1.0))
    channel.close()
    assert _statuses(_sent(channel)) == [503]


def test_a_server_that_is_drained_still_reads_a_request_that_has_begun(serve: Serve) -> None:
    channel, keep = serve()
    channel.write_inbound(GET[:9])
    channel.fire_user_event(ServerDraining(1.0))
    channel.write_inbound(GET[9:])
    keep.say(FullResponse(200))
    assert _statuses(_sent(channel)) == [200]
    assert not channel.is_open


# -- what comes behind a response that was early -----------------------------------------------------

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"


@pytest.mark.parametrize("rest", [b"y\r\n", b"7fffffff\r\n"])
def test_a_request_that_is_answered_is_not_answered_again_when_its_body_goes_wrong(serve: Serve, rest: bytes) -> None:
    channel, keep = serve(whole=False)
    channel.write_inbound(CHUNKED)
    keep.say(FullResponse(200))
    channel.write_inbound(rest)
    assert _sent(channel) == OK  # a second one would be taken for the answer to the next request
    assert not channel.is_open
    assert keep.events == []


def test_a_request_that_is_answered_is_not_answered_again_when_its_body_is_late(serve: Serve) -> None:
    channel, keep = serve(whole=False)
    channel.write_inbound(CHUNKED)
    keep.say(FullResponse(200))
    channel.advance(60)
    assert _sent(channel) == OK
    assert not channel.is_open


def test_a_drained_server_waits_no_longer_than_for_the_body_of_a_request_that_is_answered(serve: Serve) -> None:
    channel, keep = serve(whole=False)
    channel.write_inbound(CHUNKED)
    keep.say(FullResponse(200))
    channel.fire_user_event(ServerDraining(1.0))
    assert bool(channel.is_open)
    channel.write_inbound(b"0\r\n\r\n")
    assert _sent(channel) == OK
    assert not channel.is_open
    assert keep.read[-1] == END


def test_a_refusal_of_a_head_has_no_body_either(serve: Serve) -> None:
    channel, _ = serve(whole=False)
    channel.write_inbound(CHUNKED.replace(b"POST", b"HEAD") + b"y\r\n")
    sent = _sent(channel)
    assert _statuses(sent) == [400]
    assert sent.endswith(b"content-length: 16\r\nconnection: close\r\n\r\n")


# -- what may not follow ---------------------------------------------------------------------------------

_LAST = [
    b"GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /b HTTP/1.0\r\n\r\n",
    b"GET /b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    b"CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n",
]


@pytest.mark.parametrize("last", _LAST)
def test_an_answer_to_an_earlier_request_lets_nothing_in_behind_the_last_one(serve: Serve, last: bytes) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=4))
    channel.write_inbound(POST + b"hello" + last + GET)
    first, second = keep.requests
    keep.say(FullResponse(200, to=first))
    channel.run_pending()
    assert keep.requests == [first, second], "what follows may be another protocol's, or must not be processed"
    keep.say(FullResponse(404, to=second))
    channel.run_pending()
    goes_on = last in _LAST[2:]  # neither upgraded nor tunnelled: it is HTTP after all
    assert len(keep.requests) == (3 if goes_on else 2)
    assert channel.is_open is goes_on


def test_several_at_a_time_are_read_again_behind_one_that_was_not_the_last(serve: Serve) -> None:
    channel, keep = serve(limits=Limits(max_pipelined=3))
    channel.write_inbound(_LAST[2] + GET * 5)
    keep.say(FullResponse(200))
    channel.run_pending()
    assert len(keep.requests) == 4
    keep.say(FullResponse(200, to=keep.requests[1]))
    channel.run_pending()
    assert len(keep.requests) == 5
