"""What may be sent again, and when."""

from __future__ import annotations

import email.utils
import time
from typing import Any

import pytest

from pipeline_net.codecs import http
from pipeline_net.codecs.http.client.body import BytesBody, IterableBody
from pipeline_net.codecs.http.client.request import PreparedRequest
from pipeline_net.codecs.http.client.retries import asked_pause, can_repeat, pause_before
from pipeline_net.codecs.http.client.url import parse_url


@pytest.mark.parametrize(
    ("method", "body", "can"),
    [
        ("GET", None, True),
        ("HEAD", None, True),
        ("PUT", BytesBody(b"a"), True),
        ("DELETE", None, True),
        ("PUT", IterableBody(iter([b"a"])), False),
        ("PUT", IterableBody([b"a"]), True),
        ("POST", None, False),
        ("PATCH", None, False),
        ("get", None, False),
    ],
)
def test_what_can_be_repeated(method: str, body: Any, can: bool) -> None:
    request = PreparedRequest(
        method=method,
        url=parse_url("http://a/"),
        headers=http.Headers(),
        body=body,
        auth=None,
        timeouts=http.Timeouts(),
        max_body=1,
        follows_redirects=True,
        streams=False,
    )
    assert can_repeat(request) is can


@pytest.mark.parametrize(
    ("status", "value", "limit", "pause"),
    [
        (503, "5", 10.0, 5.0),
        (429, "0", 10.0, 0.0),
        (503, "11", 10.0, None),
        (503, "5", None, None),
        (200, "5", 10.0, None),
        (503, None, 10.0, None),
        (503, "-5", 10.0, None),
        (503, "1_0", 10.0, None),
        (503, "\u0665", 10.0, None),
        (503, "9" * 5000, 10.0, None),
        (503, "soon", 10.0, None),
        (503, "Sun, 06 Nov 1994 08:49:37 GMT", 10.0, 0.0),
        (503, "Sun, 06 Nov 9994 08:49:37 GMT", 10.0, None),
    ],
)
def test_what_a_server_asks_for(status: int, value: str | None, limit: float | None, pause: float | None) -> None:
    headers = http.Headers({} if value is None or not value.isascii() else {"retry-after": value})
    assert asked_pause(status, headers, limit) == pause


def test_a_date_in_the_future() -> None:
    later = email.utils.formatdate(time.time() + 30, usegmt=True)
    pause = asked_pause(503, http.Headers({"retry-after": later}), 60.0)
    assert pause is not None
    assert 25 <= pause <= 31


def test_pauses_grow() -> None:
    for retry in range(5):
        assert 0.05 * 2**retry <= pause_before(retry, 0.1) <= 0.1 * 2**retry
    assert pause_before(10**6, 0.1) < float("inf")
