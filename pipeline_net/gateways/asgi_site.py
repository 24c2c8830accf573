"""AsgiSite: an ASGI application on one asyncio loop: its lifespan, its state, its tasks, its calls.

Source: ASGI 3.0, HTTP & WebSocket message format 2.5
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..codecs.http.messages import Request
from ..codecs.http.proxies import TrustedProxies
from ..codecs.websocket.handshake import check_request
from ..context import ChannelHandlerContext
from .asgi_call import call
from .asgi_exchange import AsgiExchange
from .asgi_scope import AsgiScopes
from .asgi_tasks import AppTasks
from .asgi_websocket import WEBSOCKET_OPTIONS, AsgiWebSocket, WebSocketOptions
from .connection import Connection, check_root_path
from .lifespan import Lifespan

if TYPE_CHECKING:
    from ..channel import Channel

Application: TypeAlias = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]

_NOBODY: Final = TrustedProxies()


class AsgiSite:
    """An application on the running asyncio loop.

    Args:
        app: an ASGI 3 application: ``await app(scope, receive, send)``.
        root_path: the path under which a proxy has mounted the application, if the proxy cuts it off; it is put in
            front of every path again, and told to the application.
        proxies: the peers whose X-Forwarded-For and X-Forwarded-Proto are believed; nobody's by default.
        websocket: how WebSockets are spoken.

    Raises:
        ValueError: a root path that does not begin with a slash, or ends with one.
        RuntimeError: no asyncio loop is running.
    """

    def __init__(
        self,
        app: Application,
        *,
        root_path: str = "",
        proxies: TrustedProxies = _NOBODY,
        websocket: WebSocketOptions = WEBSOCKET_OPTIONS,
    ) -> None:
        if not callable(app):
            raise TypeError(f"an ASGI application is called with scope, receive and send, which {app!r} cannot be")
        check_root_path(root_path)
        self._app = app
        self._proxies = proxies
        self._websocket = websocket
        self._loop = asyncio.get_running_loop()
        self.state: dict[str, Any] = {}
        self.scopes: Final = AsgiScopes(root_path, proxies, self.state)
        self._lifespan = Lifespan(app, self.state)
        self.tasks = AppTasks()

    @property
    def is_here(self) -> bool:
        """Whether the caller is run by its asyncio loop."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False  # on a thread without one

    def __repr__(self) -> str:
        return f"<AsgiSite of {self._app!r}>"

    async def startup(self) -> None:
        """Send ``lifespan.startup``, and wait for the answer.

        Raises:
            StartupFailedError: the application cannot start.
        """
        await self._lifespan.startup()
        self.tasks = AppTasks()  # with the context variables of whoever has started it

    async def shutdown(self, patience: float) -> bool:
        """Cancel what is left of the tasks, send ``lifespan.shutdown``, wait at most ``patience`` seconds for each.

        Says whether all went well.
        """
        await self.tasks.finish(0.0, patience)
        return await self._lifespan.shutdown(patience)

    # -- for the stage ------------------------------------------------------------------------------

    def connection(self, channel: Channel, scheme: str) -> Connection:
        """Find out what all requests of a channel share."""
        return Connection(channel, scheme, self._proxies)

    def websocket(
        self, ctx: ChannelHandlerContext[Any, Any], request: Request, connection: Connection
    ) -> tuple[dict[str, Any], AsgiWebSocket]:
        """Prepare the call of the application for one WebSocket: its scope, and what it is.

        Raises:
            HandshakeError: the request is no proper handshake.
        """
        offer = check_request(request)
        scope = self.scopes.scope(request, connection)
        del scope["method"]
        scope["type"] = "websocket"
        scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
        scope["subprotocols"] = offer.subprotocols
        scope["extensions"] = {"websocket.http.response": {}}
        return scope, AsgiWebSocket(ctx, request, offer, self._websocket)

    def start(self, scope: dict[str, Any], exchange: AsgiExchange) -> None:
        """Call the application, and run it at once as far as it goes."""
        self.tasks.start(call(self._app, scope, exchange))
