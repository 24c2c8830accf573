"""Lists of extensions and subprotocols, taken apart strictly: RFC 6455 9.1."""

from __future__ import annotations

import time

import pytest

from pipeline_net.codecs.websocket.extensions import (
    Extension,
    format_extension,
    is_token,
    parse_extensions,
    parse_tokens,
)


@pytest.mark.parametrize(
    ("text", "extensions"),
    [
        ("", []),
        (" , ,", []),
        ("foo", [("foo", [])]),
        ("foo, bar", [("foo", []), ("bar", [])]),
        ("foo; a; b=1", [("foo", [("a", None), ("b", "1")])]),
        (' foo ;\ta = "1" ,bar;x', [("foo", [("a", "1")]), ("bar", [("x", None)])]),
        (r'foo; a="b\c"', [("foo", [("a", "bc")])]),
        (",foo,,bar,", [("foo", []), ("bar", [])]),
        ("foo; a; a", [("foo", [("a", None), ("a", None)])]),  # what it means is the extension's business
    ],
)
def test_what_a_list_says(text: str, extensions: list[Extension]) -> None:
    assert parse_extensions(text) == extensions


@pytest.mark.parametrize(
    "text",
    ["foo bar", "foo;", "foo;;a", "foo; =1", "foo; a=", 'foo; a="', 'foo; a=""', 'foo; a="b c"', "foo=1", "=", '"foo"'],
)
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(ValueError, match="Sec-WebSocket-Extensions wants"):
        parse_extensions(text)


def test_a_long_list_takes_no_longer_than_its_length() -> None:
    began = time.process_time()
    for text in ('a; b="' + "\\" * 30000, "a; b=c," * 5000, ";" * 30000, "a" + " " * 30000 + "b", "," * 30000):
        try:
            parse_extensions(text)
        except ValueError:
            continue
    assert time.process_time() - began < 2.0


def test_subprotocols() -> None:
    assert parse_tokens(" chat ,,v1.chat , x") == ["chat", "v1.chat", "x"]
    assert parse_tokens("") == []
    with pytest.raises(ValueError, match="'a b'"):
        parse_tokens("a b")


def test_tokens() -> None:
    assert is_token("v10.stomp")
    assert not any(map(is_token, ["", "a b", "a/b", "ä", "a\n"]))


def test_what_is_put_together_can_be_taken_apart() -> None:
    extension: Extension = ("permessage-deflate", [("a", None), ("b", "12")])
    text = format_extension(*extension)
    assert text == "permessage-deflate; a; b=12"
    assert parse_extensions(text) == [extension]
