"""Lists, and the commands that wait until there is something in one."""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import islice
from typing import Final

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

from .arguments import clamp, in_range, positive, syntax_error, wrong_arity
from .table import Client, Group
from .waiting import read_timeout, take_or_wait

command = Group("list")

_LEFT: Final = b"LEFT"
_RIGHT: Final = b"RIGHT"


# -- at the ends ----------------------------------------------------------------------------------------


@command("LPUSH", arity=-3, flags="write denyoom fast", keys=(1, 1, 1), since="1.0.0")
def lpush(client: Client, args: redis.Command) -> redis.Reply:
    """Puts items in front of a list."""
    items = client.db.find_or_make(args[1], deque)
    items.extendleft(args[2:])
    client.db.changed(args[1])
    return len(items)


@command("RPUSH", arity=-3, flags="write denyoom fast", keys=(1, 1, 1), since="1.0.0")
def rpush(client: Client, args: redis.Command) -> redis.Reply:
    """Puts items at the end of a list."""
    items = client.db.find_or_make(args[1], deque)
    items.extend(args[2:])
    client.db.changed(args[1])
    return len(items)


@command("LPUSHX", arity=-3, flags="write denyoom fast", keys=(1, 1, 1), since="2.2.0")
def lpushx(client: Client, args: redis.Command) -> redis.Reply:
    """Puts items in front of a list that is there."""
    return 0 if client.db.find(args[1], deque) is None else lpush(client, args)


@command("RPUSHX", arity=-3, flags="write denyoom fast", keys=(1, 1, 1), since="2.2.0")
def rpushx(client: Client, args: redis.Command) -> redis.Reply:
    """Puts items at the end of a list that is there."""
    return 0 if client.db.find(args[1], deque) is None else rpush(client, args)


@command("LPOP", arity=-2, flags="write fast", keys=(1, 1, 1), since="1.0.0")
def lpop(client: Client, args: redis.Command) -> redis.Reply:
    """Takes items from the front."""
    return pop(client, args, _LEFT)


@command("RPOP", arity=-2, flags="write fast", keys=(1, 1, 1), since="1.0.0")
def rpop(client: Client, args: redis.Command) -> redis.Reply:
    """Takes items from the end."""
    return pop(client, args, _RIGHT)


def pop(client: Client, args: redis.Command, side: bytes) -> redis.Reply:
    if len(args) > 3:
        raise wrong_arity(args[0])
    if len(args) == 2:
        taken = take(client, args[1], side, 1)
        return taken[0] if taken else None
    count = positive(args[2])
    items = client.db.find(args[1], deque)
    return redis.NULL_ARRAY if items is None else take(client, args[1], side, count)


def take(client: Client, key: bytes, side: bytes, count: int) -> list[bytes]:
    """Take up to ``count`` items away from one end."""
    items = client.db.find(key, deque)
    if items is None or count == 0:
        return []
    remove = items.popleft if side == _LEFT else items.pop
    taken = [remove() for _ in range(min(count, len(items)))]
    client.db.shrunk(key, items)
    return taken


@command("LMOVE", arity=5, flags="write denyoom", keys=(1, 2, 1), since="6.2.0")
def lmove(client: Client, args: redis.Command) -> redis.Reply:
    """Takes an item from one list and puts it into another."""
    return move(args[2], read_side(args[3]), read_side(args[4]), client, args[1])


@command("RPOPLPUSH", arity=3, flags="write denyoom", keys=(1, 2, 1), since="1.2.0")
def rpoplpush(client: Client, args: redis.Command) -> redis.Reply:
    """Takes the last item of a list and puts it in front of another."""
    return move(args[2], _RIGHT, _LEFT, client, args[1])


def move(target: bytes, side: bytes, end: bytes, client: Client, source: bytes) -> bytes | None:
    """Move one item from an end of one list to an end of another."""
    db = client.db
    if db.find(source, deque) is None:
        return None
    db.find(target, deque)  # complains before anything is moved
    [item] = take(client, source, side, 1)
    items = db.find_or_make(target, deque)
    if end == _LEFT:
        items.appendleft(item)
    else:
        items.append(item)
    db.changed(target)
    client.propagate([b"LMOVE", source, target, side, end])
    return item


def read_side(arg: bytes) -> bytes:
    side = arg.upper()
    if side not in (_LEFT, _RIGHT):
        raise syntax_error()
    return side


@command("LMPOP", arity=-4, flags="write movablekeys", since="7.0.0")
def lmpop(client: Client, args: redis.Command) -> redis.Reply:
    """Takes items from the first of several lists that has some."""
    keys, side, count = read_several(args[1:])
    for key in keys:
        taken = take_several(side, count, client, key)
        if taken is not None:
            return taken
    return redis.NULL_ARRAY


def read_several(words: redis.Command) -> tuple[list[bytes], bytes, int]:
    """Read ``numkeys key … LEFT|RIGHT [COUNT count]``."""
    number = in_range(words[0], 1, error="numkeys should be greater than 0")
    if number + 1 >= len(words):
        raise syntax_error()
    side, options = read_side(words[number + 1]), words[number + 2 :]
    return words[1 : number + 1], side, read_count(options)


def read_count(options: redis.Command) -> int:
    """Read nothing, or ``COUNT count``."""
    if not options:
        return 1
    if options[0].upper() != b"COUNT" or len(options) < 2:
        raise syntax_error()
    count = in_range(options[1], 1, error="count should be greater than 0")
    if len(options) > 2:
        raise syntax_error()
    return count


def take_several(side: bytes, count: int, client: Client, key: bytes) -> redis.Reply:
    taken = take(client, key, side, count)
    if not taken:
        return None
    client.propagate([b"LPOP" if side == _LEFT else b"RPOP", key, b"%d" % len(taken)])
    return [key, list(taken)]


# -- waiting --------------------------------------------------------------------------------------------


@command("BLPOP", arity=-3, flags="write noscript blocking", keys=(1, -2, 1), since="2.0.0")
def blpop(client: Client, args: redis.Command) -> redis.Reply:
    """Takes the first item of a list, or waits for one."""
    return pop_or_wait(client, args, _LEFT)


@command("BRPOP", arity=-3, flags="write noscript blocking", keys=(1, -2, 1), since="2.0.0")
def brpop(client: Client, args: redis.Command) -> redis.Reply:
    """Takes the last item of a list, or waits for one."""
    return pop_or_wait(client, args, _RIGHT)


def pop_or_wait(client: Client, args: redis.Command, side: bytes) -> redis.Reply:
    timeout = read_timeout(args[-1])
    return take_or_wait(client, args[1:-1], deque, partial(take_one, side), timeout)


def take_one(side: bytes, client: Client, key: bytes) -> redis.Reply:
    taken = take(client, key, side, 1)
    if not taken:
        return None
    client.propagate([b"LPOP" if side == _LEFT else b"RPOP", key])
    return [key, taken[0]]


@command("BLMOVE", arity=6, flags="write denyoom noscript blocking", keys=(1, 2, 1), since="6.2.0")
def blmove(client: Client, args: redis.Command) -> redis.Reply:
    """Moves an item between lists, or waits for one."""
    side, end = read_side(args[3]), read_side(args[4])
    return take_or_wait(client, [args[1]], deque, partial(move, args[2], side, end), read_timeout(args[5]), None)


@command("BRPOPLPUSH", arity=4, flags="write denyoom noscript blocking", keys=(1, 2, 1), since="2.2.0")
def brpoplpush(client: Client, args: redis.Command) -> redis.Reply:
    """Moves the last item in front of another list, or waits for one."""
    attempt = partial(move, args[2], _RIGHT, _LEFT)
    return take_or_wait(client, [args[1]], deque, attempt, read_timeout(args[3]), None)


@command("BLMPOP", arity=-5, flags="write blocking movablekeys", since="7.0.0")
def blmpop(client: Client, args: redis.Command) -> redis.Reply:
    """Takes items from the first list that has some, or waits."""
    timeout = read_timeout(args[1])
    keys, side, count = read_several(args[2:])
    return take_or_wait(client, keys, deque, partial(take_several, side, count), timeout)


# -- inside ---------------------------------------------------------------------------------------------


@command("LLEN", arity=2, flags="readonly fast", keys=(1, 1, 1), since="1.0.0")
def llen(client: Client, args: redis.Command) -> redis.Reply:
    """Counts items."""
    items = client.db.find(args[1], deque)
    return 0 if items is None else len(items)


@command("LINDEX", arity=3, flags="readonly", keys=(1, 1, 1), since="1.0.0")
def lindex(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the item at an index."""
    items = client.db.find(args[1], deque)
    if items is None:
        return None
    index = integer(args[2])
    return items[index] if -len(items) <= index < len(items) else None


@command("LSET", arity=4, flags="write denyoom", keys=(1, 1, 1), since="1.0.0")
def lset(client: Client, args: redis.Command) -> redis.Reply:
    """Replaces the item at an index."""
    items = client.db.find(args[1], deque)
    if items is None:
        raise redis.CommandError("no such key")
    index = integer(args[2])
    if not -len(items) <= index < len(items):
        raise redis.CommandError("index out of range")
    items[index] = args[3]
    client.db.changed(args[1])
    return redis.OK


@command("LRANGE", arity=4, flags="readonly", keys=(1, 1, 1), since="1.0.0")
def lrange(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the items of a range."""
    start, stop = integer(args[2]), integer(args[3])
    items = client.db.find(args[1], deque)
    return [] if items is None else list(islice(items, *clamp(start, stop, len(items))))


@command("LTRIM", arity=4, flags="write", keys=(1, 1, 1), since="1.0.0")
def ltrim(client: Client, args: redis.Command) -> redis.Reply:
    """Keeps the items of a range only."""
    start, stop = integer(args[2]), integer(args[3])
    items = client.db.find(args[1], deque)
    if items is None:
        return redis.OK
    begin, end = clamp(start, stop, len(items))
    if begin >= end:
        items.clear()
    for _ in range(len(items) - end):
        items.pop()
    for _ in range(min(begin, len(items))):
        items.popleft()
    client.db.shrunk(args[1], items)
    return redis.OK


@command("LREM", arity=4, flags="write", keys=(1, 1, 1), since="1.0.0")
def lrem(client: Client, args: redis.Command) -> redis.Reply:
    """Removes items that are equal to a value."""
    count = integer(args[2])
    items = client.db.find(args[1], deque)
    if items is None:
        return 0
    found = [at for at, item in enumerate(items) if item == args[3]]
    chosen = set(found[count:] if count < 0 else found[:count] if count else found)
    if not chosen:
        return 0
    kept = [item for at, item in enumerate(items) if at not in chosen]
    items.clear()
    items.extend(kept)
    client.db.shrunk(args[1], items)
    return len(chosen)


@command("LINSERT", arity=5, flags="write denyoom", keys=(1, 1, 1), since="2.2.0")
def linsert(client: Client, args: redis.Command) -> redis.Reply:
    """Puts an item before or after another."""
    where = args[2].upper()
    if where not in (b"BEFORE", b"AFTER"):
        raise syntax_error()
    items = client.db.find(args[1], deque)
    if items is None:
        return 0
    if args[3] not in items:
        return -1
    items.insert(items.index(args[3]) + (where == b"AFTER"), args[4])
    client.db.changed(args[1])
    return len(items)


@command("LPOS", arity=-3, flags="readonly", keys=(1, 1, 1), since="6.0.6")
def lpos(client: Client, args: redis.Command) -> redis.Reply:
    """Finds where a value stands."""
    rank, count, most = read_search(args[3:])
    items = client.db.find(args[1], deque)
    if items is None:
        return None if count is None else []
    size = len(items)
    looked_at = enumerate(items) if rank > 0 else zip(range(size - 1, -1, -1), reversed(items), strict=True)
    found = (at for at, item in islice(looked_at, min(most, size) or size) if item == args[2])
    first = min(abs(rank) - 1, size)
    hits = list(islice(found, first, first + (1 if count is None else min(count, size) or size)))
    return list(hits) if count is not None else hits[0] if hits else None


def read_search(words: redis.Command) -> tuple[int, int | None, int]:
    """Read the options of LPOS: rank, count and how many items to look at."""
    rank, count, most = 1, None, 0
    for at in range(0, len(words), 2):
        option = words[at].upper()
        if option not in (b"RANK", b"COUNT", b"MAXLEN") or at + 1 == len(words):
            raise syntax_error()
        if option == b"RANK":
            rank = integer(words[at + 1])
            if rank == 0:
                raise redis.CommandError(
                    "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to"
                    " start from the end of the list"
                )
        elif option == b"COUNT":
            count = in_range(words[at + 1], 0, error="COUNT can't be negative")
        else:
            most = in_range(words[at + 1], 0, error="MAXLEN can't be negative")
    return rank, count, most
