"""ClientOptions: how a client introduces itself, how long it waits, and how much it lets wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import attrs

from ....errors import EncodeError
from ....option_checks import count, not_negative, positive, positive_or_none
from ....options import ChannelOptions
from ..command_encoder import RedisCommandEncoder
from ..messages import Request
from ..rules import checked

if TYPE_CHECKING:
    from ....handlers.tls_context import ClientTlsLike

_DATABASES: Final = 2**31  # SELECT takes no larger number


def _limit(_: object, field: attrs.Attribute[Any], value: int) -> None:
    if not isinstance(value, int):
        raise ValueError(f"{field.name} must be a whole number, not {value!r}")
    checked(field.name, value)


def _known_protocol(_: object, field: attrs.Attribute[Any], value: int) -> None:
    if value not in (2, 3):
        raise ValueError(f"protocol is 2 or 3, not {value!r}")


def _database(_: object, field: attrs.Attribute[Any], value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _DATABASES:
        raise ValueError(f"database is a number from 0 to {_DATABASES - 1}, not {value!r}")


def _without_steering(channel: ChannelOptions) -> ChannelOptions:
    """Reading and flushing are the client's business."""
    return attrs.evolve(channel, auto_read=True, auto_flush=True)


def _as_tuple(commands: Iterable[Request]) -> tuple[Request, ...]:
    return tuple(commands)


def _commands(_: object, field: attrs.Attribute[Any], value: tuple[Request, ...]) -> None:
    """Refuse now what would make every connection fail later, again and again."""
    for number, command in enumerate(value, 1):
        try:
            RedisCommandEncoder().encode(command)
        except EncodeError as exc:
            raise ValueError(f"command {number} of {field.name} cannot be sent: {exc}") from exc


@attrs.frozen(kw_only=True)
class ClientOptions:
    """Options of a client, or of every client of a pool.  Times are seconds, sizes are bytes.

    Raises:
        ValueError: an option is out of its range, or contradicts another one; the message names it.
    """

    username: str | None = None
    """For servers with users (ACL); ``None`` is the one called ``default``."""
    password: str | None = attrs.field(default=None, repr=False)
    database: int = attrs.field(default=0, validator=_database)
    name: str | None = None
    """What the server calls us in ``CLIENT LIST``."""
    protocol: int = attrs.field(default=3, validator=_known_protocol)
    """The version of RESP to ask for; servers that only speak 2 are spoken to in 2."""
    tls: ClientTlsLike | None = attrs.field(default=None, repr=False)
    """How to speak with ``tls://…``: a ``ClientTls``; without it, whoever the system trusts is trusted."""
    setup: tuple[Request, ...] = attrs.field(default=(), converter=_as_tuple, validator=_commands)
    """Commands for each new connection, before any other; one that is answered with an error refuses the connection."""
    timeout: float | None = attrs.field(default=10.0, validator=positive_or_none)
    """How long a command may take from ``execute()`` to its reply, waiting for a connection included."""
    late_limit: float = attrs.field(default=30.0, validator=positive)
    """How late a reply may be after its command has timed out; then the connection is given up."""
    max_pending: int = attrs.field(default=65536, validator=count(1))
    """Commands that may be without a reply at once, whether sent or not; one more fails with ``PoolFullError``."""
    max_waiting_bytes: int = attrs.field(default=64 * 1024 * 1024, validator=count(1))
    """Bytes of commands that may wait to be sent; if so many do already, one more fails with ``PoolFullError``.  So a
    single command or batch may be larger."""
    offline_limit: int = attrs.field(default=1024, validator=count(0))
    """How many of them may wait while the server cannot be reached; with 0 they fail at once."""
    reconnect: bool = True
    """Whether to connect again, and again, after a connection has been lost or could not be made."""
    backoff: float = attrs.field(default=0.05, validator=positive)
    """The pause before the second attempt to connect; it doubles with each one …"""
    backoff_limit: float = attrs.field(default=5.0, validator=positive)
    """… up to this."""
    close_timeout: float = attrs.field(default=5.0, validator=not_negative)
    """How long ``close()`` waits for the replies to what was sent."""
    ping_interval: float | None = attrs.field(default=30.0, validator=positive_or_none)
    """How long a connection for subscriptions may be silent before it is asked whether it is still there."""
    max_bulk_length: int = attrs.field(default=64 * 1024 * 1024, validator=_limit)
    max_elements: int = attrs.field(default=1024 * 1024, validator=_limit)
    max_depth: int = attrs.field(default=32, validator=_limit)
    max_message_length: int = attrs.field(default=128 * 1024 * 1024, validator=_limit)
    channel: ChannelOptions = attrs.field(factory=ChannelOptions, converter=_without_steering)
    """Of the connections; ``connect_timeout`` is also how long the server may take to answer the greeting."""

    def __attrs_post_init__(self) -> None:
        if self.username is not None and self.password is None:
            raise ValueError(f"username {self.username!r} wants a password")
        if self.backoff > self.backoff_limit:
            raise ValueError(f"backoff ({self.backoff}) must not be above backoff_limit ({self.backoff_limit})")
