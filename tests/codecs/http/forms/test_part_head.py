"""The head of a part, and the parameters of headers."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http import FormFieldStart, HttpDecodeError
from pipeline_net.codecs.http.forms.part_head import parse_parameters, parse_part_head


def head(disposition: bytes, more: bytes = b"") -> FormFieldStart:
    return parse_part_head(b"Content-Disposition: " + disposition + b"\r\n" + more)


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        (b'form-data; name="a"', "a", None),
        (b"Form-Data;NAME=a", "a", None),
        (b'form-data; name=""', "", None),
        (b'form-data; name="a;b=c"; filename="x.txt" ;', "a;b=c", "x.txt"),
        (b'form-data; name="a"; filename=""', "a", ""),
        (b'form-data; name="a\\"b\\\\c"', 'a"b\\c', None),
        (b'form-data; name="a%22b"', 'a"b', None),
        (b'form-data; name="a"; filename="C:\\dir\\file.txt"', "a", "C:\\dir\\file.txt"),
        ('form-data; name="é"; filename="€"'.encode(), "é", "€"),
        (b"form-data; name=a; filename*=UTF-8''%e2%82%ac%20.txt", "a", "€ .txt"),
        (b"form-data; name=a; filename=x; filename*=utf-8'de'y+z", "a", "y+z"),
    ],
)
def test_dispositions(disposition: bytes, name: str, filename: str | None) -> None:
    start = head(disposition, b"Content-Type: text/x\r\nX-More: 1\r\n")
    assert start == FormFieldStart(name, filename, "text/x")
    assert start.headers["x-more"] == "1"


@pytest.mark.parametrize(
    "block",
    [
        b"Content-Type: text/plain\r\n",
        b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n',
        b'Content-Disposition: attachment; name="a"\r\n',
        b'Content-Disposition: form-data; filename="a"\r\n',
        b"Content-Disposition: form-data\r\n",
        b'Content-Disposition: form-data; name="a\r\n',
        b'Content-Disposition: form-data; name="a" x\r\n',
        b'Content-Disposition: form-data; name="a"; name="b"\r\n',
        b"Content-Disposition: form-data; name=\r\n",
        b"Content-Disposition: form-data; name\r\n",
        b"Content-Disposition: form-data; ;name=a\r\n",
        b'Content-Disposition: form-data; name="\xff"\r\n',
        b'Content-Disposition: form-data; name="a\0"\r\n',
        b'Content-Disposition: form-data;\r\n name="a"\r\n',
        b'Content-Disposition : form-data; name="a"\r\n',
        b'Content-Disposition: form-data; name="a"\nX: y\r\n',
        b"no colon\r\n",
        b"Content-Disposition: form-data; name=a; filename*=latin-1''x\r\n",
        b"Content-Disposition: form-data; name=a; filename*=UTF-8''%ff\r\n",
        b"Content-Disposition: form-data; name=a; filename*=UTF-8''%0\r\n",
        b"Content-Disposition: form-data; name=a; filename*=UTF-8''a%00b\r\n",
        b"Content-Disposition: form-data; name=a; filename*=x\r\n",
        b"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n",
        b"Content-Disposition: form-data; name=a" + b"".join(b"; p%d=1" % n for n in range(20)) + b"\r\n",
    ],
)
def test_heads_that_are_none(block: bytes) -> None:
    with pytest.raises(HttpDecodeError) as caught:
        parse_part_head(block)
    assert caught.value.status == 400


def test_a_part_may_say_that_it_is_not_encoded() -> None:
    assert head(b"form-data; name=a", b"Content-Transfer-Encoding: Binary\r\n").name == "a"


def test_parameters_without_any() -> None:
    assert parse_parameters(b" Text/Plain ") == (b"text/plain", {})
    assert parse_parameters(b"a/b;") == (b"a/b", {})
