"""What we send: each message as bytes, and what an application must not make us say."""

from __future__ import annotations

import re
import tempfile
from typing import Any

import pytest

from pipeline_net import EncodeError, FileRegion
from pipeline_net.codecs.http import (
    END,
    HTTP_1_0,
    Data,
    End,
    FullRequest,
    FullResponse,
    Headers,
    HttpRequestEncoder,
    HttpResponseEncoder,
    InterimResponse,
    Request,
    Response,
)


def _encoded(encoder: Any, *messages: Any) -> bytes:
    """All of it as one; a part of a file as its bytes."""
    pieces: list[Any] = []
    for message in messages:
        encoded = encoder.encode(message)
        pieces.extend(encoded if isinstance(encoded, list) else [encoded])
    return b"".join(_content(piece) for piece in pieces)


def _content(piece: Any) -> bytes:
    if isinstance(piece, FileRegion):
        piece.file.seek(piece.offset)
        return piece.file.read(piece.count)
    return bytes(piece)


def _answer(*messages: Any, method: str = "GET", version: str = "1.1", keep_alive: bool = True) -> bytes:
    encoder = HttpResponseEncoder(date=False)
    encoder.answers(Request(method, "/", version=version), keep_alive)
    return _encoded(encoder, *messages)


@pytest.mark.parametrize(
    ("messages", "data"),
    [
        ([FullResponse(200)], b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ([FullResponse(200, {"A": "b"}, b"hello")], b"HTTP/1.1 200 OK\r\nA: b\r\ncontent-length: 5\r\n\r\nhello"),
        (
            [FullResponse(200, {"Content-Length": "5"}, b"hello")],
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ),
        ([FullResponse(299, reason="So so")], b"HTTP/1.1 299 So so\r\ncontent-length: 0\r\n\r\n"),
        ([FullResponse(299)], b"HTTP/1.1 299 \r\ncontent-length: 0\r\n\r\n"),
        ([FullResponse(204)], b"HTTP/1.1 204 No Content\r\n\r\n"),
        ([FullResponse(205)], b"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
        ([FullResponse(304)], b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        (
            [FullResponse(304, {"content-length": "5"})],
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        ),
        ([FullResponse(101, {"upgrade": "x"})], b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
        (
            [FullResponse(200, None, b"hello", {"t": "1"})],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: 1\r\n\r\n",
        ),
        (
            [FullResponse(200, {"transfer-encoding": "chunked"}, b"hello")],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            [Response(200), Data(b"hel"), Data(b""), Data(bytearray(b"lo")), Data(memoryview(b"x" * 26)), END],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n1a\r\n"
            + b"x" * 26
            + b"\r\n0\r\n\r\n",
        ),
        (
            [Response(200, {"content-length": "5"}), Data(b"hel"), Data(memoryview(b"lo")), END],
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        ),
        (
            [Response(200), End({"t": "1"})],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nt: 1\r\n\r\n",
        ),
        ([Response(204), END], b"HTTP/1.1 204 No Content\r\n\r\n"),
        ([Response(304), END], b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        ([Response(205), END], b"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
        (
            [InterimResponse(103, {"link": "a"}), FullResponse(200)],
            b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            [FullResponse(200, {"connection": "x"}), FullResponse(200, {"connection": "close"})],
            b"".join(
                b"HTTP/1.1 200 OK\r\nconnection: %b\r\ncontent-length: 0\r\n\r\n" % option
                for option in (b"x", b"close")
            ),
        ),
    ],
)
def test_a_response(messages: list[Any], data: bytes) -> None:
    assert _answer(*messages) == data


@pytest.mark.parametrize(
    ("messages", "data"),
    [
        ([FullResponse(200, None, b"hello")], b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        ([FullResponse(200, {"content-length": "9"})], b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"),
        ([FullResponse(200)], b"HTTP/1.1 200 OK\r\n\r\n"),  # how long the body of a GET would be, nobody has said
        ([Response(200), Data(b"hello"), END], b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        (
            [Response(200, {"content-length": "5"}), END],
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        ),
        (
            [FullResponse(200, None, b"hello", {"t": "1"})],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
    ],
)
def test_a_response_to_head_has_the_headers_and_no_body(messages: list[Any], data: bytes) -> None:
    assert _answer(*messages, method="HEAD") == data


def test_a_response_to_connect_has_no_length() -> None:
    assert _answer(FullResponse(200), method="CONNECT") == b"HTTP/1.1 200 OK\r\n\r\n"
    assert _answer(Response(200), END, method="CONNECT") == b"HTTP/1.1 200 OK\r\n\r\n"
    assert b"content-length: 0" in _answer(FullResponse(407), method="CONNECT")


def test_http_1_0_knows_no_chunks() -> None:
    data = _answer(Response(200), Data(b"hello"), END, version=HTTP_1_0)
    assert data == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello"
    data = _answer(FullResponse(200, None, b"hello"), version=HTTP_1_0)
    assert data == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello"


def test_the_last_response_says_so() -> None:
    encoder = HttpResponseEncoder(date=False)
    encoder.answers(Request("GET", "/"), False)
    assert _encoded(encoder, FullResponse(200)) == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ends = [encoder.ends_connection]
    encoder.answers(Request("GET", "/"), True)
    for headers in ({}, {"Connection": "Close"}):
        _encoded(encoder, FullResponse(200, headers))
        ends.append(encoder.ends_connection)
    assert ends == [True, False, True]


def test_a_date_is_added_unless_there_is_one() -> None:
    encoder = HttpResponseEncoder()
    assert re.search(
        rb"\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n\r\n$", _encoded(encoder, FullResponse(200))
    )
    assert _encoded(encoder, FullResponse(200, {"Date": "x"})).lower().count(b"date:") == 1


def test_a_large_body_is_not_copied() -> None:
    body = b"x" * 100_000
    pieces = HttpResponseEncoder().encode(FullResponse(200, None, body))
    assert isinstance(pieces, list)
    assert pieces[1] is body


@pytest.mark.parametrize("headers", [{}, {"content-length": "3"}])
def test_a_part_of_a_file_is_a_part_of_the_body(headers: dict[str, str]) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"abcdef")
        file.flush()
        data = _answer(Response(200, headers), Data(FileRegion(file, 1, 3)), END)
    assert data.endswith(b"\r\n\r\nbcd" if headers else b"\r\n\r\n3\r\nbcd\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "messages",
    [
        [FullResponse(200, {"content-length": "4"}, b"hello")],
        [FullResponse(200, {"content-length": "6"}, b"hello")],
        [FullResponse(200, {"content-length": "1"})],
        [FullResponse(200, [("content-length", "5"), ("content-length", "5")], b"hello")],
        [FullResponse(200, {"content-length": "+5"}, b"hello")],
        [FullResponse(200, {"content-length": "5", "transfer-encoding": "chunked"}, b"hello")],
        [FullResponse(200, {"transfer-encoding": "gzip"}, b"hello")],
        [FullResponse(204, None, b"hello")],
        [FullResponse(204, {"content-length": "0"})],
        [FullResponse(205, None, b"hello")],
        [FullResponse(304, None, b"hello")],
        [FullResponse(101, None, b"hello")],
        [FullResponse(200, None, b"", {"host": "a"})],
        [FullResponse(200, None, b"", {"content-length": "a"})],
        [Response(204, {"transfer-encoding": "chunked"})],
        [Response(204), Data(b"x")],
        [Response(304), Data(b"x")],
        [Response(200, {"content-length": "1"}), Data(b"xy")],
        [Response(200, {"content-length": "1"}), Data(b"x"), Data(b"y")],
        [Response(200, {"content-length": "1"}), END],
        [Response(200), Response(200)],
        [Response(200), FullResponse(200)],
        [Response(200), InterimResponse(100)],
        [Data(b"x")],
        [END],
        [FullResponse(200), END],
        [InterimResponse(103, {"content-length": "1"})],
        [b"bytes"],
    ],
)
def test_what_contradicts_itself_is_refused(messages: list[Any]) -> None:
    with pytest.raises(EncodeError):
        _answer(*messages)


def test_an_encoder_that_refused_a_whole_response_can_write_another() -> None:
    encoder = HttpResponseEncoder(date=False)
    for bad in (
        FullResponse(205, None, b"x"),
        FullResponse(200, {"content-length": "1"}),
        FullResponse(101, None, b"x"),
    ):
        with pytest.raises(EncodeError):
            encoder.encode(bad)
        assert not encoder.is_broken
        assert _encoded(encoder, FullResponse(200)) == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def test_a_body_that_ends_too_early_breaks_the_connection() -> None:
    encoder = HttpResponseEncoder()
    encoder.encode(Response(200, {"content-length": "2"}))
    with pytest.raises(EncodeError, match="2 bytes before"):
        encoder.encode(END)
    assert encoder.is_broken


def _make_and_encode(make: Any, request_encoder: HttpRequestEncoder, encoder: HttpResponseEncoder) -> None:
    message: Any = make()
    (request_encoder if isinstance(message, Request) else encoder).encode(message)


@pytest.mark.parametrize("bad", ["\r\nx: y", "\n", "\r", "\0", "a\x7f", "a\x0bb"])
def test_nobody_can_write_lines_of_their_own(bad: str) -> None:
    encoder = HttpResponseEncoder()
    request_encoder = HttpRequestEncoder(host="a")
    for make in (
        lambda: FullResponse(200, {"x": "a" + bad}),
        lambda: FullResponse(200, {"x": bad + "a"}),
        lambda: FullResponse(200, {"x" + bad: "a"}),
        lambda: FullResponse(200, [(b"x", b"a" + bad.encode())]),
        lambda: FullResponse(200, None, b"", {"x": "a" + bad}),
        lambda: FullResponse(200, reason="OK" + bad),
        lambda: InterimResponse(103, {"x": "a" + bad}),
        lambda: InterimResponse(103, None, "x" + bad),
        lambda: FullRequest("GET" + bad, "/"),
        lambda: FullRequest("GET", "/" + bad),
        lambda: FullRequest("GET", b"/" + bad.encode()),
        lambda: FullRequest("GET", "/", {"x": "a" + bad}),
        lambda: FullRequest("GET", "/", version="1.1" + bad),
        lambda: HttpRequestEncoder(host="a" + bad),
    ):
        with pytest.raises(EncodeError):
            _make_and_encode(make, request_encoder, encoder)


def test_nobody_can_do_so_afterwards_either() -> None:
    response = FullResponse(200)
    response.reason = "OK\r\nx: y"
    with pytest.raises(EncodeError):
        HttpResponseEncoder().encode(response)
    headers = Headers()
    for write in (headers.add, headers.__setitem__):
        with pytest.raises(EncodeError):
            write("x", "a\r\nb")
    request = FullRequest("GET", "/", {"host": "a"})
    request.method = "GET / HTTP/1.1\r\n"
    with pytest.raises(EncodeError):
        HttpRequestEncoder().encode(request)
    request = FullRequest("GET", "/", {"host": "a"})
    request.raw_target = b"/ HTTP/1.1\r\nx: y"
    with pytest.raises(EncodeError):
        HttpRequestEncoder().encode(request)


def _ask(*messages: Any, host: str | None = None) -> bytes:
    return _encoded(HttpRequestEncoder(host=host), *messages)


@pytest.mark.parametrize(
    ("messages", "data"),
    [
        ([FullRequest("GET", "/", {"host": "a"})], b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        ([FullRequest("GET", "/")], b"GET / HTTP/1.1\r\nhost: h:80\r\n\r\n"),
        ([FullRequest("GET", "/", version=HTTP_1_0)], b"GET / HTTP/1.0\r\nhost: h:80\r\n\r\n"),
        ([FullRequest("POST", "/")], b"POST / HTTP/1.1\r\nhost: h:80\r\ncontent-length: 0\r\n\r\n"),
        (
            [FullRequest("POST", "/a?b", {"Host": "a"}, b"hello")],
            b"POST /a?b HTTP/1.1\r\nHost: a\r\ncontent-length: 5\r\n\r\nhello",
        ),
        (
            [FullRequest("POST", "/", {"Host": "a"}, b"hello", {"t": "1"})],
            b"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: 1\r\n\r\n",
        ),
        ([Request("GET", "/"), END], b"GET / HTTP/1.1\r\nhost: h:80\r\n\r\n"),
        (
            [Request("PUT", "/", {"transfer-encoding": "chunked"}), Data(b"hello"), End({"t": "1"})],
            b"PUT / HTTP/1.1\r\nhost: h:80\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: 1\r\n\r\n",
        ),
        (
            [Request("PUT", "/", {"content-length": "5"}), Data(b"hello"), END],
            b"PUT / HTTP/1.1\r\nhost: h:80\r\ncontent-length: 5\r\n\r\nhello",
        ),
    ],
)
def test_a_request(messages: list[Any], data: bytes) -> None:
    assert _ask(*messages, host="h:80") == data


@pytest.mark.parametrize(
    "messages",
    [
        [FullRequest("GET", "/")],
        [FullRequest("POST", "/", {"host": "a", "content-length": "4"}, b"hello")],
        [FullRequest("POST", "/", {"host": "a", "transfer-encoding": "gzip"}, b"hello")],
        [FullRequest("POST", "/", {"host": "a", "content-length": "5"}, b"hello", {"t": "1"})],
        [FullRequest("POST", "/", {"host": "a"}, b"hello", {"t": "1"}, version=HTTP_1_0)],
        [FullRequest("POST", "/", {"host": "a", "transfer-encoding": "chunked"}, b"hello", version=HTTP_1_0)],
        [FullRequest("GET", "/", {"host": "a"}, version="2.0")],
        [Request("POST", "/", {"host": "a"}), Data(b"x")],
        [Request("POST", "/", {"host": "a", "content-length": "1"}), END],
        [Request("POST", "/", {"host": "a"}), Request("POST", "/", {"host": "a"})],
        [Response(200)],
        [END],
    ],
)
def test_a_request_that_contradicts_itself_is_refused(messages: list[Any]) -> None:
    with pytest.raises(EncodeError):
        _ask(*messages)


def test_a_target_that_is_no_ascii_is_refused() -> None:
    for target in ("/é", "/日本", "", "/a b", "/#a"):
        with pytest.raises(EncodeError):
            _ask(FullRequest("GET", target, {"host": "a"}))
