"""A small Redis: strings, counters, and keys that end by themselves.  The real redis-cli cannot tell the difference.

    python examples/redis_server.py
    redis-cli SET greeting hello EX 60

Every command is a small function in one table; ``@command`` puts it there, with the number of words it takes.  Replies
and errors are those of redis-server 7, byte for byte.

There is one store for the whole process.  By default one loop serves everybody, so commands run one after the other, as
in the real server, and none needs a lock.  With ``--loops 2`` they take turns at a lock: under the GIL that is no gain.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, Never, TypeAlias

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    DecodeError,
    EventLoop,
    EventLoopGroup,
    ServerBootstrap,
)
from pipeline_net.codecs import redis
from pipeline_net.transport.timers import TimerHandle

VERSION: Final = b"7.0.15"  # whose behaviour this is; clients look at it to know what they may ask for
CONFIGURATION: Final = {b"appendonly": b"no", b"databases": b"1", b"maxmemory": b"0", b"save": b""}

_MIN_INTEGER: Final = -(2**63)
_MAX_INTEGER: Final = 2**63 - 1
_INTEGER: Final = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_SHOWN: Final = 128  # bytes of what a client sent that are repeated in an error
_BLANKS: Final = bytes.maketrans(b"\r\n", b"  ")
_GOODBYE: Final = redis.SimpleString("OK")  # not redis.OK: after this one the connection is closed


class CommandError(Exception):
    """What a command answers instead of doing its work."""

    def __init__(self, text: str | bytes, code: str = "ERR") -> None:
        super().__init__(text)
        self.reply = redis.RedisError(code, text)


class Store:
    """Values, and the timers that end some of them."""

    def __init__(self, loop: EventLoop) -> None:
        self.values: dict[bytes, bytes] = {}
        self.timers: dict[bytes, TimerHandle] = {}
        self.lock = threading.Lock()  # for timers, and for commands when several loops run them
        self.client_ids = itertools.count(1)
        self._loop = loop

    def set(self, key: bytes, value: bytes) -> None:
        self.values[key] = value
        if self.timers:
            self.persist(key)

    def delete(self, key: bytes) -> bool:
        self.persist(key)
        return self.values.pop(key, None) is not None

    def clear(self) -> None:
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()
        self.values.clear()

    def expire(self, key: bytes, milliseconds: int) -> None:
        self.persist(key)
        self.timers[key] = self._loop.schedule(milliseconds / 1000, self._end, key)

    def persist(self, key: bytes) -> bool:
        timer = self.timers.pop(key, None)
        if timer is None:
            return False
        timer.cancel()
        return True

    def milliseconds_left(self, key: bytes) -> int:
        """-2 for a key that is not there, -1 for one that stays."""
        if key not in self.values:
            return -2
        timer = self.timers.get(key)
        return -1 if timer is None else max(0, math.ceil((timer.deadline - self._loop.time()) * 1000))

    def _end(self, key: bytes) -> None:
        with self.lock:
            timer = self.timers.get(key)
            # Another loop may have given the key more time while this one was waiting for the lock.
            if timer is not None and timer.deadline <= self._loop.time():
                self.delete(key)


class Commands(ChannelInboundHandler[redis.Command, Never, redis.Reply]):
    """Command → Reply, for one client."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.id = next(store.client_ids)
        self.name = b""

    def channel_read(self, ctx: ChannelHandlerContext[Never, redis.Reply], msg: redis.Command) -> None:
        run, least, most = COMMANDS.get(msg[0]) or COMMANDS.get(msg[0].upper(), UNKNOWN)
        try:
            reply = run(self, msg) if least <= len(msg) <= most else wrong_arity(msg[:1])
        except CommandError as exc:
            reply = exc.reply
        ctx.write(reply)  # one send for a whole pipelined batch
        if reply is _GOODBYE:
            ctx.close()


class CommandsInTurn(Commands):
    """The same when several loops share the store."""

    def channel_read(self, ctx: ChannelHandlerContext[Never, redis.Reply], msg: redis.Command) -> None:
        with self.store.lock:
            super().channel_read(ctx, msg)


# -- the table of commands ------------------------------------------------------------------------------

Function: TypeAlias = Callable[[Commands, redis.Command], redis.Reply]
Entry: TypeAlias = tuple[Function, int, int]  # and the least and the most words that it takes, its name included

COMMANDS: Final[dict[bytes, Entry]] = {}
SUBCOMMANDS: Final[dict[bytes, Entry]] = {}
DESCRIPTIONS: Final[list[redis.Reply]] = []


def command(name: bytes, words: int, keys: tuple[int, int, int] = (0, 0, 0)) -> Callable[[Function], Function]:
    """Put a function into the table: "GET" with exactly 2 words, "SET" with -3, at least 3; which of them are keys."""
    least, most = (words, words) if words > 0 else (-words, sys.maxsize)

    def enter(run: Function) -> Function:
        if b" " in name:
            SUBCOMMANDS[name] = (run, least, most)
        else:
            COMMANDS[name] = COMMANDS[name.lower()] = (run, least, most)  # the usual spellings, without upper()
            DESCRIPTIONS.append([name.lower(), words, [], *keys, [], [], [], []])
        return run

    return enter


def clean(arg: bytes) -> bytes:
    """Make something that a client sent fit into an error, which is a line."""
    return arg.partition(b"\0")[0][:_SHOWN].translate(_BLANKS)


def unknown(client: Commands, args: redis.Command) -> redis.Reply:
    shown = b""
    for arg in args[1:]:
        if len(shown) >= _SHOWN:
            break
        shown += b"'%b' " % clean(arg)[: _SHOWN - len(shown)]
    raise CommandError(b"unknown command '%b', with args beginning with: %b" % (clean(args[0]), shown))


UNKNOWN: Final[Entry] = (unknown, 0, sys.maxsize)


def wrong_arity(words: redis.Command) -> redis.Reply:
    raise CommandError(b"wrong number of arguments for '%b' command" % b"|".join(words).lower())


def subcommand(client: Commands, args: redis.Command) -> redis.Reply:
    name = args[0].upper()
    entry = SUBCOMMANDS.get(name + b" " + args[1].upper())
    if entry is None:
        raise CommandError(b"unknown subcommand '%b'. Try %b HELP." % (clean(args[1]), name))
    run, least, most = entry
    return run(client, args) if least <= len(args) <= most else wrong_arity(args[:2])


def integer(arg: bytes) -> int:
    """Read a number as the real server does: no plus sign, no spaces, no zeros in front, 64 bits."""
    if _INTEGER.fullmatch(arg):
        value = int(arg)
        if _MIN_INTEGER <= value <= _MAX_INTEGER:
            return value
    raise CommandError("value is not an integer or out of range")


def lifetime(name: bytes, arg: bytes, unit: int) -> int:
    """Read how many milliseconds a key has; the moment it ends must fit into 64 bits too."""
    milliseconds = integer(arg) * unit
    if not _MIN_INTEGER <= milliseconds <= _MAX_INTEGER - int(time.time() * 1000):
        raise CommandError(b"invalid expire time in '%b' command" % name)
    return milliseconds


# -- strings --------------------------------------------------------------------------------------------


@command(b"GET", 2, (1, 1, 1))
def get(client: Commands, args: redis.Command) -> redis.Reply:
    return client.store.values.get(args[1])


@command(b"SET", -3, (1, 1, 1))
def set_(client: Commands, args: redis.Command) -> redis.Reply:
    if len(args) == 3:
        client.store.set(args[1], args[2])
        return redis.OK
    return set_with_options(client.store, args)


def set_with_options(store: Store, args: redis.Command) -> redis.Reply:
    _, key, value, *words = args
    options: dict[bytes, bytes] = {}
    given = iter(words)
    for word in given:
        option = word.upper()
        if option not in (b"NX", b"XX", b"GET", b"KEEPTTL", b"EX", b"PX"):
            raise CommandError("syntax error")
        options[option] = next(given, b"") if option in (b"EX", b"PX") else option
    timing = [option for option in (b"EX", b"PX", b"KEEPTTL") if option in options]
    if len(timing) > 1 or b"" in options.values() or {b"NX", b"XX"} <= options.keys():
        raise CommandError("syntax error")
    end = None
    if timing and timing != [b"KEEPTTL"]:
        end = lifetime(b"set", options[timing[0]], 1000 if timing == [b"EX"] else 1)
        if end <= 0:
            raise CommandError("invalid expire time in 'set' command")
    old = store.values.get(key)
    if (b"NX" in options and old is not None) or (b"XX" in options and old is None):
        return old if b"GET" in options else None
    if b"KEEPTTL" in options:
        store.values[key] = value
    else:
        store.set(key, value)
    if end is not None:
        store.expire(key, end)
    return old if b"GET" in options else redis.OK


@command(b"MGET", -2, (1, -1, 1))
def mget(client: Commands, args: redis.Command) -> redis.Reply:
    return [client.store.values.get(key) for key in args[1:]]


@command(b"MSET", -3, (1, -1, 2))
def mset(client: Commands, args: redis.Command) -> redis.Reply:
    if len(args) % 2 == 0:
        return wrong_arity(args[:1])
    for key, value in zip(args[1::2], args[2::2], strict=True):
        client.store.set(key, value)
    return redis.OK


def add(client: Commands, key: bytes, amount: int) -> redis.Reply:
    total = integer(client.store.values.get(key, b"0")) + amount
    if not _MIN_INTEGER <= total <= _MAX_INTEGER:
        raise CommandError("increment or decrement would overflow")
    client.store.values[key] = b"%d" % total  # not store.set(): the key keeps its lifetime
    return total


@command(b"INCR", 2, (1, 1, 1))
def incr(client: Commands, args: redis.Command) -> redis.Reply:
    return add(client, args[1], 1)


@command(b"DECR", 2, (1, 1, 1))
def decr(client: Commands, args: redis.Command) -> redis.Reply:
    return add(client, args[1], -1)


@command(b"INCRBY", 3, (1, 1, 1))
def incrby(client: Commands, args: redis.Command) -> redis.Reply:
    return add(client, args[1], integer(args[2]))


@command(b"DECRBY", 3, (1, 1, 1))
def decrby(client: Commands, args: redis.Command) -> redis.Reply:
    amount = integer(args[2])
    if amount == _MIN_INTEGER:
        raise CommandError("decrement would overflow")
    return add(client, args[1], -amount)


# -- keys -----------------------------------------------------------------------------------------------


@command(b"DEL", -2, (1, -1, 1))
def del_(client: Commands, args: redis.Command) -> redis.Reply:
    return sum(client.store.delete(key) for key in args[1:])


@command(b"EXISTS", -2, (1, -1, 1))
def exists(client: Commands, args: redis.Command) -> redis.Reply:
    return sum(key in client.store.values for key in args[1:])


@command(b"EXPIRE", -3, (1, 1, 1))
@command(b"PEXPIRE", -3, (1, 1, 1))
def expire(client: Commands, args: redis.Command) -> redis.Reply:
    if len(args) > 3:
        raise CommandError(b"Unsupported option %b" % clean(args[3]))
    name = args[0].lower()
    milliseconds = lifetime(name, args[2], 1000 if name == b"expire" else 1)
    if args[1] not in client.store.values:
        return 0
    if milliseconds > 0:
        client.store.expire(args[1], milliseconds)
    else:
        client.store.delete(args[1])
    return 1


@command(b"TTL", 2, (1, 1, 1))
def ttl(client: Commands, args: redis.Command) -> redis.Reply:
    left = client.store.milliseconds_left(args[1])
    return left if left < 0 else (left + 500) // 1000


@command(b"PTTL", 2, (1, 1, 1))
def pttl(client: Commands, args: redis.Command) -> redis.Reply:
    return client.store.milliseconds_left(args[1])


@command(b"PERSIST", 2, (1, 1, 1))
def persist(client: Commands, args: redis.Command) -> redis.Reply:
    return client.store.persist(args[1])


@command(b"KEYS", 2)
def keys(client: Commands, args: redis.Command) -> redis.Reply:
    pattern = redis.KeyPattern(args[1])
    return [key for key in client.store.values if pattern.matches(key)]


@command(b"DBSIZE", 1)
def dbsize(client: Commands, args: redis.Command) -> redis.Reply:
    return len(client.store.values)


@command(b"FLUSHALL", -1)
@command(b"FLUSHDB", -1)
def flush(client: Commands, args: redis.Command) -> redis.Reply:
    if len(args) > 2 or (len(args) == 2 and args[1].upper() not in (b"SYNC", b"ASYNC")):
        raise CommandError("syntax error")
    client.store.clear()
    return redis.OK


# -- the connection and the server ----------------------------------------------------------------------


@command(b"PING", -1)
def ping(client: Commands, args: redis.Command) -> redis.Reply:
    if len(args) > 2:
        return wrong_arity(args[:1])
    return redis.PONG if len(args) == 1 else args[1]


@command(b"ECHO", 2)
def echo(client: Commands, args: redis.Command) -> redis.Reply:
    return args[1]


@command(b"QUIT", -1)
def quit_(client: Commands, args: redis.Command) -> redis.Reply:
    return _GOODBYE


@command(b"SELECT", 2)
def select(client: Commands, args: redis.Command) -> redis.Reply:
    index = integer(args[1])
    if not -(2**31) <= index < 2**31:
        raise CommandError("value is out of range, value must between -2147483648 and 2147483647")
    if index != 0:
        raise CommandError("DB index is out of range")
    return redis.OK


@command(b"HELLO", -1)
def hello(client: Commands, args: redis.Command) -> redis.Reply:
    """Say who answers.  Clients that ask for RESP3 are refused: some then go on, redis-py wants ``protocol=2``."""
    if len(args) > 1:
        try:
            version = integer(args[1])
        except CommandError:
            raise CommandError("Protocol version is not an integer or out of range") from None
        if version != 2:
            raise CommandError("unsupported protocol version", "NOPROTO")
    if len(args) > 2:
        raise CommandError(b"Syntax error in HELLO option '%b'" % clean(args[2]))
    facts: list[redis.Reply] = [b"server", b"redis", b"version", VERSION, b"proto", 2, b"id", client.id]
    return [*facts, b"mode", b"standalone", b"role", b"master", b"modules", []]


@command(b"CLIENT SETNAME", 3)
def client_setname(client: Commands, args: redis.Command) -> redis.Reply:
    if not all(ord("!") <= byte <= ord("~") for byte in args[2]):
        raise CommandError("Client names cannot contain spaces, newlines or special characters.")
    client.name = args[2]
    return redis.OK


@command(b"CLIENT GETNAME", 2)
def client_getname(client: Commands, args: redis.Command) -> redis.Reply:
    return client.name or None


@command(b"CLIENT ID", 2)
def client_id(client: Commands, args: redis.Command) -> redis.Reply:
    return client.id


@command(b"CLIENT SETINFO", 4)
def client_setinfo(client: Commands, args: redis.Command) -> redis.Reply:
    """Client libraries say which they are; the real server knows this command from 7.2 on."""
    return redis.OK


@command(b"CONFIG GET", -3)
def config_get(client: Commands, args: redis.Command) -> redis.Reply:
    patterns = [redis.KeyPattern(arg.lower()) for arg in args[2:]]
    found: list[redis.Reply] = []
    for name, value in CONFIGURATION.items():
        if any(pattern.matches(name) for pattern in patterns):
            found += [name, value]
    return found


@command(b"COMMAND COUNT", 2)
def command_count(client: Commands, args: redis.Command) -> redis.Reply:
    return len(DESCRIPTIONS)


@command(b"COMMAND DOCS", -2)
def command_docs(client: Commands, args: redis.Command) -> redis.Reply:
    return []  # redis-cli asks when it starts, and completes from what it knows itself


@command(b"COMMAND", -1)
def command_(client: Commands, args: redis.Command) -> redis.Reply:
    return DESCRIPTIONS if len(args) == 1 else subcommand(client, args)


command(b"CLIENT", -2)(subcommand)
command(b"CONFIG", -2)(subcommand)


@command(b"INFO", -1)
def info(client: Commands, args: redis.Command) -> redis.Reply:
    store = client.store
    keyspace = b"db0:keys=%d,expires=%d,avg_ttl=0\r\n" % (len(store.values), len(store.timers)) if store.values else b""
    sections = {
        b"server": b"# Server\r\nredis_version:%b\r\nredis_mode:standalone\r\n" % VERSION,
        b"keyspace": b"# Keyspace\r\n" + keyspace,
    }
    wanted = {arg.lower() for arg in args[1:]}
    everything = not wanted or wanted & {b"all", b"default", b"everything"}
    return b"\r\n".join(text for name, text in sections.items() if everything or name in wanted)


@command(b"POST", -1)
@command(b"HOST:", -1)
def browser(client: Commands, args: redis.Command) -> redis.Reply:
    """Refuse what a web page makes a browser send: each line of it could be a command, typed inline."""
    raise DecodeError("this is an HTTP request, and no Redis client sends those")


def main() -> None:
    parser = argparse.ArgumentParser(description="A small Redis.")
    parser.add_argument("--address", default="tcp://127.0.0.1:6379", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    arguments = parser.parse_args()
    with EventLoopGroup(arguments.loops) as loops:
        store = Store(loops.next())
        commands = Commands if arguments.loops == 1 else CommandsInTurn
        bootstrap = ServerBootstrap(loops, initializer=lambda channel: redis.server_stack() >> commands(store))
        server = bootstrap.bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            where = server.addresses[0]
            reach = f"-s {where[7:]}" if where.startswith("unix://") else f"-p {where.rpartition(':')[2]}"
            print(f"Type in another terminal:  redis-cli {reach} SET greeting hello", flush=True)
            server.wait()
        except KeyboardInterrupt:
            pass  # Ctrl-C is how it ends


if __name__ == "__main__":
    main()
