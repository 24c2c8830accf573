"""Frames behind a varint, as streams of Protocol Buffers have them.

A varint is a number in groups of seven bits, the lowest first; the eighth bit of a byte says that another follows.

Source: https://protobuf.dev/programming-guides/encoding/#varints
"""

from __future__ import annotations

from typing import Any, Final

from .._mypyc import i64, mypyc_attr
from ..buffer import ReceiveBuffer
from ..errors import CorruptedFrameError, EncodeError, FrameTooLongError
from .base import ByteToMessageDecoder, MessageToByteEncoder
from .length_field import BytesLike

_HIGHEST: Final = 2**32 - 1
_LAST: Final = 4  # index of the fifth byte, the last that a number of 32 bits can have
_LAST_HIGHEST: Final = 0x0F  # so much of it fits
_COPIED: Final = 8192  # bytes; a longer body is not copied to stand behind its header


@mypyc_attr(allow_interpreted_subclasses=True)
class Varint32FrameDecoder(ByteToMessageDecoder[bytes]):
    r"""bytes → bytes, one frame each; a varint of at most 32 bits in front says how long its body is.

    ::

        +-------+------------+     +------------+
        |  len  |    body    |     |    body    |
        | AC 02 | 300 bytes… | --> | 300 bytes… |
        +-------+------------+     +------------+

    Args:
        max_frame_length: bytes of the longest body.

    Raises:
        FrameTooLongError: before buffering it, for a body above ``max_frame_length``; the next frame is decoded again.
        CorruptedFrameError: the length does not end within five bytes, or needs more than 32 bits.
    """

    def __init__(self, max_frame_length: int) -> None:
        if not 0 < max_frame_length <= _HIGHEST:
            raise ValueError(f"max_frame_length must be from 1 to {_HIGHEST}, but is {max_frame_length}")
        self._max_frame: i64 = max_frame_length
        self._to_discard: i64 = 0

    def take_unread(self) -> bytes:
        self._to_discard = 0
        return super().take_unread()

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        if self._to_discard:
            self._discard(buffer)
            return None
        byte: i64 = buffer.peek_uint(0, 1)
        length: i64 = byte & 0x7F
        body_at: i64 = 1
        while byte & 0x80:
            if body_at == buffer.left:
                return None
            byte = buffer.peek_uint(body_at, 1)
            if body_at == _LAST and byte > _LAST_HIGHEST:
                raise CorruptedFrameError("the length is no varint of at most 32 bits")
            length |= (byte & 0x7F) << (7 * body_at)
            body_at += 1
        frame: i64 = body_at + length
        if length > self._max_frame:
            self._to_discard = frame
            self._discard(buffer)
            raise FrameTooLongError(length, self._max_frame)
        if buffer.left < frame:
            buffer.wait_for(frame)
            return None
        return buffer.cut(body_at, frame, frame)

    def _discard(self, buffer: ReceiveBuffer) -> None:
        """Drop what is here of a frame that is too long."""
        here: i64 = buffer.left
        if here > self._to_discard:
            here = self._to_discard
        buffer.skip(here)
        self._to_discard -= here


@mypyc_attr(allow_interpreted_subclasses=True)
class Varint32FramePrepender(MessageToByteEncoder[BytesLike]):
    r"""bytes → bytes with their length in front, as a varint; what ``Varint32FrameDecoder`` reads.

    ::

        +------------+     +-------+------------+
        | 300 bytes… | --> | AC 02 | 300 bytes… |
        +------------+     +-------+------------+

    A long message is not copied: it is written as a second piece, and must not be changed before it is sent.

    Raises:
        EncodeError: the message has more bytes than 32 bits can count.
    """

    def encode(self, msg: BytesLike) -> bytes | list[bytes]:
        size = msg.nbytes if isinstance(msg, memoryview) else len(msg)
        if size > _HIGHEST:
            raise EncodeError(f"a length of {size} does not fit into a varint of 32 bits")
        header = varint(size)
        if size <= _COPIED or (isinstance(msg, memoryview) and not msg.c_contiguous):
            return header + bytes(msg)
        pieces: list[Any] = [header, msg.cast("B") if isinstance(msg, memoryview) else msg]
        return pieces


def varint(number: int) -> bytes:
    """Put a number that is not negative into groups of seven bits."""
    groups: list[int] = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
