"""UDP: every datagram by itself, whatever the network says of the one before."""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Any

import pytest

from pipeline_net import (
    AddressError,
    Bootstrap,
    Channel,
    ChannelClosedError,
    ChannelError,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    ChannelOutboundHandler,
    Datagram,
    EventLoop,
    EventLoopGroup,
    FrameTooLongError,
    PipelineError,
    Server,
    ServerBootstrap,
)
from pipeline_net.transport.datagram_channel import DatagramChannel

_PATIENCE = 10.0  # seconds


class Recorder(ChannelInboundHandler[Datagram]):
    """Notes what comes; answers with the same if asked to."""

    def __init__(self, *, echo: bool = False) -> None:
        self.echo = echo
        self.got: list[Datagram] = []
        self.events: list[str] = []
        self.failures: list[BaseException] = []
        self._changed = threading.Condition()

    def _note(self, event: str) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def channel_active(self, ctx: ChannelHandlerContext) -> None:
        self._note("active")

    def channel_read(self, ctx: ChannelHandlerContext, msg: Datagram) -> None:
        self.got.append(msg)
        if self.echo:
            ctx.write(msg)
        self._note("read")

    def channel_read_complete(self, ctx: ChannelHandlerContext) -> None:
        self._note("complete")

    def exception_caught(self, ctx: ChannelHandlerContext, exc: BaseException) -> None:
        self.failures.append(exc)
        self._note("exception")

    def channel_inactive(self, ctx: ChannelHandlerContext) -> None:
        self._note("inactive")

    def saw(self, event: str, times: int = 1) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.events.count(event) >= times, _PATIENCE)


def serve(loops: EventLoopGroup, *handlers: Any, **options: Any) -> Server:
    bootstrap = ServerBootstrap(loops, initializer=lambda _: handlers, options=ChannelOptions(**options))
    return bootstrap.bind("udp://127.0.0.1:0")


def client_of(server: Server) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(_PATIENCE)
    sock.connect(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])))
    return sock


def channel_of(server: Server, recorder: Recorder) -> Channel:
    assert recorder.saw("active")
    (channel,) = server.channels
    return channel


def test_each_datagram_is_one_message_and_the_answer_goes_to_its_sender(loops: EventLoopGroup) -> None:
    recorder = Recorder(echo=True)
    server = serve(loops, recorder)
    with client_of(server) as one, client_of(server) as two:
        one.send(b"one")
        two.send(b"two")
        one.send(b"")
        assert one.recv(100) == b"one"
        assert two.recv(100) == b"two"
        assert one.recv(100) == b""
        assert Datagram(b"two", two.getsockname()) in recorder.got


def test_the_largest_datagram_of_udp_comes_whole(loops: EventLoopGroup) -> None:
    recorder = Recorder(echo=True)
    server = serve(loops, recorder)
    largest = bytes(range(256)) * 256
    largest = largest[:65507]
    with client_of(server) as sock:
        sock.send(largest)
        assert sock.recv(65536) == largest


def test_a_datagram_that_is_too_long_is_reported_and_never_handed_on_in_part(loops: EventLoopGroup) -> None:
    recorder = Recorder(echo=True)
    server = serve(loops, recorder, receive_size=10)
    with client_of(server) as sock:
        sock.send(b"01234567890")
        sock.send(b"0123456789")
        assert sock.recv(100) == b"0123456789"
    (failure,) = recorder.failures
    assert isinstance(failure, FrameTooLongError)
    assert failure.limit == 10
    assert [datagram.data for datagram in recorder.got] == [b"0123456789"]


def test_an_exception_nobody_handles_is_logged_and_the_channel_stays(
    loops: EventLoopGroup, caplog: pytest.LogCaptureFixture
) -> None:
    class FailsOnX(ChannelInboundHandler[Datagram]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: Datagram) -> None:
            if msg.data == b"x":
                raise KeyError("a bug")
            ctx.write(msg)

    server = serve(loops, FailsOnX())
    with client_of(server) as sock, caplog.at_level(logging.ERROR):
        sock.send(b"x")
        sock.send(b"y")
        assert sock.recv(10) == b"y"
    assert "a bug" in caplog.text
    assert "FailsOnX" in caplog.text


def test_a_flood_of_datagrams_that_are_too_long_is_no_flood_of_the_log(
    loops: EventLoopGroup, caplog: pytest.LogCaptureFixture
) -> None:
    class Echo(ChannelInboundHandler[Datagram]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: Datagram) -> None:
            ctx.write(msg)

    server = serve(loops, Echo(), receive_size=1024)
    with client_of(server) as sock, caplog.at_level(logging.DEBUG, "pipeline_net.channel"):
        began = time.monotonic()
        for _ in range(50):
            sock.send(bytes(1025))
            sock.send(b"y")
            assert sock.recv(10) == b"y"
        seconds = time.monotonic() - began
    lines = [record for record in caplog.records if "1025 bytes" in record.getMessage()]
    assert len(lines) == 50
    assert 1 <= sum(record.levelno == logging.WARNING for record in lines) <= 1 + seconds


def test_a_write_is_gone_when_it_returns_and_nothing_is_ever_pending(loops: EventLoopGroup) -> None:
    recorder = Recorder()
    server = serve(loops, recorder)
    channel = channel_of(server, recorder)
    with client_of(server) as sock:
        assert channel.write(Datagram(b"hello", sock.getsockname())).result(_PATIENCE) is None
        assert sock.recv(10) == b"hello"
    assert channel.pending_write_bytes == 0
    assert channel.is_writable


def test_a_datagram_the_kernel_refuses_fails_its_promise_only(loops: EventLoopGroup) -> None:
    recorder = Recorder()
    server = serve(loops, recorder)
    channel = channel_of(server, recorder)
    with client_of(server) as sock:
        address = sock.getsockname()
        failure = channel.write(Datagram(bytes(70_000), address)).exception(_PATIENCE)
        assert isinstance(failure, OSError)  # EMSGSIZE
        channel.write(Datagram(b"small", address)).result(_PATIENCE)
        assert sock.recv(10) == b"small"


@pytest.mark.parametrize(
    ("msg", "error"),
    [
        (b"to whom?", PipelineError),
        (Datagram(b"to whom?"), PipelineError),
        ("text", PipelineError),
        (Datagram(b"x", ("localhost", 9)), AddressError),
        (Datagram(b"x", ("::1", 9)), AddressError),
        (Datagram(b"x", "tcp://127.0.0.1:9"), AddressError),
        (Datagram(b"x", 42), AddressError),
        (Datagram(b"x", ("127.0.0.1",)), AddressError),
        (Datagram(b"x", ("127.0.0.1", 0)), AddressError),
        (Datagram(b"x", ("127.0.0.1", 65536)), AddressError),
        (Datagram(b"x", ("127.0.0.1", "9")), AddressError),
    ],
)
def test_a_message_that_cannot_be_sent_fails_its_promise(
    loops: EventLoopGroup, msg: Any, error: type[BaseException]
) -> None:
    recorder = Recorder()
    channel = channel_of(serve(loops, recorder), recorder)
    assert isinstance(channel.write(msg).exception(_PATIENCE), error)
    assert channel.is_active


def test_a_connected_channel_hears_that_nobody_is_there_and_stays_open(loops: EventLoopGroup) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    recorder = Recorder()
    channel = Bootstrap(loops, lambda _: [recorder]).connect(f"udp://127.0.0.1:{address[1]}").result(_PATIENCE)
    channel.write(b"anybody?").result(_PATIENCE)
    assert recorder.saw("exception")
    assert isinstance(recorder.failures[0], ConnectionRefusedError)
    assert str(address[1]) in str(recorder.failures[0])
    assert channel.is_active
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:  # it comes up after all
        peer.bind(address)
        peer.settimeout(_PATIENCE)
        channel.write(b"now?").result(_PATIENCE)
        data, sender = peer.recvfrom(10)
        assert data == b"now?"
        peer.sendto(b"yes", sender)
        assert recorder.saw("read")
    assert recorder.got == [Datagram(b"yes", address)]


def test_an_error_that_comes_while_nobody_reads_is_told_too(loops: EventLoopGroup) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    recorder = Recorder()
    bootstrap = Bootstrap(loops, lambda _: [recorder], options=ChannelOptions(auto_read=False))
    channel = bootstrap.connect(f"udp://127.0.0.1:{port}").result(_PATIENCE)
    channel.write(b"anybody?").result(_PATIENCE)
    assert recorder.saw("exception")
    assert channel.is_active


def test_a_connected_channel_takes_bytes_and_datagrams_alike(loops: EventLoopGroup) -> None:
    server = serve(loops, Recorder(echo=True))
    client = Recorder()
    channel = Bootstrap(loops, lambda _: [client]).connect(server.addresses[0]).result(_PATIENCE)
    for msg in (b"x", bytearray(b"x"), memoryview(b"x"), Datagram(b"x"), Datagram(b"x", channel.remote_address)):
        channel.write(msg).result(_PATIENCE)
    assert client.saw("read", 5)
    assert [datagram.data for datagram in client.got] == [b"x"] * 5


class SpeaksFirst(ChannelInboundHandler[Datagram]):
    """Flushes before it is connected, and writes bytes when it is."""

    def channel_registered(self, ctx: ChannelHandlerContext) -> None:
        ctx.flush()

    def channel_active(self, ctx: ChannelHandlerContext) -> None:
        ctx.write(b"hello")


def test_what_is_written_after_an_early_flush_is_sent_like_all_else(loops: EventLoopGroup) -> None:
    heard = Recorder()
    server = serve(loops, heard)
    Bootstrap(loops, lambda _: [SpeaksFirst()]).connect(server.addresses[0]).result(_PATIENCE)
    assert heard.saw("read")
    assert [datagram.data for datagram in heard.got] == [b"hello"]


def test_without_auto_read_one_read_lets_one_batch_through(loops: EventLoopGroup) -> None:
    recorder = Recorder()
    server = serve(loops, recorder, auto_read=False)
    channel = channel_of(server, recorder)
    with client_of(server) as sock:
        sock.send(b"1")
        sock.send(b"2")
        channel.loop.execute(channel.pipeline.read)
        assert recorder.saw("complete")
        assert len(recorder.got) == 1
        channel.loop.execute(channel.pipeline.read)
        assert recorder.saw("complete", 2)
    assert [datagram.data for datagram in recorder.got] == [b"1", b"2"]


def test_binding_travels_the_pipeline(loops: EventLoopGroup) -> None:
    bound: list[Any] = []

    class SeesBind(ChannelOutboundHandler[Any, Any]):
        def bind(self, ctx: Any, address: Any, promise: Any) -> None:
            bound.append(str(address))
            ctx.bind(address, promise)

    recorder = Recorder()
    server = serve(loops, SeesBind(), recorder)
    channel_of(server, recorder)
    assert bound == server.addresses


def test_closing_the_server_closes_its_datagram_channel(loops: EventLoopGroup) -> None:
    recorder = Recorder()
    server = serve(loops, recorder)
    channel = channel_of(server, recorder)
    server.close()
    assert server.wait(_PATIENCE)
    assert recorder.saw("inactive")
    assert len(server.channels) == 0
    assert isinstance(channel.write(Datagram(b"x", ("127.0.0.1", 9))).exception(_PATIENCE), ChannelClosedError)
    assert channel.local_address[0] == "127.0.0.1"


def test_closing_the_channel_closes_the_server(loops: EventLoopGroup) -> None:
    recorder = Recorder()
    server = serve(loops, recorder)
    channel_of(server, recorder).close().result(_PATIENCE)
    assert server.wait(_PATIENCE)


def test_an_initializer_that_raises_ends_the_server(loops: EventLoopGroup, caplog: pytest.LogCaptureFixture) -> None:
    def fail(channel: Channel) -> None:
        raise KeyError("no stages today")

    server = ServerBootstrap(loops, initializer=fail).bind("udp://127.0.0.1:0")
    assert server.wait(_PATIENCE)
    assert "no stages today" in caplog.text


def test_a_channel_can_be_bound_without_a_server(loop: EventLoop) -> None:
    recorder = Recorder(echo=True)
    ready = threading.Event()
    channels: list[DatagramChannel] = []

    def open_channel() -> None:
        channel = DatagramChannel(loop, ChannelOptions())
        channel.pipeline.add_last(recorder)
        channel.register()
        channels.append(channel)
        ready.set()

    loop.execute(open_channel)
    assert ready.wait(_PATIENCE)
    (channel,) = channels
    assert isinstance(channel.write(Datagram(b"x", ("127.0.0.1", 9))).exception(_PATIENCE), ChannelError)
    bad, name, good, again = (channel.new_promise() for _ in range(4))
    loop.execute(channel.pipeline.bind, "tcp://127.0.0.1:0", bad)
    loop.execute(channel.pipeline.bind, "udp://localhost:0", name)
    loop.execute(channel.pipeline.bind, "udp://127.0.0.1:0", good)
    loop.execute(channel.pipeline.bind, "udp://127.0.0.1:0", again)
    assert isinstance(bad.exception(_PATIENCE), AddressError)
    assert isinstance(name.exception(_PATIENCE), AddressError)
    assert good.result(_PATIENCE) is channel
    assert isinstance(again.exception(_PATIENCE), PipelineError)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_PATIENCE)
        sock.sendto(b"x", channel.local_address)
        assert sock.recv(10) == b"x"


def test_a_flood_does_not_starve_the_loop(loops: EventLoopGroup) -> None:
    recorder = Recorder()
    server = serve(loops, recorder)
    channel = channel_of(server, recorder)
    stop = threading.Event()

    def flood() -> None:
        with client_of(server) as sock:
            while not stop.is_set():
                sock.send(b"x")

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        assert recorder.saw("read")
        answered = threading.Event()
        channel.loop.execute(answered.set)
        assert answered.wait(_PATIENCE)
    finally:
        stop.set()
        flooding.join(_PATIENCE)
