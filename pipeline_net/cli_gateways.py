"""pipeline-net asgi, pipeline-net wsgi: applications of other people's frameworks, by name.

::

    pipeline-net asgi shop:app --address tcp://:8000
    pipeline-net wsgi mysite.wsgi:application --address unix:///run/mysite.sock --threads 16
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from .errors import PipelineNetError

DEFAULT_ADDRESS: Final = "tcp://127.0.0.1:8000"
_CANNOT_BIND: Final = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)

_ASGI: Final = """
Serve an ASGI 3 application (Starlette, FastAPI, Quart, Django) on an asyncio loop.  MODULE:NAME is the application;
NAME() is a function that makes it.
"""
_WSGI: Final = """
Serve a WSGI application (Django, Flask) on a pool of threads.  MODULE:NAME is the application; NAME() is a function
that makes it.
"""


def add_gateways(
    commands: Any,
    address: Callable[[str], str],
    count: Callable[[str], int],
    load: Callable[[str], Any],
    usage_error: Callable[[str], Exception],
    quiet_end: Callable[[], AbstractContextManager[None]],
    another_address: Callable[[OSError], str],
) -> None:
    """Add both commands to a parser, with what the other commands use, too.

    Args:
        address, count: turn text into an address, and into a number from 1 on.
        load: finds what ``module:name`` means.
        usage_error: made of a sentence that says what cannot be done.
        quiet_end: lets SIGTERM end a program as Ctrl-C does.
        another_address: suggests one for that which an error names.
    """

    def run(arguments: argparse.Namespace) -> int:
        what: str = arguments.what
        name = what.removesuffix("()")
        app = load(name)
        if name != what:
            app = app()
        if not callable(app):
            raise usage_error(f"{what} is {app!r}; expected an application, which is called")
        try:
            with quiet_end():
                return 0 if arguments.serve(app, arguments, _announce) else 1
        except KeyboardInterrupt:
            return 0
        except ValueError as exc:
            raise usage_error(str(exc)) from exc
        except PipelineNetError as exc:
            print(f"pipeline-net: {what}: {exc}", file=sys.stderr)
            return 1
        except OSError as exc:
            if exc.errno not in _CANNOT_BIND or "cannot bind" not in str(exc):
                raise
            again = f"pipeline-net {arguments.serve.__name__.removeprefix('serve_')} {what}"
            print(f"pipeline-net: {exc.strerror}", file=sys.stderr)
            print(f"Choose another address:  {again} --address {another_address(exc)}", file=sys.stderr)
            return 1

    asgi = commands.add_parser("asgi", help="serve an ASGI application", description=_ASGI)
    _add_common(asgi, address, count)
    asgi.add_argument("--loops", type=count, default=1, metavar="N", help="event loops, each in a thread (1)")
    asgi.add_argument(
        "--event-loop",
        choices=("auto", "asyncio", "uvloop"),
        default="auto",
        help="what the application runs on (auto: uvloop where it is installed)",
    )
    asgi.set_defaults(do=run, serve=serve_asgi)
    wsgi = commands.add_parser("wsgi", help="serve a WSGI application", description=_WSGI)
    _add_common(wsgi, address, count)
    wsgi.add_argument("--loops", type=count, default=1, metavar="N", help="event loops, each in a thread (1)")
    wsgi.add_argument("--threads", type=count, metavar="N", help="requests that run at once (cores plus 4)")
    wsgi.set_defaults(do=run, serve=serve_wsgi)


def _announce(addresses: list[str]) -> None:
    print("listening on", *addresses, flush=True)


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
    from .codecs.http.proxies import TrustedProxies

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
