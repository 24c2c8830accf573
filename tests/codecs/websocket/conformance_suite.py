"""The suite's end of a connection: it speaks WebSocket with nothing of ours, and plays one case at a time.

``Link`` is what it speaks through; the tests have one into an ``EmbeddedChannel`` and one over TCP.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from .conformance_cases import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    SYNC,
    TEXT,
    TOGETHER,
    WAIT,
    Answer,
    Case,
    Chops,
    Event,
    Frame,
    Step,
    close,
)

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = b"\x37\xfa\x21\x3d"
NONCE = b"dGhlIHNhbXBsZSBub25jZQ=="
TAIL = b"\x00\x00\xff\xff"


class Link(Protocol):
    def send(self, data: bytes) -> None:
        """Give it to the peer; forget it if there is none any more."""

    def receive(self) -> bytes:
        """Take what the peer has sent, which may be waited for; empty if nothing more will come."""

    def is_quiet(self) -> bool:
        """Whether the connection is open, and nothing has come."""


class Compression(NamedTuple):
    """What was agreed on, as the suite sees it: of what it sends, and of what it gets."""

    out_bits: int
    out_forgets: bool
    in_bits: int
    in_forgets: bool


class Suite:
    def __init__(self, link: Link, role: str) -> None:
        self._link = link
        self._masks = role == "client"
        self._received = b""
        self._pos = 0
        self.events: list[Event] = []
        self.code: int | None = None
        self.is_closed = False  # a Close has come
        self._opcode = 0
        self._is_compressed = False
        self._message: list[bytes] = []
        self._agreed: Compression | None = None
        self._deflater: Any = None
        self._inflater: Any = None

    # -- the handshake ------------------------------------------------------------------------------

    def ask(self, offer: str = "") -> str:
        """As a client; return the extensions of the answer."""
        request = b"GET / HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        request += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + NONCE + b"\r\n"
        self._link.send(request + _extensions(offer) + b"\r\n")
        head = self._head()
        assert head.startswith("HTTP/1.1 101 ")
        assert _header(head, "sec-websocket-accept") == _accept(NONCE).decode()
        return _header(head, "sec-websocket-extensions")

    def be_asked(self) -> tuple[str, str]:
        """As a server; return the key and the extensions that are offered."""
        head = self._head()
        assert head.startswith("GET ")
        return _header(head, "sec-websocket-key"), _header(head, "sec-websocket-extensions")

    def agree(self, key: str, answer: str = "") -> None:
        response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        response += b"Sec-WebSocket-Accept: " + _accept(key.encode()) + b"\r\n"
        self._link.send(response + _extensions(answer) + b"\r\n")

    def compress(self, agreed: Compression) -> None:
        self._agreed = agreed

    def _head(self) -> str:
        while b"\r\n\r\n" not in self._received:
            data = self._link.receive()
            assert data, f"no answer, only {self._received!r}"
            self._received += data
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        return head.decode() + "\r\n"

    # -- a case -------------------------------------------------------------------------------------

    def play(self, case: Case) -> None:
        """Send, wait for what the suite waits for, close if it is its turn, and take all that comes."""
        batch: list[bytes] = []
        for step in case.steps:
            if isinstance(step, Frame) and case.cut == TOGETHER:
                batch.append(self.encode(step))
                continue
            self._flush(batch)
            self._do(step, case.cut)
        self._flush(batch)
        self._await(len(case.events))
        if case.suite_closes and self.events == case.events and not self.is_closed:
            self._link.send(self.encode(close(1000)))
        self.take_rest()

    def _do(self, step: Step, cut: int) -> None:
        if isinstance(step, Frame):
            data = self.encode(step)
            for piece in [data] if cut == SYNC else _parts(data, cut):
                self._link.send(piece)
        elif isinstance(step, Chops):
            data = self.encode(Frame(step.opcode, b"".join(step.pieces)))
            start = len(data) - sum(map(len, step.pieces))
            self._link.send(data[:start])
            for at, piece in enumerate(step.pieces):
                if at == 1:
                    assert self._link.is_quiet()
                self._link.send(data[start : start + len(piece)])
                start += len(piece)
                if at == 1:
                    self._await(1)  # refused now, not when the rest has come
                    assert self.is_closed
        elif isinstance(step, Answer):
            self._await(step.events)
            assert len(self.events) == step.events
        else:
            assert step == WAIT
            assert self._link.is_quiet()

    def _flush(self, batch: list[bytes]) -> None:
        if batch:
            self._link.send(b"".join(batch))
            batch.clear()

    def _await(self, count: int) -> None:
        """Wait for events, or the end."""
        while len(self.events) < count and not self.is_closed:
            data = self._link.receive()
            if not data:
                break
            self._take(data)

    def take_rest(self) -> None:
        """Take all until the peer's Close."""
        while not self.is_closed and (data := self._link.receive()):
            self._take(data)
        assert self._pos == len(self._received), "nothing follows the Close"

    # -- what is sent -------------------------------------------------------------------------------

    def encode(self, frame: Frame) -> bytes:
        size = len(frame.payload)
        mask = 0x80 if self._masks else 0
        head = bytes([frame.fin << 7 | frame.rsv << 4 | frame.opcode])
        if size < 126:
            head += bytes([mask | size])
        elif size < 65536:
            head += bytes([mask | 126]) + size.to_bytes(2, "big")
        else:
            head += bytes([mask | 127]) + size.to_bytes(8, "big")
        return head + KEY + _masked(frame.payload) if self._masks else head + frame.payload

    def compressed(self, message: bytes, opcode: int, frame_size: int) -> list[Step]:
        """One compressed message in frames of at most so many bytes; 0 for one frame."""
        agreed = self._agreed
        assert agreed is not None
        if self._deflater is None or agreed.out_forgets:
            self._deflater = zlib.compressobj(wbits=-agreed.out_bits)
        data: bytes = self._deflater.compress(message) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        pieces = _parts(data.removesuffix(TAIL), frame_size or len(data))
        last = len(pieces) - 1
        return [Frame(0 if at else opcode, piece, at == last, 0 if at else 4) for at, piece in enumerate(pieces)]

    # -- what comes ---------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        self._received = self._received[self._pos :] + data
        self._pos = 0
        for first, payload in self._frames():
            assert not self.is_closed, "nothing follows the Close"
            self._take_frame(first & 0x80 != 0, first & 0x70, first & 0x0F, payload)

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while True:
            data, pos = self._received, self._pos
            if len(data) < pos + 2:
                return
            size = data[pos + 1] & 0x7F
            assert (data[pos + 1] > 0x7F) is not self._masks, "clients mask, servers do not"
            start = pos + (2 if size < 126 else 4 if size == 126 else 10)
            if size >= 126:
                if len(data) < start:
                    return
                least = 126 if size == 126 else 65536
                size = int.from_bytes(data[pos + 2 : start], "big")
                assert size >= least, "a length takes as few bytes as it can"
            key = b"" if self._masks else data[start : start + 4]
            start += len(key)
            if len(data) < start + size:
                return
            payload = data[start : start + size]
            self._pos = start + size
            yield data[pos], _masked(payload, key) if key else payload

    def _take_frame(self, fin: bool, rsv: int, opcode: int, payload: bytes) -> None:
        if opcode >= CLOSE:
            assert fin
            assert rsv == 0
            assert len(payload) <= 125
            if opcode == CLOSE:
                self.is_closed = True
                self.code = int.from_bytes(payload[:2], "big") if payload else None
                assert len(payload) != 1
                payload[2:].decode()
            else:
                assert opcode in (PING, PONG)
                self.events.append(Event(opcode, payload))
            return
        if opcode:
            assert opcode in (TEXT, BINARY)
            assert not self._opcode
            assert rsv == 0 or (rsv == 0x40 and self._agreed is not None)
            self._opcode, self._is_compressed = opcode, rsv != 0
        else:
            assert self._opcode
            assert rsv == 0
        self._message.append(payload)
        if fin:
            message = b"".join(self._message)
            if self._is_compressed:
                message = self._inflate(message)
            if self._opcode == TEXT:
                message.decode()
            self.events.append(Event(self._opcode, message))
            self._opcode = 0
            self._message.clear()

    def _inflate(self, data: bytes) -> bytes:
        agreed = self._agreed
        assert agreed is not None
        if self._inflater is None or agreed.in_forgets:
            self._inflater = zlib.decompressobj(-agreed.in_bits)
        message: bytes = self._inflater.decompress(data + TAIL)
        return message


def _parts(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _masked(data: bytes, key: bytes = KEY) -> bytes:
    size = len(data)
    keys = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(keys, "little")).to_bytes(size, "little")


def _accept(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())


def _extensions(value: str) -> bytes:
    return f"Sec-WebSocket-Extensions: {value}\r\n".encode() if value else b""


def _header(head: str, name: str) -> str:
    for line in head.split("\r\n")[1:]:
        field, _, value = line.partition(":")
        if field.lower() == name:
            return value.strip()
    return ""
