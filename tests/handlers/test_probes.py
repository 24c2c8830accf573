"""What each probe says yes to, and that more bytes never change its mind."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.handlers import probes
from pipeline_net.handlers.probes import Alpn, Prefix, Probe, ServerName


def of_python(server_name: str | None = "a.example", alpn: list[str] | None = None) -> bytes:
    """What Python's ssl says first."""
    context = ssl.create_default_context()
    context.check_hostname = server_name is not None
    if alpn:
        context.set_alpn_protocols(alpn)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake with nobody was done")


HELLO = of_python("a.example", ["h2", "http/1.1"])

NAMED: dict[str, Probe] = {
    "tls": probes.tls,
    "http1": probes.http1,
    "http2": probes.http2,
    "resp": probes.resp,
    "ssh": probes.ssh,
    "proxy": probes.proxy,
}

# The beginning of a conversation, and who speaks like that.
BEGINNINGS: list[tuple[bytes, str]] = [
    (HELLO, "tls"),
    (b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "http1"),
    (b"HEAD /x HTTP/1.0\r\n\r\n", "http1"),
    (b"OPTIONS * HTTP/1.1\r\n", "http1"),
    (b"GET http://a.example/ HTTP/1.1\r\n", "http1"),
    (b"CONNECT a.example:443 HTTP/1.1\r\n", "http1"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", "http2"),
    (b"*1\r\n$4\r\nPING\r\n", "resp"),
    (b"*3\r\n$3\r\nSET\r\n", "resp"),
    (b"SSH-2.0-OpenSSH_9.9\r\n", "ssh"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "proxy"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", "proxy"),
    (b"GET name\r\n", ""),  # what people type into Redis
    (b"get / HTTP/1.1\r\n", ""),  # RFC 9110 9.1: "The method token is case-sensitive"
    (b"hello\n", ""),
    (b"\x16\2\0\0\0\1", ""),
    (b"\x16\3\1\0\5\2", ""),
    (b"\x80\x2e\1\3\1", ""),  # a ClientHello of SSL 2
    (b"\r\n\r\n\0\r\nQUIT\r", ""),
    (b"*x", ""),
    (b"PROXY\n", ""),
]


@pytest.mark.parametrize(("data", "speaks"), BEGINNINGS)
def test_who_speaks_like_that(data: bytes, speaks: str) -> None:
    assert [name for name, probe in NAMED.items() if probe(data)] == ([speaks] if speaks else [])
    assert all(probe(data) is not None for probe in NAMED.values())


@pytest.mark.parametrize(
    "probe", [*NAMED.values(), ServerName("a.example"), Alpn("h2"), Alpn("redis")], ids=lambda probe: repr(probe)[:30]
)
@pytest.mark.parametrize("data", [data for data, _ in BEGINNINGS])
def test_more_bytes_change_no_answer(probe: Probe, data: bytes) -> None:
    answers = [probe(data[:end]) for end in range(1, len(data) + 1)]
    decided = [answer for answer in answers if answer is not None]
    assert set(decided) <= {answers[-1]}
    assert answers[len(answers) - len(decided) :] == decided  # once decided, always decided


@given(st.binary(max_size=40), st.binary(max_size=10))
def test_noise_changes_no_answer_either(data: bytes, more: bytes) -> None:
    every: list[Probe] = [*NAMED.values(), ServerName("a.example")]
    for probe in every:
        first = probe(data)
        assert first is None or probe(data + more) is first


@pytest.mark.parametrize(
    ("names", "host", "meant"),
    [
        (["a.example"], "a.example", True),
        (["A.Example"], b"a.exAMPLE", True),
        (["a.example"], "b.example", False),
        (["*.example"], "a.example", True),
        (["*.example"], "a.b.example", False),
        (["*.example"], "example", False),
        (["*.b.example", "c.example"], "a.b.example", True),
        (["*.b.example", "c.example"], "c.example", True),
    ],
)
def test_which_host_is_meant(names: list[str], host: str, meant: bool) -> None:
    assert ServerName(*names)(of_python(host)) is meant


def test_who_names_no_host_means_none_of_them() -> None:
    assert ServerName("a.example")(of_python(None)) is False
    assert ServerName("*.example")(of_python(None)) is False


@pytest.mark.parametrize("protocols", [("h2",), ("h2", "redis"), ("http/1.1",)])
def test_what_is_offered(protocols: tuple[str, ...]) -> None:
    assert Alpn(*protocols)(HELLO) is True
    assert Alpn("redis")(HELLO) is False
    assert Alpn(*protocols)(b"GET / HTTP/1.1\r\n") is False


@pytest.mark.parametrize(
    "make",
    [
        lambda: Prefix(),
        lambda: Prefix(b"a", b""),
        lambda: ServerName(),
        lambda: ServerName("a.*.example"),
        lambda: ServerName("*"),
        lambda: ServerName("*."),
        lambda: ServerName("www*.example"),
        lambda: ServerName("bücher.example"),
        lambda: Alpn(),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"at least|asterisk|xn--"):
        make()


def test_a_prefix_says_what_it_is() -> None:
    assert repr(Prefix(b"a", b"b")) == "Prefix(b'a', b'b')"
