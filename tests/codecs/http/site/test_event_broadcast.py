"""The same events to everybody, encoded once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pipeline_net import EncodeError, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http
from pipeline_net.codecs.http.site import event_broadcast

Make = Callable[..., Any]


def _site(make_site: Make, events: http.EventBroadcast, **settings: Any) -> Any:
    router = http.Router()
    router.add("GET", "/", lambda request: events.add(http.EventStream(request, **settings)))
    return make_site(router)


def test_a_thousand_clients_get_what_was_encoded_once(make_site: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []

    def count(data: str, **fields: Any) -> bytes:
        encoded.append(data)
        return http.encode_event(data, **fields)

    monkeypatch.setattr(event_broadcast, "encode_event", count)
    events = http.EventBroadcast()
    site = _site(make_site, events)
    channels = []
    for _ in range(1000):
        site.send("GET", "/")
        channels.append(site.channel)
        site.connect()
    assert repr(events) == "<EventBroadcast to 1000>"
    events.send("tick", event="clock")
    for channel in channels:
        channel.run_pending()
    assert encoded == ["tick"]
    assert {b"".join(channel.outbound) for channel in channels} == {b"19\r\nevent: clock\ndata: tick\n\n\r\n"}
    events.close()
    assert len(events) == 0


@pytest.mark.parametrize("blocking", [False, True])
def test_who_has_left_before_its_stream_could_begin_is_forgotten(make_site: Make, blocking: bool) -> None:
    events = http.EventBroadcast()
    ended: list[http.EventStream] = []
    router = http.Router()

    @router.get("/", blocking=blocking)
    def listen(request: http.FullRequest) -> http.EventStream:
        site.channel.abort()
        return events.add(http.EventStream(request, when_slow="skip", on_end=ended.append))

    site = make_site(router)
    site.send("GET", "/")
    site.channel.run_pending()
    assert len(events) == 0
    assert len(ended) == 1


def test_who_leaves_is_forgotten(make_site: Make) -> None:
    events = http.EventBroadcast()
    site = _site(make_site, events)
    site.send("GET", "/")
    assert len(events) == 1
    site.channel.abort()
    site.channel.run_pending()
    assert len(events) == 0
    events.send("to nobody")
    stream = http.EventStream(http.Request("GET", "/", {}))
    stream.close()
    assert events.add(stream) is stream
    assert len(events) == 0


def test_a_slow_client_is_forgotten_and_the_others_are_not_held_up(make_site: Make) -> None:
    events = http.EventBroadcast()
    site = _site(make_site, events, max_pending=5000)
    site.send("GET", "/")
    slow = site.channel
    slow.peer_window = 0
    site.connect()
    site.send("GET", "/")
    for number in range(20):
        events.send(f"{number} " + "x" * 1000)
    slow.run_pending()
    site.channel.run_pending()
    assert (len(events), slow.is_open) == (1, False)
    assert site.sent().count(b"data: ") == 20


@pytest.mark.parametrize(
    ("seen", "expected"),
    [(None, []), ("5", ["6", "7"]), ("7", []), ("1", ["5", "6", "7"]), ("never", ["5", "6", "7"])],
)
def test_who_comes_back_gets_what_it_has_missed(make_site: Make, seen: str | None, expected: list[str]) -> None:
    events = http.EventBroadcast(history=3)
    site = _site(make_site, events)
    for number in range(1, 8):
        events.send(f"event {number}", id=str(number))
    events.send("of no consequence")
    data = site.send("GET", "/") if seen is None else site.send("GET", "/", last_event_id=seen)
    assert [line[4:].decode() for line in data.splitlines() if line.startswith(b"id: ")] == expected


def test_what_is_sent_while_somebody_comes_back_reaches_it_once_and_in_its_place() -> None:
    events = http.EventBroadcast(history=10)
    for number in (1, 2, 3):
        events.send("before", id=str(number))
    sender = threading.Thread(target=lambda: events.send("meanwhile", id="4"))
    kept: list[bytes] = []

    class Stream(http.EventStream):
        def send_encoded(self, event: bytes) -> None:
            kept.append(event)
            if len(kept) == 1:
                sender.start()
                sender.join(0.05)  # it may be through by now; if it has to wait, it comes afterwards

    events.add(Stream(http.Request("GET", "/", {"last-event-id": "1"})))
    sender.join()
    assert [event.splitlines()[0] for event in kept] == [b"id: 2", b"id: 3", b"id: 4"]


def test_a_loop_that_does_not_keep_up_with_a_thread_is_left_out(make_site: Make) -> None:
    events = http.EventBroadcast()
    opened: list[http.EventStream] = []
    router = http.Router()

    @router.get("/")
    def listen(request: http.FullRequest) -> http.EventStream:
        opened.append(http.EventStream(request, max_pending=4 << 20, when_slow="skip"))
        return events.add(opened[-1])

    site = make_site(router)
    site.send("GET", "/")
    data = "x" * (1 << 20)

    def tell() -> None:
        for _ in range(70):
            events.send(data)

    thread = threading.Thread(target=tell)
    thread.start()
    thread.join(10)
    assert opened[0].skipped == 6  # 64 MiB wait
    site.channel.run_pending()
    assert site.sent().count(b"data: ") == 64
    events.send("on we go")
    site.channel.run_pending()
    assert b"on we go" in site.sent()


def test_without_a_history_nothing_is_kept(make_site: Make) -> None:
    events = http.EventBroadcast()
    events.send("x", id="1")
    assert b"id:" not in _site(make_site, events).send("GET", "/", last_event_id="0")


def test_what_cannot_be_encoded_goes_to_nobody(make_site: Make) -> None:
    events = http.EventBroadcast(history=3)
    site = _site(make_site, events)
    site.send("GET", "/")
    with pytest.raises(EncodeError):
        events.send("x", id="a\nb")
    site.channel.run_pending()
    assert site.sent() == b""
    with pytest.raises(ValueError, match="history is a number of events, and cannot be -1"):
        http.EventBroadcast(history=-1)


def test_clients_of_several_loops_hear_what_any_thread_sends() -> None:
    events = http.EventBroadcast()
    router = http.Router()
    all_here = threading.Event()

    @router.get("/")
    def listen(request: http.FullRequest) -> http.EventStream:
        stream = events.add(http.EventStream(request))
        if len(events) == 6:
            all_here.set()
        return stream

    heard: list[list[str]] = []

    def client(url: str) -> None:
        with httpx.stream("GET", url) as response:
            heard.append([line for line in response.iter_lines() if line])

    with EventLoopGroup(2) as loops:
        server = ServerBootstrap(
            loops, initializer=lambda channel: http.server_stack() >> http.RequestAggregator() >> router
        ).bind("tcp://127.0.0.1:0")
        url = server.addresses[0].replace("tcp", "http")
        clients = [threading.Thread(target=client, args=(url,)) for _ in range(6)]
        for thread in clients:
            thread.start()
        assert all_here.wait(20)
        for number in range(20):
            events.send(str(number))
        events.close()
        for thread in clients:
            thread.join(20)
    assert heard == [[f"data: {number}" for number in range(20)]] * 6
    assert len(events) == 0
