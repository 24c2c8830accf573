"""How a response comes from a thread to the loop, and how the thread is held back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler, EncodeError, FileRegion, TransparentHandler
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

    def exception_caught(self, ctx: Any, exc: BaseException) -> None:
        if not isinstance(exc, EncodeError) or not self.reply.on_loop_error(exc):
            ctx.fire_exception_caught(exc)


GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def begin(*stages: Any, wire: bytes = GET) -> tuple[EmbeddedChannel, WsgiReply]:
    stage = Stage()
    channel = EmbeddedChannel(http.server_stack(auto_continue=False, date=False), *stages, stage)
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


def test_who_sends_a_file_that_cannot_follow_its_head_hears_of_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello")

    class Refuses(TransparentHandler[Any]):
        def write(self, ctx: Any, msg: Any, promise: Any) -> None:
            raise EncodeError("a stage that does not like it")

    channel, reply = begin(Refuses())
    with ThreadPoolExecutor(1) as pool, path.open("rb") as file:
        reply.begin(http.Response(200, [("content-length", "5")]))
        sent = pool.submit(reply.send_file, FileRegion(file)).result()
        channel.run_pending()
        with pytest.raises(EncodeError, match="does not like it"):
            sent.result()


def test_who_does_not_wait_is_called_when_there_is_room_or_nobody_reads() -> None:
    called: list[str] = []
    channel, reply = begin()
    reply.begin(http.Response(200, []))
    assert reply.send(b"x", False, waits=False)
    reply.when_room(lambda: called.append("at once"))
    assert called == ["at once"]
    assert not reply.send(bytes(CREDIT), False, waits=False)
    reply.when_room(lambda: called.append("room"))
    assert called == ["at once"]
    sent(channel)
    assert called == ["at once", "room"]
    reply.check()
    assert not reply.send(bytes(CREDIT), False, waits=False)
    reply.when_room(lambda: called.append("gone"))
    reply.on_loop_disconnect()
    reply.on_loop_disconnect()
    assert called == ["at once", "room", "gone"]
    with pytest.raises(ClientDisconnectedError):
        reply.check()


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
    channel, reply = begin(wire=b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
    assert not bool(channel.wants_to_read)
    reply.wants_more()
    assert sent(channel) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert bool(channel.wants_to_read)
    reply.on_loop_hold_reads()
    reply.on_loop_hold_reads()
    reply.on_loop_release_reads()
    assert bool(channel.wants_to_read)
