"""pipeline-net asgi, pipeline-net wsgi: applications of other people's frameworks, by name.

::

    pipeline-net asgi shop:app --address tcp://:8000
    pipeline-net wsgi mysite.wsgi:application --address unix:///run/mysite.sock --threads 16
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

DEFAULT_ADDRESS: Final = "tcp://127.0.0.1:8000"

_ASGI: Final = """
Serve an ASGI 3 application (Starlette, FastAPI, Quart, Django) on an asyncio loop.  MODULE:NAME is the application;
NAME() is a function that makes it.
"""
_WSGI: Final = """
Serve a WSGI application (Django, Flask) on a pool of threads.  MODULE:NAME is the application; NAME() is a function
that makes it.
"""


def add_gateways(commands: Any, address: Callable[[str], str], count: Callable[[str], int]) -> None:
    """Add both commands to a parser; the functions turn text into an address, and into a number from 1 on."""
    asgi = commands.add_parser("asgi", help="serve an ASGI application", description=_ASGI)
    _add_common(asgi, address, count)
    asgi.add_argument("--loops", type=count, default=1, metavar="N", help="event loops, each in a thread (1)")
    asgi.add_argument(
        "--event-loop",
        choices=("auto", "asyncio", "uvloop"),
        default="auto",
        help="what the application runs on (auto: uvloop where it is installed)",
    )
    asgi.set_defaults(serve=serve_asgi)
    wsgi = commands.add_parser("wsgi", help="serve a WSGI application", description=_WSGI)
    _add_common(wsgi, address, count)
    wsgi.add_argument("--loops", type=count, default=1, metavar="N", help="event loops, each in a thread (1)")
    wsgi.add_argument("--threads", type=count, metavar="N", help="requests that run at once (cores plus 4)")
    wsgi.set_defaults(serve=serve_wsgi)


def _add_common(parser: argparse.ArgumentParser, address: Callable[[str], str], count: Callable[[str], int]) -> None:
    parser.add_argument("what", metavar="MODULE:NAME", help="for example shop:app, or shop:make_app()")
    parser.add_argument(
        "--address", type=address, action="append", help=f"where to listen; may be repeated ({DEFAULT_ADDRESS})"
    )
    parser.add_argument("--root-path", default="", metavar="PATH", help="where a proxy has mounted the application")
    parser.add_argument(
        "--forwarded-allow-ips",
        default="",
        metavar="LIST",
        help="proxies whose X-Forwarded-… are believed: addresses, networks, unix, * (none)",
    )
    parser.add_argument("--max-body", type=count, metavar="BYTES", help="what one request may carry (64 MiB)")
    parser.add_argument("--max-connections", type=count, metavar="N", help="further ones wait to be accepted")
    parser.add_argument(
        "--patience", type=_seconds, default=10.0, metavar="SECONDS", help="for requests under way at the end (10)"
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, not {text!r}")
    return seconds


def _options(arguments: argparse.Namespace, kind: Any, default_max_body: int) -> Any:
    from .codecs.http.options import Limits
    from .gateways.proxies import TrustedProxies

    return kind(
        root_path=arguments.root_path,
        proxies=TrustedProxies(arguments.forwarded_allow_ips),
        limits=Limits(max_body=arguments.max_body or default_max_body),
        max_connections=arguments.max_connections,
        patience=arguments.patience,
    )


def serve_asgi(app: Any, arguments: argparse.Namespace, announce: Callable[[list[str]], object]) -> bool:
    """Serve until a signal; whether the application has ended well.

    Raises:
        ValueError: an option makes no sense; the message says which.
        StartupFailedError: the application cannot start.
    """
    from .gateways.asgi_server import DEFAULT_MAX_BODY, AsgiOptions, run_asgi

    return run_asgi(
        app,
        *(arguments.address or [DEFAULT_ADDRESS]),
        loops=arguments.loops,
        options=_options(arguments, AsgiOptions, DEFAULT_MAX_BODY),
        event_loop=arguments.event_loop,
        ready=announce,
    )


def serve_wsgi(app: Any, arguments: argparse.Namespace, announce: Callable[[list[str]], object]) -> bool:
    """Serve until a signal.

    Raises:
        ValueError: an option makes no sense; the message says which.
    """
    from .gateways.wsgi_server import DEFAULT_MAX_BODY, WsgiOptions, run_wsgi

    run_wsgi(
        app,
        *(arguments.address or [DEFAULT_ADDRESS]),
        loops=arguments.loops,
        threads=arguments.threads,
        options=_options(arguments, WsgiOptions, DEFAULT_MAX_BODY),
        ready=lambda server: announce(server.addresses),
    )
    return True
