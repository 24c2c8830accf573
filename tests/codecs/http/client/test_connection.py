"""What makes a connection fit for the next request, and what ends it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pipeline_net.codecs import http
from pipeline_net.codecs.http.client.connection import _announced_patience

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def _two_requests(scripted: Any, client: http.Client, first_answer: bytes) -> tuple[list[str], int]:
    """Ask twice; the first connection says ``first_answer`` and waits, others say "ok"."""

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(first_answer if peer.number == 0 else OK)
        if peer.head():
            peer.say(OK)
            peer.wait_for_end()

    server = scripted(behaviour)
    texts = [client.get(server.url).text, client.get(server.url).text]
    return texts, server.connections


def test_a_good_one_is_used_again(scripted: Any, client: http.Client) -> None:
    assert _two_requests(scripted, client, OK) == (["ok", "ok"], 1)


@pytest.mark.parametrize(
    "junk",
    [
        _EVIL,
        _EVIL[:20],
        b"H",
        b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"\0" * 100,
    ],
)
def test_what_comes_behind_an_answer_is_never_the_next_one(scripted: Any, client: http.Client, junk: bytes) -> None:
    assert _two_requests(scripted, client, OK + junk) == (["ok", "ok"], 2)


def test_nor_with_somebody_waiting_for_the_connection(scripted: Any) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(OK + _EVIL if peer.number == 0 else OK)
        while peer.head():
            peer.say(OK)

    server = scripted(behaviour)
    with http.Client(base_url=server.url, options=http.ClientOptions(max_per_origin=1)) as client:
        futures = [client.execute("GET", "/") for _ in range(5)]
        assert [future.result(10).text for future in futures] == ["ok"] * 5
    assert server.connections == 2


@pytest.mark.parametrize("said", [_EVIL, b"H", b"\n"])
def test_what_is_said_while_nobody_asks_ends_it(scripted: Any, client: http.Client, said: bytes) -> None:
    gone, unasked = threading.Event(), threading.Event()

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(OK)
        if peer.number == 0:
            assert unasked.wait(10)
            peer.say(said)
            peer.wait_for_end()
            gone.set()

    server = scripted(behaviour)
    assert client.get(server.url).text == "ok"
    unasked.set()
    assert gone.wait(10)
    assert client.get(server.url).text == "ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=1\r\n\r\nok",
    ],
)
def test_when_the_server_says_it_is_over(scripted: Any, client: http.Client, answer: bytes) -> None:
    assert _two_requests(scripted, client, answer) == (["ok", "ok"], 2)


def test_when_we_say_it_is_over(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        while peer.head():
            peer.say(OK)

    server = scripted(behaviour)
    for _ in range(2):
        client.get(server.url, headers={"connection": "close"})
    assert server.connections == 2


def test_an_old_server_may_keep_it_open(scripted: Any, client: http.Client) -> None:
    kept = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"
    assert _two_requests(scripted, client, kept) == (["ok", "ok"], 1)


def test_stages_of_ones_own_see_all_parts(site: Any) -> None:
    from pipeline_net import ChannelInboundHandler

    seen: list[str] = []

    class Look(ChannelInboundHandler[Any, Any, Any]):
        def channel_read(self, ctx: Any, msg: Any) -> None:
            seen.append(type(msg).__name__)
            ctx.fire_channel_read(msg)

    options = http.ClientOptions(stages=lambda: [Look()])
    with http.Client(options=options) as client:
        client.get(site(lambda request: http.FullResponse(200, {}, b"x")).url)
    assert seen == ["Response", "Data", "End"]


@pytest.mark.parametrize(
    ("value", "patience"),
    [
        ("timeout=5", 4.0),
        ("timeout=5, max=100", 4.0),
        ("max=100, Timeout = 20", 19.0),
        ("timeout=0", 0.0),
        ("timeout=-1", None),
        ("timeout=1_0", None),
        ("timeout=" + "9" * 5000, None),
        ("max=100", None),
        ("", None),
    ],
)
def test_keep_alive(value: str, patience: float | None) -> None:
    assert _announced_patience(http.Response(200, {"keep-alive": value})) == patience


def test_without_keep_alive_the_server_says_nothing() -> None:
    assert _announced_patience(http.Response(200)) is None
