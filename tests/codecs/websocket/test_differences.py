"""Another library reads the same bytes: wsproto, a strict one, which nobody made with us in mind.

Where it accepts what we refuse, or the reverse, it is one of the differences that are named below, or it is a bug.
Frames are made by a grammar that goes wrong now and then.
"""

from __future__ import annotations

import random
import zlib
from typing import Any, Final

import attrs
import pytest
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.extensions import Extension, PerMessageDeflate

from pipeline_net.codecs.websocket import (
    Close,
    DeflateParameters,
    FrameDecoder,
    FrameEncoder,
    Limits,
    WebSocketDecodeError,
)
from pipeline_net.codecs.websocket import Ping as OurPing
from pipeline_net.codecs.websocket import Pong as OurPong

from .conftest import make_frame

ROOMY: Final = Limits(max_message=2**40, max_frame=2**62)
KEY: Final = b"\x0a\x0b\x0c\x0d"


@attrs.frozen
class Verdict:
    """What was read, and with which code the rest was refused; 0 if it was not."""

    found: list[Any]
    code: int


def ours(data: bytes, deflate: DeflateParameters | None = None) -> Verdict:
    decoder = FrameDecoder("server", limits=ROOMY, deflate=deflate)
    code = 0
    try:
        messages = decoder.feed(data)
    except WebSocketDecodeError as exc:
        messages, code = exc.messages, exc.code
    return Verdict([_plain(message) for message in messages], code)


def _plain(message: Any) -> Any:
    if isinstance(message, OurPing):
        return "ping", message.data
    if isinstance(message, OurPong):
        return "pong", message.data
    if isinstance(message, Close):
        return "close", message.code or 1005, message.reason
    return message


def theirs(data: bytes, extension: Extension | None = None) -> Verdict:
    connection = Connection(ConnectionType.SERVER, extensions=[extension] if extension else [])
    found: list[Any] = []
    whole: Any = None
    connection.receive_data(data)
    for event in connection.events():
        if isinstance(event, Message):
            part = event.data if isinstance(event, TextMessage) else bytes(event.data)
            whole = part if whole is None else whole + part
            if event.message_finished:
                found.append(whole)
                whole = None
        elif isinstance(event, Ping):
            found.append(("ping", bytes(event.payload)))
        elif isinstance(event, Pong):
            found.append(("pong", bytes(event.payload)))
        elif isinstance(event, CloseConnection):
            if connection.state is not ConnectionState.REMOTE_CLOSING:  # nobody said this: it is what it would answer
                return Verdict(found, int(event.code))
            found.append(("close", int(event.code), event.reason or ""))
            break
    return Verdict(found, 0)


CORNERS: Final = {
    "a length that says 2 ** 63": make_frame(2, length=b"\x7f\x80" + b"\x00" * 7),
    "more than 125 bytes in a ping": make_frame(9, b"x" * 126),
    **{
        f"code {code}": make_frame(8, code.to_bytes(2, "big"))
        for code in (0, 999, *range(1000, 1014), *range(1015, 1018), 2999, 4999, 5000)
    },
    "a close of one byte": make_frame(8, b"\x03"),
    "something behind a close": make_frame(8) + make_frame(1, b"late"),
}


@pytest.mark.parametrize("name", CORNERS)
def test_corners_are_read_alike(name: str) -> None:
    assert ours(CORNERS[name]) == theirs(CORNERS[name])


def test_a_code_that_was_registered_later_is_where_we_differ() -> None:
    """1014, Bad Gateway, is in IANA's registry."""
    frame = make_frame(8, (1014).to_bytes(2, "big"))
    assert ours(frame) == Verdict([("close", 1014, "")], 0)
    assert theirs(frame) == Verdict([], 1002)


def test_streams_that_end_are_where_we_differ() -> None:
    """RFC 7692 7.2.3.4 shows a message whose last block has BFINAL set.  zlib takes that for the end of all, and
    wsproto refuses what follows it; we begin a new stream.
    """
    final = make_frame(1, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", rsv=4)
    assert theirs(final, extension()) == ours(final, DeflateParameters()) == Verdict(["Hello"], 0)
    assert theirs(final * 2, extension()) == Verdict(["Hello"], 1007)
    assert ours(final * 2, DeflateParameters()) == Verdict(["Hello", "Hello"], 0)


def some_frames(chance: random.Random) -> bytes:
    """A few frames, mostly good ones."""
    data = b""
    in_message = False
    for _ in range(chance.randrange(1, 7)):
        opcode = chance.choice([0, 0, 0] if in_message else [1, 1, 2])
        if chance.random() < 0.3:
            opcode = chance.choice([8, 9, 10, 9, 10])
        if chance.random() < 0.06:
            opcode = chance.randrange(16)
        size = chance.choice([0, 1, 5, 125, 126, 300]) if opcode < 8 else chance.choice([0, 1, 2, 5, 125])
        payload = chance.choice([b"a" * size, ("é€😀" * 100).encode()[:size], chance.randbytes(size)])
        if opcode == 8 and size >= 2:
            payload = chance.choice([1000, 1001, 1003, 1005, 3000, 4000, 999]).to_bytes(2, "big") + b"x" * (size - 2)
        fin = chance.random() < 0.6 or opcode >= 8
        if chance.random() < 0.03:
            fin = not fin
        if opcode < 3:
            in_message = not fin
        rsv = chance.choice([1, 2, 4]) if chance.random() < 0.03 else 0
        length = None
        if chance.random() < 0.03:
            length = b"\x7e" + size.to_bytes(2, "big")
        key = None if chance.random() < 0.03 else KEY
        data += make_frame(opcode, payload, fin=fin, rsv=rsv, key=key, length=length)
    return data


@pytest.mark.parametrize("seed", range(40))
def test_frames_are_read_alike(seed: int) -> None:
    chance = random.Random(seed)
    refused = 0
    for _ in range(50):
        data = some_frames(chance)
        we, they = ours(data), theirs(data)
        assert we == they, data
        refused += we.code != 0
    assert 5 < refused < 48  # otherwise the grammar is no good


def extension(bits: int = 15, forgets: bool = False) -> PerMessageDeflate:
    """Theirs, as if it had been negotiated."""
    made = PerMessageDeflate(
        client_no_context_takeover=forgets,
        client_max_window_bits=bits,
        server_no_context_takeover=forgets,
        server_max_window_bits=bits,
    )
    made._enabled = True
    return made


def test_broken_streams_are_refused_alike() -> None:
    chance = random.Random(1)
    refused = 0
    for _ in range(200):
        data = bytearray(deflated(chance.randbytes(5) * 9))
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        frame = make_frame(2, bytes(data), rsv=4)
        we = ours(frame, DeflateParameters())
        assert we == theirs(frame, extension()), data.hex()
        refused += we.code == 1007
    assert refused > 20


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(6, zlib.DEFLATED, -15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("bits", [9, 12, 15])
def test_what_either_compresses_the_other_reads(bits: int, forgets: bool) -> None:
    agreed = DeflateParameters(
        server_max_window_bits=bits,
        client_max_window_bits=bits,
        server_no_context_takeover=forgets,
        client_no_context_takeover=forgets,
        threshold=0,
    )

    messages: list[Any] = ["hello " * 50, b"\x00" * 3000, "", "hello " * 50, "κόσμε"]
    encoder = FrameEncoder("client", deflate=agreed)
    data = b"".join(bytes(encoder.encode(message)) for message in messages)  # type: ignore[arg-type]  # one piece each
    assert theirs(data, extension(bits, forgets)) == Verdict(messages, 0)
    peer = Connection(ConnectionType.CLIENT, extensions=[extension(bits, forgets)])
    data = b"".join(
        peer.send(TextMessage(message) if isinstance(message, str) else BytesMessage(message)) for message in messages
    )
    assert ours(data, agreed) == Verdict(messages, 0)
