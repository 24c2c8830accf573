"""What a handshake must say, on both sides: RFC 6455, section 4."""

from __future__ import annotations

import base64

import pytest

from pipeline_net.codecs.http import FullResponse, Headers, HttpRequestDecoder, Request, Response
from pipeline_net.codecs.websocket.handshake import (
    HandshakeComplete,
    HandshakeError,
    accept_key,
    check_answer,
    check_extra,
    check_request,
    is_handshake,
    make_key,
    switching,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

GOOD = {
    "Host": "a",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def request(changes: dict[str, str | list[str] | None] | None = None, line: str = "GET /chat HTTP/1.1") -> Request:
    """A request as a decoder makes it; ``None`` leaves a header out, a list repeats it."""
    lines = [line]
    for name, value in ({**GOOD, **(changes or {})}).items():
        lines += [f"{name}: {one}" for one in ([] if value is None else [value] if isinstance(value, str) else value)]
    parts = HttpRequestDecoder().feed("\r\n".join([*lines, "", ""]).encode("latin-1"))
    assert isinstance(parts[0], Request)
    return parts[0]


def test_the_sample_of_the_rfc() -> None:
    assert accept_key(KEY.encode()) == ACCEPT.encode()


def test_keys_are_sixteen_random_bytes() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(base64.b64decode(key, validate=True)) for key in keys} == {16}


def test_a_proper_request_is_an_offer() -> None:
    offer = check_request(
        request(
            {
                "Sec-WebSocket-Protocol": ["chat, superchat", "other"],
                "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
                "Origin": "https://example.org",
            }
        )
    )
    assert repr(offer) == (
        "<Offer subprotocols=['chat', 'superchat', 'other'] extensions=[('permessage-deflate',"
        " [('client_max_window_bits', None)])] origin='https://example.org'>"
    )
    assert offer.key == KEY.encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": ["keep-alive", "UPGRADE"]},
        {"Content-Length": "0"},
    ],
)
def test_what_clients_may_spell_differently(changes: dict[str, str | list[str] | None]) -> None:
    assert is_handshake(request(changes))
    check_request(request(changes))


_BAD: list[tuple[dict[str, str | list[str] | None], int, str]] = [
    ({"Upgrade": None}, 426, "Upgrade: websocket"),
    ({"Connection": None}, 426, "Upgrade: websocket"),
    ({"Connection": "close"}, 426, "Upgrade: websocket"),
    ({"Upgrade": "h2c"}, 426, "Upgrade: websocket"),
    ({"Sec-WebSocket-Version": "8"}, 426, "version 13"),
    ({"Sec-WebSocket-Version": "13, 8"}, 426, "version 13"),
    ({"Sec-WebSocket-Version": None}, 400, "one Sec-Websocket-Version, not 0"),
    ({"Sec-WebSocket-Version": ["13", "13"]}, 400, "not 2"),
    ({"Sec-WebSocket-Key": None}, 400, "one Sec-Websocket-Key, not 0"),
    ({"Sec-WebSocket-Key": [KEY, KEY]}, 400, "not 2"),
    ({"Sec-WebSocket-Key": base64.b64encode(b"x" * 15).decode()}, 400, "16 bytes"),
    ({"Sec-WebSocket-Key": base64.b64encode(b"x" * 17).decode()}, 400, "16 bytes"),
    ({"Sec-WebSocket-Key": "not base64 at all!!"}, 400, "16 bytes"),
    ({"Sec-WebSocket-Key": "\xff" * 24}, 400, "16 bytes"),
    ({"Sec-WebSocket-Protocol": "chat, chat"}, 400, "twice"),
    ({"Sec-WebSocket-Protocol": "no token"}, 400, "a subprotocol is a token"),
    ({"Sec-WebSocket-Extensions": "a=b"}, 400, "wants a comma"),
    ({"Origin": ["https://a", "https://b"]}, 400, "one Origin"),
    ({"Content-Length": "5"}, 400, "no body"),
]


@pytest.mark.parametrize(("changes", "status", "why"), _BAD)
def test_what_is_refused(changes: dict[str, str | list[str] | None], status: int, why: str) -> None:
    with pytest.raises(HandshakeError, match=why) as caught:
        check_request(request(changes))
    assert caught.value.status == status
    response = caught.value.response()
    assert response.status == status
    assert response.headers.has_token("connection", "close")
    if status == 426:
        assert response.headers["upgrade"] == "websocket"
        assert response.headers.has_token("connection", "upgrade")
    if "version 13" in why:
        assert response.headers["sec-websocket-version"] == "13"


def test_a_handshake_is_a_get() -> None:
    with pytest.raises(HandshakeError, match="not a POST") as caught:
        check_request(request({"Content-Length": "0"}, "POST / HTTP/1.1"))
    assert caught.value.response().headers["allow"] == "GET"


def test_http_1_0_has_no_upgrade() -> None:
    with pytest.raises(HandshakeError) as caught:
        check_request(request({}, "GET / HTTP/1.0"))
    assert caught.value.status == 426


def test_the_answer() -> None:
    answer = switching(KEY.encode(), "chat", "permessage-deflate", Headers({"set-cookie": "a=b"}))
    assert answer == FullResponse(
        101,
        {
            "upgrade": "websocket",
            "connection": "upgrade",
            "sec-websocket-accept": ACCEPT,
            "sec-websocket-protocol": "chat",
            "sec-websocket-extensions": "permessage-deflate",
            "set-cookie": "a=b",
        },
    )


@pytest.mark.parametrize("name", ["Upgrade", "Sec-WebSocket-Accept", "sec-websocket-protocol", "Content-Length"])
def test_a_program_leaves_the_handshakes_own_headers_alone(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name.lower()} is the handshake's own"):
        check_extra(Headers({name: "1"}))


ANSWER = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}


def test_a_proper_answer() -> None:
    assert check_answer(Response(101, ANSWER), KEY.encode(), ()) is None
    spelled = {**ANSWER, "Upgrade": "WebSocket", "Connection": "keep-alive, upgrade", "Sec-WebSocket-Protocol": "b"}
    assert check_answer(Response(101, spelled), KEY.encode(), ("a", "b")) == "b"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([(name, value) for name, value in ANSWER.items() if name != "Upgrade"], "Upgrade is None"),
        ([*ANSWER.items(), ("Upgrade", "websocket")], "Upgrade is 'websocket, websocket'"),
        ([(name, value) for name, value in ANSWER.items() if name != "Connection"], "Connection is None"),
        ([(name, value) for name, value in ANSWER.items() if "Accept" not in name], "Accept is \\[\\]"),
        ([(name, value.lower()) for name, value in ANSWER.items()], "does not answer our key"),
        ([*ANSWER.items(), ("Sec-WebSocket-Accept", ACCEPT)], "does not answer our key"),
        ([*ANSWER.items(), ("Sec-WebSocket-Protocol", "c")], "subprotocol 'c' of \\['a', 'b'\\]"),
        ([*ANSWER.items(), ("Sec-WebSocket-Protocol", "a, b")], "subprotocol"),
        ([*ANSWER.items(), ("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")], "subprotocol"),
    ],
)
def test_an_answer_that_a_client_does_not_trust(lines: list[tuple[str, str]], why: str) -> None:
    with pytest.raises(HandshakeError, match=why) as caught:
        check_answer(Response(101, lines), KEY.encode(), ("a", "b"))
    assert caught.value.status == 101


def test_how_it_looks_to_an_application() -> None:
    complete = HandshakeComplete("/a/b?c=d?e", Headers(), "chat", ("permessage-deflate",))
    assert (complete.path, complete.query) == ("/a/b", "c=d?e")
    assert repr(complete) == ("HandshakeComplete('/a/b?c=d?e', subprotocol='chat', extensions=('permessage-deflate',))")
    assert repr(HandshakeComplete("/", Headers())) == "HandshakeComplete('/')"


def test_an_error_without_a_status_is_answered_with_400() -> None:
    error = HandshakeError("why")
    assert (error.status, error.body, error.response().status) == (None, b"", 400)
    assert error.response().body == b"why\n"
