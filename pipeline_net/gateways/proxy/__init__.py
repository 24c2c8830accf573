"""A reverse proxy made of stages: HTTP in front, HTTP behind, on the same loop, and back-pressure from end to end.

::

    proxy = ReverseProxy("tcp://10.0.0.5:8080")
    ServerBootstrap(loops, initializer=lambda channel: proxy_stack(proxy)).bind("tcp://:80")

    handler      ProxyHandler, proxy_stack(): the stage in front
    exchange     one request and its response, between two connections
    origins      connections to the servers behind, and those that are kept
    forwarding   which headers go on, and which are added
    tunnel       after a 101: bytes, both ways
    options      ProxyOptions
"""

from __future__ import annotations

from .handler import ProxyHandler, ReverseProxy, proxy_stack
from .options import ProxyOptions
from .tunnel import Tunnel, join

__all__ = ["ProxyHandler", "ProxyOptions", "ReverseProxy", "Tunnel", "join", "proxy_stack"]
