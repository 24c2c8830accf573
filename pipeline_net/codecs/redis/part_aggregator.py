"""RedisPartAggregator: whole messages again, out of their parts, under limits."""

from __future__ import annotations

from typing import Any

from ..._mypyc import i64
from ...context import ChannelHandlerContext
from ...errors import CorruptedFrameError, DecodeError
from ..base import MessageToMessageDecoder
from .builder import PENDING, MessageBuilder
from .messages import Null, RedisError, Reply, SimpleString, Verbatim
from .parts import AGGREGATE_END, BULK_END, AggregateHead, BulkHead, BulkPart, Part
from .rules import BULK, checked, refusal
from .scalars import of_bulk


class RedisPartAggregator(MessageToMessageDecoder[Part, Reply]):
    """Part → Reply; behind a ``RedisPartDecoder``, or behind a stage of yours that takes out the values it wants.

    A command is an array of values, so it comes out as the ``Command`` that it is::

        AggregateHead(b"*", 2)  b"GET"  BulkHead(b"$", 5)  BulkPart(b"ke")  BulkPart(b"y:1")  BULK_END
                                                                                  -->   [b"GET", b"key:1"]

    Args:
        max_message_length: bytes of the values and lines of one message, together.
        max_elements: values of one message at all its depths, keys and members and attributes included.
        max_depth: how deep arrays, sets, maps and attributes may be nested.
        attributes: deliver what is said about a value, as ``Attributed``; otherwise that is dropped.

    Raises:
        DecodeError: a message above a limit, known by its head before its parts come; or parts that do not fit
            together.  Nothing is put together after that.
        CorruptedFrameError: the input ended in the middle of a message.
    """

    def __init__(
        self,
        *,
        max_message_length: int = 128 * 1024 * 1024,
        max_elements: int = 1024 * 1024,
        max_depth: int = 32,
        attributes: bool = False,
    ) -> None:
        self._max_message: i64 = checked("max_message_length", max_message_length)
        self._builder = MessageBuilder(max_depth, max_elements, attributes)
        self._size: i64 = 0  # of the values of this message, those that are announced included
        self._kind: i64 = 0  # the type byte of the value whose parts come; 0 if none does
        self._announced: i64 = 0  # its bytes; below zero if nobody knows
        self._value: bytearray = bytearray()
        self._failed: bool = False

    @property
    def unread_bytes(self) -> int:
        return self._size if self._announced <= 0 else self._size - self._announced + len(self._value)

    def decode(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> Any:
        if self._failed:
            return None  # what follows an error cannot be trusted
        try:
            message = self._add(msg)
        except DecodeError:
            self._fail()
            raise
        if message is PENDING:
            return None
        self._size = 0
        return [message]

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if isinstance(exc, DecodeError):
            self._fail()  # also when it is the decoder's: what it has not said is missing
        ctx.fire_exception_caught(exc)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not self._failed and ctx.channel.is_open and (self._kind != 0 or not self._builder.is_idle):
            ctx.catch(CorruptedFrameError("the input ended in the middle of a message"))
        ctx.fire_channel_eof()

    def _fail(self) -> None:
        self._failed = True
        self._size = 0
        self._announced = 0
        self._value = bytearray()

    def _add(self, msg: Any) -> Any:
        if isinstance(msg, BulkPart):
            return self._add_part(msg.data)
        if msg is BULK_END:
            return self._end_bulk()
        if self._kind != 0:
            raise refusal("misplaced part", f"{msg!r} stands inside a value")
        if isinstance(msg, BulkHead):
            self._kind = msg.kind[0]
            self._announced = msg.length
            if msg.length > 0:
                self._grow(msg.length)
            return PENDING
        if isinstance(msg, AggregateHead):
            return self._builder.open(msg.kind[0], msg.count)
        if msg is AGGREGATE_END:
            return self._builder.end()
        if isinstance(msg, bytes):
            self._grow(len(msg))
        elif isinstance(msg, (SimpleString, RedisError)):
            self._grow(len(msg.wire))
        elif isinstance(msg, Verbatim):
            self._grow(len(msg.data))
        elif isinstance(msg, int):
            self._grow(msg.bit_length() // 8)
        elif isinstance(msg, Null):
            msg = None
        return self._builder.add(msg)

    def _add_part(self, data: bytes) -> Any:
        if self._kind == 0:
            raise refusal("misplaced part", "a part of a value came without its head")
        value = self._value
        if self._announced < 0:
            self._grow(len(data))
        elif len(value) + len(data) > self._announced:
            raise refusal("misplaced part", f"a value of {self._announced} bytes goes on")
        value += data
        return PENDING

    def _end_bulk(self) -> Any:
        kind: i64 = self._kind
        size: i64 = len(self._value)
        if kind == 0 or (self._announced >= 0 and size != self._announced):
            raise refusal("misplaced end", f"a value ends after {size} bytes")
        value = bytes(self._value)
        self._value = bytearray()
        self._kind = 0
        self._announced = 0
        return self._builder.add(value if kind == BULK else of_bulk(kind, value))

    def _grow(self, more: i64) -> None:
        self._size += more
        if self._size > self._max_message:
            raise refusal("too big message", f"a message is over the limit of {self._max_message} bytes")
