"""EmbeddedChannel: it opens, reads, writes and closes as a real channel does, and raises what nobody handled."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from pipeline_net import (
    ByteToMessageDecoder,
    Channel,
    ChannelBrokenError,
    ChannelClosedError,
    ChannelDuplexHandler,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    ChannelOutboundHandler,
    CorruptedFrameError,
    MessageToByteEncoder,
    PipelineError,
    ReceiveBuffer,
    wire,
)
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Diary(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Writes down what it hears, and passes it on."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def handler_added(self, ctx: Ctx) -> None:
        self.heard.append("added")

    def handler_removed(self, ctx: Ctx) -> None:
        self.heard.append("removed")

    def channel_registered(self, ctx: Ctx) -> None:
        self.heard.append("registered")
        ctx.fire_channel_registered()

    def channel_active(self, ctx: Ctx) -> None:
        self.heard.append("active")
        ctx.fire_channel_active()

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.heard.append(f"read {msg!r}")
        ctx.fire_channel_read(msg)

    def channel_read_complete(self, ctx: Ctx) -> None:
        self.heard.append("read complete")
        ctx.fire_channel_read_complete()

    def channel_eof(self, ctx: Ctx) -> None:
        self.heard.append("eof")
        ctx.fire_channel_eof()

    def channel_inactive(self, ctx: Ctx) -> None:
        self.heard.append("inactive")
        ctx.fire_channel_inactive()

    def channel_unregistered(self, ctx: Ctx) -> None:
        self.heard.append("unregistered")
        ctx.fire_channel_unregistered()


class Lines(ByteToMessageDecoder[bytes]):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        end = buffer.find(b"\n")
        if end < 0:
            return None
        line = buffer.take(end)
        buffer.skip(1)
        if line == b"bad":
            raise CorruptedFrameError("a bad line")
        return line


class Newlines(MessageToByteEncoder[bytes]):
    def encode(self, msg: bytes) -> bytes:
        if b"\n" in msg:
            raise ValueError(f"{msg!r} is two lines")
        return msg + b"\n"


class Echo(ChannelInboundHandler[bytes, Any, bytes]):
    def channel_read(self, ctx: Ctx, msg: bytes) -> None:
        ctx.write(msg)


class Raises(ChannelInboundHandler[Any]):
    """Raises every exception it reads."""

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        if isinstance(msg, Exception):
            raise msg
        ctx.fire_channel_read(msg)


# -- opening and closing --------------------------------------------------------------------------------


def test_it_is_open_when_the_constructor_returns() -> None:
    diary = Diary()
    channel = EmbeddedChannel(("diary", diary), wire() >> Lines() >> Newlines(), Echo())
    assert diary.heard == ["added", "registered", "active"]
    assert channel.is_active
    assert channel.pipeline.names == ["diary", "lines", "newlines", "echo"]
    assert (channel.local_address, channel.remote_address) == ("embedded", "test")


def test_the_stages_are_told_the_addresses_that_the_test_chose() -> None:
    channel = EmbeddedChannel(local_address=("::1", 80), remote_address=("10.0.0.1", 4711))
    assert (channel.local_address, channel.remote_address) == (("::1", 80), ("10.0.0.1", 4711))


def test_a_stage_that_fails_to_open_makes_the_constructor_raise() -> None:
    class Unwilling(ChannelInboundHandler[Any]):
        def handler_added(self, ctx: Ctx) -> None:
            raise LookupError("no configuration")

    with pytest.raises(PipelineError, match="handler_added of 'unwilling'") as caught:
        EmbeddedChannel(Unwilling())
    assert isinstance(caught.value.__cause__, LookupError)


def _initializer(channel: Any) -> list[Any]:
    return [Diary(), Diary()]


class _Makes:
    def __call__(self, channel: Any) -> list[Any]:
        return [Diary()]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (_initializer, r"did you mean EmbeddedChannel\(initializer=_initializer\)\?"),
        (lambda channel: [Diary()], r"did you mean EmbeddedChannel\(initializer=…\)\?"),
        (_Makes(), r"did you mean EmbeddedChannel\(initializer=initializer\)\?"),
        ([Diary()], r"did you mean EmbeddedChannel\(\*stages\)\?"),
    ],
)
def test_what_makes_stages_is_no_stage(given: Any, hint: str) -> None:
    with pytest.raises(PipelineError, match=f"an EmbeddedChannel takes the stages themselves, and not .*: {hint}"):
        EmbeddedChannel(given)
    channel = EmbeddedChannel(*given) if isinstance(given, list) else EmbeddedChannel(initializer=given)
    assert channel.is_open  # as it says


@pytest.mark.parametrize("kind", ["stack", "list", "pipeline", "none"])
def test_an_initializer_is_called_as_by_a_server(kind: str) -> None:
    def initializer(channel: Channel) -> Any:
        channels.append((channel, channel.is_active))
        if kind == "stack":
            return wire() >> first >> second
        if kind == "list":
            return [first, ("second", second)]
        channel.pipeline.add_last(first, second)
        return channel.pipeline if kind == "pipeline" else None

    channels: list[tuple[Channel, bool]] = []
    first, second = Diary(), Diary()
    channel = EmbeddedChannel(initializer=initializer)
    assert channels == [(channel, False)]
    assert list(channel.pipeline) == [first, second]
    assert first.heard == second.heard == ["added", "registered", "active"]
    assert channel.is_active


def test_what_is_wrong_with_an_initializer_is_raised() -> None:
    def broken(channel: Channel) -> Any:
        raise LookupError("no configuration")

    stage: Any = Diary()
    with pytest.raises(LookupError, match="no configuration"):
        EmbeddedChannel(initializer=broken)
    with pytest.raises(PipelineError, match=r"did you mean \[Diary\(…\)\]"):
        EmbeddedChannel(initializer=lambda channel: stage)
    with pytest.raises(PipelineError, match="and not both"):
        EmbeddedChannel(stage, initializer=lambda channel: [])


def test_a_class_of_stages_is_told_apart_as_in_every_pipeline() -> None:
    stage: Any = Diary
    with pytest.raises(PipelineError, match=r"did you mean Diary\(\)\?"):
        EmbeddedChannel(stage)


def test_a_stage_may_close_it_before_it_is_registered() -> None:
    class Closes(Diary):
        def handler_added(self, ctx: Ctx) -> None:
            super().handler_added(ctx)
            ctx.close()

    diary = Closes()
    channel = EmbeddedChannel(diary)
    assert not channel.is_open
    assert diary.heard == ["added", "removed"]


def test_finish_ends_the_input_and_closes() -> None:
    diary = Diary()
    channel = EmbeddedChannel(diary)
    del diary.heard[:]
    assert channel.finish() is False
    assert diary.heard == ["eof", "inactive", "unregistered", "removed"]
    assert channel.close_future.done()
    assert channel.finish() is False


def test_finish_closes_what_stays_half_open_and_tells_what_can_be_read() -> None:
    class Goodbye(ChannelInboundHandler[Any]):
        def channel_eof(self, ctx: Ctx) -> None:
            ctx.write(b"bye")

    channel = EmbeddedChannel(Goodbye())
    channel.finish_input()
    assert channel.is_open
    assert channel.outbound == [b"bye"]
    assert channel.finish() is True
    assert not channel.is_open


def test_the_end_of_input_comes_once() -> None:
    class HalfOpen(Diary):
        def channel_eof(self, ctx: Ctx) -> None:
            self.heard.append("eof")

    diary = HalfOpen()
    channel = EmbeddedChannel(diary)
    channel.finish_input()
    channel.finish_input()
    assert diary.heard.count("eof") == 1
    with pytest.raises(PipelineError, match="after the end of input"):
        channel.write_inbound(b"x")


def test_half_a_frame_at_the_end_of_input_is_raised() -> None:
    channel = EmbeddedChannel(Lines())
    assert channel.write_inbound(b"a\nb") is True
    with pytest.raises(CorruptedFrameError, match="1 bytes"):
        channel.finish_input()
    assert channel.read_inbound() == b"a"


def test_close_does_what_it_does_everywhere_and_the_stages_hear_of_it_as_a_task() -> None:
    diary = Diary()
    channel = EmbeddedChannel(diary)
    promise = channel.close()
    assert promise.done()
    assert "inactive" not in diary.heard
    channel.run_pending()
    assert diary.heard[-3:] == ["inactive", "unregistered", "removed"]


def test_a_closed_channel_takes_nothing_more() -> None:
    channel = EmbeddedChannel()
    channel.finish()
    with pytest.raises(ChannelClosedError):
        channel.write_inbound(b"x")
    with pytest.raises(ChannelClosedError):
        channel.write_outbound(b"x")


def test_a_network_that_fails_is_raised_with_its_cause() -> None:
    channel = EmbeddedChannel(Diary())
    channel.fail(ConnectionResetError("reset by test"))
    with pytest.raises(ChannelBrokenError) as caught:
        channel.run_pending()
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    with pytest.raises(ChannelBrokenError):
        channel.write_inbound(b"x")


# -- messages -------------------------------------------------------------------------------------------


def test_a_batch_is_read_message_by_message_and_completed_once() -> None:
    diary = Diary()
    channel = EmbeddedChannel(diary)
    assert channel.write_inbound(b"a", b"b") is True
    assert diary.heard[-3:] == ["read b'a'", "read b'b'", "read complete"]
    assert channel.inbound == [b"a", b"b"]
    assert [channel.read_inbound(), channel.read_inbound(), channel.read_inbound()] == [b"a", b"b", None]


def test_without_messages_there_is_no_batch() -> None:
    diary = Diary()
    assert EmbeddedChannel(diary).write_inbound() is False
    assert "read complete" not in diary.heard


def test_answers_are_flushed_when_the_call_returns() -> None:
    channel = EmbeddedChannel(wire() >> Lines() >> Newlines() >> Echo())
    assert channel.write_inbound(b"a\nb\nc") is False
    assert channel.outbound == [b"a\n", b"b\n"]
    assert [channel.read_outbound(), channel.read_outbound(), channel.read_outbound()] == [b"a\n", b"b\n", None]


def test_any_object_can_come_in_and_go_out() -> None:
    channel = EmbeddedChannel()
    message = object()
    assert channel.write_inbound(message, None) is True
    assert channel.inbound == [message, None]
    assert channel.write_outbound(message, b"", b"x", {}) is True
    assert channel.outbound == [message, b"", b"x", {}]


def test_a_stage_that_closes_hears_of_no_further_message() -> None:
    class ClosesAtOnce(Diary):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            super().channel_read(ctx, msg)
            ctx.close()

    diary = ClosesAtOnce()
    EmbeddedChannel(diary).write_inbound(b"a", b"b")
    assert diary.heard[3:] == ["read b'a'", "read complete", "inactive", "unregistered", "removed"]


def test_bytes_may_arrive_by_a_timer() -> None:
    channel = EmbeddedChannel(wire() >> Lines() >> Newlines() >> Echo())
    channel.loop.schedule(1.0, channel.write_inbound, b"late\n")
    channel.loop.schedule(2.0, channel.write_outbound, b"later")
    channel.advance(0.9)
    assert channel.outbound == []
    channel.advance(5)
    assert channel.outbound == [b"late\n", b"later\n"]
    assert channel.clock.time() == 5.9


def test_other_threads_write_through_the_loop() -> None:
    channel = EmbeddedChannel(Newlines())

    def elsewhere() -> None:
        channel.write(b"a")
        channel.write(b"b")
        with pytest.raises(PipelineError, match="thread"):
            channel.write_inbound(b"x")
        with pytest.raises(PipelineError, match="thread"):
            channel.write_outbound(b"x")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert channel.outbound == []
    channel.run_pending()
    assert channel.outbound == [b"a\n", b"b\n"]


def test_a_stage_on_a_pool_is_as_deterministic_as_the_pool() -> None:
    class AtOnce:
        """A pool whose only thread is the test's."""

        def submit(self, fn: Any, /, *args: Any) -> None:
            fn(*args)

    channel = EmbeddedChannel(Newlines())
    channel.pipeline.add_last(Echo(), executor=AtOnce())
    channel.write_inbound(b"a", b"b")
    assert channel.outbound == [b"a\n", b"b\n"]


# -- what nobody handled --------------------------------------------------------------------------------


def test_what_reaches_the_tail_is_raised_by_the_call_that_caused_it() -> None:
    channel = EmbeddedChannel(Lines())
    with pytest.raises(CorruptedFrameError, match="a bad line"):
        channel.write_inbound(b"a\nb\nbad\nc\n")
    assert channel.inbound == [b"a", b"b"]
    channel.check()  # it has been raised
    assert len(channel.exceptions) == 1


def test_it_closes_the_channel_and_is_logged_with_the_drawn_pipeline(caplog: pytest.LogCaptureFixture) -> None:
    channel = EmbeddedChannel(("splitter", Lines()))
    with caplog.at_level(logging.ERROR, "pipeline_net.channel"), pytest.raises(CorruptedFrameError):
        channel.write_inbound(b"bad\n")
    assert not channel.is_open
    assert "splitter" in caplog.text


def test_the_first_of_several_is_raised_and_all_are_kept() -> None:
    first, second = ValueError("1"), KeyError("2")

    class RaisesWhenDone(Raises):
        def channel_read_complete(self, ctx: Ctx) -> None:
            raise second

    channel = EmbeddedChannel(RaisesWhenDone())
    with pytest.raises(ValueError, match="1"):
        channel.write_inbound("fine", first)
    assert channel.exceptions == [first, second]
    channel.check()
    assert channel.inbound == ["fine"]


def test_check_raises_what_came_between_two_calls() -> None:
    channel = EmbeddedChannel(Raises())
    error = ValueError("between")
    channel.pipeline.fire_channel_read(error)
    with pytest.raises(ValueError, match="between"):
        channel.check()
    channel.check()


def test_an_encoder_that_raises_fails_its_call_and_leaves_the_channel_open() -> None:
    channel = EmbeddedChannel(Newlines())
    with pytest.raises(ValueError, match="is two lines"):
        channel.write_outbound(b"a", b"b\nc", b"d")
    assert channel.outbound == [b"a\n", b"d\n"]
    assert channel.is_open


def test_a_timer_that_raises_is_raised_by_advance() -> None:
    channel = EmbeddedChannel()
    channel.loop.schedule(1, int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        channel.advance(1)
    assert channel.is_open


def test_a_stage_that_handles_an_exception_leaves_nothing_to_raise() -> None:
    class Handles(ChannelInboundHandler[Any]):
        def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
            ctx.write(str(exc).encode())

    channel = EmbeddedChannel(Lines(), Handles())
    channel.write_inbound(b"bad\n")
    assert channel.outbound == [b"a bad line"]
    assert channel.exceptions == []


# -- reading on request ---------------------------------------------------------------------------------


def test_reads_that_are_asked_for_are_counted() -> None:
    channel = EmbeddedChannel(Lines(), options=ChannelOptions(auto_read=False))
    assert (channel.reads_requested, channel.wants_to_read) == (0, False)
    channel.pipeline.read()
    assert (channel.reads_requested, channel.wants_to_read) == (1, True)
    channel.write_inbound(b"half")
    assert (channel.reads_requested, channel.wants_to_read) == (2, True)  # no message yet: the decoder asks for more
    channel.write_inbound(b" line\n")
    assert (channel.reads_requested, channel.wants_to_read) == (2, False)


def test_turning_auto_read_on_is_a_read_which_every_stage_hears_of() -> None:
    class Asked(ChannelOutboundHandler[Any, Any]):
        times = 0

        def read(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
            self.times += 1
            ctx.read()

    asked = Asked()
    channel = EmbeddedChannel(asked)
    for value in (True, False, False, True, True):
        channel.auto_read = value
    assert asked.times == 1  # for the one step from off to on
    channel.auto_read = False
    channel.finish()
    channel.auto_read = True
    assert asked.times == 1  # a closed channel reads no more


def test_an_outbound_stage_sees_every_operation() -> None:
    class Operations(ChannelOutboundHandler[Any, Any]):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def read(self, ctx: Ctx) -> None:
            self.seen.append("read")
            ctx.read()

        def flush(self, ctx: Ctx) -> None:
            self.seen.append("flush")
            ctx.flush()

    stage = Operations()
    channel = EmbeddedChannel(stage)
    channel.pipeline.read()
    channel.write_outbound(b"x")
    channel.flush()
    assert stage.seen == ["read", "flush"]  # what is flushed by itself goes past the stages
