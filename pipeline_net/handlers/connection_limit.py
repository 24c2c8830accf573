"""ConnectionLimitHandler: how many connections there may be at once, in total and from one source."""

from __future__ import annotations

import logging
import threading
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..handler import TransparentHandler
from .networks import address_of
from .proxy_protocol import client_of

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext

_logger: Final = logging.getLogger("pipeline_net.handlers")

_IPV6_BITS: Final = 128


class ConnectionLimitHandler(TransparentHandler[Any]):
    """Whatever flows → the same, on as many connections as are allowed; one too many is closed before it begins.

    One instance is seated in all the channels that it counts together, on whatever loops::

        limit = ConnectionLimitHandler(total=10_000, per_address=20)
        ServerBootstrap(loops, initializer=lambda channel: wire() >> limit >> …)

    Unlike ``max_connections`` of a bootstrap, which lets newcomers wait in the kernel's queue, it turns them away: a
    source that holds too many cannot keep others waiting.

    Args:
        total: connections at once.
        per_address: connections at once from one source; peers without an IP address count in the total only.
        ipv6_prefix: how many bits of an IPv6 address make a source.  A subscriber usually owns a whole /64, and could
            otherwise come from as many addresses as it likes.
        proxied: whether the source is that of the PROXY header; seat it behind ``ProxyProtocolDecoder`` then.

    Raises:
        ValueError: a limit below 1, a prefix that is none, or no limit at all.
    """

    shareable: ClassVar[bool] = True

    def __init__(
        self,
        total: int | None = None,
        per_address: int | None = None,
        *,
        ipv6_prefix: int = 64,
        proxied: bool = False,
    ) -> None:
        for name, limit in (("total", total), ("per_address", per_address)):
            if limit is not None and limit < 1:
                raise ValueError(f"{name} must be at least 1, not {limit}")
        if total is None and per_address is None:
            raise ValueError("nothing is limited: give total or per_address")
        if not 1 <= ipv6_prefix <= _IPV6_BITS:
            raise ValueError(f"ipv6_prefix must be from 1 to {_IPV6_BITS}, not {ipv6_prefix}")
        self._total = total
        self._per_address = per_address
        self._proxied = proxied
        self._ipv6_shift = _IPV6_BITS - ipv6_prefix
        self._lock = threading.Lock()  # taken when a connection comes and when it goes, by whatever loop it lives on
        self._sources: dict[Any, int] = {}  # only those that have connections
        self._counted: dict[ChannelHandlerContext[Any, Any], Any] = {}  # each seat that counts, and its source
        self._refused = 0

    @property
    def connections(self) -> int:
        """How many connections are counted now."""
        return len(self._counted)

    @property
    def refused(self) -> int:
        """How many were turned away so far."""
        return self._refused

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        knows_peer = ctx.channel.remote_address is not None and not self._proxied
        if knows_peer or ctx.channel.is_active:
            self._admit(ctx)  # an accepted channel knows its peer already

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx in self._counted or self._admit(ctx):
            ctx.fire_channel_active()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._forget(ctx)
        ctx.fire_channel_inactive()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._forget(ctx)

    def _source_of(self, remote: Any) -> Any:
        address = address_of(remote)
        if isinstance(address, IPv6Address):
            return ("IPv6", int(address) >> self._ipv6_shift)
        return address

    def _admit(self, ctx: ChannelHandlerContext[Any, Any]) -> bool:
        remote = client_of(ctx.channel) if self._proxied else ctx.channel.remote_address
        source = self._source_of(remote)
        with self._lock:
            complaint = self._complaint(source)
            if complaint is None:
                self._counted[ctx] = source
                self._sources[source] = self._sources.get(source, 0) + 1
                return True
            self._refused += 1
        _logger.info("%s was refused: %s", remote, complaint)
        ctx.close()
        return False

    def _complaint(self, source: Any) -> str | None:
        if self._total is not None and len(self._counted) >= self._total:
            return f"there are {len(self._counted)} connections, as many as are allowed"
        held = self._sources.get(source, 0)
        if self._per_address is not None and source is not None and held >= self._per_address:
            return f"it has {held} connections, as many as are allowed from one address"
        return None

    def _forget(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        with self._lock:
            if ctx not in self._counted:
                return
            source = self._counted.pop(ctx)
            left = self._sources[source] - 1
            if left:
                self._sources[source] = left
            else:
                del self._sources[source]
