"""RedisPartAggregator: whole messages again, out of their parts, with a limit."""

from __future__ import annotations

from typing import Any

from ...context import ChannelHandlerContext
from ..base import MessageToMessageDecoder
from .messages import Reply
from .parts import Part


class RedisPartAggregator(MessageToMessageDecoder[Part, Reply]):
    """Part → Reply; behind a ``RedisPartDecoder``, or behind a stage of yours that takes the large ones out.

    Raises:
        DecodeError: a message above a limit, or parts that do not fit together.
    """

    def __init__(
        self,
        *,
        max_message_length: int = 128 * 1024 * 1024,
        max_elements: int = 1024 * 1024,
        max_depth: int = 32,
        attributes: bool = False,
    ) -> None:
        raise NotImplementedError("to come")

    def decode(self, ctx: ChannelHandlerContext[Any, Any], msg: Part) -> Reply:
        raise NotImplementedError("to come")
