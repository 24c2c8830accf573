"""Multipart bodies, however they are cut and whatever is wrong with them."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline_net.codecs.http import (
    FormFieldData,
    FormFieldEnd,
    FormFieldStart,
    FormLimits,
    HttpDecodeError,
    MultipartDecoder,
)
from pipeline_net.codecs.http.forms.multipart import check_boundary

_A = b'Content-Disposition: form-data; name="a"\r\n'
_F = b'Content-Disposition: form-data; name="f"; filename="x"\r\nContent-Type: text/plain\r\n'

_BODIES: list[tuple[bytes, list[tuple[FormFieldStart, bytes]]]] = [
    (b"--b\r\n" + _A + b"\r\nhello\r\n--b--\r\n", [(FormFieldStart("a"), b"hello")]),
    (b"--b\r\n" + _A + b"\r\nhello\r\n--b--", [(FormFieldStart("a"), b"hello")]),
    (b"--b\r\n" + _A + b"\r\n\r\n--b--\r\n", [(FormFieldStart("a"), b"")]),
    (b"--b\r\n" + _A + b"\r\n--b--\r\n", [(FormFieldStart("a"), b"")]),  # the grammar allows it: no content at all
    (
        b"--b\r\n" + _A + b"\r\n1\r\n--b\r\n" + _F + b"\r\n2\r\n\r\n--b--\r\n",
        [(FormFieldStart("a"), b"1"), (FormFieldStart("f", "x", "text/plain"), b"2\r\n")],
    ),
    (b"preamble\r\n--b \t \r\n" + _A + b"\r\nx\r\n--b-- \r\nepilogue", [(FormFieldStart("a"), b"x")]),
    (b"\r\n--b\r\n" + _A + b"\r\nx\r\n--b--\r\n", [(FormFieldStart("a"), b"x")]),
    (
        b"--b\r\n" + _F + b"\r\n\r\r\n\r\n-\r\n--\r\n-- b\n--b\r--b--b\r\n--b--\r\n",
        [(FormFieldStart("f", "x", "text/plain"), b"\r\r\n\r\n-\r\n--\r\n-- b\n--b\r--b--b")],
    ),
    (b"--b--\r\n", []),
    (b"--b--\r\n\r\n--b\r\n" + _A, []),  # behind the last boundary everything is epilogue
]


def decode(pieces: list[bytes], limits: FormLimits | None = None) -> list[Any]:
    """The parts that come of these pieces, neighbouring data joined."""
    decoder = MultipartDecoder(b"b", limits or FormLimits())
    found = [part for piece in pieces for part in decoder.feed(piece)] + decoder.finish()
    joined: list[Any] = []
    for part in found:
        if isinstance(part, FormFieldData):
            assert part.data, "no piece is empty"
            if isinstance(joined[-1], FormFieldData):
                part = FormFieldData(joined.pop().data + part.data)
        joined.append(part)
    return joined


def in_pieces(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def expected(fields: list[tuple[FormFieldStart, bytes]]) -> list[Any]:
    parts: list[Any] = []
    for start, content in fields:
        parts += [start, *([FormFieldData(content)] if content else []), FormFieldEnd()]
    return parts


@pytest.mark.parametrize(("body", "fields"), _BODIES)
def test_bodies_at_every_cut(body: bytes, fields: list[tuple[FormFieldStart, bytes]]) -> None:
    parts = expected(fields)
    assert decode([body]) == parts
    for size in (1, 2, 3, 7):
        assert decode(in_pieces(body, size)) == parts
    for cut in range(len(body)):
        assert decode([body[:cut], body[cut:]]) == parts


@given(
    st.lists(st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"b", b"\r\n--", b"x"])).map(b"".join)),
    st.integers(1, 9),
)
@example([b"\r\n--b"], 1)
def test_content_that_nearly_is_a_boundary(contents: list[bytes], size: int) -> None:
    body = b"".join(b"--b\r\n" + _F + b"\r\n" + content + b"\r\n" for content in contents) + b"--b--\r\n"
    if any(b"\r\n--b" in b"\r\n" + content for content in contents):
        return  # it is one; test_whatever_comes looks at these
    start = FormFieldStart("f", "x", "text/plain")
    assert decode(in_pieces(body, size)) == expected([(start, content) for content in contents])


@given(
    st.lists(st.sampled_from([b"\r\n", b"--b", b"--", b"\r", b" ", b"b", _A, _F, b"\r\n\r\n", b"\0"]), max_size=20).map(
        b"".join
    ),
    st.integers(1, 9),
)
def test_whatever_comes_is_the_same_however_it_is_cut(body: bytes, size: int) -> None:
    outcomes = []
    for pieces in ([body], in_pieces(body, size), in_pieces(body, 1)):
        try:
            outcomes.append(decode(pieces))
        except HttpDecodeError as exc:
            outcomes.append([exc.status])
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"--b",
        b"--b\r\n",
        b"--b-",
        b"--b\r\n" + _A + b"\r\nhello",
        b"--b\r\n" + _A + b"\r\nhello\r\n--b",
        b"--b\r\n" + _A + b"\r\nhello\r\n--b\r\n",
        b"--b\r\n" + _A + b"\r\nhello\n--b--\r\n",
        b"--b\n" + _A + b"\r\nhello\r\n--b--\r\n",
        b"--b\r\n" + _A + b"\r\nhello\r\n--bc\r\n--b--\r\n",  # begins like the boundary: RFC 2046 says that it is one
        b"--b\r\n" + _A + b"\r\nhello\r\n--b-\r\n--b--\r\n",
        b"--b\r\n" + _A + b"\r\nhello\r\n--b---\r\n",
        b"--b" + b" " * 100 + b"\r\n" + _A + b"\r\nx\r\n--b--",
        b"--b\r\n\r\nhello\r\n--b--\r\n",
        b"\r--b\r\n" + _A + b"\r\nhello\r\n--b--\r\n",
        b"\n--b\r\n" + _A + b"\r\nhello\r\n--b--\r\n",
        b"x--b\r\n" + _A + b"\r\nhello\r\n--b--\r\n",
        b"--b\r\nX: y\r\n\r\nhello\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="a\0"\r\n\r\nx\r\n--b--\r\n',
    ],
)
def test_bodies_that_are_none(body: bytes) -> None:
    for pieces in ([body], in_pieces(body, 1)):
        with pytest.raises(HttpDecodeError) as caught:
            decode(pieces)
        assert caught.value.status == 400


def part(head: bytes, content: bytes = b"") -> bytes:
    return b"--b\r\n" + head + b"\r\n" + content + b"\r\n"


@pytest.mark.parametrize(
    ("limits", "at_limit", "above"),
    [
        (FormLimits(max_fields=2), part(_A) * 2, part(_A) * 3),
        (FormLimits(max_files=2), part(_F) * 2, part(_F) * 3),
        (FormLimits(max_name_size=1), part(_A), part(_A.replace(b'"a"', b'"aa"'))),
        (FormLimits(max_field_size=3), part(_A, b"123"), part(_A, b"1234")),
        (FormLimits(max_file_size=3), part(_F, b"123"), part(_F, b"1234")),
        (FormLimits(max_fields_size=8), part(_A, b"123") * 2, part(_A, b"123") + part(_A, b"1234")),
        (FormLimits(max_part_head=len(_A)), part(_A), part(_A + b"X: y\r\n")),
        (FormLimits(max_padding=4), b"1234\r\n" + part(_A), b"12345\r\n" + part(_A)),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_bodies_are_bounded(limits: FormLimits, at_limit: bytes, above: bytes, size: int) -> None:
    assert decode(in_pieces(at_limit + b"--b--\r\n", size), limits)
    with pytest.raises(HttpDecodeError, match=r"over the limit|more than 4 bytes") as caught:
        decode(in_pieces(above + b"--b--\r\n", size), limits)
    assert caught.value.status == 413


def test_the_epilogue_is_bounded() -> None:
    with pytest.raises(HttpDecodeError, match="before the first or after the last"):
        decode(in_pieces(b"--b--\r\n" + b"x" * 2000, 100))


def test_blanks_behind_a_boundary_are_bounded() -> None:
    for blanks, is_good in ((64, True), (100, False)):
        decoder = MultipartDecoder(b"b")
        if is_good:
            assert decoder.feed(b"--b" + b" " * blanks) == []
        else:
            with pytest.raises(HttpDecodeError, match="behind a boundary"):
                decoder.feed(b"--b" + b" " * blanks)


@pytest.mark.parametrize("boundary", [b"", b"x" * 71, b"a ", "é".encode(), b"a\r\n", b'a"', b"a;", b"a\0"])
def test_boundaries_that_are_none(boundary: bytes) -> None:
    with pytest.raises(HttpDecodeError, match="a boundary is 1 to 70"):
        check_boundary(boundary)


def test_boundaries_that_are_some() -> None:
    for boundary in (b"x" * 70, b"a b", b"'()+_,-./:=?", b"----WebKitFormBoundary7MA4YWxkTrZu0gW"):
        check_boundary(boundary)


@pytest.mark.parametrize(
    "flood",
    [b"\r\n--" + b"x" * 69 + b"y", b"\r", b"\r\n", b"\r\n-", b"--" + b"x" * 70, b"\r\n--x"],
    ids=["prefixes", "CR", "CRLF", "dashes", "no line", "short prefixes"],
)
def test_floods_of_near_boundaries_take_time_and_memory_in_proportion(flood: bytes) -> None:
    chunk = (flood * (65536 // len(flood) + 1))[:65536]
    decoder = MultipartDecoder(b"x" * 70, FormLimits(max_file_size=2**40))
    decoder.feed(b"--" + b"x" * 70 + b"\r\n" + _F + b"\r\nz")
    tracemalloc.start()
    began = time.process_time()
    for _ in range(100):
        decoder.feed(chunk)
    assert time.process_time() - began < 5  # a tenth of a second; quadratic would be minutes
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_million_tiny_parts_end_at_the_limit() -> None:
    parts = part(_A) * 1000
    decoder = MultipartDecoder(b"b", FormLimits(max_fields=10_000, max_fields_size=2**30))
    for _ in range(10):
        decoder.feed(parts)
    with pytest.raises(HttpDecodeError, match="more than 10000 fields"):
        decoder.feed(parts)


def test_a_flood_of_headers_ends_at_the_limit() -> None:
    decoder = MultipartDecoder(b"b")
    decoder.feed(b"--b\r\n")
    with pytest.raises(HttpDecodeError, match="head of more than 8192 bytes"):
        decoder.feed(b"X: y\r\n" * 2000)
