"""Named: a dictionary that can be walked in steps, and drawn from at random, while it changes.

SCAN promises that whatever is there from the first step to the last is met, though others come and go in between.  A
Python dictionary has no place to come back to.  So, once somebody has asked, the names also stand in a list; whoever
leaves is replaced by the last, and steps go from the end of the list to its begin::

    cursor 3: [0] [1] [2] were not met yet        | a  b  c | d  e |
    b leaves, e takes its place                   | a  e  c | d |         e is met twice, nobody is missed
    f comes                                       | a  e  c | d  f |      f need not be met

Repeating is allowed, missing is not.  Nothing of this costs anything before the first such question.
"""

from __future__ import annotations

import random
from typing import Final, Generic, TypeVar

from pipeline_net.codecs import redis

V = TypeVar("V")

_MAX_DRAWN: Final = 1024 * 1024  # names drawn again and again at once: a few bytes must not make a reply of gigabytes


class Order:
    """The names in a list, and each one's place in it."""

    __slots__ = ("names", "places")

    def __init__(self, names: list[bytes]) -> None:
        self.names = names
        self.places = {name: place for place, name in enumerate(names)}

    def add(self, name: bytes) -> None:
        self.places[name] = len(self.names)
        self.names.append(name)

    def discard(self, name: bytes) -> None:
        place = self.places.pop(name)
        last = self.names.pop()
        if last != name:
            self.names[place] = last
            self.places[last] = place


class Named(Generic[V]):
    """name → value.  Look into ``values`` freely; change it by ``put`` and ``remove`` only."""

    __slots__ = ("_order", "values")

    def __init__(self) -> None:
        self.values: dict[bytes, V] = {}
        self._order: Order | None = None

    def __len__(self) -> int:
        return len(self.values)

    def put(self, name: bytes, value: V) -> bool:
        """Set a value; whether the name is new."""
        values = self.values
        before = len(values)
        values[name] = value
        if len(values) == before:
            return False
        if self._order is not None:
            self._order.add(name)
        return True

    def remove(self, name: bytes) -> bool:
        """Remove a name; whether it was there."""
        if name not in self.values:
            return False
        del self.values[name]
        if self._order is not None:
            self._order.discard(name)
        return True

    def clear(self) -> None:
        self.values.clear()
        self._order = None

    def names(self) -> list[bytes]:
        """All names in a list that others must not change."""
        if self._order is None:
            self._order = Order(list(self.values))
        return self._order.names

    def step(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Meet the next ``count`` names; begin with cursor 0, and end when it is 0 again."""
        names = self.names()
        end = min(cursor, len(names)) if cursor > 0 else len(names)
        begin = max(0, end - count)
        return begin, names[begin:end]

    def draw(self) -> bytes:
        """Name one at random; there must be one."""
        return random.choice(self.names())

    def draw_many(self, count: int) -> list[bytes]:
        """Name as many different ones at random, or all; a negative count draws again and again from all.

        Raises:
            CommandError: that is too many.
        """
        names = self.names()
        if count >= 0:
            return random.sample(names, min(count, len(names)))
        if count < -_MAX_DRAWN:
            raise redis.CommandError("value is out of range")
        return random.choices(names, k=-count)
