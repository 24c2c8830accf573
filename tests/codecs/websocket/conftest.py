"""Frames made by hand, independently of the encoder."""

from __future__ import annotations

from collections.abc import Callable

import pytest

FrameMaker = Callable[..., bytes]


def make_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    key: bytes | None = b"\x11\x22\x33\x44",
    length: bytes | None = None,
) -> bytes:
    """A frame from a client; ``key=None`` for one from a server; ``length`` for lengths that are wrong."""
    size = len(payload)
    if length is None:
        if size < 126:
            length = bytes([size])
        elif size < 65536:
            length = b"\x7e" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
    first = bytes([fin << 7 | rsv << 4 | opcode])
    if key is None:
        return first + length + payload
    masked = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
    return first + bytes([length[0] | 0x80]) + length[1:] + key + masked


@pytest.fixture(scope="session")
def frame() -> FrameMaker:
    return make_frame
