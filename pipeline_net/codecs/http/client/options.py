"""ClientOptions: how much a client takes, how long it keeps connections, and how far it goes for an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from ....option_checks import count, positive, positive_or_none
from ....options import ChannelOptions
from ..content import ContentDecompression
from ..options import STRICT, Leniency
from .timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ....pipeline import Stage


def _without_steering(channel: ChannelOptions) -> ChannelOptions:
    """Reading, flushing and the time to connect are the client's business."""
    return attrs.evolve(channel, auto_read=True, auto_flush=True, connect_timeout=_FOR_EVER)


def _names(given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise ValueError(f"secret_headers is a list of names, such as [{given!r}]")
    return tuple(name.lower() for name in given)


def _codings(given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise ValueError(f"codings is a list, such as [{given!r}]")
    codings = tuple(given)
    if codings:
        ContentDecompression(codings)  # one that nobody knows, or that is not installed, is found here
    return codings


def _no_stages() -> list[Stage]:
    return []


_FOR_EVER: Final = 1e6  # seconds; PhaseTimer ends it, whose limit may be another one for each request


@attrs.frozen(kw_only=True)
class ClientOptions:
    """Options of a client.  Times are seconds, sizes are bytes.

    Raises:
        ValueError: an option is out of its range, or contradicts another one; the message names it.
    """

    timeouts: Timeouts = attrs.field(factory=Timeouts, validator=attrs.validators.instance_of(Timeouts))
    """How long each part of a request may take; a request may have its own."""
    max_connections: int = attrs.field(default=64, validator=count(1))
    """Connections that there may be, in use or not."""
    max_per_origin: int = attrs.field(default=8, validator=count(1))
    """Connections to one server, or to one proxy for what is not encrypted."""
    max_waiting: int = attrs.field(default=1024, validator=count(0))
    """Requests that may wait for a connection; one more fails with ``PoolFullError``."""
    idle_timeout: float = attrs.field(default=15.0, validator=positive)
    """How long a connection is kept that nobody uses; less if the server says so (``Keep-Alive: timeout=5``)."""
    max_lifetime: float = attrs.field(default=600.0, validator=positive)
    """After that a connection is not used again, so that changes of DNS are noticed."""
    max_head: int = attrs.field(default=65536, validator=count(256))
    """The head of a response, all of its lines together."""
    max_headers: int = attrs.field(default=256, validator=count(1))
    """Header lines of a response."""
    max_body: int = attrs.field(default=64 * 1024 * 1024, validator=count(0))
    """The body of a response that is read as a whole, after it was decompressed; streamed ones have no limit."""
    stream_buffer: int = attrs.field(default=262144, validator=count(1))
    """What of a streamed body may wait to be read; then reading from the server pauses."""
    max_redirects: int = attrs.field(default=20, validator=count(0))
    """Redirects that are followed for one request."""
    allow_downgrade: bool = False
    """Whether a redirect may lead from https to http."""
    secret_headers: tuple[str, ...] = attrs.field(default=(), converter=_names)
    """Headers besides Authorization and Cookie that must not follow a redirect to another origin: ``["x-api-key"]``."""
    retries: int = attrs.field(default=0, validator=count(0))
    """How often a request is sent again after a connection could not be made, or was lost before any answer came.

    The latter only for methods that may be repeated.  A kept connection that turns out to be dead is no attempt: that
    is always made good, if it can be done safely.
    """
    retry_after: float | None = attrs.field(default=None, validator=positive_or_none)
    """Whether to come back when a 429 or a 503 says when (Retry-After), and how many seconds that may be at most."""
    retry_pause: float = attrs.field(default=0.1, validator=positive)
    """The pause before the first of the ``retries``; it doubles with each one, and a random half of it is left out."""
    codings: tuple[str, ...] = attrs.field(default=("gzip", "deflate"), converter=_codings)
    """What servers may compress bodies with, of gzip, deflate, br and zstd (see ``ContentDecompression``); an empty
    tuple leaves bodies as they come.  Requests with an Accept-Encoding or a Range of their own keep that."""
    leniency: Leniency = STRICT
    """What is forgiven of servers that do not keep to the rules; nothing by default."""
    stages: Callable[[], list[Stage]] = attrs.field(default=_no_stages)
    """Makes stages of your own for each connection, between HTTP and the client; they see all parts of messages."""
    close_timeout: float = attrs.field(default=5.0, validator=positive)
    """How long ``close()`` waits for requests that are under way."""
    channel: ChannelOptions = attrs.field(factory=ChannelOptions, converter=_without_steering)
    """Of the connections."""

    def __attrs_post_init__(self) -> None:
        if self.max_per_origin > self.max_connections:
            object.__setattr__(self, "max_per_origin", self.max_connections)
