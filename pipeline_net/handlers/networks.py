"""Networks: a set of IP networks that answers whether an address is inside, and what is an address in the first place.

An IPv4 peer of a socket that listens on ``::`` has an address like ``::ffff:192.0.2.1``.  A filter that compares it as
it stands lets everybody through whom it was to keep out; so such addresses and networks are turned into IPv4 first.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_MAPPED_BITS: Final = 96  # of an IPv4-mapped IPv6 address, before the IPv4 address begins (RFC 4291 2.5.5.2)
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_BITS: Final = {4: 32, 6: 128}


def plain(address: Address) -> Address:
    """Turn an IPv4-mapped IPv6 address into the IPv4 address that it is; leave others as they are."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def address_of(remote: Any) -> Address | None:
    """Find the IP address in what a channel says of its peer; ``None`` for Unix sockets and the like."""
    if not isinstance(remote, tuple) or not remote or not isinstance(remote[0], str):
        return None
    try:
        return plain(ip_address(remote[0].partition("%")[0]))  # without the zone of a link-local address
    except ValueError:
        return None  # a name: no transport of ours says that


class Networks:
    """IP networks; asking ``address in networks`` costs one look-up for each length of prefix that occurs.

    Args:
        networks: as text (``"10.0.0.0/8"``, ``"2001:db8::/32"``, ``"192.0.2.1"``) or as objects of ``ipaddress``.

    Raises:
        ValueError: one of them is no network, or has bits set behind its prefix.
    """

    def __init__(self, networks: Iterable[Any]) -> None:
        if isinstance(networks, str):
            raise ValueError(f"networks must be several, not one text: did you mean [{networks!r}]?")
        self._prefixes: dict[tuple[int, int], set[int]] = {}  # (IP version, bits behind the prefix): the prefixes
        self._count = 0
        for network in networks:
            self._add(ip_network(network))

    def _add(self, network: IPv4Network | IPv6Network) -> None:
        version, length, start = network.version, network.prefixlen, network.network_address
        if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
            version, length, start = 4, length - _MAPPED_BITS, plain(start)
        behind = _BITS[version] - length
        self._prefixes.setdefault((version, behind), set()).add(int(start) >> behind)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, (IPv4Address, IPv6Address)):
            return False
        address = plain(address)
        number = int(address)
        version = address.version
        return any(
            of_version == version and number >> behind in prefixes
            for (of_version, behind), prefixes in self._prefixes.items()
        )
