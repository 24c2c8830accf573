r"""FrameDecoder: frames, and the messages that they make.

::

     first byte        second byte       0, 2 or 8 bytes    4 bytes, from clients   length bytes
    +---+---+--------+------+---------+-----------------+-----------------------+--------------+
    |FIN|RSV| opcode | MASK | length  | length, if the  | key                   | payload      |
    | 1 | 3 |   4    |  1   |    7    | 7 bits say 126  |                       |              |
    |   |   |        |      |         | or 127          |                       |              |
    +---+---+--------+------+---------+-----------------+-----------------------+--------------+

Nearly every message is one frame that came in one read: cut, unmask, decode, done.  All others take the long way, piece
by piece as they come, so that text which is no UTF-8 is refused at its first wrong byte, what is compressed is held to
its limits while it grows, and what was announced costs nothing before it is here.

Bytes that inflate to a thousand times as many take a thousand times as long as others: what one wake-up of the loop
reads would keep it for seconds.  So the decoder rests when it has inflated much, and goes on in the next turn.

Source: RFC 6455, sections 5 and 8.1; RFC 7692, sections 6 and 7.2
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..._mypyc import i64, with_cause
from ...buffer import ReceiveBuffer
from ...errors import DecodeError
from ..base import COSTLY_TURN, ByteToMessageDecoder
from .close_codes import may_travel
from .deflate import Inflater, inflater_for
from .deflate_parameters import DeflateParameters
from .errors import WebSocketDecodeError
from .limits import LIMITS, Limits
from .masking import apply_mask, unmask
from .messages import Close, Fragment, InMessage, Ping, Pong
from .opcodes import BINARY, CLOSE, CONTINUATION, FIN, MAX_CONTROL, PING, PONG, RSV1, TEXT
from .utf8 import Utf8Decoder

if TYPE_CHECKING:
    from ...context import ChannelHandlerContext

_WHOLE_TEXT: Final = 0x81
_WHOLE_BINARY: Final = 0x82
_RESERVED: Final = 0x70
_FEW: Final = 256  # pieces; so many small ones are joined, for each costs more memory than it has bytes
_SMALL: Final = 1024  # bytes or characters
_DEFLATED_PIECE: Final = 1024  # bytes; they become at most a megabyte
_TURN: Final = (
    4 * 1024 * 1024
)  # bytes inflated, in some 15 ms, after which other connections of the loop get their turn
_MOST: Final = 2**62  # bytes; never here, and something can be added to it without an overflow of 64 bits


class FrameDecoder(ByteToMessageDecoder[InMessage]):
    """bytes → ``str``, ``bytes``, ``Ping``, ``Pong``, ``Close``; or ``Fragment`` for the first two.

    Nothing is decoded after a ``Close``: RFC 6455 1.4 lets us discard what follows it.

    Args:
        role: ``"server"``, to which masked frames come, or ``"client"``.
        deflate: what was agreed on; ``None`` for nothing, so that compressed messages are refused.
        messages: whether fragments are put together.  Otherwise each piece is passed on as it came, however long the
            message.

    Raises:
        WebSocketDecodeError: 1002 for broken rules, 1007 for text that is no UTF-8, 1008 and 1009 for limits; 1006 when
            the input ends in the middle of something.
        ValueError: a role that there is not.
    """

    def __init__(
        self,
        role: str,
        *,
        limits: Limits = LIMITS,
        deflate: DeflateParameters | None = None,
        messages: bool = True,
    ) -> None:
        check_role(role)
        self.turn = COSTLY_TURN
        self._is_masked = role == "server"
        self._key_size: i64 = 4 if role == "server" else 0
        self._max_message: i64 = min(limits.max_message, _MOST)
        self._max_frame: i64 = min(limits.max_frame, _MOST)
        self._max_fragments: i64 = limits.max_fragments
        self._whole = messages
        self._inflater: Inflater | None = None if deflate is None else inflater_for(role, deflate, limits.max_ratio)
        self.has_heard = False
        """Whether bytes came since somebody set this to false."""
        self._has_ended = False  # a Close came
        # The frame whose payload is being read.
        self._in_frame = False
        self._is_last = False
        self._missing: i64 = 0
        self._key = b""
        # The message that it belongs to.
        self._opcode: i64 = CONTINUATION  # of its first frame; CONTINUATION between messages
        self._is_compressed = False
        self._size: i64 = 0
        self._fragments: i64 = 0
        self._seat: ChannelHandlerContext[Any, Any] | None = None  # none where it works without a pipeline
        self._inflated: i64 = 0  # bytes since it has rested
        self._is_sated = False
        self._unfinished: _Unfinished | None = None

    @property
    def unread_bytes(self) -> int:
        held = 0 if self._buffer is None else self._buffer.left
        return held + self._size if self._whole and self._opcode != CONTINUATION else held

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.has_heard = True
        super().channel_read(ctx, msg)

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._seat = ctx

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._seat = None
        super().handler_removed(ctx)

    def pause(self) -> None:
        """Decode no more until ``resume()``."""
        self.is_paused = True
        self._is_sated = False

    def decode(self, buffer: ReceiveBuffer) -> InMessage | None:
        if self._in_frame:
            return self._read_payload(buffer)
        if self._has_ended:
            buffer.skip(buffer.left)
            return None
        if buffer.left < 2:
            return None
        data = buffer.data
        pos: i64 = buffer.pos
        first: i64 = data[pos]
        second: i64 = data[pos + 1]
        size: i64 = second & 0x7F
        is_plain = first in (_WHOLE_TEXT, _WHOLE_BINARY) and self._opcode == CONTINUATION
        if not is_plain:
            self._check_first_byte(first, size)
        if (second > 0x7F) is not self._is_masked:
            raise _broken(
                "a server must not mask its frames" if second > 0x7F else "a client must mask its frames"
            )  # RFC 6455 5.1
        header: i64 = 2
        if size > MAX_CONTROL:
            header = 4 if size == 126 else 10
            if buffer.left < header:
                buffer.wait_for(header)
                return None
            size = _long_size(data, pos, header)
        if size > self._max_frame:
            raise WebSocketDecodeError(1009, f"a frame of {size} bytes is over the limit of {self._max_frame}")
        header += self._key_size
        if buffer.left < header:
            buffer.wait_for(header)
            return None
        end: i64 = header + size
        if is_plain and buffer.left >= end and self._whole:
            if size > self._max_message:
                raise self._too_big(size)
            payload = self._payload(data, pos + header, size)
            buffer.skip(end)
            if first == _WHOLE_BINARY:
                return payload
            try:
                return payload.decode("utf-8")
            except UnicodeDecodeError as exc:
                raise _no_text(exc) from exc
        if first & CLOSE:  # the bit that control frames have
            if buffer.left < end:
                buffer.wait_for(end)
                return None
            payload = self._payload(data, pos + header, size)
            buffer.skip(end)
            return self._control(first & 0x0F, payload)
        key = data[pos + header - 4 : pos + header] if self._is_masked else b""
        buffer.skip(header)
        self._begin_frame(first, size, key)
        return self._read_payload(buffer)

    def _payload(self, data: bytes, at: i64, size: i64) -> bytes:
        """Read what a frame carries, all of which is here."""
        return unmask(data, at - 4, size) if self._is_masked else data[at : at + size]

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        if self._has_ended or (buffer.left == 0 and not self._in_frame and self._opcode == CONTINUATION):
            return None
        return WebSocketDecodeError(1006, "the input ended in the middle of a message, or of a control frame")

    # -- headers ------------------------------------------------------------------------------------

    def _check_first_byte(self, first: i64, size: i64) -> None:
        opcode: i64 = first & 0x0F
        if opcode > BINARY and not CLOSE <= opcode <= PONG:
            raise _broken(f"opcode {opcode} is reserved")
        if first & _RESERVED and (
            first & _RESERVED != RSV1 or self._inflater is None or not CONTINUATION < opcode <= BINARY
        ):
            # RFC 7692 6.1: "An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and non-first
            # fragments of a data message."
            raise _broken("a reserved bit is set that no extension gives a meaning here")
        if opcode >= CLOSE:
            if not first & FIN:
                raise _broken("a control frame must not be fragmented")
            if size > MAX_CONTROL:
                raise _broken(f"a control frame has at most {MAX_CONTROL} bytes")
        elif opcode == CONTINUATION:
            if self._opcode == CONTINUATION:
                raise _broken("there is no message that could be continued")
        elif self._opcode != CONTINUATION:
            raise _broken("a message begins before the last one has ended")

    def _begin_frame(self, first: i64, size: i64, key: bytes) -> None:
        opcode: i64 = first & 0x0F
        if opcode != CONTINUATION:
            self._opcode = opcode
            self._is_compressed = first & RSV1 != 0
            self._unfinished = _Unfinished()
            self._size = 0
            self._fragments = 0
        self._fragments += 1
        if self._whole:
            if self._fragments > self._max_fragments:
                raise WebSocketDecodeError(1008, f"a message has more than {self._max_fragments} fragments")
            if not self._is_compressed and self._size + size > self._max_message:
                raise self._too_big(self._size + size)
        self._in_frame = True
        self._is_last = first & FIN != 0
        self._missing = size
        self._key = key

    # -- payloads -----------------------------------------------------------------------------------

    def _read_payload(self, buffer: ReceiveBuffer) -> str | bytes | Fragment | None:
        """Take what is here of a data frame; its last byte, of the last frame, makes the message."""
        here: i64 = buffer.left
        if here > self._missing:
            here = self._missing
        if self._is_compressed and not self._whole and here > _DEFLATED_PIECE:
            here = _DEFLATED_PIECE
        if here == 0 and self._missing > 0:
            return None
        piece = buffer.take(here)
        if self._is_masked and here > 0:
            piece = apply_mask(piece, self._key)
            turn: i64 = here & 3
            if turn > 0:
                self._key = self._key[turn:] + self._key[:turn]
        self._missing -= here
        self._in_frame = self._missing > 0
        ends = self._is_last and not self._in_frame
        inflater = self._inflater
        if self._is_compressed and inflater is not None:
            room: i64 = self._max_message - self._size + 1 if self._whole else _DEFLATED_PIECE * 2048
            piece = inflater.inflate(piece, ends, room)
            self._inflated += len(piece)
            if self._inflated >= _TURN:
                self._sit_back()
        part: str | bytes = piece
        message = self._unfinished
        assert message is not None, "a frame has begun, and so has a message"
        if self._opcode == TEXT:
            try:
                part = message.text.decode(piece, ends)
            except UnicodeDecodeError as exc:
                raise _no_text(exc) from exc
        if self._whole:
            self._size += len(piece)
            if self._size > self._max_message:
                raise self._too_big(self._size)
            if not ends:
                message.keep(part)
                return None
            self._opcode = CONTINUATION
            self._unfinished = None
            return message.join(part)
        if ends:
            self._opcode = CONTINUATION
            self._unfinished = None
        elif len(part) == 0:
            return None
        return Fragment(part, ends)

    def _sit_back(self) -> None:
        """Let others have their turn."""
        self._inflated = 0
        seat = self._seat
        if seat is not None and not self.is_paused:
            self.is_paused = self._is_sated = True
            seat.channel.loop.execute(self._go_on, seat)

    def _go_on(self, seat: ChannelHandlerContext[Any, Any]) -> None:
        if self._is_sated and not seat.is_removed and seat.channel.is_open:
            self._is_sated = False
            if self.is_paused:  # unless somebody has resumed it before
                self.resume(seat)

    def _too_big(self, size: i64) -> WebSocketDecodeError:
        return WebSocketDecodeError(1009, f"a message of {size} bytes is over the limit of {self._max_message}")

    # -- control frames -----------------------------------------------------------------------------

    def _control(self, opcode: i64, payload: bytes) -> Ping | Pong | Close:
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        close = _read_close(payload)
        self._has_ended = True
        return close


class _Unfinished:
    """What is here of a message that comes in several pieces."""

    def __init__(self) -> None:
        self.text = Utf8Decoder()
        self._pieces: list[Any] = []
        self._crumbs: list[Any] = []

    def keep(self, part: str | bytes) -> None:
        """Keep a part, a large one as it is."""
        if len(part) >= _SMALL:
            self._sweep()
            self._pieces.append(part)
        elif len(part) > 0:
            self._crumbs.append(part)
            if len(self._crumbs) == _FEW:
                self._sweep()

    def join(self, last: str | bytes) -> str | bytes:
        """Put the message together, once."""
        self._sweep()
        pieces = self._pieces
        if not pieces:
            return last
        pieces.append(last)
        return "".join(pieces) if isinstance(last, str) else b"".join(pieces)

    def _sweep(self) -> None:
        crumbs = self._crumbs
        if crumbs:
            self._pieces.append("".join(crumbs) if isinstance(crumbs[0], str) else b"".join(crumbs))
            self._crumbs = []


def check_role(role: str) -> None:
    """Refuse what is neither of the two.

    Raises:
        ValueError: naming it.
    """
    if role not in ("server", "client"):
        raise ValueError(f'the role is "server" or "client", not {role!r}')


def _long_size(data: bytes, pos: i64, header: i64) -> i64:
    """Read a length of 2 or 8 bytes; it must need so many."""
    size: i64 = 0
    at: i64 = pos + 2
    end: i64 = pos + header
    if header == 10 and data[at] > 0x7F:
        raise _broken("the highest bit of a length of 64 bits must be 0")  # RFC 6455 5.2
    while at < end:
        size = size << 8 | data[at]
        at += 1
    if size < (126 if header == 4 else 65536):
        raise _broken(f"a length of {size} must be written with fewer bytes")  # 5.2, "the minimal number of bytes"
    return size


def _read_close(payload: bytes) -> Close:
    """Read code and reason; both may be missing."""
    size: i64 = len(payload)
    if size == 0:
        return Close(None)
    if size == 1:
        raise _broken("a Close frame has a code of two bytes, or nothing")
    high: i64 = payload[0]
    low: i64 = payload[1]
    code: i64 = high << 8 | low
    if not may_travel(code):
        raise _broken(f"a Close frame must not have the code {code}")
    try:
        reason = payload[2:].decode("utf-8")
    except UnicodeDecodeError as exc:
        raise _no_text(exc) from exc
    return Close(code, reason)


def _broken(message: str) -> WebSocketDecodeError:
    return WebSocketDecodeError(1002, message)


def _no_text(exc: UnicodeDecodeError) -> WebSocketDecodeError:
    return with_cause(WebSocketDecodeError(1007, f"text is no UTF-8: {exc.reason}"), exc)
