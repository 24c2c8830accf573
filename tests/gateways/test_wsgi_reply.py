"""How a response comes from a thread to the loop, and how the thread is held back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler
from pipeline_net.codecs import http
from pipeline_net.gateways.errors import ClientDisconnectedError
from pipeline_net.gateways.wsgi_reply import CREDIT, WsgiReply
from pipeline_net.testing import EmbeddedChannel


class Stage(ChannelInboundHandler[Any]):
    reply: Any = None

    def channel_read(self, ctx: Any, msg: Any) -> None:
        if isinstance(msg, http.Request):
            self.reply = WsgiReply(ctx, msg)

    def channel_writability_changed(self, ctx: Any) -> None:
        if ctx.channel.is_writable:
            self.reply.on_loop_room()


def begin(wire: bytes = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n") -> tuple[EmbeddedChannel, WsgiReply]:
    stage = Stage()
    channel = EmbeddedChannel(http.server_stack(auto_continue=False, date=False) >> stage)
    channel.write_inbound(wire)
    return channel, stage.reply


def sent(channel: EmbeddedChannel) -> bytes:
    channel.run_pending()
    pieces = []
    while (piece := channel.read_outbound()) is not None:
        pieces.append(piece)
    return b"".join(pieces)


def test_parts_that_belong_together_are_written_together() -> None:
    channel, reply = begin()
    reply.begin(http.Response(200, []))
    assert sent(channel) == b""
    reply.send(b"hello", is_last=True)
    reply.end()
    assert sent(channel).endswith(b"5\r\nhello\r\n0\r\n\r\n")
    assert reply.is_over


def test_a_thread_goes_on_while_it_has_credit_and_waits_without() -> None:
    channel, reply = begin()
    reply.begin(http.Response(200, []))
    reply.send(bytes(CREDIT - 1), is_last=False)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(reply.send, b"xx", False)
        assert not sending.done()
        while not sending.done():
            sent(channel)  # the loop writes, and gives the credit back
        sending.result()


def test_a_thread_that_waits_for_somebody_who_has_gone_is_told() -> None:
    _, reply = begin()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(reply.send, bytes(CREDIT), False)
        reply.on_loop_disconnect()
        with pytest.raises(ClientDisconnectedError):
            sending.result(10)


def test_giving_up_is_a_500_or_a_cut() -> None:
    channel, reply = begin()
    reply.give_up()
    assert sent(channel).startswith(b"HTTP/1.1 500 ")
    channel, reply = begin()
    reply.begin(http.Response(200, []))
    reply.send(b"x", is_last=False)
    reply.give_up()
    assert sent(channel).endswith(b"1\r\nx\r\n")
    assert not channel.is_open


def test_reading_is_held_and_released_once() -> None:
    channel, reply = begin(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
    assert not bool(channel.wants_to_read)
    reply.wants_more()
    assert sent(channel) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert bool(channel.wants_to_read)
    reply.on_loop_hold_reads()
    reply.on_loop_hold_reads()
    reply.on_loop_release_reads()
    assert bool(channel.wants_to_read)
