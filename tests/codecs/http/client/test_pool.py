"""Who gets which connection, who waits, and what is closed when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_net import PoolFullError
from pipeline_net.codecs import http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Gate:
    """A server that answers when it is told to: ``/now`` at once, others when ``open`` is set."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.order: list[str] = []
        self.arrived = threading.Semaphore(0)

    def __call__(self, peer: Any) -> None:
        while head := peer.head():
            target = head.split()[1]
            self.order.append(target)
            self.arrived.release()
            if target != "/now":
                assert self.open.wait(10)
            peer.say(OK)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def test_limits_for_an_origin_and_in_total(scripted: Any, gate: Gate, on_loop: Any) -> None:
    one, two, three = (scripted(gate) for _ in range(3))
    options = http.ClientOptions(max_connections=3, max_per_origin=2)
    with http.Client(options=options) as client:
        futures = [client.execute("GET", f"{server.url}/x") for server in (one, one, one, two, two, three)]
        for _ in range(3):
            assert gate.arrived.acquire(timeout=10)
        assert on_loop(client, lambda: (client._pool.connections, client._pool.waiting)) == (3, 3)
        assert (one.connections, two.connections, three.connections) == (2, 1, 0)
        assert "3 connections, 0 idle; 0 being made, 3 requests waiting" in repr(client._pool)
        gate.open.set()
        assert [future.result(10).text for future in futures] == ["ok"] * 6
        assert on_loop(client, lambda: client._pool.connections) <= 3


def test_who_has_waited_longest_is_next(scripted: Any, gate: Gate) -> None:
    one, two = scripted(gate), scripted(gate)
    with http.Client(options=http.ClientOptions(max_connections=1)) as client:
        futures = [client.execute("GET", f"{one.url}/1")]
        assert gate.arrived.acquire(timeout=10)
        for url in (f"{two.url}/2", f"{one.url}/3", f"{one.url}/4", f"{two.url}/5"):
            futures.append(client.execute("GET", url))
        gate.open.set()
        assert [future.result(10).text for future in futures] == ["ok"] * 5
    assert gate.order == ["/1", "/2", "/3", "/4", "/5"]


def test_waiting_has_a_deadline(scripted: Any, gate: Gate) -> None:
    options = http.ClientOptions(max_per_origin=1)
    with http.Client(base_url=scripted(gate).url, options=options) as client:
        first = client.execute("GET", "/1")
        with pytest.raises(http.RequestTimeoutError, match=r"the phase 'pool' took more than 0.05 s"):
            client.get("/2", timeouts=http.Timeouts(pool=0.05))
        gate.open.set()
        assert first.result(10).text == "ok"
    assert gate.order == ["/1"]


def test_only_so_many_may_wait(scripted: Any, gate: Gate) -> None:
    options = http.ClientOptions(max_per_origin=1, max_waiting=1)
    with http.Client(base_url=scripted(gate).url, options=options) as client:
        futures = [client.execute("GET", "/1"), client.execute("GET", "/2")]
        with pytest.raises(PoolFullError, match=r"GET http://.*: 1 requests wait for a connection already"):
            client.get("/3")
        gate.open.set()
        assert [future.result(10).text for future in futures] == ["ok"] * 2


def test_an_idle_connection_goes_after_a_while(scripted: Any, on_loop: Any) -> None:
    gone = threading.Event()

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(OK)
        peer.wait_for_end()
        gone.set()

    with http.Client(options=http.ClientOptions(idle_timeout=0.05)) as client:
        client.get(scripted(behaviour).url)
        assert gone.wait(10)
        assert on_loop(client, lambda: (client._pool.connections, client._pool.idle)) == (0, 0)


def test_an_old_connection_is_not_used_again(scripted: Any, gate: Gate) -> None:
    server = scripted(gate)
    with http.Client(base_url=server.url, options=http.ClientOptions(max_lifetime=1e-6)) as client:
        for _ in range(3):
            client.get("/now")
    assert server.connections == 3


def test_one_that_the_server_has_closed_is_never_handed_out(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(OK)

    server = scripted(behaviour)
    client.get(server.url)
    seen = threading.Event()

    def look() -> None:
        if client._pool.connections:
            client.loop.schedule(0.001, look)
        else:
            seen.set()

    client.loop.execute(look)
    assert seen.wait(10), "it is gone by itself"
    assert client.post(server.url).text == "ok", "what cannot be repeated is safe, too"


def test_an_idle_one_makes_room_for_another_server(scripted: Any, gate: Gate, on_loop: Any) -> None:
    servers = [scripted(gate) for _ in range(3)]
    with http.Client(options=http.ClientOptions(max_connections=2)) as client:
        for server in servers:
            client.get(f"{server.url}/now")
        assert on_loop(client, lambda: (client._pool.connections, client._pool.idle)) == (2, 2)
        client.get(f"{servers[1].url}/now")
        client.get(f"{servers[0].url}/now")
    assert [server.connections for server in servers] == [2, 1, 1], "the one that was idle for longest has gone"


def test_a_connection_that_breaks_leaves_its_place_to_the_next(scripted: Any) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        if peer.number == 2:
            peer.say(OK)

    options = http.ClientOptions(max_per_origin=1)
    with http.Client(base_url=scripted(behaviour).url, options=options) as client:
        futures = [client.execute("GET", "/") for _ in range(3)]
        outcomes = [type(future.exception(10)).__name__ for future in futures]
    assert outcomes == ["ResponseError", "ResponseError", "NoneType"]


def test_who_cannot_connect_leaves_their_place_to_the_next(on_loop: Any) -> None:
    options = http.ClientOptions(max_per_origin=1)
    with http.Client(base_url="http://127.0.0.1:1", options=options) as client:
        futures = [client.execute("GET", "/") for _ in range(3)]
        for future in futures:
            assert isinstance(future.exception(10), http.ConnectError)
        assert on_loop(client, lambda: repr(client._pool)) == (
            "<Pool: 0 connections, 0 idle; 0 being made, 0 requests waiting>"
        )
        assert on_loop(client, lambda: dict(client._pool._taken)) == {}
