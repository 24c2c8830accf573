"""Conn with a codec, and what callbacks may return: seen through a channel whose network is the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    Action,
    ChannelHandler,
    ChannelOptions,
    Conn,
    EncodeError,
    EventHandler,
    PipelineError,
    ReceiveBuffer,
)
from pipeline_net.codecs.base import ICodec
from pipeline_net.conn import FramedConn, take_apart
from pipeline_net.server import RunningServer
from pipeline_net.testing import EmbeddedChannel


class Seat(ChannelHandler):
    """Seats what serve() would seat on a new connection."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server

    def handler_added(self, ctx: Any) -> None:
        ctx.pipeline.add_last(*self._server.stages_for(ctx.channel))


class Probe(EventHandler):
    """Does in ``react`` what the test says, and remembers what was called."""

    def __init__(self, react: Callable[[Conn], Any] = lambda conn: None) -> None:
        self.conn: Conn | None = None
        self.reacted = 0
        self.closed: list[BaseException | None] = []
        self._react = react

    def on_opened(self, conn: Conn) -> Any:
        self.conn = conn

    def react(self, conn: Conn) -> Any:
        self.reacted += 1
        return self._react(conn)

    def on_closed(self, conn: Conn, exc: BaseException | None) -> Action | None:
        self.closed.append(exc)
        return None

    @property
    def the_conn(self) -> Conn:
        assert self.conn is not None
        return self.conn


class Byte(ICodec[bytes]):
    """A byte says how long the frame is; 255 of them are too many."""

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        length = buffer.data[buffer.pos]
        if len(buffer) < 1 + length:
            return None
        buffer.skip(1)
        return buffer.take(length)

    def encode(self, message: bytes) -> bytes:
        if len(message) > 254:
            raise EncodeError(f"{len(message)} bytes do not fit into a frame")
        return bytes([len(message)]) + bytes(message)


class Numbers(ICodec[int]):
    """Each byte is a number, a message of its own."""

    def decode(self, buffer: ReceiveBuffer) -> int | None:
        return buffer.take(1)[0]

    def encode(self, message: int) -> bytes:
        return bytes([message])


def open_channel(handler: EventHandler, codec: Any = None, options: ChannelOptions | None = None) -> EmbeddedChannel:
    server = RunningServer(handler, codec)
    server.begin()
    return EmbeddedChannel(Seat(server), options=options)


def sent(channel: EmbeddedChannel) -> bytes:
    data = b"".join(channel.outbound)
    channel.outbound.clear()
    return data


# -- frames -----------------------------------------------------------------------------------------


def test_with_a_codec_react_runs_once_for_each_frame_and_empty_ones_are_frames() -> None:
    frames: list[bytes] = []

    def react(conn: Conn) -> bytes:
        frames.append(conn.read())
        return frames[-1].upper()

    channel = open_channel(Probe(react), Byte)
    channel.write_inbound(b"\x03one\x00\x02t", b"w", b"\x00")
    assert frames == [b"one", b"", b"tw", b""]
    assert sent(channel) == b"\x03ONE\x00\x02TW\x00"


def test_read_frame_gives_the_frame_once_and_then_none() -> None:
    got: list[Any] = []
    channel = open_channel(Probe(lambda conn: got.extend([conn.read_frame(), conn.read_frame(), conn.read()])), Byte)
    channel.write_inbound(b"\x02ab\x00")
    assert got == [b"ab", None, b"", b"", None, b""]


def test_a_frame_may_be_read_in_parts_and_its_rest_is_not_mixed_with_the_next_one() -> None:
    got: list[Any] = []

    def react(conn: Conn) -> None:
        got.append((conn.next(1), conn.peek(1), conn.buffered))
        if got[-1][0] == b"x":
            got.append(conn.read_frame())
            got.append(conn.read_frame())

    channel = open_channel(Probe(react), Byte)
    channel.write_inbound(b"\x03abc\x03xyz\x02de")
    assert got == [(b"a", b"b", 2), (b"x", b"y", 2), b"yz", None, (b"d", b"e", 1)]


def test_frames_need_not_be_bytes() -> None:
    def react(conn: Conn) -> Any:
        number = conn.read_frame()
        return number + 1, Action.CLOSE if number == 5 else Action.NONE

    channel = open_channel(Probe(react), Numbers)
    channel.write_inbound(b"\x00\x07\x05\x09")
    assert sent(channel) == b"\x01\x08\x06"
    assert not channel.is_open


def test_reading_bytes_from_frames_that_are_none_says_what_to_do() -> None:
    channel = open_channel(Probe(lambda conn: conn.read()), Numbers)
    with pytest.raises(PipelineError, match=r"the codec makes int, not bytes: use conn\.read_frame\(\)"):
        channel.write_inbound(b"\x00")


def test_without_a_codec_a_frame_is_what_has_arrived() -> None:
    got: list[Any] = []
    channel = open_channel(Probe(lambda conn: got.extend([conn.read_frame(), conn.read_frame()])))
    channel.write_inbound(b"abc")
    assert got == [b"abc", None]


def test_a_connection_with_a_codec_is_a_framed_one() -> None:
    handler = Probe()
    open_channel(handler, Byte)
    assert isinstance(handler.the_conn, FramedConn)


# -- what callbacks may return ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        (None, (None, Action.NONE)),
        (b"x", (b"x", Action.NONE)),
        (b"", (b"", Action.NONE)),
        (Action.CLOSE, (None, Action.CLOSE)),
        ((b"x", Action.SHUTDOWN), (b"x", Action.SHUTDOWN)),
        ((None, Action.CLOSE), (None, Action.CLOSE)),
        (bytearray(b"x"), (bytearray(b"x"), Action.NONE)),
    ],
)
def test_a_reply_is_data_an_action_or_both(reply: Any, parts: tuple[Any, Action]) -> None:
    assert take_apart("react", reply) == parts


@pytest.mark.parametrize("reply", ["text", 42, True, [b"x"], (b"x",), (b"x", "close"), (b"x", Action.CLOSE, 1), {}])
def test_any_other_reply_is_refused_with_the_callback_and_the_value(reply: Any) -> None:
    with pytest.raises(PipelineError) as caught:
        take_apart("on_opened", reply)
    assert str(caught.value) == f"on_opened returned {reply!r}: return bytes, an Action, (bytes, Action) or None"


def test_a_callback_with_nobody_to_send_to_may_only_act() -> None:
    assert take_apart("on_closed", Action.SHUTDOWN, may_send=False) == (None, Action.SHUTDOWN)
    with pytest.raises(PipelineError, match="on_closed returned b'x': there is nobody to send to"):
        take_apart("on_closed", b"x", may_send=False)
