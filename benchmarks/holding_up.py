r"""Holding up: a crowd, then a minute of peers that cut, dribble, stall, half-close, reset and break the rules.

    python benchmarks/holding_up.py                                      make soak does this
    python benchmarks/holding_up.py --connections 100 --seconds 2 --crowd 500
    python benchmarks/holding_up.py --python .venv/bin/python            which build serves

A server in a process of its own echoes frames (four bytes of length, then so much).  This process is its peers, all of
them, and knows what each must get back: what it sent, byte for byte.  Then it asks the server for its books.

    crowd       so many connections at once, one frame each, all answered
    rounds      peers that behave as one of BEHAVIOURS says; who is done is replaced until the time is up
    standstill  nobody sends or reads, in the middle of everything: the server must use no processor time
    finish      everybody finishes, or is cut off by the rules
    books       descriptors, threads, channels, timers, blocks of memory: as at the start; nothing unexpected logged

It ends with 0 if all that holds, and with 1 and what broke if not.  ``--seed`` repeats a run, as far as the network
does.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import resource
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

_SERVER: Final = Path(__file__).resolve().parent / "servers" / "bookkeeper.py"
_MAX_FRAME: Final = 1 << 20  # bytes; the server's limit
_SIZES: Final = (0, 1, 7, 60, 500, 4000, 70_000, 300_000)  # bytes of a frame; small ones are likelier
_WEIGHTS: Final = (2, 4, 8, 16, 8, 4, 1, 0.2)
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: close() resets
_TOO_LONG: Final = struct.pack(">I", _MAX_FRAME)  # with its own four bytes the frame is above the limit

_PATIENCE: Final = 30.0  # seconds that a peer may take from its first byte to its last, on top of its own pauses
_STANDSTILL: Final = 1.0  # seconds
_IDLE_CPU: Final = 0.05  # seconds of processor time in a standstill; more is a loop that spins
_BLOCKS: Final = 3000  # blocks of memory that may be there afterwards and were not before: caches, counters
_RESIDENT: Final = 24 << 20  # bytes; what malloc keeps in its pockets after thousands of connections
_ACCEPTABLE: Final = ("ECONNRESET", "EPIPE")

_GLANCE: Final = 0.05  # seconds between two looks at the clock
_READ: Final = 1 << 16

BEHAVIOURS: Final = {
    "cuts": "sends its frames in pieces of any size, and reads all answers",
    "dribbles": "sends a few bytes at a time",
    "half-closes": "sends everything, shuts its side, and reads until the end",
    "reads late": "sends everything before it reads anything",
    "reads slowly": "reads a little, pauses, and reads a little again",
    "resets": "goes without a word, in the middle of something",
    "leaves": "closes in the middle of a frame",
    "breaks the rules": "announces a frame above the limit, and must be answered until there",
}


# -- the server, from outside ----------------------------------------------------------------------------


class ServerProcess:
    """The server, its books, and its processor time."""

    def __init__(self, python: str, loops: int) -> None:
        arguments = [python, "-P", "-u", str(_SERVER), "--loops", str(loops)]
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._line())

    def books(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write("books\n")
        self._process.stdin.flush()
        books: dict[str, Any] = json.loads(self._line())
        return books

    def cpu_seconds(self) -> float:
        with open(f"/proc/{self._process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> int:
        """Let it end by itself; its exit code."""
        self._process.communicate(timeout=_PATIENCE)
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], 2 * _PATIENCE)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise SystemExit("the server has died, or says nothing")
        return line


# -- its peers, in this one -----------------------------------------------------------------------------


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


class Peer:
    """One connection: what it sends, when, and what it must get back."""

    def __init__(self, port: int, dice: random.Random, source: str = "") -> None:
        self.behaviour = dice.choice(list(BEHAVIOURS))
        self.dice = dice
        sizes = dice.choices(_SIZES, _WEIGHTS, k=dice.randint(1, 30))
        if self.behaviour == "dribbles":
            sizes = [size for size in sizes if size < 100]
        whole = b"".join(frame(dice.randbytes(size)) for size in sizes) or frame(b"")
        self.to_send = whole
        self.expected = whole
        self.is_owed = True  # whether all of that must come
        if self.behaviour == "resets":
            self.is_owed = False
            self.to_send = whole[: dice.randint(1, len(whole))]
        elif self.behaviour == "leaves":
            self.is_owed = False
            self.to_send = whole + frame(bytes(100))[: dice.randint(1, 103)]
        elif self.behaviour == "breaks the rules":
            self.to_send = whole + _TOO_LONG + dice.randbytes(dice.choice((0, 10, 100_000)))
        self.sent = 0
        self.got = 0
        self.wakes_at = 0.0  # it pauses until then
        self.ends_at = time.monotonic() + _PATIENCE
        self.is_done = False
        self.sock = socket.socket()
        try:
            self.sock.setblocking(False)
            if source:
                self.sock.bind((source, 0))
            if self.behaviour == "reads slowly":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            outcome = self.sock.connect_ex(("127.0.0.1", port))
            if outcome not in (0, errno.EINPROGRESS):
                raise OSError(outcome, os.strerror(outcome))
        except OSError:
            self.sock.close()
            raise

    @property
    def has_sent_all(self) -> bool:
        return self.sent == len(self.to_send)

    def wants(self) -> int:
        """What the selector should look for."""
        if self.has_sent_all:
            return select.EPOLLIN
        if self.behaviour == "reads late":
            # As much as goes without reading: the server must stop reading in time, too.
            return select.EPOLLOUT | (select.EPOLLIN if self.sent > 200_000 else 0)
        return select.EPOLLIN | select.EPOLLOUT

    def step(self, bits: int) -> str | None:
        """Do what can be done now; says what went wrong, if something did."""
        try:
            if bits & select.EPOLLOUT and not self.has_sent_all:
                self._send()
            if bits & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and not self.is_done:
                return self._receive()
        except BlockingIOError:
            return None
        except OSError as exc:
            self.finish()
            if errno.errorcode.get(exc.errno or 0) in _ACCEPTABLE and self.behaviour in ("resets", "leaves"):
                return None
            if self.behaviour == "breaks the rules" and self.got == len(self.expected):
                return None
            return f"{exc!r} after {self.got} of {len(self.expected)} bytes"
        return None

    def _send(self) -> None:
        dice = self.dice
        size = len(self.to_send) - self.sent
        if self.behaviour == "dribbles":
            size = min(size, dice.randint(1, 3))
            self.wakes_at = time.monotonic() + 0.001
        elif self.behaviour == "cuts":
            size = min(size, dice.choice((1, 3, 10, 100, 1000, 10_000)))
        self.sent += self.sock.send(self.to_send[self.sent : self.sent + size])
        if not self.has_sent_all:
            return
        if self.behaviour == "half-closes":
            self.sock.shutdown(socket.SHUT_WR)
        elif self.behaviour == "resets":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.finish()
        elif self.behaviour == "leaves":
            self.finish()

    def _receive(self) -> str | None:
        if self.behaviour == "reads slowly":
            data = self.sock.recv(self.dice.randint(1, 8192))
            self.wakes_at = time.monotonic() + self.dice.random() * 0.02
        else:
            data = self.sock.recv(_READ)
        if data != self.expected[self.got : self.got + len(data)]:
            self.finish()
            return f"wrong bytes behind {self.got} right ones"
        self.got += len(data)
        is_complete = self.got == len(self.expected)
        if data:
            if is_complete and self.behaviour not in ("half-closes", "breaks the rules"):
                self.finish()
            return None
        self.finish()
        if self.is_owed and not is_complete:
            return f"the end came after {self.got} of {len(self.expected)} bytes"
        if not is_complete or self.behaviour in ("half-closes", "breaks the rules"):
            return None
        return "the server has closed for no reason"

    def finish(self) -> None:
        self.is_done = True
        self.sock.close()


class Crew:
    """All peers of a phase, and one selector for them."""

    def __init__(self, port: int, dice: random.Random) -> None:
        self._port = port
        self._dice = dice
        self._poll = select.epoll()
        self._peers: dict[int, Peer] = {}
        self._paused: set[int] = set()
        self.completed = dict.fromkeys(BEHAVIOURS, 0)
        self.received = 0
        self.broken: list[str] = []

    def __len__(self) -> int:
        return len(self._peers)

    def hire(self, count: int) -> None:
        """Have ``count`` peers at work."""
        while len(self._peers) < count:
            peer = Peer(self._port, random.Random(self._dice.random()))
            descriptor = peer.sock.fileno()
            self._peers[descriptor] = peer
            self._poll.register(descriptor, select.EPOLLIN | select.EPOLLOUT)

    def work(self, seconds: float) -> None:
        """Let everybody do what can be done, for that long at most."""
        until = time.monotonic() + seconds
        while self._peers and (now := time.monotonic()) < until:
            for descriptor in [one for one in self._paused if self._peers[one].wakes_at <= now]:
                self._paused.discard(descriptor)
                self._poll.register(descriptor, self._peers[descriptor].wants())
            for descriptor, bits in self._poll.poll(0.001 if self._paused else _GLANCE):
                self._step(descriptor, bits, now)

    def _step(self, descriptor: int, bits: int, now: float) -> None:
        peer = self._peers[descriptor]
        before = peer.wants()
        trouble = peer.step(bits)
        if trouble is not None:
            self.broken.append(f"a peer that {peer.behaviour}: {trouble}")
        if peer.is_done:
            self._dismiss(descriptor)
        elif peer.wakes_at > now:
            self._poll.unregister(descriptor)
            self._paused.add(descriptor)
        elif peer.wants() != before:
            self._poll.modify(descriptor, peer.wants())

    def _dismiss(self, descriptor: int) -> None:
        peer = self._peers.pop(descriptor)
        self.completed[peer.behaviour] += 1
        self.received += peer.got

    def cut_off_the_late(self, *, all_of_them: bool = False) -> None:
        """Who is not done by now has lost something on the way."""
        now = time.monotonic()
        for descriptor, peer in list(self._peers.items()):
            if all_of_them or now > peer.ends_at:
                self.broken.append(
                    f"a peer that {peer.behaviour} is stuck: {peer.sent} of {len(peer.to_send)} bytes sent,"
                    f" {peer.got} of {len(peer.expected)} received"
                )
                self._paused.discard(descriptor)
                peer.finish()
                self._dismiss(descriptor)

    def shift_deadlines(self, seconds: float) -> None:
        """That long, nobody could do anything."""
        for peer in self._peers.values():
            peer.ends_at += seconds

    def close(self) -> None:
        for peer in self._peers.values():
            peer.finish()
        self._poll.close()


# -- the phases -----------------------------------------------------------------------------------------


def crowd(port: int, count: int, server: ServerProcess, start: dict[str, Any]) -> list[str]:
    """Connect ``count`` peers at once; each sends half a frame, then the rest, and gets it back."""
    socks: list[socket.socket] = []
    body = frame(b"one of many")
    try:
        began = time.monotonic()
        for number in range(count):
            sock = socket.socket()
            socks.append(sock)
            sock.settimeout(_PATIENCE)
            sock.bind((f"127.0.0.{2 + number % 100}", 0))  # one address has too few ports
            sock.connect(("127.0.0.1", port))
            sock.sendall(body[:6])
        took = time.monotonic() - began
        books = settled_books(server, start | {"channels": count, "descriptors": start["descriptors"] + count})
        cpu = _cpu_in_standstill(server)
        for sock in socks:
            sock.sendall(body[6:])
        lost = sum(sock.recv(100) != body for sock in socks)
    finally:
        for sock in socks:
            sock.close()
    each = (books["resident"] - start["resident"]) / count / 1024
    print(
        f"crowd       {count} connections in {took:.1f} s, {each:.1f} KiB each with half a frame, {cpu:.2f} s at rest"
    )
    broken = [f"crowd: {lost} of {count} were not answered"] if lost else []
    if cpu > _IDLE_CPU:
        broken.append(f"crowd: {cpu:.2f} s of processor time while nothing happened")
    if books["channels"] != count:
        broken.append(f"crowd: {books['channels']} channels for {count} connections")
    return broken


def rounds(port: int, connections: int, seconds: float, server: ServerProcess, dice: random.Random) -> list[str]:
    """Keep so many peers at work, so long; then a standstill, and the finish."""
    crew = Crew(port, dice)
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            crew.hire(connections)
            crew.work(_GLANCE)
            crew.cut_off_the_late()
        crew.hire(connections)
        crew.work(_GLANCE)
        left = len(crew)
        time.sleep(_STANDSTILL)  # what is under way arrives; then nothing is left to do
        cpu = _cpu_in_standstill(server)
        crew.shift_deadlines(2 * _STANDSTILL)
        crew.work(_PATIENCE)
        crew.cut_off_the_late(all_of_them=True)
    finally:
        crew.close()
    print(f"rounds      {sum(crew.completed.values())} connections, {crew.received / 1e6:.0f} MB answered and compared")
    for behaviour, count in crew.completed.items():
        print(f"            {count:6} {behaviour}")
    print(f"standstill  {left} connections, {cpu:.2f} s of processor time")
    broken = crew.broken
    if cpu > _IDLE_CPU:
        broken.append(f"standstill: {cpu:.2f} s of processor time")
    idle = [behaviour for behaviour, count in crew.completed.items() if not count]
    if idle:
        broken.append(f"nobody {', '.join(idle)}: too few connections, or too little time")
    return broken


def _cpu_in_standstill(server: ServerProcess) -> float:
    before = server.cpu_seconds()
    time.sleep(_STANDSTILL)
    return server.cpu_seconds() - before


def settled_books(server: ServerProcess, start: dict[str, Any]) -> dict[str, Any]:
    """The books once the server has noticed who came and who went, if it does."""
    until = time.monotonic() + _PATIENCE
    while True:
        books = server.books()
        settled = all(books[name] == start[name] for name in ("descriptors", "channels", "timers or tasks"))
        if settled or time.monotonic() > until:
            return books
        time.sleep(_GLANCE)


def compare(start: dict[str, Any], end: dict[str, Any]) -> list[str]:
    broken = [
        f"books: {name} {start[name]} at the start, {end[name]} at the end"
        for name in ("descriptors", "threads", "channels", "timers or tasks")
        if start[name] != end[name]
    ]
    blocks = end["blocks"] - start["blocks"]
    resident = end["resident"] - start["resident"]
    print(
        f"books       {end['descriptors']} descriptors, {end['threads']} threads, {end['channels']} channels,"
        f" {blocks:+} blocks, {resident / (1 << 20):+.1f} MiB resident"
    )
    if blocks > _BLOCKS:
        broken.append(f"books: {blocks} blocks of memory more than at the start")
    if resident > _RESIDENT:
        broken.append(f"books: {resident / (1 << 20):.1f} MiB more than at the start")
    broken += [f"logged: {error}" for error in end["errors"]]
    return broken


def raise_limit(wanted: int) -> int:
    """Ask for ``wanted`` descriptors for this process and those it starts; how many there are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def main() -> int:
    parser = argparse.ArgumentParser(description="Attack an echo server, and see what it leaves behind.")
    parser.add_argument("--connections", type=int, default=1000, help="peers at work at once (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (%(default)s)")
    parser.add_argument("--crowd", type=int, default=10_000, help="connections at once, before that (%(default)s)")
    parser.add_argument("--loops", type=int, default=2, help="loops of the server (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the dice; the default is another one each time")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that serves (this one)")
    arguments = parser.parse_args()
    if not sys.platform.startswith("linux"):
        print("this looks into /proc and uses epoll: it needs Linux")
        return 2
    room = raise_limit(max(arguments.crowd, arguments.connections) + 200) - 200
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed        {seed}")
    dice = random.Random(seed)
    server = ServerProcess(arguments.python, arguments.loops)
    try:
        first = server.books()
        # What is made once and kept, by the first connections of each kind, is no leak.
        broken = rounds(server.port, min(100, arguments.connections, room), 0.5, server, random.Random(1))
        start = settled_books(server, first)
        broken += crowd(server.port, 10, server, start)
        print("            … so much to warm up")
        start = settled_books(server, first)
        broken += crowd(server.port, min(arguments.crowd, room), server, start)
        broken += rounds(server.port, min(arguments.connections, room), arguments.seconds, server, dice)
        broken += compare(start, settled_books(server, start))
        code = server.stop()
        if code != 0:
            broken.append(f"the server ended with {code}")
    except BaseException:
        server.kill()
        raise
    for line in broken[:50]:
        print("BROKEN     ", line)
    print("verdict     " + (f"{len(broken)} broken" if broken else "it holds up"))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
