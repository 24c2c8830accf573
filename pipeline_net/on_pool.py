"""on_pool(): a stage that is to run on a pool, as something that a stack and a pipeline take like any other stage."""

from __future__ import annotations

from typing import Any, Generic, Protocol

from typing_extensions import TypeVar

from .errors import PipelineError
from .handler import ChannelHandler

Handler = TypeVar("Handler", bound=ChannelHandler)
Kept = TypeVar("Kept", bound=ChannelHandler, covariant=True, default=Any)


class Executor(Protocol):
    """What takes the events of a stage: a ``WorkerPool``, or a pool of ``concurrent.futures``.

    One that may be full should have a ``submit_anyway``, too, like ``WorkerPool``.
    """

    def submit(self, fn: Any, /, *args: Any) -> Any:
        """Run ``fn(*args)`` on some thread, soon."""


class StageOnPool(Generic[Kept]):
    """A stage, and the pool on which its events are to run; made by ``on_pool``."""

    def __init__(self, executor: Executor, handler: Kept) -> None:
        self.executor = executor
        self.handler = handler

    def __repr__(self) -> str:
        return f"on_pool({type(self.handler).__name__})"


def on_pool(executor: Executor, stage: Handler) -> StageOnPool[Handler]:
    """Let the events of a stage run on a pool, where they may block; a type checker sees the stage through it.

    ::

        wire() >> LineBasedFrameDecoder(1024) >> on_pool(pool, Lookup()) >> Answer()
        pipeline.add_last(("lookup", on_pool(pool, Lookup())), Answer())

    Events run one at a time and in order for each channel; what the stage writes or fires comes back to the loop by
    itself.

    Args:
        executor: a ``WorkerPool``, or anything with ``submit(fn, *args)``.

    Raises:
        PipelineError: the stage is no handler, or the pool is none.
    """
    given: Any = stage
    if not isinstance(given, ChannelHandler):
        hint = f": did you mean {given.__name__}()?" if isinstance(given, type) else ""
        raise PipelineError(f"a stage is a ChannelHandler, not {given!r}{hint}")
    if not hasattr(executor, "submit"):
        raise PipelineError(f"a pool has submit(fn, *args), which {executor!r} has not")
    return StageOnPool(executor, stage)
