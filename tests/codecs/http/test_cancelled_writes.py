"""A part of a message that is cancelled before it is written leaves no trace: nothing after it is taken for it."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from pipeline_net import ChannelFuture, ChannelInboundHandler
from pipeline_net.codecs import http
from pipeline_net.codecs.http import Data, End, FullRequest, FullResponse, Request, Response
from pipeline_net.testing import EmbeddedChannel


class Asked(ChannelInboundHandler[FullRequest]):
    """Keeps the requests; the test answers them."""

    def __init__(self) -> None:
        self.requests: list[FullRequest] = []

    def channel_read(self, ctx: Any, msg: FullRequest) -> None:
        self.requests.append(msg)


def cancelled(channel: EmbeddedChannel) -> ChannelFuture[Any]:
    promise = channel.new_promise()
    promise.cancel()
    return promise


def write(channel: EmbeddedChannel, msg: Any, promise: ChannelFuture[Any] | None = None) -> bytes:
    """What leaves when ``msg`` is written."""
    channel.outbound.clear()
    channel.pipeline.write(msg, promise)
    channel.run_pending()
    return b"".join(channel.outbound)


def serving(*stages: Any, ask: bytes = b"", count: int = 2) -> tuple[EmbeddedChannel, Asked]:
    """A server with so many requests on one connection."""
    asked = Asked()
    channel = EmbeddedChannel(http.server_stack(date=False), *stages, http.RequestAggregator(), asked)
    channel.write_inbound(b"".join(b"GET /%d HTTP/1.1\r\nhost: x\r\n%b\r\n" % (number, ask) for number in range(count)))
    return channel, asked


def test_the_response_to_the_next_request_is_not_taken_for_one_that_was_cancelled() -> None:
    channel, asked = serving()
    assert write(channel, FullResponse(200, {}, b"for nobody"), cancelled(channel)) == b""
    assert [request.target for request in asked.requests] == ["/0"]  # the next one is not read before it is answered
    assert write(channel, FullResponse(200, {}, b"zero")).endswith(b"zero")
    assert [request.target for request in asked.requests] == ["/0", "/1"]
    assert write(channel, FullResponse(200, {}, b"one")).endswith(b"one")


@pytest.mark.parametrize("stage", [http.AccessLog, http.Cors, http.ContentCompression, http.ContentDecompression])
def test_stages_that_pair_requests_and_responses_are_not_led_astray(stage: Any) -> None:
    lines: list[str] = []
    arguments: list[Any] = []
    if stage is http.AccessLog:
        arguments = [lines.append]
    elif stage is http.Cors:
        arguments = [http.CorsPolicy("https://a")]
    channel, asked = serving(stage(*arguments), ask=b"accept-encoding: gzip\r\norigin: https://a\r\n")
    body = b"a long body " * 1000
    assert write(channel, FullResponse(500, {"content-type": "text/plain"}, body), cancelled(channel)) == b""
    assert write(channel, Response(500, {"content-type": "text/plain"}), cancelled(channel)) == b""
    assert lines == []
    for number, request in enumerate(("/0", "/1")):
        assert asked.requests[number].target == request
        answer = write(channel, FullResponse(200, {"content-type": "text/plain"}, body))
        head, _, content = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert (b"access-control-allow-origin: https://a" in head) is (stage is http.Cors)
        assert (gzip.decompress(content) if b"gzip" in head else content) == body
    if stage is http.AccessLog:
        assert [line.split('"')[1:3] for line in lines] == [
            ["GET /0 HTTP/1.1", f" 200 {len(body)} "],
            ["GET /1 HTTP/1.1", f" 200 {len(body)} "],
        ]


def test_a_piece_of_a_compressed_body_that_was_cancelled_is_left_out_of_it() -> None:
    channel, _ = serving(http.ContentCompression(), ask=b"accept-encoding: gzip\r\n", count=1)
    sent = write(channel, Response(200, {"content-type": "text/plain"}))
    sent += write(channel, Data(b"first, "))
    sent += write(channel, Data(b"never, "), cancelled(channel))
    sent += write(channel, Data(b"last"))
    sent += write(channel, End())
    decoder = http.HttpResponseDecoder()
    decoder.expect("GET")
    parts = decoder.feed(sent)
    content = b"".join(part.as_bytes() for part in parts if isinstance(part, Data))
    assert gzip.decompress(content) == b"first, last"


def test_a_body_that_cannot_be_decoded_is_answered_although_a_response_was_cancelled() -> None:
    channel = EmbeddedChannel(http.server_stack(date=False), http.ContentDecompression(), Asked())
    channel.write_inbound(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\n")
    assert write(channel, Response(200, {}), cancelled(channel)) == b""
    channel.write_inbound(b"wrong")
    assert b"".join(channel.outbound).startswith(b"HTTP/1.1 400 ")


def test_no_response_is_waited_for_to_a_request_that_was_cancelled() -> None:
    channel = EmbeddedChannel(http.client_stack(host="x"))
    handler = channel.pipeline.get(http.HttpClientHandler)
    assert write(channel, Request("GET", "/never", {}), cancelled(channel)) == b""
    assert handler.unanswered == 0
    assert handler.is_reusable
    assert write(channel, FullRequest("GET", "/", {})).startswith(b"GET / ")
    assert handler.unanswered == 1


def test_what_was_written_can_be_cancelled_no_more() -> None:
    channel, _ = serving(count=1)
    channel.peer_window = 0
    written = channel.write(FullResponse(200, {}, b"x"))
    channel.run_pending()
    assert not written.cancel()
    channel.peer_window = None
    channel.run_pending()
    assert written.result() is None
