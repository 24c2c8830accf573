"""serve(): a whole server out of one ``EventHandler``, for those who want no pipeline.

::

    class Echo(EventHandler):
        def react(self, conn: Conn) -> Reply:
            return conn.read()                        # everything that has arrived

    serve(Echo(), "tcp://:9000", multicore=True)      # blocks until shutdown; returns then

It is itself just a few stages (see ``conn``) on a ``ServerBootstrap``, so everything that holds for pipelines holds
here: peers that half-close get every reply, peers that never read are not read from, and what goes wrong costs one
connection.

The order of things::

    bind every address     or raise, with none of them left open
    on_init_complete       connections that come now wait
    ready(server)          then connections are opened, and ticks begin
    …                      until Action.SHUTDOWN, server.shutdown(), SIGINT or SIGTERM
    stop accepting         each connection sends what it still has to send, and closes: on_closed
    on_shutdown            then serve() returns

Waiting for the end must not be disturbed by how the end comes: a signal handler runs in the middle of whatever the main
thread does, also in the middle of ``threading.Event.wait()``, whose lock ``Event.set()`` would want a second time.
``SimpleQueue`` is made to be used from signal handlers, so requests to shut down go through one.
"""

from __future__ import annotations

import logging
import math
import reprlib
import signal
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final

import attrs

from .bootstrap import ServerBootstrap
from .conn import Conn, ConnStage, FramedConn, PreWriteStage, take_apart
from .datagram_conn import DatagramStage
from .errors import PipelineError
from .event_handler import Action, EventHandler
from .handler import ChannelHandler
from .options import ChannelOptions
from .ring_buffer import BlockPool
from .transport.datagram_channel import DatagramChannel
from .transport.group import EventLoopGroup

if TYPE_CHECKING:
    from .channel import Channel
    from .handlers.tls_context import ServerTlsLike
    from .loop import Loop

logger = logging.getLogger("pipeline_net.server")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
# Seconds between looks at whether a signal came.  Linux gives a signal of the process to the main thread, which it
# wakes; elsewhere it may go to the thread of a loop, and then nothing wakes the main one.
_LOOK_AFTER: Final = None if sys.platform == "linux" else 0.5
_RETRY_TICK: Final = 1.0  # seconds after a tick that failed, while none has said how long to wait

CodecFactory = Callable[[], ChannelHandler]


class RunningServer:
    """What ``serve()`` runs, as the callbacks see it.

    From any thread: everything.
    """

    def __init__(self, handler: EventHandler, codec: CodecFactory | None = None) -> None:
        self.handler: Final = handler
        self.addresses: list[str] = []
        """Where it listens, with the real ports, in the form that ``Bootstrap.connect`` takes."""
        self.is_ready = False
        """Whether connections are being opened."""
        self.is_stopping = False
        """Whether shutting down has begun: no connection is opened any more."""
        self._codec = codec
        self.shows_writes: Final = type(handler).pre_write is not EventHandler.pre_write
        self._connections: set[Conn] = set()
        self._blocks: dict[Loop, BlockPool] = {}
        self._requests: SimpleQueue[None] = SimpleQueue()
        self._gate = threading.Lock()  # between connections that come, and serve() that lets them in
        self._waiting: list[tuple[Loop, Callable[[Any], None], Any]] = []

    @property
    def connections(self) -> list[Conn]:
        """Every connection that is open now; those of UDP are none."""
        return list(self._connections)

    def shutdown(self) -> None:
        """End ``serve()``; it returns when every connection has been closed.  Again is allowed."""
        self._requests.put(None)

    def close(self) -> None:
        """Do the same: what does not listen any more has no reason to go on.  ``Server`` calls it so."""
        self.shutdown()

    def __repr__(self) -> str:
        return f"<RunningServer {', '.join(self.addresses)}: {len(self._connections)} connections>"

    # -- for serve() --------------------------------------------------------------------------------

    def stages_for(self, channel: Channel) -> list[ChannelHandler]:
        """Make the stages of a new connection."""
        handler = self.handler
        if isinstance(channel, DatagramChannel):
            return [DatagramStage(handler, self)]
        if self._codec is None:
            conn = Conn(self, channel)
            stages: list[ChannelHandler] = [ConnStage(handler, conn)]
        else:
            conn = FramedConn(self, channel)
            stages = [self._codec(), ConnStage(handler, conn)]
        if self.shows_writes:
            stages.insert(0, PreWriteStage(handler, conn))
        return stages

    def begin(self) -> None:
        """Tell the handler that everything is bound, then let connections in, first those that came early."""
        reply = self.handler.on_init_complete(self)
        if take_apart("on_init_complete", reply, may_send=False)[1] is Action.SHUTDOWN:
            self.shutdown()
        with self._gate:
            self.is_ready = True
        for loop, fn, argument in self._waiting:
            loop.execute(fn, argument)
        self._waiting = []

    def wait_for_request(self) -> None:
        """Wait until somebody asks for the end, and take that request away: only ``serve()`` may."""
        while True:
            try:
                self._requests.get(timeout=_LOOK_AFTER)
            except Empty:
                continue  # signal handlers have run meanwhile
            return

    # -- for the stages -----------------------------------------------------------------------------

    def when_ready(self, loop: Loop, fn: Callable[[Any], None], argument: Any) -> None:
        """Run ``fn(argument)`` on ``loop`` once ``on_init_complete`` has returned."""
        with self._gate:
            if not self.is_ready:
                self._waiting.append((loop, fn, argument))
                return
        loop.execute(fn, argument)

    def take(self, conn: Conn) -> bool:
        """Count a connection in; False while shutting down, when it should rather close."""
        if self.is_stopping:
            return False
        self._connections.add(conn)
        return True

    def forget(self, conn: Conn) -> None:
        """A connection is closed."""
        self._connections.discard(conn)

    def block_pool(self, loop: Loop) -> BlockPool:
        """Find the store of buffers that the connections of one loop share."""
        pool = self._blocks.get(loop)
        return self._blocks.setdefault(loop, BlockPool()) if pool is None else pool


class _Ticker:
    """Calls ``tick`` on one loop, again and again."""

    def __init__(self, server: RunningServer, loop: Loop) -> None:
        self._server = server
        self._loop = loop
        self._delay = _RETRY_TICK

    def run(self) -> None:
        if self._server.is_stopping:
            return
        action = Action.NONE
        try:
            self._delay, action = _take_tick_apart(self._server.handler.tick())
        except KeyboardInterrupt:
            raise
        except BaseException:
            logger.exception("tick raised; the next one comes in %g s", self._delay)
        if action is Action.SHUTDOWN:
            self._server.shutdown()
        else:
            self._loop.schedule(self._delay, self.run)


def _take_tick_apart(reply: Any) -> tuple[float, Action]:
    delay, action = reply, Action.NONE
    if isinstance(reply, tuple) and len(reply) == 2 and isinstance(reply[1], Action):
        delay, action = reply
    if isinstance(delay, bool) or not isinstance(delay, (int, float)) or not math.isfinite(delay) or delay < 0:
        raise PipelineError(
            f"tick returned {reprlib.repr(reply)}: return the seconds until the next one, or (seconds, Action)"
        )
    return float(delay), action


class _Signals:
    """While it is entered on the main thread, SIGINT and SIGTERM ask for the end; elsewhere it does nothing."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            previous = signal.getsignal(number)
            if previous is not None:  # one that was not set from Python could not be put back
                signal.signal(number, self._asked)
                self._previous[number] = previous

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self._ask()


def serve(
    handler: EventHandler,
    *addresses: Any,
    multicore: bool = False,
    loops: int | None = None,
    codec: CodecFactory | None = None,
    reuse_port: bool = False,
    load_balancing: Any = "round-robin",
    busy_poll: float = 0.0,
    ticker: bool = False,
    tcp_keepalive: float | None = None,
    tcp_nodelay: bool = True,
    receive_size: int = 65536,
    receive_buffer: int | None = None,
    send_buffer: int | None = None,
    max_connections: int | None = None,
    tls: ServerTlsLike | None = None,
    options: ChannelOptions | None = None,
    ready: Callable[[RunningServer], object] | None = None,
) -> None:
    """Listen on ``addresses``, let ``handler`` answer, and return when somebody has asked for the end.

    That may be a callback with ``Action.SHUTDOWN``, any thread with ``server.shutdown()``, or SIGINT or SIGTERM when
    called on the main thread.

    Args:
        addresses: ``"tcp://:9000"``, ``"unix:///run/app.sock"``, ``"udp://:9000"``, …; as many as there shall be.
        multicore: use one loop for each usable core instead of one.
        loops: how many loops, whatever ``multicore`` says.
        codec: makes the ``ICodec`` of one connection; ``react`` then runs once for each frame.  It is called once at
            start, too, so that an impossible configuration is found before anybody connects.  UDP has no use for it:
            a datagram is a frame.
        reuse_port: let each loop listen for itself, and the kernel choose among them.
        load_balancing: the name of a balancer, or one of your own; not asked with ``reuse_port``.
        busy_poll: seconds that a loop goes on asking before it sleeps; see ``EventLoopGroup``.
        ticker: call ``handler.tick()``.
        tcp_keepalive: idle seconds before the kernel probes whether a peer is still there.
        receive_size: bytes asked of the kernel at once; see ``ChannelOptions``.
        receive_buffer, send_buffer: bytes of the kernel's buffers; None lets it choose.
        max_connections: that many, and further ones wait to be accepted.
        tls: what ``tls://…`` addresses are encrypted with: certificate and key, a file with both, a ``ServerTls``, or
            an ``ssl.SSLContext``.
        options: what else may be set for a channel; the arguments above, where they differ from their defaults, come
            first.
        ready: called with the server when every address is bound and ``on_init_complete`` has returned.

    Raises:
        AddressError: an address does not say where to listen.
        OSError: an address cannot be listened on; the message names it.
        ValueError: no address, or an impossible configuration.
        TypeError: the handler, the codec, the options, ``ready`` or ``tls`` are not what they should be.
        TlsError: a certificate cannot be used.
    """
    _check(handler, addresses, codec, ticker)
    if options is not None and not isinstance(options, ChannelOptions):
        raise TypeError(f"options= is a ChannelOptions(…), not {options!r}")
    if ready is not None and not callable(ready):
        raise TypeError(f"ready= is called with the server, which {ready!r} cannot be")
    count = loops if loops is not None else None if multicore else 1
    channel_options = _merge(
        options or ChannelOptions(),
        keepalive=tcp_keepalive,
        tcp_nodelay=tcp_nodelay,
        receive_size=receive_size,
        receive_buffer=receive_buffer,
        send_buffer=send_buffer,
    )
    server = RunningServer(handler, codec)
    with _Signals(server.shutdown):
        try:
            workers = EventLoopGroup(count, balancer=load_balancing, busy_poll=busy_poll)
            with workers, _masters_for(workers, reuse_port) as masters:
                bootstrap = ServerBootstrap(
                    masters,
                    workers,
                    server.stages_for,
                    reuse_port=reuse_port,
                    max_connections=max_connections,
                    tls=tls,
                    options=channel_options,
                )
                server.addresses = bootstrap.bind(*addresses).addresses
                try:
                    server.begin()
                    if ticker:
                        loop = next(iter(workers))
                        loop.execute(_Ticker(server, loop).run)
                    if ready is not None:
                        ready(server)
                    server.wait_for_request()
                finally:
                    server.is_stopping = True
        finally:
            if server.is_ready:  # else nothing was initialised that could want to be shut down
                take_apart("on_shutdown", handler.on_shutdown(server), may_send=False)


def _masters_for(workers: EventLoopGroup, reuse_port: bool) -> EventLoopGroup:
    """Several loops get their connections from one that only accepts; one alone, or those that listen, need none."""
    return workers if reuse_port or len(workers) == 1 else EventLoopGroup(1, name="acceptor")


def _check(handler: Any, addresses: tuple[Any, ...], codec: Any, ticker: bool) -> None:
    if not isinstance(handler, EventHandler):
        hint = f": did you mean {handler.__name__}()?" if isinstance(handler, type) else ""
        raise TypeError(f"serve() wants an EventHandler, not {handler!r}{hint}")
    if not addresses:
        raise ValueError("serve() wants at least one address, such as 'tcp://:9000'")
    if ticker and type(handler).tick is EventHandler.tick:
        raise TypeError(f"ticker=True, but {type(handler).__name__} has no method tick(self)")
    if codec is None:
        return
    if not callable(codec):
        raise TypeError(
            f"codec= is called once for each connection and makes its codec, which {codec!r} cannot: use a lambda"
        )
    if not isinstance(made := codec(), ChannelHandler):
        raise TypeError(f"codec= makes an ICodec, and not {made!r}")


def _merge(options: ChannelOptions, **given: Any) -> ChannelOptions:
    """Let those arguments that differ from their defaults take the place of the options."""
    defaults = ChannelOptions()
    return attrs.evolve(options, **{name: value for name, value in given.items() if value != getattr(defaults, name)})
