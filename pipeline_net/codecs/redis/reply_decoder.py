"""RedisReplyDecoder: what a Redis server answers, in RESP2 and RESP3."""

from __future__ import annotations

from ...buffer import ReceiveBuffer
from ..base import ByteToMessageDecoder
from .messages import Reply


class RedisReplyDecoder(ByteToMessageDecoder[Reply]):
    r"""bytes → Reply; the table in ``messages`` says what becomes which Python type.

    Which version the server speaks need not be known: each type says itself what it is.  A null by itself comes as
    ``NULL``, inside something else as ``None``; a push comes as ``Push`` in the place where the server put it.

    Args:
        max_bulk_length: bytes of one value.
        max_elements: values of one message at all its depths, keys and members and attributes included.
        max_depth: how deep arrays, sets, maps and attributes may be nested.
        max_line_length: bytes of a simple string, an error or a number, without its type and its line end.
        max_message_length: bytes of one whole message on the wire, all lengths and line ends included.
        attributes: deliver what a server says about a value, as ``Attributed``; otherwise that is read and dropped.

    Raises:
        DecodeError: the bytes are no reply, or one above a limit.
        CorruptedFrameError: the input ended in the middle of a reply.
    """

    def __init__(
        self,
        *,
        max_bulk_length: int = 64 * 1024 * 1024,
        max_elements: int = 1024 * 1024,
        max_depth: int = 32,
        max_line_length: int = 64 * 1024,
        max_message_length: int = 128 * 1024 * 1024,
        attributes: bool = False,
    ) -> None:
        raise NotImplementedError("to come")

    def decode(self, buffer: ReceiveBuffer) -> Reply:
        raise NotImplementedError("to come")
