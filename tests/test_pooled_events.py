"""Events as numbers: each is called by its own name, and its number finds its bit."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelDuplexHandler, ChannelHandlerContext, pooled_events
from pipeline_net.handler import INBOUND, OUTBOUND
from pipeline_net.stage_facts import learn_facts
from pipeline_net.testing import EmbeddedChannel

_GREETINGS = ("handler_added", "handler_removed", "exception_caught")
_EVENTS = (*_GREETINGS, *INBOUND, *OUTBOUND)  # in the order of their numbers


def _class(*events: str, log: list[str] | None = None) -> type[ChannelDuplexHandler[Any, Any, Any, Any]]:
    """Make a handler that has ``events`` of its own, and writes down that they came."""

    def method(event: str) -> Any:
        return lambda self, ctx, *args: log.append(event) if log is not None else None

    return type("Some", (ChannelDuplexHandler,), {event: method(event) for event in events})


@pytest.mark.parametrize(("number", "event"), list(enumerate(_EVENTS)))
def test_an_event_is_known_as_overridden_by_who_overrides_it_and_by_nobody_else(number: int, event: str) -> None:
    only = learn_facts(_class(event), {})
    all_others = learn_facts(_class(*[other for other in _EVENTS if other != event]), {})
    assert pooled_events.is_overridden(number, only)
    assert not pooled_events.is_overridden(number, all_others)
    assert sum(pooled_events.is_overridden(other, only) for other in range(len(_EVENTS))) == 1


@pytest.mark.parametrize(("number", "event"), list(enumerate(_EVENTS))[len(_GREETINGS) :])
def test_a_number_calls_the_event_of_its_name(number: int, event: str) -> None:
    log: list[str] = []
    handler = _class(*_EVENTS, log=log)()
    seat: ChannelHandlerContext[Any, Any] | None = EmbeddedChannel(handler).pipeline.context(handler)
    assert seat is not None
    log.clear()
    if event in INBOUND:
        pooled_events.run_inbound(handler, seat, number, "x")
    else:
        pooled_events.run_outbound(handler, seat, number, "x", None)
    assert log == [event]


@pytest.mark.parametrize(("number", "event"), list(enumerate(_EVENTS))[2:])
def test_what_passes_a_seat_by_reaches_its_neighbour_and_not_its_handler(number: int, event: str) -> None:
    log: list[str] = []
    below, here, above = _class(*OUTBOUND, log=log)(), _class(event)(), _class(*INBOUND, "exception_caught", log=log)()
    seat = EmbeddedChannel(below, here, above).pipeline.context(here)
    assert seat is not None
    log.clear()
    pooled_events.pass_by(seat, number, LookupError(), None)
    assert log == [event]


def test_only_messages_and_user_events_may_be_refused() -> None:
    refusable = [event for number, event in enumerate(_EVENTS) if pooled_events.is_refusable(number)]
    assert refusable == ["channel_read", "user_event_triggered", "write"]
