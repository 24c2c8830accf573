"""Echo on gevent: a greenlet for each connection, and code that looks as if it blocked."""

from __future__ import annotations

import argparse
import signal
import struct
from collections.abc import Callable
from typing import Any, Final

import gevent
from gevent.server import StreamServer

_READ_SIZE: Final = 65536  # bytes
_MAX_FRAME: Final = 16 * 1024 * 1024  # bytes, as for the framed server of ours
_MAX_LINE: Final = 1024 * 1024  # bytes
_LENGTH: Final = struct.Struct(">I")
_PREFIX: Final = 4  # bytes of the length field


def raw(connection: Any) -> None:
    while data := connection.recv(_READ_SIZE):
        connection.sendall(data)


def framed(connection: Any) -> None:
    """All replies to one read leave in one call; what arrives of an unfinished frame stays in the buffer."""
    buffer = bytearray()
    while data := connection.recv(_READ_SIZE):
        buffer += data
        position = 0
        replies = []
        while len(buffer) - position >= _PREFIX:
            (length,) = _LENGTH.unpack_from(buffer, position)
            if length > _MAX_FRAME:
                return
            end = position + _PREFIX + length
            if end > len(buffer):
                break
            frame = bytes(buffer[position + _PREFIX : end])
            replies.append(_LENGTH.pack(len(frame)))
            replies.append(frame)
            position = end
        del buffer[:position]
        if replies:
            connection.sendall(b"".join(replies))


def line(connection: Any) -> None:
    """As gevent's documentation has it: a file object, and a reply for a line."""
    with connection.makefile("rb") as lines:
        while text := lines.readline(_MAX_LINE):
            connection.sendall(text)


WORKS: Final[dict[str, Callable[[Any], None]]] = {"raw": raw, "framed": framed, "line": line}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--work", choices=sorted(WORKS), required=True)
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    work = WORKS[chosen.work]

    def serve(connection: Any, address: object) -> None:
        try:
            work(connection)
        except ConnectionError:
            pass  # the load generator hung up in the middle: nothing is left to answer

    server = StreamServer(("127.0.0.1", chosen.port), serve, backlog=1024)
    server.init_socket()
    gevent.signal_handler(signal.SIGTERM, server.stop)
    print(server.address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
