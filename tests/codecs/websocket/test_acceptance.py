"""Whom a server lets in, and what it chooses."""

from __future__ import annotations

import pytest

from pipeline_net import EncodeError
from pipeline_net.codecs.websocket import Deflate, HandshakeError
from pipeline_net.codecs.websocket.acceptance import Acceptance, agree

from .test_handshake import request


@pytest.mark.parametrize(
    ("host", "origin", "is_welcome"),
    [
        ("example.org", None, True),
        ("example.org", "https://example.org", True),
        ("example.org", "http://example.org", True),  # a proxy may speak TLS for us
        ("EXAMPLE.org", "https://example.ORG", True),
        ("example.org:8080", "http://example.org:8080", True),
        ("example.org:443", "https://example.org", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("example.org:8080", "http://example.org", False),
        ("example.org", "http://example.org:8080", False),
        ("example.org", "https://evil.org", False),
        ("example.org", "https://example.org.evil.org", False),
        ("example.org", "https://notexample.org", False),
        ("example.org", "null", False),
        ("example.org", "", False),
        ("example.org", "https://[", False),
        ("example.org", "https://example.org:x", False),
    ],
)
def test_pages_of_the_same_host_are_welcome_and_others_are_not(host: str, origin: str | None, is_welcome: bool) -> None:
    handshake = request({"Host": host, "Origin": origin})
    if is_welcome:
        Acceptance().consider(handshake)
        return
    with pytest.raises(HandshakeError, match="may not connect here") as caught:
        Acceptance().consider(handshake)
    assert caught.value.status == 403


def test_origins_that_are_named() -> None:
    acceptance = Acceptance(origins=["https://Example.org"])
    acceptance.consider(request({"Origin": "https://example.org"}))
    acceptance.consider(request())
    with pytest.raises(HandshakeError):
        acceptance.consider(request({"Host": "other.org", "Origin": "https://other.org"}))
    Acceptance(origins=["*"]).consider(request({"Origin": "https://evil.org"}))
    Acceptance(origins=["null"]).consider(request({"Origin": "null"}))


def test_a_function_decides_about_everybody() -> None:
    seen = []

    def allow(origin: str | None, asked: object) -> bool:
        seen.append(origin)
        return origin is not None

    acceptance = Acceptance(origins=allow)
    acceptance.consider(request({"Origin": "null"}))
    with pytest.raises(HandshakeError):
        acceptance.consider(request())
    assert seen == ["null", None]


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://example.org/a", "https://"])
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(ValueError, match="an origin is scheme://host"):
        Acceptance(origins=[origin])


def test_a_text_is_no_list() -> None:
    with pytest.raises(ValueError, match="origins are a list"):
        Acceptance(origins="https://example.org")
    with pytest.raises(ValueError, match="subprotocols are a list"):
        Acceptance(subprotocols="chat")


@pytest.mark.parametrize(("ours", "chosen"), [((), None), (("b", "a"), "b"), (("c",), None), (("c", "a"), "a")])
def test_the_servers_preference_counts(ours: tuple[str, ...], chosen: str | None) -> None:
    handshake = request({"Sec-WebSocket-Protocol": "a, b"})
    acceptance = Acceptance(subprotocols=ours)
    accepted = acceptance.accept(handshake, acceptance.consider(handshake))
    assert accepted.complete.subprotocol == chosen
    assert accepted.response.headers.get("sec-websocket-protocol") == chosen


def test_a_function_chooses_the_subprotocol() -> None:
    handshake = request({"Sec-WebSocket-Protocol": "a, b"})
    acceptance = Acceptance(subprotocols=lambda asked, offered: offered[-1])
    assert acceptance.accept(handshake, acceptance.consider(handshake)).complete.subprotocol == "b"
    careless = Acceptance(subprotocols=lambda asked, offered: "mine")
    with pytest.raises(ValueError, match="'mine' was not offered"):
        careless.accept(handshake, careless.consider(handshake))


def test_what_is_compressed() -> None:
    handshake = request({"Sec-WebSocket-Extensions": "permessage-deflate"})
    acceptance = Acceptance(deflate=Deflate())
    accepted = acceptance.accept(handshake, acceptance.consider(handshake))
    assert accepted.deflate is not None
    assert accepted.complete.extensions == ("permessage-deflate; server_max_window_bits=12",)
    plain = Acceptance().accept(handshake, Acceptance().consider(handshake))
    assert plain.deflate is None
    assert "sec-websocket-extensions" not in plain.response.headers


def test_more_headers() -> None:
    handshake = request()
    for headers in ({"set-cookie": "a=b"}, lambda asked: {"set-cookie": "a=b"}):
        acceptance = Acceptance(headers=headers)
        accepted = acceptance.accept(handshake, acceptance.consider(handshake))
        assert accepted.response.headers["set-cookie"] == "a=b"
    silent = Acceptance(headers=lambda asked: None)
    silent.accept(handshake, silent.consider(handshake))
    with pytest.raises(ValueError, match="own header"):
        Acceptance(headers={"upgrade": "x"})
    with pytest.raises(EncodeError, match="control character"):
        agree(handshake, Acceptance().consider(handshake), None, Acceptance(headers={"a": "b\n"})._headers)  # type: ignore[arg-type]  # it raises before


@pytest.mark.parametrize("names", [["a b"], ["a", "a"], [""]])
def test_subprotocols_that_cannot_be_named(names: list[str]) -> None:
    with pytest.raises(ValueError, match="subprotocol"):
        Acceptance(subprotocols=names)
