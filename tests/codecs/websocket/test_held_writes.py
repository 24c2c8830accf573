"""What is written before the handshake is done waits, in order, and not without bounds."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler, ChannelOptions, WriteBufferOverflowError
from pipeline_net.codecs import websocket
from pipeline_net.codecs.websocket.held_writes import HeldWrites
from pipeline_net.testing import EmbeddedChannel


class _Seat(ChannelInboundHandler[Any, Any, Any]):
    def handler_added(self, ctx: Any) -> None:
        self.ctx = ctx


def test_writes_keep_their_order_and_their_promises() -> None:
    seat = _Seat()
    channel = EmbeddedChannel(seat)
    held = HeldWrites()
    promises = [channel.new_promise() for _ in range(3)]
    for number, promise in enumerate(promises):
        held.hold(seat.ctx, b"%d" % number, promise)
    held.release(seat.ctx)
    channel.run_pending()
    assert list(channel.outbound) == [b"0", b"1", b"2"]
    assert all(promise.done() for promise in promises)


def test_nothing_waits_for_a_handshake_that_has_failed() -> None:
    seat = _Seat()
    channel = EmbeddedChannel(seat)
    held = HeldWrites()
    promise = channel.new_promise()
    held.hold(seat.ctx, "a", promise)
    held.hold(seat.ctx, "b", None)
    error = websocket.HandshakeError("no")
    held.fail(error)
    assert promise.exception(0) is error


def test_too_much_closes_the_channel() -> None:
    seat = _Seat()
    options = ChannelOptions(write_buffer_limit=1000, write_buffer_high=100, write_buffer_low=10)
    channel = EmbeddedChannel(seat, options=options)
    held = HeldWrites()
    held.hold(seat.ctx, websocket.PreparedMessage("x" * 900), None)
    held.hold(seat.ctx, websocket.Ping(), None)
    with pytest.raises(WriteBufferOverflowError, match="the limit is 1000"):
        held.hold(seat.ctx, "", None)
    with pytest.raises(WriteBufferOverflowError):  # and every stage hears of it
        channel.run_pending()
    assert not channel.is_open
