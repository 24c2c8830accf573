"""AsgiCall: one call of an ASGI application: scope, receive, send, and what becomes of its exceptions.

The client that goes away is told to the application, and nothing is taken from it: ``receive()`` returns
``http.disconnect``, ``send()`` raises ``ClientDisconnectedError``.  The task is not cancelled: it may be in the middle
of a transaction.  Only a server that ends cancels what is late.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from ..codecs.http.messages import Request
from ..context import ChannelHandlerContext
from .asgi_exchange import AsgiExchange
from .errors import ClientDisconnectedError

if TYPE_CHECKING:
    from .asgi_site import Application

logger: Final = logging.getLogger("pipeline_net.asgi")

_LONGEST_CHAIN: Final = 32  # exceptions that were raised while another one was handled; chains may be circular


class AsgiCall(AsgiExchange):
    """One call of the application."""

    __slots__ = ("_app", "_readers", "_scope", "_writers")  # a dictionary would have to be made for each

    def __init__(
        self,
        app: Application,
        scope: dict[str, Any],
        ctx: ChannelHandlerContext[Any, Any],
        request: Request,
    ) -> None:
        super().__init__(ctx, request)
        self._app = app
        self._scope = scope
        self._readers: list[asyncio.Future[None]] | None = None  # receive(), wherever it waits
        self._writers: list[asyncio.Future[None]] | None = None  # send(), likewise

    async def receive(self) -> dict[str, Any]:
        message: dict[str, Any] | None = self.next_message()
        while message is None:
            if self._readers is None:
                self._readers = []
                self.has_readers = True
            await _wait_among(self._readers)
            message = self.next_message()
        return message

    async def send(self, message: Any) -> None:
        if self.respond(message):
            return
        while not self.has_room():
            if self._writers is None:
                self._writers = []
            await _wait_among(self._writers)

    async def run(self) -> None:
        """Call the application, and look after what it leaves behind."""
        try:
            await self._app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            logger.warning("%s was cancelled", self.request)
            self.has_raised = True
            self.app_ended()
            raise
        except (KeyboardInterrupt, SystemExit):
            self.app_ended()
            raise
        except BaseException as exc:
            self.has_raised = True
            if _came_of_a_disconnect(exc):
                logger.debug("%s: the client has gone", self.request)
            else:
                logger.exception("%s: the application raised", self.request)
            self.app_ended()
        else:
            if not self.app_ended():
                logger.error("%s: the application has returned before its response was complete", self.request)

    def news(self) -> None:
        if self._readers:
            _tell(self._readers)

    def room(self) -> None:
        if self._writers:
            _tell(self._writers)


def _came_of_a_disconnect(exc: BaseException) -> bool:
    """Whether ``exc`` is what ``send()`` has raised, or what a framework has made of it, task groups too.

    "Servers must be prepared to catch this exception if they raised it and should not log it as an error."
    """
    link: BaseException | None = exc
    for _ in range(_LONGEST_CHAIN):
        if link is None:
            return False
        if isinstance(link, ClientDisconnectedError):
            return True
        if isinstance(link, BaseExceptionGroup):
            return all(_came_of_a_disconnect(each) for each in link.exceptions)
        link = link.__cause__ or link.__context__
    return False


async def _wait_among(waiters: list[asyncio.Future[None]]) -> None:
    """Wait until told; each has a future of its own, for who is cancelled must not take the others along."""
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiters.append(waiter)
    try:
        await waiter
    finally:
        if waiter in waiters:
            waiters.remove(waiter)


def _tell(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()
