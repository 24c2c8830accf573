"""The curves of ``make bench-scale``, as data: what grows, who is asked, and under which load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from benchmarks.contenders import OURS, Contender, go, netty, on_asyncio, ours
from benchmarks.rows import Load

_PRIME_SIZE: Final = 1024  # bytes; the heap that large messages leave free would take in connections, and hide them
_SMALL_PRIME_CONNECTIONS: Final = 10


@frozen
class Curve:
    """One thing grows, all else is the same."""

    key: str
    title: str
    grows: str  # what stands on the x axis
    points: tuple[int, ...]
    load_at: Callable[[int], Load]
    contenders_at: Callable[[int], tuple[Contender, ...]]
    prime: Load
    restarts: bool = False  # whether a contender is another process at each point
    shows_memory: bool = False
    all_cores: bool = False  # whether servers may use every core but the load's, and that one too when there are two


def _framed(point: int) -> tuple[Contender, ...]:
    return (
        ours("framed"),
        on_asyncio("uvloop", "framed"),
        on_asyncio("asyncio", "framed", "asyncio"),
        netty("framed"),
        go("framed"),
    )


def _framed_of_any_size(point: int) -> tuple[Contender, ...]:
    """uvloop has one interface for small messages, and another one for large ones."""
    return (*_framed(point), on_asyncio("uvloop BufferedProtocol", "buffered"))


def _accepting(point: int) -> tuple[Contender, ...]:
    return (
        ours("raw"),
        on_asyncio("uvloop", "raw"),
        on_asyncio("asyncio", "raw", "asyncio"),
        netty("raw"),
        go("raw"),
    )


def _with_loops(loops: int) -> tuple[Contender, ...]:
    """Go has as many threads as cores, and is no curve."""
    java = netty("framed")
    return (
        ours("framed", OURS, "compiled", "--loops", str(loops)),
        evolve(java, command=(*java.command, str(loops))),
    )


_SMALL: Final = Load("frame", size=_PRIME_SIZE, connections=_SMALL_PRIME_CONNECTIONS)
_LARGE: Final = Load("frame", size=1024 * 1024, connections=4)

CURVES: Final = (
    Curve(
        "connections",
        "Frames of 64 bytes, 1 in flight, as connections grow",
        "connections",
        (1, 10, 100, 1000, 10_000),
        lambda count: Load("frame", connections=count),
        _framed,
        _SMALL,
        shows_memory=True,
    ),
    Curve(
        "sizes",
        "Frames on 10 connections, 1 in flight, as frames grow",
        "bytes of a frame",
        (16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576),
        lambda size: Load("frame", size=size, connections=10),
        _framed_of_any_size,
        _LARGE,
    ),
    Curve(
        "in-flight",
        "Frames of 64 bytes on 50 connections, as more are in flight",
        "frames in flight on a connection",
        (1, 4, 16, 64),
        lambda count: Load("frame", in_flight=count),
        _framed,
        _LARGE,
    ),
    Curve(
        "loops",
        "Frames of 64 bytes on 50 connections, 16 in flight, as loops grow",
        "loops",
        (1, 2),
        lambda loops: Load("frame", in_flight=16),
        _with_loops,
        _LARGE,
        restarts=True,
        all_cores=True,
    ),
    Curve(
        "churn",
        "Connect, 64 bytes, close, as more connections do so at a time",
        "connections at a time",
        (1, 10, 50, 200),
        lambda count: Load("churn", connections=count),
        _accepting,
        Load("raw", size=1024 * 1024, connections=4),
    ),
)
