"""Answers that are compressed: as they were before that, with the same limits, and no faster than they are read."""

from __future__ import annotations

import gzip
import threading
import zlib
from typing import Any

import pytest

from pipeline_net.codecs import http

_TEXT = b"a line of text, and another one\n" * 20_000


def _compressed(request: http.FullRequest) -> http.FullResponse:
    if request.target == "/deflate":
        return http.FullResponse(200, {"content-encoding": "deflate"}, zlib.compress(_TEXT))
    if request.target == "/broken":
        return http.FullResponse(200, {"content-encoding": "gzip"}, gzip.compress(_TEXT)[:-20])
    if request.target == "/unknown":
        return http.FullResponse(200, {"content-encoding": "rot13"}, b"uryyb")
    if request.target == "/redirect":
        return http.FullResponse(302, {"content-encoding": "gzip", "location": "/"}, gzip.compress(b"elsewhere"))
    return http.FullResponse(200, {"content-encoding": "gzip"}, gzip.compress(_TEXT))


@pytest.mark.parametrize("target", ["/", "/deflate", "/redirect"])
def test_whole_and_in_parts(site: Any, client: http.Client, target: str, books: Any) -> None:
    url = site(_compressed).url + target
    for _ in range(2):
        response = client.get(url)
        assert (response.body, response.headers.get("content-encoding")) == (_TEXT, None)
        with client.stream("GET", url) as parts:
            assert parts.length is None
            assert b"".join(parts) == _TEXT
    assert books(client) == (1, 1), "one connection served them all"


def test_head_and_what_nobody_can_read(site: Any, client: http.Client) -> None:
    url = site(_compressed).url
    assert client.head(url).body == b""
    response = client.get(f"{url}/unknown")
    assert (response.body, response.headers["content-encoding"]) == (b"uryyb", "rot13")


def test_what_is_broken_is_an_error(site: Any, client: http.Client, books: Any) -> None:
    url = site(_compressed).url + "/broken"
    with pytest.raises(http.ResponseError):
        client.get(url)
    with client.stream("GET", url) as response, pytest.raises(http.ResponseError):
        b"".join(response)
    assert books(client) == (0, 0)


def test_the_limit_counts_what_comes_out(scripted: Any, client: http.Client) -> None:
    bomb = gzip.compress(b"x" * 100_000_000)  # 97 KB

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb))
        peer.say(bomb)
        peer.wait_for_end()

    url = scripted(behaviour).url
    with pytest.raises(http.ResponseTooLargeError):
        client.get(url, max_body=200_000)
    with pytest.raises(http.ResponseError, match="times"):
        client.get(url)  # no honest page is a thousand times as large as it travels


def test_a_slow_reader_stops_the_decoding(scripted: Any, client: http.Client, on_loop: Any) -> None:
    body = gzip.compress(bytes(range(256)) * 80_000, 1)
    done = threading.Event()

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body))
        peer.say(body)
        done.set()
        peer.wait_for_end()

    with client.stream("GET", scripted(behaviour).url) as response:
        first = response.next()
        assert done.wait(10), "it is small enough to be with us in one piece"
        for _ in range(100):
            on_loop(client, lambda: None)
        queue = response._queue
        assert on_loop(client, lambda: queue._written - queue._read) < 600_000
        assert len(first) + sum(map(len, response)) == 256 * 80_000


def test_bodies_are_left_as_they_are_when_nobody_wants_that(site: Any) -> None:
    server = site(_compressed)
    with http.Client(options=http.ClientOptions(codings=())) as client:
        response = client.get(server.url)
    assert (gzip.decompress(response.body), response.headers["content-encoding"]) == (_TEXT, "gzip")
    assert "accept-encoding" not in server.seen[0].headers


def test_an_accept_encoding_of_ones_own_stays(site: Any, client: http.Client) -> None:
    server = site(_compressed)
    client.get(server.url, headers={"accept-encoding": "identity"})
    client.get(server.url, headers={"range": "bytes=0-1"})
    assert [request.headers.get("accept-encoding") for request in server.seen] == ["identity", None]
