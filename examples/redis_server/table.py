"""The table that all commands are put into, and the client that they are run for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from pipeline_net.codecs import redis

from .journal import Journal
from .store import Database, Store
from .waiting import Waiting

TABLE: Final = redis.CommandTable()


class Client(redis.Session):
    """One connection, and the store that it works on."""

    def __init__(self, store: Store, waiting: Waiting, journal: Journal) -> None:
        super().__init__(store.state)
        self.store = store
        self.waiting = waiting
        self.journal = journal
        self.db: Database = store.databases[0]

    def find_database(self) -> None:
        """Another one was selected, or is behind the same number."""
        self.db = self.store.databases[self.database]

    def reset(self) -> None:
        self.find_database()

    def end_at(self, key: bytes, moment: int) -> None:
        """Let a key end at that moment; one that has passed is the same as DEL."""
        if self.db.end_at(key, moment):
            self.propagate([b"DEL", key])


Function: TypeAlias = Callable[[Client, redis.Command], redis.Reply]


class Group:
    """Commands of one kind: ``@command("GET", arity=2, …)`` puts the function below it into the table.

    The first line of the function's docstring is what COMMAND DOCS says about it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, name: str, **facts: Any) -> Callable[[Function], Function]:
        def enter(run: Function) -> Function:
            summary = (run.__doc__ or "").partition("\n")[0].removesuffix(".")
            return TABLE.command(name, group=self._name, summary=summary, **facts)(run)

        return enter
