"""Push: a tick sends the time to everybody who is connected.

    python examples/push_server.py --interval 1
    nc 127.0.0.1 9000

A connection belongs to one loop, and the tick runs on one of them; so it writes with ``async_write``, which is for any
thread.  Whoever is connected just listens; what it sends is dropped.
"""

from __future__ import annotations

import argparse
import time

from pipeline_net import Action, ChannelOptions, Conn, EventHandler, serve
from pipeline_net.server import RunningServer

_MAX_UNREAD = 1024 * 1024  # bytes that wait for somebody who does not read; with more, the connection is closed


class Clock(EventHandler):
    """Counts the ticks, and tells everybody."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._server: RunningServer | None = None
        self._ticks = 0

    def on_init_complete(self, server: RunningServer) -> Action | None:
        self._server = server
        print("listening on", *server.addresses, flush=True)
        return None

    def on_opened(self, conn: Conn) -> bytes:
        return f"a beat every {self._interval:g} s\n".encode()

    def tick(self) -> float:
        assert self._server is not None, "on_init_complete comes before the first tick"
        self._ticks += 1
        for conn in self._server.connections:
            conn.async_write(f"beat {self._ticks} at {time.strftime('%H:%M:%S')}\n".encode())
        return self._interval


def main() -> None:
    parser = argparse.ArgumentParser(description="Tell everybody the time.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two beats (%(default)s)")
    arguments = parser.parse_args()
    options = ChannelOptions(write_buffer_limit=_MAX_UNREAD)
    serve(Clock(arguments.interval), arguments.address, loops=arguments.loops, ticker=True, options=options)


if __name__ == "__main__":
    main()
