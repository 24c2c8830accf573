"""TLS with ``auto_read`` off: the handshake reads what it needs, and the application gets what it asks for."""

from __future__ import annotations

from pipeline_net import ChannelOptions
from pipeline_net.handlers import TlsHandler
from pipeline_net.testing import EmbeddedChannel

from .conftest import VERSIONS, Certificates, Diary, Peer


def test_without_auto_read_the_handshake_gets_what_it_needs_and_the_application_only_what_it_asks_for(
    certificates: Certificates,
) -> None:
    diary = Diary()
    handler = TlsHandler(certificates.server_context(maximum_version=VERSIONS[0]))
    channel = EmbeddedChannel(handler, diary, options=ChannelOptions(auto_read=False))
    peer = Peer(channel, certificates.client_context())
    assert channel.wants_to_read
    peer.talk()
    assert peer.is_connected
    peer.say(b"early")
    assert diary.received == b""
    channel.pipeline.read()
    channel.run_pending()
    assert diary.received == b"early"
    peer.say(b"late")
    assert diary.received == b"early"
    channel.auto_read = True
    channel.run_pending()
    assert diary.received == b"earlylate"


def test_what_comes_together_with_the_end_of_the_handshake_waits_until_somebody_reads(
    certificates: Certificates,
) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.server().handler(), diary, options=ChannelOptions(auto_read=False))
    peer = Peer(channel, certificates.client_context())
    peer.begin()
    channel.write_inbound(peer.given())
    peer.take()
    peer.write(b"early data")
    channel.write_inbound(peer.given())
    channel.finish_input()
    assert (diary.log[-1], diary.received) == ("complete", b"")
    channel.pipeline.read()
    channel.run_pending()
    assert diary.received == b"early data"
    assert "without a close_notify" in str(diary.error)


def test_a_read_that_brings_only_part_of_a_record_asks_for_more(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.server().handler(), diary, options=ChannelOptions(auto_read=False))
    peer = Peer(channel, certificates.client_context()).talk()
    channel.pipeline.read()
    peer.write(b"whole")
    record = peer.given()
    channel.write_inbound(record[:10])
    assert channel.wants_to_read
    channel.write_inbound(record[10:])
    assert diary.received == b"whole"
    assert not channel.wants_to_read
