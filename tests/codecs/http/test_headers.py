"""Headers: an ordered multi-dict without case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import EncodeError
from pipeline_net.codecs.http import Headers, HttpRequestDecoder, InterimResponse, Request, Response
from pipeline_net.codecs.http.headers import HAS_CONNECTION, HAS_LENGTH, SAYS_CLOSE, from_block

PAIRS = [("Host", "a"), ("Accept", "x"), ("Set-Cookie", "1"), ("accept", "y")]


def _came() -> Headers:
    """The same headers as a decoder makes them, not taken apart yet."""
    block = "".join(f"{name}:  {value} \r\n" for name, value in PAIRS)
    headers: Headers = HttpRequestDecoder().feed(f"GET / HTTP/1.1\r\n{block}\r\n".encode())[0].headers
    return headers


@pytest.mark.parametrize("make", [lambda: Headers(PAIRS), _came, lambda: Headers(_came()), lambda: _came().copy()])
def test_reading(make: Any) -> None:
    headers = make()
    assert headers["ACCEPT"] == "x, y"
    assert headers.get("accept") == "x, y"
    assert headers.get("none") is None
    assert headers.get("none", "?") == "?"
    assert headers.get_all("Accept") == ["x", "y"]
    assert headers.get_all("none") == []
    assert "HOST" in headers
    assert "none" not in headers
    assert 1 not in headers
    assert len(headers) == 4
    assert list(headers) == ["host", "accept", "set-cookie"]
    assert headers.items() == PAIRS
    assert headers.raw == [(b"host", b"a"), (b"accept", b"x"), (b"set-cookie", b"1"), (b"accept", b"y")]
    assert headers == Headers(PAIRS)
    assert repr(headers) == f"Headers({[*PAIRS[:2], ('Set-Cookie', '…'), PAIRS[3]]!r})"
    with pytest.raises(KeyError):
        headers["none"]


def test_what_came_is_passed_on_as_it_was_spelled() -> None:
    assert _came().block == b"Host:  a \r\nAccept:  x \r\nSet-Cookie:  1 \r\naccept:  y \r\n"
    assert Headers(PAIRS).block == b"Host: a\r\nAccept: x\r\nSet-Cookie: 1\r\naccept: y\r\n"


@pytest.mark.parametrize("make", [lambda: Headers(PAIRS), _came])
def test_changing(make: Any) -> None:
    headers = make()
    headers.add("X", " z ")
    headers["accept"] = "all"
    del headers["host"]
    headers.discard("none")
    assert headers.items() == [("Set-Cookie", "1"), ("X", "z"), ("accept", "all")]
    assert headers.block == b"Set-Cookie: 1\r\nX: z\r\naccept: all\r\n"
    with pytest.raises(KeyError):
        del headers["host"]


def test_a_copy_is_another() -> None:
    headers = Headers(PAIRS)
    copy = Headers(headers)
    copy.add("x", "y")
    assert len(headers) == 4
    assert headers != copy


def test_what_they_are_made_of() -> None:
    assert Headers() == Headers([]) == Headers({})
    assert Headers({"a": "b"}) == Headers([(b"A", b"b")]) == Headers(iter([("a", "b")]))
    assert Headers({"a": "b"}) != {"a": "b"}


def test_an_assignment_that_is_refused_changes_nothing() -> None:
    headers = Headers({"a": "b"})
    with pytest.raises(EncodeError):
        headers["a"] = "b\r\nc"
    assert headers.items() == [("a", "b")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("a\r\nb", "x"),
        ("é", "x"),
        ("日", "x"),
        ("a", "x\r\ny"),
        ("a", "x\ny"),
        ("a", "x\ry"),
        ("a", "x\0"),
        ("a", "日"),
        ("content-type", "\r\n\r\nbody"),
        ("a", "\r\nx"),
        ("a", "x\n"),
    ],
)
def test_what_cannot_be_a_header(name: Any, value: Any) -> None:
    with pytest.raises(EncodeError):
        Headers([(name, value)])


@pytest.mark.parametrize(("name", "value"), [("a", 1), (1, "x"), ("a", None)])
def test_what_is_no_text(name: Any, value: Any) -> None:
    with pytest.raises(TypeError):
        Headers([(name, value)])


def test_bytes_that_are_no_ascii_are_kept() -> None:
    assert Headers({"a": "é"}).raw == [(b"a", b"\xe9")]
    assert Headers({"a": "é"})["a"] == "é"


def test_tokens_of_a_list() -> None:
    headers = Headers({"connection": "Keep-Alive, x"})
    assert headers.has_token("Connection", "keep-alive")
    assert not headers.has_token("connection", "keep")
    assert not headers.has_token("none", "x")


def test_they_have_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(Headers())


_names = st.text("abcDEF-_.", min_size=1, max_size=8)
_values = st.text(
    st.characters(
        min_codepoint=32, max_codepoint=255, blacklist_characters="\x7f\x85\xa0" + "".join(map(chr, range(128, 160)))
    ),
    max_size=10,
)


@given(st.lists(st.tuples(_names, _values), max_size=8))
def test_what_is_sent_is_what_is_read(pairs: list[tuple[str, str]]) -> None:
    headers = Headers(pairs)
    block = b"GET / HTTP/1.1\r\nHost: h\r\n" + headers.block + b"\r\n"
    names = {name.lower() for name, _ in pairs}
    if not names & {"host"}:
        request = HttpRequestDecoder().feed(block)[0]
        assert request.headers.items()[1:] == headers.items()


@given(st.lists(st.tuples(st.sampled_from(["add", "set", "discard", "look"]), _names, _values), max_size=12))
def test_whatever_is_done_to_them_the_block_says_what_they_hold(steps: list[tuple[str, str, str]]) -> None:
    headers = Headers()
    model: list[tuple[str, str]] = []
    for step, name, value in steps:
        if step == "add":
            headers.add(name, value)
        elif step == "set":
            headers[name] = value
            model = [line for line in model if line[0].lower() != name.lower()]
        elif step == "discard":
            headers.discard(name)
            model = [line for line in model if line[0].lower() != name.lower()]
        if step in ("add", "set"):
            model.append((name, value.strip(" \t")))
        if step == "look":
            assert len(headers) == len(model)
        assert headers.block == "".join(f"{name}: {value}\r\n" for name, value in model).encode("latin-1")
    assert headers.items() == model
    assert Headers(headers) == headers


def test_many_lines_take_time_in_proportion() -> None:
    headers = Headers([("x", "y" * 50) for _ in range(20_000)])
    assert len(headers) == 20_000
    assert len(headers.block) == 20_000 * 55


def test_what_decides_about_framing_is_noticed_whenever_it_comes() -> None:
    headers = Headers({"x": "y"})
    facts = [int(headers.facts())]
    headers.add("Content-Length", "5")
    facts.append(int(headers.facts()))
    headers["connection"] = "close"
    facts.append(int(headers.facts()))
    headers.discard("content-length")
    facts.append(int(headers.facts()))
    copied = Headers(headers)
    facts.append(int(copied.facts()))
    assert facts == [0, 1, 1 + 16 + 32, 16 + 32, 16 + 32]
    assert headers.length == -1


@pytest.mark.parametrize("name", ["Authorization", "proxy-authorization", "Cookie", "Set-Cookie"])
def test_what_lets_somebody_in_is_in_no_log(name: str) -> None:
    headers = Headers([("accept", "a"), (name, "s3cret")])
    for shown in (headers, Request("GET", "/", headers), Response(200, headers), InterimResponse(103, headers)):
        assert "('accept', 'a'), " in repr(shown)
        assert name in repr(shown)
        assert "s3cret" not in repr(shown)


def test_headers_that_are_made_after_others_have_nothing_of_them() -> None:
    for _ in range(3):  # the object of the first is used again
        headers = Headers({"content-length": "5", "connection": "close"})
        assert headers.facts() == HAS_LENGTH | HAS_CONNECTION | SAYS_CLOSE
        assert len(headers) == 2
        del headers
        assert not Headers().raw
        assert Headers().facts() == 0
        assert Headers().length == -1


@pytest.mark.parametrize("second", ["3", "x", "", "+3"])
def test_a_length_that_is_none_is_refused_when_it_is_asked_for(second: str) -> None:
    for headers in (Headers([("content-length", "3"), ("Content-Length", second)]), Headers({"a": "b"})):
        headers.add(b"content-length", second)
        if "a" in headers:
            headers.add("content-length", "3")
        with pytest.raises(EncodeError, match="one decimal number"):
            headers.facts()
        with pytest.raises(EncodeError, match="one decimal number"):
            headers.facts()
        headers["content-length"] = "7"
        assert headers.facts() == HAS_LENGTH
        assert headers.length == 7


@pytest.mark.parametrize("name", ["content-type", b"content-type", "Content-Type", b"CONTENT-TYPE"])
@pytest.mark.parametrize("value", ["text/plain", b" text/plain\t", "\ttext/plain"])
def test_text_and_bytes_are_one(name: str | bytes, value: str | bytes) -> None:
    headers = Headers()
    headers.add(name, value)
    assert headers.raw == [(b"content-type", b"text/plain")]
    assert headers.block.lower() == b"content-type: text/plain\r\n"


def test_pairs_are_the_same_whether_the_block_was_taken_apart_before_or_not() -> None:
    block = b"Host: a\r\nEmpty:\r\nBlank: \t \r\nX-Y:b\r\nTrailing:  c d \t\r\n!#~: \xe9\r\n"
    whole, apart = from_block(block), from_block(block)
    assert len(apart) == 6
    expected = [
        *((b"host", b"a"), (b"empty", b""), (b"blank", b""), (b"x-y", b"b"), (b"trailing", b"c d")),
        (b"!#~", b"\xe9"),
    ]
    assert whole.raw == expected
    assert apart.raw == expected
    whole.add("Later", "1")
    del apart["host"]
    assert whole.raw == [*expected, (b"later", b"1")]
    assert apart.raw == expected[1:]


def test_a_list_of_two_is_a_pair_as_well() -> None:
    pairs: Any = [["a", "1"], (b"B", b"2"), ("c", b"3")]
    assert Headers(pairs).raw == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]


@pytest.mark.parametrize("pair", [("a",), ("a", "1", "2"), ["a"], "abc"])
def test_what_is_no_pair_is_refused(pair: Any) -> None:
    with pytest.raises(ValueError, match="unpack"):
        Headers([("a", "1"), pair])
