"""Stacks whose neighbours fit, and handlers as users write them.  Both checkers must accept every line.

Read by ``tests/test_stack.py``, which gives this file to mypy and to pyright.  ``# R:`` says what they must reveal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any, ClassVar, Never, assert_type, reveal_type

from pipeline_net import (
    ByteToMessageDecoder,
    Channel,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    ChannelPipeline,
    FileRegion,
    MessageToByteEncoder,
    MessageToMessageCodec,
    MessageToMessageDecoder,
    MessageToMessageEncoder,
    ReceiveBuffer,
    Stack,
    TransparentHandler,
    WorkerPool,
    on_pool,
    wire,
)
from pipeline_net.codecs import http, websocket
from pipeline_net.handlers import (
    ChunkedWriteHandler,
    FlowControlHandler,
    IdleStateHandler,
    IpFilterHandler,
    LoggingHandler,
    ProxyProtocolDecoder,
    ProxyProtocolEncoder,
    SniffHandler,
    TrafficShapingHandler,
    probes,
)


class Frame:
    """A message of some protocol."""


class BigFrame(Frame):
    """A frame is asked for, and this is one."""


class LineDecoder(ByteToMessageDecoder[bytes]):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        end = buffer.find(b"\n")
        return None if end < 0 else buffer.take(end + 1)


class TextDecoder(MessageToMessageDecoder[bytes, str]):
    def decode(self, ctx: ChannelHandlerContext[Any, Any], msg: bytes) -> str:
        return msg.decode()


class TextEncoder(MessageToMessageEncoder[str, bytes]):
    def encode(self, ctx: ChannelHandlerContext[Any, Any], msg: str) -> list[bytes]:
        return [msg.encode()]


class TextCodec(MessageToMessageCodec[bytes, str, str, bytes]):
    def decode(self, ctx: ChannelHandlerContext[Any, Any], msg: bytes) -> str | list[str] | None:
        return msg.decode()

    def encode(self, ctx: ChannelHandlerContext[Any, Any], msg: str) -> bytes | list[bytes] | None:
        return msg.encode()


class FrameDecoder(ByteToMessageDecoder[BigFrame]):
    def decode(self, buffer: ReceiveBuffer) -> BigFrame | None:
        return BigFrame() if buffer.take_all() else None


class FrameEncoder(MessageToByteEncoder[Frame]):
    def encode(self, msg: Frame) -> bytes | list[bytes]:
        return b"frame"


class Chat(ChannelInboundHandler[str, Never, str]):
    """The head that users write most, with a context that says the same again."""

    shareable: ClassVar[bool] = True

    def channel_active(self, ctx: ChannelHandlerContext[Never, str]) -> None:
        ctx.write("welcome")

    def channel_read(self, ctx: ChannelHandlerContext[Never, str], msg: str) -> None:
        ctx.write_and_flush(msg.upper(), ctx.new_promise())


class BareChat(ChannelInboundHandler[str, Never, str]):
    """The same, by somebody who writes no brackets."""

    def channel_read(self, ctx: ChannelHandlerContext, msg: str) -> None:
        ctx.write(msg.upper())

    def exception_caught(self, ctx: ChannelHandlerContext, exc: BaseException) -> None:
        ctx.close()


class Echo(ChannelInboundHandler[bytes, Never, bytes]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, bytes], msg: bytes) -> None:
        ctx.write(msg)


class SendsFiles(ChannelInboundHandler[bytes, Never, bytes | FileRegion]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, bytes | FileRegion], msg: bytes) -> None:
        ctx.write(b"header")
        ctx.write(FileRegion(BytesIO(b"body")))


class SendsPieces(ChannelInboundHandler[bytes, Never, bytes | Iterator[bytes]]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, bytes | Iterator[bytes]], msg: bytes) -> None:
        ctx.write(b"header")
        ctx.write(b"piece" for _ in range(9))


class SendsViews(ChannelInboundHandler[bytes, Never, memoryview | bytearray]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, memoryview | bytearray], msg: bytes) -> None:
        ctx.write(memoryview(msg))


class Listens(ChannelInboundHandler[bytes]):
    """The defaults: passes nothing on, and may write anything."""

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        print(msg)


class Untyped(ChannelInboundHandler):
    def channel_read(self, ctx: ChannelHandlerContext, msg: Any) -> None:
        ctx.fire_channel_read(msg)


class TakesFrames(ChannelInboundHandler[Frame, Never, BigFrame]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, BigFrame], msg: Frame) -> None:
        ctx.write(BigFrame())


class Counts(ChannelDuplexHandler[bytes, bytes, bytes, bytes]):
    def write(self, ctx: ChannelHandlerContext[bytes, bytes], msg: bytes, promise: ChannelFuture[Any] | None) -> None:
        ctx.write(msg, promise)

    def channel_read(self, ctx: ChannelHandlerContext[bytes, bytes], msg: bytes) -> None:
        ctx.fire_channel_read(msg)


class Watches(TransparentHandler):
    """Sits anywhere; the stack around it stays what it was."""

    def channel_read(self, ctx: ChannelHandlerContext, msg: Any) -> None:
        ctx.fire_channel_read(msg)


class WatchesBytes(TransparentHandler[bytes]):
    def write(self, ctx: ChannelHandlerContext, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        ctx.write(msg, promise)


class Prepender(ChannelOutboundHandler[bytes, bytes]):
    def write(self, ctx: ChannelHandlerContext[Never, bytes], msg: bytes, promise: ChannelFuture[Any] | None) -> None:
        ctx.write(b"\0", None)
        ctx.write(msg, promise)


def a_house() -> Stack[bytes, Frame, BigFrame, bytes]:
    """Promises less than it gives, and asks for less than it could take."""
    return wire() >> FrameDecoder() >> FrameEncoder()


pool = WorkerPool()
echo = wire() >> Echo()
chat = wire() >> LineDecoder() >> TextDecoder() >> TextEncoder() >> Chat()
reveal_type(chat)  # R: Stack[bytes, Never, str, bytes]
assert_type(chat, Stack[bytes, Never, str, bytes])
bare_chat = wire() >> LineDecoder() >> TextCodec() >> BareChat()
assert_type(wire() >> LineDecoder() >> TextCodec(), Stack[bytes, str, str, bytes])
reveal_type(wire() >> LineDecoder() >> TextDecoder() >> TextEncoder())  # R: Stack[bytes, str, str, bytes]
encoder_first = wire() >> TextEncoder() >> LineDecoder() >> TextDecoder() >> Chat()
files = wire() >> SendsFiles()
views = wire() >> SendsViews()
listens = wire() >> LineDecoder() >> Listens()
untyped = wire() >> LineDecoder() >> Untyped() >> Listens()
subclasses = wire() >> FrameDecoder() >> FrameEncoder() >> TakesFrames()
counted = wire() >> Counts() >> LineDecoder() >> Prepender() >> Counts() >> Echo()
watched = (
    wire() >> WatchesBytes() >> Watches() >> LineDecoder() >> Watches() >> TextDecoder() >> TextEncoder() >> Watches()
)
assert_type(watched, Stack[bytes, str, str, bytes])
reveal_type(watched)  # R: Stack[bytes, str, str, bytes]
watched_chat = watched >> Chat()
ready_made = (
    wire()
    >> ProxyProtocolDecoder(["10.0.0.0/8"])
    >> IpFilterHandler(deny=["192.0.2.0/24"])
    >> TrafficShapingHandler(read=1e6)
    >> LineDecoder()
    >> FlowControlHandler()
    >> TextDecoder()
    >> TextEncoder()
    >> LoggingHandler()
    >> IdleStateHandler(reader=60)
)
assert_type(ready_made, Stack[bytes, str, str, bytes])
reveal_type(ready_made)  # R: Stack[bytes, str, str, bytes]
pooled_codec = wire() >> on_pool(pool, LineDecoder()) >> on_pool(pool, Watches()) >> on_pool(pool, TextCodec())
assert_type(pooled_codec, Stack[bytes, str, str, bytes])
reveal_type(pooled_codec)  # R: Stack[bytes, str, str, bytes]
pooled_chat = pooled_codec >> ("watch", on_pool(pool, Watches())) >> ("chat", on_pool(pool, Chat()))
pooled_text = wire() >> LineDecoder() >> on_pool(pool, TextDecoder()) >> on_pool(pool, TextEncoder())
reveal_type(pooled_text)  # R: Stack[bytes, str, str, bytes]
pooled_echo = wire() >> on_pool(pool, Counts()) >> on_pool(pool, Prepender()) >> on_pool(pool, Echo())
pooled_subclasses = wire() >> on_pool(pool, FrameDecoder()) >> FrameEncoder() >> on_pool(pool, TakesFrames())
pooled_untyped = wire() >> on_pool(pool, Untyped()) >> on_pool(pool, Listens())
chunked = wire() >> ChunkedWriteHandler() >> SendsPieces()
proxied = wire() >> ProxyProtocolEncoder() >> Echo()
sniffed = wire() >> SniffHandler((probes.tls, lambda channel: wire() >> Echo()), otherwise=lambda channel: [Echo()])
watched_files = wire() >> Watches() >> SendsFiles()
watched_last = wire() >> LineDecoder() >> TextCodec() >> Chat() >> Watches()
houses = wire() >> Counts() >> a_house() >> TakesFrames()
assert_type(wire() >> a_house(), Stack[bytes, Frame, BigFrame, bytes])
reveal_type(wire() >> a_house())  # R: Stack[bytes, Frame, BigFrame, bytes]
site = (
    http.server_stack()
    >> http.AccessLog(print)
    >> http.Redirect("https://example.org")
    >> http.Cors(http.CorsPolicy("*"))
    >> http.BasicAuthentication({"ada": "lovelace"}, realm="r")
    >> http.RequestAggregator()
    >> http.Router()
)
assert_type(site, Stack[bytes, http.FullRequest, http.ResponsePart, bytes])
listener = http.client_stack() >> http.EventStreamReader()


def returns_a_stack(channel: Channel) -> Stack[bytes, Never, str, bytes]:
    return wire() >> LineDecoder() >> TextCodec() >> Chat()


def returns_a_bare_stack(channel: Channel) -> Stack:
    return wire() >> LineDecoder() >> TextCodec() >> Chat()


def names_a_stage(channel: Channel) -> Stack:
    named = wire() >> ("lines", LineDecoder()) >> ("text", TextCodec())
    assert_type(named, Stack[bytes, str, str, bytes])
    return named >> ("chat", Chat())


def returns_handlers(channel: Channel) -> list[LineDecoder]:
    return [LineDecoder()]


def seats_them_itself(channel: Channel) -> None:
    channel.pipeline.add_last(LineDecoder(), ("chat", Chat()))
    channel.pipeline.add_last(on_pool(pool, LineDecoder()), ("work", on_pool(pool, Chat())))
    channel.pipeline.replace("work", on_pool(pool, Chat()))
    channel.pipeline.add_stack(wire() >> Echo())
    channel.pipeline.add_last(*(wire() >> Echo()).handlers)


initializers: list[Callable[[Channel], Stack | Iterable[Any] | None]] = [
    returns_a_stack,
    returns_a_bare_stack,
    returns_handlers,
    seats_them_itself,
    lambda channel: wire() >> Echo(),
]


def asks_the_pipeline(pipeline: ChannelPipeline) -> list[str]:
    if Chat in pipeline and "chat" in pipeline:
        pipeline.remove("chat")
        pipeline.replace(Chat, ("chat", Chat()), LineDecoder())
    return pipeline.names


def waits(future: ChannelFuture[str]) -> str:
    assert_type(future.result(1.0), str)
    return future.result()


async def awaits(future: ChannelFuture[str]) -> str:
    return await future


class WebSocketEcho(ChannelInboundHandler[str | bytes, Never, str | bytes | websocket.Close]): ...


class WebSocketParts(ChannelInboundHandler[websocket.Fragment, Never, websocket.Fragment]): ...


websocket_stacks: list[Stack] = [
    websocket.protocol_stages("server") >> WebSocketEcho(),
    websocket.protocol_stages("server", messages=False) >> WebSocketParts(),
    websocket.server_stack() >> WebSocketEcho(),
    websocket.client_stack("ws://a/") >> WebSocketEcho(),
    websocket.server_stack(messages=False) >> WebSocketParts(),
    http.server_stack() >> websocket.UpgradeHandler(lambda channel: [WebSocketEcho()]),
]
