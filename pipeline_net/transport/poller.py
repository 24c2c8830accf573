"""Who can be read, who can be written: epoll, kqueue and select behind one small interface.

``selectors`` of the standard library does the same and costs more than the whole pipeline above it: per event it
looks up a key object, translates the bits and builds a named tuple.  Here the event bits *are* epoll's, so
:class:`EpollPoller` hands on the list that the kernel's answer was put into, untouched; the other mechanisms
translate.

What they report for one descriptor:

    READ     there is something to read: bytes, a connection to accept, or the end of the input
    WRITE    there is room to write, or a connect has ended (well or badly)
    ERROR    the socket holds an error (``SO_ERROR``); epoll tells without being asked
    HANGUP   both directions have ended; epoll tells without being asked

What was not read or written is reported again, unless the interest holds EDGE: then epoll reports each piece of news
once, and a descriptor whose interest is set anew, if only to the same, is news.  That saves a look at each descriptor
in each turn.  With EDGE come two more bits, and both mean that a short ``recv`` need not be the last one: the peer has
ended its output (EPOLLRDHUP), or there is urgent data, at which reading stops (EPOLLPRI).  Others know no EDGE.

An interest of 0 keeps a descriptor registered for ERROR and HANGUP alone.  kqueue and select have no such thing and
stay silent until something is wanted of them.

Unregister a descriptor *before* it is closed.  epoll forgets a closed one by itself, unless a forked child has it too,
but its number is given to the next socket at once, and select fails altogether when it is shown a closed one.
"""

from __future__ import annotations

import errno
import io
import select
import sys
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from .._mypyc import mypyc_attr

READ: Final = 1  # EPOLLIN
WRITE: Final = 4  # EPOLLOUT
ERROR: Final = 8  # EPOLLERR
HANGUP: Final = 16  # EPOLLHUP
EDGE: Final = 1 << 31 | 0x2000 | 2  # EPOLLET, EPOLLRDHUP, EPOLLPRI

_LONGEST: Final = 86400.0  # seconds; epoll_wait counts milliseconds in 32 bits and refuses more than 24 days
_MAX_EVENTS: Final = 1024  # per kevent() call; the rest is reported by the next one

# The values of FreeBSD, OpenBSD and macOS stand in where there is no kqueue; NetBSD has others: the module is asked.
KQ_FILTER_READ: Final[int] = getattr(select, "KQ_FILTER_READ", -1)
KQ_FILTER_WRITE: Final[int] = getattr(select, "KQ_FILTER_WRITE", -2)
KQ_EV_ADD: Final[int] = getattr(select, "KQ_EV_ADD", 0x0001)
KQ_EV_DELETE: Final[int] = getattr(select, "KQ_EV_DELETE", 0x0002)
KQ_EV_EOF: Final[int] = getattr(select, "KQ_EV_EOF", 0x8000)

_FD_SETSIZE: Final = 1024  # the first descriptor that select() cannot watch, on POSIX


# Events that one epoll_wait reports: their array then fits into the blocks that malloc has at hand.  Who is ready and
# not among them is first in the next call.
_AT_ONCE: Final = 84


class Epoll(Protocol):
    """What is used of ``select.epoll``, which type checkers know on Linux only."""

    def register(self, fd: int, eventmask: int) -> None: ...
    def modify(self, fd: int, eventmask: int) -> None: ...
    def unregister(self, fd: int) -> None: ...
    def poll(self, timeout: float | None, maxevents: int) -> list[tuple[int, int]]: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class Kevent(Protocol):
    """What is read of a ``select.kevent``."""

    @property
    def ident(self) -> int: ...
    @property
    def filter(self) -> int: ...
    @property
    def flags(self) -> int: ...
    @property
    def fflags(self) -> int: ...


class Kqueue(Protocol):
    """What is used of ``select.kqueue``."""

    def control(
        self, changelist: Sequence[Kevent] | None, max_events: int, timeout: float | None = None
    ) -> Sequence[Kevent]: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


# Asked for by name and not by platform: what counts is what this interpreter was built with.
_new_epoll: Final[Callable[[], Epoll] | None] = getattr(select, "epoll", None)
_new_kqueue: Final[Callable[[], Kqueue] | None] = getattr(select, "kqueue", None)
_new_kevent: Final[Callable[[int, int, int], Kevent] | None] = getattr(select, "kevent", None)


@mypyc_attr(allow_interpreted_subclasses=True)
class Poller:
    """The interface; of one thread, except :meth:`fileno`."""

    forgets_closed: bool = False
    """Whether a descriptor that is watched for READ | EDGE need not be unregistered if it is closed next."""

    def register(self, fd: int, interest: int) -> None:
        """Watch a descriptor for ``READ``, ``WRITE``, both or neither (0).

        Raises:
            FileExistsError: it is watched already.
        """
        raise NotImplementedError

    def modify(self, fd: int, interest: int) -> None:
        """Replace what a descriptor is watched for.

        Raises:
            FileNotFoundError: it is not watched.
        """
        raise NotImplementedError

    def unregister(self, fd: int) -> None:
        """Watch it no longer.

        Raises:
            FileNotFoundError: it is not watched.
        """
        raise NotImplementedError

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """Wait until something happens and return ``(descriptor, bits)`` pairs, one for each descriptor.

        Args:
            timeout: seconds; None waits for ever, 0 only looks.  The list may come back empty before a very long
                one is over, so compute the next from the clock.
        """
        raise NotImplementedError

    def fileno(self) -> int:
        """Return a descriptor that is readable whenever :meth:`poll` has something to report.

        Raises:
            io.UnsupportedOperation: the mechanism has none (select).
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the mechanism, not of the descriptors that it watches; again is allowed."""
        raise NotImplementedError


class EpollPoller(Poller):
    """Linux: nothing is translated, and epoll keeps the books.

    Args:
        epoll: a ``select.epoll()``, owned by the poller from now on.
    """

    # Only where a forked child has the socket too, there is more news of it, under a number that may be another's by
    # now: once each, because of EDGE, and that one reads in vain.
    forgets_closed: bool = True

    def __init__(self, epoll: Epoll) -> None:
        self._epoll: Epoll = epoll
        self._register: Callable[[int, int], None] = epoll.register  # each connection needs it

    def register(self, fd: int, interest: int) -> None:
        self._register(fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        self._epoll.modify(fd, interest)

    def unregister(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        if timeout is not None and timeout > _LONGEST:
            timeout = _LONGEST
        return self._epoll.poll(timeout, _AT_ONCE)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()


class KqueuePoller(Poller):
    """macOS and the BSDs: reading and writing are two filters of their own, put together again here.

    ``EV_EOF`` means different things on the two filters.  On the read filter the peer has sent its last byte, which
    epoll reports as a plain READ.  On the write filter nobody will ever read what we send, which epoll reports as
    HANGUP.  With either, ``fflags`` carries the socket's error, if it has one.

    Args:
        queue: a ``select.kqueue()``, owned by the poller from now on.
        new_event: ``select.kevent``, called with descriptor, filter and flags.
    """

    def __init__(self, queue: Kqueue, new_event: Callable[[int, int, int], Kevent]) -> None:
        self._queue: Kqueue = queue
        self._new_event: Callable[[int, int, int], Kevent] = new_event
        self._interest: dict[int, int] = {}

    def register(self, fd: int, interest: int) -> None:
        _expect_unknown(self._interest, fd)
        self._change(fd, 0, interest)
        self._interest[fd] = interest

    def modify(self, fd: int, interest: int) -> None:
        _expect_known(self._interest, fd)
        self._change(fd, self._interest[fd], interest)
        self._interest[fd] = interest

    def unregister(self, fd: int) -> None:
        _expect_known(self._interest, fd)
        self._change(fd, self._interest.pop(fd), 0)

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        if timeout is not None and timeout > _LONGEST:
            timeout = _LONGEST
        found: dict[int, int] = {}
        for event in self._queue.control(None, _MAX_EVENTS, timeout):
            fd = event.ident
            found[fd] = found.get(fd, 0) | _bits_of(event)
        return list(found.items())

    def fileno(self) -> int:
        return self._queue.fileno()

    def close(self) -> None:
        self._queue.close()

    def _change(self, fd: int, before: int, after: int) -> None:
        changes: list[Kevent] = []
        for bit, kq_filter in ((READ, KQ_FILTER_READ), (WRITE, KQ_FILTER_WRITE)):
            if after & bit and not before & bit:
                changes.append(self._new_event(fd, kq_filter, KQ_EV_ADD))
            elif before & bit and not after & bit:
                changes.append(self._new_event(fd, kq_filter, KQ_EV_DELETE))
        if changes:
            self._queue.control(changes, 0, 0)  # with room for no events, a refused change raises its OSError


class SelectPoller(Poller):
    """Everywhere else, and slow: each call shows the kernel every descriptor again, and POSIX stops at number 1023.

    Args:
        watch_exceptions: Windows reports a failed connect only among the exceptional conditions; elsewhere these are
            urgent data, which nobody here asked for.
    """

    def __init__(self, watch_exceptions: bool = sys.platform == "win32") -> None:
        self._interest: dict[int, int] = {}
        self._watch_exceptions: bool = watch_exceptions

    def register(self, fd: int, interest: int) -> None:
        _expect_unknown(self._interest, fd)
        if fd < 0:
            raise OSError(errno.EBADF, f"descriptor {fd} is not open")
        if sys.platform != "win32" and fd >= _FD_SETSIZE:
            raise OSError(errno.EMFILE, f"select() watches descriptors below {_FD_SETSIZE}, and this one is {fd}")
        self._interest[fd] = interest

    def modify(self, fd: int, interest: int) -> None:
        _expect_known(self._interest, fd)
        self._interest[fd] = interest

    def unregister(self, fd: int) -> None:
        _expect_known(self._interest, fd)
        del self._interest[fd]

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        if timeout is not None:
            timeout = min(max(timeout, 0.0), _LONGEST)  # select refuses a negative one
        wanting_read: list[int] = []
        wanting_write: list[int] = []
        for fd, interest in self._interest.items():
            if interest & READ:
                wanting_read.append(fd)
            if interest & WRITE:
                wanting_write.append(fd)
        exceptions = wanting_write if self._watch_exceptions else []
        readable, writable, failed = select.select(wanting_read, wanting_write, exceptions, timeout)
        found: dict[int, int] = {}
        for fd in readable:
            found[fd] = READ
        for fd in writable:
            found[fd] = found.get(fd, 0) | WRITE
        for fd in failed:
            found[fd] = found.get(fd, 0) | WRITE | ERROR
        return list(found.items())

    def fileno(self) -> int:
        raise io.UnsupportedOperation("select() has no descriptor that another loop could watch")

    def close(self) -> None:
        self._interest.clear()


def make_poller() -> Poller:
    """Return the best poller that this machine has."""
    if _new_epoll is not None:
        return EpollPoller(_new_epoll())
    if _new_kqueue is not None and _new_kevent is not None:
        return KqueuePoller(_new_kqueue(), _new_kevent)
    return SelectPoller()


def _bits_of(event: Kevent) -> int:
    ended = event.flags & KQ_EV_EOF
    if event.filter == KQ_FILTER_READ:
        bits = READ
    else:
        bits = WRITE | HANGUP if ended else WRITE
    if ended and event.fflags:
        bits |= ERROR
    return bits


def _expect_known(interest: dict[int, int], fd: int) -> None:
    if fd not in interest:
        raise FileNotFoundError(errno.ENOENT, f"descriptor {fd} is not registered")


def _expect_unknown(interest: dict[int, int], fd: int) -> None:
    if fd in interest:
        raise FileExistsError(errno.EEXIST, f"descriptor {fd} is registered already")
