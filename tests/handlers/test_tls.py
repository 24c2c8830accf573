"""The reading half of TLS, and the handshake: with Python's own ``ssl`` at the other end of an embedded channel."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import ChannelClosedError, PipelineError, TlsError, WorkerPool
from pipeline_net.handlers import TlsHandler, TlsHandshakeDone
from pipeline_net.testing import EmbeddedChannel

from .conftest import VERSIONS, Certificates, Diary, Echo, Peer, connected, next_deadline

versions = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
sides = pytest.mark.parametrize("side", ["server", "client"])


def make_side(certificates: Certificates, side: str, version: ssl.TLSVersion, *stages: Any) -> tuple[Any, Peer]:
    """Our handler on one side, Python's ``ssl`` on the other, before either has said anything."""
    if side == "server":
        channel = EmbeddedChannel(TlsHandler(certificates.server_context(maximum_version=version)), *stages)
        return channel, Peer(channel, certificates.client_context())
    handler = TlsHandler(certificates.client_context(maximum_version=version), server_hostname="localhost")
    channel = EmbeddedChannel(handler, *stages)
    return channel, Peer(channel, certificates.server_context())


# -- the handshake ----------------------------------------------------------------------------------


@versions
@sides
def test_both_sides_meet_and_what_is_said_arrives(
    certificates: Certificates, side: str, version: ssl.TLSVersion
) -> None:
    diary = Diary()
    channel, peer = make_side(certificates, side, version, diary)
    peer.talk()
    assert peer.is_connected
    facts = channel.pipeline.get(TlsHandler).facts
    assert facts.version == version.name.replace("TLSv1_", "TLSv1.")
    channel.write(b"from us")
    peer.say(b"from the peer")
    assert (diary.received, peer.received) == (b"from the peer", b"from us")
    assert diary.log == ["active", "complete", "TlsHandshakeDone", "complete", "read", "complete"][
        : len(diary.log)
    ] or (diary.log[0] == "active" and diary.log.index("TlsHandshakeDone") < diary.log.index("read"))


@sides
def test_the_channel_is_active_before_the_handshake_and_what_is_written_then_is_sent_after_it(
    certificates: Certificates, side: str
) -> None:
    seen: list[Any] = []

    class Writes(Diary):
        def channel_active(self, ctx: Any) -> None:
            super().channel_active(ctx)
            seen.extend(ctx.channel.write(data) for data in (b"one ", b"two ", bytearray(b"three ")))

        def user_event_triggered(self, ctx: Any, event: Any) -> None:
            super().user_event_triggered(ctx, event)
            assert [future.done() for future in seen] == [False] * 3
            ctx.write(b"four")

    diary = Writes()
    channel, peer = make_side(certificates, side, VERSIONS[1], diary)
    assert diary.log == ["active"]
    assert channel.pending_write_bytes == 14
    peer.talk()
    assert peer.received == b"one two three four"
    assert [future.exception() for future in seen] == [None] * 3
    assert channel.pending_write_bytes == 0


def test_the_event_tells_what_was_agreed_upon(certificates: Certificates) -> None:
    events: list[TlsHandshakeDone] = []

    class Keeps(Diary):
        def user_event_triggered(self, ctx: Any, event: Any) -> None:
            events.append(event)

    context = certificates.client_context()
    context.set_alpn_protocols(["b", "a"])
    context.load_cert_chain(certificates["client.pem"], certificates["client.key"])
    server = certificates.server(alpn=["a", "b"], client_ca=certificates["ca.pem"])
    channel = EmbeddedChannel(server.handler(), Keeps())
    peer = Peer(channel, context).talk()
    (event,) = events
    cipher = peer.tls.cipher()
    assert cipher is not None
    assert (event.version, event.cipher, event.alpn) == ("TLSv1.3", cipher[0], "a")
    assert (event.server_name, event.is_resumed) == ("localhost", False)
    assert event.peer_names == ["client", "client"]
    shown = (certificates.folder / "client.pem").read_text()
    assert event.peer_certificate == ssl.PEM_cert_to_DER_cert(shown)
    assert repr(channel.pipeline.get(TlsHandler).facts) == repr(event)


@sides
def test_it_does_not_matter_how_the_bytes_are_cut(certificates: Certificates, side: str) -> None:
    diary = Diary()
    channel, peer = make_side(certificates, side, VERSIONS[1], diary)
    said = b""
    while not peer.is_connected or len(diary.received) < 40_000:
        peer.take()
        if peer.is_connected and not said:
            said = bytes(range(250)) * 160
            peer.write(said)
        for byte in peer.given():
            channel.write_inbound(bytes([byte]))
    assert diary.received == said


@pytest.mark.parametrize("seed", range(6))
def test_pieces_of_any_size_come_out_as_they_went_in(certificates: Certificates, seed: int) -> None:
    chance = random.Random(seed)
    diary = Diary()
    channel, peer = connected(certificates, diary)
    data = chance.randbytes(chance.choice([1, 16383, 16384, 16385, 70_000, 300_000]))
    peer.write(data)
    encrypted = peer.given()
    while encrypted:
        size = chance.choice([1, 5, 100, 16384, 65536, 200_000])
        channel.write_inbound(encrypted[:size])
        encrypted = encrypted[size:]
    assert diary.received == data


def test_what_arrives_in_one_piece_is_passed_on_in_pieces_of_bounded_size(certificates: Certificates) -> None:
    sizes: list[int] = []

    class Measures(Diary):
        def channel_read(self, ctx: Any, msg: bytes) -> None:
            super().channel_read(ctx, msg)
            sizes.append(len(msg))

    diary = Measures()
    _, peer = connected(certificates, diary)
    peer.say(bytes(1 << 20))
    assert len(diary.received) == 1 << 20
    assert max(sizes) <= 65536 + 16384


# -- the handshake, when it fails -------------------------------------------------------------------


def test_a_client_that_does_not_trust_the_server_fails_its_writes_with_the_reason(certificates: Certificates) -> None:
    diary = Diary()
    handler = TlsHandler(ssl.create_default_context(), server_hostname="localhost")
    channel = EmbeddedChannel(handler, diary)
    written = channel.write(b"secret")
    peer = Peer(channel, certificates.server_context())
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):  # which is what the alert says
        peer.talk()
    error = diary.error
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
    assert "the TLS handshake with 'test' failed: unable to get local issuer certificate" in str(error)
    assert written.exception() is error
    assert isinstance(channel.write(b"later").exception(), ChannelClosedError)
    assert [entry for entry in diary.log if entry != "complete"] == ["active", "TlsError", "inactive"]
    assert handler.failure is error
    assert channel.pending_write_bytes == 0


@pytest.mark.parametrize("name", ["other.example", "127.0.0.2", "LOCALHOST.example"])
def test_a_certificate_for_another_name_is_refused(certificates: Certificates, name: str) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.client().handler(name), diary)
    with pytest.raises(ssl.SSLError):
        Peer(channel, certificates.server_context()).talk()
    assert "mismatch" in str(diary.error)


def test_a_server_that_demands_a_certificate_gets_one_or_refuses(certificates: Certificates) -> None:
    server = certificates.server(client_ca=certificates["ca.pem"])
    diary = Diary()
    channel = EmbeddedChannel(server.handler(), diary)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        Peer(channel, certificates.client_context()).talk()
    assert "peer did not return a certificate" in str(diary.error)
    context = certificates.client_context()
    context.load_cert_chain(certificates["stranger.pem"], certificates["stranger.key"])
    diary = Diary()
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        Peer(EmbeddedChannel(server.handler(), diary), context).talk()
    assert "self-signed certificate" in str(diary.error)


@versions
@sides
def test_a_peer_that_falls_silent_at_any_byte_of_the_handshake_is_given_up(
    certificates: Certificates, side: str, version: ssl.TLSVersion
) -> None:
    whole = list(_flights(certificates, side, version))
    assert len(whole) == (1 if side == "client" and version == VERSIONS[1] else 2)
    ends = [at for flight in whole for at in {0, 1, 4, 5, 8, 9, len(flight) // 2, len(flight) - 1}]
    for number, flight in enumerate(whole):
        for cut in sorted({min(at, len(flight) - 1) for at in ends}):
            diary = Diary()
            channel, peer = make_side(certificates, side, version, diary)
            written = channel.write(b"queued")
            for _ in range(number):
                peer.take()
                channel.write_inbound(peer.given())
            peer.take()
            said = peer.given()
            channel.write_inbound(said[: min(cut, len(said) - 1)])  # signatures are not always of the same length
            channel.advance(9.9)
            assert channel.is_open
            channel.advance(0.2)
            assert "no TLS handshake with 'test' within 10 s" in str(diary.error)
            assert (channel.is_open, written.exception()) == (False, diary.error)
            assert next_deadline(channel) is None


@versions
@sides
def test_a_peer_that_hangs_up_at_any_byte_of_the_handshake_is_reported(
    certificates: Certificates, side: str, version: ssl.TLSVersion
) -> None:
    for number, flight in enumerate(_flights(certificates, side, version)):
        for cut in sorted({0, 1, 4, 5, 9, len(flight) // 2, len(flight) - 1}):
            diary = Diary()
            channel, peer = make_side(certificates, side, version, diary)
            for _ in range(number):
                peer.take()
                channel.write_inbound(peer.given())
            peer.take()
            said = peer.given()
            channel.write_inbound(said[: min(cut, len(said) - 1)])  # signatures are not always of the same length
            channel.finish_input()
            assert "hung up in the middle of the TLS handshake" in str(diary.error)
            assert next_deadline(channel) is None


def _flights(certificates: Certificates, side: str, version: ssl.TLSVersion) -> list[bytes]:
    """What the peer sends until the handshake is done on our side, in one piece for each turn."""
    diary = Diary()
    channel, peer = make_side(certificates, side, version, diary)
    flights = []
    while "TlsHandshakeDone" not in diary.log:
        peer.take()
        flights.append(peer.given())
        channel.write_inbound(flights[-1])
    return flights


@sides
@pytest.mark.parametrize("seed", range(8))
def test_garbage_in_the_handshake_is_a_tls_error_and_nothing_else(
    certificates: Certificates, side: str, seed: int
) -> None:
    chance = random.Random(seed)
    for version in VERSIONS:
        for number, flight in enumerate(_flights(certificates, side, version)):
            diary = Diary()
            channel, peer = make_side(certificates, side, version, diary)
            for _ in range(number):
                peer.take()
                channel.write_inbound(peer.given())
            peer.take()
            spoilt = bytearray(peer.given() or flight)
            start = chance.randrange(len(spoilt))
            spoilt[start : start + chance.choice([1, 4, 1000])] = chance.randbytes(chance.choice([1, 4, 300]))
            channel.write_inbound(bytes(spoilt))
            if channel.is_open:
                channel.advance(11)
            assert all(isinstance(error, TlsError) for error in diary.errors), diary.errors
            assert diary.received == b""


def test_plain_http_is_called_by_its_name(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.server().handler(), diary)
    for byte in b"GET /":
        channel.write_inbound(bytes([byte]))
    assert str(diary.error) == "the peer speaks plain HTTP, not TLS; it is 'test'"
    assert not channel.is_open
    assert channel.outbound == []


def test_a_hello_that_announces_too_much_is_refused_by_its_first_nine_bytes(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.server().handler(), diary)
    channel.write_inbound(bytes.fromhex("16 03 01 40 00 01 01 ff ff"))
    assert "has 131071 bytes, the limit is 16384" in str(diary.error)


def test_a_client_that_knows_only_old_versions_is_refused(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.server().handler(), diary)
    hello = bytes.fromhex("0301") + bytes(32) + bytes.fromhex("00 0002 002f 0100")  # TLS 1.0, AES128-SHA
    message = b"\1" + len(hello).to_bytes(3, "big") + hello
    channel.write_inbound(bytes.fromhex("160301") + len(message).to_bytes(2, "big") + message)
    assert "unsupported protocol" in str(diary.error)
    assert channel.outbound[0][:1] == b"\x15"  # an alert says so


# -- when it is done --------------------------------------------------------------------------------


def _is_about_a_broken_record(error: BaseException | None) -> bool:
    """In the words of OpenSSL, of which those after 3.5 have chosen others."""
    reasons = ("decryption failed or bad record mac", "record layer failure")
    return any(f"is broken: {reason}" in str(error) for reason in reasons)


def test_a_record_that_was_tampered_with_ends_the_connection_after_what_came_before_it(
    certificates: Certificates,
) -> None:
    diary = Diary()
    channel, peer = connected(certificates, diary)
    peer.write(b"good")
    good = peer.given()
    peer.write(b"bad")
    bad = bytearray(peer.given())
    bad[-1] ^= 1
    peer.write(b"never seen")
    channel.write_inbound(good + bytes(bad) + peer.given())
    assert diary.received == b"good"
    assert _is_about_a_broken_record(diary.error)
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        peer.take()
    assert not channel.is_open


def test_an_answer_to_what_came_before_a_broken_record_fails_with_the_reason(certificates: Certificates) -> None:
    written: list[Any] = []
    diary = Diary({"read": lambda ctx: written.extend(ctx.channel.write(bytes(size)) for size in (5, 100_000))})
    channel, peer = connected(certificates, diary)
    peer.write(b"good")
    good = peer.given()
    peer.write(b"bad")
    bad = bytearray(peer.given())
    bad[-1] ^= 1
    channel.write_inbound(good + bytes(bad))
    assert diary.received == b"good"
    assert _is_about_a_broken_record(diary.error)
    assert [future.exception() for future in written] == [diary.error] * 2


def test_the_end_of_input_without_close_notify_is_an_error(certificates: Certificates) -> None:
    diary = Diary()
    channel, peer = connected(certificates, diary)
    peer.say(b"all of it?")
    channel.finish_input()
    assert str(diary.error) == "the input of 'test' ended without a close_notify: it may have been cut"
    assert "eof" not in diary.log
    assert not channel.is_open


def test_close_notify_is_the_end_of_input_and_what_follows_it_means_nothing(certificates: Certificates) -> None:
    keeps_open: dict[str, Callable[[Any], object]] = {"eof": lambda ctx: ctx.write(b"goodbye")}
    diary = Diary(keeps_open)
    channel, peer = connected(certificates, diary)
    peer.say(b"that is all").say_goodbye()
    channel.write_inbound(b"\x17\x03\x03\x00\x05hello")
    channel.finish_input()
    assert (diary.received, peer.received) == (b"that is all", b"goodbye")
    assert diary.log.count("eof") == 1
    assert diary.errors == []
    assert channel.is_open  # one half is still ours


def test_when_nobody_keeps_the_end_of_input_the_channel_closes_after_what_was_written(
    certificates: Certificates,
) -> None:
    channel, peer = connected(certificates, Echo())
    peer.write(b"x" * 100_000)
    peer.say_goodbye()
    assert peer.received == b"x" * 100_000
    assert peer.has_ended
    assert not channel.is_open


def test_taking_the_stage_out_closes_the_channel(certificates: Certificates) -> None:
    diary = Diary()
    channel, _ = connected(certificates, diary)
    channel.pipeline.remove(TlsHandler)
    (error,) = diary.errors
    assert isinstance(error, PipelineError)
    assert "everybody could read what followed" in str(error.__cause__)
    assert not channel.is_open


# -- inside itself, and others ----------------------------------------------------------------------


def test_tls_inside_tls(certificates: Certificates) -> None:
    """The inner one shares the buffers of the loop with the outer one."""
    diary = Diary({"eof": lambda ctx: ctx.close()})
    inner = certificates.server("other").handler()
    channel = EmbeddedChannel(certificates.server().handler(), inner, Echo(), diary)
    outer = Peer(channel, certificates.client_context()).talk()

    class Tunnel:
        is_open = True

        def write_inbound(self, data: bytes) -> None:
            outer.say(data)

        def read_outbound(self) -> bytes | None:
            outer.talk()
            data, outer.received = outer.received, b""
            return data or None

    peer = Peer(Tunnel(), certificates.client_context(), server_hostname="other.example")  # type: ignore[arg-type]  # all that Peer needs
    peer.talk()
    for size in (1, 16384, 200_000):
        peer.received = b""
        data = random.Random(size).randbytes(size)
        peer.say(data)
        assert peer.received == data
    peer.say_goodbye()
    assert peer.has_ended
    assert not channel.is_open


def test_a_handler_that_closes_hears_no_more(certificates: Certificates) -> None:
    diary = Diary({"read": lambda ctx: ctx.close()})
    channel, peer = connected(certificates, diary)
    peer.write(b"a" * 200_000)
    channel.write_inbound(peer.given())
    peer.talk()
    assert len(diary.received) <= 65536 + 16384
    assert diary.log.count("read") == 1
    assert peer.has_ended
    with pytest.raises(ChannelClosedError):
        channel.write(b"late").result()


def test_impossible_settings_are_refused(certificates: Certificates) -> None:
    server, client = certificates.server_context(), certificates.client_context()
    with pytest.raises(ValueError, match="is for clients"):
        TlsHandler(server, server_hostname="localhost")
    with pytest.raises(ValueError, match="needs server_hostname="):
        TlsHandler(client)
    with pytest.raises(ValueError, match="handshake_timeout"):
        TlsHandler(server, handshake_timeout=0)
    with pytest.raises(ValueError, match="close_notify_timeout"):
        TlsHandler(server, close_notify_timeout=float("nan"))


def test_a_name_that_openssl_does_not_take_is_a_tls_error(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.client().handler(".example"), diary)
    assert "cannot begin" in str(diary.error)
    assert not channel.is_open


def test_it_does_not_run_on_a_pool(certificates: Certificates) -> None:
    diary = Diary()
    pool = WorkerPool(1)
    try:
        channel = EmbeddedChannel(diary)
        channel.pipeline.add_first(certificates.server().handler(), executor=pool)
        deadline = time.monotonic() + 10
        while not diary.errors and time.monotonic() < deadline:
            channel.run_pending()
        (error,) = diary.errors
        assert "cannot run on a pool" in str(error.__cause__)
        assert list(channel.pipeline) == [diary]
    finally:
        pool.release()
