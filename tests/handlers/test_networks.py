"""Networks: which address is inside, in all the forms in which it may be shown."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.handlers.networks import Networks, address_of, plain

SOME = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "::ffff:198.51.100.0/120"]


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.0.0.0", True),
        ("10.255.255.255", True),
        ("11.0.0.0", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8:ffff::1", True),
        ("2001:db9::", False),
        ("::1", True),
        ("::2", False),
        ("::ffff:10.1.2.3", True),  # the same as 10.1.2.3
        ("::ffff:11.1.2.3", False),
        ("198.51.100.7", True),  # inside a network that was given in its IPv6 form
        ("::ffff:198.51.100.7", True),
        ("198.51.101.7", False),
        ("::10.1.2.3", False),  # IPv4-compatible, which is something else, and dead
    ],
)
def test_what_is_inside(address: str, inside: bool) -> None:
    assert (ip_address(address) in Networks(SOME)) is inside


def test_everything_is_inside_everything() -> None:
    everything = Networks(["0.0.0.0/0", "::/0"])
    assert len(everything) == 2
    assert IPv4Address("255.255.255.255") in everything
    assert IPv6Address("ffff::") in everything
    assert IPv4Address(0) not in Networks(["::/0"])
    assert IPv4Address(0) not in Networks([])


def test_what_is_no_address_is_inside_nothing() -> None:
    assert "10.0.0.1" not in Networks(["0.0.0.0/0"])
    assert None not in Networks(["0.0.0.0/0"])


@pytest.mark.parametrize("wrong", [["10.0.0.1/8"], ["10.0.0.0/33"], ["example.com"], [""], "10.0.0.0/8"])
def test_what_is_no_network_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"host bits|does not appear|several"):
        Networks(wrong)


@given(
    st.lists(st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), max_size=8),
    st.lists(st.tuples(st.ip_addresses(v=6), st.integers(0, 128)), max_size=8),
    st.ip_addresses(),
)
def test_it_agrees_with_the_standard_library(four: list[Any], six: list[Any], address: Any) -> None:
    networks = [ip_network(f"{start}/{length}", strict=False) for start, length in [*four, *six]]
    inside = any(plain(address) in network for network in networks if network.version == plain(address).version)
    mapped = IPv6Network("::ffff:0:0/96")
    if not any(network.subnet_of(mapped) for network in networks if isinstance(network, IPv6Network)):
        assert (address in Networks(networks)) is inside


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        (("192.0.2.1", 80), IPv4Address("192.0.2.1")),
        (("::1", 80, 0, 0), IPv6Address("::1")),
        (("fe80::1%eth0", 80, 0, 3), IPv6Address("fe80::1")),
        (("::ffff:192.0.2.1", 80, 0, 0), IPv4Address("192.0.2.1")),
        (("example.com", 80), None),
        ("/run/socket", None),
        ("", None),
        (None, None),
        ((), None),
    ],
)
def test_the_address_of_a_peer(remote: Any, address: Any) -> None:
    assert address_of(remote) == address
