"""What is early waits under its request, comes out in order, and is bounded."""

from __future__ import annotations

import pytest

from pipeline_net import ChannelOptions, WriteBufferOverflowError
from pipeline_net.codecs.http import Data, End, FullResponse, Request
from pipeline_net.codecs.http.early_responses import EarlyResponses
from pipeline_net.testing import EmbeddedChannel


def _channel() -> EmbeddedChannel:
    return EmbeddedChannel(options=ChannelOptions(write_buffer_high=8, write_buffer_low=4, write_buffer_limit=10))


def test_parts_come_out_under_their_request_and_in_order() -> None:
    early, channel = EarlyResponses(), _channel()
    one, other = Request("GET", "/"), Request("GET", "/")
    parts = [Data(b"a"), Data(b"b"), End()]
    for part in parts:
        early.hold(channel, one, part, None)
    assert early.holds(one)
    assert not early.holds(other), "two that look alike are two"
    assert early.take(other) is None
    assert early.take(one) == [(part, None) for part in parts]
    assert not early.holds(one)
    assert early.take(one) is None


def test_what_is_taken_makes_room() -> None:
    early, channel, request = EarlyResponses(), _channel(), Request("GET", "/")
    for _ in range(3):
        early.hold(channel, request, FullResponse(200, None, bytes(10)), None)
        early.take(request)
    early.hold(channel, request, Data(bytes(9)), None)
    with pytest.raises(WriteBufferOverflowError, match=r"11 bytes of responses wait .* the limit is 10"):
        early.hold(channel, request, Data(bytes(2)), None)
    assert not channel.is_open


def test_promises_of_what_will_not_have_its_turn_are_broken() -> None:
    early, channel, request = EarlyResponses(), _channel(), Request("GET", "/")
    promise = channel.new_promise()
    early.hold(channel, request, Data(b"a"), promise)
    early.hold(channel, request, End(), None)
    early.fail(LookupError("too late"))
    assert isinstance(promise.exception(), LookupError)
    assert not early.holds(request)
