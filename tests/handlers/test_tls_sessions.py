"""One session is read for each connection; where reading leaks, one as long as the server takes it."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from pipeline_net.handlers import tls_sessions
from pipeline_net.testing import EmbeddedChannel

from .conftest import VERSIONS, Certificates, Diary, Peer

_reads: list[object] = []


def _read(tls: Any) -> Any:
    _reads.append(tls)
    return tls._sslobj.session


def _write(tls: Any, session: Any) -> None:
    tls._sslobj.session = session


Counted: Any = type("Counted", (ssl.SSLObject,), {"session": property(_read, _write)})
"""Counts how often its session is read."""


def _connect(tls: Any, server: ssl.SSLContext) -> bool:
    channel = EmbeddedChannel(tls.handler("localhost"), Diary())
    peer = Peer(channel, server).talk()
    peer.say(b"the ticket of TLS 1.3 has come before this")
    resumed = bool(peer.tls.session_reused)
    peer.say_goodbye()
    channel.close()
    channel.run_pending()
    return resumed


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize(("leaks", "reads"), [(False, [1, 2, 3, 4]), (True, [1, 1, 1, 1])])
def test_where_reading_a_session_leaks_it_is_read_once(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, version: Any, leaks: bool, reads: list[int]
) -> None:
    monkeypatch.setattr(tls_sessions, "READING_LEAKS", leaks)
    tls = certificates.client()
    tls.context.maximum_version = version
    tls.context.sslobject_class = Counted
    server = certificates.server_context()
    _reads.clear()
    found = [(_connect(tls, server), len(_reads)) for _ in range(4)]
    assert found == list(zip([False, True, True, True], reads, strict=True))


def test_a_session_that_the_server_takes_no_more_is_exchanged(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_sessions, "READING_LEAKS", True)
    tls = certificates.client()
    before, after = certificates.server_context(), certificates.server_context()
    assert [_connect(tls, before), _connect(tls, before)] == [False, True]
    old = tls.sessions["localhost"]
    assert [_connect(tls, after), _connect(tls, after)] == [False, True]
    assert tls.sessions["localhost"] is not old


def test_a_session_with_which_the_handshake_fails_is_not_offered_again(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_sessions, "READING_LEAKS", True)
    tls = certificates.client()
    _connect(tls, certificates.server_context())
    assert list(tls.sessions) == ["localhost"]
    channel = EmbeddedChannel(tls.handler("localhost"), Diary())
    channel.write_inbound(b"\x15\x03\x03\x00\x02\x02\x28")  # an alert: handshake_failure
    channel.close()
    channel.run_pending()
    assert list(tls.sessions) == []
