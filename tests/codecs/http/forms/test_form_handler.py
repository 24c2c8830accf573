"""Which requests are forms, and what those are told that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext
from pipeline_net.codecs import http
from pipeline_net.codecs.http.forms.form_handler import FormHandler
from pipeline_net.testing import EmbeddedChannel


class Recording(FormHandler):
    """Keeps what it is told."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.told: list[Any] = []

    def form_begins(self, ctx: ChannelHandlerContext[Any, Any], request: http.Request) -> None:
        self.told.append("begins")

    def form_comes(self, ctx: ChannelHandlerContext[Any, Any], parts: list[http.FormFieldPart]) -> None:
        self.told += parts

    def form_ends(self, ctx: ChannelHandlerContext[Any, Any], end: http.End) -> None:
        self.told.append("ends")

    def form_breaks(self) -> None:
        self.told.append("breaks")


_GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
_TYPE = "application/x-www-form-urlencoded"


def test_a_request_without_a_body_passes(serve: Any) -> None:
    handler = Recording()
    channel, answer = serve(handler)
    channel.write_inbound(_GET)
    assert [type(msg) for msg in answer.read] == [http.Request, http.End]
    assert handler.told == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_form_without_fields_has_no_body_and_is_posted(serve: Any, method: str) -> None:
    handler = Recording()
    channel, answer = serve(handler)
    channel.write_inbound(
        f"{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Type: {_TYPE}\r\n\r\n".encode()
    )
    assert handler.told == ([] if method == "GET" else ["begins", "ends"])
    assert len(answer.read) == (2 if method == "GET" else 0)


def test_a_post_of_nothing_at_all_passes(serve: Any) -> None:
    channel, answer = serve(Recording())
    channel.write_inbound(_GET.replace(b"GET", b"POST"))
    assert len(answer.read) == 2


def test_a_form_is_read(serve: Any, post: Any) -> None:
    handler = Recording()
    channel, answer = serve(handler)
    channel.write_inbound(post(b"a=1", _TYPE))
    assert handler.told == ["begins", http.FormFieldStart("a"), http.FormFieldData(b"1"), http.FormFieldEnd(), "ends"]
    assert answer.read == []


def test_a_whole_request_is_read_too() -> None:
    handler = Recording()
    channel = EmbeddedChannel(handler)
    channel.write_inbound(http.FullRequest("POST", "/", {"content-type": _TYPE}, b"a=1"))
    assert handler.told[0] == "begins"
    assert handler.told[-1] == "ends"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "told"),
    [
        (b"{}", "application/json", 415, []),
        (b"a=%", _TYPE, 400, ["begins", "breaks"]),
        (b"x" * 101, _TYPE, 413, []),
        (b"x", "multipart/form-data; boundary=b", 400, ["begins", "breaks"]),
        (b"x", "multipart/form-data", 400, []),
    ],
)
def test_what_is_refused_is_told_so_and_the_connection_ends(
    serve: Any, post: Any, body: bytes, content_type: str, status: int, told: list[Any]
) -> None:
    handler = Recording(http.FormLimits(max_total_size=100))
    channel, answer = serve(handler)
    channel.write_inbound(post(body, content_type))
    reply = b"".join(channel.outbound)
    assert reply.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close\r\n" in reply
    assert not channel.is_open
    assert [what for what in handler.told if isinstance(what, str)] == told
    assert answer.read == []


def test_a_chunked_form_that_grows_too_large(serve: Any) -> None:
    handler = Recording(http.FormLimits(max_total_size=4))
    channel, _ = serve(handler)
    head = f"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: {_TYPE}\r\n\r\n"
    channel.write_inbound(head.encode() + b"4\r\na=12\r\n")
    assert channel.is_open
    channel.write_inbound(b"1\r\n3\r\n")
    assert b"".join(channel.outbound).startswith(b"HTTP/1.1 413 ")
    assert not channel.is_open


def test_a_form_that_is_too_large_is_refused_before_it_is_sent(serve: Any) -> None:
    channel, _ = serve(Recording(http.FormLimits(max_total_size=4)))
    head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nContent-Type: {_TYPE}\r\n\r\n"
    channel.write_inbound(head.encode())
    assert b"".join(channel.outbound).startswith(b"HTTP/1.1 413 ")


def test_others_may_be_accepted(serve: Any, post: Any) -> None:
    channel, answer = serve(Recording(accept_others=True))
    channel.write_inbound(post(b"{}", "application/json"))
    assert answer.read[1:] == [http.Data(b"{}"), http.END]
    assert channel.is_open
