"""AppTasks: runs an application's coroutine at once, as a task of asyncio that may never need the loop.

Most requests are answered without waiting for anything: the coroutine runs from its first line to its last in one go.
A task that asyncio schedules costs such a request a round of the loop, and a second batch of work for its response.
So the first step of a task is run here and now, inside the event that brought the request; what it writes leaves with
the same ``send``.  If it waits for something, asyncio goes on with it as with any task.

It is a real ``asyncio.Task`` from the first line on.  Driving the bare coroutine would save about a microsecond, and
break whatever asks for ``asyncio.current_task()``: ``asyncio.timeout``, anyio's task groups and cancel scopes, and
with them Starlette.  A stand-in that is exchanged for a task when the coroutine waits would not do, either: they keep
the task that they began in, and compare.

From Python 3.12 on, that is what ``asyncio.Task(…, eager_start=True)`` does.  Before, a task's constructor hands its
first step to ``loop.call_soon``; here, it is caught on the way.  A task is never begun inside another one's step, for a
thread is in one task at a time: then the loop starts it.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

_HAS_EAGER_TASKS: Final = sys.version_info >= (3, 12)
_NAME: Final = "asgi"  # a name of its own for each would have to be made


class AppTasks:
    """The tasks of one application on one asyncio loop, which must be running.

    Every task begins with the context variables as they are now, and not with those of whatever runs when a request
    comes.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps no reference to them
        self._step: Callable[[], object] | None = None
        self._catches = not _HAS_EAGER_TASKS and hasattr(self._loop, "__dict__")

    def __len__(self) -> int:
        """How many have begun and are not done."""
        return len(self._tasks)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run ``coroutine`` until it waits for something; asyncio does the rest."""
        loop = self._loop
        context = self._context.copy()
        if asyncio.current_task(loop) is not None or loop.get_task_factory() is not None:
            task = loop.create_task(coroutine, name=_NAME, context=context)
        elif sys.version_info >= (3, 12):
            task = asyncio.Task(coroutine, loop=loop, name=_NAME, context=context, eager_start=True)
        elif self._catches:
            task = self._begin(coroutine, context)
        else:
            task = loop.create_task(coroutine, name=_NAME, context=context)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _begin(self, coroutine: Coroutine[Any, Any, None], context: contextvars.Context) -> asyncio.Task[None]:
        """Make a task, and run its first step instead of giving it to the loop."""
        shadow = self._loop.__dict__
        shadow["call_soon"] = self._catch  # an instance's own attribute comes before the method of its class
        try:
            task = asyncio.Task(coroutine, loop=self._loop, name=_NAME, context=context)
        finally:
            del shadow["call_soon"]
        step = self._step
        self._step = None
        assert step is not None, "a task's constructor schedules its first step"
        context.run(step)
        return task

    def _catch(self, step: Callable[[], object], *, context: contextvars.Context | None = None) -> None:
        self._step = step

    async def finish(self, seconds: float, patience: float) -> int:
        """Wait for those that have begun, at most ``seconds``, then cancel the rest, and wait for their end.

        Returns how many were cancelled.
        """
        if self._tasks and seconds > 0:
            await asyncio.wait(self._tasks, timeout=seconds)
        late = list(self._tasks)
        for task in late:
            task.cancel("the server ends")
        if late:
            await asyncio.wait(late, timeout=patience)
        return len(late)
