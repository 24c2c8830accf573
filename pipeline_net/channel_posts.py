"""ChannelPosts: the operations that other threads ask of a channel.

Each is put into the channel's inbox, and does what it asks as a task of the loop.  Whoever uses the channel on the loop
empties the inbox first, so that writes keep their order, whatever thread they come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._mypyc import mypyc_attr
from .channel_output import ChannelOutput
from .errors import ChannelClosedError
from .future import MAKING
from .inbox import ASK_CLOSE, ASK_FLUSH, ASK_SHUTDOWN, ASK_WRITE, Inbox

if TYPE_CHECKING:
    from .future import ChannelFuture
    from .loop import Loop, OptionFacts


@mypyc_attr(allow_interpreted_subclasses=True)
class ChannelPosts(ChannelOutput):
    """Lets every thread ask, and the loop do it in order."""

    def __init__(self, loop: Loop, facts: OptionFacts) -> None:
        super().__init__(facts)
        self.loop = loop
        self.options = facts.options

    def do(self, operation: int, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        """Start an operation through the whole pipeline."""
        if operation == ASK_WRITE:
            self.pipeline.write(msg, promise)
        elif operation == ASK_FLUSH:
            self.pipeline.flush()
        elif operation == ASK_SHUTDOWN:
            self.pipeline.shutdown_output(promise)
        else:
            self.pipeline.close(promise)

    def post(self, operation: int, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        """Put an operation of another thread into the inbox, if there is room."""
        if self.inbox is None:
            with MAKING:
                if self.inbox is None:  # two threads may come here at once
                    self.inbox = Inbox(self.options)
        if operation != ASK_WRITE:
            if not self.inbox.put(operation, promise):
                return
        elif not self.inbox.put_write(msg, promise, self.taken_write_bytes):
            self._overflow_posted(promise)
            return
        try:
            self.loop.execute(self._do_posted, 1)
        except ChannelClosedError as exc:
            if promise is not None and operation == ASK_CLOSE:
                promise.fulfil(None)  # a loop that has stopped has closed its channels
            elif promise is not None:
                promise.fail_if_pending(exc)

    def _overflow_posted(self, promise: ChannelFuture[Any] | None) -> None:
        """A thread writes on although the loop cannot follow: refuse it here, and let the loop end the channel."""
        error = self.overflow_error()
        if promise is not None:
            promise.fail_if_pending(error)
        if self.inbox is not None and self.inbox.refuse():
            try:
                self.loop.execute(self.fail, error)
            except ChannelClosedError:
                return  # a loop that has stopped has closed its channels

    def catch_up(self) -> None:
        """Do what other threads have asked for so far."""
        if self.inbox is not None:
            self._do_posted(len(self.inbox))

    def _do_posted(self, most: int) -> None:
        """Do the first ``most`` of it.  A task of its own does one, so that who asks too fast keeps nobody waiting."""
        inbox = self.inbox
        if inbox is None:
            return
        if inbox.is_full:
            self.writability_changed()
        try:
            while most > 0:
                # One by one: what it leads to may come here again, and must find the rest in order.
                asked = inbox.take()
                if asked is None:
                    break
                most -= 1
                self.do(asked[0], asked[1], asked[2])
        finally:
            if inbox.is_full:
                self.writability_changed()  # it may be so only since we began
                if inbox.has_drained():
                    self.writability_changed()
