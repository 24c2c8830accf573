"""A WebSocket of the websockets package, through the proxy: handshake, messages both ways, the closing handshake."""

from __future__ import annotations

import gc
import threading

from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from .conftest import Place


def _echo(connection: ServerConnection) -> None:
    assert connection.request is not None
    connection.send(connection.request.headers["X-Forwarded-For"])
    for message in connection:
        connection.send(message)


def test_a_websocket_goes_through(place: Place) -> None:
    place.origins[0].settimeout(None)
    with serve(_echo, sock=place.origins[0]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            place.start()
            with connect(f"ws://127.0.0.1:{place.port}/chat", proxy=None) as client:
                assert client.recv() == "127.0.0.1"
                for size in (0, 1, 126, 70_000, 500_000):
                    client.send(b"x" * size)
                    assert client.recv() == b"x" * size
                client.send("é")
                assert client.recv() == "é"
            assert (client.close_code, client.close_reason) == (1000, "")
        finally:
            server.shutdown()
            thread.join(10)
            gc.collect()  # its selector, which nobody closes, is part of a cycle
