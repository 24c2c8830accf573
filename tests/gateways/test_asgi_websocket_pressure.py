"""WebSockets of ASGI applications that receive late, or not at all, and of clients that do not read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pipeline_net.gateways.asgi_server import AsgiOptions
from pipeline_net.gateways.asgi_websocket import WebSocketOptions
from pipeline_net.gateways.errors import ClientDisconnectedError

from .conftest import Message, Receive, Send, serving
from .test_asgi_websocket import client, websocket_only

Run = Callable[[Awaitable[Any]], Any]


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


@pytest.mark.parametrize("returns", [False, True])
def test_what_was_never_received_does_not_stand_in_the_way_of_the_end(run: Run, returns: bool) -> None:
    """The client's Close is behind messages that nobody wants: it is heard all the same."""
    go_on = asyncio.Event()

    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go_on.wait()
        if not returns:
            await send({"type": "websocket.close", "code": 4000})

    async def main() -> None:
        options = AsgiOptions(websocket=WebSocketOptions(close_timeout=60.0))
        async with serving(app, options) as asgi:
            ws = await client(asgi, compression=None, close_timeout=60)
            for _ in range(20):
                await ws.send(bytes(10_000))
            await asyncio.sleep(0.05)  # so that the server has them, and has stopped decoding
            go_on.set()
            await asyncio.wait_for(ws.wait_closed(), 20)
            assert ws.close_code == (1000 if returns else 4000)

    run(main())


@pytest.mark.parametrize("unreceived", [0, 20])
@pytest.mark.parametrize("leaves", ["with a Close", "with its socket", "with a reset"])
def test_who_never_receives_is_told_of_a_lost_client_by_send(run: Run, unreceived: int, leaves: str) -> None:
    """ASGI: "the server should raise a server-specific subclass of OSError"."""
    told: list[BaseException] = []
    ended = asyncio.Event()

    @websocket_only
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": "tick"})
                await asyncio.sleep(0.01)
        except OSError as exc:
            told.append(exc)
        await send({"type": "websocket.close"})  # which is no mistake
        ended.set()

    async def main() -> None:
        options = AsgiOptions(websocket=WebSocketOptions(keepalive=None))
        async with serving(app, options) as asgi:
            ws = await client(asgi, compression=None, close_timeout=0.1)
            for _ in range(unreceived):
                await ws.send(bytes(10_000))
            if leaves == "with a Close":
                await ws.close()
            elif leaves == "with its socket":
                ws.transport.close()
            else:
                ws.transport.abort()
            await asyncio.wait_for(ended.wait(), 20)
        assert isinstance(told[0], ClientDisconnectedError)

    run(main())
