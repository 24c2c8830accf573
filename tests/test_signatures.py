"""What the manual promises of arguments: their names, their order, which have to be named, and their defaults.

Only what is promised is listed; further arguments that have to be named, and have a default, may come and go.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    COMPILED,
    Bootstrap,
    Channel,
    ChannelFuture,
    ChannelGroup,
    ChannelHandlerContext,
    ChannelOptions,
    ChannelPipeline,
    Conn,
    EventHandler,
    EventLoop,
    EventLoopGroup,
    FrameTooLongError,
    ReceiveBuffer,
    Server,
    ServerBootstrap,
    WorkerPool,
    codecs,
    handlers,
    serve,
    testing,
)

_PROMISED: list[tuple[Callable[..., Any], str]] = [
    # loops and bootstraps
    (EventLoopGroup, "(loops=None, *, name='loop', balancer='round-robin')"),
    (EventLoopGroup.next, "(self, remote_address=None)"),
    (EventLoopGroup.shutdown, "(self, timeout=5.0)"),
    (EventLoop.execute, "(self, fn, *args)"),
    (EventLoop.schedule, "(self, delay, fn, *args)"),
    (EventLoop.schedule_every, "(self, interval, fn, *args)"),
    (EventLoop.run_blocking, "(self, fn, *args)"),
    (EventLoop.run_once, "(self, timeout=None)"),
    (WorkerPool, "(threads=None, queue_limit=1024)"),
    (WorkerPool.submit, "(self, fn, *args)"),
    (
        ServerBootstrap,
        (
            "(masters, workers=None, initializer=None, *, backlog=None, reuse_address=True, reuse_port=False,"
            " max_connections=None, options=ChannelOptions())"
        ),
    ),
    (ServerBootstrap.bind, "(self, *addresses)"),
    (Bootstrap, "(group, initializer, *, local_address=None, options=ChannelOptions())"),
    (Bootstrap.connect, "(self, address)"),
    (Server.drain, "(self, timeout)"),
    (
        serve,
        (
            "(handler, *addresses, multicore=False, loops=None, codec=None, reuse_port=False,"
            " load_balancing='round-robin', ticker=False, tcp_keepalive=None, tcp_nodelay=True, receive_size=65536,"
            " receive_buffer=None, send_buffer=None, max_connections=None, options=None, ready=None)"
        ),
    ),
    # channels
    (ChannelFuture.result, "(self, timeout=None)"),
    (ChannelFuture.exception, "(self, timeout=None)"),
    (ChannelFuture.add_done_callback, "(self, fn)"),
    (ChannelGroup.write_and_flush, "(self, msg)"),
    (Channel.write, "(self, msg)"),
    (Channel.write_and_flush, "(self, msg)"),
    (ChannelHandlerContext.write, "(self, msg, promise=None)"),
    (ChannelHandlerContext.write_and_flush, "(self, msg, promise=None)"),
    (ChannelHandlerContext.close, "(self, promise=None)"),
    (ChannelHandlerContext.shutdown_output, "(self, promise=None)"),
    (ChannelPipeline.add_first, "(self, *stages, executor=None)"),
    (ChannelPipeline.add_last, "(self, *stages, executor=None)"),
    (ChannelPipeline.add_before, "(self, base, *stages, executor=None)"),
    (ChannelPipeline.add_after, "(self, base, *stages, executor=None)"),
    (ChannelPipeline.replace, "(self, which, *stages)"),
    # the front with callbacks
    (EventHandler.on_closed, "(self, conn, exc)"),
    (EventHandler.pre_write, "(self, conn, data)"),
    (Conn.async_write, "(self, data, callback=None)"),
    # buffers, decoders and encoders
    (ReceiveBuffer.find, "(self, needle, start=0)"),
    (FrameTooLongError, "(length, limit)"),
    (codecs.LineBasedFrameDecoder, "(max_length, *, strip_delimiter=True, fail_fast=False)"),
    (codecs.DelimiterBasedFrameDecoder, "(max_length, *delimiters, strip_delimiter=True, fail_fast=True)"),
    (codecs.FixedLengthFrameDecoder, "(length)"),
    (
        codecs.LengthFieldBasedFrameDecoder,
        (
            "(max_frame_length, length_field_offset=0, length_field_length=4, length_adjustment=0,"
            " initial_bytes_to_strip=0, *, byte_order='big', fail_fast=True)"
        ),
    ),
    (
        codecs.LengthFieldPrepender,
        "(length_field_length=4, *, length_adjustment=0, length_includes_length_field=False, byte_order='big')",
    ),
    (codecs.Varint32FrameDecoder, "(max_frame_length)"),
    (codecs.JsonObjectDecoder, "(max_length, *, stream_array=False)"),
    (codecs.StringDecoder, "(encoding='utf-8', errors='strict')"),
    (codecs.StringEncoder, "(encoding='utf-8', errors='strict')"),
    (codecs.LineEncoder, "(separator='\\n')"),
    (codecs.DelimiterBasedFrameCodec, "(delimiter)"),
    (codecs.FixedLengthFrameCodec, "(length)"),
    # stages without a protocol
    (handlers.IdleStateHandler, "(reader=None, writer=None, all=None)"),
    (handlers.ReadTimeoutHandler, "(seconds)"),
    (handlers.WriteTimeoutHandler, "(seconds)"),
    # the kit for tests
    (testing.EmbeddedChannel, "(*stages, options=None)"),
    (testing.EmbeddedChannel.write_inbound, "(self, *msgs)"),
    (testing.EmbeddedChannel.write_outbound, "(self, *msgs)"),
    (testing.EmbeddedChannel.advance, "(self, seconds)"),
    (testing.check_decoder, "(factory, cases)"),
    (testing.check_codec, "(factory, messages)"),
    (testing.check_limits, "(factory, prefix_factory, limit)"),
    (testing.chunks, "(data)"),
]

_NO_DEFAULT = inspect.Parameter.empty


def _promise(text: str) -> inspect.Signature:
    namespace: dict[str, Any] = {"ChannelOptions": ChannelOptions}
    exec(f"def promised{text}: ...", namespace)
    return inspect.signature(namespace["promised"])


def _told(signature: inspect.Signature, promised: inspect.Signature) -> list[tuple[str, Any, Any]]:
    """What somebody notices who calls as promised: not what is added behind it, with a default."""
    parameters = [p for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY]
    while parameters and parameters[-1].name not in promised.parameters and parameters[-1].default is not _NO_DEFAULT:
        parameters.pop()
    named = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
    named = [p for p in named if p.name in promised.parameters or p.default is _NO_DEFAULT]
    return [(p.name, p.kind, p.default) for p in (*parameters, *sorted(named, key=lambda p: p.name))]


@pytest.mark.skipif(COMPILED, reason="compiled functions do not tell all of it; they are made of the same files")
@pytest.mark.parametrize(("thing", "text"), _PROMISED, ids=lambda value: getattr(value, "__qualname__", ""))
def test_arguments_are_as_promised(thing: Callable[..., Any], text: str) -> None:
    promised = _promise(text)
    assert _told(inspect.signature(thing), promised) == _told(promised, promised)
