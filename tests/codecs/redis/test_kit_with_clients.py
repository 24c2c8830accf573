"""A server made with the kit, talked to by the clients that people use: redis-cli, redis-benchmark, redis-py."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline_net.codecs import redis as codec

Connect = Callable[..., Any]


def _needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def port(run_kit: Connect) -> int:
    return int(run_kit().addresses[0].rpartition(":")[2])


def _cli(port: int, typed: str, *options: str) -> list[str]:
    done = subprocess.run(
        ["redis-cli", "-p", str(port), *options], input=typed, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


# -- redis-cli -------------------------------------------------------------------------------------------


@_needs("redis-cli")
@pytest.mark.parametrize("options", [[], ["-3"]])
def test_redis_cli_types_a_session(port: int, options: list[str]) -> None:
    typed = "SET k v\nGET k\nMULTI\nINCR n\nGET k\nEXEC\nCLIENT SETNAME me\nCLIENT GETNAME\nGET\nGET nothing\n"
    assert _cli(port, typed, "--no-raw", *options) == [
        *("OK", '"v"', "OK", "QUEUED", "QUEUED", "1) (integer) 1", '2) "v"', "OK", '"me"'),
        *("(error) ERR wrong number of arguments for 'get' command", "(nil)"),
    ]


@_needs("redis-cli")
def test_redis_cli_shows_maps_in_resp3(port: int) -> None:
    shown = _cli(port, "HELLO 3\nCOMMAND DOCS ping\n", "--no-raw", "-3")
    assert '1# "server" => "redis"' in shown
    assert '3# "proto" => (integer) 3' in shown
    assert '   1# "summary" => "Tells whether the server answers."' in shown


class Watching:
    """A redis-cli that goes on showing what it hears, until it is ended."""

    def __init__(self, port: int, *words: str) -> None:
        command = ["redis-cli", "-p", str(port), *words]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def lines(self, count: int) -> list[str]:
        assert self._process.stdout is not None
        return [self._process.stdout.readline().rstrip() for _ in range(count)]

    def end(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)


@pytest.fixture
def watch(port: int) -> Iterator[Callable[..., Watching]]:
    """``watch("MONITOR")`` is redis-cli with these words, in the background until the test ends."""
    running: list[Watching] = []

    def start(*words: str) -> Watching:
        running.append(Watching(port, *words))
        return running[-1]

    yield start
    for one in running:
        one.end()


@_needs("redis-cli")
def test_two_redis_clis_monitor(port: int, watch: Callable[..., Watching]) -> None:
    watchers = [watch("MONITOR")]
    assert watchers[0].lines(1) == ["OK"]
    watchers.append(watch("-3", "MONITOR"))
    assert watchers[1].lines(1) == ["OK"]
    for words in (["SET", "k", "two words"], ["GET", "k"]):
        subprocess.run(["redis-cli", "-p", str(port), *words], stdout=subprocess.DEVNULL, timeout=30, check=True)
    assert watchers[0].lines(1)[0].endswith('] "HELLO" "3"')  # the other one, when it began
    for watcher in watchers:
        assert [line.partition("] ")[2] for line in watcher.lines(2)] == ['"SET" "k" "two words"', '"GET" "k"']


@_needs("redis-cli")
@pytest.mark.parametrize("options", [[], ["-3"]])
def test_redis_cli_subscribes_while_another_publishes(
    port: int, watch: Callable[..., Watching], options: list[str]
) -> None:
    watcher = watch(*options, "SUBSCRIBE", "news")
    subscribed = watcher.lines(3)
    assert "subscribe" in subscribed[0]
    assert _cli(port, "PUBLISH news hello\n") == ["1"]
    assert [line.split()[-1].strip('"') for line in watcher.lines(3)] == ["message", "news", "hello"]


@_needs("redis-cli")
def test_redis_cli_waits_for_a_list(port: int, watch: Callable[..., Watching]) -> None:
    watcher = watch("BLPOP", "q", "0")
    with redis.Redis(port=port) as client:
        while not any(one["flags"] == "b" for one in client.client_list()):
            client.ping()
        client.rpush("q", "at last")
    assert watcher.lines(2) == ["q", "at last"]


@_needs("redis-cli")
def test_redis_cli_pipes_many_commands(port: int) -> None:
    typed = "".join(f"SET key{number} {number}\r\n" for number in range(20_000))
    assert _cli(port, typed, "--pipe")[-1] == "errors: 0, replies: 20000"


@_needs("redis-benchmark")
def test_redis_benchmark_finds_no_error(port: int) -> None:
    command = ["redis-benchmark", "-p", str(port), "-t", "ping,set,get,incr", "-n", "20000", "-P", "16", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout.count("requests per second") == 5
    assert "rror" not in done.stdout + done.stderr


# -- redis-py --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_in_both_protocols(port: int, protocol: int) -> None:
    with redis.Redis(port=port, protocol=protocol, client_name="me") as client:
        assert client.ping()
        assert client.set("k", "grün")
        assert client.get("k") == "grün".encode()
        assert client.client_getname() == ("me" if protocol == 2 else b"me")
        assert client.client_info()["name"] == "me"
        assert client.command_count() == len(client.command())
        with client.pipeline() as pipeline:
            pipeline.execute_command("INCR", "n")
            pipeline.execute_command("INCR", "n")
            pipeline.get("k")
            assert pipeline.execute() == [1, 2, "grün".encode()]
        with client.pipeline() as pipeline:
            pipeline.watch("k")
            client.set("k", "changed")
            pipeline.multi()
            pipeline.get("k")
            with pytest.raises(redis.WatchError):
                pipeline.execute()
        with pytest.raises(redis.ResponseError, match="unknown command"):
            client.execute_command("NOPE")
        assert client.blpop(["q"], timeout=1) is None


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_hears_what_is_published(port: int, protocol: int) -> None:
    with redis.Redis(port=port, protocol=protocol) as client, client.pubsub() as pubsub:
        pubsub.subscribe("news")
        pubsub.psubscribe("n*")
        assert [pubsub.get_message(timeout=10)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
        assert client.publish("news", "hello") == 2
        heard = [pubsub.get_message(timeout=10) for _ in range(2)]
        assert [(one["type"], one["channel"], one["data"]) for one in heard] == [
            ("message", b"news", b"hello"),
            ("pmessage", b"news", b"hello"),
        ]
        assert client.pubsub_numsub("news") == [(b"news", 1)]
        pubsub.unsubscribe()
        assert pubsub.get_message(timeout=10)["type"] == "unsubscribe"


def test_redis_py_with_a_password(run_kit: Connect) -> None:
    port = int(run_kit(codec.ServerState(password="secret")).addresses[0].rpartition(":")[2])
    for protocol in (2, 3):
        with redis.Redis(port=port, password="secret", protocol=protocol) as client:
            assert client.ping()
        with (
            redis.Redis(port=port, password="wrong", protocol=protocol, retry=Retry(NoBackoff(), 0)) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_redis_py_monitors(port: int) -> None:
    with redis.Redis(port=port) as client, client.monitor() as monitor:
        client.set("k", "v")
        for command in monitor.listen():
            if command["command"].startswith("SET"):
                assert (command["command"], command["db"]) == ("SET k v", 0)
                break


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_of_asyncio(port: int, protocol: int) -> None:
    async def talk() -> None:
        client = redis.asyncio.Redis(port=port, protocol=protocol)
        try:
            waiting = asyncio.ensure_future(client.blpop(["q"], timeout=0))
            while not any(one["flags"] == "b" for one in await client.client_list()):
                await client.ping()
            await client.rpush("q", "x")
            assert await waiting == ([b"q", b"x"] if protocol == 3 else (b"q", b"x"))
            async with client.pipeline() as pipeline:
                queued: Any = pipeline  # its annotations think of the synchronous one, too
                assert await queued.set("k", "v").get("k").execute() == [True, b"v"]
            async with client.pubsub() as pubsub:
                await pubsub.subscribe("news")
                assert (await pubsub.get_message(timeout=10))["type"] == "subscribe"
                await client.publish("news", "hello")
                assert (await pubsub.get_message(timeout=10))["data"] == b"hello"
        finally:
            await client.aclose()

    asyncio.run(talk())
