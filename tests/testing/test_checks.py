"""The checks pass what is right, and find each way to be wrong, with the cut that shows it."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import (
    ByteToMessageDecoder,
    ChannelDuplexHandler,
    ChannelHandlerContext,
    ChannelInboundHandler,
    CorruptedFrameError,
    DecodeError,
    FrameTooLongError,
    MessageToByteEncoder,
    MessageToMessageDecoder,
    ReceiveBuffer,
    Stack,
    wire,
)
from pipeline_net.codecs import LineBasedFrameDecoder, LineEncoder
from pipeline_net.testing import check_codec, check_decoder, check_limits

Ctx = ChannelHandlerContext[Any, Any]


class Lines(ByteToMessageDecoder[bytes]):
    """Lines of at most 10 bytes; longer ones are skipped, ``!`` is an error."""

    skipping = False

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        end = buffer.find(b"\n")
        if end < 0:
            if self.skipping:
                buffer.take_all()
            elif len(buffer) > 10:
                self.skipping = True
                buffer.take_all()
                raise FrameTooLongError(11, 10)
            return None
        line = buffer.take(end)
        buffer.skip(1)
        if self.skipping:
            self.skipping = False
            return None
        if len(line) > 10:
            raise FrameTooLongError(len(line), 10)
        if line.startswith(b"!"):
            raise CorruptedFrameError(f"not a line: {line!r}")
        return line


class Newlines(MessageToByteEncoder[bytes]):
    def encode(self, msg: bytes) -> list[bytes]:
        return [msg, b"\n"]


class Digits(MessageToMessageDecoder[bytes, int]):
    def decode(self, ctx: Ctx, msg: bytes) -> int:
        return int(msg)


def complaint(check: Any, *args: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        check(*args)
    return str(caught.value)


# -- check_decoder --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cases",
    [
        [],
        [(b"", [])],
        [(b"a\n", [b"a"])],
        [(b"a\n\nbc\n", [b"a", b"", b"bc"]), (b"d\n", [b"d"])],
        [(b"half", [])],
        [(b"half", [CorruptedFrameError]), (b"a\n", [b"a"])],
        [(b"a\n!b\nc\n", [b"a", CorruptedFrameError]), (b"d\n", [b"d"])],
        [(b"a\n!b\nc\n", [b"a", CorruptedFrameError("not a line: b'!b'")])],
        [(b"a\n" + b"x" * 30 + b"\nb\n", [b"a", FrameTooLongError, b"b"]), (b"c\n", [b"c"])],
        [(b"a\n" * 2000, [b"a"] * 2000)],
    ],
)
def test_a_right_decoder_passes(cases: list[tuple[bytes, list[Any]]]) -> None:
    check_decoder(Lines, cases)


@pytest.mark.parametrize(
    "make",
    [
        lambda: wire() >> Lines() >> Digits(),
        lambda: [Lines(), ("digits", Digits())],
        lambda: (stage for stage in (Lines(), Digits())),
    ],
)
def test_stages_come_as_a_stack_or_one_after_the_other(make: Any) -> None:
    check_decoder(make, [(b"1\n22\n", [1, 22])])
    assert "expected: [1, 23]" in complaint(check_decoder, make, [(b"1\n22\n", [1, 23])])


def test_a_named_stage_is_one_stage() -> None:
    check_decoder(lambda: ("lines", Lines()), [(b"a\n", [b"a"])])


def test_a_wrong_expectation_is_shown_with_the_bytes() -> None:
    assert complaint(check_decoder, Lines, [(b"a\nb\n", [b"a", b"c"])]) == (
        "Lines is wrong about 4 bytes whole\n"
        "  fed:      b'a\\nb\\n'\n"
        "  expected: [b'a', b'c']\n"
        "  got:      [b'a', b'b']"
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"!\n", []),  # an error in the middle of the input must be listed
        (b"!\n", [ValueError]),
        (b"!\n", [CorruptedFrameError("another reason")]),
        (b"!\n", [DecodeError("not a line: b'!'")]),  # an instance stands for its own class only
        (b"a\n", [CorruptedFrameError]),
        (b"a\n", [b"a", CorruptedFrameError]),
        (b"a\n", []),
        (b"a", [b"a"]),
    ],
)
def test_errors_are_compared_like_messages(data: bytes, expected: list[Any]) -> None:
    complaint(check_decoder, Lines, [(data, expected)])


class ForgetsAtACut(Lines):
    """Takes the end of what is here for the end of a line, if an ``x`` stands there."""

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        if buffer.data.endswith(b"x"):
            return buffer.take_all()
        return super().decode(buffer)


def test_the_smallest_cut_that_fails_is_shown() -> None:
    assert complaint(check_decoder, ForgetsAtACut, [(b"abc\naxb\n", [b"abc", b"axb"])]) == (
        "ForgetsAtACut is wrong about 8 bytes cut at 6\n"
        "  fed:      b'abc\\nax' | b'b\\n'\n"
        "  expected: [b'abc', b'axb']\n"
        "  got:      [b'abc\\nax', b'b']"
    )


class NeedsTwoCuts(Lines):
    """Makes a line of an ``x`` that comes alone."""

    chunks = 0

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.chunks += 1
        if msg == b"x":
            msg = b"x\n"
        super().channel_read(ctx, msg)


@pytest.mark.parametrize("size", [10, 5000])
def test_a_bug_that_takes_two_cuts_is_found_in_data_of_any_size(size: int) -> None:
    lines = [b"aaaa"] * (size // 5)
    lines[-1] = b"aaxa"
    data = b"".join(line + b"\n" for line in lines)
    message = complaint(check_decoder, NeedsTwoCuts, [(data, lines)])
    assert f"cut at {len(data) - 3} and {len(data) - 2}" in message
    assert "| b'x' |" in message


class ForgetsWithoutAPipeline(Lines):
    def feed(self, data: bytes | bytearray | memoryview) -> list[Any]:
        return super().feed(data)[:1]


def test_feed_and_finish_must_do_the_same() -> None:
    message = complaint(check_decoder, ForgetsWithoutAPipeline, [(b"a\nb\n", [b"a", b"b"])])
    assert "by feed() and finish(), without a pipeline, whole" in message
    assert "got:      [b'a']" in message


class TwoHaveAProblem(Lines):
    """Forgets a line after the third; a single case never has that many."""

    lines = 0

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        line = super().decode(buffer)
        self.lines += line is not None
        return b"?" if self.lines == 3 and line is not None else line


def test_cases_are_also_fed_joined() -> None:
    check_decoder(TwoHaveAProblem, [(b"a\nb\n", [b"a", b"b"])])
    message = complaint(check_decoder, TwoHaveAProblem, [(b"a\nb\n", [b"a", b"b"]), (b"c\n", [b"c"])])
    assert "wrong about 6 bytes (the cases, one after the other) whole" in message
    assert "one after the other" not in complaint(check_decoder, TwoHaveAProblem, [(b"a\nb\nc\n", [b"a", b"b", b"c"])])


class SpeaksAtTheEnd(Lines):
    def decode_last(self, buffer: ReceiveBuffer) -> bytes | None:
        return buffer.take_all()


def test_a_message_that_the_end_of_input_brings_must_be_listed() -> None:
    check_decoder(SpeaksAtTheEnd, [(b"a\nb", [b"a", b"b"])])
    message = complaint(check_decoder, SpeaksAtTheEnd, [(b"a\nb", [b"a"])])
    assert "got:      [b'a'], then at the end of input [b'b']" in message


class Crashes(Lines):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        return buffer.take(2)


def test_a_crash_is_an_error_like_any_other() -> None:
    assert "BufferError" in complaint(check_decoder, Crashes, [(b"a", [])])


class Hangs(Lines):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        return b"again"


def test_a_decoder_that_consumes_nothing_is_told_so() -> None:
    assert "without consuming" in complaint(check_decoder, Hangs, [(b"a", [b"again"])])


def test_what_is_long_is_shown_short() -> None:
    data = b"a\n" * 3000
    message = complaint(check_decoder, Lines, [(data, [b"b" * 1000])])
    assert len(message) < 1000
    assert "… 3000 in all]" in message


def test_a_stage_that_closes_hears_nothing_more() -> None:
    class Closes(ChannelInboundHandler[Any, Any]):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            ctx.fire_channel_read(msg)
            ctx.close()

    check_decoder(lambda: [Lines(), Closes()], [(b"a\nb\nc\n", [b"a"])])


# -- check_codec ----------------------------------------------------------------------------------------


def make_codec() -> Stack[Any, Any, Any, Any]:
    return wire() >> Lines() >> Newlines()


def test_a_codec_that_agrees_with_itself_passes() -> None:
    check_codec(make_codec, [b"", b"a", b"0123456789"])


@pytest.mark.parametrize("message", [b"two\nlines", b"0123456789a", b"!"])
def test_a_message_that_does_not_come_back_is_shown(message: bytes) -> None:
    assert f"expected: [{message!r}]" in complaint(check_codec, make_codec, [b"fine", message])


def test_an_encoder_that_needs_the_message_before_is_tried_with_both() -> None:
    class Counts(ChannelDuplexHandler[Any, Any, Any, Any]):
        """Breaks the second message."""

        written = 0

        def write(self, ctx: Ctx, msg: Any, promise: Any) -> None:
            self.written += 1
            ctx.write(msg if self.written < 2 else b"broken", promise)

    check_codec(lambda: [Lines(), Newlines(), Counts()], [b"a"])
    message = complaint(check_codec, lambda: [Lines(), Newlines(), Counts()], [b"a", b"b"])
    assert "expected: [b'a', b'b']" in message
    assert "got:      [b'a', b'broken']" in message


def test_a_message_that_nobody_encodes_is_no_bytes() -> None:
    message = complaint(check_codec, Lines, [7])
    assert message == "Lines let 7 (int) reach the wire, which is not bytes"


# -- check_limits ---------------------------------------------------------------------------------------


def test_a_stage_within_its_limit_passes() -> None:
    check_limits(Lines, lambda size: b"a" * size, 10)


def test_a_stage_that_holds_more_is_shown_after_how_many_bytes() -> None:
    message = complaint(check_limits, Lines, lambda size: b"a" * size, 9)
    assert message == "Lines holds 10 bytes, and the limit is 9: after 10 of b'aaaaaaaaaa', in pieces of 1"


def test_a_stage_that_lets_large_pieces_pass_its_limit_is_found() -> None:
    class ChecksTooLate(Lines):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            if len(msg) > 60_000:  # takes what one recv brings for harmless
                self._held = len(msg)
            super().channel_read(ctx, msg)

        _held = 0

        @property
        def unread_bytes(self) -> int:
            return super().unread_bytes + self._held

    assert "in pieces of 65536" in complaint(check_limits, ChecksTooLate, lambda size: b"a" * size, 100)


def test_stages_are_counted_together() -> None:
    class Hoards(ChannelInboundHandler[Any, Any]):
        kept = b""

        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            self.kept += msg

        @property
        def unread_bytes(self) -> int:
            return len(self.kept)

    message = complaint(check_limits, lambda: wire() >> Lines() >> Hoards(), lambda size: b"a\n" * size, 100)
    assert message.startswith("Lines >> Hoards holds 101 bytes")


def test_a_check_that_checks_nothing_says_so() -> None:
    class Secretive(ChannelInboundHandler[Any, Any]):
        """Holds everything and tells nobody."""

        kept = b""

        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            self.kept += msg

    message = complaint(check_limits, Secretive, lambda size: b"a" * size, 10)
    assert message.startswith("Secretive: no byte was ever held, so nothing was checked")


class RefusesLongNotes(ByteToMessageDecoder[bytes]):
    """One byte says how many follow; more than nine are refused before anything is consumed."""

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        length = buffer.peek_uint(0, 1)
        if length > 9:
            raise FrameTooLongError(length, 9)
        if len(buffer) < 1 + length:
            return None
        buffer.skip(1)
        return buffer.take(length)


def test_a_frame_that_is_refused_before_it_is_consumed_ends_the_case() -> None:
    check_decoder(RefusesLongNotes, [(b"\x02ab\xffcd", [b"ab", FrameTooLongError])])


def test_a_stage_in_the_place_of_its_factory_is_told_apart() -> None:
    with pytest.raises(TypeError, match="pass RefusesLongNotes, or a function that makes one"):
        check_decoder(RefusesLongNotes(), [(b"", [])])  # type: ignore[arg-type]  # what the test is about


@pytest.mark.parametrize(
    "stages",
    [
        [LineBasedFrameDecoder(80), LineEncoder()],
        (LineBasedFrameDecoder(80),),
        wire() >> LineBasedFrameDecoder(80),
        ("decoder", LineBasedFrameDecoder(80)),
    ],
)
def test_so_are_several_stages(stages: Any) -> None:
    with pytest.raises(TypeError, match=r"pass a function that makes them, as in lambda: \[LineBasedFrameDecoder\(…\)"):
        check_codec(stages, [b"a"])
    with pytest.raises(TypeError, match="new stages are needed for each run"):
        check_decoder(stages, [(b"a\n", [b"a"])])


def test_a_decoder_that_ends_at_a_refused_frame_may_have_its_cases_in_any_order() -> None:
    check_decoder(RefusesLongNotes, [(b"\xff", [FrameTooLongError]), (b"\x01a", [b"a"])])


@pytest.mark.parametrize("case", [b"a\n", (b"a\n",), ("a\n", [b"a"]), (b"a\n", [b"a"], "name")])
def test_what_is_no_case_is_shown(case: Any) -> None:
    with pytest.raises(TypeError, match=r"a case is \(bytes, \[messages\]\), and not ") as caught:
        check_decoder(Lines, [case])
    assert str(caught.value).endswith(repr(case))


def test_a_crash_is_shown_with_the_line_where_it_happened() -> None:
    with pytest.raises(AssertionError) as caught:
        check_decoder(Crashes, [(b"a", [])])
    assert isinstance(caught.value.__cause__, BufferError)


def test_a_prefix_in_the_place_of_the_function_that_makes_it_is_shown() -> None:
    with pytest.raises(TypeError, match=r"prefix_factory makes the first n bytes, .* and is not b'aaa'"):
        check_limits(Lines, b"aaa", 10)  # type: ignore[arg-type]  # what the test is about


def test_an_expected_error_is_shown_by_its_name() -> None:
    with pytest.raises(AssertionError, match=r"expected: \[CorruptedFrameError\]"):
        check_decoder(lambda: LineBasedFrameDecoder(80), [(b"ab\n", [CorruptedFrameError])])
