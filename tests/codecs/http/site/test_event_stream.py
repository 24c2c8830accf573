"""Events to one client: at once, for as long as it stays and reads."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pipeline_net import EncodeError, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http
from pipeline_net.server_draining import ServerDraining

Make = Callable[..., Any]


class Streams:
    """A handler that opens a stream for each request, and remembers them."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.opened: list[http.EventStream] = []
        self.ended: list[http.EventStream] = []

    def __call__(self, request: http.FullRequest) -> http.EventStream:
        stream = http.EventStream(request, on_end=self.ended.append, **self.settings)
        self.opened.append(stream)
        return stream

    @property
    def stream(self) -> http.EventStream:
        return self.opened[-1]


def _site(make_site: Make, streams: Any, **settings: Any) -> Any:
    router = http.Router()
    router.add("GET", "/", streams)
    return make_site(router, **settings)


def test_the_head_leaves_at_once_and_each_event_as_it_comes(make_site: Make) -> None:
    streams = Streams(retry=1000, headers={"x-a": "b", "cache-control": "no-cache"})
    site = _site(make_site, streams)
    assert site.send("GET", "/") == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-accel-buffering: no\r\nx-a: b\r\n"
        b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\nd\r\nretry: 1000\n\n\r\n"
    )
    streams.stream.send("hello", event="greeting", id="7")
    site.channel.run_pending()
    assert site.sent() == b"23\r\nevent: greeting\nid: 7\ndata: hello\n\n\r\n"
    assert streams.stream.is_open
    streams.stream.close()
    site.channel.run_pending()
    assert site.sent() == b"0\r\n\r\n"
    assert streams.ended == streams.opened
    assert site.ask("GET", "/none").status == 404  # the connection goes on
    assert len(site.channel.pipeline) == 4
    streams.stream.send("too late")
    streams.stream.close()
    assert site.channel.outbound == []


def test_what_is_said_before_it_begins_is_kept(make_site: Make) -> None:
    def greeted(request: http.FullRequest) -> http.EventStream:
        stream = http.EventStream(request)
        assert repr(stream) == "<EventStream, not begun>"
        assert stream.loop is None
        stream.send("hello")
        return stream

    assert _site(make_site, greeted).send("GET", "/").endswith(b"data: hello\n\n\r\n")


def test_too_much_of_it_is_not(make_site: Make) -> None:
    request = http.Request("GET", "/", {})
    stream = http.EventStream(request, max_pending=100, when_slow="skip")
    for _ in range(30):
        stream.send("x" * 20)
    assert stream.skipped == 27
    ended: list[Any] = []
    stream = http.EventStream(request, max_pending=100, on_end=ended.append)
    for _ in range(30):
        stream.send("x" * 20)
    assert ended == [stream]


def test_a_stream_that_was_closed_before_it_began_is_an_empty_response(make_site: Make) -> None:
    def closed(request: http.FullRequest) -> http.EventStream:
        stream = http.EventStream(request)
        stream.close()
        return stream

    response = _site(make_site, closed).ask("GET", "/")
    assert (response.status, response.body) == (200, b"")


def test_head_has_no_events(make_site: Make) -> None:
    streams = Streams()
    site = _site(make_site, streams)
    assert site.ask("HEAD", "/").headers["content-type"] == "text/event-stream"
    assert streams.ended == streams.opened
    assert len(site.channel.pipeline) == 4


def test_silence_is_broken(make_site: Make) -> None:
    streams = Streams(heartbeat=10.0)
    site = _site(make_site, streams)
    site.send("GET", "/")
    site.channel.advance(9)
    assert site.sent() == b""
    site.channel.advance(12)
    assert site.sent() == b"4\r\n: \n\n\r\n" * 1
    site.channel.advance(3)
    streams.stream.send("x")
    site.channel.run_pending()
    site.sent()
    site.channel.advance(7)
    assert site.sent() == b""  # something was sent in these ten seconds
    site.channel.advance(1000)
    assert site.sent().count(b": \n\n") in range(99, 101)
    streams.stream.close()
    site.channel.run_pending()
    site.sent()
    site.channel.advance(30)
    assert site.sent() == b""


def test_without_a_heartbeat_there_is_silence_and_no_deadline_ends_it(make_site: Make) -> None:
    streams = Streams(heartbeat=None)
    site = _site(make_site, streams)
    site.send("GET", "/")
    site.channel.advance(10_000)
    assert site.sent() == b""
    assert streams.stream.is_open


def test_who_comes_back_tells_what_it_saw(make_site: Make) -> None:
    streams = Streams()
    site = _site(make_site, streams)
    site.send("GET", "/", last_event_id="7")
    assert streams.stream.last_event_id == "7"
    site.connect()
    site.channel.write_inbound("GET / HTTP/1.1\r\nHost: a\r\nLast-Event-ID: né\r\n\r\n".encode())
    assert streams.stream.last_event_id == "né"
    site.connect()
    site.send("GET", "/")
    assert streams.stream.last_event_id is None


def test_a_client_that_leaves_ends_its_stream(make_site: Make) -> None:
    streams = Streams()
    site = _site(make_site, streams)
    site.send("GET", "/")
    site.channel.abort()
    site.channel.run_pending()
    assert streams.ended == streams.opened
    assert repr(streams.stream) == "<EventStream to ('192.0.2.1', 4711), ended>"
    site.channel.advance(100)


def test_a_client_that_says_no_more_has_left(make_site: Make) -> None:
    streams = Streams()
    site = _site(make_site, streams)
    site.send("GET", "/")
    site.channel.finish_input()
    assert site.sent().endswith(b"0\r\n\r\n")
    assert not site.channel.is_open
    assert streams.ended == streams.opened


def test_a_server_that_is_drained_ends_its_streams_in_good_order(make_site: Make) -> None:
    streams = Streams()
    site = _site(make_site, streams)
    site.send("GET", "/")
    site.channel.pipeline.fire_user_event_triggered(ServerDraining(5.0))
    site.channel.run_pending()
    assert site.sent() == b"0\r\n\r\n"
    assert not site.channel.is_open
    assert streams.ended == streams.opened


@pytest.mark.parametrize("policy", ["end", "skip"])
def test_a_client_that_does_not_read(make_site: Make, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    streams = Streams(max_pending=10_000, when_slow=policy)
    site = _site(make_site, streams)
    site.send("GET", "/")
    site.channel.peer_window = 0
    for number in range(50):
        streams.stream.send(f"{number} " + "x" * 1000)
    site.channel.run_pending()
    assert streams.stream.skipped > 0
    if policy == "end":
        assert streams.ended == streams.opened
        assert not site.channel.is_open
        assert "reads too slowly" in caplog.text
        return
    assert site.channel.pending_write_bytes < 10_000
    site.channel.peer_window = None
    site.channel.run_pending()
    streams.stream.send("the newest")
    site.channel.run_pending()
    data = site.sent()
    assert b"data: 0 " in data
    assert b"data: 49 " not in data
    assert b"data: the newest" in data


def _from_a_thread(send: Callable[[], object], times: int) -> None:
    """Send so often before the loop comes to any of it."""

    def run() -> None:
        for _ in range(times):
            send()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)


@pytest.mark.parametrize("policy", ["end", "skip"])
def test_a_loop_that_does_not_keep_up_with_a_thread(make_site: Make, policy: str) -> None:
    streams = Streams(max_pending=4 << 20, when_slow=policy)
    site = _site(make_site, streams)
    site.send("GET", "/")
    stream = streams.stream
    event = http.encode_event("x" * (1 << 20))
    _from_a_thread(lambda: stream.send_encoded(event), 100)
    assert stream.skipped == 36  # the others wait, and are 64 MiB: write_buffer_limit
    site.channel.run_pending()
    if policy == "end":
        assert streams.ended == [stream]
        assert not site.channel.is_open
        return
    assert site.sent().count(b"data: ") == 64
    _from_a_thread(lambda: stream.send("on we go"), 1)  # there is room again
    site.channel.run_pending()
    assert b"on we go" in site.sent()
    assert stream.skipped == 36


def test_to_http_1_0_it_is_sent_until_the_connection_ends(make_site: Make) -> None:
    streams = Streams()
    site = _site(make_site, streams)
    site.channel.write_inbound(b"GET / HTTP/1.0\r\n\r\n")
    streams.stream.send("x")
    streams.stream.close()
    site.channel.run_pending()
    assert site.sent().endswith(b"\r\n\r\ndata: x\n\n")
    assert not site.channel.is_open


def test_what_is_called_at_the_end_may_raise(make_site: Make, caplog: pytest.LogCaptureFixture) -> None:
    called: list[Any] = []
    stream = http.EventStream(http.Request("GET", "/", {}), on_end=lambda stream: called[0])
    stream.when_ended(called.append)
    stream.close()
    assert called == [stream]
    stream.when_ended(called.append)
    assert called == [stream, stream]
    assert "raised" in caplog.text


@pytest.mark.parametrize(
    ("settings", "error", "complaint"),
    [
        ({"heartbeat": 0}, ValueError, "heartbeat must be more than 0 seconds, or None, not 0"),
        ({"heartbeat": float("nan")}, ValueError, "heartbeat"),
        ({"max_pending": 0}, ValueError, "max_pending must be more than 0 bytes, not 0"),
        ({"when_slow": "wait"}, ValueError, "'end' or 'skip', not 'wait'"),
        ({"retry": -1}, EncodeError, "milliseconds"),
        ({"headers": {"a": "b\r\nc"}}, EncodeError, "control character"),
    ],
)
def test_settings_that_could_not_work_are_refused(
    settings: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        http.EventStream(http.Request("GET", "/", {}), **settings)


def test_any_thread_may_send_and_end() -> None:
    begun = threading.Event()
    streams = Streams()

    def handler(request: http.FullRequest) -> http.EventStream:
        stream = streams(request)
        stream.send("first")
        begun.set()
        return stream

    router = http.Router()
    router.add("GET", "/", handler)
    with EventLoopGroup(1) as loops:
        server = ServerBootstrap(
            loops, initializer=lambda channel: http.server_stack() >> http.RequestAggregator() >> router
        ).bind("tcp://127.0.0.1:0")
        with httpx.stream("GET", server.addresses[0].replace("tcp", "http")) as response:
            assert begun.wait(10)
            lines = response.iter_lines()
            assert next(lines) == "data: first"
            streams.stream.send("second")
            streams.stream.close()
            assert list(lines) == ["", "data: second", ""]
    streams.stream.send("the loop has stopped")


def test_a_client_that_closes_is_noticed_without_a_heartbeat() -> None:
    gone = threading.Event()
    router = http.Router()
    router.add("GET", "/", lambda request: http.EventStream(request, heartbeat=None, on_end=lambda _: gone.set()))
    with EventLoopGroup(1) as loops:
        server = ServerBootstrap(
            loops, initializer=lambda channel: http.server_stack() >> http.RequestAggregator() >> router
        ).bind("tcp://127.0.0.1:0")
        host, _, port = server.addresses[0].removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")
        assert gone.wait(10)
