"""wire() and Stack: stages composed with ``>>``, whose neighbours the type checker holds against each other.

::

    wire() >> LineBasedFrameDecoder(1024) >> StringDecoder() >> LineEncoder() >> Chat()
      Stack[bytes, bytes, bytes, bytes]
                └▶ reads bytes, hands bytes up …     └▶ takes str from above, gives bytes below

``Stack[A, B, C, D]`` reads A from below, hands B up, takes C from above and gives D below.  A stage fits on top when it
reads B and writes C; a transparent one only has to read B.  ``on_pool(pool, stage)`` fits where the stage does, and
``>> ("chat", Chat())`` is a stage with a name.  At run time a stack is a list of stages, nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, overload

from typing_extensions import TypeVar

from ._mypyc import mypyc_attr
from .errors import PipelineError
from .handler import (
    ChannelDuplexHandler,
    ChannelHandler,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    TransparentHandler,
)
from .on_pool import StageOnPool
from .pipeline import Stage

if TYPE_CHECKING:
    from .file_region import FileRegion

# What is handed out may be less than promised, what is taken in more: a house may promise Frame and hand up BigFrame.
A = TypeVar("A", contravariant=True, default=Any)
B = TypeVar("B", covariant=True, default=Any)
C = TypeVar("C", contravariant=True, default=Any)
D = TypeVar("D", covariant=True, default=Any)
E = TypeVar("E")
F = TypeVar("F")

Sendable: TypeAlias = "bytes | bytearray | memoryview | FileRegion"  # what a transport can send as it is


@mypyc_attr(allow_interpreted_subclasses=True)
class Stack(Generic[A, B, C, D]):
    """Reads A from below, hands B up; takes C from above, gives D below."""

    def __init__(self, *stages: Stage) -> None:
        self._stages: tuple[Stage, ...] = stages

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The same as ``handlers``, as the tuple that the stack keeps."""
        return self._stages

    @property
    def handlers(self) -> list[Stage]:
        """The stages, from the wire to the application: handlers, or what ``on_pool`` has made of them, or
        ``(name, stage)`` for named ones.
        """
        return list(self._stages)

    def __iter__(self) -> Iterator[Stage]:
        return iter(self._stages)

    def __len__(self) -> int:
        return len(self._stages)

    def __repr__(self) -> str:
        handlers: list[Any] = [stage[1] if isinstance(stage, tuple) else stage for stage in self._stages]
        names = [repr(s) if isinstance(s, StageOnPool) else type(s).__name__ for s in handlers]
        return " >> ".join(["wire()", *names])

    @overload
    def __rshift__(self, stage: Stack[B, E, F, C]) -> Stack[A, E, F, D]: ...
    @overload
    def __rshift__(self, stage: TransparentHandler[B] | StageOnPool[TransparentHandler[B]]) -> Stack[A, B, C, D]: ...
    @overload
    def __rshift__(
        self, stage: ChannelDuplexHandler[B, E, F, C] | StageOnPool[ChannelDuplexHandler[B, E, F, C]]
    ) -> Stack[A, E, F, D]: ...
    @overload
    def __rshift__(
        self, stage: ChannelInboundHandler[B, E, C] | StageOnPool[ChannelInboundHandler[B, E, C]]
    ) -> Stack[A, E, C, D]: ...
    @overload
    def __rshift__(
        self, stage: ChannelOutboundHandler[E, C] | StageOnPool[ChannelOutboundHandler[E, C]]
    ) -> Stack[A, B, E, D]: ...
    @overload
    def __rshift__(
        self, stage: tuple[str, TransparentHandler[B] | StageOnPool[TransparentHandler[B]]]
    ) -> Stack[A, B, C, D]: ...
    @overload
    def __rshift__(
        self, stage: tuple[str, ChannelDuplexHandler[B, E, F, C] | StageOnPool[ChannelDuplexHandler[B, E, F, C]]]
    ) -> Stack[A, E, F, D]: ...
    @overload
    def __rshift__(
        self, stage: tuple[str, ChannelInboundHandler[B, E, C] | StageOnPool[ChannelInboundHandler[B, E, C]]]
    ) -> Stack[A, E, C, D]: ...
    @overload
    def __rshift__(
        self, stage: tuple[str, ChannelOutboundHandler[E, C] | StageOnPool[ChannelOutboundHandler[E, C]]]
    ) -> Stack[A, B, E, D]: ...
    def __rshift__(self, stage: Any) -> Any:
        if isinstance(stage, Stack):
            return _stack_of(self._stages + stage._stages)
        if not isinstance(stage, (ChannelHandler, StageOnPool)) and not _is_named(stage):
            hint = f": did you mean {stage.__name__}()?" if isinstance(stage, type) else ""
            raise PipelineError(
                f"a stage is a ChannelHandler, or (name, handler), and not {stage!r}{hint}; after {self!r}"
            )
        return _stack_of(self._stages + (stage,))  # noqa: RUF005 - with a star, compiled code makes a list in between


def _is_named(stage: object) -> bool:
    return (
        isinstance(stage, tuple)
        and len(stage) == 2
        and isinstance(stage[0], str)
        and isinstance(stage[1], (ChannelHandler, StageOnPool))
    )


def _stack_of(stages: tuple[Stage, ...]) -> Stack[Any, Any, Any, Any]:
    """Make a stack without taking ``stages`` apart for the call; each connection makes several."""
    stack: Stack[Any, Any, Any, Any] = Stack()
    stack._stages = stages
    return stack


_WIRE: Final[Stack[bytes, bytes, Sendable, bytes]] = Stack()  # one for all: a stack never changes


def wire() -> Stack[bytes, bytes, Sendable, bytes]:
    """Begin a stack: below is the wire, which gives ``bytes`` and takes what is like them, or a part of a file."""
    return _WIRE
