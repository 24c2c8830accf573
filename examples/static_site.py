"""A static site: a folder over HTTP, with conditions, ranges, listings and compression.

python examples/static_site.py
python examples/static_site.py --folder /usr/share/doc
curl -i --compressed http://127.0.0.1:9000/
curl -i -r 0-9 http://127.0.0.1:9000/style.css
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pipeline_net import Channel, EventLoopGroup, ServerBootstrap, Stack
from pipeline_net.codecs import http

_SITE = Path(__file__).parent / "static_site_files"


def main() -> None:
    parser = argparse.ArgumentParser(description="A static site.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    parser.add_argument("--folder", default=_SITE, help="what to serve (the files beside this one)")
    arguments = parser.parse_args()

    def pipeline(channel: Channel) -> Stack[Any, Any, Any, Any]:
        files = http.StaticFiles(arguments.folder, listing=True, cache_control="max-age=60")
        return http.server_stack() >> http.ContentCompression() >> files

    with EventLoopGroup(arguments.loops) as loops:
        server = ServerBootstrap(loops, initializer=pipeline).bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
