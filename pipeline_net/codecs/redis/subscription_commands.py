"""SUBSCRIBE and its siblings, PUBLISH, PUBSUB: the commands of publish and subscribe."""

from __future__ import annotations

from typing import Final

from .arguments import bad_subcommand
from .command_registry import CommandError, CommandRegistry
from .messages import Command, Reply
from .pattern import KeyPattern
from .pub_sub import CHANNEL, PATTERN, SHARD
from .session import NO_REPLY, SUBSCRIBED, Session

_SUBSCRIBED: Final = (b"subscribe", b"psubscribe", b"ssubscribe")  # by CHANNEL, PATTERN, SHARD
_UNSUBSCRIBED: Final = (b"unsubscribe", b"punsubscribe", b"sunsubscribe")


def _count(session: Session, kind: int) -> int:
    """What a confirmation tells: channels and patterns are counted together, sharded channels by themselves."""
    channels, patterns, shards = session.subscriptions
    return len(shards) if kind == SHARD else len(channels) + len(patterns)


def _subscribe(session: Session, kind: int, names: Command) -> Reply:
    mine = session.subscriptions[kind]
    for name in names:
        if name not in mine:
            if sum(len(some) for some in session.subscriptions) >= session.state.max_subscriptions:
                raise CommandError(f"a client is limited to {session.state.max_subscriptions} subscriptions")
            session.state.pub_sub.subscribe(kind, name, session)
            mine[name] = None
        session.special |= SUBSCRIBED
        session.push(_SUBSCRIBED[kind], name, _count(session, kind))
    return NO_REPLY


def _unsubscribe(session: Session, kind: int, names: Command) -> Reply:
    mine = session.subscriptions[kind]
    left: list[bytes | None] = [*(names or mine)]
    for name in left or [None]:  # who says farewell to nothing is told so, too
        if name is not None and name in mine:
            del mine[name]
            session.state.pub_sub.unsubscribe(kind, name, session)
        session.push(_UNSUBSCRIBED[kind], name, _count(session, kind))
    if not any(session.subscriptions):
        session.special &= ~SUBSCRIBED
    return NO_REPLY


def subscribe(session: Session, args: Command) -> Reply:
    """Hear what is published to these channels."""
    return _subscribe(session, CHANNEL, args[1:])


def unsubscribe(session: Session, args: Command) -> Reply:
    """Hear these channels no more; all of them, if none is named."""
    return _unsubscribe(session, CHANNEL, args[1:])


def psubscribe(session: Session, args: Command) -> Reply:
    """Hear what is published to channels that these patterns mean."""
    return _subscribe(session, PATTERN, args[1:])


def punsubscribe(session: Session, args: Command) -> Reply:
    """Forget these patterns; all of them, if none is named."""
    return _unsubscribe(session, PATTERN, args[1:])


def ssubscribe(session: Session, args: Command) -> Reply:
    """Hear what is published to these sharded channels."""
    if session.is_executing:
        raise CommandError("SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
    return _subscribe(session, SHARD, args[1:])


def sunsubscribe(session: Session, args: Command) -> Reply:
    """Hear these sharded channels no more; all of them, if none is named."""
    return _unsubscribe(session, SHARD, args[1:])


def publish(session: Session, args: Command) -> Reply:
    """Send a message to all subscribers of a channel; how many there are."""
    return session.state.pub_sub.publish(args[1], args[2], publisher=session)


def spublish(session: Session, args: Command) -> Reply:
    """Send a message to all subscribers of a sharded channel; how many there are."""
    return session.state.pub_sub.publish(args[1], args[2], sharded=True, publisher=session)


def _names(session: Session, kind: int, args: Command) -> Reply:
    if len(args) > 3:
        raise bad_subcommand(args)
    names = session.state.pub_sub.names(kind)
    if len(args) == 3:
        pattern = KeyPattern(args[2])
        return [name for name in names if pattern.matches(name)]
    return list(names)


def _counts(session: Session, kind: int, args: Command) -> Reply:
    counts: list[Reply] = []
    for name in args[2:]:
        counts += [name, session.state.pub_sub.count(kind, name)]
    return counts


def pubsub_channels(session: Session, args: Command) -> Reply:
    """Which channels have subscribers."""
    return _names(session, CHANNEL, args)


def pubsub_shardchannels(session: Session, args: Command) -> Reply:
    """Which sharded channels have subscribers."""
    return _names(session, SHARD, args)


def pubsub_numsub(session: Session, args: Command) -> Reply:
    """How many subscribers these channels have."""
    return _counts(session, CHANNEL, args)


def pubsub_shardnumsub(session: Session, args: Command) -> Reply:
    """How many subscribers these sharded channels have."""
    return _counts(session, SHARD, args)


def pubsub_numpat(session: Session, args: Command) -> Reply:
    """How many patterns have subscribers."""
    return len(session.state.pub_sub.names(PATTERN))


def add_subscription_commands(table: CommandRegistry) -> None:
    """Put them into ``table``."""
    group = "pubsub"
    speak = "pubsub noscript loading stale while_subscribed"
    each = "O(1) for each"
    shards = (1, -1, 1)
    for name, arity, keys, since, summary, run in (
        ("SUBSCRIBE", -2, (0, 0, 0), "2.0.0", "Listens to channels.", subscribe),
        ("UNSUBSCRIBE", -1, (0, 0, 0), "2.0.0", "Stops listening to channels.", unsubscribe),
        ("PSUBSCRIBE", -2, (0, 0, 0), "2.0.0", "Listens to channels that patterns mean.", psubscribe),
        ("PUNSUBSCRIBE", -1, (0, 0, 0), "2.0.0", "Stops listening to patterns.", punsubscribe),
        ("SSUBSCRIBE", -2, shards, "7.0.0", "Listens to sharded channels.", ssubscribe),
        ("SUNSUBSCRIBE", -1, shards, "7.0.0", "Stops listening to sharded channels.", sunsubscribe),
    ):
        table.command(
            name,
            arity=arity,
            flags=speak,
            keys=keys,
            key_flags="not_key",
            group=group,
            since=since,
            summary=summary,
            complexity=each,
        )(run)
    say = "pubsub loading stale fast may_replicate"
    sent = "O(N+M), N subscribers of the channel and M patterns of anybody"
    enter = table.command
    enter(
        "PUBLISH",
        arity=3,
        flags=say,
        group=group,
        since="2.0.0",
        summary="Sends a message to a channel.",
        complexity=sent,
    )(publish)
    enter(
        "SPUBLISH",
        arity=3,
        flags=say,
        keys=(1, 1, 1),
        key_flags="not_key",
        group=group,
        since="7.0.0",
        summary="Sends a message to a sharded channel.",
        complexity="O(N), N subscribers of the channel",
    )(spublish)
    ask = "pubsub loading stale"
    for name, arity, since, summary, run in (
        ("PUBSUB CHANNELS", -2, "2.8.0", "Lists channels that have subscribers.", pubsub_channels),
        ("PUBSUB NUMPAT", 2, "2.8.0", "Counts patterns that have subscribers.", pubsub_numpat),
        ("PUBSUB NUMSUB", -2, "2.8.0", "Counts subscribers of channels.", pubsub_numsub),
        ("PUBSUB SHARDCHANNELS", -2, "7.0.0", "Lists sharded channels that have subscribers.", pubsub_shardchannels),
        ("PUBSUB SHARDNUMSUB", -2, "7.0.0", "Counts subscribers of sharded channels.", pubsub_shardnumsub),
    ):
        enter(name, arity=arity, flags=ask, group=group, since=since, summary=summary, complexity="O(N)")(run)
