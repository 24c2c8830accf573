"""Frames that say how long they are: a number in front, then so many bytes."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from .._mypyc import i64, mypyc_attr
from ..buffer import ReceiveBuffer
from ..errors import CorruptedFrameError, DecodeError, EncodeError, FrameTooLongError
from .base import TURN, ByteToMessageDecoder, MessageToByteEncoder

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext

BytesLike: TypeAlias = bytes | bytearray | memoryview

_WIDTHS: Final = (1, 2, 3, 4, 8)  # bytes that a length field may have
_HIGHEST_LIMIT: Final = 2**63 - 1  # bytes; positions are 64-bit
_SHORT: Final = 2**61  # compiled code compares numbers up to twice this without calling Python's ints
_LARGE: Final = 69633  # bytes; frames at least this large, more than a read brings, are received as header and body
_COPIED: Final = 8192  # bytes; copying a longer body behind its header costs more than a second piece
_HIGHEST_NUMBERS: Final = {width: 256**width - 1 for width in _WIDTHS}
_IS_INTERPRETED: Final = __file__.endswith(".py")
_FORMATS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}  # of struct, which has none for three bytes
_READY: Final = 1024  # lengths below this have their header ready-made: making it costs more than the whole rest


@mypyc_attr(allow_interpreted_subclasses=True)
class LengthFieldBasedFrameDecoder(ByteToMessageDecoder[bytes]):
    r"""bytes → bytes, one frame each; the frame itself says how long it is.

    ``length_field_length`` bytes (1, 2, 3, 4 or 8), found ``length_field_offset`` into the frame, hold an unsigned
    number; that number plus ``length_adjustment`` counts what follows the field.  ``initial_bytes_to_strip`` are cut
    off the front of what is delivered::

        offset 1, length 2, adjustment 1 (hdr2), strip 3 (hdr1 + len)
        +------+-------+------+-------+     +------+-------+
        | hdr1 |  len  | hdr2 | body  |     | hdr2 | body  |
        | \xCA | 00 05 | \xFE | HELLO | --> | \xFE | HELLO |
        +------+-------+------+-------+     +------+-------+

        length 2, adjustment -2 (the number counts itself), strip 0
        +-------+-------+     +-------+-------+
        |  len  | body  |     |  len  | body  |
        | 00 07 | HELLO | --> | 00 07 | HELLO |
        +-------+-------+     +-------+-------+

    Args:
        max_frame_length: bytes of the longest frame, header included.
        byte_order: ``"big"`` or ``"little"``.
        fail_fast: report a frame that is too long as soon as its header is read; otherwise once it has gone by.

    Raises:
        FrameTooLongError: before buffering it, for a frame above ``max_frame_length``; the next frame is decoded again.
        CorruptedFrameError: the number makes the frame end before its own body, or before the last byte to strip.
    """

    def __init__(
        self,
        max_frame_length: int,
        length_field_offset: int = 0,
        length_field_length: int = 4,
        length_adjustment: int = 0,
        initial_bytes_to_strip: int = 0,
        *,
        byte_order: str = "big",
        fail_fast: bool = True,
    ) -> None:
        _check_field(length_field_length, byte_order)
        is_short = 0 < max_frame_length < _SHORT and -_SHORT < length_adjustment < _SHORT  # nearly always
        if not is_short and not 0 < max_frame_length <= _HIGHEST_LIMIT:
            raise ValueError(f"max_frame_length must be from 1 to {_HIGHEST_LIMIT}, but is {max_frame_length}")
        if length_field_offset < 0:
            raise ValueError(f"length_field_offset must not be negative, but is {length_field_offset}")
        if not is_short and not -_HIGHEST_LIMIT <= length_adjustment <= _HIGHEST_LIMIT:
            raise ValueError(f"length_adjustment must fit into 64 bits, but is {length_adjustment}")
        if initial_bytes_to_strip < 0:
            raise ValueError(f"initial_bytes_to_strip must not be negative, but is {initial_bytes_to_strip}")
        body_at = length_field_offset + length_field_length
        if body_at > max_frame_length:
            raise ValueError(
                f"max_frame_length must hold the length field, which ends at byte {body_at}, but is {max_frame_length}"
            )
        if initial_bytes_to_strip > max_frame_length:
            raise ValueError(
                f"initial_bytes_to_strip must not be above max_frame_length, {max_frame_length}, "
                f"but is {initial_bytes_to_strip}"
            )
        unnumbered = body_at + length_adjustment
        highest = max_frame_length - unnumbered
        if not is_short:
            unnumbered = min(unnumbered, _HIGHEST_LIMIT)
            highest = min(max_frame_length - unnumbered, _HIGHEST_LIMIT - 1)
        least = max(body_at, initial_bytes_to_strip)
        self._max_frame = max_frame_length
        self._field_at: i64 = length_field_offset
        self._field_length: i64 = length_field_length
        self._little = byte_order == "little"
        self._body_at: i64 = body_at
        self._unnumbered: i64 = unnumbered  # bytes of a frame that its number does not count
        self._least = least
        # The numbers of frames that are neither too short nor too long.
        self._least_number: i64 = max(least - unnumbered, 0)
        self._highest_number: i64 = highest
        self._strip: i64 = initial_bytes_to_strip
        self._fail_fast = fail_fast
        self._longest_plain: i64 = min(max_frame_length, _LARGE - 1)
        self._unpack: Any = None
        if _IS_INTERPRETED and length_field_length in _FORMATS and self._least_number == 0:
            self._unpack = Struct(("<" if self._little else ">") + _FORMATS[length_field_length]).unpack_from
            self.has_plain_loop = type(self).decode is LengthFieldBasedFrameDecoder.decode
        self._overlong: int = 0  # length of the frame that is being discarded, and how much of it is to come
        self._to_discard: int = 0

    def take_unread(self) -> bytes:
        self._to_discard = 0
        return super().take_unread()

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        if self._to_discard:
            return self._discard(buffer)
        if buffer.left < self._body_at:
            return None
        number: i64
        if self._field_length <= 4:
            number = buffer.peek_u32(self._field_at, self._field_length, self._little)
        else:
            exact = self._exact_number(buffer)
            number = exact if exact < _HIGHEST_LIMIT else _HIGHEST_LIMIT
        if not self._least_number <= number <= self._highest_number:
            return self._refuse(buffer)
        frame: i64 = number + self._unnumbered
        if buffer.left < frame:
            buffer.wait_for(frame)
            return None
        if frame >= _LARGE and buffer.left == frame:
            buffer.expect(self._body_at)  # then the next body, too, can come as one piece
        return buffer.cut(self._strip, frame, frame)

    def deliver_plain(self, ctx: ChannelHandlerContext[Any, Any], buffer: ReceiveBuffer) -> int:
        """Deliver the frames that lie whole in the front of the buffer."""
        if self._to_discard:
            return 0
        front = buffer.front
        unpack = self._unpack
        field_at = self._field_at
        unnumbered = self._unnumbered
        strip = self._strip
        channel = ctx.channel
        seat = ctx.to_channel_read
        deliver = seat.inbound.channel_read
        first = start = buffer.pos
        horizon = len(front)
        if horizon - first > self._longest_plain:
            horizon = first + self._longest_plain  # no frame that ends before it is too long
        last = horizon - self._body_at  # where a frame may begin at most, or its number is not all here
        buffer.wanted = 0
        for count in range(TURN):
            if start > last or channel.room_until < 0 or self.is_paused or ctx.to_channel_read is not seat:
                return count
            length = unnumbered + unpack(front, start + field_at)[0]
            end = start + length
            if end > horizon:
                return count
            buffer.left -= length
            buffer.pos = end
            try:
                deliver(seat, front[start + strip : end])
            except KeyboardInterrupt:
                raise
            except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
                seat.catch(exc)
            start = end
            if buffer.pos != end:
                return count + 1  # a handler has taken the rest
        return TURN

    def _exact_number(self, buffer: ReceiveBuffer) -> int:
        """Look at the number whatever its size: one of 64 bits may be above what positions are counted with."""
        return buffer.peek_uint(self._field_at, self._field_length, self._little)

    def _refuse(self, buffer: ReceiveBuffer) -> bytes | None:
        number = self._exact_number(buffer)
        uncounted: int = self._unnumbered  # not a machine word, for the sum may be above 64 bits
        frame = number + uncounted
        if frame < self._least:
            raise CorruptedFrameError(
                f"the length field says {number}, so the frame would have {frame} bytes; "
                f"with this configuration it has at least {self._least}"
            )
        self._overlong = self._to_discard = frame
        return self._discard(buffer)

    def _discard(self, buffer: ReceiveBuffer) -> bytes | None:
        """Drop what is here of a frame that is too long; report it at its begin or its end."""
        begins = self._to_discard == self._overlong
        here: int = buffer.left
        if here > self._to_discard:
            here = self._to_discard
        buffer.skip(here)
        self._to_discard -= here
        if begins if self._fail_fast else self._to_discard == 0:
            raise FrameTooLongError(self._overlong, self._max_frame)
        return None

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        if self._to_discard and not self._fail_fast:
            return FrameTooLongError(self._overlong, self._max_frame)  # nobody has heard of it yet
        return super().unfinished(buffer)


@mypyc_attr(allow_interpreted_subclasses=True)
class LengthFieldPrepender(MessageToByteEncoder[BytesLike]):
    r"""bytes → bytes with their length in front; what ``LengthFieldBasedFrameDecoder`` reads.

    The number is the length of the message plus ``length_adjustment``, and plus the field itself if
    ``length_includes_length_field``::

        length 2                                length 2, length_includes_length_field
        +-------+     +-------+-------+         +-------+     +-------+-------+
        | HELLO | --> | 00 05 | HELLO |         | HELLO | --> | 00 07 | HELLO |
        +-------+     +-------+-------+         +-------+     +-------+-------+

    A long message is not copied: it is written as a second piece, and must not be changed before it is sent.

    Raises:
        EncodeError: the number is negative after adjustment, or does not fit into the field.
    """

    def __init__(
        self,
        length_field_length: int = 4,
        *,
        length_adjustment: int = 0,
        length_includes_length_field: bool = False,
        byte_order: str = "big",
    ) -> None:
        _check_field(length_field_length, byte_order)
        self._field_length = length_field_length
        self._extra: int = length_adjustment + (length_field_length if length_includes_length_field else 0)
        self._highest: int = _HIGHEST_NUMBERS[length_field_length]
        self._order = byte_order
        self._headers = _ready_made(length_field_length, self._extra, byte_order)
        self._ready = len(self._headers)

    def encode(self, msg: BytesLike) -> bytes | list[bytes]:
        if not isinstance(msg, bytes):
            return self._encode_mutable(msg)
        size = len(msg)
        if size < self._ready:
            return self._headers[size] + msg
        header = self._header(size + self._extra)
        if size > _COPIED:
            return [header, msg]
        return header + msg

    def _encode_mutable(self, msg: bytearray | memoryview) -> bytes | list[bytes]:
        size = msg.nbytes if isinstance(msg, memoryview) else len(msg)
        header = self._header(size + self._extra)
        if size <= _COPIED or (isinstance(msg, memoryview) and not msg.c_contiguous):
            return header + bytes(msg)
        pieces: list[Any] = [header, msg.cast("B") if isinstance(msg, memoryview) else msg]
        return pieces

    def _header(self, number: int) -> bytes:
        if number < 0:
            raise EncodeError(f"the length is {number} after adjustment, and a length field holds no negative number")
        if number > self._highest:
            raise EncodeError(f"a length of {number} does not fit into a field of {self._field_length} bytes")
        return number.to_bytes(self._field_length, "little" if self._order == "little" else "big")


_made: Final[dict[tuple[int, int, str], list[bytes]]] = {}  # as many as a program has kinds of prependers


def _ready_made(width: int, extra: int, byte_order: str) -> list[bytes]:
    """List the fields of all short messages; every prepender of the kind shares it."""
    headers = _made.get((width, extra, byte_order))
    if headers is None:
        order: Literal["little", "big"] = "little" if byte_order == "little" else "big"
        numbers = range(extra, min(_READY, 256**width)) if extra >= 0 else range(0)  # below 0, the shortest have none
        headers = [number.to_bytes(width, order) for number in numbers]
        _made[width, extra, byte_order] = headers
    return headers


def _check_field(length: int, byte_order: str) -> None:
    if length not in _WIDTHS:
        raise ValueError(f"length_field_length must be 1, 2, 3, 4 or 8, but is {length}")
    if byte_order not in ("big", "little"):
        raise ValueError(f'byte_order must be "big" or "little", but is {byte_order!r}')
