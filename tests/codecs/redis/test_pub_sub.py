from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis.pub_sub import CHANNEL, PATTERN, SHARD

Connect = Callable[..., Any]

_PATTERN_MESSAGE = b"*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$5\r\nhello\r\n"


def test_a_message_reaches_channels_and_patterns_in_each_ones_protocol(kit: Connect) -> None:
    two, three, silent = kit(), kit(), kit()
    two.ask("SUBSCRIBE news", "PSUBSCRIBE n*")
    three.ask("HELLO 3", "SUBSCRIBE news")
    silent.ask("SUBSCRIBE other", "SSUBSCRIBE news")
    pub_sub = two.session.state.pub_sub
    assert pub_sub.publish(b"news", b"hello") == 3
    for client, expected in (
        (
            two,
            b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n" + _PATTERN_MESSAGE,
        ),
        (three, b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n"),
        (silent, b""),
    ):
        client.run_pending()
        assert client.take() == expected
    assert pub_sub.publish(b"news", b"x", sharded=True) == 1
    silent.run_pending()
    assert silent.take() == b"*3\r\n$8\r\nsmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n"
    for client in (two, three, silent):
        client.finish()


def test_the_books_are_kept_while_somebody_is_in_them_and_no_longer(kit: Connect) -> None:
    client, other = kit(), kit()
    pub_sub = client.session.state.pub_sub
    client.ask("SUBSCRIBE a b", "PSUBSCRIBE a*", "SSUBSCRIBE s")
    other.ask("SUBSCRIBE a")
    assert sorted(pub_sub.names(CHANNEL)) == [b"a", b"b"]
    assert pub_sub.names(PATTERN) == [b"a*"]
    assert pub_sub.names(SHARD) == [b"s"]
    assert [pub_sub.count(CHANNEL, name) for name in (b"a", b"b", b"c")] == [2, 1, 0]
    assert repr(pub_sub) == "<PubSub: 2 channels, 1 patterns, 1 sharded channels>"
    client.finish()
    assert repr(pub_sub) == "<PubSub: 1 channels, 0 patterns, 0 sharded channels>"
    other.ask("UNSUBSCRIBE")
    assert repr(pub_sub) == "<PubSub: 0 channels, 0 patterns, 0 sharded channels>"
    assert pub_sub.publish(b"a", b"x") == 0
    other.finish()


def test_servers_of_one_process_may_share_it(kit: Connect) -> None:
    pub_sub = redis.PubSub()
    one, two = (kit(redis.ServerState(pub_sub=pub_sub)) for _ in range(2))
    one.ask("SUBSCRIBE a")
    assert two.ask("PUBLISH a b") == b":1\r\n"
    for client in (one, two):
        client.finish()


def test_a_large_message_is_written_piece_by_piece(kit: Connect) -> None:
    client = kit()
    client.ask("SUBSCRIBE a")
    client.session.state.pub_sub.publish(b"a", b"x" * 100_000)
    client.run_pending()
    assert client.take() == b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$100000\r\n" + b"x" * 100_000 + b"\r\n"
    client.finish()


@pytest.mark.parametrize("loops", [1, 3])
def test_every_subscriber_hears_everything_in_order_whatever_its_loop(
    run_kit: Connect, dial: Callable[[str], Any], loops: int
) -> None:
    state = redis.ServerState()
    server = run_kit(state, loops=loops)
    clients = [dial(server.addresses[0]) for _ in range(6)]
    for number, client in enumerate(clients):
        client.sendall(b"HELLO 3\r\nSUBSCRIBE a\r\n" if number % 2 else b"SUBSCRIBE a\r\n")
    lines = [client.makefile("rb") for client in clients]
    for number, file in enumerate(lines):
        while b"subscribe" not in file.readline():
            pass
        for _ in range(3):
            assert file.readline()
        assert number < 6
    counts: list[list[int]] = [[] for _ in range(2)]

    def publish(which: int) -> None:
        for number in range(200):
            counts[which].append(state.pub_sub.publish(b"a", b"%d %d" % (which, number)))

    threads = [threading.Thread(target=publish, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [[6] * 200] * 2
    for number, file in enumerate(lines):
        heard: list[bytes] = []
        while len(heard) < 400:
            assert file.readline() == (b">3\r\n" if number % 2 else b"*3\r\n")
            heard.append([file.readline() for _ in range(6)][-1])
        for which in (b"0", b"1"):
            mine = [line.split() for line in heard if line.startswith(which)]
            assert [int(count) for _, count in mine] == list(range(200))
    for file in lines:
        file.close()
