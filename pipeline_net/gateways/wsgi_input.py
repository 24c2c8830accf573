"""RequestBody: ``wsgi.input``, a stream whose reader waits on a thread for what the loop brings.

::

    loop    take_data() ─▶ │ at most READ_AHEAD bytes, and one read more │ ─▶ read()   a thread of the pool
            hold_reads ◀───────── full
            release_reads ◀────── empty, and somebody reads

Source: PEP 3333, "Input and Error Streams"
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Final

from .errors import ClientDisconnectedError

READ_AHEAD: Final = 65536  # bytes that wait for the application; then the peer is not read from


class RequestBody:
    """The body of one request.

    Args:
        wants_more: called, on the thread that reads, before it waits: the peer may be read from again.
    """

    def __init__(self, wants_more: Callable[[], object]) -> None:
        self._wants_more = wants_more
        self._changed = threading.Condition()
        self._buffer = bytearray()
        self._is_complete = False
        self._is_broken = False

    # -- on the loop --------------------------------------------------------------------------------

    def take_data(self, data: bytes) -> bool:
        """Append some of the body; False when so much waits that reading had better pause."""
        with self._changed:
            self._buffer += data
            self._changed.notify_all()
            return len(self._buffer) < READ_AHEAD

    def take_end(self) -> None:
        """The body is complete."""
        with self._changed:
            self._is_complete = True
            self._changed.notify_all()

    def take_disconnect(self) -> None:
        """The rest will not come."""
        with self._changed:
            self._is_broken = True
            self._changed.notify_all()

    # -- for the application, on its thread ---------------------------------------------------------

    def read(self, size: int | None = -1) -> bytes:
        """Return ``size`` bytes, fewer only at the end of the body; all of it without a size.

        Raises:
            ClientDisconnectedError: the client has gone before the body was complete.
        """
        left = -1 if size is None or size < 0 else size
        pieces: list[bytes] = []
        while left != 0 and (there := self._wait()):
            pieces.append(self._take(there if left < 0 else min(there, left)))
            if left > 0:
                left -= len(pieces[-1])
        return b"".join(pieces)

    def readline(self, size: int | None = -1) -> bytes:
        """Return a line with its LF; not more than ``size`` bytes of it."""
        left = -1 if size is None or size < 0 else size
        pieces: list[bytes] = []
        while left != 0 and (there := self._wait()):
            with self._changed:
                at = self._buffer.find(b"\n", 0, there)
            count = there if at < 0 else at + 1
            pieces.append(self._take(count if left < 0 else min(count, left)))
            if left > 0:
                left -= len(pieces[-1])
            if pieces[-1].endswith(b"\n"):
                break
        return b"".join(pieces)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Return the lines that are left; with a hint, no more once they have so many bytes."""
        lines: list[bytes] = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def _wait(self) -> int:
        """Wait until something is here; returns how many bytes, 0 at the end of the body."""
        with self._changed:
            if not self._has_news():
                self._changed.release()  # the loop must not wait for us while we ask it
                try:
                    self._wants_more()
                finally:
                    self._changed.acquire()
                self._changed.wait_for(self._has_news)
            if not self._buffer and self._is_broken and not self._is_complete:
                raise ClientDisconnectedError("the client has gone before the body of its request was complete")
            return len(self._buffer)

    def _has_news(self) -> bool:
        return len(self._buffer) > 0 or self._is_complete or self._is_broken

    def _take(self, count: int) -> bytes:
        with self._changed:
            taken = bytes(self._buffer[:count])
            del self._buffer[:count]
            return taken
