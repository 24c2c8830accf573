"""How long keys live: the EXPIRE family, and the options EX, PX, EXAT and PXAT of other commands.

Inside, an end is a moment, in milliseconds since 1970.  So it is in the append-only file: a length of time would begin
again whenever the file is read.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

from .arguments import MAX_INTEGER, MIN_INTEGER, syntax_error
from .store import Store
from .table import Client, Group

command = Group("generic")

_UNITS: Final = (b"EX", b"PX", b"EXAT", b"PXAT")


def invalid(name: str) -> redis.CommandError:
    return redis.CommandError(f"invalid expire time in '{name}' command")


@frozen
class Lifetime:
    """``EX 60``, or one of its siblings, as somebody wrote it; no unit if nobody did."""

    unit: bytes = b""
    amount: bytes = b""

    def moment(self, store: Store, name: str) -> int:
        """When it ends; it must lie in 64 bits, and not before 1970.

        Raises:
            CommandError: it does not.
        """
        amount = integer(self.amount)
        if self.unit in (b"EX", b"EXAT"):
            amount *= 1000
        if not 0 < amount <= MAX_INTEGER:
            raise invalid(name)
        if self.unit in (b"EX", b"PX"):
            amount += store.now()
        if amount > MAX_INTEGER:
            raise invalid(name)
        return amount


def read_lifetime(
    words: redis.Command, *flags: bytes, exclusive: tuple[bytes, ...] = ()
) -> tuple[Lifetime, set[bytes]]:
    """Read options, of which at most one says how long a key lives; of those in ``exclusive``, too, at most one.

    Returns:
        The lifetime, and the other options that were there.
    """
    lifetime, found = Lifetime(), set[bytes]()
    timing = {b"KEEPTTL", b"PERSIST"}
    at = 0
    while at < len(words):
        option = words[at].upper()
        at += 1
        if option in _UNITS and at < len(words) and lifetime.unit in (b"", option) and not found & timing:
            lifetime = Lifetime(option, words[at])
            at += 1
        elif (
            option in flags
            and not (option in timing and lifetime.unit)
            and not (option in exclusive and any(other in found for other in exclusive if other != option))
        ):
            found.add(option)
        else:
            raise syntax_error()
    return lifetime, found


# -- the EXPIRE family ----------------------------------------------------------------------------------


@command("EXPIRE", arity=-3, flags="write fast", keys=(1, 1, 1), since="1.0.0")
def expire(client: Client, args: redis.Command) -> redis.Reply:
    """Lets a key live for so many seconds."""
    return expire_at(client, args, client.store.now(), 1000)


@command("PEXPIRE", arity=-3, flags="write fast", keys=(1, 1, 1), since="2.6.0")
def pexpire(client: Client, args: redis.Command) -> redis.Reply:
    """Lets a key live for so many milliseconds."""
    return expire_at(client, args, client.store.now(), 1)


@command("EXPIREAT", arity=-3, flags="write fast", keys=(1, 1, 1), since="1.2.0")
def expireat(client: Client, args: redis.Command) -> redis.Reply:
    """Lets a key live until a second."""
    return expire_at(client, args, 0, 1000)


@command("PEXPIREAT", arity=-3, flags="write fast", keys=(1, 1, 1), since="2.6.0")
def pexpireat(client: Client, args: redis.Command) -> redis.Reply:
    """Lets a key live until a millisecond."""
    return expire_at(client, args, 0, 1)


def expire_at(client: Client, args: redis.Command, since: int, unit: int) -> redis.Reply:
    db, key = client.db, args[1]
    options = read_conditions(args[3:])
    moment = integer(args[2]) * unit
    if not MIN_INTEGER <= moment <= MAX_INTEGER or not MIN_INTEGER <= moment + since <= MAX_INTEGER:
        raise invalid(args[0].decode("latin-1").lower())
    moment += since
    if key not in db.values or not allows(options, db.ends.get(key), moment):
        return 0
    client.propagate([b"PEXPIREAT", key, b"%d" % moment])
    client.end_at(key, moment)
    return 1


def read_conditions(words: redis.Command) -> set[bytes]:
    options = set[bytes]()
    for word in words:
        if word.upper() not in (b"NX", b"XX", b"GT", b"LT"):
            raise redis.CommandError(b"Unsupported option %b" % redis.printable(word))
        options.add(word.upper())
    if b"NX" in options and len(options) > 1:
        raise redis.CommandError("NX and XX, GT or LT options at the same time are not compatible")
    if {b"GT", b"LT"} <= options:
        raise redis.CommandError("GT and LT options at the same time are not compatible")
    return options


def allows(options: set[bytes], present: int | None, moment: int) -> bool:
    """Whether an end may be replaced; a key without one lives for ever."""
    if present is None:
        return not options & {b"XX", b"GT"}
    if b"NX" in options or (b"GT" in options and moment <= present):
        return False
    return b"LT" not in options or moment < present


@command("TTL", arity=2, flags="readonly fast", keys=(1, 1, 1), since="1.0.0")
def ttl(client: Client, args: redis.Command) -> redis.Reply:
    """Tells how many seconds a key has left."""
    left = client.db.milliseconds_left(args[1])
    return left if left < 0 else (left + 500) // 1000


@command("PTTL", arity=2, flags="readonly fast", keys=(1, 1, 1), since="2.6.0")
def pttl(client: Client, args: redis.Command) -> redis.Reply:
    """Tells how many milliseconds a key has left."""
    return client.db.milliseconds_left(args[1])


@command("EXPIRETIME", arity=2, flags="readonly fast", keys=(1, 1, 1), since="7.0.0")
def expiretime(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the second in which a key ends."""
    moment = client.db.end_of(args[1])
    return moment if moment < 0 else (moment + 500) // 1000


@command("PEXPIRETIME", arity=2, flags="readonly fast", keys=(1, 1, 1), since="7.0.0")
def pexpiretime(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the millisecond in which a key ends."""
    return client.db.end_of(args[1])


@command("PERSIST", arity=2, flags="write fast", keys=(1, 1, 1), since="2.2.0")
def persist(client: Client, args: redis.Command) -> redis.Reply:
    """Lets a key live for ever."""
    return int(client.db.persist(args[1]))
