"""StreamChannel: a connected TCP or Unix socket under a pipeline.

What the kernel does, and what follows from it:

* A ``recv`` that returns less than was asked for has emptied the socket's buffer.  Another one would only say EAGAIN,
  so the batch ends there.  It is not so if the input has ended, if there is urgent data, and for Unix sockets, where it
  stops at a passed descriptor: the selector says the former two, and is level-triggered for the last.
* A TCP socket that is only read is watched edge-triggered.  Whoever stops reading before the buffer is empty must say
  so (``_look_again``), or would never hear of the rest.
* ``send`` to a socket with room never blocks and nearly always takes everything.  So the first attempt is made
  without asking the selector, which hears of us only after a partial one.
* On POSIX a socket is a file: ``os.read`` and ``os.write`` make the same calls as ``recv`` and ``send``, but take their
  arguments without a tuple and a format string, which is worth a tenth of our own share of a small message.
* ``send`` to a peer that sleeps also wakes it, which may cost as much as all the rest.  So what a turn's readers are
  answered is sent when all of them have been read: who was woken for the first answer is still awake for the last.
* Many small writes are joined into one before sending, which copies a little and saves much: ``sendmsg`` looks at
  every piece. Large ones go to ``sendmsg`` as they are.
* A socket that is closed while bytes of the peer are unread answers with RST, and so does one that is closed already
  when more of them come.  With an RST our kernel drops what it has not sent yet, and the peer's may drop what it has
  not read yet: our last reply.  So before closing we look; if something is unread, or unsent because the peer does not
  read, we only shut our side and read on until the peer has seen our end.  A peer that is silent for ``_LINGER``
  seconds and has room for the rest is not waited for; nobody is for longer than ``close_timeout``.
* A send may hear of a reset before we have read what the peer said earlier.  So we read once more before it fails.
* A socket that was reset, or shut in both directions, is reported as ready even when nobody asked, for ever.  A
  channel that is not reading then takes its descriptor out of the selector until it reads again.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .._mypyc import i64
from ..channel import Channel
from ..channel_life import ACTIVE
from ..errors import PipelineError
from ..file_region import FileRegion
from ..options import ChannelOptions
from .address import Address
from .bare_socket import BareSocket
from .connector import Connector, parse_stream_address
from .event_loop import GATHERED, EventLoop
from .poller import EDGE, ERROR, HANGUP, READ, WRITE
from .socket_options import holds_unsent_bytes, reset_when_closed

if TYPE_CHECKING:
    from ..future import ChannelFuture

# How a socket is read and written, and what it is called there.
_BY_NUMBER: Final = sys.platform != "win32"
_read: Final[Callable[[Any, Any], bytes]] = os.read if _BY_NUMBER else socket.SocketType.recv
_write: Final[Callable[[Any, Any], int]] = os.write if _BY_NUMBER else socket.SocketType.send

_MAX_READS: Final = 16  # recv calls a wake-up, so that one busy peer cannot starve the rest
_FEW: Final = 240  # bytes; fewer than this is little
_MAX_PIECE: Final = 1 << 20  # bytes asked for at once, when a decoder knows that so much belongs together
_MAX_BATCH: Final = 1 << 20  # bytes a wake-up, for the same reason as _MAX_READS
_JOIN_BELOW: Final = 65536  # bytes; fewer than this are joined and sent with one send
_MAX_PIECES: Final = 1024  # IOV_MAX on Linux and macOS: pieces a sendmsg may have
_LINGER: Final = 1.0  # seconds of silence after which a peer that we have said goodbye to is believed to be done
_SAFE_REPLY: Final = 14600  # bytes; RFC 6928: the peer's kernel takes 10 segments of 1460 bytes without being asked


class StreamChannel(Channel):
    """bytes ⇄ a connected stream socket."""

    def __init__(
        self,
        loop: EventLoop,
        options: ChannelOptions,
        sock: socket.SocketType | BareSocket | None,
        remote: Any = None,
        local: Any = None,
    ) -> None:
        super().__init__(loop, options)
        self._event_loop = loop
        self.joins_small = True
        self._sock: Any = None
        self._handle: Any = None  # how the socket is called when it is read and written
        self._fd: i64 = -1
        self._local: Any = local  # None: the socket is asked
        self._remote: Any = remote
        self._interest: i64 = -1  # what the selector knows; -1: not us.  Above READ, it holds WRITE
        self._edge: i64 = 0  # how a socket is watched that is only read
        # How much to ask the kernel for.  Any keeps the ints as objects, which recv is called with again and again.
        facts = loop.facts_of(options)
        self._receive_size: Any = facts.receive_size
        self._small_size: Any = facts.little
        self._ask: Any = self._small_size
        self._in_batch = False
        self._reading_is_stale = False  # reading_changed() was called while a batch was read
        self._sending = False
        self._kernel_is_full = False  # the last system call left something for later
        self._send_failed = False  # nothing more is sent
        self._reset: OSError | None = None  # what a send was told, and the next read would be told otherwise
        self._lingering = False
        self._lingers_until = 0.0
        self._heard_more = False  # from the peer, since we last looked, after we have said goodbye
        self._is_hung_up = False
        self._pieces_are_plain = True  # no FileRegion waits
        self._region_sent: i64 = 0  # bytes of the first one; kept here, for the region may be written to many channels
        self._bind_to: Address | None = None
        self._connector: Connector | None = None
        if sock is not None:
            self._take_on(sock, remote)
        loop.adopt(self)

    def _take_on(self, sock: Any, remote: Any) -> None:
        bare = sock if isinstance(sock, BareSocket) else BareSocket(sock.fileno(), sock)
        fd = bare.fileno()
        self._sock = bare
        self._fd = fd
        self._handle = fd if _BY_NUMBER else sock
        self._remote = remote
        self._edge = EDGE if isinstance(remote, tuple) else 0

    # -- addresses ----------------------------------------------------------------------------------

    @property
    def local_address(self) -> Any:
        if self._local is None and self._sock is not None:
            try:
                self._local = self._sock.getsockname()
            except OSError:
                return None  # the peer has torn it down, and some kernels then forget its name
        return self._local

    @property
    def remote_address(self) -> Any:
        return self._remote

    # -- life ---------------------------------------------------------------------------------------

    def bind_before_connect(self, local: Address) -> None:
        self._bind_to = local

    def transport_connect(self, address: Any, promise: ChannelFuture[Any] | None) -> None:
        parsed = parse_stream_address(address)
        if self._sock is not None or self._connector is not None:
            raise PipelineError(f"{self!r} is connected already, or on its way")
        if self.state > ACTIVE:
            raise self.closed_error()
        self._connector = Connector(self, self._event_loop, parsed, self._bind_to, promise)
        self._connector.start()

    def connected(self, sock: socket.SocketType, remote: Any, promise: ChannelFuture[Any] | None = None) -> None:
        """Take on a socket that has been connected, keep the promise of that, and tell the stages."""
        self._take_on(sock, remote)
        self.activate(promise)

    def release_transport(self) -> None:
        self._event_loop.forget(self)
        if self._connector is not None:
            self._connector.cancel()
            self._connector = None
        sock: BareSocket | None = self._sock
        if sock is None:
            return
        self.local_address  # noqa: B018 - asked for the last time, so that it stays readable
        if self._interest >= 0:
            self._event_loop.unwatch(self._fd, self._interest == READ and self._edge != 0)
        self._interest = -1
        if self.is_aborted and not self._lingering:  # there, all that was written is in the kernel's hands
            reset_when_closed(sock)
        sock.close()
        self._sock = None
        self._handle = None  # its number may be another socket's by now

    def drained(self) -> None:
        if self._sock is None or not self.was_active or not self.input_open or self._lingering:
            if not self._lingering:
                self.end(None)
            return
        try:
            unread = self._sock.recv(self._receive_size)
        except OSError:
            unread = b""  # nothing unread (EAGAIN), or nobody there any more
        if not unread and not self._kernel_waits_for_room():
            self.end(None)
            return
        self._lingering = True
        self._lingers_until = self._event_loop.time() + self.options.close_timeout
        self.shut_down_transport()
        self._watch(READ)
        self._look_again()
        self.set_close_timer(_LINGER)

    def close_timed_out(self) -> None:
        if not self._lingering:
            super().close_timed_out()
        elif self._event_loop.time() < self._lingers_until and (self._heard_more or self._kernel_waits_for_room()):
            self._heard_more = False
            self.set_close_timer(_LINGER)
        else:
            self.end(None)  # no reset: the kernel may still be sending our last words

    def _kernel_waits_for_room(self) -> bool:
        """Whether our kernel still holds bytes for which the peer's has no room."""
        return self.sent > _SAFE_REPLY and holds_unsent_bytes(self._sock)

    def shut_down_transport(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as exc:
            if self.state == ACTIVE:
                self.fail(exc)

    # -- events of the selector ---------------------------------------------------------------------

    def on_events(self, bits: int) -> None:
        if bits == READ and self._interest & READ:
            self._on_readable(False)
            return
        if bits & WRITE and self._interest & WRITE and not bits & ERROR:  # last words are read first
            self._send()
        if bits & (READ | ERROR | HANGUP) and self._sock is not None:
            if self._interest & READ:
                self._on_readable(True)
            elif bits & ERROR:
                code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    self.fail(OSError(code, os.strerror(code)))
                else:
                    self._hang_up()
            elif bits & HANGUP:
                self._hang_up()  # both directions are shut

    def _on_readable(self, to_the_end: bool) -> None:
        """Hand the pipeline what the kernel holds, then let it answer once.

        Stops at the first short chunk, unless it is to read ``to_the_end``: that one emptied the kernel's buffer, and a
        recv that only says EAGAIN costs a system call to learn nothing.
        """
        if self.state != ACTIVE:
            if self._lingering:
                self._discard_input()
            else:
                self._watch(self._interest & WRITE)  # closing: what is still to be sent goes on, whatever the peer says
            return
        size = self._ask
        full: i64 = size
        total: i64 = 0
        ends = self.pipeline.ends
        failure: OSError | None = None
        eof = False
        is_empty = False  # the kernel's buffer
        self.read_requested = False
        self._in_batch = True
        self.flush_is_due |= self.auto_flush  # when the batch ends; so the first write is like all others
        try:
            for _ in range(_MAX_READS):
                if self.read_hint > 0:
                    full = self.read_hint if self.read_hint < _MAX_PIECE else _MAX_PIECE
                    size = full
                    self.read_hint = 0
                try:
                    chunk = _read(self._handle, size)
                except BlockingIOError:
                    is_empty = True
                    break
                except OSError as exc:
                    failure = exc
                    break
                if not chunk:
                    failure = self._reset
                    eof = failure is None
                    break
                count: i64 = len(chunk)
                total += count
                ends.fire_channel_read(chunk)
                if count < full and not to_the_end:
                    is_empty = True
                    break
                if total >= _MAX_BATCH or not self.wants_to_read:
                    break
                size = full = self._receive_size
            if total > 0:
                ends.fire_channel_read_complete()
            if eof:
                self.end_of_input()
        except KeyboardInterrupt:  # who goes on afterwards finds the rest unread, and the answers still to be sent
            self._in_batch = False
            self._look_again()
            if total > 0:
                self._event_loop.execute(ends.fire_channel_read_complete)
            self._event_loop.flush_with_others(self, 0)
            raise
        finally:
            self._in_batch = False
        self._ask = self._small_size if total < _FEW else self._receive_size
        if self.flush_is_due:
            pending: i64 = self.written - self.sent
            if pending == 0:
                self.flush_is_due = False
            elif pending > GATHERED:
                self.send_pending()  # before anybody stops reading for the sake of what has not been sent
            else:
                self._event_loop.flush_with_others(self, pending)
        if failure is not None:
            self.fail(failure)
        if self._reading_is_stale or not self._auto_read:
            self._reading_is_stale = False
            self.reading_changed()
        if not is_empty:
            self._look_again()

    def _discard_input(self) -> None:
        """We have said goodbye and only wait for the peer's."""
        try:
            for _ in range(_MAX_READS):
                if not self._sock.recv(self._receive_size):
                    self.end(None)
                    return
                self._heard_more = True
            self._look_again()
        except BlockingIOError:
            return
        except OSError:
            self.end(None)  # it hung up: that is goodbye, too

    def reading_changed(self) -> None:
        if self._in_batch:
            self._reading_is_stale = True
            return
        if self.state > ACTIVE:
            return
        wanted: i64 = READ if self.wants_to_read else 0
        if self._interest >= WRITE:
            wanted |= WRITE
        if wanted == self._interest:
            return
        if wanted or not self._is_hung_up:
            self._watch(wanted)
        elif self._interest >= 0:
            self._hang_up()  # again: it was watched for the sake of what was unread

    def _watch(self, interest: i64) -> None:
        if self._sock is None:
            return
        try:
            if self._interest < 0:
                self._event_loop.watch(self._fd, self, interest | self._edge if interest == READ else interest)
            elif interest != self._interest:
                self._event_loop.rewatch(self._fd, interest | self._edge if interest == READ else interest)
        except OSError as exc:
            self.fail(exc)  # the selector has no room: nobody would ever look at this channel
            return
        self._interest = interest

    def _look_again(self) -> None:
        """Let the selector report what is there already: we have not read it all."""
        if self._interest == READ and self._edge and self._sock is not None:
            self._event_loop.rewatch(self._fd, READ | self._edge)

    def _hang_up(self) -> None:
        """The selector would report the same for ever; what is unread will be read when somebody asks."""
        if self._interest >= WRITE:
            return  # meant for a socket that had this number until this very turn: ours would have refused to send
        self._is_hung_up = True
        if self._interest >= 0:
            self._event_loop.unwatch(self._fd)
            self._interest = -1

    # -- sending ------------------------------------------------------------------------------------

    def size_of(self, msg: Any) -> int:
        if isinstance(msg, FileRegion):
            self._pieces_are_plain = False
        return super().size_of(msg)

    def flush_soon(self) -> None:
        if not self._in_batch:
            self._event_loop.flush_later(self)

    def send_early(self) -> None:
        if not self._in_batch:
            self.send_pending()

    def send_pending(self) -> None:
        if not self.was_active:
            return  # what is written before it is connected stays due until then
        self.flush_is_due = False
        if self._sock is None or self._sending:
            return  # not connected yet, and activate() sends; or what is sending now will see it
        if self._interest >= WRITE:
            self.reading_changed()  # the kernel has no room and will say when; this may have been one too many
            return
        self._send()

    def _send(self) -> None:
        self._sending = True
        self._kernel_is_full = False
        try:
            while self.written > self.sent and not self._kernel_is_full and not self._send_failed:
                try:
                    taken: i64 = self._send_some(self.written - self.sent)
                except BlockingIOError:
                    self._kernel_is_full = True
                    break
                except Exception as exc:  # noqa: BLE001 - besides OSError: a file that somebody closed, and its like
                    self._break(exc)
                    return
                self.progress(taken)
        finally:
            self._sending = False
        if self._sock is None or self._lingering:
            return
        if self._kernel_is_full:
            self._watch(WRITE | (READ if self.wants_to_read else 0))
        elif self._interest >= WRITE:
            self._watch(READ if self.wants_to_read else 0)

    def _break(self, exc: Exception) -> None:
        """A send has failed.  If the peer has left, we read its last words; but not now, for we may be reading."""
        if not isinstance(exc, ConnectionError) or self.state != ACTIVE or not self.wants_to_read:
            self.fail(exc)
            return
        self._send_failed = True
        if isinstance(exc, ConnectionResetError):
            self._reset = exc  # the kernel says so once; then a read gets an end of input, as if it were an orderly one
        self._event_loop.execute(self._read_last_words, exc)

    def _read_last_words(self, exc: Exception) -> None:
        if self.state == ACTIVE and self.wants_to_read:
            self._on_readable(True)
        self.fail(exc)

    def _send_some(self, pending: i64) -> int:
        """Make one system call, and take what it sent off the queue."""
        queue = self.unsent
        if not self._pieces_are_plain:
            return self._send_with_files()
        if len(queue) == 1:
            data = queue[0]
        elif pending <= _JOIN_BELOW:
            data = b"".join(queue)
        else:
            return self._send_pieces(queue[:_MAX_PIECES])
        taken: i64 = _write(self._handle, data)
        if taken == pending:
            queue.clear()
        else:
            self._check_progress(taken)
            queue[:] = [memoryview(data).cast("B")[taken:]]
            self._kernel_is_full = True
        return taken

    def _send_pieces(self, pieces: list[Any]) -> int:
        """Send the first pieces of the queue with one system call."""
        queue = self.unsent
        taken: i64 = self._sock.sendmsg(pieces)
        self._check_progress(taken)
        count: i64 = taken
        whole = 0
        for piece in pieces:
            size: i64 = len(piece) if isinstance(piece, bytes) else memoryview(piece).nbytes
            if count < size:
                if count > 0:
                    queue[whole] = memoryview(piece).cast("B")[count:]
                break
            count -= size
            whole += 1
        del queue[:whole]
        self._kernel_is_full = whole < len(pieces)
        return taken

    def _check_progress(self, taken: i64) -> None:
        """A buffer that has another length than when it was written would never be done, or take others along."""
        if not 0 < taken <= self.written - self.sent:
            raise PipelineError(f"something written to {self!r} has changed its length before it was sent")

    def _send_with_files(self) -> int:
        queue = self.unsent
        first = queue[0]
        if isinstance(first, FileRegion):
            return self._send_file(first)
        plain: list[Any] = []
        for piece in queue[:_MAX_PIECES]:
            if isinstance(piece, FileRegion):
                break
            plain.append(piece)
        return self._send_pieces(plain)

    def _send_file(self, region: FileRegion) -> int:
        done = self._region_sent
        taken = os.sendfile(self._fd, region.file.fileno(), region.offset + done, region.count - done)
        if taken == 0:
            raise OSError(f"{region!r}: the file has become shorter than it was")
        done += taken
        self._kernel_is_full = done < region.count
        self._region_sent = done
        if done == region.count:
            self._region_sent = 0
            self.unsent.pop(0)
            self._pieces_are_plain = not any(isinstance(piece, FileRegion) for piece in self.unsent)
        return taken
