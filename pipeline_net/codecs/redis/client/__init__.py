"""The Redis client: commands of many callers on one connection, subscriptions, transactions, and a pool.

    client          Client: what most programs want
    command_client  what every client can do: execute, execute_many, pipeline, transaction
    batch           commands that are collected and sent together; transactions
    pool            ClientPool, LeasedClient: connections for one user at a time
    subscription    messages, as an iterator or through a callback
    options, errors what may be set; what is raised

and below that, from the wire upwards::

    reply_matcher   the stage that knows whose reply comes next
    calls           commands on their way, and who waits for them
    connection      makes a connection, greets the server, makes it again (connection_life, greeting, backoff)
    command_queue   what waits for it
    subscriber      the connection of the subscriptions
    refused         commands that would break all this
"""

from __future__ import annotations

from .batch import Batch, Transaction
from .client import Client
from .command_client import CommandClient
from .errors import ReplyError, TransactionAbortedError
from .options import ClientOptions
from .pool import ClientPool, LeasedClient
from .subscription import Message, Subscription

__all__ = [
    "Batch",
    "Client",
    "ClientOptions",
    "ClientPool",
    "CommandClient",
    "LeasedClient",
    "Message",
    "ReplyError",
    "Subscription",
    "Transaction",
    "TransactionAbortedError",
]
