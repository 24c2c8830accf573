"""ServerChannel: a listening socket on a loop, which hands each connection to the loop that the balancer chooses.

It has no stages of its own; what it accepts has.  What the kernel does, and what follows from it:

* A connection is in the queue before anybody asks for it, and may be gone again when somebody does (ECONNABORTED and
  the like).  That concerns nobody else: the next one is accepted.
* Without descriptors left (EMFILE, ENFILE) or memory, ``accept`` fails while the connection stays in the queue, so the
  listener stays readable, and a loop that just tried again would spin.  Accepting pauses for a moment instead.
* ``accept`` that finds nobody has made a socket in vain, which takes longer than all the rest.  So we do not ask until
  there is nobody, but for as many as came when we last asked in vain, until so many have come that one in vain does not
  matter; and then, as long as all of them are there, for twice as many in each turn.  Who is not among them is reported
  in the next turn.
* The queue is the place to wait for those who come while ``max_connections`` are open: the kernel keeps them.

Source: accept(2), "Error handling".
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .._mypyc import mypyc_attr
from ..channel import Channel, Keeper
from ..complaints import complaints_of, log_failure
from ..errors import ChannelClosedError
from ..loop import Listener
from ..options import ChannelOptions
from .bare_socket import accept
from .event_loop import EventLoop
from .listening import BoundSocket
from .opening import Initializer, seat_stages
from .poller import READ
from .socket_options import INHERITED, apply_options
from .stream_channel import StreamChannel

if TYPE_CHECKING:
    from ..channel_group import ChannelGroup
    from .group import Loops

logger = logging.getLogger("pipeline_net.server")

_INHERITED: Final[bool] = INHERITED  # looked up once
_MAX_ACCEPTS: Final = 64  # a turn, so that a storm of newcomers does not starve who is already here
_FOR_ONE_IN_VAIN: Final = 16  # connections that have to come before more are asked for than came at once
_SHORTEST_REST: Final = 0.1  # seconds without accepting, when there are no descriptors left; doubled each time …
_LONGEST_REST: Final = 1.0  # … up to this

# The connection is to blame, not the listener: take the next one.
_GONE_AGAIN: Final = frozenset(
    getattr(errno, name)
    for name in (
        *("ECONNABORTED", "ECONNRESET", "EPROTO", "EPERM", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN"),
        *("ENONET", "EHOSTUNREACH", "EOPNOTSUPP", "ENETUNREACH", "ETIMEDOUT"),
    )
    if hasattr(errno, name)
)


@mypyc_attr(allow_interpreted_subclasses=True)
class Intake(Keeper):
    """Takes in the channels of one server: gives them their stages, and counts them if their number is limited.

    ``channels`` are those that are open.
    """

    def __init__(
        self, initializer: Initializer, options: ChannelOptions, channels: ChannelGroup, max_connections: int | None
    ) -> None:
        self.initializer = initializer
        self.options = options
        self.channels = channels
        self._limit = max_connections
        # Who hears of it when a channel closes.  We are last, so that its place is free only when it has left.
        self._keepers: tuple[Keeper, ...] = (channels,) if max_connections is None else (channels, self)
        self._taken = 0
        self._waiting: set[tuple[EventLoop, Listener]] = set()
        self._lock = threading.Lock()  # only where there is a limit: loops share nothing otherwise

    def take_place(self, loop: EventLoop, listener: Listener) -> bool:
        """Take the place of one connection; if there is none, ``listener`` will be told when there is."""
        if self._limit is None:
            return True
        with self._lock:
            if self._taken < self._limit:
                self._taken += 1
                return True
            self._waiting.add((loop, listener))
            return False

    def give_place_back(self) -> None:
        """A connection is closed, or did not come."""
        if self._limit is None:
            return
        with self._lock:
            self._taken -= 1
            waiting = self._waiting
            self._waiting = set()
        for loop, listener in waiting:
            try:
                loop.execute(listener.resume_listening)
            except ChannelClosedError:
                continue  # its loop has stopped, and it with it

    def channel_closed(self, channel: Channel) -> None:
        self.give_place_back()

    def keep(self, channel: Channel) -> None:
        """Count ``channel``, which is new, among those that are open until it closes; on its loop."""
        self.channels.expect_end_of(channel)
        channel.keepers = self._keepers

    def seat(self, channel: Channel) -> bool:
        """Give ``channel`` its stages; if that fails, log it with the pipeline so far, and close the channel."""
        try:
            seat_stages(channel, self.initializer)
        except KeyboardInterrupt:
            channel.abort()  # nobody would look at it again
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            what = "%s: its initializer failed, so it is closed\n%s"
            log_failure(channel.loop, logger, exc, "an initializer", what, str(channel), repr(channel.pipeline))
            channel.end(exc)
            return False
        return True


class ServerChannel(Listener):
    """A listening socket.

    Args:
        loop: the loop that accepts.
        bound: a socket that listens; owned from now on.
        workers: who gets the connections.
        intake: what becomes of them.
        on_closed: called once, on the loop, when it has stopped listening.
    """

    def __init__(
        self,
        loop: EventLoop,
        bound: BoundSocket,
        workers: Loops,
        intake: Intake,
        on_closed: Callable[[], object],
    ) -> None:
        self.loop = loop
        self.address: Final = bound.address
        self._bound: BoundSocket | None = bound
        self._sock = bound.sock
        self._fd = bound.sock.fileno()
        self._accepted_name: Any = bound.accepted_name
        self._workers = workers
        self._intake = intake
        self._on_closed = on_closed
        self._is_watched = False
        self._rest = _SHORTEST_REST
        self._at_once = 1  # connections that are asked for in one turn
        self._before_more = 0  # connections that have yet to come before this grows

    def __repr__(self) -> str:
        return f"<ServerChannel {self.address} on {self.loop.name}>"

    def open(self) -> None:
        """Begin to accept; on the loop."""
        if self._bound is None:
            return  # closed before its turn came
        self.loop.adopt_listener(self)
        self.loop.watch(self._fd, self, READ)
        self._is_watched = True

    def withdraw(self) -> None:
        """Give the address back, before ``open()``: another one of the same server could not be bound."""
        assert not self._is_watched, "only before it is open"
        if self._bound is not None:
            self._bound.close()

    def stop_listening(self) -> None:
        bound = self._bound
        if bound is None:
            return
        self._bound = None
        self.loop.forget_listener(self)
        if self._is_watched:
            self.loop.unwatch(self._fd)
        bound.close()
        self._on_closed()

    def disown(self) -> None:
        self._bound = None  # the socket stays open: it is the parent's, and so is its file

    def resume_listening(self) -> None:
        if self._bound is not None:
            self.loop.rewatch(self._fd, READ)

    def on_events(self, bits: int) -> None:
        """Accept who waits, a limited number of them: who is not among them is reported again."""
        for accepted in range(self._at_once):
            if self._bound is None:
                return  # the initializer of the last one has closed us
            if not self._intake.take_place(self.loop, self):
                self.loop.rewatch(self._fd, 0)
                return
            try:
                sock, remote = accept(self._sock)
            except BlockingIOError:
                self._intake.give_place_back()
                self._at_once = max(accepted, 1)
                self._before_more = _FOR_ONE_IN_VAIN
                return
            except OSError as exc:
                self._intake.give_place_back()
                if exc.errno in _GONE_AGAIN:
                    continue
                self._pause(exc)
                return
            self._rest = _SHORTEST_REST
            self._hand_over(sock, remote)
        if self._before_more > 0:
            self._before_more -= self._at_once
        else:
            self._at_once = min(self._at_once * 2, _MAX_ACCEPTS)

    def events_failed(self, exc: BaseException) -> None:
        if self._bound is not None:
            self.loop.watch(self._fd, self, 0)
            self.loop.schedule(_LONGEST_REST, self.resume_listening)

    def _pause(self, exc: OSError) -> None:
        level = complaints_of(self.loop).level(logger, logging.WARNING, "listeners that cannot accept")
        logger.log(level, "%s cannot accept, and rests for %.1f s: %s", self, self._rest, exc)
        self.loop.rewatch(self._fd, 0)
        self.loop.schedule(self._rest, self.resume_listening)
        self._rest = min(self._rest * 2, _LONGEST_REST)

    def _hand_over(self, sock: Any, remote: Any) -> None:
        try:
            try:
                loop = self._workers.next(remote)
            except KeyboardInterrupt:
                self._drop(sock)  # whoever drives us may go on
                raise
            if loop is self.loop:
                self._take_in(loop, sock, remote)
                return
            loop.expect()
            try:
                loop.execute(self._arrive, loop, sock, remote)
            except ChannelClosedError:
                loop.arrived()
                raise
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - others are still to be accepted
            what = "%s: nobody takes the connection from %r"
            log_failure(self.loop, logger, exc, "whoever takes connections", what, self, remote)
            self._drop(sock)

    def _arrive(self, loop: EventLoop, sock: Any, remote: Any) -> None:
        try:
            self._take_in(loop, sock, remote)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - others are still to be accepted
            what = "%s: the connection from %r cannot be opened"
            log_failure(loop, logger, exc, "whoever opens connections", what, self, remote)
            self._drop(sock)
        finally:
            loop.arrived()

    def _drop(self, sock: Any) -> None:
        sock.close()
        self._intake.give_place_back()

    def _take_in(self, loop: EventLoop, sock: Any, remote: Any) -> None:
        """Open the channel of a new connection; on the loop where it will live."""
        options = self._intake.options
        if not _INHERITED:
            apply_options(sock, options)
        channel = StreamChannel(loop, options, sock, remote, self._accepted_name)
        self._intake.keep(channel)
        if self._intake.seat(channel):
            channel.activate()
