"""The connection of all subscriptions: what it asks the server for, and that it asks again after each loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net import ChannelBrokenError, EventLoopGroup
from pipeline_net.codecs import redis

_QUICK = {"backoff": 0.001, "backoff_limit": 0.01, "close_timeout": 0.05}


def _array(*words: bytes, kind: bytes = b">") -> bytes:
    return kind + b"%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def confirming(kind: bytes = b">") -> Callable[[Any, list[bytes]], bytes]:
    """Confirm whatever is asked for, as a server does that has no other subscriptions."""

    def answer(ctx: Any, command: list[bytes]) -> bytes:
        if command[0] == b"PING":
            return b"$0\r\n\r\n" if kind == b">" else _array(b"pong", b"", kind=kind)
        name = command[0].lower()
        return kind + b"3\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n:1\r\n" % (len(name), name, len(command[1]), command[1])

    return answer


@pytest.fixture
def connect(loops: EventLoopGroup) -> Iterator[Callable[..., redis.Client]]:
    clients: list[redis.Client] = []

    def make(address: str, **options: Any) -> redis.Client:
        clients.append(redis.Client(loops, address, options=redis.ClientOptions(**{**_QUICK, **options})))
        return clients[-1]

    yield make
    for client in clients:
        client.close().result(10)


Connect = Callable[..., redis.Client]


@pytest.mark.parametrize("protocol", [2, 3])
def test_all_kinds_of_channels_of_the_real_server(protocol: int, connect: Connect, real_address: str) -> None:
    client = connect(real_address, protocol=protocol)
    messages = client.subscribe("a", "b", patterns=("p.*",), shards=("s",))
    messages.ready.result(10)
    client.execute_many(
        [("PUBLISH", "a", 1), ("PUBLISH", "b", 2), ("PUBLISH", "p.x", 3), ("SPUBLISH", "s", 4), ("PUBLISH", "c", 5)]
    ).result()
    assert [messages.next(10) for _ in range(4)] == [
        redis.Message(b"a", b"1"),
        redis.Message(b"b", b"2"),
        redis.Message(b"p.x", b"3", b"p.*"),
        redis.Message(b"s", b"4"),
    ]
    assert client.call("PUBSUB", "NUMSUB", "a") == [b"a", 1]
    messages.close()
    while client.call("PUBLISH", "a", "anybody?"):
        pass  # the server hears of it a moment later


@pytest.mark.parametrize("kind", [b">", b"*"])
def test_subscriptions_to_one_channel_cost_the_server_one(
    kind: bytes, connect: Connect, fake: Any, greeting: Any
) -> None:
    server = fake(greeting(confirming(kind)))
    client = connect(server.address)
    first = client.subscribe("news")
    first.ready.result(10)
    second = client.subscribe("news", "weather")
    second.ready.result(10)
    assert server.received[1:] == [[b"SUBSCRIBE", b"news"], [b"SUBSCRIBE", b"weather"]]
    server.contexts[0].channel.write(_array(b"message", b"news", b"hello", kind=kind))
    assert first.next(10) == second.next(10) == redis.Message(b"news", b"hello")
    first.close()
    second.close()
    third = client.subscribe("news")
    third.ready.result(10)
    assert server.received[3:] == [
        [b"UNSUBSCRIBE", b"news"],
        [b"UNSUBSCRIBE", b"weather"],
        [b"SUBSCRIBE", b"news"],
    ]


def test_everything_is_subscribed_again_after_a_loss(connect: Connect, fake: Any, greeting: Any) -> None:
    server = fake(greeting(confirming()))
    client = connect(server.address)
    messages = client.subscribe("news", patterns=("w.*",))
    messages.ready.result(10)
    server.contexts[0].channel.abort()
    for _ in range(10_000):
        if server.received.count([b"PSUBSCRIBE", b"w.*"]) == 2:
            break
        messages.next(0.001)
    assert server.received[3:6] == [[b"HELLO", b"3"], [b"SUBSCRIBE", b"news"], [b"PSUBSCRIBE", b"w.*"]]
    server.contexts[1].channel.write(_array(b"message", b"news", b"back"))
    assert messages.next(10) == redis.Message(b"news", b"back")
    assert messages.interruptions == 1
    assert not messages.is_closed


def test_a_break_is_one_interruption_however_many_attempts_it_takes_to_come_back(
    connect: Connect, fake: Any, greeting: Any
) -> None:
    greet = greeting(confirming())

    def slow_to_come_back(ctx: Any, command: list[bytes]) -> bytes | None:
        if 1 < len(server.contexts) < 5:
            ctx.channel.abort()
            return None
        answer: bytes | None = greet(ctx, command)
        return answer

    server = fake(slow_to_come_back)
    messages = connect(server.address).subscribe("news")
    messages.ready.result(10)
    server.contexts[0].channel.abort()
    for _ in range(10_000):
        if len(server.contexts) == 5 and server.received[-1] == [b"SUBSCRIBE", b"news"]:
            break
        messages.next(0.001)
    server.contexts[4].channel.write(_array(b"message", b"news", b"back"))
    assert messages.next(10) == redis.Message(b"news", b"back")
    assert messages.interruptions == 1


def test_a_server_that_is_not_there_yet_interrupts_nothing(connect: Connect, fake: Any, greeting: Any) -> None:
    greet = greeting(confirming())

    def late(ctx: Any, command: list[bytes]) -> bytes | None:
        if len(server.contexts) < 3:
            ctx.channel.abort()
            return None
        answer: bytes | None = greet(ctx, command)
        return answer

    server = fake(late)
    messages = connect(server.address).subscribe("news")
    messages.ready.result(10)
    assert messages.interruptions == 0


def test_the_real_server_may_cut_it_off_too(connect: Connect, real_address: str) -> None:
    client = connect(real_address)
    messages = client.subscribe("news")
    messages.ready.result(10)
    client.call("CLIENT", "KILL", "TYPE", "pubsub")
    while client.call("PUBLISH", "news", "back") == 0:
        pass  # until it has come back
    assert messages.next(10) == redis.Message(b"news", b"back")
    assert messages.interruptions == 1


def test_a_refusal_ends_only_the_subscription_that_wanted_it(connect: Connect, fake: Any, greeting: Any) -> None:
    confirm = confirming()
    server = fake(
        greeting(lambda ctx, command: b"-NOPERM no\r\n" if command[1] == b"secrets" else confirm(ctx, command))
    )
    client = connect(server.address)
    wanted = client.subscribe("news", "secrets")
    other = client.subscribe("news")
    assert isinstance(wanted.ready.exception(10), redis.ReplyError)
    other.ready.result(10)
    server.contexts[0].channel.write(_array(b"message", b"news", b"hello"))
    assert other.next(10) == redis.Message(b"news", b"hello")


def test_a_server_that_refuses_the_greeting_ends_subscriptions(connect: Connect, fake: Any) -> None:
    server = fake(lambda ctx, command: b"-NOAUTH who are you\r\n")
    messages = connect(server.address).subscribe("news")
    assert isinstance(messages.ready.exception(10), redis.ReplyError)


@pytest.mark.parametrize("kind", [b">", b"*"])
def test_a_server_that_answers_pings_keeps_its_listener(
    kind: bytes, connect: Connect, fake: Any, greeting: Any
) -> None:
    server = fake(greeting(confirming(kind)))
    # An answer that takes longer than the interval counts as none, and a busy machine takes its time.
    messages = connect(server.address, ping_interval=0.1).subscribe("news")
    messages.ready.result(10)
    for _ in range(10_000):
        if server.received.count([b"PING", b""]) >= 3:
            break
        messages.next(0.001)
    assert server.received.count([b"PING", b""]) >= 3
    late = messages._subscriber
    assert messages.interruptions == 0
    assert late.last_error is None


def test_a_server_that_answers_no_pings_is_left(connect: Connect, fake: Any, greeting: Any) -> None:
    confirm = confirming()

    def deaf(ctx: Any, command: list[bytes]) -> bytes | None:
        return None if command[0] == b"PING" else confirm(ctx, command)

    server = fake(greeting(deaf))
    messages = connect(server.address, ping_interval=0.05).subscribe("news")
    messages.ready.result(10)
    for _ in range(10_000):
        if messages.interruptions:
            break
        messages.next(0.001)
    assert messages.interruptions >= 1


def test_events_that_nobody_knows_are_no_harm(connect: Connect, fake: Any, greeting: Any) -> None:
    server = fake(greeting(confirming()))
    messages = connect(server.address).subscribe("news")
    messages.ready.result(10)
    odd = [
        _array(b"sunsubscribe", b"x", b"0"),
        _array(b"message", b"news"),
        _array(b"pmessage", b"a", b"b"),
        _array(b"something", b"else"),
        _array(b"message", b"nobody listens", b"here"),
        b"+PONG\r\n",
        b"-ERR nobody asked\r\n",
    ]
    server.contexts[0].channel.write(b"".join(odd) + _array(b"message", b"news", b"hello"))
    assert messages.next(10) == redis.Message(b"news", b"hello")
    assert messages.interruptions == 0


def test_a_client_that_must_not_connect_again_tells_its_readers(connect: Connect, fake: Any, greeting: Any) -> None:
    server = fake(greeting(confirming()))
    messages = connect(server.address, reconnect=False).subscribe("news")
    messages.ready.result(10)
    waiting = messages.get()
    server.contexts[0].channel.abort()
    assert isinstance(waiting.exception(10), ChannelBrokenError)
    with pytest.raises(ChannelBrokenError):
        next(messages)
