"""ClientTls and ServerTls: files, names, and new certificates while the server runs."""

from __future__ import annotations

import gc
import math
import os
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import TlsError
from pipeline_net.handlers import ANYBODY_MAY_POSE_AS_THE_SERVER, ClientTls, ServerTls, TlsHandler, TlsSessions
from pipeline_net.handlers.tls_context import as_client_tls, as_server_tls
from pipeline_net.testing import EmbeddedChannel

from .conftest import Certificates, Diary, Peer


def _shown_by(tls: ServerTls, certificates: Certificates, name: str) -> list[str]:
    """The DNS names of the certificate that a client sees who asks for ``name``."""
    context = certificates.client_context()
    context.check_hostname = False
    peer = Peer(EmbeddedChannel(tls.handler(), Diary()), context, server_hostname=name).talk()
    identity: Any = peer.tls.getpeercert()
    return [value for kind, value in identity["subjectAltName"] if kind == "DNS"]


def test_a_client_gets_the_certificate_for_the_name_it_asks_for(certificates: Certificates) -> None:
    other = (certificates["other.pem"], certificates["other.key"])
    tls = certificates.server(names={"Other.example": other, "*.wild.example": other})
    for name, shown in (
        ("localhost", ["localhost"]),
        ("other.example", ["other.example", "*.wild.example"]),
        ("OTHER.example", ["other.example", "*.wild.example"]),
        ("a.wild.example", ["other.example", "*.wild.example"]),
        ("a.b.wild.example", ["localhost"]),
        ("wild.example", ["localhost"]),
        ("unknown.example", ["localhost"]),
    ):
        assert _shown_by(tls, certificates, name) == shown, name


def test_the_name_that_was_asked_for_is_known_afterwards(certificates: Certificates) -> None:
    other = (certificates["other.pem"], certificates["other.key"])
    for tls in (certificates.server(), certificates.server(names={"other.example": other})):
        channel = EmbeddedChannel(tls.handler(), Diary())
        context = certificates.client_context()
        Peer(channel, context, server_hostname="localhost").talk()
        assert channel.pipeline.get(TlsHandler).facts.server_name == "localhost"


@pytest.mark.parametrize("name", ["", "*", "*.", "a.*.example", "bücher.example"])
def test_a_name_that_no_client_asks_for_is_refused(certificates: Certificates, name: str) -> None:
    with pytest.raises(ValueError, match=r"name|xn--"):
        certificates.server(names={name: (certificates["other.pem"], certificates["other.key"])})


def test_new_certificates_are_for_new_connections_and_broken_ones_for_nobody(
    certificates: Certificates, tmp_path: Path
) -> None:
    pem, key = tmp_path / "now.pem", tmp_path / "now.key"

    def install(name: str) -> None:
        shutil.copy(certificates[f"{name}.pem"], pem)
        shutil.copy(certificates[f"{name}.key"], key)

    install("localhost")
    tls = ServerTls(pem, key)
    old = EmbeddedChannel(tls.handler(), Diary())
    peer = Peer(old, certificates.client_context()).talk()
    assert not tls.reload_if_changed()
    install("other")
    assert _shown_by(tls, certificates, "localhost") == ["localhost"]
    assert tls.reload_if_changed()
    assert _shown_by(tls, certificates, "localhost")[0] == "other.example"
    peer.say(b"goes on")
    assert peer.is_connected

    shutil.copy(certificates["localhost.pem"], pem)  # without its key
    for _ in range(2):
        with pytest.raises(TlsError, match="belongs to another certificate"):
            tls.reload_if_changed()
    pem.write_text("garbage")
    with pytest.raises(TlsError, match=r"now\.pem"):
        tls.reload()
    os.unlink(pem)
    with pytest.raises(TlsError, match="no such file"):
        tls.reload_if_changed()
    assert _shown_by(tls, certificates, "localhost")[0] == "other.example"
    install("localhost")
    tls.reload()
    assert _shown_by(tls, certificates, "localhost") == ["localhost"]


def test_files_that_cannot_be_used_are_named(certificates: Certificates, tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"cannot use .*missing\.pem for TLS: no such file"):
        ServerTls(tmp_path / "missing.pem")
    with pytest.raises(TlsError, match=r"missing\.key"):
        ServerTls(certificates["localhost.pem"], tmp_path / "missing.key")
    with pytest.raises(TlsError, match=r"missing\.pem"):
        ClientTls(ca=tmp_path / "missing.pem")
    nowhere = tmp_path / "missing" / "secrets"
    with pytest.raises(TlsError, match=r"cannot use .*secrets for TLS: no such file"):
        ClientTls(key_log=nowhere)
    with pytest.raises(TlsError, match=r"cannot use .*secrets for TLS: no such file"):
        certificates.server(key_log=nowhere)
    with pytest.raises(TlsError, match="the key belongs to another certificate"):
        ServerTls(certificates["localhost.pem"], certificates["other.key"])
    with pytest.raises(TlsError, match="a certificate and its private key, in PEM form, are not both in there"):
        ServerTls(certificates["localhost.key"])
    with pytest.raises(ValueError, match="of no use"):
        ClientTls(key=certificates["client.key"])


def test_a_key_with_a_password_does_not_ask_for_it_on_the_terminal(certificates: Certificates, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-in", certificates["localhost.key"], "-aes256", "-passout", "pass:open", "-out", locked],
        capture_output=True,
        timeout=30,
        check=True,
    )
    with pytest.raises(TlsError, match="no password= was given"):
        ServerTls(certificates["localhost.pem"], locked)
    with pytest.raises(TlsError):
        ServerTls(certificates["localhost.pem"], locked, password="wrong")
    tls = ServerTls(certificates["localhost.pem"], locked, password=lambda: "open")
    assert _shown_by(tls, certificates, "localhost") == ["localhost"]


def test_certificate_and_key_may_be_in_one_file(certificates: Certificates, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text((certificates.folder / "localhost.key").read_text())
    with both.open("a") as file:
        file.write((certificates.folder / "localhost.pem").read_text())
    assert _shown_by(ServerTls(both), certificates, "localhost") == ["localhost"]
    assert as_server_tls(str(both)).context is not None


def test_optional_client_certificates(certificates: Certificates) -> None:
    tls = certificates.server(client_ca=certificates["ca.pem"], client_certificate="optional")
    names = []
    for shows in (True, False):
        context = certificates.client_context()
        if shows:
            context.load_cert_chain(certificates["client.pem"], certificates["client.key"])
        channel = EmbeddedChannel(tls.handler(), Diary())
        Peer(channel, context).talk()
        names.append(channel.pipeline.get(TlsHandler).facts.peer_names)
    assert names == [["client", "client"], []]


def test_a_client_shows_its_certificate(certificates: Certificates) -> None:
    tls = certificates.client(certificate=certificates["client.pem"], key=certificates["client.key"])
    server = certificates.server(client_ca=certificates["ca.pem"])
    channel = EmbeddedChannel(tls.handler("localhost"), Diary())
    peer = Peer(channel, server.context).talk()
    identity: Any = peer.tls.getpeercert()
    assert identity["subject"] == ((("commonName", "client"),),)


def test_secrets_can_be_logged(certificates: Certificates, tmp_path: Path) -> None:
    for side in ("client", "server"):
        log = tmp_path / side
        if side == "server":
            channel = EmbeddedChannel(certificates.server(key_log=log).handler(), Diary())
            Peer(channel, certificates.client_context()).talk()
        else:
            channel = EmbeddedChannel(certificates.client(key_log=log).handler("localhost"), Diary())
            Peer(channel, certificates.server_context()).talk()
        assert "CLIENT_TRAFFIC_SECRET_0 " in log.read_text()
        del channel
        gc.collect()  # a context closes its log when it goes


def test_the_defaults_are_the_safe_ones(certificates: Certificates) -> None:
    for context in (certificates.server().context, certificates.client().context):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_COMPRESSION
        TlsHandler(context, server_hostname=None if context.protocol == ssl.PROTOCOL_TLS_SERVER else "x")
        assert context.options & ssl.OP_NO_RENEGOTIATION
    client = ClientTls().context
    assert (client.verify_mode, client.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert ClientTls(minimum_version=ssl.TLSVersion.TLSv1_3).context.minimum_version == ssl.TLSVersion.TLSv1_3


def test_the_host_of_an_address_becomes_the_expected_name(certificates: Certificates) -> None:
    tls = certificates.client()
    for host, name in (("localhost.", "localhost"), ("fe80::1%eth0", "fe80::1")):
        assert tls.handler(host)._server_hostname == name
    assert certificates.client(server_hostname="a.example").handler("b.example")._server_hostname == "a.example"


def test_sessions_are_bounded() -> None:
    sessions = TlsSessions(2)
    for name in "abca":
        sessions[name] = name  # type: ignore[assignment]  # anything does
    assert list(sessions) == ["c", "a"]
    assert len(sessions) == 2


def test_contexts_of_the_wrong_side_and_other_mistakes_are_refused(certificates: Certificates) -> None:
    server, client = certificates.server_context(), certificates.client_context()
    for wrong in (
        lambda: ClientTls(context=server),
        lambda: ServerTls(context=client),
        lambda: ServerTls(),
        lambda: ServerTls(certificates["localhost.pem"], context=server),
        lambda: certificates.server(client_certificate="maybe"),
        lambda: certificates.server(alpn="h2"),
    ):
        with pytest.raises(ValueError, match=r".+"):
            wrong()


def test_what_a_context_of_ones_own_should_have_is_not_asked_for_beside_it(certificates: Certificates) -> None:
    """Whoever gives a context and client_ca= believes that nobody comes in without a certificate."""
    server, client = certificates.server_context(), certificates.client_context()
    pem, key = certificates["localhost.pem"], certificates["localhost.key"]
    beside_a_servers: list[dict[str, Any]] = [
        {"key": key},
        {"password": "x"},
        {"names": {"other.example": (pem, key)}},
        {"client_ca": pem},
        {"client_certificate": "optional"},
        {"alpn": ["h2"]},
        {"minimum_version": ssl.TLSVersion.TLSv1_3},
        {"key_log": "secrets"},
    ]
    for argument in beside_a_servers:
        with pytest.raises(ValueError, match=f"context= is used as it is, and {next(iter(argument))}= would have no"):
            ServerTls(context=server, **argument)
    beside_a_clients: list[dict[str, Any]] = [
        {"ca": pem},
        {"certificate": pem},
        {"key": key},
        {"password": "x"},
        {"alpn": ["h2"]},
        {"verify": ANYBODY_MAY_POSE_AS_THE_SERVER},
        {"minimum_version": ssl.TLSVersion.TLSv1_3},
        {"key_log": "secrets"},
    ]
    for argument in beside_a_clients:
        with pytest.raises(ValueError, match=f"context= is used as it is, and {next(iter(argument))}= would have no"):
            ClientTls(context=client, **argument)


@pytest.mark.parametrize("times", [{"handshake_timeout": math.nan}, {"close_notify_timeout": -1}])
def test_times_that_are_none_are_refused_before_anybody_comes(certificates: Certificates, times: Any) -> None:
    with pytest.raises(ValueError, match="handshake_timeout must be more than 0"):
        ServerTls(context=certificates.server_context(), **times)
    with pytest.raises(ValueError, match="handshake_timeout must be more than 0"):
        ClientTls(**times)


@pytest.mark.parametrize("alpn", [[""], ["x" * 256], [b"h2"], [2], ["ä"]])
def test_a_protocol_that_has_no_name_is_refused(alpn: Any) -> None:
    with pytest.raises(ValueError, match="alpn= is a list of ASCII names of 1 to 255 characters"):
        ClientTls(alpn=alpn)


def test_what_tls_may_be_in_a_bootstrap(certificates: Certificates) -> None:
    server = certificates.server()
    assert as_server_tls(server) is server
    context = certificates.server_context()
    assert as_server_tls(context).context is context
    as_server_tls(context).reload()  # somebody else's: nothing to read again
    assert as_server_tls((certificates["localhost.pem"], certificates["localhost.key"])).context is not None
    client = certificates.client()
    assert as_client_tls(client) is client
    assert as_client_tls(None).context.check_hostname
    assert as_client_tls(client.context).context is client.context
    for wrong in (7, ("a", "b", "c"), ("a", 7), True):
        with pytest.raises(TypeError, match="tls= of a server"):
            as_server_tls(wrong)  # type: ignore[arg-type]  # the point of this test
        with pytest.raises(TypeError, match="tls= of a client"):
            as_client_tls(wrong)  # type: ignore[arg-type]  # the point of this test
