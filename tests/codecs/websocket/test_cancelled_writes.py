"""A message that is cancelled before it is written leaves no trace in those that follow."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelFuture
from pipeline_net.codecs.websocket import Close, Fragment
from pipeline_net.codecs.websocket.deflate_parameters import DeflateParameters
from pipeline_net.codecs.websocket.frame_decoder import FrameDecoder
from pipeline_net.codecs.websocket.protocol import protocol_stages
from pipeline_net.testing import EmbeddedChannel


def cancelled(channel: EmbeddedChannel) -> ChannelFuture[Any]:
    promise = channel.new_promise()
    promise.cancel()
    return promise


@pytest.mark.parametrize("deflate", [None, DeflateParameters()], ids=["plain", "compressed"])
@pytest.mark.parametrize("role", ["server", "client"])
def test_the_peer_understands_what_follows(role: str, deflate: DeflateParameters | None) -> None:
    channel = EmbeddedChannel(protocol_stages(role, deflate=deflate))
    peer = FrameDecoder("client" if role == "server" else "server", deflate=deflate)
    text = "the same words again and again, " * 4
    for msg in (text, Fragment(text, False)):
        channel.pipeline.write(msg, cancelled(channel))
    channel.run_pending()
    assert channel.outbound == []
    for msg in (text, text, Fragment(text, False), Fragment("", True)):
        channel.write(msg)
        channel.pipeline.write(text, cancelled(channel))
        channel.run_pending()
    assert peer.feed(b"".join(channel.outbound)) == [text] * 3


def test_a_close_that_was_cancelled_closes_nothing() -> None:
    channel = EmbeddedChannel(protocol_stages("server"))
    channel.pipeline.write(Close(1001), cancelled(channel))
    channel.run_pending()
    assert channel.outbound == []
    assert channel.write_outbound("still here")
