"""Whose X-Forwarded-For is believed, and how far."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http.proxies import Client, TrustedProxies

_PEER = ("10.0.0.1", 1234)


@pytest.mark.parametrize(
    ("trusted", "host", "answer"),
    [
        ("", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("10.0.0.0/8, 192.0.2.1", "10.255.0.1", True),
        ("10.0.0.0/8, 192.0.2.1", "192.0.2.1", True),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("::1", "::1", True),
        ("fe80::/10", "fe80::1%eth0", True),
        ("::/0", "10.0.0.1", False),
        ("10.0.0.0/8", "not an address", False),
        ("*", "whatever", True),
        ("*", None, True),
        ("127.0.0.1", None, False),
        ("unix", None, True),
        ("unix", "127.0.0.1", False),
    ],
)
def test_who_is_trusted(trusted: str, host: str | None, answer: bool) -> None:
    assert TrustedProxies(trusted).trusts(host) is answer
    assert TrustedProxies(trusted.split(",")).trusts(host) is answer


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("198.51.100.7", ("198.51.100.7", 0)),
        ("6.6.6.6, 198.51.100.7", ("198.51.100.7", 0)),  # what stands to the left may be invented
        ("6.6.6.6, 198.51.100.7, 10.0.0.2", ("198.51.100.7", 0)),
        ("10.0.0.3, 10.0.0.2", ("10.0.0.3", 0)),  # nobody but proxies: the first of them
        ("198.51.100.7:8080", ("198.51.100.7", 8080)),
        ("[2001:db8::1]:8080", ("2001:db8::1", 8080)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("[2001:db8::1]", ("2001:db8::1", 0)),
        ("198.51.100.7, unknown", _PEER),
        ("198.51.100.7, unknown, 10.0.0.2", ("10.0.0.2", 0)),
        ("", _PEER),
        (",", _PEER),
        ("198.51.100.7:port", ("198.51.100.7", 0)),
        ("6.6.6.6," * 10_000 + "198.51.100.7", ("198.51.100.7", 0)),
    ],
)
def test_who_is_the_client(chain: str, client: Client) -> None:
    assert TrustedProxies("10.0.0.0/8").client_of(_PEER, chain) == client


def test_a_chain_of_nothing_but_proxies_is_not_followed_for_ever() -> None:
    assert TrustedProxies("*").client_of(_PEER, "6.6.6.6, " * 100_000 + "10.0.0.9") == ("6.6.6.6", 0)


@pytest.mark.parametrize(
    ("said", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("https, http", "http"), ("gopher", "http"), ("", "http")],
)
def test_how_the_client_has_spoken(said: str, scheme: str) -> None:
    assert TrustedProxies("*").scheme_of("http", said) == scheme


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="not 'nginx'"):
        TrustedProxies("10.0.0.1,nginx")
