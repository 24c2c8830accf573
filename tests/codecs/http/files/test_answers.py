"""Answers: status, headers and pieces, from a file's facts and a request's headers."""

from __future__ import annotations

import email
from typing import Any

import pytest

from pipeline_net.codecs.http import Headers
from pipeline_net.codecs.http.date import http_date
from pipeline_net.codecs.http.files.answers import Answer, Representation

_TIME = 784_111_777
_CONTENT = bytes(range(100))


def _file(**more: Any) -> Representation:
    return Representation(**{"size": 100, "modified_ns": _TIME * 10**9 + 5, "media_type": "text/plain", **more})


def _answer(method: str = "GET", file: Representation | None = None, **request: str) -> Answer:
    headers = Headers([(name.replace("_", "-"), value) for name, value in request.items()])
    return Answer(method, headers, file or _file(), _TIME + 60.0, 16)


def test_a_whole_file() -> None:
    answer = _answer(file=_file(coding="br", varies=True, cache_control="max-age=60"))
    assert (answer.status, answer.pieces, answer.length) == (200, [(0, 100)], 100)
    assert answer.headers == Headers(
        {
            "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
            "etag": f'"{_TIME * 10**9 + 5:x}-64-br"',
            "accept-ranges": "bytes",
            "content-encoding": "br",
            "vary": "accept-encoding",
            "cache-control": "max-age=60",
            "x-content-type-options": "nosniff",
            "content-type": "text/plain",
        }
    )


def test_an_empty_file_has_no_piece() -> None:
    answer = _answer(file=_file(size=0))
    assert (answer.status, answer.pieces, answer.length) == (200, [], 0)


def test_a_file_from_the_future_was_changed_now() -> None:
    future = _file(modified_ns=(_TIME + 1000) * 10**9)
    assert _answer(file=future).headers["last-modified"] == http_date(_TIME + 60)


def test_one_range() -> None:
    answer = _answer(range="bytes=-10")
    assert (answer.status, answer.pieces, answer.length) == (206, [(90, 100)], 10)
    assert answer.headers["content-range"] == "bytes 90-99/100"
    assert answer.headers["content-type"] == "text/plain"
    assert answer.whole(_CONTENT) == _CONTENT[90:]


def test_several_ranges_are_what_a_mail_program_understands() -> None:
    answer = _answer(range="bytes=0-9,-10,20-20")
    assert answer.status == 206
    assert "content-range" not in answer.headers
    body = answer.whole(_CONTENT)
    assert len(body) == answer.length
    head = f"content-type: {answer.headers['content-type']}\r\n\r\n".encode()
    message: Any = email.message_from_bytes(head + body)
    parts = message.get_payload()
    assert [part["content-range"] for part in parts] == ["bytes 0-9/100", "bytes 90-99/100", "bytes 20-20/100"]
    assert body.count(b"\r\n\r\n" + _CONTENT[:10] + b"\r\n--") == 1
    assert body.endswith(b"--\r\n")
    again = _answer(range="bytes=0-9,-10,20-20")
    assert again.headers["content-type"] != answer.headers["content-type"], "nobody can guess the boundary"


def test_a_range_that_is_not_there() -> None:
    answer = _answer(range="bytes=100-")
    assert answer.status == 416
    assert answer.headers["content-range"] == "bytes */100"
    assert answer.whole(b"") == b"416 Range Not Satisfiable\n"
    assert "etag" not in answer.headers


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("HEAD", {"range": "bytes=0-9"}),
        ("GET", {"range": "lines=0-9"}),
        ("GET", {"range": "bytes=0-9", "if_range": '"other"'}),
    ],
)
def test_a_range_that_is_ignored(method: str, request_: dict[str, Any]) -> None:
    answer = _answer(method, **request_)
    assert (answer.status, answer.length) == (200, 100)


def test_conditions_come_before_ranges() -> None:
    etag = _file().etag
    unchanged = _answer(if_none_match=etag, range="bytes=0-9")
    assert (unchanged.status, unchanged.pieces, unchanged.length) == (304, (), None)
    assert unchanged.headers["etag"] == etag
    assert "content-type" not in unchanged.headers
    failed = _answer(if_match='"other"', range="bytes=0-9")
    assert (failed.status, failed.whole(b"")) == (412, b"412 Precondition Failed\n")
    assert _answer(if_range=etag, range="bytes=0-9").status == 206
