"""What forms are made of, and how it looks."""

from __future__ import annotations

import io

from pipeline_net.codecs.http import (
    Fields,
    FormFieldData,
    FormFieldEnd,
    FormFieldStart,
    FormRequest,
    Request,
    UploadedFile,
)


def test_how_the_parts_look_and_compare() -> None:
    assert repr(FormFieldStart("a")) == "FormFieldStart('a')"
    assert repr(FormFieldStart("a", "x", "text/plain")) == "FormFieldStart('a', 'x', 'text/plain')"
    assert repr(FormFieldData(b"1")) == "FormFieldData(b'1')"
    assert repr(FormFieldEnd()) == "FormFieldEnd()"
    assert len({FormFieldStart("a"), FormFieldStart("a"), FormFieldData(b"1"), FormFieldEnd(), FormFieldEnd()}) == 3
    assert FormFieldStart("a") != FormFieldStart("a", "")


def test_a_file_name_without_folders() -> None:
    start = FormFieldStart("a", "../x")
    assert (start.is_file, start.raw_filename, start.filename) == (True, "../x", "x")
    assert (FormFieldStart("a", "").is_file, FormFieldStart("a", "").filename) == (True, "")
    assert (FormFieldStart("a").is_file, FormFieldStart("a").filename) == (False, "")


def test_a_form() -> None:
    files = [UploadedFile(name, "x", "x", None, io.BytesIO(), 0) for name in ("f", "g", "f")]
    form = FormRequest(Request("POST", "/", {"host": "a"}), Fields({"a": "1"}), files)
    assert form.file("f") is files[0]
    assert form.file("h") is None
    assert repr(form).startswith("<FormRequest POST / ['a'] [<UploadedFile 'f' 'x', 0 bytes in memory>, ")
    form.close()
    assert all(file.file.closed for file in files)
