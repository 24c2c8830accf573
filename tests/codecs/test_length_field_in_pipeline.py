"""Many frames in one read: what a handler of the first may do to those behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.buffer import ReceiveBuffer
from pipeline_net.channel import Channel
from pipeline_net.codecs.length_field import LengthFieldBasedFrameDecoder
from pipeline_net.errors import CorruptedFrameError, FrameTooLongError
from pipeline_net.handler import ChannelInboundHandler
from pipeline_net.options import ChannelOptions
from pipeline_net.testing import EmbeddedChannel

THREE = b"\x00\x01a\x00\x02bc\x00\x03def"


class Acts(ChannelInboundHandler[bytes]):
    """Notes what comes, and does something when the first message comes."""

    def __init__(self, act: Callable[[Any, LengthFieldBasedFrameDecoder], object], decoder: Any) -> None:
        self.heard: list[bytes] = []
        self._act = act
        self._decoder = decoder

    def channel_read(self, ctx: Any, msg: bytes) -> None:
        self.heard.append(msg)
        if len(self.heard) == 1:
            self._act(ctx, self._decoder)


def opened(
    act: Callable[[Any, LengthFieldBasedFrameDecoder], object], **options: Any
) -> tuple[EmbeddedChannel, Acts, LengthFieldBasedFrameDecoder]:
    decoder = LengthFieldBasedFrameDecoder(100, 0, 2, 0, 2)
    acts = Acts(act, decoder)
    return EmbeddedChannel(decoder, acts, options=ChannelOptions(**options)), acts, decoder


def test_whoever_takes_the_decoder_out_gets_the_rest_as_it_came() -> None:
    channel, acts, _ = opened(lambda ctx, decoder: ctx.pipeline.remove(decoder))
    channel.write_inbound(THREE)
    assert acts.heard == [b"a", b"\x00\x02bc\x00\x03def"]


def test_whoever_closes_gets_no_more() -> None:
    channel, acts, decoder = opened(lambda ctx, decoder: ctx.close())
    channel.write_inbound(THREE)
    assert acts.heard == [b"a"]
    assert decoder.unread_bytes == 0


def test_whoever_pauses_gets_the_rest_later() -> None:
    def pause(ctx: Any, decoder: LengthFieldBasedFrameDecoder) -> None:
        decoder.is_paused = True

    channel, acts, decoder = opened(pause)
    channel.write_inbound(THREE)
    assert acts.heard == [b"a"]
    assert decoder.unread_bytes == len(THREE) - 3
    seat = channel.pipeline.context(decoder)
    assert seat is not None
    decoder.resume(seat)
    assert acts.heard == [b"a", b"bc", b"def"]


@pytest.mark.parametrize(("pauses", "at_once"), [(True, [b"a"]), (False, [b"a", b"bc", b"def"])])
def test_frames_behind_an_answer_that_finds_no_room_wait_for_it(pauses: bool, at_once: list[bytes]) -> None:
    channel, acts, _ = opened(
        lambda ctx, decoder: ctx.write(b"much too much"),
        write_buffer_high=8,
        write_buffer_low=4,
        pause_reads_when_unwritable=pauses,
    )
    channel.peer_window = 0
    channel.write_inbound(THREE)
    assert acts.heard == at_once
    channel.peer_window = None
    channel.run_pending()
    assert acts.heard == [b"a", b"bc", b"def"]


def test_whoever_takes_the_unread_bytes_has_them_all() -> None:
    taken: list[bytes] = []
    channel, acts, _ = opened(lambda ctx, decoder: taken.append(decoder.take_unread()))
    channel.write_inbound(THREE)
    assert (acts.heard, taken) == ([b"a"], [b"\x00\x02bc\x00\x03def"])
    channel.write_inbound(b"\x00\x01g")
    assert acts.heard == [b"a", b"g"]


def test_bytes_that_arrive_meanwhile_wait_for_their_turn() -> None:
    channel, acts, _ = opened(lambda ctx, decoder: ctx.pipeline.fire_channel_read(b"\x00\x01z"))
    channel.write_inbound(THREE)
    assert acts.heard == [b"a", b"bc", b"def", b"z"]


def test_a_handler_that_raises_hears_of_it_and_of_the_next_frame() -> None:
    raised: list[BaseException] = []

    class Raises(Acts):
        def exception_caught(self, ctx: Any, exc: BaseException) -> None:
            raised.append(exc)

    failure = ValueError("for a test")

    def fail(ctx: Any, decoder: LengthFieldBasedFrameDecoder) -> None:
        raise failure

    decoder = LengthFieldBasedFrameDecoder(100, 0, 2, 0, 2)
    raises = Raises(fail, decoder)
    EmbeddedChannel(decoder, raises).write_inbound(THREE)
    assert raised == [failure]
    assert raises.heard == [b"a", b"bc", b"def"]


def test_a_keyboard_interrupt_leaves_the_rest_for_whoever_goes_on() -> None:
    def interrupt(ctx: Any, decoder: LengthFieldBasedFrameDecoder) -> None:
        raise KeyboardInterrupt

    channel, acts, decoder = opened(interrupt)
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(THREE)
    assert decoder.unread_bytes == len(THREE) - 3
    channel.write_inbound(b"\x00\x01g")
    assert acts.heard == [b"a", b"bc", b"def", b"g"]


def test_a_stage_that_comes_meanwhile_sees_the_next_frame() -> None:
    seen: list[bytes] = []

    class Sees(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: Any, msg: bytes) -> None:
            seen.append(msg)
            ctx.fire_channel_read(msg)

    channel, acts, _ = opened(lambda ctx, decoder: ctx.pipeline.add_after(decoder, Sees()))
    channel.write_inbound(THREE)
    assert acts.heard == [b"a", b"bc", b"def"]
    assert seen == [b"bc", b"def"]


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"\x00\x01a\x01\x00" + b"x" * 256, FrameTooLongError), (b"\x00\x01a\x00", CorruptedFrameError)],
)
def test_frames_before_one_that_is_refused_are_delivered_first(data: bytes, error: type[Exception]) -> None:
    channel, acts, _ = opened(lambda ctx, decoder: None)

    def arrive() -> None:
        channel.write_inbound(data)
        channel.finish_input()

    with pytest.raises(error):
        arrive()
    assert acts.heard == [b"a"]


def test_many_frames_at_once_are_held_to_the_limit_up_to_the_last() -> None:
    channel, acts, _ = opened(lambda ctx, decoder: None)
    many = 70_000 // 102
    with pytest.raises(FrameTooLongError):
        channel.write_inbound((b"\x00\x62" + b"x" * 98) * many + b"\x00\x63" + b"x" * 99)
    assert acts.heard == [b"x" * 98] * many


def test_a_short_frame_is_not_kept_waiting_by_a_long_one_before_it() -> None:
    channel, acts, _ = opened(lambda ctx, decoder: None)
    channel.write_inbound(b"\x00\x32" + b"x" * 40)
    channel.write_inbound(b"x" * 10)
    channel.write_inbound(b"\x00\x01a")
    assert acts.heard == [b"x" * 50, b"a"]


class Upper(LengthFieldBasedFrameDecoder):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        frame = super().decode(buffer)
        return None if frame is None else frame.upper()


def test_a_subclass_may_decode_in_its_own_way() -> None:
    channel = EmbeddedChannel(Upper(100, 0, 2, 0, 2))
    channel.write_inbound(THREE)
    assert channel.inbound == [b"A", b"BC", b"DEF"]


class LastIsUpper(LengthFieldBasedFrameDecoder):
    def decode_last(self, buffer: ReceiveBuffer) -> bytes | None:
        frame = self.decode(buffer)
        return None if frame is None else frame.upper()


def test_a_subclass_may_decode_what_is_left_at_the_end_in_its_own_way() -> None:
    decoder = LastIsUpper(100, 0, 2, 0, 2)

    def pause(ctx: Any, _: object) -> None:
        decoder.is_paused = True

    acts = Acts(pause, decoder)
    channel = EmbeddedChannel(decoder, acts)
    channel.write_inbound(THREE)
    channel.finish_input()
    seat = channel.pipeline.context(decoder)
    assert seat is not None
    decoder.resume(seat)
    assert acts.heard == [b"a", b"BC", b"DEF"]


def test_a_decoder_on_a_pool_delivers_on_the_loop() -> None:
    where: list[Channel] = []

    class AtOnce:
        """Runs jobs where they are submitted."""

        def submit(self, fn: Any, /, *args: Any) -> None:
            fn(*args)

    channel = EmbeddedChannel()
    decoder = LengthFieldBasedFrameDecoder(100, 0, 2, 0, 2)
    acts = Acts(lambda ctx, decoder: where.append(ctx.channel), decoder)
    channel.pipeline.add_last(decoder, executor=AtOnce()).add_last(acts)
    channel.pipeline.fire_channel_read(THREE)
    assert acts.heard == []  # it comes back to the loop as a task
    channel.run_pending()
    assert acts.heard == [b"a", b"bc", b"def"]
    assert where == [channel]
