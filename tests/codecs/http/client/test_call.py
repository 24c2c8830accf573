"""Redirects, retries and cookies, over real connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from http.cookiejar import CookieJar
from typing import Any

import pytest

from pipeline_net.codecs import http
from pipeline_net.codecs.http.client.call import wire_request
from pipeline_net.codecs.http.client.proxy import parse_proxy
from pipeline_net.codecs.http.client.request import PreparedRequest
from pipeline_net.codecs.http.client.url import parse_url

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy"


def _sends_to(places: dict[str, str]) -> Callable[[http.FullRequest], http.FullResponse]:
    def answer(request: http.FullRequest) -> http.FullResponse:
        place = places.get(request.target)
        if place is not None:
            return http.FullResponse(302, {"location": place}, b"elsewhere")
        headers = [(f"x-{name}", value) for name, value in request.headers.items()]
        return http.FullResponse(200, headers, f"{request.method} {request.target}".encode())

    return answer


# -- redirects ------------------------------------------------------------------------------------


def test_redirects_are_followed_on_the_same_connection(site: Any, client: http.Client, books: Any) -> None:
    server = site(_sends_to({"/a": "b", "/b": "/c?d"}))
    response = client.get(f"{server.url}/a")
    assert (response.text, str(response.url)) == ("GET /c?d", f"{server.url}/c?d")
    assert [(each.status, each.url.target) for each in response.history] == [(302, "/a"), (302, "/b")]
    assert books(client) == (1, 1)


def test_redirects_are_not_followed_when_nobody_wants_that(site: Any, client: http.Client) -> None:
    response = client.get(site(_sends_to({"/a": "/b"})).url + "/a", follow_redirects=False)
    assert (response.status, response.text, response.headers["location"]) == (302, "elsewhere", "/b")


def test_a_circle_ends(site: Any, client: http.Client) -> None:
    server = site(_sends_to({"/a": "/a"}))
    with pytest.raises(http.TooManyRedirectsError, match="there were 20 redirects"):
        client.get(f"{server.url}/a")
    assert len(server.seen) == 21


def test_secrets_do_not_go_to_another_server(site: Any) -> None:
    there = site(_sends_to({}))
    here = site(_sends_to({"/a": f"{there.url}/b"}))
    with http.Client(base_url=here.url, auth=("user", "pw")) as client:
        response = client.get("/a", headers={"cookie": "id=1", "x-other": "y"})
    assert here.seen[0].headers["authorization"].startswith("Basic ")
    assert {"x-authorization", "x-cookie"}.isdisjoint(response.headers)
    assert response.headers["x-x-other"] == "y"
    assert response.headers["x-host"] == f"127.0.0.1:{there.port}"


def test_a_redirect_with_an_endless_body_is_followed_all_the_same(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        if "GET /b " in peer.head():
            peer.say(OK)
            return
        peer.say(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.say(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    server = scripted(behaviour)
    assert client.get(f"{server.url}/a").text == "ok"
    assert server.connections == 2


def test_a_307_sends_the_body_again(site: Any, client: http.Client) -> None:
    def answer(request: http.FullRequest) -> http.FullResponse:
        if request.target == "/a":
            return http.FullResponse(307, {"location": "/b"})
        return http.FullResponse(200, {}, request.body)

    url = site(answer).url + "/a"
    assert client.post(url, body=b"abc").body == b"abc"
    assert client.post(url, body=[b"a", b"b"]).body == b"ab"
    with pytest.raises(http.RedirectError, match="it can be read once"):
        client.post(url, body=iter([b"a"]))


# -- retries --------------------------------------------------------------------------------------


def _dies_on_the_second_request(peer: Any) -> None:
    if peer.head():
        peer.say(OK)
        peer.head()  # and there is no answer


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_kept_connection_that_dies_is_made_good(scripted: Any, client: http.Client, how: str) -> None:
    def behaviour(peer: Any) -> None:
        _dies_on_the_second_request(peer)
        if how == "reset":
            peer.reset()

    server = scripted(behaviour)
    assert [client.get(server.url).text for _ in range(2)] == ["ok", "ok"]
    assert server.connections == 2


def test_but_never_for_what_must_not_be_done_twice(scripted: Any, client: http.Client) -> None:
    server = scripted(_dies_on_the_second_request)
    assert client.get(server.url).text == "ok"
    with pytest.raises(http.ResponseError, match="ended before the responses"):
        client.post(server.url, body=b"x")
    assert server.connections == 1


def test_nor_when_an_answer_had_begun(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(OK)
        peer.head()
        peer.say(b"HTTP/1.1 20")

    server = scripted(behaviour)
    client.get(server.url)
    with pytest.raises(http.ResponseError):
        client.get(server.url)
    assert server.connections == 1


def test_a_fresh_connection_that_dies_is_an_error(scripted: Any, client: http.Client) -> None:
    server = scripted(lambda peer: peer.head())
    with pytest.raises(http.ResponseError):
        client.get(server.url)
    assert server.connections == 1


def test_unless_retries_are_wanted(scripted: Any) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        if peer.number == 2:
            peer.say(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    server = scripted(behaviour)
    with http.Client(options=http.ClientOptions(retries=2, retry_pause=0.001)) as client:
        assert client.get(server.url).text == "ok"
        with pytest.raises(http.ResponseError):
            client.post(server.url)
    assert server.connections == 4


def test_who_cannot_connect_may_try_again_whatever_the_method() -> None:
    options = http.ClientOptions(retries=2, retry_pause=0.001)
    with http.Client(options=options) as client, pytest.raises(http.ConnectError, match="Connection refused"):
        client.post("http://127.0.0.1:1/")


def _busy_once() -> Callable[[Any], None]:
    """Make a server that has no time for the first request."""
    answers = [_BUSY, *[OK] * 10]

    def behaviour(peer: Any) -> None:
        while peer.head():
            peer.say(answers.pop(0))

    return behaviour


def test_retry_after_only_when_asked(scripted: Any, client: http.Client) -> None:
    assert client.get(scripted(_busy_once()).url).status == 503
    with http.Client(options=http.ClientOptions(retry_after=1.0)) as patient:
        assert patient.get(scripted(_busy_once()).url).status == 200
        assert patient.post(scripted(_busy_once()).url).status == 503, "it might be done twice"


# -- times and cookies ----------------------------------------------------------------------------


def test_the_total_time_includes_redirects(scripted: Any, client: http.Client) -> None:
    def behaviour(peer: Any) -> None:
        while peer.head():
            peer.say(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises((http.RequestTimeoutError, http.TooManyRedirectsError)):
        client.get(scripted(behaviour).url, timeouts=http.Timeouts(total=0.05))

    with pytest.raises(http.RequestTimeoutError, match=r"'total' took more than 0.05 s"):
        client.get(scripted(lambda peer: peer.wait_for_end()).url, timeouts=http.Timeouts(total=0.05))


def test_cookies_are_kept_across_redirects(site: Any) -> None:
    def answer(request: http.FullRequest) -> http.FullResponse:
        if request.target == "/login":
            return http.FullResponse(303, {"location": "/home", "set-cookie": "id=1; Path=/"})
        return http.FullResponse(200, {}, (request.headers.get("cookie") or "nobody").encode())

    server = site(answer)
    with http.Client(base_url=server.url, cookies=CookieJar()) as client:
        assert client.post("/login").text == "id=1"
        assert client.get("/").text == "id=1"
        assert client.get("/", headers={"cookie": "own=2"}).text == "own=2"
    with http.Client(base_url=server.url) as client:
        assert client.post("/login").text == "nobody", "without a jar there are no cookies"


# -- what travels ---------------------------------------------------------------------------------


def _prepared(url: str, **headers: str) -> PreparedRequest:
    return PreparedRequest(
        method="GET",
        url=parse_url(url),
        headers=http.Headers({name.replace("_", "-"): value for name, value in headers.items()}),
        body=None,
        auth=None,
        timeouts=http.Timeouts(),
        max_body=1,
        follows_redirects=True,
        streams=False,
    )


def test_to_a_proxy_the_whole_url_and_its_password() -> None:
    proxy = parse_proxy("http://u:p@proxy:1")
    head = wire_request(_prepared("http://a:81/x?y"), proxy, None)
    assert head.target == "http://a:81/x?y"
    assert head.headers.items() == [("host", "a:81"), ("proxy-authorization", "Basic dTpw")]


def test_through_a_tunnel_nothing_that_is_for_the_proxy() -> None:
    proxy = parse_proxy("http://u:p@proxy:1")
    head = wire_request(_prepared("https://a/x", proxy_authorization="Basic secret"), proxy, None)
    assert (head.target, head.headers.items()) == ("/x", [("host", "a")])
    head = wire_request(_prepared("http://a/x", proxy_authorization="Basic secret"), None, None)
    assert head.headers.items() == [("host", "a")], "nor to a server without a proxy"


def test_an_abandoned_call_sends_nothing_more(scripted: Any, client: http.Client) -> None:
    came = threading.Event()

    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 5\r\n\r\n")
        came.set()
        peer.wait_for_end()

    server = scripted(behaviour)
    future = client.execute("GET", server.url)
    assert came.wait(10)
    future.cancel()
    client.close().result(10)
    assert server.connections == 1


class _BrokenJar(CookieJar):
    def add_cookie_header(self, request: Any) -> None:
        raise LookupError("it is broken")


def _broken_stages() -> list[Any]:
    raise LookupError("it is broken")


_SOON = http.Timeouts(total=5)


@pytest.mark.parametrize(
    "settings",
    [
        {"cookies": _BrokenJar(), "options": http.ClientOptions(timeouts=_SOON)},
        {"options": http.ClientOptions(timeouts=_SOON, stages=_broken_stages)},
    ],
)
def test_whoever_waits_hears_what_the_programs_own_parts_have_raised(site: Any, settings: dict[str, Any]) -> None:
    url = site(lambda request: http.FullResponse(200)).url
    with http.Client(**settings) as client, pytest.raises(LookupError, match="it is broken"):
        client.get(url)


def test_an_async_iterable_is_begun_where_it_is_awaited(site: Any) -> None:
    threads: list[int] = []

    class Pieces:
        def __init__(self, error: Exception | None) -> None:
            self.error = error

        def __aiter__(self) -> AsyncIterator[bytes]:
            threads.append(threading.get_ident())
            if self.error is not None:
                raise self.error
            return self._pieces()

        async def _pieces(self) -> AsyncIterator[bytes]:
            yield b"piece"

    async def main() -> None:
        url = site(lambda request: http.FullResponse(200, None, request.body)).url
        async with http.Client(options=http.ClientOptions(timeouts=_SOON)) as client:
            assert (await client.execute("POST", url, body=Pieces(None))).body == b"piece"
            with pytest.raises(LookupError, match="it cannot begin"):
                await client.execute("POST", url, body=Pieces(LookupError("it cannot begin")))

    asyncio.run(main())
    assert threads == [threading.get_ident()] * 2
