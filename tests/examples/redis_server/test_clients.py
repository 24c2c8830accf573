"""Real clients talk to the example: redis-cli in both protocols, redis-benchmark, and the usual library for Python."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio

Start = Callable[..., str]


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def port(start_example: Start) -> int:
    return int(start_example("redis_server").rpartition(":")[2])


def run(*command: str, given: str | bytes = "") -> str:
    words = given.encode() if isinstance(given, str) else given
    done = subprocess.run(command, input=words, capture_output=True, timeout=50, check=True)
    assert done.stderr == b""
    return done.stdout.decode()


# -- redis-benchmark ------------------------------------------------------------------------------------


@needs("redis-benchmark")
@pytest.mark.parametrize("pipelined", [(), ("-P", "16")], ids=["plain", "P16"])
def test_all_default_tests_of_redis_benchmark_run_without_an_error(port: int, pipelined: tuple[str, ...]) -> None:
    shown = run("redis-benchmark", "-p", str(port), "-n", "3000", "-q", *pipelined)
    rows = [row.rpartition("\r")[2].partition(":")[0] for row in shown.splitlines() if "requests per second" in row]
    assert rows == [
        *("PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET", "SPOP"),
        *("ZADD", "ZPOPMIN", "LPUSH (needed to benchmark LRANGE)", "LRANGE_100 (first 100 elements)"),
        *("LRANGE_300 (first 300 elements)", "LRANGE_500 (first 500 elements)", "LRANGE_600 (first 600 elements)"),
        "MSET (10 keys)",
    ]
    assert "rror" not in shown
    assert "WARNING" not in shown


# -- redis-cli ------------------------------------------------------------------------------------------


@needs("redis-cli")
def test_redis_cli_inserts_a_mass_of_commands(port: int) -> None:
    number = 50_000
    commands = b"".join(
        b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$1\r\nv\r\n" % (len(key), key)
        for key in (b"key:%d" % at for at in range(number))
    )
    shown = run("redis-cli", "-p", str(port), "--pipe", given=commands)
    assert f"errors: 0, replies: {number}" in shown
    assert run("redis-cli", "-p", str(port), "DBSIZE").strip() == str(number)


@needs("redis-cli")
def test_redis_cli_walks_through_all_keys(port: int) -> None:
    run("redis-cli", "-p", str(port), given="".join(f"SET key:{at} v\n" for at in range(500)))
    assert sorted(run("redis-cli", "-p", str(port), "--scan", "--pattern", "key:1*").split()) == sorted(
        f"key:{at}" for at in range(500) if str(at).startswith("1")
    )


RESP3 = [
    ("HSET h a 1 b 2", "(integer) 2"),
    ("HGETALL h", '1# "a" => "1"\n2# "b" => "2"'),
    ("SADD s only", "(integer) 1"),
    ("SMEMBERS s", '1~ "only"'),
    ("ZADD z 1.5 a 2 b", "(integer) 2"),
    ("ZSCORE z a", "(double) 1.5"),
    ("ZRANGE z 0 -1 WITHSCORES", '1) 1) "a"\n   2) (double) 1.5\n2) 1) "b"\n   2) (double) 2'),
    ("ZPOPMAX z", '1) "b"\n2) (double) 2'),
    ("GET nothing", "(nil)"),
    ("LMPOP 1 nothing LEFT", "(nil)"),
    ("CONFIG GET appendonly", '1# "appendonly" => "no"'),
    ("SET s x GET", "(error) WRONGTYPE Operation against a key holding the wrong kind of value"),
]


@needs("redis-cli")
def test_redis_cli_shows_the_types_of_resp3(port: int) -> None:
    for command, shown in RESP3:
        assert run("redis-cli", "-3", "--no-raw", "-p", str(port), *command.split()).strip() == shown


@needs("redis-cli")
def test_redis_cli_runs_a_transaction(port: int) -> None:
    typed = "WATCH a\nMULTI\nINCR a\nRPUSH b x\nINCR b\nEXEC\n"
    shown = run("redis-cli", "--no-raw", "-p", str(port), given=typed)
    assert shown.splitlines()[:5] == ["OK", "OK", "QUEUED", "QUEUED", "QUEUED"]
    assert "WRONGTYPE" in shown


# -- the library ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_library_gets_along_with_every_kind_of_value(port: int, protocol: int) -> None:
    with redis.Redis(port=port, protocol=protocol, decode_responses=True) as client:
        assert client.set("string", "grün", ex=100, nx=True)
        assert client.get("string") == "grün"
        assert client.incrbyfloat("float", 0.1) == 0.1
        assert client.hset("hash", mapping={"a": 1, "b": 2}) == 2
        assert client.hgetall("hash") == {"a": "1", "b": "2"}
        assert client.rpush("list", "a", "b", "c") == 3
        assert client.lrange("list", 0, -1) == ["a", "b", "c"]
        assert client.sadd("set", "x", "y") == 2
        assert client.smembers("set") == {"x", "y"}
        assert client.zadd("zset", {"one": 1, "two": 2.5}) == 2
        assert client.zscore("zset", "two") == 2.5
        assert [list(pair) for pair in client.zrange("zset", 0, -1, withscores=True)] == [["one", 1.0], ["two", 2.5]]
        assert sorted(client.scan_iter("*s*", count=2)) == ["hash", "list", "set", "string", "zset"]
        assert dict(client.hscan_iter("hash")) == {"a": "1", "b": "2"}
        assert client.info()["redis_version"] == "7.0.15"
        assert client.info("keyspace")["db0"]["keys"] == 6
        assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.lpush("string", "x")


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_library_runs_transactions_with_watch(port: int, protocol: int) -> None:
    with redis.Redis(port=port, protocol=protocol) as client, client.pipeline() as pipeline:
        pipeline.watch("a")
        client.set("a", "changed meanwhile")
        pipeline.multi()
        pipeline.set("a", "1")
        with pytest.raises(redis.WatchError):
            pipeline.execute()
        assert client.get("a") == b"changed meanwhile"
        assert client.transaction(lambda pipe: pipe.multi() or pipe.incr("n").incr("n"), "n") == [1, 2]


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_library_hears_what_is_published(port: int, protocol: int) -> None:
    with redis.Redis(port=port, protocol=protocol) as client, client.pubsub() as listener:
        listener.subscribe("news")
        listener.psubscribe("n*")
        heard: list[Any] = []
        while len(heard) < 2:
            heard.append(listener.get_message(timeout=10))
        assert client.publish("news", "hello") == 2
        while len(heard) < 4:
            heard.append(listener.get_message(timeout=10))
        assert [message["type"] for message in heard if message] == ["subscribe", "psubscribe", "message", "pmessage"]
        assert heard[2]["data"] == b"hello"


@pytest.mark.parametrize("protocol", [2, 3])
def test_the_library_waits_without_holding_up_others(port: int, protocol: int) -> None:
    async def exchange() -> None:
        async with redis.asyncio.Redis(port=port, protocol=protocol) as client:
            waiting: asyncio.Future[Any] = asyncio.ensure_future(client.blpop(["list"], timeout=20))
            while (await client.info("clients"))["blocked_clients"] == 0:
                pass
            assert await client.rpush("list", "first") == 1
            key, value = await waiting
            assert (key, value) == (b"list", b"first")
            async with client.pipeline(transaction=False) as pipeline:
                for _ in range(500):
                    pipeline.incr("counter")
                assert await pipeline.execute() == list(range(1, 501))

    asyncio.run(exchange())
