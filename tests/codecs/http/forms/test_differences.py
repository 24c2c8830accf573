"""Other programs that read forms: whatever we take, they take for the same.

They forgive more than we do, each something else; where we refuse, they need not.  Where all three read something and
not the same, it is one of these, which the bodies here leave out, and the tests at the end pin down:

* a line that begins like the boundary: content to both (RFC 2046 says that it is a boundary; we refuse it);
* backslashes in file names: werkzeug drops them, python-multipart keeps what is behind the last;
* ``%22`` in names: a quotation mark to werkzeug and us, as browsers mean it; python-multipart leaves it;
* CR or LF alone before ``--`` and the boundary: a boundary to werkzeug, content to python-multipart and us;
* a field that is not UTF-8: werkzeug replaces what it cannot read, python-multipart and we hand out the bytes;
* a preamble: python-multipart takes none;
* a part without content and without the empty line: python-multipart passes over it, the grammar allows it.
"""

from __future__ import annotations

import io
import re
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import pytest
import python_multipart
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.formparser import MultiPartParser

from pipeline_net.codecs.http import (
    FormFieldData,
    FormFieldEnd,
    FormFieldStart,
    HttpDecodeError,
    MultipartDecoder,
    parse_query,
)

Field: TypeAlias = tuple[str, str | None, bytes]


def ours(body: bytes, size: int = 1000) -> list[Field]:
    decoder = MultipartDecoder(b"b")
    found: list[Field] = []
    parts: list[Any] = []
    for at in range(0, len(body), size):
        parts += decoder.feed(body[at : at + size])
    for part in parts + decoder.finish():
        if isinstance(part, FormFieldStart):
            found.append((part.name, part.raw_filename, b""))
        elif isinstance(part, FormFieldData):
            found[-1] = (*found[-1][:2], found[-1][2] + part.data)
        else:
            assert part == FormFieldEnd()
    return found


def as_text(fields: list[Field]) -> list[Field]:
    """Fields, not files, as werkzeug hands them out: as text, what is not UTF-8 replaced."""
    return [
        (name, filename, content if filename else content.decode(errors="replace").encode())
        for name, filename, content in fields
    ]


def werkzeugs(body: bytes) -> list[Field]:
    form, files = MultiPartParser().parse(io.BytesIO(body), b"b", len(body))
    fields: list[Field] = [(name, None, value.encode()) for name, value in form.items(multi=True)]
    for name, file in files.items(multi=True):
        fields.append((name, file.filename, file.read()))
        file.close()
    return fields


def python_multiparts(body: bytes) -> list[Field]:
    found: list[Field] = []

    def on_field(field: Any) -> None:
        found.append((field.field_name.decode(), None, field.value or b""))

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        found.append((file.field_name.decode(), file.file_name.decode(), file.file_object.read()))
        file.close()

    parser = python_multipart.FormParser("multipart/form-data", on_field, on_file, boundary=b"b")
    parser.write(body)
    parser.finalize()
    return found


def in_order(fields: list[Field]) -> list[Field]:
    """Fields first, then files: werkzeug keeps them apart."""
    return sorted(fields, key=lambda field: (field[1] is not None, field[0]))


_LONE = re.compile(rb"(?<!\r)\n--b|\r--b")
_NAMES = st.sampled_from(["a", "field name", "é", "a;b", "x=y", "f"])
_CONTENTS = st.lists(
    st.sampled_from([b"x", b"\r\n", b"\n", b"\r", b"--", b"-b", b"b", b"\r\n--", b"\xc3\xa9", b"\r\n\r\n"]), max_size=8
).map(b"".join)
_HEADERS = st.sampled_from([b"", b"Content-Type: text/plain\r\n", b"X-More: a: b\r\n"])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from([b"", b"preamble\r\n", b"\r\n"]))
    for _ in range(draw(st.integers(0, 4))):
        name, filename = draw(_NAMES), draw(st.sampled_from([None, "x.txt", "é", "a b"]))
        line = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
        body += b"--b\r\n" + line.encode() + b"\r\n" + draw(_HEADERS) + b"\r\n" + draw(_CONTENTS) + b"\r\n"
    return body + b"--b--" + draw(st.sampled_from([b"\r\n", b"", b"\r\nepilogue"]))


@given(bodies(), st.integers(1, 50))
def test_bodies_that_are_well_formed(body: bytes, size: int) -> None:
    try:
        fields = ours(body, size)
    except HttpDecodeError:
        assert b"\r\n--b" in body  # content that begins like a boundary
        return
    if not _LONE.search(body):
        assert in_order(as_text(fields)) == in_order(werkzeugs(body))
    if body.startswith(b"--b"):
        assert in_order(fields) == in_order(python_multiparts(body))


@given(bodies(), st.data())
def test_bodies_with_a_mistake(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body)))
    piece = data.draw(st.sampled_from([b"", b"\r", b"\n", b"-", b'"', b";", b"\0", b" "]))
    broken = body[:at] + piece + body[at + data.draw(st.integers(0, 2)) :]
    try:
        fields = ours(broken)
    except HttpDecodeError:
        return
    if not _LONE.search(broken):
        assert in_order(as_text(fields)) == in_order(werkzeugs(broken))


@pytest.mark.parametrize("content", [b"xxx\xa9", b"\xc3\r\n", b"\xff\xfe"])
def test_content_that_is_not_utf_8(content: bytes) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + content + b"\r\n--b--\r\n"
    assert ours(body) == python_multiparts(body) == [("a", None, content)]
    assert as_text(ours(body)) == werkzeugs(body)
    assert as_text(ours(body)) != ours(body)


_PART = b'--b\r\nContent-Disposition: form-data; name="a"%b\r\n\r\n1\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("body", "we", "werkzeug", "multipart"),
    [
        (
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--bc\r\n--b--\r\n',
            None,
            [("a", None, b"1\r\n--bc")],
            [("a", None, b"1\r\n--bc")],
        ),
        (
            _PART % b'; filename="C:\\d\\x"',
            [("a", "C:\\d\\x", b"1")],
            [("a", "C:dx", b"1")],
            [("a", "x", b"1")],
        ),
        (
            _PART % b'; filename="%22"',
            [("a", '"', b"1")],
            [("a", '"', b"1")],
            [("a", "%22", b"1")],
        ),
        (
            _PART.replace(b"1", b"1\n--b--") % b"",
            [("a", None, b"1\n--b--")],
            [("a", None, b"1")],
            [("a", None, b"1\n--b--")],
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n--b--\r\n',
            [("a", None, b"")],
            [("a", None, b"")],
            [],
        ),
    ],
)
def test_where_they_differ(body: bytes, we: list[Field] | None, werkzeug: list[Field], multipart: list[Field]) -> None:
    if we is None:
        with pytest.raises(HttpDecodeError):
            ours(body)
    else:
        assert ours(body) == we
    assert werkzeugs(body) == werkzeug
    assert python_multiparts(body) == multipart


@given(
    st.lists(st.sampled_from(["a", "b", "=", "&", "+", "%41", "%C3%A9", "%", "%4", ";", "é"]), max_size=12).map("".join)
)
def test_queries_as_the_standard_library_reads_them(text: str) -> None:
    expected = parse_qsl(text, keep_blank_values=True)
    assert parse_query(text, strict=False).items() == expected
    try:
        assert parse_query(text).items() == expected
    except HttpDecodeError:
        assert "%" in text
