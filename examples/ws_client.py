"""A WebSocket client: sends its arguments, or the lines that you type, and prints what comes.

    python examples/ws_client.py ws://127.0.0.1:9000 hello world
    python examples/ws_client.py ws://127.0.0.1:9000/chat            (Ctrl-D ends it)

The same connection serves both threads: one sends what is typed, the other one prints.
"""

from __future__ import annotations

import argparse
import sys
import threading

from pipeline_net import EventLoopGroup, PipelineNetError
from pipeline_net.codecs import websocket


def ask(ws: websocket.WebSocket, messages: list[str]) -> None:
    """Send messages, and print as many answers."""
    for message in messages:
        ws.send(message)
    for _ in messages:
        print(ws.receive().result(10))


def talk(ws: websocket.WebSocket) -> None:
    """Print what comes while somebody types."""

    def listen() -> None:
        try:
            for message in ws:
                print(message, flush=True)
        except websocket.WebSocketClosedError as exc:
            print(exc, file=sys.stderr)

    listener = threading.Thread(target=listen)
    listener.start()
    for line in sys.stdin:
        ws.send(line.rstrip("\n"))
    ws.close().result(10)
    listener.join()


def main() -> int:
    parser = argparse.ArgumentParser(description="A WebSocket client.")
    parser.add_argument("url", help="ws://… or wss://…")
    parser.add_argument("message", nargs="*", help="what to send; without any, what is typed")
    arguments = parser.parse_args()
    with EventLoopGroup(1) as loops:
        try:
            with websocket.connect(loops, arguments.url).result(10) as ws:
                if arguments.message:
                    ask(ws, arguments.message)
                else:
                    talk(ws)
        except websocket.HandshakeError as exc:
            print(f"{exc}\n{exc.body.decode(errors='replace')}", file=sys.stderr)
            return 1
        except (PipelineNetError, TimeoutError) as exc:
            print(exc, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
