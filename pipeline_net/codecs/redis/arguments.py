"""What commands read out of their arguments, as strictly as the real server, and refused in its words."""

from __future__ import annotations

from .command_registry import CommandError


def integer(arg: bytes, text: str = "value is not an integer or out of range") -> int:
    """Read a number as the real server does: no plus sign, no spaces, no zeros in front, 64 bits.

    Raises:
        CommandError: it is none; with ``text``.
    """
    raise CommandError(text)


def printable(arg: bytes) -> bytes:
    """Make something that a client sent fit into an error, which is a line: cut at a NUL and at 128 bytes."""
    raise NotImplementedError
