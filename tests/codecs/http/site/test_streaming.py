"""Responses that a generator writes: as fast as the peer reads, and not a byte for who has left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net import EncodeError
from pipeline_net.codecs import http
from pipeline_net.codecs.http.site.streaming import PartWriter, addressed, with_headers

Make = Callable[..., Any]


class Generator:
    """A handler that yields ``parts``, and notes how far it came and that it was closed."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self.yielded = 0
        self.is_closed = False

    def __call__(self, request: http.FullRequest) -> Iterator[Any]:
        return self._run()

    def _run(self) -> Iterator[Any]:
        try:
            for part in self.parts:
                if isinstance(part, Exception):
                    raise part
                self.yielded += 1
                yield part
        finally:
            self.is_closed = True


def _site(make_site: Make, handler: Any, **settings: Any) -> Any:
    router = http.Router()
    router.add("GET", "/", handler)
    return make_site(router, **settings)


def test_parts_are_written_and_the_end_is_added(make_site: Make) -> None:
    handler = Generator(http.Response(200), b"one", http.Data(b"two"), bytearray(b"three"), b"")
    site = _site(make_site, handler)
    assert site.ask("GET", "/").body == b"onetwothree"
    assert handler.is_closed
    assert site.ask("GET", "/").status == 200  # the same Response object, once more


def test_an_end_with_trailers_is_the_end(make_site: Make) -> None:
    site = _site(make_site, Generator(http.Response(200), b"one", http.End({"sum": "1"}), b"never"))
    response = site.ask("GET", "/")
    assert (response.body, response.trailers) == (b"one", http.Headers({"sum": "1"}))


def test_to_head_only_the_head_is_made(make_site: Make) -> None:
    handler = Generator(http.Response(200, {"x": "y"}), b"one")
    site = _site(make_site, handler)
    assert site.ask("HEAD", "/").headers["x"] == "y"
    assert (handler.yielded, handler.is_closed) == (1, True)
    assert site.ask("GET", "/").body == b"one"


def test_a_slow_reader_is_waited_for(make_site: Make) -> None:
    handler = Generator(http.Response(200), *[b"x" * 10_000] * 1000)
    site = _site(make_site, handler)
    site.channel.peer_window = 0
    site.send("GET", "/")
    assert handler.yielded < 20
    site.channel.peer_window = 100_000
    site.channel.run_pending()
    assert 10 < handler.yielded < 40
    site.channel.peer_window = None
    site.channel.run_pending()
    assert (handler.yielded, handler.is_closed) == (1001, True)


def test_who_leaves_closes_the_generator(make_site: Make) -> None:
    handler = Generator(http.Response(200), *[b"x" * 10_000] * 1000)
    site = _site(make_site, handler)
    site.channel.peer_window = 0
    site.send("GET", "/")
    site.channel.abort()
    site.channel.run_pending()
    assert handler.is_closed
    assert handler.yielded < 20


def test_others_have_their_turn(make_site: Make) -> None:
    """A generator that never ends, and a peer that takes everything."""
    seen: list[int] = []

    def leave() -> None:
        seen.append(numbers)
        site.channel.abort()

    numbers = 0

    def endless(request: http.FullRequest) -> Iterator[Any]:
        yield http.Response(200)
        nonlocal numbers
        while True:
            numbers += 1
            if numbers == 5:
                site.channel.loop.execute(leave)
            yield b"x"

    site = _site(make_site, endless)
    site.send("GET", "/")
    assert 5 < seen[0] < 100


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([], 500),
        ([b"no head"], 500),
        ([http.FullResponse(200)], 500),
        ([http.HttpError(409)], 409),
        ([LookupError()], 500),
        ([http.Response(200), LookupError()], 500),  # the head had not left
        ([http.Response(200), b"a", "text"], 500),
    ],
)
def test_what_fails_before_anything_has_left_is_answered(
    make_site: Make, parts: list[Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    site = _site(make_site, Generator(*parts))
    assert site.ask("GET", "/").status == status
    assert site.channel.is_open
    assert ("the handler raised" in caplog.text) is (status == 500)


@pytest.mark.parametrize("last", [LookupError("too late"), 7])
def test_what_fails_later_cuts_the_body_off(make_site: Make, last: Any, caplog: pytest.LogCaptureFixture) -> None:
    site = _site(make_site, Generator(http.Response(200), *[b"x" * 10_000] * 30, last))
    data = site.send("GET", "/")
    assert data.count(b"x") == 300_000
    assert not data.endswith(b"0\r\n\r\n")
    assert not site.channel.is_open
    assert "was not completed" in caplog.text


def test_a_body_that_is_longer_than_it_said_cuts_the_connection(
    make_site: Make, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Generator(http.Response(200, {"content-length": "3"}), *[b"xx"] * 40)
    site = _site(make_site, handler)
    with pytest.raises(EncodeError, match="Content-Length leaves 1"):
        site.send("GET", "/")
    assert not site.channel.is_open
    assert handler.is_closed


def test_a_generator_that_raises_when_it_is_closed_is_logged(make_site: Make, caplog: pytest.LogCaptureFixture) -> None:
    def bad(request: http.FullRequest) -> Iterator[Any]:
        try:
            yield http.Response(200)
            yield b"x" * 100_000
            yield b"x"
        finally:
            raise LookupError("in finally")

    site = _site(make_site, bad)
    site.channel.peer_window = 0
    site.send("GET", "/")
    site.channel.abort()
    site.channel.run_pending()
    assert "raised when it was closed" in caplog.text


def test_any_iterator_will_do(make_site: Make) -> None:
    site = _site(make_site, lambda request: iter([http.Response(200), b"x"]))
    assert site.ask("GET", "/").body == b"x"
    assert PartWriter(iter([]), lambda request, exc: http.FullResponse(500)) is not None


def test_with_several_requests_each_part_says_whose_it_is(make_site: Make) -> None:
    router = http.Router()

    @router.get("/{name}")
    def stream(request: http.FullRequest, name: str) -> Iterator[Any]:
        yield http.Response(200)
        for _ in range(30):
            yield name.encode() * 5000

    site = make_site(router, limits=http.Limits(max_pipelined=4))
    site.channel.write_inbound(b"".join(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % name for name in (b"a", b"b", b"c")))
    data = site.sent()
    assert [data.count(name * 5000) for name in (b"a", b"b", b"c")] == [30] * 3
    assert data.index(b"b" * 5000) > data.rindex(b"a" * 5000)


def test_a_response_that_answers_another_request_is_copied() -> None:
    first, second = http.Request("GET", "/1"), http.Request("GET", "/2")
    full = http.FullResponse(200, {"a": "b"}, b"x", {"t": "u"}, reason="Fine")
    said = addressed(full, first)
    assert (said, said.to, full.to) == (full, first, None), "a constant stays what it is"
    assert addressed(said, first) is said
    copy = addressed(said, second)
    assert copy is not full
    assert (copy, copy.to) == (full, second)
    assert addressed(http.Response(404, to=first), second) == http.Response(404)


def test_other_headers_leave_the_first_ones_as_they_are() -> None:
    constant = http.Headers({"a": "b"})
    response = http.FullResponse(200, constant, b"x")
    copy = with_headers(response, http.Headers({"c": "d"}), None)
    assert copy == http.FullResponse(200, {"c": "d"}, b"x")
    assert constant.items() == [("a", "b")]


@pytest.mark.parametrize("blocking", [False, True])
def test_a_stream_that_cannot_begin_leaves_nobody_waiting(make_site: Make, blocking: bool) -> None:
    class Broken(http.StreamingResponse):
        def begin(self, ctx: Any, request: http.Request) -> None:
            raise LookupError("it cannot begin")

    router = http.Router()
    router.add("GET", "/", lambda request: Broken(), blocking=blocking)
    site = make_site(router)
    with pytest.raises(LookupError):
        site.send("GET", "/")
    assert site.sent().startswith(b"HTTP/1.1 500 ")
    assert not site.channel.is_open
