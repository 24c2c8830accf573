"""The environ of WSGI: one request as a dictionary of the CGI kind.

Text in it is "native strings": one character for each byte, as in Latin-1.  That holds for PATH_INFO, too: frameworks
encode it back to bytes, and decode those as UTF-8.

Source: PEP 3333
"""

from __future__ import annotations

import sys
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from ..codecs.http.messages import Request
from ..codecs.http.proxies import TrustedProxies
from .connection import Connection, forwarded, path_of

_PORTS: Final = {"http": "80", "https": "443"}


def make_environ(
    request: Request, connection: Connection, root_path: str, proxies: TrustedProxies, body: Any, file_wrapper: Any
) -> dict[str, Any]:
    """Describe a request.  ``body`` becomes ``wsgi.input``."""
    path, _, query = request.raw_target.partition(b"?")
    if path[:1] != b"/":
        path = path_of(path)
    client, scheme = connection.client, connection.scheme
    if connection.trusted:
        client, scheme = forwarded(request, client, scheme, proxies)
    name, port = _server_of(connection, scheme)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": root_path.encode("utf-8").decode("latin-1"),
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,  # reading it to its end is safe, also where nobody has said how long it is
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": file_wrapper,
    }
    if client is not None:
        environ["REMOTE_ADDR"] = client[0]
        environ["REMOTE_PORT"] = str(client[1])
    for key, value in request.headers.raw:
        _add_header(environ, key, value)
    return environ


def _add_header(environ: dict[str, Any], key: bytes, value: bytes) -> None:
    if b"_" in key:
        # X_Real_IP would look like X-Real-IP here.  A proxy that removes the one that it knows lets the other through.
        return
    name = key.decode("latin-1").upper().replace("-", "_")
    if name == "PROXY":
        # No client has a reason to send it, and where environ becomes that of a process (CGI), HTTP_PROXY says through
        # whom programs shall speak (CVE-2016-5385 and its kin, "httpoxy").
        return
    text = value.decode("latin-1")
    if name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        environ[name] = text
        return
    name = "HTTP_" + name
    known = environ.get(name)
    if known is None:
        environ[name] = text
    else:
        # RFC 9110 5.2: lines of one name are one list; RFC 6265 4.2.1 has cookies separated by semicolons.
        environ[name] = known + ("; " if name == "HTTP_COOKIE" else ",") + text


def _server_of(connection: Connection, scheme: str) -> tuple[str, str]:
    """Name our end.  "SERVER_NAME and SERVER_PORT … can never be empty strings, and so are always required." """
    server = connection.server
    if server is None or server[1] is None:
        return "localhost", _PORTS[scheme]  # a Unix socket has no port
    return server[0], str(server[1])
