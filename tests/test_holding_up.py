"""Holding up: peers that misbehave cost one connection and a bounded amount of memory; nothing is lost or left behind.

The long version is ``make soak``.
"""

from __future__ import annotations

import gc
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Never

import pytest

from pipeline_net import (
    Bootstrap,
    ByteToMessageDecoder,
    Channel,
    ChannelClosedError,
    ChannelError,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoopGroup,
    MessageToByteEncoder,
    PoolFullError,
    ReceiveBuffer,
    ServerBootstrap,
)
from pipeline_net.codecs import GeneratorDecoder, redis

Dial = Callable[[str], socket.socket]
Context = ChannelHandlerContext[Any, Any]

_ROOT = Path(__file__).parent.parent
_WAIT = 10.0  # seconds; how long a test waits for what must come
_MIB = 1 << 20

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: Context, msg: bytes) -> None:
        ctx.write(msg)


@pytest.fixture
def group() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(1) as loops:
        yield loops


@linux_only
def test_peers_that_cut_dribble_stall_reset_and_break_the_rules_leave_nothing_behind() -> None:
    script = str(_ROOT / "benchmarks" / "holding_up.py")
    few = ["--connections", "60", "--seconds", "1", "--crowd", "300", "--seed", "1"]
    run = subprocess.run([sys.executable, script, *few], capture_output=True, text=True, timeout=50, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "it holds up" in run.stdout


# -- who asks and does not read -------------------------------------------------------------------------


class Answers(ChannelInboundHandler[redis.Command, Never, redis.Reply]):
    """The same long value to every question."""

    value = bytes(300_000)

    def channel_read(self, ctx: Context, msg: redis.Command) -> None:
        ctx.write(self.value)


def test_a_peer_that_asks_for_gigabytes_in_one_batch_gets_what_it_reads(group: EventLoopGroup, dial: Dial) -> None:
    opened: list[Channel] = []

    def stack(channel: Channel) -> Any:
        opened.append(channel)
        return redis.server_stack() >> Answers()

    server = ServerBootstrap(group, initializer=stack).bind("tcp://127.0.0.1:0")
    client = dial(server.addresses[0])
    questions = 9000
    client.sendall(b"GET k\r\n" * questions)  # 2.7 gigabytes of answers, to one chunk of 63 kilobytes
    one = len(b"$300000\r\n\r\n") + 300_000
    left = 500 * one
    most = 0
    while left:
        left -= len(client.recv(min(left, _MIB)))
        most = max(most, opened[0].pending_write_bytes)
    assert most < 2 * _MIB
    assert opened[0].is_open


@linux_only
@pytest.mark.parametrize("size", [100, 8000, 31_000, 300_000])
def test_a_redis_client_that_never_reads_costs_little_memory(
    start_program: Callable[..., Any], dial: Dial, size: int
) -> None:
    program = start_program("-m", "pipeline_net", "run", "redis", "--address", "tcp://127.0.0.1:0", cwd=_ROOT)
    client = dial(program.addresses[0])
    client.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%b\r\n" % (size, bytes(size)))
    assert client.recv(100) == b"+OK\r\n"
    before = _resident(program.pid)
    client.settimeout(0.5)
    try:
        while True:
            client.sendall(b"GET k\r\n" * 5000)
    except TimeoutError:
        pass  # its questions are not taken any more
    assert _resident(program.pid) - before < 4 * _MIB


@linux_only
def test_who_does_not_read_in_a_chat_has_left_before_it_costs_much(
    start_program: Callable[..., Any], dial: Dial
) -> None:
    program = start_program("-m", "pipeline_net", "run", "chat", "--address", "tcp://127.0.0.1:0", cwd=_ROOT)
    deaf = dial(program.addresses[0])
    assert b"welcome, guest-1" in deaf.recv(1000)
    talker = dial(program.addresses[0])
    with talker.makefile("rb") as heard:
        assert b"welcome, guest-2" in heard.readline()
        before = _resident(program.pid)
        most = 0
        has_left = False
        while not has_left:
            talker.sendall(b"a short line\n" * 1000)
            for _ in range(1000):
                has_left |= b"guest-1 has left" in heard.readline()
            most = max(most, _resident(program.pid) - before)
    assert most < 4 * _MIB


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- what raises ----------------------------------------------------------------------------------------

_RAISED = [
    *(ValueError("a mistake"), SystemExit(1), RecursionError("too deep"), MemoryError("too much")),
    *(GeneratorExit(), StopIteration(), BaseException("of its own kind")),
]


@pytest.mark.parametrize("raised", _RAISED, ids=lambda exc: type(exc).__name__)
def test_whatever_raises_costs_its_own_channel_and_no_other(
    group: EventLoopGroup, dial: Dial, caplog: pytest.LogCaptureFixture, raised: BaseException
) -> None:
    def fails(*_: object) -> Any:
        raise raised

    class Decoder(ByteToMessageDecoder[bytes]):
        def decode(self, buffer: ReceiveBuffer) -> bytes:
            raise raised

    class Encoder(MessageToByteEncoder[bytes]):
        def encode(self, msg: bytes) -> bytes:
            raise raised

    class Story(GeneratorDecoder[bytes]):
        def message(self) -> Any:
            yield 1
            raise raised

    class Handler(Echo):
        def channel_read(self, ctx: Context, msg: bytes) -> None:
            raise raised

    class Closes(Echo):
        def channel_read(self, ctx: Context, msg: bytes) -> None:
            ctx.write(msg)
            ctx.close()

        def channel_inactive(self, ctx: Context) -> None:
            raise raised

    broken: list[Callable[[Channel], Any]] = [
        fails,
        lambda channel: [Decoder(), Echo()],
        lambda channel: [Encoder(), Echo()],
        lambda channel: [Story(), Echo()],
        lambda channel: [Handler()],
        lambda channel: [Closes()],
    ]
    witness = dial(ServerBootstrap(group, initializer=lambda channel: [Echo()]).bind("tcp://127.0.0.1:0").addresses[0])
    for number, initializer in enumerate(broken):
        logged = len(caplog.records)
        server = ServerBootstrap(group, initializer=initializer).bind("tcp://127.0.0.1:0")
        client = dial(server.addresses[0])
        try:
            client.sendall(b"xx")
            while client.recv(100):
                pass
        except ConnectionError:
            pass  # it was closed before it was read
        loop = group.next()
        loop.execute(fails)
        loop.schedule(0, fails)
        assert loop.run_blocking(int).result(_WAIT) == 0
        witness.sendall(b"still here?")
        assert witness.recv(100) == b"still here?", f"number {number}"
        done = threading.Event()
        loop.execute(done.set)  # behind everything that was to be logged
        assert done.wait(_WAIT)
        assert len(caplog.records) > logged


# -- coming and going -----------------------------------------------------------------------------------


def test_servers_that_come_and_go_leave_neither_descriptors_nor_memory(dial: Dial) -> None:
    def come_and_go() -> None:
        with EventLoopGroup(2) as loops:
            server = ServerBootstrap(loops, initializer=lambda channel: [Echo()]).bind("tcp://127.0.0.1:0")
            channel = Bootstrap(loops, lambda channel: [Keeps()]).connect(server.addresses[0]).result(_WAIT)
            channel.write(b"x").result(_WAIT)

    for _ in range(10):
        come_and_go()
    gc.collect()
    before = sys.getallocatedblocks()
    threads = threading.active_count()
    for _ in range(100):
        come_and_go()
    gc.collect()
    assert threading.active_count() == threads
    assert sys.getallocatedblocks() - before < 100 * 10  # less than ten blocks each: no group, loop or channel


class Keeps(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: Context, msg: bytes) -> None:
        """Drop it."""


@pytest.mark.parametrize("how", ["shutdown", "exit", "stop"])
def test_threads_that_use_channels_while_their_loops_end_are_answered(how: str) -> None:
    group = EventLoopGroup(2)
    server = ServerBootstrap(group, initializer=lambda channel: [Echo()]).bind("tcp://127.0.0.1:0", "local://hammered")
    clients = Bootstrap(group, lambda channel: [Keeps()])
    channels = [clients.connect(server.addresses[number % 2]).result(_WAIT) for number in range(6)]
    futures: list[ChannelFuture[Any]] = []
    surprises: list[BaseException] = []
    many = threading.Barrier(5)
    often: list[tuple[float, Callable[[Channel], Any]]] = [
        (20, lambda channel: channel.write(b"x")),
        (3, lambda channel: channel.write_and_flush(bytes(1000))),
        (3, Channel.flush),
        (3, lambda channel: channel.loop.run_blocking(int)),
        (2, lambda channel: channel.loop.schedule(0.001, int).cancel()),
        (1, lambda channel: clients.connect(server.addresses[0])),
        (0.1, Channel.close),
        (0.1, Channel.abort),
        (0.1, Channel.shutdown_output),
    ]
    weights = [weight for weight, _ in often]
    operations = [operation for _, operation in often]

    def hammer(seed: int) -> None:
        dice = random.Random(seed)
        many.wait(_WAIT)
        for _ in range(1500):
            channel = dice.choice(channels)
            try:
                outcome = dice.choices(operations, weights)[0](channel)
            except (ChannelClosedError, PoolFullError):
                continue
            except BaseException as exc:  # noqa: BLE001 - none may come
                surprises.append(exc)
                continue
            if isinstance(outcome, ChannelFuture):
                futures.append(outcome)

    threads = [threading.Thread(target=hammer, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    many.wait(_WAIT)
    if how == "stop":
        for loop in group:
            loop.stop()
    group.shutdown(0.05 if how == "shutdown" else 0.0)
    for thread in threads:
        thread.join(_WAIT)
        assert not thread.is_alive()
    outcomes = [future.exception(_WAIT) for future in futures]
    assert surprises == []
    assert [exc for exc in outcomes if exc is not None and not isinstance(exc, ChannelError)] == []
