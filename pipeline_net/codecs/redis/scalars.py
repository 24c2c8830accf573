r"""What stands on a line of its own, and what a value says that is more than bytes.

::

    +OK\r\n     -ERR no\r\n     ,1.5\r\n     (18446744073709551616\r\n     =7\r\ntxt:abc\r\n     !6\r\nERR no\r\n

``float()`` and ``int()`` take more than the protocol does: spaces, underscores, ``infinity``, digits of other scripts.
So what they are given is looked at first.
"""

from __future__ import annotations

from typing import Any, Final

from ..._mypyc import i64, with_cause
from .messages import OK, PONG, QUEUED, RedisError, SimpleString, Verbatim
from .rules import BULK_ERROR, DOUBLE, ERROR, MINUS, NINE, PLUS, SIMPLE, VERBATIM, ZERO, refusal

_MAX_DIGITS: Final = 4300  # of a big number: what Python's int() takes, since longer ones cost quadratic time
_MAX_DOUBLE: Final = 400  # bytes; the longest that printf makes of a double without an exponent has 326

_BANG: Final = 33  # the first and the last byte of ASCII that can be seen
_TILDE: Final = 126
_SPACE: Final = 32
_DOT: Final = 46
_SMALL_E: Final = 101
_LARGE_E: Final = 69

_KNOWN: Final = {b"OK": OK, b"PONG": PONG, b"QUEUED": QUEUED}
_INFINITE: Final = float("inf")
_NAMED_DOUBLES: Final = {
    b"inf": _INFINITE,
    b"+inf": _INFINITE,
    b"-inf": -_INFINITE,
    b"nan": float("nan"),
    b"-nan": float("nan"),
}


def of_line(kind: i64, line: bytes) -> Any:
    """Make a message of a line's type byte and what follows it; the line end is not part of that.

    Raises:
        DecodeError: a number that is none.
    """
    if kind == SIMPLE:
        known = _KNOWN.get(line)
        return SimpleString(line) if known is None else known
    if kind == ERROR:
        return error_of(line)
    if kind == DOUBLE:
        return _double(line)
    return _big_number(line)


def of_bulk(kind: i64, data: bytes) -> Any:
    """Make a message of a value that is more than bytes.

    Raises:
        DecodeError: a verbatim string that does not say of which format it is.
    """
    if kind == BULK_ERROR:
        return error_of(data)
    assert kind == VERBATIM
    if len(data) < 4 or data[3] != 58 or b":" in data[:3]:
        raise refusal("invalid verbatim string", f"three bytes of a format and a colon are missing in {data[:8]!r}")
    return Verbatim(data[:3], data[4:])


def error_of(line: bytes) -> RedisError:
    """Split an error into its code and its text; one that does not begin with a word of ASCII has the code ``ERR``."""
    size: i64 = len(line)
    at: i64 = 0
    while at < size and _BANG <= line[at] <= _TILDE:
        at += 1
    if at == 0 or (at < size and line[at] != _SPACE):
        return RedisError("ERR", line)
    return RedisError(line[:at].decode("ascii"), line[at + 1 :])


def _double(line: bytes) -> float:
    size: i64 = len(line)
    at: i64 = _after_sign(line, 0)
    begin: i64 = at
    at = _after_digits(line, at)
    good = at > begin
    if good and at < size and line[at] == _DOT:
        at = _after_digits(line, at + 1)
    if good and at < size and (line[at] == _SMALL_E or line[at] == _LARGE_E):
        begin = _after_sign(line, at + 1)
        at = _after_digits(line, begin)
        good = at > begin
    if not good or at < size or size > _MAX_DOUBLE:
        named = _NAMED_DOUBLES.get(line)
        if named is not None:
            return named
        raise refusal("invalid double", f"expected a decimal number, inf or nan, not {line[:_MAX_DOUBLE]!r}")
    value = float(line)
    if value in (_INFINITE, -_INFINITE):
        raise refusal("invalid double", f"{line!r} is beyond the numbers of 64 bits")
    return value


def _big_number(line: bytes) -> int:
    size: i64 = len(line)
    begin: i64 = _after_sign(line, 0)
    if begin == size or _after_digits(line, begin) < size:
        raise refusal("invalid big number", f"expected a decimal number, not {line[:_MAX_DOUBLE]!r}")
    if size - begin > _MAX_DIGITS:
        raise refusal("too big number", f"a number of {size - begin} digits is over the limit of {_MAX_DIGITS}")
    try:
        return int(line)
    except ValueError as exc:  # somebody has lowered sys.set_int_max_str_digits()
        error = refusal("too big number", f"Python reads no number of {size - begin} digits here")
        raise with_cause(error, exc) from exc


def _after_sign(line: bytes, at: i64) -> i64:
    size: i64 = len(line)
    return at + 1 if at < size and (line[at] == MINUS or line[at] == PLUS) else at


def _after_digits(line: bytes, at: i64) -> i64:
    size: i64 = len(line)
    while at < size and ZERO <= line[at] <= NINE:
        at += 1
    return at
