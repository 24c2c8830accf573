"""What decoders share: each promise of the docstrings, in a pipeline and without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.buffer import ReceiveBuffer
from pipeline_net.codecs.base import ByteToMessageDecoder, ICodec, MessageToByteEncoder
from pipeline_net.context import ChannelHandlerContext
from pipeline_net.errors import CorruptedFrameError, DecodeError, EncodeError, FrameTooLongError, PipelineError
from pipeline_net.handler import ChannelInboundHandler
from pipeline_net.options import ChannelOptions
from pipeline_net.stack import wire
from pipeline_net.testing import EmbeddedChannel

Context = ChannelHandlerContext[Any, Any]


def pair(buffer: ReceiveBuffer) -> str | None:
    """Two bytes are a message; what begins with one of these marks is special."""
    first = buffer.peek(1)
    if first == b"!":
        raise CorruptedFrameError("a ! is forbidden")
    if first == b"?":
        raise FrameTooLongError(1, 0)  # not consumed: whoever raises it does not know where the frame ends
    if first == b"#":
        buffer.skip(1)
        raise FrameTooLongError(1, 0)
    if first == b"%":
        raise ZeroDivisionError("a mistake of the decoder")
    if first == b"=":
        return "consumed nothing"
    if first == b" ":
        buffer.skip(1)
        return None
    if len(buffer) < 2:
        return None
    return buffer.take(2).decode()


class Pairs(ByteToMessageDecoder[str]):
    def __init__(self) -> None:
        self.asked = 0  # without super().__init__(), on purpose

    def decode(self, buffer: ReceiveBuffer) -> str | None:
        self.asked += 1
        return pair(buffer)


class PairCodec(ICodec[str]):
    def decode(self, buffer: ReceiveBuffer) -> str | None:
        return pair(buffer)

    def encode(self, message: str) -> bytes | list[bytes]:
        if len(message) != 2:
            raise EncodeError(f"{message!r} is no pair")
        return message.encode()


class Listener(ChannelInboundHandler[Any]):
    """Notes what comes, and does on a message what a test wants done."""

    def __init__(self, on: dict[str, Callable[[Context], None]] | None = None) -> None:
        self.heard: list[Any] = []
        self._on = on or {}

    def channel_read(self, ctx: Context, msg: Any) -> None:
        self.heard.append(msg)
        if isinstance(msg, str) and msg in self._on:
            self._on[msg](ctx)

    def channel_read_complete(self, ctx: Context) -> None:
        self.heard.append("complete")

    def channel_eof(self, ctx: Context) -> None:
        self.heard.append("eof")

    def exception_caught(self, ctx: Context, exc: BaseException) -> None:
        self.heard.append(type(exc))
        name = type(exc).__name__
        if name in self._on:
            self._on[name](ctx)


def seated(
    decoder: Any, on: dict[str, Callable[[Context], None]] | None = None, *, auto_read: bool = True
) -> tuple[EmbeddedChannel, list[Any]]:
    listener = Listener(on)
    return EmbeddedChannel(decoder, listener, options=ChannelOptions(auto_read=auto_read)), listener.heard


both = pytest.mark.parametrize("factory", [Pairs, PairCodec])


@both
class TestDecodingInAPipeline:
    def test_messages_come_as_soon_as_they_are_complete(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory())
        channel.write_inbound(b"a")
        channel.write_inbound(b"bc", b"d")
        channel.write_inbound(b"  ef ")
        assert heard == ["complete", "ab", "cd", "complete", "ef", "complete"]

    def test_views_and_bytearrays_are_bytes_and_anything_else_passes_untouched(
        self, factory: Callable[[], Any]
    ) -> None:
        channel, heard = seated(factory())
        channel.write_inbound(bytearray(b"a"), memoryview(b"bc"), "already decoded", b"d", 5)
        assert heard == ["ab", "already decoded", "cd", 5, "complete"]

    def test_messages_before_an_error_are_delivered_before_it_and_nothing_after(
        self, factory: Callable[[], Any]
    ) -> None:
        channel, heard = seated(factory())
        channel.write_inbound(b"abcd!efgh")
        channel.write_inbound(b"ij")
        assert heard == ["ab", "cd", CorruptedFrameError, "complete", "complete"]
        assert channel.pipeline.first is not None
        assert channel.pipeline.first.unread_bytes == 0
        channel.finish_input()
        assert heard[-1] == "eof"

    def test_any_other_exception_ends_decoding_too(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory())
        channel.write_inbound(b"ab%cd")
        channel.write_inbound(b"ef")
        assert heard == ["ab", ZeroDivisionError, "complete", "complete"]

    def test_after_an_overlong_frame_that_is_skipped_the_next_is_decoded(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory())
        channel.write_inbound(b"ab##cd")
        channel.write_inbound(b"ef")
        assert heard == ["ab", FrameTooLongError, FrameTooLongError, "cd", "complete", "ef", "complete"]

    def test_an_overlong_frame_of_which_nothing_is_skipped_ends_decoding(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory())
        channel.write_inbound(b"ab?cd")
        channel.write_inbound(b"ef")
        assert heard == ["ab", FrameTooLongError, "complete", "complete"]

    def test_a_message_that_consumes_nothing_is_the_authors_mistake_and_not_delivered(
        self, factory: Callable[[], Any]
    ) -> None:
        channel = EmbeddedChannel(factory())
        with pytest.raises(PipelineError, match=f"{factory.__name__}.decode returned 'consumed nothing' without"):
            channel.write_inbound(b"ab=cd")
        assert channel.inbound == ["ab"]

    def test_an_error_that_nobody_handles_closes_the_channel(self, factory: Callable[[], Any]) -> None:
        channel = EmbeddedChannel(factory())
        with pytest.raises(CorruptedFrameError, match="a ! is forbidden"):
            channel.write_inbound(b"ab!")
        assert not channel.is_open
        assert channel.inbound == ["ab"]

    def test_who_closes_the_channel_gets_no_further_message(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory(), {"cd": lambda ctx: ctx.close()})
        channel.write_inbound(b"abcdef")
        assert [event for event in heard if event != "complete"] == ["ab", "cd"]

    def test_who_closes_the_channel_on_an_error_gets_no_further_message(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory(), {"FrameTooLongError": lambda ctx: ctx.close()})
        channel.write_inbound(b"ab#cd#ef")
        assert [event for event in heard if event != "complete"] == ["ab", FrameTooLongError]


@both
class TestTakingTheDecoderOut:
    def test_in_the_middle_of_a_message_gives_the_unread_bytes_as_they_are(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory(), {"cd": lambda ctx: take_out(ctx)})
        channel.write_inbound(b"abcdefg")
        channel.write_inbound(b"h")
        assert heard == ["ab", "cd", b"efg", "complete", "complete", b"h", "complete"]

    def test_between_messages_gives_the_unread_bytes_as_they_are(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory())
        channel.write_inbound(b"abc")
        channel.pipeline.remove(factory)  # type: ignore[arg-type]  # it is a class
        assert heard == ["ab", "complete", b"c", "complete"]

    def test_without_unread_bytes_gives_nothing(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory(), {"ab": lambda ctx: take_out(ctx)})
        channel.write_inbound(b"ab")
        assert heard == ["ab", "complete"]

    def test_after_an_overlong_frame_gives_the_unread_bytes_as_they_are(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory(), {"FrameTooLongError": lambda ctx: take_out(ctx)})
        channel.write_inbound(b"ab#cdef")
        assert heard == ["ab", FrameTooLongError, b"cdef", "complete", "complete"]

    def test_its_unread_bytes_can_be_had_while_it_stays(self, factory: Callable[[], Any]) -> None:
        taken: list[bytes] = []
        channel, heard = seated(factory(), {"ab": lambda ctx: taken.append(next(iter(ctx.pipeline)).take_unread())})
        channel.write_inbound(b"abcde")
        channel.write_inbound(b"fg")
        assert taken == [b"cde"]
        assert heard == ["ab", "complete", "fg", "complete"]
        assert factory().take_unread() == b""

    def test_for_another_gives_that_one_the_unread_bytes(self, factory: Callable[[], Any]) -> None:
        class Triples(ByteToMessageDecoder[str]):
            def decode(self, buffer: ReceiveBuffer) -> str | None:
                return buffer.take(3).decode() if len(buffer) >= 3 else None

        channel, heard = seated(factory(), {"ab": lambda ctx: exchange(ctx, Triples())})
        channel.write_inbound(b"abcdefg")
        channel.write_inbound(b"hi")
        assert [event for event in heard if event != "complete"] == ["ab", "cde", "fgh"]

    def test_when_the_channel_closes_gives_nothing(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory())
        channel.write_inbound(b"abc")
        channel.close()
        channel.run_pending()
        assert heard == ["ab", "complete"]


def take_out(ctx: Context) -> None:
    first = ctx.pipeline.first
    assert first is not None
    ctx.pipeline.remove(first)


def exchange(ctx: Context, other: Any) -> None:
    first = ctx.pipeline.first
    assert first is not None
    ctx.pipeline.replace(first, other)


@both
class TestWhileAMessageIsHandled:
    def test_bytes_that_arrive_wait_for_their_turn(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory(), {"ab": lambda ctx: ctx.pipeline.fire_channel_read(b"f12")})
        channel.write_inbound(b"abcde")
        channel.write_inbound(b"3")
        assert heard == ["ab", "cd", "ef", "12", "complete", "complete"]

    def test_the_end_of_input_waits_for_its_turn(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory(), {"ab": lambda ctx: ctx.pipeline.fire_channel_eof()})
        channel.write_inbound(b"abcd")
        assert heard == ["ab", "cd", "complete", "eof", "complete"]

    def test_the_end_of_input_that_had_to_wait_still_finds_a_truncated_frame(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory(), {"ab": lambda ctx: ctx.pipeline.fire_channel_eof()})
        channel.write_inbound(b"abcde")
        assert heard == ["ab", "cd", CorruptedFrameError, "complete", "eof", "complete"]


@both
class TestTheEndOfInput:
    def test_bytes_left_over_are_a_truncated_frame(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory())
        channel.write_inbound(b"abc")
        channel.finish_input()
        assert heard == ["ab", "complete", CorruptedFrameError, "eof"]

    def test_nothing_is_wrong_with_none_left_over(self, factory: Callable[[], Any]) -> None:
        channel, heard = seated(factory())
        channel.write_inbound(b"ab ")
        channel.finish_input()
        assert heard == ["ab", "complete", "eof"]

    def test_nobody_complains_who_has_closed_the_channel(self, factory: Callable[[], Any]) -> None:
        channel = EmbeddedChannel(factory())
        channel.write_inbound(b"abc")
        channel.close()
        channel.run_pending()
        assert channel.exceptions == []

    def test_it_is_announced_even_if_decoding_goes_wrong(self, factory: Callable[[], Any]) -> None:
        class AtTheEnd(Pairs):
            def decode_last(self, buffer: ReceiveBuffer) -> str | None:
                return "consumed nothing"

        channel, heard = seated(AtTheEnd())
        channel.write_inbound(b"a")
        channel.finish_input()
        assert heard == ["complete", PipelineError, "complete", "eof"]


class Lines(ByteToMessageDecoder[bytes]):
    """Lines, the last of which needs no end; remembers an open quote outside of the buffer."""

    def __init__(self) -> None:
        self.quote_is_open = False

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        end = buffer.find(b"\n")
        if end < 0:
            return None
        line = buffer.take(end + 1)
        self.quote_is_open ^= line.count(b'"') % 2 == 1
        return line

    def decode_last(self, buffer: ReceiveBuffer) -> bytes | None:
        return self.decode(buffer) or buffer.take_all()

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        return CorruptedFrameError("a quote is open") if self.quote_is_open else super().unfinished(buffer)


class TestWhatSubclassesMayChange:
    def test_the_last_message_may_be_decoded_in_another_way(self) -> None:
        channel, heard = seated(Lines())
        channel.write_inbound(b"a\nb")
        channel.finish_input()
        assert heard == [b"a\n", "complete", b"b", "complete", "eof"]
        decoder = Lines()
        assert decoder.feed(b"a\nb\nc") == [b"a\n", b"b\n"]
        assert decoder.finish() == [b"c"]

    def test_more_than_bytes_may_be_unfinished(self) -> None:
        channel, heard = seated(Lines())
        channel.write_inbound(b'"a\n')
        channel.finish_input()
        assert heard == [b'"a\n', "complete", CorruptedFrameError, "eof"]
        decoder = Lines()
        decoder.feed(b'"a\n')
        with pytest.raises(CorruptedFrameError, match="a quote is open") as caught:
            decoder.finish()
        assert caught.value.messages == []

    def test_an_error_is_first_offered_to_the_decoders_own_exception_caught(self) -> None:
        class Answers(Pairs):
            def exception_caught(self, ctx: Context, exc: BaseException) -> None:
                ctx.fire_channel_read(f"answered {exc}")

        channel, heard = seated(Answers())
        channel.write_inbound(b"ab!")
        assert heard == ["ab", "answered a ! is forbidden", "complete"]

    def test_a_codecs_own_exception_caught_is_offered_the_error_too(self) -> None:
        class Answers(PairCodec):
            def exception_caught(self, ctx: Context, exc: BaseException) -> None:
                ctx.fire_channel_read(f"answered {exc}")

        channel, heard = seated(Answers())
        channel.write_inbound(b"ab!")
        assert heard == ["ab", "answered a ! is forbidden", "complete"]

    def test_an_exception_caught_that_raises_ends_there(self, caplog: pytest.LogCaptureFixture) -> None:
        class Raises(Pairs):
            def exception_caught(self, ctx: Context, exc: BaseException) -> None:
                raise RuntimeError("worse")

        channel, heard = seated(Raises())
        channel.write_inbound(b"ab#cd")
        assert heard == ["ab", "cd", "complete"]
        assert "exception_caught of 'raises' raised" in caplog.text

    def test_a_decoder_that_waits_for_bytes_is_not_asked_before_they_are_here(self) -> None:
        class Tens(ByteToMessageDecoder[bytes]):
            def __init__(self) -> None:
                self.asked = 0

            def decode(self, buffer: ReceiveBuffer) -> bytes | None:
                self.asked += 1
                if len(buffer) < 10:
                    buffer.wait_for(10)
                    return None
                return buffer.take(10)

        decoder = Tens()
        channel, heard = seated(decoder)
        for byte in b"0123456789":
            channel.write_inbound(bytes([byte]))
        assert [event for event in heard if event != "complete"] == [b"0123456789"]
        assert decoder.asked == 2

    @pytest.mark.parametrize(
        ("use", "what"),
        [
            (lambda: ByteToMessageDecoder[Any]().feed(b"x"), r"decode\(self, buffer\)"),
            (lambda: ICodec[Any]().feed(b"x"), r"decode\(self, buffer\)"),
            (lambda: ICodec[Any]().encode(b"x"), r"encode\(self, message\)"),
            (lambda: MessageToByteEncoder[Any]().encode(b"x"), r"encode\(self, msg\)"),
        ],
    )
    def test_what_must_be_written_is_named(self, use: Callable[[], Any], what: str) -> None:
        with pytest.raises(NotImplementedError, match=f"must have a method {what}"):
            use()


@both
class TestWithAutoReadOff:
    def test_bytes_that_made_no_message_ask_for_more(self, factory: Callable[[], Any]) -> None:
        channel, _ = seated(factory(), auto_read=False)
        channel.write_inbound(b"a")
        assert channel.reads_requested == 1
        channel.write_inbound(b"b")
        assert channel.reads_requested == 1
        channel.write_inbound(b" ")
        assert channel.reads_requested == 2

    def test_an_overlong_frame_made_no_message(self, factory: Callable[[], Any]) -> None:
        channel, _ = seated(factory(), auto_read=False)
        channel.write_inbound(b"#")
        assert channel.reads_requested == 1

    def test_nothing_more_is_asked_for_after_an_error(self, factory: Callable[[], Any]) -> None:
        channel, _ = seated(factory(), auto_read=False)
        channel.write_inbound(b"!")
        assert channel.reads_requested == 0


@both
class TestWithoutAPipeline:
    def test_feeding_returns_what_is_complete(self, factory: Callable[[], Any]) -> None:
        decoder = factory()
        assert decoder.feed(b"a") == []
        assert decoder.feed(b"") == []
        assert decoder.unread_bytes == 1
        assert decoder.feed(b"bcd ef") == ["ab", "cd", "ef"]
        assert decoder.finish() == []

    def test_finishing_what_was_never_fed_is_fine(self, factory: Callable[[], Any]) -> None:
        assert factory().finish() == []

    def test_an_error_carries_what_was_decoded_before_it(self, factory: Callable[[], Any]) -> None:
        decoder = factory()
        with pytest.raises(CorruptedFrameError) as caught:
            decoder.feed(b"abcd!ef")
        assert caught.value.messages == ["ab", "cd"]
        with pytest.raises(PipelineError, match=f"{factory.__name__} has failed before"):
            decoder.feed(b"gh")
        assert decoder.finish() == []

    def test_any_other_exception_ends_decoding_too(self, factory: Callable[[], Any]) -> None:
        decoder = factory()
        with pytest.raises(ZeroDivisionError):
            decoder.feed(b"ab%")
        with pytest.raises(PipelineError, match="has failed before"):
            decoder.feed(b"gh")

    def test_feeding_may_go_on_after_an_overlong_frame_that_is_skipped(self, factory: Callable[[], Any]) -> None:
        decoder = factory()
        with pytest.raises(FrameTooLongError) as caught:
            decoder.feed(b"ab#cd#ef")
        assert caught.value.messages == ["ab"]
        with pytest.raises(FrameTooLongError) as caught:
            decoder.feed(b"")
        assert caught.value.messages == ["cd"]
        assert decoder.finish() == ["ef"]

    def test_feeding_may_not_go_on_after_one_that_is_not(self, factory: Callable[[], Any]) -> None:
        decoder = factory()
        with pytest.raises(FrameTooLongError):
            decoder.feed(b"ab?cd")
        with pytest.raises(PipelineError, match="has failed before"):
            decoder.feed(b"ef")

    def test_bytes_left_over_at_the_end_are_a_truncated_frame(self, factory: Callable[[], Any]) -> None:
        decoder = factory()
        decoder.feed(b"abc")
        with pytest.raises(CorruptedFrameError, match="in the middle of a frame: 1 bytes of it are here"):
            decoder.finish()
        assert decoder.finish() == []

    def test_nothing_can_be_fed_after_the_end(self, factory: Callable[[], Any]) -> None:
        decoder = factory()
        decoder.finish()
        with pytest.raises(PipelineError, match=rf"{factory.__name__}: feed\(\) after finish\(\)"):
            decoder.feed(b"ab")

    def test_a_message_that_consumes_nothing_is_the_authors_mistake(self, factory: Callable[[], Any]) -> None:
        decoder = factory()
        with pytest.raises(PipelineError, match=f"{factory.__name__}.decode returned 'consumed nothing'"):
            decoder.feed(b"=")
        with pytest.raises(PipelineError, match="has failed before"):
            decoder.feed(b"ab")

    def test_what_is_fed_may_change_afterwards(self, factory: Callable[[], Any]) -> None:
        decoder = factory()
        mutable = bytearray(b"a")
        decoder.feed(mutable)
        mutable[0] = 0x7A
        assert decoder.feed(b"b") == ["ab"]


def test_a_codec_is_a_stage_for_the_type_checker_too() -> None:
    stack = wire() >> PairCodec() >> Listener()
    assert [type(handler) for handler in stack.handlers] == [PairCodec, Listener]


def test_a_codec_shows_the_bytes_that_it_holds() -> None:
    channel = EmbeddedChannel(PairCodec())
    channel.write_inbound(b"a")
    assert "PairCodec  1 bytes unread" in repr(channel.pipeline)
