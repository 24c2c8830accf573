"""WsgiReply: takes a response from a thread of the pool to the loop of its channel, not faster than the peer reads.

All methods named ``on_loop_…`` run on the loop; the others on the thread that calls the application.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..codecs.http.messages import Data, End, FullResponse, InterimResponse, Request, Response
from ..complaints import complaints_of, kind_of
from ..context import ChannelHandlerContext
from ..errors import ChannelError, EncodeError
from ..file_region import FileRegion
from .errors import ClientDisconnectedError

if TYPE_CHECKING:
    from ..future import ChannelFuture
    from ..loop import Loop

logger: Final = logging.getLogger("pipeline_net.wsgi")

CREDIT: Final = 65536  # bytes that may be on their way from the thread to the peer, and one block more


class WsgiReply:
    """The response to one request."""

    def __init__(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        self._ctx = ctx
        self._request = request
        self._changed = threading.Condition()
        self._credit = CREDIT
        self._is_gone = False  # nobody reads
        self._error: BaseException | None = None  # what went wrong with an earlier write
        self._is_ended = False  # the last part is handed over
        self._then: Callable[[], object] | None = None  # who has left its thread until there is room
        # On the loop:
        self._parts: list[Any] = []  # what is sent together
        self._unacknowledged = 0
        self._has_begun = False
        self.is_over = False
        """Whether the last part has been written."""
        self._is_writing = False
        self._holds_reads = False
        self._owes_continue: bool = request.expects_continue
        if self._owes_continue:
            self.on_loop_hold_reads()  # until the application wants the body

    @property
    def loop(self) -> Loop:
        """Where the connection lives."""
        return self._ctx.channel.loop

    # -- on the thread ------------------------------------------------------------------------------

    def begin(self, head: Response) -> None:
        """Keep the head for the first block."""
        self.check()
        self._parts.append(head)

    def send(self, data: bytes, is_last: bool, waits: bool = True) -> bool:
        """Send a block, after those before it.  While too many are on their way: wait, or return False."""
        self._parts.append(Data(data))
        if is_last:
            self._parts.append(End())
            self._is_ended = True
        self._hand_over(len(data))
        if is_last:
            return True
        with self._changed:
            if not waits and not self._may_go_on():
                return False
            self._changed.wait_for(self._may_go_on)
        self.check()
        return True

    def when_room(self, then: Callable[[], object]) -> None:
        """Call ``then()`` when it is time for more, or when nobody wants more: ``check()`` tells.

        It is called on the loop, or here and now.
        """
        with self._changed:
            self._then = then
        self._call_back()

    def send_file(self, region: FileRegion) -> ChannelFuture[Any]:
        """Send a part of a file; the future is done when it is sent."""
        promise = self._ctx.new_promise()
        self._parts.append(Data(region))
        parts, self._parts = self._parts, []
        self._execute(self.on_loop_write, parts, 0, promise)
        return promise

    def send_whole(self, response: FullResponse) -> None:
        """Send all of it."""
        self.check()
        self._parts.append(response)
        self._is_ended = True
        self._hand_over(0)

    def end(self) -> None:
        """The response is complete; again is allowed."""
        if self._is_ended:
            return
        self._is_ended = True
        self._parts.append(End())
        self._hand_over(0)

    def give_up(self) -> None:
        """The application has failed: say so with a 500 if nothing was sent, else break the connection off."""
        try:
            self._ctx.loop.execute(self.on_loop_give_up)
        except ChannelError:
            return  # the loop has ended, and with it the connection

    def wants_more(self) -> None:
        """The application reads the body, and has to wait."""
        self._execute(self.on_loop_read_on)

    def _hand_over(self, size: int) -> None:
        parts, self._parts = self._parts, []
        with self._changed:
            self._credit -= size
        self._execute(self.on_loop_write, parts, size, None)

    def _execute(self, fn: Any, *args: Any) -> None:
        try:
            self._ctx.loop.execute(fn, *args)
        except ChannelError as exc:
            raise ClientDisconnectedError("the server has ended") from exc

    def _may_go_on(self) -> bool:
        return self._credit > 0 or self._is_gone or self._error is not None

    def check(self) -> None:
        """Raise what went wrong with an earlier write, or that nobody reads."""
        if self._error is not None:
            raise self._error
        if self._is_gone:
            raise ClientDisconnectedError("the client has gone, and nobody reads the response")

    # -- on the loop --------------------------------------------------------------------------------

    def on_loop_write(self, parts: list[Any], size: int, promise: Any) -> None:
        """Write what came from the thread."""
        ctx = self._ctx
        if not ctx.channel.is_open:
            self.on_loop_disconnect()
        if self._is_gone or self._error is not None or self.is_over:
            if promise is not None:
                promise.fail_if_pending(ctx.channel.closed_error())
            return
        for part in parts:
            is_last = isinstance(part, (FullResponse, End))
            if is_last:
                self.is_over = True  # before it is written: the next request may begin while it is
                self.on_loop_release_reads()
            self._is_writing = True
            ctx.write(part, promise if isinstance(part, Data) else None)
            self._is_writing = False
            if self._has_failed(promise):
                if is_last:
                    self.is_over = False
                    self.on_loop_give_up()
                return
            self._has_begun = True
        self._unacknowledged += size
        if ctx.channel.is_writable:
            self.on_loop_room()

    def _has_failed(self, promise: Any) -> bool:
        """Whether a write went wrong; a thread that waits for a file behind it hears why."""
        error = self._error
        if error is not None and promise is not None:
            promise.fail_if_pending(error)
        return error is not None

    def on_loop_room(self) -> None:
        """The peer has read: let the thread go on."""
        if self._unacknowledged:
            with self._changed:
                self._credit += self._unacknowledged
                self._unacknowledged = 0
                self._changed.notify_all()
            self._call_back()

    def on_loop_disconnect(self) -> None:
        """Nobody reads what comes."""
        with self._changed:
            self._is_gone = True
            self._changed.notify_all()
        self._call_back()

    def on_loop_error(self, error: EncodeError) -> bool:
        """Keep what went wrong with a write for the thread; False if it was none of ours."""
        if not self._is_writing:
            return False
        level = complaints_of(self.loop).level(logger, logging.ERROR, kind_of(error, "an application"))
        logger.log(level, "%r: the response cannot be sent: %s", self._request, error)
        with self._changed:
            self._error = error
            self._changed.notify_all()
        self._call_back()
        return True

    def _call_back(self) -> None:
        """Let go on who has left its thread, if it may."""
        with self._changed:
            if self._then is None or not self._may_go_on():
                return
            then, self._then = self._then, None
        then()

    def on_loop_give_up(self) -> None:
        """Tell the client as well as HTTP allows."""
        ctx = self._ctx
        if self.is_over or not ctx.channel.is_open:
            return
        self.is_over = True
        self.on_loop_release_reads()
        if not self._has_begun:
            headers = [("content-type", "text/plain; charset=utf-8"), ("connection", "close")]
            ctx.write(FullResponse(500, headers, b"Internal Server Error"))
        elif self._request.version == "1.0":
            ctx.channel.abort()  # a body without a length ends with the connection: it must not look complete
        else:
            ctx.close()

    def on_loop_read_on(self) -> None:
        """The application wants more of the body."""
        if self._owes_continue and not self._is_gone and self._ctx.channel.is_open:
            self._owes_continue = False
            if not self._has_begun and not self.is_over:
                self._ctx.write(InterimResponse(100))
        self.on_loop_release_reads()

    def on_loop_hold_reads(self) -> None:
        """Too much of the body waits."""
        if not self._holds_reads and not self.is_over:
            self._holds_reads = True
            self._ctx.channel.hold_reads()

    def on_loop_release_reads(self) -> None:
        """There is room for more of it."""
        if self._holds_reads:
            self._holds_reads = False
            self._ctx.channel.release_reads()
