"""What commands read out of their arguments, as strictly as the real server, and refused in its words."""

from __future__ import annotations

from typing import Final

from ..._mypyc import i64
from .command_registry import CommandEntry, CommandError
from .messages import Command

_MIN_INTEGER: Final = -(2**63)
_MAX_INTEGER: Final = 2**63 - 1
_LONGEST_INTEGER: Final = 20  # bytes: a sign and 19 digits
_ZERO: Final = 48
_NINE: Final = 57
_MINUS: Final = 45

_SHOWN: Final = 128  # bytes of what a client sent that are repeated in an error
_BLANKS: Final = bytes.maketrans(b"\r\n", b"  ")


def integer(arg: bytes, text: str = "value is not an integer or out of range") -> int:
    """Read a number as the real server does: no plus sign, no spaces, no zeros in front, 64 bits.

    Raises:
        CommandError: it is none; with ``text``.
    """
    size: i64 = len(arg)
    first: i64 = 1 if size > 1 and arg[0] == _MINUS else 0
    if size == 0 or size > _LONGEST_INTEGER or (arg[first] == _ZERO and size > 1):
        raise CommandError(text)
    at: i64 = first
    while at < size:
        if not _ZERO <= arg[at] <= _NINE:
            raise CommandError(text)
        at += 1
    value = int(arg)
    if not _MIN_INTEGER <= value <= _MAX_INTEGER:
        raise CommandError(text)
    return value


def small_integer(arg: bytes) -> int:
    """Read a number of 32 bits.

    Raises:
        CommandError: it is none, or a larger one.
    """
    value = integer(arg)
    if not -(2**31) <= value < 2**31:
        raise CommandError("value is out of range, value must between -2147483648 and 2147483647")
    return value


def printable(arg: bytes, most: int = _SHOWN) -> bytes:
    """Make something that a client sent fit into an error, which is a line: cut at a NUL and at 128 bytes."""
    return arg.partition(b"\0")[0][:most].translate(_BLANKS)


def unknown_command(args: Command) -> CommandError:
    """Make the error for a command that is in no table."""
    shown = b""
    for arg in args[1:]:
        if len(shown) >= _SHOWN:
            break
        shown += b"'%b' " % printable(arg, _SHOWN - len(shown))
    return CommandError(b"unknown command '%b', with args beginning with: %b" % (printable(args[0]), shown))


def unknown_subcommand(args: Command) -> CommandError:
    """Make the error for a subcommand that its container has not."""
    return CommandError(
        b"unknown subcommand '%b'. Try %b HELP." % (printable(args[1]), args[0].translate(_BLANKS).upper())
    )


def bad_subcommand(args: Command) -> CommandError:
    """Make the error for a subcommand that knows only when it runs how many words it takes."""
    return CommandError(
        b"unknown subcommand or wrong number of arguments for '%b'. Try %b HELP."
        % (printable(args[1]), args[0].translate(_BLANKS).upper())
    )


def wrong_arity(entry: CommandEntry) -> CommandError:
    """Make the error for a command with too few or too many words."""
    return CommandError(f"wrong number of arguments for '{entry.name}' command")


def syntax_error() -> CommandError:
    """Make the error for options that make no sense."""
    return CommandError("syntax error")
