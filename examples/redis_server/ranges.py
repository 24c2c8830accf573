"""Ranges of sorted sets: by rank, by score, or by the members themselves.

Each becomes a range of ranks, and whatever is done with it afterwards is the same for all::

    ZRANGE z 0 -1                         by rank
    ZRANGE z (1 +inf BYSCORE LIMIT 0 10   by score, without 1 itself
    ZRANGE z [a (c BYLEX                  by member, if all have the same score
"""

from __future__ import annotations

import math
import re
from typing import Final

from attrs import define

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

from .arguments import clamp, floating, syntax_error
from .sorted_set import Entry, SortedSet
from .sorted_sets import listed
from .table import Client, Group

command = Group("sorted-set")

_RANK: Final = b"BYRANK"
_SCORE: Final = b"BYSCORE"
_LEX: Final = b"BYLEX"
_NOT_A_BOUND: Final = "min or max is not a float"
_NOT_A_NAME: Final = "min or max not valid string range item"
_TOO_LARGE: Final = re.compile(rb"([+-]?)[0-9.]+[eE]?\+?[0-9]*")


# -- bounds ---------------------------------------------------------------------------------------------


def read_bound(arg: bytes) -> tuple[float, bool]:
    """Read a score, and whether it is itself left out: ``(5``.

    So lenient is the real server here: blanks in front, nothing for 0, and numbers too large for infinity.
    """
    is_out = arg.startswith(b"(")
    number = (arg[1:] if is_out else arg).lstrip()
    if not number:
        return 0.0, is_out
    try:
        return floating(number), is_out
    except redis.CommandError:
        found = _TOO_LARGE.fullmatch(number)
        if found is None or len(number) > 400:
            raise redis.CommandError(_NOT_A_BOUND) from None
    try:
        return float(number), is_out
    except ValueError:
        raise redis.CommandError(_NOT_A_BOUND) from None


def ranks_by_score(members: SortedSet, least: bytes, most: bytes) -> tuple[int, int]:
    low, low_is_out = read_bound(least)
    high, high_is_out = read_bound(most)
    begin = after(members, low) if low_is_out else members.rank_of(low)
    end = members.rank_of(high) if high_is_out else after(members, high)
    return begin, max(begin, end)


def after(members: SortedSet, score: float) -> int:
    """Count the members up to this score, which is itself included."""
    return len(members) if score == math.inf else members.rank_of(math.nextafter(score, math.inf))


def check_name(arg: bytes) -> None:
    if arg not in (b"-", b"+") and not arg.startswith((b"[", b"(")):
        raise redis.CommandError(_NOT_A_NAME)


def ranks_by_lex(members: SortedSet, least: bytes, most: bytes) -> tuple[int, int]:
    begin = rank_by_lex(members, least, b"(")
    return begin, max(begin, rank_by_lex(members, most, b"["))


def rank_by_lex(members: SortedSet, arg: bytes, steps_over: bytes) -> int:
    if arg == b"-" or not members:
        return 0
    if arg == b"+":
        return len(members)
    [(score, _)] = members.entries(0, 1)  # all have the same, or the answer means nothing
    return members.rank_of(score, arg[1:] + b"\0" if arg.startswith(steps_over) else arg[1:])


# -- a range as it was asked for ------------------------------------------------------------------------


@define
class Range:
    """What ZRANGE and its older siblings were asked for."""

    least: bytes
    most: bytes
    kind: bytes = _RANK
    is_reversed: bool = False
    offset: int = 0
    limit: int = -1
    with_scores: bool = False

    def read_options(self, words: redis.Command, allowed: tuple[bytes, ...]) -> None:
        at = 0
        while at < len(words):
            option = words[at].upper()
            if option not in allowed or (option == b"LIMIT" and at + 2 >= len(words)):
                raise syntax_error()
            if option == b"LIMIT":
                self.offset, self.limit = integer(words[at + 1]), integer(words[at + 2])
                at += 2
            elif option == b"WITHSCORES":
                self.with_scores = True
            elif option == b"REV":
                self.is_reversed = True
            else:
                self.kind = option
            at += 1
        if self.limit != -1 and self.kind == _RANK:
            raise redis.CommandError(
                "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
            )
        if self.with_scores and self.kind == _LEX:
            raise redis.CommandError("syntax error, WITHSCORES not supported in combination with BYLEX")
        if self.is_reversed and self.kind != _RANK:
            self.least, self.most = self.most, self.least

    def check(self) -> None:
        """Complain about bounds, also when there is no sorted set."""
        if self.kind == _LEX:
            check_name(self.least)
            check_name(self.most)
            return
        read = integer if self.kind == _RANK else read_bound
        read(self.least)
        read(self.most)

    def ranks(self, members: SortedSet) -> tuple[int, int]:
        if self.kind == _SCORE:
            return ranks_by_score(members, self.least, self.most)
        if self.kind == _LEX:
            return ranks_by_lex(members, self.least, self.most)
        begin, end = clamp(integer(self.least), integer(self.most), len(members))
        return (len(members) - end, len(members) - begin) if self.is_reversed else (begin, end)

    def select(self, members: SortedSet) -> list[Entry]:
        """The entries in the order that was asked for."""
        begin, end = self.ranks(members)
        size = max(0, end - begin)
        first = size if self.offset < 0 else min(self.offset, size)
        count = size - first if self.limit < 0 else min(self.limit, size - first)
        if self.is_reversed:
            return list(members.entries(end - first - count, end - first))[::-1]
        return list(members.entries(begin + first, begin + first + count))


def answer(client: Client, key: bytes, wanted: Range) -> redis.Reply:
    wanted.check()
    members = client.db.find(key, SortedSet)
    return [] if members is None else listed(client, wanted.select(members), wanted.with_scores)


@command("ZRANGE", arity=-4, flags="readonly", keys=(1, 1, 1), since="1.2.0")
def zrange(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the members of a range."""
    wanted = Range(args[2], args[3])
    wanted.read_options(args[4:], (_SCORE, _LEX, b"REV", b"LIMIT", b"WITHSCORES"))
    return answer(client, args[1], wanted)


@command("ZREVRANGE", arity=-4, flags="readonly", keys=(1, 1, 1), since="1.2.0")
def zrevrange(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the members of a range of ranks, the highest first."""
    wanted = Range(args[2], args[3], is_reversed=True)
    wanted.read_options(args[4:], (b"LIMIT", b"WITHSCORES"))
    return answer(client, args[1], wanted)


@command("ZRANGEBYSCORE", arity=-4, flags="readonly", keys=(1, 1, 1), since="1.0.5")
def zrangebyscore(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the members of a range of scores."""
    wanted = Range(args[2], args[3], _SCORE)
    wanted.read_options(args[4:], (b"LIMIT", b"WITHSCORES"))
    return answer(client, args[1], wanted)


@command("ZREVRANGEBYSCORE", arity=-4, flags="readonly", keys=(1, 1, 1), since="2.2.0")
def zrevrangebyscore(client: Client, args: redis.Command) -> redis.Reply:
    """Tells the members of a range of scores, the highest first."""
    wanted = Range(args[2], args[3], _SCORE, is_reversed=True)
    wanted.read_options(args[4:], (b"LIMIT", b"WITHSCORES"))
    return answer(client, args[1], wanted)


@command("ZRANGEBYLEX", arity=-4, flags="readonly", keys=(1, 1, 1), since="2.8.9")
def zrangebylex(client: Client, args: redis.Command) -> redis.Reply:
    """Tells a range of members that have the same score."""
    wanted = Range(args[2], args[3], _LEX)
    wanted.read_options(args[4:], (b"LIMIT", b"WITHSCORES"))
    return answer(client, args[1], wanted)


@command("ZREVRANGEBYLEX", arity=-4, flags="readonly", keys=(1, 1, 1), since="2.8.9")
def zrevrangebylex(client: Client, args: redis.Command) -> redis.Reply:
    """Tells a range of members that have the same score, the last first."""
    wanted = Range(args[2], args[3], _LEX, is_reversed=True)
    wanted.read_options(args[4:], (b"LIMIT", b"WITHSCORES"))
    return answer(client, args[1], wanted)


@command("ZRANGESTORE", arity=-5, flags="write denyoom", keys=(1, 2, 1), since="6.2.0")
def zrangestore(client: Client, args: redis.Command) -> redis.Reply:
    """Stores the members of a range."""
    wanted = Range(args[3], args[4])
    wanted.read_options(args[5:], (_SCORE, _LEX, b"REV", b"LIMIT"))
    wanted.check()
    members = client.db.find(args[2], SortedSet)
    return keep(client, args[1], [] if members is None else wanted.select(members))


def keep(client: Client, key: bytes, entries: list[Entry]) -> redis.Reply:
    """Store the outcome; an empty one is not kept."""
    if not entries:
        client.db.delete(key)
        return 0
    kept = SortedSet()
    for score, member in entries:
        kept.put(member, score)
    client.db.set(key, kept)
    return len(kept)


# -- counting and removing ------------------------------------------------------------------------------


def count(client: Client, key: bytes, wanted: Range) -> redis.Reply:
    wanted.check()
    members = client.db.find(key, SortedSet)
    if members is None:
        return 0
    begin, end = wanted.ranks(members)
    return end - begin


@command("ZCOUNT", arity=4, flags="readonly fast", keys=(1, 1, 1), since="2.0.0")
def zcount(client: Client, args: redis.Command) -> redis.Reply:
    """Counts the members of a range of scores."""
    return count(client, args[1], Range(args[2], args[3], _SCORE))


@command("ZLEXCOUNT", arity=4, flags="readonly fast", keys=(1, 1, 1), since="2.8.9")
def zlexcount(client: Client, args: redis.Command) -> redis.Reply:
    """Counts a range of members that have the same score."""
    return count(client, args[1], Range(args[2], args[3], _LEX))


def remove(client: Client, key: bytes, wanted: Range) -> redis.Reply:
    wanted.check()
    members = client.db.find(key, SortedSet)
    entries = [] if members is None else wanted.select(members)
    if members is None or not entries:
        return 0
    for _, member in entries:
        members.remove(member)
    client.db.shrunk(key, members)
    return len(entries)


@command("ZREMRANGEBYRANK", arity=4, flags="write", keys=(1, 1, 1), since="2.0.0")
def zremrangebyrank(client: Client, args: redis.Command) -> redis.Reply:
    """Removes a range of ranks."""
    return remove(client, args[1], Range(args[2], args[3]))


@command("ZREMRANGEBYSCORE", arity=4, flags="write", keys=(1, 1, 1), since="1.2.0")
def zremrangebyscore(client: Client, args: redis.Command) -> redis.Reply:
    """Removes a range of scores."""
    return remove(client, args[1], Range(args[2], args[3], _SCORE))


@command("ZREMRANGEBYLEX", arity=4, flags="write", keys=(1, 1, 1), since="2.8.9")
def zremrangebylex(client: Client, args: redis.Command) -> redis.Reply:
    """Removes a range of members that have the same score."""
    return remove(client, args[1], Range(args[2], args[3], _LEX))
