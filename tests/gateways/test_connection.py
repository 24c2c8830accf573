"""What all requests of a connection share."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.http import Request
from pipeline_net.codecs.http.proxies import TrustedProxies
from pipeline_net.gateways.connection import Connection, check_root_path, forwarded, path_of
from pipeline_net.testing import EmbeddedChannel


@pytest.mark.parametrize(
    ("local", "remote", "server", "client"),
    [
        (("127.0.0.1", 80), ("10.0.0.1", 5), ("127.0.0.1", 80), ("10.0.0.1", 5)),
        (("::1", 80, 0, 0), ("::2", 5, 0, 0), ("::1", 80), ("::2", 5)),
        ("/run/app.sock", "", ("/run/app.sock", None), None),
        (b"\0name", "", ("@name", None), None),
        (None, None, None, None),
    ],
)
def test_who_talks_to_whom(local: Any, remote: Any, server: Any, client: Any) -> None:
    channel = EmbeddedChannel(local_address=local, remote_address=remote)
    connection = Connection(channel, "http", TrustedProxies())
    assert (connection.server, connection.client, connection.trusted) == (server, client, False)
    assert Connection(channel, "http", TrustedProxies("*")).trusted


def test_what_a_trusted_peer_says() -> None:
    proxies = TrustedProxies("10.0.0.0/8")
    request = Request("GET", "/", [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")])
    assert forwarded(request, ("10.0.0.1", 5), "http", proxies) == (("192.0.2.1", 0), "https")
    assert forwarded(Request("GET", "/", []), ("10.0.0.1", 5), "http", proxies) == (("10.0.0.1", 5), "http")


@pytest.mark.parametrize(
    ("target", "path"),
    [(b"http://x/a/b", b"/a/b"), (b"http://x", b"/"), (b"*", b"*"), (b"x:80", b"x:80"), (b"http://x//", b"//")],
)
def test_the_path_of_a_target_that_is_none(target: bytes, path: bytes) -> None:
    assert path_of(target) == path


@pytest.mark.parametrize("path", ["api", "/api/", "/"])
def test_a_root_path_that_cannot_stand_in_front_of_others(path: str) -> None:
    with pytest.raises(ValueError, match="begins with a slash"):
        check_root_path(path)
    check_root_path("")
    check_root_path("/api")
