"""The program: its options, and how everything is put together.

There is one store for the whole process.  By default one loop serves everybody, so commands run one after the other, as
in the real server, and none needs a lock.  With ``--loops 2`` they take turns at a lock: under the GIL that is no gain.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import Any

from pipeline_net import EventLoopGroup, ServerBootstrap, wire
from pipeline_net.codecs import redis
from pipeline_net.loop import Loop

# Each of these puts its commands into the table.
from . import bits, combining, hashes, keys, lifetimes, lists, ranges, scan, server, sets, sorted_sets, strings  # noqa: F401 - imported for what they do
from .append_only import AppendOnlyFile
from .journal import POLICIES, Acknowledger, Journal
from .loading import CorruptedFileError, load
from .store import DATABASES, Store
from .table import TABLE, Client
from .waiting import Waiting


class RedisServer:
    """A store, and the stages that serve it to each connection."""

    def __init__(self, loop: Loop, *, has_lock: bool = False) -> None:
        self.state = redis.ServerState(databases=DATABASES, lock=threading.RLock() if has_lock else None)
        self.store = Store(loop, self.state)
        self.waiting = Waiting(self.store)
        self.journal = Journal(self.store)

    def keep(self, path: Path, policy: str) -> None:
        """Load an append-only file, or make one, and write down every change from now on.

        Raises:
            CorruptedFileError: it is none.
            OSError: it cannot be opened; a ``FileInUseError`` if another server has it.
        """
        file = AppendOnlyFile(path)
        try:
            load(path, self.client())
        except BaseException:
            file.close()
            raise
        file.size = path.stat().st_size
        self.journal.policy = policy
        self.journal.begin(file)

    def client(self) -> Client:
        return Client(self.store, self.waiting, self.journal)

    def stages(self, channel: Any) -> Any:
        """The pipeline of one connection."""
        commands = redis.server_stack() >> redis.CommandHandler(TABLE, self.client())
        return wire() >> Acknowledger(self.journal) >> commands if self.journal.is_on else commands


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A Redis server.")
    parser.add_argument("--address", help="where to listen (tcp://127.0.0.1:6379)")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="encrypt with this certificate; then tls://…")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, unless it is in the same file")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    parser.add_argument("--appendonly", type=Path, metavar="FILE", help="keep every change in this file")
    parser.add_argument(
        "--appendfsync",
        choices=POLICIES,
        default=POLICIES[0],
        help="when a change must be on the disk: before it is acknowledged (always), a second later (%(default)s), or"
        " whenever the kernel likes (no)",
    )
    options = parser.parse_args()
    if options.tls_key is not None and options.tls_cert is None:
        parser.error("--tls-key is of no use without --tls-cert")
    if options.address is None:
        options.address = f"{'tcp' if options.tls_cert is None else 'tls'}://127.0.0.1:6379"
    return options


def main() -> None:
    options = read_options()
    with EventLoopGroup(options.loops) as loops:
        here = RedisServer(loops.next(), has_lock=options.loops > 1)
        if options.appendonly is not None:
            try:
                here.keep(options.appendonly, options.appendfsync)
            except (CorruptedFileError, OSError) as exc:
                sys.exit(f"redis_server: {exc}")
        tls = None if options.tls_cert is None else (options.tls_cert, options.tls_key)
        server = ServerBootstrap(loops, initializer=here.stages, tls=tls).bind(options.address)
        here.journal.on_failure = server.close
        try:
            print("listening on", *server.addresses, flush=True)
            where = server.addresses[0]
            reach = f"-s {where[7:]}" if where.startswith("unix://") else f"-p {where.rpartition(':')[2]}"
            if tls is not None:
                reach += f" --tls --cacert {options.tls_cert}"
            print(f"Type in another terminal:  redis-cli {reach} SET greeting hello", flush=True)
            server.wait()
        except KeyboardInterrupt:
            pass  # Ctrl-C is how it ends
    here.journal.close()
    if here.journal.failure is not None:
        sys.exit(1)
