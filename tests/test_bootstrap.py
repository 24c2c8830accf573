"""Binding, connecting, and the end of servers; over every transport that has connections."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import (
    AddressError,
    BlockingOperationError,
    Bootstrap,
    Channel,
    ChannelClosedError,
    ChannelHandler,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    ChannelOutboundHandler,
    Datagram,
    EventLoop,
    EventLoopGroup,
    ServerBootstrap,
    ServerDraining,
    wire,
)

_PATIENCE = 10.0  # seconds; nothing here takes that long unless it hangs


class Echo(ChannelInboundHandler[Any]):
    def channel_read(self, ctx: ChannelHandlerContext, msg: Any) -> None:
        ctx.write(msg)


class Recorder(ChannelInboundHandler[Any]):
    """Remembers what it heard; ``heard(n)`` waits until it has heard that much."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.data = bytearray()
        self._changed = threading.Condition()

    def _note(self, event: str) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def channel_active(self, ctx: ChannelHandlerContext) -> None:
        self._note("active")

    def channel_read(self, ctx: ChannelHandlerContext, msg: Any) -> None:
        with self._changed:
            self.data += msg.data if isinstance(msg, Datagram) else msg
            self._changed.notify_all()

    def channel_eof(self, ctx: ChannelHandlerContext) -> None:
        self._note("eof")
        ctx.fire_channel_eof()

    def user_event_triggered(self, ctx: ChannelHandlerContext, event: Any) -> None:
        self._note(repr(event))
        if isinstance(event, ServerDraining):
            ctx.close()

    def channel_inactive(self, ctx: ChannelHandlerContext) -> None:
        self._note("inactive")

    def heard(self, count: int) -> bytes:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.data) >= count, _PATIENCE), self.data
            return bytes(self.data)

    def saw(self, event: str) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: event in self.events, _PATIENCE)


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(2) as group:
        yield group


def echo(channel: Channel) -> Any:
    return wire() >> Echo()


def only(handler: ChannelHandler) -> Callable[[Channel], list[ChannelHandler]]:
    return lambda channel: [handler]


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def addresses(tmp_path: Path) -> list[str]:
    return ["tcp://127.0.0.1:0", f"unix://{tmp_path}/s", "unix://@pipeline-net-test-bootstrap", "local://bootstrap"]


@pytest.mark.parametrize("which", range(4), ids=["tcp", "unix", "abstract", "local"])
def test_a_client_reaches_a_server_over_every_stream_transport(
    loops: EventLoopGroup, tmp_path: Path, which: int
) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind(addresses(tmp_path)[which])
    client = Recorder()
    channel = Bootstrap(loops, only(client)).connect(server.addresses[0]).result(_PATIENCE)
    assert channel.is_active
    channel.write_and_flush(b"hello").result(_PATIENCE)
    assert client.heard(5) == b"hello"
    assert len(server.channels) == 1
    channel.close().result(_PATIENCE)
    assert client.saw("inactive")


def test_a_client_and_a_server_that_write_much_do_not_wait_for_each_other(loops: EventLoopGroup) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind("tcp://127.0.0.1:0")
    recorder = Recorder()
    channel = Bootstrap(loops, only(recorder)).connect(server.addresses[0]).result(_PATIENCE)
    pieces = [bytes([number]) * 65_536 for number in range(255)]
    for piece in pieces:
        channel.write(piece)
    assert recorder.heard(sum(map(len, pieces))) == b"".join(pieces)


def test_a_client_reaches_a_datagram_server(loops: EventLoopGroup) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind("udp://127.0.0.1:0")
    client = Recorder()
    channel = Bootstrap(loops, only(client)).connect(server.addresses[0]).result(_PATIENCE)
    channel.write(b"hello").result(_PATIENCE)
    assert client.heard(5) == b"hello"


def test_one_server_listens_on_several_addresses_at_once(loops: EventLoopGroup, tmp_path: Path) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind(*addresses(tmp_path))
    assert [address.partition(":")[0] for address in server.addresses] == ["tcp", "unix", "unix", "local"]
    for address in server.addresses:
        client = Recorder()
        channel = Bootstrap(loops, only(client)).connect(address).result(_PATIENCE)
        channel.write(b"x")
        assert client.heard(1) == b"x"
    assert len(server.channels) == 4


def test_masters_accept_and_workers_get_the_connections() -> None:
    with EventLoopGroup(1, name="master") as masters, EventLoopGroup(2, name="worker") as workers:
        where: list[str] = []
        opened = threading.Semaphore(0)

        class WhereAmI(ChannelInboundHandler[bytes]):
            def channel_active(self, ctx: ChannelHandlerContext) -> None:
                where.append(threading.current_thread().name)
                opened.release()

        server = ServerBootstrap(masters, workers, lambda _: [WhereAmI()]).bind("tcp://127.0.0.1:0")
        sockets = [socket.create_connection(("127.0.0.1", port_of(server.addresses[0]))) for _ in range(4)]
        for _ in sockets:
            assert opened.acquire(timeout=_PATIENCE)
        assert sorted(where) == sorted(2 * [loop.name for loop in workers])
        for sock in sockets:
            sock.close()


def test_an_initializer_may_seat_the_stages_itself(loops: EventLoopGroup) -> None:
    def seat(channel: Channel) -> None:
        channel.pipeline.add_last(Echo())

    server = ServerBootstrap(loops, initializer=seat).bind("tcp://127.0.0.1:0")
    with socket.create_connection(("127.0.0.1", port_of(server.addresses[0]))) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


def test_a_port_that_is_taken_is_named_and_nothing_stays_half_open(loops: EventLoopGroup, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        path = tmp_path / "s"
        bootstrap = ServerBootstrap(loops, initializer=echo)
        with pytest.raises(OSError, match=taken) as caught:
            bootstrap.bind("tcp://127.0.0.1:0", f"unix://{path}", "local://half-open", "udp://127.0.0.1:0", taken)
        assert caught.value.errno == errno.EADDRINUSE
        assert not path.exists()
    bootstrap.bind(f"unix://{path}", "local://half-open").close()


def test_a_local_name_that_is_taken_is_named_too(loops: EventLoopGroup) -> None:
    bootstrap = ServerBootstrap(loops, initializer=echo)
    server = bootstrap.bind("local://taken")
    with pytest.raises(OSError, match="local://taken") as caught:
        bootstrap.bind("local://taken")
    assert caught.value.errno == errno.EADDRINUSE
    server.close()
    bootstrap.bind("local://taken").close()


@pytest.mark.parametrize("address", ["tcp://", "127.0.0.1:80", "ftp://x:1", "tcp://127.0.0.1:99999"])
def test_a_bad_address_is_refused_before_anything_is_opened(loops: EventLoopGroup, address: str) -> None:
    with pytest.raises(AddressError):
        ServerBootstrap(loops, initializer=echo).bind("tcp://127.0.0.1:0", address)
    port: Any = 0
    with pytest.raises(AddressError, match=r"an address is one text, 'tcp://127\.0\.0\.1:0'"):
        ServerBootstrap(loops, initializer=echo).bind("127.0.0.1", port)
    with pytest.raises(AddressError):
        Bootstrap(loops, echo).connect(address)
    assert not any(loop.has_thread for loop in loops)


def test_threads_start_with_bind_and_not_before(loops: EventLoopGroup) -> None:
    bootstrap = ServerBootstrap(loops, initializer=echo)
    assert not any(loop.has_thread for loop in loops)
    bootstrap.bind("tcp://127.0.0.1:0")
    assert all(loop.has_thread for loop in loops)


@pytest.mark.parametrize(("argument", "value"), [("backlog", 0), ("max_connections", 0), ("max_connections", "9")])
def test_impossible_limits_are_refused_at_construction(loops: EventLoopGroup, argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{argument} must be at least 1, not {value!r}"):
        ServerBootstrap(loops, initializer=echo, **{argument: value})


def test_a_missing_initializer_is_refused_at_construction(loops: EventLoopGroup) -> None:
    with pytest.raises(TypeError, match="initializer"):
        ServerBootstrap(loops)
    with pytest.raises(TypeError, match="initializer"):
        Bootstrap(loops, None)  # type: ignore[arg-type]  # the mistake is the point
    with pytest.raises(TypeError, match="initializer= is missing"):
        ServerBootstrap(loops, loops)


def test_the_initializer_may_stand_where_the_workers_are_left_out(loops: EventLoopGroup) -> None:
    server, client = ServerBootstrap(loops, echo).bind("local://no-workers"), Recorder()
    Bootstrap(loops, only(client)).connect(server.addresses[0]).result(_PATIENCE).write(b"x")
    assert client.heard(1) == b"x"


def test_options_that_are_none_are_refused_at_construction(loops: EventLoopGroup) -> None:
    options: Any = {"connect_timeout": 1.0}
    with pytest.raises(TypeError, match=r"options= is a ChannelOptions\(…\), not {'connect_timeout'"):
        ServerBootstrap(loops, initializer=echo, options=options)
    with pytest.raises(TypeError, match=r"options= is a ChannelOptions\(…\), not {'connect_timeout'"):
        Bootstrap(loops, echo, options=options)


def test_binding_on_a_loop_that_was_stopped_leaves_nothing_behind() -> None:
    alive, stopped = EventLoop(), EventLoop()
    stopped.stop()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    turns = [stopped, alive]

    class BothInTurn:
        def choose(self, loops: Any, remote_address: Any) -> EventLoop:
            return turns.pop()

    with EventLoopGroup(1, balancer=BothInTurn()) as group, pytest.raises(ChannelClosedError, match="stopped"):
        ServerBootstrap(group, initializer=lambda _: None).bind("tcp://127.0.0.1:0", f"tcp://127.0.0.1:{port}")
    alive.run_once(0)  # opens the first one, and closes it again
    assert alive.next_deadline() is None
    alive.stop()
    with socket.create_server(("127.0.0.1", port), backlog=1):
        pass  # it is free


def test_binding_nothing_is_refused(loops: EventLoopGroup) -> None:
    with pytest.raises(ValueError, match="at least one"):
        ServerBootstrap(loops, initializer=echo).bind()


@pytest.mark.parametrize("which", range(4), ids=["tcp", "unix", "abstract", "local"])
def test_after_close_the_address_is_free_and_open_channels_live_on(
    loops: EventLoopGroup, tmp_path: Path, which: int
) -> None:
    bootstrap = ServerBootstrap(loops, initializer=echo)
    server = bootstrap.bind(addresses(tmp_path)[which])
    client = Recorder()
    channel = Bootstrap(loops, only(client)).connect(server.addresses[0]).result(_PATIENCE)
    channel.write(b"1")
    client.heard(1)
    server.close()
    server.close()
    assert server.wait(_PATIENCE)
    again = bootstrap.bind(server.addresses[0])
    assert again.addresses == server.addresses
    channel.write(b"2")
    assert client.heard(2) == b"12"


def test_wait_returns_when_another_thread_closes_the_server(loops: EventLoopGroup) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind("tcp://127.0.0.1:0", "local://waiting")
    assert not server.wait(0)
    closer = threading.Thread(target=server.close)
    closer.start()
    assert server.wait(float("inf"))
    closer.join()


def test_wait_returns_when_the_group_ends() -> None:
    group = EventLoopGroup(1)
    server = ServerBootstrap(group, initializer=echo).bind("tcp://127.0.0.1:0")
    group.shutdown()
    assert server.wait(0)


def test_leaving_a_server_closes_its_listeners_and_its_channels(loops: EventLoopGroup) -> None:
    client = Recorder()
    with ServerBootstrap(loops, initializer=echo).bind("tcp://127.0.0.1:0") as server:
        channel = Bootstrap(loops, only(client)).connect(server.addresses[0]).result(_PATIENCE)
        channel.write(b"x")
        client.heard(1)
    assert client.saw("inactive")
    assert server.wait(0)


def test_draining_announces_itself_and_counts_nobody_who_finished(loops: EventLoopGroup) -> None:
    there = Recorder()
    server = ServerBootstrap(loops, initializer=lambda _: [there]).bind("tcp://127.0.0.1:0")
    with socket.create_connection(("127.0.0.1", port_of(server.addresses[0]))) as sock:
        assert there.saw("active")
        assert server.drain(_PATIENCE) == 0
        assert sock.recv(1) == b""
    assert there.saw("inactive")
    assert there.events == ["active", f"ServerDraining(timeout={_PATIENCE})", "inactive"]
    assert len(server.channels) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(server.addresses[0])))


def test_draining_cuts_off_who_has_not_finished_in_time(loops: EventLoopGroup) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind("tcp://127.0.0.1:0")
    with socket.create_connection(("127.0.0.1", port_of(server.addresses[0]))) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert server.drain(0.05) == 1
        assert sock.recv(1) == b""


def test_waiting_on_a_loop_is_refused(loops: EventLoopGroup) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind("tcp://127.0.0.1:0")
    errors: list[BaseException] = []
    done = threading.Event()

    def try_everything() -> None:
        attempts: list[Callable[[float], object]] = [server.wait, server.drain]
        for attempt in attempts:
            try:
                attempt(1)
            except BlockingOperationError as exc:
                errors.append(exc)
        server.close()  # which only asks, there
        done.set()

    loops.next().execute(try_everything)
    assert done.wait(_PATIENCE)
    assert len(errors) == 2
    assert "by whoever runs its loop" in str(errors[1])
    assert server.wait(_PATIENCE)


def test_binding_a_name_on_a_loop_is_refused(loops: EventLoopGroup) -> None:
    loops.start()
    loop = loops.next()
    outcome = loop.run_blocking(lambda: None)  # a future of that loop, to be answered there

    errors: list[BaseException] = []
    done = threading.Event()

    def bind(_: object) -> None:
        try:
            ServerBootstrap(loops, initializer=echo).bind("tcp://localhost:0")
        except BlockingOperationError as exc:
            errors.append(exc)
        done.set()

    outcome.add_done_callback(bind)
    assert done.wait(_PATIENCE)
    assert "localhost" in str(errors[0])


def test_server_and_client_live_on_one_loop_that_is_driven_from_outside() -> None:
    loop = EventLoop()
    try:
        server = ServerBootstrap(loop, initializer=echo).bind("tcp://127.0.0.1:0", "local://driven")
        for address in server.addresses:
            client = Recorder()
            connecting = Bootstrap(loop, only(client)).connect(address)
            while not connecting.done():
                loop.run_once(_PATIENCE)
            connecting.result().write(b"hello")
            while len(client.data) < 5:
                loop.run_once(_PATIENCE)
        assert len(server.channels) == 2
        server.close()
        while not server.wait(0):
            loop.run_once(_PATIENCE)
        with pytest.raises(BlockingOperationError, match=r"no thread runs, .* server\.close\(\), and loop\.stop\(\)"):
            server.drain(1)
    finally:
        loop.stop()


class Order(ChannelInboundHandler[Any], ChannelOutboundHandler[Any, Any]):
    """Notes what comes first."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.seen = threading.Event()

    def connect(self, ctx: Any, address: Any, promise: Any) -> None:
        self.promise = promise
        self.order.append("connect")
        ctx.connect(address, promise)

    def channel_active(self, ctx: ChannelHandlerContext) -> None:
        self.order.append("active, done" if self.promise.done() else "active, not done")
        self.seen.set()


def test_the_promise_of_a_connection_is_kept_before_channel_active(loops: EventLoopGroup) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind("tcp://127.0.0.1:0", "local://order", "udp://127.0.0.1:0")
    for address in server.addresses:
        handler = Order()
        channel = Bootstrap(loops, only(handler)).connect(address).result(_PATIENCE)
        assert channel.is_active
        assert handler.seen.wait(_PATIENCE)
        assert handler.order == ["connect", "active, done"]


def test_a_stage_may_send_the_connection_elsewhere(loops: EventLoopGroup) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind("tcp://127.0.0.1:0")

    class Detour(ChannelOutboundHandler[Any, Any]):
        def connect(self, ctx: Any, address: Any, promise: Any) -> None:
            ctx.connect(server.addresses[0], promise)

    client = Recorder()
    channel = Bootstrap(loops, lambda _: [Detour(), client]).connect("tcp://192.0.2.1:9").result(_PATIENCE)
    assert channel.remote_address == ("127.0.0.1", port_of(server.addresses[0]))


def test_what_a_clients_initializer_raises_fails_the_connection(loops: EventLoopGroup) -> None:
    def fail(channel: Channel) -> None:
        raise KeyError("no stages today")

    failure = Bootstrap(loops, fail).connect("tcp://127.0.0.1:9").exception(_PATIENCE)
    assert isinstance(failure, KeyError)


def test_a_stage_that_closes_its_channel_at_once_fails_the_connection(loops: EventLoopGroup) -> None:
    class Closes(ChannelInboundHandler[Any]):
        def channel_registered(self, ctx: ChannelHandlerContext) -> None:
            ctx.close()

    failure = Bootstrap(loops, lambda _: [Closes()]).connect("tcp://127.0.0.1:9").exception(_PATIENCE)
    assert isinstance(failure, ChannelClosedError)


def test_a_connection_comes_from_the_local_address_that_was_asked_for(loops: EventLoopGroup) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind("tcp://127.0.0.1:0", "udp://127.0.0.1:0")
    for address in server.addresses:
        bootstrap = Bootstrap(loops, echo, local_address=("127.0.0.1", 0))
        assert bootstrap.connect(address).result(_PATIENCE).local_address[0] == "127.0.0.1"


@pytest.mark.parametrize("local", ["tcp://localhost:0", "unix://x", "local://x", "nonsense"])
def test_a_local_address_that_is_none_is_refused_at_construction(loops: EventLoopGroup, local: str) -> None:
    with pytest.raises(AddressError):
        Bootstrap(loops, echo, local_address=local)


def test_options_reach_every_channel(loops: EventLoopGroup) -> None:
    options = ChannelOptions(auto_read=False)
    server = ServerBootstrap(loops, initializer=echo, options=options).bind("tcp://127.0.0.1:0")
    channel = Bootstrap(loops, echo, options=options).connect(server.addresses[0]).result(_PATIENCE)
    assert channel.options is options
    while not server.channels:
        os.sched_yield()
    assert [there.options for there in server.channels] == [options]


def test_reuse_port_gives_every_worker_a_listener_of_its_own(loops: EventLoopGroup) -> None:
    if not hasattr(socket, "SO_REUSEPORT"):
        pytest.skip("no SO_REUSEPORT here")
    server = ServerBootstrap(loops, initializer=echo, reuse_port=True).bind("tcp://127.0.0.1:0", "udp://127.0.0.1:0")
    assert len(server.addresses) == 2
    port = port_of(server.addresses[0])
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(64)]
    for sock in sockets:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    used = {channel.loop.name for channel in server.channels if channel.remote_address is not None}
    assert used == {loop.name for loop in loops}  # the chance that the kernel gave all 64 to one is 2 ** -63
    for sock in sockets:
        sock.close()
