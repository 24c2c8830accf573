"""No faster than allowed, on virtual time; nothing lost, nothing out of order, nobody starved."""

from __future__ import annotations

import math
import socket
import threading
import time
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import (
    ChannelBrokenError,
    ChannelClosedError,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoopGroup,
    FileRegion,
    ServerBootstrap,
    WriteBufferOverflowError,
)
from pipeline_net.handlers.traffic_shaping import TokenBucket, TrafficShapingHandler
from pipeline_net.testing import EmbeddedChannel


def sent(channel: EmbeddedChannel) -> int:
    return sum(len(piece) for piece in channel.outbound)


class TestABucket:
    def test_gives_its_burst_at_once_and_its_rate_after_that(self) -> None:
        bucket = TokenBucket(100, burst=50)
        assert bucket.take(50, 0.0) == 0
        assert bucket.take(10, 0.0) == pytest.approx(0.1)
        assert bucket.take(10, 0.0) == pytest.approx(0.2)  # who comes later has a later place
        assert bucket.take(0, 0.2) == 0
        assert bucket.take(30, 10.0) == 0
        assert bucket.take(30, 10.0) == pytest.approx(0.1)  # it was full, and no fuller than full

    def test_takes_back_what_does_not_move(self) -> None:
        bucket = TokenBucket(100, burst=50)
        bucket.take(60, 0.0)
        bucket.give_back(30)
        assert bucket.take(20, 0.0) == 0
        bucket.give_back(1000)
        assert bucket.take(51, 0.0) == pytest.approx(0.01)

    def test_time_that_goes_backwards_gives_nothing(self) -> None:
        bucket = TokenBucket(100)
        bucket.take(100, 10.0)
        assert bucket.take(1, 5.0) == pytest.approx(0.01)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"rate": 0},
            {"rate": -1},
            {"rate": 1, "burst": 0},
            {"rate": math.nan},
            {"rate": math.inf},
            {"rate": 1, "burst": math.inf},
        ],
    )
    def test_with_a_rate_that_makes_no_sense_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="must be more than 0 bytes"):
            TokenBucket(**wrong)

    def test_says_what_it_is(self) -> None:
        assert repr(TokenBucket(1000)) == "<TokenBucket 1000 bytes/s, burst 1000>"

    @given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 2)), max_size=50))
    def test_never_gives_more_than_its_burst_and_its_rate(self, takes: list[tuple[int, float]]) -> None:
        bucket = TokenBucket(100, burst=200)
        now = 0.0
        total = 0
        for count, pause in takes:
            now += pause
            total += count
            assert total <= 200 + 100 * (now + bucket.take(count, now)) + 1e-6


class TestWriting:
    def test_the_burst_goes_at_once_and_the_rest_at_the_rate(self) -> None:
        channel = EmbeddedChannel(TrafficShapingHandler(write=1000))
        data = bytes(range(250)) * 20  # five seconds' worth
        written = channel.write(data)
        channel.run_pending()
        assert 500 <= sent(channel) <= 1000
        for second in range(1, 4):
            channel.advance(1)
            assert 1000 * second <= sent(channel) <= 1000 * (second + 1)
        assert not written.done()
        channel.advance(1.1)
        assert written.done()
        assert b"".join(channel.outbound) == data

    def test_small_writes_within_the_rate_pass_at_once(self) -> None:
        channel = EmbeddedChannel(TrafficShapingHandler(write=1000))
        for _ in range(50):
            channel.write_outbound(b"x" * 100)
            channel.advance(0.1)
        assert channel.outbound == [b"x" * 100] * 50

    def test_everything_stays_in_order_and_closing_comes_last(self) -> None:
        channel = EmbeddedChannel(TrafficShapingHandler(write=1000))
        for number in range(30):
            channel.write(bytes([number]) * 100)
        channel.flush()
        closed = channel.close()
        late = channel.write(b"late")
        channel.run_pending()
        assert not closed.done()
        assert isinstance(late.exception(), ChannelClosedError)
        channel.advance(2.1)
        assert closed.done()
        assert b"".join(channel.outbound) == b"".join(bytes([number]) * 100 for number in range(30))

    def test_files_and_views_are_cut_too(self) -> None:
        channel = EmbeddedChannel(TrafficShapingHandler(write=1000))
        file = BytesIO(b"f" * 3000)
        channel.write(FileRegion(file, 500, 2000))
        channel.write(memoryview(b"v" * 2000))
        channel.write(bytearray(b"a" * 2000))
        channel.shutdown_output()
        channel.advance(10)
        regions = [piece for piece in channel.outbound if isinstance(piece, FileRegion)]
        assert sum(region.count for region in regions) == 2000
        assert [region.offset for region in regions] == [500 + 512 * n for n in range(4)]
        rest = b"".join(piece for piece in channel.outbound if not isinstance(piece, FileRegion))
        assert rest == b"v" * 2000 + b"a" * 2000
        assert not channel.output_open

    @pytest.mark.parametrize("is_closed", [True, False])
    def test_a_file_that_cannot_be_read_to_its_end_ends_the_channel(self, is_closed: bool) -> None:
        channel = EmbeddedChannel(TrafficShapingHandler(write=1000))
        file = BytesIO(b"f" * 3000)
        written = [channel.write(message) for message in (b"before", FileRegion(file), b"after")]
        channel.advance(1)
        assert channel.outbound[0] == b"before"
        assert not any(future.done() for future in written[1:])
        if is_closed:
            file.close()
        else:
            file.truncate(100)
        with pytest.raises(ChannelBrokenError):
            channel.advance(1)
        assert not channel.is_open
        assert written[0].exception() is None
        assert [type(future.exception()) for future in written[1:]] == [ChannelBrokenError] * 2

    def test_what_waits_is_pending(self) -> None:
        options = ChannelOptions(write_buffer_high=4000, write_buffer_low=2000, write_buffer_limit=8000)
        channel = EmbeddedChannel(TrafficShapingHandler(write=1000), options=options)
        channel.write(b"x" * 6000)
        channel.run_pending()
        assert (channel.is_writable, channel.wants_to_read) == (False, False)
        channel.advance(4)
        assert (channel.is_writable, channel.wants_to_read) == (True, True)
        channel.write(b"x" * 6000)
        channel.write(b"x" * 6000)
        with pytest.raises(WriteBufferOverflowError):
            channel.write_outbound(b"x")

    def test_a_write_of_which_a_part_has_gone_cannot_be_cancelled(self) -> None:
        channel = EmbeddedChannel(TrafficShapingHandler(write=10_000))
        written = channel.write(b"x" * 25_000)
        channel.advance(0.2)
        assert 0 < sent(channel) < 25_000
        assert not written.cancel()
        channel.advance(10)
        assert sent(channel) == 25_000
        assert written.done()
        assert written.exception() is None

    def test_a_write_that_is_cancelled_in_time_takes_nothing(self) -> None:
        bucket = TokenBucket(10_000)
        channel = EmbeddedChannel(TrafficShapingHandler(write=bucket))
        channel.write(b"x" * 10_000)
        channel.run_pending()
        late = channel.write(b"y" * 5_000)
        after = channel.write(b"z")
        channel.run_pending()
        assert late.cancel()
        channel.advance(1)
        assert b"".join(channel.outbound) == b"x" * 10_000 + b"z"
        assert after.done()
        assert channel.pending_write_bytes == 0
        assert bucket.take(9_999, channel.clock.time()) == 0

    def test_messages_without_bytes_pass_in_their_turn(self) -> None:
        channel = EmbeddedChannel(TrafficShapingHandler(write=1000))
        channel.write("first")
        channel.write(b"x" * 1500)
        channel.write("last")
        channel.run_pending()
        assert channel.outbound[0] == "first"
        assert "last" not in channel.outbound
        channel.advance(1)
        assert channel.outbound[-1] == "last"

    def test_single_bytes_and_empty_writes_keep_their_places(self) -> None:
        channel = EmbeddedChannel(TrafficShapingHandler(write=1000))
        channel.write(b"x" * 1500)
        futures = [channel.write(data) for data in (b"y", b"", b"z")]
        channel.advance(0.5)
        assert sent(channel) == 1500
        assert [future.done() for future in futures] == [False] * 3
        channel.advance(0.0011)
        assert sent(channel) == 1501
        assert [future.done() for future in futures] == [True, True, False]
        channel.advance(0.001)
        assert sent(channel) == 1502
        assert futures[2].done()

    def test_a_stage_that_writes_when_it_hears_of_room_comes_after_what_waits(self) -> None:
        class Refills(ChannelInboundHandler[Any]):
            left = 20

            def channel_writability_changed(self, ctx: Any) -> None:
                while self.left and ctx.channel.is_writable:
                    self.left -= 1
                    ctx.write(bytes([self.left]) * 700)

        channel = EmbeddedChannel(
            TrafficShapingHandler(write=1000),
            Refills(),
            options=ChannelOptions(write_buffer_high=1500, write_buffer_low=700),
        )
        channel.write(b"\xff" * 2000)
        channel.advance(30)
        assert b"".join(channel.outbound) == b"\xff" * 2000 + b"".join(bytes([n]) * 700 for n in range(19, -1, -1))


class TestReading:
    def test_a_peer_that_sends_too_fast_is_not_listened_to_for_a_while(self) -> None:
        channel = EmbeddedChannel(TrafficShapingHandler(read=1000))
        listens = []
        for size in (1000, 500, 500):  # the last one was on its way already
            channel.write_inbound(b"x" * size)
            listens.append(channel.wants_to_read)
        for pause in (0.9, 0.1):
            channel.advance(pause)
            listens.append(channel.wants_to_read)
        assert listens == [True, False, False, False, True]
        assert b"".join(channel.inbound) == b"x" * 2000

    def test_over_time_it_is_the_rate(self) -> None:
        channel = EmbeddedChannel(TrafficShapingHandler(read=1000))
        received = 0
        for _ in range(100):
            while channel.wants_to_read:
                channel.write_inbound(b"x" * 100)
                received += 100
            channel.advance(0.1)
        assert 10_000 <= received <= 11_200


class TestSharing:
    def test_channels_share_a_bucket_fairly(self) -> None:
        bucket = TokenBucket(10_000, burst=1)
        channels = [EmbeddedChannel(TrafficShapingHandler(write=bucket)) for _ in range(4)]
        for channel in channels:
            channel.write(b"x" * 100_000)
        for _ in range(1000):
            for channel in channels:  # each has a clock of its own
                channel.advance(0.01)
        shares = [sent(channel) for channel in channels]
        assert 90_000 <= sum(shares) <= 101_000
        assert max(shares) - min(shares) <= 5000

    def test_one_that_closes_gives_back_what_it_has_not_used(self) -> None:
        bucket = TokenBucket(1000)
        one, two = (EmbeddedChannel(TrafficShapingHandler(write=bucket)) for _ in range(2))
        one.write(b"x" * 1500)
        one.run_pending()
        one.abort()
        one.run_pending()
        written = two.write(b"x" * 50)
        two.advance(0.06)
        assert written.done()

    def test_one_limit_for_each_and_one_for_all(self) -> None:
        everybody = TokenBucket(1500, burst=1500)
        channels = [
            EmbeddedChannel(TrafficShapingHandler(write=everybody), TrafficShapingHandler(write=1000)) for _ in range(2)
        ]
        for channel in channels:
            channel.write(b"x" * 20_000)
        for _ in range(100):
            for channel in channels:
                channel.advance(0.1)
        assert all(sent(channel) <= 11_000 for channel in channels)
        assert 14_000 <= sum(map(sent, channels)) <= 16_600


@pytest.mark.parametrize("how", ["removed", "closed"])
def test_nothing_is_left_behind(how: str) -> None:
    channel = EmbeddedChannel(TrafficShapingHandler(read=1000, write=1000))
    channel.write_inbound(b"x" * 1500)
    written = channel.write(b"x" * 5000)
    channel.run_pending()
    if how == "removed":
        channel.pipeline.remove(TrafficShapingHandler)
        channel.run_pending()
        assert sent(channel) == 5000
        assert written.exception() is None
        assert channel.wants_to_read
    else:
        channel.abort()
        channel.run_pending()
        assert isinstance(written.exception(), ChannelClosedError)
    assert channel.pending_write_bytes == 0
    assert channel.loop.next_deadline() is None  # type: ignore[attr-defined]  # the embedded loop's own


def test_shaping_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nothing is shaped"):
        TrafficShapingHandler()


def test_the_other_direction_is_left_alone() -> None:
    channel = EmbeddedChannel(TrafficShapingHandler(read=10))
    channel.write_outbound(b"x" * 100_000)
    assert sent(channel) == 100_000
    channel = EmbeddedChannel(TrafficShapingHandler(write=10))
    channel.write_inbound(b"x" * 100_000)
    assert channel.wants_to_read


@pytest.mark.parametrize("direction", ["read", "write"])
def test_over_a_real_socket_it_is_never_faster(direction: str) -> None:
    class Echo(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: Any, msg: bytes) -> None:
            ctx.write(msg)

    bucket = TokenBucket(1_000_000, burst=1000)
    shaping: dict[str, Any] = {direction: bucket}
    data = bytes(range(256)) * 800  # 0.2 seconds' worth
    with (
        EventLoopGroup(1) as loops,
        ServerBootstrap(loops, initializer=lambda _: [TrafficShapingHandler(**shaping), Echo()]).bind(
            "tcp://127.0.0.1:0"
        ) as server,
        socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])), timeout=10) as client,
    ):
        began = time.monotonic()

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = b"".join(iter(lambda: client.recv(65536), b""))
        sender.join()
        took = time.monotonic() - began
    assert received == data
    # What is read is paid for afterwards, so the last batch of it is free.
    assert took >= (len(data) - 1000 - (65536 if direction == "read" else 0)) / 1_000_000
