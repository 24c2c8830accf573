"""What the decoders of requests and responses share; their twins have the tables."""

from __future__ import annotations

import sys
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.http import (
    Data,
    End,
    FullRequest,
    FullResponse,
    Headers,
    HttpDecodeError,
    HttpRequestDecoder,
    HttpRequestEncoder,
    HttpResponseDecoder,
    HttpResponseEncoder,
    Limits,
    RequestAggregator,
    ResponseAggregator,
)
from pipeline_net.testing import EmbeddedChannel, chunks

_names = st.from_regex(r"x-[a-zA-Z0-9!#$%&'*+.^_`|~-]{0,8}", fullmatch=True)
_values = st.from_regex(r"([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,8}[!-~\x80-\xff])?)?", fullmatch=True)
_headers = st.lists(st.tuples(_names, _values), max_size=5)
_bodies = st.binary(max_size=200)
_targets = st.from_regex(r"/[!\"$-~]{0,20}", fullmatch=True)
_methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "M-SEARCH", "x"])


@given(st.data(), _methods, _targets, _headers, _bodies, st.none() | _headers)
def test_a_request_that_is_sent_is_read_however_it_is_cut(
    data: st.DataObject, method: str, target: str, fields: Any, body: bytes, trailers: Any
) -> None:
    sent = FullRequest(method, target, [("host", "h"), *fields], body, trailers)
    encoded = HttpRequestEncoder().encode(sent)
    wire = b"".join(encoded) if isinstance(encoded, list) else encoded
    channel = EmbeddedChannel(HttpRequestDecoder(), RequestAggregator())
    for piece in data.draw(chunks(wire * 2)):
        channel.write_inbound(piece)
    for _ in range(2):
        got = channel.read_inbound()
        assert (got.method, got.target, got.body) == (method, target, body)
        assert got.headers.items()[: len(fields) + 1] == [("host", "h"), *Headers(fields).items()]
        assert (got.trailers or Headers()) == Headers(trailers or ())
    assert channel.read_inbound() is None


@given(st.data(), st.sampled_from([200, 201, 404, 500, 299]), _headers, _bodies, st.none() | _headers)
def test_a_response_that_is_sent_is_read_however_it_is_cut(
    data: st.DataObject, status: int, fields: Any, body: bytes, trailers: Any
) -> None:
    encoded = HttpResponseEncoder().encode(FullResponse(status, fields, body, trailers))
    wire = b"".join(encoded) if isinstance(encoded, list) else encoded
    channel = EmbeddedChannel(HttpResponseDecoder(), ResponseAggregator())
    for piece in data.draw(chunks(wire * 2)):
        channel.write_inbound(piece)
    for _ in range(2):
        got = channel.read_inbound()
        assert (got.status, got.body) == (status, body)
        assert got.headers.items()[: len(fields)] == Headers(fields).items()
        assert (got.trailers or Headers()) == Headers(trailers or ())


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_no_bytes_do_anything_but_make_messages_or_a_refusal(pieces: list[bytes]) -> None:
    for start in (
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        decoder = HttpRequestDecoder()
        try:
            for piece in [start, *pieces]:
                decoder.feed(piece)
            decoder.finish()
        except HttpDecodeError:
            continue  # anything else would fail the test


def test_between_messages() -> None:
    decoder = HttpRequestDecoder()
    assert decoder.is_between_messages
    for piece, between in (
        (b"G", False),
        (b"ET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", False),
        (b"a", False),
        (b"b", True),
    ):
        decoder.feed(piece)
        assert decoder.is_between_messages is between


def test_a_large_body_is_handed_on_as_it_came() -> None:
    decoder = HttpRequestDecoder()
    decoder.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    piece = b"x" * 65536
    (data,) = decoder.feed(piece)
    assert isinstance(data, Data)
    assert data.data is piece


def test_a_body_in_tiny_chunks_takes_time_in_proportion() -> None:
    decoder = HttpRequestDecoder()
    decoder.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    parts = decoder.feed(b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
    assert len(parts) == 50_001
    assert isinstance(parts[-1], End)


@pytest.mark.parametrize("limit", [field.name for field in attrs.fields(Limits)])
@pytest.mark.parametrize(
    ("kind", "start"), [(HttpRequestDecoder, b"POST / HTTP/1.1"), (HttpResponseDecoder, b"HTTP/1.1 200 OK")]
)
def test_the_largest_limit_there_is_limits_nothing(kind: Any, start: bytes, limit: str) -> None:
    decoder = kind(limits=Limits(**{limit: sys.maxsize}))
    wire = start + b"\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nxy\r\n0\r\nA: b\r\n\r\n"
    parts = [part for at in range(len(wire)) for part in decoder.feed(wire[at : at + 1])]
    assert [bytes(part.data) for part in parts if isinstance(part, Data)] == [b"x", b"y"]  # type: ignore[arg-type]  # what is read is no file
    assert isinstance(parts[-1], End)


@pytest.mark.parametrize("kind", [HttpRequestDecoder, HttpResponseDecoder])
def test_a_decoder_that_is_taken_out_hands_over_what_it_has_not_read(kind: Any) -> None:
    channel = EmbeddedChannel(("decoder", kind()))
    start = b"GET" if kind is HttpRequestDecoder else b"HTTP"
    channel.write_inbound(start)
    channel.pipeline.remove("decoder")
    assert channel.read_inbound() == start
