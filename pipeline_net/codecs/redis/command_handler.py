"""CommandHandler: looks a command up, holds it to the rules, runs its function and writes the reply.

The way of nearly every command is short: the dictionary, the number of words, the function, ``write``.  One number of
the session (``special``) and one of the server (``observed``) say whether there is anything more to think about; then
the careful way is taken, which asks in the order of the real server:

    unknown? - number of words - logged in? - allowed in a transaction? - allowed while subscribed (RESP2)?
    - are clients paused? - queue it, or run it - tell listeners - tell who monitors

A function that raises something other than ``CommandError`` has a mistake: it goes to ``exception_caught``, and unless
a stage handles it, the connection is closed.
"""

from __future__ import annotations

from typing import Any, Never

from ..._mypyc import mypyc_attr
from ...context import ChannelHandlerContext
from ...handler import ChannelInboundHandler
from .command_registry import CommandRegistry
from .messages import Command, Reply
from .session import Session


@mypyc_attr(allow_interpreted_subclasses=True)
class CommandHandler(ChannelInboundHandler[Command, Never, Reply]):
    """Command → Reply, for one client: the last stage of a server's pipeline.

    Args:
        table: which commands there are.
        session: this connection's state.

    Raises:
        PipelineError: there is no ``RedisReplyEncoder`` below it; ``server_stack() >> CommandHandler(…)`` has one.
    """

    def __init__(self, table: CommandRegistry, session: Session) -> None:
        self.table = table
        self.session = session

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        raise NotImplementedError
