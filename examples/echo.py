"""Echo: everything that arrives goes back.  The smallest server there is.

    python examples/echo.py
    nc 127.0.0.1 9000

``--address udp://127.0.0.1:9000`` and ``--address unix:///tmp/echo`` work as well: the handler does not care.
"""

from __future__ import annotations

import argparse

from pipeline_net import Conn, EventHandler, serve


class Echo(EventHandler):
    def react(self, conn: Conn) -> bytes:
        return conn.read()  # everything that has arrived


def main() -> None:
    parser = argparse.ArgumentParser(description="Echo.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    arguments = parser.parse_args()
    serve(
        Echo(),
        arguments.address,
        loops=arguments.loops,
        ready=lambda server: print("listening on", *server.addresses, flush=True),
    )


if __name__ == "__main__":
    main()
