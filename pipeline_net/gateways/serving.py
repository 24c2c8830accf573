"""ServingOptions: how an application is served, whatever its interface is; and what both kinds of servers do alike."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

from ..bootstrap import ServerBootstrap
from ..channel import Channel
from ..codecs.http.options import DEADLINES, Deadlines, Limits
from ..codecs.http.proxies import TrustedProxies
from ..errors import TlsError
from ..options import ChannelOptions
from .connection import check_root_path

_logger: Final = logging.getLogger("pipeline_net.gateways")

DEFAULT_MAX_BODY: Final = 64 * 1024 * 1024  # bytes of one upload; the application may well want less
ALPN: Final = ("http/1.1",)  # what TLS tells clients that ask which protocol it is (RFC 7301)
HANGUP: Final[signal.Signals | None] = getattr(signal, "SIGHUP", None)  # Windows has none


def _nothing() -> Iterable[Any]:
    return ()


def _as_server_tls(given: Any) -> Any:
    if given is None:
        return None
    from ..handlers.tls_context import as_server_tls  # only whoever speaks TLS pays for ssl

    return as_server_tls(given, alpn=ALPN)


@attrs.frozen(kw_only=True)
class ServingOptions:
    """How an application is served.

    Raises:
        ValueError: an option makes no sense.
        TlsError: a certificate cannot be used.
    """

    root_path: str = attrs.field(default="", validator=lambda _, __, value: check_root_path(value))
    """Where a proxy that cuts this off has mounted the application; SCRIPT_NAME for WSGI."""
    proxies: TrustedProxies = attrs.field(factory=TrustedProxies)
    """Whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    limits: Limits = attrs.field(factory=lambda: Limits(max_body=DEFAULT_MAX_BODY))
    deadlines: Deadlines = DEADLINES
    max_connections: int | None = None
    channel: ChannelOptions = ChannelOptions()
    patience: float = 10.0
    """Seconds that requests have to finish when the server is asked to end."""
    tls: Any = attrs.field(default=None, converter=_as_server_tls)
    """What ``tls://`` addresses are encrypted with: a PEM file, or ``(certificate, key)``, with which ``http/1.1`` is
    offered in ALPN; or a ``ServerTls`` or a context of your own, which stay as they are."""
    stages: Callable[[], Iterable[Any]] = _nothing
    """Makes the stages of one connection between HTTP and the application, such as a log of requests."""


def bootstrap(
    loops: Any, options: ServingOptions, stack: Callable[[str], Any], *, reuse_port: bool = False
) -> ServerBootstrap:
    """Make what binds the server; ``stack`` makes the stages of a connection that speaks ``http`` or ``https``."""

    def stages(channel: Channel) -> Any:
        return stack("https" if is_encrypted(channel, options) else "http")

    return ServerBootstrap(
        loops,
        initializer=stages,
        max_connections=options.max_connections,
        tls=options.tls,
        options=options.channel,
        reuse_port=reuse_port,
    )


def is_encrypted(channel: Channel, options: ServingOptions) -> bool:
    """Whether a channel begins with TLS: a server may have encrypted and readable addresses side by side."""
    if options.tls is None:
        return False
    from ..handlers.tls import TlsHandler

    return TlsHandler in channel.pipeline


def reload_certificates(options: ServingOptions) -> None:
    """Read certificates and keys again, for connections that come from now on; broken files are logged, not used."""
    try:
        options.tls.reload()
    except TlsError as exc:
        _logger.error("the certificates stay as they were: %s", exc)
    else:
        _logger.info("the certificates were read again")
