"""What commands make of the words that clients send: numbers, options, and the errors for those that are none.

``float()`` takes blanks and underscores, which the real server does not; so a pattern looks first.  The floats of
INCRBYFLOAT have the 80 bits of a C ``long double`` there, which Python does not have: fractions, rounded to 64 bits
after each step, give the same digits.
"""

from __future__ import annotations

import math
import re
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1

_DECIMAL: Final = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")
_HEXADECIMAL: Final = re.compile(rb"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)([pP][+-]?[0-9]{1,9})?")
_INFINITE: Final = re.compile(rb"([+-]?)(inf|infinity)", re.IGNORECASE)
_MAX_FLOAT_LENGTH: Final = 5119  # characters; so the real server has it
_MAX_EXPONENT: Final = 4932  # of ten, in a long double
_MANTISSA: Final = 64  # bits of a long double
_MANY_DIGITS: Final = Context(prec=6000)

NOT_AN_INTEGER: Final = "value is not an integer or out of range"
NOT_A_FLOAT: Final = "value is not a valid float"


def syntax_error() -> redis.CommandError:
    return redis.CommandError("syntax error")


def wrong_type() -> redis.CommandError:
    return redis.CommandError("Operation against a key holding the wrong kind of value", "WRONGTYPE")


def wrong_arity(name: bytes) -> redis.CommandError:
    """For a command whose number of words the table cannot check."""
    return redis.CommandError(b"wrong number of arguments for '%b' command" % name.lower())


# -- integers -------------------------------------------------------------------------------------------


def in_range(arg: bytes, least: int, most: int = MAX_INTEGER, error: str = "") -> int:
    """Read a number between two others; ``error`` is what is said about anything else."""
    value = integer(arg, error or NOT_AN_INTEGER)
    if not least <= value <= most:
        raise redis.CommandError(error or f"value is out of range, value must between {least} and {most}")
    return value


def positive(arg: bytes) -> int:
    """Read a number from 0 on."""
    return in_range(arg, 0, error="value is out of range, must be positive")


def read_draw(args: redis.Command, word: bytes) -> tuple[int, bool]:
    """Read ``key count [word]``: how many to draw (negative: again and again), and whether the word was there."""
    count = in_range(args[2], -MAX_INTEGER)
    has_word = len(args) == 4 and args[3].upper() == word
    if len(args) > 3 and not has_word:
        raise syntax_error()
    if has_word and abs(count) > MAX_INTEGER // 2:
        raise redis.CommandError("value is out of range")
    return count, has_word


def checked_sum(value: int, amount: int) -> int:
    total = value + amount
    if not MIN_INTEGER <= total <= MAX_INTEGER:
        raise redis.CommandError("increment or decrement would overflow")
    return total


def clamp(start: int, stop: int, size: int) -> tuple[int, int]:
    """Turn the first and the last index, counted from the end if negative, into a Python range of ``size`` things."""
    begin = max(start + size, 0) if start < 0 else start
    end = (stop + size if stop < 0 else stop) + 1
    return begin, max(begin, min(end, size))


# -- floats ---------------------------------------------------------------------------------------------


def floating(arg: bytes, error: str = NOT_A_FLOAT) -> float:
    """Read a double as C's ``strtod`` does, which also takes ``inf`` and hexadecimal digits, but no ``nan``."""
    infinite = _INFINITE.fullmatch(arg)
    if infinite:
        return -math.inf if infinite[1] == b"-" else math.inf
    if len(arg) <= _MAX_FLOAT_LENGTH:
        value = math.inf
        found = _DECIMAL.fullmatch(arg)
        if found:
            value = float(arg)
        elif found := _HEXADECIMAL.fullmatch(arg):
            try:
                value = float.fromhex(arg.decode())
            except OverflowError:
                value = math.inf  # refused below, like every other number that is too large
        if found and math.isfinite(value) and (value != 0 or not re.search(rb"[1-9a-fA-F]", found[1])):
            return value
    raise redis.CommandError(error)


def long_double(arg: bytes, error: str = NOT_A_FLOAT) -> Fraction | float:
    """Read a number of 80 bits; infinity is a float."""
    if _INFINITE.fullmatch(arg):
        return floating(arg)
    if len(arg) <= _MAX_FLOAT_LENGTH and _DECIMAL.fullmatch(arg):
        number = Decimal(arg.decode())
        if not number or -_MAX_EXPONENT <= number.adjusted() <= _MAX_EXPONENT:
            return round_long(Fraction(number))
    elif _HEXADECIMAL.fullmatch(arg):
        return Fraction(floating(arg, error))
    raise redis.CommandError(error)


def round_long(value: Fraction) -> Fraction:
    """Round to the bits that a long double has."""
    if not value:
        return value
    spare = _MANTISSA - (abs(value.numerator).bit_length() - value.denominator.bit_length())
    unit = Fraction(1, 1 << spare) if spare >= 0 else Fraction(1 << -spare)
    if abs(value / unit) >= 1 << _MANTISSA:
        unit *= 2
    return round(value / unit) * unit


def add_long(value: Fraction | float, amount: Fraction | float) -> bytes:
    """Add two numbers of 80 bits; the sum as the real server shows it, with up to 17 digits after the point."""
    if isinstance(value, float) or isinstance(amount, float):
        raise redis.CommandError("increment would produce NaN or Infinity")
    total = round_long(value + amount)
    digits = _MANY_DIGITS.divide(Decimal(total.numerator), Decimal(total.denominator))
    text = format(digits, ".17f")
    text = text.rstrip("0").rstrip(".")
    return b"0" if text in ("-0", "") else text.encode()


def shown(value: float) -> bytes:
    """Write a double as the real server stores one: 17 digits, which give back the very same number."""
    return b"%.17g" % value
