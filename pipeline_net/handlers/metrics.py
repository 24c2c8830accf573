"""MetricsHandler: counts what passes, for Prometheus and whoever else asks.

Every loop counts for itself, in plain numbers that only its thread changes; they are added up when somebody asks.  So
counting costs an addition, with no lock and nothing shared between loops.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .._mypyc import mypyc_attr
from ..handler import TransparentHandler
from .held_writes import size_of

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture
    from ..loop import Loop

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS: Final = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0)  # seconds that a connection has lasted
_MOST_KINDS: Final = 64  # of exceptions that are told apart; the names of further ones are a leak of somebody's
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class LoopCounters:
    """What one loop has counted."""

    def __init__(self) -> None:
        self.opened: int = 0
        self.closed: int = 0
        self.reads: int = 0
        self.read_bytes: int = 0
        self.writes: int = 0
        self.written_bytes: int = 0
        self.unwritable: int = 0
        self.exceptions: dict[str, int] = {}
        self.seconds = 0.0
        self.lasted: list[int] = [0] * (len(_BUCKETS) + 1)  # the last one is for those that lasted longer

    def count_exception(self, name: str) -> None:
        """One more of a kind."""
        if name not in self.exceptions and len(self.exceptions) >= _MOST_KINDS:
            name = "other"
        self.exceptions[name] = self.exceptions.get(name, 0) + 1

    def count_connection(self, seconds: float) -> None:
        """A connection has ended that lasted so long."""
        self.closed += 1
        self.seconds += seconds
        place = 0
        while place < len(_BUCKETS) and seconds > _BUCKETS[place]:
            place += 1
        self.lasted[place] += 1


class Metrics:
    """The counters of all loops together; one for each kind of connection that is to be told apart.

    ::

        metrics = Metrics(labels={"server": "redis"})
        ServerBootstrap(loops, initializer=lambda channel: wire() >> MetricsHandler(metrics) >> …)
        print(metrics.render())

    Args:
        prefix: what the names of all metrics begin with.
        labels: further labels, the same for every metric.

    Raises:
        ValueError: a prefix or a label that Prometheus does not take.
    """

    def __init__(self, prefix: str = "pipeline_net", labels: Mapping[str, str] | None = None) -> None:
        for name in (prefix, *(labels or {})):
            if not _NAME.fullmatch(name):
                raise ValueError(f"a name of Prometheus has letters, digits and underscores, and is not {name!r}")
        self._prefix = prefix
        self._labels = [f'{name}="{_escaped(value)}"' for name, value in (labels or {}).items()]
        # By the loop's id.  One that has ended may leave it to another, which then goes on counting where it stopped.
        self._counters: dict[int, LoopCounters] = {}

    def counters_of(self, loop: Loop) -> LoopCounters:
        """Find what ``loop`` counts with."""
        return self._counters.setdefault(id(loop), LoopCounters())

    def totals(self) -> dict[str, int]:
        """Add up what all loops have counted; from any thread.

        The names are those of ``render()``, without prefix and labels; exceptions are one number here.
        """
        every = list(self._counters.values())
        opened = sum(counters.opened for counters in every)
        return {
            "connections_opened_total": opened,
            "connections_open": opened - sum(counters.closed for counters in every),
            "reads_total": sum(counters.reads for counters in every),
            "read_bytes_total": sum(counters.read_bytes for counters in every),
            "writes_total": sum(counters.writes for counters in every),
            "written_bytes_total": sum(counters.written_bytes for counters in every),
            "unwritable_total": sum(counters.unwritable for counters in every),
            "exceptions_total": sum(sum(dict(counters.exceptions).values()) for counters in every),
        }

    def render(self) -> str:
        """Write everything down in the text format of Prometheus (``CONTENT_TYPE``); from any thread."""
        totals = self.totals()
        lines: list[str] = []
        for name, kind, meaning in _MEANINGS:
            lines += [f"# HELP {self._prefix}_{name} {meaning}", f"# TYPE {self._prefix}_{name} {kind}"]
            if name == "exceptions_total":
                lines += [self._line(name, count, f'type="{_escaped(which)}"') for which, count in self._exceptions()]
            elif name == "connection_seconds":
                lines += self._histogram(name)
            else:
                lines.append(self._line(name, totals[name]))
        return "\n".join(lines) + "\n"

    def _exceptions(self) -> list[tuple[str, int]]:
        found: dict[str, int] = {}
        for counters in list(self._counters.values()):
            for name, count in dict(counters.exceptions).items():
                found[name] = found.get(name, 0) + count
        return sorted(found.items())

    def _histogram(self, name: str) -> list[str]:
        every = list(self._counters.values())
        lines = []
        count = 0
        for place, limit in enumerate((*_BUCKETS, "+Inf")):
            count += sum(counters.lasted[place] for counters in every)
            edge = limit if isinstance(limit, str) else f"{limit:g}"
            lines.append(self._line(f"{name}_bucket", count, f'le="{edge}"'))
        seconds = sum(counters.seconds for counters in every)
        return [*lines, self._line(f"{name}_sum", seconds), self._line(f"{name}_count", count)]

    def _line(self, name: str, value: object, label: str = "") -> str:
        labels = [*self._labels, label] if label else self._labels
        inside = "{" + ",".join(labels) + "}" if labels else ""
        return f"{self._prefix}_{name}{inside} {value}"


_MEANINGS: Final = (
    ("connections_opened_total", "counter", "Connections that were opened."),
    ("connections_open", "gauge", "Connections that are open."),
    ("connection_seconds", "histogram", "How long connections have lasted."),
    ("reads_total", "counter", "Messages from the peers; next to the wire, pieces of bytes."),
    ("read_bytes_total", "counter", "Bytes from the peers."),
    ("writes_total", "counter", "Messages to the peers; next to the wire, pieces of bytes."),
    ("written_bytes_total", "counter", "Bytes to the peers, when they were written."),
    ("unwritable_total", "counter", "Times that a peer took too little, and its connection turned unwritable."),
    ("exceptions_total", "counter", "Exceptions that passed."),
)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@mypyc_attr(allow_interpreted_subclasses=True)
class MetricsHandler(TransparentHandler[Any]):
    """Whatever flows → the same, counted in ``metrics``.

    Next to the wire it counts bytes; behind a decoder it counts messages, whose bytes nobody knows.  Exceptions are
    counted where they pass, so a stage farther from the wire sees those of more stages.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counters: LoopCounters = LoopCounters()  # until it is seated
        self._opened_at = -1.0  # while it is counted as open; by the loop's clock

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._counters = self._metrics.counters_of(ctx.channel.loop)
        if ctx.channel.is_active:
            self._open(ctx)

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._close(ctx)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._open(ctx)
        ctx.fire_channel_active()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._close(ctx)
        ctx.fire_channel_inactive()

    def _open(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._opened_at < 0:
            self._opened_at = ctx.channel.loop.time()
            self._counters.opened += 1

    def _close(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._opened_at >= 0:
            self._counters.count_connection(ctx.channel.loop.time() - self._opened_at)
            self._opened_at = -1.0

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        counters = self._counters
        counters.reads += 1
        counters.read_bytes += len(msg) if isinstance(msg, bytes) else size_of(msg)
        ctx.fire_channel_read(msg)

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not ctx.channel.is_writable:
            self._counters.unwritable += 1
        ctx.fire_channel_writability_changed()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self._counters.count_exception(type(exc).__name__)
        ctx.fire_exception_caught(exc)

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        counters = self._counters
        counters.writes += 1
        counters.written_bytes += len(msg) if isinstance(msg, bytes) else size_of(msg)
        ctx.write(msg, promise)
