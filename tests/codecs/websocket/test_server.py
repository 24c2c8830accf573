"""From HTTP to WebSocket at a server: alone, and where other paths are ordinary HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelFuture, ChannelInboundHandler, PipelineError, ServerDraining
from pipeline_net.codecs import http, websocket
from pipeline_net.testing import EmbeddedChannel

HANDSHAKE = (
    b"GET /chat?room=1 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HI = b"\x81\x82\0\0\0\0hi"  # from a client, masked with zeros
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: "
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Echo(ChannelInboundHandler[Any, Any, Any]):
    """Sends back what comes, and keeps the events."""

    def __init__(self, greeting: str | None = None) -> None:
        self.events: list[Any] = []
        self._greeting = greeting

    def channel_active(self, ctx: Any) -> None:
        if self._greeting is not None:
            ctx.write(self._greeting)

    def channel_read(self, ctx: Any, msg: Any) -> None:
        ctx.write(msg)

    def user_event_triggered(self, ctx: Any, event: Any) -> None:
        self.events.append(event)
        if isinstance(event, websocket.HandshakeComplete):
            ctx.write("welcome")


class Site(ChannelInboundHandler[http.FullRequest, Any, http.FullResponse]):
    def channel_read(self, ctx: Any, msg: Any) -> None:
        ctx.write(http.FullResponse(200, None, msg.path.encode(), to=msg))


def sent(channel: EmbeddedChannel) -> bytes:
    channel.run_pending()
    data = b"".join(channel.outbound)
    channel.outbound.clear()
    return data


def behind_http(**settings: Any) -> tuple[EmbeddedChannel, Echo]:
    echo = Echo()
    upgrade = websocket.UpgradeHandler(lambda channel: [echo], **settings)
    return EmbeddedChannel(http.server_stack(date=False) >> upgrade >> http.RequestAggregator() >> Site()), echo


# -- alone -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 10, len(HANDSHAKE) - 1, len(HANDSHAKE), len(HANDSHAKE) + 1, len(HANDSHAKE) + 6])
def test_frames_right_behind_the_request_are_delivered(cut: int) -> None:
    echo = Echo()
    channel = EmbeddedChannel(websocket.server_stack() >> echo)
    data = HANDSHAKE + HI + HI
    for piece in (data[:cut], data[cut:]):
        if piece:
            channel.write_inbound(piece)
    answer = sent(channel)
    assert answer.startswith(SWITCHING + b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == b"\x81\x07welcome" + b"\x81\x02hi" * 2
    assert [repr(event) for event in echo.events] == ["HandshakeComplete('/chat?room=1')"]
    assert channel.pipeline.names == ["frame-decoder", "web-socket-handler", "echo"]


def test_what_is_written_too_early_is_sent_when_the_handshake_is_done() -> None:
    channel = EmbeddedChannel(websocket.server_stack() >> Echo("early"))
    assert sent(channel) == b""
    channel.write_inbound(HANDSHAKE)
    assert sent(channel).partition(b"\r\n\r\n")[2] == b"\x81\x05early\x81\x07welcome"


def test_what_is_written_too_early_fails_with_the_handshake() -> None:
    channel = EmbeddedChannel(websocket.server_stack() >> Echo())
    future = channel.write("early")
    channel.write_inbound(GET)
    assert sent(channel).startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert not channel.is_open
    assert future.exception(0) is not None


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (GET.replace(b"/ ", b"/chat "), b"426"),
        (HANDSHAKE.replace(b"/chat", b"/other"), b"404"),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 12"), b"426"),
        (HANDSHAKE.replace(b"\r\n\r\n", b"\r\nOrigin: https://evil.org\r\n\r\n"), b"403"),
        (HANDSHAKE.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc"), b"400"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_who_is_refused_is_told_why_and_the_connection_ends(request_: bytes, status: bytes) -> None:
    echo = Echo()
    channel = EmbeddedChannel(websocket.server_stack(path="/chat") >> echo)
    channel.write_inbound(request_)
    answer = sent(channel)
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert b"close" in answer
    assert not channel.is_open
    assert echo.events == []


def test_a_silent_client_does_not_stay() -> None:
    channel = EmbeddedChannel(websocket.server_stack(handshake_timeout=5.0) >> Echo())
    channel.write_inbound(HANDSHAKE[:30])
    channel.advance(4.9)
    assert channel.is_open
    channel.advance(0.2)
    assert sent(channel).startswith(b"HTTP/1.1 408")
    assert not channel.is_open


def test_time_is_up_for_no_one_whose_handshake_is_done() -> None:
    channel = EmbeddedChannel(websocket.server_stack(handshake_timeout=5.0, keepalive=None) >> Echo())
    channel.write_inbound(HANDSHAKE)
    channel.advance(1000.0)
    assert channel.is_open


@pytest.mark.parametrize("path", ["/chat", None, lambda path: path.startswith("/ch")])
def test_paths(path: Any) -> None:
    channel = EmbeddedChannel(websocket.server_stack(path=path) >> Echo())
    channel.write_inbound(HANDSHAKE)
    assert sent(channel).startswith(SWITCHING)


def test_settings_are_looked_at_when_they_are_given() -> None:
    for settings in (
        {"path": "chat"},
        {"path": "/a?b"},
        {"close_timeout": 0.0},
        {"subprotocols": ["a b"]},
        {"handshake_timeout": -1.0},
    ):
        with pytest.raises(ValueError, match=r"must|token|path"):
            websocket.server_stack(**settings)
    with pytest.raises(TypeError, match="application is a function"):
        websocket.UpgradeHandler(Echo())  # type: ignore[arg-type]  # the mistake that is tested


# -- behind HTTP -----------------------------------------------------------------------------------------


def test_other_requests_go_on_to_the_site_and_the_same_connection_may_upgrade_later() -> None:
    channel, echo = behind_http(path="/chat")
    channel.write_inbound(GET + GET.replace(b"/ ", b"/chat ") + HANDSHAKE.replace(b"/chat", b"/other") + HANDSHAKE + HI)
    answer = sent(channel)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert b"\r\n\r\n/chatHTTP/1.1 200" in answer, "a page under the path of the WebSocket is a page"
    assert answer.endswith(b"\r\n\r\n\x81\x07welcome\x81\x02hi")
    assert channel.pipeline.names == ["frame-decoder", "web-socket-handler", "echo"]
    assert len(echo.events) == 1


def test_stages_in_front_of_it_leave_too() -> None:
    upgrade = websocket.UpgradeHandler(lambda channel: [Echo()])
    channel = EmbeddedChannel(http.server_stack(date=False) >> http.RequestAggregator() >> upgrade >> Site())
    channel.write_inbound(GET)
    assert b"200 OK" in sent(channel)
    channel.write_inbound(HANDSHAKE + HI)
    assert sent(channel).endswith(b"\x81\x02hi")
    assert channel.pipeline.names == ["frame-decoder", "web-socket-handler", "echo"]


def test_a_bad_handshake_is_refused_and_not_passed_on() -> None:
    channel, _ = behind_http()
    channel.write_inbound(HANDSHAKE.replace(b"Version: 13", b"Version: 7"))
    answer = sent(channel)
    assert answer.startswith(b"HTTP/1.1 426")
    assert b"sec-websocket-version: 13\r\n" in answer


def test_a_handshake_behind_requests_that_are_unanswered_is_refused() -> None:
    class Keep(ChannelInboundHandler[Any, Any, Any]):
        def __init__(self) -> None:
            self.requests: list[Any] = []

        def channel_read(self, ctx: Any, msg: Any) -> None:
            self.requests.append((ctx, msg))

    keep = Keep()
    upgrade = websocket.UpgradeHandler(lambda channel: [Echo()])
    stack = http.server_stack(date=False, limits=http.Limits(max_pipelined=4))
    channel = EmbeddedChannel(stack >> upgrade >> http.RequestAggregator() >> keep)
    channel.write_inbound(GET + HANDSHAKE)
    assert sent(channel) == b""
    ctx, request = keep.requests[0]
    ctx.write(http.FullResponse(200, to=request))
    answer = sent(channel)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 400" in answer


# -- who decides -----------------------------------------------------------------------------------------


def test_on_request_refuses_with_any_answer() -> None:
    def look(request: http.Request) -> http.FullResponse | None:
        if "authorization" in request.headers:
            return None
        return http.FullResponse(401, {"www-authenticate": "Basic"}, b"who are you?")

    channel = EmbeddedChannel(websocket.server_stack(on_request=look) >> Echo())
    channel.write_inbound(HANDSHAKE)
    assert b"401 Unauthorized\r\nwww-authenticate: Basic\r\n" in sent(channel)
    channel = EmbeddedChannel(websocket.server_stack(on_request=look) >> Echo())
    channel.write_inbound(HANDSHAKE.replace(b"\r\n\r\n", b"\r\nAuthorization: Basic YTpi\r\n\r\n"))
    assert sent(channel).startswith(SWITCHING)


def test_on_request_may_raise_a_handshake_error() -> None:
    def look(request: http.Request) -> None:
        raise websocket.HandshakeError("full", 503, {"retry-after": "5"})

    channel = EmbeddedChannel(websocket.server_stack(on_request=look) >> Echo())
    channel.write_inbound(HANDSHAKE)
    assert b"503 Service Unavailable" in sent(channel)


@pytest.mark.parametrize(
    ("verdict", "answer"),
    [
        (None, SWITCHING),
        (http.FullResponse(403), b"HTTP/1.1 403"),
        (websocket.HandshakeError("no", 402), b"HTTP/1.1 402"),
    ],
)
def test_on_request_may_say_so_later(verdict: Any, answer: bytes) -> None:
    promises: list[ChannelFuture[Any]] = []

    def look(request: http.Request) -> ChannelFuture[Any]:
        promises.append(channel.new_promise())
        return promises[0]

    channel = EmbeddedChannel(websocket.server_stack(on_request=look) >> Echo())
    channel.write_inbound(HANDSHAKE + HI)
    assert sent(channel) == b""
    if isinstance(verdict, BaseException):
        promises[0].set_exception(verdict)
    else:
        promises[0].set_result(verdict)
    said = sent(channel)
    assert said.startswith(answer)
    assert said.endswith(b"\x81\x02hi") is (verdict is None)


def test_a_client_that_has_gone_is_not_decided_about() -> None:
    promises: list[ChannelFuture[Any]] = []

    def look(request: http.Request) -> ChannelFuture[Any]:
        promises.append(channel.new_promise())
        return promises[0]

    echo = Echo()
    channel = EmbeddedChannel(websocket.server_stack(on_request=look) >> echo)
    channel.write_inbound(HANDSHAKE)
    channel.abort()
    promises[0].set_result(None)
    channel.run_pending()
    assert echo.events == []


@pytest.mark.parametrize("verdict", [True, http.FullResponse(101), "no"])
def test_a_verdict_that_is_none(verdict: Any) -> None:
    channel = EmbeddedChannel(websocket.server_stack(on_request=lambda request: verdict) >> Echo())
    with pytest.raises(PipelineError, match="on_request returns None"):
        channel.write_inbound(HANDSHAKE)
    assert sent(channel).startswith(b"HTTP/1.1 500")


def test_a_failing_on_request_is_a_500() -> None:
    def look(request: http.Request) -> ChannelFuture[Any]:
        promise = channel.new_promise()
        promise.set_exception(ZeroDivisionError())
        return promise

    channel = EmbeddedChannel(websocket.server_stack(on_request=look) >> Echo())
    channel.pipeline.fire_channel_read(HANDSHAKE)
    with pytest.raises(ZeroDivisionError):
        channel.run_pending()
    assert sent(channel).startswith(b"HTTP/1.1 500")


def test_a_server_that_drains_says_going_away() -> None:
    channel = EmbeddedChannel(websocket.server_stack() >> Echo())
    channel.write_inbound(HANDSHAKE)
    sent(channel)
    channel.pipeline.fire_user_event_triggered(ServerDraining(5.0))
    assert sent(channel) == b"\x88\x02\x03\xe9"


def test_a_client_that_half_closes_behind_its_handshake() -> None:
    echo = Echo()
    channel = EmbeddedChannel(websocket.server_stack() >> echo)
    channel.write_inbound(HANDSHAKE)
    channel.finish_input()
    channel.run_pending()
    assert isinstance(echo.events[-1], websocket.Closed)
    assert echo.events[-1].code == 1006
    assert not channel.is_open
