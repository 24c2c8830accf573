"""Forms that a client sends."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import EncodeError
from pipeline_net.codecs.http import FilePart, MultipartBody

_BYTES = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n'
    b"--b--\r\n"
)


def test_bytes() -> None:
    body = MultipartBody({"a": "1"}, [FilePart("f", "x.txt", b"hello", "text/plain")], boundary="b")
    assert b"".join(body) == _BYTES
    assert body.length == len(_BYTES)
    assert body.content_type == 'multipart/form-data; boundary="b"'
    assert repr(body) == f"<MultipartBody of 2 parts, {len(_BYTES)} bytes>"


def test_a_file_is_read_from_where_it_stands_and_stays_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"-" * 10 + b"y" * 200_000)
    with open(tmp_path / "file", "rb") as file:
        file.seek(10)
        body = MultipartBody(files=[FilePart("f", "x", file)])
        pieces = list(body)
        assert not file.closed
    assert max(map(len, pieces)) == 65536
    assert sum(map(len, pieces)) == body.length
    assert b"y" * 200_000 in b"".join(pieces)


def test_what_is_sent_is_what_arrives(serve: Any, post: Any) -> None:
    names = ['a"b', "a\\b", "a\\", "é\u20ac", "a;b=c", "100%"]
    body = MultipartBody([(name, name) for name in names], [FilePart(name, name, b"\r\n--b\r\n") for name in names])
    channel, answer = serve()
    channel.write_inbound(post(b"".join(body), body.content_type))
    (form,) = answer.read
    assert form.fields.items() == [(name, name) for name in names]
    assert [(file.name, file.raw_filename, file.read()) for file in form.files] == [
        (name, name, b"\r\n--b\r\n") for name in names
    ]


def test_a_file_that_shrinks_is_an_error() -> None:
    file = io.BytesIO(b"hello")
    body = MultipartBody(files=[FilePart("f", "x", file)])
    file.truncate(2)
    with pytest.raises(EncodeError, match="ended 3 bytes before the length"):
        list(body)


def test_two_bodies_have_two_boundaries() -> None:
    assert MultipartBody().boundary != MultipartBody().boundary


def test_line_ends_in_names_are_written_as_browsers_do() -> None:
    assert b'name="a%0D%0Ab"' in b"".join(MultipartBody({"a\r\nb": "1"}))


@pytest.mark.parametrize(
    "make",
    [
        lambda: MultipartBody(boundary="é"),
        lambda: MultipartBody(boundary=""),
        lambda: MultipartBody({"a\0": "1"}),
        lambda: MultipartBody(files=[FilePart("a", "b", b"", "text/plain\r\nX: y")]),
        lambda: MultipartBody(files=[FilePart("a", "b", b"", "é")]),
    ],
)
def test_what_cannot_be_sent(make: Any) -> None:
    with pytest.raises(EncodeError):
        make()
