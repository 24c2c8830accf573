"""serve(): listening, loops, beginning and end; over real sockets."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import AddressError, ChannelOptions, Conn, EventHandler, ReceiveBuffer, WorkerPool, serve
from pipeline_net.codecs import (
    DecoderConfig,
    DelimiterBasedFrameCodec,
    EncoderConfig,
    FixedLengthFrameCodec,
    ICodec,
    LengthFieldBasedFrameCodec,
    LineBasedFrameCodec,
)
from pipeline_net.server import RunningServer
from pipeline_net.transport.group import usable_cores

Dial = Callable[[str], socket.socket]

_TCP = "tcp://127.0.0.1:0"
_WAIT = 10.0  # seconds; how long a test waits for what must come


class Lines(ICodec[bytes]):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        end = buffer.find(b"\n")
        if end < 0:
            return None
        line = buffer.take(end)
        buffer.skip(1)
        return line

    def encode(self, message: bytes) -> bytes:
        return bytes(message) + b"\n"


class Echo(EventHandler):
    """Echoes, and says on which loop a connection lives and when it is closed."""

    def __init__(self) -> None:
        self.opened: SimpleQueue[Conn] = SimpleQueue()
        self.closed = 0
        self.lock = threading.Lock()

    def on_opened(self, conn: Conn) -> Any:
        self.opened.put(conn)

    def react(self, conn: Conn) -> Any:
        return conn.read()

    def on_closed(self, conn: Conn, exc: BaseException | None) -> Any:
        with self.lock:
            self.closed += 1


def received(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def exchange(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(65536)


def is_free(address: str) -> bool:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


# -- listening --------------------------------------------------------------------------------------


def test_one_server_listens_on_tcp_unix_and_udp_at_once(serving: Any, dial: Dial, tmp_path: Path) -> None:
    server = serving(Echo(), _TCP, f"unix://{tmp_path}/socket", "udp://127.0.0.1:0", "tcp://127.0.0.1:0")
    assert [address.partition("://")[0] for address in server.addresses] == ["tcp", "unix", "udp", "tcp"]
    for address in server.addresses:
        assert exchange(dial(address), address.encode()) == address.encode()
    assert str(server.addresses[0]) in repr(server)
    server.shutdown()
    serving.join(server)
    assert os.listdir(tmp_path) == []


def test_all_addresses_are_bound_or_none(serving: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        port, free = taken.getsockname()[1], other.getsockname()[1]
        other.close()
        with pytest.raises(OSError, match=f"tcp://127.0.0.1:{port}"):
            serve(Echo(), f"tcp://127.0.0.1:{free}", f"tcp://127.0.0.1:{port}")
        assert is_free(f"tcp://127.0.0.1:{free}")


def test_max_connections_lets_the_next_one_wait(serving: Any, dial: Dial) -> None:
    handler = Echo()
    server = serving(handler, max_connections=2)
    clients = [dial(server.addresses[0]) for _ in range(3)]
    assert exchange(clients[0], b"0") == b"0"
    assert exchange(clients[1], b"1") == b"1"
    clients[2].sendall(b"2")
    assert len(server.connections) == 2
    clients[0].close()
    assert clients[2].recv(10) == b"2"


def test_what_is_set_for_channels(serving: Any, dial: Dial) -> None:
    handler = Echo()
    server = serving(
        handler,
        tcp_keepalive=60.0,
        tcp_nodelay=False,
        receive_size=4,
        send_buffer=100_000,
        options=ChannelOptions(receive_buffer=50_000, keepalive=9.0, close_timeout=3.0),
    )
    client = dial(server.addresses[0])
    options = handler.opened.get(timeout=_WAIT).channel.options
    assert (options.keepalive, options.tcp_nodelay, options.receive_size) == (60.0, False, 4)
    assert (options.send_buffer, options.receive_buffer, options.close_timeout) == (100_000, 50_000, 3.0)
    client.sendall(b"123456789")
    client.shutdown(socket.SHUT_WR)
    assert received(client) == b"123456789"


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "at least one address", lambda: serve(Echo())),
        (AddressError, "the scheme is missing", lambda: serve(Echo(), "127.0.0.1:9000")),
        (TypeError, r"did you mean Echo\(\)\?", lambda: serve(Echo, _TCP)),  # type: ignore[arg-type]  # it is refused
        (TypeError, "an EventHandler, not 'echo'", lambda: serve("echo", _TCP)),  # type: ignore[arg-type]  # it is refused
        (ValueError, "at least 1 loop, not 0", lambda: serve(Echo(), _TCP, loops=0)),
        (ValueError, "no balancer is called 'fair'", lambda: serve(Echo(), _TCP, load_balancing="fair")),
        (ValueError, "max_connections", lambda: serve(Echo(), _TCP, max_connections=0)),
        (ValueError, "receive_size", lambda: serve(Echo(), _TCP, receive_size=0)),
        (TypeError, "use a lambda", lambda: serve(Echo(), _TCP, codec=Lines())),  # type: ignore[arg-type]  # it is refused
        (TypeError, "makes an ICodec, and not 1", lambda: serve(Echo(), _TCP, codec=lambda: 1)),  # type: ignore[arg-type, return-value]  # it is refused
        (TypeError, "options= is a ChannelOptions", lambda: serve(Echo(), _TCP, options={"auto_read": True})),  # type: ignore[arg-type]  # it is refused
        (TypeError, "ready= is called", lambda: serve(Echo(), _TCP, ready="soon")),  # type: ignore[arg-type]  # it is refused
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_bound(
    error: type[Exception], message: str, call: Callable[[], None]
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_an_impossible_codec_is_found_at_start() -> None:
    def impossible() -> ICodec[bytes]:
        raise ValueError("a length field of 5 bytes")

    with pytest.raises(ValueError, match="a length field of 5 bytes"):
        serve(Echo(), _TCP, codec=impossible)


# -- loops ------------------------------------------------------------------------------------------


def loops_of(handler: Echo, serving: Any, dial: Dial, count: int, **settings: Any) -> list[str]:
    """On which loops so many connections live, in their order."""
    server = serving(handler, **settings)
    names = []
    for _ in range(count):
        client = dial(server.addresses[0])
        assert exchange(client, b"x") == b"x"
        names.append(handler.opened.get(timeout=_WAIT).channel.loop.name)
    return names


def test_one_loop_is_the_default(serving: Any, dial: Dial) -> None:
    assert len(set(loops_of(Echo(), serving, dial, 4))) == 1


def test_several_loops_get_connections_in_turn(serving: Any, dial: Dial) -> None:
    names = loops_of(Echo(), serving, dial, 6, loops=3)
    assert names == names[:3] * 2
    assert len(set(names)) == 3


def test_multicore_is_a_loop_for_each_usable_core(serving: Any, dial: Dial) -> None:
    assert len(set(loops_of(Echo(), serving, dial, 2 * usable_cores(), multicore=True))) == usable_cores()
    assert len(set(loops_of(Echo(), serving, dial, 3, multicore=True, loops=1))) == 1


def test_a_balancer_goes_by_its_name_or_is_the_users_own(serving: Any, dial: Dial) -> None:
    class Last:
        def choose(self, loops: Sequence[Any], remote_address: Any) -> Any:
            return loops[-1]

    assert len(set(loops_of(Echo(), serving, dial, 4, loops=2, load_balancing="source-hash"))) == 1
    assert len(set(loops_of(Echo(), serving, dial, 4, loops=2, load_balancing=Last()))) == 1


def test_with_reuse_port_each_loop_listens_for_itself(serving: Any, dial: Dial) -> None:
    server = serving(Echo(), loops=2, reuse_port=True)
    assert len(server.addresses) == 1
    assert "acceptor" not in {thread.name.rpartition("-")[0] for thread in threading.enumerate()}
    for _ in range(8):
        assert exchange(dial(server.addresses[0]), b"x") == b"x"


# -- codecs -----------------------------------------------------------------------------------------


def length_field_of(size: int) -> Callable[[], ICodec[bytes]]:
    return lambda: LengthFieldBasedFrameCodec(EncoderConfig(size), DecoderConfig(0, size, 0, size))


CODECS: dict[str, Callable[[], ICodec[bytes]]] = {
    "line": LineBasedFrameCodec,
    "delimiter": lambda: DelimiterBasedFrameCodec(b"|"),
    "fixed": lambda: FixedLengthFrameCodec(1024),
    **{f"length field of {size}": length_field_of(size) for size in (2, 3, 4, 8)},
}


@pytest.mark.parametrize("loops", [1, 2])
@pytest.mark.parametrize("answers", ["at once", "from a pool"])
@pytest.mark.parametrize("make_codec", CODECS.values(), ids=CODECS)
def test_frames_of_every_codec_come_back_in_order_however_they_were_cut(
    serving: Any, dial: Dial, make_codec: Callable[[], ICodec[bytes]], answers: str, loops: int
) -> None:
    class Answering(EventHandler):
        def __init__(self) -> None:
            self.pool = WorkerPool(1)

        def react(self, conn: Conn) -> Any:
            if answers == "at once":
                return conn.read_frame()
            self.pool.submit(conn.async_write, conn.read_frame())
            return None

        def on_shutdown(self, server: RunningServer) -> Any:
            self.pool.release()

    server = serving(Answering(), codec=make_codec, loops=loops)
    dice = random.Random(loops)
    codec = make_codec()
    frames = [bytes(dice.choices(b"abcdefgh", k=1024)) for _ in range(40)]
    encoded = [codec.encode(frame) for frame in frames]
    wire = b"".join(b"".join(data) if isinstance(data, list) else data for data in encoded)
    for client in [dial(server.addresses[0]) for _ in range(3)]:
        at = 0
        while at < len(wire):
            step = dice.choice([1, 10, 700, 5000])
            client.sendall(wire[at : at + step])
            at += step
        with client.makefile("rb") as stream:
            assert make_codec().feed(stream.read(len(wire))) == frames


# -- from other threads -----------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [None, Lines])
def test_writes_from_foreign_threads_arrive_whole_and_in_order(serving: Any, dial: Dial, codec: Any) -> None:
    threads, each = 4, 500
    handler = Echo()
    client = dial(serving(handler, codec=codec).addresses[0])
    conn = handler.opened.get(timeout=_WAIT)
    end = b"" if codec else b"\n"
    done: SimpleQueue[BaseException | None] = SimpleQueue()

    def write(thread: int) -> None:
        for number in range(0, each, 2):
            conn.async_write(b"%d %d%s" % (thread, number, end))
            conn.async_writev([b"%d %d%s" % (thread, number + 1, end)] * 1, lambda _, exc: done.put(exc))

    workers = [threading.Thread(target=write, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    lines = []
    with client.makefile("rb") as stream:
        for _ in range(threads * each):
            lines.append(tuple(map(int, stream.readline().split())))
    for worker in workers:
        worker.join()
    for thread in range(threads):
        assert [number for which, number in lines if which == thread] == list(range(each))
    assert [done.get(timeout=_WAIT) for _ in range(threads * each // 2)] == [None] * (threads * each // 2)


def test_pieces_of_one_async_writev_stay_together(serving: Any, dial: Dial) -> None:
    handler = Echo()
    client = dial(serving(handler).addresses[0])
    conn = handler.opened.get(timeout=_WAIT)

    def write(letter: bytes) -> None:
        for _ in range(200):
            conn.async_writev([letter] * 10)

    workers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for worker in workers:
        worker.start()
    with client.makefile("rb") as stream:
        data = stream.read(6000)
    for worker in workers:
        worker.join()
    assert {data[at : at + 10] for at in range(0, 6000, 10)} == {b"a" * 10, b"b" * 10, b"c" * 10}
    assert Counter(data) == {ord("a"): 2000, ord("b"): 2000, ord("c"): 2000}


def test_a_worker_pool_answers_through_async_write(serving: Any, dial: Dial) -> None:
    class Blocking(Echo):
        def __init__(self) -> None:
            super().__init__()
            self.pool = WorkerPool(1)

        def react(self, conn: Conn) -> Any:
            self.pool.submit(self.work, conn, conn.read())

        def work(self, conn: Conn, line: bytes) -> None:
            conn.async_write(b"%s by %s" % (line, threading.current_thread().name.encode()))

        def on_shutdown(self, server: RunningServer) -> Any:
            self.pool.release()

    client = dial(serving(Blocking(), codec=Lines).addresses[0])
    client.sendall(b"1\n2\n3\n")
    with client.makefile("rb") as stream:
        assert [stream.readline() for _ in range(3)] == [b"%d by worker-1\n" % number for number in (1, 2, 3)]


def test_wake_runs_react_on_the_loop(serving: Any, dial: Dial) -> None:
    class Sleeping(Echo):
        def react(self, conn: Conn) -> Any:
            return b"%s %d" % (threading.current_thread().name.encode(), len(conn.read()))

    handler = Sleeping()
    client = dial(serving(handler).addresses[0])
    conn = handler.opened.get(timeout=_WAIT)
    conn.wake()
    assert client.recv(100) == conn.channel.loop.name.encode() + b" 0"


def test_closing_from_a_foreign_thread_sends_what_was_written_before(serving: Any, dial: Dial) -> None:
    handler = Echo()
    client = dial(serving(handler).addresses[0])
    conn = handler.opened.get(timeout=_WAIT)
    conn.async_write(b"x" * 1_000_000)
    conn.close()
    conn.close()
    assert len(received(client)) == 1_000_000


def test_the_server_knows_its_connections_so_that_everybody_can_be_told(serving: Any, dial: Dial) -> None:
    handler = Echo()
    server = serving(handler, loops=2, codec=Lines)
    clients = [dial(server.addresses[0]) for _ in range(5)]
    for _ in clients:
        handler.opened.get(timeout=_WAIT)
    for conn in server.connections:
        conn.async_write(b"news")
    assert [client.recv(100) for client in clients] == [b"news\n"] * 5
    assert "5 connections" in repr(server)


def test_a_connection_that_is_used_after_the_end_of_its_loop_tells_its_caller(serving: Any, dial: Dial) -> None:
    handler = Echo()
    server = serving(handler)
    dial(server.addresses[0])
    conn = handler.opened.get(timeout=_WAIT)
    server.shutdown()
    serving.join(server)
    told: list[Any] = []
    conn.async_write(b"x", lambda which, exc: told.append((which, type(exc).__name__)))
    conn.async_write(b"x")
    conn.wake()
    conn.close()
    assert told == [(conn, "ChannelClosedError")]
