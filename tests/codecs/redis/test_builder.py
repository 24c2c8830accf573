from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import DecodeError
from pipeline_net.codecs import redis
from pipeline_net.codecs.redis.builder import PENDING, MessageBuilder
from pipeline_net.codecs.redis.rules import ARRAY, ATTRIBUTE, MAP, PUSH, SET

STREAMED = -1


def _builder(max_depth: int = 4, max_elements: int = 10) -> MessageBuilder:
    return MessageBuilder(max_depth, max_elements, True)


def _build(builder: MessageBuilder, *steps: Any) -> Any:
    """A tuple opens, "." ends, everything else is a value; only the last one makes the message whole."""
    *others, last = [
        builder.open(*step) if isinstance(step, tuple) else builder.end() if step == "." else builder.add(step)
        for step in steps
    ]
    assert all(outcome is PENDING for outcome in others)
    assert last is PENDING or builder.is_idle
    return last


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([7], 7),
        ([None], redis.NULL),
        ([(ARRAY, 0)], []),
        ([(ARRAY, 2), 1, None], [1, None]),
        ([(ARRAY, 2), (ARRAY, 1), 1, (MAP, 1), b"a", (SET, 0)], [[1], {b"a": set()}]),
        ([(ARRAY, STREAMED), 1, (ARRAY, STREAMED), ".", "."], [1, []]),
        ([(MAP, STREAMED), 1, 2, "."], {1: 2}),
        ([(SET, 2), 1, 2], {1, 2}),
        ([(PUSH, 1), b"a"], redis.Push([b"a"])),
        ([(ATTRIBUTE, 1), 1, 2, 3], redis.Attributed({1: 2}, 3)),
        ([(ATTRIBUTE, 0), (ATTRIBUTE, 1), 1, 2, None], redis.Attributed({}, redis.Attributed({1: 2}, None))),
        ([(ATTRIBUTE, 1), 1, 2, (ARRAY, 1), (ATTRIBUTE, 0), 3], redis.Attributed({1: 2}, [redis.Attributed({}, 3)])),
    ],
)
def test_values_become_whole(steps: list[Any], message: Any) -> None:
    builder = _builder()
    for _ in range(3):  # it can be used again
        made = _build(builder, *steps)
        assert made == message
        assert type(made) is type(message)


def test_values_that_are_all_there_need_not_be_added_one_by_one() -> None:
    builder = _builder()
    assert builder.flat(ARRAY, 2, [1, 2]) == [1, 2]
    assert builder.flat(MAP, 1, [1, 2]) == {1: 2}
    assert builder.open(ARRAY, 2) is PENDING
    assert builder.flat(SET, 1, [b"a"]) is PENDING
    assert builder.flat(ARRAY, 1, [b"b"]) == [{b"a"}, [b"b"]]
    assert type(builder.flat(PUSH, 1, [b"a"])) is redis.Push


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        ([(ARRAY, 1)] * 5, "nested deeper than 4"),
        ([(ARRAY, 11)], "more than 10 elements"),
        ([(MAP, 6)], "more than 10 elements"),
        ([(ARRAY, 6), (ARRAY, 5)], "more than 10 elements"),
        ([(ARRAY, STREAMED), *[1] * 11], "more than 10 elements"),
        ([(ATTRIBUTE, 0)] * 11, "more than 10 elements"),
        ([(ARRAY, 1), (PUSH, 1)], "inside something else"),
        ([(PUSH, 0)], "of which kind"),
        (["."], "has a length"),
        ([(ARRAY, 1), "."], "has a length"),
        ([(MAP, STREAMED), 1, "."], "after a key"),
        ([(ARRAY, STREAMED), (ATTRIBUTE, 0), "."], "about nothing"),
    ],
)
def test_what_does_not_fit_is_refused(steps: list[Any], rule: str) -> None:
    with pytest.raises(DecodeError, match=rule):
        _build(_builder(), *steps)


def test_a_flat_aggregate_is_held_to_the_same_limits() -> None:
    with pytest.raises(DecodeError, match="more than 10 elements"):
        _builder().flat(ARRAY, 11, [1] * 11)
    with pytest.raises(DecodeError, match="of which kind"):
        _builder().flat(PUSH, 0, [])
    builder = _builder(max_depth=1)
    builder.open(ARRAY, 1)
    with pytest.raises(DecodeError, match="deeper than 1"):
        builder.flat(ARRAY, 1, [1])


def test_elements_are_counted_for_each_message_anew() -> None:
    builder = _builder()
    for _ in range(3):
        assert _build(builder, (ARRAY, 10), *[0] * 10) == [0] * 10
        assert _build(builder, (ATTRIBUTE, 0), 1) == redis.Attributed({}, 1)
        assert _build(builder, (ARRAY, STREAMED), *[0] * 10, ".") == [0] * 10


def test_attributes_that_nobody_wants_are_dropped() -> None:
    builder = MessageBuilder(4, 10, False)
    assert _build(builder, (ATTRIBUTE, 1), 1, 2, (ARRAY, 1), (ATTRIBUTE, 0), 3) == [3]


@pytest.mark.parametrize(
    ("kind", "items", "made"),
    [
        (SET, [1, 1], redis.SetReply([1, 1])),
        (SET, [1, True], redis.SetReply([1, True])),
        (SET, [[]], redis.SetReply([[]])),
        (MAP, [1, 2, 1.0, 3], redis.MapReply([(1, 2), (1.0, 3)])),
        (MAP, [{}, 1], redis.MapReply([({}, 1)])),
        (SET, list(range(300)), redis.SetReply(range(300))),
        (MAP, list(range(600)), redis.MapReply(zip(range(0, 600, 2), range(1, 600, 2), strict=True))),
        (MAP, [item for n in range(300) for item in (b"%d" % n, n)], {b"%d" % n: n for n in range(300)}),
    ],
)
def test_what_set_and_dict_cannot_hold_comes_as_a_list(kind: int, items: list[Any], made: Any) -> None:
    whole = _builder(max_elements=1000).flat(kind, len(items) // (2 if kind == MAP else 1), items)
    assert whole == made
    assert type(whole) is type(made)


@pytest.mark.parametrize(("max_depth", "max_elements"), [(0, 1), (1, 0)])
def test_an_impossible_limit_is_refused_at_once(max_depth: int, max_elements: int) -> None:
    with pytest.raises(ValueError, match="must be from 1"):
        MessageBuilder(max_depth, max_elements, False)
