"""The end of a message that no stage has read: a line in the log, and an event for whoever owes the peer an answer."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, UnreadMessage
from pipeline_net.channel import Channel
from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel


class _Quiet(EmbeddedChannel):
    """Its tail is that of every other channel."""

    def message_reached_tail(self, msg: Any) -> None:
        Channel.message_reached_tail(self, msg)


class _Listens(ChannelInboundHandler[Any]):
    def __init__(self) -> None:
        self.events: list[Any] = []

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        self.events.append(event)
        ctx.fire_user_event_triggered(event)


def test_the_stages_hear_of_a_message_that_nobody_has_read(caplog: pytest.LogCaptureFixture) -> None:
    first, last = _Listens(), _Listens()
    with caplog.at_level(logging.WARNING, "pipeline_net.channel"):
        _Quiet(first, last).write_inbound(b"hello")
    assert "nobody read b'hello'; it is dropped" in caplog.text
    assert [event.message for event in first.events] == [b"hello"]
    assert last.events == first.events
    assert repr(first.events[0]) == "UnreadMessage(b'hello')"
    assert isinstance(first.events[0], UnreadMessage)


def test_the_log_says_which_message_it_was(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pipeline_net.channel"):
        _Quiet(_Listens()).write_inbound(http.FullRequest("GET", "/where?is=it", {"user-agent": "x" * 300}))
    assert "nobody read <FullRequest GET /where?is=it" in caplog.text
    assert "x" * 200 not in caplog.text
