"""Serves applications inside the test: on a loop of asyncio's or uvloop's, or on a pool."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net.bootstrap import Server
from pipeline_net.gateways.asgi_server import AsgiOptions, loop_factory, serve_asgi
from pipeline_net.gateways.wsgi_server import WsgiOptions, run_wsgi

_WAIT = 20.0  # seconds; on a busy machine

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Asgi:
    """A server for one application, and a client that speaks bytes."""

    def __init__(self, port: int, server: Server) -> None:
        self.port = port
        self.server = server
        self.stop = asyncio.Event()

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request: bytes) -> bytes:
        """Send a request that ends the connection; return the whole answer, without its Date."""
        reader, writer = await self.open()
        try:
            writer.write(request)
            async with asyncio.timeout(_WAIT):
                answer = await reader.read()
        finally:
            writer.close()
        return without_date(answer)

    async def get(self, target: str = "/", *headers: str, method: str = "GET") -> bytes:
        lines = [f"{method} {target} HTTP/1.1", "host: x", "connection: close", *headers, "", ""]
        return await self.ask("\r\n".join(lines).encode())

    async def post(self, body: bytes, target: str = "/", *headers: str) -> bytes:
        lines = [
            f"POST {target} HTTP/1.1",
            "host: x",
            "connection: close",
            f"content-length: {len(body)}",
            *headers,
            "",
            "",
        ]
        return await self.ask("\r\n".join(lines).encode() + body)


def without_date(answer: bytes) -> bytes:
    lines = answer.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(b"date: "))


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


@asynccontextmanager
async def serving(app: Any, options: AsgiOptions | None = None) -> AsyncIterator[Asgi]:
    """Serve ``app`` on the running loop; when it is left, the server must have ended in good order."""
    ready: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.ensure_future(
        serve_asgi(
            app,
            "tcp://127.0.0.1:0",
            options=AsgiOptions(patience=_WAIT) if options is None else options,
            ready=ready.set_result,
            stop=stop,
        )
    )
    await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await task
    server = ready.result()
    asgi = Asgi(int(server.addresses[0].rpartition(":")[2]), server)
    asgi.stop = stop
    try:
        yield asgi
    finally:
        stop.set()
        assert await task


@pytest.fixture(scope="session", autouse=True)
def _uvloop_has_its_pipe() -> None:
    """The first loop of uvloop opens a pipe for signals that the process keeps."""
    try:
        make = loop_factory("uvloop")
    except ValueError:
        return  # it is not installed
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(asyncio.sleep(0))


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[Any]], Any]:
    """Run a coroutine on one kind of event loop, and then on the other."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")

    def run_it(main: Awaitable[Any]) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(_WAIT * 2):
                return await main

        with asyncio.Runner(loop_factory=loop_factory(request.param)) as runner:
            return runner.run(bounded())

    return run_it


@contextmanager
def serving_wsgi(app: Any, **keywords: Any) -> Iterator[int]:
    """Serve a WSGI application in a thread; gives its port, or 0 for a Unix socket."""
    ready: SimpleQueue[Any] = SimpleQueue()
    stop: SimpleQueue[None] = SimpleQueue()
    options = keywords.pop("options", None) or WsgiOptions(patience=_WAIT)

    def serve() -> None:
        try:
            run_wsgi(
                app,
                keywords.pop("address", "tcp://127.0.0.1:0"),
                threads=keywords.pop("threads", 4),
                options=options,
                ready=lambda server: ready.put(server.addresses[0]),
                stop=stop,
            )
        except BaseException as exc:
            ready.put(exc)
            raise

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        address = ready.get(timeout=_WAIT)
        assert isinstance(address, str), address
        yield int(address.rpartition(":")[2]) if not address.startswith("unix") else 0
    finally:
        stop.put(None)
        thread.join(_WAIT)
    assert not thread.is_alive()
