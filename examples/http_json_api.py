"""HTTP JSON API: notes that can be listed, read, written and deleted; functions that a router calls.

    python examples/http_json_api.py
    curl -i http://127.0.0.1:9000/notes -d '{"text": "buy milk"}'
    curl http://127.0.0.1:9000/notes
    curl -X DELETE -i http://127.0.0.1:9000/notes/1

``GET /slow`` stands for work that blocks, such as a query of a database: it runs on a pool, and other connections do
not wait for it.  With ``--access-log FILE`` each request leaves a line there.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import ExitStack
from typing import Any, Final

from pipeline_net import Channel, EventLoopGroup, ServerBootstrap, Stack
from pipeline_net.codecs import http

_MAX_NOTES: Final = 1000


def json_error(request: http.Request, error: http.HttpError) -> http.FullResponse:
    return http.json_response({"error": error.message}, error.status, error.headers)


def make_api() -> http.Router:
    """What the API is about; one loop alone changes it, or two would need a lock."""
    notes: dict[int, dict[str, Any]] = {}
    last = 0
    api = http.Router(render_error=json_error)

    @api.get("/notes")
    def list_all(request: http.FullRequest) -> http.FullResponse:
        return http.json_response(list(notes.values()))

    @api.post("/notes")
    def create(request: http.FullRequest) -> http.FullResponse:
        nonlocal last
        try:
            sent = json.loads(request.body)
        except (ValueError, RecursionError):
            sent = None
        if not isinstance(sent, dict) or not isinstance(sent.get("text"), str):
            raise http.HttpError(400, 'expected a JSON object with a "text"')
        if len(notes) >= _MAX_NOTES:
            raise http.HttpError(507, f"{_MAX_NOTES} notes are enough")
        last += 1
        note = notes[last] = {"id": last, "text": sent["text"]}
        return http.json_response(note, 201, {"location": f"/notes/{last}"})

    @api.get("/notes/{number:int}")
    def read(request: http.FullRequest, number: int) -> http.FullResponse:
        if number not in notes:
            raise http.HttpError(404, f"there is no note {number}")
        return http.json_response(notes[number])

    @api.delete("/notes/{number:int}")
    def delete(request: http.FullRequest, number: int) -> http.FullResponse:
        if notes.pop(number, None) is None:
            raise http.HttpError(404, f"there is no note {number}")
        return http.FullResponse(204)

    @api.get("/slow", blocking=True)
    def slow(request: http.FullRequest) -> http.FullResponse:
        time.sleep(0.1)
        return http.json_response({"slept": 0.1})

    return api


def main() -> None:
    parser = argparse.ArgumentParser(description="A JSON API.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, choices=[1], help="one: the notes have no lock")
    parser.add_argument("--access-log", metavar="FILE", help="write a line there for each request")
    arguments = parser.parse_args()
    api = make_api()
    with ExitStack() as resources:
        log = resources.enter_context(http.AccessLogFile(arguments.access_log)) if arguments.access_log else None
        loops = resources.enter_context(EventLoopGroup(arguments.loops))

        def stages(channel: Channel) -> Stack[Any, Any, Any, Any]:
            stack = http.server_stack()
            if log is not None:
                stack = stack >> http.AccessLog(log)
            return stack >> http.RequestAggregator(64 * 1024) >> api

        server = ServerBootstrap(loops, initializer=stages).bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
