"""Frames: however they are cut, whatever a hostile peer makes of them."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_net.codecs.websocket import (
    Close,
    DeflateParameters,
    Fragment,
    FrameDecoder,
    Limits,
    Ping,
    Pong,
    WebSocketDecodeError,
)
from pipeline_net.testing import check_decoder, check_limits

from .conftest import FrameMaker, make_frame

SMALL = Limits(max_message=100, max_frame=200, max_fragments=5)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def server(**options: Any) -> FrameDecoder:
    return FrameDecoder("server", **options)


def deflated(*messages: bytes, bits: int = 15) -> list[bytes]:
    stream = zlib.compressobj(6, zlib.DEFLATED, -bits)
    return [(stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4] for message in messages]


MANY = deflated(bytes(range(101)))[0]  # one byte too many for the small limit


# RFC 6455 5.7, from a client where it says "masked".
EXAMPLES: dict[str, tuple[str, bytes, list[Any]]] = {
    "unmasked text": ("client", b"\x81\x05\x48\x65\x6c\x6c\x6f", ["Hello"]),
    "masked text": ("server", b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", ["Hello"]),
    "fragmented text": ("client", b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f", ["Hello"]),
    "ping": ("client", b"\x89\x05\x48\x65\x6c\x6c\x6f", [Ping(b"Hello")]),
    "masked pong": ("server", b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", [Pong(b"Hello")]),
    "256 bytes": ("client", b"\x82\x7e\x01\x00" + b"x" * 256, [b"x" * 256]),
    "64 KiB": ("client", b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + b"x" * 65536, [b"x" * 65536]),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_rfc(name: str) -> None:
    role, data, messages = EXAMPLES[name]
    check_decoder(lambda: FrameDecoder(role), [(data, messages)])


def test_the_examples_of_the_rfc_for_compression() -> None:
    """RFC 7692 7.2.3: one block, two fragments, a shared window, a stored block, BFINAL, two blocks."""
    shared = DeflateParameters()
    for frames, messages in [
        (b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", ["Hello"]),
        (b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", ["Hello"]),
        (b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00", ["Hello", "Hello"]),
        (b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", ["Hello"]),
        (b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", ["Hello"]),
        (b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", ["Hello"]),
        (b"\xc1\x01\x00", [""]),
    ]:
        check_decoder(lambda: FrameDecoder("client", deflate=shared), [(frames, messages)])


def test_every_shape_of_a_message_comes_out_however_it_is_cut(frame: FrameMaker) -> None:
    check_decoder(
        server,
        [
            (frame(TEXT), [""]),
            (frame(BINARY), [b""]),
            (frame(TEXT, "κόσμε".encode()), ["κόσμε"]),
            (frame(BINARY, b"\x00\xff" * 150), [b"\x00\xff" * 150]),
            (frame(TEXT, b"\xce", fin=False) + frame(0, b"\xba"), ["κ"]),
            (frame(TEXT, fin=False) + frame(0, fin=False) + frame(0), [""]),
            (frame(BINARY, b"a", fin=False) + frame(PING, b"now") + frame(0, b"b"), [Ping(b"now"), b"ab"]),
            (frame(PONG) + frame(PING, b"x" * 125), [Pong(), Ping(b"x" * 125)]),
        ],
    )


@pytest.mark.parametrize(
    ("payload", "close"),
    [
        (b"", Close(None)),
        (b"\x03\xe8", Close(1000)),
        (b"\x0f\xa0bye", Close(4000, "bye")),
        (b"\x03\xe9" + "ü".encode() * 61, Close(1001, "ü" * 61)),
    ],
)
def test_nothing_is_decoded_behind_a_close(frame: FrameMaker, payload: bytes, close: Close) -> None:
    decoder = server()
    assert decoder.feed(frame(CLOSE, payload) + frame(TEXT, b"late") + b"\xff\xff\xff") == [close]
    assert decoder.feed(frame(CLOSE)) == []
    assert decoder.finish() == []
    assert decoder.unread_bytes == 0


HOSTILE: dict[str, tuple[bytes, int]] = {
    "RSV1 without an extension": (make_frame(TEXT, b"x", rsv=4), 1002),
    "RSV2": (make_frame(TEXT, b"x", rsv=2), 1002),
    "RSV3": (make_frame(BINARY, b"x", rsv=1), 1002),
    "RSV1 on a ping": (make_frame(PING, rsv=4), 1002),
    **{f"opcode {opcode}": (make_frame(opcode, b"x"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a fragmented ping": (make_frame(PING, fin=False), 1002),
    "a fragmented close": (make_frame(CLOSE, fin=False), 1002),
    "a ping of 126 bytes": (make_frame(PING, b"x" * 126), 1002),
    "a pong with a length of 64 bits": (make_frame(PONG, length=b"\x7f" + b"\x00" * 8), 1002),
    "a close of one byte": (make_frame(CLOSE, b"\x03"), 1002),
    "a close with 1005": (make_frame(CLOSE, b"\x03\xed"), 1002),
    "a close with 0": (make_frame(CLOSE, b"\x00\x00"), 1002),
    "a close with 65535": (make_frame(CLOSE, b"\xff\xff"), 1002),
    "a reason that is no UTF-8": (make_frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "an unmasked frame": (make_frame(TEXT, b"x", key=None), 1002),
    "an empty unmasked frame": (make_frame(TEXT, key=None), 1002),
    "16 bits for 125": (make_frame(BINARY, b"x" * 125, length=b"\x7e\x00\x7d"), 1002),
    "64 bits for 65535": (make_frame(BINARY, length=b"\x7f" + (65535).to_bytes(8, "big")), 1002),
    "64 bits for 1": (make_frame(BINARY, b"x", length=b"\x7f" + (1).to_bytes(8, "big")), 1002),
    "the highest bit": (make_frame(BINARY, length=b"\x7f\x80" + b"\x00" * 7), 1002),
    "all bits": (make_frame(BINARY, length=b"\x7f" + b"\xff" * 8), 1002),
    "a frame over the limit": (make_frame(BINARY, length=b"\x7e\x00\xc9"), 1009),
    "the largest frame there is": (make_frame(BINARY, length=b"\x7f\x7f" + b"\xff" * 7), 1009),
    "a message over the limit": (make_frame(BINARY, b"x" * 101), 1009),
    "fragments over the limit": (make_frame(TEXT, b"x" * 60, fin=False) + make_frame(0, b"x" * 41), 1009),
    "too many fragments": (make_frame(TEXT, fin=False) + make_frame(0, fin=False) * 5, 1008),
    "a continuation of nothing": (make_frame(0, b"x"), 1002),
    "a message inside another": (make_frame(TEXT, b"x", fin=False) + make_frame(TEXT, b"x"), 1002),
    "no UTF-8": (make_frame(TEXT, b"\xff"), 1007),
    "half a character": (make_frame(TEXT, b"a\xe2\x82"), 1007),
    "half a character, fragmented": (make_frame(TEXT, b"a\xe2", fin=False) + make_frame(0, b"\x82"), 1007),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_breaks_the_rules_is_refused_however_it_is_cut(name: str) -> None:
    data, code = HOSTILE[name]
    check_decoder(lambda: server(limits=SMALL), [(data, [WebSocketDecodeError])])
    with pytest.raises(WebSocketDecodeError) as caught:
        server(limits=SMALL).feed(data + b"\x00" * 300)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "data", [b"\x81", make_frame(TEXT, b"abc")[:-1], make_frame(TEXT, b"abc", fin=False), make_frame(PING, b"a")[:-1]]
)
def test_the_end_of_input_is_too_early_in_the_middle_of_something(data: bytes) -> None:
    decoder = server()
    assert decoder.feed(data) == []
    with pytest.raises(WebSocketDecodeError, match="the input ended in the middle of a message") as caught:
        decoder.finish()
    assert caught.value.code == 1006


def test_a_server_must_not_mask(frame: FrameMaker) -> None:
    with pytest.raises(WebSocketDecodeError, match="a server must not mask its frames"):
        FrameDecoder("client").feed(frame(TEXT, b"x"))


def test_a_role_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="""the role is "server" or "client", not 'proxy'"""):
        FrameDecoder("proxy")


def test_wrong_text_is_refused_at_its_first_wrong_byte_inside_a_frame(frame: FrameMaker) -> None:
    data = frame(TEXT, b"good\xf4\x90 and more, which has not come")
    decoder = server()
    assert decoder.feed(data[: 6 + 5]) == []
    with pytest.raises(WebSocketDecodeError, match="text is no UTF-8"):
        decoder.feed(data[11:12])


@pytest.mark.parametrize("limit", [0, 1, 99, 100])
def test_messages_up_to_the_limit_pass(frame: FrameMaker, limit: int) -> None:
    limits = Limits(max_message=limit)
    half = limit // 2
    for data in (frame(BINARY, b"x" * limit), frame(2, b"x" * half, fin=False) + frame(0, b"x" * (limit - half))):
        check_decoder(lambda: server(limits=limits), [(data, [b"x" * limit])])


def test_each_message_has_the_limits_to_itself(frame: FrameMaker) -> None:
    parts = frame(BINARY, b"x" * 40, fin=False) + frame(0, fin=False) * 3 + frame(0, b"y" * 40)
    assert server(limits=SMALL).feed(parts * 5) == [b"x" * 40 + b"y" * 40] * 5


@pytest.mark.parametrize(
    "frames",
    [
        make_frame(BINARY, b"x" * 101)[:8],
        make_frame(TEXT, b"x" * 60, fin=False) + make_frame(0, b"x" * 41)[:6],
    ],
)
def test_a_message_over_the_limit_is_refused_before_its_bytes_come(frames: bytes) -> None:
    with pytest.raises(WebSocketDecodeError, match="a message of 101 bytes is over the limit of 100"):
        server(limits=SMALL).feed(frames)


def test_what_is_held_is_limited(frame: FrameMaker) -> None:
    many = Limits(max_message=1000, max_frame=100, max_fragments=10_000)
    check_limits(
        lambda: server(limits=many),
        lambda n: (make_frame(1, b"x" * 100, fin=False) + make_frame(0, b"x" * 100, fin=False) * n)[:n],
        1200,
    )
    check_limits(lambda: server(limits=many), lambda n: make_frame(PING, b"x" * 125)[:n], 1200)


def test_what_is_announced_is_not_allocated(frame: FrameMaker) -> None:
    huge = Limits(max_frame=2**62, max_message=2**62)
    tracemalloc.start()
    decoder = server(limits=huge)
    decoder.feed(frame(BINARY, b"", length=b"\x7f" + (2**61).to_bytes(8, "big")) + b"12345678")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decoder.unread_bytes == 8
    assert peak < 50_000


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_bytes_that_come_one_by_one_cost_little_memory(frame: FrameMaker, opcode: int) -> None:
    data = frame(opcode, b"x" * 50_000)
    decoder = server()
    tracemalloc.start()
    for at in range(len(data) - 1):
        decoder.feed(data[at : at + 1])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 120_000
    assert [len(message) for message in decoder.feed(data[-1:])] == [50_000]


def test_a_long_message_in_tiny_fragments_takes_time_in_proportion() -> None:
    """Counted by what is copied: each byte is joined at most twice."""
    limits = Limits(max_fragments=100_000)
    decoder = server(limits=limits)
    frames = make_frame(TEXT, b"a", fin=False) + make_frame(0, "ä".encode(), fin=False) * 20_000 + make_frame(0)
    assert decoder.feed(frames) == ["a" + "ä" * 20_000]


class TestFragments:
    """``messages=False``: pieces as they come."""

    def test_each_piece_is_passed_on(self, frame: FrameMaker) -> None:
        decoder = server(messages=False)
        data = frame(TEXT, "aé".encode())
        assert decoder.feed(data[:8]) == [Fragment("a", False)]
        assert decoder.feed(data[8:9]) == [Fragment("é", True)]
        assert decoder.feed(frame(BINARY, b"1", fin=False) + frame(PING) + frame(0, fin=False)) == [
            Fragment(b"1", False),
            Ping(),
        ]
        assert decoder.feed(frame(0)) == [Fragment(b"", True)]

    def test_a_message_may_be_longer_than_any_limit_on_messages(self, frame: FrameMaker) -> None:
        decoder = server(limits=SMALL, messages=False)
        parts = decoder.feed(frame(BINARY, b"x" * 150, fin=False) * 1 + frame(0, b"x" * 150, fin=False) * 9 + frame(0))
        assert sum(len(part.data) for part in parts) == 1500
        assert decoder.unread_bytes == 0
        with pytest.raises(WebSocketDecodeError, match="a frame of 201 bytes is over the limit of 200"):
            decoder.feed(frame(BINARY, b"x" * 201))

    @given(st.lists(st.integers(min_value=0, max_value=60), max_size=8))
    def test_pieces_together_are_the_message(self, cuts: list[int]) -> None:
        text = "κόσμε " * 3
        data = make_frame(TEXT, text.encode())
        points = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        decoder = server(messages=False)
        parts = [part for a, b in pairwise(points) for part in decoder.feed(data[a:b])]
        assert "".join(part.data for part in parts) == text
        assert [part.final for part in parts] == [*[False] * (len(parts) - 1), True]

    def test_what_is_inflated_comes_in_pieces(self, frame: FrameMaker) -> None:
        (bomb,) = deflated(bytes(4_000_000))
        decoder = server(messages=False, deflate=DeflateParameters())
        parts = decoder.feed(frame(BINARY, bomb, rsv=4))
        assert max(len(part.data) for part in parts) < 1_100_000
        assert sum(len(part.data) for part in parts) == 4_000_000
        assert parts[-1].final


class TestCompressed:
    """permessage-deflate, coming in."""

    def test_it_comes_out_however_it_is_cut(self, frame: FrameMaker) -> None:
        first, second = deflated(b"Hello, " * 5, b"Hello, world")
        check_decoder(
            lambda: server(deflate=DeflateParameters()),
            [
                (frame(TEXT, first, rsv=4) + frame(BINARY, second, rsv=4), ["Hello, " * 5, b"Hello, world"]),
                (frame(TEXT, first[:3], rsv=4, fin=False) + frame(PING) + frame(0, first[3:]), [Ping(), "Hello, " * 5]),
                (frame(TEXT, b"plain"), ["plain"]),
            ],
        )

    @pytest.mark.parametrize(
        ("make", "code"),
        [
            (lambda: make_frame(TEXT, b"\xf2\x48", rsv=4, fin=False) + make_frame(0, b"\xcd", rsv=4), 1002),
            (lambda: make_frame(TEXT, b"a", fin=False) + make_frame(0, b"b", rsv=4), 1002),
            (lambda: make_frame(PING, rsv=4), 1002),
            (lambda: make_frame(CLOSE, rsv=4), 1002),
            (lambda: make_frame(TEXT, b"a", rsv=6), 1002),
            (lambda: make_frame(TEXT, b"\xff\xff", rsv=4), 1007),
            (lambda: make_frame(TEXT, deflated(b"\xff")[0], rsv=4), 1007),
            (lambda: make_frame(BINARY, deflated(bytes(101))[0], rsv=4), 1009),
            (lambda: make_frame(BINARY, MANY[:4], rsv=4, fin=False) + make_frame(0, MANY[4:]), 1009),
        ],
    )
    def test_what_breaks_the_rules_is_refused(self, make: Callable[[], bytes], code: int) -> None:
        with pytest.raises(WebSocketDecodeError) as caught:
            server(limits=SMALL, deflate=DeflateParameters()).feed(make())
        assert caught.value.code == code

    def test_a_bomb_is_held_to_the_limit_while_it_grows(self, frame: FrameMaker) -> None:
        (bomb,) = deflated(bytes(50_000_000))
        data = frame(BINARY, bomb, rsv=4)
        tracemalloc.start()
        with pytest.raises(WebSocketDecodeError, match="over the limit of 100000"):
            server(limits=Limits(max_message=100_000), deflate=DeflateParameters()).feed(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1_000_000

    def test_a_ratio_may_be_refused(self, frame: FrameMaker) -> None:
        (bomb,) = deflated(bytes(200_000))
        with pytest.raises(WebSocketDecodeError, match="more than 100 times its bytes") as caught:
            server(limits=Limits(max_ratio=100), deflate=DeflateParameters()).feed(frame(BINARY, bomb, rsv=4))
        assert caught.value.code == 1009

    def test_without_context_takeover_nothing_is_remembered(self, frame: FrameMaker) -> None:
        first, second = deflated(b"Hello, world" * 3, b"Hello, world" * 3)
        decoder = server(deflate=DeflateParameters(client_no_context_takeover=True))
        assert decoder.feed(frame(TEXT, first, rsv=4)) == ["Hello, world" * 3]
        with pytest.raises(WebSocketDecodeError, match="no DEFLATE"):
            decoder.feed(frame(TEXT, second, rsv=4))


@settings(max_examples=60)
@given(st.binary(max_size=60), st.booleans())
def test_arbitrary_bytes_are_messages_or_refused(data: bytes, compressing: bool) -> None:
    decoder = server(limits=SMALL, deflate=DeflateParameters() if compressing else None)
    try:
        decoder.feed(data)
    except WebSocketDecodeError as exc:
        assert exc.code in (1002, 1007, 1008, 1009)  # noqa: PT017 - whether it raises is not the question
