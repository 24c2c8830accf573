"""TrustedProxies: who the client is, when it comes through proxies that are believed.

A proxy appends the address of whoever it talks to::

    X-Forwarded-For: 198.51.100.7, 203.0.113.5, 10.0.0.2
                     anybody's text   │            └─ appended by the proxy that connects to us
                                      └─ appended by 10.0.0.2

Everybody can send such a header.  So it is read from the right, only while the one that appended an entry is trusted;
the first address that is not a trusted proxy's own is the client.  What stands to the left of it may be invented.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final, TypeAlias

Client: TypeAlias = tuple[str, int]

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_MOST_HOPS: Final = 32  # entries looked at; longer chains are somebody's joke
_SCHEMES: Final = ("http", "https")


class TrustedProxies:
    """Which peers may say on whose behalf they come.

    Args:
        trusted: addresses and networks (``"10.0.0.0/8"``), or ``"*"`` for every peer; ``"unix"`` means whoever
            connects through a Unix socket.  A string is a list with commas.

    Raises:
        ValueError: something is neither an address nor a network.
    """

    def __init__(self, trusted: str | Iterable[str] = ()) -> None:
        names = trusted.split(",") if isinstance(trusted, str) else trusted
        self._everybody = False
        self._unix = False
        self._networks: list[_Network] = []
        for name in names:
            text = name.strip()
            if text == "*":
                self._everybody = True
            elif text == "unix":
                self._unix = True
            elif text:
                try:
                    self._networks.append(ipaddress.ip_network(text))
                except ValueError as exc:
                    raise ValueError(f"a trusted proxy is an address, a network, 'unix' or '*', not {text!r}") from exc
        self.is_empty: Final = not (self._everybody or self._unix or self._networks)

    def trusts(self, host: str | None) -> bool:
        """Whether whoever connects from ``host`` is believed; ``None`` is a peer without an address."""
        if self._everybody:
            return True
        if host is None:
            return self._unix
        address = _address(host)
        if address is None:
            return False
        return any(address.version == network.version and address in network for network in self._networks)

    def client_of(self, peer: Client | None, forwarded_for: str) -> Client | None:
        """Find the client behind ``peer``, which is trusted, in what X-Forwarded-For says."""
        client = peer
        for entry in reversed(forwarded_for.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]):
            found = _host_and_port(entry.strip(" \t"))
            if found is None:
                return client  # whatever that is, what stands left of it is worth no more
            client = found
            if not self.trusts(found[0]):
                return client
        return client

    def scheme_of(self, scheme: str, forwarded_proto: str) -> str:
        """Say how the client has spoken to the proxy, if X-Forwarded-Proto tells."""
        said = forwarded_proto.rpartition(",")[2].strip(" \t").lower()
        return said if said in _SCHEMES else scheme


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # a dual-stack socket shows IPv4 peers like that
    return address


def _host_and_port(entry: str) -> Client | None:
    """Take ``198.51.100.7``, ``198.51.100.7:80``, ``2001:db8::1`` or ``[2001:db8::1]:80`` apart; the port may be 0."""
    host, port = entry, ""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    if _address(host) is None:
        return None
    return host, int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
