"""The writing half of TLS: records, what waits, and how the connection ends."""

from __future__ import annotations

import io
import ssl
from typing import Any

import pytest

from pipeline_net import (
    ChannelClosedError,
    ChannelFuture,
    ChannelInboundHandler,
    ChannelOptions,
    PipelineError,
    TlsError,
    WriteBufferOverflowError,
)
from pipeline_net.handlers import TlsHandler
from pipeline_net.handlers.tls_output import caused_by
from pipeline_net.testing import EmbeddedChannel

from .conftest import Certificates, Diary, Echo, Peer, connected, next_deadline


def _plain_sizes(peer: Peer, overhead: int = 22) -> list[int]:
    """The bytes of plain text in each record (TLS 1.3) since the last look."""
    sizes = [len(record) - overhead for record in peer.records]
    peer.records.clear()
    return sizes


def fresh(certificates: Certificates, *stages: Any, **settings: Any) -> tuple[EmbeddedChannel, Peer]:
    """A connected pair whose handshake is not counted any more."""
    channel, peer = connected(certificates, *stages, **settings)
    peer.records.clear()
    return channel, peer


# -- records ----------------------------------------------------------------------------------------


class Chatters(ChannelInboundHandler[bytes]):
    """Answers each read with many small writes, and has a last word when the batch ends."""

    has_read = False

    def channel_read(self, ctx: Any, msg: bytes) -> None:
        self.has_read = True
        for _ in range(100):
            ctx.write(b"0123456789")

    def channel_read_complete(self, ctx: Any) -> None:
        if self.has_read:
            ctx.write(b"end")
        ctx.fire_channel_read_complete()


def test_what_is_written_in_one_batch_is_one_record(certificates: Certificates) -> None:
    _, peer = fresh(certificates, Chatters())
    peer.say(b"go")
    assert peer.received == b"0123456789" * 100 + b"end"
    assert _plain_sizes(peer) == [1003]


def test_what_is_written_outside_of_a_batch_is_joined_until_the_loop_has_done_its_tasks(
    certificates: Certificates,
) -> None:
    channel, peer = fresh(certificates, Diary())
    for _ in range(5):
        channel.write(b"abc")
    channel.run_pending()
    peer.talk()
    assert peer.received == b"abc" * 5
    assert _plain_sizes(peer) == [15]


def test_flush_makes_a_record_at_once(certificates: Certificates) -> None:
    channel, peer = fresh(certificates, Diary())
    channel.write_and_flush(b"one")
    channel.write_and_flush(b"two")
    peer.take()
    assert _plain_sizes(peer) == [3, 3]


@pytest.mark.parametrize(
    ("writes", "records"),
    [
        ([16384], [16384]),
        ([16385], [16384, 1]),
        ([40_000], [16384, 16384, 7232]),
        ([10_000, 10_000], [16384, 3616]),
        ([1] * 20_000, [16384, 3616]),
        ([4, 70_000], [4, 16384, 16384, 16384, 16384, 4464]),  # the large one is not copied to be joined
        ([200_000], [*[16384] * 12, 3392]),
        ([0, 5, 0], [5]),
        ([0], []),
    ],
)
def test_how_writes_are_cut_into_records(certificates: Certificates, writes: list[int], records: list[int]) -> None:
    class Writes(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: Any, msg: bytes) -> None:
            for number, size in enumerate(writes):
                ctx.write(bytes([number % 251]) * size)

    channel, peer = fresh(certificates, Writes())
    peer.say(b"go")
    assert peer.received == b"".join(bytes([number % 251]) * size for number, size in enumerate(writes))
    assert _plain_sizes(peer) == records
    assert channel.pending_write_bytes == 0


def test_whatever_has_bytes_may_be_written(certificates: Certificates) -> None:
    channel, peer = fresh(certificates, Diary())
    changing = bytearray(b"bytearray ")
    channel.write(changing)
    channel.write(memoryview(b"memoryview "))
    changing[:] = b"too late  "
    channel.write(memoryview(b"a-b-c-").cast("B")[:6])
    with pytest.raises(PipelineError, match="an encoder is missing"):
        channel.write("text").result()
    with pytest.raises(PipelineError, match="gaps"):
        channel.write(memoryview(b"a-b-")[::2]).result()
    peer.talk()
    channel.run_pending()
    peer.talk()
    assert peer.received == b"bytearray memoryview a-b-c-"


def test_promises_are_kept_when_the_last_record_is_taken(certificates: Certificates) -> None:
    channel, _ = fresh(certificates, Diary())
    channel.peer_window = 16384
    first = channel.write(b"x" * 10)
    second = channel.write(b"y" * 30_000)
    third = channel.write(b"z")
    channel.run_pending()
    assert [future.done() for future in (first, second, third)] == [False] * 3
    channel.peer_window = None
    channel.run_pending()
    assert [future.result() for future in (first, second, third)] == [None] * 3


def test_a_write_that_was_cancelled_in_time_is_not_sent(certificates: Certificates) -> None:
    channel = EmbeddedChannel(certificates.server().handler(), Diary())
    early: ChannelFuture[Any] = channel.new_promise()
    early.cancel()
    channel.pipeline.write(b"early", early)
    peer = Peer(channel, certificates.client_context()).talk()
    late: ChannelFuture[Any] = channel.new_promise()
    late.cancel()
    channel.pipeline.write(b"late", late)
    channel.pipeline.write(b"sent")
    channel.run_pending()
    assert peer.talk().received == b"sent"


# -- water marks ------------------------------------------------------------------------------------


def test_encrypted_bytes_count_at_the_water_marks(certificates: Certificates) -> None:
    class Fills(ChannelInboundHandler[bytes]):
        written = 0

        def channel_read(self, ctx: Any, msg: bytes) -> None:
            while ctx.channel.is_writable:
                ctx.write(bytes(1000))
                self.written += 1000

    fills = Fills()
    channel, peer = fresh(certificates, fills)
    channel.peer_window = 0
    peer.write(b"go")
    channel.write_inbound(peer.given())
    assert 65536 < fills.written <= 65536 + 16384 + 1000
    assert not channel.wants_to_read


def test_what_waits_for_the_handshake_counts_but_does_not_keep_us_from_reading(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.server().handler(), diary)
    for _ in range(10):
        channel.write(bytes(10_000))
    assert (channel.is_writable, channel.pending_write_bytes) == (False, 100_000)
    assert channel.wants_to_read
    peer = Peer(channel, certificates.client_context()).talk()
    assert len(peer.received) == 100_000
    assert (channel.is_writable, channel.pending_write_bytes) == (True, 0)


def test_too_much_that_waits_for_the_handshake_closes_the_channel(certificates: Certificates) -> None:
    diary = Diary()
    options = ChannelOptions(write_buffer_high=1000, write_buffer_low=500, write_buffer_limit=2000)
    channel = EmbeddedChannel(certificates.server().handler(), diary, options=options)
    first = channel.write(bytes(2000))
    second = channel.write(b"x")
    channel.run_pending()
    assert isinstance(second.exception(), WriteBufferOverflowError)
    assert isinstance(first.exception(), WriteBufferOverflowError)
    assert diary.log == ["active", "WriteBufferOverflowError", "inactive"]
    assert channel.pending_write_bytes == 0


@pytest.mark.parametrize("what", ["write", "large", "flush", "close", "shutdown"])
def test_who_writes_or_closes_when_it_hears_that_there_is_no_room_does_not_get_in_between(
    certificates: Certificates, what: str
) -> None:
    class Reacts(ChannelInboundHandler[bytes]):
        times = 0

        def channel_writability_changed(self, ctx: Any) -> None:
            self.times += 1
            if self.times > 1:
                return
            if what == "large":
                ctx.write(b"b" * 100_000)
            else:
                ctx.write(b"b" * 10)
            if what == "flush":
                ctx.flush()
            elif what == "close":
                ctx.close()
            elif what == "shutdown":
                ctx.shutdown_output()

    channel, peer = fresh(certificates, Reacts())
    channel.write(b"a" * 300_000)
    channel.run_pending()
    peer.talk()
    channel.run_pending()
    peer.talk()
    assert peer.received == b"a" * 300_000 + b"b" * (100_000 if what == "large" else 10)
    assert peer.has_ended is (what in ("close", "shutdown"))
    assert channel.is_open is (what != "close")


# -- the end ----------------------------------------------------------------------------------------


def test_shutdown_output_says_close_notify_and_the_peer_may_go_on(certificates: Certificates) -> None:
    diary = Diary()
    channel, peer = fresh(certificates, diary)
    channel.write(b"last words")
    done = channel.shutdown_output()
    channel.run_pending()
    peer.talk()
    assert (peer.received, peer.has_ended, done.done(), channel.output_open) == (b"last words", True, True, False)
    assert isinstance(channel.write(b"more").exception(), ChannelClosedError)
    peer.say(b"I am not done yet")
    assert diary.received == b"I am not done yet"
    assert channel.is_open
    peer.say_goodbye()
    assert diary.log[-1] == "inactive"
    assert diary.errors == []


def test_shutdown_output_before_the_handshake_waits_for_it(certificates: Certificates) -> None:
    channel = EmbeddedChannel(certificates.server().handler(), Diary())
    channel.write(b"hello and goodbye")
    done = channel.shutdown_output()
    again = channel.shutdown_output()
    late = channel.write(b"late")
    assert isinstance(late.exception(), ChannelClosedError)
    peer = Peer(channel, certificates.client_context()).talk()
    assert (peer.received, peer.has_ended) == (b"hello and goodbye", True)
    assert done.done()
    assert again.done()


def test_close_before_the_handshake_sends_what_was_written_once_it_is_done(certificates: Certificates) -> None:
    channel = EmbeddedChannel(certificates.server().handler(), Diary())
    written = channel.write(b"fire and forget")
    closed = [channel.close(), channel.close()]
    assert channel.is_open
    peer = Peer(channel, certificates.client_context()).talk()
    assert (peer.received, peer.has_ended) == (b"fire and forget", True)
    assert written.exception() is None
    assert [future.done() for future in closed] == [True, True]


def test_close_before_the_handshake_with_nothing_to_send_closes_at_once(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.server().handler(), diary)
    assert channel.close().done()
    channel.run_pending()
    assert diary.log == ["active", "inactive"]
    assert next_deadline(channel) is None


def test_close_that_waits_for_a_handshake_which_does_not_come_is_bounded(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.server().handler(), diary)
    written = channel.write(b"never sent")
    closed = channel.close()
    channel.advance(11)
    assert closed.done()
    assert isinstance(written.exception(), TlsError)


def test_close_may_wait_for_the_close_notify_of_the_peer(certificates: Certificates) -> None:
    for answers in (True, False):
        handler = TlsHandler(certificates.server_context(), close_notify_timeout=2)
        diary = Diary()
        channel, peer = connected(certificates, diary, handler=handler)
        closed = channel.close()
        again = channel.close()
        assert isinstance(channel.write(b"late").exception(), ChannelClosedError)
        channel.run_pending()
        peer.write(b"said meanwhile")
        peer.talk()
        assert peer.has_ended
        assert not closed.done()
        if answers:
            peer.say_goodbye()
        else:
            channel.advance(1.9)
            assert not closed.done()
            channel.advance(0.2)
        assert closed.done()
        assert again.done()
        assert diary.received == b""
        assert diary.errors == []
        assert next_deadline(channel) is None


def test_a_peer_that_hangs_up_instead_of_answering_close_notify_is_no_error(certificates: Certificates) -> None:
    handler = TlsHandler(certificates.server_context(), close_notify_timeout=2)
    diary = Diary()
    channel, _ = connected(certificates, diary, handler=handler)
    closed = channel.close()
    channel.run_pending()
    channel.finish_input()
    assert closed.done()
    assert diary.errors == []


def test_abort_says_nothing(certificates: Certificates) -> None:
    diary = Diary()
    channel, peer = fresh(certificates, diary)
    written = channel.write(b"x")
    channel.abort()
    channel.run_pending()
    assert isinstance(written.exception(), ChannelClosedError)
    assert diary.log[-1] == "inactive"
    peer.take()
    assert peer.records == []


def test_what_was_written_when_the_network_fails_fails_with_its_reason(certificates: Certificates) -> None:
    channel = EmbeddedChannel(certificates.server().handler(), Diary())
    written = channel.write(b"x")
    channel.fail(ConnectionResetError("gone"))
    channel.run_pending()
    assert "gone" in str(written.exception())


def test_echo_of_everything_that_was_said_before_goodbye(certificates: Certificates) -> None:
    channel, peer = fresh(certificates, Echo())
    peer.write(bytes(500_000))
    peer.say_goodbye()
    assert len(peer.received) == 500_000
    assert not channel.is_open


def test_without_auto_flush_the_handshake_is_sent_and_the_rest_waits_for_flush(certificates: Certificates) -> None:
    channel = EmbeddedChannel(certificates.server().handler(), Diary(), options=ChannelOptions(auto_flush=False))
    peer = Peer(channel, certificates.client_context()).talk()
    assert peer.is_connected
    peer.records.clear()
    channel.write(b"one ")
    channel.write(b"two")
    channel.run_pending()
    peer.talk()
    assert peer.received == b""
    channel.flush()
    peer.talk()
    assert peer.received == b"one two"


def test_errors_of_openssl_are_said_in_its_words() -> None:
    exc = ssl.SSLError(1, "[SSL: X] whatever (_ssl.c:1)")
    exc.reason = "BAD_RECORD_MAC"
    error = caused_by(exc, "it failed")
    assert (str(error), error.__cause__) == ("it failed: bad record mac", exc)
    assert str(caused_by(ValueError("No"), "it failed")) == "it failed: no"


def test_nothing_that_is_no_file_is_taken_for_one(certificates: Certificates) -> None:
    channel, _ = fresh(certificates, Diary())
    assert isinstance(channel.write(io.BytesIO(b"x")).exception(), PipelineError)


def test_what_an_interrupt_has_left_behind_is_nobodys(certificates: Certificates) -> None:
    """When Ctrl-C hits a loop on the main thread in the middle of OpenSSL, its other connections go on."""
    channel, peer = fresh(certificates, Echo())
    scratch = channel.loop.shared["tls"]
    scratch.incoming.write(b"half a record of somebody else")
    scratch.outgoing.write(b"a record for somebody else")
    peer.say(b"hello")
    assert peer.received == b"hello"
    scratch.outgoing.write(b"a record for somebody else")
    channel.close()
    channel.run_pending()
    peer.talk()
    assert peer.has_ended
