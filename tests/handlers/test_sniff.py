"""One port for several protocols: the right stages get every byte, however it is cut, and nobody waits for ever."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    DecodeError,
    ReadTimeoutError,
    wire,
)
from pipeline_net.codecs import LineBasedFrameDecoder, redis
from pipeline_net.handlers import probes
from pipeline_net.handlers.probes import Prefix
from pipeline_net.handlers.sniff import SniffHandler
from pipeline_net.testing import EmbeddedChannel, chunks

Ctx = ChannelHandlerContext[Any, Any]

TLS = b"\x16\3\1\0\5\1\0\0\1x"
HTTP = b"GET / HTTP/1.1\r\n\r\n"
RESP = b"*1\r\n$4\r\nPING\r\n"
OTHER = b"hello\nworld\n"


class Writes(ChannelInboundHandler[Any]):
    """Writes down what it hears."""

    def __init__(self, name: str, log: list[Any]) -> None:
        self.name = name
        self.log = log

    def channel_active(self, ctx: Ctx) -> None:
        self.log.append(f"{self.name} active")

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.log.append(msg)

    def channel_read_complete(self, ctx: Ctx) -> None:
        self.log.append("complete")

    def channel_eof(self, ctx: Ctx) -> None:
        self.log.append("eof")
        ctx.fire_channel_eof()

    def channel_inactive(self, ctx: Ctx) -> None:
        self.log.append("inactive")


class Port:
    """A port for four protocols."""

    def __init__(self, *, options: ChannelOptions | None = None, **more: Any) -> None:
        self.log: list[Any] = []
        more.setdefault("otherwise", self.stages("other"))
        self.sniff = SniffHandler(
            (probes.tls, self.stages("tls")),
            (probes.http1, self.stages("http")),
            (probes.resp, lambda channel: redis.server_stack() >> Writes("resp", self.log)),
            **more,
        )
        self.channel = EmbeddedChannel(self.sniff, options=options)

    def stages(self, name: str) -> Any:
        return lambda channel: [Writes(name, self.log)]

    def bytes(self) -> bytes:
        return b"".join(thing for thing in self.log if isinstance(thing, bytes))


CASES: list[tuple[bytes, str]] = [(TLS, "tls"), (HTTP, "http"), (OTHER, "other"), (b"GET it\n", "other")]


@pytest.mark.parametrize(("data", "name"), CASES)
def test_the_right_stages_get_every_byte_at_every_cut(data: bytes, name: str) -> None:
    for first in range(len(data)):
        for second in range(first, len(data)):
            port = Port()
            for piece in (data[:first], data[first:second], data[second:]):
                if piece:
                    port.channel.write_inbound(piece)
            assert port.log[0] == f"{name} active"
            assert port.bytes() == data
            assert port.log[-1] == "complete"
            assert SniffHandler not in port.channel.pipeline


def test_a_whole_stack_may_be_chosen() -> None:
    for cut in range(len(RESP)):
        port = Port()
        port.channel.write_inbound(RESP[:cut], RESP[cut:]) if cut else port.channel.write_inbound(RESP)
        assert port.log == ["resp active", [b"PING"], "complete"]


@given(st.sampled_from(CASES).flatmap(lambda case: st.tuples(st.just(case), chunks(case[0] * 3))))
def test_however_it_is_cut_the_same_is_chosen(given_case: tuple[tuple[bytes, str], list[bytes]]) -> None:
    (data, name), pieces = given_case
    port = Port()
    for piece in pieces:
        port.channel.write_inbound(piece)
    assert (port.log[0], port.bytes()) == (f"{name} active", data * 3)


def test_a_later_choice_waits_for_an_earlier_one_that_needs_more() -> None:
    log: list[Any] = []
    sniff = SniffHandler(
        (Prefix(b"ab!"), lambda _: [Writes("long", log)]), (Prefix(b"a"), lambda _: [Writes("short", log)])
    )
    channel = EmbeddedChannel(sniff)
    channel.write_inbound(b"ab")
    assert log == []
    assert sniff.unread_bytes == 2
    channel.write_inbound(b"!")
    assert log == ["long active", b"ab!", "complete"]


def test_nobody_speaks_it() -> None:
    port = Port(otherwise=None)
    with pytest.raises(DecodeError, match=r"nobody here speaks what begins with b'hello\\nworld\\n'"):
        port.channel.write_inbound(OTHER)
    assert port.channel.close_future.done()
    assert port.log == []


def test_a_stage_behind_may_answer_before_it_is_closed() -> None:
    class Explains(ChannelInboundHandler[bytes]):
        def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
            ctx.write(f"sorry: {type(exc).__name__}\n".encode())

    channel = EmbeddedChannel(SniffHandler((probes.tls, lambda _: [])), Explains())
    channel.write_inbound(b"x", b"y")
    assert channel.outbound == [b"sorry: DecodeError\n"]
    assert channel.close_future.done()


class TestTheLimit:
    def test_who_needs_more_than_the_limit_is_taken_to_say_no(self) -> None:
        log: list[Any] = []
        seen: list[int] = []

        def greedy(data: bytes) -> None:
            seen.append(len(data))

        channel = EmbeddedChannel(
            SniffHandler((greedy, lambda _: []), otherwise=lambda _: [Writes("other", log)], limit=10)
        )
        for _ in range(4):
            channel.write_inbound(b"abc")
        assert log == ["other active", b"abc" * 4, "complete"]
        assert seen == [3, 6, 9, 10]

    def test_no_more_is_held_than_the_limit_and_one_piece(self) -> None:
        channel = EmbeddedChannel(SniffHandler((lambda data: None, lambda _: []), limit=100))
        for _ in range(99):
            channel.write_inbound(b"x")
        sniff: SniffHandler = channel.pipeline.get(SniffHandler)
        assert sniff.unread_bytes == 99
        with pytest.raises(DecodeError):
            channel.write_inbound(b"x" * 65536)
        assert sniff.unread_bytes == 0

    @pytest.mark.parametrize("cut", range(1, 10))
    def test_a_probe_sees_the_same_bytes_however_they_are_cut(self, cut: int) -> None:
        log: list[Any] = []
        data = b"aaaaab" + b"c" * 6
        channel = EmbeddedChannel(
            SniffHandler(
                (lambda seen: True if b"b" in seen else None, lambda _: [Writes("b", log)]),
                otherwise=lambda _: [Writes("other", log)],
                limit=5,
            )
        )
        for piece in (data[:cut], data[cut:]):
            channel.write_inbound(piece)
        assert log[0] == "other active"


class TestTheDeadline:
    def test_a_peer_that_says_too_little_is_reported_and_closed(self) -> None:
        port = Port(otherwise=None, deadline=3)
        port.channel.write_inbound(b"GE")
        with pytest.raises(ReadTimeoutError, match=r"'test' has sent b'GE' in 3 s, which says too little"):
            port.channel.advance(3)
        assert port.channel.close_future.done()

    def test_what_it_has_said_goes_to_who_takes_anything(self) -> None:
        port = Port(deadline=3)
        port.channel.write_inbound(b"GE")
        port.channel.advance(2.9)
        assert port.log == []
        port.channel.advance(0.1)
        assert port.log == ["other active", b"GE", "complete"]

    def test_a_peer_that_waits_for_the_server_gets_the_stages_for_that(self) -> None:
        log: list[Any] = []
        port = Port(deadline=3, silent=lambda channel: [Writes("greets", log)])
        port.channel.advance(3)
        assert log == ["greets active"]
        port.channel.write_inbound(b"x")
        assert log[1:] == [b"x", "complete"]

    def test_without_such_stages_it_gets_the_others(self) -> None:
        port = Port(deadline=3)
        port.channel.advance(3)
        assert port.log == ["other active"]

    def test_a_choice_in_time_ends_the_deadline(self) -> None:
        port = Port(deadline=3)
        port.channel.write_inbound(HTTP)
        assert port.channel.loop.next_deadline() is None  # type: ignore[attr-defined]  # the embedded loop's own

    def test_it_may_be_left_out(self) -> None:
        port = Port(deadline=None)
        port.channel.advance(1e6)
        assert SniffHandler in port.channel.pipeline

    def test_what_fails_at_the_deadline_is_reported_to_the_pipeline(self) -> None:
        port = Port(deadline=3, otherwise=lambda channel: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            port.channel.advance(3)
        assert port.channel.close_future.done()


class TestTheEndOfInput:
    def test_what_came_before_it_is_decided_by_then(self) -> None:
        port = Port()
        port.channel.write_inbound(b"GE")
        port.channel.finish_input()
        assert port.log[:4] == ["other active", b"GE", "complete", "eof"]

    def test_if_nobody_speaks_it_that_is_an_error(self) -> None:
        port = Port(otherwise=None)
        port.channel.write_inbound(b"GE")
        with pytest.raises(DecodeError, match="nobody here speaks"):
            port.channel.finish_input()

    def test_a_peer_that_says_nothing_and_goes_is_no_error(self) -> None:
        port = Port(otherwise=None)
        port.channel.finish_input()
        assert port.channel.close_future.done()
        assert port.log == []


def test_without_auto_read_it_asks_for_what_it_needs_and_no_more() -> None:
    port = Port(options=ChannelOptions(auto_read=False))
    assert port.channel.reads_requested == 1
    port.channel.write_inbound(b"GE")
    assert port.channel.reads_requested == 2
    port.channel.write_inbound(b"T /")
    assert port.channel.reads_requested == 2
    assert port.log == ["http active", b"GET /", "complete"]


@pytest.mark.parametrize("what_is_returned", [lambda pipeline: None, lambda pipeline: pipeline])
def test_stages_may_seat_themselves(what_is_returned: Any) -> None:
    log: list[Any] = []

    def seats(channel: Any) -> Any:
        return what_is_returned(channel.pipeline.add_last(Writes("itself", log)))

    channel = EmbeddedChannel(SniffHandler((probes.http1, seats)))
    channel.write_inbound(HTTP)
    assert log == ["itself active", HTTP, "complete"]
    assert channel.pipeline.names == ["writes"]


def test_a_choice_may_choose_again() -> None:
    log: list[Any] = []
    inner = SniffHandler((Prefix(b"ab"), lambda _: [Writes("inner", log)]))
    channel = EmbeddedChannel(SniffHandler((Prefix(b"a"), lambda _: wire() >> inner)))
    for byte in (b"a", b"b", b"c"):
        channel.write_inbound(byte)
    assert log == ["inner active", b"ab", "complete", b"c", "complete"]


@pytest.mark.parametrize("where", ["probe", "stages", "stage"])
def test_what_raises_is_reported_once_and_closes_the_channel(where: str) -> None:
    class Fails(ChannelInboundHandler[bytes]):
        def handler_added(self, ctx: Ctx) -> None:
            raise LookupError("no")

    def fails(_: Any) -> Any:
        raise LookupError("no")

    probe = fails if where == "probe" else probes.http1
    stages: Any = fails if where == "stages" else lambda _: [Fails()]
    channel = EmbeddedChannel(SniffHandler((probe, stages)))
    with pytest.raises(Exception, match="no"):
        channel.write_inbound(HTTP, b"more", b"and more")
    assert channel.close_future.done()
    assert len(channel.exceptions) == 1


def test_who_takes_it_out_gets_what_it_holds() -> None:
    log: list[Any] = []
    channel = EmbeddedChannel(SniffHandler((probes.http1, lambda _: [])), Writes("behind", log))
    channel.write_inbound(b"GE")
    assert log == []
    channel.pipeline.remove(SniffHandler)
    channel.write_inbound(b"T")
    assert log == ["behind active", b"GE", "complete", b"T", "complete"]
    assert channel.loop.next_deadline() is None  # type: ignore[attr-defined]  # the embedded loop's own


def test_added_to_a_running_pipeline_it_chooses_from_there() -> None:
    log: list[Any] = []
    channel = EmbeddedChannel(LineBasedFrameDecoder(10))
    channel.write_inbound(b"first\nGE")
    channel.pipeline.add_last(SniffHandler((probes.http1, lambda _: [Writes("http", log)]), deadline=1))
    channel.pipeline.remove(LineBasedFrameDecoder)
    channel.write_inbound(b"T /")
    assert log == [b"GET /", "complete"]  # no channel_active: that was long ago


def test_a_channel_that_closes_before_it_is_decided_was_active_for_nobody() -> None:
    log: list[Any] = []
    channel = EmbeddedChannel(SniffHandler((probes.http1, lambda _: [])), Writes("behind", log))
    channel.write_inbound(b"GE")
    channel.abort()
    channel.run_pending()
    assert log == []
    assert channel.loop.next_deadline() is None  # type: ignore[attr-defined]  # the embedded loop's own


@pytest.mark.parametrize(
    ("choices", "more", "complaint"),
    [
        ((), {}, "nothing to choose from"),
        (((probes.tls, list),), {"limit": 0}, "limit must be at least 1 byte, not 0"),
        (((probes.tls, list),), {"deadline": 0}, "deadline must be more than 0 seconds, not 0"),
    ],
)
def test_what_makes_no_sense_is_refused(choices: Any, more: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        SniffHandler(*choices, **more)
