"""Several sorted sets at once: their union, intersection and difference.  Plain sets count, with the score 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from attrs import define, field

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

from .arguments import floating, in_range, syntax_error, wrong_type
from .ranges import keep
from .sorted_set import Entry, SortedSet
from .sorted_sets import listed
from .store import Database, Set
from .table import Client, Group

command = Group("sorted-set")

Scores: TypeAlias = Mapping[bytes, float]


def plus(one: float, other: float) -> float:
    total = one + other
    return 0.0 if math.isnan(total) else total  # infinity and its opposite


_AGGREGATES: Final[dict[bytes, Callable[[float, float], float]]] = {
    b"SUM": plus,
    b"MIN": lambda one, other: min(one, other),
    b"MAX": lambda one, other: max(one, other),
}


@define
class Question:
    """``numkeys key … [WEIGHTS weight …] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]``, with what is at the keys."""

    sources: list[Scores]
    weights: list[float] = field(factory=list)
    aggregate: Callable[[float, float], float] = plus
    with_scores: bool = False
    limit: int = 0  # of how many are counted; 0 is none

    def weighted(self) -> list[dict[bytes, float]]:
        """Each source's scores times its weight, small ones first: the order in which the real server adds them."""
        found = [
            {member: times(score, weight) for member, score in source.items()}
            for source, weight in zip(self.sources, self.weights or [1.0] * len(self.sources), strict=True)
        ]
        return sorted(found, key=len)


def times(score: float, weight: float) -> float:
    product = score * weight
    return 0.0 if math.isnan(product) else product


def read_question(client: Client, name: str, words: redis.Command, allowed: tuple[bytes, ...]) -> Question:
    number = integer(words[0])
    if number < 1:
        raise redis.CommandError(f"at least 1 input key is needed for '{name}' command")
    if number >= len(words):
        raise syntax_error()
    question = Question([scores_at(client.db, key) for key in words[1 : number + 1]])
    options, at = words[number + 1 :], 0
    while at < len(options):
        option = options[at].upper()
        left = len(options) - at - 1
        if option not in allowed:
            raise syntax_error()
        if option == b"WEIGHTS" and left >= number:
            given = options[at + 1 : at + 1 + number]
            question.weights = [floating(weight, "weight value is not a float") for weight in given]
            at += number
        elif option == b"AGGREGATE" and left >= 1 and options[at + 1].upper() in _AGGREGATES:
            question.aggregate = _AGGREGATES[options[at + 1].upper()]
            at += 1
        elif option == b"LIMIT" and left >= 1:
            question.limit = in_range(options[at + 1], 0, error="LIMIT can't be negative")
            at += 1
        elif option == b"WITHSCORES":
            question.with_scores = True
        else:
            raise syntax_error()
        at += 1
    return question


def scores_at(db: Database, key: bytes) -> Scores:
    value = db.values.get(key)
    if value is None:
        return {}
    if isinstance(value, SortedSet):
        return value.values
    if isinstance(value, Set):
        return dict.fromkeys(value.values, 1.0)
    raise wrong_type()


def union(question: Question) -> list[Entry]:
    total: dict[bytes, float] = {}
    for source in question.weighted():
        for member, score in source.items():
            total[member] = question.aggregate(total[member], score) if member in total else score
    return ordered(total)


def intersection(question: Question) -> list[Entry]:
    first, *others = question.weighted()
    total: dict[bytes, float] = {}
    for member, score in first.items():
        if all(member in other for other in others):
            for other in others:
                score = question.aggregate(score, other[member])
            total[member] = score
    return ordered(total)


def difference(question: Question) -> list[Entry]:
    first, *others = question.sources
    return ordered({member: score for member, score in first.items() if not any(member in other for other in others)})


def ordered(scores: dict[bytes, float]) -> list[Entry]:
    return sorted((score, member) for member, score in scores.items())


_SHOWN: Final = (b"WEIGHTS", b"AGGREGATE", b"WITHSCORES")
_KEPT: Final = (b"WEIGHTS", b"AGGREGATE")


@command("ZUNION", arity=-3, flags="readonly movablekeys", since="6.2.0")
def zunion(client: Client, args: redis.Command) -> redis.Reply:
    """Unites sorted sets."""
    question = read_question(client, "zunion", args[1:], _SHOWN)
    return listed(client, union(question), question.with_scores)


@command("ZUNIONSTORE", arity=-4, flags="write denyoom movablekeys", keys=(1, 1, 1), since="2.0.0")
def zunionstore(client: Client, args: redis.Command) -> redis.Reply:
    """Unites sorted sets, and stores the outcome."""
    return keep(client, args[1], union(read_question(client, "zunionstore", args[2:], _KEPT)))


@command("ZINTER", arity=-3, flags="readonly movablekeys", since="6.2.0")
def zinter(client: Client, args: redis.Command) -> redis.Reply:
    """Intersects sorted sets."""
    question = read_question(client, "zinter", args[1:], _SHOWN)
    return listed(client, intersection(question), question.with_scores)


@command("ZINTERSTORE", arity=-4, flags="write denyoom movablekeys", keys=(1, 1, 1), since="2.0.0")
def zinterstore(client: Client, args: redis.Command) -> redis.Reply:
    """Intersects sorted sets, and stores the outcome."""
    return keep(client, args[1], intersection(read_question(client, "zinterstore", args[2:], _KEPT)))


@command("ZINTERCARD", arity=-3, flags="readonly movablekeys", since="7.0.0")
def zintercard(client: Client, args: redis.Command) -> redis.Reply:
    """Counts what sorted sets have in common."""
    question = read_question(client, "zintercard", args[1:], (b"LIMIT",))
    size = len(intersection(question))
    return min(size, question.limit) if question.limit else size


@command("ZDIFF", arity=-3, flags="readonly movablekeys", since="6.2.0")
def zdiff(client: Client, args: redis.Command) -> redis.Reply:
    """Takes from one sorted set what is in others."""
    question = read_question(client, "zdiff", args[1:], (b"WITHSCORES",))
    return listed(client, difference(question), question.with_scores)


@command("ZDIFFSTORE", arity=-4, flags="write denyoom movablekeys", keys=(1, 1, 1), since="6.2.0")
def zdiffstore(client: Client, args: redis.Command) -> redis.Reply:
    """Takes from one sorted set what is in others, and stores the outcome."""
    return keep(client, args[1], difference(read_question(client, "zdiffstore", args[2:], ())))
