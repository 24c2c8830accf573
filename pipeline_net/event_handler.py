"""EventHandler: the callbacks of a server that wants no pipeline, and what they may return.

One object serves every connection.  The callbacks of one connection run one after the other, on the loop of that
connection; those of different connections run at the same time when there are several loops.  So what belongs to a
connection is kept in ``conn.context``, and what several share needs a lock, or a loop of its own.

None of them may block: the other connections of the loop would wait.  Give such work to a ``WorkerPool``, and let it
answer with ``conn.async_write``.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

if TYPE_CHECKING:
    from .conn import Conn
    from .server import RunningServer

Data: TypeAlias = bytes | bytearray | memoryview
"""What can be sent as it is.  It is not copied, so what is not ``bytes`` must be left alone until it has been sent."""


class Action(Enum):
    """What shall happen after a callback."""

    NONE = "none"
    """Go on."""
    CLOSE = "close"
    """Close this connection, after what was sent before.  A server on UDP has no connection to close, and goes on."""
    SHUTDOWN = "shutdown"
    """End ``serve()``: close every connection, after what was sent before."""


Reply: TypeAlias = Data | Action | tuple[Data | None, Action] | None
"""What a callback may return: nothing, what to send, what to do, or both."""

READ_BUFFER_LIMIT: Final = 16 * 1024 * 1024  # bytes; a quarter of what may wait to be sent


class EventHandler:
    """What you subclass: override what you care about.

    ::

        on_init_complete                                          once, before the first connection
            on_opened   react, react, react …   on_eof   on_closed        each connection
            tick … tick … tick                                    with ticker=True
        on_shutdown                                               once, after the last on_closed

    A callback that raises, or returns what it may not, is logged and costs its own connection; the others go
    on.  With a ``codec``, what is returned and written goes through its ``encode``, and may then be whatever that
    takes.
    """

    read_buffer_limit: ClassVar[int] = READ_BUFFER_LIMIT
    """Bytes that ``react`` may leave unconsumed.  A peer that sends more than that is closed, with
    ``FrameTooLongError``.
    """

    def on_init_complete(self, server: RunningServer) -> Action | None:
        """Every address is bound; no connection has been opened yet.  Runs where ``serve()`` was called."""
        return None

    def on_opened(self, conn: Conn) -> Reply:
        """A connection is there, and nothing has been read from it.  What is returned greets the peer (through
        the codec).
        """
        return None

    def react(self, conn: Conn) -> Reply:
        """Bytes have arrived, or somebody called ``conn.wake()``; with a codec once for each frame.

        What is not consumed stays for the next call, which comes when more bytes arrive.  The default drops everything.
        """
        conn.reset_buffer()
        return None

    def on_eof(self, conn: Conn) -> Reply:
        """The peer will send no more, but may still listen.  The default closes, after what was sent before.

        Whoever has answers under way elsewhere returns nothing here, and closes once they are written.
        """
        return Action.CLOSE

    def on_closed(self, conn: Conn, exc: BaseException | None) -> Action | None:
        """The connection is closed.

        Args:
            exc: None when we or the peer closed it in good order; else what ended it: ``ChannelBrokenError`` for a
                peer or network that broke it off, what a callback raised, what the codec could not decode or encode.
        """
        return None

    def pre_write(self, conn: Conn, data: Data) -> Reply:
        """``data`` goes to the socket next; it has been encoded already.  What is returned is sent in its place."""
        return None

    def tick(self) -> float | tuple[float, Action]:
        """Called at start, and then again so many seconds after it returned as it said; with ``ticker=True`` only,
        on one of the loops.

        Connections may live on other loops, so write to them with ``async_write``.
        """
        raise NotImplementedError(f"{type(self).__name__} must have a method tick(self) when ticker=True")

    def on_shutdown(self, server: RunningServer) -> Action | None:
        """The last connection has been closed, and every loop has stopped.  Runs where ``serve()`` was called."""
        return None
