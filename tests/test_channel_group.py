"""A group of channels: who is in it, and that it forgets."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipeline_net import (
    Bootstrap,
    Channel,
    ChannelGroup,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoopGroup,
    Server,
    ServerBootstrap,
    wire,
)
from pipeline_net.codecs.length_field import LengthFieldBasedFrameDecoder, LengthFieldPrepender
from pipeline_net.testing import EmbeddedChannel

_PATIENCE = 10.0  # seconds


class Inbox(ChannelInboundHandler[bytes]):
    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.came = threading.Semaphore(0)

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        self.got.append(msg)
        self.came.release()


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(2) as group:
        yield group


@pytest.fixture
def server(loops: EventLoopGroup) -> Server:
    return ServerBootstrap(loops, initializer=lambda _: None).bind("local://channel-group")


def open_channels(loops: EventLoopGroup, server: Server, count: int) -> list[Channel]:
    bootstrap = Bootstrap(loops, lambda _: None)
    return [bootstrap.connect(server.addresses[0]).result(_PATIENCE) for _ in range(count)]


def test_it_behaves_as_a_set(loops: EventLoopGroup, server: Server) -> None:
    one, two, three = open_channels(loops, server, 3)
    group = ChannelGroup([one, two])
    group.add(two)
    assert len(group) == 2
    assert one in group
    assert three not in group
    assert "something else" not in group
    assert list(group) == [one, two]
    group.discard(one)
    group.discard(one)
    assert list(group) == [two]
    assert "1 channels" in repr(group)


def test_several_messages_in_a_row_are_sent_when_the_turn_ends() -> None:
    channels = [EmbeddedChannel(), EmbeddedChannel()]
    group = ChannelGroup(channels)
    group.write(b"one")
    group.write(b"two")
    assert [list(channel.outbound) for channel in channels] == [[], []]
    for channel in channels:
        channel.run_pending()
    group.write_and_flush(b"three")
    assert [list(channel.outbound) for channel in channels] == [[b"one", b"two", b"three"]] * 2


def test_writing_in_a_row_goes_from_any_thread(loops: EventLoopGroup) -> None:
    inboxes: list[Inbox] = []

    def initializer(channel: Channel) -> Inbox:
        inboxes.append(Inbox())
        return inboxes[-1]

    server = ServerBootstrap(loops, initializer=lambda channel: [initializer(channel)]).bind("local://group-row")
    group = ChannelGroup(open_channels(loops, server, 2))
    group.write(b"a")
    group.write(b"b")
    for inbox in inboxes:
        while b"".join(inbox.got) != b"ab":
            assert inbox.came.acquire(timeout=_PATIENCE)


def test_a_closed_channel_has_left_when_its_close_future_is_done(loops: EventLoopGroup, server: Server) -> None:
    channels = open_channels(loops, server, 20)
    first, second = ChannelGroup(channels), ChannelGroup(channels)
    for channel in channels:
        channel.close()
        channel.close_future.result(_PATIENCE)
        assert channel not in first
        assert channel not in second
    assert len(first) == len(second) == 0


def test_a_channel_that_is_closed_already_does_not_stay(loops: EventLoopGroup, server: Server) -> None:
    (channel,) = open_channels(loops, server, 1)
    channel.close().result(_PATIENCE)
    group = ChannelGroup([channel])
    assert channel not in group
    assert len(group) == 0


def test_a_channel_whose_loop_has_stopped_is_not_taken_in(server: Server) -> None:
    with EventLoopGroup(1) as gone:
        (channel,) = open_channels(gone, server, 1)
    group = ChannelGroup([channel])
    assert len(group) == 0


def test_coming_and_going_leaves_no_trace_on_a_channel(loops: EventLoopGroup, server: Server) -> None:
    (channel,) = open_channels(loops, server, 1)
    group = ChannelGroup()
    for _ in range(100):
        group.add(channel)
        group.discard(channel)
    arrived = threading.Event()
    channel.loop.execute(arrived.set)
    assert arrived.wait(_PATIENCE)
    assert len(channel.keepers) == 1


def test_members_may_leave_while_somebody_goes_over_them(loops: EventLoopGroup, server: Server) -> None:
    channels = open_channels(loops, server, 5)
    group = ChannelGroup(channels)
    seen = []
    for channel in group:
        seen.append(channel)
        group.discard(channels[-1])
    assert seen == channels


def test_a_message_for_all_is_encoded_by_each_channels_own_stages(loops: EventLoopGroup) -> None:
    server = ServerBootstrap(loops, initializer=lambda _: wire() >> LengthFieldPrepender(2)).bind("tcp://127.0.0.1:0")
    inboxes = [Inbox() for _ in range(10)]
    waiting = list(inboxes)
    bootstrap = Bootstrap(loops, lambda _: wire() >> LengthFieldBasedFrameDecoder(100, 0, 2, 0, 2) >> waiting.pop())
    for _ in inboxes:
        bootstrap.connect(server.addresses[0]).result(_PATIENCE)
    everybody_is_in = threading.Event()

    def look() -> None:
        if len(server.channels) == len(inboxes):
            everybody_is_in.set()
        else:
            loops.next().execute(look)

    loops.next().execute(look)
    assert everybody_is_in.wait(_PATIENCE)
    server.channels.write_and_flush(b"to all")
    for inbox in inboxes:
        assert inbox.came.acquire(timeout=_PATIENCE)
        assert inbox.got == [b"to all"]


def test_close_closes_everybody(loops: EventLoopGroup, server: Server) -> None:
    channels = open_channels(loops, server, 5)
    group = ChannelGroup(channels)
    group.close()
    for channel in channels:
        channel.close_future.result(_PATIENCE)
    assert len(group) == 0
