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

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..._mypyc import mypyc_attr
from ...errors import PipelineError
from .messages import Command
from .monitor import Monitors
from .output_limit import OutputLimit
from .pub_sub import PubSub

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ...loop import Loop
    from .session import Session

WriteListener: TypeAlias = "Callable[[Any, Command], object]"
TransactionListener: TypeAlias = "Callable[[Any], object]"


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
        push_limit: what may wait for a client that does not read what others publish, or what MONITOR shows.
        max_subscriptions: of one client; the real server has no limit.
        max_watched_keys: of one client; the real server has no limit.
        max_transaction_size: bytes that one client may queue between MULTI and EXEC; the real server has no limit.

    Raises:
        ValueError: a number below 1.
    """

    def __init__(
        self,
        *,
        databases: int = 16,
        password: str | bytes | None = None,
        version: str = "7.0.15",
        pub_sub: PubSub | None = None,
        lock: AbstractContextManager[Any] | None = None,
        push_limit: OutputLimit | None = None,
        max_subscriptions: int = 1024 * 1024,
        max_watched_keys: int = 1024 * 1024,
        max_transaction_size: int = 64 * 1024 * 1024,
    ) -> None:
        for name, number in (
            ("databases", databases),
            ("max_subscriptions", max_subscriptions),
            ("max_watched_keys", max_watched_keys),
            ("max_transaction_size", max_transaction_size),
        ):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, but is {number!r}")
        self.databases: Final[int] = databases
        """How many SELECT can choose from."""
        self.password: bytes | None = password.encode() if isinstance(password, str) else password
        self.version: Final[str] = version
        self.pub_sub: Final[PubSub] = PubSub() if pub_sub is None else pub_sub
        """Who has subscribed to what; ``state.pub_sub.publish(…)`` sends them something."""
        self.lock: Final[AbstractContextManager[Any] | None] = lock
        self.push_limit: Final[OutputLimit] = OutputLimit() if push_limit is None else push_limit
        self.max_subscriptions: Final[int] = max_subscriptions
        self.max_watched_keys: Final[int] = max_watched_keys
        self.max_transaction_size: Final[int] = max_transaction_size
        self.monitors: Final[Monitors] = Monitors()
        self.sessions: Final[dict[int, Session]] = {}
        """Who is connected, by client id."""
        self.paused_until: float = 0.0  # on the clock of the loops; 0 when clients are not paused
        self.pauses_all = False  # or only commands that write
        self.is_running = False  # a command is
        self.write_listeners: Final[list[WriteListener]] = []
        self.transaction_listeners: Final[list[TransactionListener]] = []
        self.due: list[tuple[Callable[..., object], tuple[Any, ...]]] = []  # what after_command() was given
        self._watchers: dict[tuple[int, bytes], dict[KeyWatcher, None]] = {}
        self._loops: dict[Loop, None] = {}
        self._ids = itertools.count(1)

    # -- what commands tell -------------------------------------------------------------------------

    def touch(self, database: int, key: bytes) -> None:
        """A key has been changed, made or deleted (also by its time running out): tell whoever watches it."""
        if not self._watchers:
            return
        watchers = self._watchers.get((database, key))
        if watchers is not None:
            for watcher in list(watchers):  # a copy: who hears of it may stop watching
                watcher.key_touched(database, key)

    def after_command(self, fn: Callable[..., object], *args: Any) -> None:
        """Run ``fn(*args)`` once the command, or the whole transaction, that runs now is over; at once if none does.

        Raises:
            PipelineError: several loops share the state, and it has no lock.
        """
        self._must_be_serial("after_command()")
        if not self.is_running:
            fn(*args)
        else:
            self.due.append((fn, args))

    def run_due(self) -> None:
        """Run what ``after_command()`` was given, and what that adds."""
        while self.due:
            due = self.due
            self.due = []
            for fn, args in due:
                fn(*args)

    def tell_write(self, session: Session, command: Command) -> None:
        """Let ``on_write`` listeners hear of a change that no command function made, such as a pop for a client that
        waited.
        """
        for listener in self.write_listeners:
            listener(session, command)

    # -- who hears of it ----------------------------------------------------------------------------

    def on_write(self, listener: WriteListener) -> None:
        """Call ``listener(session, command)`` after each command with the flag ``write`` that did not fail.

        What it hears is the command as it came, unless its function said otherwise with ``session.propagate(…)``.
        """
        self.write_listeners.append(listener)

    def on_transaction(self, listener: TransactionListener) -> None:
        """Call ``listener(session)`` when EXEC has run its queue; while it does, ``session.is_executing`` is true."""
        self.transaction_listeners.append(listener)

    def watch_key(self, database: int, key: bytes, watcher: KeyWatcher) -> None:
        """Let ``watcher`` hear of changes of a key until ``unwatch_key``.

        Raises:
            PipelineError: several loops share the state, and it has no lock.
        """
        self._must_be_serial("watching a key")
        watchers = self._watchers.get((database, key))
        if watchers is None:
            self._watchers[(database, key)] = {watcher: None}
        else:
            watchers[watcher] = None

    def unwatch_key(self, database: int, key: bytes, watcher: KeyWatcher) -> None:
        """Let it hear no more; again is allowed."""
        watchers = self._watchers.get((database, key))
        if watchers is not None:
            watchers.pop(watcher, None)
            if not watchers:
                del self._watchers[(database, key)]

    def watched_keys(self, database: int) -> list[bytes]:
        """Which keys anybody watches: FLUSHDB touches those of them that it deletes."""
        return [key for number, key in self._watchers if number == database]

    def _must_be_serial(self, what: str) -> None:
        if self.lock is None and len(self._loops) > 1:
            raise PipelineError(
                f"{what} is for commands that run one after the other, but {len(self._loops)} loops share this"
                " ServerState: give it a lock, or each loop a state of its own"
            )

    # -- who is connected ---------------------------------------------------------------------------

    def enter(self, session: Session) -> int:
        """Take in a connection, and give it its id."""
        number = next(self._ids)
        self._loops[session.loop] = None
        self.sessions[number] = session
        return number

    def leave(self, session: Session) -> None:
        """Forget a connection."""
        self.sessions.pop(session.id, None)

    def all_sessions(self) -> list[Session]:
        """Who is connected now, oldest first.  From any thread."""
        return [session for _, session in sorted(self.sessions.items())]
