"""From a URL to a WebSocket; or why there is none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net import AddressError, ChannelBrokenError, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http, websocket


class Echo(ChannelInboundHandler[Any, Any, Any]):
    def channel_read(self, ctx: Any, msg: Any) -> None:
        ctx.write(msg)


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(1) as group:
        yield group


def test_what_is_agreed_on(loops: EventLoopGroup) -> None:
    stack = lambda channel: websocket.server_stack(subprotocols=["a"], headers={"x-who": "me"}) >> Echo()  # noqa: E731 - as short as in a program
    with ServerBootstrap(loops, initializer=stack).bind("tcp://127.0.0.1:0") as server:
        url = server.addresses[0].replace("tcp", "ws") + "/path?q=1"
        with websocket.connect(loops, url, subprotocols=["b", "a"]).result(10) as ws:
            assert ws.handshake.subprotocol == "a"
            assert ws.handshake.headers["x-who"] == "me"
            assert ws.handshake.target == "/path?q=1"
            ws.send("hello").result(10)
            assert ws.receive().result(10) == "hello"
            assert repr(ws).startswith("<WebSocket /path?q=1 of ('127.0.0.1', ")


@pytest.mark.parametrize("form", ["unix", "local"])
def test_other_addresses(loops: EventLoopGroup, form: str, tmp_path: Any) -> None:
    address = f"unix://{tmp_path}/ws" if form == "unix" else "local://connect"
    with (
        ServerBootstrap(loops, initializer=lambda channel: websocket.server_stack() >> Echo()).bind(address),
        websocket.connect(loops, "ws://app/", address=address).result(10) as ws,
    ):
        ws.send(b"hello")
        assert ws.receive().result(10) == b"hello"


def test_from_asyncio(loops: EventLoopGroup) -> None:
    async def main() -> list[str | bytes]:
        with ServerBootstrap(loops, initializer=lambda channel: websocket.server_stack() >> Echo()).bind("local://a"):
            async with await websocket.connect(loops, "ws://app/", address="local://a") as ws:
                for number in range(3):
                    await ws.send(str(number))
                return [await ws.receive() for _ in range(3)]

    assert asyncio.run(main()) == ["0", "1", "2"]


def test_a_refusal_has_the_servers_answer(loops: EventLoopGroup) -> None:
    def look(request: http.Request) -> http.FullResponse:
        return http.FullResponse(401, {"www-authenticate": "Basic"}, b"who?")

    stack = lambda channel: websocket.server_stack(on_request=look) >> Echo()  # noqa: E731 - as short as in a program
    with ServerBootstrap(loops, initializer=stack).bind("local://refusal") as server:
        error = websocket.connect(loops, "ws://app/", address=server.addresses[0]).exception(10)
        assert isinstance(error, websocket.HandshakeError)
        assert (error.status, error.headers["www-authenticate"], error.body) == (401, "Basic", b"who?")


def test_nobody_there(loops: EventLoopGroup) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = websocket.connect(loops, f"ws://127.0.0.1:{closed.getsockname()[1]}/").exception(10)
    assert isinstance(error, ChannelBrokenError)


def test_a_server_that_hangs_up(loops: EventLoopGroup) -> None:
    class HangUp(ChannelInboundHandler[Any, Any, Any]):
        def channel_read(self, ctx: Any, msg: Any) -> None:
            ctx.channel.abort()

    with ServerBootstrap(loops, initializer=lambda channel: [HangUp()]).bind("tcp://127.0.0.1:0") as server:
        error = websocket.connect(loops, server.addresses[0].replace("tcp", "ws")).exception(10)
        assert isinstance(error, (websocket.HandshakeError, ChannelBrokenError))


def test_who_does_not_want_to_wait_gives_up(loops: EventLoopGroup, dial: Callable[[str], socket.socket]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        connecting = websocket.connect(loops, f"ws://127.0.0.1:{silent.getsockname()[1]}/")
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(10)
            assert connection.recv(3) == b"GET"
            assert connecting.cancel()
            assert _ends(connection)


def _ends(connection: socket.socket) -> bool:
    try:
        while connection.recv(1000):
            continue
    except ConnectionResetError:
        return True
    return True


def test_a_server_that_never_answers(loops: EventLoopGroup) -> None:
    with ServerBootstrap(loops, initializer=lambda channel: []).bind("local://silent") as server:
        connecting = websocket.connect(loops, "ws://a/", address=server.addresses[0], handshake_timeout=0.05)
        assert "has not answered within 0.05 s" in str(connecting.exception(10))


def test_mistakes_are_told_at_once(loops: EventLoopGroup) -> None:
    with pytest.raises(AddressError):
        websocket.connect(loops, "http://a/")
    with pytest.raises(AddressError, match="only tls"):
        websocket.connect(loops, "ws://a/", tls=_any_tls())
    with pytest.raises(ValueError, match="token"):
        websocket.connect(loops, "ws://a/", subprotocols=["a b"])


def _any_tls() -> Any:
    from pipeline_net.handlers.tls_context import ClientTls

    return ClientTls()
