"""Which decoder reads a form."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http import FormLimits, HttpDecodeError, MultipartDecoder, Request, UrlencodedDecoder
from pipeline_net.codecs.http.forms.content_type import decoder_for


def ask(*headers: tuple[str, str]) -> object:
    return decoder_for(Request("POST", "/", [("host", "a"), *headers]), FormLimits())


@pytest.mark.parametrize(
    ("content_type", "decoder"),
    [
        ("application/x-www-form-urlencoded", UrlencodedDecoder),
        ("Application/X-WWW-Form-URLencoded; charset=UTF-8", UrlencodedDecoder),
        ("multipart/form-data; boundary=b", MultipartDecoder),
        ('MULTIPART/form-data; charset=utf8; Boundary="a b"', MultipartDecoder),
        ("multipart/mixed; boundary=b", type(None)),
        ("application/json", type(None)),
        ('text/plain; "', type(None)),
    ],
)
def test_content_types(content_type: str, decoder: type) -> None:
    assert isinstance(ask(("content-type", content_type)), decoder)


def test_none_at_all() -> None:
    assert ask() is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("content-type", "multipart/form-data")], 400),
        ([("content-type", "multipart/form-data; boundary=")], 400),
        ([("content-type", "multipart/form-data; boundary=a b")], 400),
        ([("content-type", f"multipart/form-data; boundary={'x' * 71}")], 400),
        ([("content-type", "multipart/form-data; boundary=a; boundary=b")], 400),
        ([("content-type", "multipart/form-data; boundary=a"), ("content-type", "text/plain")], 400),
        ([("content-type", "application/x-www-form-urlencoded; charset=latin-1")], 415),
        ([("content-type", "application/x-www-form-urlencoded"), ("content-encoding", "gzip")], 415),
    ],
)
def test_what_is_refused(headers: list[tuple[str, str]], status: int) -> None:
    with pytest.raises(HttpDecodeError) as caught:
        ask(*headers)
    assert caught.value.status == status
