"""Events as they travel, and what would end their lines early."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import EncodeError
from pipeline_net.codecs import http


@pytest.mark.parametrize(
    ("data", "fields", "encoded"),
    [
        ("hello", {}, b"data: hello\n\n"),
        ("", {}, b"data: \n\n"),
        ("one\ntwo", {}, b"data: one\ndata: two\n\n"),
        ("a\r\nb\rc\n", {}, b"data: a\ndata: b\ndata: c\ndata: \n\n"),
        (" x", {}, b"data:  x\n\n"),
        ("a\x85b\u2028c\x0bd\0", {}, "data: a\x85b\u2028c\x0bd\0\n\n".encode()),  # no line ends here
        ("ä", {"event": "né", "id": "7", "retry": 0}, "event: né\nid: 7\nretry: 0\ndata: ä\n\n".encode()),
        ("x", {"id": ""}, b"id: \ndata: x\n\n"),
        ("\ud800", {}, b"data: ?\n\n"),
    ],
)
def test_an_event_in_lines(data: str, fields: dict[str, Any], encoded: bytes) -> None:
    assert http.encode_event(data, **fields) == encoded


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\r\ndata: evil", "a\0b"])
@pytest.mark.parametrize("field", ["event", "id"])
def test_a_name_or_an_id_cannot_end_its_line(field: str, text: str) -> None:
    with pytest.raises(EncodeError, match="no line ends and no NUL"):
        http.encode_event("x", **{field: text})  # type: ignore[arg-type]  # the checker thinks of retry, too


@pytest.mark.parametrize("retry", [-1, 2**53 + 1, 1.5, "1", True])
def test_a_time_is_a_number_of_milliseconds(retry: Any) -> None:
    with pytest.raises(EncodeError, match="whole number of milliseconds"):
        http.encode_event("x", retry=retry)


def test_a_comment_stays_one() -> None:
    assert http.encode_comment() == b": \n\n"
    assert http.encode_comment("a\r\ndata: b\rid: c") == b": a\n: data: b\n: id: c\n\n"


_TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
_LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=10)


@given(_TEXT, st.none() | _LINE, st.none() | _LINE)
def test_what_is_encoded_is_one_event_and_comes_out_as_it_was(data: str, name: str | None, id: str | None) -> None:
    events = http.EventStreamDecoder().feed(http.encode_event(data, event=name, id=id) + http.encode_comment(data))
    expected = data.replace("\r\n", "\n").replace("\r", "\n")
    assert events == [http.ServerSentEvent(expected, name or "message", id or "")]
