"""Keys, whatever they hold."""

from __future__ import annotations

from collections import deque
from copy import copy
from typing import Final

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

from .arguments import in_range, syntax_error
from .sorted_set import SortedSet
from .store import TYPE_NAMES, Database, Hash, Set, Value
from .table import Client, Group

command = Group("generic")

_NO_KEY: Final = "no such key"
_NO_DATABASE: Final = "DB index is out of range"
_SMALL: Final = 128  # entries up to which the real server packs a hash or a sorted set into one block, …
_SHORT: Final = 64  # … if none of them has more bytes than this
_FEW_INTEGERS: Final = 512  # members up to which a set of nothing but integers is packed
_SHORT_STRING: Final = 44  # bytes of a string that stand beside its header


@command("DEL", arity=-2, flags="write", keys=(1, -1, 1), since="1.0.0")
@command("UNLINK", arity=-2, flags="write fast", keys=(1, -1, 1), since="4.0.0")
def del_(client: Client, args: redis.Command) -> redis.Reply:
    """Deletes keys."""
    return sum([client.db.delete(key) for key in args[1:]])


@command("EXISTS", arity=-2, flags="readonly fast", keys=(1, -1, 1), since="1.0.0")
@command("TOUCH", arity=-2, flags="readonly fast", keys=(1, -1, 1), since="3.2.1")
def exists(client: Client, args: redis.Command) -> redis.Reply:
    """Counts those of the keys that exist."""
    return sum([key in client.db.values for key in args[1:]])


@command("TYPE", arity=2, flags="readonly fast", keys=(1, 1, 1), since="1.0.0")
def type_(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the type of a value."""
    value = client.db.values.get(args[1])
    return redis.SimpleString("none" if value is None else TYPE_NAMES[type(value)])


@command("KEYS", arity=2, flags="readonly", since="1.0.0")
def keys(client: Client, args: redis.Command) -> redis.Reply:
    """Finds all keys that fit a pattern."""
    pattern = redis.KeyPattern(args[1])
    return [key for key in client.db.values if pattern.matches(key)]


@command("RANDOMKEY", arity=1, flags="readonly", since="1.0.0")
def randomkey(client: Client, args: redis.Command) -> redis.Reply:
    """Draws a key."""
    return client.db.draw() if client.db else None


@command("DBSIZE", arity=1, flags="readonly fast", since="1.0.0")
def dbsize(client: Client, args: redis.Command) -> redis.Reply:
    """Counts keys."""
    return len(client.db)


@command("FLUSHALL", arity=-1, flags="write", since="1.0.0")
@command("FLUSHDB", arity=-1, flags="write", since="1.0.0")
def flush(client: Client, args: redis.Command) -> redis.Reply:
    """Empties all databases, or this one."""
    if len(args) > 2 or (len(args) == 2 and args[1].upper() not in (b"SYNC", b"ASYNC")):
        raise syntax_error()
    for database in [client.db] if args[0].upper() == b"FLUSHDB" else client.store.databases:
        database.clear()
    return redis.OK


@Group("connection")("SELECT", arity=2, flags="loading stale fast", since="1.0.0")
def select(client: Client, args: redis.Command) -> redis.Reply:
    """Chooses a database."""
    index = in_range(args[1], -(2**31), 2**31 - 1)
    if not 0 <= index < len(client.store.databases):
        raise redis.CommandError(_NO_DATABASE)
    client.database = index
    client.find_database()
    return redis.OK


# -- under another name ---------------------------------------------------------------------------------


@command("RENAME", arity=3, flags="write", keys=(1, 2, 1), since="1.0.0")
def rename(client: Client, args: redis.Command) -> redis.Reply:
    """Gives a key another name."""
    if args[1] not in client.db.values:
        raise redis.CommandError(_NO_KEY)
    move(client.db, args[1], client.db, args[2])
    return redis.OK


@command("RENAMENX", arity=3, flags="write fast", keys=(1, 2, 1), since="1.0.0")
def renamenx(client: Client, args: redis.Command) -> redis.Reply:
    """Gives a key a name that is free."""
    if args[1] not in client.db.values:
        raise redis.CommandError(_NO_KEY)
    if args[2] in client.db.values:
        return 0
    move(client.db, args[1], client.db, args[2])
    return 1


@command("MOVE", arity=3, flags="write fast", keys=(1, 1, 1), since="1.0.0")
def move_(client: Client, args: redis.Command) -> redis.Reply:
    """Moves a key to another database."""
    target = database(client, args[2])
    if target is client.db:
        raise redis.CommandError("source and destination objects are the same")
    if args[1] not in client.db.values or args[1] in target.values:
        return 0
    move(client.db, args[1], target, args[1])
    return 1


@command("COPY", arity=-3, flags="write denyoom", keys=(1, 2, 1), since="6.2.0")
def copy_(client: Client, args: redis.Command) -> redis.Reply:
    """Copies a value to another key."""
    source, target, may_replace = client.db, client.db, False
    words = iter(args[3:])
    for word in words:
        if word.upper() == b"REPLACE":
            may_replace = True
        elif word.upper() == b"DB" and (index := next(words, None)) is not None:
            target = database(client, index)
        else:
            raise syntax_error()
    if source is target and args[1] == args[2]:
        raise redis.CommandError("source and destination objects are the same")
    value = source.values.get(args[1])
    if value is None or (args[2] in target.values and not may_replace):
        return 0
    put(target, args[2], duplicate(value), source.ends.get(args[1]))
    return 1


@command("SWAPDB", arity=3, flags="write fast", since="4.0.0")
def swapdb(client: Client, args: redis.Command) -> redis.Reply:
    """Exchanges two databases."""
    first = integer(args[1], "invalid first DB index")
    second = integer(args[2], "invalid second DB index")
    if not (0 <= first < len(client.store.databases) and 0 <= second < len(client.store.databases)):
        raise redis.CommandError(_NO_DATABASE)
    client.store.swap(first, second)
    client.find_database()
    for other in client.state.all_sessions():
        assert isinstance(other, Client)
        other.find_database()
    return redis.OK


def database(client: Client, arg: bytes) -> Database:
    index = in_range(arg, -(2**31), 2**31 - 1)
    if not 0 <= index < len(client.store.databases):
        raise redis.CommandError(_NO_DATABASE)
    return client.store.databases[index]


def move(source: Database, key: bytes, target: Database, name: bytes) -> None:
    """Let ``name`` be what ``key`` was, with its end; ``key`` is gone, unless it is the same."""
    if source is target and key == name:
        return
    value, moment = source.values[key], source.ends.get(key)
    source.delete(key)
    put(target, name, value, moment)


def put(target: Database, name: bytes, value: Value, moment: int | None) -> None:
    target.set(name, value)
    if moment is not None:
        target.take_over_end(name, moment)


def duplicate(value: Value) -> Value:
    """Make another value with the same in it."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, deque):
        return copy(value)
    if isinstance(value, Hash):
        fields = Hash()
        fields.values.update(value.values)
        return fields
    if isinstance(value, Set):
        members = Set()
        members.values.update(value.values)
        return members
    ranked = SortedSet()
    for member, score in value.values.items():
        ranked.put(member, score)
    return ranked


# -- OBJECT ---------------------------------------------------------------------------------------------


@command("OBJECT ENCODING", arity=3, flags="readonly", keys=(2, 2, 1), since="2.2.3")
def object_encoding(client: Client, args: redis.Command) -> redis.Reply:
    """Tells how a value is stored."""
    value = client.db.values.get(args[2])
    return None if value is None else encoding(value)


def encoding(value: Value) -> bytes:
    """Say how the real server would have stored a value that was put there at once.

    There, what has grown stays as it is when it shrinks; here nothing is stored differently, so nothing remembers.
    """
    if isinstance(value, bytes):
        try:
            integer(value)
            return b"int"
        except redis.CommandError:
            return b"embstr" if len(value) <= _SHORT_STRING else b"raw"
    if isinstance(value, deque):
        return b"quicklist"
    if isinstance(value, Set):
        return b"intset" if len(value) <= _FEW_INTEGERS and all(map(is_integer, value.values)) else b"hashtable"
    pieces = [*value.values, *value.values.values()] if isinstance(value, Hash) else list(value.values)
    if len(value) <= _SMALL and all(len(piece) <= _SHORT for piece in pieces):
        return b"listpack"
    return b"hashtable" if isinstance(value, Hash) else b"skiplist"


def is_integer(member: bytes) -> bool:
    try:
        integer(member)
    except redis.CommandError:
        return False
    return True


@command("OBJECT REFCOUNT", arity=3, flags="readonly", keys=(2, 2, 1), since="2.2.3")
def object_refcount(client: Client, args: redis.Command) -> redis.Reply:
    """Tells how often a value is used."""
    return None if args[2] not in client.db.values else 1


@command("OBJECT IDLETIME", arity=3, flags="readonly", keys=(2, 2, 1), since="2.2.3")
def object_idletime(client: Client, args: redis.Command) -> redis.Reply:
    """Tells for how long nobody looked at a value."""
    return None if args[2] not in client.db.values else 0
