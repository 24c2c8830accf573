"""A reverse proxy: what clients ask, another server answers, and a slow one of them slows the other.

    python examples/http_hello.py --address tcp://127.0.0.1:9001
    python examples/reverse_proxy.py tcp://127.0.0.1:9001

Try it with ``curl -i http://127.0.0.1:9000/``.  Several origins get their turns.
"""

from __future__ import annotations

import argparse

from pipeline_net import EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http
from pipeline_net.codecs.http.proxies import TrustedProxies
from pipeline_net.gateways.proxy import ProxyHandler, ProxyOptions, ReverseProxy


def main() -> None:
    parser = argparse.ArgumentParser(description="A reverse proxy.")
    parser.add_argument("origins", nargs="*", default=["tcp://127.0.0.1:9001"], help="who answers (%(default)s)")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    parser.add_argument("--trusted", default="", help="proxies in front whose X-Forwarded-… are believed")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for an origin to answer (%(default)s)")
    chosen = parser.parse_args()

    options = ProxyOptions(proxies=TrustedProxies(chosen.trusted), timeout=chosen.timeout)
    proxy = ReverseProxy(*chosen.origins, options=options)
    limits = http.Limits(max_body=1 << 30)  # of an upload, which is never in memory as a whole
    with EventLoopGroup(chosen.loops) as loops:
        bootstrap = ServerBootstrap(
            loops,
            # The origin says 100 Continue, not we.
            initializer=lambda channel: http.server_stack(limits=limits, auto_continue=False) >> ProxyHandler(proxy),
        )
        server = bootstrap.bind(chosen.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
