"""Protocols that read like a story."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pipeline_net.codecs.generator import GeneratorDecoder
from pipeline_net.errors import CorruptedFrameError, DecodeError, FrameTooLongError, PipelineError
from pipeline_net.testing import EmbeddedChannel, check_decoder, check_limits

Story = Generator[int | bytes, bytes, Any]


class NamedFrames(GeneratorDecoder[tuple[str, bytes]]):
    """A length, a name up to CRLF, a body; a length of 0 is a sign of life, 255 is forbidden."""

    max_length = 64

    def message(self) -> Story:
        n = (yield 1)[0]
        if n == 0:
            return None
        if n == 255:
            raise CorruptedFrameError("a length of 255 is forbidden")
        name = yield b"\r\n"
        body = yield n
        return name.decode(), body


class Told(GeneratorDecoder[Any]):
    """Whatever a test wants told."""

    def __init__(self, story: Any) -> None:
        self._told_story = story  # without super().__init__(), on purpose

    def message(self) -> Story:
        return self._told_story()  # type: ignore[no-any-return]  # it is whatever the test passed


def test_messages_come_out_however_they_are_cut() -> None:
    check_decoder(
        NamedFrames,
        [
            (b"\x03name\r\nabc", [("name", b"abc")]),
            (b"\x01\r\nx\x02a\rb\n\r\nyz", [("", b"x"), ("a\rb\n", b"yz")]),
            (b"\x00\x00\x01n\r\nx\x00", [("n", b"x")]),
        ],
    )


def test_an_error_of_the_story_is_the_decoders() -> None:
    check_decoder(NamedFrames, [(b"\x01n\r\nx\xff\x01n\r\nx", [("n", b"x"), CorruptedFrameError])])


@pytest.mark.parametrize("rest", [b"\x01", b"\x01name\r", b"\x02n\r\n", b"\x02n\r\nx"])
def test_input_that_ends_in_the_middle_of_a_message_is_truncated(rest: bytes) -> None:
    check_decoder(NamedFrames, [(b"\x00" + rest, [CorruptedFrameError])])


class TestLimit:
    @pytest.mark.parametrize("data", [b"\x3eabcd\r\n", b"\x01" + b"n" * 64])
    def test_a_message_that_asks_for_too_much_is_refused_and_the_rest_dropped(self, data: bytes) -> None:
        check_decoder(NamedFrames, [(b"\x01n\r\nx" + data + b"\x01n\r\nx", [("n", b"x"), FrameTooLongError])])

    def test_a_message_may_have_as_much_as_the_limit(self) -> None:
        body = b"x" * 61
        check_decoder(NamedFrames, [(b"\x3d\r\n" + body, [("", body)])])

    def test_it_is_refused_before_it_is_here(self) -> None:
        with pytest.raises(FrameTooLongError) as caught:
            NamedFrames().feed(b"\xc8name\r\n")
        assert (caught.value.length, caught.value.limit) == (207, 64)

    def test_no_message_is_held_above_the_limit(self) -> None:
        check_limits(NamedFrames, lambda n: (b"\x30" + b"n" * n)[:n], 64)
        check_limits(NamedFrames, lambda n: (b"\x3c\r\n" + b"x" * 59)[:n], 64)

    def test_it_has_a_default(self) -> None:
        def asks_for_more() -> Story:
            yield 1
            yield 1024 * 1024
            return "never"

        with pytest.raises(FrameTooLongError, match="1048577 bytes is over the limit of 1048576"):
            Told(asks_for_more).feed(b"x")


class TestMistakes:
    def test_a_story_that_reads_nothing_would_never_end(self) -> None:
        def reads_nothing() -> Story:
            yield 0
            return "something"

        with pytest.raises(PipelineError, match=r"Told\.decode returned 'something' without consuming a byte"):
            Told(reads_nothing).feed(b"x")

    @pytest.mark.parametrize(
        ("wish", "error"),
        [(-1, ValueError), (b"", ValueError), ("\r\n", TypeError), (None, TypeError), (1.5, TypeError)],
    )
    def test_a_wish_that_cannot_be_met_is_refused(self, wish: Any, error: type[Exception]) -> None:
        def wishes() -> Story:
            yield wish
            return "never"

        with pytest.raises(error, match=r"Told\.message"):
            Told(wishes).feed(b"x")

    def test_message_must_be_written(self) -> None:
        with pytest.raises(NotImplementedError, match="GeneratorDecoder must have a generator method message"):
            GeneratorDecoder[bytes]().feed(b"x")


def test_nothing_can_be_read_at_the_end_of_a_message() -> None:
    def ends_with_an_empty_body() -> Story:
        head = yield 1
        body = yield 0
        return head + body

    assert Told(ends_with_an_empty_body).feed(b"ab") == [b"a", b"b"]


def test_a_body_of_a_mebibyte_comes_out_whole_of_single_bytes() -> None:
    body = bytes(range(256)) * 4000

    def long_body() -> Story:
        size = yield b"\n"
        return (yield int(size))

    decoder = Told(long_body)
    frames = []
    for byte in b"%d\n" % len(body) + body:
        frames += decoder.feed(bytes([byte]))
    assert frames == [body]


class TestInAPipeline:
    def test_who_takes_the_decoder_out_gets_the_message_from_its_beginning(self) -> None:
        channel = EmbeddedChannel(NamedFrames())
        channel.write_inbound(b"\x01n\r\nx\x05name\r\nab")
        assert "12 bytes unread" not in repr(channel.pipeline)
        assert "9 bytes unread" in repr(channel.pipeline)
        channel.pipeline.remove(NamedFrames)
        assert channel.inbound[0] == ("n", b"x")
        assert b"".join(channel.inbound[1:]) == b"\x05name\r\nab"

    def test_a_story_that_is_not_ended_is_closed(self) -> None:
        closed = []

        def notes_its_end() -> Story:
            try:
                yield 1
                yield 5
            finally:
                closed.append(True)
            return "never"

        channel = EmbeddedChannel(Told(notes_its_end))
        channel.write_inbound(b"x")
        assert not closed
        channel.close()
        channel.run_pending()
        assert closed

    def test_a_truncated_message_is_an_error_at_the_end_of_input(self) -> None:
        channel = EmbeddedChannel(NamedFrames())
        channel.write_inbound(b"\x01")
        with pytest.raises(DecodeError, match="in the middle of a message: 1 bytes"):
            channel.finish_input()
