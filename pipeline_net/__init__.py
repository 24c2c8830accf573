"""pipeline_net: netty's pipeline of stages on gnet's reactor, at the speed of plain epoll.

Where things are::

    handler, context, pipeline, stack     stages, and how events travel through them
    channel, options, future, buffer      what a stage works with
    codecs                                stages that turn bytes into messages and back
    handlers                              stages without a protocol
    transport                             loops and sockets
    bootstrap                             where transports and pipelines meet
    server                                serve(): one class with callbacks, for those who want no pipeline
    testing                               the kit that tests your stages
"""

from __future__ import annotations

from . import context as _context
from .bootstrap import Bootstrap, Server, ServerBootstrap, ServerDraining
from .buffer import ReceiveBuffer
from .channel import Channel
from .channel_group import ChannelGroup
from .codecs.base import (
    ByteToMessageDecoder,
    ICodec,
    MessageToByteEncoder,
    MessageToMessageCodec,
    MessageToMessageDecoder,
    MessageToMessageEncoder,
)
from .conn import Conn
from .context import ChannelHandlerContext
from .datagram import Datagram
from .errors import (
    AddressError,
    BlockingOperationError,
    ChannelBrokenError,
    ChannelClosedError,
    ChannelError,
    ConnectTimeoutError,
    CorruptedFrameError,
    DecodeError,
    EncodeError,
    ForeignThreadError,
    FrameTooLongError,
    InterpreterExitError,
    PipelineError,
    PipelineNetError,
    PoolFullError,
    ProtocolError,
    ReadTimeoutError,
    TlsError,
    WriteBufferOverflowError,
    WriteTimeoutError,
)
from .event_handler import Action, EventHandler
from .file_region import FileRegion
from .future import ChannelFuture
from .handler import (
    ChannelDuplexHandler,
    ChannelHandler,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    TransparentHandler,
)
from .on_pool import on_pool
from .options import ChannelOptions
from .pipeline import ChannelPipeline
from .ring_buffer import RingBuffer
from .server import serve
from .stack import Stack, wire
from .transport.event_loop import EventLoop
from .transport.group import EventLoopGroup
from .transport.pool import WorkerPool
from .unread_message import UnreadMessage

__version__ = "0.1.0"

COMPILED = not _context.__file__.endswith(".py")
"""Whether this is the build that mypyc compiled."""

__all__ = [
    "Action",
    "AddressError",
    "BlockingOperationError",
    "Bootstrap",
    "ByteToMessageDecoder",
    "COMPILED",
    "Channel",
    "ChannelBrokenError",
    "ChannelClosedError",
    "ChannelDuplexHandler",
    "ChannelError",
    "ChannelFuture",
    "ChannelGroup",
    "ChannelHandler",
    "ChannelHandlerContext",
    "ChannelInboundHandler",
    "ChannelOptions",
    "ChannelOutboundHandler",
    "ChannelPipeline",
    "Conn",
    "ConnectTimeoutError",
    "CorruptedFrameError",
    "Datagram",
    "DecodeError",
    "EncodeError",
    "EventHandler",
    "EventLoop",
    "EventLoopGroup",
    "FileRegion",
    "ForeignThreadError",
    "FrameTooLongError",
    "ICodec",
    "InterpreterExitError",
    "MessageToByteEncoder",
    "MessageToMessageCodec",
    "MessageToMessageDecoder",
    "MessageToMessageEncoder",
    "PipelineError",
    "PipelineNetError",
    "PoolFullError",
    "ProtocolError",
    "ReadTimeoutError",
    "ReceiveBuffer",
    "RingBuffer",
    "Server",
    "ServerBootstrap",
    "ServerDraining",
    "Stack",
    "TlsError",
    "TransparentHandler",
    "UnreadMessage",
    "WorkerPool",
    "WriteBufferOverflowError",
    "WriteTimeoutError",
    "__version__",
    "on_pool",
    "serve",
    "wire",
]
