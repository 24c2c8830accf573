"""From HTTP to WebSocket at a client; against our own server, and against servers that do it wrong."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import AddressError, ChannelInboundHandler
from pipeline_net.codecs import http, websocket
from pipeline_net.codecs.websocket.handshake import accept_key
from pipeline_net.testing import EmbeddedChannel

from .test_server import Echo, sent


class Keep(ChannelInboundHandler[Any, Any, Any]):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def channel_read(self, ctx: Any, msg: Any) -> None:
        self.seen.append(msg)

    def user_event_triggered(self, ctx: Any, event: Any) -> None:
        self.seen.append(event)

    def exception_caught(self, ctx: Any, exc: BaseException) -> None:
        self.seen.append(exc)


def client(url: str = "ws://a.example:8080/chat?x=1", **settings: Any) -> tuple[EmbeddedChannel, Keep]:
    keep = Keep()
    return EmbeddedChannel(websocket.client_stack(url, **settings) >> keep), keep


def key_of(request: bytes) -> bytes:
    return next(line[19:] for line in request.split(b"\r\n") if line.startswith(b"sec-websocket-key: "))


def answer_to(request: bytes, *lines: bytes, accept: bytes | None = None) -> bytes:
    head = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    head.append(b"Sec-WebSocket-Accept: " + (accept_key(key_of(request)) if accept is None else accept))
    return b"\r\n".join([*head, *lines, b"", b""])


def test_what_is_asked() -> None:
    channel, _ = client(
        "ws://me:secret@a.example:8080/chat?x=1",
        subprotocols=["b", "a"],
        headers={"Cookie": "c=d"},
        origin="https://a.example",
        deflate=websocket.Deflate(server_max_window_bits=15, client_max_window_bits=15),
    )
    request = sent(channel)
    lines = request.replace(key_of(request), b"KEY").decode().split("\r\n")
    assert lines == [
        "GET /chat?x=1 HTTP/1.1",
        "host: a.example:8080",
        "upgrade: websocket",
        "connection: Upgrade",
        "sec-websocket-key: KEY",
        "sec-websocket-version: 13",
        "sec-websocket-protocol: b, a",
        "sec-websocket-extensions: permessage-deflate; client_max_window_bits",
        "origin: https://a.example",
        "authorization: Basic bWU6c2VjcmV0",
        "Cookie: c=d",
        "",
        "",
    ]


def test_each_connection_has_a_key_of_its_own() -> None:
    assert len({key_of(sent(client()[0])) for _ in range(10)}) == 10


def test_a_host_and_credentials_may_be_said_otherwise() -> None:
    channel, _ = client("ws://me:secret@a/", headers={"Host": "b", "Authorization": "Bearer x"})
    request = sent(channel)
    assert b"host: b\r\n" in request.lower()
    assert request.lower().count(b"host:") == request.lower().count(b"authorization:") == 1


def test_frames_right_behind_the_answer_are_delivered() -> None:
    channel, keep = client()
    channel.write_inbound(answer_to(sent(channel)) + b"\x81\x02hi\x82\x01\x00")
    channel.run_pending()
    assert repr(keep.seen[0]) == "HandshakeComplete('/chat?x=1')"
    assert keep.seen[1:] == ["hi", b"\0"]
    assert channel.pipeline.names == ["frame-decoder", "web-socket-handler", "keep"]


def test_both_of_our_sides_understand_each_other() -> None:
    deflate = websocket.Deflate(threshold=1)
    ours, keep = client("ws://a/", subprotocols=["x", "y"], deflate=deflate)
    echo = Echo()
    server = EmbeddedChannel(websocket.server_stack(subprotocols=["y"], deflate=deflate) >> echo)
    ours.write("hello " * 100)  # before anything is agreed on
    for _ in range(3):
        server.write_inbound(sent(ours) or b"\x89\x80\0\0\0\0")
        reply = sent(server)
        if reply:
            ours.write_inbound(reply)
    complete = keep.seen[0]
    assert complete.subprotocol == echo.events[0].subprotocol == "y"
    assert complete.extensions == ("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",)
    assert complete.extensions == echo.events[0].extensions
    assert [seen for seen in keep.seen if isinstance(seen, str)] == ["welcome", "hello " * 100]


@pytest.mark.parametrize(
    ("lines", "accept", "why"),
    [
        ([], b"x", "does not answer our key"),
        ([b"Sec-WebSocket-Protocol: mine"], None, "subprotocol 'mine'"),
        ([b"Sec-WebSocket-Extensions: permessage-deflate"], None, "not offered"),
        ([b"Sec-WebSocket-Extensions: ;"], None, "wants a token"),
        ([b"Upgrade: h2c"], None, "Upgrade"),
    ],
)
def test_an_answer_that_is_none_fails_the_connection(lines: list[bytes], accept: bytes | None, why: str) -> None:
    channel, keep = client()
    early = channel.write("never sent")
    channel.write_inbound(answer_to(sent(channel), *lines, accept=accept) + b"\x81\x02hi")
    channel.run_pending()
    assert [type(seen) for seen in keep.seen] == [websocket.HandshakeError]
    assert why in str(keep.seen[0])
    assert keep.seen[0].status == 101
    assert early.exception(0) is keep.seen[0]
    assert not channel.is_open


def test_a_refusal_is_the_programs_to_read() -> None:
    channel, keep = client()
    sent(channel)
    channel.write_inbound(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 4\r\n\r\nthere")
    error = keep.seen[0]
    assert isinstance(error, websocket.HandshakeError)
    assert (error.status, error.headers["location"], error.body) == (302, "/elsewhere", b"ther")
    assert str(error) == "<WebSocketUrl ws://a.example:8080/chat?x=1> answered 302 Found"
    assert not channel.is_open


def test_no_more_of_a_refusal_is_kept_than_its_beginning() -> None:
    channel, keep = client()
    sent(channel)
    channel.write_inbound(b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n" + b"x" * 70000)
    assert len(keep.seen[0].body) == 65536
    assert not channel.is_open


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n", b"HTTP/1.1 101 Switching Protocols\r\nUpgr", b""])
def test_a_server_of_something_else(answer: bytes) -> None:
    channel, keep = client()
    sent(channel)
    if answer:
        channel.write_inbound(answer)
    channel.finish_input()
    channel.run_pending()
    assert isinstance(keep.seen[0], websocket.HandshakeError)
    assert keep.seen[0].status is None
    assert len([seen for seen in keep.seen if isinstance(seen, websocket.HandshakeError)]) == 1
    assert not channel.is_open


def test_a_server_that_does_not_answer() -> None:
    channel, keep = client(handshake_timeout=3.0)
    channel.advance(2.9)
    assert keep.seen == []
    channel.advance(0.2)
    assert "has not answered within 3 s" in str(keep.seen[0])
    assert not channel.is_open


def test_settings_are_looked_at_when_they_are_given() -> None:
    with pytest.raises(AddressError):
        client("http://a/")
    with pytest.raises(ValueError, match="handshake_timeout must be more"):
        client(handshake_timeout=0)
    with pytest.raises(ValueError, match="own header"):
        client(headers={"Upgrade": "x"})
    with pytest.raises(ValueError, match="twice"):
        client(subprotocols=["a", "a"])


def test_interim_responses_are_no_answer() -> None:
    channel, keep = client()
    request = sent(channel)
    channel.write_inbound(b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer_to(request))
    channel.run_pending()
    assert [type(seen) for seen in keep.seen] == [websocket.HandshakeComplete]
    assert isinstance(keep.seen[0].headers, http.Headers)
