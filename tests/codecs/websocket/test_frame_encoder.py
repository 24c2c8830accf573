"""Messages as bytes: the shortest header, masks, fragments, compression, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_net.codecs.websocket import (
    Close,
    DeflateParameters,
    Fragment,
    FrameDecoder,
    FrameEncoder,
    Limits,
    Ping,
    Pong,
    PreparedMessage,
)
from pipeline_net.errors import EncodeError

from .conftest import FrameMaker

AGREED = DeflateParameters(threshold=0)


def encoded(encoder: FrameEncoder, *messages: Any) -> bytes:
    return b"".join(b"".join(data) if isinstance(data := encoder.encode(msg), list) else data for msg in messages)


@pytest.mark.parametrize(
    ("message", "opcode", "payload"),
    [
        ("", 1, b""),
        ("é", 1, b"\xc3\xa9"),
        (b"", 2, b""),
        (bytearray(b"ab"), 2, b"ab"),
        (memoryview(b"ab")[1:], 2, b"b"),
        (b"x" * 125, 2, b"x" * 125),
        (b"x" * 126, 2, b"x" * 126),
        ("x" * 65535, 1, b"x" * 65535),
        ("x" * 65536, 1, b"x" * 65536),
        (Ping(b"1"), 9, b"1"),
        (Pong(), 10, b""),
        (Close(1001, "é"), 8, b"\x03\xe9\xc3\xa9"),
        (Close(None), 8, b""),
        (PreparedMessage("é"), 1, b"\xc3\xa9"),
        (PreparedMessage(b"x" * 70_000), 2, b"x" * 70_000),
    ],
)
def test_a_frame_has_the_shortest_header(frame: FrameMaker, message: Any, opcode: int, payload: bytes) -> None:
    assert encoded(FrameEncoder("server"), message) == frame(opcode, payload, key=None)
    masked = encoded(FrameEncoder("client"), message)
    key = masked[len(masked) - len(payload) - 4 : len(masked) - len(payload)]
    assert masked == frame(opcode, payload, key=key)


def test_each_frame_of_a_client_has_a_key_of_its_own() -> None:
    encoder = FrameEncoder("client")
    assert len({encoded(encoder, b"")[2:] for _ in range(200)}) > 195


def test_a_long_payload_of_a_server_is_not_copied() -> None:
    payload = b"x" * 10_000
    pieces = FrameEncoder("server").encode(payload)
    assert isinstance(pieces, list)
    assert pieces[1] is payload


def test_fragments_make_one_message(frame: FrameMaker) -> None:
    encoder = FrameEncoder("server")
    assert encoded(encoder, Fragment("a", False)) == frame(1, b"a", fin=False, key=None)
    assert encoded(encoder, Ping()) == frame(9, key=None)
    assert encoded(encoder, Fragment("", False)) == frame(0, b"", fin=False, key=None)
    assert encoded(encoder, Fragment("é", True)) == frame(0, "é".encode(), key=None)
    assert encoded(encoder, Fragment(b"whole", True)) == frame(2, b"whole", key=None)


@pytest.mark.parametrize("message", ["x", b"x", PreparedMessage("x")])
@pytest.mark.parametrize("role", ["server", "client"])
def test_nothing_comes_between_fragments(role: str, message: Any) -> None:
    encoder = FrameEncoder(role)
    encoder.encode(Fragment("a", False))
    with pytest.raises(EncodeError, match="the last Fragment of another message must be written first"):
        encoder.encode(message)
    encoder.encode(Fragment("b", True))
    encoder.encode(message)


def test_fragments_are_of_one_kind() -> None:
    encoder = FrameEncoder("server")
    encoder.encode(Fragment("a", False))
    with pytest.raises(EncodeError, match="are str, or all are bytes"):
        encoder.encode(Fragment(b"a", False))


@pytest.mark.parametrize("message", [1, None, ["a"], object])
def test_what_no_websocket_carries_is_refused(message: Any) -> None:
    with pytest.raises(EncodeError, match="a WebSocket carries str, bytes, Fragment"):
        FrameEncoder("server").encode(message)


@pytest.mark.parametrize("message", ["\ud800", Fragment("\udfff", True), PreparedMessage("\ud800")])
def test_text_that_has_no_utf8_is_refused(message: Any) -> None:
    encoder = FrameEncoder("server")
    with pytest.raises(EncodeError, match="no text that UTF-8 has bytes for"):
        encoder.encode(message)
    encoder.encode("the next message is none of its business")


class TestCompressed:
    """permessage-deflate, going out."""

    def test_short_messages_go_as_they_are(self) -> None:
        encoder = FrameEncoder("server", deflate=DeflateParameters(threshold=10))
        assert encoded(encoder, "x" * 9)[0] == 0x81
        assert encoded(encoder, "x" * 10)[0] == 0xC1

    def test_only_the_first_fragment_says_so_and_control_frames_never(self) -> None:
        encoder = FrameEncoder("server", deflate=AGREED)
        frames = [encoded(encoder, m) for m in (Fragment("a", False), Ping(), Fragment("b", False), Fragment("", True))]
        assert [frame[0] for frame in frames] == [0x41, 0x89, 0x00, 0x80]
        assert FrameDecoder("client", deflate=AGREED).feed(b"".join(frames)) == [Ping(), "ab"]

    def test_a_prepared_message_is_compressed_once_for_those_who_forget(self) -> None:
        message = PreparedMessage("again " * 100)
        forgetful = DeflateParameters(server_no_context_takeover=True)
        frames = [FrameEncoder("server", deflate=forgetful).encode(message) for _ in range(2)]
        assert frames[0] is frames[1]
        assert len(frames[0]) < 50
        small = DeflateParameters(server_no_context_takeover=True, server_max_window_bits=9)
        assert FrameEncoder("server", deflate=small).encode(message) is not frames[0]
        assert FrameDecoder("client", deflate=forgetful).feed(bytes(frames[0])) == ["again " * 100]  # type: ignore[arg-type]  # bytes

    def test_a_prepared_message_leaves_the_window_of_others_alone(self) -> None:
        message = PreparedMessage("again " * 100)
        encoder, decoder = FrameEncoder("server", deflate=AGREED), FrameDecoder("client", deflate=AGREED)
        sent = ["again and " * 50, message, "again and " * 50, message, "again and again"]
        assert decoder.feed(encoded(encoder, *sent)) == [m.data if isinstance(m, PreparedMessage) else m for m in sent]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
_MESSAGES = st.lists(
    st.one_of(_TEXT, st.binary(max_size=300), st.builds(Ping, st.binary(max_size=125)), st.builds(Pong)), max_size=6
)


@settings(max_examples=80)
@given(_MESSAGES, st.booleans(), st.booleans(), st.booleans())
def test_what_one_side_writes_the_other_reads(messages: list[Any], ours: bool, compress: bool, forget: bool) -> None:
    agreed = DeflateParameters(threshold=20, server_no_context_takeover=forget) if compress else None
    role, peer = ("server", "client") if ours else ("client", "server")
    data = encoded(FrameEncoder(role, deflate=agreed), *messages)
    assert FrameDecoder(peer, deflate=agreed).feed(data) == messages


@given(st.lists(_TEXT, min_size=1, max_size=6), st.booleans())
def test_fragments_are_read_as_one_message(parts: list[str], compress: bool) -> None:
    agreed = AGREED if compress else None
    encoder = FrameEncoder("client", deflate=agreed)
    data = encoded(encoder, *(Fragment(part, at == len(parts) - 1) for at, part in enumerate(parts)))
    assert FrameDecoder("server", deflate=agreed, limits=Limits()).feed(data) == ["".join(parts)]
