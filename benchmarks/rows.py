"""The rows of the speed table, as data: who does which work, under which load, and what the ratio must be."""

from __future__ import annotations

from typing import Final, Literal

from attrs import frozen

OURS: Final = "pipeline_net"
PURE: Final = "pipeline_net, pure"
PORT: Final = "{port}"  # in a command: where the harness puts the port that the server must take

Interpreter = Literal["compiled", "pure", "none"]
Mode = Literal["raw", "frame", "line", "churn", "tls", "websocket"]

CERTIFICATE: Final = "bin/tls.pem"  # relative to benchmarks/: what the TLS servers show, and its key


@frozen
class Contender:
    """A server to start: arguments for an interpreter in ``benchmarks/``, or, with ``"none"``, a program of the system.

    It prints the port it got as its first line, unless its command holds ``PORT``: then it takes the one it is given.
    """

    name: str
    command: tuple[str, ...]
    interpreter: Interpreter = "compiled"

    @property
    def is_given_port(self) -> bool:
        return any(PORT in argument for argument in self.command)


@frozen
class Load:
    """What the load generator does to each contender (``benchmarks/load.c``, ``load_tls.c``, ``load_websocket.c``)."""

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
    name: str
    load: Load | RedisLoad | WrkLoad
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...]
    prime_size: int = 1024 * 1024  # bytes of the large messages that warm a server's allocator before it is measured
    in_megabytes: bool = False  # compare MB/s, not messages/s (the same ratio, a readable figure)


def _ours(work: str, name: str = OURS, interpreter: Interpreter = "compiled") -> Contender:
    return Contender(name, ("servers/echo.py", "--work", work), interpreter)


def _asyncio(name: str, work: str, loop: str = "uvloop") -> Contender:
    return Contender(name, ("peers/asyncio_echo.py", "--work", work, "--loop", loop))


_EPOLL: Final = Contender("bare epoll", ("peers/epoll_echo.py",))
_REDIS: Final = (
    Contender(
        OURS,
        (*("../examples/redis_server", "--address", f"tcp://127.0.0.1:{PORT}"),),
    ),
    Contender(
        "redis-server",
        ("redis-server", "--port", PORT, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
        "none",
    ),
)

_ASGI: Final = ("peers.asgi_hello:app", "--port", PORT, "--no-access-log", "--loop", "uvloop")
_HELLO: Final = (
    Contender(OURS, ("servers/http_hello.py",)),
    Contender(PURE, ("servers/http_hello.py",), "pure"),
    Contender("uvicorn", ("-m", "uvicorn", *_ASGI, "--http", "httptools", "--log-level", "critical")),
    Contender("granian", ("-m", "granian", *_ASGI, "--interface", "asgi", "--workers", "1", "--no-log")),
)

_GATEWAY: Final = ("-m", "pipeline_net", "asgi", "peers.asgi_hello:app", "--address", f"tcp://127.0.0.1:{PORT}")
_ASGI_HELLO: Final = (
    Contender(OURS, (*_GATEWAY, "--event-loop", "uvloop")),
    Contender(f"{OURS} on asyncio", (*_GATEWAY, "--event-loop", "asyncio")),
    _HELLO[2],
    _HELLO[3],
)

_WEBSOCKET: Final = (
    Contender(OURS, ("servers/websocket_echo.py",)),
    Contender(PURE, ("servers/websocket_echo.py",), "pure"),
    Contender("websockets", ("peers/websocket_echo.py", "--server", "websockets", "--loop", "asyncio")),
    Contender("websockets on uvloop", ("peers/websocket_echo.py", "--server", "websockets")),
    Contender("picows", ("peers/websocket_echo.py", "--server", "picows")),
)

ROWS: Final = (
    Row(
        "raw echo, 64 B x 50, 1 in flight",
        Load("raw"),
        (_ours("raw"), _EPOLL, _asyncio("uvloop", "raw"), _asyncio("asyncio", "raw", "asyncio")),
        (Target("bare epoll", 0.93, 1.0), Target("uvloop", 1.0, 1.1)),
    ),
    Row(
        "frames, 64 B x 50, 1 in flight",
        Load("frame"),
        (
            _ours("framed"),
            _asyncio("uvloop", "framed"),
            _asyncio("uvloop, fused loop", "fused"),
            _asyncio("asyncio", "framed", "asyncio"),
        ),
        (Target("uvloop", 1.15, 1.3),),
    ),
    Row(
        "frames, 64 B x 50, 16 in flight",
        Load("frame", in_flight=16),
        (
            _ours("framed"),
            _ours("framed", PURE, "pure"),
            _asyncio("uvloop", "framed"),
            _asyncio("uvloop, fused loop", "fused"),
            _asyncio("uvloop, a write per frame", "plain"),
            _asyncio("asyncio", "framed", "asyncio"),
        ),
        (Target("uvloop", 1.7, 2.5), Target("uvloop", 0.85, 1.0, subject=PURE)),
    ),
    Row(
        "lines, 64 B x 50, 16 in flight",
        Load("line", in_flight=16),
        (_ours("line"), _asyncio("uvloop streams", "line")),
        (Target("uvloop streams", 4.0, 6.0),),
        prime_size=512 * 1024,
    ),
    Row(
        "1 MiB frames x 4",
        Load("frame", size=1024 * 1024, connections=4),
        (_ours("framed"), _asyncio("uvloop BufferedProtocol", "buffered"), _asyncio("uvloop Protocol", "fused")),
        (Target("uvloop BufferedProtocol", 1.0, 1.2),),
        in_megabytes=True,
    ),
    Row(
        "connect, 64 B, close; 50 at a time",
        Load("churn"),
        (_ours("raw"), _asyncio("uvloop", "raw"), _EPOLL),
        (Target("uvloop", 1.2, 1.5),),
    ),
    Row(
        "TLS echo, 16 KiB x 50",
        Load("tls", size=16384),
        (_ours("tls"), _asyncio("uvloop", "tls"), _asyncio("asyncio", "tls", "asyncio")),
        (Target("uvloop", 1.0, 1.3),),
        in_megabytes=True,
    ),
    Row(
        "HTTP hello x 64",
        WrkLoad(),
        _HELLO,
        (Target("uvicorn", 2.2, 3.0), Target("granian", 1.8, 2.5)),
    ),
    Row(
        "WebSocket echo, 1 KiB text x 50",
        Load("websocket", size=1024),
        _WEBSOCKET,
        (Target("websockets", 3.0, 5.0), Target("picows", 0.8, 1.0)),
        prime_size=256 * 1024,
    ),
    Row(
        "WebSocket echo, 1 KiB text x 50, 16 in flight",
        Load("websocket", size=1024, in_flight=16),
        _WEBSOCKET,
        (Target("websockets on uvloop", 5.0, 8.0), Target("picows", 2.0, 3.0)),
        prime_size=256 * 1024,
    ),
    Row("ASGI hello x 64", WrkLoad(), _ASGI_HELLO, (Target("uvicorn", 1.2, 1.6),)),
    Row("redis GET x 50", RedisLoad("get"), _REDIS, (Target("redis-server", 0.9, 1.1),)),
    Row("redis SET x 50", RedisLoad("set"), _REDIS, (Target("redis-server", 0.9, 1.1),)),
    Row("redis GET x 50, -P 16", RedisLoad("get", pipeline=16), _REDIS, (Target("redis-server", 0.4, 0.7),)),
    Row("redis SET x 50, -P 16", RedisLoad("set", pipeline=16), _REDIS, (Target("redis-server", 0.4, 0.7),)),
)
