"""A peer that says its last words and resets the connection, just before we send: they are read first."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import ChannelBrokenError, ChannelHandlerContext, ChannelInboundHandler
from pipeline_net.transport.stream_channel import StreamChannel

_MIB = 1 << 20

Opener = Callable[..., tuple[StreamChannel, socket.socket]]
OnLoop = Callable[[Callable[[], Any]], Any]


class Diary(ChannelInboundHandler[bytes]):
    """Writes down what happens, in its order; bytes as how many there were."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.words = b""

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        self.words += msg
        if "words" not in self.entries:
            self.entries.append("words")

    def channel_eof(self, ctx: ChannelHandlerContext) -> None:
        self.entries.append("end")
        ctx.fire_channel_eof()

    def exception_caught(self, ctx: ChannelHandlerContext, exc: BaseException) -> None:
        self.entries.append(type(exc))

    def channel_inactive(self, ctx: ChannelHandlerContext) -> None:
        self.entries.append("inactive")


def _wait_for_hangup(channel: StreamChannel) -> None:
    poll = select.poll()
    poll.register(channel._sock.fileno(), 0)
    assert poll.poll(10_000), "the reset has not come"


def _wait_for_goodbye(channel: StreamChannel, run: OnLoop) -> None:
    channel.close_future.result(10)
    run(lambda: None)  # behind the news for the stages


def _send_into_a_reset(channel: StreamChannel, far: socket.socket, words: bytes, *, unread: bool = True) -> Any:
    """On the loop, so that it does not look: the peer speaks and goes, and we send."""
    if unread:
        channel.write_and_flush(b"the peer does not read this")
    far.sendall(words)
    far.close()  # with bytes unread, so the kernel sends a reset behind the words
    if unread:
        _wait_for_hangup(channel)
    else:
        channel.write_and_flush(b"this is answered with a reset")
        _wait_for_hangup(channel)
    return channel.write_and_flush(b"lost")


@pytest.mark.parametrize("count", [0, 1, 1000, 50_000])
def test_last_words_before_a_reset_are_heard_before_the_failed_send_is(
    connect: Opener, run: OnLoop, count: int
) -> None:
    diary = Diary()
    channel, far = connect(diary)
    lost = run(lambda: _send_into_a_reset(channel, far, bytes(count)))
    assert isinstance(lost.exception(10), ChannelBrokenError)
    _wait_for_goodbye(channel, run)
    assert diary.words == bytes(count)
    expected = ["words"] if count else []
    assert diary.entries == [*expected, ChannelBrokenError, "inactive"], "a reset is no orderly end"


def test_an_end_that_came_before_the_reset_is_an_end(connect: Opener, run: OnLoop) -> None:
    diary = Diary()
    channel, far = connect(diary)
    lost = run(lambda: _send_into_a_reset(channel, far, b"goodbye", unread=False))
    assert isinstance(lost.exception(10), ChannelBrokenError)
    _wait_for_goodbye(channel, run)
    assert diary.words == b"goodbye"
    assert diary.entries[:2] == ["words", "end"]
    assert diary.entries[-1] == "inactive"


def test_who_does_not_read_is_told_at_once(connect: Opener, run: OnLoop) -> None:
    diary = Diary()
    channel, far = connect(diary, auto_read=False)
    lost = run(lambda: _send_into_a_reset(channel, far, b"nobody wants to know"))
    assert isinstance(lost.exception(10), ChannelBrokenError)
    _wait_for_goodbye(channel, run)
    assert diary.entries == [ChannelBrokenError, "inactive"]


def test_nothing_more_is_sent_and_everything_fails(connect: Opener, run: OnLoop) -> None:
    class Answers(Diary):
        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            super().channel_read(ctx, msg)
            self.later = ctx.channel.write_and_flush(b"an answer to last words")

    diary = Answers()
    channel, far = connect(diary)
    lost = run(lambda: _send_into_a_reset(channel, far, b"goodbye"))
    assert isinstance(lost.exception(10), ChannelBrokenError)
    assert isinstance(diary.later.exception(10), ChannelBrokenError)
    _wait_for_goodbye(channel, run)
    assert diary.entries == ["words", ChannelBrokenError, "inactive"]


def test_who_closes_with_the_news_still_to_come_is_done_at_once(connect: Opener, run: OnLoop) -> None:
    diary = Diary()
    channel, far = connect(diary, close_timeout=60.0)

    def send_and_close() -> None:
        _send_into_a_reset(channel, far, b"goodbye")
        channel.close()

    run(send_and_close)
    _wait_for_goodbye(channel, run)
    assert diary.entries[-1] == "inactive"


def test_who_aborts_with_the_news_still_to_come_hears_nothing(connect: Opener, run: OnLoop) -> None:
    diary = Diary()
    channel, far = connect(diary)

    def send_and_abort() -> None:
        _send_into_a_reset(channel, far, b"goodbye")
        channel.abort()

    run(send_and_abort)
    _wait_for_goodbye(channel, run)
    assert diary.entries == ["inactive"]
