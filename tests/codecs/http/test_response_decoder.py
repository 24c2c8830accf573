"""What a client reads: where each response ends, and what is no response."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.http import (
    END,
    HTTP_1_0,
    UNTIL_CLOSE,
    Data,
    FullResponse,
    HttpDecodeError,
    HttpResponseDecoder,
    InterimResponse,
    Leniency,
    Limits,
    Response,
    ResponseAggregator,
)
from pipeline_net.testing import check_decoder


def _expecting(*methods: str, **settings: Any) -> HttpResponseDecoder:
    decoder = HttpResponseDecoder(**settings)
    for method in methods:
        decoder.expect(method)
    return decoder


EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

# What was asked, the bytes, and the messages they are when an aggregator puts them together.
WHOLE: list[tuple[str, bytes, list[Any]]] = [
    (
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        [FullResponse(200, [("content-length", "5")], b"hello")],
    ),
    ("GET", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", [FullResponse(200, [("content-length", "0")], reason="")]),
    ("GET", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", [FullResponse(200, [("content-length", "0")], reason="")]),
    (
        "GET",
        b"HTTP/1.1 299 \xe9 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: 1\r\n\r\n",
        [FullResponse(299, [("transfer-encoding", "chunked")], b"hello", [("t", "1")], reason="é x")],
    ),
    ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", [FullResponse(200, [("content-length", "5")])]),
    (
        "HEAD",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        [FullResponse(200, [("transfer-encoding", "chunked")])],
    ),
    ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", [FullResponse(204)]),
    ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", [FullResponse(204, [("content-length", "5")])]),
    ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", [FullResponse(304, [("content-length", "5")])]),
    ("CONNECT", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", [FullResponse(200, [("content-length", "5")])]),
    (
        "CONNECT",
        b"HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\nx",
        [FullResponse(407, [("content-length", "1")], b"x", reason="No")],
    ),
    ("GET", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", [FullResponse(101, [("upgrade", "x")])]),
    (
        "GET",
        b"".join((b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", EMPTY)),
        [InterimResponse(100), InterimResponse(103, [("link", "a")]), FullResponse(200, [("content-length", "0")])],
    ),
]


@pytest.mark.parametrize(("method", "data", "messages"), WHOLE)
def test_a_response_ends_where_the_request_and_its_head_say(method: str, data: bytes, messages: list[Any]) -> None:
    check_decoder(lambda: [_expecting(method, "GET"), ResponseAggregator()], [(data, messages)])


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    data = b"HTTP/1.0 200 OK\r\n\r\nhello"
    check_decoder(
        lambda: [_expecting("GET"), ResponseAggregator()],
        [(data, [FullResponse(200, None, b"hello", version=HTTP_1_0)])],
    )
    decoder = _expecting("GET")
    head, *parts = decoder.feed(data)
    assert (head.body_length, head.keep_alive, parts) == (UNTIL_CLOSE, False, [Data(b"hello")])
    assert decoder.finish() == [END]


def test_an_empty_body_without_a_length_ends_with_the_connection_too() -> None:
    decoder = _expecting("GET")
    assert len(decoder.feed(b"HTTP/1.1 200 OK\r\n\r\n")) == 1
    assert decoder.finish() == [END]


def test_responses_are_read_in_the_order_of_the_requests() -> None:
    decoder = _expecting("HEAD", "GET")
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    kinds = [type(message) for message in decoder.feed(data + data + b"ab")]
    assert kinds == [Response, type(END), Response, Data, type(END)]


REFUSED = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 1\n\n",
    b"HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
    b"HTTP/1.1 200 O\x00K\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 +20 OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"http/1.1 200 OK\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
]


@pytest.mark.parametrize("data", REFUSED)
def test_what_is_ambiguous_is_refused_and_a_proxy_would_say_502(data: bytes) -> None:
    check_decoder(lambda: _expecting("GET"), [(data, [HttpDecodeError])])
    with pytest.raises(HttpDecodeError) as caught:
        _expecting("GET").feed(data)
    assert caught.value.status == 502


@pytest.mark.parametrize(
    ("limits", "data"),
    [
        (Limits(max_start_line=20), b"HTTP/1.1 200 " + b"a" * 10),
        (Limits(max_head=50), b"HTTP/1.1 200 OK\r\nx: " + b"a" * 50),
        (Limits(max_body=4), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (Limits(max_body=4), b"HTTP/1.1 200 OK\r\n\r\nhello"),
        (Limits(max_body=4), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"),
        (Limits(max_interim=2), b"HTTP/1.1 100 Continue\r\n\r\n" * 3),
    ],
)
def test_limits(limits: Limits, data: bytes) -> None:
    with pytest.raises(HttpDecodeError):
        _expecting("GET", limits=limits).feed(data)


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.0 204 No Content\r\n\r\n", False),
        (b"HTTP/1.0 204 No Content\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_whether_another_request_may_follow(head: bytes, keep_alive: bool) -> None:
    assert _expecting("GET").feed(head)[0].keep_alive is keep_alive


def test_what_is_forgiven_by_name_only() -> None:
    data = b"HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\n1\r\nx\r\n0\r\n\r\n"
    decoder = _expecting("GET", leniency=Leniency(bare_lf=True, coding_over_length=True))
    head, *parts = decoder.feed(data)
    assert (head.keep_alive, parts) == (False, [Data(b"x"), END])


def test_input_that_ends_within_a_response_is_an_error() -> None:
    for data in (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"):
        decoder = _expecting("GET")
        decoder.feed(data)
        with pytest.raises(HttpDecodeError, match="the input ended"):
            decoder.finish()
