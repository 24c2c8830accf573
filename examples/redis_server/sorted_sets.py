"""Sorted sets: members and their scores.  See ``ranges`` for parts of them, ``combining`` for several at once."""

from __future__ import annotations

import math
from functools import partial
from typing import Final

from attrs import frozen

from pipeline_net.codecs import redis

from .arguments import floating, in_range, positive, read_draw, syntax_error
from .lists import read_count
from .sorted_set import Entry, SortedSet
from .table import Client, Group
from .waiting import read_timeout, take_or_wait

command = Group("sorted-set")

_LOWEST: Final = b"MIN"
_HIGHEST: Final = b"MAX"


def listed(client: Client, entries: list[Entry], with_scores: bool = True) -> redis.Reply:
    """Members, or members and scores: in pairs for those who speak RESP3, one after the other in RESP2."""
    if not with_scores:
        return [member for _, member in entries]
    if client.protocol == 3:
        return [[member, score] for score, member in entries]
    return [word for score, member in entries for word in (member, score)]


# -- adding ---------------------------------------------------------------------------------------------


@frozen
class Rules:
    """The options of ZADD."""

    only_new: bool = False
    only_known: bool = False
    only_greater: bool = False
    only_less: bool = False
    counts_changes: bool = False
    adds_to_score: bool = False

    def check(self) -> None:
        if self.only_new and self.only_known:
            raise redis.CommandError("XX and NX options at the same time are not compatible")
        if self.only_new + self.only_greater + self.only_less > 1:
            raise redis.CommandError("GT, LT, and/or NX options at the same time are not compatible")

    def put(self, members: SortedSet, member: bytes, score: float) -> tuple[float, bool] | None:
        """Give a member its score: the score it has now, and whether it is new; ``None`` if the rules forbid it."""
        old = members.values.get(member)
        if self.only_known if old is None else self.only_new:
            return None
        if old is not None:
            if self.adds_to_score:
                score += old
                if math.isnan(score):
                    raise redis.CommandError("resulting score is not a number (NaN)")
            if (self.only_less and score >= old) or (self.only_greater and score <= old):
                return None
        return score, members.put(member, score)


_RULES: Final = {
    b"NX": "only_new",
    b"XX": "only_known",
    b"GT": "only_greater",
    b"LT": "only_less",
    b"CH": "counts_changes",
    b"INCR": "adds_to_score",
}


@command("ZADD", arity=-4, flags="write denyoom fast", keys=(1, 1, 1), since="1.2.0")
def zadd(client: Client, args: redis.Command) -> redis.Reply:
    """Adds members, or gives them other scores."""
    at = 2
    options = {}
    while at < len(args) and (option := args[at].upper()) in _RULES:
        options[_RULES[option]] = True
        at += 1
    rules = Rules(**options)
    if at == len(args) or (len(args) - at) % 2:
        raise syntax_error()
    rules.check()
    if rules.adds_to_score and len(args) - at > 2:
        raise redis.CommandError("INCR option supports a single increment-element pair")
    scores = [floating(score) for score in args[at::2]]
    return add(client, args[1], rules, scores, args[at + 1 :: 2])


@command("ZINCRBY", arity=4, flags="write denyoom fast", keys=(1, 1, 1), since="1.2.0")
def zincrby(client: Client, args: redis.Command) -> redis.Reply:
    """Adds to the score of a member."""
    if args[2].upper() in _RULES:  # then two words are left, and they are no pair
        raise syntax_error()
    return add(client, args[1], Rules(adds_to_score=True), [floating(args[2])], [args[3]])


def add(client: Client, key: bytes, rules: Rules, scores: list[float], names: list[bytes]) -> redis.Reply:
    db = client.db
    members = db.find(key, SortedSet)
    if members is None:
        if rules.only_known:
            return None if rules.adds_to_score else 0
        members = db.find_or_make(key, SortedSet)
    added = changed = 0
    score: float | None = None
    for given, name in zip(scores, names, strict=True):
        old = members.values.get(name)
        outcome = rules.put(members, name, given)
        if outcome is None:
            continue
        score, is_new = outcome
        added += is_new
        changed += is_new or score != old
    if changed:
        db.changed(key)
    if rules.adds_to_score:
        return score
    return changed if rules.counts_changes else added


# -- asking ---------------------------------------------------------------------------------------------


@command("ZCARD", arity=2, flags="readonly fast", keys=(1, 1, 1), since="1.2.0")
def zcard(client: Client, args: redis.Command) -> redis.Reply:
    """Counts members."""
    members = client.db.find(args[1], SortedSet)
    return 0 if members is None else len(members)


@command("ZSCORE", arity=3, flags="readonly fast", keys=(1, 1, 1), since="1.2.0")
def zscore(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the score of a member."""
    members = client.db.find(args[1], SortedSet)
    return None if members is None else members.values.get(args[2])


@command("ZMSCORE", arity=-3, flags="readonly fast", keys=(1, 1, 1), since="6.2.0")
def zmscore(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the scores of several members."""
    members = client.db.find(args[1], SortedSet)
    return [None if members is None else members.values.get(member) for member in args[2:]]


@command("ZRANK", arity=3, flags="readonly fast", keys=(1, 1, 1), since="2.0.0")
def zrank(client: Client, args: redis.Command) -> redis.Reply:
    """Tells how many members are lower."""
    members = client.db.find(args[1], SortedSet)
    score = None if members is None else members.values.get(args[2])
    return None if members is None or score is None else members.rank_of(score, args[2])


@command("ZREVRANK", arity=3, flags="readonly fast", keys=(1, 1, 1), since="2.0.0")
def zrevrank(client: Client, args: redis.Command) -> redis.Reply:
    """Tells how many members are higher."""
    members = client.db.find(args[1], SortedSet)
    score = None if members is None else members.values.get(args[2])
    return None if members is None or score is None else len(members) - 1 - members.rank_of(score, args[2])


@command("ZRANDMEMBER", arity=-2, flags="readonly", keys=(1, 1, 1), since="6.2.0")
def zrandmember(client: Client, args: redis.Command) -> redis.Reply:
    """Draws members."""
    if len(args) == 2:
        members = client.db.find(args[1], SortedSet)
        return None if members is None else members.draw()
    count, with_scores = read_draw(args, b"WITHSCORES")
    members = client.db.find(args[1], SortedSet)
    if members is None:
        return []
    return listed(client, [(members.values[name], name) for name in members.draw_many(count)], with_scores)


# -- removing -------------------------------------------------------------------------------------------


@command("ZREM", arity=-3, flags="write fast", keys=(1, 1, 1), since="1.2.0")
def zrem(client: Client, args: redis.Command) -> redis.Reply:
    """Removes members."""
    members = client.db.find(args[1], SortedSet)
    if members is None:
        return 0
    removed = sum([members.remove(member) for member in args[2:]])
    if removed:
        client.db.shrunk(args[1], members)
    return removed


@command("ZPOPMIN", arity=-2, flags="write fast", keys=(1, 1, 1), since="5.0.0")
def zpopmin(client: Client, args: redis.Command) -> redis.Reply:
    """Takes the members with the lowest scores."""
    return pop(client, args, _LOWEST)


@command("ZPOPMAX", arity=-2, flags="write fast", keys=(1, 1, 1), since="5.0.0")
def zpopmax(client: Client, args: redis.Command) -> redis.Reply:
    """Takes the members with the highest scores."""
    return pop(client, args, _HIGHEST)


def pop(client: Client, args: redis.Command, end: bytes) -> redis.Reply:
    if len(args) > 3:
        raise syntax_error()
    if len(args) == 3:
        return listed(client, take(client, args[1], end, positive(args[2])))
    return [word for score, member in take(client, args[1], end, 1) for word in (member, score)]


def take(client: Client, key: bytes, end: bytes, count: int) -> list[Entry]:
    """Take up to ``count`` members away, the one at the end first."""
    members = client.db.find(key, SortedSet)
    if members is None or count == 0:
        return []
    if end == _LOWEST:
        entries = list(members.entries(0, count))
    else:
        entries = list(members.entries(max(0, len(members) - count), len(members)))[::-1]
    for _, member in entries:
        members.remove(member)
    client.db.shrunk(key, members)
    client.propagate([b"ZREM", key, *[member for _, member in entries]])
    return entries


@command("ZMPOP", arity=-4, flags="write movablekeys", since="7.0.0")
def zmpop(client: Client, args: redis.Command) -> redis.Reply:
    """Takes members from the first of several sorted sets that has some."""
    keys, end, count = read_several(args[1:])
    for key in keys:
        taken = take_several(end, count, client, key)
        if taken is not None:
            return taken
    return redis.NULL_ARRAY


def read_several(words: redis.Command) -> tuple[list[bytes], bytes, int]:
    """Read ``numkeys key … MIN|MAX [COUNT count]``."""
    number = in_range(words[0], 1, error="numkeys should be greater than 0")
    if number + 1 >= len(words):
        raise syntax_error()
    end = words[number + 1].upper()
    if end not in (_LOWEST, _HIGHEST):
        raise syntax_error()
    return words[1 : number + 1], end, read_count(words[number + 2 :])


def take_several(end: bytes, count: int, client: Client, key: bytes) -> redis.Reply:
    entries = take(client, key, end, count)
    return [key, [[member, score] for score, member in entries]] if entries else None


@command("BZPOPMIN", arity=-3, flags="write noscript blocking fast", keys=(1, -2, 1), since="5.0.0")
def bzpopmin(client: Client, args: redis.Command) -> redis.Reply:
    """Takes the lowest member, or waits for one."""
    return pop_or_wait(client, args, _LOWEST)


@command("BZPOPMAX", arity=-3, flags="write noscript blocking fast", keys=(1, -2, 1), since="5.0.0")
def bzpopmax(client: Client, args: redis.Command) -> redis.Reply:
    """Takes the highest member, or waits for one."""
    return pop_or_wait(client, args, _HIGHEST)


def pop_or_wait(client: Client, args: redis.Command, end: bytes) -> redis.Reply:
    attempt = partial(take_one, end)
    return take_or_wait(client, args[1:-1], SortedSet, attempt, read_timeout(args[-1]))


def take_one(end: bytes, client: Client, key: bytes) -> redis.Reply:
    entries = take(client, key, end, 1)
    return [key, entries[0][1], entries[0][0]] if entries else None


@command("BZMPOP", arity=-5, flags="write blocking movablekeys", since="7.0.0")
def bzmpop(client: Client, args: redis.Command) -> redis.Reply:
    """Takes members from the first sorted set that has some, or waits."""
    timeout = read_timeout(args[1])
    keys, end, count = read_several(args[2:])
    return take_or_wait(client, keys, SortedSet, partial(take_several, end, count), timeout)
