"""A loop of ours on asyncio's thread: no hop, no lock, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import Bootstrap, ChannelInboundHandler, ServerBootstrap
from pipeline_net.transport.host import AsyncioHost

_WAIT = 20.0


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: Any, msg: bytes) -> None:
        ctx.write(msg)


class Answer(ChannelInboundHandler[bytes]):
    def __init__(self) -> None:
        self.first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def channel_read(self, ctx: Any, msg: bytes) -> None:
        self.first.set_result(msg)  # no lock: this is asyncio's own thread


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    make = asyncio.new_event_loop
    if request.param == "uvloop":
        make = pytest.importorskip("uvloop").new_event_loop

    def run_it(main: Any) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(_WAIT):
                return await main

        with asyncio.Runner(loop_factory=make) as runner:
            return runner.run(bounded())

    return run_it


@pytest.fixture(scope="module", autouse=True)
def _uvloop_has_its_pipe() -> None:
    """The first loop of uvloop opens a pipe for signals that the process keeps."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))


def test_an_asyncio_program_serves_and_connects_on_its_own_thread(run: Callable[[Any], Any]) -> None:
    async def main() -> bytes:
        async with AsyncioHost() as host:
            server = ServerBootstrap(host.loop, initializer=lambda channel: [Echo()]).bind("tcp://127.0.0.1:0")
            answer = Answer()
            channel = await Bootstrap(host.loop, lambda channel: [answer]).connect(server.addresses[0])
            assert host.loop.in_loop
            channel.write(b"hello")  # outside any turn: it leaves with the next one
            return await answer.first

    assert run(main()) == b"hello"


def test_what_is_asked_for_between_turns_needs_no_descriptor(run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        async with AsyncioHost() as host:
            ran = asyncio.Event()
            host.loop.execute(ran.set)
            readable, _, _ = select.select([host.loop.fileno()], [], [], 0)
            assert readable == []  # asyncio was told directly
            await ran.wait()

    run(main())


def test_timers_and_other_threads_wake_it(run: Callable[[Any], Any]) -> None:
    async def main() -> list[str]:
        told: list[str] = []
        done = asyncio.Event()
        async with AsyncioHost() as host:
            host.loop.schedule(60.0, told.append, "never")
            host.loop.schedule(0.001, told.append, "first")
            host.loop.schedule(0.01, told.append, "second")  # counted from here: later, whatever the machine does
            host.loop.schedule(0.01, done.set)
            await done.wait()
            done.clear()
            thread = threading.Thread(target=host.loop.execute, args=(done.set,))
            thread.start()
            await done.wait()
            thread.join()
        return told

    assert run(main()) == ["first", "second"]


def test_tasks_that_add_tasks_go_on_and_let_asyncio_breathe(run: Callable[[Any], Any]) -> None:
    async def main() -> int:
        count = 0

        def again() -> None:
            nonlocal count
            count += 1
            host.loop.execute(again)

        async with AsyncioHost() as host:
            again()
            for _ in range(50):
                await asyncio.sleep(0)
        return count

    assert run(main()) > 10


def test_leaving_it_closes_what_is_open_and_sends_what_was_written(run: Callable[[Any], Any]) -> None:
    class Talker(ChannelInboundHandler[bytes]):
        def channel_active(self, ctx: Any) -> None:
            ctx.write(b"x" * 1_000_000)

    async def main() -> int:
        host = AsyncioHost()
        async with host:
            server = ServerBootstrap(host.loop, initializer=lambda channel: [Talker()]).bind("tcp://127.0.0.1:0")
            port = int(server.addresses[0].rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            first = await reader.readexactly(1)
            rest = asyncio.ensure_future(reader.read())
        assert "stopped" in repr(host)
        host.close()  # again is allowed
        size = len(first + await rest)
        writer.close()
        return size

    assert run(main()) == 1_000_000


def test_it_says_whether_the_last_channel_has_gone(run: Callable[[Any], Any]) -> None:
    async def main() -> None:
        async with AsyncioHost() as host:
            server = ServerBootstrap(host.loop, initializer=lambda channel: [Echo()]).bind("tcp://127.0.0.1:0")
            assert await host.wait_until_empty(1.0)
            channel = await Bootstrap(host.loop, lambda channel: [Echo()]).connect(server.addresses[0])
            assert not await host.wait_until_empty(0.001)
            channel.close()
            assert await host.wait_until_empty(_WAIT)

    run(main())


def test_it_wants_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncioHost()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc")
def test_it_leaves_nothing_open_where_asyncio_cannot_watch_a_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    def watches_nothing(*_: Any) -> None:
        raise NotImplementedError

    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))
        monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", watches_nothing)
        with pytest.raises(NotImplementedError):
            AsyncioHost()
        assert len(os.listdir("/proc/self/fd")) == before

    with asyncio.Runner() as runner:
        runner.run(main())
