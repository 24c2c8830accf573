"""Lifespan: what an ASGI application does before its first request, and after the last one.

::

    lifespan.startup   ─▶ …the application opens its pools… ─▶ lifespan.startup.complete   requests may come
    lifespan.shutdown  ─▶ …and closes them…                 ─▶ lifespan.shutdown.complete  the server may end

Source: ASGI 3.0, lifespan protocol 2.0
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from ..errors import PipelineError
from .errors import StartupFailedError

logger: Final = logging.getLogger("pipeline_net.asgi")


class Lifespan:
    """One run of an application on one asyncio loop.

    "Lifespans should be executed once per event loop that will be processing requests."

    Args:
        app: the application.
        state: the namespace that it may fill, and of which each request gets a shallow copy.
    """

    def __init__(self, app: Callable[..., Any], state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._task: asyncio.Task[None] | None = None
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._started = asyncio.Event()
        self._ended = asyncio.Event()
        self._refusal: str | None = None  # to start
        self._failure: str | None = None  # to end
        self.is_supported = True
        """Whether the application knows the protocol; "the server must continue" without it."""

    async def startup(self) -> None:
        """Let the application start.

        Raises:
            StartupFailedError: it cannot.
        """
        self._messages.put_nowait({"type": "lifespan.startup"})
        self._task = asyncio.create_task(self._run(), name="lifespan")
        # "A server must wait for this message before it starts processing connections."
        await self._started.wait()
        refusal = self._refusal
        if refusal is not None:
            self._ended.set()  # whatever it still does after its last word is cut off in a moment
            await self.cancel()
            raise StartupFailedError(refusal or "the application cannot start, and does not say why")

    async def shutdown(self, patience: float) -> bool:
        """Let the application clean up, for at most ``patience`` seconds; says whether it has."""
        task = self._task
        if task is None or not self.is_supported:
            return True
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        try:
            # "A server must wait for this message before terminating."
            async with asyncio.timeout(patience):
                await self._ended.wait()
        except TimeoutError:
            logger.error("the application does not finish its shutdown in %g s, and is cut off", patience)
            self._failure = "it took too long"
        await self.cancel()
        if self._failure is None:
            return True
        logger.error("the application has failed to shut down: %s", self._failure)
        return False

    async def cancel(self) -> None:
        """End the task, whatever it does; again is allowed."""
        task = self._task
        if task is None:
            return
        self._task = None
        if not self._ended.is_set():
            task.cancel()
        await asyncio.wait([task], timeout=_PATIENCE)
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_PATIENCE)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, self._messages.get, self._take)
        except Exception as exc:
            if self._started.is_set():
                if self._failure is None and self._refusal is None:
                    self._failure = repr(exc)
                    logger.error("the application's lifespan raised", exc_info=exc)
            else:
                # "If an exception is raised when calling the application callable with a lifespan.startup message or a
                # scope with type lifespan, the server must continue but not send any lifespan events."
                self.is_supported = False
                logger.info("the application does without lifespan events: %r", exc)
        else:
            if not self._started.is_set():
                self.is_supported = False
        finally:
            self._started.set()
            self._ended.set()

    async def _take(self, message: Any) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete" and not self._started.is_set():
            self._started.set()
        elif kind == "lifespan.startup.failed" and not self._started.is_set():
            # "If a server sees this it should log/print the message provided and then exit."
            self._refusal = str(message.get("message", ""))
            self._started.set()
        elif kind == "lifespan.shutdown.complete" and self._started.is_set():
            self._ended.set()
        elif kind == "lifespan.shutdown.failed" and self._started.is_set():
            self._failure = str(message.get("message", "")) or "it does not say why"
            self._ended.set()
        else:
            raise PipelineError(f"the application sent {kind!r} out of turn")


_PATIENCE: Final = 5.0  # seconds for a task that was told to end
