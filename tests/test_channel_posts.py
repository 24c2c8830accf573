"""What other threads ask of a channel: counted at once, done in order, and bounded also when the loop is held up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    ChannelClosedError,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelOptions,
    EventLoop,
    MessageToByteEncoder,
    WriteBufferOverflowError,
)
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Listens(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Writes down what becomes of the channel, and what it can tell of its output then."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def channel_writability_changed(self, ctx: Ctx) -> None:
        self.log.append((ctx.channel.is_writable, ctx.channel.pending_write_bytes))

    def channel_inactive(self, ctx: Ctx) -> None:
        self.log.append("inactive")

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        self.log.append(exc)


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)


def connected(*stages: Any) -> tuple[EmbeddedChannel, Listens]:
    listens = Listens()
    options = ChannelOptions(write_buffer_high=100, write_buffer_low=50, write_buffer_limit=1000)
    return EmbeddedChannel(*stages, listens, options=options), listens


def test_what_was_posted_counts_at_once_and_the_stages_hear_of_it_once() -> None:
    channel, listens = connected()
    seen: list[Any] = []

    def post() -> None:
        for _ in range(3):
            channel.write(bytes(60))
            seen.append((channel.is_writable, channel.pending_write_bytes))

    in_a_thread(post)
    assert seen == [(True, 60), (False, 120), (False, 180)]
    assert listens.log == []  # a handler hears of it on the loop
    channel.run_pending()
    assert [is_writable for is_writable, _ in listens.log] == [False, True]
    assert listens.log[0] == (False, 180)
    assert (channel.is_writable, channel.pending_write_bytes) == (True, 0)
    assert channel.outbound == [bytes(60)] * 3


def test_who_sees_it_full_while_the_loop_is_emptying_it_will_hear_of_room() -> None:
    class PostsMore(ChannelDuplexHandler[Any, Any, Any, Any]):
        def write(self, ctx: Ctx, msg: Any, promise: ChannelFuture[Any] | None) -> None:
            ctx.write_and_flush(msg, promise)
            if msg == b"first":
                in_a_thread(post_much)
                channel.flush()  # empties the inbox in the middle of what empties it

    def post_much() -> None:
        channel.write(bytes(200))
        seen.append(channel.is_writable)

    seen: list[bool] = []
    channel, listens = connected()
    channel.pipeline.add_last(PostsMore())
    in_a_thread(lambda: channel.write(b"first"))
    channel.run_pending()
    assert seen == [False]
    assert [is_writable for is_writable, _ in listens.log] == [False, True]
    assert channel.outbound == [b"first", bytes(200)]


def test_a_little_that_is_posted_is_no_event() -> None:
    channel, listens = connected()
    in_a_thread(lambda: [channel.write_and_flush(bytes(50)), channel.write_and_flush(bytes(50))])
    channel.run_pending()
    assert listens.log == []
    assert channel.outbound == [bytes(50)] * 2


def test_a_loop_that_cannot_follow_lets_the_write_fail_at_once_and_then_the_channel() -> None:
    channel, listens = connected()
    futures: list[ChannelFuture[None]] = []
    in_a_thread(lambda: futures.extend(channel.write(bytes([number]) * 400) for number in range(5)))
    errors = [future.exception() for future in futures[3:]]
    assert [type(error) for error in errors] == [WriteBufferOverflowError] * 2
    assert "1200 bytes wait to be sent" in str(errors[0])
    assert "the limit is 1000" in str(errors[0])
    assert [future.done() for future in futures[:3]] == [False] * 3
    assert channel.pending_write_bytes == 1200
    channel.run_pending()
    assert [future.exception() for future in futures[:3]] == [errors[0]] * 3  # nothing of it was sent
    assert channel.close_reason is errors[0]
    assert listens.log[-2:] == [errors[0], "inactive"]
    late: list[ChannelFuture[None]] = []
    in_a_thread(lambda: late.append(channel.write(b"late")))
    assert isinstance(late[0].exception(), WriteBufferOverflowError)


def test_what_found_room_finds_it_on_the_loop_as_well() -> None:
    channel, listens = connected()
    futures: list[ChannelFuture[None]] = []
    in_a_thread(lambda: futures.extend(channel.write(bytes(size)) for size in (10, 980, 5000)))
    channel.run_pending()
    assert [future.exception() for future in futures] == [None] * 3
    assert channel.is_open
    assert [is_writable for is_writable, _ in listens.log] == [False, True]


def test_messages_of_which_only_an_encoder_knows_the_size_are_bounded() -> None:
    class Numbers(MessageToByteEncoder[int]):
        def encode(self, msg: int) -> bytes:
            return b"%d" % msg

    channel, _ = connected(Numbers())
    futures: list[ChannelFuture[None]] = []
    in_a_thread(lambda: futures.extend(channel.write(number) for number in range(2)))
    assert isinstance(futures[1].exception(), WriteBufferOverflowError)  # the first counts 1024
    channel.run_pending()
    assert isinstance(futures[0].exception(), WriteBufferOverflowError)  # it had not been sent when the channel ended


def test_closing_finds_room_when_a_write_does_not() -> None:
    channel, _ = connected()
    futures: list[ChannelFuture[None]] = []

    def ask() -> None:
        futures.extend([channel.write(bytes(1000)), channel.close(), channel.write(b"x")])

    in_a_thread(ask)
    channel.run_pending()
    assert [type(future.exception()) for future in futures] == [type(None), type(None), WriteBufferOverflowError]


def test_who_writes_the_same_to_many_needs_no_future_to_be_refused() -> None:
    channel, _ = connected()

    def broadcast() -> None:
        for _ in range(3):
            channel.broadcast(bytes(600))

    in_a_thread(broadcast)
    assert channel.pending_write_bytes == 1200
    channel.run_pending()
    assert isinstance(channel.close_reason, WriteBufferOverflowError)
    assert channel.outbound == [bytes(600)] * 2


def test_a_loop_that_has_stopped_refuses_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    from pipeline_net.channel import Channel

    class Bare(Channel):
        def reading_changed(self) -> None:
            pass

    loop = EventLoop()
    channel = Bare(loop, ChannelOptions(write_buffer_limit=65536))
    loop.stop()
    errors = [channel.write(bytes(40_000)).exception() for _ in range(4)]
    assert [type(error) for error in errors] == [ChannelClosedError] * 2 + [WriteBufferOverflowError] * 2
    assert caplog.text == ""
