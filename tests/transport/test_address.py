"""Addresses: what each form means, how it is written back, and why each bad one is bad."""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.errors import AddressError
from pipeline_net.transport.address import SCHEMES, Address, format_sockname, parse_address, parse_addresses

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")

GOOD: list[tuple[Any, Address, str]] = [
    ("tcp://127.0.0.1:9000", Address("tcp", "127.0.0.1", 9000), "tcp://127.0.0.1:9000"),
    ("tcp://localhost:80", Address("tcp", "localhost", 80), "tcp://localhost:80"),
    ("tcp://:9000", Address("tcp", "", 9000), "tcp://:9000"),
    ("tcp://127.0.0.1:0", Address("tcp", "127.0.0.1", 0), "tcp://127.0.0.1:0"),
    ("tcp://h:65535", Address("tcp", "h", 65535), "tcp://h:65535"),
    ("tcp://h:0080", Address("tcp", "h", 80), "tcp://h:80"),
    ("TCP://Example.ORG:80", Address("tcp", "example.org", 80), "tcp://example.org:80"),
    ("tcp://example.org.:80", Address("tcp", "example.org.", 80), "tcp://example.org.:80"),
    ("tcp://my_host-2.lan:80", Address("tcp", "my_host-2.lan", 80), "tcp://my_host-2.lan:80"),
    ("tcp://münchen.de:80", Address("tcp", "münchen.de", 80), "tcp://münchen.de:80"),
    ("tcp4://10.0.0.1:1", Address("tcp4", "10.0.0.1", 1), "tcp4://10.0.0.1:1"),
    ("tcp4://:1", Address("tcp4", "", 1), "tcp4://:1"),
    ("tcp6://[::1]:80", Address("tcp6", "::1", 80), "tcp6://[::1]:80"),
    ("tcp://[::1]:80", Address("tcp", "::1", 80), "tcp://[::1]:80"),
    ("tcp://[::]:80", Address("tcp", "::", 80), "tcp://[::]:80"),
    ("tcp://[0:0:0:0:0:0:0:1]:80", Address("tcp", "::1", 80), "tcp://[::1]:80"),
    ("tcp://[2001:DB8::A]:80", Address("tcp", "2001:db8::a", 80), "tcp://[2001:db8::a]:80"),
    ("tcp://[fe80::1%eth0]:80", Address("tcp", "fe80::1%eth0", 80), "tcp://[fe80::1%eth0]:80"),
    ("tcp://[fe80::1%2]:80", Address("tcp", "fe80::1%2", 80), "tcp://[fe80::1%2]:80"),
    ("udp://127.0.0.1:53", Address("udp", "127.0.0.1", 53), "udp://127.0.0.1:53"),
    ("udp4://:53", Address("udp4", "", 53), "udp4://:53"),
    ("udp6://[::1]:53", Address("udp6", "::1", 53), "udp6://[::1]:53"),
    ("unix://relative", Address("unix", path="relative"), "unix://relative"),
    ("unix:///abso/lute.sock", Address("unix", path="/abso/lute.sock"), "unix:///abso/lute.sock"),
    ("unix://./@file", Address("unix", path="./@file"), "unix://./@file"),
    ("unix:///with space and ü", Address("unix", path="/with space and ü"), "unix:///with space and ü"),
    ("local://name", Address("local", path="name"), "local://name"),
    ("local://a/b:1", Address("local", path="a/b:1"), "local://a/b:1"),
    (("127.0.0.1", 80), Address("tcp", "127.0.0.1", 80), "tcp://127.0.0.1:80"),
    (("", 80), Address("tcp", "", 80), "tcp://:80"),
    (("LocalHost", 80), Address("tcp", "localhost", 80), "tcp://localhost:80"),
    (("::1", 80), Address("tcp", "::1", 80), "tcp://[::1]:80"),
    (("::1", 80, 0, 0), Address("tcp", "::1", 80), "tcp://[::1]:80"),
    (("::1", 80, 7, 0), Address("tcp", "::1", 80), "tcp://[::1]:80"),
    (("fe80::1", 80, 0, 3), Address("tcp", "fe80::1%3", 80), "tcp://[fe80::1%3]:80"),
    (("fe80::1%lo", 80, 0, 1), Address("tcp", "fe80::1%lo", 80), "tcp://[fe80::1%lo]:80"),
]


@pytest.mark.parametrize(("written", "address", "canonical"), GOOD)
def test_an_address_is_taken_apart_and_written_in_one_way(written: Any, address: Address, canonical: str) -> None:
    assert parse_address(written) == address
    assert str(address) == canonical
    assert parse_address(canonical) == address


BAD = [
    # the whole
    ("", "scheme is missing"),
    ("localhost:80", "scheme is missing, as in 'tcp://localhost:80'"),
    ("tcp:localhost:80", "scheme is missing"),
    ("://h:80", "'' is not a scheme"),
    ("http://h:80", "'http' is not a scheme; there are tcp, tcp4"),
    (" tcp://h:80", "' tcp' is not a scheme"),
    ("tcp://h\0:80", "NUL"),
    ("unix:///a\0b", "NUL"),
    ("local://a\0b", "NUL"),
    # ports
    ("tcp://", "port is missing"),
    ("tcp://h", "port is missing"),
    ("tcp://h:", "port is missing"),
    ("tcp://:", "port is missing"),
    ("tcp://9000", "port is missing"),
    ("tcp://[::1]", "port is missing"),
    ("tcp://[::1]:", "port is missing"),
    ("tcp://h:http", "decimal digits, not 'http'"),
    ("tcp://h:-1", "decimal digits"),
    ("tcp://h:+1", "decimal digits"),
    ("tcp://h: 1", "decimal digits"),
    ("tcp://h:1 ", "decimal digits"),
    ("tcp://h:1\n", "decimal digits"),
    ("tcp://h:1_0", "decimal digits"),
    ("tcp://h:0x50", "decimal digits"),
    ("tcp://h:٨٠", "decimal digits"),
    ("tcp://h:8²", "decimal digits"),
    ("tcp://h:80?x=1", "decimal digits"),
    ("tcp://h:65536", "at most 65535, not 65536"),
    ("tcp://h:" + "9" * 5000, "at most 65535"),
    # what may not follow, or stand before
    ("tcp://h:80/", "nothing may follow the port"),
    ("tcp://h:80/path", "nothing may follow the port"),
    ("tcp:///h:80", "nothing may follow the port"),
    ("tcp://user@h:80", "neither a host name nor an IP address"),
    # hosts
    ("tcp://a b:80", "neither a host name nor an IP address"),
    ("tcp://*:80", "neither a host name nor an IP address"),
    ("tcp://h%1:80", "neither a host name nor an IP address"),
    ("tcp://127.0.0.1%1:80", "neither a host name nor an IP address"),
    ("tcp://\ud800:80", "neither a host name nor an IP address"),
    ("tcp://a..b:80", "is not a host name"),
    ("tcp://.a:80", "is not a host name"),
    ("tcp://.:80", "is not a host name"),
    ("tcp://" + "a" * 64 + ":80", "is not a host name"),
    ("tcp://1.2.3.256:80", "four numbers from 0 to 255"),
    ("tcp://1.2.3:80", "four numbers from 0 to 255"),
    ("tcp://127.1:80", "four numbers from 0 to 255"),
    ("tcp://2130706433:80", "four numbers from 0 to 255"),
    ("tcp://127.0.0.01:80", "four numbers from 0 to 255"),
    ("tcp://1.2.3.4.:80", "four numbers from 0 to 255"),
    ("tcp://127.0.0.\uff11:80", "four numbers from 0 to 255"),  # fullwidth, which IDNA turns into 127.0.0.1
    # IPv6
    ("tcp://::1:80", "needs brackets"),
    ("tcp://:::80", "needs brackets"),
    ("tcp://h:1:2", "needs brackets"),
    ("tcp://[::1:80", "the ']' after the IPv6 address is missing"),
    ("tcp://[]:80", "only an IPv6 address stands in brackets"),
    ("tcp://[127.0.0.1]:80", "only an IPv6 address stands in brackets, not '127.0.0.1'"),
    ("tcp://[h]:80", "only an IPv6 address stands in brackets"),
    ("tcp://[::g]:80", "only an IPv6 address stands in brackets"),
    ("tcp://[::1%]:80", "only an IPv6 address stands in brackets"),
    ("tcp://[::1%a b]:80", "only an IPv6 address stands in brackets"),
    ("tcp://[::1]80", "expected ':' and a port after the ']', not '80'"),
    ("tcp://[::1]x:80", "expected ':' and a port after the ']'"),
    ("tcp4://[::1]:80", "an IPv4 address is wanted here, and '::1' is IPv6"),
    ("tcp6://127.0.0.1:80", "an IPv6 address is wanted here, and '127.0.0.1' is IPv4"),
    ("udp4://[::1]:80", "an IPv4 address is wanted here"),
    ("udp6://1.2.3.4:80", "an IPv6 address is wanted here"),
    # paths and names
    ("unix://", "the path is missing"),
    ("unix:relative", "scheme is missing"),
    ("unix://@", "abstract name after '@' is missing"),
    ("unix:///" + "x" * 107, "bytes, and this one 108"),
    ("unix:///\ud800", "file system's encoding"),
    ("local://", "the name is missing"),
    # tuples
    ((), "a tuple is"),
    (("h",), "a tuple is"),
    (("h", 80, 0), "a tuple is"),
    ((80, "h"), "a tuple is"),
    ((b"h", 80), "a tuple is"),
    (("h", "80"), "whole numbers, not '80'"),
    (("h", True), "whole numbers, not True"),
    (("h", 80.0), "whole numbers"),
    (("h", None), "whole numbers"),
    (("h", -1), "whole numbers, not -1"),
    (("h", 65536), "at most 65535"),
    (("::1", 80, 0, "lo"), "whole numbers"),
    (("h\0", 80), "NUL"),
    (("a b", 80), "neither a host name nor an IP address"),
    (("[::1]", 80), "neither a host name nor an IP address"),
    (("127.0.0.1", 80, 0, 0), "an IPv6 address is wanted here"),
    # everything else
    (None, "a string like"),
    (9000, "a string like"),
    (b"tcp://h:80", "a string like"),
    (["h", 80], "a string like"),
]


@pytest.mark.parametrize(("written", "rule"), BAD)
def test_a_bad_address_is_refused_with_the_value_and_the_rule(written: Any, rule: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(written)
    assert rule in str(caught.value)
    assert repr(written) in str(caught.value)


@given(st.text(max_size=30) | st.builds("{}://{}".format, st.sampled_from(sorted(SCHEMES)), st.text(max_size=30)))
def test_whatever_is_written_it_is_an_address_that_can_be_written_back_or_a_bad_one(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(address)) == address


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_ip_address_is_written_in_its_shortest_form(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    exploded = f"[{ip.exploded}]" if ip.version == 6 else ip.exploded
    address = parse_address(f"tcp://{exploded}:{port}")
    assert ipaddress.ip_address(address.host) == ip
    assert address.is_numeric
    assert address.family == (socket.AF_INET6 if ip.version == 6 else socket.AF_INET)
    assert parse_address((ip.compressed, port)) == address


def test_an_address_that_was_parsed_is_taken_as_it_is() -> None:
    address = parse_address("tcp://h:80")
    assert parse_address(address) is address


def test_addresses_can_be_compared_and_be_keys_but_not_changed() -> None:
    address = parse_address("tcp://h:80")
    assert {address: 1}[parse_address(("h", 80))] == 1
    with pytest.raises(AttributeError):
        address.port = 81  # type: ignore[misc]  # the checker knows it too, and this is about the run


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_every_scheme_is_either_of_streams_or_of_datagrams(scheme: str) -> None:
    address = Address(scheme)
    assert address.is_datagram == scheme.startswith("udp")
    assert address.is_stream != address.is_datagram


UNIX = getattr(socket, "AF_UNIX", socket.AF_UNSPEC)


@pytest.mark.parametrize(
    ("written", "family", "numeric"),
    [
        ("tcp://localhost:1", socket.AF_UNSPEC, False),
        ("tcp://:1", socket.AF_UNSPEC, False),
        ("tcp://127.0.0.1:1", socket.AF_INET, True),
        ("tcp://[::1]:1", socket.AF_INET6, True),
        ("tcp://[fe80::1%lo]:1", socket.AF_INET6, True),
        ("tcp4://localhost:1", socket.AF_INET, False),
        ("tcp6://localhost:1", socket.AF_INET6, False),
        ("tcp6://:1", socket.AF_INET6, False),
        ("udp4://:1", socket.AF_INET, False),
        ("udp://[::1]:1", socket.AF_INET6, True),
        ("unix://a", UNIX, False),
        ("local://a", socket.AF_UNSPEC, False),
    ],
)
def test_the_family_is_known_where_the_address_tells(written: str, family: int, numeric: bool) -> None:
    address = parse_address(written)
    assert (address.family, address.is_numeric) == (family, numeric)


def test_the_form_says_what_the_address_needs() -> None:
    forms = [parse_address(written).form for written in ("tcp://:1", "udp6://:1", "unix://a", "local://a")]
    assert forms == ["inet", "inet", "unix", "local"]


@on_linux
def test_an_abstract_name_is_marked_for_the_socket_module_by_a_nul() -> None:
    address = parse_address("unix://@name")
    assert (address.path, address.socket_path, str(address)) == ("@name", "\0name", "unix://@name")
    assert parse_address("unix://./@name").socket_path == "./@name"


@on_linux
@pytest.mark.parametrize("lead", ["/", "@"])
def test_the_longest_unix_path_that_is_accepted_can_be_bound(lead: str) -> None:
    address = parse_address(f"unix://{lead}" + "x" * 106)
    with socket.socket(socket.AF_UNIX) as sock:
        if lead == "@":
            sock.bind(address.socket_path)
        else:
            with pytest.raises(FileNotFoundError):  # and not "AF_UNIX path too long"
                sock.connect(address.socket_path)


@pytest.mark.parametrize(
    ("scheme", "sockname", "expected"),
    [
        ("tcp", ("127.0.0.1", 8080), "tcp://127.0.0.1:8080"),
        ("tcp", ("0.0.0.0", 8080), "tcp://127.0.0.1:8080"),
        ("tcp4", ("0.0.0.0", 8080), "tcp4://127.0.0.1:8080"),
        ("tcp", ("::1", 8080, 0, 0), "tcp://[::1]:8080"),
        ("tcp", ("::", 8080, 0, 0), "tcp://[::1]:8080"),
        ("tcp6", ("::", 8080, 0, 0), "tcp6://[::1]:8080"),
        ("tcp6", ("::ffff:0.0.0.0", 8080, 0, 0), "tcp6://[::ffff:127.0.0.1]:8080"),
        ("tcp", ("fe80::1%eth0", 8080, 0, 2), "tcp://[fe80::1%eth0]:8080"),
        ("tcp", ("fe80::1", 8080, 0, 2), "tcp://[fe80::1%2]:8080"),
        ("udp", ("0.0.0.0", 53), "udp://127.0.0.1:53"),
        ("unix", "/run/app.sock", "unix:///run/app.sock"),
        ("unix", "app.sock", "unix://app.sock"),
        ("unix", "@app", "unix://./@app"),
        ("unix", b"/run/app.sock", "unix:///run/app.sock"),
        pytest.param("unix", b"\0app", "unix://@app", marks=on_linux),
        ("local", "name", "local://name"),
    ],
)
def test_what_a_socket_is_called_becomes_an_address_that_can_be_connected_to(
    scheme: str, sockname: Any, expected: str
) -> None:
    written = format_sockname(scheme, sockname)
    assert written == expected
    assert str(parse_address(written)) == written


@pytest.mark.parametrize("written", ["tcp://:0", "tcp4://:0", "tcp://127.0.0.1:0"])
def test_a_listener_on_any_port_can_be_reached_at_its_formatted_name(written: str) -> None:
    address = parse_address(written)
    with socket.create_server((address.host, address.port)) as listener:
        there = parse_address(format_sockname(address.scheme, listener.getsockname()))
        with socket.create_connection((there.host, there.port)) as client:
            assert client.getpeername()[1] == there.port != 0


@on_linux
def test_an_abstract_listener_can_be_reached_at_its_formatted_name() -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(parse_address(f"unix://@pipeline-net-test-{id(listener)}").socket_path)
        listener.listen()
        client.connect(parse_address(format_sockname("unix", listener.getsockname())).socket_path)


def test_tls_says_what_is_underneath() -> None:
    for scheme, plain, family in (
        ("tls", "tcp", socket.AF_UNSPEC),
        ("tls4", "tcp4", socket.AF_INET),
        ("tls6", "tcp6", socket.AF_INET6),
    ):
        address = parse_address(f"{scheme}://example.org:443")
        assert (address.is_tls, address.is_stream, address.family) == (True, True, family)
        assert str(address) == f"{scheme}://example.org:443"
        assert str(address.underneath) == f"{plain}://example.org:443"
    plain_address = parse_address("tcp://example.org:443")
    assert not plain_address.is_tls
    assert plain_address.underneath is plain_address


def test_several_addresses_are_each_taken_apart() -> None:
    assert parse_addresses(["tcp://:1", ("::1", 2)]) == [Address("tcp", "", 1), Address("tcp", "::1", 2)]


@pytest.mark.parametrize(
    ("apart", "whole"),
    [
        (["127.0.0.1", 9000], "tcp://127.0.0.1:9000"),
        (["", 0], "tcp://:0"),
        (["::1", 9000], "tcp://[::1]:9000"),
        (["localhost", 9000], "tcp://localhost:9000"),
        (["tls://127.0.0.1", 443], "tls://127.0.0.1:443"),
        (["tcp://:9000", "localhost", 9001], "tcp://localhost:9001"),
    ],
)
def test_host_and_port_as_two_arguments_are_put_together_in_the_complaint(apart: list[Any], whole: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_addresses(apart)
    host, port = apart[-2:]
    assert str(caught.value) == f"an address is one text, {whole!r}, and not two arguments, {host!r} and {port!r}"
    parse_address(whole)


@pytest.mark.parametrize("apart", [[9000], ["un known", 1], ["localhost", 65536], [("::1", 1), 2], ["localhost", True]])
def test_numbers_that_make_no_address_are_refused_as_everywhere(apart: list[Any]) -> None:
    with pytest.raises(AddressError, match=r"^bad address"):
        parse_addresses(apart)
