"""Server-sent events: a page that shows a clock, and a counter that anybody may push; it comes back by itself.

    python examples/server_sent_events.py
    curl -N http://127.0.0.1:9000/events
    curl -X POST http://127.0.0.1:9000/pushes

and http://127.0.0.1:9000/ in a browser, twice.  Stop the server and start it again: the pages go on.
"""

from __future__ import annotations

import argparse
import time
from typing import Final

from pipeline_net import EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http

_HTML: Final = http.Headers({"content-type": "text/html; charset=utf-8", "cache-control": "no-cache"})
_PAGE: Final = b"""<!DOCTYPE html>
<title>Events</title>
<h1 id="clock">...</h1>
<button onclick="fetch('/pushes', {method: 'POST'})">Push</button>
<ol id="pushes"></ol>
<script>
    const events = new EventSource("/events");
    events.addEventListener("tick", event => document.getElementById("clock").textContent = event.data);
    events.addEventListener("push", event => {
        const line = document.createElement("li");
        line.textContent = event.data;
        document.getElementById("pushes").append(line);
    });
</script>
"""


class Site:
    """The page, what it listens to, and the button."""

    def __init__(self) -> None:
        self.ticks = http.EventBroadcast()
        self.pushes = http.EventBroadcast(history=100)  # a page that was away gets those that it has missed
        self.pushed = 0
        self.router = http.Router()
        self.router.add("GET", "/", self.page)
        self.router.add("GET", "/events", self.listen)
        self.router.add("POST", "/pushes", self.push)
        self.router.add("DELETE", "/listeners", self.hang_up)

    def page(self, request: http.FullRequest) -> http.FullResponse:
        return http.FullResponse(200, _HTML, _PAGE)

    def listen(self, request: http.FullRequest) -> http.EventStream:
        stream = http.EventStream(request, retry=500)
        self.ticks.add(stream)
        return self.pushes.add(stream)

    def push(self, request: http.FullRequest) -> http.FullResponse:
        self.pushed += 1
        self.pushes.send(f"push number {self.pushed}", event="push", id=str(self.pushed))
        return http.FullResponse(204)

    def hang_up(self, request: http.FullRequest) -> http.FullResponse:
        """End all streams, as a proxy in between or a restart would."""
        self.pushes.close()
        return http.FullResponse(204)

    def tick(self) -> None:
        self.ticks.send(time.strftime("%H:%M:%S"), event="tick")


def main() -> None:
    parser = argparse.ArgumentParser(description="A page that is told what happens.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, choices=[1], help="one: it counts the pushes")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two ticks (%(default)s)")
    arguments = parser.parse_args()
    site = Site()
    with EventLoopGroup(arguments.loops) as loops:
        bootstrap = ServerBootstrap(
            loops, initializer=lambda channel: http.server_stack() >> http.RequestAggregator() >> site.router
        )
        server = bootstrap.bind(arguments.address)
        loops.next().schedule_every(arguments.interval, site.tick)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
