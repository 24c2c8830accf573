"""Decoders whose peer asks a lot and reads nothing: what it asked for waits, and none of it is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.buffer import ReceiveBuffer
from pipeline_net.codecs import LineBasedFrameCodec, LineBasedFrameDecoder
from pipeline_net.codecs.base import ByteToMessageDecoder
from pipeline_net.context import ChannelHandlerContext
from pipeline_net.handler import ChannelInboundHandler
from pipeline_net.options import ChannelOptions
from pipeline_net.testing import EmbeddedChannel

Context = ChannelHandlerContext[Any, Any]

_ANSWER = 100  # bytes to each line
_OPTIONS = ChannelOptions(write_buffer_high=250, write_buffer_low=200)


class Answers(ChannelInboundHandler[bytes]):
    """A hundred bytes to each line; keeps a diary."""

    def __init__(self) -> None:
        self.diary: list[str] = []

    def channel_read(self, ctx: Context, msg: bytes) -> None:
        self.diary.append(msg.decode())
        ctx.write(msg.ljust(_ANSWER))

    def channel_read_complete(self, ctx: Context) -> None:
        self.diary.append("complete")

    def channel_writability_changed(self, ctx: Context) -> None:
        self.diary.append("writable" if ctx.channel.is_writable else "not writable")

    def channel_eof(self, ctx: Context) -> None:
        self.diary.append("eof")


class Plain(LineBasedFrameCodec):
    """Reads lines and writes bytes as they are."""

    def encode(self, message: bytes) -> bytes:
        return message


def make_decoder() -> ByteToMessageDecoder[bytes]:
    return LineBasedFrameDecoder(10)


@pytest.fixture(params=[make_decoder, Plain])
def make_stage(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_messages_behind_too_many_answers_wait_until_these_are_sent(make_stage: Callable[[], Any]) -> None:
    answers = Answers()
    channel = EmbeddedChannel(make_stage(), answers, options=_OPTIONS)
    channel.peer_window = 0
    channel.write_inbound(b"a\nb\nc\nd\ne\n")
    assert answers.diary == ["a", "b", "c", "not writable", "complete"]
    assert channel.pending_write_bytes == 3 * _ANSWER
    channel.peer_window = None
    channel.run_pending()
    assert answers.diary[5:] == ["writable", "d", "e", "complete"]
    assert b"".join(channel.outbound).split() == [b"a", b"b", b"c", b"d", b"e"]


def test_what_waits_is_sent_in_as_many_steps_as_it_takes() -> None:
    answers = Answers()
    channel = EmbeddedChannel(make_decoder(), answers, options=_OPTIONS)
    channel.peer_window = 0
    channel.write_inbound(b"".join(b"%d\n" % number for number in range(1000)))
    most = 0
    while len(channel.outbound) < 1000:
        most = max(most, channel.pending_write_bytes)
        channel.peer_window = _ANSWER
        channel.run_pending()
    assert [int(answer) for answer in channel.outbound] == list(range(1000))
    assert most == 3 * _ANSWER


def test_the_end_of_input_waits_behind_the_messages(make_stage: Callable[[], Any]) -> None:
    answers = Answers()
    channel = EmbeddedChannel(make_stage(), answers, options=_OPTIONS)
    channel.peer_window = 0
    channel.write_inbound(b"a\nb\nc\nd\n")
    channel.finish_input()
    assert "eof" not in answers.diary
    channel.peer_window = None
    channel.run_pending()
    assert answers.diary[-3:] == ["d", "complete", "eof"]


def test_bytes_that_still_arrive_wait_in_line() -> None:
    answers = Answers()
    channel = EmbeddedChannel(make_decoder(), answers, options=_OPTIONS)
    channel.peer_window = 0
    channel.write_inbound(b"a\nb\nc\nd\n")
    channel.write_inbound(b"e\n")
    assert [entry for entry in answers.diary if len(entry) == 1] == ["a", "b", "c"]
    channel.peer_window = None
    channel.run_pending()
    assert [entry for entry in answers.diary if len(entry) == 1] == ["a", "b", "c", "d", "e"]


def test_a_decoder_that_is_taken_out_hands_over_what_waits_and_the_end() -> None:
    answers = Answers()
    decoder = make_decoder()
    channel = EmbeddedChannel(decoder, answers, options=_OPTIONS)
    channel.peer_window = 0
    channel.write_inbound(b"a\nb\nc\nd\ne\n")
    channel.finish_input()
    channel.pipeline.remove(decoder)
    assert answers.diary[-3:] == ["d\ne\n", "complete", "eof"]


def test_a_channel_that_is_closed_drops_what_waits() -> None:
    answers = Answers()
    channel = EmbeddedChannel(make_decoder(), answers, options=_OPTIONS)
    channel.peer_window = 0
    channel.write_inbound(b"a\nb\nc\nd\n")
    channel.finish_input()
    channel.abort()
    channel.run_pending()
    assert answers.diary == ["a", "b", "c", "not writable", "complete"]


def test_nothing_waits_where_reading_does_not_pause_either() -> None:
    answers = Answers()
    options = ChannelOptions(write_buffer_high=250, write_buffer_low=200, pause_reads_when_unwritable=False)
    channel = EmbeddedChannel(make_decoder(), answers, options=options)
    channel.peer_window = 0
    channel.write_inbound(b"a\nb\nc\nd\n")
    assert answers.diary == ["a", "b", "c", "not writable", "d", "complete"]


def test_overlong_frames_that_are_answered_wait_too() -> None:
    class Scolds(LineBasedFrameDecoder):
        def exception_caught(self, ctx: Context, exc: BaseException) -> None:
            ctx.write(b"too long".ljust(_ANSWER))

    channel = EmbeddedChannel(Scolds(1, fail_fast=True), options=_OPTIONS)
    channel.peer_window = 0
    channel.write_inbound(b"aaa\n" * 100)
    assert channel.pending_write_bytes == 3 * _ANSWER
    channel.peer_window = None
    channel.run_pending()
    assert len(channel.outbound) == 100


def test_a_peer_that_reads_while_its_questions_are_answered_makes_nobody_wait() -> None:
    class Flushes(Answers):
        def channel_read(self, ctx: Context, msg: bytes) -> None:
            super().channel_read(ctx, msg)
            ctx.flush()

    answers = Flushes()
    channel = EmbeddedChannel(
        make_decoder(), answers, options=ChannelOptions(write_buffer_high=50, write_buffer_low=50)
    )
    channel.write_inbound(b"a\nb\n")
    assert answers.diary == ["a", "not writable", "writable", "b", "not writable", "writable", "complete"]


def test_a_subclass_may_listen_to_writability_as_well() -> None:
    class Listens(ByteToMessageDecoder[bytes]):
        changes = 0

        def decode(self, buffer: ReceiveBuffer) -> bytes:
            return buffer.take(1)

        def channel_writability_changed(self, ctx: Context) -> None:
            self.changes += 1
            super().channel_writability_changed(ctx)

    decoder = Listens()
    answers = Answers()
    channel = EmbeddedChannel(decoder, answers, options=_OPTIONS)
    channel.peer_window = 0
    channel.write_inbound(b"abcd")
    channel.peer_window = None
    channel.run_pending()
    assert decoder.changes == 2
    assert b"".join(channel.outbound).split() == [b"a", b"b", b"c", b"d"]
