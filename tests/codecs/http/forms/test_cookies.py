"""What browsers send back."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http import Cookies, HttpDecodeError, Request


def cookies(*lines: bytes) -> Cookies:
    return Cookies.of(Request("GET", "/", [("host", "a"), *(("cookie", line) for line in lines)]))


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        (b"", []),
        (b"a=1", [("a", "1")]),
        (b"a=1; b=2;c=3 ; ", [("a", "1"), ("b", "2"), ("c", "3")]),
        (b"a=b=c", [("a", "b=c")]),
        (b'a="quoted"; b="; c="', [("a", "quoted"), ("b", '"'), ("c", '"')]),
        (b"nothing; =x; a=1", [("a", "1")]),
        (b"a=; b", [("a", "")]),
        (b'weird[name]=1, 2; j={"x":1}', [("weird[name]", "1, 2"), ("j", '{"x":1}')]),
        ("a=é".encode(), [("a", "é")]),
        (b"a=\xe9", [("a", "\ufffd")]),
        (b"a=1; a=2", [("a", "1"), ("a", "2")]),
    ],
)
def test_headers(line: bytes, pairs: list[tuple[str, str]]) -> None:
    assert cookies(line).items() == pairs


def test_the_first_of_a_name_counts_also_over_several_lines() -> None:
    assert cookies(b"a=1", b"a=2; b=3")["a"] == "1"
    assert cookies().get("a") is None


def test_there_are_only_so_many() -> None:
    assert len(cookies(b";".join([b"a=1"] * 180))) == 180
    with pytest.raises(HttpDecodeError, match="more than 180 cookies") as caught:
        cookies(b";".join([b"a=1"] * 181))
    assert caught.value.status == 431


def test_what_they_look_like() -> None:
    assert repr(cookies(b"a=1")) == "Cookies([('a', '1')])"
