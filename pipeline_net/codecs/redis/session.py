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

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..._mypyc import i64, mypyc_attr
from .messages import Command, Reply, SimpleString
from .server_state import KeyWatcher, ServerState

if TYPE_CHECKING:
    from ...channel import Channel
    from ...loop import Loop

# Two replies that are none; as simple strings they fit the type of a command function.
LATER: Final = SimpleString("LATER")
"""The reply comes later, by ``session.reply(…)``: ``later()`` returns it."""
NO_REPLY: Final = SimpleString("NO REPLY")
"""There is none, or the function has written it itself with ``session.write(…)``."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Session(KeyWatcher):
    """One connection: who it is, how it speaks, what it has begun.

    Args:
        state: what it shares with the other connections of its server.
    """

    channel: Channel  # once the handler is seated

    def __init__(self, state: ServerState) -> None:
        self.state: Final[ServerState] = state
        self.id: int = 0
        self.name: bytes = b""
        self.protocol: int = 2
        """2 or 3; HELLO changes it."""
        self.database: int = 0
        self.is_executing = False
        """EXEC runs the queue of a transaction now."""
        self.special: i64 = 0  # not 0: commands take the careful way (transaction, subscriptions, waiting, …)

    @property
    def loop(self) -> Loop:
        """The loop it lives on."""
        return self.channel.loop

    # -- replies ------------------------------------------------------------------------------------

    def write(self, reply: Reply) -> None:
        """Write one reply, or one push, now; on the loop.  For functions that answer more than one."""
        raise NotImplementedError

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
        raise NotImplementedError

    def reply(self, value: Reply) -> bool:
        """Answer the command that waits; false if none does (any more).  From any thread."""
        raise NotImplementedError

    # -- what commands tell -------------------------------------------------------------------------

    def touch(self, key: bytes) -> None:
        """A key of the session's database has been changed: ``state.touch(session.database, key)``."""
        raise NotImplementedError

    def propagate(self, *commands: Command) -> None:
        """Let ``on_write`` listeners hear of these instead of the command that runs now; of none without arguments.

        EXPIRE with a length of time becomes PEXPIREAT with a moment, SPOP becomes SREM; what changed nothing, nothing.
        """
        raise NotImplementedError

    # -- for subclasses -----------------------------------------------------------------------------

    def reset(self) -> None:
        """RESET was said: forget what belongs to the client; the kit's own part is done already."""

    def closed(self) -> None:
        """The client has gone; called on its loop, after everything was withdrawn."""
