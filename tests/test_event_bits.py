"""One bit an event: each has its own, whatever its name is."""

from __future__ import annotations

import pytest

from pipeline_net import event_bits
from pipeline_net.event_bits import mask_of
from pipeline_net.handler import INBOUND, OUTBOUND


@pytest.mark.parametrize(
    ("event", "bit"),
    [
        ("channel_registered", event_bits.REGISTERED),
        ("channel_active", event_bits.ACTIVE),
        ("channel_read", event_bits.READ),
        ("channel_read_complete", event_bits.READ_COMPLETE),
        ("channel_eof", event_bits.EOF),
        ("channel_writability_changed", event_bits.WRITABILITY),
        ("user_event_triggered", event_bits.USER_EVENT),
        ("channel_inactive", event_bits.INACTIVE),
        ("channel_unregistered", event_bits.UNREGISTERED),
        ("bind", event_bits.BIND),
        ("connect", event_bits.CONNECT),
        ("read", event_bits.ASK),
        ("write", event_bits.WRITE),
        ("flush", event_bits.FLUSH),
        ("shutdown_output", event_bits.SHUTDOWN),
        ("close", event_bits.CLOSE),
        ("exception_caught", event_bits.EXCEPTION),
    ],
)
def test_an_event_has_a_bit(event: str, bit: int) -> None:
    assert mask_of(frozenset([event])) == bit


def test_an_exception_travels_with_the_inbound_events() -> None:
    assert mask_of(frozenset([*INBOUND, "exception_caught"])) == event_bits.EVERY_INBOUND
    assert mask_of(frozenset(OUTBOUND)) == event_bits.EVERY_OUTBOUND


def test_no_event_is_no_bit() -> None:
    assert mask_of(frozenset()) == 0
