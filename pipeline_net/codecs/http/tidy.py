"""Heads that are forgiven (see ``Leniency``): brought into the form that they should have had."""

from __future__ import annotations

from typing import Final

from ...buffer import ReceiveBuffer

MAX_EMPTY_LINES: Final = 2  # in front of a message


def end_of_head(buffer: ReceiveBuffer, bare_lf: bool) -> int:
    """Find where the first head in ``buffer`` ends, behind its empty line; -1 if that is not here.

    More than two empty lines in front of it are a head by themselves, and a wrong one.
    """
    start = 0
    while start < 2 * MAX_EMPTY_LINES and buffer.peek(start + 2)[start:] == b"\r\n":
        start += 2
    size = buffer.find(b"\r\n\r\n", start)
    if size >= 0:
        size += 4
    if bare_lf:
        for needle in (b"\n\n", b"\n\r\n"):
            at = buffer.find(needle, start)
            if at >= 0 and (size < 0 or at + len(needle) < size):
                size = at + len(needle)
    return size


def tidied(head: bytes, bare_lf: bool, obs_fold: bool) -> bytes:
    """End each line with CRLF, and join those that were folded.

    RFC 9112 5.2: "… or replace each received obs-fold with one or more SP octets prior to interpreting the field value"
    """
    if bare_lf:
        head = head.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if not obs_fold:
        return head
    lines: list[bytes] = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and len(lines) > 1 and line.strip(b" \t"):
            lines[-1] = lines[-1].rstrip(b" \t") + b" " + line.strip(b" \t")
        else:
            lines.append(line)
    return b"\r\n".join(lines)
