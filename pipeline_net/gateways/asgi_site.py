"""AsgiSite: an ASGI application on one asyncio loop: its lifespan, its state, its tasks, and the scopes of its requests.

Source: ASGI 3.0, HTTP & WebSocket message format 2.5
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote

from ..codecs.http.messages import Request
from ..context import ChannelHandlerContext
from .asgi_call import AsgiCall
from .asgi_exchange import AsgiExchange
from .asgi_tasks import AppTasks
from .lifespan import Lifespan
from .proxies import Client, TrustedProxies

if TYPE_CHECKING:
    from ..channel import Channel

Application: TypeAlias = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]

_NOBODY: Final = TrustedProxies()


class Connection:
    """What the scopes of all requests of a connection share."""

    def __init__(self, channel: Channel, scheme: str, proxies: TrustedProxies) -> None:
        self.scheme = scheme
        self.client: Client | None = _host_and_port(channel.remote_address)
        self.server: tuple[str, int | None] | None = _host_and_port(channel.local_address)
        if self.server is None and isinstance(channel.local_address, (str, bytes)) and channel.local_address:
            # "… or [path, None] where path is that of the unix socket."
            path = channel.local_address
            self.server = (path if isinstance(path, str) else "@" + path[1:].decode("utf-8", "replace"), None)
        host = None if self.client is None else self.client[0]
        self.trusted: Final = not proxies.is_empty and proxies.trusts(host)
        """Whether the peer may say on whose behalf it comes."""


def _host_and_port(address: Any) -> Client | None:
    if isinstance(address, tuple) and len(address) >= 2:
        return str(address[0]), int(address[1])
    return None


class AsgiSite:
    """An application on the running asyncio loop.

    Args:
        app: an ASGI 3 application: ``await app(scope, receive, send)``.
        root_path: the path under which a proxy has mounted the application, if the proxy cuts it off; it is put in
            front of every path again, and told to the application.
        proxies: the peers whose X-Forwarded-For and X-Forwarded-Proto are believed; nobody's by default.

    Raises:
        ValueError: a root path that does not begin with a slash, or ends with one.
        RuntimeError: no asyncio loop is running.
    """

    def __init__(self, app: Application, *, root_path: str = "", proxies: TrustedProxies = _NOBODY) -> None:
        if not callable(app):
            raise TypeError(f"an ASGI application is called with scope, receive and send, which {app!r} cannot be")
        check_root_path(root_path)
        self._app = app
        self._root_path = root_path
        self._proxies = proxies
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self.state: dict[str, Any] = {}
        self._lifespan = Lifespan(app, self.state)
        self.tasks = AppTasks()

    @property
    def is_here(self) -> bool:
        """Whether the caller is on the thread of its asyncio loop."""
        return get_ident() == self._thread

    def __repr__(self) -> str:
        return f"<AsgiSite of {self._app!r}>"

    async def startup(self) -> None:
        """Send ``lifespan.startup``, and wait for the answer.

        Raises:
            StartupFailedError: the application cannot start.
        """
        await self._lifespan.startup()
        self.tasks = AppTasks()  # with the context variables of whoever has started it

    async def shutdown(self, timeout: float) -> bool:
        """Cancel what is left of the tasks, send ``lifespan.shutdown``, wait at most ``timeout`` seconds for each.

        Says whether all went well.
        """
        await self.tasks.finish(0.0, timeout)
        return await self._lifespan.shutdown(timeout)

    # -- for the stage ------------------------------------------------------------------------------

    def connection(self, channel: Channel, scheme: str) -> Connection:
        """Find out what all requests of a channel share."""
        return Connection(channel, scheme, self._proxies)

    def call(self, ctx: ChannelHandlerContext[Any, Any], request: Request, connection: Connection) -> AsgiExchange:
        """Prepare the call of the application for one request."""
        return AsgiCall(self._app, self._scope(request, connection), ctx, request)

    def start(self, call: AsgiCall) -> None:
        """Run it, at once as far as it goes."""
        self.tasks.start(call.run())

    def _scope(self, request: Request, connection: Connection) -> dict[str, Any]:
        target = request.raw_target
        path, _, query = target.partition(b"?")
        if path[:1] != b"/":
            path = _path_of(path)
        text = path.decode("ascii")
        if "%" in text:
            # "HTTP request target excluding any query string, with percent-encoded sequences and UTF-8 byte sequences
            # decoded into characters."
            text = unquote(text, "utf-8", "replace")
        headers = request.headers.raw
        client, scheme = connection.client, connection.scheme
        if connection.trusted:
            client, scheme = forwarded(request, client, scheme, self._proxies)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": request.version,
            "method": request.method.upper(),
            "scheme": scheme,
            "path": self._root_path + text,
            "raw_path": path,
            "query_string": query,
            "root_path": self._root_path,
            "headers": headers,
            "client": client,
            "server": connection.server,
            # "The server will ensure that a shallow copy of the namespace is passed into each subsequent
            # request/response call into the application."
            "state": self.state.copy(),
            "extensions": {"http.response.trailers": {}, "http.response.early_hint": {}},
        }


def check_root_path(root_path: str) -> None:
    """Make sure that a path can be put in front of others.

    Raises:
        ValueError: it does not begin with a slash, or ends with one.
    """
    if root_path and (not root_path.startswith("/") or root_path.endswith("/")):
        raise ValueError(f"a root path begins with a slash and does not end with one, and so cannot be {root_path!r}")


def forwarded(
    request: Request, client: Client | None, scheme: str, proxies: TrustedProxies
) -> tuple[Client | None, str]:
    """Find out for whom a trusted peer has sent a request."""
    headers = request.headers
    chain = headers.get("x-forwarded-for")
    if chain:
        client = proxies.client_of(client, chain)
    protocol = headers.get("x-forwarded-proto")
    if protocol:
        scheme = proxies.scheme_of(scheme, protocol)
    return client, scheme


def _path_of(target: bytes) -> bytes:
    """Cut the path out of ``http://host/path``; ``*`` is itself."""
    _, marks, rest = target.partition(b"://")
    if not marks:
        return target
    _, slash, path = rest.partition(b"/")
    return slash + path if slash else b"/"
