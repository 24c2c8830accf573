"""Channel: its life, what is counted, what is promised to whoever writes or closes, from whatever thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    ChannelBrokenError,
    ChannelClosedError,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelOptions,
    EventLoop,
    PipelineError,
    TlsError,
    WriteBufferOverflowError,
)
from pipeline_net.channel import Channel
from pipeline_net.channel_life import ACTIVE, CLOSED, CLOSING, NEW, REGISTERED
from pipeline_net.testing import EmbeddedChannel, EmbeddedLoop

Ctx = ChannelHandlerContext[Any, Any]


class Wire(Channel):
    """A channel whose peer takes ``window`` bytes, and then no more."""

    def __init__(self, loop: EmbeddedLoop, options: ChannelOptions) -> None:
        super().__init__(loop, options)
        self.embedded = loop
        self.window = 1 << 40
        self.taken = b""
        self.calls: list[str] = []

    def peer_takes(self, count: int) -> None:
        self.window += count
        self.send_pending()

    def reading_changed(self) -> None:
        self.calls.append(f"reads: {self.wants_to_read}")

    def flush_soon(self) -> None:
        self.embedded.flush_later(self)

    def send_pending(self) -> None:
        self.flush_is_due = False
        data = b"".join(self.unsent)
        count = min(self.window, len(data))
        self.unsent = [data[count:]] if count < len(data) else []
        self.taken += data[:count]
        self.window -= count
        if count:
            self.progress(count)

    def shut_down_transport(self) -> None:
        self.calls.append("shut down")

    def release_transport(self) -> None:
        self.calls.append("released")


class Listens(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Writes down the events that tell of the channel's life."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def channel_registered(self, ctx: Ctx) -> None:
        self.log.append("registered")

    def channel_active(self, ctx: Ctx) -> None:
        self.log.append("active")

    def channel_writability_changed(self, ctx: Ctx) -> None:
        self.log.append(f"writable: {ctx.channel.is_writable}")

    def channel_inactive(self, ctx: Ctx) -> None:
        self.log.append("inactive")

    def channel_unregistered(self, ctx: Ctx) -> None:
        self.log.append("unregistered")

    def handler_removed(self, ctx: Ctx) -> None:
        self.log.append("removed")

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        self.log.append(type(exc).__name__)


def new(**options: Any) -> tuple[Wire, Listens]:
    """Make a channel that is not registered yet."""
    channel = Wire(EmbeddedLoop(), ChannelOptions(**options))
    listens = Listens()
    channel.pipeline.add_last(listens)
    return channel, listens


def connected(**options: Any) -> tuple[Wire, Listens]:
    channel, listens = new(**options)
    channel.register()
    channel.activate()
    listens.log.clear()
    channel.calls.clear()
    return channel, listens


def outcome(future: ChannelFuture[Any]) -> Any:
    """What became of it: "pending", its exception's class, or its result."""
    if not future.done():
        return "pending"
    return type(future.exception()) if future.exception() is not None else future.result()


# -- life -------------------------------------------------------------------------------------------


def test_a_channel_goes_through_its_life() -> None:
    channel, listens = new()
    seen = [(channel.state, channel.is_open, channel.is_active)]
    for step in (channel.register, channel.activate, channel.close, channel.embedded.run_pending):
        step()
        seen.append((channel.state, channel.is_open, channel.is_active))
    assert seen == [
        (NEW, True, False),
        (REGISTERED, True, False),
        (ACTIVE, True, True),
        (CLOSED, False, False),
        (CLOSED, False, False),
    ]
    assert listens.log == ["registered", "active", "inactive", "unregistered", "removed"]


@pytest.mark.parametrize("step", ["register", "activate"])
def test_what_may_happen_once_is_an_error_of_ours_the_second_time(step: str) -> None:
    channel, _ = connected()
    with pytest.raises(AssertionError, match=f"a channel that is ACTIVE cannot {step}"):
        getattr(channel, step)()


def test_a_channel_that_is_not_registered_cannot_be_activated() -> None:
    with pytest.raises(AssertionError, match="a channel that is NEW cannot activate"):
        new()[0].activate()


def test_a_channel_that_was_closed_on_its_way_is_not_activated() -> None:
    channel, listens = new()
    channel.register()
    channel.close()
    channel.activate()
    channel.embedded.run_pending()
    assert listens.log == ["registered", "unregistered", "removed"]


def test_a_connection_that_was_given_up_is_aborted_instead_of_activated() -> None:
    channel, listens = new()
    channel.register()
    promise = channel.new_promise()
    promise.cancel()
    channel.activate(promise)
    channel.embedded.run_pending()
    assert channel.is_aborted
    assert listens.log == ["registered", "unregistered", "removed"]


def test_the_promise_of_the_connection_is_kept_before_the_stages_hear_of_it() -> None:
    channel, _ = new()
    channel.register()
    promise = channel.new_promise()
    done: list[bool] = []

    class Looks(ChannelDuplexHandler[Any, Any, Any, Any]):
        def channel_active(self, ctx: Ctx) -> None:
            done.append(promise.done())

    channel.pipeline.add_first(Looks())
    channel.activate(promise)
    assert done == [True]
    assert promise.result() is channel


# -- what a channel says of itself ------------------------------------------------------------------


def test_channels_have_names_of_their_own() -> None:
    loop = EmbeddedLoop()
    ids = {Wire(loop, ChannelOptions()).id for _ in range(3)} | {new()[0].id}
    assert len(ids) == 4


def test_a_channel_says_what_it_is() -> None:
    channel, _ = connected()
    assert repr(channel) == f"<Wire {channel.id} active, None to None>"
    assert channel.id == f"{channel.loop.name}/1"


def test_a_channel_carries_what_the_user_gives_it() -> None:
    channel, _ = connected()
    assert channel.attrs == {}
    channel.attrs["user"] = "me"
    channel.close()
    assert channel.attrs == {"user": "me"}


def test_a_user_event_is_announced_to_every_stage() -> None:
    heard: list[Any] = []

    class Hears(ChannelDuplexHandler[Any, Any, Any, Any]):
        def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
            heard.append(event)

    channel, _ = connected()
    channel.pipeline.add_last(Hears())
    channel.fire_user_event("one")
    thread = threading.Thread(target=channel.fire_user_event, args=("two",))
    thread.start()
    thread.join(10)
    assert heard == ["one"]
    channel.embedded.run_pending()
    assert heard == ["one", "two"]


# -- writing before it is connected -----------------------------------------------------------------


def test_what_is_written_early_is_sent_once_it_is_connected() -> None:
    channel, _ = new(auto_flush=False)
    first = channel.write(b"early ")
    channel.register()
    second = channel.write_and_flush(b"bird")
    assert channel.taken == b""
    channel.activate()
    assert channel.taken == b"early bird"
    assert [outcome(first), outcome(second)] == [None, None]


def test_output_that_is_shut_down_early_is_shut_once_it_is_connected_and_all_is_sent() -> None:
    channel, _ = new()
    channel.register()
    channel.write(b"early")
    future = channel.shutdown_output()
    assert channel.calls == []
    channel.activate()
    assert channel.taken == b"early"
    assert channel.calls == ["shut down", "reads: True"]
    assert outcome(future) is None


def test_what_was_written_to_a_channel_that_never_connected_fails() -> None:
    channel, _ = new()
    channel.register()
    future = channel.write(b"lost")
    channel.close()
    assert outcome(future) is ChannelClosedError


@pytest.mark.parametrize("message", ["text", 7, ["list"], object()], ids=lambda message: type(message).__name__)
def test_what_nobody_turned_into_bytes_fails_its_write_only(message: Any) -> None:
    channel, listens = connected()
    future = channel.write(message)
    error = future.exception()
    assert isinstance(error, PipelineError)
    assert str(error).startswith("nobody turned ")
    assert str(error).endswith(
        f" into bytes: an encoder is missing, or stands behind the stage that writes, in\n{channel.pipeline!r}"
    )
    assert channel.is_open
    assert listens.log == []


# -- threads ----------------------------------------------------------------------------------------


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)


def test_writes_are_first_in_first_out_from_whatever_thread_they_come() -> None:
    channel, _ = connected()
    in_a_thread(lambda: channel.write(b"1"))
    channel.write(b"2")  # on the loop, while the other one is still a task
    in_a_thread(lambda: channel.write_and_flush(b"3"))
    in_a_thread(lambda: channel.broadcast(b"4"))
    channel.broadcast(b"5")
    assert channel.taken == b"12345"
    channel.embedded.run_pending()
    assert channel.taken == b"12345"


def test_writes_keep_their_order_when_one_of_them_leads_to_another() -> None:
    class Answers(ChannelDuplexHandler[Any, Any, Any, Any]):
        def write(self, ctx: Ctx, msg: Any, promise: ChannelFuture[Any] | None) -> None:
            ctx.write(msg, promise)
            if msg == b"1":
                in_a_thread(lambda: ctx.channel.write(b"3"))
                ctx.channel.write(b"4")

    channel, _ = connected()
    channel.pipeline.add_last(Answers())

    def both() -> None:
        channel.write(b"1")
        channel.write(b"2")

    in_a_thread(both)
    channel.embedded.run_pending()
    assert channel.taken == b"1234"


def test_everything_may_be_asked_from_another_thread() -> None:
    channel, listens = connected()
    futures: list[ChannelFuture[Any]] = []

    def ask() -> None:
        futures.append(channel.write(b"x"))
        channel.flush()
        futures.append(channel.shutdown_output())
        futures.append(channel.close())
        futures.append(channel.write(b"late"))

    in_a_thread(ask)
    assert [outcome(future) for future in futures] == ["pending"] * 4
    channel.embedded.run_pending()
    assert [outcome(future) for future in futures] == [None, None, None, ChannelClosedError]
    assert channel.taken == b"x"
    assert listens.log == ["inactive", "unregistered", "removed"]


def test_who_aborts_may_say_why() -> None:
    channel, listens = connected()
    channel.window = 0
    written = channel.write(b"1")
    reason = TimeoutError("too slow")
    channel.abort(reason)
    assert channel.close_reason is reason
    assert channel.is_aborted
    channel.embedded.run_pending()
    assert written.exception() is reason
    assert listens.log[-4:] == ["TimeoutError", "inactive", "unregistered", "removed"]


def test_aborting_from_another_thread_happens_on_the_loop() -> None:
    channel, listens = connected()
    in_a_thread(channel.abort)
    assert channel.is_open
    channel.embedded.run_pending()
    assert channel.is_aborted
    assert listens.log == ["inactive", "unregistered", "removed"]


def test_a_channel_of_a_loop_that_has_stopped_is_closed_for_everybody() -> None:
    loop = EventLoop()

    class Quiet(Wire):
        def reading_changed(self) -> None:
            """Nobody reads."""

    channel = Quiet(loop, ChannelOptions())  # type: ignore[arg-type]  # a real loop, which Wire needs only for flush_later
    loop.adopt(channel)
    loop.stop()
    futures: list[ChannelFuture[Any]] = []
    in_a_thread(lambda: futures.extend([channel.close(), channel.write(b"x"), channel.shutdown_output()]))
    assert [outcome(future) for future in futures] == [None, ChannelClosedError, ChannelClosedError]
    in_a_thread(channel.abort)
    assert channel.state == CLOSED


# -- the end ----------------------------------------------------------------------------------------


def test_what_the_network_ended_says_why() -> None:
    channel, listens = connected()
    channel.window = 0
    pending = channel.write(b"x")
    reset = ConnectionResetError(104, "Connection reset by peer")
    channel.fail(reset)
    for error in (pending.exception(), channel.write(b"y").exception(), channel.close_reason):
        assert isinstance(error, ChannelBrokenError)
        assert str(error) == "[Errno 104] Connection reset by peer; the connection None to None is gone"
        assert error.__cause__ is reset
    assert outcome(channel.close_future) is None
    channel.embedded.run_pending()
    assert listens.log == ["ChannelBrokenError", "inactive", "unregistered", "removed"]


def test_ending_twice_is_ending_once() -> None:
    channel, listens = connected()
    channel.fail(OSError("first"))
    channel.fail(OSError("second"))
    channel.abort()
    channel.embedded.run_pending()
    assert str(channel.close_reason).startswith("first;")
    assert channel.calls == ["released"]
    assert listens.log.count("inactive") == 1


def test_closing_sends_first_what_was_written() -> None:
    channel, listens = connected()
    channel.window = 2
    written = channel.write(b"12345")
    future = channel.close()
    assert (channel.state, channel.taken) == (CLOSING, b"12")
    assert outcome(channel.write(b"late")) is ChannelClosedError
    channel.peer_takes(3)
    assert (channel.state, channel.taken) == (CLOSED, b"12345")
    assert [outcome(written), outcome(future)] == [None, None]
    channel.embedded.run_pending()
    assert listens.log == ["inactive", "unregistered", "removed"]


def test_closing_takes_no_longer_than_close_timeout() -> None:
    channel, _ = connected(close_timeout=5.0)
    channel.window = 0
    written = channel.write(b"12345")
    future = channel.close()
    channel.embedded.advance(4.999)
    assert channel.state == CLOSING
    channel.embedded.advance(0.001)
    assert channel.is_aborted
    assert [outcome(written), outcome(future)] == [ChannelClosedError, None]


def test_closing_in_time_leaves_no_timer() -> None:
    channel, _ = connected()
    channel.window = 0
    channel.write(b"1")
    channel.close()
    channel.peer_takes(1)
    assert channel.embedded.next_deadline() is None


def test_the_future_of_closing_cannot_be_cancelled_by_one_for_all_others() -> None:
    channel, _ = connected()
    assert not channel.close_future.cancel()
    channel.close()
    assert outcome(channel.close_future) is None


def test_a_write_beyond_the_hard_cap_fails_and_closes_the_channel_with_a_reason() -> None:
    channel, listens = connected(write_buffer_high=4, write_buffer_low=2, write_buffer_limit=8)
    channel.window = 0
    taken = channel.write(b"12345678")  # any size is taken while less than the limit is pending
    refused = channel.write(b"9")
    for future in (taken, refused):
        assert outcome(future) is WriteBufferOverflowError
    assert str(refused.exception()) == "8 bytes wait to be sent to None, the limit is 8: the channel is closed"
    assert channel.close_reason is refused.exception()
    channel.embedded.run_pending()
    assert listens.log == ["writable: False", "WriteBufferOverflowError", "inactive", "unregistered", "removed"]


def test_a_tls_error_at_the_tail_is_one_line_of_news(caplog: pytest.LogCaptureFixture) -> None:
    channel = EmbeddedChannel()
    with caplog.at_level("INFO", logger="pipeline_net.channel"):
        channel.pipeline.fire_exception_caught(TlsError("the peer speaks plain HTTP"))
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("INFO", None)
    assert record.getMessage().endswith("the peer speaks plain HTTP")
    assert not channel.is_open


def test_a_close_future_that_is_asked_for_late_is_done() -> None:
    channel, _ = connected()
    early = channel.close_future
    assert channel.close_future is early
    assert not early.done()
    channel.close()
    assert early.done()
    late, _ = connected()
    late.close()
    assert late.close_future.done()
    assert late.close_future is late.close_future


def test_threads_that_ask_at_once_for_a_close_future_get_the_same() -> None:
    for _ in range(50):
        channel, _ = connected()
        start = threading.Barrier(4)
        got: list[ChannelFuture[None]] = []

        def ask(channel: Channel = channel, start: threading.Barrier = start, got: list[Any] = got) -> None:
            start.wait()
            got.append(channel.close_future)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 4
        assert all(future is got[0] for future in got)
