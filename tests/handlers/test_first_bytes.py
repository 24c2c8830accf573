"""What stages have in common that wait for the first bytes: the smallest of them, which waits for a line."""

from __future__ import annotations

from typing import Any

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, ChannelOptions, ReadTimeoutError
from pipeline_net.handlers.first_bytes import FirstBytes
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Greeting(FirstBytes[bytes]):
    """Lets everything pass once a line has come, which it takes for a greeting."""

    def begin(self, ctx: Ctx) -> None:
        self.wait_for_bytes(ctx, 5.0)

    def channel_read(self, ctx: Ctx, msg: bytes) -> None:
        self.hold(msg)
        if b"\n" in self.held:
            greeting, _, self.held = self.held.partition(b"\n")
            self.stop()
            ctx.pipeline.remove(self)
            self.pass_on(ctx, greeting)

    def too_late(self, ctx: Ctx) -> None:
        self.stop()
        ctx.fire_exception_caught(ReadTimeoutError("no greeting"))


class Diary(ChannelInboundHandler[bytes]):
    def __init__(self) -> None:
        self.log: list[Any] = []

    def channel_active(self, ctx: Ctx) -> None:
        self.log.append("active")

    def channel_read(self, ctx: Ctx, msg: bytes) -> None:
        self.log.append(msg)

    def channel_read_complete(self, ctx: Ctx) -> None:
        self.log.append("complete")

    def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
        self.log.append(("event", event))

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        self.log.append(type(exc))

    def channel_inactive(self, ctx: Ctx) -> None:
        self.log.append("inactive")


def _opened(options: ChannelOptions | None = None) -> tuple[EmbeddedChannel, Greeting, list[Any]]:
    greeting, diary = Greeting(), Diary()
    return EmbeddedChannel(greeting, diary, options=options), greeting, diary.log


def test_those_behind_hear_of_the_beginning_the_event_and_the_bytes_in_that_order() -> None:
    channel, greeting, log = _opened()
    channel.write_inbound(b"hel", b"lo\nfir", b"st")
    assert greeting.unread_bytes == 0
    assert [entry for entry in log if entry != "complete"] == ["active", ("event", b"hello"), b"fir", b"st"]
    channel.finish()
    assert log[-1] == "inactive"


def test_what_is_held_is_counted_and_passed_on_when_somebody_takes_the_stage_out() -> None:
    channel, greeting, log = _opened()
    channel.write_inbound(b"hel")
    assert (greeting.unread_bytes, log) == (3, [])
    channel.pipeline.remove(greeting)
    assert log == ["active", b"hel", "complete"]
    channel.advance(60)
    assert log == ["active", b"hel", "complete"]


def test_who_has_heard_of_no_beginning_hears_of_no_end() -> None:
    channel, _, log = _opened()
    channel.write_inbound(b"hel")
    channel.finish()
    assert log == []


def test_a_stage_that_comes_later_keeps_no_news() -> None:
    diary = Diary()
    channel = EmbeddedChannel(diary)
    channel.pipeline.add_first(Greeting())
    channel.write_inbound(b"a\nb")
    assert [entry for entry in diary.log if entry != "complete"] == ["active", ("event", b"a"), b"b"]


def test_the_time_is_limited() -> None:
    channel, _, log = _opened()
    channel.advance(4.9)
    assert log == []
    channel.advance(0.2)
    assert log == [ReadTimeoutError]


def test_it_asks_for_bytes_itself() -> None:
    channel, _, _ = _opened(ChannelOptions(auto_read=False))
    assert channel.reads_requested == 1
