"""CommandRegistry: which commands there are, how many words each takes, and which function answers it.

::

    table = redis.CommandTable()              # begins with what every server knows: PING, MULTI, SUBSCRIBE, CLIENT, …

    @table.command("SET", arity=-3, flags="write denyoom", keys=(1, 1, 1), group="string", since="1.0.0", summary="…")
    def set_(session: MySession, args: redis.Command) -> redis.Reply:
        session.store.values[args[1]] = args[2]
        session.touch(args[1])
        return redis.OK

    @table.command("CONFIG GET", arity=-3, group="server")          # a subcommand; its container is made by itself
    def config_get(session: MySession, args: redis.Command) -> redis.Reply: ...

``args[0]`` is the name as the client spelt it; of a subcommand, ``args[:2]``.  A function returns its reply, or raises
``CommandError``, or returns what ``session.later(…)`` gives when the reply comes later.  It is never called with fewer
or more words than ``arity`` allows, so it indexes without a look.

A table is made when the program starts and does not change afterwards: what changes is in ``ServerState``.  So one
table, made at the top of a module, may serve any number of servers and loops.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias, TypeVar

from ..._mypyc import i64, mypyc_attr
from .messages import Command, RedisError, Reply

CommandFunction: TypeAlias = "Callable[[Any, Command], Reply]"
F = TypeVar("F", bound="Callable[[Any, Command], Reply]")


@mypyc_attr(native_class=False)
class CommandError(Exception):
    """What a command answers instead of doing its work: raised by its function, sent as ``-ERR text``.

    Args:
        text: the sentence; line breaks become blanks.
        code: the word in front of it: ``WRONGTYPE``, ``NOAUTH``, …
    """

    def __init__(self, text: str | bytes, code: str = "ERR") -> None:
        super().__init__(text)
        self.reply: Final = RedisError(code, text)


class CommandEntry:
    """One command, or one subcommand, as the table has it."""

    def __init__(self, name: str, arity: int, run: CommandFunction) -> None:
        self.name: Final[str] = name
        """In lower case, as errors and COMMAND name it: ``get``, ``client|list``."""
        self.arity: Final[int] = arity
        self.run: Final[CommandFunction] = run
        self.least: i64 = abs(arity)
        self.most: i64 = arity if arity > 0 else sys.maxsize
        self.flags: tuple[str, ...] = ()
        self.is_write = False
        self.keys: tuple[int, int, int] = (0, 0, 0)
        self.find_keys: Callable[[Command], list[bytes]] | None = None
        self.group = "generic"
        self.since = ""
        self.summary = ""
        self.complexity = ""
        self.categories: tuple[str, ...] = ()
        self.tips: tuple[str, ...] = ()
        self.subcommands: dict[bytes, CommandEntry] | None = None
        """By their names in capitals; ``None`` for a command that has none."""

    def __repr__(self) -> str:
        return f"<CommandEntry {self.name} {self.arity}>"


@mypyc_attr(allow_interpreted_subclasses=True)
class CommandRegistry:
    """A table of commands that begins empty; ``CommandTable`` is one that begins with the kit's own."""

    def __init__(self) -> None:
        self._entries: dict[bytes, CommandEntry] = {}
        self._spellings: dict[bytes, CommandEntry] = {}

    def command(
        self,
        name: str,
        *,
        arity: int,
        flags: str = "",
        keys: tuple[int, int, int] = (0, 0, 0),
        find_keys: Callable[[Command], list[bytes]] | None = None,
        group: str = "generic",
        since: str = "",
        summary: str = "",
        complexity: str = "",
        categories: str = "",
        tips: str = "",
    ) -> Callable[[F], F]:
        """Put the decorated function into the table; the same name again replaces what was there.

        Args:
            name: ``"GET"``, or ``"CONFIG GET"`` for a subcommand; in any case.
            arity: how many words it takes, its name included; ``-3`` means at least 3.
            flags: words that COMMAND shows; ``write`` makes listeners hear of it, ``no_auth`` lets it through before
                AUTH, ``no_multi`` keeps it out of transactions, ``admin`` and ``skip_monitor`` hide it from MONITOR.
            keys: which words are keys: the first, the last (negative: from the end), and the step.
            find_keys: takes a command and returns its keys, where ``keys`` cannot say it.
            group: ``string``, ``list``, ``connection``, …: what COMMAND DOCS says; most are an ACL category too.
            categories, tips: further words that COMMAND INFO shows.

        Raises:
            ValueError: no arity, a name of no or three words, a flag that does not exist.
        """
        raise NotImplementedError

    def find(self, args: Command) -> CommandEntry | None:
        """The entry of a command that somebody sent, of its subcommand if it has some; ``None`` if it is unknown."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[CommandEntry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)
