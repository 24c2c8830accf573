"""Commands about the connection itself: PING, ECHO, SELECT, AUTH, HELLO, QUIT, RESET."""

from __future__ import annotations

import hmac
from typing import Final

from .arguments import integer, printable, small_integer, syntax_error, wrong_arity
from .command_registry import CommandError, CommandRegistry
from .messages import OK, PONG, Command, MapReply, Reply, SimpleString
from .session import ANONYMOUS, MONITOR, NO_REPLY, REPLY_OFF, REPLY_SKIP, SKIP_NEXT, SUBSCRIBED, Session

_RESET: Final = SimpleString("RESET")
_DEFAULT_USER: Final = b"default"  # the only one there is


def ping(session: Session, args: Command) -> Reply:
    """Say that the server is there; to a RESP2 client that has subscriptions, in the form of a message."""
    if len(args) > 2:
        entry = session.handler.table.find(args[:1])
        assert entry is not None, "it is the command that runs"
        raise wrong_arity(entry)
    if session.special & SUBSCRIBED and session.protocol == 2:
        return [b"pong", args[1] if len(args) == 2 else b""]
    return PONG if len(args) == 1 else args[1]


def echo(session: Session, args: Command) -> Reply:
    """Repeat what was said."""
    return args[1]


def select(session: Session, args: Command) -> Reply:
    """Choose a database."""
    number = small_integer(args[1])
    if not 0 <= number < session.state.databases:
        raise CommandError("DB index is out of range")
    session.database = number
    return OK


def quit_(session: Session, args: Command) -> Reply:
    """Say goodbye; what was asked before is answered, what comes after is not read."""
    session.write(OK)
    session.handler.ctx.close()
    return NO_REPLY


def reset(session: Session, args: Command) -> Reply:
    """Make the connection as it was when it began."""
    session.discard_transaction()
    session.unsubscribe_all()
    session.state.monitors.discard(session)
    session.special &= ~(MONITOR | REPLY_OFF | REPLY_SKIP | SKIP_NEXT)
    if session.state.password is not None:
        session.special |= ANONYMOUS
    session.database = 0
    session.name = b""
    session.is_unevictable = False
    session.speak(2)
    session.reset()
    return _RESET


def auth(session: Session, args: Command) -> Reply:
    """Say the password: ``AUTH password``, or ``AUTH default password``."""
    if len(args) > 3:
        raise syntax_error()
    if len(args) == 2 and session.state.password is None:
        raise CommandError(
            "AUTH <password> called without any password configured for the default user. Are you sure your"
            " configuration is correct?"
        )
    _authenticate(session, args[1] if len(args) == 3 else _DEFAULT_USER, args[-1])
    return OK


def _authenticate(session: Session, user: bytes, password: bytes) -> None:
    expected = session.state.password
    # The comparison takes the same time wherever the two differ: nobody can guess byte by byte.
    if user != _DEFAULT_USER or (expected is not None and not hmac.compare_digest(password, expected)):
        raise CommandError("invalid username-password pair or user is disabled.", "WRONGPASS")
    session.special &= ~ANONYMOUS


def hello(session: Session, args: Command) -> Reply:
    """Choose the version of the protocol, say password and name at once, and learn who answers."""
    protocol = 0
    if len(args) > 1:
        protocol = integer(args[1], "Protocol version is not an integer or out of range")
        if protocol not in (2, 3):
            raise CommandError("unsupported protocol version", "NOPROTO")
    user = password = name = None
    at = 2
    while at < len(args):
        option = args[at].upper()
        following = len(args) - 1 - at
        if option == b"AUTH" and following >= 2:
            user, password = args[at + 1], args[at + 2]
            at += 3
        elif option == b"SETNAME" and following >= 1:
            name = checked_name(args[at + 1])
            at += 2
        else:
            raise CommandError(b"Syntax error in HELLO option '%b'" % printable(args[at], len(args[at])))
    if user is not None and password is not None:
        _authenticate(session, user, password)
    if not session.is_authenticated:
        raise CommandError(
            "HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option"
            " can be used to authenticate the client and select the RESP protocol version at the same time",
            "NOAUTH",
        )
    if name is not None:
        session.name = name
    if protocol:
        session.speak(protocol)
    return MapReply(
        [
            (b"server", b"redis"),
            (b"version", session.state.version.encode()),
            (b"proto", session.protocol),
            (b"id", session.id),
            (b"mode", b"standalone"),
            (b"role", b"master"),
            (b"modules", []),
        ]
    )


def checked_name(name: bytes) -> bytes:
    """Refuse a client name that would not stay one word in CLIENT LIST.

    Raises:
        CommandError: it has spaces, line breaks, or bytes beyond ASCII.
    """
    if not all(0x21 <= byte <= 0x7E for byte in name):
        raise CommandError("Client names cannot contain spaces, newlines or special characters.")
    return name


def add_connection_commands(table: CommandRegistry) -> None:
    """Put them into ``table``."""
    enter = table.command
    group = "connection"
    tips = "request_policy:all_shards response_policy:all_succeeded"
    enter(
        "PING",
        arity=-1,
        flags="fast while_subscribed",
        group=group,
        since="1.0.0",
        summary="Tells whether the server answers.",
        complexity="O(1)",
        tips=tips,
    )(ping)
    enter(
        "ECHO",
        arity=2,
        flags="loading stale fast",
        group=group,
        since="1.0.0",
        summary="Repeats what it is given.",
        complexity="O(1)",
    )(echo)
    enter(
        "SELECT",
        arity=2,
        flags="loading stale fast",
        group=group,
        since="1.0.0",
        summary="Changes to another database.",
        complexity="O(1)",
    )(select)
    always = "noscript loading stale fast no_auth allow_busy"
    enter(
        "AUTH",
        arity=-2,
        flags=always,
        group=group,
        since="1.0.0",
        summary="Says the password.",
        complexity="O(N), N passwords of the user",
    )(auth)
    enter(
        "HELLO",
        arity=-1,
        flags=always,
        group=group,
        since="6.0.0",
        summary="Chooses the version of the protocol and tells who answers.",
        complexity="O(1)",
    )(hello)
    enter(
        "QUIT",
        arity=-1,
        flags=f"{always} immediate while_subscribed",
        group=group,
        since="1.0.0",
        summary="Ends the connection.",
        complexity="O(1)",
    )(quit_)
    enter(
        "RESET",
        arity=1,
        flags=f"{always} immediate while_subscribed",
        group=group,
        since="6.2.0",
        summary="Makes the connection as it was when it began.",
        complexity="O(1)",
    )(reset)
