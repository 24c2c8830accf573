"""Files that an application sends by their path (http.response.pathsend)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Message, Receive, Send, body_of, serving

Run = Callable[[Awaitable[Any]], Any]

_LARGE = bytes(range(256)) * 8192  # 2 MiB


def _sender(path: Path, *, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = (), **start: Any) -> Any:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        assert "http.response.pathsend" in scope["extensions"]
        await send({"type": "http.response.start", "status": status, "headers": headers, **start})
        await send({"type": "http.response.pathsend", "path": str(path)})
        if start.get("trailers"):
            await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]})

    return app


@pytest.mark.parametrize("content", [_LARGE, b"small", b""])
def test_a_file_is_the_body(run: Run, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    async def main() -> None:
        async with serving(_sender(path)) as asgi:
            answer = await asgi.get()
            assert b"content-length: %d\r\n" % len(content) in answer
            assert body_of(answer) == content
            head = await asgi.get(method="HEAD")
            assert b"content-length: %d\r\n" % len(content) in head
            assert body_of(head) == b""

    run(main())


@pytest.mark.parametrize("length", [3, 5])
def test_no_more_is_sent_than_was_announced(run: Run, tmp_path: Path, length: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello")

    async def main() -> None:
        async with serving(_sender(path, headers=((b"content-length", b"%d" % length),))) as asgi:
            assert body_of(await asgi.get()) == b"hello"[:length]

    run(main())


def test_trailers_follow_a_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello")

    async def main() -> None:
        async with serving(_sender(path, trailers=True)) as asgi:
            assert body_of(await asgi.get()) == b"5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n"

    run(main())


def test_a_file_that_is_not_there_is_an_error_of_the_application(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(_sender(tmp_path / "none")) as asgi:
            assert (await asgi.get()).startswith(b"HTTP/1.1 500 ")

    with caplog.at_level(logging.ERROR):
        run(main())
    assert "FileNotFoundError" in caplog.text


def test_a_file_is_closed_when_its_client_goes(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(64 << 20)  # more than kernels keep

    async def main() -> None:
        async with serving(_sender(path)) as asgi:
            _, writer = await asgi.open()
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await writer.drain()
            while not len(asgi.server.channels):
                await asyncio.sleep(0.001)
            writer.transport.abort()
            while len(asgi.server.channels):
                await asyncio.sleep(0.001)

    run(main())  # what is left open, the fixture for every test sees
