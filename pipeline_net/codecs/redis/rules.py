"""What is refused, and how that is said; what is the same for all that reads RESP."""

from __future__ import annotations

from typing import Final

from ..._mypyc import i64
from ...errors import DecodeError

# Bytes, as indexing gives them.
CR: Final = 13
LF: Final = 10
ZERO: Final = 48
NINE: Final = 57
MINUS: Final = 45
PLUS: Final = 43

# The type bytes of both versions of the protocol.
SIMPLE: Final = 43  # +
ERROR: Final = 45  # -
INTEGER: Final = 58  # :
BULK: Final = 36  # $
ARRAY: Final = 42  # *
NOTHING: Final = 95  # _
BOOLEAN: Final = 35  # #
DOUBLE: Final = 44  # ,
BIG_NUMBER: Final = 40  # (
BULK_ERROR: Final = 33  # !
VERBATIM: Final = 61  # =
MAP: Final = 37  # %
SET: Final = 126  # ~
PUSH: Final = 62  # >
ATTRIBUTE: Final = 124  # |
CHUNK: Final = 59  # ;
END: Final = 46  # .

MAX_LIMIT: Final = 2**58  # ten times that, and a digit, still fits the 64 bits that lengths are counted with

# What Lengths.read says instead of a length.
UNFINISHED: Final = -1  # its line is not all there
ABSENT: Final = -2  # "-1": a null of RESP2
STREAMED: Final = -3  # "?": only its end will tell

# The quotient and the last digits of the greatest and the least number of 64 bits.
_TENTH: Final = 922337203685477580
_LAST: Final = 7
_LAST_NEGATIVE: Final = 8

_QUESTION: Final = 63
_TRUE: Final = 116
_FALSE: Final = 102


def checked(name: str, limit: int, least: int = 1) -> int:
    """Return a limit that somebody passed, if it is one."""
    if not least <= limit <= MAX_LIMIT:
        raise ValueError(f"{name} must be from {least} to {MAX_LIMIT}, but is {limit!r}")
    return limit


def refusal(rule: str, details: str) -> DecodeError:
    """Make the error for bytes that break a rule; ``reply`` is what a server answers to them."""
    return DecodeError(f"{rule}: {details}", reply=b"-ERR Protocol error: %b\r\n" % rule.encode("latin-1"))


def unended() -> DecodeError:
    return refusal("invalid bulk length", "a value of that length is not followed by \\r\\n")


def ends_line(data: bytes, first: i64, close: i64, end: i64) -> bool:
    """Whether the line end at ``close`` is all there; another byte there is refused."""
    if (close < end and data[close] != CR) or (close + 1 < end and data[close + 1] != LF):
        raise refusal("expected a line end", f"{data[first : close + 2]!r} goes on")
    return close + 1 < end


def is_true(data: bytes, at: i64) -> bool:
    """Read the ``t`` or ``f`` of a boolean."""
    if data[at] != _TRUE and data[at] != _FALSE:
        raise refusal("invalid boolean", f"expected t or f, not {data[at : at + 1]!r}")
    return data[at] == _TRUE


class Lengths:
    """Reads the numbers in front of things; where one ends is left in ``after``.

    A number is refused at its first wrong byte.  So no line of digits is ever buffered.  ``int()`` would take spaces,
    underscores, plus signs and any length; RESP takes none of those here.
    """

    def __init__(self) -> None:
        self.after: i64 = 0

    def read(self, data: bytes, first: i64, end: i64, limit: i64) -> i64:
        """Read the length and the line end at ``first``; or ``UNFINISHED``, ``ABSENT``, ``STREAMED``."""
        at: i64 = first
        value: i64 = 0
        byte: i64
        while at < end:
            byte = data[at]
            if ZERO <= byte <= NINE:
                value = value * 10 + byte - ZERO
                if value > limit or (at > first and data[first] == ZERO):
                    raise _wrong_length(data, first, at + 1, limit)
                at += 1
            elif byte == CR and at > first:
                if at + 1 == end:
                    return UNFINISHED
                if data[at + 1] != LF:
                    raise _wrong_length(data, first, at + 2, limit)
                self.after = at + 2
                return value
            else:
                return self._special(data, first, at, end, limit)
        return UNFINISHED

    def _special(self, data: bytes, first: i64, at: i64, end: i64, limit: i64) -> i64:
        """Read ``-1`` or ``?``, the only other things that may stand there."""
        if at == first and data[at] == MINUS:
            expected = b"-1\r\n"
            value: i64 = ABSENT
        elif at == first and data[at] == _QUESTION:
            expected = b"?\r\n"
            value = STREAMED
        else:
            raise _wrong_length(data, first, at + 1, limit)
        step: i64 = 0
        size: i64 = len(expected)
        while step < size:
            if first + step == end:
                return UNFINISHED
            if data[first + step] != expected[step]:
                raise _wrong_length(data, first, first + step + 1, limit)
            step += 1
        self.after = first + size
        return value

    def read_integer(self, data: bytes, first: i64, end: i64) -> i64:
        """Read a number of 64 bits with its sign; ``after`` is ``UNFINISHED`` if its line is not all there."""
        at: i64 = first
        value: i64 = 0  # negative, because the least number has no positive twin in 64 bits
        negative = False
        byte: i64 = data[at] if at < end else ZERO
        if byte in (MINUS, PLUS):
            negative = byte == MINUS
            at += 1
        digits: i64 = at
        self.after = UNFINISHED
        while at < end:
            byte = data[at] - ZERO
            if 0 <= byte <= 9:
                if value < -_TENTH or (value == -_TENTH and byte > (_LAST_NEGATIVE if negative else _LAST)):
                    raise _wrong_integer(data, first, at + 1)
                if at > digits and value == 0:
                    raise _wrong_integer(data, first, at + 1)
                value = value * 10 - byte
                at += 1
            elif data[at] == CR and at > digits and not (negative and value == 0):
                if at + 1 < end:
                    if data[at + 1] != LF:
                        raise _wrong_integer(data, first, at + 2)
                    self.after = at + 2
                    return value if negative else -value
                break
            else:
                raise _wrong_integer(data, first, at + 1)
        return 0


def _wrong_length(data: bytes, first: i64, end: i64, limit: i64) -> DecodeError:
    what = data[first - 1 : first]
    rule = "invalid multibulk length" if what in (b"*", b"~", b"%", b">", b"|") else "invalid bulk length"
    return refusal(rule, f"expected a decimal number up to {limit}, not {data[first:end]!r}")


def _wrong_integer(data: bytes, first: i64, end: i64) -> DecodeError:
    return refusal("invalid integer", f"expected a decimal number of 64 bits, not {data[first:end]!r}")
