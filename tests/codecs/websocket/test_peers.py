"""Other people's WebSockets on both sides: the ``websockets`` package as client and as server, over TCP and TLS."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as connect_in_asyncio
from websockets.exceptions import ConnectionClosedError, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Origin, Subprotocol

from pipeline_net import ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import websocket
from pipeline_net.codecs.websocket import Closed, Deflate, HandshakeError, Limits, Ping
from pipeline_net.handlers import ClientTls

MESSAGES: list[str | bytes] = [
    "",
    "hello",
    "ä€𝄞" * 10_000,
    b"",
    bytes(range(256)),
    os.urandom(200_000),
    "x" * 126,
    b"y" * 65_536,
]
PARAMETERS = [
    None,
    Deflate(),
    Deflate(server_no_context_takeover=True, client_no_context_takeover=True),
    Deflate(server_max_window_bits=9, client_max_window_bits=15, threshold=0),
]


class Echo(ChannelInboundHandler[Any, Any, Any]):
    """Sends back what comes; ``close CODE`` closes; keeps how it ended."""

    def __init__(self, ends: list[Closed], ended: threading.Event) -> None:
        self._ends = ends
        self._ended = ended

    def channel_read(self, ctx: Any, msg: Any) -> None:
        if isinstance(msg, str) and msg.startswith("close "):
            ctx.write(websocket.Close(int(msg[6:]), "as you like"))
        else:
            ctx.write(msg)

    def user_event_triggered(self, ctx: Any, event: Any) -> None:
        if isinstance(event, Closed):
            self._ends.append(event)
            self._ended.set()


class Ours:
    """Our server, for clients of others."""

    def __init__(self, loops: EventLoopGroup, tls: Any = None, **settings: Any) -> None:
        self.ends: list[Closed] = []
        self.ended = threading.Event()
        bootstrap = ServerBootstrap(loops, initializer=self._stack, tls=tls)
        self._settings = settings
        self.server = bootstrap.bind(f"{'tcp' if tls is None else 'tls'}://127.0.0.1:0")
        self.port = int(self.server.addresses[0].rpartition(":")[2])
        self.url = f"ws://127.0.0.1:{self.port}/"

    def _stack(self, channel: Any) -> Any:
        return websocket.server_stack(**self._settings) >> Echo(self.ends, self.ended)

    def how_it_ended(self) -> Closed:
        assert self.ended.wait(20)
        return self.ends[0]


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(1) as group:
        yield group


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", "both.pem", "-out", "ca.pem"]
    subprocess.run([*command.split(), *names, *files], cwd=folder, capture_output=True, timeout=30, check=True)
    with open(folder / "both.pem", "a") as both:
        both.write((folder / "ca.pem").read_text())
    return folder


# -- their client, our server ----------------------------------------------------------------------------


@pytest.mark.parametrize("deflate", PARAMETERS)
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_their_client_understands_us(loops: EventLoopGroup, deflate: Deflate | None, compression: str | None) -> None:
    ours = Ours(loops, deflate=deflate)
    with connect(ours.url, proxy=None, compression=compression) as ws:
        assert len(ws.protocol.extensions) == (deflate is not None and compression is not None)
        for message in MESSAGES * 2:
            ws.send(message)
            assert ws.recv(20) == message
        ws.send(["a", "b" * 1000, "", "c"])
        assert ws.recv(20) == "a" + "b" * 1000 + "c"
        assert ws.ping(b"ping").wait(20)
    assert ours.how_it_ended() == Closed(1000, "", True, True)


def test_their_client_hears_our_close(loops: EventLoopGroup) -> None:
    ours = Ours(loops)
    with connect(ours.url, proxy=None) as ws:
        ws.send("close 4321")
        with pytest.raises(ConnectionClosedError):
            ws.recv(20)
        assert (ws.close_code, ws.close_reason) == (4321, "as you like")
    assert ours.how_it_ended() == Closed(4321, "as you like", True, False)


def test_their_client_is_told_that_it_asks_too_much(loops: EventLoopGroup) -> None:
    ours = Ours(loops, limits=Limits(max_message=1000))
    with connect(ours.url, proxy=None) as ws:
        ws.send("x" * 1001)
        with pytest.raises(ConnectionClosedError):
            ws.recv(20)
        assert ws.close_code == 1009


def test_their_client_chooses_and_is_refused(loops: EventLoopGroup) -> None:
    ours = Ours(loops, path="/here", subprotocols=["b", "a"], headers={"x-who": "me"})
    with connect(ours.url + "here", proxy=None, subprotocols=[Subprotocol("a"), Subprotocol("b")]) as ws:
        assert ws.subprotocol == "b"
        assert ws.response is not None
        assert ws.response.headers["x-who"] == "me"
    with pytest.raises(InvalidStatus, match="404"):
        connect(ours.url, proxy=None)
    with pytest.raises(InvalidHandshake, match="403"):
        connect(ours.url + "here", proxy=None, origin=Origin("https://evil.example"))


def test_their_client_over_tls(loops: EventLoopGroup, certificate: Path) -> None:
    ours = Ours(loops, tls=str(certificate / "both.pem"))
    trust = ssl.create_default_context(cafile=str(certificate / "ca.pem"))

    async def ask() -> None:
        # Not their blocking client: it reads in a thread while it writes in another, and once in a thousand handshakes
        # the TLS of CPython 3.11 loses what came meanwhile, whoever serves.
        async with connect_in_asyncio(f"wss://localhost:{ours.port}/", proxy=None, ssl=trust) as ws:
            for message in MESSAGES:
                await ws.send(message)
                assert await asyncio.wait_for(ws.recv(), 20) == message

    asyncio.run(ask())


# -- our client, their server ----------------------------------------------------------------------------


def _answer(ws: ServerConnection) -> None:
    for message in ws:
        if message == "close":
            ws.close(4000, "as you like")
        elif message == "pieces":
            ws.send(iter(["a", "b", "c"]))
        else:
            ws.send(message)


class Theirs:
    """Their server, for our client; in a thread."""

    def __init__(self, **settings: Any) -> None:
        self._server: Server = serve(_answer, "127.0.0.1", 0, **settings)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.port = self._server.socket.getsockname()[1]

    def __enter__(self) -> Theirs:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        del self._server
        gc.collect()  # it leaves its selector to the garbage collector


@pytest.mark.parametrize("deflate", PARAMETERS)
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_their_server_understands_us(loops: EventLoopGroup, deflate: Deflate | None, compression: str | None) -> None:
    with Theirs(compression=compression) as theirs:
        with websocket.connect(loops, f"ws://127.0.0.1:{theirs.port}/", deflate=deflate).result(20) as ws:
            assert len(ws.handshake.extensions) == (deflate is not None and compression is not None)
            for message in MESSAGES * 2:
                ws.send(message)
                assert ws.receive().result(20) == message
            ws.send("pieces")
            ws.send(Ping(b"hello"))
            assert ws.receive().result(20) == "abc"
        assert ws.closed == Closed(1000, "", True, False)


def test_their_server_closes(loops: EventLoopGroup) -> None:
    with Theirs() as theirs:
        ws = websocket.connect(loops, f"ws://127.0.0.1:{theirs.port}/").result(20)
        ws.send("one")
        ws.send("close")
        assert list(ws) == ["one"]
        assert ws.closed == Closed(4000, "as you like", True, True)
        ws.channel.close_future.result(20)


def test_their_server_refuses(loops: EventLoopGroup) -> None:
    def refuse(ws: ServerConnection, request: Any) -> Any:
        return ws.respond(402, "pay first\n")

    with Theirs(process_request=refuse, subprotocols=[Subprotocol("a")]) as theirs:
        error = websocket.connect(loops, f"ws://127.0.0.1:{theirs.port}/").exception(20)
        assert isinstance(error, HandshakeError)
        assert (error.status, error.body) == (402, b"pay first\n")


def test_their_server_chooses_a_subprotocol(loops: EventLoopGroup) -> None:
    with (
        Theirs(subprotocols=[Subprotocol("a")]) as theirs,
        websocket.connect(loops, f"ws://127.0.0.1:{theirs.port}/", subprotocols=["b", "a"]).result(20) as ws,
    ):
        assert ws.handshake.subprotocol == "a"


def test_their_server_over_tls(loops: EventLoopGroup, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "both.pem")
    tls = ClientTls(ca=str(certificate / "ca.pem"))
    with (
        Theirs(ssl=context) as theirs,
        websocket.connect(loops, f"wss://localhost:{theirs.port}/", tls=tls).result(20) as ws,
    ):
        for message in MESSAGES:
            ws.send(message)
            assert ws.receive().result(20) == message


def test_many_clients_of_ours_at_once(loops: EventLoopGroup) -> None:
    async def one(url: str, number: int) -> str | bytes:
        async with await websocket.connect(loops, url) as ws:
            await ws.send(str(number))
            return await ws.receive()

    async def main(url: str) -> list[str | bytes]:
        return await asyncio.gather(*(one(url, number) for number in range(50)))

    ours = Ours(loops)
    assert asyncio.run(main(ours.url)) == [str(number) for number in range(50)]


# -- when something breaks -------------------------------------------------------------------------------

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def _shaken(dial: Callable[[str], socket.socket], ours: Ours) -> socket.socket:
    client = dial(f"tcp://127.0.0.1:{ours.port}")
    client.sendall(HANDSHAKE)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    return client


def test_a_reset_in_the_middle_of_a_frame(loops: EventLoopGroup, dial: Callable[[str], socket.socket]) -> None:
    ours = Ours(loops)
    client = _shaken(dial, ours)
    client.sendall(b"\x81\xfe\xff\xff\0\0\0\0half of it")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert ours.how_it_ended() == Closed(1006, "", False, True)


def test_an_end_in_the_middle_of_a_frame(loops: EventLoopGroup, dial: Callable[[str], socket.socket]) -> None:
    ours = Ours(loops)
    client = _shaken(dial, ours)
    client.sendall(b"\x81\xfe\xff\xff\0\0\0\0half of it")
    client.shutdown(socket.SHUT_WR)
    assert ours.how_it_ended() == Closed(1006, "", False, True)
    while client.recv(1000):
        continue


def test_a_client_that_closes_and_never_reads_the_answer(
    loops: EventLoopGroup, dial: Callable[[str], socket.socket]
) -> None:
    ours = Ours(loops)
    client = _shaken(dial, ours)
    client.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
    assert ours.how_it_ended() == Closed(1000, "", True, True)
    assert client.recv(100) == b"\x88\x02\x03\xe8"
    assert client.recv(100) == b"", "the server closes TCP first"


def test_a_client_that_sends_and_never_reads(loops: EventLoopGroup, dial: Callable[[str], socket.socket]) -> None:
    """It is not read from either, and what waits for it stays small."""
    ours = Ours(loops)
    client = _shaken(dial, ours)
    client.setblocking(False)
    frame = b"\x82\xfe\xff\xff\0\0\0\0" + bytes(65_535)
    sent, stuck = 0, 0
    while stuck < 20:
        try:
            sent += client.send(frame[sent % len(frame) :])
            stuck = 0
        except BlockingIOError:
            stuck += 1
            threading.Event().wait(0.01)
    assert sent < 30_000_000
    (channel,) = ours.server.channels
    assert channel.pending_write_bytes < 3 * 65_536
    client.setblocking(True)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert ours.how_it_ended().code == 1006


def test_their_client_closes_in_good_order_while_messages_are_on_their_way(loops: EventLoopGroup) -> None:
    ours = Ours(loops)
    with connect(ours.url, proxy=None, max_queue=None) as ws:
        for _ in range(100):
            ws.send("x" * 1000)
        ws.close(1001, "bye")
        assert (ws.close_code, ws.close_reason) == (1001, "")
    assert ours.how_it_ended() == Closed(1001, "bye", True, True)
