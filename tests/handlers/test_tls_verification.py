"""Nobody talks to a stranger by accident."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from pipeline_net.handlers import ANYBODY_MAY_POSE_AS_THE_SERVER, ClientTls, TlsHandler
from pipeline_net.handlers.tls_verification import check_client_context, is_server_context
from pipeline_net.testing import EmbeddedChannel

from .conftest import Certificates, Diary, Peer


def _client(**settings: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def test_a_context_says_which_side_it_is() -> None:
    assert is_server_context(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert not is_server_context(_client())
    for impossible in (None, "server", ssl.SSLContext):
        with pytest.raises(ValueError, match="PROTOCOL_TLS_CLIENT"):
            is_server_context(impossible)  # type: ignore[arg-type]  # the point of this test


def test_a_context_that_verifies_passes() -> None:
    check_client_context(ssl.create_default_context(), "example.org")
    check_client_context(_client(), "example.org")


@pytest.mark.parametrize("name", [None, ""])
def test_the_expected_name_must_be_said(name: str | None) -> None:
    with pytest.raises(ValueError, match="needs server_hostname="):
        check_client_context(_client(), name)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"check_hostname": False}, "the server's name"),
        ({"check_hostname": False, "verify_mode": ssl.CERT_NONE}, "who the server is"),
        ({"check_hostname": False, "verify_mode": ssl.CERT_OPTIONAL}, "who the server is"),
    ],
)
def test_a_context_that_does_not_is_refused(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=f"does not verify {what}, so anybody could pose"):
        TlsHandler(_client(**settings), server_hostname="example.org")


@pytest.mark.parametrize("word", [False, None, 0, "", "none", ssl.CERT_NONE, "anybody may pose as the server"])
def test_no_word_that_slips_from_the_fingers_switches_verification_off(word: Any) -> None:
    with pytest.raises(ValueError, match="ANYBODY_MAY_POSE_AS_THE_SERVER"):
        ClientTls(verify=word)


def test_the_word_that_does(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(ClientTls(verify=ANYBODY_MAY_POSE_AS_THE_SERVER).handler(), diary)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificates["stranger.pem"], certificates["stranger.key"])
    Peer(channel, server).talk().say(b"trust me")
    assert diary.received == b"trust me"
    assert channel.pipeline.get(TlsHandler).facts.peer_certificate is not None
