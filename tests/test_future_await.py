"""Awaiting a ChannelFuture in a coroutine of asyncio."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from typing import Any, TypeVar

import pytest

from pipeline_net import ChannelFuture, EventLoop
from pipeline_net.future import completed, failed
from pipeline_net.testing import EmbeddedLoop

T = TypeVar("T")


@pytest.fixture
def loop() -> EmbeddedLoop:
    return EmbeddedLoop()


@pytest.fixture
def future(loop: EmbeddedLoop) -> ChannelFuture[int]:
    return ChannelFuture(loop)


def test_a_coroutine_awaits_a_result_that_another_thread_brings() -> None:
    with_thread = EventLoop()
    with_thread.start()

    async def main() -> Any:
        return await with_thread.run_blocking(lambda: 6 * 7)

    try:
        assert asyncio.run(main()) == 42
    finally:
        with_thread.stop()


def test_a_coroutine_awaits_what_is_done_already_without_a_turn_of_the_loop(loop: EmbeddedLoop) -> None:
    async def main() -> tuple[int, str]:
        try:
            await failed(loop, ValueError("no"))
        except ValueError as exc:
            return await completed(loop, 1), str(exc)
        return 0, ""

    assert asyncio.run(main()) == (1, "no")


def test_a_coroutine_is_told_even_when_the_loop_has_stopped() -> None:
    stopped = EventLoop()
    promise: ChannelFuture[int] = ChannelFuture(stopped)
    stopped.stop()

    async def main() -> int:
        asyncio.get_running_loop().call_soon(promise.set_result, 3)
        return await promise + await promise

    assert asyncio.run(main()) == 6


def test_cancelling_the_coroutine_cancels_the_future(future: ChannelFuture[int]) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(_await(future))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert future.cancelled()


@pytest.mark.parametrize("is_taken_on", [True, False])
def test_who_awaits_again_and_again_for_a_moment_leaves_nothing_behind(
    future: ChannelFuture[int], is_taken_on: bool
) -> None:
    if is_taken_on:  # as a close_future is, which no waiter cancels
        future.take_on()

    async def main() -> None:
        for _ in range(5):
            with pytest.raises((TimeoutError, asyncio.CancelledError)):
                await asyncio.wait_for(future, 0.001)

    references = sys.getrefcount(future)
    asyncio.run(main())
    gc.collect()
    assert sys.getrefcount(future) == references


def test_what_was_awaited_is_gone_without_the_garbage_collector(loop: EmbeddedLoop) -> None:
    class Result:
        pass

    async def main() -> None:
        futures: list[ChannelFuture[Result]] = [ChannelFuture(loop) for _ in range(3)]
        done = asyncio.gather(*(_await(future) for future in futures))
        await asyncio.sleep(0)
        for future in futures:
            future.set_result(Result())
        results = [weakref.ref(result) for result in await done]
        del done, future, futures
        await asyncio.sleep(0)
        assert [result() for result in results] == [None, None, None]

    gc.collect()
    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def test_a_cancelled_future_cancels_whoever_awaits_it(future: ChannelFuture[int]) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(_await(future))
        await asyncio.sleep(0)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_coroutine_hears_of_a_failure_that_none_may_raise(future: ChannelFuture[int]) -> None:
    error = StopIteration(7)
    future.set_exception(error)

    async def main() -> None:
        async with asyncio.timeout(10):
            await future

    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        asyncio.run(main())
    assert caught.value.__cause__ is error


def test_completing_for_an_asyncio_loop_that_is_gone_is_logged(
    future: ChannelFuture[int], caplog: pytest.LogCaptureFixture
) -> None:
    host = asyncio.new_event_loop()
    task = host.create_task(_await(future))
    host.call_soon(host.stop)
    host.run_forever()
    host.close()
    assert future.set_result(1)
    assert f"the asyncio loop that awaited {future!r} is closed" in caplog.text
    del task


async def _await(future: ChannelFuture[T]) -> T:
    return await future
