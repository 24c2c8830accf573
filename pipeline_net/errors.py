"""Every exception of the package, as one tree; the type says whose fault it is.

::

    PipelineNetError
        ChannelError                     the channel cannot do what was asked
            ChannelClosedError               we closed it, then used it
            ChannelBrokenError               the peer or the network ended it; __cause__ is the OSError
            ConnectTimeoutError              also a TimeoutError
            WriteBufferOverflowError         the hard cap on pending bytes
        ProtocolError                    the rules of a protocol were broken
            DecodeError                      by the peer's bytes
                FrameTooLongError(length, limit)
                CorruptedFrameError
            EncodeError                      by our own message
        TlsError                         handshake or record failure; __cause__ is the ssl.SSLError
        PipelineError                    the pipeline was assembled or used wrongly: the programmer's fault
            ForeignThreadError               from a thread that is not its loop's
            InterpreterExitError             a pool of threads, when it was too late for another job
        AddressError                     also a ValueError
        BlockingOperationError           waiting on the loop for something that only the loop can do
        PoolFullError                    a bounded pool has no room
        ReadTimeoutError, WriteTimeoutError   also a TimeoutError
"""

from __future__ import annotations

from typing import Any


class PipelineNetError(Exception):
    """The root: ``except PipelineNetError`` catches everything that this package raises of its own."""


class ChannelError(PipelineNetError):
    """The channel cannot do what was asked."""


class ChannelClosedError(ChannelError):
    """We closed the channel, then used it."""


class ChannelBrokenError(ChannelError):
    """The peer or the network ended the channel; ``__cause__`` is the ``OSError``."""


class ConnectTimeoutError(ChannelError, TimeoutError):
    """No connection was made within ``connect_timeout`` seconds."""


class WriteBufferOverflowError(ChannelError):
    """More bytes were waiting to be sent than ``write_buffer_limit`` allows, and another write came."""


class ProtocolError(PipelineNetError):
    """The rules of a protocol were broken."""


class DecodeError(ProtocolError):
    """The peer's bytes break the rules.

    Args:
        reply: the bytes that the protocol wants sent back before the connection ends, where it has such an answer.

    ``messages`` are those that ``feed()`` had decoded before the error, when a decoder is used without a pipeline.
    """

    def __init__(self, message: str = "", *, reply: bytes | None = None) -> None:
        super().__init__(message)
        self.reply = reply
        self.messages: list[Any] = []


class FrameTooLongError(DecodeError):
    """A frame is longer than its decoder allows.

    Args:
        length: bytes that the frame has, or has had so far when its end is not known yet.
        limit: bytes that it may have.
    """

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(f"a frame of {length} bytes is over the limit of {limit}")
        self.length = length
        self.limit = limit

    def __reduce__(self) -> tuple[type[FrameTooLongError], tuple[int, int], dict[str, Any]]:
        return type(self), (self.length, self.limit), self.__dict__


class CorruptedFrameError(DecodeError):
    """A frame contradicts itself: nothing after it can be trusted."""


class EncodeError(ProtocolError):
    """Our own message cannot be put into bytes."""


class TlsError(PipelineNetError):
    """A TLS handshake or record failed; ``__cause__`` is the ``ssl.SSLError``."""


class PipelineError(PipelineNetError):
    """The pipeline was assembled or used wrongly: the programmer's fault, never the peer's."""


class ForeignThreadError(PipelineError):
    """What belongs to a loop was used from another thread; raised to whoever did that, and offered to no handler."""


class InterpreterExitError(PipelineError):
    """A pool takes no more jobs, because the interpreter exits: nobody's mistake, where it is the loops that go on."""


class AddressError(PipelineNetError, ValueError):
    """An address does not say where to go."""


class BlockingOperationError(PipelineNetError):
    """Somebody waits on the loop's own thread for what only that thread can do."""


class PoolFullError(PipelineNetError):
    """A bounded pool has no room for another job."""


class ReadTimeoutError(PipelineNetError, TimeoutError):
    """Nothing was read for too long."""


class WriteTimeoutError(PipelineNetError, TimeoutError):
    """A write did not finish in time."""
