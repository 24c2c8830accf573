"""Tasks that begin at once are real ones: asyncio, anyio and Starlette cannot tell the difference."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from pipeline_net.gateways.asgi_tasks import AppTasks

Run = Callable[[Awaitable[Any]], Any]

_color: contextvars.ContextVar[str] = contextvars.ContextVar("color", default="none")


def in_a_callback(run: Run, use: Callable[[AppTasks], None]) -> AppTasks:
    """Call ``use`` as a stage is called: from a callback of the loop, inside no task; then wait for the tasks."""

    async def main() -> AppTasks:
        tasks = AppTasks()
        done = asyncio.get_running_loop().create_future()

        def callback() -> None:
            try:
                use(tasks)
            except BaseException as exc:  # noqa: BLE001 - the test gets it
                done.set_exception(exc)
            else:
                done.set_result(None)

        asyncio.get_running_loop().call_soon(callback)
        await done
        assert await tasks.finish(10.0, 10.0) == 0
        return tasks

    tasks: AppTasks = run(main())
    return tasks


def test_what_waits_for_nothing_is_done_before_start_returns(run: Run) -> None:
    told: list[Any] = []

    async def app() -> None:
        told.append(asyncio.current_task())

    def use(tasks: AppTasks) -> None:
        tasks.start(app())
        assert isinstance(told[0], asyncio.Task)
        assert told[0].done()
        assert len(tasks) == 0
        assert asyncio.current_task() is None

    in_a_callback(run, use)


def test_a_task_stays_the_same_when_it_waits(run: Run) -> None:
    told: list[Any] = []

    async def app() -> None:
        told.append(asyncio.current_task())
        await asyncio.sleep(0)
        told.append(asyncio.current_task())
        async with asyncio.timeout(10):
            await asyncio.sleep(0.001)
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        told.append(asyncio.current_task())

    def use(tasks: AppTasks) -> None:
        tasks.start(app())
        assert len(tasks) == 1
        assert told[0] in asyncio.all_tasks()

    assert len(in_a_callback(run, use)) == 0
    assert told[0] is told[1] is told[2]


def test_timeouts_and_cancel_scopes_that_begin_before_the_first_wait_cut_it_short(run: Run) -> None:
    told: list[str] = []

    async def with_asyncio() -> None:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        except TimeoutError:
            told.append("asyncio")

    async def with_anyio() -> None:
        with anyio.move_on_after(0.001):
            await anyio.sleep(60)
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 60)
            group.cancel_scope.cancel()
        told.append("anyio")

    def use(tasks: AppTasks) -> None:
        tasks.start(with_asyncio())
        tasks.start(with_anyio())

    in_a_callback(run, use)
    assert sorted(told) == ["anyio", "asyncio"]


def test_a_task_that_is_started_inside_another_one_is_begun_by_the_loop(run: Run) -> None:
    told: list[str] = []

    async def inner() -> None:
        told.append("inner")

    async def main() -> None:
        tasks = AppTasks()
        tasks.start(inner())
        told.append("outer")
        assert await tasks.finish(10.0, 10.0) == 0

    run(main())
    assert told == ["outer", "inner"]


def test_context_variables_are_those_of_the_beginning_and_do_not_leak(run: Run) -> None:
    told: list[str] = []

    async def app(color: str) -> None:
        told.append(_color.get())
        _color.set(color)
        await asyncio.sleep(0)
        told.append(_color.get())

    def use(tasks: AppTasks) -> None:
        _color.set("callback")
        tasks.start(app("red"))
        tasks.start(app("blue"))
        assert _color.get() == "callback"

    in_a_callback(run, use)
    assert told == ["none", "none", "red", "blue"]


def test_a_task_factory_is_respected(run: Run) -> None:
    made: list[Any] = []

    def factory(loop: Any, coroutine: Any, **keywords: Any) -> Any:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **keywords)

    async def app() -> None:
        pass

    def use(tasks: AppTasks) -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        tasks.start(app())
        loop.set_task_factory(None)

    in_a_callback(run, use)
    assert len(made) == 1


def test_the_loop_itself_is_as_it_was(run: Run) -> None:
    async def app() -> None:
        await asyncio.sleep(0)

    def use(tasks: AppTasks) -> None:
        loop = asyncio.get_running_loop()
        tasks.start(app())
        assert "call_soon" not in getattr(loop, "__dict__", {})

    in_a_callback(run, use)


def test_what_is_late_is_cancelled_and_counted(run: Run) -> None:
    told: list[str] = []

    async def app() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    async def main() -> None:
        tasks = AppTasks()
        tasks.start(app())
        await asyncio.sleep(0)
        assert await tasks.finish(0.0, 10.0) == 1
        assert await tasks.finish(0.0, 10.0) == 0

    run(main())
    assert told == ["cancelled"]


def test_it_wants_a_running_loop() -> None:
    with pytest.raises(RuntimeError):
        AppTasks()
