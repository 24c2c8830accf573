"""run_wsgi(): a server for a WSGI application: loops for the connections, a pool of threads for the application."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Final

import attrs

from ..bootstrap import Server
from ..transport.group import EventLoopGroup
from ..transport.pool import WorkerPool
from .serving import DEFAULT_MAX_BODY, HANGUP, ServingOptions, bootstrap, reload_certificates
from .wsgi import WsgiSite, wsgi_stack

__all__ = ["DEFAULT_MAX_BODY", "WsgiOptions", "run_wsgi"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@attrs.frozen(kw_only=True)
class WsgiOptions(ServingOptions):
    """How a WSGI application is served: ``ServingOptions``, and where its iterators run."""

    any_thread: bool = False
    """Whether an iterator that the application returns may go on in another thread than the one in which it began; its
    context variables stay.  Then a client that does not read takes no thread.  Not for iterators that use what belongs
    to a thread: connections of sqlite3, ``threading.local``, sessions that are kept there."""


_OPTIONS: Final = WsgiOptions()

_LOOK_AGAIN: Final = 1.0  # seconds


def run_wsgi(
    app: Callable[..., Any],
    *addresses: str,
    loops: int = 1,
    threads: int | None = None,
    options: ServingOptions = _OPTIONS,
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
        any_thread = isinstance(options, WsgiOptions) and options.any_thread
        site = WsgiSite(app, pool, root_path=options.root_path, proxies=options.proxies, any_thread=any_thread)
        # The loops end first: a thread that waits for a client learns that it is gone, and the pool can end, too.
        with EventLoopGroup(loops) as group:
            server = bootstrap(group, options, partial(_stack, site, options)).bind(*addresses)
            with _Signals(asked, options):
                if ready is not None:
                    ready(server)
                _wait_for(asked)
            return server.drain(options.patience)  # a second signal ends it, as it would end any program


def _wait_for(asked: SimpleQueue[None]) -> None:
    while True:
        try:
            return asked.get(timeout=_LOOK_AGAIN)
        except Empty:
            pass  # a signal that came when Python was just about to wait is heeded now


def _stack(site: WsgiSite, options: ServingOptions, scheme: str) -> Any:
    return wsgi_stack(site, limits=options.limits, deadlines=options.deadlines, scheme=scheme, stages=options.stages())


class _Signals:
    """While it is entered on the main thread, SIGINT and SIGTERM ask for the end, and SIGHUP has certificates read
    again; elsewhere it does nothing.
    """

    def __init__(self, asked: SimpleQueue[None], options: ServingOptions) -> None:
        self._asked = asked
        self._options = options
        self._answers: dict[signal.Signals, Any] = dict.fromkeys(_SIGNALS, self._ask)
        if HANGUP is not None and options.tls is not None:
            self._answers[HANGUP] = self._reload
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, answer in self._answers.items():
                self._previous[number] = signal.signal(number, answer)

    def __exit__(self, *exc: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked.put(None)

    def _reload(self, number: int, frame: FrameType | None) -> None:
        reload_certificates(self._options)
