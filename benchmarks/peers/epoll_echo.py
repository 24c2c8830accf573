"""Echo on a bare ``select.epoll``: what the kernel and the interpreter allow when nobody abstracts anything."""

from __future__ import annotations

import argparse
import select
import socket
from typing import Final

_READ_SIZE: Final = 65536  # bytes; above glibc's mmap threshold every recv would also map and unmap memory


def serve(listener: socket.socket) -> None:
    poller = select.epoll()
    poller.register(listener.fileno(), select.EPOLLIN)
    accepting = listener.fileno()
    connections: dict[int, socket.socket] = {}
    unsent: dict[int, bytes] = {}

    def forget(fd: int) -> None:
        unsent.pop(fd, None)
        poller.unregister(fd)
        connections.pop(fd).close()

    while True:
        for fd, events in poller.poll():
            if fd == accepting:
                accept_all(listener, poller, connections)
                continue
            connection = connections[fd]
            try:
                if fd in unsent:
                    # Nothing more is read from a peer that does not take its replies.
                    data = unsent[fd]
                    rest = data[connection.send(data) :]
                    if rest:
                        unsent[fd] = rest
                    else:
                        del unsent[fd]
                        poller.modify(fd, select.EPOLLIN)
                    continue
                data = connection.recv(_READ_SIZE)
                if not data:
                    forget(fd)
                    continue
                sent = connection.send(data)
                if sent < len(data):
                    unsent[fd] = data[sent:]
                    poller.modify(fd, select.EPOLLOUT)
            except BlockingIOError:
                # Only the send can say so: the poller has just reported that there is something to read.
                if events & select.EPOLLIN:
                    unsent[fd] = data
                    poller.modify(fd, select.EPOLLOUT)
            except ConnectionError:
                forget(fd)


def accept_all(listener: socket.socket, poller: select.epoll, connections: dict[int, socket.socket]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[connection.fileno()] = connection
        poller.register(connection.fileno(), select.EPOLLIN)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    listener = socket.create_server(("127.0.0.1", options.parse_args().port), backlog=1024)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    serve(listener)


if __name__ == "__main__":
    main()
