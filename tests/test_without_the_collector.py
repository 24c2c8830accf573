"""What is over goes away by itself: nothing that a connection was made of waits for the garbage collector."""

from __future__ import annotations

import contextlib
import gc
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import Bootstrap, ChannelInboundHandler, Datagram, EventLoopGroup, Server, ServerBootstrap, wire
from pipeline_net.codecs import http, redis, websocket
from pipeline_net.codecs.http.client import Client
from pipeline_net.handlers import ProxyProtocolDecoder, SniffHandler, probes

_PATIENCE = 10.0
_GET = b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

Ask = Callable[[EventLoopGroup, Server], object]


class Echo(ChannelInboundHandler[Any, None, Any]):
    def channel_read(self, ctx: Any, msg: Any) -> None:
        ctx.write(Datagram(msg.data, msg.address) if isinstance(msg, Datagram) else msg)


class Keeps(Echo):
    def handler_added(self, ctx: Any) -> None:
        self.seat = ctx


class Asks(ChannelInboundHandler[Any, None, Any]):
    def channel_active(self, ctx: Any) -> None:
        ctx.write(b"hello")

    def channel_read(self, ctx: Any, msg: Any) -> None:
        ctx.close()


class Page(ChannelInboundHandler[http.FullRequest, None, http.FullResponse]):
    def channel_read(self, ctx: Any, msg: http.FullRequest) -> None:
        ctx.write(http.FullResponse(200, {}, b"a page"))


class Pong(ChannelInboundHandler[redis.Command, None, redis.Reply]):
    def channel_read(self, ctx: Any, msg: redis.Command) -> None:
        ctx.write(redis.PONG)


router = http.Router()
news = http.EventBroadcast()


@router.get("/news")
def listen(request: Any) -> Any:
    return news.add(http.EventStream(request))


def plain(*data: bytes) -> Ask:
    def ask(loops: EventLoopGroup, server: Server) -> None:
        port = int(server.addresses[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as peer:
            for piece in data:
                peer.sendall(piece)
                peer.recv(65536)

    return ask


def ours(loops: EventLoopGroup, server: Server) -> None:
    channel = Bootstrap(loops, lambda channel: [Asks()]).connect(server.addresses[0]).result(_PATIENCE)
    channel.close_future.result(_PATIENCE)


def used_when_closed(loops: EventLoopGroup, server: Server) -> None:
    channel = Bootstrap(loops, lambda channel: [Asks()]).connect(server.addresses[0]).result(_PATIENCE)
    channel.close_future.result(_PATIENCE)
    channel.close().result(_PATIENCE)
    channel.write(b"late").cancel()
    assert len(channel.pipeline) == 0


def client(**headers: str) -> Ask:
    def ask(loops: EventLoopGroup, server: Server) -> None:
        # The client is made by the first one, and has its cycles.
        client: Client | None = server.__dict__.get("client")
        if client is None:
            client = server.__dict__["client"] = Client(loops, base_url=server.addresses[0].replace("tcp", "http"))
        assert client.get("/", headers=headers).body == b"a page"
        with client.stream("GET", "/", headers=headers) as response:
            for _ in response:
                break
        client.execute("GET", "/", headers=headers).cancel()

    return ask


def talk(loops: EventLoopGroup, server: Server) -> None:
    url = server.addresses[0].replace("tcp", "ws")
    with websocket.connect(loops, url).result(_PATIENCE) as ws:
        ws.send("hello")
        assert ws.receive().result(_PATIENCE) == "hello"
        ws.receive().cancel()
    ws.channel.close_future.result(_PATIENCE)


def listens(loops: EventLoopGroup, server: Server) -> None:
    port = int(server.addresses[0].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as peer:
        peer.sendall(_GET % b"/news")
        peer.recv(65536)
        news.send("rain")
        peer.recv(65536)


def page(channel: Any) -> Any:
    return http.server_stack() >> http.RequestAggregator() >> Page()


def any_protocol(channel: Any) -> Any:
    return wire() >> SniffHandler((probes.resp, lambda channel: redis.server_stack() >> Pong()))


CASES: dict[str, tuple[str, Callable[[Any], Any], Ask]] = {
    "bytes": ("tcp", lambda channel: [Echo()], plain(b"hello")),
    "a client of ours": ("tcp", lambda channel: [Keeps()], ours),
    "a channel that is used when it is closed": ("tcp", lambda channel: [Echo()], used_when_closed),
    "datagrams": ("udp", lambda channel: [Echo()], ours),
    "in this process": ("local", lambda channel: [Echo()], ours),
    "a PROXY header": (
        "tcp",
        lambda channel: wire() >> ProxyProtocolDecoder(["127.0.0.0/8"]) >> Echo(),
        plain(b"PROXY TCP4 192.0.2.1 198.51.100.7 50312 443\r\nhello"),
    ),
    "sniffing": ("tcp", any_protocol, plain(b"*1\r\n$4\r\nPING\r\n")),
    "HTTP": ("tcp", page, plain(_GET % b"/")),
    "HTTP against the rules": ("tcp", page, plain(b"GET \0 HTTP/1.1\r\n\r\n")),
    "HTTP that is cut off": ("tcp", page, plain(_GET % b"/", b"")),
    "a file that is not there": (
        "tcp",
        lambda channel: http.server_stack() >> http.StaticFiles(Path(__file__).parent),
        plain(_GET % b"/nothing"),
    ),
    "a client of HTTP": ("tcp", page, client()),
    "a client of HTTP that keeps nothing": ("tcp", page, client(connection="close")),
    "events": ("tcp", lambda channel: http.server_stack() >> http.RequestAggregator() >> router, listens),
    "WebSocket": ("tcp", lambda channel: websocket.server_stack() >> Echo(), talk),
    "WebSocket beside HTTP": (
        "tcp",
        lambda channel: http.server_stack() >> websocket.UpgradeHandler(lambda channel: [Echo()], path="/"),
        talk,
    ),
}

ADDRESSES = {"tcp": "tcp://127.0.0.1:0", "udp": "udp://127.0.0.1:0", "local": "local://without-the-collector"}


@contextlib.contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle(loops: EventLoopGroup, count: int) -> None:
    """Wait until only so many channels are there, and what their end asked for is done."""
    deadline = time.monotonic() + _PATIENCE
    loop = loops.next()
    while loop.channels > count:
        assert time.monotonic() < deadline, f"{loop.channels} channels, and not {count}"
        time.sleep(0.001)
    for _ in range(3):
        loop.run_blocking(int).result(_PATIENCE)


@pytest.mark.parametrize("name", CASES)
def test_nothing_waits_for_the_garbage_collector(name: str) -> None:
    form, stages, ask = CASES[name]
    with EventLoopGroup(1) as loops:
        server = ServerBootstrap(loops, initializer=stages).bind(ADDRESSES[form])
        open_at_first = loops.next().channels
        ask(loops, server)  # what is made once and kept
        kept = {"a client of HTTP": 2, "datagrams": 1}.get(name, 0)
        settle(loops, open_at_first + kept)
        with no_collector():
            for _ in range(3):
                ask(loops, server)
            settle(loops, open_at_first + kept)
            assert gc.collect() == 0
        if (made := server.__dict__.get("client")) is not None:
            made.close().result(_PATIENCE)
