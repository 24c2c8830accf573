"""The same random commands to the real redis-server and to the example: the replies are the same, byte for byte.

Commands are mostly right, often odd, sometimes wrong; a seed gives the same ones each time.  What is compared otherwise
than byte for byte, ``conftest.py`` names.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

Words = list[bytes]

KEYS = [b"a", b"b", b"c", b"d", b"{e}", b"key:6"]
FIELDS = [b"f1", b"f2", b"f3", b"f4", b"", b"f\xff\x00", b"10", b"long" * 20]
VALUES = [
    *(b"", b"0", b"1", b"-5", b"10", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808"),
    *(b"3.25", b"-0.1", b"1e5", b" 1", b"+1", b"01", b"abc", b"h\xc3\xa4llo\r\nw\x00rld", b"x" * 60),
]
INTEGERS = [b"0", b"1", b"2", b"3", b"-1", b"-2", b"-3", b"5", b"-7", b"100", b"-100"]
ODD_INTEGERS = [b"", b"x", b"1.5", b"9223372036854775807", b"-9223372036854775808", b"99999999999999999999", b" 1"]
FLOATS = [b"0", b"1", b"-1", b"1.5", b"0.1", b"-2.75", b"3e2", b"1e-3", b"100", b"0x10", b"3.0", b"1e17", b"7.000001"]
ODD_FLOATS = [
    b"inf",
    b"-inf",
    b"+inf",
    b"nan",
    b"",
    b"x",
    b"1_0",
    b" 1",
    b"1e400",
    b"1e-400",
    b"-0",
    b"1.2.3",
    b"infinity",
]
BOUNDS = [
    b"-inf",
    b"+inf",
    b"(1",
    b"(0.1",
    b"1",
    b"2",
    b"(-1",
    b"-5",
    b"100",
    b"(",
    b"x",
    b"(inf",
    b"1e999",
    b" 3",
    b"nan",
]
LEX = [b"-", b"+", b"[a", b"(a", b"[m2", b"(m3", b"[", b"(", b"[z", b"x", b"(m\xff"]
MEMBERS = [b"m1", b"m2", b"m3", b"m4", b"a", b"z", b"", b"7", b"-3", b"12", b"m\xff"]
PIECES = [b"e1", b"e2", b"e3", b"", b"5", b"e\x00\r\n"]
MOMENTS = [b"0", b"-1", b"1", b"4102444800", b"4102444900", b"99999999999999999", b"9223372036854775807"]
LENGTHS = [b"100", b"1000", b"5000", b"0", b"-1", b"x", b"9223372036854775807"]


class Dice:
    """What a maker of commands throws."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def key(self) -> bytes:
        return self.random.choice(KEYS)

    def keys(self, most: int = 3) -> Words:
        return [self.key() for _ in range(self.random.randint(1, most))]

    def of(self, *choices: bytes | Words) -> bytes:
        found = self.random.choice(choices)
        return self.random.choice(found) if isinstance(found, list) else found

    def some(self, words: Words, least: int = 1, most: int = 4) -> Words:
        return [self.random.choice(words) for _ in range(self.random.randint(least, most))]

    def integer(self) -> bytes:
        return self.random.choice(ODD_INTEGERS if self.random.random() < 0.06 else INTEGERS)

    def floating(self) -> bytes:
        return self.random.choice(ODD_FLOATS if self.random.random() < 0.1 else FLOATS)

    def maybe(self, *words: bytes, chance: float = 0.5) -> Words:
        return list(words) if self.random.random() < chance else []

    def options(self, *choices: Words) -> Words:
        """Some of these options, in any order."""
        chosen = [words for words in choices if self.random.random() < 0.35]
        self.random.shuffle(chosen)
        return [word for words in chosen for word in words]

    def pairs(self, first: Callable[[], bytes], second: Callable[[], bytes], most: int = 3) -> Words:
        found: Words = []
        for _ in range(self.random.randint(1, most)):
            found += [first(), second()]
        if self.random.random() < 0.05:
            found.pop()
        return found


def strings(d: Dice) -> list[Words]:
    value, key = d.of(VALUES), d.key()
    return [
        [b"SET", key, value],
        [b"SET", key, value, *d.options([b"NX"], [b"xx"], [b"GET"], [b"KEEPTTL"], [b"EX", d.of(LENGTHS)])],
        [b"SET", key, value, *d.options([b"PX", d.of(LENGTHS)], [b"EXAT", d.of(MOMENTS)], [b"PXAT", b"4102444800000"])],
        [b"GET", key],
        [b"GET", key],
        [b"MGET", *d.keys()],
        [d.of(b"MSET", b"MSETNX"), *d.pairs(d.key, lambda: d.of(VALUES))],
        [b"STRLEN", key],
        [b"APPEND", key, value],
        [b"GETRANGE", key, d.integer(), d.integer()],
        [b"SUBSTR", key, d.integer(), d.integer()],
        [b"SETRANGE", key, d.integer(), d.of(VALUES)],
        [d.of(b"INCR", b"DECR"), key],
        [d.of(b"INCRBY", b"DECRBY"), key, d.of(INTEGERS, VALUES)],
        [b"INCRBYFLOAT", key, d.floating()],
        [b"SET", key, d.of(b"5", b"10", b"3.5", b"-2", b"0.1", b"1e10")],
        [b"GETEX", key, *d.options([b"EX", d.of(LENGTHS)], [b"PERSIST"], [b"PXAT", b"4102444800000"])],
        [b"GETDEL", key],
        [b"GETSET", key, value],
        [d.of(b"SETEX", b"PSETEX"), key, d.of(LENGTHS), value],
        [b"SETNX", key, value],
        [b"TTL", key],
        [b"DEL", key],
        [b"LPUSH", key, b"not a string"],
        [b"OBJECT", b"ENCODING", b"nothing here"],
    ]


def bits(d: Dice) -> list[Words]:
    key = d.key()
    position = d.of(INTEGERS, [b"7", b"8", b"20", b"63", b"500"])
    return [
        [b"SETBIT", key, position, d.of(b"0", b"1", b"1", b"2", b"x")],
        [b"GETBIT", key, position],
        [b"BITCOUNT", key, *d.maybe(d.integer(), d.integer(), *d.maybe(d.of(b"BYTE", b"BIT", b"x")))],
        [b"BITCOUNT", key, *d.maybe(d.integer(), chance=0.1)],
        [b"BITPOS", key, d.of(b"0", b"1", b"2")],
        [b"BITPOS", key, d.of(b"0", b"1"), d.integer(), *d.maybe(d.integer(), *d.maybe(d.of(b"bit", b"BYTE")))],
        [b"BITOP", d.of(b"AND", b"OR", b"xor", b"NOT", b"x"), key, *d.keys()],
        [b"BITOP", b"NOT", key, d.key()],
        [b"SET", key, d.of(VALUES, [b"\xff\x0f\x80", b"\xff" * 9, b"\x00" * 5])],
        [b"GET", key],
        [b"DEL", key],
    ]


def keys(d: Dice) -> list[Words]:
    key, other = d.key(), d.key()
    condition = d.options([b"NX"], [b"XX"], [b"GT"], [b"LT"])
    return [
        [b"SET", key, d.of(VALUES)],
        [b"RPUSH", key, *d.some(PIECES)],
        [b"SADD", key, *d.some(MEMBERS)],
        [b"HSET", key, b"f", b"v"],
        [b"ZADD", key, b"1.5", b"m"],
        [d.of(b"DEL", b"UNLINK", b"EXISTS", b"TOUCH"), *d.keys()],
        [b"TYPE", key],
        [d.of(b"RENAME", b"RENAMENX"), key, other],
        [b"KEYS", d.of(b"*", b"[a-c]", b"k*", b"?", b"{*", b"\\a", b"nothing")],
        [b"DBSIZE"],
        [b"RANDOMKEY"],
        [d.of(b"EXPIRE", b"PEXPIRE"), key, d.of(LENGTHS, b"100000"), *condition],
        [b"EXPIREAT", key, d.of(MOMENTS), *condition, *d.maybe(b"foo", chance=0.1)],
        [b"PEXPIREAT", key, d.of(b"4102444800000", b"4102444900001", b"x"), *condition],
        [d.of(b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME"), key],
        [b"PERSIST", key],
        [
            b"COPY",
            key,
            other,
            *d.options([b"REPLACE"], [b"DB", d.of(b"0", b"1", b"99", b"4294967296", b"x")], [b"foo"]),
        ],
        [b"MOVE", key, d.of(b"0", b"1", b"2", b"16", b"4294967296", b"x")],
        [b"SELECT", d.of(b"0", b"0", b"1", b"2", b"16", b"-1", b"x")],
        [b"SWAPDB", d.of(b"0", b"1"), d.of(b"1", b"2", b"x", b"16")],
        [b"FLUSHDB", *d.maybe(d.of(b"ASYNC", b"SYNC", b"x"))],
        [
            b"SCAN",
            b"0",
            *d.options([b"COUNT", d.of(b"1000", b"0", b"x")], [b"MATCH", b"[ab]*"], [b"TYPE", b"list"]),
            b"COUNT",
            b"1000",
        ],
        [b"OBJECT", b"ENCODING", b"missing"],
        [b"OBJECT", b"REFCOUNT", b"missing"],
        [b"SCAN", d.of(b"x", b"", b"18446744073709551616")],
    ]


def hashes(d: Dice) -> list[Words]:
    key, field = d.key(), d.of(FIELDS)
    return [
        [d.of(b"HSET", b"HMSET"), key, *d.pairs(lambda: d.of(FIELDS), lambda: d.of(VALUES))],
        [b"HSETNX", key, field, d.of(VALUES)],
        [b"HGET", key, field],
        [b"HMGET", key, *d.some(FIELDS)],
        [b"HDEL", key, *d.some(FIELDS)],
        [b"HLEN", key],
        [b"HSTRLEN", key, field],
        [b"HEXISTS", key, field],
        [b"HGETALL", key],
        [d.of(b"HKEYS", b"HVALS"), key],
        [b"HINCRBY", key, field, d.of(INTEGERS, VALUES)],
        [b"HINCRBYFLOAT", key, field, d.floating()],
        [b"HRANDFIELD", key, *d.maybe(d.integer(), *d.maybe(d.of(b"WITHVALUES", b"x")))],
        [b"HSCAN", key, b"0", b"COUNT", b"1000", *d.maybe(b"MATCH", b"f*"), *d.maybe(b"COUNT", chance=0.1)],
        [b"SET", key, b"not a hash"],
        [b"DEL", key],
    ]


def lists(d: Dice) -> list[Words]:
    key, piece = d.key(), d.of(PIECES)
    side = d.of(b"LEFT", b"RIGHT", b"left", b"x")
    return [
        [d.of(b"LPUSH", b"RPUSH"), key, *d.some(PIECES)],
        [b"RPUSH", key, *d.some(PIECES, 3, 12)],
        [d.of(b"LPUSHX", b"RPUSHX"), key, *d.some(PIECES)],
        [d.of(b"LPOP", b"RPOP"), key, *d.maybe(d.integer(), *d.maybe(b"x", chance=0.1))],
        [b"LLEN", key],
        [b"LINDEX", key, d.integer()],
        [b"LSET", key, d.integer(), piece],
        [b"LRANGE", key, d.integer(), d.integer()],
        [b"LRANGE", key, b"0", b"-1"],
        [b"LTRIM", key, d.integer(), d.integer()],
        [b"LREM", key, d.integer(), piece],
        [b"LINSERT", key, d.of(b"BEFORE", b"after", b"x"), piece, d.of(PIECES)],
        [
            b"LPOS",
            key,
            piece,
            *d.options([b"RANK", d.of(INTEGERS, [b"x", b"1.5"])], [b"COUNT", d.integer()], [b"MAXLEN", d.integer()]),
        ],
        [b"LMOVE", key, d.key(), side, d.of(b"LEFT", b"RIGHT")],
        [b"RPOPLPUSH", key, d.key()],
        [b"LMPOP", d.of(b"1", b"2", b"0", b"x"), key, d.key(), side, *d.maybe(b"COUNT", d.integer())],
        [b"LMPOP", b"2", key, d.key(), b"LEFT", *d.maybe(b"COUNT", d.integer(), *d.maybe(b"COUNT", chance=0.1))],
        [d.of(b"BLPOP", b"BRPOP"), *d.keys(), d.of(b"0.001", b"0.001", b"x", b"-1", b"inf", b"1e20")],
        [b"BLMOVE", key, d.key(), side, d.of(b"LEFT", b"RIGHT"), b"0.001"],
        [b"BRPOPLPUSH", key, d.key(), b"0.001"],
        [b"BLMPOP", b"0.001", b"2", key, d.key(), b"RIGHT", *d.maybe(b"COUNT", d.integer())],
        [b"SET", key, b"not a list"],
        [b"DEL", key],
        [b"DEL", key],
    ]


def sets(d: Dice) -> list[Words]:
    key, member = d.key(), d.of(MEMBERS)
    return [
        [b"SADD", key, *d.some(MEMBERS)],
        [b"SADD", key, *d.some(MEMBERS, 3, 9)],
        [b"SREM", key, *d.some(MEMBERS)],
        [b"SMOVE", key, d.key(), member],
        [b"SCARD", key],
        [b"SISMEMBER", key, member],
        [b"SMISMEMBER", key, *d.some(MEMBERS)],
        [b"SMEMBERS", key],
        [d.of(b"SINTER", b"SUNION", b"SDIFF"), *d.keys()],
        [d.of(b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"), key, *d.keys()],
        [b"SINTERCARD", d.of(b"1", b"2", b"0", b"x"), key, d.key(), *d.maybe(b"LIMIT", d.integer())],
        [b"SRANDMEMBER", key, *d.maybe(d.integer(), *d.maybe(b"x", chance=0.1))],
        [b"SSCAN", key, b"0", b"COUNT", b"1000", *d.maybe(b"MATCH", b"m*")],
        [b"SET", key, b"not a set"],
        [b"DEL", key],
    ]


def sorted_sets(d: Dice) -> list[Words]:
    key, member = d.key(), d.of(MEMBERS)
    rules = d.options([b"NX"], [b"XX"], [b"GT"], [b"LT"], [b"CH"])
    scored = d.pairs(d.floating, lambda: d.of(MEMBERS))
    return [
        [b"ZADD", key, *scored],
        [b"ZADD", key, *[word for name in d.some(MEMBERS, 3, 8) for word in (d.of(FLOATS), name)]],
        [b"ZADD", key, *rules, *scored],
        [b"ZADD", key, *rules, b"INCR", *scored[:2]],
        [b"ZADD", key, b"INCR", d.of(b"inf", b"-inf"), member],
        [b"ZINCRBY", key, d.of(b"GT", b"x", *[d.floating() for _ in range(8)]), member],
        [b"ZCARD", key],
        [b"ZSCORE", key, member],
        [b"ZMSCORE", key, *d.some(MEMBERS)],
        [d.of(b"ZRANK", b"ZREVRANK"), key, member],
        [b"ZREM", key, *d.some(MEMBERS)],
        [d.of(b"ZPOPMIN", b"ZPOPMAX"), key, *d.maybe(d.integer(), *d.maybe(b"x", chance=0.1))],
        [
            b"ZMPOP",
            d.of(b"2", b"1", b"0", b"x"),
            key,
            d.key(),
            d.of(b"MIN", b"MAX", b"x"),
            *d.maybe(b"COUNT", d.integer()),
        ],
        [d.of(b"BZPOPMIN", b"BZPOPMAX"), *d.keys(), b"0.001"],
        [b"BZMPOP", b"0.001", b"2", key, d.key(), b"MAX", *d.maybe(b"COUNT", d.integer())],
        [b"ZRANDMEMBER", key, *d.maybe(d.integer(), *d.maybe(d.of(b"WITHSCORES", b"x")))],
        [b"ZSCAN", key, b"0", b"COUNT", b"1000", *d.maybe(b"MATCH", b"m*")],
        [b"SET", key, b"not a sorted set"],
        [b"DEL", key],
    ]


def ranges(d: Dice) -> list[Words]:
    key = d.key()
    limit = d.maybe(b"LIMIT", d.integer(), d.integer())
    more = d.options([b"WITHSCORES"], [b"LIMIT", d.integer(), d.integer()], [b"REV"])
    lex = b"lex:" + key  # all of one score, or what ranges by member mean is nobody's promise
    weird = d.of(lex, lex, lex, b"missing")
    return [
        [b"ZADD", key, *[word for name in d.some(MEMBERS, 3, 8) for word in (d.of(FLOATS), name)]],
        [b"ZADD", lex, *[word for name in d.some(MEMBERS, 3, 8) for word in (b"1.5", name)]],
        [b"ZRANGE", key, d.integer(), d.integer(), *d.options([b"REV"], [b"WITHSCORES"], [b"LIMIT", b"0", b"-1"])],
        [b"ZRANGE", key, d.of(BOUNDS), d.of(BOUNDS), b"BYSCORE", *more],
        [b"ZRANGE", weird, d.of(LEX), d.of(LEX), b"BYLEX", *more],
        [b"ZREVRANGE", key, d.integer(), d.integer(), *d.maybe(b"WITHSCORES")],
        [d.of(b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE"), key, d.of(BOUNDS), d.of(BOUNDS), *d.maybe(b"withscores"), *limit],
        [d.of(b"ZRANGEBYLEX", b"ZREVRANGEBYLEX"), weird, d.of(LEX), d.of(LEX), *limit],
        [b"ZRANGEBYSCORE", key, b"-inf", b"+inf", *more],
        [b"ZRANGESTORE", key, d.key(), d.integer(), d.integer(), *d.maybe(b"REV")],
        [b"ZRANGESTORE", key, d.key(), d.of(BOUNDS), d.of(BOUNDS), b"BYSCORE", *more],
        [b"ZCOUNT", key, d.of(BOUNDS), d.of(BOUNDS)],
        [b"ZLEXCOUNT", weird, d.of(LEX), d.of(LEX)],
        [b"ZREMRANGEBYRANK", key, d.integer(), d.integer()],
        [b"ZREMRANGEBYSCORE", key, d.of(BOUNDS), d.of(BOUNDS)],
        [b"ZREMRANGEBYLEX", weird, d.of(LEX), d.of(LEX)],
        [b"SADD", key, b"not a sorted set"],
        [b"DEL", key],
    ]


def combining(d: Dice) -> list[Words]:
    key = d.key()
    number = d.of(b"2", b"2", b"1", b"3", b"0", b"x")
    details = d.options(
        [b"WEIGHTS", d.floating(), d.floating()], [b"AGGREGATE", d.of(b"SUM", b"min", b"MAX", b"x")], [b"WITHSCORES"]
    )
    return [
        [b"ZADD", key, *[word for name in d.some(MEMBERS, 3, 8) for word in (d.of(FLOATS), name)]],
        [b"ZADD", key, d.of(b"inf", b"-inf", b"5"), d.of(MEMBERS)],
        [b"SADD", key, *d.some(MEMBERS)],
        [d.of(b"ZUNION", b"ZINTER"), number, d.key(), d.key(), *details],
        [d.of(b"ZUNION", b"ZINTER"), b"2", d.key(), d.key(), b"WITHSCORES"],
        [d.of(b"ZUNIONSTORE", b"ZINTERSTORE"), key, b"2", d.key(), d.key(), *details],
        [b"ZDIFF", number, d.key(), d.key(), *d.maybe(b"WITHSCORES")],
        [b"ZDIFFSTORE", key, b"2", d.key(), d.key()],
        [b"ZINTERCARD", number, d.key(), d.key(), *d.maybe(b"LIMIT", d.integer())],
        [b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
        [b"SET", key, b"neither"],
        [b"DEL", key],
        [b"DEL", key],
    ]


def transactions(d: Dice) -> list[Words]:
    key = d.key()
    return [
        [b"MULTI"],
        [b"EXEC"],
        [b"EXEC"],
        [b"DISCARD"],
        [b"WATCH", *d.keys()],
        [b"UNWATCH"],
        [b"SET", key, d.of(VALUES)],
        [b"GET", key],
        [b"INCR", key],
        [b"LPUSH", key, b"x"],
        [b"LPOP", key],
        [b"MULTI"],
        [d.of(b"BLPOP", b"BRPOP", b"BZPOPMIN"), key, b"0.001"],
        [d.of(b"BLMOVE"), key, d.key(), b"LEFT", b"RIGHT", b"0.001"],
        [b"NONSENSE", key],
        [b"GET"],
        [b"SELECT", d.of(b"0", b"1")],
        [b"FLUSHDB"],
        [b"SWAPDB", b"0", b"1"],
        [b"EXPIRE", key, d.of(b"100", b"-1")],
        [b"DEL", key],
    ]


MAKERS: dict[str, Callable[[Dice], list[Words]]] = {
    maker.__name__: maker
    for maker in (strings, bits, keys, hashes, lists, sets, sorted_sets, ranges, combining, transactions)
}


def commands(kind: str, seed: int, number: int) -> list[Words]:
    """Make ``number`` commands of a kind."""
    dice = Dice(seed)
    found = [dice.random.choice(MAKERS[kind](dice)) for _ in range(number)]
    for words in found:
        if dice.random.random() < 0.005:
            words.append(b"one too many")
    return found


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("kind", MAKERS)
def test_the_replies_to_random_commands_are_those_of_the_real_server(
    both: tuple[Any, Any], comparing: Callable[..., None], kind: str, protocol: int
) -> None:
    for connection in both:
        connection.ask("HELLO", protocol)
    for seed in range(3):
        comparing(*both, commands(kind, 10 * protocol + seed, 1500))
        comparing(*both, [[b"DISCARD"], [b"FLUSHALL"], [b"SELECT", b"0"]])


def test_large_values_answer_as_the_real_ones(both: tuple[Any, Any], comparing: Callable[..., None]) -> None:
    dice = Dice(1)
    numbers = [b"%d" % number for number in range(1000)]
    scores = [dice.of(FLOATS, [b"1e17", b"-0.5", b"17"]) for _ in numbers]
    comparing(
        *both,
        [
            [b"ZADD", b"z", *[word for score, name in zip(scores, numbers, strict=True) for word in (score, name)]],
            [b"RPUSH", b"l", *numbers],
            [b"HSET", b"h", *[word for name in numbers for word in (name, b"v" + name)]],
            [b"SADD", b"s", *numbers, b"text"],
            *[[b"ZRANK", b"z", name] for name in numbers[::7]],
            *[[b"ZRANGE", b"z", b"%d" % at, b"%d" % (at + 5), b"WITHSCORES"] for at in range(0, 1000, 13)],
            *[[b"ZCOUNT", b"z", dice.of(BOUNDS), dice.of(BOUNDS)] for _ in range(100)],
            *[[b"ZREMRANGEBYSCORE", b"z", b"(%d" % at, b"%d" % (at + 1)] for at in range(3)],
            [b"ZSCAN", b"z", b"0", b"COUNT", b"2000"],
            [b"ZRANGE", b"z", b"0", b"-1", b"REV", b"WITHSCORES"],
            *[[b"LINDEX", b"l", b"%d" % at] for at in range(-1100, 1100, 37)],
            [b"LTRIM", b"l", b"100", b"-101"],
            [b"LRANGE", b"l", b"-500", b"300"],
            [b"HGETALL", b"h"],
            [b"SMEMBERS", b"s"],
            [b"SINTERCARD", b"2", b"s", b"s"],
            *[[b"OBJECT", b"ENCODING", key] for key in (b"z", b"l", b"h", b"s")],
        ],
    )


def test_walks_in_small_steps_meet_the_same(both: tuple[Any, Any]) -> None:
    met: list[set[bytes]] = []
    for connection in both:
        connection.ask_all([[b"SADD", b"members", b"%d" % number, b"m%d" % number] for number in range(300)])
        met.append(set())
        cursor = b"0"
        while True:
            lines = connection.ask("SSCAN", "members", cursor, "COUNT", 7, "MATCH", "*1*").split(b"\r\n")
            cursor = lines[2]
            met[-1].update(lines[5::2])
            if cursor == b"0":
                break
    assert met[0] == met[1]
    assert len(met[0]) > 200


def test_a_table_says_of_each_command_what_the_real_one_says(both: tuple[Any, Any], part: Callable[[str], Any]) -> None:
    part("program")
    for entry in part("table").TABLE:
        if both[0].ask("COMMAND", "INFO", entry.name) == b"*1\r\n*-1\r\n":
            continue
        said = [connection.ask("COMMAND", "INFO", entry.name) for connection in both]
        # name, arity, flags, first, last and step; what follows are ACL categories, tips and key specifications
        assert [facts(reply) for reply in said[:1]] == [facts(reply) for reply in said[1:]], entry.name


def facts(reply: bytes) -> list[bytes]:
    """The lines of COMMAND INFO up to where the keys are; flags in any order."""
    lines = reply.split(b"\r\n")
    flags = int(lines[5][1:])
    return [*lines[:6], *sorted(lines[6 : 6 + flags]), *lines[6 + flags : 9 + flags]]
