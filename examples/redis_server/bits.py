"""Strings as rows of bits, the first bit being the highest of the first byte."""

from __future__ import annotations

from functools import reduce
from typing import Final

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

from .arguments import clamp, syntax_error
from .strings import MAX_LENGTH
from .table import Client, Group

command = Group("bitmap")

_NOT_A_BIT: Final = "bit is not an integer or out of range"
_NOT_AN_OFFSET: Final = "bit offset is not an integer or out of range"
_INVERTED: Final = bytes(255 - byte for byte in range(256))


def offset(arg: bytes) -> int:
    value = integer(arg, _NOT_AN_OFFSET)
    if not 0 <= value < MAX_LENGTH * 8:
        raise redis.CommandError(_NOT_AN_OFFSET)
    return value


@command("SETBIT", arity=4, flags="write denyoom", keys=(1, 1, 1), since="2.2.0")
def setbit(client: Client, args: redis.Command) -> redis.Reply:
    """Sets one bit, and says what it was."""
    at, bit = offset(args[2]), integer(args[3], _NOT_A_BIT)
    if bit not in (0, 1):
        raise redis.CommandError(_NOT_A_BIT)
    value = bytearray((client.db.string(args[1]) or b"").ljust(at // 8 + 1, b"\0"))
    mask = 0x80 >> at % 8
    old = value[at // 8] & mask
    value[at // 8] = value[at // 8] | mask if bit else value[at // 8] & ~mask
    client.db.replace(args[1], bytes(value))
    return int(old != 0)


@command("GETBIT", arity=3, flags="readonly fast", keys=(1, 1, 1), since="2.2.0")
def getbit(client: Client, args: redis.Command) -> redis.Reply:
    """Tells one bit."""
    at = offset(args[2])
    value = client.db.string(args[1]) or b""
    return value[at // 8] >> 7 - at % 8 & 1 if at // 8 < len(value) else 0


class Span:
    """Which bits of a value are meant by ``start``, ``end`` and ``BYTE`` or ``BIT``, as a number and its length."""

    def __init__(self, value: bytes, words: redis.Command) -> None:
        start, stop = integer(words[0]), integer(words[1]) if len(words) > 1 else -1
        unit = words[2].upper() if len(words) > 2 else b"BYTE"
        if unit not in (b"BYTE", b"BIT"):
            raise syntax_error()
        scale = 8 if unit == b"BYTE" else 1
        size = len(value) * 8 // scale
        begin, end = clamp(start, max(stop, -size), size)
        self.begin = begin * scale
        self.length = max(0, end - begin) * scale
        first, last = self.begin // 8, (self.begin + self.length + 7) // 8
        number = int.from_bytes(value[first:last], "big") >> (-(self.begin + self.length) % 8)
        self.number = number & (1 << self.length) - 1


@command("BITCOUNT", arity=-2, flags="readonly", keys=(1, 1, 1), since="2.6.0")
def bitcount(client: Client, args: redis.Command) -> redis.Reply:
    """Counts the bits that are set."""
    value = client.db.string(args[1])
    if value is None:
        return 0
    if len(args) == 3 or len(args) > 5:
        raise syntax_error()
    words = args[2:] or [b"0", b"-1"]
    start, stop = integer(words[0]), integer(words[1])
    return 0 if start < 0 and stop < 0 and start > stop else Span(value, words).number.bit_count()


@command("BITPOS", arity=-3, flags="readonly", keys=(1, 1, 1), since="2.8.7")
def bitpos(client: Client, args: redis.Command) -> redis.Reply:
    """Finds the first bit that is 0, or 1."""
    bit = integer(args[2])
    if bit not in (0, 1):
        raise redis.CommandError("The bit argument must be 1 or 0.")
    value = client.db.string(args[1])
    if value is None:
        return -1 if bit else 0
    if len(args) > 6:
        raise syntax_error()
    span = Span(value, args[3:] or [b"0"])
    if span.length == 0:
        return -1
    number = span.number if bit else span.number ^ (1 << span.length) - 1
    if number:
        return span.begin + span.length - number.bit_length()
    # To somebody who did not say where to end, the zeros go on to the right.
    return -1 if bit or len(args) > 4 else span.begin + span.length


@command("BITOP", arity=-4, flags="write denyoom", keys=(2, -1, 1), since="2.6.0")
def bitop(client: Client, args: redis.Command) -> redis.Reply:
    """Combines strings bit by bit, and stores the outcome."""
    operation, db = args[1].upper(), client.db
    if operation not in (b"AND", b"OR", b"XOR", b"NOT"):
        raise syntax_error()
    if operation == b"NOT" and len(args) != 4:
        raise redis.CommandError("BITOP NOT must be called with a single source key.")
    sources = [db.string(key) or b"" for key in args[3:]]
    size = max(map(len, sources))
    if size == 0:
        db.delete(args[2])
        return 0
    if operation == b"NOT":
        db.set(args[2], sources[0].translate(_INVERTED))
        return size
    numbers = [int.from_bytes(source.ljust(size, b"\0"), "big") for source in sources]
    if operation == b"AND":
        total = reduce(int.__and__, numbers)
    else:
        total = reduce(int.__or__ if operation == b"OR" else int.__xor__, numbers)
    db.set(args[2], total.to_bytes(size, "big"))
    return size
