"""Whatever a peer can make happen as often as it likes is a few lines of the log, and a line that counts the rest.

A test for each place where something is logged because of a peer, or because of what a peer makes an application do.
"""

from __future__ import annotations

import asyncio
import io
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net import EventLoop, EventLoopGroup, Server, ServerBootstrap, WorkerPool
from pipeline_net.codecs import http, redis
from pipeline_net.complaints import SHOWN
from pipeline_net.gateways.asgi import asgi_stack
from pipeline_net.gateways.asgi_site import AsgiSite
from pipeline_net.gateways.proxy import ReverseProxy, proxy_stack
from pipeline_net.gateways.wsgi import WsgiSite, wsgi_stack
from pipeline_net.handlers import ChunkedWriteHandler
from pipeline_net.testing import EmbeddedChannel
from pipeline_net.transport.host import AsyncioHost

_MANY = SHOWN + 15
_REQUEST = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n"
_LAST_REQUEST = b"GET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
_WAIT = 20.0  # seconds; on a busy machine


@pytest.fixture
def shown(caplog: pytest.LogCaptureFixture) -> Callable[[str], int]:
    """Count the lines that are shown and hold a text."""
    caplog.set_level(logging.INFO)

    def count(text: str) -> int:
        return sum(text in record.getMessage() for record in caplog.records)

    return count


def _fail(*_: Any) -> Any:
    raise ValueError("a mistake")


Shown = Callable[[str], int]


# -- loops and listeners ---------------------------------------------------------------------------------


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    """One that the test drives."""
    loop = EventLoop()
    yield loop
    loop.stop()


def test_tasks_that_raise(loop: EventLoop, shown: Shown) -> None:
    for _ in range(_MANY):
        loop.execute(_fail)
    loop.run_once(0)
    assert shown("the task ") == SHOWN


def test_timers_that_raise(loop: EventLoop, shown: Shown) -> None:
    for _ in range(_MANY):
        loop.schedule(0, _fail)
    while shown("the timer ") == 0:
        loop.run_once(_WAIT)
    assert shown("the timer ") == SHOWN


def _visit(loop: EventLoop, initializer: Any, data: bytes = b"") -> None:
    """Connect many times, say something, and wait until the server closes."""
    server = ServerBootstrap(loop, initializer=initializer).bind("tcp://127.0.0.1:0")
    port = int(server.addresses[0].rpartition(":")[2])
    for _ in range(_MANY):
        with socket.create_connection(("127.0.0.1", port), _WAIT) as peer:
            peer.sendall(data)
            peer.setblocking(False)
            while not _has_ended(peer):
                loop.run_once(_WAIT)
    server.close()


def _has_ended(peer: socket.socket) -> bool:
    """Read what is there."""
    try:
        while peer.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    return True


def test_initializers_that_fail(loop: EventLoop, shown: Shown) -> None:
    _visit(loop, _fail)
    assert shown("its initializer failed") == SHOWN


# -- HTTP ------------------------------------------------------------------------------------------------


def _ask(*stages: Any, times: int = _MANY) -> EmbeddedChannel:
    channel = EmbeddedChannel(http.server_stack(), *stages)
    for _ in range(times):
        channel.write_inbound(_REQUEST)
    return channel


def test_handlers_of_routes_that_raise(shown: Shown) -> None:
    router = http.Router()
    router.get("/a")(_fail)
    _ask(http.RequestAggregator(), router)
    assert shown("the handler raised") == SHOWN


def test_errors_that_cannot_be_rendered(shown: Shown) -> None:
    _ask(http.RequestAggregator(), http.Router(render_error=_fail))
    assert shown("render_error raised") == SHOWN


def test_responses_that_break_off(loop: EventLoop, shown: Shown) -> None:
    def parts(request: http.FullRequest) -> Iterator[Any]:
        yield http.Response(200)
        yield bytes(1 << 20)  # which leaves before more is asked for
        raise ValueError("a mistake")

    router = http.Router()
    router.get("/a")(parts)
    _visit(loop, lambda channel: http.server_stack() >> http.RequestAggregator() >> router, _REQUEST)
    assert shown("the response was not completed") == SHOWN


def test_lines_of_an_access_log_that_cannot_be_written(shown: Shown) -> None:
    router = http.Router()
    router.get("/a")(lambda request: http.FullResponse(200))
    _ask(http.AccessLog(_fail), http.RequestAggregator(), router)
    assert shown("could not be logged") == SHOWN


def test_sources_that_cannot_be_closed(shown: Shown) -> None:
    class Source(io.BytesIO):
        def close(self) -> None:
            _fail()

    channel = EmbeddedChannel(ChunkedWriteHandler())
    for _ in range(_MANY):
        channel.write_outbound(Source(b"x"))
    assert shown("cannot be closed") == SHOWN


# -- Redis -----------------------------------------------------------------------------------------------


def test_subscribers_that_read_too_slowly(loop: EventLoop, shown: Shown) -> None:
    state = redis.ServerState(push_limit=redis.OutputLimit(hard=1000, soft=500))
    table = redis.CommandTable()
    sessions: list[redis.Session] = []

    def stages(channel: Any) -> Any:
        sessions.append(redis.Session(state))
        return redis.server_stack() >> redis.CommandHandler(table, sessions[-1])

    server = ServerBootstrap(loop, initializer=stages).bind("tcp://127.0.0.1:0")
    port = int(server.addresses[0].rpartition(":")[2])
    peers = [socket.create_connection(("127.0.0.1", port), _WAIT) for _ in range(_MANY)]
    for peer in peers:
        peer.sendall(b"SUBSCRIBE a\r\n")
    while sum(len(session.subscriptions[0]) for session in sessions) < _MANY:
        loop.run_once(_WAIT)
    state.pub_sub.publish(b"a", bytes(16 << 20))
    for peer in peers:
        peer.close()
    assert shown("reads too slowly") == SHOWN


# -- gateways --------------------------------------------------------------------------------------------


def test_origins_that_cannot_be_reached(loop: EventLoop, shown: Shown) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"tcp://127.0.0.1:{nobody.getsockname()[1]}"
    proxy = ReverseProxy(address)
    _visit(loop, lambda channel: proxy_stack(proxy), _LAST_REQUEST)
    assert shown("the origin cannot be reached") == SHOWN


def _call_wsgi(app: Any) -> None:
    with WorkerPool(1) as pool:
        site = WsgiSite(app, pool)
        with EventLoopGroup(1) as group:
            server = ServerBootstrap(group, initializer=lambda channel: wsgi_stack(site)).bind("tcp://127.0.0.1:0")
            _visit_running(server)


def _visit_running(server: Server) -> None:
    """Ask many times a server whose loop somebody else runs."""
    port = int(server.addresses[0].rpartition(":")[2])
    for _ in range(_MANY):
        with socket.create_connection(("127.0.0.1", port), _WAIT) as peer:
            peer.sendall(_LAST_REQUEST)
            while peer.recv(65536):
                pass


def test_wsgi_applications_that_raise(shown: Shown) -> None:
    _call_wsgi(_fail)
    assert shown("the application raised") == SHOWN


def test_wsgi_responses_that_cannot_be_sent(shown: Shown) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "3")])
        return [b"four"]

    _call_wsgi(app)
    assert shown("the response cannot be sent") == SHOWN


async def _returns(scope: Any, receive: Any, send: Any) -> None:
    """Say nothing."""


async def _raises(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("a mistake")


async def _is_cancelled(scope: Any, receive: Any, send: Any) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("app", "line"),
    [(_returns, "has returned before"), (_raises, "the application raised"), (_is_cancelled, "was cancelled")],
)
def test_asgi_applications_that_fail(shown: Shown, app: Any, line: str) -> None:
    async def main() -> None:
        site = AsgiSite(app)
        async with AsyncioHost("asgi") as host:
            bootstrap = ServerBootstrap(host.loop, initializer=lambda channel: asgi_stack(site))
            await asyncio.to_thread(_visit_running, bootstrap.bind("tcp://127.0.0.1:0"))

    asyncio.run(main())
    assert shown(line) == SHOWN
