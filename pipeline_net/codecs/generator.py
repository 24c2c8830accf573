"""GeneratorDecoder: for protocols that read like a story."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic

from ..buffer import ReceiveBuffer
from ..errors import CorruptedFrameError, DecodeError, FrameTooLongError
from .base import ByteToMessageDecoder, M


class GeneratorDecoder(ByteToMessageDecoder[M], Generic[M]):
    r"""bytes → M; ``message()`` tells how one message is read, asking for bytes where it needs them.

    ::

        def message(self):
            n = (yield 1)[0]              # exactly 1 byte
            name = yield b"\r\n"          # everything up to \r\n, which is consumed too
            body = yield n
            return Frame(name, body)      # None: nothing to deliver, go on

    It is started anew for each message, and costs some speed: about twice the time of a ``decode`` that looks for
    itself.  ``max_length`` is how many bytes one message may have, as a class attribute or set in ``__init__``.

    Raises:
        FrameTooLongError: before they are buffered, for a message that asks for more than ``max_length`` bytes.  Where
            it would end is unknown, so what follows is dropped.
        TypeError: ``message`` yielded something else than a count or a delimiter.
        ValueError: the count was negative, or the delimiter empty.
    """

    max_length: int = 1024 * 1024  # bytes
    _story: Generator[int | bytes, bytes, Any] | None = None  # of the message that is being read
    _wanted: int | bytes = 0  # what it has asked for
    _parts: list[bytes] | None = None  # what it has been given: it belongs to the next stage, should we be taken out
    _told: int = 0  # bytes of that
    _lost: bool = False

    def message(self) -> Generator[int | bytes, bytes, M | None]:
        """Read one message: ``yield n`` gives exactly n bytes, ``yield delimiter`` everything up to it."""
        raise NotImplementedError(f"{type(self).__name__} must have a generator method message(self)")

    def decode(self, buffer: ReceiveBuffer) -> M | None:
        if self._lost:
            buffer.skip(buffer.left)
            return None
        story = self._story
        try:
            if story is None:
                story = self.message()
                self._parts = []
                self._told = 0
                self._wanted = next(story)
                self._story = story
            while (part := self._next_part(buffer)) is not None:
                self._wanted = story.send(part)
        except StopIteration as end:
            self._forget()
            message: M | None = end.value
            return message
        except BaseException:
            self._forget()
            raise
        return None

    def _next_part(self, buffer: ReceiveBuffer) -> bytes | None:
        """Take what the story has asked for, or None if it is not all there."""
        wanted = self._wanted
        if isinstance(wanted, int):
            if wanted < 0:
                raise ValueError(f"{type(self).__name__}.message yielded {wanted}: a count of bytes is not negative")
            self._allow(buffer, wanted)
            if buffer.left < wanted:
                buffer.wait_for(wanted)
                return None
            part = whole = buffer.take(wanted)
        elif isinstance(wanted, bytes):
            if not wanted:
                raise ValueError(f"{type(self).__name__}.message yielded b'': a delimiter must have at least one byte")
            size = buffer.find(wanted)
            if size < 0:
                # a delimiter may have begun in the last bytes
                self._allow(buffer, buffer.left + 1)
                return None
            self._allow(buffer, size + len(wanted))
            whole = buffer.take(size + len(wanted))
            part = whole[:size]
        else:
            raise TypeError(f"{type(self).__name__}.message must yield a count of bytes or a delimiter, not {wanted!r}")
        self._told += len(whole)
        if self._parts is not None:
            self._parts.append(whole)
        return part

    def _allow(self, buffer: ReceiveBuffer, more: int) -> None:
        length = self._told + more
        if length > self.max_length:
            self._lost = True
            buffer.skip(buffer.left)
            raise FrameTooLongError(length, self.max_length)

    def _forget(self) -> None:
        story = self._story
        self._story = None
        self._parts = None
        self._told = 0
        if story is not None:
            story.close()

    @property
    def unread_bytes(self) -> int:
        return self._told + super().unread_bytes

    def take_unread(self) -> bytes:
        told = b"".join(self._parts or ())
        self._forget()
        self._lost = False
        return told + super().take_unread()

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        if self._story is None and buffer.left == 0:
            return None
        here = self._told + buffer.left
        return CorruptedFrameError(f"the input ended in the middle of a message: {here} bytes of it are here")
