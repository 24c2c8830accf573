"""CommandTable: a registry that begins with the commands of the kit itself.

==============  =====================================================================================
connection      PING ECHO SELECT AUTH HELLO QUIT RESET, CLIENT …
transactions    MULTI EXEC DISCARD WATCH UNWATCH
pub/sub         (P|S)SUBSCRIBE (P|S)UNSUBSCRIBE (S)PUBLISH, PUBSUB …
introspection   COMMAND [COUNT|INFO|DOCS|LIST|GETKEYS|GETKEYSANDFLAGS]
monitor         MONITOR
==============  =====================================================================================

Each table has entries of its own: replacing PING, or adding a subcommand to CLIENT, changes no other.
"""

from __future__ import annotations

from ..._mypyc import mypyc_attr
from .client_commands import add_client_commands
from .command_registry import CommandRegistry
from .connection_commands import add_connection_commands
from .introspection import add_introspection_commands
from .subscription_commands import add_subscription_commands
from .transactions import add_transaction_commands


@mypyc_attr(allow_interpreted_subclasses=True)
class CommandTable(CommandRegistry):
    """What a server answers: the kit's own commands, and those that are added with ``@table.command(…)``."""

    def __init__(self) -> None:
        super().__init__()
        add_connection_commands(self)
        add_transaction_commands(self)
        add_subscription_commands(self)
        add_client_commands(self)
        add_introspection_commands(self)
