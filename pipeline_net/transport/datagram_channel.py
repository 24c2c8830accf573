"""DatagramChannel: a UDP socket under a pipeline.

There is nothing to wait for and nothing to keep: a datagram that is written goes out at once, or, when the kernel has
no room, not at all, as on the network itself.  Nothing is pending, ever, so the channel is always writable.

A bound channel hears everybody, so what one peer does must not end it.  An exception that reaches the end of the
pipeline is logged, and the channel stays.  A connected one hears one peer, and learns when nobody is there
(ECONNREFUSED, by ICMP); that too goes to ``exception_caught``, and the channel stays, for the peer may come up.

A datagram longer than ``receive_size`` is never handed on in part: ``exception_caught`` gets a ``FrameTooLongError``.

Source: udp(7), RFC 1122 4.1.3.3 (ICMP errors).
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..channel import Channel, Keeper
from ..channel_life import ACTIVE
from ..complaints import level_of_failure, stages_of
from ..datagram import Datagram
from ..errors import AddressError, ChannelError, FrameTooLongError, InterpreterExitError, PipelineError
from ..loop import Listener
from ..options import ChannelOptions
from .address import Address, parse_address
from .connector import Connector
from .event_loop import EventLoop
from .listening import BoundSocket, bind_socket
from .poller import ERROR, READ

if TYPE_CHECKING:
    from ..future import ChannelFuture
    from .server_channel import Intake

logger = logging.getLogger("pipeline_net.channel")

_MAX_PORT: Final = 65535
_TELLS_EVERY: Final = 1.0  # seconds; anybody may send what is too long, from any address, and as often as they like
_MAX_READS: Final = 64  # datagrams a wake-up, so that one busy socket cannot starve the rest

# What the network says of some datagram sent earlier, or of its own state: it passes, the socket is as good as before.
_PASSING: Final = frozenset(
    getattr(errno, name)
    for name in (
        *("ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EHOSTDOWN", "EMSGSIZE"),
        *("EPROTO", "ENOPROTOOPT", "ENOBUFS", "ENOMEM", "EPERM", "EACCES"),
    )
    if hasattr(errno, name)
)


class DatagramChannel(Channel):
    """Datagram ⇄ a UDP socket, bound or connected.

    Args:
        bound: a socket that ``bind`` will take instead of making one; owned from now on.
    """

    def __init__(self, loop: EventLoop, options: ChannelOptions, bound: BoundSocket | None = None) -> None:
        super().__init__(loop, options)
        self._event_loop = loop
        self._bound = bound
        self._bind_to: Address | None = None
        self._connector: Connector | None = None
        self._sock: socket.socket | None = None if bound is None else bound.sock
        self._fd = -1
        self._interest = -1
        self._local: Any = None
        self._remote: Any = None
        self._in_batch = False
        self.make_room()
        self._tells_again_at = 0.0  # when the network's complaints, or those about peers, are a line of the log again
        self._heard: Any = None  # whom we heard last, who is written to most often
        loop.adopt(self)

    @property
    def local_address(self) -> Any:
        if self._local is None and self._sock is not None:
            self._local = self._sock.getsockname()
        return self._local

    @property
    def remote_address(self) -> Any:
        return self._remote

    # -- life ---------------------------------------------------------------------------------------

    def transport_bind(self, address: Any, promise: ChannelFuture[Any] | None) -> None:
        """Take the socket that was bound for us, or bind one."""
        parsed = parse_address(address)
        if not parsed.is_datagram:
            raise AddressError(f"bad address {str(parsed)!r}: a datagram channel is bound to udp://…")
        if self.was_active or self.state > ACTIVE:
            raise PipelineError(f"{self!r} cannot be bound again")
        if self._bound is not None:
            self._open(promise)
        elif parsed.is_numeric or not parsed.host:
            self._bound = bind_socket(parsed, self.options)
            self._sock = self._bound.sock
            self._open(promise)
        else:
            raise AddressError(f"bad address {str(parsed)!r}: a channel is bound to an IP address, not to a name")

    def bind_before_connect(self, local: Address) -> None:
        """Come from ``local`` when connecting."""
        self._bind_to = local

    def transport_connect(self, address: Any, promise: ChannelFuture[Any] | None) -> None:
        parsed = parse_address(address)
        if not parsed.is_datagram:
            raise AddressError(f"bad address {str(parsed)!r}: a datagram channel is connected to udp://…")
        if self._sock is not None or self._connector is not None:
            raise PipelineError(f"{self!r} is bound or connected already")
        if self.state > ACTIVE:
            raise self.closed_error()
        self._connector = Connector(self, self._event_loop, parsed, self._bind_to, promise)
        self._connector.start()

    def connected(self, sock: socket.socket, remote: Any, promise: ChannelFuture[Any] | None) -> None:
        """Take on a socket that has been connected, and tell the stages."""
        self._sock = sock
        self._remote = remote
        self._open(promise)

    def _open(self, promise: ChannelFuture[Any] | None) -> None:
        assert self._sock is not None, "bound or connected before"
        self._fd = self._sock.fileno()
        self.activate(promise)

    def release_transport(self) -> None:
        self._event_loop.forget(self)
        if self._connector is not None:
            self._connector.cancel()
            self._connector = None
        sock = self._sock
        if sock is None:
            return
        self.local_address  # noqa: B018 - asked for the last time, so that it stays readable
        if self._interest >= 0:
            self._event_loop.unwatch(self._fd)
            self._interest = -1
        sock.close()
        self._sock = None

    def exception_reached_tail(self, exc: BaseException) -> None:
        """No stage handled ``exc``: log it, and go on; the other peers have nothing to do with it.

        What peers and networks do is a line a second at most; the rest is logged at DEBUG.
        """
        if isinstance(exc, OSError | FrameTooLongError | InterpreterExitError):
            now = self._event_loop.time()
            level = logging.WARNING if now >= self._tells_again_at else logging.DEBUG
            if level == logging.WARNING:
                self._tells_again_at = now + _TELLS_EVERY
            logger.log(level, "%s: %s", self, exc)
        else:
            pipeline = self.pipeline
            level = level_of_failure(self.loop, logger, exc, stages_of(pipeline))
            what = "%s: an exception reached the end of the pipeline; the channel stays open\n%s"
            if logger.isEnabledFor(level):
                logger.log(level, what, str(self), repr(pipeline), exc_info=exc)

    # -- reading ------------------------------------------------------------------------------------

    def reading_changed(self) -> None:
        if self._in_batch or self.state != ACTIVE or self._sock is None:
            return
        wanted = READ if self.wants_to_read else 0
        if self._interest < 0:
            self._event_loop.watch(self._fd, self, wanted)
        elif wanted != self._interest:
            self._event_loop.rewatch(self._fd, wanted)
        self._interest = wanted

    def on_events(self, bits: int) -> None:
        """Hand the pipeline the datagrams that have come, a limited number of them."""
        if not self._interest & READ:
            if bits & ERROR and self._sock is not None:
                self._report(self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            return
        limit = self.options.receive_size
        got = False
        self.read_requested = False
        self._in_batch = True
        try:
            for _ in range(_MAX_READS):
                if self._sock is None:
                    return
                try:
                    data, address = self._sock.recvfrom(limit + 1)  # one more, or nobody could tell that it was cut
                except BlockingIOError:
                    break
                except OSError as exc:
                    self._report(exc.errno or errno.EIO)
                    break
                got = True
                self._heard = address
                if len(data) > limit:
                    self.pipeline.fire_exception_caught(FrameTooLongError(len(data), limit))
                else:
                    self.pipeline.fire_channel_read(Datagram(data, address))
                if not self.wants_to_read:
                    break
            if got:
                self.pipeline.fire_channel_read_complete()
        except KeyboardInterrupt:
            if got:
                self.loop.execute(self.pipeline.fire_channel_read_complete)  # the stages are owed the end of a batch
            raise
        finally:
            self._in_batch = False
        self.reading_changed()

    def _report(self, code: int) -> None:
        """Tell the stages of an error of the network; one that does not pass ends the channel."""
        if code == 0:
            return
        where = f" ({self._remote[0]}:{self._remote[1]})" if self._remote is not None else ""
        exc = OSError(code, os.strerror(code) + where)
        if code in _PASSING:
            self.pipeline.fire_exception_caught(exc)
        else:
            self.fail(exc)

    # -- writing ------------------------------------------------------------------------------------

    def transport_write(self, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        """Send ``msg`` now.  It is gone, or it is not: then the promise fails, with the kernel's reason."""
        sock = self._sock
        if self.state != ACTIVE or sock is None:
            if promise is not None:
                promise.fail_if_pending(
                    self.closed_error() if self.state > ACTIVE else ChannelError(f"{self!r} is not bound yet")
                )
            return
        if isinstance(msg, Datagram):
            data: bytes | bytearray | memoryview = msg.data
            address = msg.address
        elif isinstance(msg, bytes | bytearray | memoryview):
            data = msg
            address = None
        else:
            raise PipelineError(f"nobody turned {type(msg).__name__} into a Datagram in\n{self.pipeline!r}")
        if promise is not None and not promise.take_on():
            return  # cancelled in time
        try:
            if address is None or address == self._remote:
                if self._remote is None:
                    raise PipelineError(f"{self!r} is not connected: write Datagram(data, address)")
                sock.send(data)
            else:
                if address is not self._heard:
                    _check_destination(sock.family, address)
                sock.sendto(data, address)
        except OSError as exc:
            if promise is None and exc.errno in (errno.EAGAIN, errno.ENOBUFS, errno.ECONNREFUSED):
                logger.debug("%s: a datagram to %r was dropped: %s", self, address, exc)
                return
            raise
        if promise is not None:
            promise.fulfil(None)

    def make_room(self) -> None:
        self.room_until = -1  # nothing waits, so nobody may put anything in a queue

    def flush_soon(self) -> None:
        """Nothing waits."""

    def send_pending(self) -> None:
        """Nothing waits."""

    def shut_down_transport(self) -> None:
        """There is no way to tell a peer."""


class DatagramListener(Listener):
    """The UDP socket of a server: one channel, which is opened on its loop."""

    def __init__(self, loop: EventLoop, bound: BoundSocket, intake: Intake, on_closed: Callable[[], object]) -> None:
        self.loop = loop
        self.address: Final = bound.address
        self._bound = bound
        self._intake = intake
        self._on_closed = on_closed
        self._channel: DatagramChannel | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<DatagramListener {self.address} on {self.loop.name}>"

    def open(self) -> None:
        """Open the channel; on the loop."""
        if self._is_closed:
            return  # closed before its turn came
        self.loop.adopt_listener(self)
        channel = DatagramChannel(self.loop, self._intake.options, self._bound)
        self._channel = channel
        channel.keepers = (_Closing(self),)
        self._intake.channels.add(channel)
        if self._intake.seat(channel):
            channel.pipeline.bind(parse_address(self.address))

    def withdraw(self) -> None:
        """Give the address back, before ``open()``: another one of the same server could not be bound."""
        assert self._channel is None, "only before it is open"
        self._bound.close()

    def stop_listening(self) -> None:
        if self._channel is not None:
            self._channel.close()
        elif not self._is_closed:
            self._is_closed = True
            self._bound.close()
            self._on_closed()

    def resume_listening(self) -> None:
        """It takes in nobody, so it never waits for room."""

    def closed(self) -> None:
        """The channel is closed."""
        if not self._is_closed:
            self._is_closed = True
            self.loop.forget_listener(self)
            self._on_closed()


class _Closing(Keeper):
    """Tells a listener that its channel is closed."""

    def __init__(self, listener: DatagramListener) -> None:
        self._listener = listener

    def channel_closed(self, channel: Channel) -> None:
        self._listener.closed()


def _check_destination(family: int, address: Any) -> None:
    """Refuse what is no address; above all a name, which ``sendto`` would look up while the loop stands still."""
    try:
        socket.inet_pton(family, address[0].partition("%")[0])
        port = address[1]
    except (OSError, TypeError, AttributeError, IndexError) as exc:
        raise AddressError(
            f"bad address {address!r}: a datagram goes to (host, port), with an IP address of the socket's family"
        ) from exc
    if not isinstance(port, int) or not 0 < port <= _MAX_PORT:
        raise AddressError(f"bad address {address!r}: a port is a whole number from 1 to {_MAX_PORT}")
