"""Inbox: what other threads have asked of a channel, and its loop has not done yet.

A thread may write faster than the loop gets to it, or while a handler holds the loop up.  So what waits here counts at
once, and in the thread that asks: above ``write_buffer_high`` the channel is not writable, and at
``write_buffer_limit`` the next write is refused, as on the loop.  What bytes cannot bound, since a message may have
none, ``MOST`` does.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ._mypyc import i64
from .file_region import FileRegion

if TYPE_CHECKING:
    from .future import ChannelFuture
    from .options import ChannelOptions

ASK_WRITE: Final = 0
ASK_FLUSH: Final = 1
ASK_SHUTDOWN: Final = 2
ASK_CLOSE: Final = 3

MOST: Final = 262144  # operations that may wait; each costs up to a KiB with its future, its task, its place in queues
_OBJECT: Final = 1024  # bytes that a message counts besides its content, if only an encoder knows what it will be


def weight_of(msg: Any) -> int:
    """Say how many bytes a message counts while it waits for the loop.

    Exactly what will be sent, for what can be sent as it is.  What an encoder turns into bytes can only be estimated:
    by its ``data`` or ``body``, or by the parts of a list.  A message of one's own may have the number as
    ``pending_bytes``.
    """
    size = _length_of(msg)
    if size >= 0:
        return size
    if isinstance(msg, (list, tuple)):
        size = _OBJECT
        for part in msg:
            size += max(_length_of(part), 0)
        return size
    own = getattr(msg, "pending_bytes", None)
    if isinstance(own, int):
        return max(own, 0)
    content = getattr(msg, "data", None)
    return _OBJECT + max(_length_of(getattr(msg, "body", None) if content is None else content), 0)


def _length_of(content: Any) -> int:
    if isinstance(content, (bytes, bytearray, str)):
        return len(content)
    if isinstance(content, memoryview):
        return content.nbytes
    return content.count if isinstance(content, FileRegion) else -1


class Inbox:
    """Operations in the order in which they were asked for; any thread puts, and only the loop takes."""

    def __init__(self, options: ChannelOptions) -> None:
        self.size: i64 = 0  # bytes of the writes that wait
        self.is_full = False  # with them, more than write_buffer_high is pending
        self.has_refused = False
        self._lock = threading.Lock()
        self._asked: deque[tuple[int, Any, ChannelFuture[Any] | None, int]] = deque()
        self._high: i64 = options.write_buffer_high
        self._low: i64 = options.write_buffer_low
        self._limit: i64 = options.write_buffer_limit

    def __len__(self) -> int:
        return len(self._asked)

    def put_write(self, msg: Any, promise: ChannelFuture[Any] | None, taken: i64) -> bool:
        """Let a write wait; ``False`` if there is no room for it.

        Args:
            taken: bytes that the channel has been given before, and that the kernel has not taken yet.
        """
        weight: i64 = weight_of(msg)
        with self._lock:
            pending: i64 = taken + self.size
            if self.has_refused or pending >= self._limit or len(self._asked) >= MOST:
                return False
            self._asked.append((ASK_WRITE, msg, promise, weight))
            self.size += weight
            if pending + weight > self._high:
                self.is_full = True
        return True

    def put(self, operation: int, promise: ChannelFuture[Any] | None) -> bool:
        """Let anything else wait; ``False`` if it is a second flush in a row, which would change nothing."""
        with self._lock:
            if operation == ASK_FLUSH and self._asked and self._asked[-1][0] == ASK_FLUSH:
                return False
            self._asked.append((operation, None, promise, 0))
        return True

    def take(self) -> tuple[int, Any, ChannelFuture[Any] | None] | None:
        """Take what was asked for first."""
        with self._lock:
            if not self._asked:
                return None
            operation, msg, promise, weight = self._asked.popleft()
            self.size -= weight
        return operation, msg, promise

    def has_drained(self) -> bool:
        """Be full no more, if so little waits; says whether it is so.  For who has told the stages that it was full: a
        thread may have seen it, and waits until they are told otherwise.
        """
        with self._lock:
            if self.size < self._low or not self._asked:
                self.is_full = False
        return not self.is_full

    def refuse(self) -> bool:
        """Take no more writes; says whether it is the first time."""
        with self._lock:
            is_first = not self.has_refused
            self.has_refused = True
        return is_first
