"""CommandHandler: looks a command up, holds it to the rules, runs its function and writes the reply.

The way of nearly every command is short: the dictionary, the number of words, the function, ``write``.  A few flags say
whether there is anything more to think about; then the careful way is taken, which asks in the order of the real
server:

    does the client wait? - unknown? - number of words - logged in? - allowed in a transaction?
    - allowed while subscribed (RESP2)? - are clients paused? - queue it, or run it - tell listeners
    - tell who monitors

A command whose reply comes later makes those behind it wait; they are bounded by not reading on from the client.  What
waits is dropped when the client goes.

A function that raises something other than ``CommandError`` has a mistake: it goes to ``exception_caught``, and unless
a stage handles it, the connection is closed.  So does a reply that has no form in RESP; a note names the command.  And
so does one that says ``session.later()`` and forgets to return what that gives.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Never

from ..._mypyc import i64, mypyc_attr
from ...context import ChannelHandlerContext
from ...errors import ChannelClosedError, EncodeError, PipelineError
from ...handler import ChannelInboundHandler
from .arguments import unknown_command, unknown_subcommand, wrong_arity
from .command_registry import CommandEntry, CommandError, CommandRegistry
from .encoder import RedisReplyEncoder
from .messages import QUEUED, Command, RedisError, Reply
from .session import (
    ANONYMOUS,
    LATER,
    MONITOR,
    MULTI,
    NO_REPLY,
    REPLY_SKIP,
    SKIP_NEXT,
    SUBSCRIBED,
    WAITING,
    Session,
)

if TYPE_CHECKING:
    from ...loop import Loop
    from ...transport.timers import TimerHandle

_logger: Final = logging.getLogger("pipeline_net.redis")

_LATER: Final = LATER
_NO_REPLY: Final = NO_REPLY
_BROWSER_WORDS: Final = (b"POST", b"HOST:")
_WORD: Final = 64  # bytes that an argument costs besides its own
_MAX_WAITING: Final = 64 * 1024  # bytes of commands that wait for a reply before them; then the client waits, too
_MAX_RESUMED: Final = 1024  # commands that had to wait and are run in one go, so that others get their turn

_REFUSALS_IN_EXEC: Final = b"Transaction discarded because of: "


@mypyc_attr(allow_interpreted_subclasses=True)
class CommandHandler(ChannelInboundHandler[Command, Never, Reply]):
    """Command → Reply, for one client: the last stage of a server's pipeline.

    Args:
        table: which commands there are.
        session: this connection's state.

    Raises:
        PipelineError: there is no ``RedisReplyEncoder`` below it; ``server_stack() >> CommandHandler(…)`` has one.
    """

    ctx: ChannelHandlerContext[Any, Any]  # once it is seated
    wire: ChannelHandlerContext[Any, Any]  # the encoder's seat: what is written there is on the wire as it is
    encoder: RedisReplyEncoder

    def __init__(self, table: CommandRegistry, session: Session) -> None:
        self.table: Final[CommandRegistry] = table
        self.session: Final[Session] = session
        self.active_at = 0.0
        self.born_at = 0.0
        self._spellings: dict[bytes, CommandEntry] = table.spellings
        self._state = session.state
        self._is_locked = session.state.lock is not None
        self._waiting: deque[Command] = deque()  # behind a command whose reply comes later
        self._waiting_size: i64 = 0
        self._holds_reads = False
        self._resumes = False  # a task that will run what waits is on its way
        self._pause_timer: TimerHandle | None = None
        self._loops_awaited: i64 = 0  # other loops that still have to say that they keep up with what was sent there

    # -- its life -----------------------------------------------------------------------------------

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        encoder = ctx.pipeline.get(RedisReplyEncoder)
        wire = ctx.pipeline.context(RedisReplyEncoder)
        if not isinstance(encoder, RedisReplyEncoder) or wire is None:
            raise PipelineError(
                "a CommandHandler needs a RedisReplyEncoder nearer to the wire: server_stack() >> CommandHandler(…)"
            )
        self.ctx = ctx
        self.wire = wire
        self.encoder = encoder
        self.born_at = self.active_at = ctx.loop.time()
        self.session.seat(self)
        self.session.protocol = encoder.protocol

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self.session.id == 0:
            return  # it was refused its seat
        self._waiting.clear()
        if self._pause_timer is not None:
            self._pause_timer.cancel()
        if self._holds_reads:
            self._holds_reads = False
            ctx.channel.release_reads()
        lock = self._state.lock
        if lock is None:
            self.session.leave()
        else:
            with lock:
                self.session.leave()

    def kill(self) -> None:
        """Be rid of the client now, in somebody's command: it hears nothing more, and nobody counts it any more."""
        channel = self.ctx.channel
        self.session.leave()
        if channel.pending_write_bytes > 0:
            channel.abort()  # what waits for a client that does not read is not worth waiting for
        else:
            channel.close()

    def kill_from_another_loop(self) -> None:
        """Do the same as a task, which nobody holds the lock for yet."""
        lock = self._state.lock
        if lock is None:
            self.kill()
        else:
            with lock:
                self.kill()

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.active_at = ctx.loop.time()
        ctx.fire_channel_read_complete()

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_writable:
            self.session.there_is_room()
        ctx.fire_channel_writability_changed()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        last = self.session.last
        if isinstance(exc, EncodeError) and last is not None:
            # What a function returned is looked at when the function is gone, so that no traceback has it.
            exc.add_note(f"the last command was {last.name!r}: has it returned what RESP cannot carry?")
        ctx.fire_exception_caught(exc)

    # -- the way of nearly every command ------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        args: Command = msg
        entry = self._spellings.get(args[0])
        session = self.session
        state = self._state
        words: i64 = len(args)
        if (
            entry is None
            or session.special != 0
            or words < entry.least
            or words > entry.most
            or state.paused_until > 0
            or self._is_locked
            or state.monitors.loops
        ):
            self._serve_carefully(args)
            return
        session.last = entry
        state.is_running = True
        try:
            reply: Any = entry.run(session, args)
        except BaseException as exc:  # noqa: BLE001 - is raised again unless it is a command's answer
            reply = self._answer_of(exc)
        state.is_running = False
        if (entry.is_write or session.propagated is not None) and state.write_listeners:
            self._tell_write(args, reply)
        if session.special != 0:
            self._answer(entry, reply)
            self._end_command()
        elif reply is _LATER:
            self._check_wait()
        elif reply is not _NO_REPLY:
            ctx.write(reply)
        if state.due:
            state.run_due()

    def _answer_of(self, exc: BaseException) -> Reply:
        """The error reply that a function raised; what is no answer is raised again."""
        self._state.is_running = self.session.is_executing
        if isinstance(exc, CommandError):
            return exc.reply
        if isinstance(exc, KeyboardInterrupt):
            # Whoever drives the loop may go on; and the next reply would be taken for the one to this command.
            self.ctx.loop.execute(self.ctx.close)
        raise exc

    # -- the careful way ----------------------------------------------------------------------------

    def _serve_carefully(self, args: Command) -> None:
        if self.session.special & WAITING:
            self._wait_behind(args)
            return
        lock = self._state.lock
        if lock is None:
            self._serve(args)
        else:
            with lock:
                self._serve(args)

    def _serve(self, args: Command) -> None:
        """Refuse a command, make it wait, queue it, or run it."""
        session = self.session
        entry = self.table.find(args)
        refusal = self._refusal(entry, args)
        if refusal is not None:
            self._refuse(entry, refusal, args)
        elif entry is not None:
            if self._state.paused_until > 0 and self._is_paused_for(entry):
                self._wait_for_pause(args)
                return
            session.last = entry
            if session.special & MULTI and not entry.is_immediate:
                self._queue(entry, args)
            else:
                self.call(entry, args)
                if self._state.due:
                    self._state.run_due()
        self._end_command()

    def _refusal(self, entry: CommandEntry | None, args: Command) -> CommandError | None:
        """What speaks against running a command, in the order in which the real server asks."""
        session = self.session
        if entry is None:
            container = self.table.find(args[:1])
            if container is not None and container.subcommands is not None:
                return unknown_subcommand(args)
            return unknown_command(args)
        words: i64 = len(args)
        if words < entry.least or words > entry.most:
            return wrong_arity(entry)
        special: i64 = session.special
        if special == 0:
            return None
        if special & ANONYMOUS and entry.needs_auth:
            return CommandError("Authentication required.", "NOAUTH")
        if special & MULTI and entry.never_queued:
            return CommandError("Command not allowed inside a transaction")
        if special & SUBSCRIBED and session.protocol == 2 and not entry.while_subscribed:
            return CommandError(
                f"Can't execute '{entry.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are"
                " allowed in this context"
            )
        if special & MONITOR and entry.reads_or_writes:
            return CommandError("Replica can't interact with the keyspace")
        return None

    def _refuse(self, entry: CommandEntry | None, refusal: CommandError, args: Command) -> None:
        session = self.session
        if entry is None and args[0].upper() in _BROWSER_WORDS:
            # A web page can make a browser send these, and each line of such a request could be a command.
            _logger.info("%s sent an HTTP request, which no Redis client does; it is closed", session.peer)
            self.ctx.close()
            return
        if session.special & MULTI:
            session.aborts = True
        if entry is None or entry.name != "exec":
            session.write(refusal.reply)
            return
        session.discard_transaction()
        reason = refusal.reply
        words = reason.text if reason.code == "ERR" else reason.code.encode() + b" " + reason.text
        session.write(RedisError("EXECABORT", _REFUSALS_IN_EXEC + words))
        if self._state.monitors.loops:
            self._state.monitors.feed(session, args)

    def _queue(self, entry: CommandEntry, args: Command) -> None:
        session = self.session
        session.queue_size += _size_of(args)
        if session.queue_size > self._state.max_transaction_size:
            session.aborts = True
            session.queue = []  # it cannot be run any more
            session.write(
                RedisError("ERR", f"a transaction is limited to {self._state.max_transaction_size} bytes of commands")
            )
            return
        session.queue.append((entry, args))
        session.write(QUEUED)

    def call(self, entry: CommandEntry, args: Command) -> None:
        """Run a command that nothing speaks against, and tell everybody."""
        state = self._state
        session = self.session
        is_nested = session.is_executing
        state.is_running = True
        try:
            reply: Any = entry.run(session, args)
        except BaseException as exc:  # noqa: BLE001 - is raised again unless it is a command's answer
            reply = self._answer_of(exc)
        state.is_running = is_nested
        if (entry.is_write or session.propagated is not None) and state.write_listeners:
            self._tell_write(args, reply)
        self._answer(entry, reply)
        if entry.is_monitored and state.monitors.loops:
            state.monitors.feed(session, args)

    def _answer(self, entry: CommandEntry, reply: Any) -> None:
        """Write what a function returned, unless its reply comes later.

        Raises:
            PipelineError: it said so, and returned a reply after all: two would shift all that follow.
        """
        session = self.session
        if reply is _LATER:
            self._check_wait()
            return
        if session.has_begun_to_wait:
            session.has_begun_to_wait = False
            if reply is not _NO_REPLY:
                if session.withdraw_wait():
                    self.resume_soon()
                returned = "None" if reply is None else f"a {type(reply).__name__}"
                raise PipelineError(
                    f"the function of {entry.name!r} called session.later(), and returned {returned}, which would be a"
                    " second reply: end it with  return session.later(…)"
                )
        if reply is not _NO_REPLY:
            session.write(reply)

    def _tell_write(self, args: Command, reply: Any) -> None:
        """Let listeners hear of a write that did not fail."""
        session = self.session
        told = session.propagated
        session.propagated = None
        if isinstance(reply, RedisError):
            return
        for listener in self._state.write_listeners:
            if told is None:
                listener(session, args)
            else:
                for command in told:
                    listener(session, command)

    def _end_command(self) -> None:
        """CLIENT REPLY SKIP holds for one command, the next one."""
        session = self.session
        if session.special & SKIP_NEXT:
            session.special = (session.special & ~SKIP_NEXT) | REPLY_SKIP
        elif session.special & REPLY_SKIP and not session.special & WAITING:
            session.special &= ~REPLY_SKIP

    # -- commands that have to wait -----------------------------------------------------------------

    def _check_wait(self) -> None:
        """A function has said that its reply comes later."""
        session = self.session
        if session.is_executing:
            raise PipelineError(f"{session!r}: inside EXEC no reply may come later; session.may_block tells")
        if not session.is_waiting and not session.special & WAITING:
            session.later()  # it returned LATER as it is
        session.has_begun_to_wait = False

    def _wait_behind(self, args: Command) -> None:
        self._waiting.append(args)
        self._waiting_size += _size_of(args)
        if self._waiting_size > _MAX_WAITING and not self._holds_reads:
            self._holds_reads = True
            self.ctx.channel.hold_reads()

    def resume_soon(self) -> None:
        """Run what had to wait as a task: whoever brings a reply is in the middle of a command of its own."""
        if not self._resumes:
            self._resumes = True
            self.ctx.loop.execute(self._resume)

    def _resume(self) -> None:
        """Run what had to wait, until something has to wait again."""
        self._resumes = False
        session = self.session
        if session.is_waiting or self._loops_awaited > 0 or self.ctx.is_removed:
            return
        self._pause_timer = None
        session.special &= ~WAITING
        session.has_begun_to_wait = False  # who said later() outside of a function has had its reply
        self._end_command()
        for _ in range(_MAX_RESUMED):
            if not self._waiting or session.special & WAITING:
                break
            if not self.ctx.channel.is_open:
                self._waiting.clear()
                return
            args = self._waiting.popleft()
            self._waiting_size -= _size_of(args)
            self._serve_carefully(args)
        if self._waiting and not session.special & WAITING:
            session.special |= WAITING  # those that come meanwhile queue up behind
            self.resume_soon()
        elif not self._waiting and self._holds_reads:
            self._holds_reads = False
            self.ctx.channel.release_reads()

    def wait_for_loops(self, loops: list[Loop]) -> None:
        """Let further commands wait until these loops have done what they were asked for until now; on the loop."""
        self.session.special |= WAITING
        for loop in loops:
            self._loops_awaited += 1
            try:
                loop.execute(self._pass_back)
            except ChannelClosedError:
                self._loops_awaited -= 1  # it is being stopped: nothing gathers there
        if self._loops_awaited == 0:
            self.resume_soon()

    def _pass_back(self) -> None:
        """Say that a loop has come so far; on that loop."""
        try:
            self.ctx.loop.execute(self._loop_keeps_up)
        except ChannelClosedError:
            return  # the loop of the client is being stopped: nobody waits any more

    def _loop_keeps_up(self) -> None:
        self._loops_awaited -= 1
        if self._loops_awaited == 0:
            self._resume()

    def _is_paused_for(self, entry: CommandEntry) -> bool:
        """Whether CLIENT PAUSE holds this command up."""
        state = self._state
        session = self.session
        if session.special & MONITOR:
            return False
        if self.ctx.loop.time() >= state.paused_until:
            state.paused_until = 0.0
            return False
        if state.pauses_all or entry.may_replicate:
            return True
        if entry.name == "exec":
            for queued, _ in session.queue:
                if queued.may_replicate:
                    return True
        return False

    def _wait_for_pause(self, args: Command) -> None:
        self._waiting.appendleft(args)
        self._waiting_size += _size_of(args)
        self.session.special |= WAITING
        left = self._state.paused_until - self.ctx.loop.time()
        self._pause_timer = self.ctx.loop.schedule(left if left > 0 else 0.0, self._resume)

    def end_pause(self) -> None:
        """CLIENT UNPAUSE was said, by whomever; on the loop."""
        if self._pause_timer is not None:
            self._pause_timer.cancel()
            self._resume()


def _size_of(args: Command) -> int:
    size: i64 = 0
    for arg in args:
        size += len(arg) + _WORD
    return size
