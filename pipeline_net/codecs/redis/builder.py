r"""MessageBuilder: nested values become whole, without recursion.

Who reads knows one thing at a time: an aggregate begins, a value is there, one that streams has ended.  The builder
keeps what is open, as a stack::

    *2  :1  %1  +a  :2        open  add  open  add  add --> [1, {SimpleString(b"a"): 2}]

Attributes come in front of what they are about, and are no element of what they stand in.  So one that is whole waits
for the next value, and goes with it; or away, if nobody asked for attributes.

Python's numbers are their own hashes.  A peer could choose a hundred thousand of them that collide, and a ``set`` of
these takes minutes to make.  So where many members or keys are numbers, ``SetReply`` or ``MapReply`` comes: a list.
"""

from __future__ import annotations

from typing import Any, Final

from ..._mypyc import i64
from .messages import NULL, Attributed, MapReply, Push, SetReply
from .rules import ARRAY, ATTRIBUTE, MAP, PUSH, SET, checked, refusal

_MANY: Final = 256  # numbers; hashing so many takes well below a millisecond, whatever they are

PENDING: Final = object()  # the message is not whole yet


class Frame:
    """An aggregate that is open."""

    def __init__(self, kind: i64, missing: i64, attributes: list[Any] | None) -> None:
        self.kind: i64 = kind
        self.missing: i64 = missing  # values that will come; below zero if nobody knows
        self.items: list[Any] = []
        self.attributes: list[Any] | None = attributes  # what was said about it


class MessageBuilder:
    """Puts values together, under limits.

    Each method returns the message that has become whole, or ``PENDING``; and raises ``DecodeError``.
    """

    def __init__(self, max_depth: int, max_elements: int, attributes: bool) -> None:
        self._max_depth: i64 = checked("max_depth", max_depth)
        self._max_elements: i64 = checked("max_elements", max_elements)
        self._keeps_attributes = attributes
        self.top: Frame | None = None  # what the next value belongs to
        self.marked: bool = False  # an attribute was read, and not yet what it is about
        self._below: list[Frame] = []
        self._attributes: list[Any] | None = None  # these attributes, if anybody wants them
        self._elements: i64 = 0  # of this message, at all depths, announced or here
        self._spare: list[Frame] = []  # those that are closed; making one costs more than the values of most

    @property
    def is_idle(self) -> bool:
        return self.top is None and not self.marked

    def open(self, kind: i64, count: i64) -> Any:
        """An aggregate begins: ``count`` values, or pairs, follow; fewer than none if nobody knows."""
        self._check(kind, count)
        missing: i64 = -1
        if count >= 0:
            missing = count * 2 if kind in (MAP, ATTRIBUTE) else count
            self._count(missing)
        if kind == ATTRIBUTE:
            self._count(1)  # it is no element itself, and might be empty
        if self.top is not None:
            self._below.append(self.top)
        spare = self._spare
        if spare:
            frame = spare.pop()
            frame.kind = kind
            frame.missing = missing
            frame.attributes = self._attributes
        else:
            frame = Frame(kind, missing, self._attributes)
        self.top = frame
        self._attributes = None
        self.marked = False
        return self.close() if missing == 0 else PENDING

    def flat(self, kind: i64, count: i64, items: list[Any]) -> Any:
        """An aggregate that is no attribute is there, and all of its values with it; as ``open`` and ``add``."""
        self._check(kind, count)
        self._count(len(items))
        return self.add(_whole(kind, items))

    def add(self, value: Any) -> Any:
        """A value is there."""
        if self.marked:
            value = _attributed(self._attributes, value)
            self._attributes = None
            self.marked = False
        top = self.top
        if top is None:
            self._elements = 0
            return NULL if value is None else value
        top.items.append(value)
        top.missing -= 1
        if top.missing < 0:
            self._count(1)
        return self.close() if top.missing == 0 else PENDING

    def end(self) -> Any:
        """What streams has ended."""
        top = self.top
        if top is None or top.missing >= 0:
            raise refusal("misplaced end", "'.' ends what has a length, or nothing at all")
        if self.marked:
            raise refusal("misplaced end", "an attribute is about nothing")
        if top.kind == MAP and len(top.items) % 2 != 0:
            raise refusal("misplaced end", "a map ended after a key")
        return self.close()

    def close(self) -> Any:
        """The last value of ``top`` is there; with it perhaps that of what it stands in, and so on."""
        top = self.top
        while top is not None:
            attributes = top.attributes
            kind: i64 = top.kind
            value = _whole(kind, top.items)
            top.items = []
            top.attributes = None
            self._spare.append(top)
            below = self._below
            top = below.pop() if below else None
            self.top = top
            if kind == ATTRIBUTE:
                if self._keeps_attributes:
                    if attributes is None:
                        attributes = []
                    attributes.append(value)
                    self._attributes = attributes
                self.marked = True
                return PENDING
            value = _attributed(attributes, value)
            if top is None:
                self._elements = 0
                return value
            top.items.append(value)
            top.missing -= 1
            if top.missing < 0:
                self._count(1)
            if top.missing != 0:
                return PENDING
        return PENDING

    def _check(self, kind: i64, count: i64) -> None:
        """Whether an aggregate may stand here."""
        depth: i64 = len(self._below) + 1
        if self.top is not None:
            if kind == PUSH:
                raise refusal("misplaced push", "a push stands inside something else")
            depth += 1
        if depth > self._max_depth:
            raise refusal("too deep nesting", f"aggregates are nested deeper than {self._max_depth}")
        if kind == PUSH and count == 0:
            raise refusal("empty push", "a push says at least of which kind it is")

    def _count(self, more: i64) -> None:
        self._elements += more
        if self._elements > self._max_elements:
            raise refusal("too many elements", f"a message has more than {self._max_elements} elements")


def _attributed(attributes: list[Any] | None, value: Any) -> Any:
    """Put the attributes of a value around it, the first outermost."""
    if attributes is not None:
        at: i64 = len(attributes)
        while at > 0:
            at -= 1
            value = Attributed(attributes[at], value)
    return value


def _whole(kind: i64, items: list[Any]) -> Any:
    if kind == ARRAY:
        return items
    if kind == SET:
        return _as_set(items)
    if kind == PUSH:
        return Push(items)
    return _as_map(items)


def _as_set(items: list[Any]) -> Any:
    if not _has_many_numbers(items, 1):
        try:
            members = set(items)
        except TypeError:
            return SetReply(items)  # a list or the like is among them
        if len(members) == len(items):
            return members
    return SetReply(items)


def _as_map(items: list[Any]) -> Any:
    size: i64 = len(items)
    at: i64 = 0
    if not _has_many_numbers(items, 2):
        pairs: dict[Any, Any] = {}
        try:
            while at < size:
                pairs[items[at]] = items[at + 1]
                at += 2
        except TypeError:
            return _as_pairs(items)  # a list or the like is a key
        if len(pairs) * 2 == size:
            return pairs
    return _as_pairs(items)


def _as_pairs(items: list[Any]) -> MapReply:
    pairs = MapReply()
    for at in range(0, len(items), 2):
        pairs.append((items[at], items[at + 1]))
    return pairs


def _has_many_numbers(items: list[Any], step: i64) -> bool:
    """Whether so many numbers are to be hashed that the peer may have chosen them for it."""
    size: i64 = len(items)
    at: i64 = 0
    numbers: i64 = 0
    if size <= _MANY:
        return False
    while at < size and numbers <= _MANY:
        if isinstance(items[at], (int, float)):
            numbers += 1
        at += step
    return numbers > _MANY
