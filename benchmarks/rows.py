"""The rows of the speed table, as data: who does which work, under which load, and what the ratio must be."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final, Literal

from attrs import frozen

from benchmarks.contenders import (
    ASGI_HELLO,
    EPOLL,
    FLOOR,
    HELLO,
    OURS,
    PURE,
    RAW_UVLOOP,
    REDIS,
    WEBSOCKET,
    Contender,
    Mode,
    gevent,
    go,
    hosted,
    netty,
    on_asyncio,
    ours,
    twisted,
)


@frozen
class Load:
    """What a load generator of ours does to each contender (``build.GENERATORS`` says which one)."""

    mode: Mode
    size: int = 64  # bytes of payload
    connections: int = 50
    in_flight: int = 1  # messages per connection that wait for their reply


@frozen
class RedisLoad:
    """What ``redis-benchmark`` does to each contender."""

    test: Literal["get", "set"]
    pipeline: int = 1  # commands sent together
    connections: int = 50


@frozen
class WrkLoad:
    """What ``wrk`` does to each contender: ``GET /`` on connections that are kept alive."""

    connections: int = 64


@frozen
class Target:
    """``subject`` must reach ``must`` times what ``against`` does, and aims at ``aim``."""

    against: str
    must: float
    aim: float
    subject: str = OURS


@frozen
class Row:
    key: str  # what one types: make bench ROW=frames-16
    name: str
    load: Load | RedisLoad | WrkLoad
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...]
    prime_size: int = 1024 * 1024  # bytes of the large messages that warm a server's allocator before it is measured
    in_megabytes: bool = False  # compare MB/s, not messages/s (the same ratio, a readable figure)
    half_core: bool = False  # the server shares its core with a program that never rests, so that the load is no limit


def is_chosen(key: str, pattern: str) -> bool:
    """Whether a row is asked for: patterns are globs of keys, several with commas between them."""
    return any(fnmatchcase(key, one.strip()) for one in pattern.split(","))


_IN_ASYNCIO: Final = f"{OURS} in asyncio"
_IN_UVLOOP: Final = f"{OURS} in uvloop"
_AWAKE: Final = f"{OURS}, busy poll"
_THREADED: Final = f"{OURS}, loop in a thread"

ROWS: Final = (
    Row(
        "raw",
        "raw echo, 64 B x 50, 1 in flight",
        Load("raw"),
        (
            ours("raw"),
            ours("raw", _THREADED, "compiled", "--loops", "1"),
            EPOLL,
            on_asyncio("uvloop", "raw"),
            on_asyncio("asyncio", "raw", "asyncio"),
            twisted("raw"),
            gevent("raw"),
            netty("raw"),
            go("raw"),
            FLOOR,
        ),
        (Target("bare epoll", 0.93, 1.0), Target("uvloop", 1.0, 1.1)),
    ),
    Row(
        "lone",
        "raw echo, 64 B x 1, 1 in flight",
        Load("raw", connections=1),
        (
            ours("raw"),
            ours("raw", _AWAKE, "compiled", "--busy-poll", "0.0001"),
            on_asyncio("uvloop", "raw"),
            on_asyncio("asyncio", "raw", "asyncio"),
            netty("raw"),
            go("raw"),
            FLOOR,
        ),
        (),  # it is the latencies that this row is for
    ),
    Row(
        "frames",
        "frames, 64 B x 50, 1 in flight",
        Load("frame"),
        (
            ours("framed"),
            on_asyncio("uvloop", "framed"),
            on_asyncio("uvloop, fused loop", "fused"),
            on_asyncio("asyncio", "framed", "asyncio"),
            twisted("framed"),
            gevent("framed"),
            netty("framed"),
            go("framed"),
            FLOOR,
        ),
        (Target("uvloop", 1.15, 1.3),),
    ),
    Row(
        "frames-16",
        "frames, 64 B x 50, 16 in flight",
        Load("frame", in_flight=16),
        (
            ours("framed"),
            ours("framed", PURE, "pure"),
            on_asyncio("uvloop", "framed"),
            on_asyncio("uvloop, fused loop", "fused"),
            on_asyncio("uvloop, a write per frame", "plain"),
            on_asyncio("asyncio", "framed", "asyncio"),
            twisted("framed"),
            gevent("framed"),
            netty("framed"),
            go("framed"),
            FLOOR,
        ),
        (Target("uvloop", 1.7, 2.5), Target("uvloop", 0.85, 1.0, subject=PURE)),
    ),
    Row(
        "hosted",
        "frames x 50, 16 in flight, hosted",
        Load("frame", in_flight=16),
        (hosted("framed", "asyncio"), hosted("framed", "uvloop"), ours("framed")),
        (
            Target(OURS, 0.85, 0.95, subject=_IN_ASYNCIO),
            Target(OURS, 0.85, 0.95, subject=_IN_UVLOOP),
        ),
    ),
    Row(
        "lines",
        "lines, 64 B x 50, 16 in flight",
        Load("line", in_flight=16),
        (
            ours("line"),
            on_asyncio("uvloop streams", "line"),
            on_asyncio("asyncio streams", "line", "asyncio"),
            twisted("line"),
            gevent("line"),
            netty("line"),
            go("line"),
        ),
        (Target("uvloop streams", 4.0, 6.0),),
        prime_size=512 * 1024,
    ),
    Row(
        "large-frames",
        "1 MiB frames x 4",
        Load("frame", size=1024 * 1024, connections=4),
        (
            ours("framed"),
            on_asyncio("uvloop BufferedProtocol", "buffered"),
            on_asyncio("uvloop Protocol", "fused"),
            netty("framed"),
            go("framed"),
        ),
        (Target("uvloop BufferedProtocol", 1.0, 1.2),),
        in_megabytes=True,
    ),
    Row(
        "churn",
        "connect, 64 B, close; 50 at a time",
        Load("churn"),
        (
            ours("raw"),
            on_asyncio("uvloop", "raw"),
            EPOLL,
            on_asyncio("asyncio", "raw", "asyncio"),
            netty("raw"),
            go("raw"),
            FLOOR,
        ),
        (Target("uvloop", 1.2, 1.5),),
    ),
    Row(
        "churn-half",
        "connect, 64 B, close; half a core",
        Load("churn"),
        (ours("raw"), on_asyncio("uvloop", "raw"), EPOLL, FLOOR),
        (Target("uvloop", 1.2, 1.5),),
        half_core=True,
    ),
    Row(
        "tls",
        "TLS echo, 16 KiB x 50",
        Load("tls", size=16384),
        (ours("tls"), on_asyncio("uvloop", "tls"), on_asyncio("asyncio", "tls", "asyncio")),
        (Target("uvloop", 1.0, 1.3),),
        in_megabytes=True,
    ),
    Row(
        "http",
        "HTTP hello x 64",
        WrkLoad(),
        HELLO,
        (Target("uvicorn", 2.2, 3.0), Target("granian", 1.8, 2.5)),
    ),
    Row(
        "websocket",
        "WebSocket echo, 1 KiB text x 50",
        Load("websocket", size=1024),
        (*WEBSOCKET, RAW_UVLOOP),
        (Target("websockets on uvloop", 3.0, 5.0), Target("picows", 0.8, 1.0)),
        prime_size=256 * 1024,
    ),
    Row(
        "websocket-16",
        "WebSocket echo, 1 KiB text x 50, 16 in flight",
        Load("websocket", size=1024, in_flight=16),
        WEBSOCKET,
        (Target("websockets on uvloop", 5.0, 8.0), Target("picows", 2.0, 3.0)),
        prime_size=256 * 1024,
    ),
    Row("asgi", "ASGI hello x 64", WrkLoad(), ASGI_HELLO, (Target("uvicorn", 1.2, 1.6),)),
    Row("redis-get", "redis GET x 50", RedisLoad("get"), REDIS, (Target("redis-server", 0.9, 1.1),)),
    Row("redis-set", "redis SET x 50", RedisLoad("set"), REDIS, (Target("redis-server", 0.9, 1.1),)),
    Row(
        "redis-get-16",
        "redis GET x 50, -P 16",
        RedisLoad("get", pipeline=16),
        REDIS,
        (Target("redis-server", 0.4, 0.7),),
    ),
    Row(
        "redis-set-16",
        "redis SET x 50, -P 16",
        RedisLoad("set", pipeline=16),
        REDIS,
        (Target("redis-server", 0.4, 0.7),),
    ),
)
