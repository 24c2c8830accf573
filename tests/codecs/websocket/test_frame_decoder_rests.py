"""Little that inflates to much: the other connections of the loop get their turn in between."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler
from pipeline_net.codecs.websocket import Close, Closed, DeflateParameters, Fragment, FrameDecoder, protocol_stages
from pipeline_net.codecs.websocket.inbox import Inbox
from pipeline_net.testing import EmbeddedChannel

from .conftest import FrameMaker

SIZE = 1_000_000  # bytes of a message; the fifth of them is beyond 4 MiB
MESSAGE = bytes(SIZE)


def bombs(frame: FrameMaker, count: int) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b""
    for _ in range(count):
        data += frame(2, (stream.compress(MESSAGE) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=4)
    assert len(data) < 65536  # less than one read brings
    return data


class Counter(ChannelInboundHandler[Any, Any, Any]):
    """Counts bytes, and how many had come when another task of the loop had its turn."""

    def __init__(self) -> None:
        self.count = 0
        self.count_at_turn = 0
        self.ends: list[Any] = []

    def channel_read(self, ctx: Any, msg: Any) -> None:
        if self.count == 0:
            ctx.channel.loop.execute(self.have_a_turn)
        self.count += len(msg.data if isinstance(msg, Fragment) else msg)

    def have_a_turn(self) -> None:
        self.count_at_turn = self.count

    def user_event_triggered(self, ctx: Any, event: Any) -> None:
        self.ends.append(event)


def channel_of(counter: Counter, messages: bool = True) -> EmbeddedChannel:
    stages = protocol_stages("server", deflate=DeflateParameters(), messages=messages, keepalive=None)
    return EmbeddedChannel(*stages.handlers, counter)


@pytest.mark.parametrize("messages", [True, False])
def test_much_is_inflated_in_several_turns(messages: bool, frame: FrameMaker) -> None:
    counter = Counter()
    channel = channel_of(counter, messages)
    channel.write_inbound(bombs(frame, 12) + frame(8, b"\x03\xe8"))
    assert 4 * SIZE < counter.count_at_turn <= 5 * SIZE
    assert counter.count == 12 * SIZE
    assert counter.ends == [Closed(1000, "", True, True)]


def test_the_end_of_input_comes_behind_what_waits(frame: FrameMaker) -> None:
    counter = Counter()
    channel = channel_of(counter)
    channel.loop.execute(channel.end_of_input)  # runs before the decoder goes on
    channel.write_inbound(bombs(frame, 12))
    assert counter.count == 12 * SIZE
    assert counter.ends == [Closed(1006, "", False, True)]


class Program(ChannelInboundHandler[Any, Any, Any]):
    def __init__(self) -> None:
        self.inbox = Inbox(5 * SIZE)

    def handler_added(self, ctx: Any) -> None:
        self.inbox.fill_from(ctx)

    def channel_read(self, ctx: Any, msg: Any) -> None:
        self.inbox.put(msg)


def test_a_full_inbox_is_not_filled_by_who_has_rested(frame: FrameMaker) -> None:
    """The fifth message makes the decoder rest, and the inbox full."""
    program = Program()
    stages = protocol_stages("server", deflate=DeflateParameters(), keepalive=None)
    channel = EmbeddedChannel(*stages.handlers, program)
    channel.write_inbound(bombs(frame, 12))
    assert len(program.inbox) == 5
    assert not channel.wants_to_read
    taken = 0
    while program.inbox.take() is not None:
        channel.run_pending()
        assert len(program.inbox) <= 5
        taken += 1
    assert taken == 12
    assert channel.wants_to_read


def test_who_leaves_while_it_rests_takes_nothing_along(frame: FrameMaker) -> None:
    counter = Counter()
    channel = channel_of(counter)
    channel.loop.execute(channel.abort)  # runs before the decoder goes on
    channel.write_inbound(bombs(frame, 12))
    assert 4 * SIZE < counter.count <= 5 * SIZE


def test_without_a_pipeline_nobody_rests(frame: FrameMaker) -> None:
    decoder = FrameDecoder("server", deflate=DeflateParameters())
    assert decoder.feed(bombs(frame, 6) + frame(8)) == [*[MESSAGE] * 6, Close(None)]
