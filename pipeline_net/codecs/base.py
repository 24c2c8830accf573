"""What decoders and encoders share: you write one method, the base class does the rest.

A decoder is one method, ``decode(buffer)``: one message, ``None`` for "not yet", or ``DecodeError``.  The base class
owns the buffer, the loop, and everything that is easy to get wrong:

* messages that were decoded before an error are delivered before it;
* after a ``DecodeError`` nothing more is decoded, for what follows cannot be trusted; only ``FrameTooLongError`` lets a
  decoder that consumed bytes before raising it, because it skips the frame, go on with the next;
* a handler that closes the channel gets no further message; one that takes the decoder out, the unread bytes;
* bytes that arrive while a message is being handled wait for their turn;
* while the peer does not read our answers, its further messages stay undecoded: a few bytes may ask for megabytes,
  and one batch holds many such questions (``pause_reads_when_unwritable=False`` lets them through);
* after many messages other connections of the loop get their turn, for one read may hold thousands of small ones;
* bytes left over when the input ends are a truncated frame, and reported as such;
* with ``auto_read`` off, bytes that made no message ask for more.

A decoder also works without a pipeline: ``feed(data)`` and ``finish()`` return messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Never

from typing_extensions import TypeVar

from .._mypyc import i64, mypyc_attr
from ..buffer import ReceiveBuffer
from ..errors import CorruptedFrameError, DecodeError, FrameTooLongError, PipelineError
from ..handler import ChannelDuplexHandler, ChannelInboundHandler
from .message_to_byte import MessageToByteEncoder as MessageToByteEncoder
from .message_to_message import MessageToMessageCodec as MessageToMessageCodec
from .message_to_message import MessageToMessageDecoder as MessageToMessageDecoder
from .message_to_message import MessageToMessageEncoder as MessageToMessageEncoder

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture

M = TypeVar("M", covariant=True, default=Any)
T = TypeVar("T", default=Any)

TURN: Final = 2048  # steps, after which other connections of the loop get their turn; a read may hold 64 Ki messages
COSTLY_TURN: Final = 256  # the same where a message is a request or a command, which takes some microseconds


@mypyc_attr(allow_interpreted_subclasses=True)
class ByteToMessageDecoder(ChannelInboundHandler[bytes, M, Never], Generic[M]):
    """bytes → M; subclasses say how one message is cut off the front.

    Raises:
        PipelineError: ``decode`` returned a message and consumed nothing, which would never end.
    """

    # Class-level, so that a subclass need not call super().__init__().
    _buffer: ReceiveBuffer | None = None
    _decoding: bool = False
    _failed: bool = False  # terminal: a protocol error was found
    _finished: bool = False  # the input has ended
    _eof_waits: bool = False  # it ended while a message was being handled, or while messages wait for room
    _waits_for_room: bool = False  # the peer does not read our answers: the rest is decoded once it does
    owes_message: bool = False  # see decode()
    is_paused: bool = False
    """Whether messages wait undecoded until ``resume()``.  Reading pauses when bytes wait; before, an end is seen."""
    _holds_reads: bool = False
    _rests: bool = False  # until the next turn of the loop, for the sake of other connections
    _brought_nothing: bool = False  # no message has come of what was read last, as far as it is decoded
    turn: int = TURN  # steps; a subclass sets another number in __init__
    has_plain_loop: bool = False  # see deliver_plain()
    author: str = ""  # whose decode() it is, for messages about mistakes; "" when it is this class's own

    def decode(self, buffer: ReceiveBuffer) -> M | None:
        """Cut one message off the front of ``buffer``; ``None`` for "not yet"; ``DecodeError`` for broken rules.

        Called with at least one unread byte, and as long as messages come or bytes are consumed.

        Where one place in the bytes stands for two messages, such as the last byte of a body and its end, return the
        first and set ``owes_message``: then decode is called again although no byte may be left, and may return the
        second without consuming any.
        """
        raise NotImplementedError(f"{type(self).__name__} must have a method decode(self, buffer)")

    def decode_last(self, buffer: ReceiveBuffer) -> M | None:
        """Like ``decode``, for what is left when the input has ended."""
        return self.decode(buffer)

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        """Say what is wrong with input that ends here: bytes that are left over, or a frame whose front is taken."""
        return default_unfinished(buffer)

    @property
    def unread_bytes(self) -> int:
        return 0 if self._buffer is None else self._buffer.left

    def take_unread(self) -> bytes:
        """Give away the unread bytes.  A subclass that remembers something about them overrides it, and forgets that:
        what is decoded next belongs to another stream.
        """
        return b"" if self._buffer is None else self._buffer.give_away()

    # -- in a pipeline ------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if not isinstance(msg, bytes):
            if not isinstance(msg, (bytearray, memoryview)):
                ctx.fire_channel_read(msg)  # decoded by somebody else already
                return
            msg = bytes(msg)
        if self._failed or self._finished:
            return
        buffer = self._buffer
        if buffer is None:
            buffer = self._make_buffer()
        buffer.append(msg)
        if self._rests:
            made = True  # reading on would only add to what waits
        elif self._decoding or buffer.left < buffer.wanted:
            made = False
        else:
            self._brought_nothing = True
            made = self._decode(ctx, buffer)
        if buffer.expected > 0:
            self._pass_on_expectation(ctx, buffer)
        if self._eof_waits:
            self._end_input(ctx, made)
        elif not made and not ctx.channel.auto_read and not self._decoding:
            ctx.read()

    def _make_buffer(self) -> ReceiveBuffer:
        """Make the buffer.  Interpreted, what is often asked for is found quicker in the object than in its class."""
        self._failed = self._failed
        self._finished = self._finished
        self._eof_waits = self._eof_waits
        self.owes_message = self.owes_message
        self.is_paused = self.is_paused
        self._rests = self._rests
        buffer = self._buffer = ReceiveBuffer()
        return buffer

    def deliver_plain(self, ctx: ChannelHandlerContext[Any, Any], buffer: ReceiveBuffer) -> int:
        """Deliver the messages at the front that need no thought, as ``decode`` would, ``TURN`` at most; how many.

        Called before ``decode`` if ``has_plain_loop``, in the interpreted build, where calls cost most.  It ends before
        it consumes anything, when the decoder is paused or was removed, or ``room_until`` of the channel is negative.
        """
        raise NotImplementedError

    def _decode(self, ctx: ChannelHandlerContext[Any, Any], buffer: ReceiveBuffer) -> bool:
        """Deliver all the messages that are there; whether there were any, or reading on would be of no use."""
        made = False
        steps: i64 = 0
        turn: i64 = self.turn
        channel = ctx.channel
        self._decoding = True
        self._waits_for_room = False
        try:
            if self.has_plain_loop and not self._finished and not ctx.runs_on_pool:
                steps = self.deliver_plain(ctx, buffer)
                made = steps > 0
                if made and not channel.is_open:
                    self._drop(buffer)
            while (buffer.left > 0 or self.owes_message) and not ctx.is_removed:
                if self.is_paused or (not channel.has_room and channel.is_open and channel.pauses_when_unwritable):
                    if self.is_paused and not self._holds_reads:
                        self._holds_reads = True
                        channel.hold_reads()
                    self._waits_for_room = True
                    break
                if steps >= turn and channel.is_open and not ctx.runs_on_pool:
                    self._rest(ctx)
                    break
                steps += 1
                before: i64 = buffer.left
                owed = self.owes_message
                try:
                    message = self.decode_last(buffer) if self._finished else self.decode(buffer)
                except KeyboardInterrupt:
                    raise
                except BaseException as exc:  # noqa: BLE001 - whatever decode raises is the pipeline's to handle
                    self._decode_raised(ctx, buffer, exc, before)
                    if not channel.is_open:
                        self._drop(buffer)
                    continue
                if message is None:
                    if buffer.left == before:
                        break
                    continue
                made = True
                if buffer.left == before and (not owed or self.owes_message):
                    self._failed = True
                    self._drop(buffer)
                    self._report(ctx, self._consumed_nothing(message))
                    break
                ctx.fire_channel_read(message)
                if not channel.is_open:
                    self._drop(buffer)  # whoever closes wants no more messages
        except KeyboardInterrupt:  # who goes on afterwards gets the messages that are here, though no byte may follow
            if not ctx.is_removed and not ctx.runs_on_pool:
                self._rest(ctx)
            raise
        finally:
            self._decoding = False
            if ctx.is_removed:
                self._hand_over(ctx)
            else:
                buffer.trim()
        if made:
            self._brought_nothing = False
        return made or self._waits_for_room or self._failed  # reading on would only add to what waits, or is of no use

    def _rest(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Leave what is still here to the next turn of the loop, and reading until then."""
        self._rests = True
        self._waits_for_room = True
        if not self._holds_reads:
            self._holds_reads = True
            ctx.channel.hold_reads()
        ctx.channel.loop.execute(self._go_on_after_rest, ctx)

    def _go_on_after_rest(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not self._rests or ctx.is_removed:
            return
        self._rests = False
        try:
            if ctx.channel.is_open:
                self._decode_what_waited(ctx)
        finally:  # a KeyboardInterrupt, too, leaves nobody who does not read
            if not self._rests and not self.is_paused:
                self._release_reads(ctx)

    def _pass_on_expectation(self, ctx: ChannelHandlerContext[Any, Any], buffer: ReceiveBuffer) -> None:
        """Tell the transport what should come as one piece: it can only help whoever reads straight from it."""
        if ctx.is_next_to_wire:
            ctx.channel.read_hint = buffer.expected
        buffer.expected = 0

    def _decode_raised(
        self, ctx: ChannelHandlerContext[Any, Any], buffer: ReceiveBuffer, exc: BaseException, before: i64
    ) -> None:
        if not isinstance(exc, FrameTooLongError) or buffer.left == before:
            self._failed = True
            self._drop(buffer)
        self._report(ctx, exc)

    def _drop(self, buffer: ReceiveBuffer) -> None:
        buffer.clear()
        self.owes_message = False

    def _report(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        """Offer ``exc`` to this handler's own ``exception_caught``, as if the event had raised it, and go on."""
        try:
            self.exception_caught(ctx, exc)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # noqa: BLE001 - no user code can kill a loop
            ctx.log_raising_catcher(raised)

    def _consumed_nothing(self, message: Any) -> PipelineError:
        where = f"{self.author or type(self).__name__}.decode"
        return PipelineError(f"{where} returned {message!r} without consuming a byte, and would do so for ever")

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Decode what has waited for room; a subclass with something to add calls this one, too."""
        ctx.fire_channel_writability_changed()  # first: what has waited behind us is older
        if ctx.channel.is_writable:
            self._decode_what_waited(ctx)

    def resume(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Pause no more, and decode what has waited; ``ctx`` is the seat of this decoder."""
        self.is_paused = False
        if not self._rests:
            self._release_reads(ctx)
            self._decode_what_waited(ctx)

    @property
    def holds_reads(self) -> bool:
        """Whether reading pauses because bytes wait here, until ``resume()`` or for the next turn of the loop."""
        return self._holds_reads

    def _release_reads(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._holds_reads:
            self._holds_reads = False
            ctx.channel.release_reads()

    def _decode_what_waited(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        buffer = self._buffer
        if buffer is None or not self._waits_for_room or self._decoding or self._rests:
            return
        made = self._decode(ctx, buffer)
        if self._eof_waits:
            self._end_input(ctx, made)
        elif made:
            ctx.fire_channel_read_complete()
        elif self._brought_nothing and not ctx.channel.auto_read:
            ctx.read()

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._finished:
            ctx.fire_channel_eof()
            return
        self._finished = True
        self._eof_waits = True  # the bytes that came before it go first
        buffer = self._buffer
        is_idle = not self._failed and not self._decoding and not self._rests
        made = buffer is not None and is_idle and self._decode(ctx, buffer)
        self._end_input(ctx, made)

    def _end_input(self, ctx: ChannelHandlerContext[Any, Any], made: bool) -> None:
        """Let the end of input through, unless messages that came before it are still to be decoded."""
        if self._decoding or self._waits_for_room:
            return
        self._eof_waits = False
        buffer = self._buffer
        if buffer is None and not ctx.is_removed:
            buffer = ReceiveBuffer()
        if buffer is not None and not self._failed and ctx.channel.is_open:
            error = self.unfinished(buffer)
            if error is not None:
                self._failed = True
                buffer.clear()
                self._report(ctx, error)
        if made:
            ctx.fire_channel_read_complete()
        ctx.fire_channel_eof()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._release_reads(ctx)
        self._rests = False
        if not self._decoding:
            self._hand_over(ctx)  # otherwise once the message that is being handled is done
            self._waits_for_room = False
            if self._eof_waits and ctx.channel.is_open:
                self._end_input(ctx, False)

    def _hand_over(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Give the unread bytes to the next stage: they belong to whoever took over."""
        unread = self.take_unread()
        self._buffer = None
        if unread and ctx.channel.is_open:
            ctx.fire_channel_read(unread)
            ctx.fire_channel_read_complete()

    # -- without a pipeline -------------------------------------------------------------------------

    def feed(self, data: bytes | bytearray | memoryview) -> list[Any]:
        """Decode ``data``, which continues what was fed before, and return the messages that are complete.

        Raises:
            DecodeError: the bytes break the rules; its ``messages`` are those decoded before.  After a
                ``FrameTooLongError`` feeding may go on (``feed(b"")`` brings what was behind that frame), after any
                other error it may not.
            PipelineError: feeding went on after another error, or after ``finish``.
        """
        buffer = self._make_buffer() if self._buffer is None else self._buffer
        if self._finished:
            raise PipelineError(f"{self.author or type(self).__name__}: feed() after finish()")
        buffer.append(bytes(data))
        if buffer.left < buffer.wanted and not self._failed:
            return []
        return self._drain(buffer)

    def finish(self) -> list[Any]:
        """Say that the input has ended, and return the messages that this completes; none after an error.

        Raises:
            DecodeError: like ``feed``; also when the input ended in the middle of a frame.  After a
                ``FrameTooLongError``, calling again brings what was behind that frame.
        """
        self._finished = True
        if self._failed:
            return []
        buffer = self._make_buffer() if self._buffer is None else self._buffer
        messages = self._drain(buffer)
        error = self.unfinished(buffer)
        if error is not None:
            self._failed = True
            buffer.clear()
            error.messages = messages
            raise error
        return messages

    def _drain(self, buffer: ReceiveBuffer) -> list[Any]:
        if self._failed:
            raise PipelineError(
                f"{self.author or type(self).__name__} has failed before, and what follows cannot be trusted"
            )
        messages: list[Any] = []
        while buffer.left > 0 or self.owes_message:
            before: i64 = buffer.left
            owed = self.owes_message
            try:
                message = self.decode_last(buffer) if self._finished else self.decode(buffer)
            except BaseException as exc:
                if not isinstance(exc, FrameTooLongError) or buffer.left == before:
                    self._failed = True
                    self._drop(buffer)
                if isinstance(exc, DecodeError):
                    exc.messages = messages
                raise
            if message is None:
                if buffer.left == before:
                    break
                continue
            if buffer.left == before and (not owed or self.owes_message):
                self._failed = True
                self._drop(buffer)
                raise self._consumed_nothing(message)
            messages.append(message)
        buffer.trim()
        return messages


def default_unfinished(buffer: ReceiveBuffer) -> DecodeError | None:
    """Bytes that are left over when the input ends are a truncated frame."""
    if buffer.left == 0:
        return None
    return CorruptedFrameError(f"the input ended in the middle of a frame: {buffer.left} bytes of it are here")


@mypyc_attr(allow_interpreted_subclasses=True)
class ICodec(ChannelDuplexHandler[bytes, T, T, bytes], Generic[T]):
    """bytes → T on the way in, T → bytes on the way out: a framing in one object, and a stage like any other.

    Subclasses have ``decode`` and ``encode``; all else, ``feed`` and ``finish`` too, is as in ``ByteToMessageDecoder``.
    """

    only_encodes: ClassVar[bool] = True
    # Class-level, so that a subclass need not call super().__init__().
    _decoder: _DecoderOfCodec | None = None

    def decode(self, buffer: ReceiveBuffer) -> T | None:
        """See ``ByteToMessageDecoder.decode``."""
        raise NotImplementedError(f"{type(self).__name__} must have a method decode(self, buffer)")

    def decode_last(self, buffer: ReceiveBuffer) -> T | None:
        """See ``ByteToMessageDecoder.decode_last``."""
        return self.decode(buffer)

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        """See ``ByteToMessageDecoder.unfinished``."""
        return default_unfinished(buffer)

    def encode(self, message: T) -> bytes | list[bytes]:
        """See ``MessageToByteEncoder.encode``."""
        raise NotImplementedError(f"{type(self).__name__} must have a method encode(self, message)")

    @property
    def unread_bytes(self) -> int:
        return 0 if self._decoder is None else self._decoder.unread_bytes

    def take_unread(self) -> bytes:
        return b"" if self._decoder is None else self._decoder.take_unread()

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._decodes().channel_read(ctx, msg)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._decodes().channel_eof(ctx)

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._decodes().channel_writability_changed(ctx)

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._decodes().handler_removed(ctx)

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        ctx.write_encoded(self.encode(msg), promise)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Any]:
        """See ``ByteToMessageDecoder.feed``."""
        return self._decodes().feed(data)

    def finish(self) -> list[Any]:
        """See ``ByteToMessageDecoder.finish``."""
        return self._decodes().finish()

    def _decodes(self) -> _DecoderOfCodec:
        decoder = self._decoder
        if decoder is None:
            decoder = self._decoder = _DecoderOfCodec(self)
        return decoder


class _DecoderOfCodec(ByteToMessageDecoder[Any]):
    """The half of a codec that reads: the codec decides, the base class does the rest."""

    def __init__(self, codec: ICodec[Any]) -> None:
        self._codec = codec
        self.author = type(codec).__name__

    def decode(self, buffer: ReceiveBuffer) -> Any:
        return self._codec.decode(buffer)

    def decode_last(self, buffer: ReceiveBuffer) -> Any:
        return self._codec.decode_last(buffer)

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        return self._codec.unfinished(buffer)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self._codec.exception_caught(ctx, exc)
