"""COMMAND: what the table says about itself, to clients that ask.

A table of the real server has its own order, that of its hash table.  Ours is the order in which commands were entered.
"""

from __future__ import annotations

from .arguments import syntax_error
from .command_registry import CommandEntry, CommandError, CommandRegistry
from .messages import Command, MapReply, Reply, SetReply, SimpleString
from .pattern import KeyPattern
from .session import Session


def _words(words: tuple[str, ...]) -> Reply:
    return SetReply([SimpleString(word) for word in words])


def _key_specifications(entry: CommandEntry) -> Reply:
    """Where the keys of a command are, in the newer of the two forms."""
    first, last, step = entry.keys
    if first == 0:
        return SetReply()
    begin = MapReply([(b"type", b"index"), (b"spec", MapReply([(b"index", first)]))])
    span = MapReply([(b"lastkey", last if last < 0 else last - first), (b"keystep", step), (b"limit", 0)])
    find = MapReply([(b"type", b"range"), (b"spec", span)])
    flags = _words(entry.key_flags)
    return SetReply([MapReply([(b"flags", flags), (b"begin_search", begin), (b"find_keys", find)])])


def describe(entry: CommandEntry) -> Reply:
    """What COMMAND INFO says of one command."""
    return [
        entry.name.encode(),
        entry.arity,
        _words(entry.flags),
        *entry.keys,
        _words(tuple([f"@{category}" for category in entry.categories])),
        SetReply([tip.encode() for tip in entry.tips]),
        _key_specifications(entry),
        SetReply([describe(sub) for sub in _subcommands(entry)]),
    ]


def document(entry: CommandEntry) -> Reply:
    """What COMMAND DOCS says of one command."""
    facts: list[tuple[bytes, Reply]] = [
        (name, text.encode())
        for name, text in ((b"summary", entry.summary), (b"since", entry.since), (b"group", entry.group))
        if text
    ]
    if entry.complexity:
        facts.append((b"complexity", entry.complexity.encode()))
    if entry.subcommands is not None:
        facts.append((b"subcommands", MapReply([(sub.name.encode(), document(sub)) for sub in _subcommands(entry)])))
    return MapReply(facts)


def _subcommands(entry: CommandEntry) -> list[CommandEntry]:
    return [] if entry.subcommands is None else list(entry.subcommands.values())


def command(session: Session, args: Command) -> Reply:
    """All commands."""
    return [describe(entry) for entry in session.handler.table]


def command_count(session: Session, args: Command) -> Reply:
    """How many commands there are."""
    return len(session.handler.table)


def command_info(session: Session, args: Command) -> Reply:
    """Some commands, by their names; null for one that does not exist."""
    table = session.handler.table
    if len(args) == 2:
        return command(session, args)
    # Once for each, or somebody who names one a million times makes gigabytes of it.
    found = {name: table.find_by_name(name) for name in args[2:]}
    described = {name: None if entry is None else describe(entry) for name, entry in found.items()}
    return [described[name] for name in args[2:]]


def command_docs(session: Session, args: Command) -> Reply:
    """What commands are for; one that does not exist is left out."""
    table = session.handler.table
    if len(args) == 2:
        return MapReply([(entry.name.encode(), document(entry)) for entry in table])
    found = {name: table.find_by_name(name) for name in args[2:]}  # as above
    documented = {name: (entry.name.encode(), document(entry)) for name, entry in found.items() if entry is not None}
    return MapReply([documented[name] for name in args[2:] if name in documented])


def command_list(session: Session, args: Command) -> Reply:
    """The names of all commands, or of those that a filter lets through."""
    entries: list[CommandEntry] = []
    for entry in session.handler.table:
        entries.append(entry)
        entries += _subcommands(entry)
    if len(args) == 2:
        return [entry.name.encode() for entry in session.handler.table]
    if len(args) != 5 or args[2].upper() != b"FILTERBY":
        raise syntax_error()
    kind, wanted = args[3].upper(), args[4]
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        category = wanted.decode("latin-1").lower()
        return [entry.name.encode() for entry in entries if category in entry.categories]
    if kind == b"PATTERN":
        pattern = KeyPattern(wanted.lower())
        return [entry.name.encode() for entry in entries if pattern.matches(entry.name.encode())]
    raise syntax_error()


def keys_of(entry: CommandEntry, args: Command) -> list[bytes]:
    """Which words of a command are keys."""
    if entry.find_keys is not None:
        return entry.find_keys(args)
    first, last, step = entry.keys
    if first == 0 or "not_key" in entry.key_flags:
        return []
    return args[first : (last if last >= 0 else len(args) + last) + 1 : step]


def _keys_of_command(session: Session, args: Command) -> tuple[CommandEntry, list[bytes]]:
    command = args[2:]
    entry = session.handler.table.find(command)
    if entry is None:
        raise CommandError("Invalid command specified")
    if entry.find_keys is None and (entry.keys[0] == 0 or "not_key" in entry.key_flags):
        raise CommandError("The command has no key arguments")
    if not entry.least <= len(command) <= entry.most:
        raise CommandError("Invalid number of arguments specified for command")
    keys = keys_of(entry, command)
    if not keys and "no_mandatory_keys" not in entry.flags:
        raise CommandError("Invalid arguments specified for command")
    return entry, keys


def command_getkeys(session: Session, args: Command) -> Reply:
    """Which words of a command are keys."""
    return list(_keys_of_command(session, args)[1])


def command_getkeysandflags(session: Session, args: Command) -> Reply:
    """Which words of a command are keys, and what it does with them."""
    entry, keys = _keys_of_command(session, args)
    return [[key, _words(entry.key_flags)] for key in keys]


def subcommand_help(session: Session, args: Command) -> Reply:
    """Which subcommands there are."""
    container = session.handler.table.find(args[:1])
    assert container is not None, "it is the container of the command that runs"
    name = container.name.upper()
    lines: list[Reply] = [SimpleString(f"{name} <subcommand> [<arg> ...]. Subcommands are:")]
    for entry in _subcommands(container):
        lines += [SimpleString(entry.name.partition("|")[2].upper()), SimpleString(f"    {entry.summary}")]
    return lines


def add_introspection_commands(table: CommandRegistry) -> None:
    """Put them into ``table``, and HELP for each container that is in it by now."""
    group = "server"
    flags = "loading stale"
    unordered = "nondeterministic_output_order"
    for name, arity, tips, since, summary, run in (
        ("COMMAND", -1, unordered, "2.8.13", "Describes all commands.", command),
        ("COMMAND COUNT", 2, "", "2.8.13", "Counts the commands.", command_count),
        ("COMMAND INFO", -2, unordered, "2.8.13", "Describes commands.", command_info),
        ("COMMAND DOCS", -2, unordered, "7.0.0", "Tells what commands are for.", command_docs),
        ("COMMAND LIST", -2, unordered, "7.0.0", "Names the commands.", command_list),
        ("COMMAND GETKEYS", -4, "", "2.8.13", "Finds the keys of a command.", command_getkeys),
        (
            *("COMMAND GETKEYSANDFLAGS", -4, "", "7.0.0"),
            *("Finds the keys of a command, and what it does with them.", command_getkeysandflags),
        ),
    ):
        table.command(
            name,
            arity=arity,
            flags=flags,
            group=group,
            since=since,
            summary=summary,
            complexity="O(N), N commands" if run is not command_count else "O(1)",
            categories="connection",
            tips=tips,
        )(run)
    for container, container_group in (("CLIENT", "connection"), ("COMMAND", "server"), ("PUBSUB", "pubsub")):
        table.command(
            f"{container} HELP",
            arity=2,
            flags=flags,
            group=container_group,
            since="5.0.0",
            summary="Prints this help.",
            complexity="O(1)",
            categories="connection" if container == "COMMAND" else "",
        )(subcommand_help)
