"""CommandQueue: calls of many threads, in order, on one connection.

::

    any thread ──▶ inbox ──▶ waiting ──▶ in flight (the matcher) ──▶ replies
                        the loop: ──────────────────────────────

    inbox      what other threads have asked for, until the loop looks
    waiting    there is no connection, or the peer does not take more now; what leaves in time is never sent
    in flight  sent, once.  If the connection ends they fail: whether they were executed, nobody knows

So a command is sent at most once.  Sending it again on a new connection would do some things twice.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ...._mypyc import mypyc_attr
from ....complaints import log_failure
from ....errors import ChannelBrokenError, ChannelClosedError, PoolFullError, ReadTimeoutError
from ....future import ChannelFuture
from ....transport.event_loop import EventLoop
from ..messages import Push
from .calls import Call
from .connection import Connection, broken
from .connection_life import CLOSED, IDLE, PAUSED, READY
from .options import ClientOptions

if TYPE_CHECKING:
    from ....transport.timers import TimerHandle

_logger: Final = logging.getLogger("pipeline_net.redis")

AS_CONFIGURED: Final = -1.0  # a timeout that means the one of the options


@mypyc_attr(allow_interpreted_subclasses=True)
class CommandQueue(Connection):
    """Sends calls in the order in which they came, and keeps them waiting while it cannot, within limits.

    From any thread: ``post``.  ``pending`` counts the commands without a reply, sent or not.
    """

    def __init__(self, loop: EventLoop, address: str | tuple[Any, ...], options: ClientOptions, on_push: Any) -> None:
        super().__init__(loop, address, options)
        self.pending = 0
        self._on_push = on_push
        self._max_pending: int = options.max_pending
        self._max_bytes: int = options.max_waiting_bytes
        self._offline_limit: int = options.offline_limit
        self._waiting: OrderedDict[Call, None] = OrderedDict()  # from its middle they leave who have timed out
        self._waiting_count = 0  # commands in it
        self._waiting_bytes = 0  # theirs
        self._inbox: deque[Call] = deque()
        self._inbox_bytes = 0  # theirs; less by what several threads have added in the same moment
        self._inbox_is_due = False
        self._ready_promises: list[ChannelFuture[Any]] = []
        self._close_promises: list[ChannelFuture[Any]] = []
        self._is_shut = False  # somebody has called close(), and nobody may post any more
        self._closing = False  # takes no more, waits for replies
        self._close_timer: TimerHandle | None = None

    # -- from any thread ----------------------------------------------------------------------------

    def post(self, call: Call) -> None:
        """Send ``call`` after all that were posted before; it is told of everything that goes wrong."""
        if self._is_shut:
            call.fail(self._shut_error())
            return
        if self.loop.in_loop:
            if self._inbox:
                self._take_inbox()
            self._accept(call)
            return
        if len(self._inbox) >= self._max_pending:
            call.fail(self._full(call))
            return
        unsent = self._inbox_bytes + self._waiting_bytes
        if unsent >= self._max_bytes:
            call.fail(self._too_much(unsent))
            return
        self._inbox_bytes += call.size
        self._inbox.append(call)
        if self._inbox_is_due:  # asked after the call was put there: see _take_inbox()
            return
        self._inbox_is_due = True
        try:
            self.loop.execute(self._take_inbox)
        except ChannelClosedError as exc:
            self._inbox_is_due = False
            while True:
                try:
                    left_over = self._inbox.popleft()
                except IndexError:
                    return  # looking first would not do: other threads are at it, too
                left_over.fail(exc)

    def shut(self) -> None:
        """Take no more, from now on."""
        self._is_shut = True

    # -- on the loop --------------------------------------------------------------------------------

    def _take_inbox(self) -> None:
        self._inbox_is_due = False  # before looking: what is put there from now on asks for another look
        inbox = self._inbox
        while inbox:
            self._accept(inbox.popleft())
        self._inbox_bytes = 0

    def _accept(self, call: Call) -> None:
        if call.is_given_up:
            return
        if self._closing or self.state == CLOSED:
            call.fail(self._closed_error())
            return
        if self.pending + call.count > self._max_pending:
            call.fail(self._full(call))
            return
        matcher = self.matcher
        if self.state == READY and not self._waiting and matcher is not None and matcher.may_send:
            self.pending += call.count
            self._set_timer(call)
            matcher.send(call)
            return
        if self._waiting_bytes >= self._max_bytes:
            call.fail(self._too_much(self._waiting_bytes))
            return
        if (
            self.last_error is not None
            and self._waiting_count + call.count > self._offline_limit
            and self.state != IDLE
        ):
            call.fail(self._unreachable())
            return
        self.pending += call.count
        self._set_timer(call)
        self._waiting[call] = None
        self._waiting_count += call.count
        self._waiting_bytes += call.size
        call.on_cancel(partial(self._cancelled, call))
        if self.state == IDLE:
            self.open()

    def _set_timer(self, call: Call) -> None:
        if call.timeout is not None:
            call.timer = self.loop.schedule(call.timeout, self._timed_out, call)

    def _timed_out(self, call: Call) -> None:
        call.timer = None
        error = ReadTimeoutError(f"no reply to {call.name} within {call.timeout:g} s{self._why_not()}")
        if call in self._waiting:
            error.__cause__ = self.last_error
            call.fail(error)
            self._withdraw(call)
            return
        call.fail(error)
        if self.matcher is not None:
            self.matcher.expect_late(self.options.late_limit)

    def _cancelled(self, call: Call) -> None:
        if call in self._waiting and call.is_given_up:
            self._withdraw(call)

    def _withdraw(self, call: Call) -> None:
        del self._waiting[call]
        self._waiting_count -= call.count
        self._waiting_bytes -= call.size
        self._settle_accounts(call)

    def _settle_accounts(self, call: Call) -> None:
        """A call has ended, one way or the other."""
        self.pending -= call.count
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None
        if self._closing and self.pending == 0 and self.state != CLOSED:
            self.close()

    def _send_waiting(self) -> None:
        """Send what waits, as far as the peer takes it."""
        matcher = self.matcher
        while self._waiting and self.state == READY and matcher is not None and matcher.may_send:
            call, _ = self._waiting.popitem(last=False)
            self._waiting_count -= call.count
            self._waiting_bytes -= call.size
            if call.is_given_up:
                self._settle_accounts(call)
            else:
                matcher.send(call)

    def _fail_waiting(self, beyond: int) -> None:
        """Let no more than so many commands wait; the last ones have to go."""
        while self._waiting_count > beyond:
            call, _ = self._waiting.popitem()
            self._waiting_count -= call.count
            self._waiting_bytes -= call.size
            call.fail(self._closed_error() if self._closing or self.state == CLOSED else self._unreachable())
            self._settle_accounts(call)

    # -- what the connection tells ------------------------------------------------------------------

    def answered(self, call: Call) -> None:
        self._settle_accounts(call)

    def may_send_again(self) -> None:
        self._send_waiting()

    def became_ready(self) -> None:
        self._send_waiting()
        promises = self._ready_promises
        self._ready_promises = []
        for promise in promises:
            promise.fulfil(None)

    def drop_calls(self, calls: list[Call], error: BaseException) -> None:
        for call in calls:
            call.fail(broken(call.name, self.address, error))
            if call is not self._asked:
                self._settle_accounts(call)

    def lost(self, error: BaseException) -> None:
        self._fail_promises(error)
        self._fail_waiting(0 if self._closing else self._offline_limit)

    def ended(self, error: BaseException) -> None:
        self._fail_promises(error)
        self._fail_waiting(0)
        if self.state == CLOSED:
            if self._close_timer is not None:
                self._close_timer.cancel()
            promises = self._close_promises
            self._close_promises = []
            for promise in promises:
                promise.fulfil(None)

    def pushed(self, push: Push) -> None:
        if self._on_push is None:
            return
        try:
            self._on_push(push)
        except Exception as exc:  # noqa: BLE001 - the next push comes all the same
            log_failure(self.loop, _logger, exc, "on_push", "%r: %r raised", self, self._on_push)

    # -- beginning and end --------------------------------------------------------------------------

    def when_ready(self, promise: ChannelFuture[Any]) -> None:
        """Connect if need be; ``promise`` is kept when that has succeeded, and fails if it has not."""
        if self._closing or self.state == CLOSED:
            promise.fail_if_pending(self._closed_error())
        elif self.state == READY:
            promise.fulfil(None)
        else:
            self._ready_promises.append(promise)
            self.open()

    def close_when_answered(self, promise: ChannelFuture[Any]) -> None:
        """Take no more, wait for the replies to what was sent, then close and keep the promise."""
        if self._inbox:
            self._take_inbox()
        if self.state == CLOSED:
            promise.fulfil(None)
            return
        self._close_promises.append(promise)
        if self._closing:
            return
        self._closing = True
        if self.pending == 0 or self.state in (IDLE, PAUSED):
            self.close()  # there is nothing to wait for
        else:
            self._close_timer = self.loop.schedule(self.options.close_timeout, self.close)

    def _fail_promises(self, error: BaseException) -> None:
        promises = self._ready_promises
        self._ready_promises = []
        for promise in promises:
            promise.fail_if_pending(error)

    # -- what went wrong, in words ------------------------------------------------------------------

    def _closed_error(self) -> BaseException:
        error = self.last_error
        if self._closing or error is None:
            return self._shut_error()
        if isinstance(error, ChannelClosedError):
            return ChannelClosedError(str(error))
        exc = ChannelBrokenError(f"the connection to {self.address} has ended: {error}")
        exc.__cause__ = error
        return exc

    def _shut_error(self) -> BaseException:
        return ChannelClosedError(f"the client of {self.address} has been closed")

    def _unreachable(self) -> BaseException:
        exc = ChannelBrokenError(f"there is no connection to {self.address}{self._why_not()}")
        exc.__cause__ = self.last_error
        return exc

    def _full(self, call: Call) -> BaseException:
        return PoolFullError(
            f"{self.pending} commands to {self.address} are without a reply, and {call.count} more would be over the"
            f" limit of {self._max_pending}"
        )

    def _too_much(self, size: int) -> BaseException:
        return PoolFullError(
            f"{size} bytes of commands wait to be sent to {self.address}, and the limit is {self._max_bytes}"
        )

    def _why_not(self) -> str:
        if self.state == READY:
            return ""
        return f": {self.last_error}" if self.last_error is not None else ": there is no connection yet"
