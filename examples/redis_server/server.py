"""The server itself: what it is, how it is set up, and its files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Final

from attrs import frozen

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import integer

from .journal import POLICIES, Journal
from .strings import MAX_LENGTH
from .table import Client, Group

command = Group("server")

_BEGAN: Final = time.monotonic()
_MAX_PERCENTAGE: Final = 2**31 - 1
_UNITS: Final = {b"k": 1000, b"kb": 1024, b"m": 1000**2, b"mb": 1024**2, b"g": 1000**3, b"gb": 1024**3, b"b": 1, b"": 1}


# -- CONFIG ---------------------------------------------------------------------------------------------


@frozen
class Parameter:
    """Something that CONFIG GET shows, and how CONFIG SET changes it."""

    get: Callable[[Client], object]
    set: Callable[[Journal, bytes], None] | None = None

    def shown(self, client: Client) -> bytes:
        value = self.get(client)
        return value if isinstance(value, bytes) else str(value).encode()


def set_policy(journal: Journal, value: bytes) -> None:
    name = value.decode("latin-1").lower()
    if name not in POLICIES:
        raise ValueError(f"argument(s) must be one of the following: {', '.join(POLICIES)}")
    journal.policy = name


def set_percentage(journal: Journal, value: bytes) -> None:
    journal.rewrite_percentage = read_number(value, _MAX_PERCENTAGE)


def set_min_size(journal: Journal, value: bytes) -> None:
    number = value.lower().rstrip(b"kmgb")
    unit = _UNITS.get(value.lower()[len(number) :])
    if unit is None or not number.isdigit() or len(number) > 19:
        raise ValueError("argument must be a memory value")
    journal.rewrite_min_size = int(number) * unit


def read_number(value: bytes, most: int) -> int:
    try:
        number = integer(value)
    except redis.CommandError:
        raise ValueError("argument couldn't be parsed into an integer") from None
    if not 0 <= number <= most:
        raise ValueError(f"argument must be between 0 and {most} inclusive")
    return number


PARAMETERS: Final[dict[bytes, Parameter]] = {
    b"appendfilename": Parameter(lambda client: client.journal.name),
    b"appendfsync": Parameter(lambda client: client.journal.policy, set_policy),
    b"appendonly": Parameter(lambda client: "yes" if client.journal.is_on else "no"),
    b"auto-aof-rewrite-min-size": Parameter(lambda client: client.journal.rewrite_min_size, set_min_size),
    b"auto-aof-rewrite-percentage": Parameter(lambda client: client.journal.rewrite_percentage, set_percentage),
    b"databases": Parameter(lambda client: len(client.store.databases)),
    b"maxmemory": Parameter(lambda client: 0),
    b"proto-max-bulk-len": Parameter(lambda client: MAX_LENGTH),
    b"save": Parameter(lambda client: b""),
}


@command("CONFIG GET", arity=-3, flags="admin noscript loading stale", since="2.0.0")
def config_get(client: Client, args: redis.Command) -> redis.Reply:
    """Tells parameters."""
    patterns = [redis.KeyPattern(arg.lower()) for arg in args[2:]]
    return {
        name: parameter.shown(client)
        for name, parameter in PARAMETERS.items()
        if any(pattern.matches(name) for pattern in patterns)
    }


@command("CONFIG SET", arity=-4, flags="admin noscript loading stale", since="2.0.0")
def config_set(client: Client, args: redis.Command) -> redis.Reply:
    """Changes parameters."""
    names = [name.lower() for name in args[2::2]]
    if len(args) % 2:
        raise redis.CommandError("wrong number of arguments for 'config|set' command")
    for name in names:
        if name not in PARAMETERS:
            shown = redis.printable(name)
            raise redis.CommandError(b"Unknown option or number of arguments for CONFIG SET - '%b'" % shown)
    for at, (name, value) in enumerate(zip(names, args[3::2], strict=True)):
        change = PARAMETERS[name].set
        try:
            if change is None:
                raise ValueError("can't set immutable config")
            if name in names[:at]:
                raise ValueError("duplicate parameter")
            change(client.journal, value)
        except ValueError as exc:
            where = f"CONFIG SET failed (possibly related to argument '{name.decode()}')"
            raise redis.CommandError(f"{where} - {exc}") from None
    return redis.OK


# -- INFO -----------------------------------------------------------------------------------------------


def about_server(client: Client) -> dict[str, object]:
    return {
        "redis_version": client.state.version,
        "redis_mode": "standalone",
        "os": sys.platform,
        "process_id": os.getpid(),
        "uptime_in_seconds": int(time.monotonic() - _BEGAN),
    }


def about_clients(client: Client) -> dict[str, object]:
    return {"connected_clients": len(client.state.sessions), "blocked_clients": len(client.waiting)}


def about_persistence(client: Client) -> dict[str, object]:
    journal = client.journal
    facts: dict[str, object] = {
        "loading": int(client.store.is_loading),
        "aof_enabled": int(journal.is_on),
        "aof_rewrite_in_progress": int(journal.is_rewriting),
        "aof_last_bgrewrite_status": "ok" if journal.rewrite_error is None else "err",
        "aof_last_write_status": "ok",  # after a write that fails, there is nobody to ask
    }
    if journal.is_on:
        facts |= {"aof_current_size": journal.size, "aof_base_size": journal.base_size}
    return facts


def about_keyspace(client: Client) -> dict[str, object]:
    return {
        f"db{database.index}": f"keys={len(database)},expires={len(database.ends)},avg_ttl=0"
        for database in client.store.databases
        if database
    }


SECTIONS: Final = {
    "Server": about_server,
    "Clients": about_clients,
    "Persistence": about_persistence,
    "Replication": lambda client: {"role": "master", "connected_slaves": 0},
    "Keyspace": about_keyspace,
}


@command("INFO", arity=-1, flags="loading stale", since="1.0.0")
def info(client: Client, args: redis.Command) -> redis.Reply:
    """Tells about the server."""
    wanted = {arg.decode("latin-1").lower() for arg in args[1:]}
    everything = not wanted or wanted & {"all", "default", "everything"}
    sections = [
        f"# {name}\r\n" + "".join(f"{fact}:{value}\r\n" for fact, value in facts(client).items())
        for name, facts in SECTIONS.items()
        if everything or name.lower() in wanted
    ]
    return redis.Verbatim("txt", "\r\n".join(sections))


# -- time and files -------------------------------------------------------------------------------------


@command("TIME", arity=1, flags="loading stale fast", since="2.6.0")
def time_(client: Client, args: redis.Command) -> redis.Reply:
    """Tells what time it is here."""
    microseconds = int(client.store.exact_now() * 1000)
    return [b"%d" % (microseconds // 1_000_000), b"%d" % (microseconds % 1_000_000)]


@command("BGREWRITEAOF", arity=1, flags="admin noscript no_async_loading", since="1.0.0")
def bgrewriteaof(client: Client, args: redis.Command) -> redis.Reply:
    """Makes the append-only file shorter."""
    journal = client.journal
    if not journal.is_on:
        raise redis.CommandError("the append-only file is off: start the server with --appendonly FILE")
    if journal.is_rewriting:
        raise redis.CommandError("Background append only file rewriting already in progress")
    client.state.after_command(journal.rewrite)  # not in the middle of a transaction
    return redis.SimpleString("Background append only file rewriting started")
