"""Addresses as people write them: ``tcp://localhost:9000``, ``unix:///run/app.sock``, ``local://test``.

The grammar (RFC 3986's ``scheme "://" authority``, cut down to what says where to go)::

    address  = inet "://" [ host ] ":" port        no host: all interfaces
             / "unix://" path                      relative, /absolute, or @abstract (Linux)
             / "local://" name                     within this process
    inet     = "tcp" / "tcp4" / "tcp6" / "tls" / "tls4" / "tls6" / "udp" / "udp4" / "udp6"
    host     = name / IPv4 / "[" IPv6 [ "%" zone ] "]"
    port     = 1*5DIGIT                            0 to 65535, ASCII digits only

Nothing is looked up here, and nothing is guessed: what would only fail later, inside the resolver or the kernel and
with a worse message, fails here.  An address is written in one way only: IP addresses in their shortest form, names
in lower case.

Source: RFC 3986 3.2.2 (brackets), RFC 4007 11 (zones), RFC 5952 (the shortest form), unix(7).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, Literal

import attrs

from ..errors import AddressError

_MAX_PORT: Final = 65535
_MAX_UNIX_PATH: Final = 103 if sys.platform == "darwin" else 107  # bytes; sun_path without its terminating NUL

_UNSPEC: Final = int(socket.AF_UNSPEC)
_INET: Final = int(socket.AF_INET)
_INET6: Final = int(socket.AF_INET6)
_UNIX: Final = int(getattr(socket, "AF_UNIX", socket.AF_UNSPEC))  # Python on Windows has none

Form = Literal["inet", "unix", "local"]


@attrs.frozen
class Scheme:
    """What a scheme says: how the rest is written, what kind of socket it names, and of which family."""

    form: Form
    is_stream: bool
    family: int
    plain: str = ""  # for TLS: the scheme of the connection underneath


SCHEMES: Final[dict[str, Scheme]] = {
    "tcp": Scheme("inet", True, _UNSPEC),
    "tcp4": Scheme("inet", True, _INET),
    "tcp6": Scheme("inet", True, _INET6),
    "tls": Scheme("inet", True, _UNSPEC, "tcp"),
    "tls4": Scheme("inet", True, _INET, "tcp4"),
    "tls6": Scheme("inet", True, _INET6, "tcp6"),
    "udp": Scheme("inet", False, _UNSPEC),
    "udp4": Scheme("inet", False, _INET),
    "udp6": Scheme("inet", False, _INET6),
    "unix": Scheme("unix", True, _UNIX),
    "local": Scheme("local", True, _UNSPEC),
}

_LOOPBACK_OF: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "::ffff:0.0.0.0": "::ffff:127.0.0.1"}


@attrs.frozen
class Address:
    """Where to go, in parts; ``str(address)`` is what :func:`parse_address` reads.

    ``host`` is a name or an IP address without brackets, empty for all interfaces; ``path`` is the Unix path (``@``
    in front of an abstract one) or the local name.  Made by :func:`parse_address`, which checks; the class itself
    does not.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_stream(self) -> bool:
        return SCHEMES[self.scheme].is_stream

    @property
    def is_datagram(self) -> bool:
        return not SCHEMES[self.scheme].is_stream

    @property
    def is_tls(self) -> bool:
        """Whether what is said there is encrypted; the bootstraps see to that."""
        return bool(SCHEMES[self.scheme].plain)

    @property
    def underneath(self) -> Address:
        """Where the bytes go: for ``tls://`` the same with ``tcp://``."""
        return attrs.evolve(self, scheme=SCHEMES[self.scheme].plain) if self.is_tls else self

    @property
    def form(self) -> Form:
        """How it is written, and so what it needs: ``"inet"``, ``"unix"`` or ``"local"``."""
        return SCHEMES[self.scheme].form

    @property
    def family(self) -> int:
        """The socket family, or ``AF_UNSPEC`` when the resolver has to tell, or when no socket is needed."""
        family = SCHEMES[self.scheme].family
        return _family_of(self.host) if self.form == "inet" and family == _UNSPEC else family

    @property
    def is_numeric(self) -> bool:
        """Whether ``host`` is an IP address, which needs no looking up."""
        return _family_of(self.host) != _UNSPEC

    @property
    def socket_path(self) -> str:
        """The Unix path as the socket module wants it, which marks an abstract one by a NUL instead of ``@``."""
        return "\0" + self.path[1:] if self.path.startswith("@") else self.path

    def __str__(self) -> str:
        if self.form != "inet":
            return f"{self.scheme}://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_address(address: str | tuple[str, int] | tuple[str, int, int, int] | Address) -> Address:
    """Take an address apart and check it.

    A tuple is what the socket module calls an address, and means TCP; the third number of an IPv6 one (the flow
    label) is no part of where to go, the fourth is the zone.

    Raises:
        AddressError: it does not say where to go; the message says why.
    """
    if isinstance(address, Address):
        return address
    if isinstance(address, tuple):
        return _parse_tuple(address)
    if not isinstance(address, str):
        raise _bad(address, "an address is a string like 'tcp://127.0.0.1:9000' or a tuple (host, port)")
    if "\0" in address:
        raise _bad(address, "it must not contain a NUL byte")
    name, separator, rest = address.partition("://")
    if not separator:
        raise _bad(address, f"the scheme is missing, as in 'tcp://{address}'")
    name = name.lower()
    scheme = SCHEMES.get(name)
    if scheme is None:
        raise _bad(address, f"{name!r} is not a scheme; there are {', '.join(SCHEMES)}")
    if scheme.form == "inet":
        host, port = _split_host_and_port(address, rest)
        return Address(name, _check_host(address, host, scheme.family), _parse_port(address, port))
    if scheme.form == "unix":
        return Address(name, path=_check_unix_path(address, rest))
    if not rest:
        raise _bad(address, "the name is missing")
    return Address(name, path=rest)


def parse_addresses(addresses: Sequence[Any]) -> list[Address]:
    """Take several addresses apart; see ``parse_address``.

    Raises:
        AddressError: one does not say where to go, or a host is followed by its port as if that were one, too.
    """
    for host, port in pairwise(addresses):
        if isinstance(host, str) and isinstance(port, int):
            whole = f"{host}:{port}" if "://" in host else str(parse_address((host, port)))
            raise AddressError(f"an address is one text, {whole!r}, and not two arguments, {host!r} and {port!r}")
    return [parse_address(address) for address in addresses]


def format_sockname(scheme: str, sockname: tuple[Any, ...] | str | bytes) -> str:
    """Write what ``getsockname()`` of a listener said as an address that can be connected to.

    "All interfaces" is no place to connect to, so it becomes the loopback address of its family.
    """
    form = SCHEMES[scheme].form
    if form == "inet":
        assert isinstance(sockname, tuple), sockname
        host = _LOOPBACK_OF.get(sockname[0], sockname[0])
        return str(_from_sockname(scheme, host, sockname))
    path = os.fsdecode(sockname) if isinstance(sockname, bytes) else str(sockname)
    if form == "unix":
        if path.startswith("\0"):
            path = "@" + path[1:]
        elif path.startswith("@"):
            path = "./" + path  # a file that is really called so
    return str(Address(scheme, path=path))


def _from_sockname(scheme: str, host: str, sockname: tuple[Any, ...]) -> Address:
    zone = sockname[3] if len(sockname) == 4 else 0
    if zone and "%" not in host:
        host = f"{host}%{zone}"
    return Address(scheme, host, sockname[1])


def _parse_tuple(address: tuple[Any, ...]) -> Address:
    if len(address) not in (2, 4) or not isinstance(address[0], str):
        raise _bad(address, "a tuple is (host, port), or (host, port, flow label, zone) for IPv6")
    for number in address[1:]:
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise _bad(address, f"the host is followed by whole numbers, not {number!r}")
    host, port = address[0], address[1]
    if port > _MAX_PORT:
        raise _bad(address, f"a port is at most {_MAX_PORT}, not {port}")
    if "\0" in host:
        raise _bad(address, "it must not contain a NUL byte")
    parsed = _from_sockname("tcp", host, address)
    return attrs.evolve(parsed, host=_check_host(address, parsed.host, _INET6 if len(address) == 4 else _UNSPEC))


def _split_host_and_port(address: str, rest: str) -> tuple[str, str]:
    if "/" in rest:
        raise _bad(address, "nothing may follow the port, not even a '/'")
    if rest.startswith("["):
        host, bracket, after = rest[1:].partition("]")
        if not bracket:
            raise _bad(address, "the ']' after the IPv6 address is missing")
        if _family_of(host) != _INET6:
            raise _bad(address, f"only an IPv6 address stands in brackets, not {host!r}")
        if after and not after.startswith(":"):
            raise _bad(address, f"expected ':' and a port after the ']', not {after!r}")
        if not after:
            raise _bad(address, "the port is missing")
        return host, after[1:]
    host, colon, port = rest.rpartition(":")
    if ":" in host:
        raise _bad(address, "an IPv6 address needs brackets, as in 'tcp://[::1]:9000'")
    if not colon:
        raise _bad(address, "the port is missing")
    return host, port


def _parse_port(address: str, text: str) -> int:
    if not text:
        raise _bad(address, "the port is missing")
    if not (text.isascii() and text.isdigit()):  # int() would take " 1", "+1", "1_0" and the digits of other scripts
        raise _bad(address, f"a port is decimal digits, not {text!r}")
    if len(text) > len(str(_MAX_PORT)) or int(text) > _MAX_PORT:
        raise _bad(address, f"a port is at most {_MAX_PORT}, not {text}")
    return int(text)


def _check_host(address: object, host: str, family: int) -> str:
    """Return the host in the form in which everybody writes it, or raise."""
    if not host:
        return ""
    found = _family_of(host)
    if family not in (_UNSPEC, found) and found != _UNSPEC:
        wanted, got = ("IPv4", "IPv6") if family == _INET else ("IPv6", "IPv4")
        raise _bad(address, f"an {wanted} address is wanted here, and {host!r} is {got}")
    if found == _INET6:
        ip, percent, zone = host.partition("%")
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, ip)) + percent + zone
    if found == _INET:
        return host
    if not all(character.isalnum() or character in "-._" for character in host):
        raise _bad(address, f"{host!r} is neither a host name nor an IP address")
    try:
        written = host.encode("idna").decode()  # as the socket module will, whose UnicodeError nobody expects
    except UnicodeError as exc:
        raise _bad(address, f"{host!r} is not a host name ({exc})") from exc
    last = written.removesuffix(".").rpartition(".")[2]
    if last.isdigit():  # the resolver would take 127.1, and 0177.0.0.1 for something else
        raise _bad(address, f"an IPv4 address is four numbers from 0 to 255, and {host!r} is not")
    return host.lower()


def _check_unix_path(address: str, path: str) -> str:
    if not path:
        raise _bad(address, "the path is missing")
    if path == "@":
        raise _bad(address, "the abstract name after '@' is missing")
    if path.startswith("@") and sys.platform != "linux":
        raise _bad(address, "only Linux has abstract names")
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError as exc:
        raise _bad(address, f"the path cannot be written in the file system's encoding ({exc})") from exc
    if size > _MAX_UNIX_PATH:
        raise _bad(address, f"the path of a Unix socket has at most {_MAX_UNIX_PATH} bytes, and this one {size}")
    return path


def _family_of(host: str) -> int:
    """Return the family of an IP address, strictly read, or ``AF_UNSPEC`` for anything else."""
    ip, percent, zone = host.partition("%")
    if percent and not (zone and all(character.isalnum() or character in "-._~" for character in zone)):
        return _UNSPEC
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, ip)
        except (OSError, ValueError):  # ValueError: characters outside ASCII, or a NUL
            continue
        if percent and family == socket.AF_INET:
            return _UNSPEC
        return int(family)
    return _UNSPEC


def _bad(address: object, rule: str) -> AddressError:
    return AddressError(f"bad address {address!r}: {rule}")
