"""What waits, what is sent, what fails, while connections come and go and a server misbehaves on cue."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import (
    ChannelBrokenError,
    ChannelClosedError,
    ChannelFuture,
    ChannelOptions,
    EventLoopGroup,
    PoolFullError,
    ProtocolError,
    ReadTimeoutError,
)
from pipeline_net.codecs import redis

_QUICK = {"backoff": 0.001, "backoff_limit": 0.01}

Connect = Callable[..., redis.Client]


@pytest.fixture
def connect(loops: EventLoopGroup) -> Iterator[Connect]:
    """``connect(server, **options)`` is a client that is closed when the test ends."""
    clients: list[redis.Client] = []

    def make(server: Any, **options: Any) -> redis.Client:
        given = {**_QUICK, "close_timeout": 0.05, **options}
        clients.append(redis.Client(loops, server.address, options=redis.ClientOptions(**given)))
        return clients[-1]

    yield make
    for client in clients:
        client.close().result(10)


def _errors(*futures: ChannelFuture[Any]) -> list[type[BaseException | None]]:
    return [type(future.exception(10)) for future in futures]


# -- a connection that breaks ---------------------------------------------------------------------------


def test_what_was_sent_fails_with_the_connection_and_is_never_sent_again(
    connect: Connect, fake: Any, echoes: Any
) -> None:
    def vanish(ctx: Any, command: list[bytes]) -> bytes | None:
        if command[-1] == b"boom":
            ctx.channel.abort()
            return None
        return bytes(echoes(ctx, command))

    server = fake(vanish)
    client = connect(server)
    futures = [client.execute("INCR", word) for word in ("a", "boom", "b")]
    first = futures[0].exception(10)
    assert first is None or isinstance(first, ChannelBrokenError)  # its reply may be lost with the connection
    assert _errors(futures[1]) == [ChannelBrokenError]
    assert "it may have been executed, or not" in str(futures[1].exception())
    assert client.call("INCR", "c") == b"c"
    assert server.received.count([b"INCR", b"boom"]) == 1
    assert client.pending == 0


@pytest.mark.parametrize("half", [b"$10\r\nhal", b"*2\r\n:1\r\n", b"$", b"%1\r\n+a\r\n"])
def test_half_a_reply_is_no_reply(half: bytes, connect: Connect, fake: Any, echoes: Any) -> None:
    def stop_short(ctx: Any, command: list[bytes]) -> bytes | None:
        if command[0] == b"STOP":
            ctx.write(half)
            ctx.close()
            return None
        return bytes(echoes(ctx, command))

    client = connect(fake(stop_short))
    asked: SimpleQueue[list[ChannelFuture[Any]]] = SimpleQueue()
    # together, by the loop itself: otherwise the second one might come when there is a new connection
    client.loop.execute(lambda: asked.put([client.execute("STOP"), client.execute("ECHO", "x")]))
    assert _errors(*asked.get(timeout=10)) == [ChannelBrokenError, ChannelBrokenError]
    assert client.call("ECHO", "y") == b"y"


def test_nonsense_ends_the_connection_and_is_the_cause(connect: Connect, fake: Any, greeting: Any) -> None:
    client = connect(fake(greeting(lambda ctx, command: b"?nonsense\r\n")))
    error = client.execute("GET", "a").exception(10)
    assert isinstance(error, ChannelBrokenError)
    assert isinstance(error.__cause__, ProtocolError)


def test_replies_that_nobody_asked_for_end_the_connection_before_they_reach_anybody(
    connect: Connect, fake: Any, greeting: Any
) -> None:
    answers = [b":1\r\n:2\r\n", b":3\r\n"]
    server = fake(greeting(lambda ctx, command: answers.pop(0)))
    client = connect(server)
    assert client.call("GET", "a") == 1
    # Its connection is given up in any case; whether before or after GET b was sent, :2 is not its reply.
    second = client.execute("GET", "b")
    if second.exception(10) is None:
        assert second.result() == 3
    else:
        assert _errors(second) == [ChannelBrokenError]


# -- no connection --------------------------------------------------------------------------------------


def test_commands_wait_for_the_first_connection(connect: Connect, fake: Any, echoes: Any) -> None:
    client = connect(fake(echoes))
    futures = [client.execute("ECHO", number) for number in range(100)]
    assert [future.result(10) for future in futures] == [b"%d" % number for number in range(100)]


def test_commands_wait_for_a_server_that_comes_back(connect: Connect, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    server.stop_listening()
    client = connect(server)
    assert isinstance(client.connect().exception(10), ChannelBrokenError)
    futures = [client.execute("ECHO", number) for number in range(3)]
    server.listen_again()
    assert [future.result(10) for future in futures] == [b"0", b"1", b"2"]
    assert server.names() == [b"ECHO"] * 3


def test_no_more_commands_wait_than_the_limit_says(connect: Connect, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    server.stop_listening()
    client = connect(server, offline_limit=2)
    client.connect().exception(10)
    futures = [client.execute("ECHO", number) for number in range(4)]
    assert _errors(futures[3], futures[2]) == [ChannelBrokenError, ChannelBrokenError]
    assert not futures[0].done()
    assert client.pending == 2
    server.listen_again()
    assert [future.result(10) for future in futures[:2]] == [b"0", b"1"]


def test_those_who_wait_beyond_the_limit_fail_when_the_attempt_does(connect: Connect, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    server.stop_listening()
    client = connect(server, offline_limit=1, backoff=3600.0, backoff_limit=3600.0)
    futures = [client.execute("ECHO", number) for number in range(3)]
    assert _errors(*futures[1:]) == [ChannelBrokenError, ChannelBrokenError]
    assert not futures[0].done()


def test_a_client_may_fail_fast(connect: Connect, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    server.stop_listening()
    client = connect(server, offline_limit=0, backoff=3600.0, backoff_limit=3600.0)
    error = client.execute("GET", "a").exception(10)
    assert isinstance(error, ChannelBrokenError)
    assert f"there is no connection to {server.address}" in str(error)
    assert isinstance(error.__cause__, ChannelBrokenError)
    assert _errors(client.execute("GET", "a")) == [ChannelBrokenError]


def test_a_client_that_is_refused_says_why_to_everybody_who_waits(connect: Connect, fake: Any) -> None:
    client = connect(fake(lambda ctx, command: b"-WRONGPASS invalid\r\n"), password="x")
    first = client.execute("GET", "a").exception(10)
    assert isinstance(first, ChannelBrokenError)
    assert isinstance(first.__cause__, redis.ReplyError)
    assert isinstance(client.connect().exception(10), redis.ReplyError)


# -- time -----------------------------------------------------------------------------------------------


def test_a_reply_that_comes_too_late_goes_to_nobody(connect: Connect, fake: Any, greeting: Any) -> None:
    held: list[Any] = []

    def hold_the_first(ctx: Any, command: list[bytes]) -> bytes | None:
        if not held:
            held.append(ctx)
            return None
        return b"+late\r\n+second\r\n" if len(server.names()) == 2 else b"+third\r\n"

    server = fake(greeting(hold_the_first))
    client = connect(server)
    client.connect().result(10)  # or it could be late before it is sent
    late = client.execute("GET", "a", timeout=0.02)
    assert _errors(late) == [ReadTimeoutError]
    assert str(late.exception()) == "no reply to GET within 0.02 s"
    assert client.call("GET", "b") == redis.SimpleString("second")
    assert client.call("GET", "c") == redis.SimpleString("third")
    assert client.pending == 0


def test_a_command_that_never_left_in_time_never_leaves(connect: Connect, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    server.stop_listening()
    client = connect(server)
    client.connect().exception(10)
    error = client.execute("SET", "a", "too late", timeout=0.01).exception(10)
    assert isinstance(error, ReadTimeoutError)
    assert isinstance(error.__cause__, ChannelBrokenError)
    cancelled = client.execute("SET", "a", "cancelled")
    assert cancelled.cancel()
    server.listen_again()
    assert client.call("ECHO", "x") == b"x"
    assert server.names() == [b"ECHO"]
    assert client.pending == 0


def test_a_connection_whose_replies_stay_out_is_made_anew(connect: Connect, fake: Any, echoes: Any) -> None:
    def deaf_at_first(ctx: Any, command: list[bytes]) -> bytes | None:
        return None if len(server.contexts) == 1 and command[0] != b"HELLO" else bytes(echoes(ctx, command))

    server = fake(deaf_at_first)
    client = connect(server, late_limit=0.02)
    client.connect().result(10)
    futures: list[Any] = []

    def ask() -> None:
        futures.append(client.execute("ECHO", "a", timeout=0.01))
        futures.append(client.execute("ECHO", "b", timeout=None))
        asked.set()

    asked = threading.Event()
    client.loop.execute(ask)  # both at once, or the second one could come when the connection is given up already
    assert asked.wait(10)
    late, behind = futures
    assert _errors(late, behind) == [ReadTimeoutError, ChannelBrokenError]
    assert "the reply to ECHO is more than 0.02 s late" in str(behind.exception())
    assert client.call("ECHO", "c") == b"c"
    assert len(server.contexts) == 2


def test_who_waits_without_a_timeout_keeps_the_connection(connect: Connect, fake: Any, greeting: Any) -> None:
    server = fake(greeting(lambda ctx, command: None))
    client = connect(server, late_limit=0.01)
    client.connect().result(10)
    blocks = client.execute("BLPOP", "list", 0, timeout=None)
    assert _errors(*[client.execute("GET", "a", timeout=0.02) for _ in range(2)]) == [ReadTimeoutError] * 2
    assert _errors(client.execute("GET", "a", timeout=0.03)) == [ReadTimeoutError]
    assert not blocks.done()
    server.contexts[0].channel.write(b"*2\r\n+list\r\n+x\r\n")
    assert blocks.result(10) == [redis.SimpleString("list"), redis.SimpleString("x")]


def test_a_cancelled_call_does_not_shift_the_others(connect: Connect, fake: Any, echoes: Any) -> None:
    client = connect(fake(echoes))
    futures = [client.execute("ECHO", number) for number in range(200)]
    cancelled = [number for number in range(200) if number % 3 == 0 and futures[number].cancel()]
    for number, future in enumerate(futures):
        if number not in cancelled:
            assert future.result(10) == b"%d" % number


@pytest.mark.parametrize("seed", range(5))
def test_replies_are_never_off_by_one_when_everything_happens_at_once(
    seed: int, connect: Connect, fake: Any, echoes: Any
) -> None:
    """Threads ask, cancel and time out, the server answers in bits and breaks connections; each gets its own."""
    chance = random.Random(seed)
    held: list[bytes] = []

    def awkward(ctx: Any, command: list[bytes]) -> bytes | None:
        answer = echoes(ctx, command)
        if command[0] == b"HELLO":
            held.clear()
            return bytes(answer)
        if chance.random() < 0.003:
            held.clear()
            ctx.write(answer[: len(answer) // 2])
            ctx.close()
            return None
        held.append(answer)
        if chance.random() < 0.5:
            return None  # with a later one
        whole = b"".join(held)
        held.clear()
        cut = chance.randrange(len(whole) + 1)
        ctx.write_and_flush(whole[:cut])
        return whole[cut:]

    client = connect(fake(awkward), offline_limit=100_000)
    wrong: list[Any] = []
    outcomes = {"replies": 0, "cancelled": 0, "failed": 0}

    def ask(number: int) -> None:
        mine = random.Random(f"{seed}/{number}")
        futures: list[tuple[Any, ChannelFuture[Any]]] = []
        for index in range(150):
            word = f"{number}-{index}"
            timeout = mine.choice([0.001, 0.5, 0.5])
            if mine.random() < 0.2:
                words = [f"{word}.{part}" for part in range(3)]
                futures.append((words, client.execute_many([("ECHO", each) for each in words], timeout=timeout)))
            else:
                futures.append((word, client.execute("ECHO", word, timeout=timeout)))
            if mine.random() < 0.2:
                mine.choice(futures)[1].cancel()
        for expected, future in futures:
            if future.cancelled():
                outcomes["cancelled"] += 1
                continue
            if future.exception(20) is not None:
                outcomes["failed"] += 1
                continue
            outcomes["replies"] += 1
            got = future.result()
            texts = [one.decode() for one in got] if isinstance(got, list) else got.decode()
            if texts != expected:
                wrong.append((expected, got))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert outcomes["replies"] > 0
    assert outcomes["cancelled"] > 0
    assert outcomes["failed"] > 0


# -- limits ---------------------------------------------------------------------------------------------


def test_no_more_commands_are_pending_than_the_limit_says(connect: Connect, fake: Any, greeting: Any) -> None:
    client = connect(fake(greeting(lambda ctx, command: None)), max_pending=10)
    client.connect().result(10)
    futures = [client.execute("GET", number) for number in range(12)]
    many = client.execute_many([("GET", "a")] * 2)
    assert _errors(*futures[10:], many) == [PoolFullError] * 3
    assert "are without a reply, and 1 more would be over the limit of 10" in str(futures[11].exception())
    assert not any(future.done() for future in futures[:10])


def test_no_more_bytes_wait_than_the_limit_says_and_one_command(connect: Connect, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    server.stop_listening()
    client = connect(server, max_waiting_bytes=100_000)
    client.connect().exception(10)
    futures = [client.execute("ECHO", bytes([number]) * 60_000) for number in range(4)]
    assert _errors(*futures[2:]) == [PoolFullError] * 2
    assert "bytes of commands wait to be sent to" in str(futures[2].exception())
    assert "and the limit is 100000" in str(futures[2].exception())
    futures[0].cancel()
    for _ in range(2):  # the loop hears of it, and then lets it leave
        done = threading.Event()
        client.loop.execute(done.set)
        assert done.wait(10)
    again = client.execute("ECHO", b"\4" * 60_000)  # for one has left
    server.listen_again()
    assert [len(future.result(10)) for future in (futures[1], again)] == [60_000] * 2
    for _ in range(3):
        assert client.call("ECHO", b"x" * 1_000_000) == b"x" * 1_000_000, "a single one may be larger"


@pytest.mark.parametrize("size", [1, 60_000])
def test_nor_while_the_loop_is_held_up(size: int, connect: Connect, fake: Any, echoes: Any) -> None:
    client = connect(fake(echoes), max_waiting_bytes=100_000)
    client.connect().result(10)
    lets_go = threading.Event()
    client.loop.execute(lets_go.wait, 10.0)
    futures = [client.execute("ECHO", b"x" * size) for _ in range(6)]
    lets_go.set()
    fitting = 2 if size > 1 else 6
    assert [future.result(10) for future in futures[:fitting]] == [b"x" * size] * fitting
    assert _errors(*futures[fitting:]) == [PoolFullError] * (6 - fitting)
    assert client.call("ECHO", b"x" * size) == b"x" * size


def test_a_server_that_does_not_read_makes_commands_wait_instead_of_filling_the_channel(
    connect: Connect, fake: Any, greeting: Any
) -> None:
    def stop_reading(ctx: Any, command: list[bytes]) -> bytes:
        if command[0] == b"STOP":
            ctx.channel.auto_read = False
        return b"+OK\r\n"

    server = fake(greeting(stop_reading))
    client = connect(server, channel=ChannelOptions(write_buffer_limit=2_000_000))
    client.call("STOP")
    futures = [client.execute("SET", number, b"x" * 500_000) for number in range(40)]
    server.contexts[0].channel.auto_read = True
    assert client.execute("SET", "last", "x").result(10) == redis.OK
    assert {future.result(10) for future in futures} == {redis.OK}


def test_a_value_may_be_larger_than_the_buffer_of_the_channel(connect: Connect, fake: Any, echoes: Any) -> None:
    options = ChannelOptions(write_buffer_limit=100_000)
    client = connect(fake(echoes), channel=options)
    value = bytes(1_000_000)
    assert client.call("SET", "a", value) == value
    assert client.execute_many([("SET", "a", value)] * 3).result(10) == [value] * 3


# -- beginning and end ----------------------------------------------------------------------------------


def test_connecting_is_confirmed_or_fails(connect: Connect, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    client = connect(server)
    assert client.connect().result(10) is None
    assert client.connect().result(10) is None
    assert client.is_ready
    assert client.protocol == 3
    client.close().result(10)
    assert isinstance(client.connect().exception(10), ChannelClosedError)


def test_closing_waits_for_the_replies_to_what_was_sent(connect: Connect, fake: Any, greeting: Any) -> None:
    waiting: list[Any] = []
    server = fake(greeting(lambda ctx, command: waiting.append(ctx)))
    client = connect(server, close_timeout=10.0)
    client.connect().result(10)
    future = client.execute("GET", "a")
    closed = client.close()
    assert isinstance(client.execute("GET", "b").exception(10), ChannelClosedError)
    assert not closed.done()
    while not waiting:
        threading.Event().wait(0.001)
    waiting[0].channel.write(b"+late\r\n")
    assert future.result(10) == redis.SimpleString("late")
    assert closed.result(10) is None
    assert client.is_closed


def test_closing_does_not_wait_for_ever(connect: Connect, fake: Any, greeting: Any) -> None:
    client = connect(fake(greeting(lambda ctx, command: None)), close_timeout=0.01)
    client.connect().result(10)
    future = client.execute("GET", "a")
    client.close().result(10)
    error = future.exception(10)
    assert isinstance(error, ChannelClosedError)
    assert "it may have been executed, or not" in str(error)


def test_what_was_asked_for_before_closing_is_sent_though_the_connection_was_not_there_yet(
    connect: Connect, fake: Any, echoes: Any
) -> None:
    client = connect(fake(echoes), close_timeout=10.0)
    future = client.execute("ECHO", "a")
    client.close().result(10)
    assert future.result(10) == b"a"


def test_closing_while_the_server_is_away_fails_what_waits(connect: Connect, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    server.stop_listening()
    client = connect(server)
    client.connect().exception(10)
    future = client.execute("GET", "a")
    client.close().result(10)
    assert _errors(future) == [ChannelClosedError]


def test_a_group_that_ends_ends_its_clients_and_whoever_waits(fake: Any, greeting: Any) -> None:
    server = fake(greeting(lambda ctx, command: None))
    with EventLoopGroup(1) as loops:
        client = redis.Client(loops, server.address)
        client.connect().result(10)
        sent = client.execute("GET", "a", timeout=None)
        server.stop_listening()
    assert isinstance(sent.exception(10), ChannelBrokenError | ChannelClosedError)
    assert _errors(client.execute("GET", "a"), client.connect()) == [ChannelClosedError] * 2
    assert client.close().result(10) is None


def test_a_push_that_a_callback_cannot_bear_does_not_cost_the_connection(
    loops: EventLoopGroup, fake: Any, greeting: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pushes: list[redis.Push] = []

    def fails(push: redis.Push) -> None:
        pushes.append(push)
        raise ValueError("not today")

    server = fake(greeting(lambda ctx, command: b">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n:1\r\n"))
    with redis.Client(loops, server.address, on_push=fails) as client:
        assert client.call("GET", "a") == 1
        assert client.call("GET", "b") == 1
    assert pushes == [[redis.SimpleString("invalidate"), [b"a"]]] * 2
    assert "not today" in caplog.text
    assert len(server.contexts) == 1
