"""``a=1&b=two+words``: queries and forms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.http import (
    FormFieldData,
    FormFieldEnd,
    FormFieldStart,
    FormLimits,
    HttpDecodeError,
    Query,
    UrlencodedDecoder,
    build_query,
    parse_query,
)

_PAIRS = [
    ("", []),
    ("a=1", [("a", "1")]),
    ("a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
    ("a", [("a", "")]),
    ("=a", [("", "a")]),
    ("&&a=1&", [("a", "1")]),
    ("a=b=c", [("a", "b=c")]),
    ("a+b=c+d%2b", [("a b", "c d+")]),
    ("%C3%A9=%e2%82%AC", [("é", "€")]),
]


@pytest.mark.parametrize(("text", "pairs"), _PAIRS)
def test_queries(text: str, pairs: Any) -> None:
    assert parse_query(text) == Query(pairs)


@pytest.mark.parametrize("text", ["a=%", "a=%4", "a=%zz", "%g1", "a=100%&b", "a=% 41"])
def test_a_percent_sign_stands_before_two_digits_or_is_forgiven(text: str) -> None:
    with pytest.raises(HttpDecodeError, match="two hexadecimal digits") as caught:
        parse_query(text)
    assert caught.value.status == 400
    name, _, value = text.partition("&")[0].partition("=")
    assert parse_query(text, strict=False).items()[0] == (name, value)


def test_bytes_that_are_no_utf_8() -> None:
    with pytest.raises(HttpDecodeError, match=r"the value of a field is no UTF-8: b'\\xff'"):
        parse_query("a=%ff")
    with pytest.raises(HttpDecodeError, match="the name of a field is no UTF-8"):
        parse_query("%ff=a")
    assert parse_query("a=%ff", strict=False)["a"] == "\ufffd"


def test_queries_are_bounded() -> None:
    assert len(parse_query("a&" * 3, max_fields=3)) == 3
    with pytest.raises(HttpDecodeError, match="more than 3 fields") as caught:
        parse_query("a&" * 4, max_fields=3)
    assert caught.value.status == 414
    with pytest.raises(HttpDecodeError, match="9 bytes is over the limit of 8"):
        parse_query("a=1234567", max_size=8)


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
    )
)
def test_what_is_built_is_read_again(pairs: list[tuple[str, str]]) -> None:
    query = Query(pairs)
    assert parse_query(str(query), max_size=2**30) == query
    assert str(query) == build_query(pairs)


def decode(body: bytes, size: int, limits: FormLimits) -> list[Any]:
    decoder = UrlencodedDecoder(limits)
    parts: list[Any] = []
    for at in range(0, len(body), size):
        parts += decoder.feed(body[at : at + size])
    return parts + decoder.finish()


@pytest.mark.parametrize(("text", "pairs"), _PAIRS)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_forms_however_they_are_cut(text: str, pairs: list[tuple[str, str]], size: int) -> None:
    expected: list[Any] = []
    for name, value in pairs:
        data = [FormFieldData(value.encode())] if value else []
        expected += [FormFieldStart(name), *data, FormFieldEnd()]
    assert decode(text.encode(), size, FormLimits()) == expected


@pytest.mark.parametrize(
    ("limits", "at_limit", "above"),
    [
        (FormLimits(max_fields=2), b"a&b&", b"a&b&c"),
        (FormLimits(max_name_size=2), b"%61b=1", b"abc=1"),
        (FormLimits(max_field_size=2), b"a=%61b", b"a=abc"),
        (FormLimits(max_fields_size=4), b"a=1&b=2", b"a=1&b=23"),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_forms_are_bounded(limits: FormLimits, at_limit: bytes, above: bytes, size: int) -> None:
    assert decode(at_limit, size, limits)
    with pytest.raises(HttpDecodeError, match="over the limit") as caught:
        decode(above, size, limits)
    assert caught.value.status == 413


class CountsSteps(UrlencodedDecoder):
    steps = 0

    def _complete(self, parts: list[Any]) -> None:
        self.steps += 1
        super()._complete(parts)


def test_what_is_no_field_takes_no_time() -> None:
    decoder = CountsSteps()
    assert [type(part) for part in decoder.feed(b"&" * 65536 + b"a=1" + b"&" * 65536)] == [
        FormFieldStart,
        FormFieldData,
        FormFieldEnd,
    ]
    assert decoder.steps == 2


def test_what_can_never_fit_is_refused_before_it_has_come() -> None:
    decoder = UrlencodedDecoder(FormLimits(max_name_size=10, max_field_size=10))
    with pytest.raises(HttpDecodeError, match="a name of more than 10 bytes"):
        decoder.feed(b"a" * 31)
    decoder = UrlencodedDecoder(FormLimits(max_name_size=10, max_field_size=10))
    decoder.feed(b"a=" + b"b" * 58)
    decoder.feed(b"b")
    with pytest.raises(HttpDecodeError, match="a field of more than"):
        decoder.feed(b"b")


@pytest.mark.parametrize("body", [b"a%00=1", b"a=%", b"a=%ff%", b"%ff=1"])
def test_malformed_forms(body: bytes) -> None:
    with pytest.raises(HttpDecodeError) as caught:
        decode(body, 1, FormLimits())
    assert caught.value.status == 400
