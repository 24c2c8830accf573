"""The order of things, continued: writing, reading, and the two halves of half-close."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from pipeline_net import (
    ByteToMessageDecoder,
    Channel,
    ChannelClosedError,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    ChannelOutboundHandler,
    ReceiveBuffer,
)
from pipeline_net.handler import INBOUND, OUTBOUND
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]
Log = list[str]


class Tracer(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Writes down what it hears and passes it on; see ``tracer``."""


def tracer(log: Log, name: str, **acts: Callable[[Ctx], object]) -> tuple[str, Tracer]:
    """Make a stage that writes down every event as ``name.event``, and does ``acts[event]`` before it passes it on."""

    def record(event: str) -> Callable[..., None]:
        def method(self: Tracer, ctx: Ctx, *args: Any) -> None:
            log.append(f"{name}.{event}")
            if event in acts:
                acts[event](ctx)
            if event in OUTBOUND:
                getattr(ctx, event)(*args)
            else:
                getattr(ctx, f"fire_{event}")(*args)

        return method

    cls: type[Tracer] = type("Tracer", (Tracer,), {event: record(event) for event in (*INBOUND, *OUTBOUND)})
    return name, cls()


class Words(ByteToMessageDecoder[str]):
    """Words end with a space."""

    def decode(self, buffer: ReceiveBuffer) -> str | None:
        end = buffer.find(b" ")
        if end < 0:
            return None
        return buffer.take(end + 1)[:-1].decode()


# -- writing ----------------------------------------------------------------------------------------


def test_one_writability_event_per_transition_and_none_after_close() -> None:
    log: Log = []
    options = ChannelOptions(write_buffer_high=4, write_buffer_low=2)
    channel = EmbeddedChannel(
        tracer([], "a", channel_writability_changed=lambda ctx: log.append(f"{ctx.channel.is_writable}")),
        options=options,
    )
    channel.peer_window = 0
    for _ in range(10):
        channel.write(b"x")
    assert log == ["False"]
    for _ in range(10):
        channel.peer_window = 1
        channel.run_pending()
    assert log == ["False", "True"]
    channel.write(b"123456")
    channel.close()
    channel.peer_window = 6
    channel.run_pending()
    assert log == ["False", "True", "False"]


def test_chained_writes_from_done_callbacks_do_not_recurse_however_many() -> None:
    channel = EmbeddedChannel()
    left = 10_000

    def write_again(done: ChannelFuture[Any]) -> None:
        nonlocal left
        done.result()
        if left > 0:
            left -= 1
            channel.write_and_flush(b"x").add_done_callback(write_again)

    channel.write_and_flush(b"x").add_done_callback(write_again)
    channel.run_pending()
    assert left == 0
    assert len(channel.outbound) == 10_001
    assert channel.exceptions == []


# -- reading ----------------------------------------------------------------------------------------


def write_elsewhere(channel: Channel, msg: bytes) -> None:
    thread = threading.Thread(target=channel.write, args=(msg,))
    thread.start()
    thread.join()


def test_who_writes_without_end_from_another_thread_keeps_nobody_waiting() -> None:
    class AsksForMore(ChannelOutboundHandler[bytes, bytes]):
        def write(self, ctx: ChannelHandlerContext, msg: bytes, promise: Any) -> None:
            written.append(msg)
            if len(written) < 100:
                write_elsewhere(ctx.channel, b"more")
            ctx.write(msg, promise)

    written: list[bytes] = []
    at: list[int] = []
    channel = EmbeddedChannel(AsksForMore())
    write_elsewhere(channel, b"first")
    channel.loop.execute(lambda: at.append(len(written)))
    channel.run_pending()
    assert len(written) == 100
    assert at == [1]


def test_one_read_lets_one_batch_through() -> None:
    channel = EmbeddedChannel(options=ChannelOptions(auto_read=False))
    wanted = [channel.wants_to_read]
    channel.pipeline.read()
    channel.pipeline.read()  # asking twice is asking once
    wanted.append(channel.wants_to_read)
    channel.write_inbound("x", "y")
    wanted.append(channel.wants_to_read)
    assert wanted == [False, True, False]


def test_a_read_that_is_asked_for_during_a_batch_is_remembered() -> None:
    channel = EmbeddedChannel(
        tracer([], "a", channel_read_complete=lambda ctx: ctx.read()), options=ChannelOptions(auto_read=False)
    )
    channel.write_inbound("x")
    assert channel.wants_to_read


def test_a_decoder_that_got_bytes_but_made_no_message_asks_for_more_by_itself() -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer(log, "a"), Words(), options=ChannelOptions(auto_read=False))
    asked = []
    for data in (b"on", b"e", b" tw"):
        log.clear()
        channel.write_inbound(data)
        asked.append("a.read" in log)
    assert asked == [True, True, False]
    assert channel.inbound == ["one"]


# -- half-close -------------------------------------------------------------------------------------


def test_the_end_of_input_travels_the_pipeline_and_the_tail_answers_with_close() -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer(log, "a"), tracer(log, "b"))
    log.clear()
    channel.finish_input()
    assert log[:4] == ["a.channel_eof", "b.channel_eof", "b.close", "a.close"]
    assert not channel.is_open


def test_a_stage_that_keeps_the_end_of_input_stays_half_open_and_can_write() -> None:
    class Keeps(ChannelInboundHandler[Any, Any]):
        def channel_eof(self, ctx: Ctx) -> None:
            """Half-open."""

    channel = EmbeddedChannel(Keeps())
    channel.finish_input()
    assert channel.is_active
    assert not channel.wants_to_read
    assert channel.write_outbound(b"reply")
    channel.shutdown_output()
    channel.run_pending()
    assert not channel.is_open  # both halves are shut
    assert channel.read_outbound() == b"reply"


def test_shutting_the_output_down_travels_the_pipeline_and_leaves_the_input_open() -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer(log, "a"), tracer(log, "b"))
    channel.peer_window = 0
    channel.write(b"first")
    log.clear()
    future, again = channel.shutdown_output(), channel.shutdown_output()
    refused = channel.write(b"second")
    channel.run_pending()
    assert log[:4] == ["b.shutdown_output", "a.shutdown_output"] * 2
    assert [future.done(), again.done()] == [False, False]  # what was written before goes first
    assert isinstance(refused.exception(), ChannelClosedError)
    channel.peer_window = 5
    channel.run_pending()
    assert [future.result(), again.result()] == [None, None]
    assert channel.read_outbound() == b"first"
    assert not channel.output_open
    assert channel.is_active
    channel.write_inbound("still read")
    assert channel.inbound == ["still read"]
