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

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from ..._mypyc import i64, mypyc_attr, with_cause
from .messages import Command, RedisError, Reply

CommandFunction: TypeAlias = "Callable[[Any, Command], Reply]"
F = TypeVar("F", bound="Callable[[Any, Command], Reply]")

# In the order in which COMMAND shows them.
_SHOWN_FLAGS: Final = (
    *("write", "readonly", "denyoom", "module", "admin", "pubsub", "noscript", "blocking", "loading", "stale"),
    *("skip_monitor", "skip_slowlog", "asking", "fast", "no_auth", "no_mandatory_keys"),
    *("no_async_loading", "no_multi", "allow_busy", "movablekeys"),
)
# What only the kit looks at: run, not queued, inside MULTI; allowed to a RESP2 connection that has subscriptions; held
# up by CLIENT PAUSE WRITE though it is no write.
_HIDDEN_FLAGS: Final = ("immediate", "while_subscribed", "may_replicate")

# ACL categories in the order in which COMMAND shows them.
_CATEGORIES: Final = (
    *("keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo"),
    *("stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"),
)
_CATEGORY_OF_GROUP: Final = {
    **{group: group for group in ("set", "list", "hash", "string", "bitmap", "hyperloglog", "geo", "stream")},
    **{group: group for group in ("connection", "scripting")},
    "generic": "keyspace",
    "sorted-set": "sortedset",
    "transactions": "transaction",
}


@mypyc_attr(native_class=False)
class CommandError(Exception):
    """What a command answers instead of doing its work: raised by its function, sent as ``-ERR text``.

    Args:
        text: the sentence; line breaks become blanks.
        code: the word in front of it: ``WRONGTYPE``, ``NOAUTH``, …
    """

    reply: RedisError

    def __init__(self, text: str | bytes, code: str = "ERR") -> None:
        super().__init__(text)
        line = text.encode() if isinstance(text, str) else text
        self.reply = RedisError(code, line.replace(b"\r", b" ").replace(b"\n", b" "))

    def __reduce__(self) -> tuple[type[CommandError], tuple[Any, str]]:
        return type(self), (self.args[0], self.reply.code)  # a compiled reply is not pickled


class CommandEntry:
    """One command, or one subcommand, as the table has it."""

    def __init__(self, name: str, arity: int, run: CommandFunction, flags: str = "") -> None:
        self.name: Final[str] = name
        """In lower case, as errors and COMMAND name it: ``get``, ``client|list``."""
        self.arity: Final[int] = arity
        self.run: Final[CommandFunction] = run
        self.least: Final[i64] = abs(arity)
        self.most: Final[i64] = arity if arity > 0 else sys.maxsize
        words = flags.split()
        self.flags: Final[tuple[str, ...]] = tuple(word for word in _SHOWN_FLAGS if word in words)
        self.is_write: Final[bool] = "write" in words
        self.reads_or_writes: Final[bool] = not {"write", "readonly", "may_replicate"}.isdisjoint(words)
        self.may_replicate: Final[bool] = "write" in words or "may_replicate" in words
        self.is_monitored: Final[bool] = "admin" not in words and "skip_monitor" not in words
        self.needs_auth: Final[bool] = "no_auth" not in words
        self.never_queued: Final[bool] = "no_multi" in words
        self.is_immediate: Final[bool] = "immediate" in words
        self.while_subscribed: Final[bool] = "while_subscribed" in words
        self.keys: tuple[int, int, int] = (0, 0, 0)
        self.key_flags: tuple[str, ...] = ()
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


def _only_a_container(session: Any, args: Command) -> Reply:
    """Answer a container of subcommands that is sent alone, which its arity does not allow."""
    raise AssertionError(f"{args!r} has too few words to get here")


class _Decorator:
    """What ``@table.command(…)`` leaves to do: to take the function."""

    def __init__(self, registry: CommandRegistry, name: str, details: dict[str, Any]) -> None:
        self._registry = registry
        self._name = name
        self._details = details

    def __call__(self, run: Any) -> Any:
        self._registry.enter(self._name, run, self._details)
        return run


@mypyc_attr(allow_interpreted_subclasses=True)
class CommandRegistry:
    """A table of commands that begins empty; ``CommandTable`` is one that begins with the kit's own."""

    def __init__(self) -> None:
        self._entries: dict[bytes, CommandEntry] = {}  # by their names in capitals
        self.spellings: Final[dict[bytes, CommandEntry]] = {}
        """Commands without subcommands as they are usually spelt: all small or all capital, so without ``upper()``."""

    def command(
        self,
        name: str,
        *,
        arity: int,
        flags: str = "",
        keys: Sequence[int] = (0, 0, 0),
        key_flags: str | None = None,
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
            key_flags: what is done with them, for COMMAND INFO; otherwise what ``write`` and ``readonly`` suggest.
            find_keys: takes a command and returns its keys, where ``keys`` cannot say it.
            group: ``string``, ``list``, ``connection``, …: what COMMAND DOCS says; most are an ACL category too.
            categories, tips: further words that COMMAND INFO shows.

        Raises:
            TypeError: ``keys`` are not three numbers.
            ValueError: no arity, a name of no or three words, a flag that does not exist.  And when the function is
                decorated: it is ``async def`` or a generator, or cannot be called with a session and the words.
        """
        if arity == 0:
            raise ValueError(f"the arity of {name!r} counts its name, too, and cannot be 0")
        if len(name.split(" ")) > 2 or not all(name.split(" ")):
            raise ValueError(f"a command has a name of one word, or two with a subcommand, not {name!r}")
        for word in flags.split():
            if word not in _SHOWN_FLAGS and word not in _HIDDEN_FLAGS:
                raise ValueError(f"{name!r} has the flag {word!r}, which does not exist")
        details: dict[str, Any] = {
            "arity": arity,
            "flags": flags,
            "keys": _three_numbers(name, keys),
            "key_flags": key_flags,
            "find_keys": find_keys,
            "group": group,
            "since": since,
            "summary": summary,
            "complexity": complexity,
            "categories": categories,
            "tips": tips,
        }
        return _Decorator(self, name, details)

    def enter(self, name: str, run: CommandFunction, details: dict[str, Any]) -> None:
        """Make an entry; see ``command``."""
        _check_function(name, run)
        container, _, subcommand = name.upper().partition(" ")
        entry = CommandEntry(name.lower().replace(" ", "|"), details["arity"], run, details["flags"])
        entry.keys = details["keys"]
        entry.find_keys = details["find_keys"]
        entry.group = details["group"]
        entry.since = details["since"]
        entry.summary = details["summary"]
        entry.complexity = details["complexity"]
        entry.categories = _categories(entry, details["categories"].split())
        entry.tips = tuple(details["tips"].split())
        key_flags = details["key_flags"]
        if key_flags is None:
            key_flags = "RW update" if entry.is_write else "RO access" if "readonly" in entry.flags else "RO"
        entry.key_flags = tuple(key_flags.split())
        if subcommand:
            self.add_subcommand(container.encode(), subcommand.encode(), entry)
        else:
            self.add(container.encode(), entry)

    def add(self, name: bytes, entry: CommandEntry) -> None:
        """Put in an entry under its name in capitals, with the subcommands that the name has already."""
        known = self._entries.get(name)
        if known is not None and entry.subcommands is None:
            entry.subcommands = known.subcommands
        self._entries[name] = entry
        self._spell(name, entry)

    def add_subcommand(self, container: bytes, name: bytes, entry: CommandEntry) -> None:
        """Put in a subcommand; without a container there is one from now on."""
        owner = self._entries.get(container)
        if owner is None:
            owner = CommandEntry(container.decode().lower(), -2, _only_a_container)
            owner.group = entry.group
            owner.since = entry.since
            owner.summary = f"A container of the subcommands of {container.decode()}."
            owner.categories = ("slow",)
            self._entries[container] = owner
        if owner.subcommands is None:
            owner.subcommands = {}
        owner.subcommands[name] = entry
        self._spell(container, owner)

    def _spell(self, name: bytes, entry: CommandEntry) -> None:
        for spelling in (name, name.lower()):
            if entry.subcommands is None:
                self.spellings[spelling] = entry
            else:
                self.spellings.pop(spelling, None)  # its second word must be looked at, too

    def find(self, args: Command) -> CommandEntry | None:
        """The entry of a command that somebody sent, of its subcommand if it has some; ``None`` if it is unknown."""
        entry = self._entries.get(args[0].upper())
        if entry is None or entry.subcommands is None or len(args) == 1:
            return entry
        return entry.subcommands.get(args[1].upper())

    def find_by_name(self, name: bytes) -> CommandEntry | None:
        """The entry of ``get``, or of ``client|list``; in any case."""
        container, separator, subcommand = name.upper().partition(b"|")
        entry = self._entries.get(container)
        if entry is None or not separator:
            return entry
        return None if entry.subcommands is None else entry.subcommands.get(subcommand)

    def __iter__(self) -> Iterator[CommandEntry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)


def _three_numbers(name: str, keys: Any) -> tuple[int, int, int]:
    if isinstance(keys, (tuple, list)) and len(keys) == 3 and all(type(number) is int for number in keys):
        return keys[0], keys[1], keys[2]
    raise TypeError(
        f"the keys= of {name!r} are three numbers, the first word that is a key, the last, and the step, as in"
        f" keys=(1, 1, 1), and not {keys!r}"
    )


def _check_function(name: str, run: Any) -> None:
    """Say at once what would otherwise be found out when a client sends the command, which closes its connection."""
    if not callable(run):
        raise ValueError(f"the function of {name!r} is {run!r}, which cannot be called")
    if inspect.iscoroutinefunction(run) or inspect.isasyncgenfunction(run):
        raise ValueError(
            f"the function of {name!r} is async def, and nobody would await it: commands are plain functions; a reply"
            " that takes long is what session.later(…) is for"
        )
    if inspect.isgeneratorfunction(run):
        raise ValueError(f"the function of {name!r} is a generator, and nobody would iterate it: it returns its reply")
    try:
        signature = inspect.signature(run)
    except (TypeError, ValueError):
        return  # a function of C that does not tell what it takes
    try:
        signature.bind(None, None)
    except TypeError as exc:
        error = ValueError(f"the function of {name!r} is called as function(session, args), but takes {signature}")
        raise with_cause(error, exc) from exc


def _categories(entry: CommandEntry, further: list[str]) -> tuple[str, ...]:
    """Which ACL categories a command belongs to: what its flags and its group imply, and what was said."""
    found = set(further)
    group = _CATEGORY_OF_GROUP.get(entry.group)
    if group is not None:
        found.add(group)
    if entry.is_write:
        found.add("write")
    if "readonly" in entry.flags:
        found.add("read")
    if "admin" in entry.flags:
        found |= {"admin", "dangerous"}
    if "pubsub" in entry.flags:
        found.add("pubsub")
    if "blocking" in entry.flags:
        found.add("blocking")
    found.add("fast" if "fast" in entry.flags else "slow")
    return tuple(category for category in _CATEGORIES if category in found)
