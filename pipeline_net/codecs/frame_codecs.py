"""The four framings of gnet: each a reader and a writer in one object, which is also a stage.

Other than there, an empty frame is a frame, a line may end with ``\\r\\n``, and every codec has a limit.
"""

from __future__ import annotations

from typing import Final

from .._mypyc import mypyc_attr
from ..buffer import ReceiveBuffer
from ..errors import DecodeError, EncodeError
from .base import ByteToMessageDecoder, ICodec
from .delimiter import DelimiterBasedFrameDecoder
from .fixed_length import FixedLengthFrameDecoder
from .frame_configs import DecoderConfig, EncoderConfig
from .length_field import LengthFieldBasedFrameDecoder, LengthFieldPrepender
from .line import LineBasedFrameDecoder

__all__ = [
    "DecoderConfig",
    "DelimiterBasedFrameCodec",
    "EncoderConfig",
    "FixedLengthFrameCodec",
    "FrameCodec",
    "ICodec",
    "LengthFieldBasedFrameCodec",
    "LineBasedFrameCodec",
]

_MAX_LENGTH: Final = 1024 * 1024  # bytes of a frame


@mypyc_attr(allow_interpreted_subclasses=True)
class FrameCodec(ICodec[bytes]):
    """bytes → bytes, both ways: reads as ``frames`` does, and leaves ``encode`` to its subclasses."""

    def __init__(self, frames: ByteToMessageDecoder[bytes]) -> None:
        self._frames = frames

    def take_unread(self) -> bytes:
        self._frames.take_unread()  # it has no bytes, and forgets the frame that it was discarding
        return super().take_unread()

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        return self._frames.decode(buffer)

    def decode_last(self, buffer: ReceiveBuffer) -> bytes | None:
        return self._frames.decode_last(buffer)

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        return self._frames.unfinished(buffer)


@mypyc_attr(allow_interpreted_subclasses=True)
class LineBasedFrameCodec(FrameCodec):
    r"""Lines: read up to ``\n`` or ``\r\n``, written with ``\n``.

    Raises:
        FrameTooLongError: a line above ``max_length`` came; the next is decoded again.
        EncodeError: the message has ``\n`` inside, so that the peer would read two.
    """

    def __init__(self, *, max_length: int = _MAX_LENGTH) -> None:
        super().__init__(LineBasedFrameDecoder(max_length))

    def encode(self, message: bytes) -> bytes:
        if b"\n" in message:
            raise EncodeError(f"a line must not have b'\\n' inside, but {message[:80]!r} has")
        return message + b"\n"


@mypyc_attr(allow_interpreted_subclasses=True)
class DelimiterBasedFrameCodec(FrameCodec):
    """Frames that end with ``delimiter``.

    Raises:
        FrameTooLongError: a frame above ``max_length`` came; the next is decoded again.
        EncodeError: the message has the delimiter inside, so that the peer would read two.
    """

    def __init__(self, delimiter: bytes, *, max_length: int = _MAX_LENGTH) -> None:
        super().__init__(DelimiterBasedFrameDecoder(max_length, delimiter))
        self._delimiter = delimiter

    def encode(self, message: bytes) -> bytes:
        whole = message + self._delimiter
        # also where it begins in the message and ends in the delimiter
        if whole.find(self._delimiter) != len(message):
            raise EncodeError(
                f"a frame must not have its delimiter {self._delimiter!r} inside, but {message[:80]!r} has"
            )
        return whole


@mypyc_attr(allow_interpreted_subclasses=True)
class FixedLengthFrameCodec(FrameCodec):
    """Frames of ``length`` bytes; a message may be several of them.

    Raises:
        EncodeError: the message is no multiple of ``length`` bytes.
    """

    def __init__(self, length: int) -> None:
        super().__init__(FixedLengthFrameDecoder(length))
        self._length = length

    def encode(self, message: bytes) -> bytes:
        if len(message) % self._length:
            raise EncodeError(f"a message must be a multiple of {self._length} bytes, but has {len(message)}")
        return message


@mypyc_attr(allow_interpreted_subclasses=True)
class LengthFieldBasedFrameCodec(FrameCodec):
    """Frames that say how long they are; see ``LengthFieldPrepender`` and ``LengthFieldBasedFrameDecoder``.

    Raises:
        FrameTooLongError: a frame above ``max_length`` came; the next is decoded again.
        CorruptedFrameError: the number of a frame makes it end before its own body.
        EncodeError: the length of a message does not fit into its field.
    """

    def __init__(self, encoder: EncoderConfig, decoder: DecoderConfig, *, max_length: int = _MAX_LENGTH) -> None:
        super().__init__(
            LengthFieldBasedFrameDecoder(
                max_length,
                decoder.length_field_offset,
                decoder.length_field_length,
                decoder.length_adjustment,
                decoder.initial_bytes_to_strip,
                byte_order=decoder.byte_order,
            )
        )
        self._prepender = LengthFieldPrepender(
            encoder.length_field_length,
            length_adjustment=encoder.length_adjustment,
            length_includes_length_field=encoder.length_includes_length_field,
            byte_order=encoder.byte_order,
        )

    def encode(self, message: bytes) -> bytes | list[bytes]:
        return self._prepender.encode(message)
