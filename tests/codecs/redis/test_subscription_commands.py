"""Replies of these commands are compared with the real server's in ``test_real_server``; here is what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline_net.codecs import redis

Connect = Callable[..., Any]


def test_unsubscribing_from_everything_names_each_and_ends_the_mode(kit: Connect) -> None:
    client = kit()
    client.ask("SUBSCRIBE a b")
    assert client.ask("UNSUBSCRIBE", "CLIENT GETNAME") == (
        b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n$-1\r\n"
    )
    client.finish()


def test_patterns_keep_a_client_in_the_mode(kit: Connect) -> None:
    client = kit()
    client.ask("SUBSCRIBE a", "PSUBSCRIBE a*", "UNSUBSCRIBE")
    assert client.ask("CLIENT GETNAME").startswith(b"-ERR Can't execute 'client|getname'")
    client.ask("PUNSUBSCRIBE")
    assert client.ask("CLIENT GETNAME") == b"$-1\r\n"
    client.finish()


def test_subscribing_twice_is_subscribing_once(kit: Connect) -> None:
    client, other = kit(), kit()
    client.ask("SUBSCRIBE a", "SUBSCRIBE a a")
    assert other.ask("PUBLISH a b", "PUBSUB NUMSUB a") == b":1\r\n*2\r\n$1\r\na\r\n:1\r\n"
    client.ask("UNSUBSCRIBE a")
    assert other.ask("PUBLISH a b") == b":0\r\n"
    for one in (client, other):
        one.finish()


def test_subscriptions_of_one_client_are_bounded(kit: Connect) -> None:
    client = kit(redis.ServerState(max_subscriptions=3))
    client.ask("SUBSCRIBE a", "PSUBSCRIBE b", "SSUBSCRIBE c")
    assert client.ask("SUBSCRIBE d") == b"-ERR a client is limited to 3 subscriptions\r\n"
    assert client.ask("SUBSCRIBE a") == b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n"
    client.finish()


def test_many_patterns_are_subscribed_to_in_time_in_proportion(kit: Connect) -> None:
    client = kit()
    names = [b"pattern%d*" % number for number in range(50_000)]  # a copy of all for each would take minutes
    client.ask([b"PSUBSCRIBE", *names])
    client.ask([b"PUNSUBSCRIBE", *names])
    assert repr(client.session.state.pub_sub) == "<PubSub: 0 channels, 0 patterns, 0 sharded channels>"
    client.finish()


def test_a_pattern_that_is_refused_is_not_subscribed_to(kit: Connect) -> None:
    client = kit()
    assert client.ask([b"PSUBSCRIBE", b"?" * 257]).startswith(b"-ERR pattern is too long")
    assert client.ask("CLIENT GETNAME") == b"$-1\r\n"
    assert repr(client.session.state.pub_sub) == "<PubSub: 0 channels, 0 patterns, 0 sharded channels>"
    client.finish()


def test_pubsub_tells_what_patterns_let_through(kit: Connect) -> None:
    client, other = kit(), kit()
    client.ask("SUBSCRIBE news weather", "SSUBSCRIBE shard")
    assert other.ask("PUBSUB CHANNELS n*", "PUBSUB SHARDCHANNELS *", "PUBSUB NUMPAT") == (
        b"*1\r\n$4\r\nnews\r\n*1\r\n$5\r\nshard\r\n:0\r\n"
    )
    for one in (client, other):
        one.finish()
