"""WebSockets of ASGI applications, with the ``websockets`` package for a client, on asyncio and on uvloop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pipeline_net.codecs.websocket import Deflate, KeepAlive
from pipeline_net.gateways.asgi_server import AsgiOptions
from pipeline_net.gateways.asgi_websocket import WebSocketOptions
from pipeline_net.gateways.errors import ClientDisconnectedError
from pipeline_net.gateways.proxies import TrustedProxies

from .conftest import Asgi, Message, Receive, Send, serving

Run = Callable[[Awaitable[Any]], Any]


def websocket_only(app: Any) -> Any:
    """Let an application say that it knows no lifespan."""

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise ValueError(f"what is {scope['type']}?")
        await app(scope, receive, send)

    return wrapped


def client(asgi: Asgi, path: str = "/", **settings: Any) -> connect:
    return connect(f"ws://127.0.0.1:{asgi.port}{path}", proxy=None, **settings)


@websocket_only
async def echo(scope: Message, receive: Receive, send: Send) -> None:
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({**message, "type": "websocket.send"})


class Seen:
    """An application that accepts, and keeps what it receives."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.ended = asyncio.Event()
        self.scope: Message = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise ValueError(f"what is {scope['type']}?")
        self.scope = scope
        self.messages.append(await receive())
        await send({"type": "websocket.accept"})
        while self.messages[-1]["type"] != "websocket.disconnect":
            self.messages.append(await receive())
        self.ended.set()


async def close_code(ws: ClientConnection) -> tuple[int, str]:
    await asyncio.wait_for(ws.wait_closed(), 20)
    assert ws.close_code is not None
    return ws.close_code, ws.close_reason or ""


@pytest.mark.parametrize("deflate", [None, Deflate()])
def test_text_and_bytes_both_ways(run: Run, deflate: Deflate | None) -> None:
    async def main() -> None:
        options = AsgiOptions(websocket=WebSocketOptions(deflate=deflate))
        async with serving(echo, options) as asgi, client(asgi, max_size=None) as ws:
            assert [name.name for name in ws.protocol.extensions] == (["permessage-deflate"] if deflate else [])
            for message in ("hello", "", "ä€𝄞" * 1000, b"", bytes(range(256)), b"x" * 1_000_000, "y" * 3_000_000):
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["in", "many", "pieces"])
            assert await ws.recv() == "inmanypieces"

    run(main())


def test_the_scope(run: Run) -> None:
    async def main() -> None:
        seen = Seen()
        options = AsgiOptions(root_path="/mounted", proxies=TrustedProxies("127.0.0.1"))
        async with serving(seen, options) as asgi:
            headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7", "Cookie": "a=b"}
            async with client(asgi, "/r%20m?q=%20", subprotocols=["a", "b"], additional_headers=headers):
                pass
            await seen.ended.wait()
            scope = seen.scope
            assert scope["server"] == ("127.0.0.1", asgi.port)
            raw = dict(scope["headers"])
            assert raw[b"cookie"] == b"a=b"
            assert raw[b"upgrade"] == b"websocket"
            asgi_version = {"version": "3.0", "spec_version": "2.5"}
            assert {name: scope[name] for name in scope if name not in ("headers", "server")} == {
                "type": "websocket",
                "asgi": asgi_version,
                "http_version": "1.1",
                "scheme": "wss",
                "path": "/mounted/r m",
                "raw_path": b"/r%20m",
                "query_string": b"q=%20",
                "root_path": "/mounted",
                "client": ("198.51.100.7", 0),
                "subprotocols": ["a", "b"],
                "state": {},
                "extensions": {"websocket.http.response": {}},
            }

    run(main())


def test_accept_with_a_subprotocol_and_headers(run: Run) -> None:
    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"Set-Cookie", b"a=b"), (b"set-cookie", b"c=d"), (b"transfer-encoding", b"chunked")]
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][-1], "headers": headers})
        await send({"type": "websocket.send", "text": "hi", "bytes": None})
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})

    async def main() -> None:
        async with serving(app) as asgi, client(asgi, subprotocols=["a", "b"]) as ws:
            assert ws.subprotocol == "b"
            assert ws.response is not None
            assert ws.response.headers.get_all("set-cookie") == ["a=b", "c=d"]
            assert "transfer-encoding" not in ws.response.headers
            assert await ws.recv() == "hi"
            assert await close_code(ws) == (4001, "enough")

    run(main())


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [((1000, ""), 1000, ""), ((4321, "why ä"), 4321, "why ä"), ((1001, "bye"), 1001, "bye")],
)
def test_the_application_hears_how_it_ended(run: Run, said: tuple[int, str], code: int, reason: str) -> None:
    async def main() -> None:
        seen = Seen()
        async with serving(seen) as asgi:
            ws = await client(asgi)
            await ws.send("last")
            await ws.close(*said)
            await asyncio.wait_for(seen.ended.wait(), 20)
        assert seen.messages == [
            {"type": "websocket.connect"},
            {"type": "websocket.receive", "text": "last"},
            {"type": "websocket.disconnect", "code": code, "reason": reason},
        ]

    run(main())


def test_a_client_that_breaks_off(run: Run) -> None:
    async def main() -> None:
        seen = Seen()
        async with serving(seen) as asgi:
            ws = await client(asgi)
            ws.transport.abort()
            await asyncio.wait_for(seen.ended.wait(), 20)
        assert seen.messages[-1] == {"type": "websocket.disconnect", "code": 1006, "reason": ""}

    run(main())


def test_close_before_accept_is_a_403(run: Run) -> None:
    last: list[Message] = []

    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        last.append(await receive())

    async def main() -> None:
        async with serving(app) as asgi:
            with pytest.raises(InvalidStatus) as caught:
                await client(asgi)
            assert caught.value.response.status_code == 403

    run(main())
    assert last == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]


def test_a_denial_response(run: Run) -> None:
    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        assert "websocket.http.response" in scope["extensions"]
        start = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Basic")]}
        await send(start)
        await send({"type": "websocket.http.response.body", "body": b"who are ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"you?"})

    async def main() -> None:
        async with serving(app) as asgi:
            with pytest.raises(InvalidStatus) as caught:
                await client(asgi)
            response = caught.value.response
            assert (response.status_code, response.headers["www-authenticate"]) == (401, "Basic")
            assert response.body == b"who are you?"

    run(main())


@pytest.mark.parametrize("has_accepted", [False, True])
@pytest.mark.parametrize("raises", [False, True])
def test_an_application_that_ends_early(
    run: Run, caplog: pytest.LogCaptureFixture, has_accepted: bool, raises: bool
) -> None:
    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        if has_accepted:
            await send({"type": "websocket.accept"})
        if raises:
            raise ZeroDivisionError

    async def main() -> None:
        async with serving(app) as asgi:
            if has_accepted:
                async with client(asgi) as ws:
                    assert (await close_code(ws))[0] == (1011 if raises else 1000)
                return
            with pytest.raises(InvalidStatus) as caught:
                await client(asgi)
            assert caught.value.response.status_code == 500

    with caplog.at_level(logging.ERROR):
        run(main())
    assert ("ZeroDivisionError" in caplog.text) is raises
    assert ("has returned before" in caplog.text) is (not raises and not has_accepted)


@pytest.mark.parametrize(
    ("before", "message", "error"),
    [
        ([], {"type": "websocket.send", "text": "a"}, "websocket.accept, websocket.close"),
        ([], {"type": "http.response.start", "status": 200}, "websocket.accept, websocket.close"),
        ([], {"type": "websocket.accept", "subprotocol": "mine"}, "'mine' was not offered"),
        ([], {"type": "websocket.accept", "headers": [(b"sec-websocket-protocol", b"a")]}, "own header"),
        ([], {"type": "websocket.accept", "headers": [(b"a", b"b\r\nc: d")]}, "control character"),
        (["accept"], {"type": "websocket.accept"}, "websocket.send or websocket.close was expected"),
        (["accept"], {"type": "websocket.send"}, "has text or bytes"),
        (["accept"], {"type": "websocket.send", "text": "a", "bytes": b"b"}, "has text or bytes"),
        (["accept"], {"type": "websocket.send", "text": b"a"}, "has text or bytes"),
        (["accept"], {"type": "websocket.send", "text": "\ud800"}, "surrogate"),
        (["accept"], {"type": "websocket.close", "code": 1006}, "1006"),
        (["accept"], {"type": "websocket.close", "reason": "x" * 124}, "123 bytes"),
        (["accept", "close"], {"type": "websocket.send", "text": "a"}, "nothing was expected"),
    ],
)
def test_mistakes_are_told_to_the_application(run: Run, before: list[str], message: Message, error: str) -> None:
    told: list[BaseException] = []

    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        for kind in before:
            await send({"type": f"websocket.{kind}"})
        try:
            await send(message)
        except Exception as exc:  # noqa: BLE001 - it is looked at below
            told.append(exc)
        if not before:
            await send({"type": "websocket.close"})

    async def main() -> None:
        async with serving(app) as asgi:
            if before:
                async with client(asgi) as ws:
                    await close_code(ws)
                return
            with pytest.raises(InvalidStatus):
                await client(asgi)

    run(main())
    assert error in str(told[0])


def test_to_close_what_is_closed_is_no_mistake(run: Run) -> None:
    done = asyncio.Event()

    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        await send({"type": "websocket.close"})
        with pytest.raises(ClientDisconnectedError):
            await send({"type": "websocket.send", "text": "a"})
        assert (await receive())["type"] == "websocket.disconnect"
        done.set()

    async def main() -> None:
        async with serving(app) as asgi:
            async with client(asgi):
                pass
            await asyncio.wait_for(done.wait(), 20)

    run(main())


def test_a_bad_handshake_reaches_no_application(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as asgi:
            head = b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            assert (await asgi.ask(head + b"\r\n")).startswith(b"HTTP/1.1 400 ")
            answer = await asgi.ask(head + b"sec-websocket-version: 7\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 426 ")
            assert b"sec-websocket-version: 13" in answer

    run(main())


def test_what_is_not_received_waits_at_the_client(run: Run) -> None:
    """The application takes nothing until the client can send no more; then everything, in order."""
    go_on = asyncio.Event()
    sizes: list[int] = []

    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go_on.wait()
        while (message := await receive())["type"] == "websocket.receive":
            sizes.append(len(message["bytes"]))

    async def main() -> None:
        async with serving(app) as asgi, client(asgi, compression=None) as ws:
            sent = 0

            async def pour() -> None:
                nonlocal sent
                while sent < 2000:
                    await ws.send(bytes(10_000 + sent))
                    sent += 1

            pouring = asyncio.ensure_future(pour())
            before = -1
            while sent > before:
                before = sent
                await asyncio.sleep(0.1)
            assert sent < 2000, "20 MB do not fit between two sockets"
            go_on.set()
            await pouring
        assert sizes == [10_000 + number for number in range(2000)]

    run(main())


def test_send_waits_for_a_client_that_does_not_read(run: Run) -> None:
    sent = 0
    gone: list[BaseException] = []
    ended = asyncio.Event()

    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal sent
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(100_000)})
                sent += 1
        except OSError as exc:
            gone.append(exc)
        ended.set()

    async def main() -> None:
        options = AsgiOptions(websocket=WebSocketOptions(keepalive=None))
        async with serving(app, options) as asgi:
            ws = await client(asgi, max_queue=1)
            before = -1
            while sent > before:
                before = sent
                await asyncio.sleep(0.1)
            assert sent < 1000
            ws.transport.abort()
            await asyncio.wait_for(ended.wait(), 20)
            assert isinstance(gone[0], ClientDisconnectedError)

    run(main())


def test_a_server_that_ends_says_going_away(run: Run) -> None:
    async def main() -> None:
        seen = Seen()
        async with serving(seen) as asgi:
            ws = await client(asgi)
            asgi.stop.set()
            assert await close_code(ws) == (1001, "")
            await asyncio.wait_for(seen.ended.wait(), 20)
        assert seen.messages[-1]["code"] == 1001

    run(main())


def test_a_client_that_is_silent_is_given_up(run: Run) -> None:
    async def main() -> None:
        seen = Seen()
        options = AsgiOptions(websocket=WebSocketOptions(keepalive=KeepAlive(interval=0.05, timeout=0.05)))
        async with serving(seen, options) as asgi:
            reader, writer = await asgi.open()
            writer.write(
                b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            answer = await asyncio.wait_for(reader.read(), 20)
            writer.close()
            assert b"101 Switching" in answer
            assert b"\x89\x00\x88" in answer, "a ping, then a close"
            await asyncio.wait_for(seen.ended.wait(), 20)
        assert seen.messages[-1]["code"] == 1011

    run(main())


def test_what_clients_send_while_they_wait_is_not_lost(run: Run) -> None:
    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.sleep(0.01)
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"].upper()})

    async def main() -> None:
        async with serving(app) as asgi:
            reader, writer = await asgi.open()
            writer.write(
                b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                b"\x81\x82\0\0\0\0hi\x88\x80\0\0\0\0"
            )
            answer = await asyncio.wait_for(reader.read(), 20)
            writer.close()
            assert answer.startswith(b"HTTP/1.1 101 ")

    run(main())


def test_a_client_that_goes_before_it_is_accepted(run: Run) -> None:
    came = asyncio.Event()
    messages: list[Message] = []
    told: list[BaseException] = []
    ended = asyncio.Event()

    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        messages.append(await receive())
        came.set()
        messages.append(await receive())
        try:
            await send({"type": "websocket.accept"})
        except OSError as exc:
            told.append(exc)
        ended.set()

    async def main() -> None:
        async with serving(app) as asgi:
            _, writer = await asgi.open()
            writer.write(
                b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            await asyncio.wait_for(came.wait(), 20)
            writer.transport.abort()
            await asyncio.wait_for(ended.wait(), 20)
        assert messages[-1] == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        assert isinstance(told[0], ClientDisconnectedError)

    run(main())


def test_the_other_side_never_hears_of_our_exceptions(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as asgi, client(asgi) as ws:
            await ws.send("a")
            assert await ws.recv() == "a"
            with pytest.raises(ConnectionClosed):
                await asyncio.gather(ws.close(4000), ws.recv())

    run(main())
