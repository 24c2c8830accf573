"""A descriptor that becomes readable when another thread wants the loop's attention.

A loop asleep in ``epoll_wait`` notices nothing but descriptors, so whoever gives it work from outside has to make one
readable: an eventfd on Linux (one descriptor, eight bytes in the kernel), a socket pair elsewhere.

The order that makes this safe, and cheap when a thousand tasks arrive at once:

    any thread   put the task into the queue,  then wake()
    the loop     drain(),                      then take tasks out of the queue

Between the first ``wake`` and the next ``drain`` all further wakes see that the loop has been told, and return without
a system call.  ``drain`` empties the descriptor first and forgets afterwards; the other way round, a wake between the
two would be eaten by the read and yet remembered, and every later one would be believed superfluous: the loop would
sleep for ever.

``close`` and the write of ``wake`` exclude each other by a lock.  Without it a thread could write to a descriptor
number that was closed a moment ago and already belongs to somebody's connection.  The lock is re-entrant because a
signal handler may call ``wake`` in the middle of a ``wake``.
"""

from __future__ import annotations

import os
import socket
import sys
from threading import RLock
from typing import Final

from .._mypyc import mypyc_attr

_READ_SIZE: Final = 4096  # bytes per drain; what is left keeps the descriptor readable, and the next turn drains again
HAS_EVENTFD: Final[bool] = hasattr(os, "eventfd")


@mypyc_attr(allow_interpreted_subclasses=True)
class Wakeup:
    """Wake one loop from any thread.

    Args:
        use_eventfd: False takes a socket pair also where the kernel has eventfd.
    """

    def __init__(self, use_eventfd: bool = HAS_EVENTFD) -> None:
        self._lock = RLock()
        self._signalled: bool = False
        self._closed: bool = False
        self._eventfd: int = -1
        self._receiver: socket.socket | None = None
        self._sender: socket.socket | None = None
        if sys.platform == "linux" and use_eventfd:
            self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            receiver, sender = socket.socketpair()
            receiver.setblocking(False)
            sender.setblocking(False)
            self._receiver = receiver
            self._sender = sender

    def __del__(self) -> None:
        if self._eventfd >= 0:  # of a loop that nobody has stopped; sockets see to themselves
            os.close(self._eventfd)

    def fileno(self) -> int:
        """Return the descriptor to watch for reading; -1 once closed."""
        return self._eventfd if self._receiver is None else self._receiver.fileno()

    def wake(self) -> None:
        """Make the descriptor readable, from any thread; does nothing when it already is, or is closed."""
        if self._signalled:
            return
        with self._lock:
            if self._closed:
                return
            self._signalled = True
            try:
                if self._sender is not None:
                    self._sender.send(b"\0")
                elif sys.platform == "linux":
                    os.eventfd_write(self._eventfd, 1)
            except BlockingIOError:
                pass  # full, hence readable: the loop will come

    def drain(self) -> None:
        """Make the descriptor unreadable again: on the loop, and before it looks for work."""
        if self._closed:
            return
        try:
            if self._receiver is not None:
                self._receiver.recv(_READ_SIZE)
            elif sys.platform == "linux":
                os.eventfd_read(self._eventfd)
        except BlockingIOError:
            pass  # nobody woke us
        finally:  # also if an interrupt came in between: whoever drives the loop may go on
            self._signalled = False  # only now: see the top of the file

    def close(self) -> None:
        """Close the descriptor, on the loop's thread or after it has ended; later wakes do nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._signalled = True  # sends every later wake() home without taking the lock
            if self._eventfd >= 0:
                os.close(self._eventfd)
                self._eventfd = -1
            if self._receiver is not None:
                self._receiver.close()
            if self._sender is not None:
                self._sender.close()
