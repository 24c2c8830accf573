"""AlpnHandler: chooses the stages that follow by what the TLS handshake has agreed upon.

::

    wire() >> tls.handler() >> AlpnHandler({"h2": http2_stages, "http/1.1": http1_stages})

The stages that are chosen take its place, and see what every stage sees: ``channel_active`` first, then
``TlsHandshakeDone``, then what the peer sends.

Source: RFC 7301.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import TlsError
from ..handler import ChannelInboundHandler
from .tls_facts import TlsHandshakeDone

if TYPE_CHECKING:
    from ..channel import Channel
    from ..context import ChannelHandlerContext
    from ..pipeline import Stage

Stages: TypeAlias = "Callable[[Channel], Iterable[Stage] | None]"  # as a bootstrap's initializer


class AlpnHandler(ChannelInboundHandler[bytes, Any, Any]):
    """Replaced by the stages for the protocol that was agreed upon.

    Args:
        stages: by name of the protocol, a function that makes the stages, as a bootstrap's ``initializer`` does.
        fallback: for peers that agreed upon none of these, such as those that do not know ALPN at all.

    Raises:
        TlsError: there is no fallback, and none of the protocols was agreed upon; the channel closes.
    """

    def __init__(self, stages: Mapping[str, Stages], fallback: Stages | None = None) -> None:
        self._stages = dict(stages)
        self._fallback = fallback
        self._keeps_active = False  # channel_active has come, and waits for those who are chosen

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._keeps_active = True

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not self._keeps_active:  # else nobody behind us knows that the channel was active
            ctx.fire_channel_inactive()

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if not isinstance(event, TlsHandshakeDone):
            ctx.fire_user_event_triggered(event)
            return
        choose = self._fallback if event.alpn is None else self._stages.get(event.alpn, self._fallback)
        if choose is None:
            raise TlsError(
                f"{ctx.channel.remote_address!r} and we have no protocol in common: ALPN says {event.alpn!r},"
                f" and there are {', '.join(self._stages)}"
            )
        given = choose(ctx.channel)
        if given is None or given is ctx.pipeline:  # it has seated them itself
            ctx.pipeline.remove(self)
        else:
            ctx.pipeline.replace(self, *given)
        if self._keeps_active:
            ctx.fire_channel_active()
        ctx.fire_user_event_triggered(event)
