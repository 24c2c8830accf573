"""ProxyOptions: how patient a reverse proxy is, what it tells, and whom it believes."""

from __future__ import annotations

import sys
from typing import Any, Final

import attrs

from ...codecs.http.grammar import is_token
from ...codecs.http.options import Limits
from ...codecs.http.proxies import TrustedProxies

LIMITS: Final = Limits(max_body=1 << 30)
"""What a client may send; no upload is ever in memory as a whole."""


def _seconds(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{field.name} must be more than 0 seconds, not {value!r}")


def _count(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{field.name} must be a whole number from 0 on, not {value!r}")


def _token(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) or not is_token(value.encode("utf-8", "replace")):
        raise ValueError(f"{field.name} must be a token, as the name of a header is, not {value!r}")


def _tokens(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, tuple):
        raise ValueError(f"{field.name} must be a tuple of protocols, not {value!r}")
    for name in value:
        _token(_, field, name)


@attrs.frozen(kw_only=True)
class ProxyOptions:
    """How a proxy treats its clients and its origins.

    Raises:
        ValueError: an option makes no sense.
    """

    proxies: TrustedProxies = attrs.field(factory=TrustedProxies)
    """Clients whose Forwarded and X-Forwarded-… are kept and prolonged; those of all others are dropped."""
    name: str = attrs.field(default="pipeline_net", validator=_token)
    """What the proxy calls itself in Via."""
    preserve_host: bool = True
    """Whether the origin gets the Host that the client has sent; otherwise its own address."""
    upgrades: tuple[str, ...] = attrs.field(default=("websocket",), validator=_tokens)
    """Protocols that a client may change to.  Do not add ``h2c``: what is asked inside passes no rule of the proxy."""
    timeout: float = attrs.field(default=60.0, validator=_seconds)
    """Seconds that an origin may let pass without a sign of life while it is waited for."""
    tunnel_timeout: float = attrs.field(default=3600.0, validator=_seconds)
    """Seconds after which a tunnel through which nothing comes, either way, is closed."""
    max_idle: int = attrs.field(default=8, validator=_count)
    """Connections to origins that each loop keeps for later requests."""
    idle_timeout: float = attrs.field(default=15.0, validator=_seconds)
    """Seconds that it keeps them.  Less than the origin does, or requests meet closed doors."""
    cancels_on_half_close: bool = False
    """Whether a client that shuts its sending side is taken for one that has gone.  Most that do have gone; those of
    ``nc -N`` still listen."""
    response_limits: Limits = attrs.field(factory=lambda: Limits(max_body=sys.maxsize))
    """What a response of an origin may be."""


OPTIONS: Final = ProxyOptions()
