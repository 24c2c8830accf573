"""Bytes, both ways, after a 101 and between any two channels of a loop."""

from __future__ import annotations

import socket

import pytest

from pipeline_net.gateways.proxy import join
from pipeline_net.testing import EmbeddedChannel

from .conftest import Place, Wire

ASK = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
YES = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Key: 1\r\n\r\n"


@pytest.fixture
def opened(place: Place) -> tuple[Wire, Wire]:
    """A tunnel in which each side has sent something before it heard from the other."""
    place.start()
    client, origin = place.ask(ASK + b"early")
    head = origin.head()
    assert b"\r\nupgrade: websocket\r\n" in head
    assert b"\r\nconnection: upgrade" in head
    origin.send(YES + b"soon")
    answer = client.head()
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"connection: upgrade\r\nupgrade: websocket" in answer
    assert b"x-key: 1" in answer
    assert client.take(4) == b"soon"
    assert origin.take(5) == b"early"
    return client, origin


def test_bytes_go_both_ways(opened: tuple[Wire, Wire]) -> None:
    for wire, other in (opened, opened[::-1]):
        wire.send(b"\x00\r\n\r\nGET")
        assert other.take(8) == b"\x00\r\n\r\nGET"


def test_one_side_may_end_before_the_other(opened: tuple[Wire, Wire]) -> None:
    client, origin = opened
    client.sock.shutdown(socket.SHUT_WR)
    assert origin.rest() == b""
    origin.send(b"last words")
    origin.close()
    assert client.rest() == b"last words"


def test_a_side_that_breaks_off_breaks_the_other(opened: tuple[Wire, Wire]) -> None:
    client, origin = opened
    origin.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    origin.close()
    assert client.is_reset()


def test_a_refused_change_is_an_ordinary_response(place: Place) -> None:
    place.start()
    client, origin = place.ask(ASK)
    origin.head()
    origin.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert client.head().startswith(b"HTTP/1.1 403")
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert origin.head().startswith(b"GET / ")  # … and nothing is a tunnel


def test_what_is_not_allowed_is_asked_for_without_the_change(place: Place) -> None:
    place.start()
    _, origin = place.ask(ASK.replace(b"websocket", b"h2c"))
    assert b"upgrade" not in origin.head()


def test_a_tunnel_through_which_nothing_comes_is_closed(place: Place) -> None:
    place.start(tunnel_timeout=0.2)
    client, origin = place.ask(ASK)
    origin.head()
    origin.send(YES)
    client.head()
    for _ in range(6):
        assert not client.has_more  # 50 ms each
        client.send(b"x")
        assert origin.take(1) == b"x"
    assert (client.rest(), origin.rest()) == (b"", b"")


def test_both_ends_are_of_one_loop() -> None:
    with pytest.raises(ValueError, match="different loops"):
        join(EmbeddedChannel(), EmbeddedChannel(), 60.0)
