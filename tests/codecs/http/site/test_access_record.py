"""Lines of a log: what a client sends stays inside its quotes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs import http
from pipeline_net.codecs.http.site.access_record import escaped


def _record(method: str = "GET", target: str = "/", headers: dict[str, bytes] | None = None) -> http.AccessRecord:
    record = http.AccessRecord(http.Request(method, target, headers or {}), "192.0.2.1", 784111777.9)
    record.status = 200
    return record


def test_the_common_and_the_combined_format() -> None:
    record = _record("GET", "/notes?a=b", {"user-agent": b"curl/8.0", "referer": b"https://example.org/"})
    record.bytes_sent = 128
    record.duration = 0.0025
    common = '192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET /notes?a=b HTTP/1.1" 200 128'
    combined = f'{common} "https://example.org/" "curl/8.0"'
    assert http.common_format(record) == common
    assert http.combined_format(record) == combined
    assert http.timed_format(record) == f"{combined} 2500"
    assert repr(record) == "<AccessRecord 192.0.2.1 GET /notes?a=b 200 128 bytes 0.003 s>"


def test_what_is_not_there_is_a_dash() -> None:
    record = http.AccessRecord(None, "-", 0.0)
    record.status = 400
    record.duration = 0.0
    assert http.combined_format(record) == '- - - [01/Jan/1970:00:00:00 +0000] "-" 400 - "-" "-"'
    assert repr(record) == "<AccessRecord - bytes 400 0 bytes 0.000 s>"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (b'a"b', r"a\"b"),
        (b"a\\", r"a\\"),
        (b'\\" 200 1 "x', r"\\\" 200 1 \"x"),
        (b"a\tb", r"a\x09b"),
        (b"a\xffb\xc3\xa4", r"a\xffb\xc3\xa4"),
        (b"a\x85b", r"a\x85b"),  # a line end for some readers
        (b"a b", "a b"),
    ],
)
def test_a_client_cannot_leave_its_quotes(value: bytes, written: str) -> None:
    assert http.combined_format(_record(headers={"user-agent": value})).endswith(f'"-" "{written}"')


_FIELD = r'"((?:[^"\\]|\\["\\]|\\x[0-9a-f]{2})*)"'


@given(st.binary(max_size=40))
def test_whatever_it_is_the_line_is_one_and_says_what_it_was(value: bytes) -> None:
    text = escaped(value.decode("latin-1"))
    assert text.isascii()
    assert text.isprintable() or not text
    match = re.fullmatch(_FIELD, f'"{text}"')
    assert match is not None
    back = re.sub(r"\\(x..|.)", lambda found: chr(int(found[1][1:], 16)) if found[1][0] == "x" else found[1], match[1])
    assert back.encode("latin-1") == value
