r"""The PROXY header: what a load balancer says in front of a connection about the client that it stands for.

::

    version 1   PROXY TCP4 192.0.2.1 198.51.100.7 50312 443\r\n                        at most 107 bytes
    version 2   \r\n\r\n\0\r\nQUIT\n  21  11  00 0C  addresses  TLVs …
                └── signature ────┘  │   │   └ bytes that follow
                                     │   └ family and protocol: 11 is TCP over IPv4
                                     └ version 2, command: 1 is PROXY, 0 is LOCAL (the balancer itself, a health check)

Source: https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt (2.1: version 1; 2.2: version 2 and its TLVs).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

import attrs

from ..errors import CorruptedFrameError, EncodeError, FrameTooLongError

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
MAX_HEADER: Final = 4096  # bytes of a version 2 header; real ones have some hundred, with certificates' names in TLVs

# Types of TLVs (2.2.1 to 2.2.9 of the source).
ALPN: Final = 0x01
AUTHORITY: Final = 0x02
CRC32C: Final = 0x03
NOOP: Final = 0x04
UNIQUE_ID: Final = 0x05
SSL: Final = 0x20
SSL_VERSION: Final = 0x21
SSL_CN: Final = 0x22
NETNS: Final = 0x30

_MAX_V1: Final = 107  # bytes, "\r\n" included
_HEAD: Final = 16  # bytes of a version 2 header before its addresses
_MAX_PORT: Final = 65535
_PORT: Final = re.compile(r"0|[1-9][0-9]{0,4}")
_TLV_HEAD: Final = 3
_UNIX_PATH: Final = 108  # bytes, padded with zeros

# Family and protocol of version 2: how channels and version 1 call it, and bytes of one address without its port.
_FAMILIES: Final = {
    0x11: ("tcp4", 4),
    0x12: ("udp4", 4),
    0x21: ("tcp6", 16),
    0x22: ("udp6", 16),
    0x31: ("unix-stream", _UNIX_PATH),
    0x32: ("unix-datagram", _UNIX_PATH),
}
_CODES: Final = {name: code for code, (name, _) in _FAMILIES.items()}


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)  # the polynomial 1EDC6F41, its bits reversed
        table.append(crc)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """Compute the checksum of RFC 3720 (Castagnoli); over a header, in which its own four bytes count as zero."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@attrs.frozen
class ProxySsl:
    """How the client speaks TLS with the balancer (the TLV ``SSL``).

    ``is_verified`` says whether it has shown a certificate that was found good.
    """

    client: int
    verify: int
    tlvs: tuple[tuple[int, bytes], ...]

    @property
    def is_verified(self) -> bool:
        return bool(self.client & 0x06) and self.verify == 0  # a certificate on this connection, or in this session

    @property
    def version(self) -> str | None:
        return _text(self.tlvs, SSL_VERSION)

    @property
    def common_name(self) -> str | None:
        return _text(self.tlvs, SSL_CN)


@attrs.frozen
class ProxyHeader:
    """What a PROXY header says.  Also a user event, and in ``channel.attrs[ProxyHeader]``.

    ``source`` and ``destination`` are as the socket module gives addresses: ``(host, port)``, or a path; ``None`` when
    nothing is said about them, as for a balancer's own connections (``is_local``).  ``protocol`` is ``"tcp4"``,
    ``"tcp6"``, ``"udp4"``, ``"udp6"``, ``"unix-stream"``, ``"unix-datagram"`` or ``"unknown"``.
    """

    source: Any = None
    destination: Any = None
    protocol: str = "unknown"
    is_local: bool = attrs.field(default=False, kw_only=True)
    tlvs: tuple[tuple[int, bytes], ...] = attrs.field(default=(), kw_only=True)
    version: int = attrs.field(default=2, kw_only=True, eq=False)

    @classmethod
    def of(cls, source: Any, destination: Any, *, tlvs: tuple[tuple[int, bytes], ...] = ()) -> ProxyHeader:
        """Make the header of a stream connection, from what ``channel.remote_address`` and ``local_address`` say.

        Raises:
            EncodeError: the two are not of one kind.
        """
        if isinstance(source, tuple) and isinstance(destination, tuple):
            ends = [(str(host).partition("%")[0], port) for host, port in (source[:2], destination[:2])]
            colons = [":" in host for host, _ in ends]
            if colons[0] == colons[1]:
                return cls(ends[0], ends[1], "tcp6" if colons[0] else "tcp4", tlvs=tlvs)
        elif isinstance(source, str) and isinstance(destination, str):
            return cls(source, destination, "unix-stream", tlvs=tlvs)
        raise EncodeError(f"a PROXY header has two addresses of one kind, not {source!r} and {destination!r}")

    def tlv(self, kind: int) -> bytes | None:
        """Find the value of the first TLV of that type."""
        return _value(self.tlvs, kind)

    @property
    def authority(self) -> str | None:
        """The host name that the client has asked for (SNI)."""
        return _text(self.tlvs, AUTHORITY)

    @property
    def ssl(self) -> ProxySsl | None:
        """How the client speaks TLS with the balancer; ``None`` when it does not, or nothing is said."""
        value = self.tlv(SSL)
        if value is None:
            return None
        if len(value) < 5:
            raise CorruptedFrameError(f"the TLV about SSL has at least 5 bytes, not {len(value)}")
        return ProxySsl(value[0], int.from_bytes(value[1:5], "big"), tuple(_tlvs(value[5:])))


def _value(tlvs: tuple[tuple[int, bytes], ...], kind: int) -> bytes | None:
    return next((value for found, value in tlvs if found == kind), None)


def _text(tlvs: tuple[tuple[int, bytes], ...], kind: int) -> str | None:
    value = _value(tlvs, kind)
    return None if value is None else value.decode("utf-8", "backslashreplace")


# -- reading ------------------------------------------------------------------------------------------


def read_proxy_header(data: bytes, max_length: int = MAX_HEADER) -> tuple[ProxyHeader, int] | None:
    """Read the header that ``data`` begins with, and tell how long it is; ``None`` while it is not all there.

    Raises:
        CorruptedFrameError: it contradicts itself, or these bytes begin no header.
        FrameTooLongError: a version 2 header says that it is longer than ``max_length``.
    """
    if data.startswith(SIGNATURE):
        return _read_v2(data, max_length)
    if data.startswith(b"PROXY "):
        return _read_v1(data)
    if SIGNATURE.startswith(data) or b"PROXY ".startswith(data):
        return None
    raise CorruptedFrameError(f"no PROXY header begins with {data[: len(SIGNATURE)]!r}")


def _read_v1(data: bytes) -> tuple[ProxyHeader, int] | None:
    end = data.find(b"\r\n", 0, _MAX_V1)
    if end < 0:
        if len(data) >= _MAX_V1:
            raise CorruptedFrameError(f"a PROXY line ends within {_MAX_V1} bytes, and not so {data[:_MAX_V1]!r}")
        return None
    line = data[:end].decode("latin-1")
    size = end + 2
    words = line.split(" ")
    if words[1] == "UNKNOWN":
        # 2.1: "the receiver must ignore anything presented before the CRLF"
        return ProxyHeader(version=1), size
    if words[1] not in ("TCP4", "TCP6") or len(words) != 6:
        raise CorruptedFrameError(f"a PROXY line has TCP4 or TCP6, two addresses and two ports, not {line!r}")
    protocol = words[1].lower()
    hosts = [_host(word, protocol, line) for word in words[2:4]]
    ports = [_port(word, line) for word in words[4:6]]
    return ProxyHeader((hosts[0], ports[0]), (hosts[1], ports[1]), protocol, version=1), size


def _host(word: str, protocol: str, line: str) -> str:
    try:
        if protocol == "tcp4":
            return str(IPv4Address(word))
        if "%" not in word:
            return str(IPv6Address(word))
    except ValueError as exc:
        raise CorruptedFrameError(f"{word!r} is no address of {protocol} in {line!r}") from exc
    raise CorruptedFrameError(f"{word!r} has a zone, which means nothing here, in {line!r}")


def _port(word: str, line: str) -> int:
    if not _PORT.fullmatch(word) or int(word) > _MAX_PORT:
        raise CorruptedFrameError(f"{word!r} is no port in {line!r}")
    return int(word)


def _read_v2(data: bytes, max_length: int) -> tuple[ProxyHeader, int] | None:
    if len(data) > 12 and data[12] not in (0x20, 0x21):
        raise CorruptedFrameError(f"version 2 has the commands 20 and 21, not {data[12]:02x}")
    if len(data) < _HEAD:
        return None
    size = _HEAD + int.from_bytes(data[14:_HEAD], "big")
    if size > max_length:
        raise FrameTooLongError(size, max_length)
    if len(data) < size:
        return None
    family = data[13]
    body = data[_HEAD:size]
    if data[12] == 0x20:
        # 2.2: "the receiver must accept this connection as valid and must use the real connection endpoints and
        # discard the protocol block including the family which is ignored."
        return ProxyHeader(is_local=True), size
    if family >> 4 > 3 or family & 0x0F > 2:
        raise CorruptedFrameError(f"there is no family and protocol {family:02x}")
    if family not in _FAMILIES:  # one of them is unspecified: what follows cannot be told apart
        return ProxyHeader(), size
    protocol, width = _FAMILIES[family]
    source, destination, at = _addresses(body, protocol, width)
    tlvs = tuple(_tlvs(body[at:]))
    _verify_checksum(data[:size], _HEAD + at, tlvs)
    header = ProxyHeader(source, destination, protocol, tlvs=tlvs)
    header.ssl  # noqa: B018 - what contradicts itself is refused now, not when somebody asks
    return header, size


def _addresses(body: bytes, protocol: str, width: int) -> tuple[Any, Any, int]:
    """Read both addresses; also where they end."""
    ports = 0 if width == _UNIX_PATH else 4
    end = 2 * width + ports
    if len(body) < end:
        raise CorruptedFrameError(f"two addresses of {protocol} have {end} bytes, and there are {len(body)}")
    first, second = body[:width], body[width : 2 * width]
    if width == _UNIX_PATH:
        return _path(first), _path(second), end
    make = IPv4Address if width == 4 else IPv6Address
    from_port = int.from_bytes(body[2 * width : 2 * width + 2], "big")
    to_port = int.from_bytes(body[2 * width + 2 : end], "big")
    return (str(make(first)), from_port), (str(make(second)), to_port), end


def _path(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode("utf-8", "surrogateescape")


def _tlvs(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        start = at + _TLV_HEAD
        end = start + int.from_bytes(data[at + 1 : start], "big")
        if start > len(data) or end > len(data):
            raise CorruptedFrameError(f"a TLV of the PROXY header ends {max(start, end) - len(data)} bytes behind it")
        yield data[at], data[start:end]
        at = end


def _verify_checksum(header: bytes, at: int, tlvs: tuple[tuple[int, bytes], ...]) -> None:
    # 2.2.3: "If the checksum is provided as part of the PROXY header and the checksum functionality is supported by
    # the receiver, the receiver MUST" verify it
    said = None
    for kind, value in tlvs:
        if kind == CRC32C:
            if len(value) != 4 or said is not None:
                raise CorruptedFrameError("a PROXY header has one checksum of 4 bytes, or none")
            said = int.from_bytes(value, "big")
            place = at + _TLV_HEAD
            header = header[:place] + bytes(4) + header[place + 4 :]
        at += _TLV_HEAD + len(value)
    if said is not None and said != (found := crc32c(header)):
        raise CorruptedFrameError(f"the checksum of the PROXY header says {said:08x}, its bytes say {found:08x}")


# -- writing ------------------------------------------------------------------------------------------


def encode_proxy_header(header: ProxyHeader, version: int = 2, checksum: bool = False) -> bytes:
    """Put a header into bytes.

    Args:
        version: 1 for text, 2 for binary.
        checksum: whether a version 2 header gets a CRC32c.

    Raises:
        EncodeError: it cannot be said in that version, or is no header.
        ValueError: there is no such version.
    """
    if version == 1:
        return _encode_v1(header)
    if version != 2:
        raise ValueError(f"there are versions 1 and 2, not {version!r}")
    return _encode_v2(header, checksum)


def _encode_v1(header: ProxyHeader) -> bytes:
    if header.tlvs:
        raise EncodeError("version 1 of the PROXY protocol has no TLVs")
    if header.is_local or header.protocol == "unknown":
        return b"PROXY UNKNOWN\r\n"
    if header.protocol not in ("tcp4", "tcp6"):
        raise EncodeError(f"version 1 of the PROXY protocol knows tcp4 and tcp6, not {header.protocol}")
    (source, from_port), (destination, to_port) = _packed(header.source, header), _packed(header.destination, header)
    make = IPv4Address if header.protocol == "tcp4" else IPv6Address
    return f"PROXY {header.protocol.upper()} {make(source)} {make(destination)} {from_port} {to_port}\r\n".encode()


def _encode_v2(header: ProxyHeader, checksum: bool) -> bytes:
    family = 0
    body = b""
    if header.protocol != "unknown" and not header.is_local:
        family = _CODES.get(header.protocol, 0)
        if family == 0:
            raise EncodeError(f"the PROXY protocol knows {', '.join(_CODES)}, not {header.protocol!r}")
        if family >> 4 == 3:
            body = _packed_path(header.source) + _packed_path(header.destination)
        else:
            (source, from_port), (destination, to_port) = (
                _packed(header.source, header),
                _packed(header.destination, header),
            )
            body = source + destination + from_port.to_bytes(2, "big") + to_port.to_bytes(2, "big")
    elif header.tlvs or checksum:
        raise EncodeError("TLVs follow addresses, and this PROXY header has none")
    for kind, value in header.tlvs:
        if kind != CRC32C:  # that of a header which was read is about other bytes
            if not 0 <= kind <= 0xFF or len(value) > 0xFFFF:
                raise EncodeError(f"a TLV has a type below 256 and at most 65535 bytes, not {kind} and {len(value)}")
            body += bytes([kind]) + len(value).to_bytes(2, "big") + value
    if checksum:
        body += bytes([CRC32C, 0, 4, 0, 0, 0, 0])
    if len(body) > 0xFFFF:
        raise EncodeError(f"a PROXY header has at most 65535 bytes behind its head, not {len(body)}")
    encoded = SIGNATURE + bytes([0x20 if header.is_local else 0x21, family]) + len(body).to_bytes(2, "big") + body
    if checksum:
        encoded = encoded[:-4] + crc32c(encoded).to_bytes(4, "big")
    return encoded


def _packed(address: Any, header: ProxyHeader) -> tuple[bytes, int]:
    make = IPv4Address if header.protocol.endswith("4") else IPv6Address
    try:
        host, port = address
        packed = make(host).packed
    except (TypeError, ValueError) as exc:
        raise EncodeError(f"{address!r} is no address of {header.protocol}") from exc
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= _MAX_PORT:
        raise EncodeError(f"{port!r} is no port")
    return packed, port


def _packed_path(path: Any) -> bytes:
    packed = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else b""
    if not isinstance(path, str) or len(packed) > _UNIX_PATH or b"\0" in packed.rstrip(b"\0")[1:]:
        raise EncodeError(f"{path!r} is no path of a Unix socket")
    return packed.ljust(_UNIX_PATH, b"\0")
