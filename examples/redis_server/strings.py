"""Strings: GET, SET and their kin, and counters."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

from .arguments import MIN_INTEGER, add_long, checked_sum, clamp, long_double, wrong_arity, wrong_type
from .lifetimes import Lifetime, read_lifetime
from .table import Client, Group

MAX_LENGTH: Final = 64 * 1024 * 1024  # bytes of a string; the decoder takes no longer ones either

command = Group("string")


def check_length(length: int) -> None:
    if length > MAX_LENGTH:
        raise redis.CommandError("string exceeds maximum allowed size (proto-max-bulk-len)")


# -- reading --------------------------------------------------------------------------------------------


@command("GET", arity=2, flags="readonly fast", keys=(1, 1, 1), since="1.0.0")
def get(client: Client, args: redis.Command) -> redis.Reply:
    """Tells a string."""
    value = client.db.values.get(args[1])
    if value is None or type(value) is bytes:
        return value
    raise wrong_type()


@command("MGET", arity=-2, flags="readonly fast", keys=(1, -1, 1), since="1.0.0")
def mget(client: Client, args: redis.Command) -> redis.Reply:
    """Tells several strings."""
    values = client.db.values
    found = [values.get(key) for key in args[1:]]
    return [value if type(value) is bytes else None for value in found]


@command("STRLEN", arity=2, flags="readonly fast", keys=(1, 1, 1), since="2.2.0")
def strlen(client: Client, args: redis.Command) -> redis.Reply:
    """Measures a string."""
    return len(client.db.string(args[1]) or b"")


@command("GETRANGE", arity=4, flags="readonly", keys=(1, 1, 1), since="2.4.0")
@command("SUBSTR", arity=4, flags="readonly", keys=(1, 1, 1), since="1.0.0")
def getrange(client: Client, args: redis.Command) -> redis.Reply:
    """Tells a part of a string."""
    start, stop = integer(args[2]), integer(args[3])
    value = client.db.string(args[1]) or b""
    if start < 0 and stop < 0 and start > stop:
        return b""
    begin, end = clamp(start, max(stop, -len(value)), len(value))
    return value[begin:end]


# -- writing --------------------------------------------------------------------------------------------


@command("SET", arity=-3, flags="write denyoom", keys=(1, 1, 1), since="1.0.0")
def set_(client: Client, args: redis.Command) -> redis.Reply:
    """Sets a string."""
    if len(args) == 3:
        client.db.set(args[1], args[2])
        return redis.OK
    return set_with_options(client, args)


def set_with_options(client: Client, args: redis.Command) -> redis.Reply:
    db = client.db
    _, key, value, *words = args
    lifetime, others = read_lifetime(words, b"NX", b"XX", b"GET", b"KEEPTTL", exclusive=(b"NX", b"XX"))
    moment = lifetime.moment(client.store, "set") if lifetime.unit else None
    old = db.string(key) if b"GET" in others else None
    if key in db.values if b"NX" in others else b"XX" in others and key not in db.values:
        return old
    if b"KEEPTTL" in others:
        db.replace(key, value)
    else:
        db.set(key, value)
    if moment is not None:
        client.propagate([b"SET", key, value, b"PXAT", b"%d" % moment])
        client.end_at(key, moment)
    return old if b"GET" in others else redis.OK


@command("SETEX", arity=4, flags="write denyoom", keys=(1, 1, 1), since="2.0.0")
@command("PSETEX", arity=4, flags="write denyoom", keys=(1, 1, 1), since="2.6.0")
def setex(client: Client, args: redis.Command) -> redis.Reply:
    """Sets a string that ends."""
    name = args[0].decode("latin-1").lower()
    moment = Lifetime(b"EX" if name == "setex" else b"PX", args[2]).moment(client.store, name)
    client.db.set(args[1], args[3])
    client.propagate([b"SET", args[1], args[3], b"PXAT", b"%d" % moment])
    client.end_at(args[1], moment)
    return redis.OK


@command("SETNX", arity=3, flags="write denyoom fast", keys=(1, 1, 1), since="1.0.0")
def setnx(client: Client, args: redis.Command) -> redis.Reply:
    """Sets a string where nothing is."""
    if args[1] in client.db.values:
        return 0
    client.db.set(args[1], args[2])
    return 1


@command("GETSET", arity=3, flags="write denyoom fast", keys=(1, 1, 1), since="1.0.0")
def getset(client: Client, args: redis.Command) -> redis.Reply:
    """Sets a string, and tells the one before."""
    old = client.db.string(args[1])
    client.db.set(args[1], args[2])
    return old


@command("GETDEL", arity=2, flags="write fast", keys=(1, 1, 1), since="6.2.0")
def getdel(client: Client, args: redis.Command) -> redis.Reply:
    """Tells a string, and deletes it."""
    old = client.db.string(args[1])
    client.propagate([b"DEL", args[1]])
    client.db.delete(args[1])
    return old


@command("GETEX", arity=-2, flags="write fast", keys=(1, 1, 1), since="6.2.0")
def getex(client: Client, args: redis.Command) -> redis.Reply:
    """Tells a string, and changes when it ends."""
    db, key = client.db, args[1]
    lifetime, others = read_lifetime(args[2:], b"PERSIST")
    value = db.string(key)
    if value is None:
        return None
    if lifetime.unit:
        moment = lifetime.moment(client.store, "getex")
        client.propagate([b"PEXPIREAT", key, b"%d" % moment])
        client.end_at(key, moment)
    elif b"PERSIST" in others:
        client.propagate([b"PERSIST", key])
        db.persist(key)
    return value


@command("MSET", arity=-3, flags="write denyoom", keys=(1, -1, 2), since="1.0.1")
def mset(client: Client, args: redis.Command) -> redis.Reply:
    """Sets several strings."""
    if len(args) % 2 == 0:
        raise wrong_arity(b"mset")
    for key, value in zip(args[1::2], args[2::2], strict=True):
        client.db.set(key, value)
    return redis.OK


@command("MSETNX", arity=-3, flags="write denyoom", keys=(1, -1, 2), since="1.0.1")
def msetnx(client: Client, args: redis.Command) -> redis.Reply:
    """Sets several strings where nothing is."""
    if len(args) % 2 == 0:
        raise wrong_arity(b"msetnx")
    if any(key in client.db.values for key in args[1::2]):
        return 0
    mset(client, [b"MSET", *args[1:]])
    return 1


@command("APPEND", arity=3, flags="write denyoom fast", keys=(1, 1, 1), since="2.0.0")
def append(client: Client, args: redis.Command) -> redis.Reply:
    """Adds to the end of a string."""
    old = client.db.string(args[1]) or b""
    check_length(len(old) + len(args[2]))
    client.db.replace(args[1], old + args[2])
    return len(old) + len(args[2])


@command("SETRANGE", arity=4, flags="write denyoom", keys=(1, 1, 1), since="2.2.0")
def setrange(client: Client, args: redis.Command) -> redis.Reply:
    """Overwrites a part of a string."""
    at, piece = integer(args[2]), args[3]
    if at < 0:
        raise redis.CommandError("offset is out of range")
    old = client.db.string(args[1]) or b""
    if not piece:
        return len(old)
    check_length(at + len(piece))
    client.db.replace(args[1], old[:at].ljust(at, b"\0") + piece + old[at + len(piece) :])
    return max(len(old), at + len(piece))


# -- counting -------------------------------------------------------------------------------------------


def add(client: Client, key: bytes, amount: int) -> redis.Reply:
    value = client.db.string(key)
    total = checked_sum(0 if value is None else integer(value), amount)
    client.db.replace(key, b"%d" % total)
    return total


@command("INCR", arity=2, flags="write denyoom fast", keys=(1, 1, 1), since="1.0.0")
def incr(client: Client, args: redis.Command) -> redis.Reply:
    """Adds one."""
    return add(client, args[1], 1)


@command("DECR", arity=2, flags="write denyoom fast", keys=(1, 1, 1), since="1.0.0")
def decr(client: Client, args: redis.Command) -> redis.Reply:
    """Takes one away."""
    return add(client, args[1], -1)


@command("INCRBY", arity=3, flags="write denyoom fast", keys=(1, 1, 1), since="1.0.0")
def incrby(client: Client, args: redis.Command) -> redis.Reply:
    """Adds an integer."""
    return add(client, args[1], integer(args[2]))


@command("DECRBY", arity=3, flags="write denyoom fast", keys=(1, 1, 1), since="1.0.0")
def decrby(client: Client, args: redis.Command) -> redis.Reply:
    """Takes an integer away."""
    amount = integer(args[2])
    if amount == MIN_INTEGER:
        raise redis.CommandError("decrement would overflow")
    return add(client, args[1], -amount)


@command("INCRBYFLOAT", arity=3, flags="write denyoom fast", keys=(1, 1, 1), since="2.6.0")
def incrbyfloat(client: Client, args: redis.Command) -> redis.Reply:
    """Adds a number with a fraction."""
    value = client.db.string(args[1])
    total = add_long(Fraction(0) if value is None else long_double(value), long_double(args[2]))
    client.db.replace(args[1], total)
    client.propagate([b"SET", args[1], total, b"KEEPTTL"])
    return total
