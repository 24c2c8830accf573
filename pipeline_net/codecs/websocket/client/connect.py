"""connect(): from a URL to a WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ....bootstrap import Bootstrap
from ....channel import Channel
from ....future import ChannelFuture
from ....options import ChannelOptions
from ....transport.event_loop import EventLoop
from ....transport.group import EventLoopGroup, as_group
from ...http.headers import HeadersLike
from ..client_handler import client_stack
from ..limits import KEEP_ALIVE, LIMITS, KeepAlive, Limits
from ..negotiation import Deflate
from ..url import WebSocketUrl
from .connection import WebSocket, WebSocketKeeper

if TYPE_CHECKING:
    from ....handlers.tls_context import ClientTlsLike


def connect(
    loops: EventLoopGroup | EventLoop,
    url: str,
    *,
    address: str | None = None,
    subprotocols: Sequence[str] = (),
    headers: HeadersLike | None = None,
    origin: str | None = None,
    deflate: Deflate | None = None,
    tls: ClientTlsLike | None = None,
    handshake_timeout: float = 10.0,
    limits: Limits = LIMITS,
    keepalive: KeepAlive | None = KEEP_ALIVE,
    close_timeout: float = 10.0,
    options: ChannelOptions = ChannelOptions(),
) -> ChannelFuture[WebSocket]:
    """Connect to ``ws://…`` or ``wss://…``: ``connect(loops, url).result()``, or ``await connect(loops, url)``.

    Args:
        loops: where the connection lives.
        address: where to connect to, if the URL does not say: ``"unix:///run/app.sock"``, ``"local://name"``.
        tls: how to speak with ``wss://``: a ``ClientTls``; without it, whoever the system trusts is trusted.

    The others are those of ``client_stack``.  Cancelling the future gives the connection up.

    Raises:
        AddressError: no URL of a WebSocket, or no address.
        ValueError: a setting that makes no sense.

    The future fails with ``HandshakeError``, which has the server's answer, or as that of ``Bootstrap.connect`` does.
    """
    where = WebSocketUrl(url)
    make = partial(
        client_stack,
        where,
        subprotocols=subprotocols,
        headers=headers,
        origin=origin,
        deflate=deflate,
        handshake_timeout=handshake_timeout,
        limits=limits,
        keepalive=keepalive,
        close_timeout=close_timeout,
    )
    make()  # what is wrong with it is said here
    group = as_group(loops)
    group.start()
    loop = group.next()
    promise: ChannelFuture[WebSocket] = ChannelFuture(loop)
    keeper = WebSocketKeeper(promise)
    connecting = Bootstrap(loop, lambda channel: make() >> keeper, tls=tls, options=options).connect(
        where.address if address is None else address
    )
    connecting.add_done_callback(partial(_connected, promise))
    promise.on_cancel(connecting.cancel)
    return promise


def _connected(promise: ChannelFuture[WebSocket], connecting: ChannelFuture[Channel]) -> None:
    """TCP, and TLS where it is spoken, are there; the handshake is under way.  Or they are not."""
    if connecting.cancelled():
        return
    error = connecting.exception()
    if error is not None:
        promise.fail_if_pending(error)
        return
    channel = connecting.result()
    promise.on_cancel(channel.abort)
    if promise.cancelled():
        channel.abort()
