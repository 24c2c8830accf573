"""The open channels of a server: who waits for the last one to leave hears of it at once."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

import pytest

from pipeline_net import Bootstrap, Channel, ChannelInboundHandler, EventLoopGroup, Server, ServerBootstrap
from pipeline_net.transport.open_channels import OpenChannels

_PATIENCE = 20.0  # seconds


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(2) as group:
        yield group


@pytest.fixture
def server(loops: EventLoopGroup) -> Iterator[Server]:
    with ServerBootstrap(loops, initializer=lambda channel: [ChannelInboundHandler()]).bind("local://open") as bound:
        yield bound


def connect(loops: EventLoopGroup, server: Server, group: OpenChannels) -> Channel:
    channel = (
        Bootstrap(loops, initializer=lambda channel: [ChannelInboundHandler()])
        .connect(server.addresses[0])
        .result(_PATIENCE)
    )
    group.add(channel)
    return channel


def test_nobody_waits_for_an_empty_group() -> None:
    assert OpenChannels().wait_until_empty(0.0)


def test_waiting_ends_when_its_time_is_over(loops: EventLoopGroup, server: Server) -> None:
    group = OpenChannels()
    channel = connect(loops, server, group)
    assert not group.wait_until_empty(0.01)
    channel.close().result(_PATIENCE)
    assert group.wait_until_empty(_PATIENCE)


def test_waiting_ends_when_the_last_one_leaves(loops: EventLoopGroup, server: Server) -> None:
    group = OpenChannels()
    channels = [connect(loops, server, group) for _ in range(3)]
    outcome: list[bool] = []
    waiting = threading.Thread(target=lambda: outcome.append(group.wait_until_empty(_PATIENCE)))
    started = time.monotonic()
    waiting.start()
    for channel in channels:
        assert not outcome
        channel.close().result(_PATIENCE)
    waiting.join(_PATIENCE)
    assert outcome == [True]
    assert time.monotonic() - started < _PATIENCE / 2  # it was told, and has not just looked when its time was over


def test_one_may_wait_for_ever(loops: EventLoopGroup, server: Server) -> None:
    group = OpenChannels()
    channel = connect(loops, server, group)
    outcome: list[bool] = []
    waiting = threading.Thread(target=lambda: outcome.append(group.wait_until_empty(math.inf)))
    waiting.start()
    channel.close().result(_PATIENCE)
    waiting.join(_PATIENCE)
    assert outcome == [True]
