"""Seats of the development mode: what is asked of them on a foreign thread is refused, whatever it is."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import ChannelDuplexHandler, ForeignThreadError
from pipeline_net.guarded import GuardedContext
from pipeline_net.handler import INBOUND, OUTBOUND
from pipeline_net.stage_facts import learn_facts
from pipeline_net.testing import EmbeddedChannel

_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "channel_read": (b"message",),
    "user_event_triggered": ("event",),
    "exception_caught": (ValueError("for a test"),),
    "bind": (("host", 1),),
    "connect": (("host", 1),),
    "write": (b"message",),
}
_EVENTS = (*INBOUND, "exception_caught", *OUTBOUND)


class Hears(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Writes down that it was reached, by whatever."""

    def __init__(self) -> None:
        self.heard: list[str] = []


def _hear(event: str) -> Callable[..., None]:
    def method(self: Hears, ctx: Any, *args: Any) -> None:
        self.heard.append(event)

    return method


for _event in _EVENTS:
    setattr(Hears, _event, _hear(_event))


def _neighbours() -> tuple[EmbeddedChannel, Hears, GuardedContext]:
    """A guarded seat between two handlers that are one, as far as what they hear goes."""
    hears = Hears()
    channel = EmbeddedChannel(hears)
    between = channel.pipeline.context(hears)
    assert between is not None
    guarded = GuardedContext(channel.pipeline, "guarded", ChannelDuplexHandler(), learn_facts(ChannelDuplexHandler, {}))
    guarded.next = guarded.prev = between
    guarded.link_to_next(between)
    guarded.link_to_prev(between)
    hears.heard.clear()
    return channel, hears, guarded


def _use(seat: GuardedContext, event: str) -> None:
    getattr(seat, event if event in OUTBOUND else f"fire_{event}")(*_ARGUMENTS.get(event, ()))


def _on_another_thread(work: Callable[[], None]) -> BaseException | None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except ForeignThreadError as exc:
            raised.append(exc)

    thread = threading.Thread(target=run, name="stranger")
    thread.start()
    thread.join()
    return raised[0] if raised else None


@pytest.mark.parametrize("event", _EVENTS)
def test_whatever_is_asked_on_the_loop_passes_and_elsewhere_is_refused(event: str) -> None:
    _, hears, guarded = _neighbours()
    _use(guarded, event)
    assert hears.heard == [event]
    error = _on_another_thread(lambda: _use(guarded, event))
    assert error is not None
    assert f"{event} of <guarded: ChannelDuplexHandler>" in str(error)
    assert "'stranger'" in str(error)
    assert hears.heard == [event]


@pytest.mark.parametrize("several", [False, True])
def test_the_promise_of_what_is_refused_fails(several: bool) -> None:
    channel, hears, guarded = _neighbours()
    promise = channel.new_promise()
    messages = [b"one", b"two"]
    error = _on_another_thread(
        lambda: guarded.write_all(messages, promise) if several else guarded.write(messages[0], promise)
    )
    assert error is not None
    assert promise.exception() is error
    assert hears.heard == []
    guarded.write_all(messages)
    assert hears.heard == ["write"] * 2


def test_when_the_channel_is_closed_anybody_may_say_goodbye() -> None:
    channel, _, guarded = _neighbours()
    channel.abort()
    channel.run_pending()
    assert _on_another_thread(guarded.fire_channel_inactive) is None


_PROGRAM = """
import threading
from pipeline_net import ChannelInboundHandler
from pipeline_net.testing import EmbeddedChannel

channel = EmbeddedChannel(("plain", ChannelInboundHandler()))
seat = channel.pipeline.context("plain")
for flush in (seat.flush, channel.pipeline.flush):
    thread = threading.Thread(target=flush)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize(("options", "refusals"), [((), 0), (("-X", "dev"), 2)], ids=["ordinary", "development"])
def test_seats_are_guarded_in_development_mode(options: tuple[str, ...], refusals: int) -> None:
    done = subprocess.run(
        [sys.executable, *options, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.count("ForeignThreadError:") == refusals
