"""The client that a program has: who it says it is, which database it uses, what it is told without asking."""

from __future__ import annotations

import socket
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import ChannelBrokenError, ChannelClosedError, EventLoopGroup
from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import client as door


def test_the_house_offers_all_that_the_client_is_made_of() -> None:
    assert set(door.__all__) <= set(redis.__all__)
    assert [name for name in door.__all__ if getattr(redis, name) is not getattr(door, name)] == []


@pytest.fixture(scope="module")
def locked_address(real_servers: Callable[..., str]) -> str:
    """A server that wants a password, or the user ann with hers."""
    return real_servers("--requirepass", "secret", "--user", "ann", "on", ">hers", "~*", "&*", "+@all")


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(("username", "password"), [(None, "secret"), ("ann", "hers")])
def test_it_introduces_itself(
    username: str | None, password: str, protocol: int, loops: EventLoopGroup, locked_address: str
) -> None:
    options = redis.ClientOptions(username=username, password=password, database=3, name="tester", protocol=protocol)
    with redis.Client(loops, locked_address, options=options) as client:
        assert client.call("CLIENT", "GETNAME") == b"tester"
        assert client.call("ACL", "WHOAMI") == (username or "default").encode()
        info = client.call("CLIENT", "INFO")
        text = info.data if isinstance(info, redis.Verbatim) else info
        assert b" db=3 " in text
        assert b" resp=%d" % protocol in text


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_server_that_does_not_want_it_says_why(
    password: str | None, protocol: int, loops: EventLoopGroup, locked_address: str
) -> None:
    options = redis.ClientOptions(password=password, protocol=protocol, database=1)
    with redis.Client(loops, locked_address, options=options) as client:
        error = client.connect().exception(10)
        assert isinstance(error, redis.ReplyError)
        assert error.code in ("WRONGPASS", "NOAUTH")
        with pytest.raises(ChannelBrokenError, match=r"WRONGPASS|NOAUTH") as caught:
            client.call("PING")
        assert "wrong" not in str(caught.value)


@pytest.fixture(scope="module")
def port(real_servers: Callable[..., str]) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    real_servers("--port", str(number), "--bind", "127.0.0.1")
    return number


def test_it_speaks_tcp_as_well(port: int, loops: EventLoopGroup) -> None:
    with redis.Client(loops, f"tcp://127.0.0.1:{port}") as client, redis.Client(loops, ("127.0.0.1", port)) as other:
        assert client.call("PING") == redis.PONG
        assert other.call("PING") == redis.PONG


def test_it_comes_back_when_the_server_has_cut_it_off(loops: EventLoopGroup, real_address: str) -> None:
    with redis.Client(loops, real_address) as client, redis.Client(loops, real_address) as other:
        before = client.call("CLIENT", "ID")
        assert other.call("CLIENT", "KILL", "ID", before) == 1
        # The command that finds the connection gone fails, or comes late enough to wait for the next one.
        outcome = client.execute("CLIENT", "ID")
        if outcome.exception(10) is not None:
            assert isinstance(outcome.exception(), ChannelBrokenError)
        assert client.call("CLIENT", "ID") > before


def test_setup_commands_are_run_on_each_new_connection_and_pushes_are_heard(
    loops: EventLoopGroup, real_address: str
) -> None:
    pushes: SimpleQueue[redis.Push] = SimpleQueue()
    options = redis.ClientOptions(setup=[("CLIENT", "TRACKING", "ON")], backoff=0.001, backoff_limit=0.01)
    with (
        redis.Client(loops, real_address, options=options, on_push=pushes.put) as client,
        redis.Client(loops, real_address) as other,
    ):
        for _ in range(2):
            client.call("GET", "cached")
            other.call("SET", "cached", "new")
            assert pushes.get(timeout=10) == [b"invalidate", [b"cached"]]
            identity = client.call("CLIENT", "ID")
            other.call("CLIENT", "KILL", "ID", identity)
            client.execute("PING").exception(10)


def test_closing_ends_subscriptions(loops: EventLoopGroup, real_address: str) -> None:
    client = redis.Client(loops, real_address)
    messages = client.subscribe("news")
    messages.ready.result(10)
    waiting = messages.get()
    client.close().result(10)
    assert isinstance(waiting.exception(10), ChannelClosedError)
    assert list(messages) == []
    late = client.subscribe("news")
    assert isinstance(late.ready.exception(10), ChannelClosedError)


def test_it_talks_to_the_server_of_the_examples(loops: EventLoopGroup, start_program: Callable[..., Any]) -> None:
    program = start_program("-m", "pipeline_net", "run", "redis", "--address", "tcp://127.0.0.1:0")
    with redis.Client(loops, program.addresses[0], options=redis.ClientOptions(name="tester")) as client:
        assert client.execute_many([("SET", "a", 1), ("INCR", "a"), ("GET", "a")]).result(10) == [redis.OK, 2, b"2"]
        assert client.call("CLIENT", "GETNAME") == b"tester"
        with pytest.raises(redis.ReplyError, match="ERR unknown command 'NONSENSE'"):
            client.call("NONSENSE")
