"""One message for each read(), whatever the decoder, and nothing that waits gets lost, reordered or piles up."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoopGroup,
    FrameTooLongError,
    MessageToMessageDecoder,
    ServerBootstrap,
)
from pipeline_net.codecs import (
    DelimiterBasedFrameDecoder,
    FixedLengthFrameDecoder,
    GeneratorDecoder,
    JsonObjectDecoder,
    LengthFieldBasedFrameDecoder,
    LineBasedFrameCodec,
    LineBasedFrameDecoder,
    Varint32FrameDecoder,
    redis,
)
from pipeline_net.handlers.flow_control import FlowControlHandler
from pipeline_net.testing import EmbeddedChannel, chunks

Ctx = ChannelHandlerContext[Any, Any]

_ON_DEMAND = ChannelOptions(auto_read=False)


class Pairs(GeneratorDecoder[bytes]):
    max_length = 10

    def message(self) -> Generator[Any, Any, bytes]:
        pair: bytes = yield 2
        return pair


class Words(MessageToMessageDecoder[bytes, bytes]):
    def decode(self, ctx: Ctx, msg: bytes) -> list[bytes]:
        return msg.split()


# One of each kind, three messages in one piece, and the messages.
DECODERS: list[tuple[Callable[[], Any], bytes, list[Any]]] = [
    (lambda: LineBasedFrameDecoder(10), b"a\nb\nc\n", [b"a", b"b", b"c"]),
    (LineBasedFrameCodec, b"a\nb\nc\n", [b"a", b"b", b"c"]),
    (lambda: DelimiterBasedFrameDecoder(10, b";"), b"a;b;c;", [b"a", b"b", b"c"]),
    (lambda: FixedLengthFrameDecoder(1), b"abc", [b"a", b"b", b"c"]),
    (lambda: LengthFieldBasedFrameDecoder(10, 0, 1, 0, 1), b"\1a\1b\1c", [b"a", b"b", b"c"]),
    (lambda: Varint32FrameDecoder(10), b"\1a\1b\1c", [b"a", b"b", b"c"]),
    (lambda: JsonObjectDecoder(10), b"{}[]{}", [b"{}", b"[]", b"{}"]),
    (Pairs, b"aabbcc", [b"aa", b"bb", b"cc"]),
    (Words, b"a b c", [b"a", b"b", b"c"]),
    (redis.RedisCommandDecoder, b"PING a\r\nPING b\r\nPING c\r\n", [[b"PING", b"a"], [b"PING", b"b"], [b"PING", b"c"]]),
]


class Consumer(ChannelInboundHandler[Any]):
    """Writes down what it hears, and asks for ``eager`` further messages, from inside the event of that name."""

    def __init__(self, where: str = "", eager: int = 0) -> None:
        self.heard: list[Any] = []
        self.where = where
        self.eager = eager
        self.depth = 0
        self.deepest = 0

    def _ask(self, ctx: Ctx, where: str) -> None:
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        if where == self.where and self.eager > 0:
            self.eager -= 1
            ctx.read()
        self.depth -= 1

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.heard.append(msg)
        self._ask(ctx, "channel_read")

    def channel_read_complete(self, ctx: Ctx) -> None:
        self.heard.append("complete")
        self._ask(ctx, "channel_read_complete")

    def channel_eof(self, ctx: Ctx) -> None:
        self.heard.append("eof")
        ctx.fire_channel_eof()

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        self.heard.append(type(exc))

    def messages(self) -> list[Any]:
        return [thing for thing in self.heard if thing != "complete"]


def opened(*below: Any, consumer: Consumer | None = None) -> tuple[EmbeddedChannel, FlowControlHandler, Consumer]:
    flow = FlowControlHandler()
    consumer = Consumer() if consumer is None else consumer
    return EmbeddedChannel(*below, flow, consumer, options=_ON_DEMAND), flow, consumer


@pytest.mark.parametrize(("make", "data", "messages"), DECODERS)
def test_each_read_brings_one_message(make: Callable[[], Any], data: bytes, messages: list[Any]) -> None:
    channel, flow, consumer = opened(make())
    channel.pipeline.read()
    assert channel.wants_to_read
    channel.write_inbound(data)
    assert consumer.heard == [messages[0], "complete"]
    assert flow.waiting == 2
    channel.pipeline.read()
    assert consumer.messages() == messages[:2]
    channel.pipeline.read()
    assert consumer.messages() == messages
    assert consumer.heard.count("complete") == 3
    asked = channel.reads_requested
    channel.pipeline.read()
    assert channel.reads_requested == asked + 1  # nothing waits: the peer is asked


@pytest.mark.parametrize("where", ["channel_read", "channel_read_complete"])
@pytest.mark.parametrize(("make", "data", "messages"), DECODERS)
def test_a_consumer_may_ask_from_inside_an_event(
    make: Callable[[], Any], data: bytes, messages: list[Any], where: str
) -> None:
    channel, flow, consumer = opened(make(), consumer=Consumer(where, 1))
    channel.pipeline.read()
    channel.write_inbound(data)
    assert consumer.messages() == messages[:2]
    assert flow.waiting == 1
    assert not channel.wants_to_read


@pytest.mark.parametrize("where", ["channel_read", "channel_read_complete"])
def test_asking_for_each_next_message_from_inside_an_event_does_not_nest(where: str) -> None:
    channel, _, consumer = opened(FixedLengthFrameDecoder(1), consumer=Consumer(where, 5000))
    channel.write_inbound(b"x" * 5000)  # before anything was asked for
    assert consumer.heard == []
    channel.pipeline.read()
    assert len(consumer.messages()) == 5000
    assert consumer.deepest == 1
    assert channel.wants_to_read  # the last message has asked for another one


def test_it_stops_reading_when_something_waits() -> None:
    channel, flow, consumer = opened(FixedLengthFrameDecoder(1), consumer=Consumer("channel_read", 1))
    channel.pipeline.read()
    channel.write_inbound(b"abcd")
    assert (consumer.messages(), flow.waiting, flow.unread_bytes) == ([b"a", b"b"], 2, 2)
    assert not channel.wants_to_read
    channel.pipeline.read()
    assert not channel.wants_to_read
    channel.pipeline.read()
    assert (flow.waiting, consumer.messages()) == (0, [b"a", b"b", b"c", b"d"])
    channel.pipeline.read()
    assert channel.wants_to_read


def test_nothing_is_read_while_something_waits_even_if_the_consumer_asked_too_early() -> None:
    channel, flow, _ = opened(FixedLengthFrameDecoder(1))
    channel.read_requested = True  # a read that was on its way already
    channel.pipeline.fire_channel_read(b"ab")
    assert flow.waiting == 2
    assert not channel.wants_to_read


def test_asking_twice_asks_for_one() -> None:
    channel, flow, consumer = opened(FixedLengthFrameDecoder(1))
    channel.pipeline.read()
    channel.pipeline.read()
    channel.write_inbound(b"abc")
    assert (consumer.messages(), flow.waiting) == ([b"a"], 2)


def test_while_auto_read_is_on_everything_passes_as_it_comes() -> None:
    consumer = Consumer()
    flow = FlowControlHandler()
    channel = EmbeddedChannel(FixedLengthFrameDecoder(1), flow, consumer)
    channel.write_inbound(b"abc")
    assert consumer.heard == [b"a", b"b", b"c", "complete"]
    channel.finish_input()
    assert consumer.heard[-1] == "eof"


def test_a_consumer_that_turns_auto_read_off_gets_no_further_message_of_the_batch() -> None:
    class Stops(Consumer):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            super().channel_read(ctx, msg)
            ctx.channel.auto_read = msg != b"b"

    consumer = Stops()
    flow = FlowControlHandler()
    channel = EmbeddedChannel(FixedLengthFrameDecoder(1), flow, consumer)
    channel.write_inbound(b"abcbd")
    assert (consumer.messages(), flow.waiting) == ([b"a", b"b"], 3)
    channel.auto_read = True
    assert (consumer.messages(), flow.waiting) == ([b"a", b"b", b"c", b"b"], 1)
    channel.auto_read = True
    assert (consumer.messages(), flow.waiting) == ([b"a", b"b", b"c", b"b", b"d"], 0)
    assert channel.wants_to_read


def test_no_ask_is_left_over_from_the_time_when_auto_read_was_on() -> None:
    channel, flow, consumer = opened(FixedLengthFrameDecoder(1))
    channel.auto_read = True
    channel.auto_read = False
    channel.write_inbound(b"ab")
    assert (consumer.messages(), flow.waiting) == ([], 2)


def test_the_end_of_input_comes_after_what_waits_and_when_it_is_asked_for() -> None:
    channel, _, consumer = opened(FixedLengthFrameDecoder(1))
    channel.write_inbound(b"ab")
    channel.finish_input()
    assert consumer.heard == []
    for heard in ([b"a"], [b"a", b"b"], [b"a", b"b", "eof"]):
        assert channel.is_open
        channel.pipeline.read()
        channel.run_pending()
        assert consumer.messages() == heard
    assert not channel.is_open  # the tail has closed it


def test_an_error_comes_after_the_messages_before_it() -> None:
    channel, _, consumer = opened(LineBasedFrameDecoder(3))
    channel.write_inbound(b"a\nlong line\nb\n")
    channel.pipeline.read()
    assert consumer.messages() == [b"a"]
    channel.pipeline.read()
    assert consumer.messages() == [b"a", FrameTooLongError, b"b"]  # an error is no message


def test_an_error_with_nothing_before_it_passes_at_once() -> None:
    channel, _, consumer = opened()
    channel.pipeline.fire_exception_caught(ValueError("no"))
    assert consumer.heard == [ValueError]


def test_what_waits_is_dropped_with_the_connection() -> None:
    channel, flow, consumer = opened(FixedLengthFrameDecoder(1))
    channel.write_inbound(b"ab")
    channel.fail(OSError("reset"))
    channel.run_pending()
    assert consumer.messages() != [b"a"]
    assert flow.waiting == 0
    channel.pipeline.read()


def test_an_error_that_waits_is_told_when_the_channel_closes() -> None:
    channel, _, consumer = opened(LineBasedFrameDecoder(3))
    channel.write_inbound(b"a\nlong line\nb\n")
    channel.close()
    channel.run_pending()
    assert consumer.heard == [FrameTooLongError]


def test_a_consumer_that_closes_gets_nothing_more() -> None:
    class Closes(Consumer):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            super().channel_read(ctx, msg)
            ctx.close()
            ctx.read()

    channel, _, consumer = opened(FixedLengthFrameDecoder(1), consumer=Closes())
    channel.write_inbound(b"abc")
    channel.pipeline.read()
    channel.run_pending()
    assert consumer.messages() == [b"a"]


def test_a_consumer_that_raises_gets_the_next_message_when_it_asks() -> None:
    class Raises(Consumer):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            super().channel_read(ctx, msg)
            raise ValueError(msg)

    channel, _, consumer = opened(FixedLengthFrameDecoder(1), consumer=Raises())
    channel.write_inbound(b"ab")
    channel.pipeline.read()
    channel.pipeline.read()
    assert consumer.messages() == [b"a", ValueError, b"b", ValueError]


def test_when_it_is_removed_all_that_waits_goes_on_in_order() -> None:
    channel, flow, consumer = opened(FixedLengthFrameDecoder(1))
    channel.write_inbound(b"ab")
    channel.pipeline.fire_exception_caught(ValueError("no"))
    channel.finish_input()
    channel.pipeline.remove(flow)
    assert consumer.heard == [b"a", b"b", ValueError, "complete", "eof"]


def test_when_it_is_removed_reading_goes_on() -> None:
    channel, flow, _ = opened(FixedLengthFrameDecoder(1))
    channel.write_inbound(b"ab")
    channel.pipeline.remove(flow)
    channel.pipeline.read()
    assert channel.wants_to_read


def test_a_consumer_may_take_it_out_while_it_delivers() -> None:
    class TakesOut(Consumer):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            super().channel_read(ctx, msg)
            if FlowControlHandler in ctx.pipeline:
                ctx.pipeline.remove(FlowControlHandler)

    channel, _, consumer = opened(FixedLengthFrameDecoder(1), consumer=TakesOut())
    channel.write_inbound(b"abc")
    channel.pipeline.read()
    assert consumer.heard == [b"a", b"b", b"c", "complete"]


def test_it_may_be_added_to_a_running_pipeline_in_the_middle_of_a_batch() -> None:
    class PutsIn(Consumer):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            super().channel_read(ctx, msg)
            if FlowControlHandler not in ctx.pipeline:
                ctx.channel.auto_read = False
                ctx.pipeline.add_before(self, FlowControlHandler())

    consumer = PutsIn()
    channel = EmbeddedChannel(FixedLengthFrameDecoder(1), consumer)
    channel.write_inbound(b"abc")
    assert consumer.messages() == [b"a"]
    channel.pipeline.read()
    assert consumer.messages() == [b"a", b"b"]


@given(st.data())
def test_the_messages_do_not_depend_on_cuts_and_asks(data: st.DataObject) -> None:
    sent = bytes(range(40))
    channel, flow, consumer = opened(FixedLengthFrameDecoder(1))
    asks = 0
    for piece in data.draw(chunks(sent)):
        for _ in range(data.draw(st.integers(0, 3))):
            if not channel.read_requested and flow.waiting == 0 and asks > len(consumer.messages()):
                break  # asked already
            channel.pipeline.read()
            asks += 1
        channel.write_inbound(piece)
        assert consumer.messages() == [bytes([n]) for n in range(len(consumer.messages()))]
        assert len(consumer.messages()) <= asks
    while flow.waiting:
        channel.pipeline.read()
    assert b"".join(consumer.messages()) == sent


def test_over_a_real_socket_it_holds_no_more_than_a_batch_for_a_consumer_that_takes_its_time() -> None:
    most = 0

    class Slow(ChannelInboundHandler[bytes]):
        """Takes a turn of the loop for each line."""

        def channel_active(self, ctx: Ctx) -> None:
            ctx.read()

        def channel_read(self, ctx: Ctx, msg: bytes) -> None:
            nonlocal most
            flow: FlowControlHandler = ctx.pipeline.get(FlowControlHandler)
            most = max(most, flow.waiting)
            ctx.write(msg + b"\n")
            ctx.loop.execute(ctx.read)

    lines = b"".join(b"%d\n" % number for number in range(20_000))
    with (
        EventLoopGroup(1) as loops,
        ServerBootstrap(
            loops,
            initializer=lambda _: [LineBasedFrameDecoder(80), FlowControlHandler(), Slow()],
            options=ChannelOptions(auto_read=False, receive_size=4096),
        ).bind("tcp://127.0.0.1:0") as server,
        socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])), timeout=10) as client,
    ):
        client.sendall(lines)
        client.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: client.recv(65536), b"")) == lines
    assert 0 < most < 4096  # of lines of two bytes or more
