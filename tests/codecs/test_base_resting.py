"""Many small messages in one read: the other connections of the loop get their turn in between."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoop, ICodec, ReceiveBuffer, ServerBootstrap
from pipeline_net.codecs import FixedLengthFrameDecoder, LengthFieldBasedFrameDecoder, LineBasedFrameDecoder, http
from pipeline_net.codecs.base import COSTLY_TURN, TURN, ByteToMessageDecoder
from pipeline_net.options import ChannelOptions
from pipeline_net.testing import EmbeddedChannel

_MANY = 4 * TURN


class Letters(ICodec[bytes]):
    def decode(self, buffer: ReceiveBuffer) -> bytes:
        return buffer.take(1)

    def encode(self, message: bytes) -> bytes:
        return message


class TakesSilently(ByteToMessageDecoder[bytes]):
    """Consumes bytes and makes no message of them, but for the full stop."""

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        byte = buffer.take(1)
        return byte if byte == b"." else None


class Counter(ChannelInboundHandler[Any, Any, Any]):
    """Counts messages, and how many had come whenever another task of the loop had its turn."""

    def __init__(self) -> None:
        self.count = 0
        self.count_at_turn = [0]
        self.trace: list[str] = []

    def channel_read(self, ctx: Any, msg: Any) -> None:
        self.count += 1
        if self.count == self.count_at_turn[-1] + 1:
            ctx.channel.loop.execute(self._have_a_turn)
        if self.count == 3 * TURN:
            self.trace.append("late message")

    def _have_a_turn(self) -> None:
        self.count_at_turn.append(self.count)

    def channel_read_complete(self, ctx: Any) -> None:
        self.trace.append("complete")
        ctx.fire_channel_read_complete()

    def channel_eof(self, ctx: Any) -> None:
        self.trace.append("eof")
        ctx.fire_channel_eof()


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (lambda: FixedLengthFrameDecoder(1), b"x"),
        (lambda: LineBasedFrameDecoder(10), b"\n"),
        (lambda: LengthFieldBasedFrameDecoder(10, length_field_length=1), b"\0"),
        (Letters, b"x"),
    ],
)
def test_many_messages_are_delivered_in_several_turns(decoder: Any, message: bytes) -> None:
    counter = Counter()
    channel = EmbeddedChannel(decoder(), counter)
    channel.write_inbound(message * _MANY)
    assert counter.count_at_turn == [0, TURN, 2 * TURN, 3 * TURN, 4 * TURN]
    assert channel.wants_to_read
    assert counter.trace == ["complete", "complete", "late message", "complete", "complete"]


def test_as_many_as_fit_into_a_turn_come_in_one() -> None:
    counter = Counter()
    EmbeddedChannel(FixedLengthFrameDecoder(1), counter).write_inbound(b"x" * TURN)
    assert counter.count_at_turn == [0, TURN]
    assert counter.trace == ["complete"]


def test_a_decoder_may_have_shorter_turns() -> None:
    class Short(FixedLengthFrameDecoder):
        def __init__(self) -> None:
            super().__init__(1)
            self.turn = 10

    counter = Counter()
    EmbeddedChannel(Short(), counter).write_inbound(b"x" * 25)
    assert counter.count_at_turn == [0, 10, 20, 25]


def test_steps_that_make_no_message_count() -> None:
    counter = Counter()
    channel = EmbeddedChannel(TakesSilently(), counter)
    had_turn: list[int] = []
    channel.loop.execute(lambda: had_turn.append(counter.count))
    channel.loop.execute(channel.write_inbound, b"_" * TURN + b".")
    channel.loop.execute(lambda: had_turn.append(counter.count))
    channel.run_pending()
    assert had_turn == [0, 0]
    assert counter.count == 1


def test_who_rests_does_not_read_and_what_comes_all_the_same_waits_its_turn() -> None:
    counter = Counter()
    channel = EmbeddedChannel(FixedLengthFrameDecoder(1), counter)
    seen: list[tuple[bool, int]] = []

    def in_between() -> None:
        seen.append((channel.wants_to_read, counter.count))
        channel.pipeline.fire_channel_read(b"yy")
        seen.append((channel.wants_to_read, counter.count))

    channel.loop.execute(in_between)
    channel.write_inbound(b"x" * (TURN + 1))
    assert seen == [(False, TURN), (False, TURN)]
    assert counter.count == TURN + 3
    assert channel.wants_to_read


def test_the_end_of_input_comes_behind_what_waits() -> None:
    counter = Counter()
    channel = EmbeddedChannel(FixedLengthFrameDecoder(1), counter)
    channel.loop.execute(channel.end_of_input)
    channel.write_inbound(b"x" * _MANY)
    assert counter.count == _MANY
    assert counter.trace.index("eof") == len(counter.trace) - 1


def test_without_auto_read_one_read_brings_one_batch_however_many_messages_it_has() -> None:
    channel = EmbeddedChannel(FixedLengthFrameDecoder(1), options=ChannelOptions(auto_read=False))
    channel.write_inbound(b"x" * _MANY)
    assert len(channel.inbound) == _MANY
    assert channel.reads_requested == 0


def _seat(channel: EmbeddedChannel, decoder: ByteToMessageDecoder[Any]) -> ChannelHandlerContext[Any, Any]:
    seat = channel.pipeline.context(decoder)
    assert seat is not None
    return seat


def test_who_is_paused_while_it_rests_stays_paused() -> None:
    counter = Counter()
    decoder = FixedLengthFrameDecoder(1)
    channel = EmbeddedChannel(decoder, counter)

    def pause() -> None:
        decoder.is_paused = True

    channel.loop.execute(pause)
    channel.write_inbound(b"x" * _MANY)
    assert counter.count == TURN
    assert not channel.wants_to_read
    decoder.resume(_seat(channel, decoder))
    channel.run_pending()
    assert counter.count == _MANY
    assert channel.wants_to_read


def test_resuming_who_rests_does_not_wake_it() -> None:
    counter = Counter()
    decoder = FixedLengthFrameDecoder(1)
    channel = EmbeddedChannel(decoder, counter)
    counts: list[int] = []

    def resume() -> None:
        decoder.resume(_seat(channel, decoder))
        counts.append(counter.count)

    channel.loop.execute(resume)
    channel.write_inbound(b"x" * _MANY)
    assert counts == [TURN]
    assert counter.count == _MANY


def test_who_takes_it_out_while_it_rests_gets_the_unread_bytes() -> None:
    decoder = FixedLengthFrameDecoder(1)
    channel = EmbeddedChannel(decoder)
    channel.loop.execute(channel.pipeline.remove, decoder)
    channel.write_inbound(b"x" * _MANY)
    assert channel.inbound == [*[b"x"] * TURN, b"x" * (_MANY - TURN)]
    assert channel.wants_to_read


def test_who_aborts_while_it_rests_hears_no_more() -> None:
    counter = Counter()
    channel = EmbeddedChannel(FixedLengthFrameDecoder(1), counter)
    channel.loop.execute(channel.abort)
    channel.write_inbound(b"x" * _MANY)
    assert counter.count == TURN


class Hello(ChannelInboundHandler[Any, Any, Any]):
    def __init__(self, served: list[int]) -> None:
        self._served = served

    def channel_read(self, ctx: Any, msg: Any) -> None:
        self._served[0] += 1
        ctx.write(http.FullResponse(204))


def test_a_peer_that_pipelines_much_gets_all_its_answers_in_several_turns() -> None:
    loop = EventLoop()
    served = [0]
    bootstrap = ServerBootstrap(
        loop, initializer=lambda channel: http.server_stack(date=False) >> http.RequestAggregator() >> Hello(served)
    )
    with bootstrap.bind("tcp://127.0.0.1:0") as server:
        address = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
        with socket.create_connection(address) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2000)  # less than a read brings
            peer.shutdown(socket.SHUT_WR)
            while served[0] == 0:
                loop.run_once(1.0)
            in_one_turn = served[0]
            peer.setblocking(False)
            answers = b""
            while answers.count(b"\r\n\r\n") < 2000:
                loop.run_once(0.01)
                with suppress(BlockingIOError):
                    answers += peer.recv(1 << 20)
        loop.stop()
    assert in_one_turn <= 2 * COSTLY_TURN
    assert answers.count(b"HTTP/1.1 204 No Content\r\n") == 2000


@pytest.mark.parametrize("silent", [10, TURN - 1, TURN, TURN + 1, 3 * TURN])
def test_a_decoder_that_has_rested_and_made_nothing_asks_for_more(silent: int) -> None:
    channel = EmbeddedChannel(TakesSilently(), options=ChannelOptions(auto_read=False))
    channel.write_inbound(b"x" * silent)
    channel.run_pending()
    assert channel.reads_requested == 1
    channel.write_inbound(b"x" * silent + b"." + b"x" * silent)
    channel.run_pending()
    assert channel.inbound == [b"."]
    assert channel.reads_requested == 1  # there was a message: whoever reads it asks


class Interrupted(ChannelInboundHandler[bytes]):
    """Notes what it reads; and at one of the messages somebody types Ctrl-C."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.events: list[bytes | str] = []

    def channel_read(self, ctx: Any, msg: bytes) -> None:
        self.events.append(msg)
        if len(self.events) - self.events.count("complete") == self.at:
            raise KeyboardInterrupt

    def channel_read_complete(self, ctx: Any) -> None:
        self.events.append("complete")


@pytest.mark.parametrize("at", [5, TURN + 5])
def test_who_goes_on_after_an_interrupt_has_lost_nothing_and_reads(at: int) -> None:
    channel = EmbeddedChannel(FixedLengthFrameDecoder(1), handler := Interrupted(at))
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(b"x" * (2 * TURN))
    assert handler.events.count(b"x") == at
    channel.run_pending()  # no byte has come since
    assert handler.events.count(b"x") == 2 * TURN
    assert handler.events[-1] == "complete"
    assert channel.wants_to_read
    channel.write_inbound(b"y")
    assert handler.events[-2:] == [b"y", "complete"]


def test_what_arrives_after_an_interrupt_comes_behind_what_was_here() -> None:
    channel = EmbeddedChannel(FixedLengthFrameDecoder(1), handler := Interrupted(1))
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(b"ab")
    assert not channel.wants_to_read
    channel.write_inbound(b"c")
    assert [event for event in handler.events if event != "complete"] == [b"a", b"b", b"c"]


def test_a_decoder_that_was_taken_out_when_the_interrupt_came_holds_nothing_up() -> None:
    class Leaving(Interrupted):
        def channel_read(self, ctx: Any, msg: bytes) -> None:
            if FixedLengthFrameDecoder in ctx.pipeline:
                ctx.pipeline.remove(FixedLengthFrameDecoder)
            super().channel_read(ctx, msg)

    channel = EmbeddedChannel(FixedLengthFrameDecoder(1), handler := Leaving(1))
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(b"abc")
    channel.run_pending()
    assert handler.events[:2] == [b"a", b"bc"]
    assert channel.wants_to_read
