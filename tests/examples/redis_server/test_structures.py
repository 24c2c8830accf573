"""The structures under the example: sorted sets with ranks, dictionaries that are walked while they change, numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs import redis

Part = Callable[[str], Any]


# -- sorted sets ----------------------------------------------------------------------------------------


def test_a_sorted_set_is_what_a_sorted_list_of_pairs_would_be(part: Part) -> None:
    chance = random.Random(7)
    members = part("sorted_set").SortedSet()
    model: dict[bytes, float] = {}
    for turn in range(20_000):
        name = b"m%d" % chance.randrange(4000)
        if chance.random() < 0.35:
            assert members.remove(name) is (model.pop(name, None) is not None)
        else:
            score = chance.choice([0.0, 1.0, 2.5, -3.0, math.inf, -math.inf, chance.random()])
            assert members.put(name, score) is (name not in model)
            model[name] = score
        if turn % 2000 == 0:
            ordered = sorted((score, name) for name, score in model.items())
            assert list(members.entries(0, len(members))) == ordered
            for rank in (0, 1, len(ordered) // 2, len(ordered) - 1):
                if rank < len(ordered):
                    assert members.rank_of(*ordered[rank]) == rank
                    assert list(members.entries(rank, rank + 3)) == ordered[rank : rank + 3]
            assert members.rank_of(1.0) == sum(score < 1.0 for score in model.values())
            assert members.rank_of(math.inf, b"\xff") == len(ordered)
    for name in list(model):
        assert members.remove(name)
    assert len(members) == 0
    assert members.rank_of(0.0) == 0
    assert list(members.entries(0, 10)) == []


def test_the_rank_of_one_among_many_is_found_in_few_steps(part: Part) -> None:
    members = part("sorted_set").SortedSet()
    for number in range(30_000):
        members.put(b"%05d" % number, float(number // 3))
    assert [members.rank_of(number // 3, b"%05d" % number) for number in range(0, 30_000, 997)] == list(
        range(0, 30_000, 997)
    )


# -- walks ----------------------------------------------------------------------------------------------


def test_a_walk_meets_everybody_who_was_there_all_the_time(part: Part) -> None:
    chance = random.Random(3)
    for _ in range(50):
        named = part("named").Named()
        stay = {b"stay:%d" % number for number in range(chance.randrange(1, 60))}
        others = [b"other:%d" % number for number in range(100)]
        for name in [*stay, *chance.sample(others, 50)]:
            named.put(name, None)
        met: list[bytes] = []
        cursor, steps = 0, 0
        while cursor or not steps:
            cursor, names = named.step(cursor, chance.randrange(1, 12))
            met += names
            steps += 1
            assert steps < 1000
            for name in chance.sample(others, 5):
                if not named.remove(name):
                    named.put(name, None)
        assert stay <= set(met)
        assert sorted(named.names()) == sorted(named.values)


def test_one_who_left_is_not_drawn(part: Part) -> None:
    named = part("named").Named()
    for name in (b"a", b"b", b"c"):
        named.put(name, None)
    assert named.draw() in named.values
    named.remove(b"a")
    assert {named.draw() for _ in range(100)} == {b"b", b"c"}
    assert sorted(named.draw_many(5)) == [b"b", b"c"]
    assert len(named.draw_many(-5)) == 5
    with pytest.raises(redis.CommandError, match="out of range"):
        named.draw_many(-(2**40))


# -- numbers --------------------------------------------------------------------------------------------

# What the real server (7.0.15) answers to SET x …, INCRBYFLOAT x …
SUMS = [
    (b"0", b"0.1", b"0.1"),
    (b"0.1", b"0.2", b"0.3"),
    (b"3.0e3", b"200", b"3200"),
    (b"10.5", b"-10.5", b"0"),
    (b"1", b"1e-17", b"1.00000000000000001"),
    (b"1", b"1e-18", b"1"),
    (b"1e17", b"0.3", b"100000000000000000.296875"),
    (b"5", b"0x10", b"21"),
]


@pytest.mark.parametrize(("value", "amount", "total"), SUMS)
def test_long_doubles_are_added_as_c_does(part: Part, value: bytes, amount: bytes, total: bytes) -> None:
    arguments = part("arguments")
    assert arguments.add_long(arguments.long_double(value), arguments.long_double(amount)) == total


def test_those_sums_are_the_real_servers(start_real: Callable[..., Any]) -> None:
    real = start_real().connect()
    for value, amount, total in SUMS:
        real.ask("SET", "x", value)
        assert real.ask("INCRBYFLOAT", "x", amount) == b"$%d\r\n%b\r\n" % (len(total), total)


@pytest.mark.parametrize(
    "arg", [b"", b"nan", b" 1", b"1 ", b"1_0", b"1e400", b"1e-400", b"--1", b"1" * 6000, b"1e999999999"]
)
def test_what_is_no_float_is_refused_at_once(part: Part, arg: bytes) -> None:
    for read in (part("arguments").floating, part("arguments").long_double):
        if arg in (b"1e400", b"1e-400") and read is part("arguments").long_double:
            continue  # 80 bits hold those
        with pytest.raises(redis.CommandError, match="not a valid float"):
            read(arg)
