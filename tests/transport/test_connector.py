"""Connecting: names with several addresses, addresses that fail or do not answer, and giving up."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_net import (
    AddressError,
    Bootstrap,
    Channel,
    ChannelBrokenError,
    ChannelClosedError,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    ChannelOutboundHandler,
    ConnectTimeoutError,
    EventLoop,
    EventLoopGroup,
    PipelineError,
)
from pipeline_net.transport.address import parse_address
from pipeline_net.transport.connector import check_local_address, interleave, parse_stream_address
from pipeline_net.transport.listening import default_backlog
from pipeline_net.transport.poller import READ

_PATIENCE = 10.0  # seconds
_V4, _V6 = int(socket.AF_INET), int(socket.AF_INET6)


def nothing(channel: Channel) -> None:
    return None


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_PATIENCE)
        yield listener


@pytest.fixture
def refusing() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A listener that answers nobody: its queue is full, and Linux then drops what asks to connect."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener
        for filler in fillers:
            filler.close()


def fake_names(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> list[str]:
    """Let every name stand for these addresses; returns the threads on which names were looked up."""
    real = socket.getaddrinfo
    threads: list[str] = []

    def look_up(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return real(host, port, family, type, proto, flags)
        threads.append(threading.current_thread().name)
        return [entry for ip, number in addresses for entry in real(ip, number, type=type)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return threads


def test_families_take_turns_and_keep_the_resolvers_order() -> None:
    found = [(_V6, "a"), (_V6, "b"), (_V6, "c"), (_V4, "d"), (_V4, "e")]
    assert interleave(found) == [(_V6, "a"), (_V4, "d"), (_V6, "b"), (_V4, "e"), (_V6, "c")]
    assert interleave([]) == []


def test_names_are_looked_up_off_the_loop_and_ip_addresses_not_at_all(
    loops: EventLoopGroup, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.getsockname()[1]
    threads = fake_names(monkeypatch, ("127.0.0.1", port))
    Bootstrap(loops, nothing).connect(f"tcp://127.0.0.1:{port}").result(_PATIENCE)
    assert threads == []
    Bootstrap(loops, nothing).connect(f"tcp://name.test:{port}").result(_PATIENCE)
    assert len(threads) == 1
    assert "worker" in threads[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract names")
def test_an_abstract_name_is_known_as_the_socket_module_knows_it(loops: EventLoopGroup) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as probe:
        listener.bind("\0pipeline-net-test-connector")
        listener.listen()
        channel = Bootstrap(loops, nothing).connect("unix://@pipeline-net-test-connector").result(_PATIENCE)
        probe.connect("\0pipeline-net-test-connector")
        assert channel.remote_address == probe.getpeername() == listener.getsockname()


def test_the_next_address_is_tried_at_once_when_one_refuses(
    loops: EventLoopGroup, listener: socket.socket, refusing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_names(monkeypatch, ("127.0.0.1", refusing), ("127.0.0.1", listener.getsockname()[1]))
    took: list[float] = []
    for _ in range(5):  # a busy machine may be late, but not each time
        started = time.monotonic()
        channel = Bootstrap(loops, nothing).connect("tcp://name.test:80").result(_PATIENCE)
        took.append(time.monotonic() - started)
        assert channel.remote_address == listener.getsockname()
    assert min(took) < 0.2  # less than the delay between attempts


def test_the_next_address_is_tried_soon_when_one_does_not_answer(
    loops: EventLoopGroup, listener: socket.socket, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_names(monkeypatch, silent.getsockname(), listener.getsockname())
    started = time.monotonic()
    channel = Bootstrap(loops, nothing).connect("tcp://name.test:80").result(_PATIENCE)
    assert 0.2 < time.monotonic() - started < 5
    assert channel.remote_address == listener.getsockname()


def test_when_every_address_has_failed_the_error_lists_them(
    loops: EventLoopGroup, refusing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_names(monkeypatch, ("127.0.0.1", refusing), ("127.0.0.2", refusing))
    failure = Bootstrap(loops, nothing).connect("tcp://name.test:80").exception(_PATIENCE)
    assert isinstance(failure, ChannelBrokenError)
    assert isinstance(failure.__cause__, ConnectionRefusedError)
    for part in ("tcp://name.test:80", f"127.0.0.1:{refusing}", f"127.0.0.2:{refusing}", "refused"):
        assert part in str(failure)


def test_a_name_that_does_not_exist_is_named(loops: EventLoopGroup, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    failure = Bootstrap(loops, nothing).connect("tcp://name.test:80").exception(_PATIENCE)
    assert isinstance(failure, ChannelBrokenError)
    assert isinstance(failure.__cause__, socket.gaierror)
    assert "name.test" in str(failure)


def test_nobody_answering_in_time_is_a_timeout(loops: EventLoopGroup, silent: socket.socket) -> None:
    port = silent.getsockname()[1]
    bootstrap = Bootstrap(loops, nothing, options=ChannelOptions(connect_timeout=0.05))
    failure = bootstrap.connect(f"tcp://127.0.0.1:{port}").exception(_PATIENCE)
    assert isinstance(failure, ConnectTimeoutError)
    assert isinstance(failure, TimeoutError)
    assert f"127.0.0.1:{port}" in str(failure)
    assert "0.05 s" in str(failure)


def test_a_failed_connection_is_told_once_and_by_the_promise(loops: EventLoopGroup, refusing: int) -> None:
    events: list[str] = []
    removed = threading.Event()

    class Recorder(ChannelInboundHandler[bytes]):
        def channel_registered(self, ctx: ChannelHandlerContext) -> None:
            events.append("registered")
            ctx.write(b"written too early", self.promise_for(ctx))

        def promise_for(self, ctx: ChannelHandlerContext) -> Any:
            self.promise = ctx.new_promise()
            return self.promise

        def channel_active(self, ctx: ChannelHandlerContext) -> None:
            events.append("active")

        def exception_caught(self, ctx: ChannelHandlerContext, exc: BaseException) -> None:
            events.append("exception")

        def channel_inactive(self, ctx: ChannelHandlerContext) -> None:
            events.append("inactive")

        def channel_unregistered(self, ctx: ChannelHandlerContext) -> None:
            events.append("unregistered")

        def handler_removed(self, ctx: ChannelHandlerContext) -> None:
            removed.set()

    recorder = Recorder()
    failure = Bootstrap(loops, lambda _: [recorder]).connect(f"tcp://127.0.0.1:{refusing}").exception(_PATIENCE)
    assert removed.wait(_PATIENCE)
    assert events == ["registered", "unregistered"]
    assert recorder.promise.exception(_PATIENCE) is failure


def test_what_was_written_before_the_connection_is_sent_with_it(loops: EventLoopGroup, listener: socket.socket) -> None:
    class Eager(ChannelInboundHandler[bytes]):
        def channel_registered(self, ctx: ChannelHandlerContext) -> None:
            ctx.write(b"hello, ")
            ctx.flush()
            ctx.write(b"early bird")
            ctx.shutdown_output()

    connecting = Bootstrap(loops, lambda _: [Eager()]).connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    far, _ = listener.accept()
    with far:
        received = b""
        while data := far.recv(100):
            received += data
    assert received == b"hello, early bird"
    connecting.result(_PATIENCE)


def test_cancelling_gives_the_connection_up(loops: EventLoopGroup, silent: socket.socket) -> None:
    channels: list[Channel] = []
    connecting = Bootstrap(loops, lambda channel: channels.append(channel)).connect(
        f"tcp://127.0.0.1:{silent.getsockname()[1]}"
    )
    assert connecting.cancel()
    assert connecting.cancelled()
    while any(loop.channels for loop in loops):
        os.sched_yield()
    assert all(not channel.is_open for channel in channels)


def test_an_event_of_the_socket_that_had_the_number_before_is_no_connection(silent: socket.socket, rigged: Any) -> None:
    loop = EventLoop(poller=rigged)
    try:
        promise = Bootstrap(loop, nothing).connect(silent.getsockname())
        loop.run_once(0)
        rigged.rumours = [(rigged.newest, READ)]
        loop.run_once(0)
        assert not rigged.rumours
        assert not promise.done()
    finally:
        loop.stop()
    assert isinstance(promise.exception(_PATIENCE), ChannelClosedError)


def test_closing_a_channel_on_its_way_fails_the_connection(loops: EventLoopGroup, silent: socket.socket) -> None:
    channels: list[Channel] = []
    there = threading.Event()

    def keep(channel: Channel) -> None:
        channels.append(channel)
        there.set()

    connecting = Bootstrap(loops, keep).connect(f"tcp://127.0.0.1:{silent.getsockname()[1]}")
    assert there.wait(_PATIENCE)
    channels[0].close().result(_PATIENCE)
    assert isinstance(connecting.exception(_PATIENCE), ChannelClosedError)


def test_a_group_that_ends_does_not_wait_for_who_is_on_the_way(silent: socket.socket) -> None:
    with EventLoopGroup(1) as group:
        connecting = Bootstrap(group, nothing).connect(f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
    assert time.monotonic() - started < 1.0
    assert isinstance(connecting.exception(0), ChannelClosedError)


def test_a_busy_unix_listener_is_asked_again(loops: EventLoopGroup, tmp_path: Any) -> None:
    path = f"{tmp_path}/s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        fillers = []
        while True:
            filler = socket.socket(socket.AF_UNIX)
            filler.setblocking(False)
            fillers.append(filler)
            if filler.connect_ex(path):
                break  # the queue is full
        connecting = Bootstrap(loops, nothing).connect(f"unix://{path}")
        assert not connecting.done()
        accepted = [listener.accept()[0] for _ in fillers]
        assert connecting.result(_PATIENCE).is_active
        for sock in [*fillers, *accepted]:
            sock.close()


def test_a_local_port_is_taken_even_if_an_old_connection_lingers_there(loops: EventLoopGroup, refusing: int) -> None:
    bootstrap = Bootstrap(loops, nothing, local_address=("127.0.0.1", refusing))
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            channel = bootstrap.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}").result(_PATIENCE)
            assert channel.local_address == ("127.0.0.1", refusing)
            far, _ = listener.accept()
            with far:
                channel.close().result(_PATIENCE)  # we close first, so the port waits on our side
                assert far.recv(1) == b""


def test_a_target_without_an_address_of_the_local_family_is_refused(loops: EventLoopGroup, refusing: int) -> None:
    bootstrap = Bootstrap(loops, nothing, local_address="tcp://[::1]:0")
    failure = bootstrap.connect(f"tcp://127.0.0.1:{refusing}").exception(_PATIENCE)
    assert isinstance(failure, ChannelBrokenError)
    assert "family" in str(failure)


def test_connecting_twice_or_to_another_kind_of_address_is_the_programmers_error(
    loops: EventLoopGroup, listener: socket.socket
) -> None:
    address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    channel = Bootstrap(loops, nothing).connect(address).result(_PATIENCE)
    again, elsewhere = channel.new_promise(), channel.new_promise()
    channel.loop.execute(channel.pipeline.connect, address, again)
    channel.loop.execute(channel.pipeline.connect, "local://x", elsewhere)
    assert isinstance(again.exception(_PATIENCE), PipelineError)
    assert isinstance(elsewhere.exception(_PATIENCE), AddressError)
    assert channel.is_active


def test_a_stage_that_fails_the_promise_leaves_no_channel_behind(loops: EventLoopGroup) -> None:
    class Refuses(ChannelOutboundHandler[Any, Any]):
        def connect(self, ctx: Any, address: Any, promise: Any) -> None:
            raise PermissionError("not there")

    channels: list[Channel] = []

    def initialize(channel: Channel) -> list[Refuses]:
        channels.append(channel)
        return [Refuses()]

    failure = Bootstrap(loops, initialize).connect("tcp://127.0.0.1:9").exception(_PATIENCE)
    assert isinstance(failure, PermissionError)
    channels[0].close_future.result(_PATIENCE)


@pytest.mark.parametrize("address", ["tcp://localhost:0", "unix://x", "local://x"])
def test_a_client_can_only_come_from_an_ip_address(address: str) -> None:
    with pytest.raises(AddressError, match="local address"):
        check_local_address(parse_address(address))


def test_the_default_backlog_is_the_kernels_limit() -> None:
    assert default_backlog() >= 128


@pytest.mark.parametrize("address", ["udp://127.0.0.1:1", "local://here", "tls://127.0.0.1:1"])
def test_a_stream_channel_has_nowhere_to_go_there(address: str) -> None:
    with pytest.raises(AddressError, match="a stream channel is connected to"):
        parse_stream_address(address)
