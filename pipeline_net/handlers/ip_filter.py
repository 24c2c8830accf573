"""IpFilterHandler: who may connect, by address."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..handler import TransparentHandler
from .networks import Networks, address_of
from .proxy_protocol import client_of

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext

_logger: Final = logging.getLogger("pipeline_net.handlers")


class IpFilterHandler(TransparentHandler[Any]):
    """Whatever flows → the same, from peers that are allowed; the connection of any other is closed before it begins.

    ::

        IpFilterHandler(allow=["10.0.0.0/8", "::1"], deny=["10.6.6.6"])

    An address is refused if it is in ``deny``, or if there is an ``allow`` that it is not in.  Peers without an IP
    address (Unix sockets, channels inside the process) are let in: who may connect to those, files and programs decide.
    An IPv4 address is one, also where a socket for IPv6 shows it as ``::ffff:192.0.2.1``.

    A refused connection of a server is closed before any stage hears of it.  One instance may serve all channels.

    Args:
        allow, deny: networks, as text or as objects of ``ipaddress``.
        proxied: whether the address is that of the PROXY header; seat it behind ``ProxyProtocolDecoder`` then.

    Raises:
        ValueError: what is given is no network, or there is neither ``allow`` nor ``deny``.
    """

    shareable: ClassVar[bool] = True

    def __init__(self, allow: Iterable[Any] | None = None, deny: Iterable[Any] = (), *, proxied: bool = False) -> None:
        self._allow = None if allow is None else Networks(allow)
        self._deny = Networks(deny)
        self._proxied = proxied
        if self._allow is None and len(self._deny) == 0:
            raise ValueError("nobody is refused: give allow or deny")

    def allows(self, remote: Any) -> bool:
        """Whether a peer may connect; ``remote`` is what ``channel.remote_address`` says."""
        address = address_of(remote)
        if address is None:
            return True
        return address not in self._deny and (self._allow is None or address in self._allow)

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not self._proxied or ctx.channel.is_active:
            self._check(ctx)  # an accepted channel knows its peer already

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._check(ctx):
            ctx.fire_channel_active()

    def _check(self, ctx: ChannelHandlerContext[Any, Any]) -> bool:
        remote = client_of(ctx.channel) if self._proxied else ctx.channel.remote_address
        if self.allows(remote):
            return True
        if ctx.channel.is_open:
            _logger.info("%s was refused: its address is not allowed", remote)
            ctx.close()
        return False
