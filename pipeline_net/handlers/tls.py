"""TlsHandler: TLS as a stage, the first one; bytes of the wire on one side, bytes of the application on the other.

How OpenSSL behaves, and what we make of it:

* It works on two buffers of memory (``MemoryBIO``) and never touches a socket: bytes in, ``read()``; ``write()``, bytes
  out.  When it says "want read" it has taken *all* that it was given: the beginning of an unfinished record is kept
  inside.  And what it has to say can be taken out after every call.  So both buffers are empty whenever we return, and
  **one pair serves all connections of a loop**.  A pair for each would keep, for ever, the memory of the largest piece
  that ever passed through: 40 KiB a connection.  The rule that this asks for: nobody else's code runs before both are
  empty again.  So all of a piece is decrypted first, then passed on; and what OpenSSL says is taken out, then written.
* ``read()`` decrypts one record, 16 KiB at most.  That there is nothing more costs an exception to learn, which is
  spared by looking whether bytes are left.
* A ``write()`` makes one record at least, so what is written in one batch of work is joined (``tls_output``).
* An alert that OpenSSL wants sent lies in the outgoing buffer when it raises.  It is sent before we close, for it is
  the only way in which the peer can learn what was wrong.

What is decided here::

    channel_active            is passed on at once: it says that there is a connection.  Writes wait for the handshake
    TlsHandshakeDone          comes when the handshake is done; then what was written is sent
    connect                   its promise is kept when the handshake is done, and fails with the TlsError
    peer's close_notify       channel_eof.  The end of input without it is a TlsError: somebody may have cut the stream
    shutdown_output, close    say close_notify first, after what was written before
    a TlsError                goes to exception_caught, or to the promise of connect while that is open; then the
                              channel closes.  Nothing that was read after it is passed on
    taking the stage out      closes the channel: what followed would be readable by everybody

``start_tls`` seats the stage in a pipeline that runs already, and gives it the bytes that a decoder has not read.

Source: RFC 8446 6.1 (close_notify), 5.1 (records); SSL_read(3), SSL_shutdown(3).
"""

from __future__ import annotations

import ssl
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

from .._mypyc import mypyc_attr
from ..errors import ForeignThreadError, PipelineError, TlsError
from .flow_control import FlowControlHandler
from .tls_facts import TlsHandshakeDone
from .tls_life import CLOSING, DONE, HANDSHAKING, NEW, OPEN, START, next_state
from .tls_output import TlsOutput, caused_by, scratch_of
from .tls_records import head_size, refusal
from .tls_sessions import give_back, remember
from .tls_verification import check_client_context, is_server_context

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture
    from ..handler import ChannelHandler
    from ..pipeline import ChannelPipeline, Which

_RECORD: Final = 16384  # bytes of plain text in a record; RFC 8446 5.1
_PIECE: Final = 65536  # bytes that are decrypted before they are passed on, whatever arrives at once


@mypyc_attr(allow_interpreted_subclasses=True)
class TlsHandler(TlsOutput):
    """bytes ⇄ bytes: TLS records on the wire side, what is in them on the application's.

    Args:
        context: made for a client (``PROTOCOL_TLS_CLIENT``) or for a server (``PROTOCOL_TLS_SERVER``): that decides
            which side this is.  Renegotiation is switched off in it.  ``ClientTls`` and ``ServerTls`` make good ones.
        server_hostname: for a client: whom it wants to talk to; must be in the server's certificate.
        sessions: for a client: where sessions are kept, by name of the server, to shorten the next handshake.
        handshake_timeout: seconds that the handshake may take.
        close_notify_timeout: seconds that ``close()`` waits for the peer's close_notify; 0 does not wait.

    Raises:
        ValueError: the context is for no side, or verifies nobody; or a client does not say whom it expects.

    Errors of the handshake and of records are ``TlsError``; see the module for where they go.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
        sessions: MutableMapping[str, ssl.SSLSession] | None = None,
        handshake_timeout: float = 10.0,
        close_notify_timeout: float = 0.0,
    ) -> None:
        super().__init__(close_notify_timeout)
        self._is_server = is_server_context(context)
        if not self._is_server:
            check_client_context(context, server_hostname)
        elif server_hostname is not None:
            raise ValueError(f"server_hostname={server_hostname!r} is for clients, and this context is a server's")
        check_tls_timeouts(handshake_timeout, close_notify_timeout)
        if not context.options & ssl.OP_NO_RENEGOTIATION:
            context.options |= ssl.OP_NO_RENEGOTIATION
        self._context: Any = context  # no native class
        self._server_hostname = server_hostname
        self._sessions = sessions
        self._offered: Any = None  # the session that is to be taken up again, until it is
        self._handshake_timeout = handshake_timeout
        self._head: bytes | None = b""  # the first bytes, until there are enough to be looked at
        self._unread = b""  # ciphertext that waits until somebody wants to read, or until what is under way is done
        self._is_taking = False
        self._has_delivered = False  # in this batch
        self._is_asked = False  # somebody wants to read, while auto_read is off
        self._eof_waits = False

    @property
    def unread_bytes(self) -> int:
        return len(self._unread) + len(self._head or b"")

    @property
    def facts(self) -> TlsHandshakeDone | None:
        """What was agreed upon, once the handshake is done."""
        if self.tls is None or self.state == NEW or self.state == HANDSHAKING:
            return None
        return TlsHandshakeDone(self.tls, self._server_name())

    # -- life ---------------------------------------------------------------------------------------

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not ctx.loop.in_loop:
            raise PipelineError("a TLS stage shares the buffers of its loop, and cannot run on a pool")
        self.seat = ctx
        self.scratch = scratch_of(ctx.loop)
        if ctx.channel.is_active:
            self._start(ctx)

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        is_live = ctx.channel.is_open and (self.state == HANDSHAKING or self.state == OPEN)
        self.forget(ctx, ctx.channel.closed_error())
        self.pass_on_close(ctx)
        self.seat = None
        if is_live:
            ctx.channel.abort()
            raise PipelineError(
                "a TLS stage was taken out of a pipeline that runs: everybody could read what followed, so it is closed"
            )

    def connect(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        """Connect; the promise is kept when the handshake is done."""
        if promise is None:
            ctx.connect(address, None)
            return
        self.connect_promise = promise
        connected = ctx.new_promise()
        connected.add_done_callback(self._connected)
        ctx.connect(address, connected)

    def _connected(self, connected: ChannelFuture[Any]) -> None:
        exc = connected.exception()
        if exc is not None and self.connect_promise is not None:
            self.connect_promise.fail_if_pending(exc)
            self.connect_promise = None

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self.state == NEW:
            self._start(ctx)
        ctx.fire_channel_active()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.forget(ctx, ctx.channel.closed_error())
        self.pass_on_close(ctx)
        ctx.fire_channel_inactive()

    def forget(self, ctx: ChannelHandlerContext[Any, Any], error: BaseException) -> None:
        name = self._server_hostname
        if self._sessions is not None and name is not None and (self.state == OPEN or self.state == CLOSING):
            remember(self._sessions, name, self.tls)
        self._unread = b""
        super().forget(ctx, error)

    def time_is_up(self) -> None:
        ctx = self.seat
        if ctx is None:
            return
        if self.state == HANDSHAKING:
            limit = f"{self._handshake_timeout:g} s"
            self.fail(ctx, TlsError(f"no TLS handshake with {self._peer(ctx)} within {limit}{self._what_came()}"))
        elif self.state == CLOSING:
            self.end(ctx)  # the peer does not say goodbye
        else:
            ctx.channel.abort()  # closing has taken too long

    # -- the handshake ------------------------------------------------------------------------------

    def _start(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        name = self._server_hostname
        if self._sessions is not None and name is not None:
            self._offered = self._sessions.pop(name, None)
        scratch = self.scratch
        try:
            self.tls = self._context.wrap_bio(scratch.incoming, scratch.outgoing, self._is_server, name, self._offered)
        except (ValueError, ssl.SSLError) as exc:  # an impossible name, or a session of another context
            self.fail(ctx, caused_by(exc, f"TLS with {self._peer(ctx)} cannot begin"))
            return
        self.state = next_state(self.state, START)
        ctx.channel.need_reads()  # what waits to be encrypted must not keep us from reading what we need for that
        self.set_timer(self._handshake_timeout)
        if not self._is_server:
            self._shake_hands(ctx, b"")
        elif not ctx.channel.auto_read:
            ctx.read()

    def _shake_hands(self, ctx: ChannelHandlerContext[Any, Any], data: bytes) -> bytes:
        """Go on with the handshake as far as ``data`` goes; returns what comes after the handshake."""
        failure: Exception | None = None
        is_done = False
        incoming = self.scratch.incoming
        self.scratch.sweep()
        incoming.write(data)
        try:
            self.tls.do_handshake()
            is_done = True
        except ssl.SSLWantReadError:
            pass  # the peer's turn
        except ssl.SSLError as exc:
            failure = exc
        rest: bytes = incoming.read() if incoming.pending else b""
        if failure is not None:
            self.fail(ctx, caused_by(failure, f"the TLS handshake with {self._peer(ctx)} failed"))
            return b""
        self.send(ctx)
        if is_done:
            self.state = next_state(self.state, DONE)
            self.set_timer(0.0)
            self._handshake_is_done(ctx)
        elif not ctx.channel.auto_read:
            ctx.read()
        return rest

    def _handshake_is_done(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Tell everybody, then do what was asked for too early."""
        if self._offered is not None and self._sessions is not None and self._server_hostname is not None:
            give_back(self._sessions, self._server_hostname, self._offered, self.tls)
        self._offered = None
        channel = ctx.channel
        promise = self.connect_promise
        self.connect_promise = None
        if promise is not None:
            if not promise.take_on():
                channel.abort()  # whoever asked for the connection has given it up
                return
            promise.fulfil(channel)
        ctx.fire_user_event_triggered(TlsHandshakeDone(self.tls, self._server_name()))
        self.let_out(ctx)
        channel.need_reads_no_more()

    def _server_name(self) -> str | None:
        if not self._is_server:
            return self._server_hostname
        name: str | None = getattr(self.tls, "asked_for", None)  # where ServerTls leaves it
        return name

    def _peer(self, ctx: ChannelHandlerContext[Any, Any]) -> str:
        return repr(ctx.channel.remote_address)

    def _what_came(self) -> str:
        if not self._head:
            return ""
        return f": {refusal(self._head, self._is_server) or f'it said {self._head!r} and no more'}"

    # -- from the wire ------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        data: bytes = msg if isinstance(msg, bytes) else bytes(msg)
        self.in_batch = True
        if self._is_taking:
            self._unread += data  # whoever is at it goes on with this
        else:
            if self._unread:
                data = self._unread + data
                self._unread = b""
            self._take(ctx, data)

    def _take(self, ctx: ChannelHandlerContext[Any, Any], data: bytes) -> None:
        """Go as far as ``data`` goes, and as far as somebody wants to read."""
        self._is_taking = True
        try:
            while data:
                if self.state == OPEN:
                    if not ctx.channel.auto_read and not self._is_asked:
                        self._unread = data + self._unread
                        return
                    data = self._take_records(ctx, data)
                elif self.state == HANDSHAKING:
                    data = self._take_handshake(ctx, data)
                elif self.state == CLOSING:
                    data = self._take_records(ctx, data)
                else:
                    self._unread = b""  # after an error, or close(): nobody listens
                    return
                if self._unread:
                    data += self._unread
                    self._unread = b""
        finally:
            self._is_taking = False
        if self._eof_waits:
            self._end_of_input(ctx)

    def _take_records(self, ctx: ChannelHandlerContext[Any, Any], data: bytes) -> bytes:
        """Decrypt, piece by piece, as long as somebody wants to read; returns what is left."""
        size = len(data)
        if size <= _PIECE:
            self._decrypt(ctx, data, size)
            return b""
        view = memoryview(data)
        done = 0
        while done < size:
            stop = min(done + _PIECE, size)
            self._decrypt(ctx, view[done:stop], stop - done)
            done = stop
            if self.state == OPEN:
                if not ctx.channel.auto_read and not self._is_asked:
                    break
            elif self.state != CLOSING:
                break
        return data[done:]

    def _take_handshake(self, ctx: ChannelHandlerContext[Any, Any], data: bytes) -> bytes:
        """Use what belongs to the handshake; returns what does not."""
        if self._head is not None:
            data = self._head + data
            if len(data) < head_size(data[0], self._is_server):
                self._head = data
                if not ctx.channel.auto_read:
                    ctx.read()
                return b""
            wrong = refusal(data, self._is_server)
            if wrong is not None:
                self.fail(ctx, TlsError(f"{wrong}; it is {self._peer(ctx)}"))
                return b""
            self._head = None
        return self._shake_hands(ctx, data)

    def _decrypt(self, ctx: ChannelHandlerContext[Any, Any], data: Any, size: int) -> None:
        """Pass on what is in ``data``, joined, and hear what TLS itself has to say."""
        tls = self.tls
        incoming = self.scratch.incoming
        plain = b""
        more: list[bytes] | None = None
        error: TlsError | None = None
        is_over = False
        ask: Any = size if size <= _RECORD else _RECORD + 1  # a record is never so long: its end is seen without asking
        if incoming.pending:
            self.scratch.sweep()
        incoming.write(data)
        try:
            while True:
                piece: bytes = tls.read(ask)
                if not piece:
                    is_over = True
                    break
                if not plain:
                    plain = piece
                elif more is None:
                    more = [plain, piece]
                else:
                    more.append(piece)
                if not incoming.pending and (len(piece) < ask or not tls.pending()):
                    break  # asking again would only raise SSLWantReadError
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still to come
        except ssl.SSLZeroReturnError:
            is_over = True
        except ssl.SSLError as exc:
            error = caused_by(exc, f"the TLS connection with {self._peer(ctx)} is broken")
            self.failure = error  # what is written from now on cannot be encrypted, and shall fail with the reason
        if incoming.pending:
            incoming.read()  # after close_notify, or an error: it means nothing
        self.send(ctx)  # before anybody else runs, who may need the buffer
        if plain and self.state == OPEN:
            self._has_delivered = True
            self._is_asked = False
            ctx.fire_channel_read(plain if more is None else b"".join(more))
        if error is not None:
            self.fail(ctx, error)
        elif is_over and not self.peer_is_done:
            self.peer_is_done = True
            self._peer_said_goodbye(ctx)

    def _peer_said_goodbye(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self.state == CLOSING:
            self.end(ctx)
        elif self.state == OPEN:
            ctx.fire_channel_eof()
            if self.output_is_shut and self.state == OPEN:
                ctx.pipeline.close()  # both halves are shut

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.in_batch = False
        has_delivered = self._has_delivered
        self._has_delivered = False
        ctx.fire_channel_read_complete()
        self.encrypt_batch(ctx)
        if self._is_asked and not has_delivered and not self._unread and self.state == OPEN:
            ctx.read()

    def read(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._is_asked = not ctx.channel.auto_read
        if self._unread:
            ctx.loop.execute(self._take_unread, ctx)  # not now: somebody's handler is running
        elif self.state != HANDSHAKING:  # which asks by itself
            ctx.read()

    def _take_unread(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._unread and not self._is_taking:
            data = self._unread
            self._unread = b""
            self._take(ctx, data)
            self.channel_read_complete(ctx)

    def take_over(self, data: bytes) -> None:
        """Read ``data`` before anything that comes from the wire: another stage held it."""
        self._unread = data + self._unread
        if self.seat is not None and self._unread:
            self.seat.loop.execute(self._take_unread, self.seat)  # not now: it is being read somewhere

    def refuse_to_begin(self, holder: str) -> None:
        """Fail: something that came in the clear is behind us already, and would pass for encrypted."""
        ctx = self.seat
        if ctx is not None:
            self.fail(
                ctx, TlsError(f"{self._peer(ctx)} went on in the clear after TLS was agreed upon: {holder} has it")
            )

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._eof_waits = True
        if not self._is_taking and not self._unread:
            self._end_of_input(ctx)

    def _end_of_input(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The peer sends no more; it should have said so."""
        self._eof_waits = False
        if self.state == CLOSING:
            self.end(ctx)
        elif self.state == NEW:
            ctx.fire_channel_eof()
        elif self.state == HANDSHAKING:
            self.fail(ctx, TlsError(f"{self._peer(ctx)} hung up in the middle of the TLS handshake{self._what_came()}"))
        elif self.state == OPEN and not self.peer_is_done:
            self.fail(
                ctx, TlsError(f"the input of {self._peer(ctx)} ended without a close_notify: it may have been cut")
            )


def check_tls_timeouts(handshake_timeout: float, close_notify_timeout: float) -> None:
    """Refuse times that are none.

    Raises:
        ValueError: they are.
    """
    if not handshake_timeout > 0 or not close_notify_timeout >= 0:
        raise ValueError(
            "handshake_timeout must be more than 0 and close_notify_timeout not negative,"
            f" not {handshake_timeout!r} and {close_notify_timeout!r}"
        )


def start_tls(pipeline: ChannelPipeline, handler: TlsHandler, *, after: Which | None = None) -> None:
    """Seat ``handler`` in a pipeline that runs, and give it the bytes that a decoder holds and has not read.

    What was written before goes out as it was.  It must not be left to chance whether bytes that came together with the
    command belong to the plain or to the encrypted part: here they always belong to TLS.  What cannot be given to it,
    because it has been decoded by more than one stage or waits in a ``FlowControlHandler``, fails the connection with a
    ``TlsError``: somebody in between could have put it there (RFC 3207 section 6 forbids clients to go on so early).

    Args:
        after: the stage behind which it is seated, when that is not the first place: such as another TlsHandler.

    Raises:
        ForeignThreadError: called on another thread than the loop's, which meanwhile may read on.
    """
    if not pipeline.channel.loop.in_loop:
        raise ForeignThreadError("start_tls() is called on the channel's loop: bytes may arrive at any moment")
    if after is None:
        pipeline.add_first(handler)
    else:
        pipeline.add_after(after, handler)
    stages = list(pipeline)
    holders = [stage for stage in stages[stages.index(handler) + 1 :] if _holds(stage)]
    if holders:
        handler.take_over(holders[0].take_unread())
    for stage in holders:
        if _holds(stage):
            handler.refuse_to_begin(type(stage).__name__)
            return


def _holds(stage: ChannelHandler) -> bool:
    """Whether a stage holds something that came before TLS, and would be taken for what was encrypted."""
    return stage.unread_bytes > 0 or (isinstance(stage, FlowControlHandler) and stage.waiting > 0)
