"""Store: the databases, and what happens when something in them changes or comes to its end.

A value is what its type says: ``bytes`` for a string, ``Hash``, ``deque`` for a list, ``Set`` or ``SortedSet``.  An
empty one is never kept.

Whoever changes something says so (``Database.changed``); that is all that transactions with WATCH, clients blocked on
a list, and the append-only file need to know.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from pipeline_net.codecs import redis
from pipeline_net.loop import Loop
from pipeline_net.transport.timers import TimerHandle

from .arguments import wrong_type
from .named import Named
from .sorted_set import SortedSet

DATABASES: Final = 16


class Hash(Named[bytes]):
    """field → value."""

    __slots__ = ()


class Set(Named[None]):
    """Members."""

    __slots__ = ()


Value: TypeAlias = "bytes | Hash | deque[bytes] | Set | SortedSet"

T = TypeVar("T", Hash, "deque[bytes]", Set, SortedSet)

TYPE_NAMES: Final[dict[type[Any], bytes]] = {
    bytes: b"string",
    Hash: b"hash",
    deque: b"list",
    Set: b"set",
    SortedSet: b"zset",
}


class Log(Protocol):
    """Whoever writes changes down; see ``append_only``."""

    def append(self, command: redis.Command, database: int) -> None:
        """Add a command that repeats a change which has been made."""


class Database(Named[Value]):
    """key → value, and when some of them end."""

    __slots__ = ("_touch", "ends", "index", "store", "timers")

    def __init__(self, store: Store, index: int) -> None:
        super().__init__()
        self.store = store
        self.index = index
        self._touch = store.state.touch
        self.ends: dict[bytes, int] = {}  # milliseconds since 1970
        self.timers: dict[bytes, TimerHandle] = {}  # one for each end, except while the append-only file is loaded

    # -- looking ------------------------------------------------------------------------------------

    def string(self, key: bytes) -> bytes | None:
        """The string at ``key``.

        Raises:
            CommandError: something else is there.
        """
        value = self.values.get(key)
        if value is None or type(value) is bytes:
            return value
        raise wrong_type()

    def find(self, key: bytes, kind: type[T]) -> T | None:
        """The hash, list or set at ``key``.

        Raises:
            CommandError: something else is there.
        """
        value = self.values.get(key)
        if value is None or type(value) is kind:
            return value
        raise wrong_type()

    def find_or_make(self, key: bytes, kind: type[T]) -> T:
        """The same, made if there is none: put something into it, and say ``changed``."""
        found = self.find(key, kind)
        if found is None:
            found = kind()
            self.put(key, found)
        return found

    # -- changing -----------------------------------------------------------------------------------

    def set(self, key: bytes, value: Value) -> None:
        """Put a value there that has no end."""
        values = self.values
        if key in values:
            values[key] = value
        else:
            self.put(key, value)
        if self.ends:
            self._forget_end(key)
        self.store.changes += 1
        self._touch(self.index, key)

    def replace(self, key: bytes, value: Value) -> None:
        """Put another value there that ends when the old one would have."""
        self.put(key, value)
        self.changed(key)

    def delete(self, key: bytes) -> bool:
        if not self.remove(key):
            return False
        if self.ends:
            self._forget_end(key)
        self.changed(key)
        return True

    def shrunk(self, key: bytes, value: Hash | deque[bytes] | Set | SortedSet) -> None:
        """Something was taken out of ``value``: it goes when it is empty."""
        if value:
            self.changed(key)
        else:
            self.delete(key)

    def clear(self) -> None:
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()
        self.ends.clear()
        state = self.store.state
        touched = [key for key in state.watched_keys(self.index) if key in self.values]
        super().clear()
        for key in touched:
            state.touch(self.index, key)
        self.store.changes += 1  # also when there was nothing: so the real server has it

    def changed(self, key: bytes) -> None:
        """Something about ``key`` is not as before."""
        self.store.changes += 1
        self._touch(self.index, key)

    # -- ends ---------------------------------------------------------------------------------------

    def end_at(self, key: bytes, moment: int) -> bool:
        """Let ``key`` end at that moment, in milliseconds since 1970; true if it has passed, and the key is deleted."""
        if moment > self.store.now() or self.store.is_loading:
            self.take_over_end(key, moment)
            return False
        return self.delete(key)

    def take_over_end(self, key: bytes, moment: int) -> None:
        """Let ``key`` end at a moment that was another key's; a timer decides, also if it has passed."""
        store = self.store
        self._forget_end(key)
        self.ends[key] = moment
        if not store.is_loading:
            self._set_timer(key, moment)
        self.changed(key)

    def persist(self, key: bytes) -> bool:
        """Let ``key`` stay; whether it would have ended."""
        if not self._forget_end(key):
            return False
        self.changed(key)
        return True

    def end_of(self, key: bytes) -> int:
        """When ``key`` ends; -2 for one that is not there, -1 for one that stays."""
        return self.ends.get(key, -1) if key in self.values else -2

    def milliseconds_left(self, key: bytes) -> int:
        """How long ``key`` has, or what ``end_of`` says."""
        moment = self.end_of(key)
        return moment if moment < 0 else max(0, moment - self.store.now())

    def start_timers(self) -> None:
        """Everything is loaded: from now on keys end."""
        for key, moment in list(self.ends.items()):
            self._set_timer(key, moment)

    def _set_timer(self, key: bytes, moment: int) -> None:
        store = self.store
        self.timers[key] = store.loop.schedule((moment - store.exact_now()) / 1000, self._end, key, moment)

    def _forget_end(self, key: bytes) -> bool:
        if self.ends.pop(key, None) is None:
            return False
        timer = self.timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        return True

    def _end(self, key: bytes, moment: int) -> None:
        store = self.store
        with store.lock:
            # Another loop may have given the key more time while this one was waiting for the lock.
            if self.ends.get(key) != moment:
                return
            self.delete(key)
            store.write_down(self.index, [b"DEL", key])


class Store:
    """The databases, and who wants to hear of changes."""

    def __init__(self, loop: Loop, state: redis.ServerState) -> None:
        self.loop = loop  # whose timers end keys
        self.state = state
        self.lock = threading.RLock() if state.lock is None else state.lock  # held by whoever changes something
        self.changes = 0  # made, ever
        self.written_down = 0  # how many of the changes the log knows
        self.is_loading = False
        self.log: Log | None = None
        self.databases = [Database(self, index) for index in range(state.databases)]
        # Ends are counted on the loop's clock, which shows the wall clock's time of now; so tests can turn it.
        self._began = round(time.time() - loop.time(), 3)

    def now(self) -> int:
        """Milliseconds since 1970."""
        return round(self.exact_now())

    def exact_now(self) -> float:
        return (self._began + self.loop.time()) * 1000

    def write_down(self, database: int, command: redis.Command) -> None:
        """Let the log have the command that repeats the last changes, if there were any."""
        if self.changes != self.written_down:
            self.written_down = self.changes
            if self.log is not None:
                self.log.append(command, database)

    @property
    def has_unwritten_changes(self) -> bool:
        return self.changes != self.written_down

    def swap(self, first: int, second: int) -> None:
        """Exchange two databases; whoever watches a key in one of them sees it change."""
        databases = self.databases
        databases[first], databases[second] = databases[second], databases[first]
        for index in (first, second):
            databases[index].index = index
        self.changes += 1
        for index in (first, second):
            for key in self.state.watched_keys(index):
                if key in databases[first].values or key in databases[second].values:
                    self.state.touch(index, key)
