"""Functions that answer requests: which is called, with what, and what becomes of what it does."""

from __future__ import annotations

import functools
import logging
import re
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_net import ChannelInboundHandler, EventLoopGroup, PipelineError, ServerBootstrap
from pipeline_net.codecs import http
from pipeline_net.future import ChannelFuture, completed, failed
from pipeline_net.testing import EmbeddedChannel
from pipeline_net.transport.event_loop import EventLoop
from pipeline_net.transport.pool import WorkerPool

Make = Callable[..., Any]


def _said(*values: Any) -> http.FullResponse:
    return http.FullResponse(200, None, " ".join(map(str, values)).encode())


@pytest.fixture
def router() -> http.Router:
    router = http.Router()

    @router.get("/notes")
    def notes(request: http.FullRequest) -> http.FullResponse:
        return _said("notes", request.query)

    @router.post("/notes")
    def write(request: http.FullRequest) -> http.FullResponse:
        return http.json_response({"length": len(request.body)}, 201)

    @router.get("/notes/{number:int}")
    def note(request: http.FullRequest, number: int) -> http.FullResponse:
        if number > 9:
            raise http.HttpError(404, f"there is no note {number}")
        return _said("note", repr(number))

    @router.get("/wrong")
    def wrong(request: http.FullRequest) -> http.FullResponse:
        raise LookupError("a secret")

    @router.get("/nothing")
    def nothing(request: http.FullRequest) -> None:
        return None

    @router.get("/folder/")
    def folder(request: http.FullRequest) -> http.FullResponse:
        return _said("folder")

    return router


@pytest.mark.parametrize(
    ("method", "target", "status", "body"),
    [
        ("GET", "/notes", 200, b"notes "),
        ("GET", "/notes?a=b", 200, b"notes a=b"),
        ("HEAD", "/notes", 200, b""),
        ("GET", "/notes/7", 200, b"note 7"),
        ("HEAD", "/notes/7", 200, b""),
        ("GET", "http://example.org/notes/7", 200, b"note 7"),
        ("GET", "http://example.org/notes", 200, b"notes "),
        ("GET", "/notes/10", 404, b"there is no note 10\n"),
        ("GET", "/notes/x", 404, b"404 Not Found\n"),
        ("GET", "/none", 404, b"404 Not Found\n"),
        ("GET", "http://example.org", 404, b"404 Not Found\n"),
        ("GET", "/%zz", 400, b"a percent sign is followed by two hexadecimal digits, and not as in '%zz'\n"),
        ("GET", "/a/../notes", 400, b"the path has a dot segment: '/a/../notes'\n"),
        ("FOO", "a:b", 400, b"400 Bad Request\n"),
        ("GET", "/nothing", 500, b"500 Internal Server Error\n"),
    ],
)
def test_what_is_answered(
    make_site: Make, router: http.Router, method: str, target: str, status: int, body: bytes
) -> None:
    response = make_site(router).ask(method, target)
    assert (response.status, response.body) == (status, body)


def test_a_body_is_read_by_its_handler(make_site: Make, router: http.Router) -> None:
    response = make_site(router).ask("POST", "/notes", b"hello")
    assert (response.status, response.body) == (201, b'{"length":5}\n')


@pytest.mark.parametrize(
    ("method", "target", "status", "allow"),
    [
        ("DELETE", "/notes", 405, "GET, POST, HEAD, OPTIONS"),
        ("OPTIONS", "/notes", 204, "GET, POST, HEAD, OPTIONS"),
        ("OPTIONS", "/notes/7", 204, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "*", 204, "GET, POST, HEAD, OPTIONS"),
        ("BREW", "/notes/7", 405, "GET, HEAD, OPTIONS"),
    ],
)
def test_other_methods_are_told_which_there_are(
    make_site: Make, router: http.Router, method: str, target: str, status: int, allow: str
) -> None:
    response = make_site(router).ask(method, target)
    assert (response.status, response.headers["allow"]) == (status, allow)


def test_a_tunnel_is_not_made(make_site: Make, router: http.Router) -> None:
    site = make_site(router)
    assert site.ask("CONNECT", "example.org:80", host="example.org:80").status == 501
    assert not site.channel.is_open


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/notes/", "/notes"),
        ("/notes/?a=b", "/notes?a=b"),
        ("/notes/?", "/notes?"),
        ("/notes/7/", "/notes/7"),
        ("/folder", "/folder/"),
        ("/n%6Ftes/", "/n%6Ftes"),
        ("http://example.org/notes/", "/notes"),
    ],
)
def test_a_slash_too_many_or_too_few_is_redirected(
    make_site: Make, router: http.Router, target: str, location: str
) -> None:
    response = make_site(router).ask("GET", target)
    assert (response.status, response.headers["location"]) == (308, location)


def test_no_slash_leads_to_another_host(make_site: Make) -> None:
    router = http.Router()
    router.add("GET", "/{rest:path}", lambda request, rest: _said(rest))
    router.add("GET", "/{a}/{b}/", lambda request, a, b: _said(a, b))
    router.add("GET", "/{a}", lambda request, a: _said(a))
    for target in (
        "//evil.example",
        "//evil.example/",
        "///evil.example/x",
        "/%5Cevil.example/",
        "/%2Fevil.example/",
        "/\\evil.example/",
        "/\\/",
    ):
        response = make_site(router).ask("GET", target)
        location = response.headers.get("location", "/")
        assert not location.startswith(("//", "/\\")), (target, location)


def test_slashes_are_taken_as_they_are_where_that_is_wanted(make_site: Make) -> None:
    router = http.Router(redirect_slashes=False)
    router.add("GET", "/notes", lambda request: _said("notes"))
    assert make_site(router).ask("GET", "/notes/").status == 404


def test_an_exception_is_logged_and_told_to_nobody(
    make_site: Make, router: http.Router, caplog: pytest.LogCaptureFixture
) -> None:
    site = make_site(router)
    response = site.ask("GET", "/wrong")
    assert (response.status, response.body) == (500, b"500 Internal Server Error\n")
    assert site.channel.is_open
    (record,) = caplog.records
    assert "the handler raised" in record.message
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a secret"
    assert site.ask("GET", "/notes").status == 200  # nothing has come of it


def test_errors_are_rendered_as_the_site_wants_it(make_site: Make, caplog: pytest.LogCaptureFixture) -> None:
    def render(request: http.Request, error: http.HttpError) -> http.FullResponse:
        if request.path == "/broken":
            raise LookupError("in render_error")
        return http.json_response({"error": error.message}, error.status, error.headers)

    router = http.Router(render_error=render)
    router.add("GET", "/broken", lambda request: 1 / 0)
    router.add("GET", "/taken", lambda request: (_ for _ in ()).throw(http.HttpError(409, "taken")))
    site = make_site(router)
    assert site.ask("GET", "/none").body == b'{"error":"404 Not Found"}\n'
    refused = site.ask("POST", "/taken")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert site.ask("GET", "/taken").body == b'{"error":"taken"}\n'
    assert site.ask("GET", "/broken").body == b"500 Internal Server Error\n"
    assert "render_error raised" in caplog.text


# -- answers that come later -------------------------------------------------------------------------------------------


def test_a_future_answers_when_it_is_done(make_site: Make) -> None:
    futures: list[ChannelFuture[Any]] = []
    router = http.Router()

    @router.get("/later")
    def later(request: http.FullRequest) -> ChannelFuture[Any]:
        futures.append(ChannelFuture(site.channel.loop))
        return futures[-1]

    site = make_site(router)
    assert site.send("GET", "/later") == b""
    futures[0].set_result(_said("now"))
    site.channel.run_pending()
    assert site.sent().endswith(b"\r\n\r\nnow")
    assert site.send("GET", "/later") == b""
    futures[1].set_exception(http.HttpError(503, "not today"))
    site.channel.run_pending()
    assert b"503 Service Unavailable" in site.sent()


def test_a_future_of_nonsense_is_a_500(make_site: Make, caplog: pytest.LogCaptureFixture) -> None:
    router = http.Router()
    router.add("GET", "/a", lambda request: completed(site.channel.loop, "text"))
    router.add("GET", "/b", lambda request: failed(site.channel.loop, LookupError("secret")))
    router.add("GET", "/c", lambda request: completed(site.channel.loop, completed(site.channel.loop, 1)))
    site = make_site(router)
    for target in ("/a", "/b", "/c"):
        assert site.ask("GET", target).status == 500
    assert len(caplog.records) == 3


def test_nobody_is_answered_who_has_left(make_site: Make) -> None:
    router = http.Router()
    router.add("GET", "/later", lambda request: future)
    site = make_site(router)
    future: ChannelFuture[Any] = ChannelFuture(site.channel.loop)
    site.send("GET", "/later")
    site.channel.abort()
    future.set_result(_said("too late"))
    site.channel.run_pending()
    assert site.sent() == b""


def test_several_requests_at_a_time_are_answered_in_order(make_site: Make) -> None:
    futures: dict[str, ChannelFuture[Any]] = {}

    def later(request: http.FullRequest, name: str) -> ChannelFuture[Any]:
        return futures.setdefault(name, ChannelFuture(site.channel.loop))

    router = http.Router()
    router.add("GET", "/{name}", later)
    site = make_site(router, limits=http.Limits(max_pipelined=3))
    site.channel.write_inbound(b"".join(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % name for name in (b"a", b"b", b"c")))
    same = _said("the same")
    for name in ("c", "b", "a"):
        futures[name].set_result(same)  # one object for all is copied
    site.channel.run_pending()
    assert site.sent().count(b"the same") == 3


def test_what_blocks_runs_on_a_thread(make_site: Make) -> None:
    router = http.Router()

    @router.get("/slow/{number:int}", blocking=True)
    def slow(request: http.FullRequest, number: int) -> http.FullResponse:
        return _said(number)

    @router.get("/wrong", blocking=True)
    def wrong(request: http.FullRequest) -> http.FullResponse:
        raise http.HttpError(409)

    @router.get("/lazy", blocking=True)
    def lazy(request: http.FullRequest) -> Iterator[bytes]:
        return iter([b""])

    site = make_site(router)
    assert site.ask("GET", "/slow/7").body == b"7"
    assert site.ask("GET", "/wrong").status == 409
    assert site.ask("GET", "/lazy").status == 500


def test_a_pool_without_room_is_a_503() -> None:
    may_go_on = threading.Event()
    router = http.Router()
    router.add("GET", "/slow", lambda request: _said(may_go_on.wait(10)), blocking=True)
    with WorkerPool(1, 1) as pool:
        loop = EventLoop(pool=pool)
        loop.start()
        server = ServerBootstrap(
            loop, initializer=lambda channel: http.server_stack() >> http.RequestAggregator() >> router
        ).bind("tcp://127.0.0.1:0")
        host, _, port = server.addresses[0].removeprefix("tcp://").rpartition(":")
        with ExitStack() as stack:
            clients = [stack.enter_context(socket.create_connection((host, int(port)), timeout=10)) for _ in range(4)]
            for client in clients:
                client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            selector = stack.enter_context(selectors.DefaultSelector())
            for client in clients:
                selector.register(client, selectors.EVENT_READ)
            (key, _), *_ = selector.select(10)  # nobody else can have an answer
            refused = key.fileobj.recv(4096)  # type: ignore[union-attr]  # it is a socket
            may_go_on.set()
        loop.stop()
    assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n")


# -- how it is put together --------------------------------------------------------------------------------------------


def test_routers_are_mounted_below_a_prefix(make_site: Make, router: http.Router) -> None:
    site_router = http.Router()
    site_router.add("GET", "/", lambda request: _said("home"))
    site_router.mount("/api/{version}", _with_version())
    site_router.mount("/old", router)
    site = make_site(site_router)
    assert site.ask("GET", "/").body == b"home"
    assert site.ask("GET", "/old/notes/7").body == b"note 7"
    assert site.ask("GET", "/api/v2/hello").body == b"v2"
    assert repr(site_router) == "<Router of 8 routes>"
    with pytest.raises(ValueError, match="too late"):
        router.add("GET", "/more", lambda request: _said())


def _with_version() -> http.Router:
    router = http.Router()
    # A router that is mounted below a place has handlers that take it, and so cannot know it itself.
    router.add("GET", "/hello", lambda request, version="none": _said(version))
    return router


def test_a_prefix_is_left_to_the_next_stage(make_site: Make) -> None:
    class Files(ChannelInboundHandler[http.FullRequest]):
        def channel_read(self, ctx: Any, msg: Any) -> None:
            ctx.write(_said("file", msg.path, msg.method))

    router = http.Router()
    router.add("GET", "/", lambda request: _said("home"))
    router.pass_on("/static")
    site = make_site(router, Files())
    assert site.ask("GET", "/static/a.css").body == b"file /static/a.css GET"
    assert site.ask("POST", "/static").body == b"file /static POST"
    assert site.ask("GET", "/static/").body == b"file /static/ GET"
    assert site.ask("GET", "/").body == b"home"
    assert site.ask("GET", "/statics").status == 404
    router = http.Router()
    router.pass_on("/a")
    with pytest.raises(ValueError, match="match the same requests"):
        router.add("GET", "/a", lambda request: _said())


async def _coroutine(request: http.FullRequest) -> http.FullResponse:
    return _said()


async def _async_generator(request: http.FullRequest) -> Any:
    yield b""


def _generator(request: http.FullRequest) -> Iterator[bytes]:
    yield b""


@pytest.mark.parametrize(
    ("method", "pattern", "handler", "options", "complaint"),
    [
        ("GET", "/", _coroutine, {}, "is async def, and nobody would await it"),
        ("GET", "/", functools.partial(_coroutine), {}, "is async def"),
        ("GET", "/", _async_generator, {}, "is async def"),
        ("GET", "/", _generator, {"blocking": True}, "is a generator"),
        ("GET", "/", lambda: None, {}, r"is called as handler\(request\), but takes \(\)"),
        ("GET", "/{a}", lambda request: None, {}, r"is called as handler\(request, a=…\), but takes \(request\)"),
        ("GET", "/{a}", lambda request, b: None, {}, "is called as"),
        ("G T", "/", lambda request: None, {}, "a method is a token"),
        ("*", "/", lambda request: None, {}, "a method is a token"),
        ("get", "/", lambda request: None, {}, "capitals: 'GET', not 'get'"),
        ("GET", "nowhere", lambda request: None, {}, "begins with a slash"),
    ],
)
def test_a_route_that_could_not_work_is_refused(
    method: str, pattern: str, handler: Any, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        http.Router().add(method, pattern, handler, **options)
    with pytest.raises(TypeError, match=r"a route is a path, as in @router.get"):
        http.Router().get(handler)


@pytest.mark.parametrize("prefix", ["", "/", "api", "/api/"])
def test_a_prefix_that_is_none_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="a prefix begins with a slash"):
        http.Router().mount(prefix, http.Router())
    if prefix != "/":
        with pytest.raises(ValueError, match="a prefix begins with a slash"):
            http.Router().pass_on(prefix)


def test_routes_are_fixed_when_the_first_connection_uses_them(make_site: Make, router: http.Router) -> None:
    make_site(router)
    with pytest.raises(ValueError, match="comes too late: the router is in use"):
        router.get("/more")(lambda request: _said())


def test_a_router_without_an_aggregator_says_what_is_missing() -> None:
    channel = EmbeddedChannel(http.server_stack(date=False), http.Router())
    with pytest.raises(PipelineError, match="put a RequestAggregator in front of it"):
        channel.write_inbound(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"".join(channel.outbound).startswith(b"HTTP/1.1 500 ")


def test_all_methods_have_a_decorator(make_site: Make) -> None:
    router = http.Router()
    for decorate, method in (
        (router.put, "PUT"),
        (router.patch, "PATCH"),
        (router.delete, "DELETE"),
        (functools.partial(router.route, "PURGE"), "PURGE"),
    ):

        @decorate("/")
        def handler(request: http.FullRequest, method: str = method) -> http.FullResponse:
            return _said(method)

        assert handler(None).body == method.encode()  # type: ignore[arg-type]  # it is what it was
    site = make_site(router)
    for method in ("PUT", "PATCH", "DELETE", "PURGE"):
        assert site.ask(method, "/").body == method.encode()


def test_one_router_serves_several_loops_at_once(router: http.Router, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    with EventLoopGroup(2) as loops:
        server = ServerBootstrap(
            loops, initializer=lambda channel: http.server_stack() >> http.RequestAggregator() >> router
        ).bind("tcp://127.0.0.1:0")
        host, _, port = server.addresses[0].removeprefix("tcp://").rpartition(":")

        def ask(number: int) -> bytes:
            with socket.create_connection((host, int(port)), timeout=10) as client:
                client.sendall(b"GET /notes/%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % (number % 10))
                return b"".join(iter(lambda: client.recv(4096), b""))

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(ask, range(40)))
    assert [answer.endswith(b"note %d" % (number % 10)) for number, answer in enumerate(answers)] == [True] * 40


_HOSTILE = st.text(alphabet=st.sampled_from("/%.\\aA0217notefils2Ef{}:*~;@?=&+'\"<>|[]()!,"), max_size=80)


@settings(max_examples=200, deadline=None)
@given(_HOSTILE, st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "DELETE", "get", "X-Y"]))
def test_no_path_costs_more_than_an_answer(target: str, method: str) -> None:
    """Whatever a client asks for, it gets one answer, no exception is raised, and nobody is led away."""
    router = http.Router()
    router.add("GET", "/notes/{number:int}", lambda request, number: _said(number))
    router.add("GET", "/files/{where:path}", lambda request, where: _said(where))
    router.add("POST", "/{a}/{b}/", lambda request, a, b: _said(a, b))
    router.add("GET", "/{name}", lambda request, name: _said(name))
    channel = EmbeddedChannel(http.server_stack(date=False), http.RequestAggregator(), router)
    channel.write_inbound(f"{method} /{target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    data = b"".join(channel.outbound)
    assert data.startswith(b"HTTP/1.1 ")
    assert data.count(b"HTTP/1.1 ") == 1
    assert not data.startswith(b"HTTP/1.1 5")
    assert re.search(rb"\r\nlocation: (?:/[/\\]|[^/])", data) is None
    assert channel.exceptions == []


@pytest.mark.parametrize("blocking", [False, True])
def test_a_form_is_routed_like_its_request_and_given_to_the_handler(blocking: bool) -> None:
    router = http.Router()

    @router.post("/people/{name}", blocking=blocking)
    def write(form: http.FormRequest, name: str) -> http.FullResponse:
        return _said(name, form.fields.get("likes"))

    @router.get("/people/{name}")
    def read(request: http.FullRequest, name: str) -> http.FullResponse:
        return _said(name)

    def ask(line: bytes) -> bytes:
        channel = EmbeddedChannel(http.server_stack(date=False) >> http.Forms() >> http.RequestAggregator() >> router)
        head = b"Host: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nlikes=tea"
        channel.write_inbound(line + b" HTTP/1.1\r\n" + (head if line.startswith(b"POST") else b"Host: a\r\n\r\n"))
        channel.run_pending()
        return b"".join(channel.outbound)

    assert ask(b"POST /people/ada").endswith(b"ada tea")
    assert ask(b"GET /people/ada").endswith(b"ada")
    assert ask(b"POST /nobody").startswith(b"HTTP/1.1 404 ")
    assert ask(b"POST /people/a%2").startswith(b"HTTP/1.1 400 ")


def test_what_a_client_has_sent_wrongly_is_its_own_mistake(make_site: Any, caplog: pytest.LogCaptureFixture) -> None:
    router = http.Router()
    router.add("GET", "/", lambda request: _said(http.parse_query(request.query).get("q")))
    site = make_site(router)
    assert site.ask("GET", "/?q=100%25").body == b"100%"
    assert (site.ask("GET", "/?q=100%").status, caplog.records) == (400, [])
