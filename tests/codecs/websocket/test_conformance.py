"""The public conformance suite, case by case, without its network (see ``conformance_cases``)."""

from __future__ import annotations

import json
import random
from typing import Any, Never

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler
from pipeline_net.codecs.websocket import (
    Close,
    DeflateParameters,
    FrameDecoder,
    FrameEncoder,
    Limits,
    protocol_stages,
)
from pipeline_net.testing import EmbeddedChannel

from .conformance_cases import BINARY, CASES, FRAMES, KOSME, NORMAL, TEXT, WHOLE, parts
from .conftest import make_frame

ROOMY = Limits(max_message=16 * 1024 * 1024, max_fragments=100_000)


class Echo(ChannelInboundHandler[Any, Never, Any]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, Any], msg: Any) -> None:
        ctx.write(msg)


def serve(deflate: DeflateParameters | None = None) -> EmbeddedChannel:
    return EmbeddedChannel(*protocol_stages("server", limits=ROOMY, deflate=deflate).handlers, Echo())


def came_back(channel: EmbeddedChannel, deflate: DeflateParameters | None = None) -> list[Any]:
    """What the peer gets: messages, pongs, and the code of the Close."""
    reader = FrameDecoder("client", limits=ROOMY, deflate=deflate)
    messages = reader.feed(b"".join(channel.outbound))
    return [message.code if isinstance(message, Close) else message for message in messages]


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    frames, cut, outcome = CASES[case]
    channel = serve()
    data = b"".join(frames)
    pieces = [data] if cut == WHOLE else frames if cut == FRAMES else parts(data, cut)
    for piece in pieces:
        if channel.is_open:
            channel.write_inbound(piece)
    assert came_back(channel) == outcome
    assert not channel.is_open


def test_the_table_has_every_case() -> None:
    counts = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 141, "7": 37, "9": 54, "10": 1}
    found = {section: sum(name.split(".")[0] == section for name in CASES) for section in counts}
    assert found == counts  # 6 without the four of 6.4, which follow


VALID = KOSME + b"\xf4"  # a character has begun, and may still be a good one


@pytest.mark.parametrize(
    ("case", "pieces", "good"),
    [
        ("6.4.1", [make_frame(TEXT, KOSME, fin=False), make_frame(0, b"\xf4\x90\x80\x80", fin=False)], 1),
        (
            "6.4.2",
            [make_frame(TEXT, VALID, fin=False), make_frame(0, b"\x90", fin=False), make_frame(0, b"\x80\x80edited")],
            1,
        ),
        ("6.4.3", [(whole := make_frame(TEXT, KOSME + b"\xf4\x90\x80\x80edited"))[:17], whole[17:21], whole[21:]], 1),
        ("6.4.4", [whole[:18], whole[18:19], whole[19:]], 1),
    ],
)
def test_wrong_text_fails_at_once(case: str, pieces: list[bytes], good: int) -> None:
    """Not at the end of the message, nor of the frame: the suite calls anything later "non-strict"."""
    channel = serve()
    for piece in pieces[:good]:
        channel.write_inbound(piece)
    assert channel.is_open
    channel.write_inbound(pieces[good])
    assert came_back(channel) == [1007]
    assert not channel.is_open


# Section 12: what was agreed, for five kinds of content; section 13: for content of one kind, all agreements.
AGREEMENTS = {
    "12.1": DeflateParameters(threshold=0),
    "13.1": DeflateParameters(threshold=0, client_no_context_takeover=True),
    "13.2": DeflateParameters(threshold=0, server_no_context_takeover=True),
    "13.3": DeflateParameters(threshold=0, server_max_window_bits=9, client_max_window_bits=9),
    "13.4": DeflateParameters(threshold=0, server_max_window_bits=15, client_max_window_bits=15),
    "13.5": DeflateParameters(
        threshold=0, server_no_context_takeover=True, server_max_window_bits=9, client_max_window_bits=9
    ),
    "13.6": DeflateParameters(threshold=0, server_no_context_takeover=True, client_no_context_takeover=True),
    "13.7": DeflateParameters(threshold=0, server_no_context_takeover=True, server_max_window_bits=8),
}
SIZES = [16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072]


def contents(kind: int, size: int) -> str | bytes:
    """JSON, source text, noise, zeros, and text that is not ASCII; as 12.1 to 12.5 send them."""
    chance = random.Random(kind)
    if kind == 1:
        return json.dumps([{"id": n, "name": f"item {n * 7 % 13}"} for n in range(size // 20 + 1)])[:size]
    if kind == 2:
        return ("for (int i = 0; i < n; i++) { total += values[i]; }\n" * (size // 20 + 1))[:size]
    if kind == 3:
        return chance.randbytes(size)
    if kind == 4:
        return bytes(size)
    return ("κόσμε ünïcödé " * (size // 10 + 1))[: size // 2]


@pytest.mark.parametrize("kind", range(1, 6))
@pytest.mark.parametrize("number", range(1, 19))
def test_compressed_content(kind: int, number: int) -> None:
    """12.<kind>.<number>: ten sizes in one frame each, then eight whose frames hold at most so many bytes."""
    agreed = AGREEMENTS["12.1"]
    size, frame_size = (SIZES[number - 1], 0) if number <= 10 else (131072, 256 * 2 ** (number - 11))
    check_echo(agreed, [contents(kind, size)] * 2, frame_size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("agreement", [name for name in AGREEMENTS if name.startswith("13")])
def test_agreements(agreement: str, size: int) -> None:
    check_echo(AGREEMENTS[agreement], [contents(1, size), contents(5, size), contents(1, size)], 0)


def check_echo(agreed: DeflateParameters, messages: list[Any], frame_size: int) -> None:
    channel = serve(agreed)
    peer = FrameEncoder("client", deflate=agreed)
    for message in messages:
        encoded: Any = peer.encode(message)
        if frame_size:
            encoded = fragmented(encoded, BINARY if isinstance(message, bytes) else TEXT, frame_size)
        channel.write_inbound(encoded)
    channel.write_inbound(NORMAL)
    assert came_back(channel, agreed) == [*messages, 1000]


def fragmented(frame: bytes, opcode: int, size: int) -> bytes:
    """Cut one compressed frame into several."""
    payload = b""
    for part in FrameDecoder("server", limits=ROOMY, messages=False).feed(bytes([0x82]) + frame[1:]):
        payload += part.data
    pieces = parts(payload, size)
    last = len(pieces) - 1
    return b"".join(
        make_frame(0 if at else opcode, piece, fin=at == last, rsv=0 if at else 4) for at, piece in enumerate(pieces)
    )
