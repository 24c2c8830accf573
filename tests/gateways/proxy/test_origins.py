"""Connections to origins, and those that are kept."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Never

import pytest

from pipeline_net import (
    AddressError,
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoop,
    EventLoopGroup,
    ServerBootstrap,
)
from pipeline_net.codecs import http
from pipeline_net.gateways.proxy import ProxyHandler, ReverseProxy, proxy_stack
from pipeline_net.handlers import ClientTls

from .conftest import Place, Wire

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def _answer(client: Wire, origin: Wire, answer: bytes = OK) -> None:
    origin.head()
    origin.send(answer)
    assert client.head().startswith(b"HTTP/1.1 200 OK")


def test_each_origin_gets_its_turn(place: Place) -> None:
    second = f"tcp://127.0.0.1:{place.origins[1].getsockname()[1]}"
    place.start(place.addresses[0], second)
    for number in (0, 1, 0, 1):
        client = place.dial()
        client.send(GET)
        _answer(client, place.accept(number), OK.replace(b"200 OK", b"200 OK\r\nConnection: close"))


@pytest.mark.parametrize(("max_idle", "is_kept"), [(1, True), (0, False)])
def test_so_many_are_kept(place: Place, max_idle: int, is_kept: bool) -> None:
    place.start(max_idle=max_idle)
    pairs = [place.ask(GET) for _ in range(2)]
    for client, origin in pairs:
        _answer(client, origin)
    if is_kept:
        pairs[0][0].send(GET)
        assert pairs[0][1].head()
    assert pairs[1][1].rest() == b""


def test_they_are_kept_for_a_while(place: Place) -> None:
    place.start(idle_timeout=0.1)
    client, origin = place.ask(GET)
    _answer(client, origin)
    assert origin.rest() == b""


def test_those_that_are_kept_can_be_closed(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET)
    _answer(client, origin)
    place.proxy.close()
    assert origin.rest() == b""


_UNASKED = [
    pytest.param(OK, id="a response"),
    pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="an interim response"),
    pytest.param(b"\0", id="nonsense"),
    pytest.param(b"H", id="a letter"),
    pytest.param(b"\r\n", id="an empty line"),
    pytest.param(b"HTTP/1.1 302 Found\r\nSet-Cookie: sid=stranger\r\nX: ", id="a part of a head"),
    pytest.param(b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=stranger\r\nContent-Length: 4\r\n\r", id="up to a CR"),
]


@pytest.mark.parametrize("said", _UNASKED)
def test_what_an_origin_says_unasked_ends_its_connection_and_answers_nobody(place: Place, said: bytes) -> None:
    place.start()
    client, origin = place.ask(GET)
    _answer(client, origin)
    origin.send(said)
    origin.is_reset()  # with or without a reset: it has ended
    client.send(GET)
    _answer(client, place.accept())


def _hold(loop: EventLoop, *, after_turns: int = 0) -> Callable[[], None]:
    """Hold the loop up, perhaps some turns later; what lets it go."""
    holds, lets_go = threading.Event(), threading.Event()

    def hold(turns: int) -> None:
        if turns > 0:
            loop.execute(hold, turns - 1)
            return
        holds.set()
        assert lets_go.wait(10)

    def let_go() -> None:
        assert holds.wait(10)
        lets_go.set()

    loop.execute(hold, after_turns)
    if after_turns == 0:
        assert holds.wait(10)  # otherwise what is sent now might still be read before
    return let_go


def _let_turn(loop: EventLoop) -> None:
    """Wait until the loop has seen that nothing is left of what it has read."""
    for _ in range(2):
        done = threading.Event()
        loop.execute(done.set)
        assert done.wait(10)


def _wait_for_channels(loop: EventLoop, count: int) -> None:
    until = time.monotonic() + 10
    while loop.channels != count:
        assert time.monotonic() < until, f"there are {loop.channels} channels"
        time.sleep(0.001)


def _reset(wire: Any) -> None:
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wire.close()


def _connect_held(place: Place) -> tuple[Any, Any, Callable[[], None]]:
    """A client that has asked, the origin that was connected for it, and what lets the proxy go on to use that."""
    client = place.dial()
    _wait_for_channels(place.loop, 1)
    client_may_be_read = _hold(place.loop)
    client.send(GET)
    origin_may_be_read = _hold(place.loop, after_turns=1)  # in one the client is read, in the next one it connects
    client_may_be_read()
    return client, place.accept(), origin_may_be_read


def _speak_first(place: Place, said: bytes) -> tuple[Any, Any]:
    """A client that has asked, and an origin that speaks while the connection to it is made."""
    client, origin, origin_may_be_read = _connect_held(place)
    origin.send(said)
    origin_may_be_read()
    return client, origin


@pytest.mark.parametrize("said", _UNASKED)
def test_an_origin_that_speaks_before_it_was_asked_answers_nobody(place: Place, said: bytes) -> None:
    place.start()
    client, origin = _speak_first(place, said)
    assert client.head().startswith(b"HTTP/1.1 502 ")
    origin.is_reset()
    assert origin._unread == b"", "it was not asked"
    again = place.dial()
    again.send(GET)
    _answer(again, place.accept())


def test_an_origin_that_leaves_before_it_was_asked_is_a_502(place: Place) -> None:
    place.start()
    client, origin, origin_may_be_read = _connect_held(place)
    origin.close()
    origin_may_be_read()
    assert client.head().startswith(b"HTTP/1.1 502 ")


def test_a_client_that_leaves_while_an_origin_is_waited_for_leaves_no_connection(place: Place) -> None:
    place.start()
    client, origin, origin_may_be_read = _connect_held(place)
    _reset(client)
    origin_may_be_read()
    origin.is_reset()
    assert origin._unread == b""
    _wait_for_channels(place.loop, 0)


@pytest.mark.parametrize("said", _UNASKED)
def test_what_a_kept_origin_says_in_the_turn_in_which_it_is_asked_answers_nobody(place: Place, said: bytes) -> None:
    place.start()
    client, origin = place.ask(GET)
    _answer(client, origin)
    _let_turn(place.loop)
    may_read = _hold(place.loop)
    client.send(GET)  # first, so that it is read first: then the connection is lent when the other one is looked at
    origin.send(said)
    may_read()
    _answer(client, place.accept())
    assert not client.has_more


@pytest.mark.parametrize("said", _UNASKED)
def test_what_follows_a_response_ends_the_connection_and_answers_nobody(place: Place, said: bytes) -> None:
    place.start()
    client, origin = place.ask(GET)
    _answer(client, origin, OK + said)
    origin.is_reset()
    client.send(GET)
    _answer(client, place.accept())
    assert not client.has_more


@pytest.mark.parametrize("said", _UNASKED)
def test_what_follows_a_response_is_not_for_a_request_that_was_waiting(place: Place, said: bytes) -> None:
    place.start()
    client, origin = place.ask(GET + GET)
    _answer(client, origin, OK + said)
    _answer(client, place.accept())
    assert not client.has_more


def test_a_request_that_was_waiting_goes_the_way_of_the_one_before(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET * 3)
    for _ in range(3):
        _answer(client, origin)
    assert not client.has_more


def test_a_request_that_was_waiting_takes_a_connection_that_was_kept(place: Place) -> None:
    place.start()
    pairs = [place.ask(GET) for _ in range(2)]
    for client, origin in pairs:
        _answer(client, origin)
        assert not origin.has_more  # and the loop has turned
    (client, first), (_, second) = pairs
    client.send(GET + GET)
    _answer(client, second)  # the latest one is used first
    _answer(client, first)  # and nobody waits for one to be ready where another one is
    assert not client.has_more


def test_a_request_that_was_waiting_gets_a_new_connection_if_the_origin_ends_the_one_before(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET + GET)
    _answer(client, origin, OK.replace(b"200 OK", b"200 OK\r\nConnection: close"))
    _answer(client, place.accept())


def test_an_upload_that_was_waiting_goes_the_way_of_the_one_before(place: Place) -> None:
    place.start()
    upload = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"
    client, origin = place.ask(GET)
    client.send(upload + b"x" * 200_000)
    _answer(client, origin)
    assert origin.head().startswith(b"POST ")
    client.send(b"y" * 100_000)
    assert origin.take(300_000) == b"x" * 200_000 + b"y" * 100_000
    origin.send(OK)
    client.head()


class CutOffAtSecond(ChannelInboundHandler[Any, Any, Any]):
    """Passes requests on, and ends the connection as soon as the second one is under way."""

    def __init__(self) -> None:
        self._requests = 0

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        ctx.fire_channel_read(msg)
        self._requests += isinstance(msg, http.Request)
        if self._requests == 2:
            ctx.channel.abort()


def test_a_client_that_leaves_takes_its_next_request_along(place: Place) -> None:
    proxy = ReverseProxy(*place.addresses)
    with EventLoopGroup(1) as group:
        front = ServerBootstrap(
            group, initializer=lambda channel: http.server_stack() >> CutOffAtSecond() >> ProxyHandler(proxy)
        ).bind("tcp://127.0.0.1:0")
        origin: Wire | None = None
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", int(front.addresses[0].rpartition(":")[2])), 10) as sock:
                client = Wire(sock)
                client.send(GET + GET)
                origin = origin or place.accept()
                origin.head()  # the same connection, which was kept, and has brought nothing of a second request
                origin.send(OK)
                client.is_reset()
        assert origin is not None
        assert not origin.has_more


def test_one_that_has_said_nothing_else_serves_again(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET)
    for _ in range(3):
        _answer(client, origin)
        assert not origin.has_more  # and the loop has turned
        client = place.dial()
        client.send(GET)
    _answer(client, origin)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_origins_that_speak_tls_must_be_who_they_are(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
            *("-keyout", str(key), "-out", str(certificate)),
        ),
        capture_output=True,
        check=True,
        timeout=30,
    )
    with EventLoopGroup(1) as group:
        behind = ServerBootstrap(
            group,
            initializer=lambda channel: http.server_stack() >> http.RequestAggregator() >> Hello(),
            tls=(certificate, key),
        ).bind("tls://127.0.0.1:0")
        statuses = []
        for trust in (ClientTls(ca=certificate), None):
            proxy = ReverseProxy(*behind.addresses, tls=trust)
            front = ServerBootstrap(group, initializer=partial(_stack, proxy)).bind("tcp://127.0.0.1:0")
            with socket.create_connection(("127.0.0.1", int(front.addresses[0].rpartition(":")[2])), 10) as sock:
                client = Wire(sock)
                for _ in range(2):
                    client.send(GET)
                    head = client.head()
                    statuses.append(int(head[9:12]))
                    client.take(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
    assert statuses == [200, 200, 502, 502]


class Hello(ChannelInboundHandler[http.FullRequest, Never, http.FullResponse]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, http.FullResponse], msg: http.FullRequest) -> None:
        ctx.write(http.FullResponse(200, None, b"hello"))


def _stack(proxy: ReverseProxy, channel: Channel) -> Any:
    return proxy_stack(proxy)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="the address of an origin"):
        ReverseProxy()
    with pytest.raises(AddressError):
        ReverseProxy("10.0.0.5:80")
    assert repr(ReverseProxy("tcp://a:1", "unix:///b")) == "<ReverseProxy for tcp://a:1, unix:///b>"


def _serve_once(proxy: ReverseProxy, place: Place) -> None:
    """Serve one client on a loop that ends then."""
    with EventLoopGroup(1) as group:
        front = ServerBootstrap(group, initializer=partial(_stack, proxy)).bind("tcp://127.0.0.1:0")
        with socket.create_connection(("127.0.0.1", int(front.addresses[0].rpartition(":")[2])), 10) as sock:
            client = Wire(sock)
            client.send(GET)
            origin = place.accept()
            origin.head()
            origin.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            client.head()


def test_a_proxy_may_be_closed_when_its_loops_have_ended(place: Place) -> None:
    proxy = ReverseProxy(*place.addresses)
    _serve_once(proxy, place)
    proxy.close()


def test_a_proxy_keeps_nothing_of_the_loops_that_it_has_served(place: Place) -> None:
    proxy = ReverseProxy(*place.addresses[:1])
    for _ in range(3):
        _serve_once(proxy, place)
    origins = proxy.origins
    assert (origins._idle, origins._settling) == ({}, {})
    assert len(origins._bootstraps) == 1  # of the last one, until another one comes
