"""Session: what a server knows of one connection.

Programs subclass it for what is theirs: a store, a user.  It lives on its channel's loop; command functions get it as
their first argument.

A reply that comes later (BLPOP, WAIT) does not block the loop.  The function registers its client wherever things will
arrive, and returns what ``later()`` gives::

    def blpop(session: MySession, args: redis.Command) -> redis.Reply:
        for key in args[1:-1]:
            if (value := session.store.pop_left(key)) is not None:
                return [key, value]
        if not session.may_block:                     # inside EXEC nothing waits
            return redis.NULL_ARRAY
        session.store.waiting.add(session, args[1:-1])
        return session.later(timeout=seconds, otherwise=redis.NULL_ARRAY, withdraw=session.store.waiting.discard)

and whoever brings the value says ``if session.reply([key, value]): …``: false means that the client has gone or has
given up meanwhile, and that the value is still to be had.  Exactly one of three things happens: ``reply()`` is called
and returns true; the time runs out, ``withdraw(session)`` is called and ``otherwise`` is answered; the client goes, and
``withdraw(session)`` is called.  Further commands of that client wait, so its replies keep their order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..._mypyc import i64, mypyc_attr
from ...complaints import complaints_of
from ...errors import ChannelClosedError, PipelineError
from .messages import Command, Push, Reply, SimpleString
from .server_state import KeyWatcher, ServerState

if TYPE_CHECKING:
    from ...channel import Channel
    from ...loop import Loop
    from ...transport.timers import TimerHandle
    from .command_handler import CommandHandler
    from .command_registry import CommandEntry

_logger: Final = logging.getLogger("pipeline_net.redis")

# Two replies that are none; as simple strings they fit the type of a command function.
LATER: Final = SimpleString("LATER")
"""The reply comes later, by ``session.reply(…)``: ``later()`` returns it."""
NO_REPLY: Final = SimpleString("NO REPLY")
"""There is none, or the function has written it itself with ``session.write(…)``."""

# Bits of Session.special: each makes commands take the careful way.
MULTI: Final = 1  # a transaction is open: commands are queued
SUBSCRIBED: Final = 2
WAITING: Final = 4  # a reply comes later, or clients are paused: commands wait
ANONYMOUS: Final = 8  # has not said AUTH yet
REPLY_OFF: Final = 16
REPLY_SKIP: Final = 32  # the command that runs is not answered
SKIP_NEXT: Final = 64  # the next one will not be
MONITOR: Final = 128

_SILENT: Final = REPLY_OFF | REPLY_SKIP

_WINDOW: Final = (
    256 * 1024
)  # bytes that one client may have on their way to other loops before they say that they keep up
_TASK: Final = 200  # bytes that a task costs besides what it carries


@mypyc_attr(allow_interpreted_subclasses=True)
class Session(KeyWatcher):
    """One connection: who it is, how it speaks, what it has begun.

    Args:
        state: what it shares with the other connections of its server.
    """

    def __init__(self, state: ServerState) -> None:
        self.state: Final[ServerState] = state
        """What it shares with the other connections of its server."""
        self.id: int = 0
        """The client's number, as CLIENT ID says it; 0 before it has its handler."""
        self.name: bytes = b""
        """What CLIENT SETNAME has called it."""
        self.protocol: int = 2
        """2 or 3; HELLO changes it."""
        self.database: int = 0
        """The number of the database that SELECT has chosen."""
        self.is_executing = False
        """EXEC runs the queue of a transaction now."""
        self.special: i64 = 0 if state.password is None else ANONYMOUS
        self.is_unevictable = False  # said CLIENT NO-EVICT ON, which means nothing here but is shown
        self.last: CommandEntry | None = None  # the last command, for CLIENT LIST
        # transactions
        self.queue: list[tuple[CommandEntry, Command]] = []
        self.queue_size: i64 = 0
        self.aborts = False  # a command could not be queued: EXEC will refuse
        self.is_dirty = False  # a watched key has been touched
        self.watched: dict[tuple[int, bytes], None] = {}
        # subscriptions: CHANNEL, PATTERN, SHARD of pub_sub
        self.subscriptions: Final[tuple[dict[bytes, None], ...]] = ({}, {}, {})
        # what listeners hear instead of the command that runs
        self.propagated: list[Command] | None = None
        # a reply that comes later
        self._waits: dict[int, None] = {}  # the number of the wait; whoever takes it out settles it, on whatever thread
        self._wait_number = 0
        self.has_begun_to_wait = False
        """The function that runs has called ``later()``; so that is what it has to return."""
        self._otherwise: Reply = None
        self._withdraw: Callable[[Any], object] | None = None
        self._timer: TimerHandle | None = None
        self._over_soft_limit_since = -1.0
        # what it has sent to other loops, and to which, since they said for the last time that they keep up
        self._across: i64 = 0
        self._crossed: dict[Loop, None] = {}
        self._has_left = False
        self._handler: CommandHandler | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.name.decode(errors='replace')!r}>"

    # -- where it lives -----------------------------------------------------------------------------

    def seat(self, handler: CommandHandler) -> None:
        """Belong to ``handler``, and its channel, from now on.

        Raises:
            PipelineError: it belongs to another one.
        """
        if self._handler is not None:
            raise PipelineError(f"{self!r} is one connection's, and cannot be another one's, too")
        self._handler = handler
        self.id = self.state.enter(self)

    @property
    def handler(self) -> CommandHandler:
        """The stage that runs its commands."""
        handler = self._handler
        assert handler is not None, "a session has a handler once that is seated in a pipeline"
        return handler

    @property
    def channel(self) -> Channel:
        """The connection itself."""
        return self.handler.ctx.channel

    @property
    def loop(self) -> Loop:
        """The loop it lives on."""
        return self.handler.ctx.channel.loop

    @property
    def peer(self) -> str:
        """The client's address as CLIENT LIST shows it."""
        return shown_address(self.channel.remote_address, self.channel.local_address)

    # -- replies ------------------------------------------------------------------------------------

    @property
    def is_answered(self) -> bool:
        """Whether replies are written: CLIENT REPLY may have said otherwise."""
        return not self.special & _SILENT

    def write(self, reply: Reply) -> None:
        """Write one reply now; on the loop.  For functions that answer more than once."""
        if not self.special & _SILENT:
            self.handler.ctx.write(reply)

    def push(self, *items: Reply) -> None:
        """Write what was not asked for: a push in RESP3, an array in RESP2; on the loop."""
        self.handler.ctx.write(Push(items))

    def write_encoded(self, wire: bytes) -> None:
        """Write bytes of a reply as they are; on the loop."""
        if not self.special & _SILENT:
            self.handler.wire.write(wire)

    def write_unasked(self, wire: list[bytes]) -> None:
        """Write bytes that others have it sent, within ``state.push_limit``; on the loop."""
        handler = self.handler
        for piece in wire:
            handler.wire.write(piece)
        if handler.ctx.channel.pending_write_bytes > self.state.push_limit.soft:
            self._check_push_limit()

    def _check_push_limit(self) -> None:
        """Close the connection if too much waits for it, or has for too long."""
        channel = self.channel
        limit = self.state.push_limit
        channel.flush()  # what nobody has tried to send does not wait for the client
        pending = channel.pending_write_bytes
        if not channel.is_open or pending <= limit.soft:
            self._over_soft_limit_since = -1.0
            return
        now = self.loop.time()
        if self._over_soft_limit_since < 0:
            self._over_soft_limit_since = now
            self.loop.schedule(limit.soft_seconds, self._check_push_limit)
        if pending > limit.hard or now - self._over_soft_limit_since >= limit.soft_seconds:
            level = complaints_of(self.loop).level(_logger, logging.WARNING, "clients that read too slowly")
            what = "%s reads too slowly: %d bytes wait for it, so it is closed (%r)"
            _logger.log(level, what, self.peer, pending, limit)
            channel.abort()

    def sent_across(self, loop: Loop, size: int) -> None:
        """Count what a command has sent to another loop; at times, let the client wait until that loop has come so far.

        A loop that is slow, or busy, would otherwise gather tasks without end.
        """
        self._across += size + _TASK
        self._crossed[loop] = None
        if self._across > _WINDOW:
            loops = list(self._crossed)
            self._crossed.clear()
            self._across = 0
            self.handler.wait_for_loops(loops)

    def there_is_room(self) -> None:
        """The client has caught up."""
        self._over_soft_limit_since = -1.0

    # -- a reply that comes later -------------------------------------------------------------------

    @property
    def may_block(self) -> bool:
        """Whether ``later()`` may wait; not inside EXEC."""
        return not self.is_executing

    def later(
        self,
        *,
        timeout: float | None = None,
        otherwise: Reply = None,
        withdraw: Callable[[Any], object] | None = None,
    ) -> Reply:
        """Say that the reply comes later, by ``reply()``; return what this returns.

        Args:
            timeout: seconds until ``otherwise`` is answered; ``None`` or 0 for never.
            withdraw: called with the session when its time has run out or its client has gone: forget it.

        When it may not block, ``withdraw`` is called at once and ``otherwise`` is returned.
        """
        assert not self._waits, "a command waits already, and no other is run before it is answered"
        if self.is_executing:
            if withdraw is not None:
                withdraw(self)
            return otherwise
        self._wait_number += 1
        self.has_begun_to_wait = True
        self._otherwise = otherwise
        self._withdraw = withdraw
        self.special |= WAITING
        if timeout:
            self._timer = self.loop.schedule(timeout, self._time_is_up, self._wait_number)
        self._waits[self._wait_number] = None  # last: from here on other threads may settle it
        return LATER

    @property
    def is_waiting(self) -> bool:
        """Whether a command waits for its reply."""
        return bool(self._waits)

    @property
    def ticket(self) -> int:
        """The number of the wait that was begun last, for ``reply()``."""
        return self._wait_number

    def reply(self, value: Reply, ticket: int | None = None) -> bool:
        """Answer the command that waits; false if none does (any more).  From any thread.

        Args:
            ticket: which wait is meant (``session.ticket`` after ``later()``), for threads that may come so late that
                the client waits for something else by then.
        """
        number = self._wait_number if ticket is None else ticket
        if self._waits.pop(number, 0) is not None:
            return False
        if self.loop.in_loop:
            self._settle(value)
            return True
        try:
            self.loop.execute(self._settle, value)
        except ChannelClosedError:
            return False  # its loop is being stopped, and the client with it
        return True

    def give_up(self, value: Reply) -> bool:
        """Withdraw the command that waits, and answer ``value``; false if none does.  From any thread."""
        withdraw = self._withdraw
        if not self.reply(value):
            return False
        if withdraw is not None:
            withdraw(self)
        return True

    def withdraw_wait(self) -> bool:
        """Let nobody answer the command that waits any more; false if none does; on the loop."""
        if self._waits.pop(self._wait_number, 0) is not None:
            return False
        withdraw = self._withdraw
        self._end_wait()
        if withdraw is not None:
            withdraw(self)
        return True

    @property
    def otherwise(self) -> Reply:
        """What the command that waits answers when its time has run out."""
        return self._otherwise

    def _time_is_up(self, number: int) -> None:
        lock = self.state.lock
        if lock is None:
            self._run_out(number)
        else:
            with lock:
                self._run_out(number)

    def _run_out(self, number: int) -> None:
        if number in self._waits:
            self.give_up(self._otherwise)

    def _settle(self, value: Reply) -> None:
        """Write the reply that came, and let the commands run that have waited behind it; on the loop."""
        self._end_wait()
        self.write(value)
        self.handler.resume_soon()

    def _end_wait(self) -> None:
        self._withdraw = None
        self._otherwise = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what commands tell -------------------------------------------------------------------------

    def touch(self, key: bytes) -> None:
        """A key of the session's database has been changed: ``state.touch(session.database, key)``."""
        self.state.touch(self.database, key)

    def propagate(self, *commands: Command) -> None:
        """Let ``on_write`` listeners hear of these instead of the command that runs now; of none without arguments.

        EXPIRE with a length of time becomes PEXPIREAT with a moment, SPOP becomes SREM; what changed nothing, nothing.
        A command without the flag ``write`` that changes something after all is heard of this way, too.
        """
        if self.state.write_listeners:
            self.propagated = list(commands)

    def key_touched(self, database: int, key: bytes) -> None:
        self.is_dirty = True

    # -- how it speaks ------------------------------------------------------------------------------

    def speak(self, protocol: int) -> None:
        """Encode replies in RESP2 or RESP3 from now on."""
        self.protocol = protocol
        self.handler.encoder.protocol = protocol

    @property
    def is_authenticated(self) -> bool:
        """Whether it may do more than AUTH and HELLO."""
        return not self.special & ANONYMOUS

    def unwatch(self) -> None:
        """Watch no key any more."""
        for database, key in self.watched:
            self.state.unwatch_key(database, key, self)
        self.watched.clear()
        self.is_dirty = False

    def discard_transaction(self) -> None:
        """Forget the open transaction, and what was watched for it."""
        self.queue = []
        self.queue_size = 0
        self.aborts = False
        self.special &= ~MULTI
        self.unwatch()

    def unsubscribe_all(self) -> None:
        """Hear nothing any more, without a word about it."""
        for kind in range(3):
            for name in self.subscriptions[kind]:
                self.state.pub_sub.unsubscribe(kind, name, self)
            self.subscriptions[kind].clear()
        self.special &= ~SUBSCRIBED

    def leave(self) -> None:
        """The client has gone, or is about to: withdraw everything."""
        if self._has_left:
            return
        self._has_left = True
        self.withdraw_wait()
        self.discard_transaction()
        self.unsubscribe_all()
        self.state.monitors.discard(self)
        self.state.leave(self)
        self.closed()

    # -- for subclasses -----------------------------------------------------------------------------

    def reset(self) -> None:
        """RESET was said: forget what belongs to the client; the kit's own part is done already."""

    def closed(self) -> None:
        """The client has gone; called on its loop, after everything was withdrawn."""


def shown_address(address: Any, otherwise: Any = None) -> str:
    """Spell an address of the socket module as Redis does: ``127.0.0.1:6379``, ``[::1]:6379``, ``/path:0``."""
    if isinstance(address, tuple):
        host, port = str(address[0]), address[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    path = address or otherwise or ""
    return f"{path.decode(errors='replace') if isinstance(path, bytes) else path}:0"
