"""ContentDecompression: on servers and clients, what is refused, and how."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, PipelineError
from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel

Encoded = Callable[[str, bytes], bytes]


class Keep(ChannelInboundHandler[Any]):
    """Keeps what it reads."""

    def __init__(self) -> None:
        self.read: list[Any] = []
        self.errors: list[BaseException] = []
        self.ctx: ChannelHandlerContext[Any, Any]

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.ctx = ctx

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.read.append(msg)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.errors.append(exc)

    @property
    def body(self) -> bytes:
        parts: list[Any] = [msg.data for msg in self.read if isinstance(msg, http.Data)]
        return b"".join(parts)


def _post(body: bytes, coding: str = "gzip", extra: str = "") -> bytes:
    head = f"POST /in HTTP/1.1\r\nHost: a\r\nContent-Encoding: {coding}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _server(*stages: Any, limits: http.Limits | None = None, **settings: Any) -> EmbeddedChannel:
    stack = http.server_stack(date=False, limits=limits or http.Limits(max_body=1 << 40))
    return EmbeddedChannel(stack, http.ContentDecompression(**settings), *stages)


def _answer(channel: EmbeddedChannel) -> bytes:
    return b"".join(channel.outbound)


# -- servers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("identity, gzip", "gzip"),
        ("deflate", "deflate"),
        ("deflate", "raw deflate"),
        ("br", "br"),
        ("zstd", "zstd"),
    ],
)
def test_a_request_arrives_as_it_was_before_it_was_encoded(header: str, coding: str, encoded: Encoded) -> None:
    keep = Keep()
    channel = _server(keep, codings=("gzip", "deflate", "br", "zstd"))
    channel.write_inbound(_post(encoded(coding, b"hello"), header))
    request, data, end = keep.read
    assert (request.method, request.target, data.data, end) == ("POST", "/in", b"hello", http.END)
    assert request.headers == http.Headers({"host": "a"})
    assert request.body_length == http.CHUNKED
    keep.ctx.write(http.FullResponse(204, to=request))
    channel.run_pending()
    assert _answer(channel) == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_what_is_not_encoded_is_passed_on_as_it_is() -> None:
    keep = Keep()
    channel = _server(keep)
    for encoding in ("", "Content-Encoding: identity\r\n"):
        channel.write_inbound(b"POST / HTTP/1.1\r\nHost: a\r\n%bContent-Length: 2\r\n\r\nhi" % encoding.encode())
        head, data, end = keep.read
        assert (head.headers["content-length"], data, end) == ("2", http.Data(b"hi"), http.END)
        keep.read.clear()
        keep.ctx.write(http.FullResponse(204))
        channel.run_pending()


def test_an_aggregator_above_counts_what_was_decoded(encoded: Encoded) -> None:
    keep = Keep()
    channel = _server(http.RequestAggregator(max_body=1000), keep)
    channel.write_inbound(_post(encoded("gzip", bytes(1000))))
    assert keep.read[0].body == bytes(1000)
    keep.ctx.write(http.FullResponse(204))
    channel.write_inbound(_post(encoded("gzip", bytes(1001))))
    assert b"HTTP/1.1 413 Content Too Large\r\n" in _answer(channel)


@pytest.mark.parametrize("coding", ["compress", "br", "gzip, foo", "gzip, gzip, gzip, gzip"])
def test_an_unknown_coding_is_answered_with_those_that_are_known_and_the_connection_goes_on(
    coding: str, encoded: Encoded
) -> None:
    keep = Keep()
    channel = _server(keep)
    channel.write_inbound(_post(b"whatever it is", coding))
    answer = _answer(channel)
    assert answer.startswith(b"HTTP/1.1 415 Unsupported Media Type\r\n")
    assert b"accept-encoding: gzip, deflate\r\n" in answer
    assert keep.read == []
    channel.write_inbound(_post(encoded("gzip", b"hello")))
    assert keep.body == b"hello"


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda data: data[:-1], b"400 Bad Request: the encoded body was cut off after 24 bytes"),
        (lambda data: data + b"x", b"400 Bad Request: the encoded body was cut off after 26 bytes"),
        (lambda data: data + b"and more", b"400 Bad Request: the gzip body is corrupted"),
        (lambda data: b"\x00" + data, b"400 Bad Request: the gzip body is corrupted"),
    ],
)
def test_a_corrupted_body_is_answered_and_the_connection_ends(
    spoil: Callable[[bytes], bytes], complaint: bytes, encoded: Encoded
) -> None:
    keep = Keep()
    channel = _server(keep)
    channel.write_inbound(_post(spoil(encoded("gzip", b"hello"))))
    assert complaint in _answer(channel)
    assert b"connection: close\r\n" in _answer(channel)
    assert not channel.is_open
    assert http.END not in keep.read


def test_the_rest_of_a_refused_body_is_dropped(encoded: Encoded) -> None:
    keep = Keep()
    channel = EmbeddedChannel(http.ContentDecompression(), keep)
    head = http.Request("POST", "/", {"content-encoding": "gzip"})
    head.body_length = http.CHUNKED
    channel.write_inbound(head, http.Data(b"no gzip"), http.Data(b"more"), http.END, http.Request("GET", "/next"))
    assert [msg.target for msg in keep.read] == ["/", "/next"]
    assert [msg.status for msg in channel.outbound] == [400]
    assert channel.outbound[0].to is head


def test_a_response_that_has_begun_cannot_be_taken_back(encoded: Encoded) -> None:
    keep = Keep()
    channel = _server(keep)
    body = encoded("gzip", b"hello")
    channel.write_inbound(_post(body + b"x")[:-9])
    keep.ctx.write(http.Response(200, {"content-length": "10"}, to=keep.read[0]))
    channel.write_inbound((body + b"x")[-9:])
    assert b"400" not in _answer(channel)
    assert not channel.is_open


def test_with_several_requests_at_work_each_refusal_waits_for_its_turn(encoded: Encoded) -> None:
    keep = Keep()
    channel = _server(keep, limits=http.Limits(max_pipelined=3))
    channel.write_inbound(_post(encoded("gzip", b"a")) + _post(b"", "foo") + _post(b"?", "foo"))
    first, second = (msg for msg in keep.read if isinstance(msg, http.Request))
    assert second.body_length == 0  # nothing is encoded there
    assert channel.outbound == []
    keep.ctx.write(http.FullResponse(201, to=second))
    keep.ctx.write(http.FullResponse(200, to=first))
    channel.run_pending()
    assert [line[:12] for line in _answer(channel).split(b"\r\n") if line.startswith(b"HTTP")] == [
        b"HTTP/1.1 200",
        b"HTTP/1.1 201",
        b"HTTP/1.1 415",
    ]


# -- clients --------------------------------------------------------------------------------------------


def _client(keep: Keep, request: http.Request | None = None, **settings: Any) -> EmbeddedChannel:
    channel = EmbeddedChannel(http.client_stack(host="a"), http.ContentDecompression(**settings), keep)
    keep.ctx.write(request or http.FullRequest("GET", "/"))
    channel.run_pending()
    return channel


def test_a_response_arrives_decoded_and_the_request_has_asked_for_it(encoded: Encoded) -> None:
    keep = Keep()
    channel = _client(keep)
    assert b"\r\naccept-encoding: gzip, deflate\r\n" in _answer(channel)
    body = encoded("gzip", b"hello")
    channel.write_inbound(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert keep.read[0].headers == http.Headers()
    assert (keep.body, keep.read[-1]) == (b"hello", http.END)


@pytest.mark.parametrize(
    "head",
    [
        "200 OK\r\nContent-Encoding: foo",
        "200 OK\r\nContent-Encoding: gzip, foo",
        "200 OK\r\nContent-Encoding: gzip, gzip, gzip, gzip",
        "206 Partial Content\r\nContent-Encoding: gzip\r\nContent-Range: bytes 0-4/9",
    ],
)
def test_what_a_client_cannot_decode_it_gets_as_it_came(head: str) -> None:
    keep = Keep()
    _client(keep).write_inbound(f"HTTP/1.1 {head}\r\nContent-Length: 5\r\n\r\nhello".encode())
    assert keep.body == b"hello"
    assert "content-encoding" in keep.read[0].headers
    assert keep.read[0].headers["content-length"] == "5"


def test_responses_without_a_body_keep_their_headers() -> None:
    keep = Keep()
    channel = _client(keep, http.FullRequest("HEAD", "/"))
    channel.write_inbound(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n")
    assert keep.read[0].headers["content-length"] == "99"
    assert keep.read[1] == http.END


def test_a_response_that_cannot_be_decoded_is_an_error_and_ends_the_connection() -> None:
    keep = Keep()
    channel = _client(keep)
    channel.write_inbound(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello")
    (error,) = keep.errors
    assert isinstance(error, http.ContentDecodingError)
    assert error.status == 400
    assert not channel.is_open
    assert http.END not in keep.read


@pytest.mark.parametrize(
    ("request_", "settings", "asked"),
    [
        (http.FullRequest("GET", "/"), {"codings": ["br", "gzip"]}, ["br, gzip"]),
        (http.FullRequest("GET", "/", {"accept-encoding": "identity"}), {}, ["identity"]),
        (http.FullRequest("GET", "/", {"range": "bytes=0-1"}), {}, []),
        (http.FullRequest("GET", "/"), {"asks": False}, []),
        (http.Request("GET", "/"), {}, ["gzip, deflate"]),
    ],
)
def test_what_a_request_asks_for(request_: http.Request, settings: dict[str, Any], asked: list[str]) -> None:
    channel = EmbeddedChannel(http.ContentDecompression(**settings))
    before = request_.headers.copy()
    channel.write_outbound(request_)
    written = channel.read_outbound()
    assert written.headers.get_all("accept-encoding") == asked
    assert type(written) is type(request_)
    assert request_.headers == before  # which may be a constant


# -- mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"codings": ["gzip", "lzma"]}, "a coding is one of gzip, deflate, br, zstd, not 'lzma'"),
        ({"codings": []}, "without a coding there is nothing to decode"),
        ({"max_size": 0}, "max_size must be at least 1, or None for no limit, not 0"),
        ({"max_ratio": -1}, "max_ratio must be at least 1, or None for no limit, not -1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        http.ContentDecompression(**settings)


def test_a_package_that_is_missing_is_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    http.ContentDecompression()
    with pytest.raises(ImportError, match="brotli"):
        http.ContentDecompression(["br"])


def test_above_an_aggregator_it_says_where_it_belongs() -> None:
    channel = EmbeddedChannel(http.ContentDecompression())
    request = http.FullRequest("POST", "/", {"content-encoding": "gzip"}, b"?")
    request.body_length = 1
    with pytest.raises(PipelineError, match="belongs below the aggregator"):
        channel.write_inbound(request)
