"""CommandTable: a registry that begins with the commands of the kit itself.

==============  =====================================================================================
connection      PING ECHO SELECT AUTH HELLO QUIT RESET, CLIENT …
transactions    MULTI EXEC DISCARD WATCH UNWATCH
pub/sub         (P|S)SUBSCRIBE (P|S)UNSUBSCRIBE (S)PUBLISH, PUBSUB …
introspection   COMMAND [COUNT|INFO|DOCS|LIST|GETKEYS]
monitor         MONITOR
==============  =====================================================================================
"""

from __future__ import annotations

from .command_registry import CommandRegistry


class CommandTable(CommandRegistry):
    """What a server answers: the kit's own commands, and those that are added with ``@table.command(…)``."""
