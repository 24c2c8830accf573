"""The in-process transport: ``local://name`` connects two channels of one process without a socket between them.

::

    a.write(x) ─▶ unsent ─▶ [window] ─▶ a task of b's loop ─▶ arrived ─▶ b's stages
                    ▲                                            │
                    └──────────── "I have read n bytes" ◀────────┘

Both ends behave as a stream would: bytes in order, in pieces that need not be those that were written, the two halves
shut one by one, a peer that does not read makes the writer unwritable.  What takes the place of the kernel's buffers is
a window of 64 KiB: so much may be on its way or lie unread, the rest stays with the writer.  ``bytes`` are handed over,
not copied.

Each end lives on a loop of its own choice, and only its loop touches it; all that the two say to each other are tasks.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..channel import Channel
from ..channel_life import ACTIVE, CLOSED
from ..errors import AddressError, ChannelBrokenError, ChannelClosedError, ConnectTimeoutError, PipelineError
from ..file_region import FileRegion
from ..loop import Listener
from ..options import ChannelOptions
from .address import Address, parse_address
from .event_loop import EventLoop

if TYPE_CHECKING:
    from ..future import ChannelFuture
    from .group import Loops
    from .server_channel import Intake
    from .timers import TimerHandle

_WINDOW: Final = 65536  # bytes that may have been sent and not read yet
_MAX_PIECES: Final = 16  # handed up before others have their turn; as many as a socket is read
_FILE_CHUNK: Final = 65536  # bytes of a file region read at once

# Changed only when a server comes or goes, and each change is one indivisible step.
_servers: Final[dict[str, LocalListener]] = {}


class LocalChannel(Channel):
    """bytes ⇄ another channel of this process."""

    def __init__(self, loop: EventLoop, options: ChannelOptions, name: str = "") -> None:
        super().__init__(loop, options)
        self._event_loop = loop
        self._name = name
        self._peer: LocalChannel | None = None
        self._peer_is_gone = False
        self._peer_id: str | None = None  # which stays readable
        self._is_server_side = bool(name)
        self._promise: ChannelFuture[Any] | None = None
        self._timeout: TimerHandle | None = None
        # sending
        self._window = _WINDOW  # bytes that the peer still takes
        self._is_sending = False
        self._region_sent = 0  # bytes of the first file region; kept here, for it may be written to many channels
        # receiving
        self._arrived: deque[bytes] = deque()
        self._end_has_arrived = False
        self._in_batch = False
        self._batch_is_due = False
        loop.adopt(self)

    @property
    def local_address(self) -> str:
        return self._name if self._is_server_side else self.id

    @property
    def remote_address(self) -> str | None:
        if not self._is_server_side:
            return self._name or None
        return self._peer_id

    # -- connecting ---------------------------------------------------------------------------------

    def transport_connect(self, address: Any, promise: ChannelFuture[Any] | None) -> None:
        parsed = parse_address(address)
        if parsed.form != "local":
            raise AddressError(f"bad address {str(parsed)!r}: a local channel is connected to local://…")
        if self._name or self.was_active:
            raise PipelineError(f"{self!r} is connected already, or on its way")
        if self.state > ACTIVE:
            raise self.closed_error()
        self._name = parsed.path
        self._promise = promise
        self._timeout = self._event_loop.schedule(self.options.connect_timeout, self._timed_out, parsed)
        listener = _servers.get(parsed.path)
        if listener is None:
            self.refused()
            return
        try:
            listener.loop.execute(listener.arrive, self)
        except ChannelClosedError:
            self.refused()

    def refused(self) -> None:
        """Nobody listens there, or not any more; or too many wait."""
        cause = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        error = ChannelBrokenError(f"cannot connect to local://{self._name}: {cause.strerror}")
        error.__cause__ = cause
        self._give_up(error)

    def _timed_out(self, address: Address) -> None:
        self._give_up(ConnectTimeoutError(f"no connection to {address} within {self.options.connect_timeout:g} s"))

    def _give_up(self, exc: BaseException) -> None:
        if self.was_active or self.state == CLOSED:
            return
        if self._promise is None:
            self.pipeline.fire_exception_caught(exc)
        else:
            self._promise.fail_if_pending(exc)
        self.end(exc)

    def meet(self, peer: LocalChannel) -> None:
        """Learn who is at the other end; the server's side is activated by whoever seats its stages."""
        self._peer = peer
        self._peer_id = peer.id

    def established(self, peer: LocalChannel) -> None:
        """The server has taken us in."""
        self._peer = peer
        if self.state == CLOSED:
            self._tell_peer(peer.peer_closed, self.is_aborted)
            return
        if self._timeout is not None:
            self._timeout.cancel()
        promise = self._promise
        self._promise = None  # its result is this channel
        self.activate(promise)

    def release_transport(self) -> None:
        self._event_loop.forget(self)
        if self._timeout is not None:
            self._timeout.cancel()
        if self._promise is not None and not self.was_active:
            self._promise.fail_if_pending(self.closed_error())
        self._arrived.clear()
        if self._peer is not None and not self._peer_is_gone:
            self._tell_peer(self._peer.peer_closed, self.is_aborted)
        self._part_if_both_are_closed()

    def _part_if_both_are_closed(self) -> None:
        """Let go of a peer to which nothing is said any more, and which refers to us."""
        if self._peer_is_gone and self.state == CLOSED:
            self._peer = None

    def _tell_peer(self, fn: Callable[..., object], *args: Any) -> None:
        assert self._peer is not None, "who speaks has met the peer"
        try:
            self._peer.loop.execute(fn, *args)
        except ChannelClosedError:
            if self.state != CLOSED:
                self.loop.execute(self.peer_closed, True)  # its loop has stopped, which closed it

    # -- what the peer says -------------------------------------------------------------------------

    def deliver(self, pieces: list[bytes]) -> None:
        """The peer has sent these."""
        if self.state > ACTIVE:
            self._acknowledge(sum(map(len, pieces)))  # nobody reads any more, and nobody shall wait for that
            return
        self._arrived.extend(pieces)
        self._read_batch()

    def end_arrived(self) -> None:
        """The peer will send no more."""
        self._end_has_arrived = True
        self._read_batch()

    def acknowledged(self, count: int) -> None:
        """The peer has read ``count`` bytes: there is room for as many."""
        self._window += count
        if self.state != CLOSED and self.written > self.sent:
            self.send_pending()

    def peer_closed(self, is_aborted: bool) -> None:
        """The other end is closed."""
        self._peer_is_gone = True
        if is_aborted:
            self.fail(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))
        elif self.written > self.sent:
            self.fail(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
        else:
            self.end_arrived()
        self._part_if_both_are_closed()

    # -- reading ------------------------------------------------------------------------------------

    def reading_changed(self) -> None:
        if self._in_batch or self._batch_is_due or not self.wants_to_read:
            return
        if self._arrived or self._end_has_arrived:
            self._batch_is_due = True
            self.loop.execute(self._read_later)  # not now: somebody's handler is running

    def _read_later(self) -> None:
        self._batch_is_due = False
        self._read_batch()

    def _read_batch(self) -> None:
        """Hand the pipeline what has arrived, then let it answer once."""
        may_read = self.wants_to_read
        if self._in_batch or not may_read or not (self._arrived or self._end_has_arrived):
            return
        self.read_requested = False
        self._in_batch = True
        count = 0
        try:
            for _ in range(_MAX_PIECES):
                if not self._arrived:
                    break
                piece = self._arrived.popleft()
                count += len(piece)
                self.pipeline.fire_channel_read(piece)
                if not self.wants_to_read:
                    break
            if count:
                self.pipeline.fire_channel_read_complete()
            if self._end_has_arrived and not self._arrived and (self.wants_to_read or not count):
                self.end_of_input()
        except KeyboardInterrupt:
            if count:
                self.loop.execute(self.pipeline.fire_channel_read_complete)
            raise
        finally:  # also of an interrupt: who goes on afterwards reads the rest, and the peer goes on sending
            self._in_batch = False
            if count:
                self._acknowledge(count)
            if self.flush_is_due:
                self.send_pending()
            self.reading_changed()

    def _acknowledge(self, count: int) -> None:
        if self._peer is not None and not self._peer_is_gone:
            self._tell_peer(self._peer.acknowledged, count)

    # -- sending ------------------------------------------------------------------------------------

    def flush_soon(self) -> None:
        if not self._in_batch:
            self._event_loop.flush_later(self)

    def send_early(self) -> None:
        if not self._in_batch:
            self.send_pending()

    def send_pending(self) -> None:
        if self._is_sending or self._peer is None:
            return
        self.flush_is_due = False
        if self._peer_is_gone:
            if self.written > self.sent:
                self.fail(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
            return
        self._is_sending = True
        try:
            while self._window > 0 and self.written > self.sent:
                pieces = self._take_pieces()
                count = sum(map(len, pieces))
                self._window -= count
                self._tell_peer(self._peer.deliver, pieces)
                self.progress(count)  # which may make somebody write more
        except (OSError, ValueError) as exc:  # of the file that a region is part of, which may be closed
            self.fail(exc)
        finally:
            self._is_sending = False

    def _take_pieces(self) -> list[bytes]:
        """Take off the queue what fits into the window; the last piece may be larger than what is left of it."""
        room = self._window
        pieces: list[bytes] = []
        whole = 0
        for piece in self.unsent:
            if room <= 0:
                break
            if isinstance(piece, FileRegion):
                if pieces:
                    break  # what stands before a file arrives, also if that cannot be read
                data = _read_file(piece, self._region_sent)
                self._region_sent += len(data)
                if self._region_sent < piece.count:
                    pieces.append(data)
                    break
                self._region_sent = 0
            else:
                data = piece if type(piece) is bytes else bytes(piece)
            pieces.append(data)
            room -= len(data)
            whole += 1
        del self.unsent[:whole]
        return pieces

    def shut_down_transport(self) -> None:
        if self._peer is not None and not self._peer_is_gone:
            self._tell_peer(self._peer.end_arrived)


class LocalListener(Listener):
    """A name that channels of this process can connect to.

    Args:
        loop: where those who come are received.
        name: what follows ``local://``.
        workers: who gets them.
        backlog: so many may wait while ``max_connections`` are open.

    Raises:
        OSError: the name is taken (EADDRINUSE).
    """

    def __init__(
        self,
        loop: EventLoop,
        name: str,
        workers: Loops,
        intake: Intake,
        backlog: int,
        on_closed: Callable[[], object],
    ) -> None:
        self.loop = loop
        self.address: Final = f"local://{name}"
        self._name = name
        self._workers = workers
        self._intake = intake
        self._backlog = backlog
        self._on_closed = on_closed
        self._waiting: deque[LocalChannel] = deque()
        if _servers.setdefault(name, self) is not self:
            raise OSError(errno.EADDRINUSE, f"cannot bind {self.address}: {os.strerror(errno.EADDRINUSE)}")

    def __repr__(self) -> str:
        return f"<LocalListener {self.address} on {self.loop.name}>"

    def open(self) -> None:
        """Begin to receive; on the loop."""
        if _servers.get(self._name) is self:
            self.loop.adopt_listener(self)

    def withdraw(self) -> None:
        """Give the name back."""
        if _servers.get(self._name) is self:
            del _servers[self._name]

    def stop_listening(self) -> None:
        if _servers.get(self._name) is not self:
            return
        self.withdraw()
        self.loop.forget_listener(self)
        for client in self._waiting:
            self._refuse(client)
        self._waiting.clear()
        self._on_closed()

    def resume_listening(self) -> None:
        waiting = self._waiting
        self._waiting = deque()
        for client in waiting:
            self.arrive(client)

    def arrive(self, client: LocalChannel) -> None:
        """Somebody wants to be taken in."""
        if not client.is_open:
            return  # and has given up waiting
        if _servers.get(self._name) is not self:
            self._refuse(client)
        elif not self._intake.take_place(self.loop, self):
            if len(self._waiting) < self._backlog:
                self._waiting.append(client)
            else:
                self._refuse(client)
        else:
            loop = self._workers.next()
            loop.expect()
            try:
                loop.execute(self._take_in, loop, client)
            except ChannelClosedError:
                loop.arrived()
                self._intake.give_place_back()
                self._refuse(client)

    def _refuse(self, client: LocalChannel) -> None:
        try:
            client.loop.execute(client.refused)
        except ChannelClosedError:
            return  # its loop has stopped, which closed it

    def _take_in(self, loop: EventLoop, client: LocalChannel) -> None:
        """Open our end of a new connection; on the loop where it will live."""
        channel = LocalChannel(loop, self._intake.options, self._name)
        loop.arrived()
        self._intake.keep(channel)
        channel.meet(client)
        try:
            client.loop.execute(client.established, channel)
        except ChannelClosedError:
            channel.end(None)
            return
        if self._intake.seat(channel):
            channel.activate()


def _read_file(region: FileRegion, done: int) -> bytes:
    """Read the chunk of a file region that follows the first ``done`` bytes."""
    data = os.pread(region.file.fileno(), min(region.count - done, _FILE_CHUNK), region.offset + done)
    if not data:
        raise OSError(f"{region!r}: the file has become shorter than it was")
    return data
