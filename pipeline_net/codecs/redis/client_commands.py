"""CLIENT and MONITOR: who is connected, what they do, and how to be rid of them.

Sessions of other loops are looked at in single steps, and closed by what may be called from anywhere.
What CLIENT LIST cannot know here (descriptors, memory) it shows as 0, in the places where tools expect a number.
"""

from __future__ import annotations

from typing import Final

from ...errors import ChannelClosedError
from .arguments import bad_subcommand, integer, printable, syntax_error
from .command_registry import CommandError, CommandRegistry
from .connection_commands import checked_name
from .messages import OK, Command, RedisError, Reply
from .session import MONITOR, MULTI, NO_REPLY, REPLY_OFF, REPLY_SKIP, SKIP_NEXT, SUBSCRIBED, Session, shown_address

_UNBLOCKED: Final = RedisError("UNBLOCKED", "client unblocked via CLIENT UNBLOCK")
_TYPES: Final = (b"normal", b"master", b"replica", b"slave", b"pubsub")
_MAX_PAUSE: Final = 2**63 - 1  # milliseconds


def describe(session: Session) -> bytes:
    """One line of CLIENT LIST."""
    channel = session.channel
    handler = session.handler
    now = session.loop.time()
    last = session.last
    channels, patterns, shards = session.subscriptions
    facts: list[tuple[str, object]] = [
        ("id", session.id),
        ("addr", session.peer),
        ("laddr", shown_address(channel.local_address)),
        ("fd", 0),
        ("name", session.name.decode("latin-1")),
        ("age", int(now - handler.born_at)),
        ("idle", int(now - handler.active_at)),
        ("flags", _flags(session)),
        ("db", session.database),
        ("sub", len(channels)),
        ("psub", len(patterns)),
        ("ssub", len(shards)),
        ("multi", len(session.queue) if session.special & MULTI else -1),
        ("qbuf", 0),
        ("qbuf-free", 0),
        ("argv-mem", 0),
        ("multi-mem", session.queue_size),
        ("rbs", 0),
        ("rbp", 0),
        ("obl", 0),
        ("oll", 0),
        ("omem", channel.pending_write_bytes),
        ("tot-mem", 0),
        ("events", "r"),
        ("cmd", "NULL" if last is None else last.name),
        ("user", "default"),
        ("redir", -1),
        ("resp", session.protocol),
    ]
    return " ".join([f"{name}={value}" for name, value in facts]).encode("latin-1", "replace") + b"\n"


def _flags(session: Session) -> str:
    special = session.special
    letters = ""
    for letter, applies in (
        ("O", special & MONITOR),
        ("P", special & SUBSCRIBED),
        ("x", special & MULTI),
        ("b", session.is_waiting),
        ("d", session.is_dirty),
        ("U", not isinstance(session.channel.local_address, tuple)),
        ("e", session.is_unevictable),
    ):
        if applies:
            letters += letter
    return letters or "N"


def _type_of(session: Session) -> bytes:
    return b"pubsub" if session.special & SUBSCRIBED else b"normal"


def _checked_type(arg: bytes) -> bytes:
    wanted = arg.lower()
    if wanted not in _TYPES:
        raise CommandError(b"Unknown client type '%b'" % printable(arg, len(arg)))
    return wanted


def client_id(session: Session, args: Command) -> Reply:
    """The number of this connection."""
    return session.id


def client_getname(session: Session, args: Command) -> Reply:
    """The name of this connection, if it has one."""
    return session.name or None


def client_setname(session: Session, args: Command) -> Reply:
    """Give this connection a name."""
    session.name = checked_name(args[2])
    return OK


def client_info(session: Session, args: Command) -> Reply:
    """What CLIENT LIST shows of this connection."""
    return describe(session)


def client_list(session: Session, args: Command) -> Reply:
    """All connections, or those of a type, or those with these ids."""
    sessions = session.state.all_sessions()
    if len(args) > 2:
        option = args[2].upper()
        if option == b"TYPE" and len(args) == 4:
            wanted = _checked_type(args[3])
            sessions = [one for one in sessions if _type_of(one) == wanted]
        elif option == b"ID" and len(args) > 3:
            known = session.state.sessions
            ids = [integer(arg, "Invalid client ID") for arg in args[3:]]
            sessions = [known[number] for number in ids if number in known]
        else:
            raise syntax_error()
    return b"".join([describe(one) for one in sessions])


def client_kill(session: Session, args: Command) -> Reply:
    """Close connections: ``KILL address``, or ``KILL`` with filters that must all apply."""
    if len(args) == 3:
        for one in session.state.all_sessions():
            if one.peer.encode() == args[2]:
                _kill(session, one)
                return OK
        raise CommandError("No such client")
    number = 0
    address = local = wanted = None
    skips_me = True
    if len(args) % 2:
        raise syntax_error()
    for at in range(2, len(args), 2):
        option, value = args[at].upper(), args[at + 1]
        if option == b"ID":
            number = integer(value, "client-id should be greater than 0")
            if number < 1:
                raise CommandError("client-id should be greater than 0")
        elif option == b"TYPE":
            wanted = _checked_type(value)
        elif option == b"ADDR":
            address = value
        elif option == b"LADDR":
            local = value
        elif option == b"USER":
            if value != b"default":
                raise CommandError(b"No such user '%b'" % printable(value, len(value)))
        elif option == b"SKIPME" and value.lower() in (b"yes", b"no"):
            skips_me = value.lower() == b"yes"
        else:
            raise syntax_error()
    killed = 0
    for one in session.state.all_sessions():
        if (
            (address is None or one.peer.encode() == address)
            and (local is None or shown_address(one.channel.local_address).encode() == local)
            and (wanted is None or _type_of(one) == wanted)
            and (number == 0 or one.id == number)
            and not (one is session and skips_me)
        ):
            _kill(session, one)
            killed += 1
    return killed


def _kill(killer: Session, session: Session) -> None:
    if session is killer:
        session.loop.execute(session.channel.close)  # the reply to this very command is written before
    elif session.loop.in_loop:
        session.handler.kill()
    else:
        try:
            session.loop.execute(session.handler.kill_from_another_loop)
        except ChannelClosedError:
            return  # its loop is being stopped, and the client with it


def client_no_evict(session: Session, args: Command) -> Reply:
    """Note that this client must not be thrown out for want of memory; nobody is, here."""
    option = args[2].lower()
    if option not in (b"on", b"off"):
        raise syntax_error()
    session.is_unevictable = option == b"on"
    return OK


def client_reply(session: Session, args: Command) -> Reply:
    """Answer again (ON), answer nothing (OFF), or leave out one reply (SKIP)."""
    option = args[2].lower()
    if option == b"on":
        session.special &= ~(REPLY_OFF | REPLY_SKIP)
        return OK
    if option == b"off":
        session.special |= REPLY_OFF
    elif option == b"skip":
        if not session.special & REPLY_OFF:
            session.special |= SKIP_NEXT
    else:
        raise syntax_error()
    return NO_REPLY


def client_pause(session: Session, args: Command) -> Reply:
    """Let the commands of all clients wait (ALL), or those that write (WRITE), for some milliseconds."""
    if len(args) > 4:
        raise bad_subcommand(args)
    pauses_all = True
    if len(args) == 4:
        mode = args[3].lower()
        if mode not in (b"write", b"all"):
            raise CommandError("CLIENT PAUSE mode must be WRITE or ALL")
        pauses_all = mode == b"all"
    milliseconds = integer(args[2], "timeout is not an integer or out of range")
    if milliseconds < 0:
        raise CommandError("timeout is negative")
    state = session.state
    state.pauses_all = pauses_all
    state.paused_until = session.loop.time() + min(milliseconds, _MAX_PAUSE) / 1000
    return OK


def client_unpause(session: Session, args: Command) -> Reply:
    """Let everybody go on."""
    state = session.state
    state.paused_until = 0.0
    for one in state.all_sessions():
        try:
            one.loop.execute(one.handler.end_pause)
        except ChannelClosedError:
            continue  # its loop is being stopped
    return OK


def client_unblock(session: Session, args: Command) -> Reply:
    """Answer a client that waits in a blocking command, as if its time had run out, or with an error."""
    if len(args) > 4:
        raise bad_subcommand(args)
    with_error = False
    if len(args) == 4:
        reason = args[3].lower()
        if reason not in (b"timeout", b"error"):
            raise CommandError("CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
        with_error = reason == b"error"
    one = session.state.sessions.get(integer(args[2]))
    if one is None:
        return 0
    return int(one.give_up(_UNBLOCKED if with_error else one.otherwise))


def monitor(session: Session, args: Command) -> Reply:
    """Show this connection all commands from now on."""
    if session.is_executing:
        raise CommandError("MONITOR isn't allowed for DENY BLOCKING client")
    if session.special & MONITOR:
        return NO_REPLY
    session.special |= MONITOR
    session.state.monitors.add(session)
    return OK


def add_client_commands(table: CommandRegistry) -> None:
    """Put them into ``table``."""
    group = "connection"
    plain = "noscript loading stale"
    admin = "admin noscript loading stale"
    varies = "nondeterministic_output"
    for name, arity, flags, tips, since, summary, run in (
        ("CLIENT ID", 2, plain, "", "5.0.0", "Tells the number of this connection.", client_id),
        ("CLIENT GETNAME", 2, plain, "", "2.6.9", "Tells the name of this connection.", client_getname),
        ("CLIENT SETNAME", 3, plain, "", "2.6.9", "Names this connection.", client_setname),
        ("CLIENT INFO", 2, plain, varies, "6.2.0", "Describes this connection.", client_info),
        ("CLIENT LIST", -2, admin, varies, "2.4.0", "Describes all connections.", client_list),
        ("CLIENT KILL", -3, admin, "", "2.4.0", "Closes connections.", client_kill),
        ("CLIENT NO-EVICT", 3, admin, "", "7.0.0", "Keeps this connection when memory runs out.", client_no_evict),
        ("CLIENT REPLY", 3, plain, "", "3.2.0", "Says whether commands are answered.", client_reply),
        ("CLIENT PAUSE", -3, admin, "", "3.0.0", "Makes commands wait for a while.", client_pause),
        ("CLIENT UNPAUSE", 2, admin, "", "6.2.0", "Ends a pause.", client_unpause),
        ("CLIENT UNBLOCK", -3, admin, "", "5.0.0", "Ends the waiting of a client.", client_unblock),
    ):
        table.command(
            name,
            arity=arity,
            flags=flags,
            group=group,
            since=since,
            summary=summary,
            complexity="O(1)" if run not in (client_list, client_kill, client_pause) else "O(N), N clients",
            tips=tips,
        )(run)
    table.command(
        "MONITOR",
        arity=1,
        flags=admin,
        group="server",
        since="1.0.0",
        summary="Shows all commands as they are run.",
    )(monitor)
