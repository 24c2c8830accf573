"""Text and Base64, as stages behind a framing."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.line import LineBasedFrameDecoder
from pipeline_net.codecs.text import Base64Decoder, Base64Encoder, LineEncoder, StringDecoder, StringEncoder
from pipeline_net.errors import CorruptedFrameError, EncodeError
from pipeline_net.stack import wire
from pipeline_net.testing import EmbeddedChannel, check_codec


def decoded(stage: Any, message: Any) -> Any:
    channel = EmbeddedChannel(stage)
    channel.write_inbound(message)
    return channel.read_inbound()


def encoded(stage: Any, message: Any) -> Any:
    channel = EmbeddedChannel(stage)
    channel.write_outbound(message)
    return channel.read_outbound()


def refusal(stage: Any, message: Any) -> BaseException | None:
    channel = EmbeddedChannel(stage)
    promise = channel.write(message)
    channel.run_pending()
    assert channel.read_outbound() is None
    return promise.exception()


class TestStrings:
    def test_the_picture_in_the_docstring_is_what_happens(self) -> None:
        assert decoded(StringDecoder(), b"n\xc3\xa4h") == "näh"
        assert decoded(StringDecoder("latin-1"), b"n\xe4h") == "näh"
        assert decoded(StringDecoder(), bytearray(b"n\xc3\xa4h")) == "näh"
        assert decoded(StringDecoder(), memoryview(b"")) == ""

    def test_bytes_that_are_no_text_are_refused_and_the_place_is_named(self) -> None:
        with pytest.raises(
            CorruptedFrameError, match="a frame is no utf-8 text: invalid start byte at byte 1"
        ) as caught:
            decoded(StringDecoder(), b"a\xff")
        assert isinstance(caught.value.__cause__, UnicodeDecodeError)

    def test_an_error_handler_may_do_with_bad_bytes_what_it_likes(self) -> None:
        assert decoded(StringDecoder(errors="replace"), b"a\xff") == "a\N{REPLACEMENT CHARACTER}"
        assert encoded(StringEncoder("ascii", "backslashreplace"), "ä") == b"\\xe4"

    def test_text_becomes_bytes(self) -> None:
        assert encoded(StringEncoder(), "näh") == b"n\xc3\xa4h"
        assert encoded(StringEncoder("utf-16-le"), "a") == b"a\0"

    def test_a_character_without_bytes_fails_its_write(self) -> None:
        error = refusal(StringEncoder("ascii"), "nä")
        assert isinstance(error, EncodeError)
        assert str(error).startswith("ascii has no 'ä'")
        assert isinstance(error.__cause__, UnicodeEncodeError)

    def test_an_encoding_may_refuse_a_text_as_a_whole(self) -> None:
        error = refusal(StringEncoder("idna"), "a..b")
        assert isinstance(error, EncodeError)
        assert "idna cannot hold 'a..b'" in str(error)
        with pytest.raises(CorruptedFrameError, match="a frame is no idna text: "):
            decoded(StringDecoder("idna"), b"xn--a..b")

    def test_messages_of_another_type_pass_untouched(self) -> None:
        assert decoded(StringDecoder(), 5) == 5
        assert decoded(StringDecoder(), [1, 2]) == [1, 2]
        assert encoded(StringEncoder(), b"raw") == b"raw"
        assert encoded(LineEncoder(), b"raw\n") == b"raw\n"

    @pytest.mark.parametrize("stage", [StringDecoder, StringEncoder])
    def test_an_unknown_encoding_is_refused_by_name(self, stage: type[StringDecoder | StringEncoder]) -> None:
        with pytest.raises(ValueError, match="encoding must be one for text that Python knows, but is 'utf-9'"):
            stage("utf-9")
        with pytest.raises(ValueError, match="encoding must be one for text that Python knows, but is 'hex'"):
            stage("hex")  # bytes to bytes
        with pytest.raises(ValueError, match="errors must name an error handler, but is 'lenient'"):
            stage(errors="lenient")


class TestLines:
    def test_a_line_gets_its_end(self) -> None:
        assert encoded(LineEncoder(), "GET") == b"GET\n"
        assert encoded(LineEncoder("\r\n"), "") == b"\r\n"
        assert encoded(LineEncoder("|", "utf-16-be"), "a") == b"\0a\0|"

    @pytest.mark.parametrize(("separator", "text"), [("\n", "a\nb"), ("\r\n", "a\r\nb"), ("\r\n", "a\nb"), ("|", "|")])
    def test_text_that_would_be_two_lines_is_refused(self, separator: str, text: str) -> None:
        error = refusal(LineEncoder(separator), text)
        assert isinstance(error, EncodeError)
        assert repr(text) in str(error)

    @pytest.mark.parametrize(
        ("separator", "text"), [("\n\n", "a\n"), ("\r\n\r\n", "a\r\n"), ("aba", "xab"), ("--", "a-")]
    )
    def test_a_separator_may_not_begin_in_the_text(self, separator: str, text: str) -> None:
        """The peer would cut there, and take the rest of the separator for the begin of the next line."""
        error = refusal(LineEncoder(separator), text)
        assert isinstance(error, EncodeError)
        assert repr(text) in str(error)

    def test_a_line_without_end_is_refused(self) -> None:
        with pytest.raises(ValueError, match="separator must not be empty"):
            LineEncoder("")

    def test_what_ends_as_the_separator_begins_is_no_harm(self) -> None:
        assert encoded(LineEncoder("\r\n"), "a\r") == b"a\r\r\n"

    @pytest.mark.parametrize("separator", ["\n", "\r\n"])
    def test_what_is_written_is_read(self, separator: str) -> None:
        check_codec(
            lambda: wire() >> LineBasedFrameDecoder(100) >> StringDecoder() >> LineEncoder(separator),
            ["", "a", "näh", "€ 5"],
        )


class TestBase64:
    @pytest.mark.parametrize(
        ("plain", "text"),
        [
            (b"", b""),
            (b"f", b"Zg=="),
            (b"fo", b"Zm8="),
            (b"foo", b"Zm9v"),
            (b"foob", b"Zm9vYg=="),
            (b"fooba", b"Zm9vYmE="),
            (b"foobar", b"Zm9vYmFy"),
        ],
    )
    def test_the_vectors_of_rfc_4648_section_10(self, plain: bytes, text: bytes) -> None:
        assert encoded(Base64Encoder(), plain) == text
        assert decoded(Base64Decoder(), text) == plain

    def test_the_urlsafe_alphabet_has_no_plus_and_no_slash(self) -> None:
        assert encoded(Base64Encoder(), b"\xfb\xff") == b"+/8="
        assert encoded(Base64Encoder(urlsafe=True), b"\xfb\xff") == b"-_8="
        assert decoded(Base64Decoder(urlsafe=True), b"-_8=") == b"\xfb\xff"

    @pytest.mark.parametrize(
        ("urlsafe", "text"),
        [(False, b"-_8="), (True, b"+/8="), (False, b"Zg="), (False, b"Z"), (False, b"Zm9v\n"), (False, b"Zm 9v")],
    )
    def test_other_characters_and_wrong_padding_are_refused(self, urlsafe: bool, text: bytes) -> None:
        with pytest.raises(CorruptedFrameError, match="a frame is no"):
            decoded(Base64Decoder(urlsafe=urlsafe), text)

    def test_messages_of_another_type_pass_untouched(self) -> None:
        assert decoded(Base64Decoder(), "text") == "text"
        channel = EmbeddedChannel(StringEncoder(), Base64Encoder())
        channel.write_outbound("text")
        assert channel.read_outbound() == b"text"


def test_one_instance_serves_many_channels() -> None:
    for stage in (StringDecoder(), StringEncoder(), LineEncoder(), Base64Decoder(), Base64Encoder()):
        channels = [EmbeddedChannel(stage), EmbeddedChannel(stage)]
        assert all(stage in channel.pipeline for channel in channels)
