"""Conditions: tags and dates, and which of them counts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline_net.codecs.http import Headers
from pipeline_net.codecs.http.date import http_date
from pipeline_net.codecs.http.files.conditions import allows_range, answer_to, seconds_of

_TAG = '"a-1"'
_TIME = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT
_THEN = http_date(_TIME)
_BEFORE = http_date(_TIME - 1)
_AFTER = http_date(_TIME + 1)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-match": _TAG}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": f'"b", {_TAG}'}, 200),
        ({"if-match": '"b"'}, 412),
        ({"if-match": f"W/{_TAG}"}, 412),  # the strong comparison
        ({"if-match": "a-1"}, 412),
        ({"if-match": ""}, 412),
        ({"if-none-match": _TAG}, 304),
        ({"if-none-match": f"W/{_TAG}"}, 304),  # the weak comparison
        ({"if-none-match": f'"b",{_TAG}'}, 304),
        ({"if-none-match": '"a,1", W/"a-1"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"b"'}, 200),
        ({"if-none-match": "a-1"}, 200),
        ({"if-modified-since": _THEN}, 304),
        ({"if-modified-since": _AFTER}, 304),
        ({"if-modified-since": _BEFORE}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-unmodified-since": _THEN}, 200),
        ({"if-unmodified-since": _AFTER}, 200),
        ({"if-unmodified-since": _BEFORE}, 412),
        ({"if-unmodified-since": "yesterday"}, 200),
        # Which one counts (RFC 9110 13.2.2).
        ({"if-match": _TAG, "if-unmodified-since": _BEFORE}, 200),
        ({"if-match": '"b"', "if-unmodified-since": _AFTER}, 412),
        ({"if-none-match": '"b"', "if-modified-since": _AFTER}, 200),
        ({"if-none-match": _TAG, "if-modified-since": _BEFORE}, 304),
        ({"if-match": '"b"', "if-none-match": _TAG}, 412),
        ({"if-match": _TAG, "if-none-match": _TAG}, 304),
        ({"if-unmodified-since": _BEFORE, "if-modified-since": _THEN}, 412),
        ({"if-unmodified-since": _THEN, "if-modified-since": _THEN}, 304),
    ],
)
def test_what_is_answered(headers: dict[str, str], status: int) -> None:
    assert answer_to(Headers(headers), _TAG, _TIME) == status


@pytest.mark.parametrize(
    ("validator", "allowed"),
    [
        (None, True),
        (_TAG, True),
        ('"b"', False),
        (f"W/{_TAG}", False),
        (_THEN, True),
        (_BEFORE, False),
        (_AFTER, False),
        ("yesterday", False),
        ("", False),
    ],
)
def test_whether_a_part_may_be_sent(validator: str | None, allowed: bool) -> None:
    headers = Headers() if validator is None else Headers({"if-range": validator})
    assert allows_range(headers, _TAG, _TIME, _TIME + 60) is allowed


def test_a_date_of_this_very_second_stands_for_no_version() -> None:
    assert not allows_range(Headers({"if-range": _THEN}), _TAG, _TIME, _TIME + 0.9)
    assert allows_range(Headers({"if-range": _TAG}), _TAG, _TIME, _TIME)


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", _TIME),
        ("Sunday, 06-Nov-94 08:49:37 GMT", _TIME),
        ("Sun Nov  6 08:49:37 1994", _TIME),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", None),
        ("Sun, " + "9" * 5000 + " Nov 1994 08:49:37 GMT", None),
    ],
)
def test_the_three_forms_of_a_date_and_what_is_none(date: str | None, seconds: int | None) -> None:
    assert seconds_of(date) == seconds


_WITHOUT_DESCRIPTORS = """
import os, resource
from pipeline_net.codecs.http.files.conditions import seconds_of
used = os.dup(0)
os.close(used)
resource.setrlimit(resource.RLIMIT_NOFILE, (used, used))
print(seconds_of("Sun, 06 Nov 1994 08:49:37 GMT"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are not limited there")
def test_the_first_date_needs_no_descriptor() -> None:
    ended = subprocess.run([sys.executable, "-c", _WITHOUT_DESCRIPTORS], capture_output=True, text=True, timeout=30)
    assert (ended.stdout, ended.stderr) == (f"{_TIME}\n", "")
