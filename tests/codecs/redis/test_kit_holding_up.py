"""A server made with the kit, with clients that come, do anything, and go in any way: nothing is left of them."""

from __future__ import annotations

import logging
import random
import select
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs import redis

Connect = Callable[..., Any]

_WORDS = """
    PING; SET a 1; GET a; INCR n; DEL a; MULTI; EXEC; DISCARD; WATCH a; WATCH n; UNWATCH; SELECT 1; SELECT 0; HELLO 2;
    HELLO 3; RESET; SUBSCRIBE a; SUBSCRIBE b c; UNSUBSCRIBE; PSUBSCRIBE *; PSUBSCRIBE a*; PUNSUBSCRIBE; SSUBSCRIBE a;
    SUNSUBSCRIBE; PUBLISH a hello; PUBLISH b hello; SPUBLISH a hello; MONITOR; CLIENT LIST; CLIENT REPLY SKIP;
    CLIENT REPLY OFF; CLIENT REPLY ON; CLIENT PAUSE 1; CLIENT PAUSE 2 WRITE; CLIENT UNPAUSE; CLIENT KILL TYPE pubsub;
    CLIENT UNBLOCK 5; COMMAND COUNT; BLPOP q 1; BLPOP q 0; RPUSH q x; RPUSH q x y; NOPE; GET; QUIT
"""


def _visit(address: str, seed: int) -> None:
    """Come, say anything without listening much, and go: politely, in the middle of a command, or with a reset."""
    chance = random.Random(seed)
    words = [word.strip().encode() for word in _WORDS.split(";")]
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        try:
            for _ in range(chance.randrange(1, 6)):
                client.sendall(b"".join(word + b"\r\n" for word in chance.choices(words, k=chance.randrange(1, 40))))
                if chance.random() < 0.5 and select.select([client], [], [], 0)[0]:
                    client.recv(4096)  # perhaps nothing ever comes, after CLIENT REPLY OFF
        except (BrokenPipeError, ConnectionResetError):
            return  # it said QUIT, or was killed by another one
        how = chance.randrange(3)
        if how == 0:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == 1:
            try:
                client.sendall(b"*2\r\n$4\r\nECHO\r\n$10\r\nhal")
                client.shutdown(socket.SHUT_WR)
            except OSError:
                return  # it has been closed by now


@pytest.mark.parametrize("loops", [1, 3])
def test_of_clients_that_come_and_go_nothing_is_left(
    run_kit: Connect, store: Any, loops: int, caplog: pytest.LogCaptureFixture
) -> None:
    state = redis.ServerState(lock=threading.Lock())
    server = run_kit(state, loops=loops)
    failures: list[BaseException] = []

    def visit(first: int) -> None:
        try:
            for seed in range(first, first + 40):
                _visit(server.addresses[0], seed)
        except BaseException as exc:  # noqa: BLE001 - the test raises it
            failures.append(exc)

    visitors = [threading.Thread(target=visit, args=(first,)) for first in range(0, 240, 40)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    if failures:
        raise failures[0]
    with socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])), timeout=20) as last:
        while len(state.sessions) > 1:  # the suite's timeout is the limit
            last.sendall(b"CLIENT UNPAUSE\r\n")
            assert last.recv(100) == b"+OK\r\n"
    assert repr(state.pub_sub) == "<PubSub: 0 channels, 0 patterns, 0 sharded channels>"
    assert state.monitors.loops == {}
    assert state.watched_keys(0) == state.watched_keys(1) == []
    assert store.waiting == {}
    assert state.due == []
    assert not state.is_running
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
