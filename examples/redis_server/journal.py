"""Journal: when what was changed is written down, and when clients hear of it.

A reply leaves when everything that was changed before it is where the policy wants it:

=============  ================================  =======================================================
``always``     on the disk                       one ``fsync`` for all clients that one turn of the loop served
``everysec``   with the kernel                   on the disk a second later: a crash of the machine may undo that second
``no``         with the kernel                   on the disk whenever the kernel likes
=============  ================================  =======================================================

So ``Acknowledger`` sits next to the wire and holds replies back, those of clients that only read included: they may
have seen what is not safe yet.  With ``always``, a thread waits for the disk while the loop goes on; what it serves
meanwhile is made safe together, the next time::

    loop    | SET SET SET GET |   INCR   SET    | replies of the first four |   …
    disk                      | write, fsync    | write, fsync              |

What cannot be written down must not be acknowledged: when the disk fails, the server ends, as the real one does with
``always``.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from pipeline_net import ChannelFuture, ChannelHandlerContext, ChannelOutboundHandler
from pipeline_net.codecs import redis
from pipeline_net.errors import ChannelClosedError
from pipeline_net.loop import Loop

from .append_only import AppendOnlyFile, encode
from .rewriting import copy_of, write_copy
from .store import Store

POLICIES: Final = ("everysec", "always", "no")
_MAX_QUEUED: Final = 16 * 1024 * 1024  # bytes that wait for a thread; with more, the loop itself waits for the disk

_logger: Final = logging.getLogger("redis_server")


class Journal:
    """Keeps the append-only file of a store; without a file it keeps nothing."""

    def __init__(self, store: Store, policy: str = "everysec") -> None:
        self.policy = policy
        self.rewrite_percentage = 100  # how much larger than after the last rewrite the file may become
        self.rewrite_min_size = 64 * 1024 * 1024  # bytes; a smaller file is not rewritten by itself
        self.base_size = 0
        self.is_rewriting = False
        self.rewrite_error: BaseException | None = None
        self.failure: BaseException | None = None
        self.on_failure: Callable[[], object] = lambda: None
        self._store = store
        self._loop = store.loop
        self._file: AppendOnlyFile | None = None
        self._database = -1  # the one that the last record is about
        self._in_transaction = False
        self._is_due = False  # a task that writes down is on its way
        self._is_busy = False  # a thread writes
        self._is_syncing = False  # a thread waits for the disk, and others may write
        self._replacement: Path | None = None  # a rewritten file that waits to be put in the place of this one
        self._unsynced = False
        self._holding: dict[Acknowledger, None] = {}

    @property
    def is_on(self) -> bool:
        return self._file is not None

    @property
    def name(self) -> str:
        return "" if self._file is None else self._file.path.name

    @property
    def size(self) -> int:
        return 0 if self._file is None else self._file.size

    def begin(self, file: AppendOnlyFile) -> None:
        """Write down every change from now on."""
        self._file = file
        self.base_size = file.size
        store = self._store
        store.log = self
        store.written_down = store.changes
        for database in store.databases:
            database.start_timers()
        state = store.state
        state.on_write(self._wrote)
        state.on_transaction(self._transaction_ended)
        self._loop.schedule_every(1.0, self._every_second)

    # -- what changed -------------------------------------------------------------------------------

    def _wrote(self, session: redis.Session, command: redis.Command) -> None:
        if session.is_executing != self._in_transaction:
            if self._in_transaction:
                self._transaction_ended(session)  # the last one was broken off by an error
            elif self._store.has_unwritten_changes:
                self._in_transaction = True
                self._add([b"MULTI"])
        self._store.write_down(session.database, command)

    def _transaction_ended(self, session: redis.Session) -> None:
        if self._in_transaction:
            self._in_transaction = False
            self._add([b"EXEC"])

    def append(self, command: redis.Command, database: int) -> None:
        if database != self._database:
            self._database = database
            self._add([b"SELECT", b"%d" % database])
        self._add(command)

    def _add(self, command: redis.Command) -> None:
        file = self._file
        assert file is not None
        file.add(encode(command))
        if file.queued > _MAX_QUEUED:
            self._write_now(file)
        if not self._is_due:
            self._is_due = True
            self._loop.execute(self._turn_ends)

    # -- writing it down ----------------------------------------------------------------------------

    def _turn_ends(self) -> None:
        """Everybody whom this turn of the loop had something for has been served."""
        self._is_due = False
        file = self._file
        if file is None or self._is_busy or self.failure is not None:
            return  # the thread's end leads here again
        if self._replacement is not None:
            self._let_a_thread(file.switch, self._replacement, then=self._switched)
        elif self.policy == "always":
            self._let_a_thread(file.commit, then=self._committed)
        elif self._write_now(file):
            self._unsynced = True
            self._release(file)
            self._rewrite_if_grown()

    def _write_now(self, file: AppendOnlyFile) -> bool:
        """Write on the loop, which then waits if the disk makes it wait; whether that went well."""
        try:
            file.commit(sync=self.policy == "always")
        except OSError as exc:
            self._fail(exc)
        return self.failure is None

    def _let_a_thread(
        self, work: Callable[..., object], *args: object, then: Callable[[ChannelFuture[Any]], object]
    ) -> None:
        self._is_busy = True
        self._loop.run_blocking(partial(work, *args, sync=self.policy == "always")).add_done_callback(then)

    def _committed(self, future: ChannelFuture[Any]) -> None:
        self._is_busy = False
        failure, file = future.exception(), self._file
        if failure is not None:
            self._fail(failure)
        elif file is not None:
            self._release(file)
            self._rewrite_if_grown()
            if file.safe < file.added or self._replacement is not None:
                self._turn_ends()

    def _every_second(self) -> None:
        if self._file is not None and self.policy == "everysec" and self._unsynced and not self._is_syncing:
            self._unsynced = False
            self._is_syncing = True
            self._loop.run_blocking(self._file.sync).add_done_callback(self._synced)

    def _synced(self, future: ChannelFuture[Any]) -> None:
        self._is_syncing = False
        failure = future.exception()
        if failure is not None:
            self._fail(failure)

    def _fail(self, exc: BaseException) -> None:
        """End: no reply that is held back may ever be sent."""
        if self.failure is None:
            self.failure = exc
            _logger.critical("the append-only file cannot be written to, so the server ends: %s", exc)
            for holder in list(self._holding):
                holder.loop.execute(holder.give_up)
            self.on_failure()

    def close(self) -> None:
        """Write down what is left; when the loops have stopped."""
        if self._file is not None and self.failure is None:
            self._file.close()

    # -- replies that are held back -----------------------------------------------------------------

    def hold(self, holder: Acknowledger) -> int:
        """Say what must be safe before a reply may leave; 0 if it may leave now."""
        file = self._file
        if file is None or file.safe == file.added:
            return 0
        self._holding[holder] = None
        return file.added

    def let_go(self, holder: Acknowledger) -> None:
        self._holding.pop(holder, None)

    @property
    def safe(self) -> int:
        """How many records are where the policy wants them."""
        return 0 if self._file is None else self._file.safe

    def _release(self, file: AppendOnlyFile) -> None:
        for holder in list(self._holding):
            if holder.loop is self._loop:
                holder.release(file.safe)
            else:
                holder.loop.execute(holder.release, file.safe)

    # -- rewriting ----------------------------------------------------------------------------------

    def _rewrite_if_grown(self) -> None:
        size = self.size
        if (
            not self.is_rewriting
            and self.rewrite_percentage > 0
            and size >= self.rewrite_min_size
            and size >= self.base_size * (1 + self.rewrite_percentage / 100)
        ):
            self.rewrite()

    def rewrite(self) -> None:
        """Begin to put a file that only says what there is now in the place of the one that says how it came about."""
        file = self._file
        if file is None or self.is_rewriting:
            return
        self.is_rewriting = True
        path = file.path.with_name(f"{file.path.name}.rewrite")
        with self._store.lock:
            copy = copy_of(self._store)
            file.begin_rewrite()
            self._database = -1  # the new file must say so, too
        self._loop.run_blocking(write_copy, path, copy).add_done_callback(partial(self._copied, path))

    def _copied(self, path: Path, future: ChannelFuture[Any]) -> None:
        failure = future.exception()
        if failure is not None:
            assert self._file is not None
            self._file.give_up_rewrite()
            self._rewritten(path, failure)
            return
        self._replacement = path
        self._turn_ends()

    def _switched(self, future: ChannelFuture[Any]) -> None:
        path, self._replacement = self._replacement, None
        assert path is not None
        if future.exception() is None:
            self._rewritten(path, future.result())
        self._committed(future)

    def _rewritten(self, path: Path, failure: BaseException | None) -> None:
        self.is_rewriting = False
        self.rewrite_error = failure
        self.base_size = self.size
        if failure is not None:
            _logger.error("the append-only file could not be rewritten, and goes on as it is: %s", failure)
            path.unlink(missing_ok=True)


class Acknowledger(ChannelOutboundHandler[bytes, bytes]):
    """bytes → bytes, when they may leave; next to the wire."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._held: deque[tuple[int, bytes, ChannelFuture[Any] | None]] = deque()
        self._is_releasing = False
        self._afterwards: list[tuple[Callable[..., object], ChannelFuture[Any] | None]] = []

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._ctx = ctx

    @property
    def loop(self) -> Loop:
        return self._ctx.loop

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: bytes, promise: ChannelFuture[Any] | None) -> None:
        journal = self._journal
        awaited = journal.hold(self) or (self._held[-1][0] if self._held else 0)
        if not awaited and not self._is_releasing:
            ctx.write(msg, promise)
            return
        self._held.append((awaited, msg, promise))
        ctx.channel.hold_bytes(len(msg))  # a client that has much to come is not read from
        if journal.safe >= awaited:  # now, or while this was put here: nobody would come to release it
            self.release(journal.safe)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        if self._held:
            self._afterwards.append((ctx.close, promise))
        else:
            ctx.close(promise)

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        if self._held:
            self._afterwards.append((ctx.shutdown_output, promise))
        else:
            ctx.shutdown_output(promise)

    def release(self, safe: int) -> None:
        """Let out what waited for no more than ``safe`` records."""
        if self._is_releasing:
            return  # there is room for more commands, whose replies come here, and go out after the older ones
        held, ctx = self._held, self._ctx
        self._is_releasing = True
        try:
            while held and held[0][0] <= safe:
                leaving = []
                while held and held[0][0] <= safe:
                    leaving.append(held.popleft())
                ctx.channel.hold_bytes(-sum([len(msg) for _, msg, _ in leaving]))
                for _, msg, promise in leaving:
                    ctx.write(msg, promise)
        finally:
            self._is_releasing = False
        if held:
            return
        self._journal.let_go(self)
        afterwards, self._afterwards = self._afterwards, []
        for operation, promise in afterwards:
            operation(promise)

    def give_up(self) -> None:
        """What is held will never be safe: the client must not take it for done."""
        self._ctx.channel.abort()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._journal.let_go(self)
        for _, _, promise in self._held:
            if promise is not None:
                promise.fail_if_pending(ChannelClosedError("the connection ended before the reply could be sent"))
        ctx.channel.hold_bytes(-sum([len(msg) for _, msg, _ in self._held]))
        self._held.clear()
        for _, promise in self._afterwards:
            if promise is not None:
                promise.fulfil(None)
