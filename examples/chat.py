"""A chat room: whoever connects hears what everybody says.

    python examples/chat.py
    nc 127.0.0.1 9000        (in two terminals)

    /name Ada      be called Ada
    /who           who is here
    /quit          leave

The stack is typed: ``mypy --strict`` refuses to seat ``Member`` where nobody makes ``str`` of the lines.  A
``ChannelGroup`` writes to everybody in it, on whatever loops they live, and forgets by itself who has left.
"""

from __future__ import annotations

import argparse
import threading
from typing import Never, TypeAlias

from pipeline_net import (
    Channel,
    ChannelGroup,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoopGroup,
    ServerBootstrap,
    Stack,
    wire,
)
from pipeline_net.codecs import LineBasedFrameDecoder, LineEncoder, StringDecoder

_MAX_LINE = 1024  # bytes
_MAX_NAME = 20  # characters
_MAX_UNREAD = 1024 * 1024  # bytes that wait for somebody who does not read; with more, they have left

Context: TypeAlias = ChannelHandlerContext[Never, str]


class Room:
    """Who is here, and by what name; shared by all loops."""

    def __init__(self) -> None:
        self._channels = ChannelGroup()
        self._names: set[str] = set()
        self._guests = 0
        self._lock = threading.Lock()

    def enter(self, channel: Channel) -> str:
        """Let somebody in, under a name that nobody has."""
        with self._lock:
            self._guests += 1
            name = f"guest-{self._guests}"
            self._names.add(name)
        self.say(f"* {name} is here")
        self._channels.add(channel)
        return name

    def rename(self, old: str, new: str) -> bool:
        """Give somebody another name, unless it is taken."""
        with self._lock:
            if new in self._names:
                return False
            self._names.remove(old)
            self._names.add(new)
        self.say(f"* {old} is now {new}")
        return True

    def leave(self, name: str) -> None:
        with self._lock:
            self._names.remove(name)
        self.say(f"* {name} has left")

    def who(self) -> str:
        with self._lock:
            return ", ".join(sorted(self._names))

    def say(self, line: str) -> None:
        self._channels.write_and_flush(line)


class Member(ChannelInboundHandler[str, Never, str]):
    """One person in the room: lines in, lines out."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._name = ""

    def channel_active(self, ctx: Context) -> None:
        self._name = self._room.enter(ctx.channel)
        ctx.write(f"* welcome, {self._name}; here are: {self._room.who()}")

    def channel_read(self, ctx: Context, msg: str) -> None:
        command, _, rest = msg.strip().partition(" ")
        if command == "/quit":
            ctx.write("* bye")
            ctx.close()
        elif command == "/who":
            ctx.write(f"* here are: {self._room.who()}")
        elif command == "/name":
            self._rename(ctx, rest.strip())
        elif msg.strip():
            self._room.say(f"{self._name}: {msg}")

    def _rename(self, ctx: Context, name: str) -> None:
        if not name.isprintable() or not 1 <= len(name) <= _MAX_NAME or " " in name:
            ctx.write(f"* a name is one word of at most {_MAX_NAME} characters")
        elif self._room.rename(self._name, name):
            self._name = name
        else:
            ctx.write(f"* {name} is taken")

    def channel_inactive(self, ctx: Context) -> None:
        self._room.leave(self._name)


def main() -> None:
    parser = argparse.ArgumentParser(description="A chat room.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    arguments = parser.parse_args()
    room = Room()

    def stack(channel: Channel) -> Stack:
        return wire() >> LineBasedFrameDecoder(_MAX_LINE) >> StringDecoder() >> LineEncoder() >> Member(room)

    options = ChannelOptions(write_buffer_limit=_MAX_UNREAD)
    with EventLoopGroup(arguments.loops) as loops:
        server = ServerBootstrap(loops, initializer=stack, options=options).bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
