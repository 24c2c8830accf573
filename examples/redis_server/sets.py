"""Sets, and what two or more of them have in common."""

from __future__ import annotations

from functools import reduce

from pipeline_net.codecs import redis

from .arguments import MAX_INTEGER, in_range, positive, syntax_error
from .store import Database, Set
from .table import Client, Group

command = Group("set")


@command("SADD", arity=-3, flags="write denyoom fast", keys=(1, 1, 1), since="1.0.0")
def sadd(client: Client, args: redis.Command) -> redis.Reply:
    """Adds members to a set."""
    members = client.db.find_or_make(args[1], Set)
    added = sum([members.put(member, None) for member in args[2:]])
    if added:
        client.db.changed(args[1])
    return added


@command("SREM", arity=-3, flags="write fast", keys=(1, 1, 1), since="1.0.0")
def srem(client: Client, args: redis.Command) -> redis.Reply:
    """Removes members."""
    members = client.db.find(args[1], Set)
    if members is None:
        return 0
    removed = sum([members.remove(member) for member in args[2:]])
    if removed:
        client.db.shrunk(args[1], members)
    return removed


@command("SMOVE", arity=4, flags="write fast", keys=(1, 2, 1), since="1.0.0")
def smove(client: Client, args: redis.Command) -> redis.Reply:
    """Moves a member to another set."""
    db, member = client.db, args[3]
    if args[1] not in db.values:
        return 0
    source, target = db.find(args[1], Set), db.find(args[2], Set)
    if source is None or source is target:
        return int(source is not None and member in source.values)
    if not source.remove(member):
        return 0
    db.shrunk(args[1], source)
    db.find_or_make(args[2], Set).put(member, None)
    db.changed(args[2])
    return 1


@command("SCARD", arity=2, flags="readonly fast", keys=(1, 1, 1), since="1.0.0")
def scard(client: Client, args: redis.Command) -> redis.Reply:
    """Counts members."""
    members = client.db.find(args[1], Set)
    return 0 if members is None else len(members)


@command("SISMEMBER", arity=3, flags="readonly fast", keys=(1, 1, 1), since="1.0.0")
def sismember(client: Client, args: redis.Command) -> redis.Reply:
    """Tells whether something is a member."""
    members = client.db.find(args[1], Set)
    return int(members is not None and args[2] in members.values)


@command("SMISMEMBER", arity=-3, flags="readonly fast", keys=(1, 1, 1), since="6.2.0")
def smismember(client: Client, args: redis.Command) -> redis.Reply:
    """Tells of several whether they are members."""
    members = client.db.find(args[1], Set)
    return [int(members is not None and member in members.values) for member in args[2:]]


@command("SMEMBERS", arity=2, flags="readonly", keys=(1, 1, 1), since="1.0.0")
def smembers(client: Client, args: redis.Command) -> redis.Reply:
    """Tells all members."""
    members = client.db.find(args[1], Set)
    return set() if members is None else set(members.values)


@command("SPOP", arity=-2, flags="write fast", keys=(1, 1, 1), since="1.0.0")
def spop(client: Client, args: redis.Command) -> redis.Reply:
    """Draws members, and removes them."""
    if len(args) > 3:
        raise syntax_error()
    count = positive(args[2]) if len(args) == 3 else 1
    members = client.db.find(args[1], Set)
    drawn = [] if members is None else members.draw_many(count)
    if members is not None and drawn:
        for member in drawn:
            members.remove(member)
        client.db.shrunk(args[1], members)
        client.propagate([b"SREM", args[1], *drawn])
    if len(args) == 3:
        return set(drawn)
    return drawn[0] if drawn else None


@command("SRANDMEMBER", arity=-2, flags="readonly", keys=(1, 1, 1), since="1.0.0")
def srandmember(client: Client, args: redis.Command) -> redis.Reply:
    """Draws members."""
    if len(args) > 3:
        raise syntax_error()
    if len(args) == 2:
        members = client.db.find(args[1], Set)
        return None if members is None else members.draw()
    count = in_range(args[2], -MAX_INTEGER)
    members = client.db.find(args[1], Set)
    if members is None:
        return []
    return list(members.draw_many(count))


# -- several of them ------------------------------------------------------------------------------------


def find_all(db: Database, keys: list[bytes]) -> list[frozenset[bytes] | set[bytes]]:
    """The members at each of these keys."""
    found = [db.find(key, Set) for key in keys]  # all, because each may be of the wrong type
    return [set() if members is None else set(members.values) for members in found]


def intersection(db: Database, keys: list[bytes]) -> set[bytes]:
    return set(reduce(lambda one, other: one & other, sorted(find_all(db, keys), key=len)))


def union(db: Database, keys: list[bytes]) -> set[bytes]:
    return set().union(*find_all(db, keys))


def difference(db: Database, keys: list[bytes]) -> set[bytes]:
    first, *others = find_all(db, keys)
    return set(first.difference(*others))


def keep(client: Client, key: bytes, members: set[bytes]) -> redis.Reply:
    """Store the outcome; an empty one is not kept."""
    if not members:
        client.db.delete(key)
        return 0
    kept = Set()
    kept.values.update(dict.fromkeys(members))
    client.db.set(key, kept)
    return len(members)


@command("SINTER", arity=-2, flags="readonly", keys=(1, -1, 1), since="1.0.0")
def sinter(client: Client, args: redis.Command) -> redis.Reply:
    """Intersects sets."""
    return intersection(client.db, args[1:])


@command("SINTERSTORE", arity=-3, flags="write denyoom", keys=(1, -1, 1), since="1.0.0")
def sinterstore(client: Client, args: redis.Command) -> redis.Reply:
    """Intersects sets, and stores the outcome."""
    return keep(client, args[1], intersection(client.db, args[2:]))


@command("SINTERCARD", arity=-3, flags="readonly movablekeys", since="7.0.0")
def sintercard(client: Client, args: redis.Command) -> redis.Reply:
    """Counts what sets have in common."""
    keys, limit = read_cardinality(args[1:])
    size = len(intersection(client.db, keys))
    return min(size, limit) if limit else size


def read_cardinality(words: redis.Command) -> tuple[list[bytes], int]:
    """Read ``numkeys key … [LIMIT limit]``; the limit 0 is none."""
    number = in_range(words[0], 1, error="numkeys should be greater than 0")
    if number >= len(words):
        raise redis.CommandError("Number of keys can't be greater than number of args")
    options, limit = words[number + 1 :], 0
    for at in range(0, len(options), 2):
        if options[at].upper() != b"LIMIT" or at + 1 == len(options):
            raise syntax_error()
        limit = in_range(options[at + 1], 0, error="LIMIT can't be negative")
    return words[1 : number + 1], limit


@command("SUNION", arity=-2, flags="readonly", keys=(1, -1, 1), since="1.0.0")
def sunion(client: Client, args: redis.Command) -> redis.Reply:
    """Unites sets."""
    return union(client.db, args[1:])


@command("SUNIONSTORE", arity=-3, flags="write denyoom", keys=(1, -1, 1), since="1.0.0")
def sunionstore(client: Client, args: redis.Command) -> redis.Reply:
    """Unites sets, and stores the outcome."""
    return keep(client, args[1], union(client.db, args[2:]))


@command("SDIFF", arity=-2, flags="readonly", keys=(1, -1, 1), since="1.0.0")
def sdiff(client: Client, args: redis.Command) -> redis.Reply:
    """Takes from one set what is in others."""
    return difference(client.db, args[1:])


@command("SDIFFSTORE", arity=-3, flags="write denyoom", keys=(1, -1, 1), since="1.0.0")
def sdiffstore(client: Client, args: redis.Command) -> redis.Reply:
    """Takes from one set what is in others, and stores the outcome."""
    return keep(client, args[1], difference(client.db, args[2:]))
