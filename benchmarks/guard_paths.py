"""One hot path, a fixed number of times, for ``guard.py`` to count: ``python guard_paths.py frames-16 2000``.

A real server on a real loop, which this thread drives itself, and a client that is a plain socket of the same thread:
so everything happens in one order.  The collector of cycles is off, because a collection costs what the heap is large.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Never

from pipeline_net import Channel, ChannelHandlerContext, ChannelInboundHandler, EventLoop, ServerBootstrap, wire
from pipeline_net.codecs import (
    LengthFieldBasedFrameDecoder,
    LengthFieldPrepender,
    LineBasedFrameDecoder,
    LineEncoder,
    StringDecoder,
    http,
    websocket,
)
from pipeline_net.gateways.asgi import asgi_stack
from pipeline_net.gateways.asgi_site import AsgiSite

_TIMEOUT: Final = 20.0  # seconds; under valgrind everything takes fifty times as long
_FRAME: Final = b"\0\0\0\x40" + b"x" * 64
_LINE: Final = b"x" * 63 + b"\n"
_REQUEST: Final = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nUser-Agent: guard\r\nAccept: */*\r\n\r\n"
_SET: Final = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$3\r\nxxx\r\n"
_GET: Final = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
_VALUE: Final = b"$3\r\nxxx\r\n"
_HANDSHAKE: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_KEY: Final = b"\x01\x02\x04\x08"
_TEXT: Final = b"x" * 1024
_FRAMED_TEXT: Final = b"\x81\x7e\x04\x00" + _TEXT
_MASKED_TEXT: Final = b"\x81\xfe\x04\x00" + _KEY + bytes(byte ^ _KEY[at % 4] for at, byte in enumerate(_TEXT))

Initializer = Callable[[Channel], Any]


class Echo(ChannelInboundHandler[Any, Never, Any]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, Any], msg: Any) -> None:
        ctx.write(msg)


class Hello(ChannelInboundHandler[http.FullRequest, Never, http.FullResponse]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, http.FullResponse], msg: http.FullRequest) -> None:
        ctx.write(http.FullResponse(200, {"content-type": "text/plain"}, b"Hello, world\n"))


def framed(channel: Channel) -> Any:
    return wire() >> LengthFieldBasedFrameDecoder(65536, initial_bytes_to_strip=4) >> LengthFieldPrepender(4) >> Echo()


def lines(channel: Channel) -> Any:
    return wire() >> LineBasedFrameDecoder(1024) >> StringDecoder() >> LineEncoder() >> Echo()


def hello(channel: Channel) -> Any:
    return http.server_stack() >> http.RequestAggregator() >> Hello()


def texts(channel: Channel) -> Any:
    return websocket.server_stack() >> Echo()


async def hello_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """What `peers/asgi_hello.py` answers, too."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"Hello, world\n"})


async def echo_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


def asgi_site(app: Any) -> Callable[[EventLoop], Initializer]:
    def initializer(loop: EventLoop) -> Initializer:
        site = AsgiSite(app)
        return lambda channel: asgi_stack(site)

    return initializer


def _is_ok(answer: bytes) -> bool:
    return answer.startswith(b"HTTP/1.1 200")


def redis_example(loop: EventLoop) -> Initializer:
    sys.path.append(str(Path(__file__).resolve().parent.parent / "examples"))
    stages: Initializer = importlib.import_module("redis_server.program").RedisServer(loop).stages
    return stages


class Bench:
    """A server and its client on one thread."""

    def __init__(self, initializer: Callable[[EventLoop], Initializer]) -> None:
        self._loop = EventLoop("guard")
        server = ServerBootstrap(self._loop, initializer=initializer(self._loop)).bind("tcp://127.0.0.1:0")
        self._loop.run_once(0)  # starts listening
        self._listeners = self._loop.channels
        self._address = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))

    def connect(self) -> socket.socket:
        client = socket.create_connection(self._address, timeout=_TIMEOUT)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while self._loop.channels == self._listeners:
            self._loop.run_once(1.0)  # accepts
        return client

    def ask(self, client: socket.socket, request: bytes) -> bytes:
        client.sendall(request)
        self._loop.run_once(1.0)  # reads, works, answers
        return client.recv(65536)

    async def ask_task(self, client: socket.socket, request: bytes) -> bytes:
        """Ask somebody whose task waits for it."""
        client.sendall(request)
        self._loop.run_once(1.0)  # reads
        await asyncio.sleep(0)  # works
        self._loop.run_once(1.0)  # answers
        return client.recv(65536)

    def see_the_end(self) -> None:
        while self._loop.channels > self._listeners:
            self._loop.run_once(1.0)

    def close(self) -> None:
        self._loop.stop()


def exchange(
    initializer: Callable[[EventLoop], Initializer],
    request: bytes,
    is_answered: Callable[[bytes], bool],
    *,
    before: bytes = b"",
) -> Callable[[int], None]:
    """One connection; each time the same request, and an answer that is looked at."""

    def run(times: int) -> None:
        with closing(Bench(initializer)) as bench, bench.connect() as client:
            if before:
                bench.ask(client, before)
            for _ in range(times):
                answer = bench.ask(client, request)
                if not is_answered(answer):
                    raise SystemExit(f"a wrong answer: {answer[:80]!r}")

    return run


def asgi(times: int) -> None:
    """Requests for an ASGI application; inside asyncio, where it runs, but in no task, for nor does a host."""
    loop = asyncio.new_event_loop()

    def run() -> None:
        try:
            exchange(asgi_site(hello_app), _REQUEST, _is_ok)(times)
        finally:
            loop.stop()

    with closing(loop):
        loop.call_soon(run)
        loop.run_forever()


def asgi_websocket(times: int) -> None:
    """Messages for an ASGI application that awaits each of them."""

    async def run() -> None:
        with closing(Bench(asgi_site(echo_app))) as bench, bench.connect() as client:
            await bench.ask_task(client, _HANDSHAKE)
            for _ in range(times):
                if await bench.ask_task(client, _MASKED_TEXT) != _FRAMED_TEXT:
                    raise SystemExit("a wrong answer")

    asyncio.run(run())


def churn(times: int) -> None:
    """Connect, 64 bytes, close."""
    with closing(Bench(lambda loop: lambda channel: wire() >> Echo())) as bench:
        for _ in range(times):
            with bench.connect() as client:
                if bench.ask(client, _LINE) != _LINE:
                    raise SystemExit("a wrong answer")
            bench.see_the_end()


def client_alone(times: int) -> None:
    """What the client itself costs; it is taken off what the others cost."""
    here, there = socket.socketpair()
    with here, there:
        there.settimeout(_TIMEOUT)
        for _ in range(times):
            here.sendall(_LINE)
            if there.recv(65536) != _LINE:
                raise SystemExit("a wrong answer")


PATHS: Final[dict[str, tuple[Callable[[int], None], int]]] = {
    # what runs, and how many messages it is; a protocol more is a line more
    "raw": (exchange(lambda loop: lambda channel: wire() >> Echo(), _LINE, _LINE.__eq__), 1),
    "frames": (exchange(lambda loop: framed, _FRAME, _FRAME.__eq__), 1),
    "frames-16": (exchange(lambda loop: framed, _FRAME * 16, (_FRAME * 16).__eq__), 16),
    "lines-16": (exchange(lambda loop: lines, _LINE * 16, (_LINE * 16).__eq__), 16),
    "http": (exchange(lambda loop: hello, _REQUEST, _is_ok), 1),
    "asgi": (asgi, 1),
    "asgi-websocket": (asgi_websocket, 1),
    "websocket": (exchange(lambda loop: texts, _MASKED_TEXT, _FRAMED_TEXT.__eq__, before=_HANDSHAKE), 1),
    "websocket-16": (
        exchange(lambda loop: texts, _MASKED_TEXT * 16, (_FRAMED_TEXT * 16).__eq__, before=_HANDSHAKE),
        16,
    ),
    "redis-get-16": (exchange(redis_example, _GET * 16, (_VALUE * 16).__eq__, before=_SET), 16),
    "churn": (churn, 1),
    "client": (client_alone, 1),
}


def main() -> None:
    name, times = sys.argv[1], int(sys.argv[2])
    gc.disable()
    PATHS[name][0](times)


if __name__ == "__main__":
    main()
