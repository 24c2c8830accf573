"""Bootstraps: where transports and pipelines meet.

::

    with EventLoopGroup() as loops:
        server = ServerBootstrap(loops, initializer=lambda channel: wire() >> Echo()).bind("tcp://127.0.0.1:9000")
        server.wait()

The sockets of a server are bound by whoever calls ``bind``, so that errors are theirs and the addresses are known when
it returns; then each is given to its loop.  Nothing waits for a loop, so one that is driven from outside will do.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from .channel import Channel
from .channel_group import ChannelGroup
from .errors import AddressError, BlockingOperationError, ChannelClosedError
from .future import ChannelFuture, patience
from .handler import ChannelHandler
from .options import ChannelOptions
from .server_draining import ServerDraining as ServerDraining
from .transport.address import Address, parse_address, parse_addresses
from .transport.connector import check_local_address
from .transport.datagram_channel import DatagramChannel, DatagramListener
from .transport.event_loop import EventLoop
from .transport.group import EventLoopGroup, LoneLoop, Loops, as_group, ask, wait_for
from .transport.listening import BoundSocket, bind_socket, default_backlog
from .transport.local import LocalChannel, LocalListener
from .transport.open_channels import OpenChannels
from .transport.opening import Initializer, seat_stages
from .transport.running import on_a_loop
from .transport.server_channel import Intake, ServerChannel
from .transport.stream_channel import StreamChannel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .handlers.tls_context import ClientTls, ClientTlsLike, ServerTlsLike
    from .loop import Listener
    from .pipeline import Stage

_ANSWER: Final = 5.0  # seconds that a loop has to close a listener; a handler that blocks may be in its way
_SENDING: Final = 5.0  # seconds that channels which are cut off have to send what was written


AnyListener: TypeAlias = ServerChannel | DatagramListener | LocalListener


class Server:
    """What ``bind`` returns: listeners, and the channels that they took in.  A context manager: leaving it closes both.

    ``addresses`` have the real ports, in the form that ``connect`` takes; ``channels`` is the group of the open ones.
    """

    def __init__(self, loops: list[EventLoop]) -> None:
        self.addresses: list[str] = []
        self._channels = OpenChannels()
        self._loops = loops
        self._listeners: list[AnyListener] = []
        self._open_listeners = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._process = os.getpid()

    @property
    def channels(self) -> ChannelGroup:
        """Those that are open now."""
        return self._channels

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else "listening"
        return f"<Server {', '.join(self.addresses)} {state}, {len(self._channels)} channels>"

    def close(self) -> None:
        """Stop accepting; channels that are open stay so.  Again is allowed, and from any thread.

        When it returns, the addresses are free; except on a loop's own thread, or when the loop is driven from outside:
        then it happens as the loop's next task.  In a forked child it does nothing: the parent goes on listening.
        """
        if self._process != os.getpid():
            return
        asked = [ask(listener.loop, listener.stop_listening) for listener in self._listeners]
        if not on_a_loop():
            wait_for([done for done in asked if _has_thread(done.loop)], _ANSWER)

    def drain(self, timeout: float) -> int:
        """Stop accepting, announce ``ServerDraining``, wait for the channels to finish, then close those that have not.

        Returns how many were cut off.  They are sent what was written already, for 5 seconds more at most.

        Raises:
            BlockingOperationError: called on a loop, or for a server whose loop has no thread: one that is driven from
                outside, or that nobody runs yet.
        """
        if on_a_loop():
            raise BlockingOperationError(f"{self!r} cannot be drained by whoever runs its loop")
        if not all(loop.has_thread for loop in self._loops):
            raise BlockingOperationError(
                f"{self!r} has a loop that no thread runs, so nobody could do the draining: server.close(), and"
                " loop.stop() when you are done"
            )
        deadline = time.monotonic() + timeout
        self.close()
        wait_for([ask(loop, _nothing) for loop in self._loops], _ANSWER)  # who was on the way has arrived then
        event = ServerDraining(timeout)
        for channel in self._channels:
            try:
                channel.fire_user_event(event)
            except ChannelClosedError:
                continue  # its loop is being stopped, which closes it
        if self._channels.wait_until_empty(max(deadline - time.monotonic(), 0.0)):
            return 0
        late = list(self._channels)
        self._channels.close()
        if not self._channels.wait_until_empty(_SENDING):
            for channel in self._channels:
                channel.abort()
            self._channels.wait_until_empty(_ANSWER)
        return len(late)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is closed, by ``close()`` or by its group's end; ``False`` after ``timeout`` seconds.

        Raises:
            BlockingOperationError: called on a loop.
        """
        if on_a_loop():
            raise BlockingOperationError(f"{self!r} cannot be waited for on a loop, which has work to do")
        return self._closed.wait(None if timeout is None else patience(timeout))

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process == os.getpid():  # a forked child that leaves leaves the parent's peers alone
            self.close()
            self._channels.close()

    def listener_closed(self) -> None:
        """One of the listeners has closed; on its loop."""
        with self._lock:
            self._open_listeners -= 1
            if self._open_listeners == 0:
                self._closed.set()

    def open(self, listeners: list[AnyListener]) -> None:
        """Let the listeners begin, or give all their addresses back; for the bootstrap."""
        self._listeners = listeners
        self._open_listeners = len(listeners)
        self.addresses = list(dict.fromkeys(listener.address for listener in listeners))
        for number, listener in enumerate(listeners):
            try:
                listener.loop.execute(listener.open)
            except BaseException:  # its loop has been stopped
                for begun in listeners[:number]:
                    ask(begun.loop, begun.stop_listening)
                for other in listeners[number:]:
                    other.withdraw()
                raise


class _TlsIntake(Intake):
    """Part of an intake whose channels begin with TLS."""

    def __init__(self, whole: Intake, make_tls: Callable[[], ChannelHandler]) -> None:
        super().__init__(partial(_begin_with, make_tls, whole.initializer), whole.options, whole.channels, None)
        self._whole = whole

    def take_place(self, loop: EventLoop, listener: Listener) -> bool:
        return self._whole.take_place(loop, listener)

    def give_place_back(self) -> None:
        self._whole.give_place_back()

    def keep(self, channel: Channel) -> None:
        self._whole.keep(channel)


def _begin_with(
    make_first: Callable[[], ChannelHandler], initializer: Initializer, channel: Channel
) -> Iterable[Stage] | None:
    channel.pipeline.add_first(make_first())
    return initializer(channel)


_NO_INITIALIZER: Final = (
    "initializer= is missing, a function from a channel to its stages, as in ServerBootstrap(loops, initializer=…)"
)


def _check(initializer: Any, options: Any) -> None:
    """Say at once what would otherwise be found out when a channel comes, on its loop."""
    if not callable(initializer) or isinstance(initializer, type):
        raise TypeError(f"initializer= is a function from a channel to its stages, not {initializer!r}")
    if not isinstance(options, ChannelOptions):
        raise TypeError(f"options= is a ChannelOptions(…), not {options!r}")


class ServerBootstrap:
    """Binds servers.

    Args:
        masters: the loops that accept: a group, or one loop, which then is started or driven by whoever made it.
        workers: the loops that get the connections; without them, ``masters`` do both, and the initializer may stand
            in their place.
        initializer: called once per channel, on its loop; the stages it returns are appended to the channel's pipeline.
        backlog: connections that may wait in the kernel to be accepted; ``None`` for as many as it allows.
        reuse_address: bind although old connections of that port are not quite gone (SO_REUSEADDR).
        reuse_port: every worker loop has a listener of its own, and the kernel chooses (SO_REUSEPORT).
        max_connections: accept no more while so many are open; the rest waits in the backlog.
        tls: what ``tls://…`` addresses are encrypted with: certificate and key, a file with both, a ``ServerTls``, or
            an ``ssl.SSLContext``.  The ``TlsHandler`` is the first stage of their channels, before the initializer's.
        options: of every channel.

    Raises:
        ValueError: a limit below 1.
        TypeError: there is no initializer, or ``options`` or ``tls`` is none of these.
        TlsError: a certificate cannot be used.
    """

    def __init__(
        self,
        masters: EventLoopGroup | EventLoop,
        workers: EventLoopGroup | EventLoop | Initializer | None = None,
        initializer: Initializer | None = None,
        *,
        backlog: int | None = None,
        reuse_address: bool = True,
        reuse_port: bool = False,
        max_connections: int | None = None,
        tls: ServerTlsLike | None = None,
        options: ChannelOptions = ChannelOptions(),
    ) -> None:
        if callable(workers):
            if initializer is not None:
                raise TypeError(f"workers are an EventLoopGroup or an EventLoop, not {workers!r}")
            workers, initializer = None, workers
        if initializer is None:
            raise TypeError(_NO_INITIALIZER)
        _check(initializer, options)
        for name, limit in (("backlog", backlog), ("max_connections", max_connections)):
            if limit is not None and (not isinstance(limit, int) or limit < 1):
                raise ValueError(f"{name} must be at least 1, not {limit!r}")
        self._masters: Loops = as_group(masters)
        self._workers: Loops = self._masters if workers is None else as_group(workers)
        self._initializer: Initializer = initializer
        self._backlog = default_backlog() if backlog is None else backlog
        self._reuse_address = reuse_address
        self._reuse_port = reuse_port
        self._max_connections = max_connections
        self._options = options
        self._make_tls: Callable[[], ChannelHandler] | None = None
        if tls is not None:
            from .handlers.tls_context import as_server_tls  # only whoever speaks TLS pays for ssl

            self._make_tls = as_server_tls(tls).handler

    def bind(self, *addresses: str | tuple[Any, ...] | Address) -> Server:
        """Listen on all of these addresses, or on none.

        Raises:
            AddressError: an address does not say where, or it and ``tls=`` contradict each other.
            OSError: one cannot be bound; the message names it, and those before it are free again.
            ChannelClosedError: a loop has been stopped.
        """
        if not addresses:
            raise ValueError("bind() wants at least one address")
        parsed = parse_addresses(addresses)
        self._check_encryption(parsed)
        self._masters.start()
        self._workers.start()
        server = Server(list({*self._masters, *self._workers}))
        intake = Intake(self._initializer, self._options, server.channels, self._max_connections)
        listeners: list[AnyListener] = []
        try:
            for address in parsed:
                self._listen(address, intake, server, listeners)
        except BaseException:
            for listener in listeners:
                listener.withdraw()
            raise
        server.open(listeners)
        return server

    def _check_encryption(self, addresses: list[Address]) -> None:
        """Nothing may be readable by everybody only because two words did not fit together."""
        encrypted = [address for address in addresses if address.is_tls]
        if encrypted and self._make_tls is None:
            raise AddressError(f"bad address {str(encrypted[0])!r}: it needs certificates, which tls= gives")
        if self._make_tls is not None and not encrypted:
            raise AddressError(
                f"tls= is given, and nothing would be encrypted: none of {', '.join(map(str, addresses))} is a tls://…"
            )

    def _listen(self, address: Address, intake: Intake, server: Server, listeners: list[AnyListener]) -> None:
        """Take one address; nobody is received there before the server opens."""
        if address.is_tls and self._make_tls is not None:
            intake = _TlsIntake(intake, self._make_tls)
        if address.form == "local":
            loop = self._masters.next()
            listeners.append(
                LocalListener(loop, address.path, self._workers, intake, self._backlog, server.listener_closed)
            )
        elif self._reuse_port and address.form == "inet":
            for loop in self._workers:
                bound = self._bind(address, reuse_port=True)
                listeners.append(self._listener(address, bound, loop, LoneLoop(loop), intake, server))
                address = attrs.evolve(address, port=bound.port)  # where it was 0, the first has found one for all
        else:
            loop = (self._workers if address.is_datagram else self._masters).next()
            listeners.append(self._listener(address, self._bind(address), loop, self._workers, intake, server))

    def _bind(self, address: Address, *, reuse_port: bool = False) -> BoundSocket:
        backlog = self._backlog if address.is_stream else None
        return bind_socket(
            address, self._options, reuse_address=self._reuse_address, reuse_port=reuse_port, backlog=backlog
        )

    def _listener(
        self, address: Address, bound: BoundSocket, loop: EventLoop, workers: Loops, intake: Intake, server: Server
    ) -> AnyListener:
        if address.is_datagram:
            return DatagramListener(loop, bound, intake, server.listener_closed)
        return ServerChannel(loop, bound, workers, intake, server.listener_closed)


class Bootstrap:
    """Connects clients.

    Args:
        group: the loops that get the connections: a group, or one loop, which whoever made it starts or drives.
        initializer: called once per channel, on its loop; the stages it returns are appended to the channel's pipeline.
        local_address: the IP address (and port, or 0) of this machine to come from.
        tls: how to speak with ``tls://…``: a ``ClientTls``, or an ``ssl.SSLContext``; without it, whoever the system
            trusts is trusted.  The ``TlsHandler`` is the first stage, before the initializer's.
        options: of every channel.

    Raises:
        AddressError: the local address is none.
        TypeError: the initializer is no function, or ``options`` or ``tls`` is none of these.
    """

    def __init__(
        self,
        group: EventLoopGroup | EventLoop,
        initializer: Initializer,
        *,
        local_address: str | tuple[Any, ...] | Address | None = None,
        tls: ClientTlsLike | None = None,
        options: ChannelOptions = ChannelOptions(),
    ) -> None:
        _check(initializer, options)
        self._group: Loops = as_group(group)
        self._initializer: Initializer = initializer
        self._options = options
        self._local: Address | None = None
        if local_address is not None:
            self._local = parse_address(local_address)
            check_local_address(self._local)
        self._must_encrypt = tls is not None
        self._tls: ClientTls | None = None if tls is None else self._make_tls(tls)

    def _make_tls(self, tls: ClientTlsLike | None) -> ClientTls:
        from .handlers.tls_context import as_client_tls  # only whoever speaks TLS pays for ssl

        return as_client_tls(tls)

    def connect(self, address: str | tuple[Any, ...] | Address) -> ChannelFuture[Channel]:
        """Connect; the future has the channel, once it is active.  Cancelling it gives the connection up.

        With ``tls://…`` it has the channel once the handshake is done.

        Raises:
            AddressError: the address does not say where, or it is not encrypted although ``tls=`` was given.

        The future fails with ``ChannelBrokenError``, which lists what was tried, with ``ConnectTimeoutError``, with
        ``TlsError``, or with what the initializer raised.
        """
        parsed = parse_address(address)
        if parsed.is_tls and self._tls is None:
            self._tls = self._make_tls(None)
        if self._must_encrypt and not parsed.is_tls:
            raise AddressError(f"bad address {str(parsed)!r}: tls= is given, and only tls://… is encrypted")
        if self._local is not None and parsed.form != "inet":
            raise AddressError(f"bad address {str(parsed)!r}: only IP connections can come from {self._local}")
        self._group.start()
        loop = self._group.next()
        promise: ChannelFuture[Channel] = ChannelFuture(loop)
        loop.expect()
        try:
            loop.execute(self._open, loop, parsed, promise)
        except BaseException:
            loop.arrived()
            raise
        return promise

    def _open(self, loop: EventLoop, address: Address, promise: ChannelFuture[Channel]) -> None:
        """Open the channel, and send ``connect`` through its pipeline; on its loop."""
        try:
            channel = self._make_channel(loop, address)
        finally:
            loop.arrived()
        # Who connects asks, who accepts answers.  If both stopped listening while the other does not read, both would
        # wait for ever; so only the side that answers does.
        channel.pauses_when_unwritable = False
        promise.on_cancel(channel.abort)
        if promise.cancelled():
            channel.abort()  # before anybody could be told
            return
        initializer = self._initializer
        if address.is_tls:
            assert self._tls is not None, "connect() has made it"
            initializer = partial(_begin_with, partial(self._tls.handler, address.host), initializer)
        try:
            seat_stages(channel, initializer)
        except BaseException as exc:
            promise.fail_if_pending(exc)  # whoever connects gets it
            channel.end(exc)
            if isinstance(exc, KeyboardInterrupt):
                raise
            return
        if not channel.is_open:
            promise.fail_if_pending(channel.closed_error())  # by one of its own stages
            return
        promise.add_done_callback(partial(_close_if_failed, channel))
        channel.pipeline.connect(address.underneath, promise)

    def _make_channel(self, loop: EventLoop, address: Address) -> Channel:
        if address.form == "local":
            return LocalChannel(loop, self._options)
        channel = (StreamChannel if address.is_stream else DatagramChannel)(loop, self._options, None)
        if self._local is not None:
            channel.bind_before_connect(self._local)
        return channel


def _close_if_failed(channel: Channel, promise: ChannelFuture[Channel]) -> None:
    """A stage may have failed the promise; then nobody else has a hand on the channel."""
    if promise.cancelled() or promise.exception() is not None:
        channel.abort()


def _has_thread(loop: Any) -> bool:
    return isinstance(loop, EventLoop) and loop.has_thread


def _nothing() -> None:
    """A task that only shows that the loop has come so far."""
