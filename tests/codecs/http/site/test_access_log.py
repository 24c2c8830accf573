"""A line for every request, whatever has become of it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http
from pipeline_net.server_draining import ServerDraining

Make = Callable[..., Any]


def _short(record: http.AccessRecord) -> str:
    asked = "-" if record.request is None else f"{record.request.method} {record.request.target}"
    end = "" if record.is_complete else " cut"
    return f"{record.client} {asked} {record.status} {record.bytes_sent} {record.duration:.1f}{end}"


class Later(ChannelInboundHandler[Any]):
    """Keeps requests until a test answers them."""

    def __init__(self) -> None:
        self.requests: list[http.FullRequest] = []
        self.ctx: Any = None

    def channel_read(self, ctx: Any, msg: Any) -> None:
        self.ctx = ctx
        self.requests.append(msg)

    def say(self, *parts: Any) -> None:
        for part in parts:
            self.ctx.write(part)


class Logged:
    """A site with a log, and its lines."""

    def __init__(self, make_site: Make, handler: Any, *, settings: Any = None, **log: Any) -> None:
        self.lines: list[str] = []
        self.site = make_site(
            http.AccessLog(self.lines.append, **{"format": _short, **log}), handler, **(settings or {})
        )
        self.channel = self.site.channel


@pytest.fixture
def router() -> http.Router:
    router = http.Router()
    router.add("GET", "/", lambda request: http.FullResponse(200, None, b"hello"))

    @router.get("/parts")
    def parts(request: http.FullRequest) -> Iterator[Any]:
        yield http.Response(200)
        yield b"one"
        yield memoryview(b"two")

    return router


def test_a_line_for_each_request(make_site: Make, router: http.Router) -> None:
    logged = Logged(make_site, router)
    for method, target in (
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/parts"),
        ("HEAD", "/parts"),
        ("POST", "/"),
        ("GET", "/x"),
    ):
        logged.site.send(method, target)
    assert logged.lines == [
        "192.0.2.1 GET / 200 5 0.0",
        "192.0.2.1 HEAD / 200 0 0.0",
        "192.0.2.1 GET /parts 200 6 0.0",
        "192.0.2.1 HEAD /parts 200 0 0.0",
        "192.0.2.1 POST / 405 23 0.0",
        "192.0.2.1 GET /x 404 14 0.0",
    ]


def test_a_line_comes_when_the_response_has_ended(make_site: Make) -> None:
    later = Later()
    logged = Logged(make_site, later)
    logged.site.send("GET", "/")
    logged.channel.advance(2)
    later.say(http.Response(200), http.Data(b"abc"))
    logged.channel.run_pending()
    assert logged.lines == []
    logged.channel.advance(1)
    later.say(http.END)
    assert logged.lines == ["192.0.2.1 GET / 200 3 3.0"]


def test_lines_are_in_the_order_of_the_requests(make_site: Make) -> None:
    later = Later()
    logged = Logged(make_site, later, settings={"limits": http.Limits(max_pipelined=3)})
    for number in range(3):
        logged.site.send("GET", f"/{number}")
    for request in reversed(later.requests):
        later.say(http.FullResponse(200 + int(request.path[1:]), None, b"x", to=request))
    assert logged.lines == [f"192.0.2.1 GET /{number} 20{number} 1 0.0" for number in range(3)]


def test_bytes_that_are_no_request(make_site: Make, router: http.Router) -> None:
    logged = Logged(make_site, router)
    logged.site.send("GET", "/")
    logged.channel.write_inbound(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
    assert logged.lines == ["192.0.2.1 GET / 200 5 0.0", "192.0.2.1 - 400 0 0.0 cut"]


def test_a_request_that_does_not_come_in_time(make_site: Make, router: http.Router) -> None:
    logged = Logged(make_site, router)
    logged.channel.write_inbound(b"GET / HT")
    logged.channel.advance(60)
    assert logged.lines == ["192.0.2.1 - 408 0 0.0 cut"]
    logged = Logged(make_site, router)
    logged.channel.write_inbound(b"POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
    logged.channel.advance(60)
    assert [line.split(" 408 ")[0] for line in logged.lines] == ["192.0.2.1 POST /late"]


def test_a_body_that_is_wrong_or_too_large(make_site: Make, router: http.Router) -> None:
    logged = Logged(make_site, router)
    logged.channel.write_inbound(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
    assert logged.lines == ["192.0.2.1 POST /a 400 0 0.0 cut"]
    logged = Logged(make_site, router)
    logged.channel.write_inbound(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
    assert [line.split()[-4:-2] for line in logged.lines] == [["413", "0"]]


def test_who_leaves_before_or_in_the_middle_of_its_response(make_site: Make) -> None:
    for parts, expected in (([], "499 0"), ([http.Response(200), http.Data(b"abc")], "200 3")):
        later = Later()
        logged = Logged(make_site, later)
        logged.site.send("GET", "/")
        later.say(*parts)
        logged.channel.abort()
        logged.channel.run_pending()
        assert logged.lines == [f"192.0.2.1 GET / {expected} 0.0 cut"]


class Drops(ChannelInboundHandler[Any]):
    def channel_read(self, ctx: Any, msg: Any) -> None:
        """Nobody answers."""


@pytest.mark.parametrize("leaves", ["with a goodbye", "with a reset"])
def test_a_request_that_nobody_answers_leaves_its_line_when_its_client_has_left(leaves: str) -> None:
    lines: SimpleQueue[str] = SimpleQueue()
    deadlines = http.Deadlines(half_closed=0.05)

    def stages(channel: Any) -> Any:
        stack = http.server_stack(deadlines=deadlines) >> http.AccessLog(lines.put, format=_short)
        return stack >> http.RequestAggregator() >> Drops()

    with EventLoopGroup(1) as loops, ServerBootstrap(loops, initializer=stages).bind("tcp://127.0.0.1:0") as server:
        port = int(server.addresses[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"GET /dropped HTTP/1.1\r\nHost: a\r\n\r\n")
            if leaves == "with a reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        line = lines.get(timeout=10)  # while the server runs on
        assert line.startswith("127.0.0.1 GET /dropped 499 0 ")
    assert lines.empty()


def test_a_connection_that_ends_between_requests_has_nothing_to_say(make_site: Make, router: http.Router) -> None:
    logged = Logged(make_site, router)
    logged.site.send("GET", "/")
    logged.channel.finish_input()
    assert len(logged.lines) == 1
    logged = Logged(make_site, router)
    logged.channel.finish_input()
    assert logged.lines == []


def test_a_handler_that_raises_and_a_server_that_ends(make_site: Make, caplog: pytest.LogCaptureFixture) -> None:
    class Raises(ChannelInboundHandler[Any]):
        def channel_read(self, ctx: Any, msg: Any) -> None:
            raise LookupError("a mistake")

    logged = Logged(make_site, Raises())
    with pytest.raises(LookupError):
        logged.site.send("GET", "/")
    assert logged.lines == ["192.0.2.1 GET / 500 0 0.0 cut"]
    logged = Logged(make_site, Later())
    logged.site.send("GET", "/")
    logged.channel.pipeline.fire_user_event_triggered(ServerDraining(5.0))
    logged.channel.pipeline.close()
    logged.channel.run_pending()
    assert logged.lines == ["192.0.2.1 GET / 503 0 0.0 cut"]


def test_preflights_and_redirections_are_logged_too(make_site: Make, router: http.Router) -> None:
    lines: list[str] = []
    log = http.AccessLog(lines.append, format=_short)
    site = make_site(log, http.Cors(http.CorsPolicy("https://a.example")), router)
    site.send("OPTIONS", "/", origin="https://a.example", access_control_request_method="PUT")
    assert lines == ["192.0.2.1 OPTIONS / 204 0 0.0"]


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        ("192.0.2.1", "198.51.100.7", "198.51.100.7"),
        ("192.0.2.1", "10.0.0.1, 198.51.100.7", "198.51.100.7"),
        ("192.0.2.1", 'x" 200 1', "192.0.2.1"),
        ("192.0.2.7", "198.51.100.7", "192.0.2.1"),
        ("", "198.51.100.7", "192.0.2.1"),
    ],
)
def test_the_client_behind_proxies_that_are_trusted(
    make_site: Make, router: http.Router, trusted: str, forwarded: str, client: str
) -> None:
    logged = Logged(make_site, router, proxies=http.TrustedProxies(trusted))
    logged.site.send("GET", "/", x_forwarded_for=forwarded)
    assert logged.lines == [f"{client} GET / 200 5 0.0"]


def test_a_logger_gets_the_line_and_the_record(
    make_site: Make, router: http.Router, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "site.access")
    site = make_site(http.AccessLog(logging.getLogger("site.access"), format=http.common_format), router)
    site.send("GET", "/%s%d")
    (record,) = [record for record in caplog.records if record.name == "site.access"]
    assert '"GET /%s%d HTTP/1.1" 404 14' not in record.getMessage()
    site.send("GET", "/")
    record = caplog.records[-1]
    assert record.getMessage().endswith('"GET / HTTP/1.1" 200 5')
    assert record.access.status == 200  # type: ignore[attr-defined]  # extra


def test_a_format_that_raises_spoils_nothing_but_its_line(
    make_site: Make, router: http.Router, caplog: pytest.LogCaptureFixture
) -> None:
    logged = Logged(make_site, router, format=lambda record: 1 / 0)
    assert logged.site.ask("GET", "/").status == 200
    assert logged.channel.is_open
    assert "could not be logged" in caplog.text


def test_a_file_is_written(make_site: Make, router: http.Router, tmp_path: Any) -> None:
    with http.AccessLogFile(tmp_path / "access.log") as log:
        make_site(http.AccessLog(log), router).send("GET", "/", user_agent='a"b')
    (line,) = (tmp_path / "access.log").read_text().splitlines()
    assert line.startswith("192.0.2.1 - - [")
    assert line.endswith(r'"GET / HTTP/1.1" 200 5 "-" "a\"b"')
