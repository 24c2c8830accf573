"""The first bytes of a TLS connection: what they tell before OpenSSL sees them.

::

    record      type (1)  version (2)  length (2)  │ what is in it
    handshake   22        03 xx        n           │ type (1)  length (3)  body
    alert       21        03 xx        2           │ level (1)  which (1)

Two things are decided here.  Whoever speaks something else is told apart by name, for "wrong version number" has never
helped anybody to find a port that was mistyped.  And a ClientHello that announces more than it could honestly need is
refused by its first nine bytes: OpenSSL would make room for what is announced, up to 128 KiB, before it has come.

Source: RFC 8446 4 and 5.1 (records and handshake messages), RFC 6101 appendix E (the hello of SSL 2.0).
"""

from __future__ import annotations

from typing import Final

from .client_hello import MAX_CLIENT_HELLO

_RECORD_HEAD: Final = 5  # bytes
_HEAD: Final = 9  # bytes of the heads of a record and of the message in it

_ALERT: Final = 21
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_MAX_RECORD: Final = 16384  # bytes; RFC 8446 5.1: "The length MUST NOT exceed 2^14 bytes"
_MESSAGE_HEAD: Final = 4  # bytes of type and length

_HTTP: Final = "plain HTTP"
_SMTP: Final = "plain SMTP or FTP"

# What others say first.
_GREETINGS: Final = (
    *((method + b" ", _HTTP) for method in (b"GET", b"PUT", b"POST", b"HEAD", b"PATCH", b"TRACE", b"DELETE")),
    *((b"OPTIONS ", _HTTP), (b"CONNECT ", _HTTP), (b"PRI * HT", "HTTP/2 without TLS"), (b"HTTP/", _HTTP)),
    *((b"SSH-", "SSH"), (b"PROXY ", "the PROXY protocol"), (b"\r\n\r\n\0\r\nQU", "the PROXY protocol")),
    *((b"220 ", _SMTP), (b"220-", _SMTP), (b"EHLO ", "plain SMTP"), (b"HELO ", "plain SMTP")),
    *((b"* OK", "plain IMAP"), (b"+OK", "plain POP3"), (b"PING", "plain Redis"), (b"-ERR", "plain Redis")),
    *((b"*%d\r\n$" % count, "plain Redis") for count in range(1, 10)),
    (b"\0\0\0\x08\x04\xd2\x16\x2f", "PostgreSQL, which asks for TLS in its own way first"),
)


def head_size(first: int, from_client: bool) -> int:
    """Tell how many bytes ``refusal()`` wants to see of a peer whose first byte is ``first``."""
    return _HEAD if from_client and first == _HANDSHAKE else _RECORD_HEAD


def refusal(head: bytes, from_client: bool) -> str | None:
    """Say what is wrong with the first bytes of a peer, or ``None`` when they may be TLS.

    Args:
        head: at least ``head_size()`` bytes; or all that came.
        from_client: whether the peer is the one that begins.
    """
    kind = head[0]
    if kind == _HANDSHAKE or (kind == _ALERT and not from_client):
        if len(head) < _RECORD_HEAD:
            return None
        if head[1] != 3:
            return f"the peer speaks no TLS that we know: its first record is of version {head[1]}.{head[2]}"
        length = int.from_bytes(head[3:5], "big")
        if not 0 < length <= _MAX_RECORD:
            return f"the peer speaks no TLS: its first record has {length} bytes, and 1 to {_MAX_RECORD} are allowed"
        return _hello_refusal(head, length) if from_client else None
    for greeting, name in _GREETINGS:
        if head.startswith(greeting):
            return f"the peer speaks {name}, not TLS"
    if len(head) >= 3 and head[0] & 0x80 and head[2] == _CLIENT_HELLO:
        return "the peer speaks SSL 2.0, which nobody should"
    return f"the peer speaks no TLS: it began with {head[:_HEAD]!r}"


def _hello_refusal(head: bytes, length: int) -> str | None:
    if length < _MESSAGE_HEAD:
        return f"the first record of the peer has {length} bytes, which cannot even say how long its hello is"
    if len(head) < _HEAD:
        return None
    if head[5] != _CLIENT_HELLO:
        return f"the peer does not begin with a ClientHello, but with handshake message {head[5]}"
    announced = int.from_bytes(head[6:9], "big")
    if announced > MAX_CLIENT_HELLO:
        return f"the ClientHello of the peer has {announced} bytes, the limit is {MAX_CLIENT_HELLO}"
    return None
