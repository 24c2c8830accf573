"""SCAN, HSCAN, SSCAN and ZSCAN: walks in steps; see ``named`` for what they promise."""

from __future__ import annotations

import re
from typing import Any, Final

from attrs import frozen

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

from .arguments import shown, syntax_error
from .keys import encoding
from .named import Named
from .sorted_set import SortedSet
from .store import TYPE_NAMES, Hash, Set
from .table import Client, Group

_CURSOR: Final = re.compile(rb"([+-]?)([0-9]{1,20})")
_MAX_CURSOR: Final = 2**64 - 1
_WHOLE: Final = 2.0**62


@frozen
class Step:
    """The cursor and the options of one step."""

    cursor: int
    count: int
    pattern: redis.KeyPattern | None
    kind: bytes | None

    def take(self, named: Named[Any]) -> tuple[bytes, list[bytes]]:
        """The next cursor, and the names of this step that fit the pattern."""
        cursor, names = named.step(self.cursor, self.count)
        if self.pattern is not None:
            names = [name for name in names if self.pattern.matches(name)]
        return b"%d" % cursor, names


def read_cursor(arg: bytes) -> int:
    """Read what C's ``strtoul`` takes: 64 bits, a sign turned around, or nothing at all."""
    if not arg:
        return 0
    found = _CURSOR.fullmatch(arg)
    if found is None or int(found[2]) > _MAX_CURSOR:
        raise redis.CommandError("invalid cursor")
    return int(arg) % (_MAX_CURSOR + 1)


def read_step(cursor: bytes, words: redis.Command, *, has_type: bool = False) -> Step:
    count, pattern, kind = 10, None, None
    at = read_cursor(cursor)
    for option, value in zip(words[::2], [*words[1::2], None], strict=False):
        name = option.upper()
        if value is None:
            raise syntax_error()
        if name == b"COUNT":
            count = integer(value)
            if count < 1:
                raise syntax_error()
        elif name == b"MATCH":
            pattern = redis.KeyPattern(value)
        elif name == b"TYPE" and has_type:
            kind = value.lower()
        else:
            raise syntax_error()
    return Step(at, count, pattern, kind)


@Group("generic")("SCAN", arity=-2, flags="readonly", since="2.8.0")
def scan(client: Client, args: redis.Command) -> redis.Reply:
    """Walks through the keys, a step at a time."""
    step = read_step(args[1], args[2:], has_type=True)
    cursor, keys = step.take(client.db)
    if step.kind is not None:
        values = client.db.values
        keys = [key for key in keys if TYPE_NAMES[type(values[key])] == step.kind]
    return [cursor, keys]


@Group("hash")("HSCAN", arity=-3, flags="readonly", keys=(1, 1, 1), since="2.8.0")
def hscan(client: Client, args: redis.Command) -> redis.Reply:
    """Walks through the fields of a hash."""
    read_cursor(args[2])
    fields = client.db.find(args[1], Hash)
    if fields is None:
        return [b"0", []]
    cursor, names = read_step(args[2], args[3:]).take(fields)
    return [cursor, [word for name in names for word in (name, fields.values[name])]]


@Group("set")("SSCAN", arity=-3, flags="readonly", keys=(1, 1, 1), since="2.8.0")
def sscan(client: Client, args: redis.Command) -> redis.Reply:
    """Walks through the members of a set."""
    read_cursor(args[2])
    members = client.db.find(args[1], Set)
    return [b"0", []] if members is None else list(read_step(args[2], args[3:]).take(members))


def score_of(members: SortedSet, name: bytes) -> bytes:
    """Write a score as the real server stores it: in a small sorted set, whole numbers are integers."""
    score = members.values[name]
    is_whole = score.is_integer() and abs(score) < _WHOLE and encoding(members) == b"listpack"
    return b"%d" % score if is_whole else shown(score)


@Group("sorted-set")("ZSCAN", arity=-3, flags="readonly", keys=(1, 1, 1), since="2.8.0")
def zscan(client: Client, args: redis.Command) -> redis.Reply:
    """Walks through the members of a sorted set."""
    read_cursor(args[2])
    members = client.db.find(args[1], SortedSet)
    if members is None:
        return [b"0", []]
    cursor, names = read_step(args[2], args[3:]).take(members)
    return [cursor, [word for name in names for word in (name, score_of(members, name))]]
