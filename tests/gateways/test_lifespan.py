"""What an application does before its first request, and after the last one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pipeline_net.gateways.errors import StartupFailedError
from pipeline_net.gateways.lifespan import Lifespan

from .conftest import Message, Receive, Send

Run = Callable[[Awaitable[Any]], Any]


async def polite(scope: Message, receive: Receive, send: Send) -> None:
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
    assert await receive() == {"type": "lifespan.startup"}
    scope["state"]["pool"] = "open"
    await send({"type": "lifespan.startup.complete"})
    assert await receive() == {"type": "lifespan.shutdown"}
    scope["state"]["pool"] = "closed"
    await send({"type": "lifespan.shutdown.complete"})


def test_an_application_starts_and_ends(run: Run) -> None:
    async def main() -> None:
        state: dict[str, Any] = {}
        lifespan = Lifespan(polite, state)
        await lifespan.startup()
        assert state == {"pool": "open"}
        assert await lifespan.shutdown(10)
        assert state == {"pool": "closed"}

    run(main())


@pytest.mark.parametrize("raises", [False, True])
def test_an_application_that_does_not_know_it_is_served_all_the_same(run: Run, raises: bool) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if raises:
            raise KeyError(scope["type"])

    async def main() -> None:
        lifespan = Lifespan(app, {})
        await lifespan.startup()
        assert not lifespan.is_supported
        assert await lifespan.shutdown(10)
        await lifespan.cancel()

    run(main())


@pytest.mark.parametrize(
    ("message", "said"), [({"message": "no database"}, "no database"), ({}, "cannot start, and does not say why")]
)
def test_an_application_that_cannot_start_says_so(run: Run, message: Message, said: str) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", **message})
        raise ValueError("as frameworks do")

    async def main() -> None:
        with pytest.raises(StartupFailedError, match=said):
            await Lifespan(app, {}).startup()

    run(main())


def _ends_badly(how: str) -> Any:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if how == "raises":
            raise ValueError("the pool is stuck")
        if how == "failed":
            await send({"type": "lifespan.shutdown.failed", "message": "the pool is stuck"})
        if how == "hangs":
            await asyncio.sleep(60)

    return app


@pytest.mark.parametrize(("how", "said"), [("raises", "stuck"), ("failed", "stuck"), ("hangs", "does not finish")])
def test_an_application_that_ends_badly_is_in_the_log(
    run: Run, how: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        lifespan = Lifespan(_ends_badly(how), {})
        await lifespan.startup()
        assert not await lifespan.shutdown(0.01 if how == "hangs" else 10)

    with caplog.at_level(logging.ERROR, "pipeline_net.asgi"):
        run(main())
    assert said in caplog.text


def test_a_message_out_of_turn_is_refused(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.shutdown.complete"})

    async def main() -> None:
        lifespan = Lifespan(app, {})
        await lifespan.startup()
        assert not lifespan.is_supported

    with caplog.at_level(logging.INFO, "pipeline_net.asgi"):
        run(main())
    assert "out of turn" in caplog.text


def test_an_application_that_dies_while_it_serves_has_not_ended_well(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise ValueError("a watcher fell")

    async def main() -> None:
        lifespan = Lifespan(app, {})
        await lifespan.startup()
        await asyncio.sleep(0)
        assert not await lifespan.shutdown(10)

    run(main())
