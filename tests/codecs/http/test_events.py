"""What the server tells the stages behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs import http

Serve = Callable[..., Any]


def _refusals(keep: Any) -> list[tuple[int, str | None]]:
    refusals = [event for event in keep.events if isinstance(event, http.RequestRefused)]
    return [(event.status, None if event.request is None else event.request.target) for event in refusals]


def test_events_have_a_face() -> None:
    assert repr(http.InputEnded()) == "InputEnded()"
    assert repr(http.RequestRefused(400, None)) == "RequestRefused(400, None)"


@pytest.mark.parametrize(
    ("data", "refusals"),
    [
        (b"no request\r\n\r\n", [(400, None)]),
        (b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", [(400, "/a")]),
    ],
)
def test_a_refusal_is_told(serve: Serve, data: bytes, refusals: Any) -> None:
    channel, keep = serve()
    channel.write_inbound(data)
    assert _refusals(keep) == refusals


def test_a_refusal_that_waits_for_an_answer_is_told_when_it_is_sent(serve: Serve) -> None:
    channel, keep = serve(limits=http.Limits(max_pipelined=2))
    channel.write_inbound(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n")
    assert _refusals(keep) == []
    keep.say(http.FullResponse(200))
    assert _refusals(keep) == [(400, None)]


def test_an_answer_in_the_place_of_the_application_is_told(serve: Serve) -> None:
    channel, keep = serve()
    with pytest.raises(LookupError):
        channel.write_inbound(b"GET /raise HTTP/1.1\r\nHost: a\r\n\r\n")
    assert _refusals(keep) == [(500, "/raise")]
