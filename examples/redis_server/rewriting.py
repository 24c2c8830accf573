"""Rewriting: the shortest commands that make what is there now.

The real server forks, and the child writes what it saw at that moment.  Here threads would not survive a fork, so a
copy is made: of the containers, not of the bytes in them, which never change.  Making it takes some ten nanoseconds for
each element, in which nobody is served; writing it is a thread's work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from pipeline_net.codecs import redis

from .append_only import encode, sync_file
from .arguments import shown
from .store import Hash, Set, Store, Value

_AT_ONCE: Final = 64  # elements a command, so that none becomes too long

Copy: TypeAlias = list[tuple[int, dict[bytes, Any], dict[bytes, int]]]
"""For each database that has something: its index, its values, and their ends."""


def copy_of(store: Store) -> Copy:
    """Copy what a thread shall look at while commands change the original."""
    return [
        (database.index, {key: copy_value(value) for key, value in database.values.items()}, dict(database.ends))
        for database in store.databases
        if database
    ]


def copy_value(value: Value) -> Any:
    """A string as it is; the words that make anything else, and the command that takes them."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, deque):
        return b"RPUSH", tuple(value)
    if isinstance(value, Hash):
        return b"HSET", dict(value.values)
    if isinstance(value, Set):
        return b"SADD", tuple(value.values)
    return b"ZADD", dict(value.values)


def commands_for(copy: Copy) -> Iterator[redis.Command]:
    for index, values, ends in copy:
        yield [b"SELECT", b"%d" % index]
        for key, value in values.items():
            end = ends.get(key)
            if isinstance(value, bytes):
                yield [b"SET", key, value] + ([] if end is None else [b"PXAT", b"%d" % end])
                continue
            name, elements = value
            words = words_of(name, elements)
            step = _AT_ONCE if isinstance(elements, tuple) else 2 * _AT_ONCE
            for at in range(0, len(words), step):
                yield [name, key, *words[at : at + step]]
            if end is not None:
                yield [b"PEXPIREAT", key, b"%d" % end]


def words_of(name: bytes, elements: Any) -> list[bytes]:
    if name == b"HSET":
        return [word for field, value in elements.items() for word in (field, value)]
    if name == b"ZADD":
        return [word for member, score in elements.items() for word in (shown(score), member)]
    return list(elements)


def write_copy(path: Path, copy: Copy) -> None:
    """Write the commands into a file of their own, and make it safe."""
    with path.open("wb") as file:
        for command in commands_for(copy):
            file.write(encode(command))
        file.flush()
        sync_file(file.fileno())
