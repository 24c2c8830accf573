"""ServerState: what all connections of one server share.

::

    state = redis.ServerState(password="secret")
    initializer = lambda channel: redis.server_stack() >> redis.CommandHandler(table, MySession(state, store))

One loop, and commands run one after the other, as in the real server: nothing needs a lock.  Several loops, and there
are two kinds of things:

* What the kit keeps (who is connected, subscriptions, who monitors) needs none either: each loop alone changes its part
  of it, and others look at it in single steps, or send it a task.
* What commands do to the data is the program's.  Pass ``lock=threading.Lock()`` and every command, every whole
  transaction, every timeout of a blocking command and every farewell of a client holds it.  Under the GIL several
  loops for one store are no gain; for stores of their own, or for pub/sub, no lock is needed.

What is called when, with ``w`` for a command with the flag ``write``::

    w's function            session.touch(key)  ->  WATCHers are marked, key watchers called at once
    w has returned          on_write listeners: (session, command); one after the other in a transaction
    EXEC has run the queue  on_transaction listeners: (session)
    afterwards              what after_command() was given, for example to serve clients that wait in BLPOP
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..._mypyc import i64, mypyc_attr
from .messages import Command
from .pub_sub import PubSub

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .session import Session

WriteListener: TypeAlias = "Callable[[Session, Command], object]"
TransactionListener: TypeAlias = "Callable[[Session], object]"


@mypyc_attr(allow_interpreted_subclasses=True)
class KeyWatcher:
    """Whoever wants to know when a key changes: a client's WATCH, a client that waits in BLPOP."""

    def key_touched(self, database: int, key: bytes) -> None:
        """The key has been changed, made or deleted; called by whoever does that, before its command is over.

        Do not change data here: ``state.after_command(…)`` is the moment for that.
        """
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class ServerState:
    """Everything that the connections of one server have in common.

    Args:
        databases: how many SELECT can choose from.
        password: what AUTH must say before anything else works; ``None`` lets everybody in.
        version: of Redis, whose behaviour this is; clients look at it to know what they may ask for.
        pub_sub: to share subscriptions with another server of this process.
        lock: held while a command runs, for a store that several loops share; see above.
    """

    def __init__(
        self,
        *,
        databases: int = 16,
        password: str | bytes | None = None,
        version: str = "7.0.15",
        pub_sub: PubSub | None = None,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.databases: Final[int] = databases
        self.password: bytes | None = password.encode() if isinstance(password, str) else password
        self.version: Final[str] = version
        self.pub_sub: Final[PubSub] = PubSub() if pub_sub is None else pub_sub
        self.lock: Final[AbstractContextManager[Any] | None] = lock
        self.sessions: Final[dict[int, Session]] = {}
        """Who is connected, by client id."""
        self.observed: i64 = 0  # not 0: commands take the careful way: somebody monitors, or clients are paused

    # -- what commands tell -------------------------------------------------------------------------

    def touch(self, database: int, key: bytes) -> None:
        """A key has been changed, made or deleted (also by its time running out): tell whoever watches it."""
        raise NotImplementedError

    def after_command(self, fn: Callable[..., object], *args: Any) -> None:
        """Run ``fn(*args)`` once the command, or the whole transaction, that runs now is over; at once if none does."""
        raise NotImplementedError

    def tell_write(self, session: Session, command: Command) -> None:
        """Let ``on_write`` listeners hear of a change that no command function made, such as a pop for a client that
        waited.
        """
        raise NotImplementedError

    # -- who hears of it ----------------------------------------------------------------------------

    def on_write(self, listener: WriteListener) -> None:
        """Call ``listener(session, command)`` after each command with the flag ``write`` that did not fail.

        What it hears is the command as it came, unless its function said otherwise with ``session.propagate(…)``.
        """
        raise NotImplementedError

    def on_transaction(self, listener: TransactionListener) -> None:
        """Call ``listener(session)`` when EXEC has run its queue; while it does, ``session.is_executing`` is true."""
        raise NotImplementedError

    def watch_key(self, database: int, key: bytes, watcher: KeyWatcher) -> None:
        """Let ``watcher`` hear of changes of a key until ``unwatch_key``."""
        raise NotImplementedError

    def unwatch_key(self, database: int, key: bytes, watcher: KeyWatcher) -> None:
        """Let it hear no more; again is allowed."""
        raise NotImplementedError

    def watched_keys(self, database: int) -> list[bytes]:
        """Which keys anybody watches: FLUSHDB touches those of them that it deletes."""
        raise NotImplementedError
