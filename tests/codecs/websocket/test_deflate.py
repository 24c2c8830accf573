"""permessage-deflate: what one side compresses the other inflates, with every agreement there can be."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_net.codecs.websocket import DeflateParameters, WebSocketDecodeError
from pipeline_net.codecs.websocket.deflate import Deflater, Inflater, deflater_for, inflater_for

MUCH = 10_000_000


def text_of(size: int, seed: int = 1) -> bytes:
    """Bytes that repeat themselves here and there, near and far."""
    chance = random.Random(seed)
    words = [chance.randbytes(chance.randrange(1, 12)) for _ in range(200)]
    made = b""
    while len(made) < size:
        made += chance.choice(words)
    return made[:size]


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("bits", range(8, 16))
def test_messages_come_back(bits: int, forgets: bool, level: int) -> None:
    deflater, inflater = Deflater(bits, forgets, level, 5), Inflater(bits, forgets, 2048)
    for size in (0, 1, 100, 0, 70_000, 3):
        message = text_of(size)
        deflated = deflater.deflate(message, True)
        assert not deflated.endswith(b"\x00\x00\xff\xff")
        assert inflater.inflate(deflated, True, MUCH) == message


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("level", [1, 6, 9])
def test_who_is_asked_for_a_window_of_8_bits_refers_back_no_further(level: int, seed: int) -> None:
    """zlib with 9 bits, read by an inflater that keeps 256 bytes and gives its output byte by byte."""
    deflater = Deflater(8, False, level, 9)
    stream = zlib.decompressobj(-8)
    message = text_of(5000, seed) * 2
    data = deflater.deflate(message, True) + b"\x00\x00\xff\xff"
    inflated = bytearray()
    while data:
        inflated += stream.decompress(data, 1)
        data = stream.unconsumed_tail
    assert bytes(inflated) + stream.decompress(b"") == message


def test_fragments_share_a_stream_that_ends_once() -> None:
    deflater, inflater = Deflater(15, False, 6, 5), Inflater(15, False, 2048)
    parts = [deflater.deflate(b"abc", False), deflater.deflate(b"", False), deflater.deflate(b"abc", False)]
    last = deflater.deflate(b"", True)
    assert last == b"\x00"  # an empty block: RFC 7692 7.2.3.6
    assert [inflater.inflate(part, False, MUCH) for part in parts] == [b"abc", b"", b"abc"]
    assert inflater.inflate(last, True, MUCH) == b""
    assert inflater.inflate(deflater.deflate(b"next", True), True, MUCH) == b"next"


def test_context_takeover_makes_repeated_messages_small() -> None:
    message = text_of(1000)
    keeps, forgets = Deflater(15, False, 6, 5), Deflater(15, True, 6, 5)
    assert len(keeps.deflate(message, True)) > 300
    assert len(keeps.deflate(message, True)) < 30
    assert forgets.deflate(message, True) == forgets.deflate(message, True)


@pytest.mark.parametrize(
    ("role", "deflates", "inflates"), [("server", (9, True), (10, False)), ("client", (10, False), (9, True))]
)
def test_each_side_does_what_was_agreed(role: str, deflates: tuple[int, bool], inflates: tuple[int, bool]) -> None:
    agreed = DeflateParameters(
        server_max_window_bits=9, server_no_context_takeover=True, client_max_window_bits=10, threshold=0
    )
    far = text_of(900)
    deflater, inflater = deflater_for(role, agreed), inflater_for(role, agreed, None)
    sizes = [len(deflater.deflate(far, True)) for _ in range(2)]
    assert (sizes[0] == sizes[1]) is deflates[1]
    peer = Deflater(inflates[0], inflates[1], 6, 5)
    assert [inflater.inflate(peer.deflate(far, True), True, MUCH) for _ in range(2)] == [far, far]


def test_no_more_comes_than_was_asked_for() -> None:
    inflater = Inflater(15, False, 2048)
    assert len(inflater.inflate(Deflater(15, False, 9, 9).deflate(bytes(1_000_000), True), True, 1000)) == 1000


def test_streams_that_end_inside_a_message_are_followed_but_not_for_ever() -> None:
    def ended(data: bytes) -> bytes:
        stream = zlib.compressobj(6, zlib.DEFLATED, -15)
        return stream.compress(data) + stream.flush()

    inflater = Inflater(15, False, 2048)
    assert inflater.inflate(ended(b"one") + ended(b"two") + b"\x00", True, MUCH) == b"onetwo"
    assert inflater.inflate(ended(b"three") + b"\x00", True, MUCH) == b"three"
    with pytest.raises(WebSocketDecodeError, match="more than 16 DEFLATE streams") as caught:
        inflater.inflate(ended(b"") * 17, False, MUCH)
    assert caught.value.code == 1008


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=200), max_size=5), st.booleans(), st.integers(min_value=8, max_value=15))
def test_any_messages_come_back(messages: list[bytes], forgets: bool, bits: int) -> None:
    deflater, inflater = Deflater(bits, forgets, 6, 5), Inflater(bits, forgets, 2048)
    assert [inflater.inflate(deflater.deflate(message, True), True, MUCH) for message in messages] == messages
