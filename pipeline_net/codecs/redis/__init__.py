"""Redis, as its servers and its clients speak it: RESP2 and RESP3, commands and replies, both ways.

::

    from pipeline_net.codecs import redis

    ServerBootstrap(loops, initializer=lambda channel: redis.server_stack() >> Commands(store))
    Bootstrap(loops, initializer=lambda channel: redis.client_stack() >> Asker())
    redis.Client(loops, "tcp://127.0.0.1:6379").call("GET", "key")

    messages         what is said: Command, Request, Reply, SimpleString, RedisError, Push, …
    decoder          bytes → Command, also as typed into nc
    encoder          Reply → bytes
    command_encoder  Request → bytes
    reply_decoder    bytes → Reply
    parts            what is said in pieces: heads, parts, ends
    part_decoder     bytes → Part, so that large values need not be held whole
    part_aggregator  Part → Reply
    pattern          which keys user:* means
    client           the ready-made client: Client, ClientPool, …
    stacks           both directions as a stack, and what is answered to bytes that are no command

and the server kit, for ``redis.server_stack() >> redis.CommandHandler(table, MySession(state))``::

    command_table    which commands there are; begins with those of the kit
    session          what is known of one connection
    server_state     what all connections of a server share
    command_handler  the stage that runs commands
    pub_sub          who hears what
    arguments        numbers and such, as strictly read as by the real server
"""

from __future__ import annotations

from .arguments import integer, printable
from .client import (
    Batch,
    Client,
    ClientOptions,
    ClientPool,
    CommandClient,
    LeasedClient,
    Message,
    ReplyError,
    Subscription,
    Transaction,
    TransactionAbortedError,
)
from .command_encoder import RedisCommandEncoder
from .command_handler import CommandHandler
from .command_registry import CommandEntry, CommandError, CommandRegistry
from .command_table import CommandTable
from .decoder import RedisCommandDecoder
from .encoder import RedisReplyEncoder
from .messages import (
    NULL,
    NULL_ARRAY,
    OK,
    PONG,
    QUEUED,
    Attributed,
    Command,
    MapReply,
    Null,
    Push,
    RedisError,
    Reply,
    Request,
    SetReply,
    SimpleString,
    Verbatim,
)
from .output_limit import OutputLimit
from .part_aggregator import RedisPartAggregator
from .part_decoder import RedisPartDecoder
from .parts import AGGREGATE_END, BULK_END, AggregateHead, BulkHead, BulkPart, End, Part
from .pattern import KeyPattern
from .pub_sub import PubSub
from .reply_decoder import RedisReplyDecoder
from .server_state import KeyWatcher, ServerState
from .session import LATER, NO_REPLY, Session
from .stacks import RefusalHandler, client_stack, server_stack

__all__ = [
    "AGGREGATE_END",
    "AggregateHead",
    "Attributed",
    "Batch",
    "BULK_END",
    "BulkHead",
    "BulkPart",
    "Client",
    "client_stack",
    "ClientOptions",
    "ClientPool",
    "Command",
    "CommandClient",
    "CommandEntry",
    "CommandError",
    "CommandHandler",
    "CommandRegistry",
    "CommandTable",
    "End",
    "integer",
    "KeyPattern",
    "KeyWatcher",
    "LATER",
    "LeasedClient",
    "MapReply",
    "Message",
    "NO_REPLY",
    "NULL",
    "Null",
    "NULL_ARRAY",
    "OK",
    "OutputLimit",
    "Part",
    "PONG",
    "printable",
    "PubSub",
    "Push",
    "QUEUED",
    "RedisCommandDecoder",
    "RedisCommandEncoder",
    "RedisError",
    "RedisPartAggregator",
    "RedisPartDecoder",
    "RedisReplyDecoder",
    "RedisReplyEncoder",
    "RefusalHandler",
    "Reply",
    "ReplyError",
    "Request",
    "server_stack",
    "ServerState",
    "Session",
    "SetReply",
    "SimpleString",
    "Subscription",
    "Transaction",
    "TransactionAbortedError",
    "Verbatim",
]
