"""receive() and send(): who waits, who is told, and what becomes of exceptions."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pipeline_net.gateways.errors import ClientDisconnectedError

from .conftest import Message, Receive, Send, serving
from .test_asgi import http_only

Run = Callable[[Awaitable[Any]], Any]


def test_several_may_wait_for_the_same_message_and_one_be_cancelled(run: Run) -> None:
    told: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()

        async def wait(name: str) -> None:
            told.append(f"{name} {(await receive())['type']}")

        tasks = [asyncio.create_task(wait(name)) for name in ("a", "b", "c")]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})
        await asyncio.wait(tasks)

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            await asgi.get()

    run(main())
    assert told == ["a http.disconnect", "c http.disconnect"]


@pytest.mark.parametrize("how", ["raise", "from", "while handling", "in groups"])
def test_what_frameworks_make_of_a_disconnect_is_no_error(run: Run, how: str, caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await receive()
        while True:
            try:
                await send({"type": "http.response.start", "status": 200})
                while True:
                    await send({"type": "http.response.body", "body": b"x", "more_body": True})
                    await asyncio.sleep(0.001)
            except OSError as exc:
                done.set()
                if how == "raise":
                    raise
                if how == "in groups":
                    disconnect = exc
                    break
                if how == "from":
                    raise ValueError("gone") from exc
                raise ValueError("gone")  # noqa: B904 - as frameworks do
        raise BaseExceptionGroup("tasks", [disconnect, ExceptionGroup("tasks", [disconnect])])  # of other tasks

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            _, writer = await asgi.open()
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await asyncio.sleep(0.01)
            writer.transport.abort()
            await done.wait()

    with caplog.at_level(logging.WARNING, "pipeline_net.asgi"):
        run(main())
    assert caplog.records == []


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("begun", [True, False])
def test_an_application_that_stops_because_it_was_told_of_a_disconnect_is_not_blamed(
    run: Run, told: bool, begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    gone, done = asyncio.Event(), asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        if begun:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await gone.wait()
        if told:
            assert (await receive())["type"] == "http.disconnect"
        done.set()

    async def main() -> bytes:
        async with serving(http_only(app)) as asgi:
            reader, writer = await asgi.open()
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            writer.write_eof()  # a client that closes looks the same
            gone.set()
            await done.wait()
            answer = await reader.read()
            writer.close()
            return answer

    with caplog.at_level(logging.WARNING, "pipeline_net.asgi"):
        answer = run(main())
    assert ("has returned before" in caplog.text) is not told
    assert answer.startswith(b"HTTP/1.1 200 " if begun else b"HTTP/1.1 500 ")  # if it is still there
    assert not answer.endswith(b"0\r\n\r\n")


def test_another_error_beside_a_disconnect_is_one(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        raise ExceptionGroup("tasks", [ClientDisconnectedError(), LookupError("a mistake")])

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            assert (await asgi.get()).startswith(b"HTTP/1.1 500 ")

    run(main())
    assert "a mistake" in caplog.text


def test_an_application_that_cancels_itself_is_cut_off(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            assert (await asgi.get()).startswith(b"HTTP/1.1 500 ")

    run(main())
    assert "was cancelled" in caplog.text


@pytest.mark.parametrize("pauses", [False, True])
def test_an_application_that_exits_ends_its_call_and_not_the_server(
    run: Run, pauses: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/exit":
            if pauses:
                await asyncio.sleep(0)
            raise SystemExit(3)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            assert (await asgi.get("/exit")).startswith(b"HTTP/1.1 500 ")
            assert (await asgi.get("/")).startswith(b"HTTP/1.1 200 ")

    run(main())
    gc.collect()  # a task whose exception nobody has asked for complains when it is collected
    assert [record.name for record in caplog.records if record.levelno >= logging.WARNING] == ["pipeline_net.asgi"]
    assert "SystemExit: 3" in caplog.text
