"""WebSocket echo servers of others, as their documentation makes them quick.

``websockets`` is its asyncio server, without compression and pings; ``picows`` a listener that sends the text of each
frame back.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import uvloop


async def websockets(port: int) -> None:
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed

    async def echo(connection: ServerConnection) -> None:
        try:
            async for message in connection:
                await connection.send(message)
        except ConnectionClosed:
            return  # the load generator says no Close

    async with serve(
        echo, "127.0.0.1", port, compression=None, ping_interval=None, max_size=None, server_header=None
    ) as server:
        await _say_port(server)


async def picows(port: int) -> None:
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

    class Echo(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.TEXT:
                # through str, as with the others: that is what an application reads
                transport.send(WSMsgType.TEXT, frame.get_payload_as_utf8_text().encode())
            elif frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()

    def listener(request: WSUpgradeRequest) -> Echo:
        return Echo()

    await _say_port(await ws_create_server(listener, "127.0.0.1", port, enable_auto_ping=False))


async def _say_port(server: Any) -> None:
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.wait_closed()


_SERVERS: Final[dict[str, Callable[[int], Coroutine[Any, Any, None]]]] = {"websockets": websockets, "picows": picows}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", choices=sorted(_SERVERS), required=True)
    options.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    loop_factory = uvloop.new_event_loop if chosen.loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_SERVERS[chosen.server](chosen.port))


if __name__ == "__main__":
    main()
