"""MULTI, EXEC, DISCARD, WATCH, UNWATCH: several commands as one, or none of them.

::

    WATCH balance            from here on: has anybody touched it?
    MULTI                    +OK          from here on commands are queued …
    DECRBY balance 10        +QUEUED      … if they are known and have the right number of words
    INCRBY other 10          +QUEUED
    EXEC                     *2 …         the replies; null if a watched key was touched; EXECABORT if one could not
                                          be queued

Between the commands of a queue nothing else runs: on one loop because nothing else ever runs in the middle of a task,
on several because the server's lock is held from EXEC's begin to its end.  A command that fails does not undo the
others.
"""

from __future__ import annotations

from .command_registry import CommandError, CommandRegistry
from .messages import NULL_ARRAY, OK, Command, Reply
from .session import MULTI, NO_REPLY, Session


def multi(session: Session, args: Command) -> Reply:
    """Queue the commands that follow."""
    if session.special & MULTI:
        raise CommandError("MULTI calls can not be nested")
    session.special |= MULTI
    return OK


def discard(session: Session, args: Command) -> Reply:
    """Forget what was queued."""
    if not session.special & MULTI:
        raise CommandError("DISCARD without MULTI")
    session.discard_transaction()
    return OK


def watch(session: Session, args: Command) -> Reply:
    """Let EXEC do nothing if one of these keys is touched before it."""
    if session.special & MULTI:
        raise CommandError("WATCH inside MULTI is not allowed")
    state = session.state
    if not session.is_dirty:  # otherwise EXEC will do nothing anyway
        for key in args[1:]:
            if len(session.watched) >= state.max_watched_keys:
                raise CommandError(f"a client is limited to {state.max_watched_keys} watched keys")
            session.watched[(session.database, key)] = None
            state.watch_key(session.database, key, session)
    return OK


def unwatch(session: Session, args: Command) -> Reply:
    """Watch nothing any more."""
    session.unwatch()
    return OK


def exec_(session: Session, args: Command) -> Reply:
    """Run what was queued; each reply is written as it comes, behind the head of their array."""
    if not session.special & MULTI:
        raise CommandError("EXEC without MULTI")
    queue, aborts, is_dirty = session.queue, session.aborts, session.is_dirty
    session.discard_transaction()
    if aborts:
        raise CommandError("Transaction discarded because of previous errors.", "EXECABORT")
    if is_dirty:
        return NULL_ARRAY
    session.is_executing = True
    try:
        session.write_encoded(b"*%d\r\n" % len(queue))
        for entry, command in queue:
            session.handler.call(entry, command)
    finally:
        session.is_executing = False
    for listener in session.state.transaction_listeners:
        listener(session)
    return NO_REPLY


def add_transaction_commands(table: CommandRegistry) -> None:
    """Put them into ``table``."""
    enter = table.command
    group = "transactions"
    always = "noscript loading stale fast allow_busy immediate"
    enter(
        "MULTI",
        arity=1,
        flags=always,
        group=group,
        since="1.2.0",
        summary="Begins a transaction.",
        complexity="O(1)",
    )(multi)
    enter(
        "EXEC",
        arity=1,
        flags="noscript loading stale skip_slowlog immediate",
        group=group,
        since="1.2.0",
        summary="Runs all that a transaction has queued.",
        complexity="That of the commands in it",
    )(exec_)
    enter(
        "DISCARD",
        arity=1,
        flags=always,
        group=group,
        since="2.0.0",
        summary="Gives a transaction up.",
        complexity="O(N), N queued commands",
    )(discard)
    enter(
        "WATCH",
        arity=-2,
        flags=always,
        keys=(1, -1, 1),
        key_flags="RO",
        group=group,
        since="2.2.0",
        summary="Makes the next transaction depend on keys being untouched.",
        complexity="O(1) for each key",
    )(watch)
    enter(
        "UNWATCH",
        arity=1,
        flags="noscript loading stale fast allow_busy",
        group=group,
        since="2.2.0",
        summary="Watches nothing any more.",
        complexity="O(1)",
    )(unwatch)
