"""One request and its answer, with servers that are slow, early, wrong or malicious."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import ChannelOutboundHandler
from pipeline_net.codecs import http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def _says(data: bytes) -> Any:
    """Make a server that says ``data`` to each request, and waits until the client leaves."""

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(data)
        peer.wait_for_end()

    return behaviour


def _says_and_leaves(data: bytes) -> Any:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(data)

    return behaviour


# -- answers of all kinds -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, b"ok"),
        (_CONTINUE * 3 + OK, b"ok"),
    ],
)
def test_answers(scripted: Any, client: http.Client, data: bytes, body: bytes) -> None:
    assert client.get(scripted(_says(data)).url).body == body


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_an_answer_that_ends_with_the_connection(
    scripted: Any, client: http.Client, version: bytes, books: Any
) -> None:
    server = scripted(_says_and_leaves(b"HTTP/%b 200 OK\r\n\r\nuntil the end" % version))
    assert client.get(server.url).body == b"until the end"
    assert books(client) == (0, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 99 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\n\r\n" * 17,
    ],
)
def test_what_is_no_answer(scripted: Any, client: http.Client, data: bytes, books: Any) -> None:
    with pytest.raises(http.ResponseError) as caught:
        client.get(scripted(_says(data)).url)
    assert caught.value.url.startswith("http://127.0.0.1:")
    assert books(client) == (0, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        _CONTINUE,
    ],
)
def test_an_answer_that_is_cut_off(scripted: Any, client: http.Client, data: bytes) -> None:
    with pytest.raises(http.ResponseError):
        client.get(scripted(_says_and_leaves(data)).url)


def test_what_is_forgiven_must_be_named(scripted: Any) -> None:
    server = scripted(_says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"))
    options = http.ClientOptions(leniency=http.Leniency(repeated_length=True))
    with http.Client(options=options) as client:
        assert client.get(server.url).text == "ok"


# -- endless ones ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begin", "forever"),
    [
        (b"HTTP/1.1 200 ", b"x" * 1000),
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nA: ", b"b" * 1000),
        (b"", b"HTTP/1.1 102 Wait\r\n\r\n" * 10),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3;" + b"x" * 500),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n" * 100),
    ],
)
def test_endless_heads(scripted: Any, client: http.Client, begin: bytes, forever: bytes) -> None:
    said = [0]

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(begin)
        while True:
            peer.say(forever)
            said[0] += len(forever)

    with pytest.raises(http.ResponseError):
        client.get(scripted(behaviour).url)


@pytest.mark.parametrize("head", [b"Transfer-Encoding: chunked\r\n", b""])
def test_endless_bodies(scripted: Any, client: http.Client, head: bytes) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        while True:
            peer.say(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    with pytest.raises(http.ResponseTooLargeError, match="over the limit of 1000000 bytes"):
        client.get(scripted(behaviour).url, max_body=1_000_000)


def test_an_announced_body_above_the_limit_is_refused_at_once(scripted: Any, client: http.Client) -> None:
    server = scripted(_says(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"))
    with pytest.raises(http.ResponseTooLargeError):
        client.get(server.url)


def test_to_a_head_request_the_length_is_no_body(scripted: Any, client: http.Client) -> None:
    server = scripted(_says(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"))
    assert client.head(server.url).body == b""


# -- slow ones ------------------------------------------------------------------------------------


def _drips(data: bytes, pause: float) -> Any:
    def behaviour(peer: Any) -> None:
        peer.head()
        for at in range(len(data)):
            peer.say(data[at : at + 1])
            time.sleep(pause)  # dripping takes its time: that is what it is

    return behaviour


def test_a_head_that_drips_has_its_time_as_a_whole(scripted: Any, client: http.Client) -> None:
    server = scripted(_drips(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100, 0.005))
    with pytest.raises(http.RequestTimeoutError, match=r"the phase 'head' took more than 0.1 s"):
        client.get(server.url, timeouts=http.Timeouts(head=0.1))


def test_a_body_that_drips_is_ended_by_the_total_time(scripted: Any, client: http.Client) -> None:
    server = scripted(_drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000, 0.002))
    with pytest.raises(http.RequestTimeoutError) as caught:
        client.get(server.url, timeouts=http.Timeouts(read=0.4, total=0.5))  # no drop is as late as that
    assert caught.value.phase == "total"


def test_a_silent_server(scripted: Any, client: http.Client, books: Any) -> None:
    server = scripted(lambda peer: peer.wait_for_end())
    with pytest.raises(http.RequestTimeoutError) as caught:
        client.get(server.url, timeouts=http.Timeouts(head=0.05))
    assert (caught.value.phase, caught.value.seconds) == ("head", 0.05)
    assert books(client) == (0, 0)


def test_a_server_that_does_not_read(scripted: Any, client: http.Client) -> None:
    done = threading.Event()
    server = scripted(lambda peer: done.wait(10))
    try:
        with pytest.raises(http.RequestTimeoutError, match="'send'"):
            client.post(server.url, body=b"x" * 50_000_000, timeouts=http.Timeouts(send=0.1))
    finally:
        done.set()


def test_a_program_that_makes_its_body_slowly_has_all_its_time(site: Any, client: http.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(3):
            time.sleep(0.06)  # longer than the server may take
            yield b"abc"

    url = site(lambda request: http.FullResponse(200, {}, request.body)).url
    assert client.post(url, body=pieces(), timeouts=http.Timeouts(send=0.05)).body == b"abcabcabc"


# -- uploads --------------------------------------------------------------------------------------


def test_the_body_waits_for_a_100(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        assert "expect: 100-continue" in peer.head()
        peer.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            peer.take(1)
        peer.sock.settimeout(10)
        peer.say(_CONTINUE)
        assert peer.take(3) == b"abc"
        peer.say(OK)
        peer.wait_for_end()

    url = scripted(behaviour).url
    assert client.post(url, body=b"abc", headers={"expect": "100-continue"}).text == "ok"


def test_and_is_not_sent_when_the_answer_is_no(scripted: Any, client: http.Client) -> None:
    left: SimpleQueue[bytes] = SimpleQueue()

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        left.put(peer.wait_for_end())

    url = scripted(behaviour).url
    assert client.post(url, body=b"abc", headers={"expect": "100-continue"}).status == 417
    assert left.get(timeout=10) == b""


def test_a_server_that_knows_no_100_gets_the_body_after_a_second(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        assert peer.take(3) == b"abc"
        peer.say(OK)

    url = scripted(behaviour).url
    assert client.post(url, body=b"abc", headers={"expect": "100-continue"}).text == "ok"


def test_an_early_no_ends_the_upload(scripted: Any, client: http.Client, books: Any) -> None:
    sent = [0]

    def pieces() -> Iterator[bytes]:
        while True:
            sent[0] += 1
            yield b"x" * 10_000

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.take(100_000)
        peer.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        peer.wait_for_end()

    response = client.post(scripted(behaviour).url, body=pieces())
    assert (response.status, response.text) == (413, "no")
    assert books(client) == (0, 0), "nobody else can use it"


def test_an_early_yes_does_not(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        data = peer.take(1_000_000)
        peer.say(b"7\r\n%07d\r\n0\r\n\r\n" % len(data))
        peer.wait_for_end()

    assert client.post(scripted(behaviour).url, body=b"x" * 1_000_000).text == "1000000"


def test_what_the_body_raises_is_what_the_caller_gets(site: Any, client: http.Client, books: Any) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"abc"
        raise LookupError("no more")

    url = site(lambda request: http.FullResponse(200)).url
    with pytest.raises(LookupError, match="no more"):
        client.post(url, body=pieces())
    assert books(client) == (0, 0), "the server still waits for the rest"


@pytest.mark.parametrize(("length", "pieces"), [("2", [b"abc"]), ("4", [b"abc"])])
def test_a_body_that_is_not_as_long_as_was_said(
    site: Any, client: http.Client, length: str, pieces: Any, books: Any
) -> None:
    url = site(lambda request: http.FullResponse(200)).url
    with pytest.raises(Exception, match="Content-Length"):
        client.post(url, body=pieces, headers={"content-length": length})
    assert books(client) == (0, 0)


def test_how_it_looks(scripted: Any, on_loop: Any) -> None:
    came = threading.Event()

    def behaviour(peer: Any) -> None:
        peer.head()
        came.set()
        peer.wait_for_end()

    url = scripted(behaviour).url
    with http.Client(options=http.ClientOptions(close_timeout=0.01)) as client:
        future = client.execute("GET", url)
        assert came.wait(10)
        on_loop(client, lambda: None)  # behind the news that all is sent
        calls = on_loop(client, lambda: list(client._around.calls))
        assert [repr(call) for call in calls] == [f"<Call of GET {url}/>"]
        assert [repr(call._exchange) for call in calls] == [f"<Exchange GET {url}/, head>"]
        future.cancel()


def test_a_no_that_is_followed_by_a_reset_is_heard(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        # and closes, with bytes unread: so the kernel sends a reset behind the answer

    url = scripted(behaviour).url
    for _ in range(10):
        assert client.post(url, body=b"x" * 20_000_000).status == 413


class _Waits(ChannelOutboundHandler[Any, Any]):
    """Holds the loop up in the middle of a body, until the server has gone and the reset is there."""

    def __init__(self, half_is_sent: threading.Event, has_left: threading.Event) -> None:
        self._half_is_sent = half_is_sent
        self._has_left = has_left

    def write(self, ctx: Any, msg: Any, promise: Any) -> None:
        if isinstance(msg, http.Data):
            data = bytes(msg.data)  # type: ignore[arg-type]  # no file
            ctx.write(http.Data(data[:1000]))
            ctx.flush()
            self._half_is_sent.set()
            assert self._has_left.wait(10)
            poll = select.poll()
            poll.register(ctx.channel._sock.fileno(), 0)
            assert poll.poll(10_000), "the reset has not come"
            ctx.write(http.Data(data[1000:]), promise)
        else:
            ctx.write(msg, promise)


@pytest.mark.parametrize("size", [2, 50_000])
def test_a_reset_that_falls_between_the_look_and_the_send_drowns_no_answer(scripted: Any, size: int) -> None:
    half_is_sent, has_left = threading.Event(), threading.Event()

    def behaviour(peer: Any) -> None:
        assert half_is_sent.wait(10)
        peer.sock.recv(10)  # and leaves the rest unread
        peer.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n" % size + b"n" * size)
        peer.sock.close()
        has_left.set()

    options = http.ClientOptions(stages=lambda: [_Waits(half_is_sent, has_left)])
    with http.Client(options=options) as client:
        response = client.post(scripted(behaviour).url, body=[b"x" * 2000])
    assert (response.status, response.text) == (413, "n" * size)


def test_an_answer_without_a_length_that_a_reset_cuts_off_is_no_answer(scripted: Any) -> None:
    half_is_sent, has_left = threading.Event(), threading.Event()

    def behaviour(peer: Any) -> None:
        assert half_is_sent.wait(10)
        peer.sock.recv(10)
        peer.say(b"HTTP/1.1 413 Too Large\r\n\r\nthis goes on")
        peer.sock.close()
        has_left.set()

    options = http.ClientOptions(stages=lambda: [_Waits(half_is_sent, has_left)])
    with http.Client(options=options) as client, pytest.raises(http.ResponseError, match="no whole answer"):
        client.post(scripted(behaviour).url, body=[b"x" * 2000])
