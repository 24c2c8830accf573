"""run_wsgi(): a server for a WSGI application: loops for the connections, a pool of threads for the application."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType
from typing import Any, Final

import attrs

from ..bootstrap import Server, ServerBootstrap
from ..codecs.http.options import DEADLINES, Deadlines, Limits
from ..codecs.http.proxies import TrustedProxies
from ..options import ChannelOptions
from ..transport.group import EventLoopGroup
from ..transport.pool import WorkerPool
from .connection import check_root_path
from .wsgi import WsgiSite, wsgi_stack

DEFAULT_MAX_BODY: Final = 64 * 1024 * 1024  # bytes of one upload; the application may well want less
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@attrs.frozen(kw_only=True)
class WsgiOptions:
    """How an application is served.

    Raises:
        ValueError: an option makes no sense.
    """

    root_path: str = attrs.field(default="", validator=lambda _, __, value: check_root_path(value))
    """SCRIPT_NAME: where a proxy that cuts this off has mounted the application."""
    proxies: TrustedProxies = attrs.field(factory=TrustedProxies)
    """Whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    limits: Limits = attrs.field(factory=lambda: Limits(max_body=DEFAULT_MAX_BODY))
    deadlines: Deadlines = DEADLINES
    max_connections: int | None = None
    channel: ChannelOptions = ChannelOptions()
    patience: float = 10.0
    """Seconds that requests have to finish when the server is asked to end."""


def run_wsgi(
    app: Callable[..., Any],
    *addresses: str,
    loops: int = 1,
    threads: int | None = None,
    options: WsgiOptions = WsgiOptions(),
    ready: Callable[[Server], object] | None = None,
    stop: SimpleQueue[None] | None = None,
) -> int:
    """Serve ``app`` until SIGINT or SIGTERM, or until something is put into ``stop``.

    Args:
        addresses: where to listen: ``"tcp://:8000"``, ``"unix:///run/app.sock"``.
        loops: event loops, each in a thread of its own; one is enough for thousands of connections.
        threads: how many requests run at once; ``None`` lets ``WorkerPool`` choose.
        ready: called with the server when it listens.

    Returns:
        How many connections were cut off at the end.

    Raises:
        AddressError, OSError: an address cannot be listened on.
    """
    asked: SimpleQueue[None] = SimpleQueue() if stop is None else stop
    with WorkerPool(threads, name="wsgi") as pool:
        site = WsgiSite(app, pool, root_path=options.root_path, proxies=options.proxies)
        # The loops end first: a thread that waits for a client learns that it is gone, and the pool can end, too.
        with EventLoopGroup(loops) as group:
            server = ServerBootstrap(
                group,
                initializer=lambda channel: wsgi_stack(site, limits=options.limits, deadlines=options.deadlines),
                max_connections=options.max_connections,
                options=options.channel,
            ).bind(*addresses)
            with _Signals(asked):
                if ready is not None:
                    ready(server)
                asked.get()
            return server.drain(options.patience)  # a second signal ends it, as it would end any program


class _Signals:
    """While it is entered on the main thread, SIGINT and SIGTERM ask for the end; elsewhere it does nothing."""

    def __init__(self, asked: SimpleQueue[None]) -> None:
        self._asked = asked
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._ask)

    def __exit__(self, *exc: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked.put(None)
