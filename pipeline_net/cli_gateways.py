"""pipeline-net asgi, pipeline-net wsgi: applications of other people's frameworks, by name.

::

    pipeline-net asgi shop:app --address tcp://:8000
    pipeline-net wsgi mysite.wsgi:application --address unix:///run/mysite.sock --threads 16
    pipeline-net asgi shop:app --address tls://:8443 --tls-cert cert.pem --tls-key key.pem
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .cli_binding import says_why_it_cannot_bind
from .cli_names import UsageError, load
from .errors import PipelineNetError, TlsError

if TYPE_CHECKING:
    from .codecs.http.site.access_log_file import AccessLogFile

_DEFAULT_PLACE: Final = "127.0.0.1:8000"
DEFAULT_ADDRESS: Final = f"tcp://{_DEFAULT_PLACE}"
_DEFAULT_TLS_ADDRESS: Final = f"tls://{_DEFAULT_PLACE}"

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
    quiet_end: Callable[[], AbstractContextManager[None]],
) -> None:
    """Add both commands to a parser, with what the other commands use, too.

    Args:
        address, count: turn text into an address, and into a number from 1 on.
        quiet_end: lets SIGTERM end a program as Ctrl-C does.
    """

    def run(arguments: argparse.Namespace) -> int:
        what: str = arguments.what
        name = what.removesuffix("()")
        app = load(name)
        if name != what:
            app = app()
        if not callable(app):
            raise UsageError(f"{what} is {app!r}; expected an application, which is called")
        _check_parameters(app, what, arguments.serve is serve_asgi)
        try:
            with quiet_end():
                return 0 if arguments.serve(app, arguments, _announce) else 1
        except KeyboardInterrupt:
            return 0
        except (ValueError, TlsError) as exc:
            raise UsageError(str(exc)) from exc
        except PipelineNetError as exc:
            print(f"pipeline-net: {what}: {exc}", file=sys.stderr)
            return 1
        except OSError as exc:
            again = f"pipeline-net {arguments.serve.__name__.removeprefix('serve_')} {what}"
            if not says_why_it_cannot_bind(exc, again):
                raise
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
    _add_websocket(asgi, count)
    asgi.set_defaults(do=run, serve=serve_asgi)
    wsgi = commands.add_parser("wsgi", help="serve a WSGI application", description=_WSGI)
    _add_common(wsgi, address, count)
    wsgi.add_argument("--loops", type=count, default=1, metavar="N", help="event loops, each in a thread (1)")
    wsgi.add_argument("--threads", type=count, metavar="N", help="requests that run at once (cores plus 4)")
    wsgi.add_argument(
        "--any-thread", action="store_true", help="an iterator may go on in another thread, when its client reads again"
    )
    wsgi.set_defaults(do=run, serve=serve_wsgi)


def _check_parameters(app: Callable[..., Any], what: str, is_asgi: bool) -> None:
    """Say at the start what would otherwise be a 500 for every request.

    Raises:
        UsageError: the application cannot be called as it would be; the message says what it may be instead.
    """
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return  # a function of C that does not tell what it takes
    if _takes(signature, 3 if is_asgi else 2):
        return
    asgi, wsgi = "(scope, receive, send)", "(environ, start_response)"
    hint = ""
    if _takes(signature, 2 if is_asgi else 3):
        hint = f": pipeline-net {'wsgi' if is_asgi else 'asgi'} {what} serves it"
    elif _takes(signature, 0):
        hint = f": a function that makes one is named {what}()"
    raise UsageError(
        f"{what} takes {signature}; {'an ASGI' if is_asgi else 'a WSGI'} application takes"
        f" {asgi if is_asgi else wsgi}{hint}"
    )


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _add_websocket(parser: argparse.ArgumentParser, count: Callable[[str], int]) -> None:
    """Add the options that uvicorn has for WebSockets, under its names."""
    parser.add_argument("--ws-max-size", type=count, metavar="BYTES", help="what one message may have (16 MiB)")
    parser.add_argument(
        "--ws-ping-interval",
        type=_seconds,
        metavar="SECONDS",
        help="of silence before a client is asked whether it is there (20); 0 for never",
    )
    parser.add_argument(
        "--ws-ping-timeout", type=_some_seconds, metavar="SECONDS", help="for its answer, or it is let go (20)"
    )
    parser.add_argument(
        "--ws-per-message-deflate",
        choices=("true", "false"),
        help="whether messages are compressed if the client likes that (false)",
    )


def _announce(addresses: list[str]) -> None:
    print("listening on", *addresses, flush=True)


_LISTEN: Final = "--address tcp://HOST:PORT, or unix://PATH; without a host, tcp://:PORT, on every interface"
_OTHER_NAMES: Final = {
    "--host": _LISTEN,
    "--port": _LISTEN,
    "--bind": _LISTEN,
    "--uds": _LISTEN,
    "--workers": "--loops N, threads of one process",
}


def _add_common(parser: argparse.ArgumentParser, address: Callable[[str], str], count: Callable[[str], int]) -> None:
    parser.add_argument("what", metavar="MODULE:NAME", help="for example shop:app, or shop:make_app()")
    parser.add_argument(
        "--address", type=address, action="append", help=f"where to listen; may be repeated ({DEFAULT_ADDRESS})"
    )
    parser.add_argument(*_OTHER_NAMES, action=_Elsewhere, nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--root-path", default="", metavar="PATH", help="where a proxy has mounted the application")
    parser.add_argument(
        "--forwarded-allow-ips",
        default="",
        metavar="LIST",
        help="proxies whose X-Forwarded-… are believed: addresses, networks, unix, * (none)",
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="encrypt tls://… with this certificate (PEM)")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, unless it is in the same file")
    parser.add_argument("--tls-password-file", type=Path, metavar="FILE", help="the password of the key, in a line")
    parser.add_argument("--tls-ca", type=Path, metavar="FILE", help="clients must show a certificate of one of these")
    parser.add_argument("--access-log", metavar="FILE", help="append a line for each request; - is standard output")
    parser.add_argument("--max-body", type=count, metavar="BYTES", help="what one request may carry (64 MiB)")
    parser.add_argument("--max-connections", type=count, metavar="N", help="further ones wait to be accepted")
    parser.add_argument(
        "--patience", type=_seconds, default=10.0, metavar="SECONDS", help="for requests under way at the end (10)"
    )


class _Elsewhere(argparse.Action):
    """An option that other servers have: refused, with what it is called here."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        parser.error(f"there is no {option}: here it is {_OTHER_NAMES[str(option)]}")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, not {text!r}")
    return seconds


def _some_seconds(text: str) -> float:
    seconds = _seconds(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError("expected more than 0 seconds")
    return seconds


def _websocket_options(arguments: argparse.Namespace) -> Any:
    import attrs

    from .codecs.websocket.limits import KEEP_ALIVE
    from .codecs.websocket.negotiation import Deflate
    from .gateways.asgi_websocket import WEBSOCKET_OPTIONS

    limits, keepalive = WEBSOCKET_OPTIONS.limits, KEEP_ALIVE
    if arguments.ws_max_size is not None:
        size: int = arguments.ws_max_size
        limits = attrs.evolve(limits, max_message=size, max_frame=max(limits.max_frame, size))
    if arguments.ws_ping_interval:
        keepalive = attrs.evolve(keepalive, interval=arguments.ws_ping_interval)
    if arguments.ws_ping_timeout is not None:
        keepalive = attrs.evolve(keepalive, timeout=arguments.ws_ping_timeout)
    return attrs.evolve(
        WEBSOCKET_OPTIONS,
        limits=limits,
        keepalive=None if arguments.ws_ping_interval == 0 else keepalive,
        deflate=Deflate() if arguments.ws_per_message_deflate == "true" else None,
    )


def _options(
    arguments: argparse.Namespace, kind: Any, default_max_body: int, log: AccessLogFile | None, **more: Any
) -> Any:
    from .codecs.http.options import Limits
    from .codecs.http.proxies import TrustedProxies
    from .codecs.http.site.access_log import AccessLog

    proxies = TrustedProxies(arguments.forwarded_allow_ips)
    return kind(
        root_path=arguments.root_path,
        proxies=proxies,
        stages=(lambda: ()) if log is None else (lambda: (AccessLog(log, proxies=proxies),)),
        limits=Limits(max_body=arguments.max_body or default_max_body),
        max_connections=arguments.max_connections,
        patience=arguments.patience,
        tls=_tls(arguments),
        **more,
    )


@contextlib.contextmanager
def _access_log(arguments: argparse.Namespace) -> Iterator[AccessLogFile | None]:
    """Open the log of requests, if there is to be one; what is left of it is written at the end.

    Raises:
        ValueError: it cannot be opened.
    """
    if arguments.access_log is None:
        yield None
        return
    from .codecs.http.site.access_log_file import AccessLogFile

    try:
        log = AccessLogFile(sys.stdout if arguments.access_log == "-" else arguments.access_log)
    except OSError as exc:
        raise ValueError(f"--access-log cannot be opened: {exc}") from exc
    with log:
        yield log


def _tls(arguments: argparse.Namespace) -> Any:
    """Make what ``tls://…`` is encrypted with, if there is a certificate.

    Raises:
        ValueError: there is none, and something else that needs one.
        TlsError: a file cannot be used.
    """
    if arguments.tls_cert is None:
        for name in ("tls_key", "tls_password_file", "tls_ca"):
            if getattr(arguments, name) is not None:
                raise ValueError(f"--{name.replace('_', '-')} is of no use without --tls-cert")
        return None
    from .handlers.tls_context import ServerTls

    password: str | None = None
    if arguments.tls_password_file is not None:
        try:
            password = arguments.tls_password_file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as exc:
            raise ValueError(f"--tls-password-file cannot be read: {exc}") from exc
    from .gateways.serving import ALPN

    return ServerTls(arguments.tls_cert, arguments.tls_key, password=password, client_ca=arguments.tls_ca, alpn=ALPN)


def _addresses(arguments: argparse.Namespace) -> list[str]:
    default = DEFAULT_ADDRESS if arguments.tls_cert is None else _DEFAULT_TLS_ADDRESS
    return arguments.address or [default]


def serve_asgi(app: Any, arguments: argparse.Namespace, announce: Callable[[list[str]], object]) -> bool:
    """Serve until a signal; whether the application has ended well.

    Raises:
        ValueError: an option makes no sense; the message says which.
        StartupFailedError: the application cannot start.
    """
    from .gateways.asgi_server import DEFAULT_MAX_BODY, AsgiOptions, run_asgi

    with _access_log(arguments) as log:
        return run_asgi(
            app,
            *_addresses(arguments),
            loops=arguments.loops,
            options=_options(arguments, AsgiOptions, DEFAULT_MAX_BODY, log, websocket=_websocket_options(arguments)),
            event_loop=arguments.event_loop,
            ready=announce,
        )


def serve_wsgi(app: Any, arguments: argparse.Namespace, announce: Callable[[list[str]], object]) -> bool:
    """Serve until a signal.

    Raises:
        ValueError: an option makes no sense; the message says which.
    """
    from .gateways.wsgi_server import DEFAULT_MAX_BODY, WsgiOptions, run_wsgi

    with _access_log(arguments) as log:
        run_wsgi(
            app,
            *_addresses(arguments),
            loops=arguments.loops,
            threads=arguments.threads,
            options=_options(arguments, WsgiOptions, DEFAULT_MAX_BODY, log, any_thread=arguments.any_thread),
            ready=lambda server: announce(server.addresses),
        )
    return True
