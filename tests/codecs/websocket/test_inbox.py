"""What waits for a program that takes its time, and when the peer has to wait, too."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler
from pipeline_net.codecs import websocket
from pipeline_net.codecs.websocket.inbox import Inbox
from pipeline_net.testing import EmbeddedChannel

FRAME = b"\x82\x7e\x03\xe8" + bytes(1000)  # a binary message of 1000 bytes, from a server


class _Reader(ChannelInboundHandler[Any, Any, Any]):
    def __init__(self, limit: int) -> None:
        self.inbox = Inbox(limit)
        self.events: list[Any] = []

    def handler_added(self, ctx: Any) -> None:
        self.inbox.fill_from(ctx)

    def channel_read(self, ctx: Any, msg: Any) -> None:
        self.inbox.put(msg)

    def user_event_triggered(self, ctx: Any, event: Any) -> None:
        self.events.append(event)


def _channel(limit: int) -> tuple[EmbeddedChannel, _Reader]:
    reader = _Reader(limit)
    return EmbeddedChannel(websocket.protocol_stages("client", keepalive=None) >> reader), reader


def test_no_more_is_decoded_than_fits() -> None:
    channel, reader = _channel(5000)
    channel.write_inbound(FRAME * 100)
    assert len(reader.inbox) == 5
    assert not channel.wants_to_read
    taken = []
    while (msg := reader.inbox.take()) is not None:
        taken.append(msg)
        assert len(reader.inbox) <= 5
    assert len(taken) == 100
    assert channel.wants_to_read


def test_what_was_put_back_comes_first() -> None:
    inbox = Inbox()
    inbox.put("a")
    inbox.put("b")
    inbox.put_back(inbox.take())
    assert [inbox.take(), inbox.take(), inbox.take()] == ["a", "b", None]


def test_who_wants_no_more_hears_the_close_behind_it() -> None:
    channel, reader = _channel(1)
    channel.write_inbound(FRAME * 3 + b"\x88\x02\x0f\xa0")
    assert reader.events == []
    reader.inbox.drop()
    while len(reader.inbox):
        reader.inbox.drop()
    assert [event.code for event in reader.events] == [4000]


def test_an_inbox_without_room_is_none() -> None:
    with pytest.raises(ValueError, match="at least 1 byte"):
        Inbox(0)


def test_a_channel_that_is_closed_is_not_resumed() -> None:
    channel, reader = _channel(1)
    channel.write_inbound(FRAME * 3)
    channel.abort()
    channel.run_pending()
    reader.inbox.take()
    reader.inbox.drop()
    assert len(reader.inbox) == 0
