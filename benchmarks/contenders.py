"""Who is measured: servers of ours, and peers in the best configuration that a reasonable person would give them."""

from __future__ import annotations

from typing import Final, Literal

from attrs import frozen

OURS: Final = "pipeline_net"
PURE: Final = "pipeline_net, pure"
PORT: Final = "{port}"  # in a command: where the harness puts the port that the server must take

Interpreter = Literal["compiled", "pure", "none"]
Mode = Literal["raw", "frame", "line", "churn", "tls", "websocket"]
Build = Literal["netty", "go", "epoll", "certificate"]

# Relative to benchmarks/, where every server is started:
CERTIFICATE: Final = "bin/tls.pem"  # what the TLS servers show, and its key
NETTY_CLASSES: Final = "bin/netty"
GO_ECHO: Final = "bin/go_echo"
EPOLL_ECHO: Final = "bin/epoll_echo"

_JAVA: Final = "/usr/share/java"  # where Debian keeps its libraries
NETTY_JARS: Final = tuple(
    f"{_JAVA}/netty-{part}.jar"
    for part in (
        *("common", "buffer", "resolver", "transport", "codec", "handler"),
        *("transport-native-unix-common", "transport-native-epoll"),
    )
)


@frozen
class Contender:
    """A server to start: arguments for an interpreter in ``benchmarks/``, or, with ``"none"``, a program of the system.

    It prints the port it got as its first line, unless its command holds ``PORT``: then it takes the one it is given.
    """

    name: str
    command: tuple[str, ...]
    interpreter: Interpreter = "compiled"
    needs: Build | None = None  # what must be compiled or made before it can start
    warm_up: float = 0.0  # seconds under load that its own compiler needs before it is as quick as it gets
    speaks: Mode | None = None  # what it is loaded with instead of the row's mode: a floor does not know the protocol

    @property
    def is_given_port(self) -> bool:
        return any(PORT in argument for argument in self.command)


def ours(work: str, name: str = OURS, interpreter: Interpreter = "compiled", *more: str) -> Contender:
    return Contender(
        name,
        ("servers/echo.py", "--work", work, *more),
        interpreter,
        needs="certificate" if work.startswith("tls") else None,
    )


def hosted(work: str, host: Literal["asyncio", "uvloop"]) -> Contender:
    return ours(work, f"{OURS} in {host}", "compiled", "--host", host)


def on_asyncio(name: str, work: str, loop: str = "uvloop") -> Contender:
    return Contender(
        name,
        ("peers/asyncio_echo.py", "--work", work, "--loop", loop),
        needs="certificate" if work == "tls" else None,
    )


def twisted(work: str) -> Contender:
    return Contender("Twisted", ("peers/twisted_echo.py", "--work", work))


def gevent(work: str) -> Contender:
    return Contender("gevent", ("peers/gevent_echo.py", "--work", work))


def netty(work: str) -> Contender:
    """One event loop, and a collector that needs no threads of its own: it has one core, as everybody here."""
    flags = ("-XX:+UseSerialGC", "-Xms256m", "-Xmx256m", "-XX:-UsePerfData", "-Dio.netty.leakDetection.level=disabled")
    path = ":".join((NETTY_CLASSES, *NETTY_JARS))
    return Contender("netty", ("java", *flags, "-cp", path, "EchoServer", work), "none", needs="netty", warm_up=3.0)


def go(work: str) -> Contender:
    return Contender("Go, net", (GO_ECHO, work), "none", needs="go")


EPOLL: Final = Contender("bare epoll", ("peers/epoll_echo.py",))

# The kernel's own share: nobody is quicker by more.  It sends back what it gets, and looks at no frame.
FLOOR: Final = Contender("epoll in C", (EPOLL_ECHO,), "none", needs="epoll")

# The same for protocols whose replies are not what was asked: bytes in the same number, in a load that is raw.
RAW_FLOOR: Final = Contender("epoll in C, raw bytes", (EPOLL_ECHO,), "none", needs="epoll", speaks="raw")
FLOORS: Final = (FLOOR.name, RAW_FLOOR.name)
RAW_UVLOOP: Final = Contender(
    "uvloop, raw bytes", ("peers/asyncio_echo.py", "--work", "raw", "--loop", "uvloop"), speaks="raw"
)

REDIS: Final = (
    Contender(OURS, (*("../examples/redis_server", "--address", f"tcp://127.0.0.1:{PORT}"),)),
    Contender(
        "redis-server",
        ("redis-server", "--port", PORT, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
        "none",
    ),
)

_ASGI: Final = ("peers.asgi_hello:app", "--port", PORT, "--no-access-log", "--loop", "uvloop")
UVICORN: Final = Contender("uvicorn", ("-m", "uvicorn", *_ASGI, "--http", "httptools", "--log-level", "critical"))
# Without looking for HTTP/2 and WebSockets, and with one thread of its runtime, it takes an eighth less.
_GRANIAN: Final = (
    "--interface",
    "asgi",
    "--workers",
    "1",
    "--no-log",
    "--http",
    "1",
    "--no-ws",
    "--runtime-mode",
    "st",
)
GRANIAN: Final = Contender("granian", ("-m", "granian", *_ASGI, *_GRANIAN))
NGINX: Final = Contender("nginx, a constant", ("peers/nginx_hello.py", "--port", PORT))

HELLO: Final = (
    Contender(OURS, ("servers/http_hello.py",)),
    Contender(PURE, ("servers/http_hello.py",), "pure"),
    UVICORN,
    GRANIAN,
    NGINX,
)

_GATEWAY: Final = ("-m", "pipeline_net", "asgi", "peers.asgi_hello:app", "--address", f"tcp://127.0.0.1:{PORT}")
ASGI_HELLO: Final = (
    Contender(OURS, (*_GATEWAY, "--event-loop", "uvloop")),
    Contender(f"{OURS} in asyncio", (*_GATEWAY, "--event-loop", "asyncio")),
    UVICORN,
    GRANIAN,
)

WEBSOCKET: Final = (
    Contender(OURS, ("servers/websocket_echo.py",)),
    Contender(PURE, ("servers/websocket_echo.py",), "pure"),
    Contender("websockets", ("peers/websocket_echo.py", "--server", "websockets", "--loop", "asyncio")),
    Contender("websockets on uvloop", ("peers/websocket_echo.py", "--server", "websockets")),
    Contender("picows", ("peers/websocket_echo.py", "--server", "picows")),
    RAW_FLOOR,
)
