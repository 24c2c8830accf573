"""Who is let in, and that nobody hears of those who are not."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.handlers.ip_filter import IpFilterHandler
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Log(ChannelInboundHandler[Any]):
    def __init__(self) -> None:
        self.log: list[str] = []

    def channel_registered(self, ctx: Ctx) -> None:
        self.log.append("registered")

    def channel_active(self, ctx: Ctx) -> None:
        self.log.append("active")

    def channel_inactive(self, ctx: Ctx) -> None:
        self.log.append("inactive")

    def handler_removed(self, ctx: Ctx) -> None:
        self.log.append("removed")


@pytest.mark.parametrize(
    ("remote", "allow", "deny", "allowed"),
    [
        (("10.1.2.3", 1), ["10.0.0.0/8"], [], True),
        (("11.1.2.3", 1), ["10.0.0.0/8"], [], False),
        (("::ffff:10.1.2.3", 1, 0, 0), ["10.0.0.0/8"], [], True),
        (("::ffff:10.1.2.3", 1, 0, 0), None, ["10.0.0.0/8"], False),
        (("10.1.2.3", 1), ["10.0.0.0/8"], ["10.1.2.3"], False),  # deny has the last word
        (("2001:db8::1", 1, 0, 0), None, ["10.0.0.0/8"], True),
        (("2001:db8::1", 1, 0, 0), ["10.0.0.0/8"], [], False),
        (("2001:db8::1", 1, 0, 0), [], [], False),
        ("", ["10.0.0.0/8"], [], True),  # a Unix socket
    ],
)
def test_who_is_let_in(remote: Any, allow: Any, deny: Any, allowed: bool) -> None:
    log = Log()
    handler = IpFilterHandler(allow, deny)
    assert handler.allows(remote) is allowed
    channel = EmbeddedChannel(handler, log, remote_address=remote)
    assert channel.is_open is allowed
    assert log.log == (["registered", "active"] if allowed else ["removed"])


def test_refusing_nobody_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nobody is refused"):
        IpFilterHandler()


def test_a_connection_that_is_open_already_is_closed() -> None:
    log = Log()
    channel = EmbeddedChannel(log, remote_address=("10.1.2.3", 1))
    channel.pipeline.add_first(IpFilterHandler(deny=["10.0.0.0/8"]))
    channel.run_pending()
    assert log.log == ["registered", "active", "inactive", "removed"]


def test_a_client_that_reaches_the_wrong_host_is_closed_when_it_is_connected() -> None:
    handler = IpFilterHandler(deny=["10.0.0.0/8"])

    class Late(EmbeddedChannel):
        @property
        def remote_address(self) -> Any:
            return ("10.1.2.3", 1) if self.is_active else None

    log = Log()
    channel = Late(handler, log)
    assert not channel.is_open
    assert "active" not in log.log


def test_a_real_server_refuses_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    log = Log()
    deny = IpFilterHandler(deny=["127.0.0.1"])
    with (
        caplog.at_level(logging.INFO, "pipeline_net"),
        EventLoopGroup(1) as loops,
        ServerBootstrap(loops, initializer=lambda _: [deny, Log()], max_connections=1).bind(
            "tcp://127.0.0.1:0"
        ) as server,
    ):
        for _ in range(3):  # each would be one too many, were the one before still counted
            address = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
            with socket.create_connection(address, timeout=10) as client:
                assert client.recv(1) == b""
    assert [record.levelname for record in caplog.records] == ["INFO"] * 3
    assert "its address is not allowed" in caplog.text
    assert log.log == []
