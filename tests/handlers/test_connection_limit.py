"""How many connections are let in, from where, and that the books are right when they are gone."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest

from pipeline_net import (
    ChannelBrokenError,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoopGroup,
    ServerBootstrap,
)
from pipeline_net.handlers.connection_limit import ConnectionLimitHandler
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]

_PATIENCE = 10.0  # seconds


def from_address(limit: ConnectionLimitHandler, host: str, port: int = 1) -> EmbeddedChannel:
    return EmbeddedChannel(limit, remote_address=(host, port))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({}, "nothing is limited"),
        ({"total": 0}, "total must be at least 1, not 0"),
        ({"per_address": -1}, "per_address must be at least 1, not -1"),
        ({"total": 1, "ipv6_prefix": 129}, "ipv6_prefix must be from 1 to 128, not 129"),
        ({"total": 1, "ipv6_prefix": 0}, "ipv6_prefix must be from 1 to 128, not 0"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(wrong: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ConnectionLimitHandler(**wrong)


def test_one_too_many_in_total_is_closed_and_its_place_is_free_when_one_goes() -> None:
    limit = ConnectionLimitHandler(total=2)
    first, second, third = (from_address(limit, f"192.0.2.{n}") for n in range(3))
    assert [channel.is_open for channel in (first, second, third)] == [True, True, False]
    assert (limit.connections, limit.refused) == (2, 1)
    first.finish()
    assert limit.connections == 1
    assert from_address(limit, "192.0.2.9").is_open
    assert not from_address(limit, "192.0.2.9").is_open


def test_one_source_does_not_take_the_places_of_others() -> None:
    limit = ConnectionLimitHandler(per_address=2)
    opened = [from_address(limit, "192.0.2.1", port).is_open for port in range(4)]
    assert opened == [True, True, False, False]
    assert from_address(limit, "192.0.2.2").is_open


def test_ipv4_is_the_same_source_in_its_ipv6_form() -> None:
    limit = ConnectionLimitHandler(per_address=1)
    assert from_address(limit, "192.0.2.1").is_open
    assert not from_address(limit, "::ffff:192.0.2.1").is_open


def test_an_ipv6_subscriber_is_one_source() -> None:
    limit = ConnectionLimitHandler(per_address=1)
    assert from_address(limit, "2001:db8::1").is_open
    assert not from_address(limit, "2001:db8::ffff:2").is_open
    assert from_address(limit, "2001:db8:0:1::1").is_open
    narrow = ConnectionLimitHandler(per_address=1, ipv6_prefix=128)
    assert from_address(narrow, "2001:db8::1").is_open
    assert from_address(narrow, "2001:db8::2").is_open


def test_peers_without_an_address_count_in_the_total_only() -> None:
    limit = ConnectionLimitHandler(total=3, per_address=1)
    assert [EmbeddedChannel(limit, remote_address="").is_open for _ in range(4)] == [True, True, True, False]


def test_no_stage_hears_of_a_refused_connection(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    class Hears(ChannelInboundHandler[Any]):
        def channel_registered(self, ctx: Ctx) -> None:
            heard.append("registered")

        def channel_inactive(self, ctx: Ctx) -> None:
            heard.append("inactive")

    limit = ConnectionLimitHandler(total=1)
    from_address(limit, "192.0.2.1")
    with caplog.at_level(logging.INFO, "pipeline_net"):
        EmbeddedChannel(limit, Hears(), remote_address=("192.0.2.2", 1))
    assert heard == []
    assert "('192.0.2.2', 1) was refused: there are 1 connections, as many as are allowed" in caplog.text


@pytest.mark.parametrize("how", ["removed", "closed", "aborted", "broken"])
def test_who_is_gone_is_not_counted(how: str) -> None:
    limit = ConnectionLimitHandler(total=1, per_address=1)
    channel = from_address(limit, "192.0.2.1")
    if how == "removed":
        channel.pipeline.remove(limit)
        assert channel.is_open
    elif how == "closed":
        channel.finish()
    elif how == "aborted":
        channel.abort()
    else:
        channel.fail(OSError("reset"))
        with pytest.raises(ChannelBrokenError):
            channel.run_pending()
    channel.run_pending()
    assert limit.connections == 0
    assert limit._sources == {}
    assert from_address(limit, "192.0.2.1").is_open


def test_added_to_a_running_pipeline_it_counts_from_then_on() -> None:
    limit = ConnectionLimitHandler(total=1)
    one, two = EmbeddedChannel(), EmbeddedChannel()
    one.pipeline.add_first(limit)
    two.pipeline.add_first(limit)
    two.run_pending()
    assert (one.is_open, two.is_open) == (True, False)


def test_a_client_counts_when_it_is_connected() -> None:
    limit = ConnectionLimitHandler(total=1)
    heard: list[str] = []

    class Late(EmbeddedChannel):
        @property
        def remote_address(self) -> Any:
            return ("192.0.2.1", 1) if self.is_active else None

    class Hears(ChannelInboundHandler[Any]):
        def channel_active(self, ctx: Ctx) -> None:
            heard.append("active")

    assert Late(limit, Hears()).is_open
    assert not Late(limit, Hears()).is_open
    assert heard == ["active"]


def test_on_several_loops_never_more_than_the_limit() -> None:
    class Echo(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: Ctx, msg: bytes) -> None:
            ctx.write(msg)

    limit = ConnectionLimitHandler(total=100, per_address=5)
    with (
        EventLoopGroup(3) as loops,
        ServerBootstrap(loops, initializer=lambda _: [limit, Echo()]).bind("tcp://127.0.0.1:0") as server,
    ):
        address = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
        for _ in range(3):
            clients = [socket.create_connection(address, timeout=_PATIENCE) for _ in range(20)]
            answers = 0
            for client in clients:
                try:
                    client.sendall(b"x")
                    answers += client.recv(1) == b"x"
                except OSError:
                    continue  # refused, with a reset: it had sent something already
            assert answers == 5
            for client in clients:
                client.close()
            for channel in list(server.channels):
                channel.close_future.result(_PATIENCE)
    assert limit.connections == 0
