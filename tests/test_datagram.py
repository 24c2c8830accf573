"""A datagram is its data and its address."""

from __future__ import annotations

from pipeline_net import Datagram


def test_datagrams_are_equal_when_data_and_address_are() -> None:
    one = Datagram(b"x", ("127.0.0.1", 9))
    assert one == Datagram(b"x", ("127.0.0.1", 9))
    assert hash(one) == hash(Datagram(b"x", ("127.0.0.1", 9)))
    assert one != Datagram(b"y", ("127.0.0.1", 9))
    assert one != Datagram(b"x", ("127.0.0.1", 8))
    assert one != b"x"


def test_a_datagram_shows_what_it_is() -> None:
    assert repr(Datagram(b"x", ("127.0.0.1", 9))) == "Datagram(b'x', ('127.0.0.1', 9))"
    assert Datagram(b"x").address is None
