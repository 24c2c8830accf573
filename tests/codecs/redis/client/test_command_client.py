"""What every client can do, against the real server: blocking, from asyncio, from many threads."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_net import (
    AddressError,
    BlockingOperationError,
    ChannelClosedError,
    ChannelFuture,
    EncodeError,
    EventLoop,
    EventLoopGroup,
    PipelineError,
    ReadTimeoutError,
)
from pipeline_net.codecs import redis


@pytest.fixture
def client(loops: EventLoopGroup, real_address: str) -> Iterator[redis.Client]:
    with redis.Client(loops, real_address) as client:
        client.call("FLUSHALL")
        yield client


@pytest.mark.parametrize("protocol", [2, 3])
def test_replies_of_all_kinds(protocol: int, loops: EventLoopGroup, real_address: str) -> None:
    with redis.Client(loops, real_address, options=redis.ClientOptions(protocol=protocol)) as client:
        client.call("FLUSHALL")
        assert client.call("SET", "text", "grün") == redis.OK
        assert client.call("GET", "text") == "grün".encode()
        assert client.call("GET", "nothing") is None
        assert client.call("INCRBYFLOAT", "float", 1.5) == b"1.5"
        assert client.call("DEL", "text", "float", "nothing") == 2
        client.execute_many([("HSET", "hash", "a", 1, "b", 2), ("ZADD", "zset", 1.5, "m")]).result()
        fields = client.call("HGETALL", "hash")
        assert fields == ({b"a": b"1", b"b": b"2"} if protocol == 3 else [b"a", b"1", b"b", b"2"])
        assert client.call("ZSCORE", "zset", "m") == (1.5 if protocol == 3 else b"1.5")
        assert client.protocol == protocol
        assert (b"version" in client.server) is (protocol == 3)


def test_a_value_may_hold_any_byte_and_be_large(client: redis.Client) -> None:
    value = bytes(range(256)) * 20_000
    assert client.call("SET", b"\r\n\0", value) == redis.OK
    assert client.call("GET", b"\r\n\0") == value


@pytest.mark.parametrize("timeout", [math.nan, -2.0, -0.1])
def test_a_timeout_that_is_none_is_refused_where_it_is_given(client: redis.Client, timeout: float) -> None:
    """On the loop nobody could be told any more, and whoever waits would wait for ever."""
    for ask in (
        lambda: client.execute("PING", timeout=timeout),
        lambda: client.execute_many([("PING",)], timeout=timeout),
        lambda: client.pipeline(timeout=timeout),
        lambda: client.transaction(timeout=timeout),
    ):
        with pytest.raises(ValueError, match="timeout must not be negative, but is"):
            ask()
    assert client.call("PING", timeout=math.inf) == redis.PONG
    assert client.pending == 0


def test_an_error_reply_is_raised(client: redis.Client) -> None:
    with pytest.raises(redis.ReplyError, match="NONSENSE: ERR unknown command 'NONSENSE'"):
        client.call("NONSENSE")
    assert client.call("PING") == redis.PONG


def test_mistakes_are_raised_where_they_are_made(client: redis.Client) -> None:
    with pytest.raises(EncodeError, match="None"):
        client.execute("SET", "a", None)  # type: ignore[arg-type]  # the mistake is the point
    with pytest.raises(PipelineError, match="at least a name"):
        client.execute()
    with pytest.raises(PipelineError, match=r"client.subscribe\(\)"):
        client.execute_many([("GET", "a"), ("SUBSCRIBE", "a")])
    with pytest.raises(PipelineError, match="others use this connection"):
        client.call("WATCH", "a")
    assert client.call("PING") == redis.PONG


def test_commands_are_pipelined_without_being_waited_for(client: redis.Client) -> None:
    futures = [client.execute("INCR", "n") for _ in range(1000)]
    assert [future.result() for future in futures] == list(range(1, 1001))


def test_several_commands_at_once(client: redis.Client) -> None:
    assert client.execute_many([]).result() == []
    assert client.execute_many([("SET", "a", 1), ["GET", "a"]]).result() == [redis.OK, b"1"]
    assert client.execute_many(("INCR", "n") for _ in range(3)).result() == [1, 2, 3]
    with pytest.raises(redis.ReplyError, match="NONSENSE"):
        client.execute_many([("SET", "a", 2), ("NONSENSE",)]).result()
    kept = client.execute_many([("GET", "a"), ("NONSENSE",)], keeps_errors=True).result()
    assert kept[0] == b"2"
    assert isinstance(kept[1], redis.RedisError)


def test_a_command_that_blocks_times_out_and_its_reply_goes_to_nobody(
    client: redis.Client, loops: EventLoopGroup, real_address: str
) -> None:
    blocked = client.execute("BLPOP", "list", 10, timeout=0.01)
    after = client.execute("ECHO", "after")
    assert isinstance(blocked.exception(10), ReadTimeoutError)
    with redis.Client(loops, real_address) as other:
        other.call("RPUSH", "list", "for nobody")
    assert after.result(10) == b"after"


def test_it_can_be_awaited(loops: EventLoopGroup, real_address: str) -> None:
    async def main() -> None:
        async with redis.Client(loops, real_address) as client:
            await client.connect()
            await client.execute("SET", "a", 1)
            assert await client.execute("GET", "a") == b"1"
            echoes = await asyncio.gather(*[client.execute("ECHO", number) for number in range(100)])
            assert echoes == [b"%d" % number for number in range(100)]
            with pytest.raises(redis.ReplyError, match="NONSENSE"):
                await client.execute("NONSENSE")
            with client.pipeline() as batch:
                value = batch.execute("GET", "a")
            assert await batch.done == [b"1"]
            assert await value == b"1"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.execute("BLPOP", "list", 10), 0.01)
            async with redis.Client(loops, real_address) as other:
                await other.execute("RPUSH", "list", "for nobody")
            assert await client.execute("ECHO", "x") == b"x"
        with pytest.raises(ChannelClosedError):
            await client.execute("GET", "a")

    asyncio.run(main())


def test_coroutines_that_are_cancelled_do_not_shift_the_others(loops: EventLoopGroup, real_address: str) -> None:
    async def main() -> None:
        async with redis.Client(loops, real_address) as client:

            async def ask(number: int) -> bytes:
                reply: bytes = await client.execute("ECHO", number)
                return reply

            tasks = [asyncio.create_task(ask(number)) for number in range(300)]
            await asyncio.sleep(0)
            for task in tasks[::3]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            for number, outcome in enumerate(outcomes):
                assert isinstance(outcome, asyncio.CancelledError) or outcome == b"%d" % number
            assert any(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)

    asyncio.run(main())


def test_many_threads_share_a_client(client: redis.Client) -> None:
    wrong: list[Any] = []

    def ask(number: int) -> None:
        for index in range(100):
            word = f"{number}-{index}".encode()
            if client.call("ECHO", word) != word:
                wrong.append(word)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_waiting_on_its_own_loop_is_refused(client: redis.Client) -> None:
    outcome: ChannelFuture[Any] = ChannelFuture(client.loop)

    def wait() -> None:
        try:
            client.call("PING")
        except BlockingOperationError as exc:
            outcome.set_result(exc)

    client.loop.execute(wait)
    assert isinstance(outcome.result(10), BlockingOperationError)


def test_on_its_own_loop_it_is_used_with_callbacks(client: redis.Client) -> None:
    outcome: ChannelFuture[Any] = ChannelFuture(client.loop)
    client.loop.execute(
        lambda: client.execute("ECHO", "x").add_done_callback(lambda future: outcome.set_result(future.result()))
    )
    assert outcome.result(10) == b"x"


def test_a_loop_that_is_driven_from_outside_will_do(real_address: str) -> None:
    loop = EventLoop()
    try:
        with redis.Client(loop, real_address) as client:
            future = client.execute("ECHO", "x")
            while not future.done():
                loop.run_once(10.0)
            assert future.result() == b"x"
        while not client.is_closed:
            loop.run_once(10.0)
    finally:
        loop.stop()


def test_it_says_how_it_is(client: redis.Client) -> None:
    assert repr(client).startswith("<Client of unix://")
    assert repr(client).endswith("ready, 0 commands pending>")
    assert client.is_ready
    client.close().result()
    assert "closed" in repr(client)
    assert client.is_closed


def test_closing_again_is_allowed(client: redis.Client) -> None:
    client.close().result()
    client.close().result()
    assert isinstance(client.execute("PING").exception(), ChannelClosedError)


def test_a_bad_address_is_an_error_at_once(loops: EventLoopGroup) -> None:
    with pytest.raises(AddressError):
        redis.Client(loops, "tcp://nowhere")


def test_a_client_that_was_never_used_connects_to_nobody(loops: EventLoopGroup) -> None:
    with redis.Client(loops, "unix:///nonexistent/redis.sock") as client:
        assert not client.is_ready
        assert "not connected" in repr(client)
