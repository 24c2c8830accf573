"""MessageToMessage…: stages that turn messages into other messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Never

from typing_extensions import TypeVar

from .._mypyc import mypyc_attr
from ..handler import ChannelDuplexHandler, ChannelInboundHandler, ChannelOutboundHandler

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture

A = TypeVar("A", contravariant=True, default=Any)
B = TypeVar("B", covariant=True, default=Any)
InA = TypeVar("InA", contravariant=True, default=Any)
InB = TypeVar("InB", covariant=True, default=Any)
OutA = TypeVar("OutA", contravariant=True, default=Any)
OutB = TypeVar("OutB", covariant=True, default=Any)


@mypyc_attr(allow_interpreted_subclasses=True)
class MessageToMessageDecoder(ChannelInboundHandler[A, B, Never], Generic[A, B]):
    """A → B; ``decode`` returns one message, a list of them, or ``None`` for "nothing yet"."""

    def decode(self, ctx: ChannelHandlerContext[Any, Any], msg: A) -> B | list[B] | None:
        """Turn one message into others.  A message that is itself a list must be returned inside a list."""
        raise NotImplementedError(f"{type(self).__name__} must have a method decode(self, ctx, msg)")

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        deliver(ctx, self.decode(ctx, msg))


def deliver(ctx: ChannelHandlerContext[Any, Any], decoded: Any) -> None:
    """Pass on what a ``decode`` returned; if that is nothing, and nobody reads by itself, ask for more."""
    if isinstance(decoded, list):
        for message in decoded:
            ctx.fire_channel_read(message)
        nothing = not decoded
    elif decoded is None:
        nothing = True
    else:
        ctx.fire_channel_read(decoded)
        return
    if nothing and not ctx.channel.auto_read:
        ctx.read()


@mypyc_attr(allow_interpreted_subclasses=True)
class MessageToMessageEncoder(ChannelOutboundHandler[A, B], Generic[A, B]):
    """A → B; ``encode`` returns one message, a list of them, or ``None`` for "nothing to write"."""

    def encode(self, ctx: ChannelHandlerContext[Any, Any], msg: A) -> B | list[B] | None:
        """Turn one message into others.  A message that is itself a list must be returned inside a list."""
        raise NotImplementedError(f"{type(self).__name__} must have a method encode(self, ctx, msg)")

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        put_out(ctx, self.encode(ctx, msg), promise)


def put_out(ctx: ChannelHandlerContext[Any, Any], encoded: Any, promise: ChannelFuture[Any] | None) -> None:
    """Write what an ``encode`` returned."""
    if encoded is None:
        ctx.write_all([], promise)
    elif isinstance(encoded, list):
        ctx.write_all(encoded, promise)
    else:
        ctx.write(encoded, promise)


@mypyc_attr(allow_interpreted_subclasses=True)
class MessageToMessageCodec(ChannelDuplexHandler[InA, InB, OutA, OutB], Generic[InA, InB, OutA, OutB]):
    """InA → InB on the way in, OutA → OutB on the way out."""

    def decode(self, ctx: ChannelHandlerContext[Any, Any], msg: InA) -> InB | list[InB] | None:
        """See ``MessageToMessageDecoder.decode``."""
        raise NotImplementedError(f"{type(self).__name__} must have a method decode(self, ctx, msg)")

    def encode(self, ctx: ChannelHandlerContext[Any, Any], msg: OutA) -> OutB | list[OutB] | None:
        """See ``MessageToMessageEncoder.encode``."""
        raise NotImplementedError(f"{type(self).__name__} must have a method encode(self, ctx, msg)")

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        deliver(ctx, self.decode(ctx, msg))

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        put_out(ctx, self.encode(ctx, msg), promise)
