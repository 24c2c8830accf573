"""What the first bytes of a peer tell."""

from __future__ import annotations

import re

import pytest

from pipeline_net.handlers.tls_records import head_size, refusal

_HELLO = bytes.fromhex("16 03 01 02 00 01 00 01 fc")

ACCEPTED = [
    (_HELLO, True),
    (_HELLO[:5], True),  # the rest may still come
    (_HELLO[:1], True),
    (bytes.fromhex("16 03 03 40 00 01 00 40 00"), True),  # the largest hello that is taken
    (bytes.fromhex("16 03 03 00 04 01 00 01 fc"), True),  # the head of the hello alone in its record
    (bytes.fromhex("16 03 03 00 7a"), False),
    (bytes.fromhex("15 03 03 00 02"), False),  # a server may answer with an alert at once
]

REFUSED = [
    (b"GET / HTT", True, "speaks plain HTTP, not TLS"),
    (b"POST /a H", True, "speaks plain HTTP"),
    (b"PRI * HTT", True, "HTTP/2 without TLS"),
    (b"HTTP/1.1 ", False, "speaks plain HTTP"),
    (b"SSH-2.0-O", True, "speaks SSH"),
    (b"220 mail.", False, "plain SMTP or FTP"),
    (b"EHLO exam", True, "plain SMTP"),
    (b"* OK IMAP", False, "plain IMAP"),
    (b"+OK POP3 ", False, "plain POP3"),
    (b"PING\r\n", True, "plain Redis"),
    (b"*3\r\n$3\r\n", True, "plain Redis"),
    (b"-ERR unkn", False, "plain Redis"),
    (b"PROXY TCP", True, "the PROXY protocol"),
    (b"\r\n\r\n\0\r\nQU", True, "the PROXY protocol"),
    (b"\0\0\0\x08\x04\xd2\x16\x2f", True, "PostgreSQL"),
    (bytes.fromhex("80 2e 01 00 02 00 15 00 00"), True, "SSL 2.0"),
    (b"\0\1\2\3\4", True, r"no TLS: it began with b'\\x00\\x01\\x02\\x03\\x04'"),
    (b"x", True, "it began with b'x'"),
    (bytes.fromhex("15 03 03 00 02"), True, "no TLS"),  # a client begins with a hello
    (bytes.fromhex("17 03 03 00 20"), False, "no TLS"),  # nothing has been agreed upon yet
    (bytes.fromhex("16 02 00 00 20"), True, r"version 2\.0"),
    (bytes.fromhex("16 03 01 00 00"), True, "has 0 bytes"),
    (bytes.fromhex("16 03 01 40 01"), True, "has 16385 bytes, and 1 to 16384"),
    (bytes.fromhex("16 03 01 00 03 01 00 00 00"), True, "cannot even say how long"),
    (bytes.fromhex("16 03 01 02 00 02 00 01 fc"), True, "handshake message 2"),
    (bytes.fromhex("16 03 01 40 00 01 00 40 01"), True, "has 16385 bytes, the limit is 16384"),
    (bytes.fromhex("16 03 01 40 00 01 ff ff ff"), True, "has 16777215 bytes"),
]


@pytest.mark.parametrize(("head", "from_client"), ACCEPTED)
def test_what_may_be_tls_passes(head: bytes, from_client: bool) -> None:
    assert refusal(head, from_client) is None


@pytest.mark.parametrize(("head", "from_client", "reason"), REFUSED)
def test_what_is_no_tls_is_called_by_its_name(head: bytes, from_client: bool, reason: str) -> None:
    said = refusal(head, from_client)
    assert said is not None
    assert re.search(reason, said), said


@pytest.mark.parametrize(("head", "from_client", "reason"), REFUSED)
def test_it_is_refused_by_as_many_bytes_as_are_asked_for(head: bytes, from_client: bool, reason: str) -> None:
    size = head_size(head[0], from_client)
    assert refusal(head[:size], from_client) is not None


def test_one_byte_decides_how_many_are_looked_at() -> None:
    assert [head_size(first, True) for first in (22, 21, ord("G"))] == [9, 5, 5]
    assert head_size(22, False) == 5
