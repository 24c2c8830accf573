from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs import redis


@pytest.mark.parametrize(
    ("make", "others", "words"),
    [
        (
            lambda: redis.BulkHead(b"$", 5),
            [redis.BulkHead(b"$", 6), redis.BulkHead(b"=", 5), redis.AggregateHead(b"$", 5), 5],
            "BulkHead(b'$', 5)",
        ),
        (
            lambda: redis.AggregateHead(b"*", -1),
            [redis.AggregateHead(b"*", 1), redis.AggregateHead(b"~", -1), redis.BulkHead(b"*", -1), -1],
            "AggregateHead(b'*', -1)",
        ),
        (lambda: redis.BulkPart(b"abc"), [redis.BulkPart(b"ab"), b"abc"], "BulkPart(b'abc')"),
    ],
)
def test_parts_are_equal_when_they_say_the_same(make: Any, others: list[Any], words: str) -> None:
    assert make() == make()
    assert hash(make()) == hash(make())
    assert all(make() != other for other in others)
    assert repr(make()) == words


def test_there_are_two_ends() -> None:
    assert repr(redis.BULK_END) == "BULK_END"
    assert repr(redis.AGGREGATE_END) == "AGGREGATE_END"
    assert redis.BULK_END != redis.AGGREGATE_END
