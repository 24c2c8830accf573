"""What the event says, read from the object that shook hands."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.handlers import TlsHandler
from pipeline_net.handlers.tls_facts import TlsHandshakeDone
from pipeline_net.testing import EmbeddedChannel

from .conftest import VERSIONS, Certificates, Diary, Peer, connected


def _facts(channel: EmbeddedChannel) -> TlsHandshakeDone:
    facts: TlsHandshakeDone | None = channel.pipeline.get(TlsHandler).facts
    assert facts is not None
    return facts


def test_there_are_none_before_the_handshake_is_done(certificates: Certificates) -> None:
    channel = EmbeddedChannel(certificates.server().handler())
    assert channel.pipeline.get(TlsHandler).facts is None


def test_a_peer_without_a_certificate_has_no_identity(certificates: Certificates) -> None:
    channel, _ = connected(certificates)
    facts = _facts(channel)
    assert (facts.peer_certificate, facts.peer_identity, facts.peer_names, facts.alpn) == (None, {}, [], None)
    assert repr(facts).startswith("TlsHandshakeDone(TLSv1.3, ")


def test_the_names_of_a_server(certificates: Certificates) -> None:
    channel = EmbeddedChannel(certificates.client().handler("127.0.0.1"), Diary())
    Peer(channel, certificates.server_context()).talk()
    facts = _facts(channel)
    assert facts.peer_names == ["localhost", "localhost", "127.0.0.1"]
    assert facts.server_name == "127.0.0.1"
    assert facts.peer_identity["issuer"] == ((("commonName", "Test CA"),),)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_session_is_resumed(certificates: Certificates, version: Any) -> None:
    tls = certificates.client()
    tls.context.maximum_version = version
    server = certificates.server_context()
    resumed = []
    for _ in range(3):
        channel = EmbeddedChannel(tls.handler("localhost"), Diary())
        peer = Peer(channel, server).talk()
        peer.say(b"the ticket of TLS 1.3 has come before this")
        resumed.append(_facts(channel).is_resumed)
        peer.say_goodbye()
        channel.close()
        channel.run_pending()
        assert list(tls.sessions) == ["localhost"]
    assert resumed == [False, True, True]


def test_both_ends_know_the_same_channel_binding(certificates: Certificates) -> None:
    handler = TlsHandler(certificates.server_context(maximum_version=VERSIONS[0]))
    channel, peer = connected(certificates, handler=handler)
    binding = _facts(channel).channel_binding()
    assert binding is not None
    assert binding == peer.tls.get_channel_binding()
