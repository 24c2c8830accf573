"""One call of an ASGI application: receive, send, and what becomes of its exceptions.

The client that goes away is told to the application, and nothing is taken from it: ``receive()`` returns
``http.disconnect``, ``send()`` raises ``ClientDisconnectedError``.  The task is not cancelled: it may be in the middle
of a transaction.  Only a server that ends cancels what is late.

An application that calls ``sys.exit()`` ends its call, and no more: as an exception of a task, ``SystemExit`` would
leave the loop of asyncio, and end the server of all the others.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from ..complaints import complaints_of, log_failure
from .asgi_exchange import AsgiExchange
from .errors import ClientDisconnectedError

if TYPE_CHECKING:
    from .asgi_site import Application

logger: Final = logging.getLogger("pipeline_net.asgi")

_LONGEST_CHAIN: Final = 32  # exceptions that were raised while another one was handled; chains may be circular


async def call(app: Application, scope: dict[str, Any], exchange: AsgiExchange) -> None:
    """Call the application, and look after what it leaves behind."""

    async def receive() -> dict[str, Any]:
        message: dict[str, Any] | None = exchange.next_message()
        while message is None:
            await _wait_among(exchange.readers)
            message = exchange.next_message()
        return message

    async def send(message: Any) -> None:
        if exchange.respond(message):
            return
        while not exchange.has_room():
            await _wait_among(exchange.writers)

    try:
        await app(scope, receive, send)
    except asyncio.CancelledError:
        level = complaints_of(exchange.loop).level(logger, logging.WARNING, "calls that were cancelled")
        logger.log(level, "%s was cancelled", exchange.request)
        exchange.has_raised = True
        exchange.app_ended()
        raise
    except KeyboardInterrupt:
        exchange.app_ended()
        raise
    except BaseException as exc:  # noqa: BLE001 - see above: it ends the call, and no more
        exchange.has_raised = True
        if _came_of_a_disconnect(exc):
            logger.debug("%s: the client has gone", exchange.request)
        else:
            what = "%s: the application raised"
            log_failure(exchange.loop, logger, exc, "an application", what, exchange.request)
        exchange.app_ended()
    else:
        if not exchange.app_ended():
            level = complaints_of(exchange.loop).level(logger, logging.ERROR, "responses that were not complete")
            what = "%s: the application has returned before its response was complete"
            logger.log(level, what, exchange.request)


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
