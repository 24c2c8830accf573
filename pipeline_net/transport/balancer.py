"""Who gets the next connection: the five balancers by name, and what a user's own has to look like.

    round-robin         each loop in turn; the default
    random              by dice; several acceptors do not fall into step
    least-connections   the loop that has the fewest; long and short connections mixed
    source-hash         the same peer address, the same loop
    consistent-hash     the same, and adding or removing one of n loops moves only about 1/n of the addresses

The hashing ones look at the peer's IP address and not at its port, so a client that reconnects comes back to its
loop.  They hash the same in every run and in every process, which ``hash()`` would not.  Peers without an address
(Unix sockets) go round robin.
"""

from __future__ import annotations

import itertools
import zlib
from bisect import bisect
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from .._mypyc import mypyc_attr

# What the socket module calls a peer: a tuple for IP, a path (or "", or bytes) for Unix; None when nobody knows.
PeerAddress: TypeAlias = tuple[Any, ...] | str | bytes | None

_POINTS_PER_LOOP: Final = 128  # on the ring; loops then differ by about a tenth in their share of the addresses


class BalancedLoop(Protocol):
    """What a balancer may look at."""

    @property
    def name(self) -> str: ...
    @property
    def channels(self) -> int: ...


L = TypeVar("L", bound=BalancedLoop)


class Balancer(Protocol[L]):
    """Chooses a loop for a new connection; called by every acceptor, so from several threads."""

    def choose(self, loops: Sequence[L], remote_address: PeerAddress) -> L:
        """Return one of ``loops``, which are never none and always come in the same order."""
        ...


@mypyc_attr(allow_interpreted_subclasses=True)
class RoundRobin:
    """Each loop in turn."""

    def __init__(self) -> None:
        self._next = itertools.count().__next__  # one indivisible step, so that acceptors need no lock

    def choose(self, loops: Sequence[L], remote_address: PeerAddress = None) -> L:
        return loops[self._next() % len(loops)]


@mypyc_attr(allow_interpreted_subclasses=True)
class Random:
    """Any loop.

    Args:
        seed: makes the choices repeatable.
    """

    def __init__(self, seed: int | None = None) -> None:
        import random  # here, for it would slow down the import of the package for the few who want dice

        self._dice = random.Random(seed)

    def choose(self, loops: Sequence[L], remote_address: PeerAddress = None) -> L:
        return self._dice.choice(loops)


@mypyc_attr(allow_interpreted_subclasses=True)
class LeastConnections:
    """The loop with the fewest channels; the first of them when several have as few."""

    def choose(self, loops: Sequence[L], remote_address: PeerAddress = None) -> L:
        return min(loops, key=_channels)


@mypyc_attr(allow_interpreted_subclasses=True)
class SourceHash:
    """The loop that the peer's IP address hashes to; another number of loops scatters nearly all addresses anew."""

    def __init__(self) -> None:
        self._without_source = RoundRobin()

    def choose(self, loops: Sequence[L], remote_address: PeerAddress) -> L:
        source = _source(remote_address)
        if source is None:
            return self._without_source.choose(loops)
        return loops[zlib.crc32(source) % len(loops)]


@mypyc_attr(allow_interpreted_subclasses=True)
class ConsistentHash:
    """The loop whose point on a ring follows the hash of the peer's IP address.

    Each loop owns many points, placed by its name alone: a loop that comes takes the arcs before its own points, one
    that goes leaves them to its neighbours, and every other address stays where it is.  Names must therefore differ.

    CRC-32 is too regular for the ring (shares came out between 0.7 and 1.6 of what is fair), so a cryptographic hash
    places the points.
    """

    def __init__(self) -> None:
        from hashlib import blake2b  # here, for it loads OpenSSL

        self._blake2b = blake2b
        self._without_source = RoundRobin()
        self._ring = _Ring((), [], [])

    def choose(self, loops: Sequence[L], remote_address: PeerAddress) -> L:
        source = _source(remote_address)
        if source is None:
            return self._without_source.choose(loops)
        names = tuple(loop.name for loop in loops)
        ring = self._ring  # replaced as a whole, never changed: another acceptor may be reading it
        if ring.names != names:
            ring = self._ring = self._draw(names)
        return loops[ring.owner_of(self._hash(source))]

    def _draw(self, names: tuple[str, ...]) -> _Ring:
        points = sorted(
            (self._hash(f"{name}#{number}".encode()), index)
            for index, name in enumerate(names)
            for number in range(_POINTS_PER_LOOP)
        )
        return _Ring(names, [position for position, _ in points], [index for _, index in points])

    def _hash(self, data: bytes) -> int:
        return int.from_bytes(self._blake2b(data, digest_size=8).digest(), "big")


class _Ring:
    def __init__(self, names: tuple[str, ...], positions: list[int], owners: list[int]) -> None:
        self.names = names
        self.positions = positions
        self.owners = owners

    def owner_of(self, position: int) -> int:
        return self.owners[bisect(self.positions, position) % len(self.owners)]


BALANCERS: Final[dict[str, Callable[[], RoundRobin | Random | LeastConnections | SourceHash | ConsistentHash]]] = {
    "round-robin": RoundRobin,
    "random": Random,
    "least-connections": LeastConnections,
    "source-hash": SourceHash,
    "consistent-hash": ConsistentHash,
}


def make_balancer(balancer: str | Balancer[L]) -> Balancer[L]:
    """Return the balancer of that name, new; one that is no name is returned as it is.

    Raises:
        ValueError: nobody is called that.
        TypeError: it is neither a name nor has it ``choose``.
    """
    if isinstance(balancer, str):
        make = BALANCERS.get(balancer)
        if make is None:
            raise ValueError(f"no balancer is called {balancer!r}; there are {', '.join(BALANCERS)}")
        return make()
    if not callable(getattr(balancer, "choose", None)):
        raise TypeError(f"a balancer is a name or has choose(loops, remote_address), and {balancer!r} is neither")
    return balancer


def _channels(loop: BalancedLoop) -> int:
    return loop.channels


def _source(remote_address: PeerAddress) -> bytes | None:
    """Return what identifies the peer's machine: its IP address without the port."""
    if isinstance(remote_address, tuple) and remote_address and isinstance(remote_address[0], str):
        return remote_address[0].encode()
    return None
