"""Redis, as its server speaks it: RESP2 commands in, replies out.

::

    from pipeline_net.codecs import redis

    ServerBootstrap(loops, initializer=lambda channel: redis.server_stack() >> Commands(store))

    messages    what is said: Command, Reply, SimpleString, RedisError
    decoder     bytes → Command, also as typed into nc
    encoder     Reply → bytes
    pattern     which keys user:* means
    server      both as a stack, and what is answered to bytes that are no command
"""

from __future__ import annotations

from .decoder import RedisCommandDecoder
from .encoder import RedisReplyEncoder
from .messages import OK, PONG, Command, RedisError, Reply, SimpleString
from .pattern import KeyPattern
from .server import RefusalHandler, server_stack

__all__ = [
    "Command",
    "KeyPattern",
    "OK",
    "PONG",
    "RedisCommandDecoder",
    "RedisError",
    "RedisReplyEncoder",
    "RefusalHandler",
    "Reply",
    "SimpleString",
    "server_stack",
]
