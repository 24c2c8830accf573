"""Peers that break off wherever they can, say what makes no sense, or cut what they say anyhow."""

from __future__ import annotations

import logging
import random
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_net import ChannelBrokenError, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import websocket
from pipeline_net.codecs.websocket import Close, Closed, Deflate, DeflateParameters, HandshakeError, Limits
from pipeline_net.testing import EmbeddedChannel

from .conformance_suite import NONCE, Link, Suite
from .conftest import make_frame

TIMEOUT = 20  # seconds, for what takes milliseconds
REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: " + NONCE + b"\r\nSec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://server\r\n"
    b'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15; server_max_window_bits="10", x; y=z\r\n'
    b"\r\n"
)
ENDS = ("close", "reset", "half-close")


class Echo(ChannelInboundHandler[Any, Any, Any]):
    """Counts those that are there."""

    def __init__(self, present: list[int], gone: threading.Condition) -> None:
        self._present = present
        self._gone = gone

    def channel_active(self, ctx: Any) -> None:
        self._present[0] += 1
        ctx.fire_channel_active()

    def channel_inactive(self, ctx: Any) -> None:
        with self._gone:
            self._present[0] -= 1
            self._gone.notify_all()
        ctx.fire_channel_inactive()

    def channel_read(self, ctx: Any, msg: Any) -> None:
        ctx.write(msg)


def break_off(sock: socket.socket, how: str) -> None:
    if how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "half-close":
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(TIMEOUT)
        while sock.recv(65536):
            pass
    sock.close()


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(1) as group:
        yield group


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("how", ENDS)
def test_clients_that_break_off(loops: EventLoopGroup, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Behind each byte of the handshake, and of the first frames."""
    present, gone = [0], threading.Condition()
    stack = lambda channel: websocket.server_stack(deflate=Deflate()) >> Echo(present, gone)  # noqa: E731 - as in a program
    data = REQUEST + make_frame(1, b"hello") + make_frame(2, b"x" * 20, fin=False)
    with ServerBootstrap(loops, initializer=stack).bind("tcp://127.0.0.1:0") as server:
        port = int(server.addresses[0].rpartition(":")[2])
        for size in range(len(data) + 1):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.sendall(data[:size])
            break_off(sock, how)
        ws = websocket.connect(loops, f"ws://127.0.0.1:{port}/").result(TIMEOUT)
        ws.send("still there?")
        assert ws.receive().result(TIMEOUT) == "still there?"
        ws.close().result(TIMEOUT)
        with gone:
            assert gone.wait_for(lambda: present == [0], TIMEOUT)
    assert complaints(caplog) == []


class _SocketLink:
    def __init__(self, sock: socket.socket, most: int) -> None:
        self._sock = sock
        self._most = most

    def send(self, data: bytes) -> None:
        self._sock.sendall(data[: self._most])

    def receive(self) -> bytes:
        return self._sock.recv(65536)

    def is_quiet(self) -> bool:
        return True


@pytest.mark.parametrize("how", ENDS)
def test_servers_that_break_off(loops: EventLoopGroup, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Somewhere in their answer: the program hears of it, whether with a HandshakeError or one of the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        for size in range(0, 125, 3):
            connecting = websocket.connect(loops, f"ws://127.0.0.1:{listener.getsockname()[1]}/")
            sock = listener.accept()[0]
            sock.settimeout(TIMEOUT)
            link: Link = _SocketLink(sock, size)
            suite = Suite(link, "server")
            key, _ = suite.be_asked()
            suite.agree(key)
            break_off(sock, how)
            with pytest.raises((HandshakeError, ChannelBrokenError)):
                connecting.result(TIMEOUT)
    assert complaints(caplog) == []


PIECES = (
    *(
        b"",
        b"\r\n",
        b"\r\n ",
        b"\x00",
        b"\xff",
        b",",
        b";",
        b"=",
        b'"',
        b"\\",
        b" ",
        b"\t",
        b"8",
        b"16",
        b"-1",
        b",,,,",
    ),
    *(b"permessage-deflate", b"server_max_window_bits", b"chat", b"A" * 300, b"Upgrade: h2c\r\n"),
    *(b"Sec-WebSocket-Key: x\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
)


def test_handshakes_that_make_no_sense_are_refused() -> None:
    chance = random.Random(1)
    accepted = 0
    for _ in range(600):
        request = bytearray(REQUEST)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(request))
            request[at : at + chance.randrange(12)] = chance.choice(PIECES)
        channel = EmbeddedChannel(websocket.server_stack(deflate=Deflate(), subprotocols=["chat"]))
        cut = chance.randrange(len(request))
        for piece in (bytes(request[:cut]), bytes(request[cut:])):
            if channel.is_open:
                channel.write_inbound(piece)
        if channel.is_open:
            channel.finish_input()
        answer = b"".join(channel.outbound)
        assert answer.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 4", b"HTTP/1.1 505 ")), bytes(request)
        assert not channel.is_open
        accepted += answer.startswith(b"HTTP/1.1 101 ")
    assert 10 < accepted < 200


class Recorder(ChannelInboundHandler[Any, Any, Any]):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def channel_read(self, ctx: Any, msg: Any) -> None:
        self.heard.append(msg)
        ctx.write(msg)

    def user_event_triggered(self, ctx: Any, event: Any) -> None:
        if isinstance(event, Closed) and event.reason:  # which of two rules it broke first is a question of the cuts
            event = Closed(0, "", event.clean, event.by_peer)
        self.heard.append(event)


def hostile_stream(chance: random.Random, key: bytes | None) -> bytes:
    """Frames: some compressed, some broken, some in the middle of others."""
    data = b""
    in_message = False
    for _ in range(chance.randrange(1, 8)):
        opcode = 0 if in_message else chance.choice([1, 1, 2])
        if chance.random() < 0.35:
            opcode = chance.choice([8, 9, 9, 10, 9, chance.randrange(16)])
        payload = chance.choice([b"", "é€𝄞".encode() * 40, chance.randbytes(130), b"a" * 70_000])
        rsv = 0
        if opcode in (1, 2) and chance.random() < 0.5:
            stream = zlib.compressobj(6, zlib.DEFLATED, -15)
            payload = stream.compress(chance.choice([bytes(100_000), payload])) + stream.flush(zlib.Z_SYNC_FLUSH)
            payload, rsv = payload.removesuffix(b"\x00\x00\xff\xff"), 4
            if chance.random() < 0.2:
                payload = chance.randbytes(3) + payload
        if opcode >= 8:
            payload = payload[: chance.choice([0, 2, 125, 126])]
        if chance.random() < 0.04:
            rsv = chance.randrange(8)
        length = chance.randbytes(9) if chance.random() < 0.03 else None
        if length is not None:
            length = b"\x7f" + length[1:]
        fin = opcode >= 8 or chance.random() < 0.6
        if opcode < 3:
            in_message = not fin
        data += make_frame(opcode, payload, fin=fin, rsv=rsv, key=key, length=length)
    return data if chance.random() < 0.9 else data[: chance.randrange(len(data))]


def outcome(role: str, pieces: list[bytes]) -> tuple[list[Any], list[Any], bool]:
    """What the application heard, and the peer; without the words of a Close that says what was wrong."""
    recorder = Recorder()
    limits = Limits(max_message=90_000, max_fragments=3)
    stages = websocket.protocol_stages(role, limits=limits, deflate=DeflateParameters(threshold=2**31), keepalive=None)
    channel = EmbeddedChannel(*stages.handlers, recorder)
    for piece in pieces:
        if channel.is_open:
            channel.write_inbound(piece)
    was_open = channel.is_open
    if was_open:
        channel.finish_input()
    assert not channel.is_open
    assert channel.exceptions == []
    reader = websocket.FrameDecoder("client" if role == "server" else "server")
    answers = reader.feed(b"".join(channel.outbound))
    return recorder.heard, ["refused" if isinstance(a, Close) and a.reason else a for a in answers], was_open


@pytest.mark.parametrize("role", ["server", "client"])
def test_what_is_made_of_bytes_does_not_depend_on_their_cuts(role: str) -> None:
    chance = random.Random(2)
    refused = 0
    for _ in range(200):
        data = hostile_stream(chance, b"\x0a\x1b\x2c\x3d" if role == "server" else None)
        whole = outcome(role, [data])
        refused += "refused" in whole[1]
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(1, 10)))
        pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        assert outcome(role, pieces) == whole, data
        if len(data) < 400:
            assert outcome(role, [data[at : at + 1] for at in range(len(data))]) == whole, data
    assert 40 < refused < 190
