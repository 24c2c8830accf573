"""What a server reads: the requests that it takes, and all those that it must not."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.http import (
    CHUNKED,
    END,
    HTTP_1_0,
    Data,
    End,
    FullRequest,
    HttpDecodeError,
    HttpRequestDecoder,
    Leniency,
    Limits,
    Request,
    RequestAggregator,
)
from pipeline_net.testing import check_decoder, check_limits

HOST = [("Host", "a")]


def _decode(data: bytes, **settings: Any) -> list[Any]:
    return HttpRequestDecoder(**settings).feed(data)


def _refusal(data: bytes, **settings: Any) -> HttpDecodeError:
    with pytest.raises(HttpDecodeError) as caught:
        _decode(data, **settings)
    return caught.value


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

# Bytes, and the messages they are when an aggregator puts them together.
WHOLE: list[tuple[bytes, list[Any]]] = [
    (GET, [FullRequest("GET", "/", HOST)]),
    (GET * 3, [FullRequest("GET", "/", HOST)] * 3),
    (b"\r\n" + GET, [FullRequest("GET", "/", HOST)]),
    (b"GET /a?b=%20&c HTTP/1.0\r\n\r\n", [FullRequest("GET", "/a?b=%20&c", [], version=HTTP_1_0)]),
    (
        b"POST /p HTTP/1.1\r\nhOST: a:80\r\nCONTENT-LENGTH: 5\r\n\r\nhello" + GET,
        [
            FullRequest("POST", "/p", [("host", "a:80"), ("content-length", "5")], b"hello"),
            FullRequest("GET", "/", HOST),
        ],
    ),
    (
        b"PUT / HTTP/1.1\r\nHost:\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0A;x\r\n0123456789\r\n0\r\n\r\n",
        [FullRequest("PUT", "/", [("host", ""), ("transfer-encoding", "Chunked")], b"hello0123456789")],
    ),
    (
        b'PUT / HTTP/1.1\r\nHost:a\r\nTransfer-Encoding:chunked\r\n\r\n1 ;a="\\";";b\r\nx\r\n00\r\nT: 1\r\nt:2\r\n\r\n',
        [FullRequest("PUT", "/", [("host", "a"), ("transfer-encoding", "chunked")], b"x", [("t", "1"), ("t", "2")])],
    ),
    (
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        [FullRequest("OPTIONS", "*", HOST)],
    ),
    (
        b"CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n",
        [FullRequest("CONNECT", "a.b:443", [("host", "a.b:443")])],
    ),
    (
        b"GET http://a:8/x?y HTTP/1.1\r\nHost: A:8\r\n\r\n",
        [FullRequest("GET", "http://a:8/x?y", [("host", "A:8")])],
    ),
    (
        b"GET / HTTP/1.1\r\nHost: [::1]:80\r\nx: \xe9 \t \r\nX:\ty\r\nEmpty:\r\n\r\n",
        [FullRequest("GET", "/", [("host", "[::1]:80"), ("x", b"\xe9"), ("x", "y"), ("empty", "")])],
    ),
]


@pytest.mark.parametrize(("data", "messages"), WHOLE)
def test_a_request_is_the_same_however_it_is_cut(data: bytes, messages: list[Any]) -> None:
    check_decoder(lambda: [HttpRequestDecoder(), RequestAggregator()], [(data, messages)])


def test_requests_may_follow_each_other() -> None:
    check_decoder(lambda: [HttpRequestDecoder(), RequestAggregator()], WHOLE)


def test_a_request_without_a_body_is_its_head_and_an_end() -> None:
    check_decoder(HttpRequestDecoder, [(GET, [Request("GET", "/", HOST), END])])


def test_a_body_is_delivered_as_it_comes() -> None:
    decoder = HttpRequestDecoder()
    head, first = decoder.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab")
    assert (head.body_length, first) == (6, Data(b"ab"))
    assert decoder.feed(b"cd") == [Data(b"cd")]
    assert decoder.feed(b"efGET") == [Data(b"ef"), END]


def test_a_chunk_is_delivered_as_it_comes() -> None:
    decoder = HttpRequestDecoder()
    head, first = decoder.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na")
    assert (head.body_length, first) == (CHUNKED, Data(b"a"))
    assert decoder.feed(b"bc\r") == [Data(b"bc")]
    assert decoder.feed(b"\n0\r\nt: 1\r\n\r\n") == [End({"t": "1"})]


# The smuggling matrix: what is ambiguous, or no HTTP at all, and the status that says so.
_CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
REFUSED: list[tuple[int, bytes]] = [
    # two ways to say how long the body is
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    *[
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:" + length + b"\r\n\r\nhello")
        for length in (
            b"",
            b" +5",
            b" -5",
            b" -0",
            b" 5, 5",
            b" 5 5",
            b" 0_5",
            b" 0x5",
            b" 5.0",
            b" 5e0",
            b" \xd9\xa5",  # an Arabic five in UTF-8
            b" \xb2",
            b" 5;",
            b" 18446744073709551616",
            b" 18446744073709551621",
            b" 9223372036854775808",
            b" " + b"9" * 400,
        )
    ],
    # codings that are not just chunked
    *[
        (status, b"POST / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n0\r\n\r\n")
        for status, field in (
            (400, b"Transfer-Encoding: xchunked"),
            (400, b"Transfer-Encoding: chunked, identity"),
            (400, b"Transfer-Encoding: chunked, gzip"),
            (400, b"Transfer-Encoding: chunked, chunked"),
            (400, b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
            (400, b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
            (400, b"Transfer-Encoding: identity"),
            (400, b"Transfer-Encoding: gzip"),
            (400, b"Transfer-Encoding:"),
            (400, b"Transfer-Encoding: ,chunked"),
            (400, b"Transfer-Encoding: chunked,"),
            (400, b"Transfer-Encoding: chunked;q=1"),
            (400, b'Transfer-Encoding: "chunked"'),
            (400, b"Transfer-Encoding: chunked\x0b"),
            (400, b"Transfer-Encoding:\x0cchunked"),
            (400, b"Transfer-Encoding: chunked\x00"),
            (400, b"Transfer-Encoding : chunked"),
            (400, b"Transfer-Encoding\t: chunked"),
            (400, b" Transfer-Encoding: chunked"),
            (400, b"Transfer-Encoding:\r\n chunked"),
            (400, b"Transfer-Encoding: chunked\r\n\tx"),
            (501, b"Transfer-Encoding: gzip, chunked"),
            (501, b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked"),
        )
    ],
    (400, b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    # chunks
    *[
        (400, _CHUNKED + chunk)
        for chunk in (
            b"\r\n",
            b"5\nhello\r\n0\r\n\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhelloX\r\n",
            b"5\r\nhello\rX",
            b"5 \r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b"-5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b"5_0\r\nhello\r\n",
            b"g\r\nhello\r\n",
            b"5\x00\r\nhello\r\n",
            b"5\rhello\r\n",
            b"5\r\rhello\n",
            b"100000000000000000\r\n",
            b"10000000000000005\r\n",
            b"00000000000000005\r\n",
            b"ffffffffffffffff\r\n",
            b"5;\r\nhello\r\n",
            b"5;a=\r\nhello\r\n",
            b'5;a="b\r\nhello\r\n',
            b'5;a="b\nc"\r\nhello\r\n',
            b"5;a\nhello\r\n",
            b"5;a b\r\nhello\r\n",
            b"5;=b\r\nhello\r\n",
            b"5a;\x7f\r\n",
            b"0\r\nHost: b\r\n\r\n",
            b"0\r\nContent-Length: 1\r\n\r\n",
            b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\na: b\n\r\n",
            b"0\r\n\n",
        )
    ],
    # lines and blanks
    (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    (400, b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\rx: y\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nx: 1\r\n 2\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nx y: z\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\n\x00x: z\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nx\x1f: z\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\n\xe9: z\r\n\r\n"),
    *[
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nx: y" + bytes([byte]) + b"z\r\n\r\n")
        for byte in (*range(9), *range(10, 32), 127)
    ],
    # Host
    (400, b"GET / HTTP/1.1\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"),
    *[
        (400, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        for host in (b"a b", b"a/b", b"a@b", b"a:b", b"a:80:80", b"[::1", b"::1]", b"[::1]x", b"a?b", b"a#b", b"\xe9")
    ],
    (400, b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"),
    # the request line
    *[
        (status, line + b"\r\nHost: a\r\n\r\n")
        for status, line in (
            (400, b"GET /"),
            (400, b"GET"),
            (400, b"GET  / HTTP/1.1"),
            (400, b"GET /  HTTP/1.1"),
            (400, b" GET / HTTP/1.1"),
            (400, b"GET / HTTP/1.1 "),
            (400, b"GET\t/ HTTP/1.1"),
            (400, b"GET / a HTTP/1.1"),
            (400, b"GET /\x00 HTTP/1.1"),
            (400, b"GET /\x7f HTTP/1.1"),
            (400, b"GET /\xc3\xa9 HTTP/1.1"),
            (400, b"GET /#a HTTP/1.1"),
            (400, b"GET a HTTP/1.1"),
            (400, b"GET * HTTP/1.1"),
            (400, b"GET http:// HTTP/1.1"),
            (400, b"GET ://a HTTP/1.1"),
            (400, b"G@T / HTTP/1.1"),
            (400, b"G\x00T / HTTP/1.1"),
            (400, b"\x16\x03\x01\x02\x00\x01\x00"),  # a TLS client in the wrong place
            (400, b"\x00GET / HTTP/1.1"),
            (400, b"\xef\xbb\xbfGET / HTTP/1.1"),
            (400, b"GET / http/1.1"),
            (400, b"GET / HTTP/11"),
            (400, b"GET / HTTP/1."),
            (400, b"GET / HTTP/1.10"),
            (400, b"GET / HTTP/x.1"),
            (400, b"GET / HTCPCP/1.0"),
            (505, b"GET / HTTP/2.0"),
            (505, b"GET / HTTP/0.9"),
            (505, b"GET / HTTP/1.2"),
            (400, b"CONNECT / HTTP/1.1"),
            (400, b"CONNECT a HTTP/1.1"),
            (400, b"CONNECT a: HTTP/1.1"),
            (400, b"CONNECT :80 HTTP/1.1"),
            (400, b"CONNECT http://a:80/ HTTP/1.1"),
        )
    ],
    (400, b"\n" + GET),
    (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (400, b"\r\n\r\n\r\n" + GET),
    (400, b"\r" + GET),
    (400, b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello"),
    # expectations
    (417, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 200-ok\r\n\r\n"),
    (417, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue, x\r\n\r\n"),
]


@pytest.mark.parametrize(("status", "data"), REFUSED)
def test_what_is_ambiguous_is_refused(status: int, data: bytes) -> None:
    exc = _refusal(data)
    assert exc.status == status
    assert exc.reply is not None
    assert exc.reply.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(("status", "data"), REFUSED)
def test_a_refusal_does_not_depend_on_how_the_bytes_are_cut(status: int, data: bytes) -> None:
    heads = [message for message in _heads_before_refusal(data) if isinstance(message, Request)]
    parts = _heads_before_refusal(data)
    if any(isinstance(part, Data) for part in parts):
        check_decoder(lambda: [HttpRequestDecoder(), RequestAggregator()], [(data, [HttpDecodeError])])
    else:
        check_decoder(HttpRequestDecoder, [(data, [*parts, HttpDecodeError])])
    assert len(heads) <= 1


def _heads_before_refusal(data: bytes) -> list[Any]:
    return _refusal(data).messages


def test_nothing_is_decoded_after_a_refusal() -> None:
    exc = _refusal(GET + b"GET / HTTP/1.1\r\n\r\n" + GET)
    assert exc.messages == [Request("GET", "/", HOST), END]


@pytest.mark.parametrize(
    ("limits", "accepted", "refused", "status"),
    [
        (Limits(max_start_line=20), b"GET /aaaaaa HTTP/1.1", b"GET /aaaaaaa HTTP/1.1", 414),
        (Limits(max_headers=2), b"GET / HTTP/1.1\r\nx: y", b"GET / HTTP/1.1\r\nx: y\r\nx: y", 431),
        (Limits(max_head=39), b"GET / HTTP/1.1\r\nx: 12345678", b"GET / HTTP/1.1\r\nx: 123456789", 431),
    ],
)
def test_limits_of_a_head(limits: Limits, accepted: bytes, refused: bytes, status: int) -> None:
    ending = b"\r\nHost:a\r\n\r\n"
    assert len(_decode(accepted + ending, limits=limits)) == 2
    assert _refusal(refused + ending, limits=limits).status == status
    check_decoder(lambda: HttpRequestDecoder(limits=limits), [(refused + ending, [HttpDecodeError])])


@pytest.mark.parametrize(
    ("limits", "accepted", "refused", "status"),
    [
        (Limits(max_body=5), b"5\r\nhello\r\n0\r\n\r\n", b"6\r\n", 413),
        (Limits(max_body=5), b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"2\r\nhe\r\n4\r\n", 413),
        (Limits(max_chunk_extensions=4), b"1;a\r\nx\r\n0;b\r\n\r\n", b"1;aaa\r\nx\r\n0;b\r\n", 413),
        (Limits(max_chunk_extensions=4), b"1;aaa\r\nx\r\n0\r\n\r\n", b"1;aaaa\r\n", 413),
        (Limits(max_trailers=10), b"0\r\nx: 123\r\n\r\n", b"0\r\nx: 1234\r\n\r\n", 431),
        (Limits(max_headers=2), b"0\r\nx:\r\nx:\r\n\r\n", b"0\r\nx:\r\nx:\r\nx:\r\n\r\n", 431),
    ],
)
def test_limits_of_a_chunked_body(limits: Limits, accepted: bytes, refused: bytes, status: int) -> None:
    assert isinstance(_decode(_CHUNKED + accepted, limits=limits)[-1], End)
    assert _refusal(_CHUNKED + refused, limits=limits).status == status


def test_a_body_that_is_announced_too_long_is_refused_before_it_comes() -> None:
    data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n"
    assert _decode(data + b"abcdef", limits=Limits(max_body=6))[-1] is END
    assert _refusal(data, limits=Limits(max_body=5)).status == 413
    assert _refusal(data.replace(b"6", b"288230376151711745"), limits=Limits(max_body=2**60)).status == 400


@pytest.mark.parametrize(
    "begin",
    [b"", b"GET /", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nx", b"GET / HTTP/1.1\r\nx: ", _CHUNKED + b"0\r\nx: "],
)
def test_no_more_is_held_than_the_limits_allow(begin: bytes) -> None:
    limits = Limits(max_start_line=200, max_head=300, max_trailers=300)
    check_limits(lambda: HttpRequestDecoder(limits=limits), lambda n: (begin + b"a" * n)[:n], 300)


def test_header_lines_without_end_are_refused() -> None:
    limits = Limits(max_head=300)
    check_limits(
        lambda: HttpRequestDecoder(limits=limits), lambda n: (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * n)[:n], 300
    )


def test_the_size_of_a_chunk_without_end_is_refused() -> None:
    assert _refusal(_CHUNKED + b"0" * 5000).status == 413
    assert _refusal(_CHUNKED + b"1;" + b"a" * 5000).status == 413


@pytest.mark.parametrize(
    ("head", "keep_alive", "upgrade"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", False, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", False, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: CLOSE\r\n\r\n", False, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", True, False),
        (b"GET / HTTP/1.0\r\n\r\n", False, False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True, False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", False, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", True, True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n", True, False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", True, False),
        (b"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", False, False),
    ],
)
@pytest.mark.parametrize(
    "before", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"]
)
def test_what_a_head_means_for_the_connection(before: bytes, head: bytes, keep_alive: bool, upgrade: bool) -> None:
    request = [part for part in _decode(before + head) if isinstance(part, Request)][-1]
    assert (request.keep_alive, request.wants_upgrade) == (keep_alive, upgrade)


@pytest.mark.parametrize(
    ("head", "expects"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n", False),
        (b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", False),
    ],
)
def test_who_waits_for_a_word_before_sending_a_body(head: bytes, expects: bool) -> None:
    assert _decode(head)[0].expects_continue is expects


@pytest.mark.parametrize(
    ("leniency", "data"),
    [
        (Leniency(bare_lf=True), b"GET / HTTP/1.1\nHost: a\n\n"),
        (Leniency(bare_lf=True), b"\nGET / HTTP/1.1\r\nHost: a\n\r\n"),
        (Leniency(bare_lf=True), GET),
        (Leniency(missing_host=True), b"GET / HTTP/1.1\r\n\r\n"),
        (
            Leniency(repeated_length=True),
            b"GET / HTTP/1.1\r\nContent-Length: 0\r\ncontent-length: 0\r\nHost: a\r\n\r\n",
        ),
        (Leniency(obs_fold=True), b"GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n"),
    ],
)
def test_what_is_forgiven_by_name_only(leniency: Leniency, data: bytes) -> None:
    check_decoder(
        lambda: [HttpRequestDecoder(leniency=leniency), RequestAggregator()],
        [(data, [FullRequest("GET", "/", _headers_of(data, leniency))])],
    )
    if data != GET:
        _refusal(data)


def _headers_of(data: bytes, leniency: Leniency) -> Any:
    return _decode(data, leniency=leniency)[0].headers


def test_a_fold_becomes_a_space() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\nx: 1 \r\n\t 2\r\n  3\r\n\r\n"
    assert _decode(data, leniency=Leniency(obs_fold=True))[0].headers["x"] == "1 2 3"


def test_with_both_lengths_the_coding_counts_and_the_connection_ends() -> None:
    data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    head, *rest = _decode(data, leniency=Leniency(coding_over_length=True))
    assert not head.keep_alive
    assert rest == [Data(b"x"), END]


def test_other_mistakes_are_not_forgiven_along_with_one() -> None:
    everything = Leniency(bare_lf=True, obs_fold=True, missing_host=True, repeated_length=True, coding_over_length=True)
    assert _refusal(b"GET / HTTP/1.1\nHost : a\n\n", leniency=everything).status == 400
    assert _refusal(b"GET / HTTP/1.1\nContent-Length: 1\nContent-Length: 2\n\n", leniency=everything).status == 400
    assert _refusal(_CHUNKED + b"5\nhello\n", leniency=everything).status == 400
    assert _refusal(b"GET / HTTP/1.1\n" + b"a: b\n" * 9000, leniency=everything).status == 431


@pytest.mark.parametrize("line", [b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_nobody_is_forgiven_empty_lines_without_end(line: bytes, size: int) -> None:
    decoder = HttpRequestDecoder(leniency=Leniency(bare_lf=True, obs_fold=True))
    assert len(decoder.feed(line * 2 + GET + line * 2 + GET)) == 4
    with pytest.raises(HttpDecodeError):
        [decoder.feed(line * size) for _ in range(0, 100, size)]


def test_input_that_ends_within_a_request_is_an_error() -> None:
    for data in (b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\n", _CHUNKED, _CHUNKED + b"5\r\nhel", _CHUNKED + b"0\r\n"):
        decoder = HttpRequestDecoder()
        decoder.feed(data)
        with pytest.raises(HttpDecodeError, match="the input ended in the"):
            decoder.finish()
    decoder = HttpRequestDecoder()
    decoder.feed(GET)
    assert decoder.finish() == []


def test_a_head_that_comes_byte_by_byte_takes_time_in_proportion() -> None:
    decoder = HttpRequestDecoder(limits=Limits(max_head=400_000))
    data = b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 200_000 + b"\r\n\r\n"
    made: list[Any] = []
    for at in range(0, len(data), 10):
        made += decoder.feed(data[at : at + 10])
    assert len(made) == 2
