"""What every transparent stage owes: nothing lost, repeated or reordered, whatever happens around it, and nothing left.

Each is seated between two recorders and put through the same: random conversations in which it comes and goes, closed
channels, half-closed ones, errors in the stages around it, reading on request.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import (
    ChannelClosedError,
    ChannelHandler,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
)
from pipeline_net.handlers import (
    ChunkedWriteHandler,
    ConnectionLimitHandler,
    FlowControlHandler,
    FlushConsolidationHandler,
    IdleStateHandler,
    IpFilterHandler,
    LoggingHandler,
    Metrics,
    MetricsHandler,
    PcapHandler,
    PcapWriter,
    ProxyProtocolEncoder,
    ReadTimeoutHandler,
    TrafficShapingHandler,
    WriteTimeoutHandler,
)
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]

STAGES: dict[str, Callable[[], ChannelHandler]] = {
    "chunked write": lambda: ChunkedWriteHandler(3),
    "connection limit": lambda: ConnectionLimitHandler(total=5, per_address=5),
    "flow control": FlowControlHandler,
    "flush consolidation": lambda: FlushConsolidationHandler(3),
    "idle state": lambda: IdleStateHandler(reader=1e6, writer=1e6, all=1e6),
    "ip filter": lambda: IpFilterHandler(deny=["192.0.2.0/24"]),
    "logging": lambda: LoggingHandler("CRITICAL", hexdump=True),
    "metrics": lambda: MetricsHandler(Metrics()),
    "pcap": lambda: PcapHandler(PcapWriter(BytesIO())),
    "proxy encoder": ProxyProtocolEncoder,
    "read timeout": lambda: ReadTimeoutHandler(1e6),
    "traffic shaping": lambda: TrafficShapingHandler(read=10_000, write=10_000),
    "tight traffic shaping": lambda: TrafficShapingHandler(read=1000, write=1000),
    "write timeout": lambda: WriteTimeoutHandler(1e6),
}

every_stage = pytest.mark.parametrize("make", STAGES.values(), ids=STAGES)


class Application(ChannelInboundHandler[Any]):
    """Hears everything, and answers what it is told to."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.errors: list[BaseException] = []
        self.replies = False
        self.raises = False

    def channel_active(self, ctx: Ctx) -> None:
        self.heard.append("active")

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.heard.append(msg)
        if self.replies:
            ctx.write(b"re:" + msg)
        if self.raises:
            raise ValueError(msg)

    def channel_eof(self, ctx: Ctx) -> None:
        self.heard.append("eof")
        ctx.close()

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        self.errors.append(exc)

    def channel_inactive(self, ctx: Ctx) -> None:
        self.heard.append("inactive")

    def messages(self) -> list[Any]:
        return [thing for thing in self.heard if isinstance(thing, bytes)]


def seated(make: Callable[[], ChannelHandler], **options: Any) -> tuple[EmbeddedChannel, Application]:
    application = Application()
    options = {"close_timeout": 1e6, **options}
    channel = EmbeddedChannel(
        ("stage", make()), application, options=ChannelOptions(**options), remote_address=("198.51.100.1", 5)
    )
    return channel, application


def settle(channel: EmbeddedChannel) -> None:
    """Give what is delayed all the time it needs, short of the timeouts."""
    channel.advance(10_000)


def left_behind(channel: EmbeddedChannel) -> Any:
    return channel.loop.next_deadline()  # type: ignore[attr-defined]  # the embedded loop's own


@every_stage
def test_a_conversation_passes_as_it_is(make: Callable[[], ChannelHandler]) -> None:
    channel, application = seated(make)
    application.replies = True
    channel.write_inbound(b"one", b"two")
    channel.write_outbound(b"three")
    channel.write_inbound(b"four")
    settle(channel)
    assert application.heard == ["active", b"one", b"two", b"four"]
    assert b"".join(channel.outbound) == b"re:onere:twothreere:four"
    channel.finish_input()
    settle(channel)
    assert application.heard[-2:] == ["eof", "inactive"]
    assert application.errors == []
    assert left_behind(channel) is None


@every_stage
def test_a_peer_that_half_closes_still_gets_every_reply(make: Callable[[], ChannelHandler]) -> None:
    channel, application = seated(make)
    application.replies = True
    channel.peer_window = 0
    channel.write_inbound(*[b"x" * 500] * 8)
    channel.finish_input()
    channel.peer_window = None
    settle(channel)
    assert b"".join(channel.outbound) == (b"re:" + b"x" * 500) * 8
    assert channel.close_future.done()


@every_stage
def test_output_that_is_shut_is_shut_after_what_was_written(make: Callable[[], ChannelHandler]) -> None:
    channel, application = seated(make)
    written = [channel.write(bytes([number]) * 700) for number in range(5)]
    ended = channel.shutdown_output()
    late = channel.write(b"late")
    settle(channel)
    assert ended.exception() is None
    assert [future.exception() for future in written] == [None] * 5
    assert isinstance(late.exception(), ChannelClosedError)
    assert b"".join(channel.outbound) == b"".join(bytes([number]) * 700 for number in range(5))
    channel.write_inbound(b"still heard")
    assert application.heard[-1] == b"still heard"


@every_stage
def test_after_the_end_writes_fail_and_nothing_else_happens(make: Callable[[], ChannelHandler]) -> None:
    channel, application = seated(make)
    stage = channel.pipeline.get("stage")
    channel.write(b"x" * 3000)
    channel.abort()
    refused = channel.write(b"late")
    channel.pipeline.write(b"late, and nobody waits")
    channel.flush()
    channel.pipeline.read()
    channel.run_pending()
    assert isinstance(refused.exception(), ChannelClosedError)
    assert application.heard == ["active", "inactive"]
    assert left_behind(channel) is None
    assert stage.seats == 0


@every_stage
def test_a_stage_that_raises_is_no_reason_to_stop(make: Callable[[], ChannelHandler]) -> None:
    channel, application = seated(make)
    application.raises = True
    channel.write_inbound(b"one", b"two")
    settle(channel)
    assert application.messages() == [b"one", b"two"]
    assert [str(error) for error in application.errors] == ["b'one'", "b'two'"]
    application.raises = False
    channel.write_inbound(b"three")
    settle(channel)
    assert application.messages()[-1] == b"three"


@every_stage
def test_without_auto_read_one_read_lets_one_batch_through(make: Callable[[], ChannelHandler]) -> None:
    channel, application = seated(make, auto_read=False)
    for message in (b"one", b"two", b"three"):
        assert not channel.wants_to_read
        channel.pipeline.read()
        assert channel.reads_requested == len(application.messages()) + 1
        channel.write_inbound(message)
        assert application.messages()[-1] == message


@every_stage
def test_an_unknown_message_passes_both_ways(make: Callable[[], ChannelHandler]) -> None:
    channel, application = seated(make)
    thing = object()
    channel.write_inbound(thing)
    channel.write_outbound(thing)
    settle(channel)
    assert application.heard[-1] is thing
    assert channel.outbound == [thing]


@every_stage
def test_a_closed_channel_may_get_it_still(make: Callable[[], ChannelHandler]) -> None:
    channel = EmbeddedChannel(remote_address=("198.51.100.1", 5))
    channel.close()
    channel.pipeline.add_last(make())
    channel.run_pending()
    assert left_behind(channel) is None


@every_stage
@given(data=st.data())
def test_it_may_come_and_go_in_the_middle_of_everything(
    make: Callable[[], ChannelHandler], data: st.DataObject
) -> None:
    channel, application = seated(make)
    sent_in: list[bytes] = []
    sent_out: list[bytes] = []
    number = 0
    for step in data.draw(
        st.lists(st.sampled_from(["in", "out", "flush", "toggle", "time", "hold", "release"]), max_size=25)
    ):
        if step in ("in", "out"):
            number += 1
            message = b"<%d>" % number + b"." * data.draw(st.sampled_from([0, 10, 600]))
            if step == "in":
                sent_in.append(message)
                channel.write_inbound(message)
            else:
                sent_out.append(message)
                channel.write(message)
        elif step == "flush":
            channel.flush()
        elif step == "time":
            channel.advance(0.3)
        elif step == "hold":
            channel.peer_window = 0
        elif step == "release":
            channel.peer_window = None
            channel.run_pending()
        elif "stage" not in channel.pipeline:
            channel.pipeline.add_first(("stage", make()))
        else:
            channel.pipeline.remove("stage")
    channel.peer_window = None
    settle(channel)
    assert application.messages() == sent_in
    assert b"".join(channel.outbound) == b"".join(sent_out)
    assert channel.wants_to_read
    channel.finish()
    settle(channel)
    assert left_behind(channel) is None
    assert application.errors == []
    assert channel.pending_write_bytes == 0


@every_stage
def test_it_may_be_taken_out_by_whoever_it_delivers_to(make: Callable[[], ChannelHandler]) -> None:
    class TakesOut(Application):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            super().channel_read(ctx, msg)
            if "stage" in ctx.pipeline:
                ctx.pipeline.remove("stage")
            else:
                ctx.pipeline.add_first(("stage", make()))

    application = TakesOut()
    channel = EmbeddedChannel(("stage", make()), application)
    application.replies = True
    channel.write_inbound(b"1", b"2", b"3")
    channel.write_inbound(b"4", b"5")
    settle(channel)
    assert application.messages() == [b"1", b"2", b"3", b"4", b"5"]
    assert b"".join(channel.outbound) == b"re:1re:2re:3re:4re:5"


@every_stage
def test_the_channel_may_be_closed_by_whoever_it_delivers_to(make: Callable[[], ChannelHandler]) -> None:
    class Closes(Application):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            super().channel_read(ctx, msg)
            ctx.write(b"bye")
            ctx.close()

    application = Closes()
    channel = EmbeddedChannel(("stage", make()), application)
    channel.write_inbound(b"1", b"2")
    settle(channel)
    assert application.heard == ["active", b"1", "inactive"]
    assert channel.outbound == [b"bye"]
    assert left_behind(channel) is None
