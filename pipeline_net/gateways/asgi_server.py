"""serve_asgi(): a server for an ASGI application, from its lifespan to the last response.

The order of things::

    lifespan.startup       the application may refuse
    bind                   or raise, after lifespan.shutdown
    ready(server)
    …                      until ``stop`` is set
    stop accepting         connections that are idle close, the others after their response
    patience ends          what still runs is cancelled, what is still open is cut off
    lifespan.shutdown      "when the server has stopped accepting connections and closed all active connections"
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

from ..bootstrap import Server
from ..server_draining import ServerDraining
from ..transport.address import parse_address
from ..transport.host import AsyncioHost
from .asgi import asgi_stack
from .asgi_site import Application, AsgiSite
from .serving import DEFAULT_MAX_BODY, HANGUP, ServingOptions, bootstrap, reload_certificates

__all__ = ["DEFAULT_MAX_BODY", "AsgiOptions", "loop_factory", "run_asgi", "serve_asgi"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_CLEANING: Final = 10.0  # seconds that an application has for its shutdown


class AsgiOptions(ServingOptions):
    """How an ASGI application is served: ``ServingOptions``."""


_OPTIONS: Final = AsgiOptions()


async def serve_asgi(
    app: Application,
    *addresses: str,
    options: ServingOptions = _OPTIONS,
    ready: Callable[[Server], object] | None = None,
    stop: asyncio.Event | None = None,
    hurry: asyncio.Event | None = None,
    reuse_port: bool = False,
) -> bool:
    """Serve ``app`` on the running asyncio loop until ``stop`` is set, or the caller is cancelled.

    Args:
        addresses: where to listen: ``"tcp://:8000"``, ``"unix:///run/app.sock"``.
        ready: called with the server when it listens.
        hurry: ends the patience with requests that are under way.

    Returns:
        Whether the application has shut down well.

    Raises:
        StartupFailedError: the application cannot start.
        AddressError, OSError: an address cannot be listened on.
    """
    site = AsgiSite(app, root_path=options.root_path, proxies=options.proxies)
    await site.startup()
    went_well = True
    try:
        async with AsyncioHost("asgi") as host:
            server = bootstrap(host.loop, options, partial(_stack, site, options), reuse_port=reuse_port).bind(
                *addresses
            )
            if ready is not None:
                ready(server)
            try:
                await (asyncio.Event() if stop is None else stop).wait()
            finally:
                server.close()
                await _drain(host, server, site, options.patience, hurry)
    finally:
        went_well = await site.shutdown(_CLEANING)
    return went_well


def _stack(site: AsgiSite, options: ServingOptions, scheme: str) -> Any:
    return asgi_stack(site, limits=options.limits, deadlines=options.deadlines, scheme=scheme, stages=options.stages())


async def _drain(
    host: AsyncioHost, server: Server, site: AsgiSite, patience: float, hurry: asyncio.Event | None
) -> None:
    """Let what is under way finish; then cancel it."""
    for channel in server.channels:
        channel.fire_user_event(ServerDraining(patience))
    emptied = asyncio.ensure_future(host.wait_until_empty(patience))
    hurried = asyncio.ensure_future((asyncio.Event() if hurry is None else hurry).wait())
    try:
        await asyncio.wait((emptied, hurried), return_when=asyncio.FIRST_COMPLETED)
        if emptied.done() and emptied.result() and not hurried.done():
            await site.tasks.finish(patience, _CLEANING)  # what they do after their response
        else:
            await site.tasks.finish(0.0, _CLEANING)
    finally:
        emptied.cancel()
        hurried.cancel()
        await asyncio.wait((emptied, hurried))


# -- on several loops, and until a signal ---------------------------------------------------------------


class _Thread:
    """One more loop: the same application, its own lifespan, a listener of its own for the same ports."""

    def __init__(self, make_loop: Callable[[], asyncio.AbstractEventLoop], number: int) -> None:
        self._make_loop = make_loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._hurry: asyncio.Event | None = None
        self.is_ready: Future[None] = Future()
        self.went_well: Future[bool] = Future()
        self._thread = threading.Thread(target=self._run, name=f"asgi-{number}", daemon=True)
        self._serve: Callable[..., Coroutine[Any, Any, bool]] | None = None

    def start(self, serve: Callable[..., Coroutine[Any, Any, bool]]) -> None:
        self._serve = serve
        self._thread.start()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._make_loop) as runner:
                self.went_well.set_result(runner.run(self._main()))
        except BaseException as exc:  # noqa: BLE001 - it is told to the thread that waits
            if not self.is_ready.done():
                self.is_ready.set_exception(exc)
            self.went_well.set_exception(exc)

    async def _main(self) -> bool:
        assert self._serve is not None
        self._loop = asyncio.get_running_loop()
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        return await self._serve(ready=self._ready, stop=self._stop, hurry=self._hurry)

    def _ready(self, server: Server) -> None:
        self.is_ready.set_result(None)

    def stop(self, hurry: bool = False) -> None:
        event = self._hurry if hurry else self._stop
        if self._loop is None or event is None:
            return
        try:
            self._loop.call_soon_threadsafe(event.set)
        except RuntimeError:
            return  # it has ended already

    def join(self) -> None:
        self._thread.join()


def run_asgi(
    app: Application,
    *addresses: str,
    loops: int = 1,
    options: ServingOptions = _OPTIONS,
    event_loop: str = "auto",
    ready: Callable[[list[str]], object] | None = None,
) -> bool:
    """Serve ``app`` until SIGINT or SIGTERM; a second signal ends the patience with requests under way.

    Args:
        loops: threads, each with an event loop, a lifespan and a listener of its own; more than one wants TCP
            addresses, which they share (SO_REUSEPORT).
        event_loop: ``"asyncio"``, ``"uvloop"``, or ``"auto"`` for uvloop where it is installed.
        ready: called with the addresses when all of them listen.

    Returns, raises: as ``serve_asgi``.
    """
    if loops > 1 and not all(parse_address(address).form == "inet" for address in addresses):
        raise ValueError("several loops share a port (SO_REUSEPORT), which only TCP addresses have")
    make_loop = loop_factory(event_loop)
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(_run(app, addresses, loops, options, make_loop, ready))


async def _run(
    app: Application,
    addresses: tuple[str, ...],
    loops: int,
    options: ServingOptions,
    make_loop: Callable[[], asyncio.AbstractEventLoop],
    ready: Callable[[list[str]], object] | None,
) -> bool:
    stop, hurry = asyncio.Event(), asyncio.Event()
    bound: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    others = [_Thread(make_loop, number) for number in range(1, loops)]
    mine = asyncio.ensure_future(
        serve_asgi(
            app,
            *addresses,
            options=options,
            ready=lambda server: bound.set_result(server.addresses),
            stop=stop,
            hurry=hurry,
            reuse_port=loops > 1,
        )
    )

    def ask() -> None:
        late = stop.is_set()
        (hurry if late else stop).set()
        for other in others:
            other.stop(hurry=late)

    with _Signals(ask, options):
        await asyncio.wait((mine, bound), return_when=asyncio.FIRST_COMPLETED)
        if not bound.done():
            return await mine  # raises
        begun: list[_Thread] = []
        try:
            for other in others:
                begun.append(other)
                other.start(_server_of(app, bound.result(), options))
            for other in begun:
                await asyncio.wrap_future(other.is_ready)
            if ready is not None:
                ready(bound.result())
            if stop.is_set():
                ask()
            went_well = await asyncio.shield(mine)
        finally:
            stop.set()
            for other in begun:
                other.stop()
            await asyncio.wait((mine,))
            for other in begun:
                await asyncio.to_thread(other.join)
        return went_well and all(other.went_well.result() for other in begun)


def _server_of(
    app: Application, addresses: list[str], options: ServingOptions
) -> Callable[..., Coroutine[Any, Any, bool]]:
    def serve(**events: Any) -> Coroutine[Any, Any, bool]:
        return serve_asgi(app, *addresses, options=options, reuse_port=True, **events)

    return serve


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Find what makes event loops: ``asyncio``, ``uvloop``, or ``auto``.

    Raises:
        ValueError: it is none of these, or uvloop is not installed.
    """
    if name not in ("auto", "asyncio", "uvloop"):
        raise ValueError(f"an event loop is auto, asyncio or uvloop, not {name!r}")
    if name != "asyncio":
        try:
            import uvloop
        except ImportError as exc:
            if name == "uvloop":
                raise ValueError("uvloop is not installed: pip install pipeline_net[uvloop]") from exc
        else:
            return uvloop.new_event_loop
    return asyncio.new_event_loop


class _Signals:
    """While it is entered on the main thread, SIGINT and SIGTERM call ``ask`` on the asyncio loop, and SIGHUP has
    certificates read again.
    """

    def __init__(self, ask: Callable[[], None], options: ServingOptions) -> None:
        self._answers: dict[signal.Signals, Callable[[], None]] = dict.fromkeys(_SIGNALS, ask)
        if HANGUP is not None and options.tls is not None:
            self._answers[HANGUP] = partial(reload_certificates, options)
        self._loop = asyncio.get_running_loop()
        self._taken: list[signal.Signals] = []

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, answer in self._answers.items():
                self._loop.add_signal_handler(number, answer)
                self._taken.append(number)

    def __exit__(self, *exc: object) -> None:
        for number in self._taken:
            self._loop.remove_signal_handler(number)
