"""What is counted, by whom, and how Prometheus is told."""

from __future__ import annotations

import re
import socket
from io import BytesIO
from typing import Any

import pytest

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoopGroup,
    FileRegion,
    ServerBootstrap,
)
from pipeline_net.handlers.metrics import Metrics, MetricsHandler
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Handles(ChannelInboundHandler[Any]):
    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        """Handled."""


def test_everything_is_counted() -> None:
    metrics = Metrics()
    channel = EmbeddedChannel(
        MetricsHandler(metrics), Handles(), options=ChannelOptions(write_buffer_high=4, write_buffer_low=2)
    )
    channel.write_inbound(b"12345", b"678", "an object")
    channel.write_outbound(b"12", bytearray(b"34"), FileRegion(BytesIO(b"file")), "an object")
    channel.pipeline.fire_exception_caught(ValueError())
    channel.pipeline.fire_exception_caught(KeyError())
    channel.pipeline.fire_exception_caught(KeyError())
    assert metrics.totals() == {
        "connections_opened_total": 1,
        "connections_open": 1,
        "reads_total": 3,
        "read_bytes_total": 8,
        "writes_total": 4,
        "written_bytes_total": 8,
        "unwritable_total": 1,
        "exceptions_total": 3,
    }
    channel.finish()
    assert metrics.totals()["connections_open"] == 0


def test_it_is_told_as_prometheus_wants_it() -> None:
    metrics = Metrics("app", {"server": 'a "quoted" \\ name\n'})
    channel = EmbeddedChannel(MetricsHandler(metrics), Handles())
    channel.write_inbound(b"12345")
    channel.pipeline.fire_exception_caught(ValueError())
    channel.advance(5)
    channel.finish()
    text = metrics.render()
    label = r'server="a \"quoted\" \\ name\n"'
    for line in (
        "# HELP app_read_bytes_total Bytes from the peers.",
        "# TYPE app_read_bytes_total counter",
        f"app_read_bytes_total{{{label}}} 5",
        "# TYPE app_connections_open gauge",
        f"app_connections_open{{{label}}} 0",
        f'app_exceptions_total{{{label},type="ValueError"}} 1',
        "# TYPE app_connection_seconds histogram",
        f'app_connection_seconds_bucket{{{label},le="1"}} 0',
        f'app_connection_seconds_bucket{{{label},le="10"}} 1',
        f'app_connection_seconds_bucket{{{label},le="+Inf"}} 1',
        f"app_connection_seconds_sum{{{label}}} 5.0",
        f"app_connection_seconds_count{{{label}}} 1",
    ):
        assert line in text.splitlines()
    assert text.endswith("\n")


def test_every_line_is_one_that_prometheus_reads() -> None:
    metrics = Metrics()
    EmbeddedChannel(MetricsHandler(metrics)).finish()
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? [0-9.e+-]+')
    for line in metrics.render().splitlines():
        assert line.startswith(("# HELP pipeline_net_", "# TYPE pipeline_net_")) or sample.fullmatch(line), line


@pytest.mark.parametrize(("seconds", "bucket"), [(0.01, "0.01"), (0.02, "0.1"), (3600, "3600"), (4000, "+Inf")])
def test_a_connection_is_counted_by_how_long_it_lasted(seconds: float, bucket: str) -> None:
    metrics = Metrics()
    channel = EmbeddedChannel(MetricsHandler(metrics))
    channel.advance(seconds)
    channel.finish()
    lines = [line for line in metrics.render().splitlines() if "_bucket" in line]
    first = next(line for line in lines if line.endswith(" 1"))
    assert f'le="{bucket}"' in first


@pytest.mark.parametrize("how", ["removed", "aborted"])
def test_who_is_gone_is_not_open(how: str) -> None:
    metrics = Metrics()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(MetricsHandler(metrics))
    assert metrics.totals()["connections_open"] == 1
    if how == "removed":
        channel.pipeline.remove(MetricsHandler)
    else:
        channel.abort()
    channel.run_pending()
    assert metrics.totals()["connections_open"] == 0
    assert metrics.totals()["connections_opened_total"] == 1


def test_the_kinds_of_exceptions_are_bounded() -> None:
    metrics = Metrics()
    channel = EmbeddedChannel(MetricsHandler(metrics), Handles())
    for number in range(200):
        channel.pipeline.fire_exception_caught(type(f"Error{number}", (Exception,), {})())
    kinds = [line for line in metrics.render().splitlines() if "exceptions_total{" in line]
    assert len(kinds) == 65
    assert metrics.totals()["exceptions_total"] == 200


def test_loops_count_for_themselves_and_are_added_up() -> None:
    class Echo(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: Ctx, msg: bytes) -> None:
            ctx.write(msg)

    metrics = Metrics()
    with (
        EventLoopGroup(2) as loops,
        ServerBootstrap(loops, initializer=lambda _: [MetricsHandler(metrics), Echo()]).bind(
            "tcp://127.0.0.1:0"
        ) as server,
    ):
        address = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
        for _ in range(10):
            with socket.create_connection(address, timeout=10) as client:
                client.sendall(b"hello")
                assert client.recv(5) == b"hello"
    totals = metrics.totals()
    assert (totals["connections_opened_total"], totals["connections_open"]) == (10, 0)
    assert (totals["read_bytes_total"], totals["written_bytes_total"]) == (50, 50)
    assert len(metrics._counters) == 2


@pytest.mark.parametrize("wrong", [{"prefix": "a-b"}, {"prefix": ""}, {"labels": {"a b": "c"}}, {"labels": {"1": ""}}])
def test_names_that_prometheus_does_not_take_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="letters, digits and underscores"):
        Metrics(**wrong)
