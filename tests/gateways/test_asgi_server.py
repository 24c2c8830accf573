"""A server for an ASGI application, from its lifespan to the last response."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pipeline_net.gateways.asgi_server import AsgiOptions, loop_factory, run_asgi, serve_asgi
from pipeline_net.gateways.errors import StartupFailedError

from .conftest import Message, Receive, Send, serving

Run = Callable[[Awaitable[Any]], Any]

_GET = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
_OK = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}


class App:
    """Counts what is done to it; answers with the name of its thread's state."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.events.append("startup")
            scope["state"]["thread"] = threading.get_ident()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.events.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            return
        assert scope["state"]["thread"] == threading.get_ident()
        try:
            if scope["path"] == "/slow":
                self.events.append("slow")
                await self.go_on.wait()
            await send(_OK)
            await send({"type": "http.response.body", "body": b"done"})
        except asyncio.CancelledError:
            self.events.append("cancelled")
            raise


def _ask(address: str, request: bytes = _GET) -> bytes:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(request)
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    return received


def test_a_request_under_way_is_finished_and_then_the_application_ends(run: Run) -> None:
    app = App()

    async def main() -> None:
        async with serving(app) as asgi:
            reader, writer = await asgi.open()
            _, idle = await asgi.open()
            writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
            while "slow" not in app.events:
                await asyncio.sleep(0.001)
            asgi.stop.set()
            await asyncio.sleep(0.01)
            with pytest.raises(OSError):  # noqa: PT011 - refused, or reset: nobody listens
                await asgi.open()
            assert app.events == ["startup", "slow"]
            app.go_on.set()
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"done")
            assert b"connection: close" in answer
            writer.close()
            idle.close()

    run(main())
    assert app.events == ["startup", "slow", "shutdown"]


def test_patience_ends_and_what_is_late_is_cancelled(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    async def main() -> None:
        async with serving(app, AsgiOptions(patience=0.01)) as asgi:
            reader, writer = await asgi.open()
            writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
            while "slow" not in app.events:
                await asyncio.sleep(0.001)
            asgi.stop.set()
            assert (await reader.read()).startswith(b"HTTP/1.1 500 ")
            writer.close()

    with caplog.at_level(logging.WARNING, "pipeline_net.asgi"):
        run(main())
    assert app.events == ["startup", "slow", "cancelled", "shutdown"]
    assert "was cancelled" in caplog.text


def test_whoever_is_in_a_hurry_need_not_wait(run: Run) -> None:
    app = App()

    async def main() -> None:
        stop, hurry = asyncio.Event(), asyncio.Event()
        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        options = AsgiOptions(patience=1000)
        task = asyncio.ensure_future(
            serve_asgi(app, "tcp://127.0.0.1:0", options=options, ready=ready.set_result, stop=stop, hurry=hurry)
        )
        port = int((await ready).addresses[0].rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        while "slow" not in app.events:
            await asyncio.sleep(0.001)
        stop.set()
        hurry.set()
        assert await task
        writer.close()

    run(main())
    assert app.events[-2:] == ["cancelled", "shutdown"]


def test_an_application_that_cannot_start_stops_the_server(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(StartupFailedError, match="no database"):
        run(serve_asgi(app, "tcp://127.0.0.1:0"))
    with pytest.raises(StartupFailedError, match="no database"):
        run_asgi(app, "tcp://127.0.0.1:0", event_loop="asyncio")


def test_an_address_that_is_taken_ends_the_application_in_good_order(run: Run) -> None:
    app = App()
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="cannot bind"):
        run(serve_asgi(app, f"tcp://127.0.0.1:{other.getsockname()[1]}"))
    assert app.events == ["startup", "shutdown"]


@pytest.mark.parametrize("loops", [1, 2])
def test_run_asgi_serves_until_a_signal(loops: int) -> None:
    app = App()
    answers: list[bytes] = []

    def ready(addresses: list[str]) -> None:
        def client() -> None:
            answers.extend(_ask(addresses[0]) for _ in range(8))
            os.kill(os.getpid(), signal.SIGTERM)

        threads.append(threading.Thread(target=client))
        threads[0].start()

    threads: list[threading.Thread] = []
    assert run_asgi(app, "tcp://127.0.0.1:0", loops=loops, event_loop="asyncio", ready=ready)
    threads[0].join(10)
    assert len(answers) == 8
    assert all(answer.endswith(b"done") for answer in answers)
    assert app.events == ["startup"] * loops + ["shutdown"] * loops


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="only TCP"):
        run_asgi(App(), "unix:///tmp/x.sock", loops=2)
    with pytest.raises(ValueError, match="auto, asyncio or uvloop"):
        loop_factory("trio")
    with pytest.raises(ValueError, match="root path"):
        AsgiOptions(root_path="x")
