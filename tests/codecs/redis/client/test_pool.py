"""Clients on loan: one user at a time, never more than there may be, and nothing left for the next one."""

from __future__ import annotations

import asyncio
import math
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from pipeline_net import (
    AddressError,
    ChannelBrokenError,
    ChannelClosedError,
    EventLoopGroup,
    PipelineError,
    PoolFullError,
    ReadTimeoutError,
)
from pipeline_net.codecs import redis


@pytest.fixture
def pool(loops: EventLoopGroup, real_address: str) -> Iterator[redis.ClientPool]:
    with redis.ClientPool(loops, real_address, size=2, max_waiting=1) as pool:
        with pool.lease() as client:
            client.call("FLUSHALL")
        yield pool


def test_a_client_is_used_again(pool: redis.ClientPool) -> None:
    with pool.lease() as client:
        identity = client.call("CLIENT", "ID")
    with pool.lease() as again:
        assert again.call("CLIENT", "ID") == identity


def test_who_has_given_it_back_cannot_use_it(pool: redis.ClientPool) -> None:
    with pool.lease() as client:
        pass
    for use in (lambda: client.execute("GET", "a"), lambda: client.execute_many([("GET", "a")])):
        with pytest.raises(PipelineError, match="is not on loan"):
            use()
    with pytest.raises(PipelineError, match="is not on loan"):
        client.pipeline().execute("GET", "a")


def test_what_was_collected_on_loan_is_not_sent_after_it(pool: redis.ClientPool) -> None:
    with pool.lease() as client:
        batch, transaction = client.pipeline(), client.transaction()
        late = batch.execute("SET", "a", 1)
        transaction.execute("SET", "a", 1)
    for future in (batch.send(), late, transaction.send()):
        assert isinstance(future.exception(10), PipelineError)
    with pool.lease() as client:
        assert client.call("GET", "a") is None


def test_who_gives_it_back_twice_does_not_take_it_from_the_next_user(loops: EventLoopGroup, real_address: str) -> None:
    with redis.ClientPool(loops, real_address, size=1) as pool:
        first = pool.acquire().result(10)
        identity = first.call("CLIENT", "ID")
        pool.release(first)
        second = pool.acquire().result(10)
        pool.release(first)
        assert first.close().result(10) is None
        with pytest.raises(ReadTimeoutError):
            pool.acquire(0.05).result(10)  # it is on loan
        assert second.call("CLIENT", "ID") == identity
        pool.release(second)


def test_a_watched_key_that_changes_aborts_the_transaction(pool: redis.ClientPool) -> None:
    with pool.lease() as client, pool.lease() as other:
        client.call("SET", "balance", 1)
        client.call("WATCH", "balance")
        balance = int(client.call("GET", "balance"))
        other.call("INCR", "balance")
        with client.transaction() as transaction:
            lost = transaction.execute("SET", "balance", balance + 10)
        with pytest.raises(redis.TransactionAbortedError, match="a watched key has changed"):
            transaction.results()
        assert isinstance(lost.exception(), redis.TransactionAbortedError)
        client.call("WATCH", "balance")
        with client.transaction() as second:
            second.execute("INCRBY", "balance", 10)
        assert second.results() == [12]


def test_nothing_is_left_for_the_next_user(pool: redis.ClientPool) -> None:
    with pool.lease() as client:
        client.call("WATCH", "a")
        client.call("MULTI")
        assert client.call("SET", "a", "forgotten") == redis.QUEUED
    with pool.lease() as again, pool.lease() as other:
        other.call("SET", "a", "changed")  # which would abort if a were still watched
        with again.transaction() as transaction:
            transaction.execute("GET", "a")
        assert transaction.results() == [b"changed"]


@pytest.mark.parametrize("is_batch", [False, True])
def test_who_changes_the_connection_for_good_is_its_last_user(
    loops: EventLoopGroup, real_address: str, is_batch: bool
) -> None:
    options = redis.ClientOptions(name="ours")
    with redis.ClientPool(loops, real_address, size=1, options=options) as pool:
        with pool.lease() as client:
            identity = client.call("CLIENT", "ID")
            if is_batch:
                client.execute_many([("GET", "a"), ("CLIENT", "SETNAME", "mine")]).result(10)
            else:
                assert client.call("CLIENT", "SETNAME", "mine") == redis.OK
            assert client.call("CLIENT", "GETNAME") == b"mine"
        with pool.lease() as client:
            assert client.call("CLIENT", "GETNAME") == b"ours"
            assert client.call("CLIENT", "ID") != identity


def test_a_client_that_still_waits_for_replies_is_not_used_again(pool: redis.ClientPool) -> None:
    with pool.lease() as client:
        blocked = client.execute("BLPOP", "list", 30, timeout=None)
    with pool.lease() as other:
        assert other is not client
        assert other.call("PING") == redis.PONG
    blocked.cancel()


def test_a_client_whose_connection_broke_ends_with_it_and_another_takes_its_place(pool: redis.ClientPool) -> None:
    with pool.lease() as client, pool.lease() as other:
        client.call("WATCH", "a")
        other.call("CLIENT", "KILL", "ID", client.call("CLIENT", "ID"))
        assert isinstance(client.execute("PING").exception(10), ChannelBrokenError)
        assert isinstance(client.execute("PING").exception(10), ChannelBrokenError)
    with pool.lease() as one, pool.lease() as two:
        assert client not in (one, two)
        assert (one.call("PING"), two.call("PING")) == (redis.PONG, redis.PONG)


def test_no_more_are_lent_than_there_may_be(pool: redis.ClientPool) -> None:
    with pool.lease(), pool.lease():
        with pytest.raises(ReadTimeoutError, match=r"none became free within 0\.01 s"):
            pool.lease(0.01).__enter__()
        waiting = pool.acquire()
        with pytest.raises(PoolFullError, match="1 wait for a client already"):
            pool.acquire().result(10)
        assert not waiting.done()
        assert repr(pool).endswith("2 of 2 clients, 0 idle>")
    again = waiting.result(10)
    assert again.call("PING") == redis.PONG
    pool.release(again)


def test_a_timeout_that_is_none_is_refused_and_nobody_waits(pool: redis.ClientPool) -> None:
    for timeout in (math.nan, -1.0):
        with pytest.raises(ValueError, match="timeout must not be negative, but is"):
            pool.acquire(timeout)
        with pytest.raises(ValueError, match="timeout must not be negative, but is"), pool.lease(timeout):
            pass
    with pool.lease(1.0) as client:
        assert client.call("PING") == redis.PONG


def test_who_gave_up_waiting_is_passed_over(pool: redis.ClientPool) -> None:
    first = pool.acquire().result(10)
    second = pool.acquire().result(10)
    identities = [client.call("CLIENT", "ID") for client in (first, second)]
    assert pool.acquire().cancel()
    waiting = pool.acquire()
    pool.release(first)
    third = waiting.result(10)
    assert third.call("CLIENT", "ID") == identities[0]
    pool.release(third)
    pool.release(second)
    pool.release(second)  # twice is once
    with pool.lease() as one, pool.lease() as two:
        assert sorted(client.call("CLIENT", "ID") for client in (one, two)) == sorted(identities)


def test_who_is_interrupted_while_waiting_keeps_no_client(loops: EventLoopGroup, real_address: str) -> None:
    class Interrupt(BaseException):
        pass

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupt

    with redis.ClientPool(loops, real_address, size=1) as pool:
        with pool.lease():
            before = signal.signal(signal.SIGALRM, interrupt)
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                with pytest.raises(Interrupt):
                    pool.lease().__enter__()
            finally:
                signal.signal(signal.SIGALRM, before)
        with pool.lease() as client:
            assert client.call("PING") == redis.PONG


def test_many_threads_take_turns(loops: EventLoopGroup, real_address: str) -> None:
    used: set[int] = set()
    with redis.ClientPool(loops, real_address, size=3) as pool:
        with pool.lease() as client:
            client.call("SET", "n", 0)

        def add() -> None:
            for _ in range(20):
                with pool.lease(30.0) as mine:
                    used.add(mine.call("CLIENT", "ID"))
                    while True:
                        mine.call("WATCH", "n")
                        value = int(mine.call("GET", "n"))
                        with mine.transaction() as transaction:
                            transaction.execute("SET", "n", value + 1)
                        try:
                            transaction.results()
                        except redis.TransactionAbortedError:
                            continue  # somebody was quicker
                        break

        threads = [threading.Thread(target=add) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pool.lease() as client:
            assert client.call("GET", "n") == b"120"
    assert 1 <= len(used) <= 3


def test_it_is_used_from_asyncio(loops: EventLoopGroup, real_address: str) -> None:
    async def main() -> None:
        async with redis.ClientPool(loops, real_address, size=1) as pool:
            async with pool.lease() as client:
                identity = await client.execute("CLIENT", "ID")
                assert await client.execute("PING") == redis.PONG
                with pytest.raises(ReadTimeoutError):
                    await pool.lease(0.01).__aenter__()
                waits = asyncio.create_task(pool.lease().__aenter__())
                await asyncio.sleep(0)
                waits.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waits
            async with pool.lease() as again:
                assert await again.execute("CLIENT", "ID") == identity

    asyncio.run(main())


def test_a_pool_that_is_closed_lends_no_more(loops: EventLoopGroup, real_address: str) -> None:
    pool = redis.ClientPool(loops, real_address, size=1)
    client = pool.acquire().result(10)
    waiting = pool.acquire()
    pool.close().result(10)
    assert isinstance(waiting.exception(10), ChannelClosedError)
    assert isinstance(pool.acquire().exception(10), ChannelClosedError)
    assert client.is_closed
    pool.release(client)
    pool.close().result(10)


def test_a_pool_outlives_its_group_only_to_say_so(real_address: str) -> None:
    with EventLoopGroup(1) as group:
        pool = redis.ClientPool(group, real_address)
        client = pool.acquire().result(10)
        client.call("PING")
    pool.release(client)
    assert isinstance(pool.acquire().exception(10), ChannelClosedError)
    assert pool.close().result(10) is None


def test_who_waits_for_a_client_is_told_when_the_loop_stops(real_address: str) -> None:
    with EventLoopGroup(1) as group:
        pool = redis.ClientPool(group, real_address, size=1)
        pool.acquire().result(10)
        waiting = pool.acquire(None)
    assert isinstance(waiting.exception(10), ChannelClosedError)


@pytest.mark.parametrize(("settings", "complaint"), [({"size": 0}, "size"), ({"max_waiting": 0}, "max_waiting")])
def test_limits_are_at_least_one(settings: dict[str, Any], complaint: str, loops: EventLoopGroup) -> None:
    with pytest.raises(ValueError, match=f"{complaint} must be at least 1, not 0"):
        redis.ClientPool(loops, **settings)


def test_a_bad_address_is_an_error_at_once(loops: EventLoopGroup) -> None:
    with pytest.raises(AddressError):
        redis.ClientPool(loops, "tcp://nowhere")
