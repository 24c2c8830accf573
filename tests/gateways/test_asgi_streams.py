"""Bodies in both directions as they come, at the pace of the slower side; and clients that go away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pipeline_net.codecs.http import Limits
from pipeline_net.gateways.asgi_server import AsgiOptions
from pipeline_net.gateways.errors import ClientDisconnectedError

from .conftest import Message, Receive, Send, serving
from .test_asgi import GET, HELLO, echo, hello, http_only

Run = Callable[[Awaitable[Any]], Any]


def test_a_body_comes_as_it_arrives(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as asgi:
            reader, writer = await asgi.open()
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
            writer.write(b"5\r\nfirst\r\n")
            head = await reader.readuntil(b"first\r\n")
            assert head.endswith(b"\r\n\r\n5\r\nfirst\r\n")
            writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
            assert await reader.read() == b"6\r\nsecond\r\n0\r\n\r\n"
            writer.close()

    run(main())


def test_an_upload_that_nobody_reads_waits_at_the_client(run: Run) -> None:
    go_on = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await go_on.wait()
        count, more = 0, True
        while more:
            message = await receive()
            count += len(message["body"])
            more = message["more_body"]
            assert len(message["body"]) <= 4 * 65536
        await send(HELLO)
        await send({"type": "http.response.body", "body": str(count).encode()})

    size = 32 * 1024 * 1024

    async def main() -> None:
        options = AsgiOptions(limits=Limits(max_body=size), patience=10)
        async with serving(http_only(app), options) as asgi:
            reader, writer = await asgi.open()
            writer.write(f"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n".encode())
            writer.write(bytes(size))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await writer.drain()
            (channel,) = asgi.server.channels
            assert not channel.wants_to_read
            assert writer.transport.get_write_buffer_size() > size // 2
            go_on.set()
            assert (await reader.read()).endswith(b"\r\n\r\n%d" % size)
            writer.close()

    run(main())


def test_send_waits_while_the_client_does_not_read(run: Run) -> None:
    sent = 0

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(HELLO)
        for _ in range(1024):
            await send({"type": "http.response.body", "body": bytes(32768), "more_body": True})
            sent += 32768
        await send({"type": "http.response.body"})

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            reader, writer = await asgi.open()
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            await reader.readexactly(1)
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.05)
            assert sent < 16 * 1024 * 1024  # the rest of it waits in the application
            rest = await reader.read()
            assert rest.endswith(b"\r\n0\r\n\r\n")
            assert sent == 1024 * 32768
            writer.close()

    run(main())


def test_a_client_that_goes_away_is_told_to_the_application(run: Run) -> None:
    told: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        told.append((await receive())["type"])
        told.append((await receive())["type"])
        if scope["path"] == "/send":
            try:
                while True:
                    await send(HELLO) if len(told) == 2 else None
                    told.append("")
                    await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
                    await asyncio.sleep(0.001)
            except ClientDisconnectedError as exc:
                told[2:] = [type(exc)]
                raise

    async def main(target: bytes) -> None:
        told.clear()
        async with serving(http_only(app)) as asgi:
            _, writer = await asgi.open()
            writer.write(b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % target)
            while not told:
                await asyncio.sleep(0.001)
            writer.transport.abort()
            while len(asgi.server.channels):
                await asyncio.sleep(0.001)

    run(main(b"/"))
    assert told == ["http.request", "http.disconnect"]
    run(main(b"/send"))
    assert told == ["http.request", "http.disconnect", ClientDisconnectedError]


def test_a_client_that_only_shuts_its_side_still_gets_its_response(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"  # it will ask for nothing more
        await hello(scope, receive, send)

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            reader, writer = await asgi.open()
            writer.write(GET)
            writer.write_eof()
            assert (await reader.read()).endswith(b"\r\n\r\nhello")
            writer.close()

    run(main())
