"""HTTP JSON API: notes that can be listed, read, written and deleted; handlers that answer later, from a pool.

    python examples/http_json_api.py
    curl -i http://127.0.0.1:9000/notes -d '{"text": "buy milk"}'
    curl http://127.0.0.1:9000/notes
    curl -X DELETE -i http://127.0.0.1:9000/notes/1

``GET /slow`` stands for work that blocks, such as a query of a database: it runs on a pool, and other connections do
not wait for it.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any, Final, Never

from pipeline_net import ChannelFuture, ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http

_JSON: Final = http.Headers({"content-type": "application/json"})
_MAX_NOTES: Final = 1000

Context = ChannelHandlerContext[Never, http.FullResponse]


def answer(status: int, value: Any) -> http.FullResponse:
    return http.FullResponse(status, _JSON, json.dumps(value).encode() + b"\n")


class Notes:
    """What the API is about; one loop alone changes it, or two would need a lock."""

    def __init__(self) -> None:
        self._notes: dict[int, dict[str, Any]] = {}
        self._last = 0

    def respond(self, request: http.FullRequest) -> http.FullResponse:
        collection, _, number = request.path.removeprefix("/").partition("/")
        if collection != "notes":
            return answer(404, {"error": "there is only /notes"})
        if not number:
            return self._all(request)
        key = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
        if key not in self._notes:
            return answer(404, {"error": f"there is no note {number}"})
        if request.method in ("GET", "HEAD"):
            return answer(200, self._notes[key])
        if request.method == "DELETE":
            del self._notes[key]
            return http.FullResponse(204)
        return http.FullResponse(405, {"allow": "GET, HEAD, DELETE"})

    def _all(self, request: http.FullRequest) -> http.FullResponse:
        if request.method in ("GET", "HEAD"):
            return answer(200, list(self._notes.values()))
        if request.method != "POST":
            return http.FullResponse(405, {"allow": "GET, HEAD, POST"})
        try:
            sent = json.loads(request.body)
        except (ValueError, RecursionError):
            sent = None
        if not isinstance(sent, dict) or not isinstance(sent.get("text"), str):
            return answer(400, {"error": 'expected a JSON object with a "text"'})
        if len(self._notes) >= _MAX_NOTES:
            return answer(507, {"error": f"{_MAX_NOTES} notes are enough"})
        self._last += 1
        note = self._notes[self._last] = {"id": self._last, "text": sent["text"]}
        headers = {"content-type": "application/json", "location": f"/notes/{self._last}"}
        return http.FullResponse(201, headers, json.dumps(note).encode() + b"\n")


def work_that_blocks() -> dict[str, Any]:
    time.sleep(0.1)
    return {"slept": 0.1}


class Api(ChannelInboundHandler[http.FullRequest, Never, http.FullResponse]):
    """Answers at once what takes no time, and later what does; the responses leave in the order of the requests."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def channel_read(self, ctx: Context, msg: http.FullRequest) -> None:
        if msg.path != "/slow":
            ctx.write(self._notes.respond(msg))
            return

        def done(future: ChannelFuture[dict[str, Any]]) -> None:
            ctx.write(answer(200, future.result()))

        ctx.loop.run_blocking(work_that_blocks).add_done_callback(done)


def main() -> None:
    parser = argparse.ArgumentParser(description="A JSON API.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, choices=[1], help="one: the notes have no lock")
    arguments = parser.parse_args()
    notes = Notes()
    with EventLoopGroup(arguments.loops) as loops:
        bootstrap = ServerBootstrap(
            loops,
            initializer=lambda channel: http.server_stack() >> http.RequestAggregator(64 * 1024) >> Api(notes),
        )
        server = bootstrap.bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
