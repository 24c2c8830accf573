"""server_stack() and client_stack(): the stages between the wire and who serves, or asks."""

from __future__ import annotations

import logging
from typing import Any, Final

from ...context import ChannelHandlerContext
from ...errors import DecodeError
from ...handler import ChannelInboundHandler
from ...stack import Stack, wire
from .command_encoder import RedisCommandEncoder
from .decoder import RedisCommandDecoder
from .encoder import RedisReplyEncoder
from .messages import Command, Reply, Request
from .reply_decoder import RedisReplyDecoder

_logger: Final = logging.getLogger("pipeline_net.redis")


class RefusalHandler(ChannelInboundHandler[Command, Command, bytes]):
    """Command → Command; answers what the decoder refused, and closes.

    A peer that breaks the rules is told which one, after the replies to what it had asked before, and loses its
    connection: nothing that follows can be trusted.  On a public port that is everyday life, so it is logged as
    information, not as an error.  Other exceptions are passed on.
    """

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if not isinstance(exc, DecodeError):
            ctx.fire_exception_caught(exc)
            return
        _logger.info("%s was refused: %s", ctx.channel.remote_address, exc)
        if exc.reply is not None:
            ctx.write(exc.reply)
        ctx.close()


def server_stack(
    *,
    max_bulk_length: int = 64 * 1024 * 1024,
    max_elements: int = 1024 * 1024,
    max_inline_length: int = 64 * 1024,
    max_command_length: int = 128 * 1024 * 1024,
    max_depth: int = 32,
    max_reply_length: int = 512 * 1024 * 1024,
    protocol: int = 2,
) -> Stack[bytes, Command, Reply, bytes]:
    """Everything below the commands: ``server_stack() >> Commands(store)`` is a server's pipeline.

    The limits are those of ``RedisCommandDecoder`` and ``RedisReplyEncoder``.

    Raises:
        ValueError: a limit below 1.
    """
    decoder = RedisCommandDecoder(
        max_bulk_length=max_bulk_length,
        max_elements=max_elements,
        max_inline_length=max_inline_length,
        max_command_length=max_command_length,
    )
    # The handler that refuses sits below the encoder: what it writes is bytes already.
    encoder = RedisReplyEncoder(protocol=protocol, max_depth=max_depth, max_length=max_reply_length)
    return wire() >> decoder >> RefusalHandler() >> encoder


def client_stack(
    *,
    max_bulk_length: int = 64 * 1024 * 1024,
    max_elements: int = 1024 * 1024,
    max_depth: int = 32,
    max_line_length: int = 64 * 1024,
    max_message_length: int = 128 * 1024 * 1024,
    attributes: bool = False,
) -> Stack[bytes, Reply, Request, bytes]:
    """Everything below who asks: ``client_stack() >> Asker()`` is a client's pipeline.

    Replies and pushes come in, in the order in which the server sent them; requests go out.  The limits are those of
    ``RedisReplyDecoder``; those for commands are the server's business.

    Raises:
        ValueError: a limit below 1.
    """
    decoder = RedisReplyDecoder(
        max_bulk_length=max_bulk_length,
        max_elements=max_elements,
        max_depth=max_depth,
        max_line_length=max_line_length,
        max_message_length=max_message_length,
        attributes=attributes,
    )
    return wire() >> decoder >> RedisCommandEncoder()
