"""The door of the package: what it offers, and what it does not bring along."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pipeline_net
from pipeline_net import codecs, errors, handlers

# What the manual promises, as it is grouped there.
_PROMISED = """
    wire Stack on_pool
    ChannelHandler ChannelInboundHandler ChannelOutboundHandler ChannelDuplexHandler TransparentHandler
    ChannelPipeline ChannelHandlerContext Channel ChannelOptions ChannelFuture ChannelGroup Datagram ServerDraining
    FileRegion UnreadMessage
    ByteToMessageDecoder MessageToByteEncoder ICodec
    MessageToMessageDecoder MessageToMessageEncoder MessageToMessageCodec
    ReceiveBuffer RingBuffer
    EventLoop EventLoopGroup WorkerPool ServerBootstrap Bootstrap Server
    serve EventHandler Action Conn
    COMPILED __version__
"""

# Each error, and what it also is: the tree of the manual.
_ERRORS: dict[str, tuple[str | type[BaseException], ...]] = {
    "PipelineNetError": (Exception,),
    "ChannelError": ("PipelineNetError",),
    "ChannelClosedError": ("ChannelError",),
    "ChannelBrokenError": ("ChannelError",),
    "ConnectTimeoutError": ("ChannelError", TimeoutError),
    "WriteBufferOverflowError": ("ChannelError",),
    "ProtocolError": ("PipelineNetError",),
    "DecodeError": ("ProtocolError",),
    "FrameTooLongError": ("DecodeError",),
    "CorruptedFrameError": ("DecodeError",),
    "EncodeError": ("ProtocolError",),
    "TlsError": ("PipelineNetError",),
    "PipelineError": ("PipelineNetError",),
    "ForeignThreadError": ("PipelineError",),
    "InterpreterExitError": ("PipelineError",),
    "AddressError": ("PipelineNetError", ValueError),
    "BlockingOperationError": ("PipelineNetError",),
    "PoolFullError": ("PipelineNetError",),
    "ReadTimeoutError": ("PipelineNetError", TimeoutError),
    "WriteTimeoutError": ("PipelineNetError", TimeoutError),
}

# Stages without a protocol, and what belongs to them; those for TLS are held to the same by their own tests.
_HANDLERS = """
    ChunkedWriteHandler FlowControlHandler FlushConsolidationHandler
    IdleState IdleStateEvent IdleStateHandler ReadTimeoutHandler WriteTimeoutHandler
    TokenBucket TrafficShapingHandler
    ConnectionLimitHandler IpFilterHandler Networks
    ProxyHeader ProxyProtocolDecoder ProxyProtocolEncoder ProxySsl client_of
    ClientHello SniffHandler probes read_client_hello
    LoggingHandler Metrics MetricsHandler PcapHandler PcapWriter
"""

# Modules that a program which speaks one protocol over plain TCP should not pay for.
_NOT_FOR_EVERYBODY = {"ssl", "asyncio", "concurrent.futures.process", "multiprocessing", "email", "http", "unittest"}


def test_the_door_offers_what_the_manual_promises_and_nothing_else() -> None:
    assert sorted(pipeline_net.__all__) == sorted([*_PROMISED.split(), *_ERRORS])
    assert len(set(pipeline_net.__all__)) == len(pipeline_net.__all__)


def test_everything_offered_is_there() -> None:
    assert [name for name in pipeline_net.__all__ if not hasattr(pipeline_net, name)] == []


def test_a_star_import_brings_just_that() -> None:
    namespace: dict[str, Any] = {}
    exec("from pipeline_net import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(pipeline_net.__all__)


def test_errors_form_the_tree_of_the_manual() -> None:
    found = {
        name: tuple(base if base.__module__ == "builtins" else base.__name__ for base in thing.__bases__)
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, BaseException) and thing.__module__ == errors.__name__
    }
    assert found == _ERRORS
    assert all(getattr(pipeline_net, name) is getattr(errors, name) for name in _ERRORS)


def test_the_package_says_which_build_it_is() -> None:
    assert isinstance(pipeline_net.COMPILED, bool)
    assert [part.isdigit() for part in pipeline_net.__version__.split(".")] == [True] * 3


def _modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has after ``code``."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=True)
    modules: list[str] = json.loads(done.stdout)
    return set(modules)


def test_importing_the_package_brings_no_tls_no_asyncio_and_no_protocol() -> None:
    brought = _modules_after("import pipeline_net") - _modules_after("")
    assert "pipeline_net" in brought
    assert brought & _NOT_FOR_EVERYBODY == set()
    protocols = {f"pipeline_net.codecs.{house.name}" for house in pkgutil.iter_modules(codecs.__path__) if house.ispkg}
    assert "pipeline_net.codecs.redis" in protocols
    assert brought & protocols == set()
    assert {name for name in brought if name.startswith(("pipeline_net.handlers", "pipeline_net.testing"))} == set()


def test_the_door_of_the_handlers_offers_what_the_manual_describes() -> None:
    offered = set(handlers.__all__)
    assert set(_HANDLERS.split()) <= offered
    page = (Path(__file__).parent.parent / "docs" / "reference" / "handlers.md").read_text()
    assert [name for name in _HANDLERS.split() if f"pipeline_net.handlers.{name}" not in page] == []


def test_every_stage_of_the_handlers_stands_at_their_door() -> None:
    for module in pkgutil.iter_modules(handlers.__path__):
        loaded = importlib.import_module(f"pipeline_net.handlers.{module.name}")
        for name, thing in vars(loaded).items():
            if name.endswith(("Handler", "Decoder", "Encoder")) and getattr(thing, "__module__", "") == loaded.__name__:
                assert name in handlers.__all__, f"{loaded.__name__}.{name} is not at the door"


def test_importing_the_package_starts_no_thread() -> None:
    _modules_after("import threading, pipeline_net; assert threading.active_count() == 1")


def test_the_rooms_of_http_are_opened_when_somebody_asks_for_them() -> None:
    before = _modules_after("import pipeline_net.codecs.http")
    rooms = ("pipeline_net.codecs.http.content", "pipeline_net.codecs.http.files", "pipeline_net.handlers")
    assert {name for name in before if name.startswith(rooms)} == set()
    assert before & (_NOT_FOR_EVERYBODY | {"brotli", "backports.zstd", "compression.zstd"}) == set()
    every = "from pipeline_net.codecs import http; [getattr(http, name) for name in http.__all__]"
    after = _modules_after(every)
    assert set(rooms[:2]) <= after
    assert after & {"ssl", "asyncio", "brotli", "backports.zstd", "compression.zstd"} == set()


def test_a_name_that_http_does_not_have_is_an_attribute_error() -> None:
    http = importlib.import_module("pipeline_net.codecs.http")
    assert not hasattr(http, "Gopher")
