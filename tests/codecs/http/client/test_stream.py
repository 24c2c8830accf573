"""Bodies in parts: as fast as they are read, and no faster."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from pipeline_net.codecs import http
from pipeline_net.codecs.http.client.stream import BodyQueue
from pipeline_net.testing import EmbeddedChannel

_BIG = 8_000_000


def test_in_parts(site: Any, client: http.Client, books: Any) -> None:
    body = bytes(range(256)) * 4000
    url = site(lambda request: http.FullResponse(200, {}, body)).url
    with client.stream("GET", url) as response:
        assert (response.status, response.length) == (200, len(body))
        assert repr(response) == f"<StreamedResponse 200 OK from {url}/>"
        parts = list(response)
    assert b"".join(parts) == body
    assert len(parts) > 1
    with client.stream("GET", url) as response:
        assert response.read() == body
        assert response.next() == b""
        assert response.next() == b"", "the end stays the end"
    assert books(client) == (1, 1), "one that was read to its end can be used again"


def test_in_asyncio(site: Any) -> None:
    body = b"x" * 1_000_000

    async def main() -> None:
        async with (
            http.Client(base_url=site(lambda request: http.FullResponse(200, {}, body)).url) as client,
            client.stream("GET", "/") as response,
        ):
            assert b"".join([part async for part in response]) == body

    asyncio.run(main())


def test_a_slow_reader_stops_the_server(scripted: Any, client: http.Client) -> None:
    sent = [0]
    stuck = threading.Event()

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (_BIG * 10))
        peer.sock.settimeout(0.2)
        try:
            while sent[0] < _BIG * 10:
                sent[0] += peer.sock.send(b"x" * 65536)
        except TimeoutError:
            stuck.set()  # nobody reads
        peer.sock.settimeout(10)
        while sent[0] < _BIG * 10:
            sent[0] += peer.sock.send(b"x" * min(65536, _BIG * 10 - sent[0]))

    with client.stream("GET", scripted(behaviour).url) as response:
        first = response.next()
        assert stuck.wait(10)
        assert sent[0] < _BIG * 10
        assert len(first) + sum(map(len, response)) == _BIG * 10
    assert stuck.is_set()


def test_nothing_is_taken_out_for_a_reader_that_has_given_up() -> None:
    taken: list[bytes | None] = []

    class Queue(BodyQueue):
        def take_one(self) -> bytes | None:
            taken.append(super().take_one())
            return taken[-1]

    channel = EmbeddedChannel()
    loop: Any = channel.loop
    nobody: Any = None
    queue = Queue(loop, nobody, 100, list)
    queue.take(b"first")
    queue.take(b"second")
    late = queue.get()
    late.cancel()
    channel.run_pending()
    assert taken == []  # or the reader, on its own thread, would find the second before the first is put back
    assert [queue.take_one(), queue.take_one()] == [b"first", b"second"]


def test_a_reader_that_leaves_cuts_the_connection(scripted: Any, client: http.Client) -> None:
    gone = threading.Event()

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        peer.wait_for_end()
        gone.set()

    with client.stream("GET", scripted(behaviour).url) as response:
        assert response.next() == b"abc"
    assert gone.wait(10)
    with pytest.raises(Exception, match="was closed before its end"):
        response.next()


def test_a_body_that_is_cut_off_raises_behind_what_came(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")

    with client.stream("GET", scripted(behaviour).url) as response:
        parts: list[bytes] = []
        with pytest.raises(http.ResponseError, match=r"there is no whole answer|no HTTP"):
            parts.extend(iter(response))
        with pytest.raises(http.ResponseError):
            response.next()


def test_between_two_reads_there_may_be_so_much_time(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        peer.wait_for_end()

    with client.stream("GET", scripted(behaviour).url, timeouts=http.Timeouts(read=0.05)) as response:
        assert response.next() == b"abc"
        with pytest.raises(http.RequestTimeoutError, match="'read'"):
            response.next()


def test_waiting_for_a_while(scripted: Any, client: http.Client) -> None:
    go_on = threading.Event()

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        go_on.wait(10)
        peer.say(b"def")

    with client.stream("GET", scripted(behaviour).url) as response:
        assert response.next() == b"abc"
        with pytest.raises(TimeoutError):
            response.next(0.01)
        go_on.set()
        assert response.next() == b"def", "nothing is lost"

        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(_next(response), 0)

        asyncio.run(give_up())
        assert list(response) == []


async def _next(response: http.StreamedResponse) -> bytes:
    async for part in response:
        return part
    return b""


def test_reading_at_once_has_a_limit(site: Any, client: http.Client) -> None:
    url = site(lambda request: http.FullResponse(200, {}, b"x" * 100_000)).url
    with client.stream("GET", url) as response, pytest.raises(http.ResponseTooLargeError, match="limit of 10 bytes"):
        response.read(10)


def test_trailers(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        while peer.head():
            peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n")

    url = scripted(behaviour).url
    with client.stream("GET", url) as response:
        assert response.length is None
        assert response.read() == b"abc"
        assert response.trailers == http.Headers({"x-sum": "7"})
    assert client.get(url).trailers == http.Headers({"x-sum": "7"})


def test_an_answer_that_nobody_takes_is_closed(scripted: Any, client: http.Client) -> None:
    gone = threading.Event()

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        peer.wait_for_end()
        gone.set()

    streaming = client.stream("GET", scripted(behaviour).url)
    response = streaming.start().result(10)
    response.close()
    response.close()
    assert gone.wait(10)
