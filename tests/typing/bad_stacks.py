"""Stacks whose neighbours do not fit, and handlers that break their own head.

Read by ``tests/test_stack.py``: mypy and pyright must both reject every line marked ``# E`` and no other.
"""

from __future__ import annotations

from typing import Any, Never

from pipeline_net import (
    ByteToMessageDecoder,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    FileRegion,
    MessageToByteEncoder,
    MessageToMessageDecoder,
    ReceiveBuffer,
    Stack,
    TransparentHandler,
    WorkerPool,
    on_pool,
    wire,
)
from pipeline_net.codecs import websocket
from pipeline_net.handlers import IdleStateHandler, TrafficShapingHandler


class Frame:
    """A message of some protocol."""


class BigFrame(Frame):
    """A frame, but not every frame is one."""


class LineDecoder(ByteToMessageDecoder[bytes]): ...


class TextDecoder(MessageToMessageDecoder[bytes, str]): ...


class TextEncoder(ChannelOutboundHandler[str, bytes]): ...


class FrameDecoder(ByteToMessageDecoder[Frame]): ...


class BigFrameEncoder(MessageToByteEncoder[BigFrame]): ...


class Chat(ChannelInboundHandler[str, Never, str]): ...


class Echo(ChannelInboundHandler[bytes, Never, bytes]): ...


class TakesBigFrames(ChannelInboundHandler[BigFrame, Never, Never]): ...


class TakesAndWritesFrames(ChannelInboundHandler[Frame, Never, Frame]): ...


class ReadsFragments(ChannelInboundHandler[websocket.Fragment, Never, Never]): ...


class SendsFiles(ChannelInboundHandler[bytes, Never, FileRegion]): ...


class Tls(ChannelDuplexHandler[bytes, bytes, bytes, bytes]): ...


class Watches(TransparentHandler): ...


class WatchesBytes(TransparentHandler[bytes]): ...


def use(stack: object) -> None:
    """Take a stack, whatever its types."""


pool = WorkerPool()
use(wire() >> Chat())  # E: bytes are not str
use(wire() >> on_pool(pool, Chat()))  # E: bytes are not str, wherever it runs
use(wire() >> ("chat", on_pool(pool, Chat())))  # E: nor whatever it is called
use(wire() >> on_pool(pool, TextDecoder()) >> on_pool(pool, Chat()))  # E: its str is not turned into bytes
use(wire() >> on_pool(pool, TextDecoder()) >> TextEncoder() >> on_pool(pool, Echo()))  # E: str comes, not bytes
use(wire() >> on_pool(pool, TextEncoder()) >> on_pool(pool, TextEncoder()))  # E: the lower one takes str
use(wire() >> on_pool(pool, TextDecoder()) >> on_pool(pool, WatchesBytes()))  # E: it watches bytes, and str comes
use(wire() >> on_pool(pool, LineDecoder))  # E: a class is no stage, on a pool either
use(wire() >> on_pool(LineDecoder(), LineDecoder()))  # E: a stage is no pool
use(wire() >> LineDecoder() >> Chat())  # E: bytes are not str
use(wire() >> LineDecoder() >> TextDecoder() >> Chat())  # E: nobody turns its str into bytes
use(wire() >> LineDecoder() >> TextEncoder() >> Chat())  # E: nobody turns bytes into str
use(wire() >> LineDecoder() >> TextDecoder() >> TextEncoder() >> Echo())  # E: it reads bytes, and str comes
use(wire() >> TextDecoder() >> LineDecoder())  # E: a decoder of bytes, above one that makes str
use(wire() >> TextEncoder() >> TextEncoder())  # E: the upper one gives bytes to the lower one, which takes str
use(wire() >> FrameDecoder() >> TakesBigFrames())  # E: not every Frame is a BigFrame
use(wire() >> FrameDecoder() >> BigFrameEncoder() >> TakesAndWritesFrames())  # E: the encoder takes BigFrames only
use(wire() >> Tls() >> SendsFiles())  # E: the kernel cannot send a file through TLS
use(wire() >> TextDecoder() >> Tls())  # E: TLS reads bytes, and str comes
use(wire() >> TextEncoder() >> Tls())  # E: TLS gives bytes to an encoder that takes str
use(wire() >> LineDecoder)  # E: a class is no stage
use(wire() >> "LineDecoder")  # E: a name is no stage
use(wire() >> None)  # E: nothing is no stage
use(wire() >> (wire() >> LineDecoder() >> TextDecoder()) >> Echo())  # E: stacks are held to the same rules
use(wire() >> TextDecoder() >> (wire() >> LineDecoder()))  # E: a stack that reads bytes, above one that makes str
use(wire() >> Watches() >> Chat())  # E: what watches does not turn bytes into str
use(wire() >> LineDecoder() >> TextDecoder() >> Watches() >> TextEncoder() >> Watches() >> Echo())  # E: str comes
use(wire() >> TextDecoder() >> Watches() >> Chat())  # E: nobody turns its str into bytes
use(wire() >> TextDecoder() >> WatchesBytes())  # E: it watches bytes, and str comes
use(wire() >> TextDecoder() >> TrafficShapingHandler(read=1e6))  # E: it shapes bytes, and str comes
use(wire() >> LineDecoder() >> IdleStateHandler(reader=60) >> Chat())  # E: whoever is idle, bytes are not str
use(websocket.protocol_stages("server") >> Chat())  # E: it reads str, and bytes may come as well
use(websocket.protocol_stages("server") >> ReadsFragments())  # E: it reads fragments, and whole messages come

not_what_it_is: Stack[bytes, Never, bytes, bytes] = wire() >> TextEncoder()  # E: it takes str, and hands up bytes
sees_all_types: Stack[bytes, BigFrame, Never, bytes] = wire() >> FrameDecoder()  # E: hands up any Frame


def a_house() -> Stack[bytes, str, str, bytes]:
    return wire() >> LineDecoder() >> TextEncoder()  # E: bytes are handed up, not str


class WritesWhatItMustNot(ChannelInboundHandler[str, Never, str]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, str], msg: str) -> None:
        ctx.write(msg.encode())  # E: its head says str
        ctx.fire_channel_read(msg)  # E: its head says that it passes nothing on
        ctx.write_and_flush(1)  # E: its head says str


class ForgetsTheContext(ChannelInboundHandler[str, Never, str]):
    def channel_read(self, msg: str) -> None:  # E: an event comes with its context
        print(msg)


class AsyncHandler(ChannelInboundHandler[str, Never, str]):
    async def channel_read(self, ctx: ChannelHandlerContext, msg: str) -> None:  # E: nobody would await it
        ctx.write(msg)


class ReturnsSomethingElse(ByteToMessageDecoder[bytes]):
    def decode(self, buffer: ReceiveBuffer) -> str | None:  # E: its head says bytes
        return None


class EncodesToText(MessageToByteEncoder[str]):
    def encode(self, msg: str) -> str:  # E: bytes leave an encoder
        return msg


class TakesNoPromise(ChannelOutboundHandler[bytes, bytes]):
    def write(self, ctx: ChannelHandlerContext, msg: bytes) -> None:  # E: a write comes with a promise, or None
        ctx.write(msg)


class InventsAContext(ChannelOutboundHandler[bytes, bytes]):
    def write(self, ctx: ChannelHandlerContext, msg: bytes, promise: ChannelFuture[Any] | None) -> None:
        ctx.write_later(msg)  # E: there is no such thing


class ReadsOnlyText(ChannelInboundHandler[str, Never, str]): ...


websocket.server_stack() >> ReadsOnlyText()  # E: a binary message may come
websocket.server_stack(messages=False) >> ReadsOnlyText()  # E: parts come
wire() >> ("text", ReadsOnlyText())  # E: bytes come, with or without a name
