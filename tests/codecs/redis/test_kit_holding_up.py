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
    lock = threading.Lock()
    state = redis.ServerState(lock=lock)
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
        is_left = True
        while is_left:  # the suite's timeout is the limit
            last.sendall(b"CLIENT UNPAUSE\r\n")  # also for the sake of being counted
            assert last.recv(100) == b"+OK\r\n"
            with lock:  # the last command of another loop may be about to end
                is_left = len(state.sessions) > 1
    assert repr(state.pub_sub) == "<PubSub: 0 channels, 0 patterns, 0 sharded channels>"
    assert state.monitors.loops == {}
    assert state.watched_keys(0) == state.watched_keys(1) == []
    assert store.waiting == {}
    assert state.due == []
    assert not state.is_running
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_subscriber_that_never_reads_is_closed_and_costs_no_more_than_its_limit(
    run_kit: Connect, dial: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    state = redis.ServerState(push_limit=redis.OutputLimit(hard=1_000_000, soft=500_000))
    address = run_kit(state, loops=2).addresses[0]
    slow, publisher = dial(address), dial(address)
    slow.sendall(b"SUBSCRIBE a\r\n")
    assert slow.recv(100) == b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
    (session,) = (one for one in state.all_sessions() if one.subscriptions[0])
    message = b"PUBLISH a %b\r\n" % (b"x" * 10_000)
    most = 0
    while True:  # the kernel's buffers take a few megabytes; the suite's timeout is the limit
        publisher.sendall(message)
        if publisher.recv(100) == b":0\r\n":
            break
        most = max(most, session.channel.pending_write_bytes)
    assert most <= 1_000_000 + 100 * 10_100
    assert "reads too slowly" in caplog.text
    assert state.all_sessions() != []


def _let_a_turn_pass(loop: Any) -> None:
    passed = threading.Event()
    loop.execute(passed.set)
    assert passed.wait(20)


@pytest.mark.parametrize("how", ["SUBSCRIBE a", "MONITOR"])
def test_a_client_waits_when_another_loop_does_not_keep_up_with_what_it_sends_there(
    run_kit: Connect, dial: Callable[[str], Any], how: str
) -> None:
    state = redis.ServerState()
    address = run_kit(state, loops=2).addresses[0]
    listener, publisher = dial(address), dial(address)
    listener.sendall(how.encode() + b"\r\n")
    listener.recv(100)
    publisher.sendall(b"CLIENT ID\r\n")
    session = state.sessions[int(publisher.recv(100)[1:])]
    (other,) = (one for one in state.all_sessions() if one is not session)
    go_on = threading.Event()
    other.loop.execute(go_on.wait)
    count = 300
    publisher.sendall(b"".join(b"PUBLISH a %03d-%b\r\n" % (number, b"x" * 10_000) for number in range(count)))
    before = b""
    try:
        while not session.special:  # the suite's timeout is the limit
            _let_a_turn_pass(session.loop)
        for _ in range(2):
            _let_a_turn_pass(session.loop)  # what it has answered by now has been sent
        while select.select([publisher], [], [], 0)[0]:
            before += publisher.recv(4096)
    finally:
        go_on.set()
    reply = b":0\r\n" if how == "MONITOR" else b":1\r\n"
    answered = before.count(reply)
    assert before == reply * answered
    assert 25 <= answered <= 27
    with publisher.makefile("rb") as replies, listener.makefile("rb") as heard:
        assert {replies.readline() for _ in range(count - answered)} == {reply}
        numbers: list[int] = []
        while len(numbers) < count:
            line = heard.readline()
            if b"-xxx" in line:
                numbers.append(int(line.partition(b"-xxx")[0][-3:]))
    assert numbers == list(range(count))
    while session.special:  # the last window is still to be heard of
        _let_a_turn_pass(session.loop)
