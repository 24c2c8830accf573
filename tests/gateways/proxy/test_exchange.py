"""One request and its response, between a client and an origin that the test plays."""

from __future__ import annotations

import socket
import struct

import pytest

from .conftest import Place, Wire

GET = b"GET /a?b HTTP/1.1\r\nHost: site.example\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def _cut(wire: Wire) -> None:
    """End a connection with a reset."""
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def test_a_request_and_its_response(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET)
    assert origin.head().startswith(b"GET /a?b HTTP/1.1\r\nhost: site.example\r\n")
    origin.send(b"HTTP/1.1 404 Nothing Here\r\nContent-Length: 2\r\nX: y\r\n\r\nno")
    head = client.head()
    assert head.startswith(b"HTTP/1.1 404 Nothing Here\r\ncontent-length: 2\r\nx: y\r\nvia: 1.1 pipeline_net\r\ndate: ")
    assert client.take(2) == b"no"


def test_connections_to_the_origin_are_kept(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET)
    for _ in range(3):
        origin.head()
        origin.send(OK)
        assert client.head().startswith(b"HTTP/1.1 200 OK")
        assert client.take(2) == b"ok"
        client.send(GET)
    other = place.dial()
    origin.head()
    origin.send(OK)
    client.head()
    other.send(GET)
    assert origin.head()  # another client's request comes the same way


def test_bodies_with_a_length_and_in_chunks_with_trailers(place: Place) -> None:
    place.start()
    client, origin = place.ask(POST)
    assert b"\r\ncontent-length: 5" in origin.head()
    client.send(b"hello")
    assert origin.take(5) == b"hello"
    origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: sum\r\n\r\n2\r\nok\r\n0\r\nSum: 7\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked\r\n" in client.head() + b"\r\n"
    assert client.take(20) == b"2\r\nok\r\n0\r\nsum: 7\r\n\r\n"
    client.send(CHUNKED + b"3\r\nabc\r\n0\r\nSum: 8\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked\r\n" in origin.head()
    assert origin.take(21) == b"3\r\nabc\r\n0\r\nsum: 8\r\n\r\n"


def test_head_has_no_body_and_keeps_its_length(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET.replace(b"GET", b"HEAD"))
    origin.head()
    origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert b"content-length: 5" in client.head()
    client.send(GET)
    assert origin.head().startswith(b"GET ")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_responses_without_a_body(place: Place, status: bytes) -> None:
    place.start()
    client, origin = place.ask(GET)
    origin.head()
    origin.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\n")  # wrong for 204, and set right
    assert client.head().startswith(b"HTTP/1.1 " + status)
    client.send(GET)
    assert origin.head()


def test_a_body_that_ends_with_the_connection_comes_in_chunks(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET)
    origin.head()
    origin.send(b"HTTP/1.0 200 OK\r\n\r\nhello")
    assert b"transfer-encoding: chunked" in client.head()
    origin.close()
    assert client.take(15) == b"5\r\nhello\r\n0\r\n\r\n"


def test_a_client_of_http_1_0_gets_the_body_to_the_end(place: Place) -> None:
    place.start()
    client, origin = place.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert b"GET / HTTP/1.1\r\nhost: 127.0.0.1:" in origin.head()
    origin.send(b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert client.rest().endswith(b"\r\n\r\nok")


def test_interim_responses_go_on(place: Place) -> None:
    place.start()
    client, origin = place.ask(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    assert b"expect: 100-continue" in origin.head()
    assert not client.has_more  # it is the origin who says so
    origin.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
    assert client.head() == b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>"
    assert client.head() == b"HTTP/1.1 100 Continue"
    client.send(b"hello")
    assert origin.take(5) == b"hello"
    origin.send(OK)
    assert client.head().startswith(b"HTTP/1.1 200 OK")


# -- origins that fail ------------------------------------------------------------------------------


def test_an_origin_that_nobody_listens_at_is_502(place: Place) -> None:
    place.origins[0].close()
    place.start()
    client = place.dial()
    client.send(GET)
    assert client.head().startswith(b"HTTP/1.1 502 Bad Gateway")
    assert client.take(45) == b"502 Bad Gateway: the origin cannot be reached"
    client.send(GET)
    assert b"502" in client.head()  # the client's connection goes on


def test_the_next_origin_is_asked_when_one_cannot_be_reached(place: Place) -> None:
    second = f"tcp://127.0.0.1:{place.origins[1].getsockname()[1]}"
    place.origins[0].close()
    place.start(place.addresses[0], second)
    client = place.dial()
    client.send(POST + b"hello")
    origin = place.accept(1)
    assert origin.head().startswith(b"POST / ")
    assert origin.take(5) == b"hello"


def test_an_origin_that_says_nothing_is_504(place: Place) -> None:
    place.start(timeout=0.2)
    client, origin = place.ask(GET)
    origin.head()
    assert client.head().startswith(b"HTTP/1.1 504 Gateway Timeout")
    assert client.take(56).endswith(b": the origin has not answered in time")
    assert origin.is_reset()


def test_a_client_that_takes_its_time_is_not_the_origins_fault(place: Place) -> None:
    place.start(timeout=0.2)
    client, origin = place.ask(POST)
    origin.head()
    assert not client.has_more
    assert not client.has_more
    for byte in b"hello":
        assert not client.has_more  # 50 ms each
        client.send(bytes([byte]))
    assert origin.take(5) == b"hello"
    origin.send(OK)
    assert client.head().startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", b"the origin has ended the connection before its response"),
        (b"HTTP/1.1 200 OK\r\nContent-", b"the origin has ended the connection before its response"),
        (b"SSH-2.0-OpenSSH_9\r\n", b"the response of the origin is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"the response of the origin is not"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"the response of the origin"),
        (b"HTTP/1.1 101 Hm\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"the origin has changed to a protocol"),
    ],
)
def test_what_is_no_response_is_502(place: Place, said: bytes, why: bytes) -> None:
    place.start()
    client, origin = place.ask(GET)
    origin.head()
    origin.send(said)
    if b"ended" in why:
        origin.close()
    assert client.head().startswith(b"HTTP/1.1 502 Bad Gateway")
    assert client.take(17 + len(why)) == b"502 Bad Gateway: " + why


@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("cut", [True, False])
def test_an_origin_that_dies_in_mid_body_takes_the_clients_connection_along(
    place: Place, framing: bytes, version: bytes, cut: bool
) -> None:
    place.start()
    client, origin = place.ask(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version)
    origin.head()
    origin.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n5\r\nhello\r\n" % framing)
    client.head()
    client.take(5)
    if cut:
        _cut(origin)
    else:
        origin.close()
    assert client.is_reset()  # in HTTP/1.0, an end in good order would be the end of the body


def test_a_response_that_cannot_be_passed_on_breaks_off(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET)
    origin.head()
    origin.send(b"HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert client.is_reset()  # RFC 9110 15.3.6: "a server MUST NOT generate content in a 205 response"
    assert origin.is_reset()


def test_an_origin_that_answers_early(place: Place) -> None:
    place.start()
    client, origin = place.ask(POST + b"he")
    origin.head()
    origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert b"200 OK" in client.head()
    client.send(b"llo" + GET)
    assert b"connection: close" not in client.take(2)
    assert place.accept().head().startswith(b"GET /a?b")  # on another connection: the first is in mid-request


def test_an_origin_that_refuses_early(place: Place) -> None:
    place.start()
    client, origin = place.ask(POST.replace(b"5", b"50000000"))
    origin.head()
    origin.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
    head = client.head()
    assert b"413 Too Large" in head
    assert b"connection: close" in head
    assert client.rest() == b"no"
    assert origin.rest() == b""


def test_a_kept_connection_that_was_closed_is_replaced(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET)
    origin.head()
    origin.send(OK)
    client.head()
    client.take(2)
    client.send(GET)
    origin.head()
    origin.close()  # without a word, as an origin does that has just closed it for idleness
    origin = place.accept()
    origin.head()
    origin.send(OK)
    assert client.head().startswith(b"HTTP/1.1 200")
    client.take(2)
    client.send(POST + b"hello")
    origin.head()
    origin.take(5)
    origin.close()
    assert client.head().startswith(b"HTTP/1.1 502")  # who knows what the origin has done with it


# -- clients that go --------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [False, True])
def test_a_client_that_goes_cancels_the_request(place: Place, begun: bool) -> None:
    place.start()
    client, origin = place.ask(GET)
    origin.head()
    if begun:
        origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        client.head()
        client.take(5)
    _cut(client)
    assert origin.is_reset()


def test_a_client_that_goes_in_mid_upload_cancels_the_request(place: Place) -> None:
    place.start()
    client, origin = place.ask(POST + b"he")
    origin.head()
    origin.take(2)
    client.close()
    assert origin.is_reset()


def test_a_client_that_half_closes_gets_its_response_or_is_taken_for_gone(place: Place) -> None:
    place.start()
    client, origin = place.ask(GET)
    client.sock.shutdown(socket.SHUT_WR)
    origin.head()
    assert not client.has_more
    origin.send(OK)
    assert client.rest().endswith(b"ok")
    place.start(cancels_on_half_close=True)
    client, origin = place.ask(GET)
    client.sock.shutdown(socket.SHUT_WR)
    origin.head()
    assert origin.is_reset()


# -- what does not go through -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "smuggled",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded: b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_does_not_get_to_the_origin(place: Place, smuggled: bytes) -> None:
    place.start()
    client = place.dial()
    client.send(smuggled)
    assert client.rest()[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5")
    place.origins[0].settimeout(0.05)
    with pytest.raises(TimeoutError):
        place.accept()


def test_a_bad_chunk_in_mid_upload_is_400_and_cuts_the_origin_off(place: Place) -> None:
    place.start()
    client, origin = place.ask(CHUNKED + b"2\r\nok\r\n")
    origin.head()
    origin.take(7)
    client.send(b"zz\r\n")
    assert b"400 Bad Request" in client.rest()
    assert origin.is_reset()
