"""Hashes: fields and their values."""

from __future__ import annotations

from fractions import Fraction

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

from .arguments import add_long, checked_sum, long_double, read_draw, wrong_arity
from .store import Hash
from .table import Client, Group

command = Group("hash")


@command("HSET", arity=-4, flags="write denyoom fast", keys=(1, 1, 1), since="2.0.0")
def hset(client: Client, args: redis.Command) -> redis.Reply:
    """Sets fields of a hash."""
    if len(args) % 2:
        raise wrong_arity(args[0])
    fields = client.db.find_or_make(args[1], Hash)
    added = sum([fields.put(field, value) for field, value in zip(args[2::2], args[3::2], strict=True)])
    client.db.changed(args[1])
    return added


@command("HMSET", arity=-4, flags="write denyoom fast", keys=(1, 1, 1), since="2.0.0")
def hmset(client: Client, args: redis.Command) -> redis.Reply:
    """Sets fields of a hash, the old way."""
    hset(client, args)
    return redis.OK


@command("HSETNX", arity=4, flags="write denyoom fast", keys=(1, 1, 1), since="2.0.0")
def hsetnx(client: Client, args: redis.Command) -> redis.Reply:
    """Sets a field that is not there yet."""
    fields = client.db.find(args[1], Hash)
    if fields is not None and args[2] in fields.values:
        return 0
    client.db.find_or_make(args[1], Hash).put(args[2], args[3])
    client.db.changed(args[1])
    return 1


@command("HGET", arity=3, flags="readonly fast", keys=(1, 1, 1), since="2.0.0")
def hget(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the value of a field."""
    fields = client.db.find(args[1], Hash)
    return None if fields is None else fields.values.get(args[2])


@command("HMGET", arity=-3, flags="readonly fast", keys=(1, 1, 1), since="2.0.0")
def hmget(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the values of several fields."""
    fields = client.db.find(args[1], Hash)
    return [None if fields is None else fields.values.get(field) for field in args[2:]]


@command("HDEL", arity=-3, flags="write fast", keys=(1, 1, 1), since="2.0.0")
def hdel(client: Client, args: redis.Command) -> redis.Reply:
    """Deletes fields."""
    fields = client.db.find(args[1], Hash)
    if fields is None:
        return 0
    removed = sum([fields.remove(field) for field in args[2:]])
    if removed:
        client.db.shrunk(args[1], fields)
    return removed


@command("HLEN", arity=2, flags="readonly fast", keys=(1, 1, 1), since="2.0.0")
def hlen(client: Client, args: redis.Command) -> redis.Reply:
    """Counts fields."""
    fields = client.db.find(args[1], Hash)
    return 0 if fields is None else len(fields)


@command("HSTRLEN", arity=3, flags="readonly fast", keys=(1, 1, 1), since="3.2.0")
def hstrlen(client: Client, args: redis.Command) -> redis.Reply:
    """Measures the value of a field."""
    fields = client.db.find(args[1], Hash)
    return 0 if fields is None else len(fields.values.get(args[2], b""))


@command("HEXISTS", arity=3, flags="readonly fast", keys=(1, 1, 1), since="2.0.0")
def hexists(client: Client, args: redis.Command) -> redis.Reply:
    """Tells whether a field is there."""
    fields = client.db.find(args[1], Hash)
    return 0 if fields is None else int(args[2] in fields.values)


@command("HGETALL", arity=2, flags="readonly", keys=(1, 1, 1), since="2.0.0")
def hgetall(client: Client, args: redis.Command) -> redis.Reply:
    """Tells all fields and values."""
    fields = client.db.find(args[1], Hash)
    return {} if fields is None else dict(fields.values)


@command("HKEYS", arity=2, flags="readonly", keys=(1, 1, 1), since="2.0.0")
def hkeys(client: Client, args: redis.Command) -> redis.Reply:
    """Tells all fields."""
    fields = client.db.find(args[1], Hash)
    return [] if fields is None else list(fields.values)


@command("HVALS", arity=2, flags="readonly", keys=(1, 1, 1), since="2.0.0")
def hvals(client: Client, args: redis.Command) -> redis.Reply:
    """Tells all values."""
    fields = client.db.find(args[1], Hash)
    return [] if fields is None else list(fields.values.values())


@command("HINCRBY", arity=4, flags="write denyoom fast", keys=(1, 1, 1), since="2.0.0")
def hincrby(client: Client, args: redis.Command) -> redis.Reply:
    """Adds an integer to a field."""
    amount = integer(args[3])
    fields = client.db.find(args[1], Hash)
    value = b"0" if fields is None else fields.values.get(args[2], b"0")
    total = checked_sum(integer(value, "hash value is not an integer"), amount)
    client.db.find_or_make(args[1], Hash).put(args[2], b"%d" % total)
    client.db.changed(args[1])
    return total


@command("HINCRBYFLOAT", arity=4, flags="write denyoom fast", keys=(1, 1, 1), since="2.6.0")
def hincrbyfloat(client: Client, args: redis.Command) -> redis.Reply:
    """Adds a number with a fraction to a field."""
    amount = long_double(args[3])
    if isinstance(amount, float):
        raise redis.CommandError("value is NaN or Infinity")
    fields = client.db.find(args[1], Hash)
    old = None if fields is None else fields.values.get(args[2])
    value = Fraction(0) if old is None else long_double(old, "hash value is not a float")
    total = add_long(value, amount)
    client.db.find_or_make(args[1], Hash).put(args[2], total)
    client.db.changed(args[1])
    client.propagate([b"HSET", args[1], args[2], total])
    return total


@command("HRANDFIELD", arity=-2, flags="readonly", keys=(1, 1, 1), since="6.2.0")
def hrandfield(client: Client, args: redis.Command) -> redis.Reply:
    """Draws fields at random."""
    if len(args) == 2:
        fields = client.db.find(args[1], Hash)
        return None if fields is None else fields.draw()
    count, with_values = read_draw(args, b"WITHVALUES")
    fields = client.db.find(args[1], Hash)
    if fields is None:
        return []
    names = fields.draw_many(count)
    if not with_values:
        return list(names)
    pairs = [[name, fields.values[name]] for name in names]
    return list(pairs) if client.protocol == 3 else [word for pair in pairs for word in pair]
