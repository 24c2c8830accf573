r"""The ClientHello: what a TLS client says in the clear, read before anybody has decided to speak TLS with it.

It names the server that is meant and the protocols on offer, which is what a port for many needs to choose.

::

    record(s)      16 03 01 len  ┐ the message may be spread over several, each with this head
      handshake      01 len len len
        ClientHello    03 03  random[32]  session id  cipher suites  compression methods  extensions
                                                                                            │
                              server_name (0) ── "a.example"        ALPN (16) ── h2, http/1.1

Every length in it is an attacker's.  Nothing is allocated from one: the message is put together from bytes that have
arrived, and refused as soon as its head says that it is longer than ``max_length``.  Nor may it be spread so thin that
walking its records costs more than reading it.

Source: RFC 8446 4.1.2 and 5.1 (ClientHello, records), RFC 6066 3 (server_name), RFC 7301 3.1 (ALPN).
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import DecodeError, FrameTooLongError

MAX_CLIENT_HELLO: Final = 16384  # bytes; post-quantum key shares make some 2 KiB, encrypted ones (ECH) some 3 KiB

_HANDSHAKE: Final = 22  # type of a record
_CLIENT_HELLO: Final = 1  # type of a handshake message
_RECORD_HEAD: Final = 5
_MESSAGE_HEAD: Final = 4
_MAX_RECORD: Final = 16384  # RFC 8446 5.1: "The length MUST NOT exceed 2^14 bytes."
_MAX_RECORDS: Final = 64  # a real one comes in one or two
_RANDOM: Final = 32
_MAX_SESSION_ID: Final = 32

_SERVER_NAME: Final = 0
_ALPN: Final = 16
_SUPPORTED_VERSIONS: Final = 43
_HOST_NAME: Final = 0

_MAX_HOST: Final = 253  # RFC 1035 2.3.4 allows 255 on the wire, which are 253 as text
_HOST: Final = re.compile(rb"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")


class ClientHello:
    """What is of use in a ClientHello.

    ``server_name`` is the host that is meant, in lower case, or ``None``; ``alpn`` the protocols on offer, best first;
    ``versions`` the versions of TLS that the client can speak, as numbers (0x0304 is TLS 1.3).
    """

    def __init__(self, server_name: str | None, alpn: tuple[str, ...], versions: tuple[int, ...]) -> None:
        self.server_name = server_name
        self.alpn = alpn
        self.versions = versions

    def __repr__(self) -> str:
        versions = ", ".join(f"{version:04x}" for version in self.versions)
        return (
            f"<ClientHello for {self.server_name}, offers {', '.join(self.alpn) or 'no protocol'}, versions {versions}>"
        )


def read_client_hello(data: bytes, max_length: int = MAX_CLIENT_HELLO) -> ClientHello | None:
    """Read the ClientHello that ``data`` begins with; ``None`` while it is not all there.

    Raises:
        FrameTooLongError: its head says that it is longer than ``max_length``.
        DecodeError: these bytes begin no ClientHello, or one that contradicts itself.
    """
    message = _message(data, max_length)
    return None if message is None else _parse(message)


def _message(data: bytes, max_length: int) -> bytes | None:
    """Put the handshake message together from its records, without their heads and its own."""
    pieces: list[bytes] = []
    here = 0  # bytes of the message, its head included
    size = -1  # what its head says, once that is here
    start = 0
    for _ in range(_MAX_RECORDS):
        _check_record_head(data[start : start + _RECORD_HEAD])
        body = start + _RECORD_HEAD
        if len(data) <= body:
            return None
        end = body + int.from_bytes(data[start + 3 : body], "big")
        pieces.append(data[body:end])
        here += len(pieces[-1])
        if pieces[0][0] != _CLIENT_HELLO:
            raise DecodeError(f"a handshake begins with a ClientHello (1), not with a message of type {pieces[0][0]}")
        if size < 0 and here >= _MESSAGE_HEAD:
            head = b"".join(pieces)[:_MESSAGE_HEAD]
            size = _MESSAGE_HEAD + int.from_bytes(head[1:], "big")
            if size - _MESSAGE_HEAD > max_length:
                raise FrameTooLongError(size - _MESSAGE_HEAD, max_length)
        if 0 <= size <= here:
            return b"".join(pieces)[_MESSAGE_HEAD:size]
        if len(data) < end:
            return None
        start = end
    raise DecodeError(f"the ClientHello is spread over more than {_MAX_RECORDS} records")


def _check_record_head(head: bytes) -> None:
    """Refuse what cannot begin a record of a handshake, as soon as that is to be seen."""
    if head and head[0] != _HANDSHAKE:
        raise DecodeError(f"a record of a handshake has the type 22, not {head[0]}")
    if len(head) > 1 and head[1] != 3:
        raise DecodeError(f"the version of a record begins with 3, not with {head[1]}")
    if len(head) == _RECORD_HEAD:
        length = int.from_bytes(head[3:], "big")
        # RFC 8446 5.1: "Implementations MUST NOT send zero-length fragments of Handshake types"
        if not 0 < length <= _MAX_RECORD:
            raise DecodeError(f"a record of a handshake holds 1 to {_MAX_RECORD} bytes, not {length}")


class _Fields:
    """Bytes, and a place in them; each field is checked against what is left."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int, what: str) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise DecodeError(f"the ClientHello ends within its {what}: {count} bytes announced, {self.left} there")
        field = self._data[self._at : end]
        self._at = end
        return field

    def number(self, size: int, what: str) -> int:
        return int.from_bytes(self.take(size, what), "big")

    def vector(self, size: int, what: str) -> bytes:
        """Take a field that begins with its own length, a number of ``size`` bytes."""
        return self.take(self.number(size, what), what)


def _parse(message: bytes) -> ClientHello:
    fields = _Fields(message)
    version = fields.number(2, "version")
    if version >> 8 != 3:
        raise DecodeError(f"the version of a ClientHello begins with 3, not with {version >> 8}")
    fields.take(_RANDOM, "random")
    session_id = fields.vector(1, "session id")
    if len(session_id) > _MAX_SESSION_ID:
        raise DecodeError(f"a session id has at most {_MAX_SESSION_ID} bytes, not {len(session_id)}")
    suites = fields.vector(2, "cipher suites")
    if not suites or len(suites) % 2:
        raise DecodeError(f"cipher suites are some numbers of 2 bytes, not {len(suites)} bytes")
    if not fields.vector(1, "compression methods"):
        raise DecodeError("a ClientHello has at least one compression method")
    extensions = _extensions(fields)
    server_name = _server_name(extensions[_SERVER_NAME]) if _SERVER_NAME in extensions else None
    alpn = _protocols(extensions[_ALPN]) if _ALPN in extensions else ()
    versions = _versions(extensions[_SUPPORTED_VERSIONS]) if _SUPPORTED_VERSIONS in extensions else (version,)
    return ClientHello(server_name, alpn, versions)


def _extensions(fields: _Fields) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    if fields.left == 0:
        return found  # TLS 1.2 allows to leave them out
    inside = _Fields(fields.vector(2, "extensions"))
    if fields.left:
        raise DecodeError(f"{fields.left} bytes follow the ClientHello")
    while inside.left:
        kind = inside.number(2, "extensions")
        if kind in found:
            # RFC 8446 4.2: "There MUST NOT be more than one extension of the same type in a given extension block."
            raise DecodeError(f"the ClientHello has extension {kind} twice")
        found[kind] = inside.vector(2, f"extension {kind}")
    return found


def _server_name(extension: bytes) -> str | None:
    names = _whole_vector(extension, 2, "server names")
    found: str | None = None
    while names.left:
        kind = names.number(1, "server names")
        name = names.vector(2, "server names")
        if kind != _HOST_NAME:
            continue
        if found is not None:
            # RFC 6066 3: "The ServerNameList MUST NOT contain more than one name of the same name_type."
            raise DecodeError("the ClientHello names two hosts")
        if len(name) > _MAX_HOST or not _HOST.fullmatch(name):
            raise DecodeError(f"the ClientHello names {name[:_MAX_HOST]!r}, which is no name of a host")
        found = name.decode("ascii").lower()
    return found


def _protocols(extension: bytes) -> tuple[str, ...]:
    names = _whole_vector(extension, 2, "protocols")
    found: list[str] = []
    while names.left:
        name = names.vector(1, "protocols")
        if not name:
            raise DecodeError("the ClientHello offers a protocol without a name")
        found.append(name.decode("latin-1"))  # RFC 7301 3.1: "opaque, non-empty byte strings"; some are no text
    return tuple(found)


def _versions(extension: bytes) -> tuple[int, ...]:
    numbers = _whole_vector(extension, 1, "versions")
    found: list[int] = []
    while numbers.left:
        found.append(numbers.number(2, "versions"))
    return tuple(found)


def _whole_vector(extension: bytes, size: int, what: str) -> _Fields:
    """Open an extension that is one list, which must not be empty and must fill it."""
    outer = _Fields(extension)
    inner = outer.vector(size, what)
    if outer.left or not inner:
        raise DecodeError(f"the {what} of the ClientHello do not fill their extension")
    return _Fields(inner)
