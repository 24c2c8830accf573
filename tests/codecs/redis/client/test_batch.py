"""Commands that are collected: sent together, in order, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_net import EncodeError, EventLoopGroup, PipelineError
from pipeline_net.codecs import redis


@pytest.fixture
def client(loops: EventLoopGroup, real_address: str) -> Iterator[redis.Client]:
    with redis.Client(loops, real_address) as client:
        client.call("FLUSHALL")
        yield client


def test_a_batch_leaves_when_its_with_ends(client: redis.Client) -> None:
    with client.pipeline() as batch:
        first = batch.execute("SET", "a", 1)
        second = batch.execute("INCR", "a")
        assert len(batch) == 2
        assert client.call("GET", "a") is None
        assert not first.done()
    assert batch.results() == [redis.OK, 2]
    assert (first.result(), second.result()) == (redis.OK, 2)


def test_a_batch_is_one_write(loops: EventLoopGroup, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    with redis.Client(loops, server.address) as client:
        reads: list[int] = []

        def count(ctx: Any, command: list[bytes]) -> bytes:
            reads.append(len(server.received))
            return bytes(echoes(ctx, command))

        server.behaviour = count
        with client.pipeline() as batch:
            for number in range(1000):
                batch.execute("ECHO", number)
        assert batch.results() == [b"%d" % number for number in range(1000)]
        assert len(reads) == 1000 + len(server.contexts)


def test_a_batch_without_commands_is_done_at_once(client: redis.Client) -> None:
    with client.pipeline() as batch:
        pass
    assert batch.results() == []
    with client.transaction() as transaction:
        pass
    assert transaction.results() == []


def test_nothing_leaves_when_the_with_ends_in_an_exception(client: redis.Client) -> None:
    batch = client.pipeline()
    future = batch.execute("SET", "a", 1)
    with pytest.raises(KeyError), batch:
        raise KeyError
    assert future.cancelled()
    assert batch.done.cancelled()
    assert client.call("GET", "a") is None


def test_a_mistake_shows_where_it_is_made(client: redis.Client) -> None:
    with client.pipeline() as batch:
        with pytest.raises(EncodeError, match="None"):
            batch.execute("SET", "a", None)  # type: ignore[arg-type]  # the mistake is the point
        with pytest.raises(PipelineError, match="SUBSCRIBE cannot be used like this"):
            batch.execute("SUBSCRIBE", "a")
        batch.execute("SET", "a", 1)
    assert batch.results() == [redis.OK]


def test_a_batch_is_sent_once(client: redis.Client) -> None:
    batch = client.pipeline()
    batch.execute("INCR", "a")
    assert batch.send().result() == [1]
    assert repr(batch) == "<Batch of 1 commands, sent>"
    with pytest.raises(PipelineError, match="is sent once"):
        batch.send()
    with pytest.raises(PipelineError, match="takes no more commands"):
        batch.execute("INCR", "a")


def test_a_batch_may_be_sent_before_its_with_ends(client: redis.Client) -> None:
    with client.pipeline() as batch:
        batch.execute("INCR", "a")
        assert batch.send().result() == [1]
    assert client.call("GET", "a") == b"1"


def test_errors_are_raised_or_kept(client: redis.Client) -> None:
    client.call("SET", "a", "text")
    with client.pipeline() as batch:
        batch.execute("INCR", "a")
        good = batch.execute("GET", "a")
    with pytest.raises(redis.ReplyError, match="INCR: ERR value is not an integer"):
        batch.results()
    assert good.result() == b"text"
    with client.pipeline(keeps_errors=True) as keeping:
        keeping.execute("INCR", "a")
        keeping.execute("GET", "a")
    error, value = keeping.results()
    assert isinstance(error, redis.RedisError)
    assert value == b"text"


def test_a_transaction_is_all_or_nothing(client: redis.Client) -> None:
    with client.transaction() as transaction:
        transaction.execute("SET", "a", 1)
        visits = transaction.execute("INCR", "a")
    assert transaction.results() == [redis.OK, 2]
    assert visits.result() == 2
    with client.transaction() as refused:
        refused.execute("SET", "a", 5)
        wrong = refused.execute("NONSENSE")
    with pytest.raises(redis.ReplyError, match="EXECABORT"):
        refused.results()
    assert str(wrong.exception(10)).startswith("NONSENSE: ERR unknown command")
    assert client.call("GET", "a") == b"2"


def test_nobody_comes_between_the_commands_of_a_transaction(client: redis.Client) -> None:
    transactions = []
    others = []
    for _ in range(50):
        with client.transaction() as transaction:
            for _ in range(3):
                transaction.execute("INCR", "n")
        transactions.append(transaction)
        others.append(client.execute("INCR", "n"))
    for transaction in transactions:
        first, second, third = transaction.results()
        assert (second, third) == (first + 1, first + 2)
    assert sorted(other.result() for other in others)[-1] == 200


def test_a_failing_command_does_not_undo_the_others(client: redis.Client) -> None:
    client.call("SET", "text", "x")
    with client.transaction(keeps_errors=True) as transaction:
        transaction.execute("SET", "a", 1)
        wrong = transaction.execute("INCR", "text")
    ok, error = transaction.results()
    assert ok == redis.OK
    assert isinstance(error, redis.RedisError)
    assert isinstance(wrong.exception(), redis.ReplyError)
    assert client.call("GET", "a") == b"1"
